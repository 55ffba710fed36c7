"""Samples that are differentiable functions of the parameters of their distribution."""

import torch

from vae_notes.checks import (
    check_count,
    check_finite,
    check_floating,
    check_same_last_axis,
    value_checks_are_on,
)


def sample_normal(
    loc: torch.Tensor,
    log_variance: torch.Tensor,
    *,
    n_samples: int | None = None,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    r"""Draw from a diagonal normal distribution, so that gradients reach loc and log_variance.

    z = loc + exp(log_variance / 2) * epsilon,   epsilon ~ N(0, I)

    Parameters
    ----------
    loc
        Means mu, floating, shape (..., D), by convention (N, D).
    log_variance
        log sigma^2, shape (..., D): half of it is the log of the standard deviation.
    n_samples
        Number K of samples per datum. None draws one and adds no axis.
    generator
        Source of the randomness, on the device of loc. None takes torch's global one.

    Returns
    -------
    torch.Tensor
        Samples, in the unit of loc: of the common shape of the arguments, or (K, ...) with n_samples.

    Raises
    ------
    TypeError
        If loc or log_variance is not a floating tensor, dtypes differ, or n_samples is no int.
    ValueError
        If shapes or devices do not agree, or n_samples is below 1; (value checks) if a value is not
        finite or the standard deviation overflows.

    Notes
    -----
    Kingma and Welling (2014), Auto-Encoding Variational Bayes, section 2.4.

    Examples
    --------
    >>> generator = torch.Generator().manual_seed(0)
    >>> sample_normal(torch.zeros(7, 2), torch.zeros(7, 2), n_samples=3, generator=generator).shape
    torch.Size([3, 7, 2])
    """
    check_floating(loc=loc, log_variance=log_variance)
    check_same_last_axis(loc=loc, log_variance=log_variance)
    check_finite(loc=loc, log_variance=log_variance)
    shape = torch.broadcast_shapes(loc.shape, log_variance.shape)
    if n_samples is not None:
        check_count(n_samples=n_samples)
        shape = (n_samples, *shape)
    if generator is not None and generator.device != loc.device:
        raise ValueError(
            f"generator must be on the device of loc, {loc.device}, got one on {generator.device}"
        )
    scale = torch.exp(0.5 * log_variance)
    if value_checks_are_on() and not scale.isfinite().all():
        raise ValueError(
            f"log_variance reaches {log_variance.max().item():g}: "
            f"the standard deviation overflows {scale.dtype}"
        )
    epsilon = torch.randn(shape, generator=generator, dtype=loc.dtype, device=loc.device)
    return loc + scale * epsilon
