r"""The relaxed categorical distribution: Concrete, or Gumbel-softmax.

y = softmax((logits + g) / temperature) with standard Gumbel noise g: a point of the simplex instead of one of
its corners. The largest coordinate of y is class c with probability softmax(logits)_c at every temperature;
the mean of y is not softmax(logits). Axes are (K samples, N data, D variables, C classes).

Like torch's ExpRelaxedCategorical, the density takes log y: at low temperatures y underflows, log y does not.
"""

import math
import numbers

import torch
import torch.nn.functional as F

from vae_notes.checks import (
    check_count,
    check_finite,
    check_floating,
    check_leading_axes,
    value_checks_are_on,
)
from vae_notes.gumbel import standard_gumbel

_SUM_TOLERANCE = 1e-2  # on the logarithm of the sum of y: wide enough for 16 bits


def sample_relaxed_categorical(
    logits: torch.Tensor,
    temperature: float,
    *,
    hard: bool = False,
    n_samples: int | None = None,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    r"""Draw y = softmax((logits + g) / temperature), or its nearest corner with the gradient of y.

    hard=False:   y_c = exp((logits_c + g_c) / t) / sum_j exp((logits_j + g_j) / t),   g ~ Gumbel(0, 1)
    hard=True:    z = one_hot(argmax_c y_c) forwards, dz/dlogits := dy/dlogits backwards (straight-through)

    Parameters
    ----------
    logits
        Unnormalised log probabilities, floating, shape (..., C). -inf stands for probability 0.
    temperature
        t > 0. Towards 0 the draws become one-hot, towards infinity uniform.
    hard
        If True, the value is exactly one-hot, and distributed as softmax(logits). The gradient is that of the
        soft draw, which is biased.
    n_samples
        Number K of samples per datum. None draws one and adds no axis.
    generator
        Source of the randomness, on the device of logits. None takes torch's global one.

    Returns
    -------
    torch.Tensor
        Points of the simplex, shape (..., C), or (K, ..., C) with n_samples.

    Raises
    ------
    TypeError
        If logits is not a floating tensor, temperature no real number, or n_samples no int.
    ValueError
        If temperature is not positive and finite, logits has no class, n_samples is below 1, or the generator
        is on another device; (value checks) if logits holds NaN, +inf, or only -inf for one variable.

    Notes
    -----
    Jang, Gu and Poole (2017), Categorical reparameterization with Gumbel-softmax, equation 2; Maddison, Mnih
    and Teh (2017), The Concrete distribution.

    Examples
    --------
    >>> generator = torch.Generator().manual_seed(0)
    >>> z = sample_relaxed_categorical(torch.zeros(1, 3), 0.5, hard=True, generator=generator)
    >>> z.sum().item(), z.max().item()
    (1.0, 1.0)
    """
    log_y = sample_log_relaxed_categorical(logits, temperature, n_samples=n_samples, generator=generator)
    y = log_y.exp()
    if not hard:
        return y
    one_hot = torch.zeros_like(y).scatter_(-1, log_y.argmax(-1, keepdim=True), 1.0)
    return one_hot + (y - y.detach())  # the bracket is 0 forwards and has the slope of y backwards


def sample_log_relaxed_categorical(
    logits: torch.Tensor,
    temperature: float,
    *,
    n_samples: int | None = None,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    r"""Draw log y for a relaxed categorical y: what `relaxed_categorical_log_prob` takes.

    log y_c = (logits_c + g_c) / t - log sum_j exp((logits_j + g_j) / t),   g ~ Gumbel(0, 1)

    Parameters
    ----------
    logits, temperature, n_samples, generator
        As in `sample_relaxed_categorical`.

    Returns
    -------
    torch.Tensor
        Log y, shape (..., C), or (K, ..., C) with n_samples. It is -inf only for a class with logits -inf.

    Raises
    ------
    TypeError, ValueError
        As in `sample_relaxed_categorical`.

    Notes
    -----
    Maddison, Mnih and Teh (2017), The Concrete distribution, appendix C.3.

    Examples
    --------
    >>> log_y = sample_log_relaxed_categorical(torch.zeros(5, 3), 0.5)
    >>> torch.allclose(log_y.exp().sum(-1), torch.ones(5))
    True
    """
    check_floating(logits=logits)
    _check_temperature(temperature)
    _check_class_logits(logits)
    shape = logits.shape
    if n_samples is not None:
        check_count(n_samples=n_samples)
        shape = (n_samples, *shape)
    noise = standard_gumbel(shape, generator=generator, dtype=logits.dtype, device=logits.device)
    perturbed = logits + noise
    # Gaps to the winner, so that the division cannot overflow to inf - inf.
    gaps = perturbed - perturbed.amax(-1, keepdim=True).detach()
    return F.log_softmax(gaps / temperature, -1)


def relaxed_categorical_log_prob(
    log_y: torch.Tensor, logits: torch.Tensor, temperature: float
) -> torch.Tensor:
    r"""Log density of independent relaxed categorical variables on the simplex, at y = exp(log_y).

    log p(y) = sum_d [log (C-1)! + (C-1) log t + sum_c (a_dc - log y_dc) - C log sum_c exp a_dc]

    with a = logits - t log y. It is the density for the first C - 1 coordinates of each variable: those
    integrate to 1 over the simplex.

    Parameters
    ----------
    log_y
        Log of points inside the simplex, floating and finite, shape (..., D, C).
    logits
        Unnormalised log probabilities, finite, shape (..., D, C).
    temperature
        t > 0.

    Returns
    -------
    torch.Tensor
        Log density in nats, of the leading shape. It is a density: it may be positive.

    Raises
    ------
    TypeError
        If a tensor is not floating, dtypes differ, or temperature is no real number.
    ValueError
        If temperature is not positive and finite, or shapes or devices do not agree; (value checks) if a value
        is not finite (a class with probability 0 has no density on the simplex), or exp(log_y) does not sum
        to 1.

    Notes
    -----
    Maddison, Mnih and Teh (2017), The Concrete distribution, equation 10; Jang, Gu and Poole (2017),
    equation 3.

    Examples
    --------
    Two equally probable classes at temperature 1 give the uniform density on [0, 1]:

    >>> y = torch.tensor([[[0.2, 0.8]]])
    >>> relaxed_categorical_log_prob(y.log(), torch.zeros(1, 1, 2), 1.0).abs() < 1e-6
    tensor([True])
    """
    check_floating(log_y=log_y, logits=logits)
    _check_temperature(temperature)
    if log_y.ndim < 2 or logits.ndim < 2 or log_y.shape[-2:] != logits.shape[-2:] or logits.shape[-1] == 0:
        raise ValueError(
            f"log_y and logits must have shape (..., D, C) with one D and C of at least 1, "
            f"got log_y {tuple(log_y.shape)} and logits {tuple(logits.shape)}"
        )
    check_leading_axes(log_y=log_y.shape[:-2], logits=logits.shape[:-2])
    check_finite(log_y=log_y, logits=logits)
    if value_checks_are_on() and (log_y.logsumexp(-1).abs() > _SUM_TOLERANCE).any():
        raise ValueError("log_y must be the log of numbers that sum to 1 over the last axis; was y passed?")
    n_classes, n_variables = logits.shape[-1], logits.shape[-2]
    constant = n_variables * (math.lgamma(n_classes) + (n_classes - 1) * math.log(temperature))
    return constant + (F.log_softmax(logits - temperature * log_y, -1) - log_y).sum((-2, -1))


def _check_temperature(temperature: float) -> None:
    if isinstance(temperature, bool) or not isinstance(temperature, numbers.Real):
        raise TypeError(f"temperature must be a real number, got {type(temperature).__name__}")
    if not 0 < temperature < math.inf:
        raise ValueError(f"temperature must be positive and finite, got {temperature}")


def _check_class_logits(logits: torch.Tensor) -> None:
    if logits.ndim < 1 or logits.shape[-1] == 0:
        raise ValueError(f"logits must have shape (..., C) with C of at least 1, got {tuple(logits.shape)}")
    if value_checks_are_on() and not logits.amax(-1).isfinite().all():
        raise ValueError("logits must hold no NaN, no +inf, and a finite value for at least one class")
