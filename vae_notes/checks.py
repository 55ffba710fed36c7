"""Checks of the inputs, with messages that say what came and what is needed.

Every function of the package states its shapes with the same axes: (K samples, N data, D dimensions).
Checks of type and shape are always on: they cost microseconds and read no tensor's values. Checks of
VALUES (NaN, range) read the whole tensor, and on a GPU they wait for it. They are on by default;
`value_checks_off` switches them off inside a loop whose data were checked beforehand.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch

_VALUE_CHECKS: ContextVar[bool] = ContextVar("value_checks", default=True)


def value_checks_are_on() -> bool:
    """Say whether the functions of the package look at the values of their inputs.

    Returns
    -------
    bool
        True by default, False inside `value_checks_off`.

    Examples
    --------
    >>> value_checks_are_on()
    True
    """
    return _VALUE_CHECKS.get()


@contextmanager
def value_checks_off() -> Iterator[None]:
    """Switch off the checks of values (NaN, range) inside a `with` block.

    Checks of type and shape stay on. The switch belongs to the current thread, and it is restored
    when the block ends, also by an exception.

    Examples
    --------
    >>> with value_checks_off():
    ...     value_checks_are_on()
    False
    >>> value_checks_are_on()
    True
    """
    token = _VALUE_CHECKS.set(False)
    try:
        yield
    finally:
        _VALUE_CHECKS.reset(token)


def check_tensors(**tensors: torch.Tensor) -> None:
    """Raise unless every argument is a tensor and all lie on one device.

    Parameters
    ----------
    **tensors
        The arguments to check, under their own names.

    Raises
    ------
    TypeError
        If one is not a `torch.Tensor`.
    ValueError
        If they lie on different devices.

    Examples
    --------
    >>> check_tensors(loc=0.0)
    Traceback (most recent call last):
    ...
    TypeError: loc must be a torch.Tensor, got float; make one with torch.as_tensor(loc)
    """
    for name, tensor in tensors.items():
        if not isinstance(tensor, torch.Tensor):
            raise TypeError(
                f"{name} must be a torch.Tensor, got {type(tensor).__name__}; "
                f"make one with torch.as_tensor({name})"
            )
    if len({tensor.device for tensor in tensors.values()}) > 1:
        found = ", ".join(f"{name} on {tensor.device}" for name, tensor in tensors.items())
        raise ValueError(f"all tensors must be on the same device, got {found}")


def check_floating(**tensors: torch.Tensor) -> None:
    """Raise unless the arguments are floating tensors of one dtype on one device.

    Parameters
    ----------
    **tensors
        The arguments to check, under their own names.

    Raises
    ------
    TypeError
        If one is not a tensor or not floating, or if the dtypes differ.
    ValueError
        If the devices differ.

    Examples
    --------
    >>> check_floating(x=torch.tensor([0, 1]))
    Traceback (most recent call last):
    ...
    TypeError: x must be floating, got torch.int64; convert it, for example with x.to(torch.float32)
    """
    check_tensors(**tensors)
    for name, tensor in tensors.items():
        if not tensor.is_floating_point():
            raise TypeError(
                f"{name} must be floating, got {tensor.dtype}; "
                f"convert it, for example with {name}.to(torch.float32)"
            )
    if len({tensor.dtype for tensor in tensors.values()}) > 1:
        found = ", ".join(f"{name} {tensor.dtype}" for name, tensor in tensors.items())
        raise TypeError(f"all floating tensors must have the same dtype, got {found}")


def check_class_indices(**tensors: torch.Tensor) -> None:
    """Raise unless the arguments are int64 tensors, the dtype of class indices.

    Parameters
    ----------
    **tensors
        The arguments to check, under their own names.

    Raises
    ------
    TypeError
        If one is not a tensor or not int64.

    Examples
    --------
    >>> check_class_indices(x=torch.tensor([0.0, 1.0]))
    Traceback (most recent call last):
    ...
    TypeError: x must hold class indices (torch.int64), got torch.float32; convert it with x.to(torch.int64)
    """
    check_tensors(**tensors)
    for name, tensor in tensors.items():
        if tensor.dtype != torch.int64:
            raise TypeError(
                f"{name} must hold class indices (torch.int64), got {tensor.dtype}; "
                f"convert it with {name}.to(torch.int64)"
            )


def check_leading_axes(**shapes: torch.Size) -> None:
    """Raise unless the shapes agree where, aligned at the right, they overlap.

    Leading axes may be missing: (K, N) agrees with (N,). Size 1 is not stretched, so that a forgotten
    axis is an error and not a silent table of all pairs.

    Parameters
    ----------
    **shapes
        The leading shapes to compare, under the names of their tensors.

    Raises
    ------
    ValueError
        If two sizes differ.

    Examples
    --------
    >>> check_leading_axes(x=(7,), loc=(3, 7))
    >>> check_leading_axes(x=(7,), loc=(7, 1))
    Traceback (most recent call last):
    ...
    ValueError: leading axes must agree, aligned at the right: x has (7,) and loc has (7, 1)
    """
    names = list(shapes)
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            pairs = zip(reversed(shapes[first]), reversed(shapes[second]), strict=False)
            if any(a != b for a, b in pairs):
                raise ValueError(
                    f"leading axes must agree, aligned at the right: "
                    f"{first} has {tuple(shapes[first])} and {second} has {tuple(shapes[second])}"
                )


def check_same_last_axis(**tensors: torch.Tensor) -> None:
    """Raise unless the last axes are equal and the leading axes agree.

    Parameters
    ----------
    **tensors
        The arguments to check, shapes (..., D), under their own names.

    Raises
    ------
    ValueError
        If one has no axis, the last axes differ, or `check_leading_axes` raises.

    Examples
    --------
    >>> check_same_last_axis(x=torch.zeros(7, 2), loc=torch.zeros(3, 7, 2))
    >>> check_same_last_axis(x=torch.zeros(7, 2), loc=torch.zeros(7, 1))
    Traceback (most recent call last):
    ...
    ValueError: the last axis must have the same size everywhere, got x (7, 2), loc (7, 1)
    """
    for name, tensor in tensors.items():
        if tensor.ndim == 0:
            raise ValueError(
                f"{name} needs at least one axis, the last being the dimensions; it has shape ()"
            )
    if len({tensor.shape[-1] for tensor in tensors.values()}) > 1:
        found = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in tensors.items())
        raise ValueError(f"the last axis must have the same size everywhere, got {found}")
    check_leading_axes(**{name: tensor.shape[:-1] for name, tensor in tensors.items()})


def check_finite(**tensors: torch.Tensor) -> None:
    """Raise if an argument holds NaN or an infinity, while value checks are on.

    Parameters
    ----------
    **tensors
        The arguments to check, under their own names.

    Raises
    ------
    ValueError
        If one holds a value that is not finite.

    Examples
    --------
    >>> check_finite(x=torch.tensor([0.0, float("nan")]))
    Traceback (most recent call last):
    ...
    ValueError: x must be finite, but 1 of 2 values are not: 1 NaN, 0 infinite
    """
    if not value_checks_are_on():
        return
    for name, tensor in tensors.items():
        bad = int((~tensor.isfinite()).sum())
        if bad:
            nan = int(tensor.isnan().sum())
            raise ValueError(
                f"{name} must be finite, but {bad} of {tensor.numel()} values are not: "
                f"{nan} NaN, {bad - nan} infinite"
            )


def check_no_nan(**tensors: torch.Tensor) -> None:
    """Raise if an argument holds NaN, while value checks are on. Infinities pass.

    Parameters
    ----------
    **tensors
        The arguments to check, under their own names.

    Raises
    ------
    ValueError
        If one holds NaN.

    Examples
    --------
    >>> check_no_nan(logits=torch.tensor([0.0, float("nan")]))
    Traceback (most recent call last):
    ...
    ValueError: logits must not hold NaN, but 1 of 2 values are NaN
    """
    if not value_checks_are_on():
        return
    for name, tensor in tensors.items():
        nan = int(tensor.isnan().sum())
        if nan:
            raise ValueError(f"{name} must not hold NaN, but {nan} of {tensor.numel()} values are NaN")


def check_range(low: float, high: float, **tensors: torch.Tensor) -> None:
    """Raise if an argument leaves the closed interval [low, high], while value checks are on.

    Parameters
    ----------
    low, high
        The smallest and the largest value allowed.
    **tensors
        The arguments to check, under their own names. NaN is outside every interval.

    Raises
    ------
    ValueError
        If one leaves the interval; the message gives the range seen.

    Examples
    --------
    >>> check_range(0, 15, x=torch.tensor([3, 16]))
    Traceback (most recent call last):
    ...
    ValueError: x must lie between 0 and 15, but its values lie between 3 and 16
    """
    if not value_checks_are_on():
        return
    for name, tensor in tensors.items():
        if not ((tensor >= low) & (tensor <= high)).all():
            check_no_nan(**{name: tensor})
            raise ValueError(
                f"{name} must lie between {low} and {high}, "
                f"but its values lie between {tensor.min().item():g} and {tensor.max().item():g}"
            )


def check_binary(**tensors: torch.Tensor) -> None:
    """Raise unless the arguments hold zeros and ones only, while value checks are on.

    Parameters
    ----------
    **tensors
        The arguments to check, under their own names.

    Raises
    ------
    ValueError
        If one holds another value; the message gives the range seen and the two ways out for grey pixels.

    Examples
    --------
    >>> check_binary(x=torch.tensor([0.0, 1.0]))
    >>> check_binary(x=torch.tensor([0.0, 0.5]))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    ValueError: x must be binary (0 or 1), but its values lie between 0 and 0.5 and are not all 0 or 1. ...
    """
    if not value_checks_are_on():
        return
    for name, tensor in tensors.items():
        if not ((tensor == 0) | (tensor == 1)).all():
            check_no_nan(**{name: tensor})
            raise ValueError(
                f"{name} must be binary (0 or 1), but its values lie between {tensor.min().item():g} and "
                f"{tensor.max().item():g} and are not all 0 or 1. Grey pixels have no Bernoulli probability. Make "
                "them binary with vae_notes.data.binarize, or, if they are probabilities of a 1 in [0, 1], pass "
                "soft_targets=True"
            )


def check_count(**counts: int) -> None:
    """Raise unless each argument is a whole number of at least 1.

    Parameters
    ----------
    **counts
        The arguments to check, under their own names.

    Raises
    ------
    TypeError
        If one is not an int (True and False count as no number).
    ValueError
        If one is below 1.

    Examples
    --------
    >>> check_count(n_samples=0)
    Traceback (most recent call last):
    ...
    ValueError: n_samples must be at least 1, got 0
    """
    for name, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, int):
            raise TypeError(f"{name} must be an int, got {type(count).__name__}")
        if count < 1:
            raise ValueError(f"{name} must be at least 1, got {count}")
