"""Free bits: a KL penalty that is flat below a floor, so that the first nats of a latent cost nothing more.

Axes are (N data, d dimensions). A floor changes what is minimised, and never what is reported: the ELBO of
`FreeBits` is the true one.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vae_notes import checks
from vae_notes.divergences import kl_normal_standard_per_dim
from vae_notes.reparameterization import sample_normal

__all__ = ["FreeBits", "free_bits"]


def free_bits(
    kl_per_dim: Tensor, nats: float, *, groups: str | Sequence[int] = "dimension", floor: str = "batch"
) -> Tensor:
    r"""The KL penalty with a floor under each group of latent dimensions.

    floor="batch":    sum_g max(nats, 1/N sum_n KL_ng),   the same number for every datum
    floor="sample":   sum_g max(nats, KL_ng),             for each datum n

    with KL_ng the sum of KL_nj over the dimensions j of group g. The gradient is that of the KL in a group
    above its floor, and zero in a group below. Nothing pushes a group up to its floor but the other term
    of the loss: q = p stays allowed, at the price ``nats``.

    Parameters
    ----------
    kl_per_dim
        KL(q(z_j|x_n) || p(z_j)) in nats, floating, shape (N, d).
    nats
        The floor of each group, finite, at least 0. 0 gives the plain KL. (A floor in bits is to be
        multiplied by log 2 = 0.6931.)
    groups
        ``"dimension"``: every dimension has a floor of its own. ``"all"``: one floor under the whole KL.
        Else the number of the group for each of the d dimensions, for example ``[0, 0, 1, 1]``.
    floor
        ``"batch"``: under the average over the batch, as in the paper, so that some data may cost less
        than others. ``"sample"``: under the KL of each datum, a penalty that is never smaller (Jensen).

    Returns
    -------
    torch.Tensor
        Shape (N,), in nats, never below the KL on average. Its mean over the batch is the penalty.

    Raises
    ------
    TypeError
        If kl_per_dim is not a floating tensor.
    ValueError
        If its shape is not (N, d), nats is not a finite number of at least 0, groups or floor is none of
        the above, or (value checks) kl_per_dim holds NaN.

    Notes
    -----
    Kingma, Salimans, Jozefowicz, Chen, Sutskever and Welling (2016), Improved variational inference with
    inverse autoregressive flow, equation 15 (groups, batch); with "all", one constraint on the whole KL.

    Examples
    --------
    >>> kl = torch.tensor([[0.0, 3.0], [0.4, 1.0]])
    >>> free_bits(kl, 0.5)  # averages 0.2 and 2.0: the first is lifted
    tensor([2.5000, 2.5000])
    >>> free_bits(kl, 0.5, floor="sample")
    tensor([3.5000, 1.5000])
    >>> free_bits(kl, 0.5, groups="all")  # average 2.2, above the floor
    tensor([2.2000, 2.2000])
    """
    checks.check_floating(kl_per_dim=kl_per_dim)
    if kl_per_dim.ndim != 2:
        raise ValueError(f"kl_per_dim must have shape (N, d), got {tuple(kl_per_dim.shape)}")
    if not 0 <= nats < math.inf:
        raise ValueError(f"nats must be a finite number of at least 0, got {nats}")
    if floor not in ("batch", "sample"):
        raise ValueError(f'floor must be "batch" or "sample", got {floor!r}')
    checks.check_no_nan(kl_per_dim=kl_per_dim)
    kl = _sum_groups(kl_per_dim, groups)  # (N, groups)
    if floor == "batch":
        kl = kl.mean(0).expand(kl.shape)
    return kl.clamp(min=nats).sum(-1)


def _sum_groups(kl_per_dim: Tensor, groups: str | Sequence[int]) -> Tensor:
    if isinstance(groups, str):
        if groups not in ("dimension", "all"):
            raise ValueError(f'groups must be "dimension", "all" or a list of numbers, got {groups!r}')
        return kl_per_dim if groups == "dimension" else kl_per_dim.sum(-1, keepdim=True)
    numbers = list(groups)
    if len(numbers) != kl_per_dim.shape[1]:
        raise ValueError(
            f"groups must give a number for each of the {kl_per_dim.shape[1]} dimensions, got {numbers}"
        )
    members = [[j for j, own in enumerate(numbers) if own == g] for g in sorted(set(numbers))]
    return torch.stack([kl_per_dim[:, dims].sum(-1) for dims in members], dim=-1)


class FreeBits(nn.Module):
    r"""A VAE that is trained with free bits.

    .. math:: \mathrm{loss} = -E_{q(z|x)}[\log p(x|z)] + \mathrm{free\_bits}(KL)

    Train it in place of the VAE, which it changes; then use the VAE.

    Parameters
    ----------
    vae : module
        With ``encode``, ``decode`` and ``likelihood``, such as :class:`vae_notes.models.VAE`. Its ``beta``
        is not used.
    nats, groups, floor
        As for :func:`free_bits`.

    Source: Kingma et al. (2016), Improved variational inference with inverse autoregressive flow, equation 15.

    Examples
    --------
    >>> from vae_notes.likelihoods import BernoulliLikelihood
    >>> from vae_notes.models import VAE, Decoder, Encoder
    >>> vae = VAE(Encoder(64, 128, 2), Decoder(2, 128, 64), BernoulliLikelihood())
    >>> parts = FreeBits(vae, nats=0.5).loss(torch.ones(5, 64))
    >>> bool((-parts["loss"] <= parts["reconstruction"] - 2 * 0.5).all())  # each dimension costs 0.5 at least
    True
    """

    def __init__(
        self,
        vae: nn.Module,
        nats: float,
        *,
        groups: str | Sequence[int] = "dimension",
        floor: str = "batch",
    ):
        super().__init__()
        self.vae, self.nats, self.groups, self.floor = vae, nats, groups, floor

    def loss(self, x: Tensor, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """As the loss of a VAE: each part (N,), in nats. ``elbo`` and ``kl`` know of no floor."""
        loc, log_variance = self.vae.encode(x)
        z = sample_normal(loc, log_variance, generator=generator)
        reconstruction = self.vae.likelihood.log_prob(x, self.vae.decode(z))
        kl_per_dim = kl_normal_standard_per_dim(loc, log_variance)
        penalty = free_bits(kl_per_dim, self.nats, groups=self.groups, floor=self.floor)
        kl = kl_per_dim.sum(-1)
        return {
            "loss": penalty - reconstruction,
            "elbo": reconstruction - kl,
            "reconstruction": reconstruction,
            "kl": kl,
        }

    def check_data(self, x: Tensor) -> None:
        """Raise unless x could be the targets of the VAE's likelihood."""
        self.vae.check_data(x)
