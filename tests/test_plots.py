"""Figures by their contents: what is drawn where, since a picture itself is compared by nobody."""

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.colors import to_rgb

from vae_notes import plots


@pytest.fixture(autouse=True)
def close_figures():
    with plt.rc_context():
        yield
    plt.close("all")


def test_image_grid_puts_each_image_in_its_place_height_first():
    images = np.arange(5 * 6, dtype=float).reshape(5, 6) / 30
    canvas = plots.image_grid(images, (2, 3), ncols=3).images[0].get_array()
    assert canvas.shape == (2 * 3 + 1, 3 * 4 + 1)
    assert np.allclose(canvas[1:3, 1:4], images[0].reshape(2, 3))
    assert np.allclose(canvas[1:3, 9:12], images[2].reshape(2, 3))
    assert np.allclose(canvas[4:6, 5:8], images[4].reshape(2, 3))
    assert np.allclose(canvas[4:6, 9:12], 0.5)  # no sixth image


def test_image_grid_takes_tensors_and_draws_into_given_axes():
    torch = pytest.importorskip("torch")
    ax = plt.subplots()[1]
    assert plots.image_grid(torch.zeros(4, 4), (2, 2), ax=ax, title="zeros") is ax
    assert ax.get_title() == "zeros" and not ax.axison


@pytest.mark.parametrize(
    "images, ncols, words",
    [
        (np.zeros((2, 5)), None, r"images must have shape \(N, 2 \* 3\) with N >= 1, got \(2, 5\)"),
        (np.zeros((0, 6)), None, r"got \(0, 6\)"),
        (np.zeros((2, 2, 3)), None, r"got \(2, 2, 3\)"),
        (np.zeros((2, 6)), 0, "ncols must be at least 1, got 0"),
    ],
)
def test_image_grid_refuses(images, ncols, words):
    with pytest.raises(ValueError, match=words):
        plots.image_grid(images, (2, 3), ncols=ncols)


def test_training_curves_draw_both_series_from_epoch_one():
    axes = plots.training_curves(
        {"elbo": [-3.0, -2.0], "kl": [1.0, 2.0]}, {"elbo": [-4.0, -3.5]}, names=("elbo", "kl")
    )
    training, held_out = axes[0].lines
    assert list(training.get_xdata()) == [1, 2] and list(training.get_ydata()) == [-3, -2]
    assert list(held_out.get_ydata()) == [-4, -3.5]
    assert training.get_linestyle() != held_out.get_linestyle()
    assert len(axes[1].lines) == 1


def test_training_curves_name_what_is_missing():
    with pytest.raises(ValueError, match=r"parts must hold \['kl'\], got only \['elbo'\]"):
        plots.training_curves({"elbo": [1.0]}, names=("elbo", "kl"))


def test_style_tells_series_apart_without_colour():
    plots.use_book_style()
    cycle = list(plt.rcParams["axes.prop_cycle"])
    assert len(cycle) == len({str(entry["linestyle"]) for entry in cycle}) == len(plots.COLOURS)
    assert len({to_rgb(entry["color"]) for entry in cycle}) == len(cycle)
