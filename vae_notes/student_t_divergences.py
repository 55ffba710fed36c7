"""KL divergences between Student-t and normal distributions: one value per datum, in nats.

KL(q || p) = E_q[log q(z) - log p(z)]. One direction has a closed form and is infinite for nu <= 2, the
other is always finite and has no closed form. Axes are (K samples, N data, D dimensions); the functions
sum over the last axis. Inside they compute in 64 bits, since the divergence of two distributions that are
nearly equal is a small difference of large terms.
"""

import math

import torch

from vae_notes import checks
from vae_notes.densities import standardized_residual
from vae_notes.student_t import checked_df, log_gamma_ratio

__all__ = ["kl_normal_student_t", "kl_student_t_normal"]

_NODES = 320  # of the trapezium rule: right to 1e-13 if the variances differ by less than e^50, 1e-7 at e^200


def _checked(df: float | torch.Tensor, **parameters: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """df and the parameters, checked, in 64 bits."""
    df = checked_df(df, **parameters)
    checks.check_finite(**parameters)
    return tuple(tensor.double() for tensor in (df, *parameters.values()))


def _log_gamma_ratio_slope(a: torch.Tensor) -> torch.Tensor:
    """The derivative of log_gamma_ratio; where a wants gradients, it can be differentiated again."""
    with torch.enable_grad():
        leaf = a if a.requires_grad else a.detach().requires_grad_()
        slope = torch.autograd.grad(log_gamma_ratio(leaf).sum(), leaf, create_graph=a.requires_grad)[0]
    return slope


def kl_student_t_normal(
    loc_q: torch.Tensor,
    log_scale_q: torch.Tensor,
    df: float | torch.Tensor,
    loc_p: torch.Tensor,
    log_variance_p: torch.Tensor,
) -> torch.Tensor:
    r"""KL divergence from independent Student-t coordinates to a diagonal normal distribution.

    KL(t || N) = sum_d (-H(t_nu) - log s_d + 1/2 log(2 pi sigma_d^2)
                 + (s_d^2 nu / (nu - 2) + (loc_q,d - loc_p,d)^2) / (2 sigma_d^2))   for nu > 2, else inf

    Parameters
    ----------
    loc_q, log_scale_q
        Centre and log s of q, floating, shape (..., D).
    df
        Degrees of freedom nu > 0 of q: a number, or a tensor without axes or (..., D).
    loc_p, log_variance_p
        Mean and log sigma^2 of p, shape (..., D).

    Returns
    -------
    torch.Tensor
        KL divergence in nats, of the leading shape; inf where one nu is 2 or less.

    Raises
    ------
    TypeError
        If an argument is not floating, or dtypes differ.
    ValueError
        If shapes or devices do not agree; (value checks) if a value is not finite or df not positive.

    Examples
    --------
    >>> zero = torch.zeros(1)
    >>> kl_student_t_normal(zero, zero, 3.0, zero, zero), kl_student_t_normal(zero, zero, 2.0, zero, zero)
    (tensor(0.6455), tensor(inf))
    """
    dtype = loc_q.dtype if isinstance(loc_q, torch.Tensor) else None
    df, loc_q, log_scale_q, loc_p, log_variance_p = _checked(
        df, loc_q=loc_q, log_scale_q=log_scale_q, loc_p=loc_p, log_variance_p=log_variance_p
    )
    exists = df > 2
    a = 0.5 * torch.where(exists, df, 3.0)
    # KL(t_nu || N(0, 1)); its terms of order 1 are cancelled by hand, and it goes to 0 like 7 / (4 nu^2)
    standard = log_gamma_ratio(a) - (a + 0.5) * _log_gamma_ratio_slope(a) - 0.25 / a + 0.5 / (a - 1)
    log_ratio = 2 * log_scale_q - log_variance_p
    squared = standardized_residual(loc_q, loc_p, 0.5 * log_variance_p).square()
    rest = 0.5 * (torch.expm1(log_ratio) * a / (a - 1) - log_ratio + squared)
    return torch.where(exists, standard.clamp(min=0) + rest, math.inf).sum(-1).to(dtype)


def _mean_log_one_plus_square(loc: torch.Tensor, variance: torch.Tensor) -> torch.Tensor:
    """E[log(1 + y^2)] for y ~ N(loc, variance),, by one smooth integral.

    log(1 + y^2) is the integral of (1 - e^(-t y^2)) e^-t / t over t > 0; the mean goes inside, where it is
    known, and t = e^u makes both ends fall off fast.
    """
    second_moment = loc.square() + variance
    start = -40 - second_moment.detach().clamp(min=1).log()
    step = (3.8 - start) / (_NODES - 1)
    log_t = start.unsqueeze(-1) + step.unsqueeze(-1) * torch.arange(
        _NODES, dtype=loc.dtype, device=loc.device
    )
    t = log_t.exp()
    spread = 1 + 2 * t * variance.unsqueeze(-1)
    log_mean = -0.5 * torch.log1p(2 * t * variance.unsqueeze(-1)) - t * loc.square().unsqueeze(-1) / spread
    return step * (-torch.expm1(log_mean) * torch.exp(-t)).sum(-1)


def kl_normal_student_t(
    loc_q: torch.Tensor,
    log_variance_q: torch.Tensor,
    loc_p: torch.Tensor,
    log_scale_p: torch.Tensor,
    df: float | torch.Tensor,
) -> torch.Tensor:
    r"""KL divergence from a diagonal normal distribution to independent Student-t coordinates; always finite.

    KL(N || t) = sum_d (-1/2 log(2 pi e sigma_d^2) - log c(nu) + log s_d
                 + (nu + 1) / 2 E[log(1 + (z_d - loc_p,d)^2 / (nu s_d^2))])

    with c(nu) the constant of the standard t density. The mean has no closed form; it is a smooth
    one-dimensional integral, computed by the trapezium rule, and gradients reach every argument.

    Parameters
    ----------
    loc_q, log_variance_q
        Mean and log sigma^2 of q, floating, shape (..., D).
    loc_p, log_scale_p
        Centre and log s of p, shape (..., D).
    df
        Degrees of freedom nu > 0 of p: a number, or a tensor without axes or (..., D).

    Returns
    -------
    torch.Tensor
        KL divergence in nats, of the leading shape.

    Raises
    ------
    TypeError
        If an argument is not floating, or dtypes differ.
    ValueError
        If shapes or devices do not agree; (value checks) if a value is not finite or df not positive.

    Examples
    --------
    >>> zero = torch.zeros(1)
    >>> kl_normal_student_t(zero, zero, zero, zero, df=1.0)
    tensor(0.2592)
    """
    dtype = loc_q.dtype if isinstance(loc_q, torch.Tensor) else None
    df, loc_q, log_variance_q, loc_p, log_scale_p = _checked(
        df, loc_q=loc_q, log_variance_q=log_variance_q, loc_p=loc_p, log_scale_p=log_scale_p
    )
    log_width = log_scale_p + 0.5 * df.log()
    loc = standardized_residual(loc_q, loc_p, log_width)
    variance = torch.exp(log_variance_q - 2 * log_width)
    mean = _mean_log_one_plus_square(*torch.broadcast_tensors(loc, variance))
    log_spreads = log_scale_p - 0.5 * log_variance_q
    return (0.5 * (df + 1) * mean - 0.5 + log_spreads - log_gamma_ratio(0.5 * df)).sum(-1).to(dtype)
