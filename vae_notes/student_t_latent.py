"""A VAE whose prior, and if wanted whose approximate posterior, is Student-t."""

import math

import torch
from torch import Tensor, nn

from vae_notes.bounds import log_weights
from vae_notes.densities import normal_log_prob, standard_normal_log_prob
from vae_notes.models import VAE
from vae_notes.reparameterization import sample_normal
from vae_notes.student_t import sample_student_t, student_t_log_prob

__all__ = ["StudentTLatentVAE"]


class StudentTLatentVAE(VAE):
    r"""A VAE with independent Student-t latents; its KL is estimated by the draw that is decoded.

    .. math:: \mathcal{L}(x) = E_{q(z|x)}[\log p(x|z) - (\log q(z|x) - \log p(z))]

    Parameters
    ----------
    encoder, decoder, likelihood : module
        As for :class:`vae_notes.models.VAE`.
    prior_df : float, optional
        Degrees of freedom of p(z), a standard t in each dimension. None is the standard normal prior.
    posterior_df : float, optional
        Degrees of freedom of q(z|x), with the centre ``loc`` and the scale ``exp(log_variance / 2)``. None
        is the normal q. With a normal prior it must exceed 2: else the KL, and with it the bound, is
        infinite, and no average of draws would show it.

    Examples
    --------
    >>> from vae_notes.likelihoods import NormalLikelihood
    >>> from vae_notes.models import Decoder, Encoder
    >>> vae = StudentTLatentVAE(Encoder(2, 8, 1), Decoder(1, 8, 2), NormalLikelihood(), prior_df=3.0)
    >>> sorted(vae.loss(torch.zeros(5, 2))), vae.sample(3).shape
    (['elbo', 'kl', 'loss', 'reconstruction'], torch.Size([3, 2]))
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        likelihood: nn.Module,
        *,
        prior_df: float | None = None,
        posterior_df: float | None = None,
    ):
        super().__init__(encoder, decoder, likelihood)
        for name, df in (("prior_df", prior_df), ("posterior_df", posterior_df)):
            if df is not None and not 0 < df < math.inf:
                raise ValueError(f"{name} must be None or a positive finite number, got {df}")
        if prior_df is None and posterior_df is not None and posterior_df <= 2:
            raise ValueError(
                f"posterior_df must exceed 2 with a normal prior, got {posterior_df}: "
                "the KL divergence from such a q to a normal p is infinite"
            )
        self.prior_df, self.posterior_df = prior_df, posterior_df

    def prior_log_prob(self, z: Tensor) -> Tensor:
        """log p(z) in nats: (..., z_dim) -> (...)."""
        if self.prior_df is None:
            return standard_normal_log_prob(z)
        zero = z.new_zeros(z.shape[-1:])
        return student_t_log_prob(z, zero, zero, self.prior_df)

    def _draw(self, x: Tensor, n_samples: int | None, generator) -> tuple[Tensor, Tensor]:
        """z ~ q(z|x), and log q(z|x)."""
        loc, log_variance = self.encode(x)
        if self.posterior_df is None:
            z = sample_normal(loc, log_variance, n_samples=n_samples, generator=generator)
            return z, normal_log_prob(z, loc, log_variance)
        spread = loc, 0.5 * log_variance, self.posterior_df
        z = sample_student_t(*spread, n_samples=n_samples, generator=generator)
        return z, student_t_log_prob(z, *spread)

    def loss(self, x: Tensor, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """The negative ELBO and its parts, each (N,), in nats; ``kl`` is an estimate and may be negative."""
        z, log_q_z_given_x = self._draw(x, None, generator)
        reconstruction = self.likelihood.log_prob(x, self.decode(z))
        kl = log_q_z_given_x - self.prior_log_prob(z)
        elbo = reconstruction - kl
        return {"loss": -elbo, "elbo": elbo, "reconstruction": reconstruction, "kl": kl}

    def log_weights(self, x: Tensor, n_samples: int, generator: torch.Generator | None = None) -> Tensor:
        """log p(x, z) - log q(z|x) for ``n_samples`` draws z ~ q(z|x): (n_samples, N), in nats."""
        z, log_q_z_given_x = self._draw(x, n_samples, generator)
        log_p_x_given_z = self.likelihood.log_prob(x, self.decode(z))
        return log_weights(log_p_x_given_z, self.prior_log_prob(z), log_q_z_given_x)

    def _prior_sample(self, n: int, generator: torch.Generator | None) -> Tensor:
        if self.prior_df is None:
            return super()._prior_sample(n, generator)
        zero = next(self.decoder.parameters()).new_zeros(n, self.decoder.z_dim)
        return sample_student_t(zero, zero, self.prior_df, generator=generator)
