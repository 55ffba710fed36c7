"""Posterior collapse: what each remedy does, setting by setting.

- ``fixed variance``: digits, a normal decoder with variance 1. The optimum itself is collapsed.
- ``deep decoder``: digits, a decoder of six hidden ReLU layers as PyTorch initialises it. Training gets stuck.
- ``strings``: strings that repeat their last symbol four times in five, a decoder that sees the last symbols.
- ``digits with context``: digits, a decoder that sees the last pixels, or all before; nothing is remedied here.

All numbers are for held-out data. The ELBO is the true one, whatever was minimised.
"""

import math
from itertools import pairwise

import torch
from torch import nn

from vae_notes import bounds, data, likelihoods, models, schedules, training
from vae_notes.autoregressive import AutoregressiveBernoulliLikelihood
from vae_notes.collapse import active_units, kl_per_dim
from vae_notes.free_bits import FreeBits
from vae_notes.information import elbo_surgery
from vae_notes.reproduce.recipe import Recipe

BATCH, INNER, AGGRESSIVE = 128, 4, 0.25
LENGTH, STAY = 16, 0.8  # of the strings
RATES = {"fixed variance": 5e-3, "deep decoder": 2e-3, "strings": 1e-2, "digits with context": 2e-3}


class DeepDecoder(nn.Module):
    """Six hidden ReLU layers: as PyTorch initialises them, or as He et al. (2015) would."""

    def __init__(self, z_dim, hidden_dim, output_dim, layers=6, kaiming=False):
        super().__init__()
        self.z_dim, self.output_dim = z_dim, output_dim
        widths = [z_dim] + [hidden_dim] * layers
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.output = nn.Linear(hidden_dim, output_dim)
        for layer in self.hidden if kaiming else ():
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)

    def forward(self, z):
        for layer in self.hidden:
            z = torch.relu(layer(z))
        return self.output(z)


class EncoderFirst(nn.Module):
    """At first the decoder learns at every fifth step only; the encoder learns at every step."""

    def __init__(self, vae, steps):
        super().__init__()
        self.vae, self.steps, self.step = vae, steps, 0

    def loss(self, x, generator=None):
        if self.training:
            both = self.step >= self.steps or self.step % (INNER + 1) == INNER
            for parameter in [*self.vae.decoder.parameters(), *self.vae.likelihood.parameters()]:
                parameter.requires_grad_(both)  # without a gradient AdamW passes it by
            self.step += 1
        return self.vae.loss(x, generator)


def sticky_strings(n, generator):
    """n strings of fair coins that repeat the symbol before with probability STAY: (n, LENGTH)."""
    where = dict(generator=generator, device=None if generator is None else generator.device)
    changes = torch.rand(n, LENGTH, **where) < 1 - STAY
    changes[:, 0] = torch.rand(n, **where) < 0.5
    return (changes.cumsum(1) % 2).float()


def sticky_log_prob(x):
    """Their exact log probability, in nats: (n,)."""
    stays = (x[:, 1:] == x[:, :-1]).float()
    return math.log(0.5) + (stays * math.log(STAY) + (1 - stays) * math.log(1 - STAY)).sum(1)


def coin_flips(x, generator=None):
    return data.binarize(x, "dynamic", generator=generator)


def fresh_strings(x, generator=None):
    return sticky_strings(len(x), generator)


def bernoulli(window):
    """The likelihood of binary data whose decoder also sees that many symbols back."""
    return AutoregressiveBernoulliLikelihood(window) if window else likelihoods.BernoulliLikelihood()


def build(variant, seed):
    """The VAE of a variant, training data, held-out data, and the transform of each batch."""
    torch.manual_seed(seed)
    setting, remedy = variant["setting"], variant["remedy"]
    if setting == "strings":
        train, test = sticky_strings(4000, torch.Generator().manual_seed(1)).split(2000)
        symbols = bernoulli(0 if remedy == "no context" else 2)
        vae = models.VAE(models.Encoder(LENGTH, 64, 2), models.Decoder(2, 64, LENGTH), symbols)
        return vae, train, test, fresh_strings
    digits = data.load("digits")
    encoder = models.Encoder(64, 128, 8)
    if setting == "fixed variance":
        normal = likelihoods.NormalLikelihood(1.0, learn_scale=remedy == "learned variance")
        return models.VAE(encoder, models.Decoder(8, 128, 64), normal), digits.train, digits.test, None
    test = coin_flips(digits.test, torch.Generator().manual_seed(1))
    if setting == "deep decoder":
        decoder = DeepDecoder(8, 128, 64, kaiming=remedy == "kaiming")
        return models.VAE(encoder, decoder, bernoulli(0)), digits.train, test, coin_flips
    window = {"no context": 0, "all pixels before": 63}.get(remedy, 16)
    vae = models.VAE(encoder, models.Decoder(8, 128, 64), bernoulli(window))
    return vae, digits.train, test, coin_flips


def treat(vae, remedy, steps):
    """What is trained in place of the VAE, and how many times as many steps it gets."""
    if remedy.startswith("annealing"):
        longer = 4 if remedy.endswith("then long") else 1
        return schedules.Annealed(vae, lambda step: schedules.linear(step, steps * 3 // 4)), longer
    if remedy == "cyclical":
        return schedules.Annealed(vae, lambda step: schedules.cyclical(step, steps * 3 // 4, cycles=3)), 1
    if remedy == "free bits":
        return FreeBits(vae, nats=0.5), 1
    if remedy == "beta 1/4":
        vae.beta = 0.25
    if remedy == "encoder first":  # as many steps of the decoder as the others
        return EncoderFirst(vae, int(AGGRESSIVE * steps * (INNER + 1))), 1 + AGGRESSIVE * INNER
    return vae, 1


def run(variant: dict, seed: int, epochs: int, device: str) -> dict:
    vae, train, test, transform = build(variant, seed)
    steps = math.ceil(len(train) / BATCH) * epochs
    model, longer = treat(vae, variant["remedy"], steps)
    training.fit(
        model, train, epochs=int(epochs * longer), batch_size=BATCH, learning_rate=RATES[variant["setting"]],
        transform=transform, seed=seed, device=device, progress=False,
    )  # fmt: skip
    vae.to("cpu")
    return measure(vae, test)


@torch.no_grad()
def measure(vae, x) -> dict:
    """Held-out averages in nats, and the number of active units."""
    generator = torch.Generator().manual_seed(0)
    loc, log_variance = vae.encode(x)
    elbo = torch.stack([vae.loss(x, generator)["elbo"].mean() for _ in range(20)]).mean()
    nll = -bounds.importance_weighted_bound_in_chunks(
        vae.log_weights, x, 100, generator=generator, progress=False
    ).mean()
    parts = elbo_surgery(loc, log_variance, n_samples=4, generator=generator)
    return {
        "active": int(active_units(loc).sum()),
        "kl": kl_per_dim(loc, log_variance).sum().item(),
        "mutual information": float(parts.mutual_information),
        "elbo": elbo.item(),
        "nll": nll.item(),
    }


REMEDIES = ["none", "annealing", "cyclical", "free bits", "encoder first", "beta 1/4"]
OWN = {"fixed variance": "learned variance", "deep decoder": "kaiming", "strings": "no context"}
VARIANTS = {
    f"{setting}, {remedy}": {"setting": setting, "remedy": remedy}
    for setting, own in OWN.items()
    for remedy in [*REMEDIES, own]
} | {
    f"digits with context, {remedy}": {"setting": "digits with context", "remedy": remedy}
    for remedy in ("none", "no context", "all pixels before")
}
VARIANTS["strings, annealing, then long"] = {"setting": "strings", "remedy": "annealing, then long"}

RECIPE = Recipe(
    title="Posterior collapse: three settings, and what each remedy does to them",
    run=run,
    variants=VARIANTS,
    epochs=80,
    seeds=5,
)
