"""Trained models along the curve of rate and distortion, and what each of them keeps of the same images."""

from collections.abc import Sequence

import torch

from vae_notes.live.figure import LiveFigure, check_number, number

_MOST_MODELS, _MOST_IMAGES, _MOST_PIXELS = 12, 10, 256


def rate_distortion(
    betas: Sequence[float],
    rates: torch.Tensor,
    distortions: torch.Tensor,
    originals: torch.Tensor,
    reconstructions: torch.Tensor,
    image_shape: tuple[int, int],
) -> LiveFigure:
    r"""A curve of rate and distortion to move along, with the reconstructions of the model at each point.

    D = -E[log p(x|z)],   R = E[KL(q(z|x) || p(z))],   D + R = -ELBO; each model minimises D + beta R

    Parameters
    ----------
    betas
        The weight of the KL of each of B models, from 2 to 12 of them, rising.
    rates, distortions
        What the models reach, in nats, shape (B,) each.
    originals
        M images from 1 to 10, with pixels from 0 to 1, shape (M, D) with D up to 256.
    reconstructions
        The same images from each model, shape (B, M, D).
    image_shape
        Rows and columns of an image; their product is D.

    Returns
    -------
    LiveFigure
        To be shown as the last value of a cell. At first it stands at the highest ELBO.

    Raises
    ------
    ValueError
        If shapes do not fit, betas do not rise, or a number lies outside its range.

    Examples
    --------
    >>> numbers = torch.tensor([9.0, 4.0, 1.0]), torch.tensor([12.0, 15.0, 22.0])
    >>> rate_distortion([0.3, 1.0, 3.0], *numbers, torch.ones(2, 4), torch.ones(3, 2, 4), (2, 2))
    Live figure rate_distortion: β = 1: R = 4.0, D = 15.0, R + D = 19.0 nats.
    """
    _check_shapes(betas, rates, distortions, originals, reconstructions, image_shape)
    data = {
        "betas": [float(f"{beta:g}") for beta in betas],
        "rates": [round(value, 6) for value in rates.tolist()],
        "distortions": [round(value, 6) for value in distortions.tolist()],
        "shape": list(image_shape),
        "originals": [_hex(image) for image in originals],
        "reconstructions": [[_hex(image) for image in images] for images in reconstructions],
    }
    index = int((rates + distortions).argmin())
    beta, rate, distortion = f"{betas[index]:g}", data["rates"][index], data["distortions"][index]
    r, d, both = (number(value, 1) for value in (rate, distortion, rate + distortion))
    sentence = f"β = {beta}: R = {r}, D = {d}, R + D = {both} nats."
    alt = (
        f"Distortion against rate for {len(betas)} models, a falling convex curve. The larger the weight beta of the KL, the "
        f"farther up and to the left. Their sum is lowest at beta = {beta}. Below, an image and what models along "
        "the curve make of it, from sharp at a small beta to a grey blot at a large one."
    )
    data["state"] = {"index": index}
    return LiveFigure(
        "rate_distortion", data, sentence, alt, lambda: _still(data, originals[0], reconstructions[:, 0])
    )


def _check_shapes(betas, rates, distortions, originals, reconstructions, image_shape) -> None:
    count = len(betas)
    if not 2 <= count <= _MOST_MODELS or rates.shape != (count,) or distortions.shape != (count,):
        raise ValueError(
            f"betas must hold from 2 to {_MOST_MODELS} numbers, rates and distortions must have shape (B,), got "
            f"{count}, {tuple(rates.shape)} and {tuple(distortions.shape)}"
        )
    size = (len(originals), image_shape[0] * image_shape[1])
    if originals.shape != size or not 1 <= size[0] <= _MOST_IMAGES or size[1] > _MOST_PIXELS:
        raise ValueError(
            f"originals must have shape (M, D) with M from 1 to {_MOST_IMAGES} and D = {image_shape[0]} * {image_shape[1]} "
            f"up to {_MOST_PIXELS}, got {tuple(originals.shape)}"
        )
    if reconstructions.shape != (count, *size):
        raise ValueError(f"reconstructions must have shape {(count, *size)}, got {tuple(reconstructions.shape)}")
    for images, name in ((originals, "originals"), (reconstructions, "reconstructions")):
        if not ((images >= 0) & (images <= 1)).all():
            raise ValueError(f"{name} must hold pixels from 0 to 1, got {images.min():g} to {images.max():g}")
    for i, beta in enumerate(betas):
        check_number(0.001, 1000, **{f"betas[{i}]": beta})
    if sorted(set(betas)) != list(betas):
        raise ValueError(f"betas must rise, got {list(betas)}")
    for name, values in (("rates", rates), ("distortions", distortions)):
        for i, value in enumerate(values.tolist()):
            check_number(0, 10_000, **{f"{name}[{i}]": value})


def _hex(image: torch.Tensor) -> str:
    """Each pixel as two hexadecimal digits, 00 to ff."""
    return bytes((image * 255).round().to(torch.uint8).tolist()).hex()


def _still(data: dict, original: torch.Tensor, reconstructions: torch.Tensor):
    """The curve, and one image with what three of the models make of it."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4.6))
    plane, strip = figure.subplots(2, height_ratios=(3, 1))
    plane.plot(data["rates"], data["distortions"], "o-", linewidth=1)
    for beta, rate, distortion in zip(data["betas"], data["rates"], data["distortions"], strict=True):
        plane.annotate(f"{beta:g}", (rate, distortion), (5, 4), textcoords="offset points", fontsize=9)
    plane.set(xlabel="rate, nats", ylabel="distortion, nats", xlim=(0, None), ylim=(0, None))
    shown = sorted({0, data["state"]["index"], len(data["betas"]) - 1})
    height, width = data["shape"]
    panels = [("image", original), *((f"$\\beta={data['betas'][i]:g}$", reconstructions[i]) for i in shown)]
    for n, (title, image) in enumerate(panels):
        left = n * 1.2 * width
        _draw_pixels(strip, image.unflatten(-1, (height, width)), left)
        strip.text(left + width / 2, -0.5, title, ha="center", fontsize=10)
    strip.set(aspect="equal", xlim=(0, left + width), ylim=(height, -2))
    strip.axis("off")
    return figure


def _draw_pixels(axis, image: torch.Tensor, left: float) -> None:
    """An image as squares, in one path for each of eight greys: short, and free of links to files."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    greys = (image * 7).round().int()
    for grey in greys.unique().tolist():
        corners = [
            [(left + x, y), (left + x + 1, y), (left + x + 1, y + 1), (left + x, y + 1), (left + x, y)]
            for y, x in (greys == grey).nonzero().tolist()
        ]
        squares = Path.make_compound_path(*(Path(square, closed=True) for square in corners))
        axis.add_patch(PathPatch(squares, facecolor=str(grey / 7), linewidth=0))
