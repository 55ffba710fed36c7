"""The weight of the KL by a schedule and the floor of free bits: which gradients are alive."""

import torch

from vae_notes import schedules
from vae_notes.divergences import kl_normal_standard_per_dim
from vae_notes.free_bits import free_bits
from vae_notes.live.figure import LiveFigure, check_number, number

_STEPS = 1200
_SCHEDULES = {
    "linear": lambda step, length: schedules.linear(step, length),
    "sigmoid": lambda step, length: schedules.sigmoid(step, length / 2, length / 10),
    "cyclical": lambda step, length: schedules.cyclical(step, length, cycles=4, ramp=0.5),
    "geometric": lambda step, length: schedules.geometric(step, 0.01 ** (1 / length)),
    "none": lambda step, length: 1.0,
}


def annealing(
    means: tuple[float, ...] = (0.5, -0.85, 1.35, 2.0),
    floor: float = 0.5,
    schedule: str = "linear",
    length: int = 600,
    step: int = 300,
) -> LiveFigure:
    r"""Four dimensions with unit variance, the weight and the floor of their KL, and the gradients that are left.

    loss = -log p(x|z) + weight(step) * sum_j max(floor, 1/2 mean_j^2)

    Parameters
    ----------
    means
        The means of q at first, four numbers from -2.4 to 2.4.
    floor
        Free bits, in nats, from 0 (the plain KL) to 2: under each dimension, or under their sum as the reader chooses.
    schedule
        "linear", "sigmoid" (middle length / 2, width length / 10), "cyclical" (four cycles), "geometric" (it leaves
        1 % of the gap after its length) or "none".
    length
        Steps that the schedule takes, from 100 to 1200.
    step
        The step of training at first, from 0 to 1200.

    Returns
    -------
    LiveFigure
        To be shown as the last value of a cell.

    Raises
    ------
    TypeError
        If something is no number.
    ValueError
        If there are not four means, a number lies outside its range, or the schedule is none of the five.

    Examples
    --------
    >>> annealing(floor=0.5)
    Live figure annealing: Step 300: weight 0.50, KL 3.40, penalty 3.91 nats; 2 of 4 gradients are alive.
    """
    if len(means) != 4:
        raise ValueError(f"means must be four numbers, got {len(means)}")
    check_number(-2.4, 2.4, **{f"means[{i}]": mean for i, mean in enumerate(means)})
    check_number(0, 2, floor=floor)
    check_number(100, _STEPS, length=length)
    check_number(0, _STEPS, step=step)
    if schedule not in _SCHEDULES:
        raise ValueError(f"schedule must be one of {', '.join(_SCHEDULES)}, got {schedule!r}")
    state = {f"m{i + 1}": mean for i, mean in enumerate(means)}
    state |= dict(floor=floor, groups="dimension", schedule=schedule, length=length, step=step)
    loc = torch.tensor([means], dtype=torch.float64)
    kl = kl_normal_standard_per_dim(loc, torch.zeros_like(loc))
    charged = free_bits(kl, floor).item()
    weight = number(_SCHEDULES[schedule](step, length), 2)
    alive = int((kl > floor).sum())
    sentence = (
        f"Step {step}: weight {weight}, KL {number(kl.sum().item(), 2)}, penalty {number(charged, 2)} nats; "
        f"{alive} of 4 gradients are alive."
    )
    alt = (
        f"Above, the KL of a dimension against its mean, a parabola with a flat floor at {floor:g} nats, and four points "
        f"on it: {alive} lie above the floor and feel a pull, the others none. Below, the weight of the KL over "
        f"{_STEPS} steps by the schedule {schedule}; at step {step} it is {weight}."
    )
    return LiveFigure("annealing", {"state": state}, sentence, alt, lambda: _still(loc[0], kl[0], state))


def _still(means: torch.Tensor, kl: torch.Tensor, state: dict):
    from matplotlib.figure import Figure

    from vae_notes import plots

    figure = Figure(figsize=(6, 4.6))
    above, below = figure.subplots(2, height_ratios=(3, 2))
    mu = torch.linspace(-2.5, 2.5, 201, dtype=torch.float64)
    above.plot(mu, mu**2 / 2, color="0.5", linewidth=1, linestyle="-", label="KL")
    above.plot(mu, (mu**2 / 2).clamp(min=state["floor"]), label="with the floor")
    for name, kept, fill in (("alive", kl > state["floor"], None), ("off", kl <= state["floor"], "white")):
        look = dict(marker="o", markersize=8, linestyle="none", color=plots.COLOURS["vermillion"])
        above.plot(means[kept], kl[kept], **look, markerfacecolor=fill, label=name)
    above.set(xlabel="mean of a dimension", ylabel="KL, nats", ylim=(0, 3.1))
    steps = range(0, _STEPS + 1, 4)
    below.plot(steps, [_SCHEDULES[state["schedule"]](one, state["length"]) for one in steps], color="#009E73")
    below.axvline(state["step"], color="0.5", linewidth=1, linestyle="--")
    below.set(xlabel="step", ylabel="weight", ylim=(0, 1.1))
    above.legend(fontsize=9)
    return figure
