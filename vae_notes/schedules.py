"""Schedules for the weight of the KL term: a step of training, counted from 0, to a weight.

Each is a plain function of the step, so a run that is resumed goes on as if it had not stopped. `Annealed`
hands a schedule to training.fit.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from vae_notes.checks import check_count

__all__ = ["Annealed", "cyclical", "geometric", "linear", "sigmoid"]


def linear(step: int, steps: int, *, start: float = 0.0, end: float = 1.0) -> float:
    r"""A straight ramp, then constant.

    beta = start + (end - start) min(step / steps, 1)

    Parameters
    ----------
    step
        Steps of training already taken, at least 0.
    steps
        Length of the ramp.
    start, end
        Weight at step 0, and from ``steps`` on.

    Returns
    -------
    float
        The weight, between start and end.

    Raises
    ------
    TypeError, ValueError
        If step or steps is no int, step is negative or steps is below 1, or start or end is not finite.

    Notes
    -----
    The usual form of the "warm-up" of Bowman et al. (2016) and Sonderby et al. (2016).

    Examples
    --------
    >>> [linear(step, 4) for step in (0, 1, 4, 100)]
    [0.0, 0.25, 1.0, 1.0]
    """
    _check_step(step, start, end)
    check_count(steps=steps)
    return _between(start, end, min(step / steps, 1.0))


def sigmoid(step: int, middle: float, width: float, *, start: float = 0.0, end: float = 1.0) -> float:
    r"""A smooth ramp; it begins a little above start and never quite reaches end.

    beta = start + (end - start) / (1 + exp(-(step - middle) / width))

    Parameters
    ----------
    step
        Steps of training already taken, at least 0.
    middle
        The step at which half of the way is done, finite.
    width
        Length scale in steps, positive and finite: from ``middle - 3 width`` to ``middle + 3 width`` nine
        tenths of the way are done.
    start, end
        The limits before and after.

    Returns
    -------
    float
        The weight, between start and end.

    Raises
    ------
    TypeError, ValueError
        If step is no int or negative, width is not positive, or a number is not finite.

    Notes
    -----
    Bowman, Vilnis, Vinyals, Dai, Jozefowicz and Bengio (2016), Generating sentences from a continuous space,
    section 3.1.

    Examples
    --------
    >>> [round(sigmoid(step, middle=100, width=20), 4) for step in (0, 100, 200)]
    [0.0067, 0.5, 0.9933]
    """
    _check_step(step, start, end)
    if not (math.isfinite(middle) and 0 < width < math.inf):
        raise ValueError(f"middle must be finite and width positive and finite, got {middle} and {width}")
    tanh = math.tanh((step - middle) / width / 2)  # unlike exp it cannot overflow
    return _between(start, end, (1 + tanh) / 2)


def cyclical(
    step: int, steps: int, *, cycles: int = 4, ramp: float = 0.5, start: float = 0.0, end: float = 1.0
) -> float:
    r"""A ramp and a rest, several times over; constant after the last.

    beta = start + (end - start) min(tau / ramp, 1),   tau = (step mod period) / period,   period = steps / cycles

    Parameters
    ----------
    step
        Steps of training already taken, at least 0.
    steps
        Length of all cycles together. From there on the weight is ``end``.
    cycles
        How many, M.
    ramp
        The part of a cycle in which the weight rises, R, in (0, 1].
    start, end
        Weight at the beginning of each cycle, and after its ramp.

    Returns
    -------
    float
        The weight, between start and end.

    Raises
    ------
    TypeError, ValueError
        If step, steps or cycles is no int, step is negative, a count is below 1, ramp is not in (0, 1], or
        start or end is not finite.

    Notes
    -----
    Fu, Li, Liu, Gao, Celikyilmaz and Carin (2019), Cyclical annealing schedule, section 4.

    Examples
    --------
    >>> [cyclical(step, 16, cycles=2) for step in range(9)]
    [0.0, 0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0, 0.0]
    """
    _check_step(step, start, end)
    check_count(steps=steps, cycles=cycles)
    if not 0 < ramp <= 1:
        raise ValueError(f"ramp must lie in (0, 1], got {ramp}")
    if step >= steps:
        return float(end)
    done = step * cycles % steps / steps  # of the current cycle, without rounding
    return _between(start, end, min(done / ramp, 1.0))


def geometric(step: int, rate: float, *, start: float = 0.0, end: float = 1.0) -> float:
    r"""The gap to the end shrinks by the same factor at every step.

    beta = end + (start - end) rate^step

    Parameters
    ----------
    step
        Steps already taken, at least 0.
    rate
        What is left of the gap after one step, in [0, 1]: a decay factor, not a rate of growth. The larger
        it is, the slower the rise; half of the way takes log(1/2) / log(rate) steps. Above 1 the formula
        runs away from end, and it is refused.
    start, end
        Weight at step 0, and in the limit.

    Returns
    -------
    float
        The weight, between start and end.

    Raises
    ------
    TypeError, ValueError
        If step is no int or negative, rate is not in [0, 1], or start or end is not finite.

    Examples
    --------
    >>> [round(geometric(step, 0.9), 4) for step in (0, 1, 5, 50)]
    [0.0, 0.1, 0.4095, 0.9948]
    """
    _check_step(step, start, end)
    if not 0 <= rate <= 1:
        raise ValueError(f"rate must lie in [0, 1], it is the part of the gap that is left, got {rate}")
    return _between(start, end, 1 - rate**step)


def _between(start: float, end: float, part: float) -> float:
    """Exactly start for 0, exactly end for 1."""
    return (1 - part) * start + part * end


def _check_step(step: int, start: float, end: float) -> None:
    if isinstance(step, bool) or not isinstance(step, int):
        raise TypeError(f"step must be an int, got {type(step).__name__}")
    if step < 0:
        raise ValueError(f"step must be at least 0, got {step}")
    if not (math.isfinite(start) and math.isfinite(end)):
        raise ValueError(f"start and end must be finite, got {start} and {end}")


class Annealed(nn.Module):
    r"""A model whose KL term is weighted by a schedule while it trains.

    .. math:: \mathrm{loss} = -E_{q(z|x)}[\log p(x|z)] + \beta(\mathrm{step})\, KL(q(z|x) \| p(z))

    Train it in place of the model, which it changes; then use the model. The step counts the calls of ``loss``
    in training mode. It is part of the state dict, and so of every checkpoint of
    :func:`vae_notes.training.fit`: a run that was interrupted goes on at its step.

    Parameters
    ----------
    vae : module
        Whose ``loss`` returns ``reconstruction`` and ``kl``, such as :class:`vae_notes.models.VAE`. Its own
        weight of the KL is not used.
    schedule : callable
        step -> weight, for example ``lambda step: linear(step, 500)``.

    Examples
    --------
    >>> from vae_notes.likelihoods import BernoulliLikelihood
    >>> from vae_notes.models import VAE, Decoder, Encoder
    >>> vae = VAE(Encoder(64, 128, 2), Decoder(2, 128, 64), BernoulliLikelihood())
    >>> model = Annealed(vae, lambda step: linear(step, 4))
    >>> [model.loss(torch.ones(1, 64))["beta"].item() for _ in range(3)]
    [0.0, 0.25, 0.5]
    """

    def __init__(self, vae: nn.Module, schedule: Callable[[int], float]):
        super().__init__()
        self.vae, self.schedule = vae, schedule
        self.step = 0  # a number, not a tensor: a schedule then never waits for a GPU

    def loss(self, x: Tensor, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """As the loss of the model, with ``beta``, the weight: each part (N,). ``elbo`` has weight 1."""
        parts = self.vae.loss(x, generator)
        beta = torch.full_like(parts["kl"], self.schedule(self.step))
        if self.training:
            self.step += 1
        return parts | {"loss": beta * parts["kl"] - parts["reconstruction"], "beta": beta}

    def check_data(self, x: Tensor) -> None:
        """Raise unless x could be the targets of the model's likelihood."""
        self.vae.check_data(x)

    def get_extra_state(self) -> Any:
        """The step, for the state dict."""
        return {"step": self.step}

    def set_extra_state(self, state: Any) -> None:
        """Put back by ``load_state_dict``."""
        self.step = state["step"]
