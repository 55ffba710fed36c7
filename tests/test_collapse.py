"""Measures of collapse against numpy, and against the linear-Gaussian model, where they are known."""

import math
import re

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from vae_notes.checks import value_checks_off
from vae_notes.collapse import active_units, kl_per_dim, variance_of_means
from vae_notes.linear_gaussian import LinearGaussian


def raises(error, text):
    return pytest.raises(error, match=re.escape(text))


def randn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_kl_per_dim_agrees_with_torch():
    loc, log_variance = randn(9, 4), randn(9, 4, seed=1)
    q = Normal(loc, (log_variance / 2).exp())
    expected = kl_divergence(q, Normal(torch.zeros(()).double(), 1.0)).mean(0)
    torch.testing.assert_close(kl_per_dim(loc, log_variance), expected)


def test_variance_of_means_agrees_with_numpy():
    loc = randn(9, 4) + 100
    assert variance_of_means(loc).numpy() == pytest.approx(np.var(loc.numpy(), axis=0), rel=1e-10)
    assert (variance_of_means(loc[:1]) == 0).all()  # one datum: nothing varies, and it is no NaN


def test_the_threshold_of_active_units():
    loc = torch.tensor([[1.0, 0.2, 0.19, 0.0], [-1.0, 0.0, 0.0, 0.0]]).double()  # variances 1, 0.01, 0.009, 0
    assert active_units(loc, threshold=0.0099).tolist() == [True, True, False, False]
    assert active_units(loc, threshold=0.0101).tolist() == [True, False, False, False]
    assert active_units(loc, threshold=0).tolist() == [True, True, True, False]
    assert active_units(loc).tolist()[::2] == [True, False]
    assert active_units(loc).dtype == torch.bool


def test_a_variance_equal_to_the_threshold_is_not_active():
    assert active_units(torch.tensor([[2.0], [-2.0]]), threshold=4.0).tolist() == [False]


def test_a_constant_that_differs_from_the_prior_is_not_active():
    loc, log_variance = torch.full((6, 2), 3.0), torch.zeros(6, 2)
    assert not active_units(loc).any()
    assert kl_per_dim(loc, log_variance).tolist() == [4.5, 4.5]


def test_in_the_linear_model_they_are_half_a_logarithm_and_one_minus_a_ratio():
    variance, eigenvalues = 0.5, torch.tensor([4.0, 1.0, 0.3], dtype=torch.float64)
    x = randn(500, 3)
    x = x - x.mean(0)
    x = (
        torch.linalg.solve_triangular(torch.linalg.cholesky(x.T @ x / 500), x.T, upper=False).T
        * eigenvalues.sqrt()
    )
    weight = torch.diag((eigenvalues - variance).clamp(min=0).sqrt())
    model = LinearGaussian(weight, x.new_zeros(3), x.new_tensor(variance).log())
    loc, root = model.posterior(x)
    log_variance = (root @ root.T).diagonal().log().expand(500, 3)
    expected = [0.5 * math.log(8), 0.5 * math.log(2), 0.0]
    assert kl_per_dim(loc, log_variance).tolist() == pytest.approx(expected, abs=1e-10)
    assert variance_of_means(loc).tolist() == pytest.approx([7 / 8, 1 / 2, 0], abs=1e-10)
    assert active_units(loc).tolist() == [True, True, False]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_and_device_are_those_of_the_encoder(dtype, device):
    loc, log_variance = (randn(5, 3, seed=s).to(device, dtype) for s in (0, 1))
    for result in (kl_per_dim(loc, log_variance), variance_of_means(loc)):
        assert result.dtype == dtype and result.device.type == device.type and result.shape == (3,)
    assert active_units(loc).device.type == device.type


def test_gradients_pass():
    loc, log_variance = randn(5, 3).requires_grad_(), randn(5, 3, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(kl_per_dim, [loc, log_variance])
    assert torch.autograd.gradcheck(variance_of_means, [loc])


def test_bad_arguments_are_refused_by_name():
    good = torch.zeros(5, 3)
    for bad in (torch.zeros(3), torch.zeros(0, 3), torch.zeros(2, 5, 3)):
        text = f"must have shape (N, d), N of at least 1, got {tuple(bad.shape)}"
        with raises(ValueError, f"loc {text}"):
            active_units(bad)
        with raises(ValueError, f"loc {text}"):
            kl_per_dim(bad, good)
        with raises(ValueError, f"log_variance {text}"):
            kl_per_dim(good, bad)
    with raises(ValueError, "agree"):
        kl_per_dim(good, torch.zeros(4, 3))
    with raises(TypeError, "loc must be floating, got torch.int64"):
        variance_of_means(good.long())
    for threshold in (-0.1, math.nan):
        with raises(ValueError, f"threshold must be a number of at least 0, got {threshold}"):
            active_units(good, threshold=threshold)
    with raises(ValueError, "loc must be finite"):
        variance_of_means(good / 0)
    with value_checks_off():
        assert variance_of_means(good / 0).isnan().all()
