"""Figures of the book: one style, image grids, training curves.

Colours are those of Okabe & Ito (2008), told apart by most colour-blind readers; every series also
differs in line style or marker, so that no figure rests on colour alone. Figures keep a white ground of
their own, which the website frames in dark mode.
"""

import math
from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

__all__ = ["COLOURS", "image_grid", "training_curves", "use_book_style"]

COLOURS = {
    "blue": "#0072B2",
    "orange": "#E69F00",
    "green": "#009E73",
    "vermillion": "#D55E00",
    "purple": "#CC79A7",
    "sky": "#56B4E9",
    "black": "#000000",
}
_LINE_STYLES = ["-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1))]


def use_book_style() -> None:
    """Set matplotlib's defaults for this session: sizes that read on a phone, colours, line styles.

    Examples
    --------
    >>> use_book_style()
    >>> plt.rcParams["axes.spines.top"]
    False
    """
    plt.rcParams.update(
        {
            "figure.figsize": (6.0, 3.2),
            "figure.dpi": 110,
            "figure.facecolor": "white",
            "figure.constrained_layout.use": True,
            "savefig.facecolor": "white",
            "font.size": 12,
            "axes.titlesize": 12,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.color": "#DDDDDD",
            "grid.linewidth": 0.6,
            "axes.axisbelow": True,
            "axes.prop_cycle": cycler(color=list(COLOURS.values())) + cycler(linestyle=_LINE_STYLES),
            "lines.linewidth": 2.0,
            "legend.frameon": False,
        }
    )


def image_grid(
    images: ArrayLike,
    shape: tuple[int, int],
    *,
    ncols: int | None = None,
    ax: Axes | None = None,
    title: str | None = None,
    vmin: float = 0.0,
    vmax: float = 1.0,
) -> Axes:
    """Draw flat images side by side in one picture, row by row, with a thin frame between them.

    Parameters
    ----------
    images : array or tensor, (N, H * W)
        Flat images on the scale [vmin, vmax]; values outside are drawn at the nearest end.
    shape : (H, W)
        Height first.
    ncols : int, optional
        Images a row; about a square grid by default.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Raises
    ------
    ValueError
        If ``images`` is not (N, H * W) with N >= 1, or ``ncols`` is not positive.

    Examples
    --------
    >>> ax = image_grid(np.zeros((6, 64)), (8, 8), ncols=3)
    >>> ax.images[0].get_array().shape  # 2 rows of 8 + 1 pixels and 3 columns, one frame pixel more
    (19, 28)
    >>> plt.close()
    """
    height, width = shape
    flat = np.asarray(images, dtype=float)
    if flat.ndim != 2 or flat.shape[0] < 1 or flat.shape[1] != height * width:
        raise ValueError(f"images must have shape (N, {height} * {width}) with N >= 1, got {flat.shape}")
    ncols = math.ceil(math.sqrt(len(flat))) if ncols is None else ncols
    if ncols < 1:
        raise ValueError(f"ncols must be at least 1, got {ncols}")
    nrows = math.ceil(len(flat) / ncols)
    canvas = np.full((nrows * (height + 1) + 1, ncols * (width + 1) + 1), 0.5 * (vmin + vmax))
    for index, image in enumerate(flat):
        top, left = 1 + index // ncols * (height + 1), 1 + index % ncols * (width + 1)
        canvas[top : top + height, left : left + width] = image.reshape(height, width)
    if ax is None:
        ax = plt.subplots()[1]
    ax.imshow(canvas, cmap="gray", vmin=vmin, vmax=vmax, interpolation="nearest")
    ax.set_axis_off()
    if title is not None:
        ax.set_title(title)
    return ax


def training_curves(
    parts: Mapping[str, ArrayLike],
    held_out: Mapping[str, ArrayLike] | None = None,
    *,
    names: tuple[str, ...] = ("elbo", "reconstruction", "kl"),
) -> list[Axes]:
    """Draw each part of the loss against the epoch in a panel of its own, training and held out.

    Parameters
    ----------
    parts, held_out : mapping of name -> (epochs,)
        ``history.parts`` and ``history.held_out`` of :func:`vae_notes.training.fit`, in nats per datum.
    names : tuple of str
        Which parts to draw, in this order.

    Raises
    ------
    ValueError
        If ``parts`` lacks a name.

    Examples
    --------
    >>> axes = training_curves({"elbo": [-30.0, -20.0], "kl": [1.0, 4.0]}, names=("elbo", "kl"))
    >>> [ax.get_title() for ax in axes]
    ['elbo', 'kl']
    >>> plt.close()
    """
    missing = [name for name in names if name not in parts]
    if missing:
        raise ValueError(f"parts must hold {missing}, got only {sorted(parts)}")
    _, axes = plt.subplots(1, len(names), figsize=(2.6 * len(names), 2.8), squeeze=False)
    for ax, name in zip(axes[0], names):
        epochs = np.arange(1, len(parts[name]) + 1)
        ax.plot(epochs, parts[name], label="training", color=COLOURS["blue"], linestyle="-")
        if held_out and name in held_out:
            ax.plot(epochs, held_out[name], label="held out", color=COLOURS["vermillion"], linestyle="--")
        ax.set(title=name, xlabel="epoch")
    axes[0][0].set_ylabel("nats per datum")
    axes[0][0].legend()
    return list(axes[0])
