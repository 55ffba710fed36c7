"""Student's t distribution: log densities in nats, samples, and the moments that exist.

t(loc, s, nu) is loc + s * (a t variable with nu degrees of freedom). `log_scale` is log s, and s is no
standard deviation: the variance is s^2 nu / (nu - 2), and only for nu > 2. As nu grows it becomes
N(loc, s^2). Axes are (K samples, N data, D dimensions); every function sums over the last axis, and
leading axes may be missing in an argument. `df`, the nu, is a number, or a tensor without axes or (..., D).

The textbook constant lgamma((nu + 1) / 2) - lgamma(nu / 2) is a difference of huge numbers for a large nu
(in 32 bits it has no right digit at nu = 1e8); here it is taken by a series, so that the normal limit holds.
"""

import math

import torch

from vae_notes import checks
from vae_notes.densities import LOG_2_PI, standardized_residual

__all__ = [
    "checked_df",
    "log_gamma_ratio",
    "log_one_plus_square",
    "sample_log_mixing_gamma",
    "sample_student_t",
    "student_t_excess_kurtosis",
    "student_t_log_prob",
    "student_t_variance",
]

# Coefficients of 1/a, 1/a^3, ... in log Gamma(a + 1/2) - log Gamma(a) - 1/2 log a: Stirling's series.
_STIRLING = (-1 / 8, 1 / 192, -1 / 640, 17 / 14336, -31 / 18432, 691 / 180224)
_SHIFT = 12  # a is first raised by this much, where the series is right to 1e-16


def checked_df(df: float | torch.Tensor, **parameters: torch.Tensor) -> torch.Tensor:
    """Check the degrees of freedom and the other parameters of a Student-t; return df as a tensor.

    Parameters
    ----------
    df
        Degrees of freedom nu > 0: a number, or a tensor without axes or (..., D).
    **parameters
        The other arguments, floating, shape (..., D), under their own names; their values are not looked at.

    Returns
    -------
    torch.Tensor
        df with the dtype and the device of the parameters.

    Raises
    ------
    TypeError
        If an argument is not floating, or dtypes differ.
    ValueError
        If shapes or devices do not agree; (value checks) if df is not positive and finite.

    Examples
    --------
    >>> checked_df(-1.0, loc=torch.zeros(2))
    Traceback (most recent call last):
    ...
    ValueError: df must be positive and finite, got -1
    """
    checks.check_floating(**parameters)
    checks.check_same_last_axis(**parameters)
    if not isinstance(df, torch.Tensor):
        like = next(iter(parameters.values()))
        df = torch.tensor(float(df), dtype=like.dtype, device=like.device)
    checks.check_floating(df=df, **parameters)
    if df.ndim:
        checks.check_same_last_axis(df=df, **parameters)
    _check_positive(df)
    return df


def _check_positive(df: torch.Tensor) -> None:
    if checks.value_checks_are_on():
        good = (df > 0) & df.isfinite()
        if not good.all():
            raise ValueError(f"df must be positive and finite, got {df[~good].flatten()[0].item():g}")


def log_gamma_ratio(a: torch.Tensor) -> torch.Tensor:
    r"""How far Gamma(a + 1/2) / Gamma(a) is from sqrt(a), without cancellation.

    log Gamma(a + 1/2) - log Gamma(a) - 1/2 log a, which goes to 0 like -1 / (8 a)

    Parameters
    ----------
    a
        Positive, floating, any shape.

    Returns
    -------
    torch.Tensor
        The logarithm, of the shape of a.

    Examples
    --------
    >>> log_gamma_ratio(torch.tensor([0.5, 5e7]))  # log(1 / sqrt(pi / 2)), and about -1 / 4e8
    tensor([-2.2579e-01, -2.5000e-09])
    """
    steps = a.unsqueeze(-1) + torch.arange(_SHIFT, dtype=a.dtype, device=a.device)
    raised = (0.5 * torch.log1p(1 / steps) - torch.log1p(0.5 / steps)).sum(-1)  # from a to a + _SHIFT
    inverse = 1 / (a + _SHIFT)
    series = sum(c * inverse ** (2 * k + 1) for k, c in enumerate(_STIRLING))
    return raised + series


def log_one_plus_square(u: torch.Tensor, log_abs_u: torch.Tensor) -> torch.Tensor:
    """The logarithm of 1 + u^2, finite where u^2 (or u itself) overflows.

    Parameters
    ----------
    u
        Floating, any shape; it may be infinite.
    log_abs_u
        log |u|, of the shape of u. It is read only where |u| > 1.

    Returns
    -------
    torch.Tensor
        log(1 + u^2), of the shape of u.

    Examples
    --------
    >>> log_one_plus_square(torch.tensor([1.0, 1e30]), torch.tensor([0.0, 30 * math.log(10)]))
    tensor([  0.6931, 138.1551])
    """
    far = u.abs() > 1
    small = torch.where(far, 1 / torch.where(far, u, 1), u)
    return torch.log1p(small.square()) + 2 * torch.where(far, log_abs_u, 0)


def student_t_log_prob(
    x: torch.Tensor, loc: torch.Tensor, log_scale: torch.Tensor, df: float | torch.Tensor
) -> torch.Tensor:
    r"""Log density of independent Student-t coordinates: each of the D dimensions is heavy by itself.

    log t(x) = sum_d (log Gamma((nu + 1) / 2) - log Gamma(nu / 2) - 1/2 log(nu pi) - log s_d
               - (nu + 1) / 2 log(1 + r_d^2 / nu)),   r_d = (x_d - loc_d) / s_d

    Parameters
    ----------
    x, loc
        Points and centres, floating, shape (..., D), in one unit.
    log_scale
        log s, shape (..., D). s is not the standard deviation.
    df
        Degrees of freedom nu > 0: a number, or a tensor without axes or (..., D).

    Returns
    -------
    torch.Tensor
        Log density in nats, of the leading shape. It stays finite however far x is, and tends to
        `normal_log_prob` with the variance s^2 as df grows.

    Raises
    ------
    TypeError
        If an argument is not floating, or dtypes differ.
    ValueError
        If shapes or devices do not agree; (value checks) if a value is not finite or df not positive.

    Notes
    -----
    Student (1908); for the form with a scale: Lange, Little and Taylor (1989).

    Examples
    --------
    >>> x, zero = torch.tensor([[0.0], [10.0]]), torch.zeros(1)
    >>> student_t_log_prob(x, zero, zero, df=1.0)  # Cauchy: -log(pi (1 + x^2))
    tensor([-1.1447, -5.7599])
    """
    df = checked_df(df, x=x, loc=loc, log_scale=log_scale)
    checks.check_finite(log_scale=log_scale)
    u = standardized_residual(x, loc, log_scale) / df.sqrt()
    log_abs_u = torch.where(u.abs() > 1, x - loc, 1).abs().log() - log_scale - 0.5 * df.log()
    kernel = 0.5 * (df + 1) * log_one_plus_square(u, log_abs_u)
    return (log_gamma_ratio(0.5 * df) - 0.5 * LOG_2_PI - log_scale - kernel).sum(-1)


def sample_log_mixing_gamma(
    df: torch.Tensor, shape: tuple[int, ...], generator: torch.Generator | None
) -> torch.Tensor:
    """Draw log G for G ~ Gamma(nu/2, rate nu/2), by which a normal variance is divided; differentiable in df.

    Gamma(a) = Gamma(a + 1) U^(1/a): no draw underflows to 0, as those of a small a would.

    Parameters
    ----------
    df
        Degrees of freedom nu > 0, floating, of a shape that broadcasts to `shape`.
    shape
        Shape of the draws.
    generator
        Source of the randomness, on the device of df. None takes torch's global one.

    Returns
    -------
    torch.Tensor
        log G, of shape `shape`. The mean of G is 1, its variance 2 / nu.

    Raises
    ------
    ValueError
        If the generator is on another device.

    Examples
    --------
    >>> sample_log_mixing_gamma(torch.tensor(3.0), (2, 5), torch.Generator().manual_seed(0)).shape
    torch.Size([2, 5])
    """
    if generator is not None and generator.device != df.device:
        raise ValueError(
            f"generator must be on the device of loc, {df.device}, got one on {generator.device}"
        )
    a = (0.5 * df).expand(shape)
    gamma = torch._standard_gamma(a + 1, generator=generator)  # what torch's Gamma calls, without a generator
    uniform = 1 - torch.rand(shape, generator=generator, dtype=df.dtype, device=df.device)  # in (0, 1]
    return gamma.log() + uniform.log() / a - a.log()


def sample_student_t(
    loc: torch.Tensor,
    log_scale: torch.Tensor,
    df: float | torch.Tensor,
    *,
    n_samples: int | None = None,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    r"""Draw independent Student-t coordinates, so that gradients reach loc, log_scale and df.

    x = loc + s * epsilon / sqrt(G),   epsilon ~ N(0, 1),   G ~ Gamma(nu/2, rate nu/2)

    Every coordinate has a G of its own. The gradient in df passes through the gamma draw (implicitly).

    Parameters
    ----------
    loc, log_scale
        Centres and log s, floating, shape (..., D).
    df
        Degrees of freedom nu > 0: a number, or a tensor without axes or (..., D).
    n_samples
        Number K of samples per datum. None draws one and adds no axis.
    generator
        Source of the randomness, on the device of loc. None takes torch's global one.

    Returns
    -------
    torch.Tensor
        Samples, of the common shape of the arguments, or (K, ...) with n_samples.

    Raises
    ------
    TypeError
        If an argument is not floating, dtypes differ, or n_samples is no int.
    ValueError
        If shapes or devices do not agree, or n_samples is below 1; (value checks) if a value is not
        finite or df not positive.

    Notes
    -----
    The implicit gradient: Figurnov, Mohamed and Mnih (2018), arXiv:1805.08498.

    Examples
    --------
    >>> generator = torch.Generator().manual_seed(0)
    >>> sample_student_t(torch.zeros(7, 2), torch.zeros(7, 2), 3.0, n_samples=4, generator=generator).shape
    torch.Size([4, 7, 2])
    """
    df = checked_df(df, loc=loc, log_scale=log_scale)
    checks.check_finite(loc=loc, log_scale=log_scale)
    shape = tuple(torch.broadcast_shapes(loc.shape, log_scale.shape, df.shape))
    if n_samples is not None:
        checks.check_count(n_samples=n_samples)
        shape = (n_samples, *shape)
    log_gamma = sample_log_mixing_gamma(df, shape, generator)
    epsilon = torch.randn(shape, generator=generator, dtype=loc.dtype, device=loc.device)
    return loc + epsilon * torch.exp(log_scale - 0.5 * log_gamma)


def student_t_variance(log_scale: torch.Tensor, df: float | torch.Tensor) -> torch.Tensor:
    r"""Variance of each Student-t coordinate: inf or NaN where there is none.

    s^2 nu / (nu - 2) for nu > 2,   inf for 1 < nu <= 2,   NaN for nu <= 1 (there is no mean to measure from)

    Parameters
    ----------
    log_scale
        log s, floating, shape (..., D).
    df
        Degrees of freedom nu > 0: a number, or a tensor without axes or (..., D).

    Returns
    -------
    torch.Tensor
        Variance of each coordinate, (..., D), in the squared unit of s.

    Raises
    ------
    TypeError, ValueError
        As `student_t_log_prob`.

    Examples
    --------
    >>> student_t_variance(torch.zeros(3), torch.tensor([5.0, 2.0, 1.0]))
    tensor([1.6667,    inf,    nan])
    """
    df = checked_df(df, log_scale=log_scale)
    exists = df > 2
    finite = 1 + 2 / torch.where(exists, df - 2, 1)
    factor = torch.where(exists, finite, torch.where(df > 1, math.inf, math.nan))
    return torch.exp(2 * log_scale) * factor


def student_t_excess_kurtosis(df: torch.Tensor) -> torch.Tensor:
    r"""Excess kurtosis of the t distribution, E[(x - loc)^4] / Var^2 - 3: inf or NaN where there is none.

    6 / (nu - 4) for nu > 4,   inf for 2 < nu <= 4,   NaN for nu <= 2

    Parameters
    ----------
    df
        Degrees of freedom nu > 0, floating, any shape.

    Returns
    -------
    torch.Tensor
        Excess kurtosis, without unit, of the shape of df. The normal distribution has 0.

    Raises
    ------
    TypeError
        If df is not a floating tensor.
    ValueError
        (value checks) If df is not positive and finite.

    Examples
    --------
    >>> student_t_excess_kurtosis(torch.tensor([10.0, 4.0, 2.0]))
    tensor([1., inf, nan])
    """
    checks.check_floating(df=df)
    _check_positive(df)
    exists = df > 4
    finite = 6 / torch.where(exists, df - 4, 1)
    return torch.where(exists, finite, torch.where(df > 2, math.inf, math.nan))
