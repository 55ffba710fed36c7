"""The numbers that the figures compute in the page are those of the package, over a grid of settings."""

import itertools

import pytest
import scipy.integrate
import torch
from live_pages import chromium, example, float64, numbers, opened
from torch.testing import assert_close

from vae_notes.divergences import kl_normal

CLOSE = dict(rtol=0, atol=1e-6)


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture
def page_of(browser, tmp_path):
    """A page with one figure, by name."""
    open_pages = []

    def show(name):
        manager = opened(browser, tmp_path, example(name))
        open_pages.append(manager)
        return manager.__enter__().page

    yield show
    for manager in open_pages:
        manager.__exit__(None, None, None)


def test_gaussian_kl(page_of):
    page = page_of("gaussian_kl")
    grid = list(itertools.product((-3.0, 0.0, 1.25), (0.3, 1.0, 2.5), (-1.0, 3.0), (0.3, 0.9, 2.5)))
    settings = [{"loc_q": a, "scale_q": b, "loc_p": c, "scale_p": d} for a, b, c, d in grid]
    found = []
    for loc_q, scale_q, loc_p, scale_p in grid:
        q, p = {"loc": loc_q, "scale": scale_q}, {"loc": loc_p, "scale": scale_p}
        terms = numbers(page, "gaussian_kl", "terms", q, p)
        found.append([terms["kl"], sum(value for key, value in terms.items() if key != "kl")])
    columns = float64(*grid)[:, :, None]
    m_q, s_q, m_p, s_p = columns[:, 0], 2 * columns[:, 1].log(), columns[:, 2], 2 * columns[:, 3].log()
    expected = kl_normal(m_q, s_q, m_p, s_p)
    assert_close(float64(*found), expected[:, None].expand(-1, 2), **CLOSE)
    sentences = [numbers(page, "gaussian_kl", "sentence", one) for one in settings]
    back = kl_normal(m_p, s_p, m_q, s_q)
    told = [f"KL(q‖p) = {a:.4f} nats, KL(p‖q) = {b:.4f} nats." for a, b in zip(expected, back, strict=True)]
    assert sentences == told


def test_the_area_of_gaussian_kl_is_the_divergence(page_of):
    page = page_of("gaussian_kl")
    q, p = {"loc": 0.5, "scale": 0.7}, {"loc": -0.4, "scale": 1.3}
    z = torch.linspace(-12, 12, 1201, dtype=torch.float64)
    values = page.evaluate(
        "([zs, q, p]) => zs.map(z => vaeNotesLive.figures.gaussian_kl.numbers.integrand(z, q, p))", [z.tolist(), q, p]
    )
    area = scipy.integrate.simpson(values, x=z)
    assert_close(area, numbers(page, "gaussian_kl", "terms", q, p)["kl"], **CLOSE)
