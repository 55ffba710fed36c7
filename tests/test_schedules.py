"""Schedules against hand-computed values, and resuming an annealed run bit for bit."""

import math
import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vae_notes import schedules, training
from vae_notes.likelihoods import BernoulliLikelihood
from vae_notes.models import VAE, Decoder, Encoder
from vae_notes.schedules import Annealed, cyclical, geometric, linear, sigmoid


def raises(error, text):
    return pytest.raises(error, match=re.escape(text))


EVERY = {
    "linear": lambda step, **ends: linear(step, 40, **ends),
    "sigmoid": lambda step, **ends: sigmoid(step, 20, 4, **ends),
    "cyclical": lambda step, **ends: cyclical(step, 40, **ends),
    "geometric": lambda step, **ends: geometric(step, 0.8, **ends),
}
every_schedule = pytest.mark.parametrize("schedule", EVERY.values(), ids=EVERY.keys())


def test_values_by_hand():
    assert [linear(step, 8) for step in (0, 2, 6, 8, 9)] == [0, 0.25, 0.75, 1, 1]
    assert linear(3, 4, start=2, end=-2) == -1
    assert sigmoid(7, 7, 3) == 0.5
    assert sigmoid(10, 7, 3) == pytest.approx(0.731058578630, abs=1e-12)  # 1 / (1 + 1/e)
    assert sigmoid(10, 7, 3, start=1, end=3) == pytest.approx(1 + 2 * 0.731058578630, abs=1e-11)
    assert [geometric(step, 0.9) for step in (0, 1, 2)] == pytest.approx([0, 0.1, 0.19])
    assert geometric(10, 0.99) == pytest.approx(0.0956, abs=5e-5)
    assert geometric(3, 0.5, start=4, end=2) == 2.25


def test_a_cycle_is_a_ramp_and_a_rest():
    cycle = [0, 1 / 3, 2 / 3, 1, 1, 1]
    assert [cyclical(step, 12, cycles=2) for step in range(12)] == pytest.approx(cycle * 2)
    assert [cyclical(step, 4, cycles=1, ramp=1.0) for step in range(6)] == [0, 0.25, 0.5, 0.75, 1, 1]
    assert [cyclical(step, 10, cycles=4) for step in (0, 5)] == [0, 0]  # a period of 2.5 steps
    assert cyclical(6, 10, cycles=4) == pytest.approx(0.8)  # 0.4 of a period into the third


@given(st.integers(0, 10**6), st.integers(1, 10**6))
def test_linear_against_numpy(step, steps):
    assert linear(step, steps) == pytest.approx(np.interp(step, [0, steps], [0, 1]), abs=1e-12)


@given(st.integers(0, 4000), st.floats(-500, 500), st.floats(0.1, 500))
def test_sigmoid_against_torch(step, middle, width):
    by_torch = torch.sigmoid(torch.tensor((step - middle) / width, dtype=torch.float64)).item()
    assert sigmoid(step, middle, width) == pytest.approx(by_torch, abs=1e-12)


@given(st.integers(0, 200), st.floats(0, 1), st.floats(-3, 3), st.floats(-3, 3))
def test_geometric_against_its_recursion(step, rate, start, end):
    value = start
    for _ in range(step):
        value = end + (value - end) * rate
    assert geometric(step, rate, start=start, end=end) == pytest.approx(value, abs=1e-9)


@every_schedule
@pytest.mark.parametrize(("start", "end"), [(0.0, 1.0), (0.1, 0.7), (2.0, 0.5)])
def test_between_the_ends_and_at_them(schedule, start, end):
    values = [schedule(step, start=start, end=end) for step in range(200)]
    assert min(start, end) <= min(values) and max(values) <= max(start, end)
    assert values[0] == pytest.approx(start, abs=0.02 * abs(end - start))
    assert values[-1] == pytest.approx(end, abs=1e-12)
    if schedule not in (EVERY["sigmoid"], EVERY["geometric"]):
        assert values[0] == start and values[-1] == end
    if schedule is not EVERY["cyclical"]:
        assert (np.diff(values) * (end - start) >= -1e-15).all()


def test_extreme_steps():
    assert linear(10**30, 1) == cyclical(10**30, 1) == sigmoid(10**30, 0, 1e-300) == 1
    assert geometric(10**6, 0.999) == geometric(1, 0.0) == 1
    assert geometric(0, 0.0) == geometric(10**6, 1.0) == 0
    assert sigmoid(0, 1e300, 1e-300) == 0


@every_schedule
def test_bad_steps_and_ends_are_refused(schedule):
    with raises(TypeError, "step must be an int, got float"):
        schedule(1.0)
    with raises(TypeError, "step must be an int, got bool"):
        schedule(True)
    with raises(ValueError, "step must be at least 0, got -1"):
        schedule(-1)
    with raises(ValueError, "start and end must be finite, got 0.0 and nan"):
        schedule(1, end=math.nan)


def test_bad_settings_are_refused_by_name():
    with raises(ValueError, "rate must lie in [0, 1], it is the part of the gap that is left, got 1.1"):
        geometric(1, 1.1)
    with raises(ValueError, "ramp must lie in (0, 1], got 0"):
        cyclical(1, 5, ramp=0)
    with raises(ValueError, "cycles must be at least 1, got 0"):
        cyclical(1, 5, cycles=0)
    with raises(ValueError, "steps must be at least 1, got 0"):
        linear(1, 0)
    for middle, width in ((math.inf, 1), (0, 0), (0, -1), (0, math.nan)):
        with raises(ValueError, "middle must be finite and width positive and finite, got"):
            sigmoid(1, middle, width)


# ------------------------------------------------------------------ Annealed


def small_vae(seed=0):
    torch.manual_seed(seed)
    return VAE(Encoder(6, 8, 2), Decoder(2, 8, 6), BernoulliLikelihood())


def rows(n=40):
    return torch.randint(2, (n, 6), generator=torch.Generator().manual_seed(5)).float()


def ramp(step):
    return linear(step, 12)


def test_the_loss_is_weighted_and_the_elbo_is_not():
    model = Annealed(small_vae(), lambda step: 0.1 * step)
    for step in range(3):
        parts = model.loss(rows(), torch.Generator().manual_seed(step))
        plain = model.vae.loss(rows(), torch.Generator().manual_seed(step))
        torch.testing.assert_close(parts["loss"], 0.1 * step * plain["kl"] - plain["reconstruction"])
        for name in ("elbo", "kl", "reconstruction"):
            torch.testing.assert_close(parts[name], plain[name], rtol=0, atol=0)
        torch.testing.assert_close(parts["beta"], torch.full((40,), 0.1 * step))


def test_only_steps_of_training_count():
    model = Annealed(small_vae(), ramp)
    model.eval()
    model.loss(rows())
    assert model.step == 0
    model.train()
    history = training.fit(model, rows(), epochs=3, batch_size=10, held_out=rows(7), progress=False)
    assert model.step == 12  # 3 epochs of 4 steps; the held-out data do not count
    assert history["beta"] == pytest.approx(
        [(0 + 1 + 2 + 3) / 48, (4 + 5 + 6 + 7) / 48, (8 + 9 + 10 + 11) / 48]
    )
    assert history.held_out["beta"] == pytest.approx([4 / 12, 8 / 12, 1])


def test_with_weight_one_it_trains_like_the_vae():
    plain, annealed = small_vae(), Annealed(small_vae(), lambda step: 1.0)
    options = {"epochs": 2, "batch_size": 10, "progress": False}
    one, other = training.fit(plain, rows(), **options), training.fit(annealed, rows(), **options)
    assert (one["elbo"] == other["elbo"]).all()
    for a, b in zip(plain.parameters(), annealed.vae.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("stop", [1, 6, 11])
def test_a_run_that_was_stopped_goes_on_bit_for_bit(stop, tmp_path):
    options = {"epochs": 3, "batch_size": 10, "progress": False}
    whole = Annealed(small_vae(), ramp)
    expected = training.fit(whole, rows(), **options)

    def stopping(step):
        if step == stop:
            raise KeyboardInterrupt
        return ramp(step)

    options |= {"checkpoint": tmp_path / "run.pt", "checkpoint_seconds": 0.0}
    with pytest.raises(KeyboardInterrupt):
        training.fit(Annealed(small_vae(), stopping), rows(), **options)
    resumed = Annealed(small_vae(seed=3), ramp)
    history = training.fit(resumed, rows(), **options)
    assert resumed.step == whole.step == 12
    for name in expected:
        assert (history[name] == expected[name]).all()
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_vae_checks_the_data_of_an_annealed_run():
    with raises(ValueError, "0 or 1"):
        training.fit(Annealed(small_vae(), ramp), rows() / 2, epochs=1, progress=False)


def test_all_names_are_public():
    assert set(schedules.__all__) == {"Annealed", "cyclical", "geometric", "linear", "sigmoid"}
