"""Gumbel-softmax draws on the simplex of three classes: temperature, logits, and who wins how often."""

import math

import numpy as np
import torch

from vae_notes.gumbel import standard_gumbel
from vae_notes.live.figure import LiveFigure, check_number, number

_DRAWS = 500
_LOWEST, _HIGHEST = 0.051, 10.0  # the temperature's slider


def gumbel_softmax(logits: torch.Tensor, temperature: float = 1.0, seed: int = 0) -> LiveFigure:
    r"""Soft draws with held noise on the simplex, how often each of three classes wins, and the mean of y.

    y = softmax((logits + g) / temperature),   g ~ Gumbel(0, 1)

    Parameters
    ----------
    logits
        Unnormalised log probabilities at first, each from -3 to 3, shape (3,).
    temperature
        The temperature at first, from 0.051 to 10.
    seed
        Seed of the 500 draws of the noise, which are made once, here, and rounded to three digits.

    Returns
    -------
    LiveFigure
        To be shown as the last value of a cell.

    Raises
    ------
    TypeError
        If temperature is no number.
    ValueError
        If logits does not have the shape (3,), or a number lies outside its range.

    Examples
    --------
    >>> gumbel_softmax(torch.tensor([0.8, 0.1, -1.0]))  # doctest: +ELLIPSIS
    Live figure gumbel_softmax: τ = 1.00: class 1 wins 0... of the draws (π₁ = 0.602); the mean of y₁ is 0...
    """
    check_number(_LOWEST, _HIGHEST, temperature=temperature)
    if logits.shape != (3,):
        raise ValueError(f"logits must have shape (3,), got {tuple(logits.shape)}")
    rounded = [round(value, 4) for value in logits.tolist()]
    for i, value in enumerate(rounded):
        check_number(-3, 3, **{f"logits[{i}]": value})
    generator = torch.Generator().manual_seed(seed)
    noise = (standard_gumbel((_DRAWS, 3), generator=generator, dtype=torch.float64) * 1000).round() / 1000
    state = dict(zip(("l1", "l2", "l3"), rounded, strict=True), log_tau=math.log10(temperature), draw=1)
    scores = torch.tensor(rounded, dtype=torch.float64) + noise
    y = (scores / temperature).softmax(-1)
    probabilities = torch.tensor(rounded, dtype=torch.float64).softmax(0)
    wins = torch.bincount(scores.argmax(-1), minlength=3) / _DRAWS
    pi, won, soft = (number(values[0].item(), 3) for values in (probabilities, wins.double(), y.mean(0)))
    sentence = (
        f"τ = {number(temperature, 2)}: class 1 wins {won} of the draws (π₁ = {pi}); the mean of y₁ is {soft}."
    )
    alt = (
        f"{_DRAWS} soft draws at temperature {temperature:g} as points in a triangle whose corners are the classes. "
        f"Beside it, bars: class 1 has probability {pi}, wins {won} of the draws, and the mean of its coordinate is {soft}."
    )
    data = {"state": state, "noise": [[round(value, 3) for value in row] for row in noise.tolist()]}
    return LiveFigure(
        "gumbel_softmax", data, sentence, alt, lambda: _still(y, scores.argmax(-1), wins, probabilities)
    )


def _still(y: torch.Tensor, winners: torch.Tensor, wins: torch.Tensor, probabilities: torch.Tensor):
    from matplotlib.figure import Figure

    from vae_notes import plots

    corners = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.5, math.sqrt(3) / 2]], dtype=torch.float64)
    colours = [plots.COLOURS[name] for name in ("blue", "orange", "green")]
    figure = Figure(figsize=(6, 3.1))
    paper, bars = figure.subplots(1, 2)
    paper.plot(*corners[[0, 1, 2, 0]].T, "-", color="0.4", linewidth=1)
    for i, colour in enumerate(colours):
        paper.plot(*(y[winners == i][:120] @ corners).T, ".", color=colour, markersize=4, linestyle="none")
        x, height = corners[i].tolist()
        paper.text(x, height + (0.03 if i == 2 else -0.1), f"class {i + 1}", ha="center")
    paper.plot(*(probabilities @ corners), "s", color="black", linestyle="none")
    paper.plot(*(y.mean(0) @ corners), "D", color=plots.COLOURS["vermillion"], linestyle="none")
    paper.set(aspect="equal", xlim=(-0.15, 1.15), ylim=(-0.15, 1))
    paper.axis("off")
    places = np.arange(3)
    bars.bar(places - 0.2, wins.numpy(), 0.36, color=colours, label="it wins")
    bars.bar(places + 0.2, y.mean(0).numpy(), 0.36, color="white", edgecolor=colours, hatch="///", label="mean of $y$")
    bars.hlines(probabilities.numpy(), places - 0.42, places + 0.42, color="black", linewidth=3, label="$\\pi$")
    bars.set(ylim=(0, 1), ylabel="share")
    bars.set_xticks(places, [f"class {i + 1}" for i in range(3)])
    bars.legend(fontsize=9)
    return figure
