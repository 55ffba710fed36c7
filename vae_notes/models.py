"""Encoder, decoder and the VAE that joins them: log p(x) >= E_q[log p(x|z)] - KL(q(z|x) || p(z)).

Axes, everywhere: (K samples, N data, D dimensions). x is (N, x_dim), z is (N, z_dim) or (K, N, z_dim).
"""

import math

import torch
from torch import Tensor, nn

from vae_notes import checks
from vae_notes.bounds import log_weights
from vae_notes.densities import normal_log_prob, standard_normal_log_prob
from vae_notes.divergences import kl_normal_standard
from vae_notes.reparameterization import sample_normal

__all__ = ["VAE", "Decoder", "Encoder"]


def _check_input(name: str, value: Tensor, width: int) -> None:
    checks.check_floating(**{name: value})
    if value.ndim < 1 or value.shape[-1] != width:
        raise ValueError(f"{name} must have shape (..., {width}), got {tuple(value.shape)}")


class Encoder(nn.Module):
    r"""q(z|x) = N(loc(x), diag(exp(log_variance(x)))): one hidden layer, two linear heads.

    Parameters
    ----------
    x_dim, hidden_dim, z_dim : int
        Widths of the input, the hidden ReLU layer and the latent.
    log_variance_bound : float, optional
        Keep log_variance inside (-bound, bound) by the smooth map bound * tanh(raw / bound). Without it
        the head is linear, and a single wild step can send exp(log_variance) to infinity.

    Source: Kingma & Welling (2014), equation 9 and appendix C.2.

    Examples
    --------
    >>> encoder = Encoder(x_dim=64, hidden_dim=128, z_dim=2)
    >>> loc, log_variance = encoder(torch.rand(5, 64))
    >>> loc.shape, log_variance.shape
    (torch.Size([5, 2]), torch.Size([5, 2]))
    """

    def __init__(self, x_dim: int, hidden_dim: int, z_dim: int, *, log_variance_bound: float | None = None):
        super().__init__()
        checks.check_count(x_dim=x_dim, hidden_dim=hidden_dim, z_dim=z_dim)
        if log_variance_bound is not None and not 0 < log_variance_bound < math.inf:
            raise ValueError(f"log_variance_bound must be a positive finite number, got {log_variance_bound}")
        self.x_dim, self.z_dim, self.log_variance_bound = x_dim, z_dim, log_variance_bound
        self.hidden = nn.Linear(x_dim, hidden_dim)
        self.loc = nn.Linear(hidden_dim, z_dim)
        self.log_variance = nn.Linear(hidden_dim, z_dim)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(..., x_dim) -> loc and log_variance, each (..., z_dim)."""
        _check_input("x", x, self.x_dim)
        hidden = torch.relu(self.hidden(x))
        log_variance = self.log_variance(hidden)
        if self.log_variance_bound is not None:
            log_variance = self.log_variance_bound * torch.tanh(log_variance / self.log_variance_bound)
        return self.loc(hidden), log_variance


class Decoder(nn.Module):
    """The numbers that p(x|z) needs, from z: one hidden ReLU layer, one linear head.

    What the output means (logits, means, ...) is the likelihood's business; no sigmoid is applied here.

    Parameters
    ----------
    z_dim, hidden_dim, output_dim : int
        Widths of the latent, the hidden layer and the output (x_dim times the likelihood's
        ``outputs_per_dim``).

    Source: Kingma & Welling (2014), appendix C.

    Examples
    --------
    >>> decoder = Decoder(z_dim=2, hidden_dim=128, output_dim=64)
    >>> decoder(torch.zeros(3, 5, 2)).shape  # K = 3 samples for each of N = 5 data
    torch.Size([3, 5, 64])
    """

    def __init__(self, z_dim: int, hidden_dim: int, output_dim: int):
        super().__init__()
        checks.check_count(z_dim=z_dim, hidden_dim=hidden_dim, output_dim=output_dim)
        self.z_dim, self.output_dim = z_dim, output_dim
        self.hidden = nn.Linear(z_dim, hidden_dim)
        self.output = nn.Linear(hidden_dim, output_dim)

    def forward(self, z: Tensor) -> Tensor:
        """(..., z_dim) -> (..., output_dim)."""
        _check_input("z", z, self.z_dim)
        return self.output(torch.relu(self.hidden(z)))


class VAE(nn.Module):
    r"""A variational autoencoder with prior p(z) = N(0, I).

    .. math:: \mathcal{L}(x) = E_{q(z|x)}[\log p(x|z)] - KL(q(z|x) \| p(z)) \le \log p(x)

    Parameters
    ----------
    encoder : module
        x -> (loc, log_variance) of q(z|x).
    decoder : module
        z -> the likelihood's parameters.
    likelihood : module
        One of :mod:`vae_notes.likelihoods`.
    beta : float
        Weight of the KL in the *loss* (Higgins et al., 2017). The reported ``elbo`` always has weight 1.

    Source: Kingma & Welling (2014), equations 3 and 10.

    Examples
    --------
    >>> from vae_notes.likelihoods import BernoulliLikelihood
    >>> vae = VAE(Encoder(64, 128, 2), Decoder(2, 128, 64), BernoulliLikelihood())
    >>> parts = vae.loss(torch.ones(5, 64))
    >>> sorted(parts), parts["loss"].shape
    (['elbo', 'kl', 'loss', 'reconstruction'], torch.Size([5]))
    >>> vae.sample(3).shape
    torch.Size([3, 64])
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, likelihood: nn.Module, *, beta: float = 1.0):
        super().__init__()
        needed = encoder.x_dim * likelihood.outputs_per_dim
        if decoder.output_dim != needed:
            raise ValueError(
                f"decoder.output_dim must be x_dim * outputs_per_dim = {encoder.x_dim} * "
                f"{likelihood.outputs_per_dim} = {needed}, got {decoder.output_dim}"
            )
        if encoder.z_dim != decoder.z_dim:
            raise ValueError(f"encoder and decoder must share z_dim, got {encoder.z_dim} and {decoder.z_dim}")
        if not 0 <= beta < math.inf:
            raise ValueError(f"beta must be finite and not negative, got {beta}")
        self.encoder, self.decoder, self.likelihood, self.beta = encoder, decoder, likelihood, beta

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """loc and log_variance of q(z|x), each (N, z_dim), in the dtype of x (also under autocast)."""
        loc, log_variance = self.encoder(x)
        return loc.to(x.dtype), log_variance.to(x.dtype)

    def decode(self, z: Tensor) -> Tensor:
        """The likelihood's parameters for each z, in the dtype of z (also under autocast)."""
        return self.decoder(z).to(z.dtype)

    def loss(self, x: Tensor, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """The negative ELBO and its parts for a batch (N, x_dim): each (N,), in nats, one z per datum.

        ``reconstruction`` is log p(x|z), ``kl`` the closed form, ``elbo`` their difference and ``loss``
        what is minimised: -(reconstruction - beta * kl).
        """
        loc, log_variance = self.encode(x)
        z = sample_normal(loc, log_variance, generator=generator)
        reconstruction = self.likelihood.log_prob(x, self.decode(z))
        kl = kl_normal_standard(loc, log_variance)
        return {
            "loss": self.beta * kl - reconstruction,
            "elbo": reconstruction - kl,
            "reconstruction": reconstruction,
            "kl": kl,
        }

    def log_weights(self, x: Tensor, n_samples: int, generator: torch.Generator | None = None) -> Tensor:
        """log p(x, z) - log q(z|x) for ``n_samples`` draws z ~ q(z|x): (n_samples, N), in nats."""
        loc, log_variance = self.encode(x)
        z = sample_normal(loc, log_variance, n_samples=n_samples, generator=generator)
        log_p_x_given_z = self.likelihood.log_prob(x, self.decode(z))
        log_q_z_given_x = normal_log_prob(z, loc, log_variance)
        return log_weights(log_p_x_given_z, standard_normal_log_prob(z), log_q_z_given_x)

    def _prior_sample(self, n: int, generator: torch.Generator | None) -> Tensor:
        like = next(self.decoder.parameters())
        shape = (n, self.decoder.z_dim)
        return torch.randn(shape, generator=generator, dtype=like.dtype, device=like.device)

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n draws x ~ p(x): z ~ p(z), then x ~ p(x|z). (n, x_dim)."""
        return self.likelihood.sample(self.decode(self._prior_sample(n, generator)), generator=generator)

    @torch.no_grad()
    def sample_mean(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n pictures E[x|z] at z ~ p(z): what papers usually show, not draws of x. (n, x_dim)."""
        return self.likelihood.mean(self.decode(self._prior_sample(n, generator)))

    @torch.no_grad()
    def reconstruct(self, x: Tensor) -> Tensor:
        """E[x|z] at z = loc(x): no noise, the same answer every time. (N, x_dim)."""
        loc, _ = self.encode(x)
        return self.likelihood.mean(self.decode(loc))

    def check_data(self, x: Tensor) -> None:
        """Raise unless x (N, x_dim) could be the targets of this model's likelihood."""
        _check_input("x", x, self.encoder.x_dim)
        self.likelihood.check(x)
