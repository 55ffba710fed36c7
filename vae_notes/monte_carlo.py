"""Means of random values, with their standard errors: a Monte Carlo number without one says little."""

import torch

from vae_notes.checks import check_finite, check_floating


def mean_and_standard_error(values: torch.Tensor, axis: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    r"""Mean of independent values along one axis, with its standard error.

    mean = 1/K sum_k v_k,   stderr = sqrt(1/(K - 1) sum_k (v_k - mean)^2) / sqrt(K)

    Parameters
    ----------
    values
        Independent draws along `axis`, floating, any unit.
    axis
        The axis of the draws, 0 by convention: (K, ...).

    Returns
    -------
    tuple of torch.Tensor
        Mean and standard error, both of the shape of values without that axis and in its unit. The true
        mean lies within 2 standard errors in about 95 of 100 cases, if K is large and the variance finite.

    Raises
    ------
    TypeError
        If values is not a floating tensor.
    ValueError
        If the axis does not exist or holds fewer than 2 draws, or (value checks) a value is not finite.

    Examples
    --------
    >>> mean_and_standard_error(torch.tensor([1.0, 2.0, 3.0]))
    (tensor(2.), tensor(0.5774))
    """
    check_floating(values=values)
    if not -values.ndim <= axis < values.ndim:
        raise ValueError(f"values has shape {tuple(values.shape)}: it has no axis {axis}")
    n_draws = values.shape[axis]
    if n_draws < 2:
        raise ValueError(
            f"a standard error needs at least 2 draws, got {n_draws} along axis {axis} of values"
        )
    check_finite(values=values)
    mean = values.mean(axis, keepdim=True)
    variance = (values - mean).square().sum(axis) / (n_draws - 1)
    return mean.squeeze(axis), (variance / n_draws).sqrt()
