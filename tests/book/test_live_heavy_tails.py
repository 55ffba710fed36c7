"""The numbers of the figure heavy_tails against the package's densities, autograd and an optimiser."""

import itertools
import math

import pytest
import scipy.optimize
import torch
from live_pages import example, float64, numbers
from torch.testing import assert_close

from vae_notes.densities import normal_log_prob
from vae_notes.student_t import student_t_log_prob

CLOSE = dict(rtol=0, atol=1e-6)
NAME = "heavy_tails"
CALL = "([name, xs, df, fit]) => xs.map(x => vaeNotesLive.figures.heavy_tails.numbers[name](x, df ?? Infinity, fit))"


def log_prob(x, loc, log_scale, df):
    return normal_log_prob(x, loc, 2 * log_scale) if df is None else student_t_log_prob(x, loc, log_scale, df)


@pytest.mark.parametrize("df", [1.0, 1.5, 3.0, 12.5, 30.0, None])
def test_densities_and_pulls(live_page, df):
    """None stands for infinitely many degrees of freedom, the normal."""
    page, x = live_page(NAME), torch.linspace(-4, 9, 27, dtype=torch.float64)[:, None]
    for loc, scale in itertools.product((-1.0, 0.37), (0.2, 1.0, 3.0)):
        centre = torch.full_like(x, loc, requires_grad=True)
        expected = log_prob(x, centre, float64(scale).log(), df)
        (slope,) = torch.autograd.grad(expected.sum(), centre)
        for name, values in (("logDensity", expected), ("pull", slope[:, 0])):
            fit = {"loc": loc, "scale": scale}
            found = page.evaluate(CALL, [name, x[:, 0].tolist(), df, fit])
            assert_close(float64(*found), values.detach(), **CLOSE)


def test_log_gamma(live_page):
    page = live_page(NAME)
    for value in (0.5, 0.75, 1.0, 2.0, 7.3, 15.5):
        assert abs(numbers(page, NAME, "logGamma", value) - math.lgamma(value)) < 1e-10


@pytest.mark.parametrize(("held", "df"), [*itertools.product([True, False], [1.0, 3.0, 10.0, None])])
def test_the_fit_is_of_largest_likelihood(live_page, held, df):
    """The slopes of the package's likelihood vanish at the fit, and an optimiser started there finds no better."""
    page, points = live_page(NAME), example(NAME).data["points"]
    for outlier in (-4.0, 0.4, 3.0, 9.0):
        values = float64(*points, outlier)[:, None]
        measure = "([points, x, df, held]) => vaeNotesLive.figures.heavy_tails.numbers.measured(points, x, df ?? Infinity, held)"
        found = page.evaluate(measure, [points, outlier, df, held])
        free = float64(found["loc"], math.log(found["scale"])).requires_grad_()
        total = log_prob(values, free[:1], free[1:], df).sum()
        (slopes,) = torch.autograd.grad(total, free)
        assert slopes[: 1 if held else 2].abs().max() < 1e-6
        assert held == (found["scale"] == 1)
        assert abs(total.item() - found["total"]) < 1e-6
        at_outlier = log_prob(values[-1:], free[:1], free[1:], df)
        assert abs(at_outlier.item() - found["logDensity"]) < 1e-6

        def misfit(where, values=values):
            log_scale = 0.0 if held else where[1]
            return -log_prob(values, float64(where[0]), float64(log_scale), df).sum().item()

        better = scipy.optimize.minimize(misfit, free.detach().numpy(), method="Nelder-Mead")
        assert -better.fun < found["total"] + 1e-6


def test_the_weight_is_the_pull_over_the_distance(live_page):
    page, fit = live_page(NAME), {"loc": 0.3, "scale": 1.7}
    for df, x in itertools.product((1.0, 3.0, None), (-3.0, 0.5, 8.0)):
        (weight,), (pull,) = (page.evaluate(CALL, [name, [x], df, fit]) for name in ("weight", "pull"))
        assert abs(weight * (x - 0.3) / 1.7**2 - pull) < 1e-9
        assert (weight == 1) == (df is None)


def test_two_far_clusters_start_from_the_median(live_page):
    """The t's likelihood may have several maxima; the figure shows the one that is reached from the median."""
    page = live_page(NAME)
    found = page.evaluate("vaeNotesLive.figures.heavy_tails.numbers.fitted([-4, -3.9, -4.1, 9, 9], 1, true)")
    assert abs(found["loc"] + 4) < 0.1
