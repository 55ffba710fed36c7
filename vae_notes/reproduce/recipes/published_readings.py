"""One model of 784-512-32 units, trained on grey pixels as the source documents do, and read in four ways."""

import torch

from vae_notes import data, training
from vae_notes.likelihoods import BernoulliLikelihood
from vae_notes.models import VAE, Decoder, Encoder
from vae_notes.reproduce.recipe import Recipe
from vae_notes.reproduce.rows import coin_flips, measure

SAMPLES, IMAGES = 500, 2000  # for each reading


@torch.no_grad()
def grey_elbo(model, x, draws=20):
    """The average over images of the usual loss on grey pixels, with its sign turned, and its standard error."""
    generator = torch.Generator(x.device).manual_seed(0)
    values = sum(model.loss(x, generator)["elbo"].double() for _ in range(draws)) / draws
    return values.mean().item(), values.std().item() / len(x) ** 0.5


def run(variant, seed, epochs, device, folder):
    images = data.load("mnist")
    torch.manual_seed(seed)
    model = VAE(Encoder(784, 512, 32), Decoder(32, 512, 784), BernoulliLikelihood(soft_targets=True))
    history = training.fit(
        model, images.train, epochs=epochs, batch_size=128, transform=coin_flips if variant["coins"] else None,
        seed=seed, device=device, checkpoint=folder / "model.pt",
    )  # fmt: skip
    grey = images.test[:IMAGES].to(device)
    found = dict(zip(("grey elbo", "grey error"), grey_elbo(model, grey), strict=True))
    flipped = coin_flips(images.test[:IMAGES], torch.Generator().manual_seed(0)).to(device)
    for name, x in (("dynamic", flipped), ("threshold", data.binarize(grey, "threshold"))):
        found |= {f"{name} {key}": value for key, value in measure(model, x, SAMPLES).items()}
    return found | {"objective": (-history["loss"]).round(4).tolist(), "seconds": history.seconds.sum()}


RECIPE = Recipe(
    title="one trained model, read in four ways",
    run=run,
    variants={"trained on grey pixels": {"coins": False}, "trained on coin flips": {"coins": True}},
    epochs=10,
    seeds=1,
    datasets=("mnist",),
    goes_on=True,
)
