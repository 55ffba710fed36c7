"""Log densities and log probabilities: one value per datum, in nats.

Axes are (K samples, N data, D dimensions). Every function sums over the last axis and returns the
leading shape. Leading axes may be missing in an argument, so x (N, D) goes with loc (K, N, D); nothing
else is broadcast. All the spreads are logarithms: `log_variance` is log sigma^2, `log_scale` is log s.
"""

import math

import torch
import torch.nn.functional as F

from vae_notes.checks import (
    check_binary,
    check_class_indices,
    check_count,
    check_finite,
    check_floating,
    check_leading_axes,
    check_no_nan,
    check_range,
    check_same_last_axis,
    check_tensors,
    value_checks_are_on,
)

LOG_2_PI = math.log(2 * math.pi)


def standardized_residual(x: torch.Tensor, loc: torch.Tensor, log_scale: torch.Tensor) -> torch.Tensor:
    """Distance of x from loc in units of the scale, never NaN for finite input.

    r = (x - loc) exp(-log_scale)

    The product is taken in two halves: exp(-log_scale) alone may overflow where r^2 does not. Where x
    equals loc the residual is 0 for every scale, also for one so small that 1 / scale overflows.

    Parameters
    ----------
    x, loc, log_scale
        Floating tensors of shapes that broadcast; the callers check them.

    Returns
    -------
    torch.Tensor
        The residual, without unit, of the broadcast shape. Its gradient is right at x = loc too.

    Raises
    ------
    ValueError
        While value checks are on: if x or loc is not finite, or their difference overflows the dtype.

    Examples
    --------
    >>> standardized_residual(torch.tensor([3.0]), torch.tensor([1.0]), torch.tensor([0.0]))
    tensor([2.])
    >>> standardized_residual(torch.tensor([1.0]), torch.tensor([1.0]), torch.tensor([-5000.0]))
    tensor([0.])
    """
    difference = x - loc
    if value_checks_are_on() and not difference.isfinite().all():
        check_finite(x=x, loc=loc)
        raise ValueError(f"x - loc overflows {difference.dtype}: use a wider dtype or rescale both")
    # 0 * inf is NaN: hold 1 / scale inside the range of the dtype. That changes no answer: beyond the bound
    # the square of r overflows for every difference but 0. The gradient passes as if nothing were held.
    bound = -1.98 * math.log(torch.finfo(log_scale.dtype).max)
    held = log_scale + (log_scale.clamp(min=bound) - log_scale).detach()
    half = torch.exp(-0.5 * held)
    return difference * half * half


def standard_normal_log_prob(z: torch.Tensor) -> torch.Tensor:
    r"""Log density of the standard normal distribution, the usual prior of a VAE.

    log N(z; 0, I) = -1/2 sum_d (z_d^2 + log 2 pi)

    Parameters
    ----------
    z
        Points, floating, shape (..., D).

    Returns
    -------
    torch.Tensor
        Log density in nats, shape (...). It is -inf where z^2 overflows.

    Raises
    ------
    TypeError
        If z is not a floating tensor.
    ValueError
        If z has no axis, or (value checks) is not finite.

    Examples
    --------
    >>> standard_normal_log_prob(torch.zeros(3, 2))
    tensor([-1.8379, -1.8379, -1.8379])
    """
    check_floating(z=z)
    check_same_last_axis(z=z)
    check_finite(z=z)
    return -0.5 * (z.square().sum(-1) + z.shape[-1] * LOG_2_PI)


def normal_log_prob(x: torch.Tensor, loc: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    r"""Log density of a normal distribution with a diagonal covariance matrix, full constant included.

    log N(x; loc, diag(sigma^2)) = -1/2 sum_d ((x_d - loc_d)^2 / sigma_d^2 + log sigma_d^2 + log 2 pi)

    Parameters
    ----------
    x
        Points, floating, shape (..., D).
    loc
        Means mu, shape (..., D), in the unit of x.
    log_variance
        log sigma^2, shape (..., D): the log of the VARIANCE, not of the standard deviation.

    Returns
    -------
    torch.Tensor
        Log density in nats, of the leading shape. It is -inf where the squared residual overflows, and
        stays finite where x equals loc, however small sigma is.

    Raises
    ------
    TypeError
        If an argument is not a floating tensor, or dtypes differ.
    ValueError
        If shapes or devices do not agree, or (value checks) a value is not finite.

    Notes
    -----
    Kingma and Welling (2014), Auto-Encoding Variational Bayes, appendix C.2.

    Examples
    --------
    >>> x = torch.tensor([[0.0, 1.0], [2.0, 3.0]])
    >>> normal_log_prob(x, loc=x, log_variance=torch.zeros(2, 2))
    tensor([-1.8379, -1.8379])
    """
    check_floating(x=x, loc=loc, log_variance=log_variance)
    check_same_last_axis(x=x, loc=loc, log_variance=log_variance)
    check_finite(log_variance=log_variance)
    squared = standardized_residual(x, loc, 0.5 * log_variance).square()
    return -0.5 * (squared.sum(-1) + log_variance.sum(-1) + x.shape[-1] * LOG_2_PI)


def bernoulli_log_prob(x: torch.Tensor, logits: torch.Tensor, *, soft_targets: bool = False) -> torch.Tensor:
    r"""Log probability of binary pixels under independent Bernoulli distributions given by logits.

    log p(x) = sum_d (x_d log p_d + (1 - x_d) log(1 - p_d)),   p_d = sigmoid(logits_d)

    Parameters
    ----------
    x
        Binary values 0 or 1 of floating dtype, shape (..., D).
    logits
        log(p / (1 - p)), shape (..., D). Infinite logits stand for p exactly 0 or 1 (with soft_targets only
        while value checks are on; without them such a term can be NaN).
    soft_targets
        If True, x may lie anywhere in [0, 1] and is read as a PROBABILITY of a 1. The value is then the
        mean of log p(x') over binary images x' drawn from x. It is no log density of the grey image x:
        over grey images it does not integrate to 1, and its best value is minus the entropy of x, not 0.

    Returns
    -------
    torch.Tensor
        Log probability in nats, of the leading shape: at most 0, and -inf where p excludes x.

    Raises
    ------
    TypeError
        If an argument is not a floating tensor, or dtypes differ.
    ValueError
        If shapes or devices do not agree; (value checks) if an argument holds NaN, if x is not binary
        while soft_targets is False, or if x leaves [0, 1].

    Notes
    -----
    Kingma and Welling (2014), Auto-Encoding Variational Bayes, appendix C.1.

    Examples
    --------
    >>> bernoulli_log_prob(torch.tensor([[1.0, 0.0]]), logits=torch.zeros(1, 2))
    tensor([-1.3863])
    >>> bernoulli_log_prob(torch.tensor([1.0]), logits=torch.tensor([float("inf")]))
    tensor(0.)
    """
    check_floating(x=x, logits=logits)
    check_same_last_axis(x=x, logits=logits)
    check_no_nan(logits=logits)
    if soft_targets:
        check_range(0, 1, x=x)
        if value_checks_are_on() and logits.isinf().any():
            return _soft_log_prob_at_infinite_logits(x, logits)
        # One kernel instead of seven: this line is in the hot loop of most VAEs in print.
        x, logits = torch.broadcast_tensors(x, logits)
        return -F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1)
    check_binary(x=x)
    # sigmoid(-a) = 1 - sigmoid(a): the sign of the logit chooses the outcome, with nothing to multiply by 0.
    return F.logsigmoid((2 * x - 1) * logits).sum(-1)


def _soft_log_prob_at_infinite_logits(x: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    # A factor of 0 meets a log of -inf: such terms are 0, not NaN.
    on = torch.where(x == 0, 0, x * F.logsigmoid(logits))
    off = torch.where(x == 1, 0, (1 - x) * F.logsigmoid(-logits))
    return (on + off).sum(-1)


def categorical_log_prob(x: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    r"""Log probability of class indices under independent categorical distributions given by logits.

    log p(x) = sum_d (logits_{d, x_d} - log sum_c exp logits_{d, c})

    Parameters
    ----------
    x
        Class indices 0, ..., C - 1 of dtype int64, shape (..., D).
    logits
        Unnormalised log probabilities, floating, shape (..., D, C). -inf stands for probability 0.

    Returns
    -------
    torch.Tensor
        Log probability in nats, of the leading shape, with the dtype of logits.

    Raises
    ------
    TypeError
        If x is not int64 or logits is not floating.
    ValueError
        If shapes or devices do not agree; (value checks) if x leaves 0, ..., C - 1, or logits holds NaN,
        +inf, or only -inf for one pixel.

    Examples
    --------
    Sixteen grey levels, all equally likely, cost log 16 = 2.7726 nats (4 bits) a pixel:

    >>> categorical_log_prob(torch.tensor([[0, 15]]), logits=torch.zeros(1, 2, 16))
    tensor([-5.5452])
    """
    check_tensors(x=x, logits=logits)
    check_class_indices(x=x)
    check_floating(logits=logits)
    if x.ndim < 1 or logits.ndim < 2 or x.shape[-1] != logits.shape[-2] or logits.shape[-1] == 0:
        raise ValueError(
            f"x must have shape (..., D) and logits (..., D, C) with one D and C of at least 1, "
            f"got x {tuple(x.shape)} and logits {tuple(logits.shape)}"
        )
    check_leading_axes(x=x.shape[:-1], logits=logits.shape[:-2])
    check_range(0, logits.shape[-1] - 1, x=x)
    _check_class_logits(logits)
    log_p = F.log_softmax(logits, -1)
    shape = torch.broadcast_shapes(x.shape, logits.shape[:-1])
    index = x.expand(shape).unsqueeze(-1)
    return log_p.expand(*shape, -1).gather(-1, index).squeeze(-1).sum(-1)


def _check_class_logits(logits: torch.Tensor) -> None:
    check_no_nan(logits=logits)
    if value_checks_are_on() and not logits.amax(-1).isfinite().all():
        raise ValueError(
            "logits must hold at least one finite value per pixel and no +inf: the softmax needs both"
        )


def discretized_logistic_log_prob(
    x: torch.Tensor, loc: torch.Tensor, log_scale: torch.Tensor, *, levels: int
) -> torch.Tensor:
    r"""Log probability of grey levels under independent logistic distributions cut into unit bins.

    p(x) = sigmoid((x + 1/2 - loc) / s) - sigmoid((x - 1/2 - loc) / s),   s = exp(log_scale)

    The first bin reaches down to -inf and the last up to +inf, so that the probabilities of all levels
    sum to 1. With a and b the two arguments above, a - b = 1 / s, and the difference is taken without
    cancellation as sigmoid(a) sigmoid(-b) (1 - exp(-1 / s)).

    Parameters
    ----------
    x
        Grey levels 0, ..., levels - 1 of dtype int64, shape (..., D).
    loc
        Centre of the logistic density, on the scale of the levels, floating, shape (..., D).
    log_scale
        log s, shape (..., D). s is not a standard deviation: that is pi s / sqrt(3).
    levels
        Number of grey levels, at least 2.

    Returns
    -------
    torch.Tensor
        Log probability in nats, of the leading shape, with the dtype of loc.

    Raises
    ------
    TypeError
        If x is not int64, loc and log_scale are not floating tensors of one dtype, or levels is no int.
    ValueError
        If shapes or devices do not agree, or levels is below 2; (value checks) if x leaves
        0, ..., levels - 1, or loc or log_scale is not finite.

    Notes
    -----
    Salimans, Karpathy, Chen and Kingma (2017), PixelCNN++, section 2.1, with one component.

    Examples
    --------
    >>> x = torch.arange(4).reshape(4, 1)
    >>> log_p = discretized_logistic_log_prob(x, torch.full((4, 1), 1.2), torch.zeros(4, 1), levels=4)
    >>> log_p.exp().sum()
    tensor(1.)
    """
    check_tensors(x=x, loc=loc, log_scale=log_scale)
    check_class_indices(x=x)
    check_floating(loc=loc, log_scale=log_scale)
    check_same_last_axis(x=x, loc=loc, log_scale=log_scale)
    check_count(levels=levels)
    if levels < 2:
        raise ValueError(f"levels must be at least 2, got {levels}")
    check_range(0, levels - 1, x=x)
    check_finite(log_scale=log_scale)
    grey = x.to(loc.dtype)
    below_upper_edge = F.logsigmoid(standardized_residual(grey + 0.5, loc, log_scale))
    above_lower_edge = F.logsigmoid(-standardized_residual(grey - 0.5, loc, log_scale))
    inner = below_upper_edge + above_lower_edge + _log_one_minus_exp_of_bin(log_scale)
    log_p = torch.where(x == 0, below_upper_edge, torch.where(x == levels - 1, above_lower_edge, inner))
    return log_p.sum(-1)


def _log_one_minus_exp_of_bin(log_scale: torch.Tensor) -> torch.Tensor:
    """log(1 - exp(-1 / s)): it is 0 to all digits for log s < -7, and -log s for log s > 40."""
    inside = torch.log(-torch.expm1(-torch.exp(-log_scale.clamp(-7, 40))))
    return torch.where(log_scale > 40, -log_scale, inside)
