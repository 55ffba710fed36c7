"""Straight-through functions: exact values, and the gradient of the smooth stand-in."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.statistical import assert_mean_is
from vae_notes.checks import value_checks_off
from vae_notes.straight_through import straight_through, straight_through_round, straight_through_sign

BOTH = pytest.mark.parametrize("step", [straight_through_sign, straight_through_round])


def gradient(step, x, upstream=lambda y: y.sum(), **options):
    """dL/dx for L = upstream(step(x))."""
    x = x.detach().clone().requires_grad_()
    upstream(step(x, **options)).backward()
    return x.grad


@given(st.lists(st.floats(-(2.0**99), 2.0**99, width=32), min_size=1, max_size=20))
def test_the_value_is_exactly_the_hard_one(values):
    """Not up to rounding, as with soft + (hard - soft).detach()."""
    soft = torch.tensor(values).requires_grad_()
    hard = torch.linspace(-1, 1, len(values))
    assert torch.equal(straight_through(hard, soft), hard)


def test_the_popular_line_is_not_exact():
    hard, soft = torch.tensor([0.1]), torch.tensor([1e8])
    assert soft + (hard - soft).detach() != hard and straight_through(hard, soft) == hard


def test_the_gradient_arrives_at_soft_unchanged_and_not_at_hard():
    generator = torch.Generator().manual_seed(0)
    hard, soft, weight = (torch.randn(5, 3, generator=generator, dtype=torch.float64) for _ in range(3))
    hard, soft = hard.requires_grad_(), soft.requires_grad_()
    y = straight_through(hard, soft)
    (weight * y.sin()).sum().backward()
    torch.testing.assert_close(soft.grad, weight * hard.detach().cos(), rtol=1e-14, atol=0)  # slope at hard
    assert hard.grad is None


def test_values_of_sign_and_round():
    x = torch.tensor([-2.5, -1.5, -0.4, -0.0, 0.0, 0.5, 1.5, 2.6])
    assert straight_through_sign(x).tolist() == [-1, -1, -1, 1, 1, 1, 1, 1]
    assert torch.equal(straight_through_round(x), torch.round(x))
    assert straight_through_round(x, limit=1.0)[-1] == 3  # the limit is for the gradient only


@BOTH
def test_the_true_derivative_is_zero_and_the_plain_rule_is_one(step, device):
    x = torch.linspace(-3, 3, 40, dtype=torch.float64, device=device)  # no multiple of 1/2 among them
    hard = {straight_through_sign: torch.sign, straight_through_round: torch.round}[step]
    assert (gradient(hard, x) == 0).all()
    assert torch.equal(hard(x + 1e-6), hard(x - 1e-6))  # the difference quotient agrees
    assert (gradient(step, x) == 1).all()


@BOTH
@pytest.mark.parametrize("limit", [0.5, 1.0, 2.0])
def test_the_clipped_rule_is_zero_beyond_the_limit_and_one_up_to_it(step, limit):
    x = torch.tensor([-2.001, -2.0, -1.001, -1.0, -0.5, 0.0, 0.5, 0.501, 1.0, 1.001, 2.0, 2.001])
    expected = (x.abs() <= limit).float()
    assert 0 < expected.sum() < len(x)
    assert torch.equal(gradient(step, x, limit=limit), expected)


def test_the_slope_is_taken_at_the_step_and_not_at_x():
    x = torch.tensor([-2.2, 0.3, 0.4, 0.9, 1.8])

    def square(y):
        return y.square().sum()

    assert gradient(straight_through_round, x, square).tolist() == [-4, 0, 0, 2, 4]
    assert gradient(straight_through_round, x, square, limit=1.0).tolist() == [0, 0, 0, 2, 0]


def test_with_uniform_dither_rounding_is_right_on_average():
    """E[round(x + u)] = x: the slope 1 of the plain rule is that of the average."""
    u = torch.rand(40_000, generator=torch.Generator().manual_seed(1), dtype=torch.float64) - 0.5
    for x in (-1.3, 0.2, 0.5):
        assert_mean_is(straight_through_round(x + u), x)


def test_with_uniform_noise_the_clipped_sign_is_right_on_average():
    """E[sign(x + u)] = x for |x| <= 1 and u uniform on (-1, 1), and beyond it is constant."""
    u = 2 * torch.rand(40_000, generator=torch.Generator().manual_seed(2), dtype=torch.float64) - 1
    for x in (-0.7, 0.1, 0.9):
        assert_mean_is(straight_through_sign(x + u, limit=1.0), x)
    assert (straight_through_sign(1.2 + u) == 1).all()


@BOTH
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_dtype_device_and_shape_are_kept(step, dtype, device):
    x = torch.randn(2, 0, 3, device=device, dtype=dtype)
    assert step(x).shape == (2, 0, 3)
    y = step(torch.tensor(0.7, dtype=dtype, device=device), limit=1.0)
    assert y.shape == () and y.dtype == dtype and y.device.type == device.type and y == 1


def test_bad_arguments_are_refused_by_name():
    good = torch.zeros(2)
    with pytest.raises(ValueError, match=r"hard and soft must have the same shape, got \(2,\) and \(3,\)"):
        straight_through(good, torch.zeros(3))
    with pytest.raises(TypeError, match="hard must be floating, got torch.int64"):
        straight_through(good.long(), good)
    with pytest.raises(TypeError, match="same dtype"):
        straight_through(good, good.double())
    for name, bad in (("hard", (good + math.inf, good)), ("soft", (good, good + math.nan))):
        with pytest.raises(ValueError, match=f"{name} must be finite"):
            straight_through(*bad)
    with value_checks_off():
        assert straight_through(good, good + math.nan).isnan().all()


@BOTH
def test_bad_arguments_of_the_steps_are_refused_by_name(step):
    with pytest.raises(TypeError, match="x must be a torch.Tensor, got float"):
        step(0.5)
    with pytest.raises(ValueError, match="x must be finite"):
        step(torch.tensor([math.inf]))
    for limit in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match=f"limit must be positive, got {limit}"):
            step(torch.zeros(2), limit=limit)
