"""A plain autoencoder: the networks of a VAE without its noise and without its prior."""

import torch
from torch import Tensor, nn

from vae_notes.models import VAE

__all__ = ["Autoencoder"]


class Autoencoder(VAE):
    r"""The same encoder, decoder and likelihood as a VAE, trained with z = loc(x) and without a KL.

    .. math:: \mathrm{loss}(x) = -\log p(x|z), \quad z = \mathrm{loc}(x)

    It shares the interface of :class:`vae_notes.models.VAE` in all that an autoencoder has: ``encode``,
    ``decode``, ``reconstruct``. What it has not is refused: it says nothing about which codes occur, so it
    has no evidence, no bound on it, and no samples. (``encode`` still returns a log-variance, which no
    loss ever touches.)

    Parameters
    ----------
    encoder, decoder, likelihood : module
        As for :class:`vae_notes.models.VAE`.

    Examples
    --------
    >>> from vae_notes.likelihoods import BernoulliLikelihood
    >>> from vae_notes.models import Decoder, Encoder
    >>> model = Autoencoder(Encoder(64, 128, 2), Decoder(2, 128, 64), BernoulliLikelihood())
    >>> parts = model.loss(torch.ones(5, 64))
    >>> sorted(parts), parts["loss"].shape
    (['loss', 'reconstruction'], torch.Size([5]))
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, likelihood: nn.Module):
        super().__init__(encoder, decoder, likelihood)

    def loss(self, x: Tensor, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """Minus log p(x|z) at z = loc(x), (N,), in nats; ``generator`` is not used."""
        loc, _ = self.encode(x)
        reconstruction = self.likelihood.log_prob(x, self.decode(loc))
        return {"loss": -reconstruction, "reconstruction": reconstruction}

    def log_weights(self, x: Tensor, n_samples: int, generator: torch.Generator | None = None) -> Tensor:
        raise TypeError("an autoencoder has no prior over its codes, hence no log p(x, z) to weigh")

    def _prior_sample(self, n: int, generator: torch.Generator | None) -> Tensor:
        raise TypeError("an autoencoder has no prior to sample from: choose codes yourself and decode them")
