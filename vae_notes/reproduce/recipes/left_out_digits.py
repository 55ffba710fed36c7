"""One digit plays the anomaly: how well do seven scores find it, with a model of the other nine?

Held-out images of the nine are normal, all images of the tenth are anomalous. Every score is larger for what looks
less normal; each is judged by its area under the ROC curve, with the ends of a 95 % interval.
"""

import torch

from vae_notes import bounds, data, divergences, likelihoods, models, training
from vae_notes.anomaly import auc_with_interval
from vae_notes.autoencoder import Autoencoder
from vae_notes.reproduce.recipe import Recipe

HIDDEN_DIM, Z_DIM, SAMPLES = 128, 8, 50


def run(variant: dict, seed: int, epochs: int, device: str) -> dict:
    digits, left_out = data.load("digits"), variant["digit"]
    train = digits.train[digits.train_labels != left_out]
    normal = digits.test[digits.test_labels != left_out]
    anomalous = torch.cat(
        [digits.train[digits.train_labels == left_out], digits.test[digits.test_labels == left_out]]
    )
    torch.manual_seed(seed)
    vae = models.VAE(*_networks(), likelihoods.NormalLikelihood(0.25, learn_scale=True))
    plain = Autoencoder(*_networks(), likelihoods.NormalLikelihood(0.25))
    for model in (vae, plain):
        options = {"epochs": epochs, "learning_rate": 2e-3, "seed": seed, "device": device}
        training.fit(model, train, **options, progress=False)
        model.to("cpu")
    with torch.no_grad():
        scores = [_scores(vae, plain, train, x, seed) for x in (normal, anomalous)]
    areas = {name: auc_with_interval(scores[0][name], scores[1][name]) for name in scores[0]}
    return {name: [round(value, 4) for value in area] for name, area in areas.items()}


def _networks():
    return models.Encoder(64, HIDDEN_DIM, Z_DIM), models.Decoder(Z_DIM, HIDDEN_DIM, 64)


def _scores(vae, plain, train, x, seed) -> dict[str, torch.Tensor]:
    log_w = vae.log_weights(x, SAMPLES, torch.Generator().manual_seed(seed))
    mean, directions = train.mean(0), torch.linalg.svd(train - train.mean(0), full_matrices=False).Vh[:Z_DIM]
    inside = (x - mean) @ directions.T @ directions
    return {
        "squared error": (x - vae.reconstruct(x)).square().sum(-1),
        "minus ELBO": -log_w.mean(0),
        "minus bound, K = 50": -bounds.importance_weighted_bound(log_w),
        "KL of the code": divergences.kl_normal_standard(*vae.encode(x)),
        "autoencoder, squared error": (x - plain.reconstruct(x)).square().sum(-1),
        "8 principal components": (x - mean - inside).square().sum(-1),
        "distance to 5th neighbour": torch.cdist(x, train).topk(5, largest=False).values[:, -1].contiguous(),
    }


RECIPE = Recipe(
    title="Anomaly scores on digits: each digit in turn is left out of the training",
    run=run,
    variants={f"without {digit}": {"digit": digit} for digit in range(10)},
    epochs=60,
    seeds=3,
)
