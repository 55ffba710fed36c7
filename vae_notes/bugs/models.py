"""Small models for 8 x 8 digits with parts that can be replaced, one at a time, by functions with a mistake.

Axes are (N data, D pixels or d latents). Every model takes grey images, draws its binary targets itself, has
``loss`` for training and ``bound``, a true lower bound on log p(x) whatever the parts are.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from vae_notes.categorical import kl_categorical
from vae_notes.categorical_vae import CategoricalVAE
from vae_notes.data import binarize
from vae_notes.densities import bernoulli_log_prob, normal_log_prob, standard_normal_log_prob
from vae_notes.divergences import kl_normal_standard
from vae_notes.likelihoods import BernoulliLikelihood
from vae_notes.models import VAE, Decoder, Encoder
from vae_notes.relaxed_categorical import sample_relaxed_categorical
from vae_notes.reparameterization import sample_normal
from vae_notes.vector_quantization import VectorQuantizer, nearest_code

__all__ = ["TinyCategoricalVAE", "TinyGaussianVAE", "TinyVAE", "TinyVQVAE"]

X_DIM, HIDDEN_DIM, Z_DIM = 64, 64, 8


def _dynamic(grey: Tensor, generator: torch.Generator | None) -> Tensor:
    return binarize(grey, "dynamic", generator=generator)


def _sample(loc: Tensor, log_variance: Tensor, generator: torch.Generator | None) -> Tensor:
    return sample_normal(loc, log_variance, generator=generator)


def _objective(reconstruction: Tensor, kl: Tensor, beta: float) -> Tensor:
    return beta * kl - reconstruction


_PARTS = {
    "targets": _dynamic,
    "sample": _sample,
    "log_prob": bernoulli_log_prob,
    "kl": kl_normal_standard,
    "objective": _objective,
    "weight": lambda step: 1.0,
    "estimate": None,
}


class TinyVAE(nn.Module):
    """A VAE with 8 normal latents and binary pixels; keywords replace its parts.

    Parameters
    ----------
    beta
        Weight of the KL while training.
    at_evaluation
        The names of those parts that are replaced in evaluation mode only.
    **parts
        ``targets(grey, generator)``, ``sample(loc, log_variance, generator)``, ``log_prob(x, output)``,
        ``kl(loc, log_variance)``, ``objective(reconstruction, kl, beta)`` and ``weight(step)``, a factor of beta.
        Or ``estimate(log_weight_fn, x, generator)``: the whole bound, and the loss is minus that.

    Raises
    ------
    TypeError
        If a part is none of these.

    Examples
    --------
    >>> model = TinyVAE(kl=lambda loc, log_variance: 0 * loc.sum(-1))
    >>> model.loss(torch.rand(5, 64))["loss"].shape
    torch.Size([5])
    """

    def __init__(self, *, beta: float = 1.0, at_evaluation: bool = False, **parts: Callable):
        super().__init__()
        unknown = sorted(set(parts) - set(_PARTS))
        if unknown:
            raise TypeError(f"parts must be among {', '.join(_PARTS)}, got {', '.join(unknown)}")
        self.vae = VAE(Encoder(X_DIM, HIDDEN_DIM, Z_DIM), Decoder(Z_DIM, HIDDEN_DIM, X_DIM), BernoulliLikelihood())
        self.beta, self.at_evaluation, self.parts, self.step = beta, at_evaluation, parts, 0

    def _part(self, name: str) -> Callable | None:
        replaced = name in self.parts and not (self.at_evaluation and self.training)
        return self.parts[name] if replaced else _PARTS[name]

    def loss(self, grey: Tensor, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """What this program calls its loss: (N,) for grey images (N, 64)."""
        x = self._part("targets")(grey, generator)
        estimate = self._part("estimate")
        if estimate is not None:
            return {"loss": -estimate(self.vae.log_weights, x, generator)}
        loc, log_variance = self.vae.encode(x)
        z = self._part("sample")(loc, log_variance, generator)
        reconstruction = self._part("log_prob")(x, self.vae.decode(z))
        beta = self.beta * self._part("weight")(self.step)
        if self.training:
            self.step += 1
        return {"loss": self._part("objective")(reconstruction, self._part("kl")(loc, log_variance), beta)}

    def bound(self, grey: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The evidence lower bound in nats, (N,), of binary images that are drawn once, with 10 samples each."""
        x = binarize(grey, "fixed")
        return self.vae.log_weights(x, 10, generator).mean(0)

    def check_data(self, grey: Tensor) -> None:
        """Raise unless these are grey images (N, 64)."""
        BernoulliLikelihood(soft_targets=True).check(grey)


class TinyGaussianVAE(nn.Module):
    """A VAE with grey pixels and a normal likelihood whose one variance is learned.

    Parameters
    ----------
    log_prob
        log_prob(x, mean, log_variance) -> (N,), with log_variance of shape (64,), the same number for each pixel.

    Examples
    --------
    >>> TinyGaussianVAE(normal_log_prob).loss(torch.rand(5, 64))["loss"].shape
    torch.Size([5])
    """

    def __init__(self, log_prob: Callable):
        super().__init__()
        self.encoder, self.decoder = Encoder(X_DIM, HIDDEN_DIM, Z_DIM), Decoder(Z_DIM, HIDDEN_DIM, X_DIM)
        self.log_variance = nn.Parameter(torch.full((1,), -2.0))
        self.log_prob = log_prob

    def loss(self, grey: Tensor, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """Minus the bound, with the replaced log density: (N,)."""
        loc, log_variance = self.encoder(grey)
        output = self.decoder(sample_normal(loc, log_variance, generator=generator))
        kl = kl_normal_standard(loc, log_variance)
        return {"loss": kl - self.log_prob(grey, output, self.log_variance.expand(X_DIM))}

    def bound(self, grey: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The evidence lower bound on the log density of the grey values, in nats, (N,)."""
        loc, log_variance = self.encoder(grey)
        z = sample_normal(loc, log_variance, n_samples=10, generator=generator)
        log_p_x_given_z = normal_log_prob(grey, self.decoder(z), self.log_variance.expand(X_DIM))
        return (log_p_x_given_z + standard_normal_log_prob(z) - normal_log_prob(z, loc, log_variance)).mean(0)

    def check_data(self, grey: Tensor) -> None:
        """Raise unless these are grey images (N, 64)."""
        BernoulliLikelihood(soft_targets=True).check(grey)


class TinyVQVAE(nn.Module):
    """A VQ-VAE with 4 slots, each one of 16 codes of 2 dimensions.

    Parameters
    ----------
    beta : float
        Weight of the commitment loss.
    quantize : callable
        ``quantize(z, codebook) -> (z for the decoder, codebook loss, commitment loss)``, of shapes (N, 4, 2), (N, 4)
        and (N, 4).
    penalty : callable
        ``penalty(codebook_loss, commitment_loss, beta)`` -> (N, 4). By default the first plus beta times the second.

    Examples
    --------
    >>> model = TinyVQVAE()
    >>> model.loss(torch.rand(5, 64))["loss"].shape, model.bound(torch.rand(5, 64)).shape
    (torch.Size([5]), torch.Size([5]))
    """

    SLOTS, CODES, DIM = 4, 16, 2

    def __init__(self, *, beta: float = 0.25, quantize: Callable | None = None, penalty: Callable | None = None):
        super().__init__()
        width = self.SLOTS * self.DIM
        self.encoder = nn.Sequential(nn.Linear(X_DIM, HIDDEN_DIM), nn.ReLU(), nn.Linear(HIDDEN_DIM, width))
        self.decoder = nn.Sequential(nn.Linear(width, HIDDEN_DIM), nn.ReLU(), nn.Linear(HIDDEN_DIM, X_DIM))
        self.quantizer = VectorQuantizer(self.CODES, self.DIM)
        self.beta = beta
        self.quantize, self.penalty = quantize or self._quantize, penalty or self._penalty

    def _quantize(self, z: Tensor, codebook: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        found = self.quantizer(z)
        return found.z, found.codebook_loss, found.commitment_loss

    @staticmethod
    def _penalty(codebook_loss: Tensor, commitment_loss: Tensor, beta: float) -> Tensor:
        return codebook_loss + beta * commitment_loss

    def _encode(self, x: Tensor) -> Tensor:
        return self.encoder(x).unflatten(-1, (self.SLOTS, self.DIM))

    def loss(self, grey: Tensor, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """Reconstruction in nats plus the two squared distances: (N,)."""
        x = binarize(grey, "dynamic", generator=generator)
        z, codebook_loss, commitment_loss = self.quantize(self._encode(x), self.quantizer.codebook)
        penalty = self.penalty(codebook_loss, commitment_loss, self.beta).sum(-1)
        return {"loss": penalty - bernoulli_log_prob(x, self.decoder(z.flatten(-2)))}

    def bound(self, grey: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """A lower bound on log p(x) for a uniform prior over codes: log p(x|codes) - 4 log 16, in nats, (N,)."""
        x = binarize(grey, "fixed")
        codes = self.quantizer.lookup(nearest_code(self._encode(x), self.quantizer.codebook))
        log_prior = -self.SLOTS * torch.tensor(float(self.CODES)).log()
        return bernoulli_log_prob(x, self.decoder(codes.flatten(-2))) + log_prior

    def check_data(self, grey: Tensor) -> None:
        """Raise unless these are grey images (N, 64)."""
        BernoulliLikelihood(soft_targets=True).check(grey)


class TinyCategoricalVAE(CategoricalVAE):
    """A VAE with 2 categorical latents of 10 classes, whose draws are relaxed while it trains.

    Parameters
    ----------
    draw
        draw(logits, temperature, generator) -> draws of the shape of the logits, (N, 2, 10).
    divergence
        divergence(logits, prior_logits) -> (N,), the KL term while training; prior_logits is (2, 10).
    favourite
        Logit of the first class in the prior of both variables, the others have 0. With 0 the prior is uniform.
    at_evaluation
        Replace ``draw`` in evaluation mode only.

    Examples
    --------
    >>> model = TinyCategoricalVAE(favourite=2.0)
    >>> model.loss(torch.rand(5, 64))["loss"].shape
    torch.Size([5])
    """

    VARIABLES, CLASSES, TEMPERATURE = 2, 10, 1.0

    def __init__(
        self,
        *,
        draw: Callable | None = None,
        divergence: Callable = kl_categorical,
        favourite: float = 0.0,
        at_evaluation: bool = False,
    ):
        super().__init__(X_DIM, HIDDEN_DIM, self.VARIABLES, self.CLASSES)
        self.draw, self.divergence, self.at_evaluation = draw, divergence, at_evaluation
        prior = torch.zeros(self.VARIABLES, self.CLASSES)
        prior[:, 0] = favourite
        self.register_buffer("prior", prior)

    def kl(self, logits: Tensor) -> Tensor:
        """The true KL to the prior, (N,): what ``elbo`` and so ``bound`` subtract."""
        return kl_categorical(logits, self.prior)

    def _draw(self, logits: Tensor, generator: torch.Generator | None) -> Tensor:
        if self.draw is not None and not (self.at_evaluation and self.training):
            return self.draw(logits, self.TEMPERATURE, generator)
        return sample_relaxed_categorical(logits, self.TEMPERATURE, generator=generator)

    def loss(self, grey: Tensor, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """The usual loss, with the replaced part: (N,)."""
        x = binarize(grey, "dynamic", generator=generator)
        logits = self.encode(x)
        reconstruction = bernoulli_log_prob(x, self.decode(self._draw(logits, generator)))
        return {"loss": self.divergence(logits, self.prior) - reconstruction}

    def bound(self, grey: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The evidence lower bound of the discrete model, summed over all 100 codes, in nats, (N,)."""
        return self.elbo(binarize(grey, "fixed"))

    def check_data(self, grey: Tensor) -> None:
        """Raise unless these are grey images (N, 64)."""
        BernoulliLikelihood(soft_targets=True).check(grey)
