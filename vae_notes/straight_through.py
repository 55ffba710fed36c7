"""Straight-through gradients: the value of a step function, the gradient of something smooth.

A step (sign, rounding, the choice of the nearest code) has slope 0 wherever it has a slope, so that nothing
behind it would learn. These functions give its value forwards and another function's gradient backwards. Such a
gradient is not the derivative of anything that was computed; it is a rule, and in general a biased one.
"""

import math

import torch

from vae_notes.checks import check_finite, check_floating


def straight_through(hard: torch.Tensor, soft: torch.Tensor) -> torch.Tensor:
    r"""The value of one tensor with the gradient of another.

    y = hard,   and backwards dL/dsoft = dL/dy,   dL/dhard = 0

    The value is exactly that of `hard`. The well-known line soft + (hard - soft).detach() gives it only up to
    rounding, here the difference is taken between equal numbers.

    Parameters
    ----------
    hard
        What is passed on forwards, floating, any shape (..., D).
    soft
        What receives the gradient, of the shape and dtype of hard.

    Returns
    -------
    torch.Tensor
        The values of hard, in its unit; the gradient with respect to it arrives at soft unchanged.

    Raises
    ------
    TypeError
        If an argument is not a floating tensor, or dtypes differ.
    ValueError
        If shapes or devices differ, or (value checks) a value is not finite.

    Notes
    -----
    Bengio, Leonard and Courville (2013), Estimating or Propagating Gradients Through Stochastic Neurons.

    Examples
    --------
    >>> soft = torch.tensor([0.2, 1.7], requires_grad=True)
    >>> y = straight_through(torch.tensor([0.0, 2.0]), soft)
    >>> y.square().sum().backward()
    >>> y.tolist(), soft.grad.tolist()  # the slope 2 y is taken at the hard value
    ([0.0, 2.0], [0.0, 4.0])
    """
    check_floating(hard=hard, soft=soft)
    if hard.shape != soft.shape:
        raise ValueError(
            f"hard and soft must have the same shape, got {tuple(hard.shape)} and {tuple(soft.shape)}"
        )
    check_finite(hard=hard, soft=soft)
    return hard.detach() + (soft - soft.detach())


def straight_through_sign(x: torch.Tensor, *, limit: float = math.inf) -> torch.Tensor:
    r"""The sign of x with a straight-through gradient, plain or clipped.

    y = 1 for x >= 0 and -1 for x < 0,   and backwards dL/dx = dL/dy where |x| <= limit, else 0

    Parameters
    ----------
    x
        Floating, any shape. There are two values only: the sign of 0 is 1.
    limit
        Beyond it the gradient is 0. Infinite, the default, is the plain rule; 1 is the usual clip.

    Returns
    -------
    torch.Tensor
        -1 or 1, of the shape and dtype of x.

    Raises
    ------
    TypeError
        If x is not a floating tensor.
    ValueError
        If limit is not positive, or (value checks) x is not finite.

    Notes
    -----
    Hubara et al. (2016), Binarized Neural Networks.

    Examples
    --------
    >>> x = torch.tensor([-3.0, -0.5, 0.0, 2.0], requires_grad=True)
    >>> y = straight_through_sign(x, limit=1.0)
    >>> y.sum().backward()
    >>> y.tolist(), x.grad.tolist()
    ([-1.0, -1.0, 1.0, 1.0], [0.0, 1.0, 1.0, 0.0])
    """
    _check_arguments(x, limit)
    return straight_through(torch.where(x < 0, -1.0, 1.0).to(x.dtype), _passing(x, limit))


def straight_through_round(x: torch.Tensor, *, limit: float = math.inf) -> torch.Tensor:
    r"""x rounded to a whole number, with a straight-through gradient, plain or clipped.

    y = round(x),   and backwards dL/dx = dL/dy where |x| <= limit, else 0

    Parameters
    ----------
    x
        Floating, any shape. Halves go to the even neighbour, as in torch.round.
    limit
        Beyond it the gradient is 0; the value is rounded all the same. Infinite, the default, is the plain rule.

    Returns
    -------
    torch.Tensor
        Whole numbers, of the shape and dtype of x.

    Raises
    ------
    TypeError
        If x is not a floating tensor.
    ValueError
        If limit is not positive, or (value checks) x is not finite.

    Notes
    -----
    Bengio, Leonard and Courville (2013), Estimating or Propagating Gradients Through Stochastic Neurons.

    Examples
    --------
    >>> x = torch.tensor([-2.2, 0.3, 0.9, 1.8], requires_grad=True)
    >>> straight_through_round(x, limit=1.0).square().sum().backward()
    >>> x.grad.tolist()
    [0.0, 0.0, 2.0, 0.0]
    """
    _check_arguments(x, limit)
    return straight_through(x.round(), _passing(x, limit))


def _passing(x: torch.Tensor, limit: float) -> torch.Tensor:
    """x, with a gradient where |x| <= limit. What clamp does at the border depends on PyTorch's version."""
    return torch.where(x.abs() <= limit, x, x.detach())


def _check_arguments(x: torch.Tensor, limit: float) -> None:
    check_floating(x=x)
    check_finite(x=x)
    if not limit > 0:
        raise ValueError(f"limit must be positive, got {limit}")
