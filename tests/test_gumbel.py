"""The Gumbel law: sympy proofs of its limits, scipy, and noise that is always finite."""

import math
import re

import numpy as np
import pytest
import scipy.stats
import sympy as sp
import torch

from tests.statistical import assert_mean_is
from vae_notes.checks import value_checks_off
from vae_notes.gumbel import gumbel_log_prob, standard_gumbel

NAN, INF = float("nan"), float("inf")
X, M = sp.symbols("x m", real=True)
N, T, W, S, TAU, GAP = sp.symbols("n t w S tau d", positive=True)
K = sp.symbols("k", positive=True, integer=True)
CDF = sp.exp(-sp.exp(-X))


def seeded(seed=0, device="cpu"):
    return torch.Generator(device).manual_seed(seed)


def randn(*shape, seed=0):
    return torch.randn(shape, generator=seeded(seed), dtype=torch.float64)


def raises(error, text):
    return pytest.raises(error, match=re.escape(text))


# ------------------------------------------------------------------ the law, proven


def test_maxima_of_exponential_variables_tend_to_the_gumbel_law():
    assert sp.limit((1 - sp.exp(-X) / N) ** N, N, sp.oo) == CDF


def test_the_tail_is_exponential_and_not_heavy():
    assert sp.limit((1 - CDF) / sp.exp(-X), X, sp.oo) == 1


def test_the_mean_is_eulers_constant_and_the_variance_pi_squared_over_6():
    """E[e^(sg)] = Gamma(1 - s), because e^-g is exponential."""
    negative, s = sp.symbols("s_neg", negative=True), sp.symbols("s", real=True)
    assert sp.integrate(T ** (-negative) * sp.exp(-T), (T, 0, sp.oo)) == sp.gamma(1 - negative)
    mean, variance = (sp.diff(sp.loggamma(1 - s), s, n).subs(s, 0) for n in (1, 2))
    assert mean == sp.EulerGamma and sp.simplify(variance - sp.pi**2 / 6) == 0


def test_the_largest_of_n_is_a_shifted_gumbel_variable():
    logs = sp.log(CDF) * N, sp.log(CDF.subs(X, X - sp.log(N)))
    assert sp.simplify(sp.expand_log(logs[0] - logs[1], force=True)) == 0


def test_gumbel_max_draws_from_the_softmax_for_any_number_of_classes():
    """Factors exp(-w e^-x) multiply to exp(-S e^-x), whatever their number."""
    factor = CDF.subs(X, X - sp.log(W))
    assert sp.simplify(factor - sp.exp(-W * sp.exp(-X))) == 0
    density = W * sp.exp(-X) * sp.exp(-S * sp.exp(-X))  # class i wins with the score x
    below = sp.integrate(density, (X, -sp.oo, M))
    assert sp.simplify(below - W / S * sp.exp(-S * sp.exp(-M))) == 0
    assert sp.limit(below, M, sp.oo) == W / S


def test_the_limits_of_the_temperature():
    """One winner, k - 1 losers whose scores are lower by d: one-hot as tau -> 0, uniform as tau -> infinity."""
    loser = sp.exp(-GAP / TAU)
    winner = 1 / (1 + (K - 1) * loser)
    assert sp.limit(loser, TAU, 0) == 0 and sp.limit(winner, TAU, 0) == 1
    assert sp.simplify(sp.limit(winner, TAU, sp.oo) - 1 / K) == 0
    assert sp.simplify(sp.limit(winner * loser, TAU, sp.oo) - 1 / K) == 0


def test_the_log_density_is_the_derivative_of_the_distribution_function():
    loc, scale = 0.4, 1.7
    density = sp.diff(CDF.subs(X, (X - sp.Rational(2, 5)) / sp.Rational(17, 10)), X)
    points = np.linspace(-4, 9, 27)
    ours = gumbel_log_prob(
        torch.from_numpy(points)[:, None],
        torch.tensor([loc], dtype=torch.float64),
        torch.tensor([scale], dtype=torch.float64).log(),
    )
    np.testing.assert_allclose(ours, np.log(sp.lambdify(X, density)(points)), rtol=1e-10)


# ------------------------------------------------------------------ log density


def test_agrees_with_scipy_and_with_torch():
    x, loc, log_scale = randn(3, 7, 5), randn(7, 5, seed=1), randn(7, 5, seed=2)
    ours = gumbel_log_prob(x, loc, log_scale)
    scipys = scipy.stats.gumbel_r(loc.numpy(), log_scale.exp().numpy()).logpdf(x.numpy()).sum(-1)
    np.testing.assert_allclose(ours, scipys, rtol=1e-10)
    torchs = torch.distributions.Gumbel(loc, log_scale.exp()).log_prob(x).sum(-1)
    torch.testing.assert_close(ours, torchs)


def test_minima_follow_the_mirrored_law():
    x, loc = randn(7, 1), randn(7, 1, seed=1)
    ours = gumbel_log_prob(-x, -loc, torch.zeros(1, dtype=torch.float64))
    scipys = scipy.stats.gumbel_l(loc.numpy()).logpdf(x.numpy())[:, 0]
    np.testing.assert_allclose(ours, scipys, rtol=1e-10)


@pytest.mark.parametrize(
    ("x", "log_scale", "expected"),
    [
        (1e4, 0.0, -1e4),
        (-1e4, 0.0, -INF),
        (-1.0, -1e4, -INF),
        (1.0, -1e4, -INF),
        (0.0, -1e4, 1e4 - 1),
        (5.0, 1e4, -1e4 - 1),
    ],
)
def test_extreme_input(x, log_scale, expected):
    value = gumbel_log_prob(torch.tensor([x]), torch.zeros(1), torch.tensor([log_scale]))
    assert value.item() == expected


def test_bad_arguments_are_refused_by_name():
    good = dict(x=torch.zeros(7, 2), loc=torch.zeros(7, 2), log_scale=torch.zeros(7, 2))
    for name, value in good.items():
        with raises(TypeError, f"{name} must be a torch.Tensor, got float"):
            gumbel_log_prob(**(good | {name: 0.0}))
        with raises(ValueError, f"{name} must be finite, but 14 of 14"):
            gumbel_log_prob(**(good | {name: value + NAN}))
        with raises(ValueError, "the last axis must have the same size"):
            gumbel_log_prob(**(good | {name: torch.zeros(7, 3)}))


# ------------------------------------------------------------------ noise


def test_moments_of_the_noise(device):
    g = standard_gumbel((100_000,), generator=seeded(0, device), dtype=torch.float64, device=device)
    assert_mean_is(g, np.euler_gamma)
    assert_mean_is((g - np.euler_gamma) ** 2, math.pi**2 / 6)
    assert_mean_is(torch.exp(-g), 1.0)  # an exponential variable
    assert_mean_is((g < 0).double(), math.exp(-1))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_the_noise_is_finite_also_in_16_bits(dtype):
    g = standard_gumbel((1_000_000,), generator=seeded(), dtype=dtype)
    assert g.dtype == dtype and g.isfinite().all()
    if dtype == torch.float16:  # what the textbook formula does
        u = torch.rand(1_000_000, generator=seeded(), dtype=dtype)
        assert not (-torch.log(-torch.log(u))).isfinite().all()


def test_the_generator_decides_and_its_device_is_checked():
    first = standard_gumbel((4, 3), generator=seeded(1))
    assert torch.equal(first, standard_gumbel((4, 3), generator=seeded(1)))
    assert first.shape == (4, 3) and first.unique().numel() == 12
    torch.manual_seed(1)
    assert torch.equal(first, standard_gumbel((4, 3)))
    with raises(ValueError, "generator must be on the device meta, got one on cpu"), value_checks_off():
        standard_gumbel((4, 3), generator=seeded(), device="meta")
