"""The multivariate Student-t: D coordinates that share one random scale, so that they are heavy together.

Its marginals are univariate t, its coordinates may be uncorrelated and are never independent: it is not the
product of D univariate ones, which `vae_notes.student_t` has.
"""

import torch

from vae_notes import checks
from vae_notes.densities import LOG_2_PI
from vae_notes.student_t import checked_df, log_gamma_ratio, log_one_plus_square, sample_log_mixing_gamma

__all__ = ["multivariate_student_t_log_prob", "sample_multivariate_student_t"]


def _checked(df: float, scale_tril: torch.Tensor, **points: torch.Tensor) -> torch.Tensor:
    checks.check_floating(scale_tril=scale_tril, **points)
    df = checked_df(df, **points)
    if df.ndim:
        raise ValueError(f"df must be one number for all coordinates, got shape {tuple(df.shape)}")
    dim = points["loc"].shape[-1]
    if scale_tril.shape != (dim, dim):
        raise ValueError(
            f"scale_tril must have shape (D, D) with D = {dim} as in loc, got {tuple(scale_tril.shape)}"
        )
    checks.check_finite(scale_tril=scale_tril, **points)
    if checks.value_checks_are_on():
        if scale_tril.triu(1).any():
            raise ValueError("scale_tril must be lower triangular, but it has entries above the diagonal")
        if not (scale_tril.diagonal() > 0).all():
            raise ValueError("scale_tril must have a positive diagonal")
    return df


def multivariate_student_t_log_prob(
    x: torch.Tensor, loc: torch.Tensor, scale_tril: torch.Tensor, df: float
) -> torch.Tensor:
    r"""Log density of the multivariate Student-t: all D dimensions share one scale, so they are heavy together.

    log t(x) = log Gamma((nu + D) / 2) - log Gamma(nu / 2) - D/2 log(nu pi) - log det L
               - (nu + D) / 2 log(1 + |L^-1 (x - loc)|^2 / nu)

    It is not the product of its D marginals, not even with L = I.

    Parameters
    ----------
    x, loc
        Points and centres, floating, shape (..., D).
    scale_tril
        Lower Cholesky factor L of the scale matrix, shape (D, D), with a positive diagonal. For nu > 2 the
        covariance is L L^T nu / (nu - 2).
    df
        Degrees of freedom nu > 0, a number.

    Returns
    -------
    torch.Tensor
        Log density in nats, of the leading shape of x and loc.

    Raises
    ------
    TypeError
        If an argument is not floating, or dtypes differ.
    ValueError
        If shapes or devices do not agree; (value checks) if a value is not finite, df or the diagonal is
        not positive, or L is not lower triangular.

    Notes
    -----
    Kotz and Nadarajah (2004), Multivariate t Distributions and Their Applications.

    Examples
    --------
    >>> multivariate_student_t_log_prob(torch.zeros(1, 2), torch.zeros(2), torch.eye(2), df=3.0)  # -log(2 pi)
    tensor([-1.8379])
    """
    nu = _checked(df, scale_tril, x=x, loc=loc)
    dim = x.shape[-1]
    solved = torch.linalg.solve_triangular(scale_tril, (x - loc).unsqueeze(-1), upper=False).squeeze(-1)
    peak = solved.detach().abs().amax(-1).clamp(min=1)  # taken out, so that no square overflows
    length = torch.linalg.vector_norm(solved / peak.unsqueeze(-1), dim=-1) * peak / nu.sqrt()
    log_length = torch.where(length > 1, length, 1).log()
    # Gamma(a + D/2) / Gamma(a) in D half steps, each without cancellation, and a^(D/2) taken out of them
    halves = 0.5 * (nu + torch.arange(dim, dtype=nu.dtype, device=nu.device))
    constant = (log_gamma_ratio(halves) + 0.5 * torch.log(2 * halves / nu)).sum() - 0.5 * dim * LOG_2_PI
    log_det = scale_tril.diagonal().log().sum()
    return constant - log_det - 0.5 * (nu + dim) * log_one_plus_square(length, log_length)


def sample_multivariate_student_t(
    loc: torch.Tensor,
    scale_tril: torch.Tensor,
    df: float,
    *,
    n_samples: int | None = None,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    r"""Draw from the multivariate Student-t: the D coordinates of a draw share one G.

    x = loc + L epsilon / sqrt(G),   epsilon ~ N(0, I),   G ~ Gamma(nu/2, rate nu/2), one for each datum

    Parameters
    ----------
    loc
        Centres, floating, shape (..., D).
    scale_tril
        Lower Cholesky factor L of the scale matrix, shape (D, D).
    df
        Degrees of freedom nu > 0, a number.
    n_samples, generator
        As in `sample_student_t`.

    Returns
    -------
    torch.Tensor
        Samples, of the shape of loc, or (K, ...) with n_samples.

    Raises
    ------
    TypeError, ValueError
        As `multivariate_student_t_log_prob` and `sample_student_t`.

    Examples
    --------
    >>> sample_multivariate_student_t(torch.zeros(7, 2), torch.eye(2), df=3.0, n_samples=4).shape
    torch.Size([4, 7, 2])
    """
    nu = _checked(df, scale_tril, loc=loc)
    shape = tuple(loc.shape)
    if n_samples is not None:
        checks.check_count(n_samples=n_samples)
        shape = (n_samples, *shape)
    log_gamma = sample_log_mixing_gamma(nu, (*shape[:-1], 1), generator)
    epsilon = torch.randn(shape, generator=generator, dtype=loc.dtype, device=loc.device)
    return loc + epsilon @ scale_tril.T * torch.exp(-0.5 * log_gamma)
