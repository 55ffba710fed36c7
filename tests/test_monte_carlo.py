"""Monte Carlo means: the standard error, and the helper that the statistical tests rest on."""

import re

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests import statistical
from tests.statistical import assert_mean_is
from vae_notes.checks import value_checks_off
from vae_notes.monte_carlo import mean_and_standard_error


def randn(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def raises(error, text):
    return pytest.raises(error, match=re.escape(text))


@given(st.lists(st.integers(2, 6), min_size=1, max_size=3), st.data())
def test_agrees_with_scipy_along_every_axis(shape, data):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    values = randn(*shape)
    mean, standard_error = mean_and_standard_error(values, axis)
    np.testing.assert_allclose(mean, values.numpy().mean(axis), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(standard_error, scipy.stats.sem(values.numpy(), axis, ddof=1), rtol=1e-12)


def test_the_axis_of_the_samples_is_the_first():
    mean, standard_error = mean_and_standard_error(randn(50, 3, 2))
    assert mean.shape == standard_error.shape == (3, 2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_device_and_layout_are_kept(dtype, device):
    values = randn(6, 4).to(device, dtype)
    mean, standard_error = mean_and_standard_error(values.T, axis=1)
    assert mean.dtype == standard_error.dtype == dtype and mean.device.type == device.type
    expected = mean_and_standard_error(values.contiguous())
    torch.testing.assert_close((mean, standard_error), expected)


def test_the_error_falls_with_the_root_of_the_number_of_draws():
    """100 times the draws, a tenth of the error; and it is the spread of the mean itself."""
    draws = randn(10_000, 400)
    few, many = (mean_and_standard_error(draws[:n])[1].mean() for n in (100, 10_000))
    assert (few / many).item() == pytest.approx(10, rel=0.03)
    means, errors = mean_and_standard_error(draws[:100])
    assert means.std().item() == pytest.approx(errors.mean().item(), rel=0.2)


def test_no_data_give_empty_answers():
    mean, standard_error = mean_and_standard_error(torch.zeros(5, 0))
    assert mean.shape == standard_error.shape == (0,)


@pytest.mark.parametrize(
    ("shape", "axis", "n"), [((1, 3), 0, 1), ((0, 3), 0, 0), ((3, 1), 1, 1), ((3, 1), -1, 1)]
)
def test_fewer_than_two_draws_are_refused(shape, axis, n):
    text = f"a standard error needs at least 2 draws, got {n} along axis {axis} of values"
    with raises(ValueError, text):
        mean_and_standard_error(torch.zeros(shape), axis)


@pytest.mark.parametrize(("shape", "axis"), [((), 0), ((3,), 1), ((3,), -2), ((3, 4), 2)])
def test_an_axis_that_is_not_there_is_refused(shape, axis):
    with raises(ValueError, f"values has shape {shape}: it has no axis {axis}"):
        mean_and_standard_error(torch.zeros(shape), axis)


def test_bad_values_are_refused():
    with raises(ValueError, "values must be finite, but 1 of 2 values are not: 1 NaN, 0 infinite"):
        mean_and_standard_error(torch.tensor([0.0, float("nan")]))
    with raises(ValueError, "values must be finite, but 1 of 2 values are not: 0 NaN, 1 infinite"):
        mean_and_standard_error(torch.tensor([0.0, -float("inf")]))
    with value_checks_off():
        assert mean_and_standard_error(torch.tensor([0.0, float("nan")]))[0].isnan()
    with raises(TypeError, "values must be floating, got torch.int64"):
        mean_and_standard_error(torch.tensor([0, 1]))
    with raises(TypeError, "values must be a torch.Tensor, got list"):
        mean_and_standard_error([0.0, 1.0])


# ------------------------------------------------------------------ the helper of the tests


def test_the_helper_accepts_6_standard_errors_and_refuses_7():
    draws = randn(10_000)
    error = scipy.stats.sem(draws.numpy())
    for offset in (0, 6, -6):
        assert_mean_is(draws, draws.mean().item() + offset * error)
    for offset in (7, -7):
        with pytest.raises(AssertionError, match="standard errors off"):
            assert_mean_is(draws, draws.mean().item() + offset * error)


def test_the_helper_compares_each_column():
    draws = randn(10_000, 3)
    assert_mean_is(draws, torch.zeros(3))
    with pytest.raises(AssertionError, match="standard errors off"):
        assert_mean_is(draws, torch.tensor([0.0, 0.0, 0.2]))


def test_the_helper_refuses_what_it_cannot_judge(monkeypatch):
    with pytest.raises(AssertionError, match="at least 1000 draws, got 10"):
        assert_mean_is(torch.zeros(10), 0.0)
    with pytest.raises(AssertionError, match="do not vary"):
        assert_mean_is(torch.zeros(2000), 0.0)
    with pytest.raises(AssertionError, match="standard errors off|vary"):
        assert_mean_is(torch.full((2000,), float("nan")), 0.0)
    monkeypatch.setattr(statistical, "_comparisons", 20_000)
    with pytest.raises(AssertionError, match="too many comparisons"):
        assert_mean_is(randn(2000), 0.0)


def test_the_stated_false_alarm_rate_is_that_of_a_normal_mean():
    assert statistical.FALSE_ALARM_RATE == pytest.approx(2 * scipy.stats.norm.sf(statistical.STANDARD_ERRORS))
    assert statistical.FALSE_ALARM_RATE < 1e-10
