"""Two Gaussians and their KL divergence, both ways, term by term."""

import torch

from vae_notes.divergences import kl_normal
from vae_notes.live.figure import LiveFigure, check_number


def gaussian_kl(
    loc_q: float = 1.0, scale_q: float = 0.5, loc_p: float = 0.0, scale_p: float = 1.0
) -> LiveFigure:
    r"""Two normal distributions to drag, the area that makes up their KL divergence, and its terms.

    KL(q || p) = 1/2 delta^2 + 1/2 r - 1/2 log r - 1/2,
    delta = (loc_q - loc_p) / scale_p,   r = scale_q^2 / scale_p^2

    Parameters
    ----------
    loc_q, loc_p
        Means at first, from -3 to 3.
    scale_q, scale_p
        Standard deviations at first, from 0.3 to 2.5.

    Returns
    -------
    LiveFigure
        To be shown as the last value of a cell; divergences in nats.

    Raises
    ------
    TypeError
        If an argument is no number.
    ValueError
        If an argument lies outside its range.

    Examples
    --------
    >>> gaussian_kl(loc_q=1.0, scale_q=0.5)
    Live figure gaussian_kl: KL(q‖p) = 0.8181 nats, KL(p‖q) = 2.8069 nats.
    """
    check_number(-3, 3, loc_q=loc_q, loc_p=loc_p)
    check_number(0.3, 2.5, scale_q=scale_q, scale_p=scale_p)
    state = dict(loc_q=loc_q, scale_q=scale_q, loc_p=loc_p, scale_p=scale_p, direction="qp")
    there, back = _both_ways(loc_q, scale_q, loc_p, scale_p)
    sentence = f"KL(q‖p) = {there:.4f} nats, KL(p‖q) = {back:.4f} nats."
    alt = (
        f"Two bell curves, q with mean {loc_q:g} and standard deviation {scale_q:g}, p with mean {loc_p:g} and "
        f"standard deviation {scale_p:g}. Below them the curve of q log(q/p): the area above zero minus the "
        f"area under zero is {there:.4f} nats."
    )
    return LiveFigure("gaussian_kl", {"state": state}, sentence, alt, lambda: _still(state))


def _both_ways(loc_q: float, scale_q: float, loc_p: float, scale_p: float) -> list[float]:
    """KL(q || p) and KL(p || q) in nats."""
    row = torch.tensor([loc_q, scale_q, loc_p, scale_p], dtype=torch.float64)
    m_q, s_q, m_p, s_p = (one[None] for one in (row[0], 2 * row[1].log(), row[2], 2 * row[3].log()))
    return [kl_normal(m_q, s_q, m_p, s_p).item(), kl_normal(m_p, s_p, m_q, s_q).item()]


def _still(state: dict):
    from matplotlib.figure import Figure
    from torch.distributions import Normal

    from vae_notes import plots

    z = torch.linspace(-5.5, 5.5, 221, dtype=torch.float64)
    log_q, log_p = (Normal(state[f"loc_{one}"], state[f"scale_{one}"]).log_prob(z) for one in "qp")
    product = log_q.exp() * (log_q - log_p)
    figure = Figure(figsize=(6, 4.4))
    above, below = figure.subplots(2, sharex=True)
    above.plot(z, log_q.exp(), label="$q$")
    above.plot(z, log_p.exp(), label="$p$")
    above.set(ylabel="density")
    below.fill_between(z, product.clamp(min=0), color=plots.COLOURS["green"], alpha=0.45, label="adds")
    hatched = {"facecolor": "none", "edgecolor": plots.COLOURS["vermillion"], "hatch": "////"}
    below.fill_between(z, product.clamp(max=0), label="takes away", **hatched)
    below.set(xlabel="$z$", ylabel="$q$ log($q$/$p$)", xlim=(-5.5, 5.5))
    for axis in (above, below):
        axis.legend()
    return figure
