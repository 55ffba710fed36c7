"""A VAE with discrete latents: D categorical variables of C classes, trained through Gumbel-softmax draws.

Axes are (K samples, N data, D variables, C classes). A code z is one-hot in its last axis. Small codes are
enumerated: their ELBO, their evidence and their gradient are exact, and show what the relaxation changes.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vae_notes import checks
from vae_notes.categorical import kl_categorical
from vae_notes.densities import bernoulli_log_prob
from vae_notes.relaxed_categorical import sample_relaxed_categorical

__all__ = ["CategoricalVAE"]

_MOST_CODES = 10_000  # that are enumerated


class CategoricalVAE(nn.Module):
    r"""q(z|x) = prod_d Categorical(softmax(logits_d(x))), a uniform prior, and binary pixels.

    log p(x) >= L(x) = E_q[log p(x|z)] - KL(q(z|x) || p(z)),   p(z) = C^(-D)

    Encoder and decoder have one hidden ReLU layer.

    Parameters
    ----------
    x_dim, hidden_dim : int
        Number of pixels and width of the hidden layers.
    n_variables, n_classes : int
        D and C.
    temperature : float
        Of the draws in `loss`.
    hard : bool
        If True, `loss` decodes one-hot draws and passes the gradient straight through.

    Notes
    -----
    Jang, Gu and Poole (2017), Categorical reparameterization with Gumbel-softmax, section 4.2.

    Examples
    --------
    >>> model = CategoricalVAE(x_dim=64, hidden_dim=128, n_variables=2, n_classes=10)
    >>> x = torch.ones(5, 64)
    >>> model.codes().shape, model.elbo(x).shape, bool((model.elbo(x) <= model.log_evidence(x)).all())
    (torch.Size([100, 2, 10]), torch.Size([5]), True)
    """

    def __init__(
        self,
        x_dim: int,
        hidden_dim: int,
        n_variables: int,
        n_classes: int,
        *,
        temperature: float = 1.0,
        hard: bool = False,
    ):
        super().__init__()
        checks.check_count(x_dim=x_dim, hidden_dim=hidden_dim, n_variables=n_variables, n_classes=n_classes)
        self.x_dim, self.n_variables, self.n_classes = x_dim, n_variables, n_classes
        self.temperature, self.hard = temperature, hard
        z_dim = n_variables * n_classes
        self.encoder = nn.Sequential(nn.Linear(x_dim, hidden_dim), nn.ReLU(), nn.Linear(hidden_dim, z_dim))
        self.decoder = nn.Sequential(nn.Linear(z_dim, hidden_dim), nn.ReLU(), nn.Linear(hidden_dim, x_dim))

    def encode(self, x: Tensor) -> Tensor:
        """The logits of q(z|x): (N, x_dim) -> (N, D, C)."""
        self._check_pixels(x)
        return self.encoder(x).to(x.dtype).unflatten(-1, (self.n_variables, self.n_classes))

    def decode(self, z: Tensor) -> Tensor:
        """The logits of the pixels: (..., D, C) -> (..., x_dim)."""
        if z.ndim < 2 or z.shape[-2:] != (self.n_variables, self.n_classes):
            raise ValueError(
                f"z must have shape (..., {self.n_variables}, {self.n_classes}), got {tuple(z.shape)}"
            )
        return self.decoder(z.flatten(-2)).to(z.dtype)

    def kl(self, logits: Tensor) -> Tensor:
        """KL(q(z|x) || p(z)) of the discrete variables, in nats: (N, D, C) -> (N,)."""
        return kl_categorical(logits, torch.zeros_like(logits))

    def loss(self, x: Tensor, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """What is minimised, and its parts for a batch (N, x_dim): each (N,), in nats, one draw per datum.

        With ``hard`` draws ``elbo`` is an unbiased estimate of the ELBO of the discrete model. With soft ones
        it is a bound on nothing: the decoder sees codes that the discrete model never uses.
        """
        logits = self.encode(x)
        z = sample_relaxed_categorical(logits, self.temperature, hard=self.hard, generator=generator)
        reconstruction, kl = bernoulli_log_prob(x, self.decode(z)), self.kl(logits)
        elbo = reconstruction - kl
        return {"loss": -elbo, "elbo": elbo, "reconstruction": reconstruction, "kl": kl}

    def codes(self) -> Tensor:
        """All C^D codes, one-hot: (C^D, D, C). The last variable changes fastest."""
        n_codes = self.n_classes**self.n_variables
        if n_codes > _MOST_CODES:
            raise ValueError(
                f"{self.n_classes}^{self.n_variables} = {n_codes} codes are too many to enumerate, the limit is "
                f"{_MOST_CODES}: draw them instead, with sample_relaxed_categorical and hard=True"
            )
        like = next(self.parameters())
        axes = [torch.arange(self.n_classes, device=like.device)] * self.n_variables
        indices = torch.cartesian_prod(*axes).reshape(-1, self.n_variables)
        return F.one_hot(indices, self.n_classes).to(like.dtype)

    def elbo(self, x: Tensor) -> Tensor:
        """The ELBO of the discrete model, exactly: the average over q(z|x) is a sum over all codes. (N,)."""
        logits = self.encode(x)
        log_q_z_given_x = torch.einsum("ndc,sdc->ns", F.log_softmax(logits, -1), self.codes())
        return (log_q_z_given_x.exp() * self._log_p_x_given_codes(x)).sum(-1) - self.kl(logits)

    def log_evidence(self, x: Tensor) -> Tensor:
        """log p(x) of the discrete model, exactly. (N,)."""
        self._check_pixels(x)
        log_prior = -self.n_variables * math.log(self.n_classes)
        return torch.logsumexp(self._log_p_x_given_codes(x), -1) + log_prior

    def _log_p_x_given_codes(self, x: Tensor) -> Tensor:
        output = self.decode(self.codes())  # one row a code; the pixels enter by two matrix products
        return x @ F.logsigmoid(output).T + (1 - x) @ F.logsigmoid(-output).T

    def check_data(self, x: Tensor) -> None:
        """Raise unless x (N, x_dim) holds binary pixels."""
        self._check_pixels(x)
        checks.check_binary(x=x)

    def _check_pixels(self, x: Tensor) -> None:
        checks.check_floating(x=x)
        if x.ndim < 1 or x.shape[-1] != self.x_dim:
            raise ValueError(f"x must have shape (..., {self.x_dim}), got {tuple(x.shape)}")
