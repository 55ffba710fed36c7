"""Walks and maps in a latent space: two kinds of path, a grid of the prior, one axis at a time.

Axes: a path or a traversal adds its steps as a new first axis; the last axis is the latent dimension d.
"""

import math

import torch
from torch import Tensor

from vae_notes.checks import (
    check_count,
    check_finite,
    check_floating,
    check_same_last_axis,
    value_checks_are_on,
)

__all__ = ["prior_quantile_grid", "spherical_path", "straight_path", "traversal"]

_OPPOSITE = 1e-3  # radians: closer than this to pi, the shortest arc is decided by rounding


def straight_path(start: Tensor, end: Tensor, share: Tensor) -> Tensor:
    r"""Points on the straight line between two codes.

    z(t) = (1 - t) start + t end

    Parameters
    ----------
    start, end
        Codes, floating, shape (..., d).
    share
        The shares t, floating, shape (T,), usually between 0 and 1. Other values go beyond the ends.

    Returns
    -------
    torch.Tensor
        Shape (T, ..., d).

    Raises
    ------
    TypeError
        If an argument is not a floating tensor, or dtypes differ.
    ValueError
        If shapes or devices do not agree, or share has not one axis; (value checks) if a value is not finite.

    Examples
    --------
    >>> straight_path(torch.tensor([2.0, 0.0]), torch.tensor([0.0, 2.0]), torch.tensor([0.0, 0.5, 1.0]))
    tensor([[2., 0.],
            [1., 1.],
            [0., 2.]])
    """
    share = _checked_share(start, end, share)
    return torch.lerp(start, end, share)


def spherical_path(start: Tensor, end: Tensor, share: Tensor) -> Tensor:
    r"""Points on the arc between two codes: spherical linear interpolation ("slerp").

    z(t) = sin((1 - t) w) / sin(w) start + sin(t w) / sin(w) end,   w the angle between start and end

    Codes of one norm are joined by an arc of that norm. The weights tend to those of the straight line
    where the angle tends to 0, and there the straight line is returned.

    Parameters
    ----------
    start, end
        Codes, floating, shape (..., d). A code of zeros has no direction: it is joined in a straight line.
    share
        The shares t, floating, shape (T,), usually between 0 and 1.

    Returns
    -------
    torch.Tensor
        Shape (T, ..., d).

    Raises
    ------
    TypeError
        If an argument is not a floating tensor, or dtypes differ.
    ValueError
        If shapes or devices do not agree, or share has not one axis; (value checks) if a value is not finite,
        or start and end point in opposite directions, which infinitely many arcs join.

    Notes
    -----
    Shoemake (1985), Animating rotation with quaternion curves; for generative models White (2016), Sampling
    generative networks.

    Examples
    --------
    >>> spherical_path(torch.tensor([2.0, 0.0]), torch.tensor([0.0, 2.0]), torch.tensor([0.0, 0.5, 1.0]))
    tensor([[2.0000, 0.0000],
            [1.4142, 1.4142],
            [0.0000, 2.0000]])
    """
    share = _checked_share(start, end, share)
    angle = _angle(start, end)
    if value_checks_are_on() and (angle > math.pi - _OPPOSITE).any():
        raise ValueError(
            "start and end must not point in opposite directions: no arc between them is the shortest "
            f"(largest angle {angle.max().item():.6f}, pi is {math.pi:.6f})"
        )
    # sin(t w) / sin(w), written with sinc(v) = sin(pi v) / (pi v) to be exact at w = 0
    whole = torch.sinc(angle / math.pi)
    from_start = (1 - share) * torch.sinc((1 - share) * angle / math.pi) / whole
    from_end = share * torch.sinc(share * angle / math.pi) / whole
    return from_start * start + from_end * end


def prior_quantile_grid(n: int) -> Tensor:
    r"""A square grid of n x n codes in the plane, each the middle of a cell of prior probability 1 / n^2.

    z_ij = (Phi^-1((j - 1/2) / n), Phi^-1((n - i + 1/2) / n)),   i, j = 1, ..., n

    Rows run from the top (large second coordinate) to the bottom and columns from left to right, so that the
    decoded pictures, laid out row by row, lie as the codes do in the plane.

    Parameters
    ----------
    n
        Codes along a side.

    Returns
    -------
    torch.Tensor
        Codes, shape (n * n, 2), in torch's default dtype.

    Raises
    ------
    TypeError, ValueError
        If n is not a whole number of at least 1.

    Notes
    -----
    Kingma and Welling (2014), Auto-Encoding Variational Bayes, appendix A: "linearly spaced coordinates on
    the unit square were transformed through the inverse CDF of the Gaussian".

    Examples
    --------
    >>> prior_quantile_grid(2)
    tensor([[-0.6745,  0.6745],
            [ 0.6745,  0.6745],
            [-0.6745, -0.6745],
            [ 0.6745, -0.6745]])
    """
    check_count(n=n)
    quantiles = torch.special.ndtri((torch.arange(n) + 0.5) / n)
    return torch.cartesian_prod(quantiles.flip(0), quantiles).flip(-1)


def traversal(z: Tensor, axis: int, values: Tensor) -> Tensor:
    r"""Copies of a code in which one coordinate takes the given values and the others stay.

    Parameters
    ----------
    z
        Codes, floating, shape (..., d).
    axis
        Which coordinate, 0 to d - 1 (or from the end, -d to -1).
    values
        Its values, floating, shape (T,).

    Returns
    -------
    torch.Tensor
        Shape (T, ..., d). z itself is not changed.

    Raises
    ------
    TypeError
        If z or values is not a floating tensor, dtypes differ, or axis is no int.
    ValueError
        If devices differ, values has not one axis, or z has no such coordinate; (value checks) if a value is
        not finite.

    Examples
    --------
    >>> traversal(torch.tensor([5.0, 6.0]), axis=1, values=torch.tensor([-1.0, 0.0, 1.0]))
    tensor([[ 5., -1.],
            [ 5.,  0.],
            [ 5.,  1.]])
    """
    check_floating(z=z, values=values)
    _check_one_axis(values=values)
    if isinstance(axis, bool) or not isinstance(axis, int):
        raise TypeError(f"axis must be an int, got {type(axis).__name__}")
    if z.ndim < 1 or not -z.shape[-1] <= axis < z.shape[-1]:
        raise ValueError(f"z has shape {tuple(z.shape)}: it has no coordinate {axis}")
    check_finite(z=z, values=values)
    path = z.expand(len(values), *z.shape).clone()
    path[..., axis] = values.reshape(-1, *[1] * (z.ndim - 1))
    return path


def _angle(start: Tensor, end: Tensor) -> Tensor:
    """The angle between two vectors, shape (..., 1), exact also for small angles (unlike an arc cosine)."""
    scale = torch.maximum(start.abs().amax(-1, keepdim=True), end.abs().amax(-1, keepdim=True))
    scale = torch.where(scale > 0, scale, 1.0)
    start, end = start / scale, end / scale  # so that no product of norms overflows
    a, b = start.norm(dim=-1, keepdim=True), end.norm(dim=-1, keepdim=True)
    difference = (start * b - end * a).norm(dim=-1, keepdim=True)
    return 2 * torch.atan2(difference, (start * b + end * a).norm(dim=-1, keepdim=True))


def _checked_share(start: Tensor, end: Tensor, share: Tensor) -> Tensor:
    """share as (T, 1, ..., 1), ready to be multiplied with codes; every argument checked."""
    check_floating(start=start, end=end, share=share)
    check_same_last_axis(start=start, end=end)
    _check_one_axis(share=share)
    check_finite(start=start, end=end, share=share)
    return share.reshape(-1, *[1] * max(start.ndim, end.ndim))


def _check_one_axis(**tensors: Tensor) -> None:
    for name, tensor in tensors.items():
        if tensor.ndim != 1:
            raise ValueError(f"{name} must have shape (T,), got {tuple(tensor.shape)}")
