"""Student's t against torch.distributions, scipy, 50-digit arithmetic, the normal limit and its own draws."""

import math

import mpmath
import pytest
import scipy.integrate
import scipy.stats
import torch
from torch.autograd import grad, gradcheck
from torch.distributions import StudentT

from tests.statistical import assert_mean_is
from vae_notes.checks import value_checks_off
from vae_notes.densities import normal_log_prob
from vae_notes.multivariate_student_t import multivariate_student_t_log_prob, sample_multivariate_student_t
from vae_notes.student_t import (
    log_gamma_ratio,
    sample_student_t,
    student_t_excess_kurtosis,
    student_t_log_prob,
    student_t_variance,
)

ZERO = torch.zeros(1, dtype=torch.float64)
FACTOR = torch.tensor([[1.0, 0.0, 0.0], [0.5, 2.0, 0.0], [-0.3, 0.1, 0.7]], dtype=torch.float64)


def randn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def exact_log_prob(x, loc, log_scale, df):
    with mpmath.workdps(50):
        x, loc, log_scale, nu = (mpmath.mpf(v) for v in (x, loc, log_scale, df))
        r = (x - loc) / mpmath.exp(log_scale)
        constant = mpmath.loggamma((nu + 1) / 2) - mpmath.loggamma(nu / 2) - mpmath.log(nu * mpmath.pi) / 2
        return float(constant - log_scale - (nu + 1) / 2 * mpmath.log(1 + r * r / nu))


@pytest.mark.parametrize("df", [0.3, 1.0, 2.5, 40.0])
def test_log_prob_agrees_with_torch(df):
    x, loc, log_scale = randn(4, 5, 3), randn(5, 3, seed=1), randn(5, 3, seed=2)
    expected = StudentT(df, loc, log_scale.exp()).log_prob(x).sum(-1)
    assert torch.allclose(student_t_log_prob(x, loc, log_scale, df), expected, rtol=1e-12)


@pytest.mark.parametrize("df", [1e-3, 0.5, 3.0, 1e3, 1e8, 1e15])
@pytest.mark.parametrize("x, log_scale", [(0.0, 0.0), (1e-9, -2.0), (3.0, 0.5), (1e6, 0.0), (1e200, -300.0)])
def test_log_prob_agrees_with_50_digits(x, log_scale, df):
    found = student_t_log_prob(ZERO + x, ZERO, ZERO + log_scale, df).item()
    assert found == pytest.approx(exact_log_prob(x, 0.0, log_scale, df), rel=2e-12, abs=1e-13)


@pytest.mark.parametrize("df", [1.0, 1e4, 1e8, 1e30])
def test_32_bits_keep_their_digits_for_every_df(df, device):
    x = torch.tensor([[0.0], [1.3], [-4.0]], device=device)
    zero = torch.zeros(1, device=device)
    expected = [exact_log_prob(v, 0.0, 0.0, df) for v in (0.0, 1.3, -4.0)]
    found = student_t_log_prob(x, zero, zero, df)
    assert found.dtype == torch.float32 and found.tolist() == pytest.approx(expected, rel=3e-6)


@pytest.mark.parametrize("dtype, tolerance", [(torch.float32, 2e-5), (torch.float64, 1e-7)])
def test_large_df_is_the_normal_distribution(dtype, tolerance):
    x, loc, log_scale = (randn(6, 4, seed=s).to(dtype) for s in range(3))
    normal = normal_log_prob(x, loc, 2 * log_scale)
    found = student_t_log_prob(x, loc, log_scale, 1e12)
    assert torch.allclose(found, normal, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("a", [1e-6, 0.1, 0.5, 3.0, 11.9, 1e3, 1e9, 1e20])
def test_log_gamma_ratio_agrees_with_50_digits(a):
    with mpmath.workdps(50):
        exact = mpmath.loggamma(mpmath.mpf(a) + 0.5) - mpmath.loggamma(a) - mpmath.log(a) / 2
    assert log_gamma_ratio(ZERO + a).item() == pytest.approx(float(exact), rel=1e-12, abs=1e-16)


def test_log_prob_is_finite_however_far_the_point(device):
    far = torch.tensor([[1e30]], device=device)
    zero = torch.zeros(1, device=device)
    found = student_t_log_prob(far, zero, zero, 3.0)
    assert found.item() == pytest.approx(exact_log_prob(1e30, 0.0, 0.0, 3.0), rel=1e-5)


def test_gradients_agree_with_differences():
    arguments = [randn(3, 2), randn(3, 2, seed=1), 0.3 * randn(3, 2, seed=2), torch.full((2,), 2.5).double()]
    assert gradcheck(student_t_log_prob, [a.requires_grad_() for a in arguments])


def test_the_pull_is_bounded_and_fades():
    loc = torch.zeros(5, 1, dtype=torch.float64, requires_grad=True)
    x = torch.tensor([[0.0], [math.sqrt(3)], [10.0], [1e150], [-1e300]], dtype=torch.float64)
    (pull,) = grad(student_t_log_prob(x, loc, ZERO, 3.0).sum(), loc)
    expected = [0.0, 4 / (2 * math.sqrt(3)), 40 / 103, 4e-150, -4e-300]
    assert pull[:, 0].tolist() == pytest.approx(expected, rel=1e-12, abs=0)


def test_moments():
    df = torch.tensor([0.5, 1.0, 1.5, 2.0, 2.5, 4.0, 5.0, 1e9]).double()
    log_scale = torch.full((8,), 0.7).double()
    by_torch = StudentT(df, 0.0, log_scale.exp()).variance
    assert torch.allclose(student_t_variance(log_scale, df), by_torch, equal_nan=True)
    by_scipy = [scipy.stats.t(v).stats("k").item() for v in (4.5, 5.0, 12.0)]
    found = student_t_excess_kurtosis(torch.tensor([4.5, 5.0, 12.0]).double())
    assert found.tolist() == pytest.approx(by_scipy)
    outside = student_t_excess_kurtosis(torch.tensor([4.0, 2.5, 2.0, 1.0]))
    assert outside.tolist() == pytest.approx([math.inf, math.inf, math.nan, math.nan], nan_ok=True)


def test_variance_can_be_differentiated_beside_a_df_without_one():
    df = torch.tensor([2.0, 3.0], requires_grad=True)
    (slope,) = grad(student_t_variance(torch.zeros(2), df)[1], df)
    assert slope.tolist() == [0.0, -2.0]


@pytest.mark.parametrize("df", [0.02, 0.5, 3.0, 1e8])
def test_draws_follow_the_distribution_function(df):
    generator = torch.Generator().manual_seed(3)
    x = sample_student_t(ZERO + 1.0, ZERO + 0.5, df, n_samples=20_000, generator=generator)[:, 0]
    for level in (0.02, 0.3, 0.5, 0.9):
        threshold = 1.0 + math.exp(0.5) * scipy.stats.t(df).ppf(level)
        if math.isfinite(threshold):
            assert_mean_is((x <= threshold).double(), level)
    assert x.isfinite().all() or df < 0.1


def test_no_draw_of_a_tiny_df_is_lost_to_underflow():
    x = sample_student_t(
        ZERO.float(), ZERO.float(), 0.1, n_samples=5000, generator=torch.Generator().manual_seed(0)
    )
    assert not x.isnan().any() and (x != 0).all()


def test_the_gradient_in_df_is_unbiased():
    def mean(df):
        density = scipy.stats.t(df).pdf
        return (
            2 * scipy.integrate.quad(lambda v: density(v) * math.log1p(v * v), 0, math.inf, epsabs=1e-12)[0]
        )

    for df in (0.8, 4.0):
        each = torch.full((100_000, 1), df, dtype=torch.float64, requires_grad=True)
        zeros = torch.zeros(100_000, 1, dtype=torch.float64)
        x = sample_student_t(zeros, zeros, each, generator=torch.Generator().manual_seed(1))
        (slopes,) = grad(torch.log1p(x**2).sum(), each)
        assert_mean_is(slopes[:, 0], (mean(df + 1e-3) - mean(df - 1e-3)) / 2e-3)


def test_gradients_in_loc_and_log_scale_are_the_path():
    loc, log_scale = randn(4, 2).requires_grad_(), randn(4, 2, seed=1).requires_grad_()
    x = sample_student_t(loc, log_scale, 3.0, generator=torch.Generator().manual_seed(0))
    to_loc, to_scale = grad(x.sum(), (loc, log_scale))
    assert torch.equal(to_loc, torch.ones_like(loc)) and torch.allclose(to_scale, (x - loc).detach())


@pytest.mark.parametrize("multivariate", [False, True])
def test_draws_follow_the_seed_and_the_shape(multivariate, device):
    def draw(seed):
        loc, generator = torch.zeros(6, 3, device=device), torch.Generator(device).manual_seed(seed)
        if multivariate:
            factor = torch.eye(3, device=device)
            return sample_multivariate_student_t(loc, factor, 3.0, n_samples=4, generator=generator)
        return sample_student_t(loc, loc, 3.0, n_samples=4, generator=generator)

    assert draw(0).shape == (4, 6, 3) and draw(0).device.type == device.type
    assert torch.equal(draw(0), draw(0)) and not torch.equal(draw(0), draw(1))


@pytest.mark.parametrize("df", [0.5, 3.0, 200.0])
def test_multivariate_log_prob_agrees_with_scipy(df):
    x, loc = randn(7, 3), randn(3, seed=1)
    scipys = scipy.stats.multivariate_t(loc.numpy(), (FACTOR @ FACTOR.T).numpy(), df).logpdf(x.numpy())
    found = multivariate_student_t_log_prob(x, loc, FACTOR, df)
    assert torch.allclose(found, torch.from_numpy(scipys), rtol=1e-10)


def test_multivariate_of_one_dimension_is_univariate_and_large_df_is_normal():
    x, loc = randn(5, 1), randn(1, seed=1)
    one = multivariate_student_t_log_prob(x, loc, torch.full((1, 1), 2.0).double(), 3.0)
    assert torch.allclose(one, student_t_log_prob(x, loc, ZERO + math.log(2), 3.0), rtol=1e-13)
    x = randn(5, 3, seed=4)
    normal = torch.distributions.MultivariateNormal(torch.zeros(3).double(), scale_tril=FACTOR).log_prob(x)
    found = multivariate_student_t_log_prob(x.float(), torch.zeros(3), FACTOR.float(), 1e8)
    assert torch.allclose(found.double(), normal, rtol=1e-5)


def test_multivariate_log_prob_is_finite_far_out_and_has_gradients():
    far = torch.tensor([[1e200, 0.0, 0.0]], dtype=torch.float64)
    assert multivariate_student_t_log_prob(far, torch.zeros(3).double(), FACTOR, 2.0).isfinite().all()
    df = torch.tensor(3.0).double()
    inputs = [randn(4, 3).requires_grad_(), randn(3, seed=1).requires_grad_()]
    assert gradcheck(lambda x, loc: multivariate_student_t_log_prob(x, loc, FACTOR, df), inputs)
    at_loc = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    (slope,) = grad(
        multivariate_student_t_log_prob(at_loc, torch.zeros(3).double(), FACTOR, 3.0).sum(), at_loc
    )
    assert torch.equal(slope, torch.zeros(1, 3).double())


def test_multivariate_draws_share_one_scale():
    draws = sample_multivariate_student_t(
        torch.zeros(50_000, 2).double(),
        torch.eye(2).double(),
        20.0,
        generator=torch.Generator().manual_seed(2),
    )
    variance = 20 / 18
    assert_mean_is(draws.prod(-1), 0.0)
    assert_mean_is(draws**2, variance)
    assert_mean_is((draws**2 - variance).prod(-1), 2 * 20**2 / (18**2 * 16))


def test_multivariate_draws_have_the_scale_matrix():
    loc = randn(3, seed=5)
    draws = sample_multivariate_student_t(
        loc, FACTOR, 15.0, n_samples=50_000, generator=torch.Generator().manual_seed(4)
    )
    centred = draws - loc
    assert_mean_is(centred.unsqueeze(-1) * centred.unsqueeze(-2), FACTOR @ FACTOR.T * 15 / 13)


@pytest.mark.parametrize(
    "call, error, words",
    [
        (
            lambda: student_t_log_prob(ZERO, ZERO, ZERO, 0.0),
            ValueError,
            "df must be positive and finite, got 0",
        ),
        (
            lambda: student_t_log_prob(ZERO, ZERO, ZERO, math.inf),
            ValueError,
            "df must be positive and finite, got inf",
        ),
        (lambda: student_t_log_prob(ZERO, ZERO.float(), ZERO, 3.0), TypeError, "same dtype"),
        (lambda: student_t_log_prob(ZERO, ZERO, ZERO, torch.tensor(3.0)), TypeError, "df torch.float32"),
        (lambda: student_t_log_prob(ZERO * math.nan, ZERO, ZERO, 3.0), ValueError, "x must be finite"),
        (
            lambda: student_t_log_prob(ZERO, ZERO, ZERO, torch.ones(2).double()),
            ValueError,
            r"last axis .* df \(2,\)",
        ),
        (lambda: sample_student_t(ZERO, ZERO, 3.0, n_samples=0), ValueError, "n_samples must be at least 1"),
        (lambda: sample_student_t(ZERO, ZERO, -1.0), ValueError, "df must be positive"),
        (lambda: student_t_excess_kurtosis(torch.tensor([0.0])), ValueError, "df must be positive"),
        (
            lambda: multivariate_student_t_log_prob(randn(2, 3), randn(3), FACTOR, torch.ones(3).double()),
            ValueError,
            "df must be one number",
        ),
        (
            lambda: multivariate_student_t_log_prob(randn(2, 3), randn(3), FACTOR[:2], 3.0),
            ValueError,
            r"scale_tril must have shape \(D, D\) with D = 3",
        ),
        (
            lambda: multivariate_student_t_log_prob(randn(2, 3), randn(3), FACTOR.T, 3.0),
            ValueError,
            "scale_tril must be lower triangular",
        ),
        (
            lambda: sample_multivariate_student_t(randn(2, 3), -torch.eye(3).double(), 3.0),
            ValueError,
            "scale_tril must have a positive diagonal",
        ),
    ],
)
def test_bad_input_is_refused_by_name(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_values_are_not_checked_inside_the_training_loop():
    with value_checks_off():
        assert student_t_log_prob(ZERO, ZERO, ZERO, -1.0).shape == ()
