"""Vector quantisation: the nearest code of a codebook, and a codebook that learns.

Axes: (N data, M slots, D dimensions) for vectors, (N, M) for codes, (K, D) for a codebook of K codes. Every
function sums over the last axis only, so leading axes may be more or fewer. Codes are class indices, int64.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from vae_notes import checks
from vae_notes.straight_through import straight_through

__all__ = ["Quantized", "VectorQuantizer", "codebook_perplexity", "nearest_code"]


@torch.no_grad()
def nearest_code(z: Tensor, codebook: Tensor) -> Tensor:
    r"""Index of the code that is nearest to each vector.

    .. math:: k = \arg\min_j \| z - e_j \|^2

    Of several codes at the same distance the first is taken. Differences are formed before they are squared
    and in 64 bits where the device has them: the quicker expansion |z|^2 - 2 z e + |e|^2 loses its digits far
    from the origin.

    Parameters
    ----------
    z : Tensor
        Vectors, floating, (..., D), by convention (N, M, D).
    codebook : Tensor
        Codes, (K, D), of the dtype of z.

    Returns
    -------
    Tensor
        Class indices 0, ..., K - 1, int64, of the leading shape of z.

    Raises
    ------
    TypeError
        If an argument is not a floating tensor, or dtypes differ.
    ValueError
        If shapes or devices do not agree, or (value checks) a value is not finite.

    Source: van den Oord, Vinyals & Kavukcuoglu (2017), equation 1.

    Examples
    --------
    >>> codebook = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
    >>> nearest_code(torch.tensor([[0.9, 0.2], [0.1, 5.0], [0.5, 0.0]]), codebook)
    tensor([1, 2, 0])
    """
    checks.check_floating(z=z, codebook=codebook)
    if codebook.ndim != 2 or 0 in codebook.shape or z.ndim < 1 or z.shape[-1] != codebook.shape[1]:
        raise ValueError(
            f"z must have shape (..., D) and codebook (K, D) with one D, and K and D of at least 1, "
            f"got {tuple(z.shape)} and {tuple(codebook.shape)}"
        )
    checks.check_finite(z=z, codebook=codebook)
    wide = torch.float32 if z.device.type == "mps" else torch.float64
    flat = z.reshape(-1, z.shape[-1]).to(wide)
    distance = torch.cdist(flat, codebook.to(wide), compute_mode="donot_use_mm_for_euclid_dist")
    return distance.argmin(1).reshape(z.shape[:-1])


@torch.no_grad()
def codebook_perplexity(codes: Tensor, n_codes: int) -> float:
    r"""How many codes are in use: the exponential of the entropy of their frequencies.

    .. math:: \exp\Big(-\sum_{j=1}^{K} f_j \log f_j\Big), \qquad f_j = \text{share of code } j

    It is 1 if one code is used alone and K if all are used equally. Of n codes it cannot exceed n, so that a
    number from a small batch says little about the data set.

    Parameters
    ----------
    codes : Tensor
        Class indices, int64, any shape; all of them are counted together.
    n_codes : int
        Size K of the codebook.

    Returns
    -------
    float
        Between 1 and K, a number of codes.

    Raises
    ------
    TypeError
        If codes is not int64, or n_codes is not an int.
    ValueError
        If codes is empty, n_codes is below 1, or (value checks) an index leaves 0, ..., K - 1.

    Source: the exponential of the entropy is standard; for codebooks see the code of van den Oord et al. (2017).

    Examples
    --------
    >>> codebook_perplexity(torch.tensor([0, 0, 1, 1]), n_codes=8)
    2.0
    """
    checks.check_class_indices(codes=codes)
    checks.check_count(n_codes=n_codes)
    if codes.numel() == 0:
        raise ValueError("codes must hold at least one index, got none")
    checks.check_range(0, n_codes - 1, codes=codes)
    share = torch.bincount(codes.flatten().cpu(), minlength=n_codes).double() / codes.numel()
    return math.exp(torch.special.entr(share).sum())


class Quantized(NamedTuple):
    """What a `VectorQuantizer` returns; shapes for vectors of shape (..., D).

    ``z`` (..., D) are the codes for the decoder, with the straight-through gradient to the encoder; ``codes``
    (...) their class indices; ``codebook_loss`` and ``commitment_loss`` (...) both the squared distance of
    vector and code, the first with a gradient to the codebook alone, the second to the encoder alone.

    Examples
    --------
    >>> Quantized(torch.ones(5, 2), torch.zeros(5, dtype=torch.int64), torch.ones(5), torch.ones(5))._fields
    ('z', 'codes', 'codebook_loss', 'commitment_loss')
    """

    z: Tensor
    codes: Tensor
    codebook_loss: Tensor
    commitment_loss: Tensor


class VectorQuantizer(nn.Module):
    r"""Replace each vector by its nearest code, and let the codebook learn.

    .. math:: \text{codebook loss} = \|\mathrm{sg}[z] - e_k\|^2, \qquad
              \text{commitment loss} = \|z - \mathrm{sg}[e_k]\|^2

    sg stops the gradient. The loss of a VQ-VAE adds the first once and the second times beta, for example
    ``-log_p_x_given_z + (q.codebook_loss + beta * q.commitment_loss).sum(-1)``, summed over slots.

    With ``updates="gradient"`` the codebook is a parameter and the codebook loss trains it. With ``"ema"`` it
    is a buffer, its codebook loss has no gradient, and every call in training mode moves each code to the
    running mean of the vectors that chose it (all of this is part of ``state_dict``):

    .. math:: N_k \leftarrow \gamma N_k + (1 - \gamma) n_k, \quad
              m_k \leftarrow \gamma m_k + (1 - \gamma) \sum_{i: k_i = k} z_i, \quad e_k = m_k / N_k

    Both sums start at 0, so a code leaves its arbitrary start when it is first chosen; a code that is not
    chosen stays where it is.

    Parameters
    ----------
    n_codes, dim : int
        K codes of D dimensions.
    updates : str
        ``"gradient"`` or ``"ema"``.
    decay : float
        gamma in [0, 1), of the running counts (and, with ``"ema"``, of the codes).
    restart_below : float
        In training mode, put a code whose running count N_k is below this share of the average count onto a
        random vector of the batch. 0 (the default) never does. After a restart the code counts as average.

    Source: van den Oord, Vinyals & Kavukcuoglu (2017), equation 3 (with minus log p) and appendix A.1;
    restarts: Dhariwal et al. (2020), section 3.1.

    Examples
    --------
    >>> quantizer = VectorQuantizer(n_codes=32, dim=8)
    >>> q = quantizer(torch.randn(5, 4, 8))  # four slots for each of five data
    >>> q.z.shape, q.codes.shape, q.commitment_loss.sum(-1).shape
    (torch.Size([5, 4, 8]), torch.Size([5, 4]), torch.Size([5]))
    """

    def __init__(
        self,
        n_codes: int,
        dim: int,
        *,
        updates: str = "gradient",
        decay: float = 0.99,
        restart_below: float = 0.0,
    ):
        super().__init__()
        checks.check_count(n_codes=n_codes, dim=dim)
        if updates not in ("gradient", "ema"):
            raise ValueError(f'updates must be "gradient" or "ema", got {updates!r}')
        if not 0 <= decay < 1:
            raise ValueError(f"decay must lie in [0, 1), got {decay}")
        if not 0 <= restart_below < 1:
            raise ValueError(f"restart_below must lie in [0, 1), got {restart_below}")
        self.n_codes, self.dim, self.updates = n_codes, dim, updates
        self.decay, self.restart_below = decay, restart_below
        codebook = torch.randn(n_codes, dim)
        if updates == "gradient":
            self.codebook = nn.Parameter(codebook)
        else:
            self.register_buffer("codebook", codebook)
            self.register_buffer("sums", torch.zeros(n_codes, dim))  # m
        self.register_buffer("counts", torch.zeros(n_codes))  # N

    def forward(self, z: Tensor, generator: torch.Generator | None = None) -> Quantized:
        """Vectors (..., D) -> their codes, with losses of shape (...). ``generator`` is for restarts."""
        checks.check_floating(z=z)
        if z.ndim < 1 or z.shape[-1] != self.dim:
            raise ValueError(f"z must have shape (..., {self.dim}), got {tuple(z.shape)}")
        if self.training and self.restart_below > 0 and z.numel() > 0:
            self._restart(z.detach().reshape(-1, self.dim), generator)  # before the codes are looked up
        codes = nearest_code(z, self.codebook)
        e = self.codebook[codes]
        quantized = Quantized(
            z=straight_through(e, z),
            codes=codes,
            codebook_loss=(z.detach() - e).square().sum(-1),
            commitment_loss=(z - e.detach()).square().sum(-1),
        )
        if self.training:
            self._update(z.detach().reshape(-1, self.dim), codes.flatten())
        return quantized

    def lookup(self, codes: Tensor) -> Tensor:
        """The vectors e_k of class indices (...): (..., D). What a decoder needs for codes that were drawn."""
        checks.check_class_indices(codes=codes)
        checks.check_range(0, self.n_codes - 1, codes=codes)
        return self.codebook[codes]

    @torch.no_grad()
    def _update(self, z: Tensor, codes: Tensor) -> None:
        """Running counts of the codes, and with "ema" the codes themselves."""
        n = torch.zeros_like(self.counts).index_add_(0, codes, torch.ones_like(z[:, 0]))
        self.counts.mul_(self.decay).add_(n, alpha=1 - self.decay)
        if self.updates == "ema":
            total = torch.zeros_like(self.sums).index_add_(0, codes, z)
            self.sums.mul_(self.decay).add_(total, alpha=1 - self.decay)
            # Where n is 0, numerator and denominator shrink alike; not dividing keeps the code for ever.
            moved = self.sums / self.counts.clamp_min(torch.finfo(z.dtype).tiny)[:, None]
            self.codebook.copy_(torch.where(n[:, None] > 0, moved, self.codebook))

    @torch.no_grad()
    def _restart(self, z: Tensor, generator: torch.Generator | None) -> None:
        average = self.counts.mean()
        dead = self.counts < self.restart_below * average
        rows = torch.randint(len(z), (self.n_codes,), generator=generator, device=z.device)
        self.codebook.copy_(torch.where(dead[:, None], z[rows], self.codebook))
        self.counts.copy_(torch.where(dead, average, self.counts))
        if self.updates == "ema":
            self.sums.copy_(torch.where(dead[:, None], average * self.codebook, self.sums))
