"""Does a model of one set of images give images of another set a lower likelihood? (Nalisnick et al., 2019)

Each variant trains on 20,000 images of one set and scores 1,000 held-out images of both sets. All images are 28 by
28; "grey" has 256 levels, "binary" is one draw of coin flips for each image. Scores are larger for what looks
less normal. A score works if its area under the ROC curve is near 1; below 1/2 it prefers the other set.
"""

import math
import zlib

import numpy as np
import torch

from vae_notes import data, likelihoods, models, training
from vae_notes.anomaly import auc_with_interval
from vae_notes.bounds import importance_weighted_bound_in_chunks
from vae_notes.reproduce.recipe import Recipe

TRAINING_IMAGES, SCORED_IMAGES, SAMPLES = 20_000, 1_000, 50
X_DIM, HIDDEN_DIM, Z_DIM = 784, 400, 20
SHARES = np.linspace(0, 1, 41)  # of the quantiles that a figure is drawn from


def run(variant: dict, seed: int, epochs: int, device: str) -> dict:
    normal, other = data.load(variant["train"]), data.load(variant["other"])
    noise = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    model = _model(variant["target"])
    coins = None if variant["target"] == "grey" else _coins
    chosen = torch.randperm(len(normal.train), generator=noise)[:TRAINING_IMAGES]
    options = {"epochs": epochs, "seed": seed, "transform": coins, "device": device, "progress": False}
    training.fit(model, normal.train[chosen], **options)
    scores, bounds = {}, {}
    for name, images in (("normal", normal.test), ("other", other.test)):
        rows = torch.randperm(len(images), generator=noise)[:SCORED_IMAGES]
        x = images[rows] if coins is None else coins(images[rows], noise)
        bounds[name], scores[name] = _scores(model, x.to(device), seed)
    middle = bounds["normal"].median()
    for name, bound in bounds.items():
        scores[name]["atypical"] = (bound - middle).abs()
    blank = _scores(model, torch.zeros(1, X_DIM, device=device), seed)[0]
    results = {
        f"auc_{score}": round(auc_with_interval(scores["normal"][score], scores["other"][score])[0], 4)
        for score in scores["normal"]
    }
    for name, bound in bounds.items():
        results[f"bits_per_dim_{name}"] = round(-bound.mean().item() / X_DIM / math.log(2), 4)
        results[f"quantiles_{name}"] = np.quantile(bound.numpy(), SHARES).round(1).tolist()
    return results | {"below_blank": round((bounds["normal"] < blank).float().mean().item(), 4)}


def _model(target: str) -> models.VAE:
    grey = target == "grey"
    likelihood = likelihoods.DiscretizedLogisticLikelihood(256) if grey else likelihoods.BernoulliLikelihood()
    return models.VAE(
        models.Encoder(X_DIM, HIDDEN_DIM, Z_DIM), models.Decoder(Z_DIM, HIDDEN_DIM, X_DIM), likelihood
    )


def _coins(x, generator):
    return data.binarize(x, "dynamic", generator=generator)


@torch.no_grad()
def _scores(model, x, seed) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The importance-weighted bound in nats, (N,), and each score, (N,), on the CPU."""
    noise = torch.Generator(x.device).manual_seed(seed)
    parts = model.loss(x, noise)
    bound = importance_weighted_bound_in_chunks(
        model.log_weights, x, SAMPLES, generator=noise, progress=False
    )
    mean = torch.cat([model.reconstruct(rows) for rows in x.split(20)])  # 20: a mean of 256 levels is large
    scores = {
        "squared_error": (x - mean).square().sum(-1),
        "reconstruction": -parts["reconstruction"],
        "kl": parts["kl"],
        "elbo": -parts["elbo"],
        "bound": -bound,
        "bound_less_complexity": -bound - _zipped_nats(x.cpu()).to(bound),
    }
    return bound.cpu(), {name: score.cpu() for name, score in scores.items()}


def _zipped_nats(x: torch.Tensor) -> torch.Tensor:
    """How long a general-purpose compressor writes each image, (N,), in nats: its complexity."""
    levels = (x * 255).round().to(torch.uint8).numpy()
    binary = np.isin(levels, (0, 255)).all()
    rows = np.packbits(levels > 0, axis=1) if binary else levels
    return torch.tensor([len(zlib.compress(row.tobytes(), 9)) * 8 * math.log(2) for row in rows])


RECIPE = Recipe(
    title="Likelihood of another data set: Fashion-MNIST and MNIST, both ways, grey and binary",
    run=run,
    variants={
        f"{train}, {target}": {"train": train, "other": other, "target": target}
        for train, other in (("fashion_mnist", "mnist"), ("mnist", "fashion_mnist"))
        for target in ("grey", "binary")
    },
    epochs=12,
    seeds=3,
    datasets=("fashion_mnist", "mnist"),
)
