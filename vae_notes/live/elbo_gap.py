"""One datum and one hidden number: the evidence, the ELBO and the gap between them, with q in the reader's hand."""

import math

import torch

from vae_notes.divergences import kl_normal_standard
from vae_notes.live.figure import LiveFigure, check_number, number

_STD_X = 0.5


def elbo_gap(loc: float = 0.5, scale: float = 0.5, x: float = 1.0, bend: float = 1.0) -> LiveFigure:
    r"""A normal q to drag over the posterior of a bent decoder, with the ELBO, the gap and their terms.

    The model is p(z) = N(0, 1), p(x | z) = N(z + bend z^2, 1/4); log p(x) = ELBO + KL(q || posterior).

    Parameters
    ----------
    loc
        Mean of q at first, from -3 to 3.
    scale
        Standard deviation of q at first, from 0.15 to 1.5.
    x
        The datum, from -1 to 3.
    bend
        The decoder's bend theta, from 0 (a straight line, whose posterior is normal) to 1.

    Returns
    -------
    LiveFigure
        To be shown as the last value of a cell; all terms in nats.

    Raises
    ------
    TypeError
        If an argument is no number.
    ValueError
        If an argument lies outside its range.

    Examples
    --------
    >>> elbo_gap(loc=0.5, scale=0.25)
    Live figure elbo_gap: log p(x) = −1.474 nats: the ELBO is −1.854, the gap 0.381.
    """
    check_number(-3, 3, loc=loc)
    check_number(0.15, 1.5, scale=scale)
    check_number(-1, 3, x=x)
    check_number(0, 1, bend=bend)
    state = dict(loc=loc, scale=scale, x=x, bend=bend)
    evidence, elbo = _log_evidence(x, bend), _elbo(**state)
    whole, bound, gap = (number(value, 3) for value in (evidence, elbo, evidence - elbo))
    sentence = f"log p(x) = {whole} nats: the ELBO is {bound}, the gap {gap}."
    alt = (
        f"The posterior of z for the datum {x:g} as a grey area, and q as a bell curve with mean {loc:g} and standard "
        f"deviation {scale:g}. Below, the ELBO against the mean of q stays under the level of log p(x); at this q the "
        f"gap is {gap} nats."
    )
    return LiveFigure("elbo_gap", {"state": state}, sentence, alt, lambda: _still(state))


def _log_joint(z: torch.Tensor, x: float, bend: float) -> torch.Tensor:
    log_likelihood = torch.distributions.Normal(z + bend * z**2, _STD_X).log_prob(torch.tensor(x))
    return log_likelihood + torch.distributions.Normal(0.0, 1.0).log_prob(z)


def _log_evidence(x: float, bend: float) -> float:
    z = torch.linspace(-12, 12, 4801, dtype=torch.float64)
    return (_log_joint(z, x, bend) + (z[1] - z[0]).log()).logsumexp(0).item()


def _elbo(loc, scale: float, x: float, bend: float):
    """The ELBO in nats, in closed form; one value for each mean."""
    mean, variance = torch.as_tensor(loc, dtype=torch.float64), scale**2
    mean_f = mean + bend * (mean**2 + variance)
    variance_f = variance * (1 + 2 * bend * mean) ** 2 + 2 * bend**2 * variance**2
    log_density = -0.5 * (math.log(2 * math.pi * _STD_X**2) + ((x - mean_f) ** 2 + variance_f) / _STD_X**2)
    log_variance = torch.full_like(mean, 2 * math.log(scale))
    values = log_density - kl_normal_standard(mean[..., None], log_variance[..., None])
    return values.item() if values.ndim == 0 else values


def _still(state: dict):
    from matplotlib.figure import Figure

    from vae_notes import plots

    z = torch.linspace(-3.4, 3.4, 205, dtype=torch.float64)
    x, bend, loc, scale = (state[key] for key in ("x", "bend", "loc", "scale"))
    evidence = _log_evidence(x, bend)
    figure = Figure(figsize=(6, 4.6))
    above, below = figure.subplots(2, sharex=True)
    above.fill_between(z, (_log_joint(z, x, bend) - evidence).exp(), color="#CCCCCC", label="posterior")
    above.plot(z, torch.distributions.Normal(loc, scale).log_prob(z).exp(), label="$q$")
    above.set(ylabel="density")
    below.axhline(evidence, color="black", linestyle="--", label="log $p(x)$")
    below.plot(z, _elbo(z, scale, x, bend), label="ELBO at this width")
    ends = [_elbo(loc, scale, x, bend), evidence]
    below.plot([loc, loc], ends, color=plots.COLOURS["vermillion"], linewidth=4, linestyle="-", label="the gap")
    below.set(xlabel="$z$, mean of $q$", ylabel="nats", ylim=(math.floor(evidence) - 6, math.floor(evidence) + 2))
    for axis in (above, below):
        axis.legend(fontsize=9)
    return figure
