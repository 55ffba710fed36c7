"""An encoder output among the codes of a codebook: its cell, the three losses, and who moves."""

import torch

from vae_notes.live.figure import LiveFigure, check_number, number
from vae_notes.vector_quantization import VectorQuantizer

_EDGE = 2
_CODES = ((-1.2, 1.1), (0.3, 1.3), (1.3, 0.4), (0.2, 0.1), (-1.1, -0.3), (-0.5, -1.3), (0.9, -1.0))


def vector_quantization(
    z: tuple[float, float] = (0.7, 0.6),
    target: tuple[float, float] = (1.6, -0.4),
    beta: float = 0.25,
    codes: tuple[tuple[float, float], ...] = _CODES,
) -> LiveFigure:
    r"""A vector to drag over the codes, with the three losses of a VQ-VAE and the gradients that they send.

    L = ||z_q - target||^2 + ||sg[z] - e_k||^2 + beta ||z - sg[e_k]||^2

    The first stands for the reconstruction: a decoder that wants its input at the target.

    Parameters
    ----------
    z
        The encoder's output at first, two numbers from -2 to 2.
    target
        Where the decoder wants its input, two numbers from -2 to 2.
    beta
        The weight of the commitment, from 0 to 2.
    codes
        At least two codes, of two numbers from -2 to 2 each.

    Returns
    -------
    LiveFigure
        To be shown as the last value of a cell.

    Raises
    ------
    TypeError
        If something is no number.
    ValueError
        If a number lies outside its range, or there are fewer than two codes.

    Examples
    --------
    >>> vector_quantization(z=(0.9, 0.4))
    Live figure vector_quantization: Code 3 is nearest: reconstruction 0.730, codebook 0.160, commitment 0.040.
    """
    if len(codes) < 2:
        raise ValueError(f"codes must hold at least two codes, got {len(codes)}")
    named = {"z": z, "target": target, **{f"codes[{i}]": code for i, code in enumerate(codes)}}
    for name, point in named.items():
        if len(point) != 2:
            raise ValueError(f"{name} must be two numbers, got {point}")
        check_number(-_EDGE, _EDGE, **{f"{name}[{i}]": value for i, value in enumerate(point)})
    check_number(0, 2, beta=beta)
    state = {"z": list(z), "target": list(target), "beta": beta, "codes": [list(code) for code in codes]}
    index, terms = _losses(**state)
    first, second, third = (number(value, 3) for value in terms)
    costs = f"reconstruction {first}, codebook {second}, commitment {third}"
    alt = (
        f"{len(codes)} codes in a plane, each in the cell of the points that are nearest to it. The vector at "
        f"({z[0]:g}, {z[1]:g}) lies in the cell of code {index + 1}; {costs}."
    )
    sentence = f"Code {index + 1} is nearest: {costs}."
    return LiveFigure("vector_quantization", {"state": state}, sentence, alt, lambda: _still(state))


def _losses(z: list, target: list, beta: float, codes: list) -> tuple[int, list[float]]:
    """The index of the nearest code, and the three losses, as the package's quantiser gives them."""
    book = torch.tensor(codes, dtype=torch.float64)
    quantizer = VectorQuantizer(len(codes), 2).double().eval()
    quantizer.load_state_dict({**quantizer.state_dict(), "codebook": book})
    with torch.no_grad():
        quantized = quantizer(torch.tensor(z, dtype=torch.float64))
        reconstruction = (quantized.z - torch.tensor(target, dtype=torch.float64)).square().sum()
        terms = [reconstruction, quantized.codebook_loss, beta * quantized.commitment_loss]
    return int(quantized.codes), [term.item() for term in terms]


def _still(state: dict):
    from matplotlib.figure import Figure
    from scipy.spatial import Voronoi, voronoi_plot_2d

    from vae_notes import plots

    figure = Figure(figsize=(6, 5))
    axis = figure.subplots()
    codes = torch.tensor(state["codes"])
    if len(codes) > 3:
        voronoi_plot_2d(Voronoi(codes.numpy()), axis, show_points=False, show_vertices=False, line_colors="0.6")
    axis.plot(*codes.T, "o", color="black", label="codes")
    for i, (x, y) in enumerate(state["codes"]):
        axis.annotate(str(i + 1), (x, y), (5, 4), textcoords="offset points")
    code = state["codes"][_losses(**state)[0]]
    axis.plot(*zip(state["z"], code, strict=True), ":", color="0.4")
    axis.plot(*state["z"], "o", color=plots.COLOURS["purple"], markersize=10, label="encoder output")
    axis.plot(*state["target"], "s", color=plots.COLOURS["vermillion"], markersize=9, label="wanted by the decoder")
    axis.set(xlim=(-_EDGE, _EDGE), ylim=(-_EDGE, _EDGE), xlabel="first dimension", ylabel="second dimension")
    axis.legend(loc="lower left", fontsize=9, frameon=True)
    return figure
