"""Kullback-Leibler divergences between normal distributions: one value per datum, in nats.

KL(q || p) = E_q[log q(z) - log p(z)]. Axes are (K samples, N data, D dimensions); every function sums
over the last axis, and leading axes may be missing in an argument.

The diagonal formulas use expm1: e^l - 1 - l loses all its digits near l = 0 when written with exp,
and that is where a collapsed posterior lives.
"""

import torch

from vae_notes.checks import (
    check_finite,
    check_floating,
    check_leading_axes,
    check_same_last_axis,
    value_checks_are_on,
)
from vae_notes.densities import standardized_residual


def kl_normal_standard_per_dim(loc: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    r"""KL divergence from a diagonal normal distribution to the standard normal one, per dimension.

    KL(N(loc_d, sigma_d^2) || N(0, 1)) = 1/2 (sigma_d^2 - 1 - log sigma_d^2 + loc_d^2)

    Parameters
    ----------
    loc
        Means mu of q, floating, shape (..., D).
    log_variance
        log sigma^2 of q, shape (..., D).

    Returns
    -------
    torch.Tensor
        KL divergence in nats, shape (..., D), 0 only for loc = 0 and log_variance = 0. It is +inf where
        sigma^2 or loc^2 overflows.

    Raises
    ------
    TypeError
        If an argument is not a floating tensor, or dtypes differ.
    ValueError
        If shapes or devices do not agree, or (value checks) a value is not finite.

    Notes
    -----
    Kingma and Welling (2014), Auto-Encoding Variational Bayes, appendix B.

    Examples
    --------
    >>> kl_normal_standard_per_dim(torch.tensor([0.0, 2.0]), torch.zeros(2))
    tensor([0., 2.])
    """
    check_floating(loc=loc, log_variance=log_variance)
    check_same_last_axis(loc=loc, log_variance=log_variance)
    check_finite(loc=loc, log_variance=log_variance)
    return 0.5 * (torch.expm1(log_variance) - log_variance + loc.square())


def kl_normal_standard(loc: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    r"""KL divergence from a diagonal normal distribution to the standard normal one: the KL term of a VAE.

    KL(N(loc, diag(sigma^2)) || N(0, I)) = 1/2 sum_d (sigma_d^2 - 1 - log sigma_d^2 + loc_d^2)

    Parameters
    ----------
    loc
        Means mu of q, floating, shape (..., D).
    log_variance
        log sigma^2 of q, shape (..., D).

    Returns
    -------
    torch.Tensor
        KL divergence in nats, of the leading shape. It is +inf where sigma^2 or loc^2 overflows.

    Raises
    ------
    TypeError
        If an argument is not a floating tensor, or dtypes differ.
    ValueError
        If shapes or devices do not agree, or (value checks) a value is not finite.

    Notes
    -----
    Kingma and Welling (2014), Auto-Encoding Variational Bayes, appendix B.

    Examples
    --------
    >>> kl_normal_standard(torch.tensor([[0.0, 0.0], [1.0, 2.0]]), torch.zeros(2, 2))
    tensor([0.0000, 2.5000])
    """
    return kl_normal_standard_per_dim(loc, log_variance).sum(-1)


def kl_normal(
    loc_q: torch.Tensor, log_variance_q: torch.Tensor, loc_p: torch.Tensor, log_variance_p: torch.Tensor
) -> torch.Tensor:
    r"""KL divergence between two normal distributions with diagonal covariance matrices.

    KL(q || p) = 1/2 sum_d (e^{l_d} - 1 - l_d + (loc_q,d - loc_p,d)^2 / sigma_p,d^2),
    l_d = log sigma_q,d^2 - log sigma_p,d^2

    Parameters
    ----------
    loc_q, loc_p
        Means, floating, shape (..., D).
    log_variance_q, log_variance_p
        log sigma^2 of q and of p, shape (..., D).

    Returns
    -------
    torch.Tensor
        KL divergence in nats, of the leading shape. It is +inf where a term overflows.

    Raises
    ------
    TypeError
        If an argument is not a floating tensor, or dtypes differ.
    ValueError
        If shapes or devices do not agree, or (value checks) a value is not finite.

    Examples
    --------
    >>> zero, one = torch.zeros(1), torch.ones(1)
    >>> kl_normal(loc_q=one, log_variance_q=zero, loc_p=zero, log_variance_p=zero)
    tensor(0.5000)

    The two directions differ:

    >>> kl_normal(zero, one, zero, zero), kl_normal(zero, zero, zero, one)
    (tensor(0.3591), tensor(0.1839))
    """
    arguments = dict(loc_q=loc_q, log_variance_q=log_variance_q, loc_p=loc_p, log_variance_p=log_variance_p)
    check_floating(**arguments)
    check_same_last_axis(**arguments)
    check_finite(**arguments)
    log_ratio = log_variance_q - log_variance_p
    squared = standardized_residual(loc_q, loc_p, 0.5 * log_variance_p).square()
    return 0.5 * (torch.expm1(log_ratio) - log_ratio + squared).sum(-1)


def kl_multivariate_normal(
    loc_q: torch.Tensor, scale_tril_q: torch.Tensor, loc_p: torch.Tensor, scale_tril_p: torch.Tensor
) -> torch.Tensor:
    r"""KL divergence between two normal distributions with full covariance matrices.

    KL(q || p) = 1/2 (tr(S_p^-1 S_q) - D - log det S_q + log det S_p + (m_q - m_p)^T S_p^-1 (m_q - m_p))

    with S = L L^T. In Cholesky factors, with M = L_p^-1 L_q (lower triangular too):
    tr(S_p^-1 S_q) is the sum of all M_ij^2, and log det S_q - log det S_p = sum_i log M_ii^2.

    Parameters
    ----------
    loc_q, loc_p
        Means m, floating, shape (..., D).
    scale_tril_q, scale_tril_p
        Lower Cholesky factors L of the covariance matrices, shape (..., D, D), with a positive diagonal.

    Returns
    -------
    torch.Tensor
        KL divergence in nats, of the leading shape.

    Raises
    ------
    TypeError
        If an argument is not a floating tensor, or dtypes differ.
    ValueError
        If shapes or devices do not agree or a factor is not square; (value checks) if a value is not
        finite, a factor is not lower triangular, or its diagonal is not positive.

    Examples
    --------
    >>> L = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    >>> kl_multivariate_normal(torch.zeros(2), L, torch.zeros(2), torch.eye(2))
    tensor(0.5000)
    """
    _check_means_and_factors(loc_q=loc_q, scale_tril_q=scale_tril_q, loc_p=loc_p, scale_tril_p=scale_tril_p)
    log_ratio = 2 * (
        scale_tril_q.diagonal(dim1=-2, dim2=-1).log() - scale_tril_p.diagonal(dim1=-2, dim2=-1).log()
    )
    below = torch.linalg.solve_triangular(scale_tril_p, scale_tril_q, upper=False).tril(-1)
    residual = torch.linalg.solve_triangular(
        scale_tril_p, (loc_q - loc_p).unsqueeze(-1), upper=False
    ).squeeze(-1)
    diagonal = (torch.expm1(log_ratio) - log_ratio).sum(-1)
    return 0.5 * (diagonal + below.square().sum((-2, -1)) + residual.square().sum(-1))


def _check_means_and_factors(**arguments: torch.Tensor) -> None:
    check_floating(**arguments)
    size = arguments["loc_q"].shape[-1:]
    for name, tensor in arguments.items():
        axes = 2 if name.startswith("scale_tril") else 1
        if not size or tensor.shape[-axes:] != size * axes:
            found = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in arguments.items())
            raise ValueError(
                f"means need shape (..., D) and Cholesky factors (..., D, D) with one D, got {found}"
            )
    check_leading_axes(
        **{
            name: t.shape[:-2] if name.startswith("scale_tril") else t.shape[:-1]
            for name, t in arguments.items()
        }
    )
    check_finite(**arguments)
    for name in ("scale_tril_q", "scale_tril_p"):
        if value_checks_are_on():
            _check_cholesky_factor(name, arguments[name])


def _check_cholesky_factor(name: str, scale_tril: torch.Tensor) -> None:
    if scale_tril.triu(1).any():
        raise ValueError(f"{name} must be lower triangular, but it has values above the diagonal")
    diagonal = scale_tril.diagonal(dim1=-2, dim2=-1)
    if not (diagonal > 0).all():
        raise ValueError(
            f"{name} must have a positive diagonal, but its smallest entry is {diagonal.min().item():g}"
        )
