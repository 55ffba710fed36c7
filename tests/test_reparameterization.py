"""Reparameterised samples: exactly the stated function of the noise, with the right law and gradients."""

import math
import re

import pytest
import torch

from tests.statistical import assert_mean_is
from vae_notes.checks import value_checks_off
from vae_notes.reparameterization import sample_normal

NAN, INF = float("nan"), float("inf")


def seeded(seed=0, device="cpu"):
    return torch.Generator(device).manual_seed(seed)


def randn(*shape, seed=0):
    return torch.randn(shape, generator=seeded(seed), dtype=torch.float64)


def raises(error, text):
    return pytest.raises(error, match=re.escape(text))


@pytest.mark.parametrize(("n_samples", "shape"), [(None, (7, 2)), (1, (1, 7, 2)), (3, (3, 7, 2))])
def test_a_sample_is_loc_plus_scale_times_noise(n_samples, shape):
    loc, log_variance = randn(7, 2, seed=1), randn(7, 2, seed=2)
    z = sample_normal(loc, log_variance, n_samples=n_samples, generator=seeded())
    epsilon = torch.randn(shape, generator=seeded(), dtype=torch.float64)
    assert z.shape == shape
    torch.testing.assert_close(z, loc + log_variance.exp().sqrt() * epsilon)


def test_moments():
    loc, log_variance = randn(3, seed=1), randn(3, seed=2)
    z = sample_normal(loc, log_variance, n_samples=50_000, generator=seeded())
    assert_mean_is(z, loc)
    standardised = (z - loc) / log_variance.exp().sqrt()
    assert_mean_is(standardised**2, torch.ones(3))
    assert_mean_is(standardised**3, torch.zeros(3))
    assert_mean_is(standardised**4, torch.full((3,), 3.0))
    assert_mean_is(standardised[:, 0] * standardised[:, 1], 0.0)
    assert_mean_is(standardised[1:, 0] * standardised[:-1, 0], 0.0)


def test_each_datum_and_sample_has_noise_of_its_own():
    z = sample_normal(torch.zeros(4, 3), torch.zeros(4, 3), n_samples=5, generator=seeded())
    assert z.unique().numel() == 60


def test_gradients_flow_through_loc_and_log_variance():
    loc, log_variance = randn(7, 2, seed=1).requires_grad_(), randn(7, 2, seed=2).requires_grad_()
    z = sample_normal(loc, log_variance, n_samples=3, generator=seeded())
    z.sum().backward()
    torch.testing.assert_close(loc.grad, torch.full((7, 2), 3.0, dtype=torch.float64))
    torch.testing.assert_close(log_variance.grad, 0.5 * (z - loc).sum(0).detach())


def test_the_pathwise_gradient_is_unbiased():
    """d/dmu E[z^2] = 2 mu, and d/dlog sigma^2 E[z^2] = sigma^2."""
    loc = torch.full((50_000, 1), 1.5, dtype=torch.float64, requires_grad=True)
    log_variance = torch.full((50_000, 1), 0.4, dtype=torch.float64, requires_grad=True)
    sample_normal(loc, log_variance, generator=seeded()).square().sum().backward()
    assert_mean_is(loc.grad, 3.0)
    assert_mean_is(log_variance.grad, math.exp(0.4))


def test_the_generator_decides_and_the_global_one_is_the_default():
    loc, log_variance = torch.zeros(7, 2), torch.zeros(7, 2)
    first = sample_normal(loc, log_variance, generator=seeded(0))
    assert torch.equal(first, sample_normal(loc, log_variance, generator=seeded(0)))
    assert not torch.equal(first, sample_normal(loc, log_variance, generator=seeded(1)))
    torch.manual_seed(0)
    assert torch.equal(first, sample_normal(loc, log_variance))
    state = torch.get_rng_state()
    sample_normal(loc, log_variance, generator=seeded(0))
    assert torch.equal(state, torch.get_rng_state())


def test_missing_leading_axes_draw_noise_for_every_datum():
    z = sample_normal(randn(7, 2), torch.zeros(2).double(), generator=seeded())
    assert z.shape == (7, 2)
    assert (z - randn(7, 2)).unique().numel() == 14
    assert sample_normal(torch.zeros(2), torch.zeros(7, 2), n_samples=3, generator=seeded()).shape == (
        3,
        7,
        2,
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_device_and_empty_batches(dtype, device):
    loc = torch.zeros(4, 6, dtype=dtype, device=device).T[::2]
    assert not loc.is_contiguous()
    z = sample_normal(loc, loc, n_samples=3, generator=seeded(0, device))
    assert z.shape == (3, 3, 4) and z.dtype == dtype and z.device.type == device.type
    assert sample_normal(loc[:0], loc[:0], n_samples=3).shape == (3, 0, 4)


def test_noise_is_made_on_the_device_of_the_parameters():
    """The meta device has shapes and no values: noise made on the CPU would not mix with it."""
    loc = torch.zeros(7, 2, device="meta")
    with value_checks_off():
        z = sample_normal(loc, loc, n_samples=3)
    assert z.device.type == "meta" and z.shape == (3, 7, 2)


def test_no_variance_gives_the_mean_and_a_gradient_of_zero():
    loc, log_variance = torch.tensor([1.5]), torch.tensor([-1e4], requires_grad=True)
    z = sample_normal(loc, log_variance)
    z.backward()
    assert z.item() == 1.5 and log_variance.grad.item() == 0


def test_a_scale_of_1e_30():
    log_variance = torch.tensor([2 * math.log(1e-30)])
    z = sample_normal(torch.zeros(1), log_variance, generator=seeded())
    epsilon = torch.randn(1, generator=seeded())
    assert (z / 1e-30).item() == pytest.approx(epsilon.item(), rel=1e-4)


@pytest.mark.parametrize(("dtype", "fits"), [(torch.float32, 177), (torch.float64, 1419)])
def test_a_standard_deviation_that_overflows_is_an_error(dtype, fits):
    loc = torch.zeros(2, dtype=dtype)
    assert sample_normal(loc, loc + fits).isfinite().all() or dtype == torch.float32
    for log_variance in (fits + 2.0, 1e4):
        bad = torch.tensor([0.0, log_variance], dtype=dtype)
        with raises(
            ValueError, f"log_variance reaches {log_variance:g}: the standard deviation overflows {dtype}"
        ):
            sample_normal(loc, bad)
        with value_checks_off():
            assert not sample_normal(loc, bad, generator=seeded())[1].isfinite()


@pytest.mark.parametrize("name", ["loc", "log_variance"])
def test_bad_arguments_are_refused_by_name(name):
    good = dict(loc=torch.zeros(7, 2), log_variance=torch.zeros(7, 2))
    for value in (NAN, INF, -INF):
        with raises(ValueError, f"{name} must be finite, but 14 of 14"):
            sample_normal(**(good | {name: good[name] + value}))
    with raises(TypeError, f"{name} must be floating, got torch.uint8"):
        sample_normal(**(good | {name: good[name].to(torch.uint8)}))
    with raises(TypeError, f"{name} must be a torch.Tensor, got float"):
        sample_normal(**(good | {name: 0.0}))
    with raises(TypeError, "all floating tensors must have the same dtype"):
        sample_normal(**(good | {name: good[name].double()}))
    for shape in [(7, 1), (1, 2), (7, 3), (7, 1, 2)]:
        with pytest.raises(ValueError, match="must agree|must have the same size"):
            sample_normal(**(good | {name: torch.zeros(shape)}))
    with raises(ValueError, f"{name} needs at least one axis"):
        sample_normal(**(good | {name: torch.tensor(0.0)}))


def test_n_samples_is_a_count():
    zeros = torch.zeros(7, 2)
    with raises(ValueError, "n_samples must be at least 1, got 0"):
        sample_normal(zeros, zeros, n_samples=0)
    with raises(TypeError, "n_samples must be an int, got float"):
        sample_normal(zeros, zeros, n_samples=2.0)


def test_a_generator_on_another_device_is_refused():
    zeros = torch.zeros(7, 2, device="meta")
    with (
        raises(ValueError, "generator must be on the device of loc, meta, got one on cpu"),
        value_checks_off(),
    ):
        sample_normal(zeros, zeros, generator=seeded())
