"""Rate and distortion of VAEs on binary digits, as the weight beta of the KL moves along the curve.

Pixels are thresholded, so that the distortion is a code length: both axes are in nats, and their sum is -ELBO.
"""

import torch

from vae_notes import data, training
from vae_notes.information import elbo_surgery
from vae_notes.likelihoods import BernoulliLikelihood
from vae_notes.models import VAE, Decoder, Encoder
from vae_notes.reparameterization import sample_normal
from vae_notes.reproduce.recipe import Recipe

HIDDEN_DIM, Z_DIM, LEARNING_RATE, BATCH_SIZE, DRAWS = 128, 8, 2e-3, 128, 50
BETAS = (0.03, 0.1, 0.3, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)


def run(variant: dict, seed: int, epochs: int, device: str) -> dict:
    digits = data.load("digits")
    train, test = (data.binarize(x, "threshold") for x in (digits.train, digits.test))
    torch.manual_seed(seed)
    encoder, decoder = Encoder(64, HIDDEN_DIM, Z_DIM), Decoder(Z_DIM, HIDDEN_DIM, 64)
    model = VAE(encoder, decoder, BernoulliLikelihood(), beta=variant["beta"])
    training.fit(
        model,
        train,
        epochs=epochs,
        batch_size=BATCH_SIZE,
        learning_rate=LEARNING_RATE,
        seed=seed,
        device=device,
        progress=False,
    )
    model.to("cpu")
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        results = {}
        for name, x in (("train", train), ("test", test)):
            loc, log_variance = model.encode(x)
            z = sample_normal(loc, log_variance, n_samples=DRAWS, generator=generator)
            results[f"{name}_distortion"] = -model.likelihood.log_prob(x, model.decode(z)).mean().item()
            parts = elbo_surgery(loc, log_variance, n_samples=4, generator=generator)
            results[f"{name}_rate"] = parts.kl
            results[f"{name}_information"] = parts.mutual_information
            results[f"{name}_aggregate_kl"] = parts.aggregate_kl
    return results


RECIPE = Recipe(
    title="the rate-distortion curve of binary digits, traced over beta",
    run=run,
    variants={f"beta {beta:g}": {"beta": beta} for beta in BETAS},
    epochs=150,
    seeds=5,
)
