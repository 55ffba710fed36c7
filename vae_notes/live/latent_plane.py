"""The latent plane of a trained VAE, with the decoder's own weights at work in the page."""

import base64
import functools
import itertools

import torch
from torch import Tensor, nn

from vae_notes.latent_space import straight_path
from vae_notes.live.figure import LiveFigure, check_number, number

_EDGE = 3.2


def latent_plane(
    vae: nn.Module,
    codes: Tensor,
    labels: Tensor,
    shape: tuple[int, int],
    start: tuple[float, float] = (-1.0, 1.0),
    end: tuple[float, float] = (1.0, -1.0),
) -> LiveFigure:
    r"""Two points to drag in a two-dimensional latent space; the decoder draws the images on the way between them.

    The weights go into the page as 32-bit numbers, so that it computes what the model computes.

    Parameters
    ----------
    vae
        A model with `decode` and `likelihood.mean`, whose decoder is made of linear layers with a ReLU between any two
        and takes two latents.
    codes
        Means of the codes of some images, floating, shape (N, 2); they are shown as their labels.
    labels
        The digits of these images, from 0 to 9, int64, shape (N,).
    shape
        (height, width) of an image.
    start, end
        The two points at first, each coordinate from -3.2 to 3.2.

    Returns
    -------
    LiveFigure
        To be shown as the last value of a cell.

    Raises
    ------
    TypeError
        If a coordinate is no number.
    ValueError
        If a shape or a coordinate does not fit, or the decoder is made of other layers.

    Examples
    --------
    >>> from vae_notes import likelihoods, models
    >>> vae = models.VAE(models.Encoder(64, 8, 2), models.Decoder(2, 8, 64), likelihoods.NormalLikelihood())
    >>> latent_plane(vae, torch.zeros(1, 2), torch.tensor([7]), (8, 8))
    Live figure latent_plane: At share 0.50 of the way z = (0.00, 0.00); the nearest held-out code is a 7.
    """
    if codes.ndim != 2 or codes.shape[1] != 2 or labels.shape != codes.shape[:1] or not len(codes):
        found = f"{tuple(codes.shape)} and {tuple(labels.shape)}"
        raise ValueError(f"codes must have shape (N, 2) and labels (N,), with N of at least 1, got {found}")
    if not all(0 <= label <= 9 for label in labels.tolist()):
        raise ValueError(f"labels must be digits from 0 to 9, got {sorted(set(labels.tolist()))}")
    names = ("a1", "a2", "b1", "b2")
    state = dict(zip(names, map(float, (*start, *end)), strict=True))
    check_number(-_EDGE, _EDGE, **state)
    state |= {"share": 0.5, "path": "straight"}
    layers, squash = _chain(vae, shape)
    short = [[round(value, 2) for value in row] for row in codes.double().tolist()]
    digits = "".join(map(str, labels.tolist()))
    middle = straight_path(_float64(start), _float64(end), _float64([0.5]))[0]
    nearest = digits[(_float64(short) - middle).square().sum(1).argmin()]
    where = ", ".join(number(value, 2) for value in middle.tolist())
    sentence = f"At share 0.50 of the way z = ({where}); the nearest held-out code is a {nearest}."
    alt = (
        f"The latent plane with {len(short)} held-out images at their codes, each shown as its digit, and a dashed line from "
        f"({start[0]:g}, {start[1]:g}) to ({end[0]:g}, {end[1]:g}). Below it, the decoded images of its start, middle and end."
    )
    data = {"state": state, "layers": layers, "squash": squash, "codes": short, "labels": digits, "shape": list(shape)}
    drawn = functools.partial(_still, vae, short, digits, shape, start, end)
    return LiveFigure("latent_plane", data, sentence, alt, drawn, large=("layers",))


def _float64(values) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float64)


def _chain(vae: nn.Module, shape: tuple[int, int]) -> tuple[list[dict], str]:
    """The decoder's linear layers in order, and what its output passes; checked against the model itself."""
    linear = [module for module in vae.decoder.modules() if isinstance(module, nn.Linear)]
    widths = [(one.in_features, one.out_features) for one in linear]
    fits = all(before[1] == after[0] for before, after in itertools.pairwise(widths))
    if not linear or not fits or widths[0][0] != 2 or widths[-1][1] != shape[0] * shape[1]:
        raise ValueError(
            f"the decoder must lead from 2 latents to {shape[0]} * {shape[1]} pixels by linear layers with ReLU between, "
            f"got layers of widths {widths}"
        )
    dtype = linear[0].weight.dtype
    probe = torch.randn(64, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)
    with torch.no_grad():
        expected, values = vae.likelihood.mean(vae.decode(probe)), probe
        for layer in linear[:-1]:
            values = layer(values).relu()
        output = linear[-1](values)
    for squash, found in (("none", output), ("sigmoid", output.sigmoid())):
        if torch.allclose(found, expected, atol=1e-6):
            return [_layer(one) for one in linear], squash
    raise ValueError("the decoder must be linear layers with ReLU between, but these alone do not give its images")


def _layer(linear: nn.Linear) -> dict:
    def packed(tensor):
        return base64.b64encode(tensor.detach().cpu().float().numpy().astype("<f4").tobytes()).decode()

    sizes = {"inputs": linear.in_features, "outputs": linear.out_features}
    return {**sizes, "weight": packed(linear.weight), "bias": packed(linear.bias)}


def _still(vae: nn.Module, codes: list, digits: str, shape: tuple[int, int], start, end):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4.2))
    plane, strip = figure.subplots(2, height_ratios=(4, 1))
    for (x, y), digit in zip(codes[::5], digits[::5], strict=True):  # a fifth of them: it is to stay small
        plane.text(x, y, digit, fontsize=8, color="0.45", ha="center", va="center", clip_on=True)
    plane.plot(*zip(start, end, strict=True), color="black", linestyle="--", marker="o")
    plane.set(xlabel="$z_1$", ylabel="$z_2$", xlim=(-_EDGE, _EDGE), ylim=(-_EDGE, _EDGE))
    dtype = next(vae.parameters()).dtype
    points = straight_path(_float64(start), _float64(end), torch.linspace(0, 1, 3, dtype=torch.float64)).to(dtype)
    with torch.no_grad():
        images = vae.likelihood.mean(vae.decode(points)).unflatten(-1, shape)
    row = torch.cat([nn.functional.pad(image, (1, 1), value=1.0) for image in images], 1)
    strip.pcolormesh(row.flip(0).clamp(0, 1), cmap="gray", vmin=0, vmax=1, edgecolors="face", linewidth=0.1, clip_on=False)
    strip.set(aspect="equal")
    strip.axis("off")
    return figure
