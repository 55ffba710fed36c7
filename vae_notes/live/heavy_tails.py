"""A sample with one point to drag away: what it costs a normal and a Student t, and how each fit follows it."""

import math

import torch

from vae_notes.densities import normal_log_prob
from vae_notes.live.figure import LiveFigure, check_number, number
from vae_notes.student_t import student_t_log_prob

_ENDS = (-4, 9)
_MOST_POINTS = 100
_MOST_STEPS = 3000
_STILL = 1e-13


def heavy_tails(points: torch.Tensor, outlier: float = 6.0, df: float = 3.0) -> LiveFigure:
    r"""A normal and a Student t fitted to some points and an outlier, with its log density and its pull.

    centre = sum_n w_n x_n / sum_n w_n,   w = (df + 1) / (df + (x - centre)^2 / scale^2),   w = 1 for the normal

    Parameters
    ----------
    points
        The points that stay, from 2 to 100 numbers between -4 and 9, shape (N,).
    outlier
        Where the point to drag lies at first, from -4 to 9.
    df
        Degrees of freedom nu of the t at first, from 1 to 30.

    Returns
    -------
    LiveFigure
        To be shown as the last value of a cell; log densities in nats.

    Raises
    ------
    TypeError
        If outlier or df is no number.
    ValueError
        If points does not have the shape (N,), or a number lies outside its range.

    Examples
    --------
    >>> heavy_tails(torch.tensor([-1.0, -0.5, 0.0, 0.5, 1.0]), outlier=6.0)
    Live figure heavy_tails: Log density at 6.0: normal −13.42, t −6.04 nats; centres 1.00 and 0.14.
    """
    check_number(*_ENDS, outlier=outlier)
    check_number(1, 30, df=df)
    if points.ndim != 1 or not 2 <= len(points) <= _MOST_POINTS:
        raise ValueError(f"points must have shape (N,) with N from 2 to {_MOST_POINTS}, got {tuple(points.shape)}")
    rounded = [round(value, 3) for value in points.tolist()]
    for i, value in enumerate(rounded):
        check_number(*_ENDS, **{f"points[{i}]": value})
    state = dict(outlier=outlier, df=df, scale="held")
    values = torch.tensor([*rounded, outlier], dtype=torch.float64)[:, None]
    centres = [_centre(values, nu) for nu in (math.inf, df)]
    costs = [_log_density(values[-1:], centre, nu).item() for centre, nu in zip(centres, (math.inf, df), strict=True)]
    cost, centre = ([number(float(one), 2) for one in pair] for pair in (costs, centres))
    sentence = (
        f"Log density at {number(outlier, 1)}: normal {cost[0]}, t {cost[1]} nats; "
        f"centres {centre[0]} and {centre[1]}."
    )
    alt = (
        f"Log densities of a normal and of a Student t with {df:g} degrees of freedom, fitted to {len(rounded)} points "
        f"and one at {outlier:g}. The normal is a parabola that falls to {cost[0]} there, the t flattens out at {cost[1]}. "
        "Below, the pull of a point: a straight line for the normal; for the t it rises, turns and fades."
    )
    data = {"state": state, "points": rounded}
    return LiveFigure("heavy_tails", data, sentence, alt, lambda: _still(values, centres, df))


def _log_density(x: torch.Tensor, loc: torch.Tensor, df: float) -> torch.Tensor:
    """At scale 1, for points (N, 1); infinite degrees of freedom are the normal."""
    zero = torch.zeros_like(loc)
    return normal_log_prob(x, loc, zero) if df == math.inf else student_t_log_prob(x, loc, zero, df)


def _centre(values: torch.Tensor, df: float) -> torch.Tensor:
    """The centre that maximum likelihood finds from the median, at scale 1."""
    if df == math.inf:
        return values.mean(0)
    centre = values.quantile(0.5, dim=0)
    for _ in range(_MOST_STEPS):
        weights = (df + 1) / (df + (values - centre).square())
        last, centre = centre, (weights * values).sum(0) / weights.sum()
        if (centre - last).abs() < _STILL:
            break
    return centre


def _still(values: torch.Tensor, centres: list[torch.Tensor], df: float):
    from matplotlib.figure import Figure

    x = torch.linspace(-4.6, 9.6, 143, dtype=torch.float64)[:, None]
    figure = Figure(figsize=(6, 4.6))
    above, below = figure.subplots(2, sharex=True, height_ratios=(3, 2))
    for name, centre, nu in zip(("normal", f"Student t, $\\nu={df:g}$"), centres, (math.inf, df), strict=True):
        above.plot(x[:, 0], _log_density(x, centre, nu), label=name)
        distance = (x - centre)[:, 0]
        below.plot(x[:, 0], distance if nu == math.inf else (nu + 1) * distance / (nu + distance**2))
    above.plot(values[:-1, 0], torch.full((len(values) - 1,), -33.5), "|", color="black", linestyle="none")
    above.plot(values[-1:, 0], [-33.5], "s", color="#D55E00", linestyle="none", label="the outlier")
    above.set(ylabel="log density, nats", ylim=(-36, 1))
    below.set(xlabel="$x$", ylabel="pull", ylim=(-4, 9), xlim=(-4.6, 9.6))
    above.legend()
    return figure
