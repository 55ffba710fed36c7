"""Categorical VAEs on binary digits: which estimator of the encoder's gradient, and which temperature.

The codes of the small models (2 variables of 10 classes) are enumerated, so that the ELBO reported here is that
of the discrete model without sampling error, whatever the model was trained with.
"""

import itertools
import math

import torch

from vae_notes import data, training
from vae_notes.categorical_vae import CategoricalVAE
from vae_notes.densities import bernoulli_log_prob
from vae_notes.relaxed_categorical import (
    relaxed_categorical_log_prob,
    sample_log_relaxed_categorical,
    sample_relaxed_categorical,
)
from vae_notes.reproduce.recipe import Recipe

HIDDEN_DIM, N_CLASSES, LEARNING_RATE, BATCH_SIZE, DRAWS = 128, 10, 3e-3, 128, 50
LAST_TEMPERATURE = 0.01  # of an annealed run without a floor


def run(variant: dict, seed: int, epochs: int, device: str) -> dict:
    digits = data.load("digits")
    train, test = (data.binarize(x, "fixed") for x in (digits.train, digits.test))
    torch.manual_seed(seed)
    model = CategoricalVAE(
        train.shape[1],
        HIDDEN_DIM,
        variant.get("n_variables", 2),
        N_CLASSES,
        temperature=variant.get("temperature", 1.0),
        hard=variant["how"] == "straight-through",
    )
    steps = epochs * math.ceil(len(train) / BATCH_SIZE)
    training.fit(
        model,
        train,
        epochs=epochs,
        batch_size=BATCH_SIZE,
        learning_rate=LEARNING_RATE,
        seed=seed,
        loss=_loss(model, variant, steps),
        device=device,
        progress=False,
    )
    model.to("cpu")
    with torch.no_grad():
        return _measures(model, test, seed)


def _loss(model: CategoricalVAE, variant: dict, steps: int):
    step, how = itertools.count(), variant["how"]

    def loss(x, generator):
        if "floor" in variant:
            model.temperature = max(variant["floor"], LAST_TEMPERATURE ** (next(step) / steps))
        if how == "exact":
            elbo = model.elbo(x)
            return {"loss": -elbo, "elbo": elbo}
        if how == "score function":
            return _score_function(model, x, generator)
        if how == "relaxed bound":
            return _relaxed_bound(model, x, generator)
        parts = model.loss(x, generator)
        return parts | {"loss": -parts["reconstruction"]} if how == "no KL" else parts

    return loss


def _score_function(model, x, generator):
    logits = model.encode(x)
    z = sample_relaxed_categorical(logits.detach(), 1.0, hard=True, generator=generator)
    reconstruction = bernoulli_log_prob(x, model.decode(z))
    log_q_z_given_x = (z * logits.log_softmax(-1)).sum((-2, -1))
    # Baseline: the mean over the other data of the batch.
    height = (reconstruction - reconstruction.mean()).detach() * len(x) / max(len(x) - 1, 1)
    elbo = reconstruction - model.kl(logits)
    return {"loss": -elbo - height * log_q_z_given_x, "elbo": elbo}


def _relaxed_bound(model, x, generator):
    logits, temperature = model.encode(x), model.temperature
    log_y = sample_log_relaxed_categorical(logits, temperature, generator=generator)
    log_q = relaxed_categorical_log_prob(log_y, logits, temperature)
    log_p = relaxed_categorical_log_prob(log_y, torch.zeros_like(logits), temperature)
    elbo = bernoulli_log_prob(x, model.decode(log_y.exp())) + log_p - log_q
    return {"loss": -elbo, "elbo": elbo}


def _measures(model, x, seed) -> dict:
    generator = torch.Generator().manual_seed(seed)
    logits = model.encode(x)
    soft = sample_relaxed_categorical(logits, model.temperature, n_samples=DRAWS, generator=generator)
    hard = sample_relaxed_categorical(logits, 1.0, hard=True, n_samples=DRAWS, generator=generator)
    kl = model.kl(logits).mean().item()
    results = {
        "soft_objective": bernoulli_log_prob(x, model.decode(soft)).mean().item() - kl,
        "elbo": bernoulli_log_prob(x, model.decode(hard)).mean().item() - kl,
        "kl": kl,
    }
    if model.n_variables == 2:  # few codes: no sampling error
        results["elbo"] = model.elbo(x).mean().item()
        results["log_evidence"] = model.log_evidence(x).mean().item()
    return results


TEMPERATURES = (2.0, 1.0, 0.5, 0.1, 0.02)
RECIPE = Recipe(
    title="categorical VAEs: estimators of the gradient, temperatures, annealing, and the KL",
    run=run,
    variants={
        "exact": {"how": "exact"},
        "score function": {"how": "score function"},
        **{f"soft {t:g}": {"how": "soft", "temperature": t} for t in TEMPERATURES},
        "soft, annealed to 0.3": {"how": "soft", "floor": 0.3},
        "soft, no floor": {"how": "soft", "floor": 0.0},
        **{f"hard {t:g}": {"how": "straight-through", "temperature": t} for t in TEMPERATURES},
        "hard, annealed to 0.3": {"how": "straight-through", "floor": 0.3},
        "relaxed bound 0.5": {"how": "relaxed bound", "temperature": 0.5},
        "no KL": {"how": "no KL", "temperature": 0.5},
        "6 x 10 soft": {"how": "soft", "floor": 0.3, "n_variables": 6},
        "6 x 10 hard": {"how": "straight-through", "temperature": 1.0, "n_variables": 6},
    },
    epochs=100,
    seeds=5,
)
