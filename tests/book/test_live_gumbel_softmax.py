"""The numbers of the figure gumbel_softmax against the package's draws, made with the same noise."""

import itertools

import pytest
import torch
from live_pages import example, float64, numbers
from torch.testing import assert_close

from vae_notes import relaxed_categorical
from vae_notes.gumbel import standard_gumbel

CLOSE = dict(rtol=0, atol=1e-6)
NAME = "gumbel_softmax"
LOGITS = [[-0.5, -1.2, -2.3], [0.0, 0.0, 0.0], [3.0, -3.0, 0.25]]
TEMPERATURES = [0.051, 0.3, 1.0, 10.0]


@pytest.mark.parametrize(("logits", "temperature"), [*itertools.product(LOGITS, TEMPERATURES)])
def test_draws_wins_and_means(live_page, monkeypatch, logits, temperature):
    noise = example(NAME).data["noise"]
    monkeypatch.setattr(relaxed_categorical, "standard_gumbel", lambda shape, **_: float64(*noise).reshape(shape))
    package = {
        hard: relaxed_categorical.sample_relaxed_categorical(
            float64(*logits), temperature, hard=hard, n_samples=len(noise)
        )
        for hard in (False, True)
    }
    page = live_page(NAME)
    found = numbers(page, NAME, "summary", logits, noise, temperature)
    assert_close(float64(*found["probabilities"]), float64(*logits).softmax(0), **CLOSE)
    assert_close(float64(*found["mean"]), package[False].mean(0), **CLOSE)
    assert_close(float64(*found["wins"]), package[True].mean(0), **CLOSE)
    draw = "([logits, rows, tau]) => rows.map(row => vaeNotesLive.figures.gumbel_softmax.numbers.softDraw(logits, row, tau))"
    y = page.evaluate(draw, [logits, noise, temperature])
    assert_close(float64(*y), package[False], **CLOSE)


def test_the_noise_is_what_the_package_draws():
    noise = float64(*example(NAME).data["noise"])
    drawn = standard_gumbel(noise.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert_close(noise, drawn, rtol=0, atol=5.1e-4)
    assert example(NAME).data["noise"][0] != example(NAME).data["noise"][1]


def test_the_sentence_at_other_settings(live_page):
    state = {"l1": 1.0, "l2": 0.0, "l3": -1.0, "log_tau": 0.0}
    noise = example(NAME).data["noise"]
    y = (float64(1, 0, -1) + float64(*noise)).softmax(-1)
    won = (y.argmax(-1) == 0).double().mean()
    told = f"τ = 1.00: class 1 wins {won:.3f} of the draws (π₁ = 0.665); the mean of y₁ is {y[:, 0].mean():.3f}."
    assert numbers(live_page(NAME), NAME, "sentence", state, noise) == told


def test_the_simplex_on_paper_and_back(live_page):
    page = live_page(NAME)
    for y in ([0.2, 0.3, 0.5], [0.9, 0.05, 0.05], [1 / 3, 1 / 3, 1 / 3]):
        x, height = numbers(page, NAME, "onPaper", y)
        assert_close(float64(x, height), float64(*y) @ float64([0, 0], [1, 0], [0.5, 3**0.5 / 2]), **CLOSE)
        assert_close(float64(*numbers(page, NAME, "fromPaper", x, height)), float64(*y), **CLOSE)
    outside = numbers(page, NAME, "fromPaper", -0.4, -0.2)
    assert abs(sum(outside) - 1) < 1e-9 and min(outside) > 0


def test_dragged_logits_have_the_probabilities_and_the_old_sum(live_page):
    page = live_page(NAME)
    for probabilities, old in (([0.2, 0.3, 0.5], [0.0, 0.0, 0.0]), ([0.6, 0.25, 0.15], [-0.5, -1.2, -2.2])):
        found = float64(*numbers(page, NAME, "logitsOf", probabilities, old))
        assert_close(found.softmax(0), float64(*probabilities), rtol=0, atol=0.02)  # in steps of 0.05
        assert abs(found.sum() - sum(old)) < 0.08
