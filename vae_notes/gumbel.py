r"""The Gumbel distribution: the law of a maximum, and the noise that turns an argmax into a draw.

If g_1, ..., g_C are independent standard Gumbel numbers, argmax_c (logits_c + g_c) is class c with
probability softmax(logits)_c. Axes are (K samples, N data, D dimensions).
"""

from collections.abc import Sequence

import torch

from vae_notes.checks import check_finite, check_floating, check_same_last_axis
from vae_notes.densities import standardized_residual


def gumbel_log_prob(x: torch.Tensor, loc: torch.Tensor, log_scale: torch.Tensor) -> torch.Tensor:
    r"""Log density of independent Gumbel distributions (those of maxima).

    log p(x) = -sum_d (r_d + exp(-r_d) + log_scale_d),   r = (x - loc) exp(-log_scale)

    The distribution function is exp(-exp(-r)). The mean is loc + 0.5772 scale (Euler's constant), the
    variance pi^2 scale^2 / 6. The law of MINIMA is that of -x: call this with -x and -loc.

    Parameters
    ----------
    x
        Points, floating, shape (..., D).
    loc
        Location mu, the most probable value, shape (..., D), in the unit of x.
    log_scale
        log beta, shape (..., D).

    Returns
    -------
    torch.Tensor
        Log density in nats, of the leading shape. It is -inf far below loc, where exp(-r) overflows.

    Raises
    ------
    TypeError
        If an argument is not a floating tensor, or dtypes differ.
    ValueError
        If shapes or devices do not agree, or (value checks) a value is not finite.

    Notes
    -----
    Gumbel (1941), The return period of flood flows.

    Examples
    --------
    >>> gumbel_log_prob(torch.zeros(1, 2), loc=torch.zeros(1, 2), log_scale=torch.zeros(1, 2))
    tensor([-2.])
    """
    check_floating(x=x, loc=loc, log_scale=log_scale)
    check_same_last_axis(x=x, loc=loc, log_scale=log_scale)
    check_finite(log_scale=log_scale)
    residual = standardized_residual(x, loc, log_scale)
    # A residual of -inf would give inf - inf. From any number this low, exp(-r) is infinite by itself.
    residual = residual.clamp(min=torch.finfo(residual.dtype).min)
    return -(residual + torch.exp(-residual) + log_scale).sum(-1)


def standard_gumbel(
    shape: Sequence[int],
    *,
    generator: torch.Generator | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> torch.Tensor:
    r"""Draw independent standard Gumbel numbers, all of them finite.

    g = -log(e),   e ~ Exponential(1)

    The formula -log(-log(u)) with a uniform u is the same law. But torch.rand can return 0 (in 16 bits one
    number in a few thousand), and the result is then -inf. torch's exponential numbers are never 0.

    Parameters
    ----------
    shape
        Shape of the result.
    generator
        Source of the randomness, on the device of the result. None takes torch's global one.
    dtype, device
        As in torch.randn.

    Returns
    -------
    torch.Tensor
        Noise of the given shape, with mean 0.5772 and variance pi^2 / 6.

    Raises
    ------
    ValueError
        If the generator is on another device.

    Examples
    --------
    >>> standard_gumbel((2, 3), generator=torch.Generator().manual_seed(0)).isfinite().all()
    tensor(True)
    """
    empty = torch.empty(*shape, dtype=dtype, device=device)
    if generator is not None and generator.device != empty.device:
        raise ValueError(f"generator must be on the device {empty.device}, got one on {generator.device}")
    return -empty.exponential_(generator=generator).log()
