"""Held noise, a mean and a width to move, and the two gradient estimators that accumulate."""

import torch

from vae_notes.live.figure import LiveFigure, check_number, number

_DRAWS = 1000
_DOTS = 14


def reparameterized(loc: float = 1.0, scale: float = 0.5, draws: int = 100, seed: int = 0) -> LiveFigure:
    r"""The draws z = loc + scale * noise with the noise held, and the gradient of E[z^2] by both estimators.

    pathwise: 2 z dz;   score function: z^2 d log q(z);   d by loc or by scale, noise ~ N(0, 1)

    Parameters
    ----------
    loc
        Mean of z at first, from -2 to 2.
    scale
        Standard deviation of z at first, from 0.2 to 1.5.
    draws
        How many of the 1000 draws are used at first, from 2.
    seed
        Seed of the noise, which is drawn once, here, and rounded to four digits.

    Returns
    -------
    LiveFigure
        To be shown as the last value of a cell.

    Raises
    ------
    TypeError
        If an argument is no number.
    ValueError
        If an argument lies outside its range.

    Examples
    --------
    >>> figure = reparameterized()
    >>> len(figure.data["noise"]), figure.sentence.endswith("exact 2.000.")
    (1000, True)
    """
    check_number(-2, 2, loc=loc)
    check_number(0.2, 1.5, scale=scale)
    check_number(2, _DRAWS, draws=draws)
    generator = torch.Generator().manual_seed(seed)
    noise = [round(value, 4) for value in torch.randn(_DRAWS, generator=generator, dtype=torch.float64).tolist()]
    state = dict(loc=loc, scale=scale, draws=draws, parameter="loc")
    estimates = _estimates(torch.tensor(noise, dtype=torch.float64), loc, scale)
    path, score = (number(values[:draws].mean().item(), 3) for values in estimates)
    exact = number(2 * loc, 3)
    sentence = f"d/dμ after {draws} draws: pathwise {path}, score function {score}, exact {exact}."
    alt = (
        f"Running means of two estimates of the gradient of the mean of z squared, over {_DRAWS} draws on a logarithmic "
        f"axis. Both settle at {exact}; the score-function estimate strays much farther than the pathwise one."
    )
    data = {"state": state, "noise": noise, "dots": _DOTS}
    return LiveFigure("reparameterized", data, sentence, alt, lambda: _still(estimates, 2 * loc))


def _estimates(noise: torch.Tensor, loc: float, scale: float) -> tuple[torch.Tensor, torch.Tensor]:
    """One estimate of d/dloc for each draw: pathwise and by the score function, from autograd."""
    from torch.distributions import Normal

    mean = torch.full_like(noise, loc, requires_grad=True)
    z = mean + scale * noise
    (path,) = torch.autograd.grad(z.square().sum(), mean)
    (score,) = torch.autograd.grad((z.detach() ** 2 * Normal(mean, scale).log_prob(z.detach())).sum(), mean)
    return path, score


def _still(estimates: tuple[torch.Tensor, torch.Tensor], exact: float):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.2))
    axis = figure.subplots()
    counts = torch.unique(torch.logspace(0, 3, 160).round().long())
    for values, name in zip(estimates, ("pathwise", "score function"), strict=True):
        axis.plot(counts, (values.cumsum(0) / torch.arange(1, _DRAWS + 1))[counts - 1], label=name)
    axis.axhline(exact, color="black", linestyle=":", label="exact")
    axis.set(xscale="log", xlabel="draws", ylabel=r"mean of the estimates of $d/d\mu$")
    axis.legend()
    return figure
