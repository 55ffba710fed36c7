"""Relaxed categorical variables against torch.distributions, quadrature, autograd and exact probabilities."""

import math
import re

import pytest
import scipy.integrate
import scipy.stats
import torch
from torch.distributions import RelaxedOneHotCategorical

from tests.statistical import assert_mean_is
from vae_notes.categorical import kl_categorical
from vae_notes.checks import value_checks_off
from vae_notes.gumbel import standard_gumbel
from vae_notes.relaxed_categorical import (
    relaxed_categorical_log_prob,
    sample_log_relaxed_categorical,
    sample_relaxed_categorical,
)

NAN, INF = float("nan"), float("inf")


def seeded(seed=0, device="cpu"):
    return torch.Generator(device).manual_seed(seed)


def randn(*shape, seed=0):
    return torch.randn(shape, generator=seeded(seed), dtype=torch.float64)


def raises(error, text):
    return pytest.raises(error, match=re.escape(text))


# ------------------------------------------------------------------ draws


@pytest.mark.parametrize(("n_samples", "shape"), [(None, (7, 3, 4)), (5, (5, 7, 3, 4))])
def test_a_draw_is_the_softmax_of_noisy_logits(n_samples, shape):
    logits = randn(7, 3, 4)
    y = sample_relaxed_categorical(logits, 0.6, n_samples=n_samples, generator=seeded())
    noise = standard_gumbel(shape, generator=seeded(), dtype=torch.float64)
    torch.testing.assert_close(y, torch.softmax((logits + noise) / 0.6, -1))
    log_y = sample_log_relaxed_categorical(logits, 0.6, n_samples=n_samples, generator=seeded())
    torch.testing.assert_close(log_y.exp(), y)


def test_the_winner_has_the_right_probability_at_every_temperature(device):
    pi = torch.tensor([0.5, 0.3, 0.15, 0.05], dtype=torch.float64, device=device)
    for tau in (0.01, 1.0, 100.0):
        y = sample_relaxed_categorical(pi.log() + 3, tau, n_samples=50_000, generator=seeded(1, device))
        assert_mean_is(torch.nn.functional.one_hot(y.argmax(-1), 4), pi)


def test_the_mean_of_two_classes_at_temperature_1():
    """E[y_1] = r / (r - 1) - r log r / (r - 1)^2 with the odds r = 9."""
    logits = torch.tensor([math.log(9.0), 0.0], dtype=torch.float64)
    y = sample_relaxed_categorical(logits, 1.0, n_samples=100_000, generator=seeded())
    assert_mean_is(y[:, 0], 9 / 8 - 9 * math.log(9) / 64)


def test_a_hard_draw_is_exactly_one_hot_with_the_gradient_of_the_soft_one():
    logits = randn(50, 4).float().requires_grad_()
    slopes = randn(50, 4, seed=1).float()
    z = sample_relaxed_categorical(logits, 0.7, hard=True, generator=seeded())
    y = sample_relaxed_categorical(logits, 0.7, generator=seeded())
    assert torch.equal(z, torch.nn.functional.one_hot(y.argmax(-1), 4).float())
    hard, soft = (torch.autograd.grad((slopes * draw).sum(), logits)[0] for draw in (z, y))
    torch.testing.assert_close(hard, soft)
    inner = (slopes * y).sum(-1, keepdim=True)
    torch.testing.assert_close(soft, (y * (slopes - inner) / 0.7).detach())


@pytest.mark.parametrize("tau", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("hard", [False, True])
def test_extreme_logits_give_finite_draws_and_gradients(tau, hard):
    logits = torch.tensor([[1e4, -1e4, 0.0], [-INF, 2.0, -INF], [3e38, -3e38, 0.0]], requires_grad=True)
    y = sample_relaxed_categorical(logits, tau, hard=hard, generator=seeded())
    y.square().sum().backward()
    assert y.isfinite().all() and logits.grad.isfinite().all()
    torch.testing.assert_close(y.sum(-1), torch.ones(3))
    assert y[1].tolist() == [0, 1, 0]  # impossible classes get nothing


def test_log_draws_stay_finite_where_draws_are_rounded_to_0():
    logits = torch.tensor([5.0, 0.0, -5.0])
    log_y = sample_log_relaxed_categorical(logits, 1e-3, n_samples=100, generator=seeded())
    assert log_y.isfinite().all() and (log_y.exp() == 0).any()
    assert relaxed_categorical_log_prob(log_y[:, None], logits[None], 1e-3).isfinite().all()


def test_the_generator_decides_and_its_device_is_checked():
    logits = torch.zeros(7, 4)
    first = sample_relaxed_categorical(logits, 1.0, generator=seeded(3))
    torch.manual_seed(3)
    assert torch.equal(first, sample_relaxed_categorical(logits, 1.0))
    with raises(ValueError, "generator must be on the device meta, got one on cpu"), value_checks_off():
        sample_relaxed_categorical(logits.to("meta"), 1.0, generator=seeded())


def test_bad_arguments_of_the_sampler():
    logits = torch.zeros(7, 4)
    for bad in (0.0, -1.0, INF, NAN):
        with raises(ValueError, f"temperature must be positive and finite, got {bad}"):
            sample_relaxed_categorical(logits, bad)
    for bad in (True, torch.tensor(1.0), "1"):
        with raises(TypeError, "temperature must be a real number, got"):
            sample_relaxed_categorical(logits, bad)
    with raises(TypeError, "logits must be floating, got torch.int64"):
        sample_relaxed_categorical(logits.long(), 1.0)
    with raises(ValueError, "n_samples must be at least 1, got 0"):
        sample_relaxed_categorical(logits, 1.0, n_samples=0)
    with raises(ValueError, "logits must have shape (..., C) with C of at least 1, got (7, 0)"):
        sample_relaxed_categorical(torch.zeros(7, 0), 1.0)
    for bad in (NAN, INF):
        with raises(ValueError, "logits must hold no NaN, no +inf"):
            sample_relaxed_categorical(torch.tensor([0.0, bad]), 1.0)
    with raises(ValueError, "a finite value for at least one class"):
        sample_relaxed_categorical(torch.tensor([-INF, -INF]), 1.0)


# ------------------------------------------------------------------ density


@pytest.mark.parametrize("tau", [0.2, 1.0, 3.0])
@pytest.mark.parametrize("n_classes", [1, 2, 5])
def test_agrees_with_torch(tau, n_classes):
    logits = randn(7, 3, n_classes)
    log_y = sample_log_relaxed_categorical(logits, tau, n_samples=4, generator=seeded())
    oracle = torch.distributions.relaxed_categorical.ExpRelaxedCategorical(
        torch.tensor(tau, dtype=torch.float64), logits=logits
    )
    expected = (oracle.log_prob(log_y) - log_y.sum(-1)).sum(-1)  # of y, not of log y
    torch.testing.assert_close(relaxed_categorical_log_prob(log_y, logits, tau), expected)


def test_agrees_with_torchs_density_on_the_simplex():
    logits = randn(7, 1, 3)
    y = sample_relaxed_categorical(logits, 1.5, generator=seeded())
    oracle = RelaxedOneHotCategorical(torch.tensor(1.5, dtype=torch.float64), logits=logits)
    ours = relaxed_categorical_log_prob(y.log(), logits, 1.5)
    torch.testing.assert_close(ours, oracle.log_prob(y)[:, 0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("tau", [0.5, 1.0, 2.0])
def test_two_classes_integrate_to_1_and_follow_the_logistic_law(tau):
    logits = torch.tensor([[0.8, -0.3]], dtype=torch.float64)

    def density(y):
        log_y = torch.tensor([[math.log(y), math.log1p(-y)]], dtype=torch.float64)
        return relaxed_categorical_log_prob(log_y, logits, tau).exp().item()

    total, below = (scipy.integrate.quad(density, 0, end, limit=200)[0] for end in (1, 0.4))
    assert total == pytest.approx(1, abs=1e-6)
    assert below == pytest.approx(scipy.stats.logistic.cdf(tau * math.log(0.4 / 0.6) - 1.1), abs=1e-6)


def test_three_classes_integrate_to_1():
    side = torch.linspace(-60, 60, 401, dtype=torch.float64)
    gaps = torch.stack([*torch.meshgrid(side, side, indexing="ij"), torch.zeros(401, 401)], -1)
    log_y = gaps.log_softmax(-1)[..., None, :]
    log_p = relaxed_categorical_log_prob(log_y, torch.tensor([[0.5, 0.0, -1.0]], dtype=torch.float64), 0.8)
    volume = log_y.sum((-2, -1)) + 2 * math.log(side[1] - side[0])  # det dy / dgaps is the product of all y
    assert (log_p + volume).exp().sum().item() == pytest.approx(1, abs=1e-8)


def test_the_relaxed_kl_does_not_depend_on_a_common_temperature_and_exceeds_the_categorical_one():
    u = (torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000
    delta = 2.0
    q, p = torch.tensor([[delta, 0.0]], dtype=torch.float64), torch.zeros(1, 2, dtype=torch.float64)
    for tau in (0.3, 1.0, 4.0):
        t = (delta + torch.log(u) - torch.log1p(-u)) / tau
        log_y = torch.stack([-torch.log1p(torch.exp(-t)), -torch.log1p(torch.exp(t))], -1)[:, None]
        kl = relaxed_categorical_log_prob(log_y, q, tau) - relaxed_categorical_log_prob(log_y, p, tau)
        assert kl.mean().item() == pytest.approx(delta / math.tanh(delta / 2) - 2, rel=1e-4)
    assert kl.mean() > kl_categorical(q, p)


def test_the_gradient_agrees_with_numbers():
    logits = randn(2, 3, seed=1).requires_grad_()
    log_y = sample_log_relaxed_categorical(logits.detach(), 0.7, generator=seeded())
    assert torch.autograd.gradcheck(lambda a: relaxed_categorical_log_prob(log_y, a, 0.7), (logits,))


def test_dtype_and_empty_batches(device):
    logits = torch.zeros(0, 3, 4, device=device)
    y = sample_relaxed_categorical(logits, 1.0, n_samples=2)
    assert y.shape == (2, 0, 3, 4) and y.dtype == torch.float32
    assert relaxed_categorical_log_prob(y, logits, 1.0).shape == (2, 0)


def test_bad_arguments_of_the_density():
    logits, log_y = torch.zeros(7, 3, 4), torch.full((7, 3, 4), math.log(0.25))
    with raises(
        ValueError, "log_y must be the log of numbers that sum to 1 over the last axis; was y passed?"
    ):
        relaxed_categorical_log_prob(log_y.exp(), logits, 1.0)
    with raises(ValueError, "logits must be finite, but 84 of 84"):
        relaxed_categorical_log_prob(log_y, logits - INF, 1.0)
    with raises(ValueError, "log_y must be finite"):
        relaxed_categorical_log_prob(log_y - INF, logits, 1.0)
    with raises(ValueError, "got log_y (7, 3, 4) and logits (7, 3, 5)"):
        relaxed_categorical_log_prob(log_y, torch.zeros(7, 3, 5), 1.0)
    with raises(ValueError, "got log_y (4,) and logits (3, 4)"):
        relaxed_categorical_log_prob(log_y[0, 0], logits[0], 1.0)
    with raises(ValueError, "leading axes must agree"):
        relaxed_categorical_log_prob(log_y, logits[:2], 1.0)
    with raises(TypeError, "all floating tensors must have the same dtype"):
        relaxed_categorical_log_prob(log_y, logits.double(), 1.0)
    with raises(ValueError, "temperature must be positive and finite, got 0"):
        relaxed_categorical_log_prob(log_y, logits, 0)
    assert relaxed_categorical_log_prob(log_y, logits, 1).isfinite().all()  # a whole number will do
