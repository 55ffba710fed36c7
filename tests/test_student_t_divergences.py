"""KL divergences of Student-t and normal against quadrature, closed forms, limits and Monte Carlo."""

import math

import pytest
import scipy.integrate
import scipy.special
import scipy.stats
import torch
from torch.autograd import gradcheck

from tests.statistical import assert_mean_is
from vae_notes.densities import normal_log_prob
from vae_notes.divergences import kl_normal
from vae_notes.student_t import sample_student_t, student_t_log_prob
from vae_notes.student_t_divergences import kl_normal_student_t, kl_student_t_normal


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


ZERO = tensor(0.0)
CASES = [(0.0, 0.0, 0.0, 0.0), (1.0, 0.5, -0.3, 0.4), (0.2, -1.0, 0.0, 1.5), (-2.0, 1.0, 1.0, -1.0)]


def quadrature(q, p):
    """KL(q || p) of two frozen scipy distributions."""

    def integrand(v):
        log_q = q.logpdf(v)
        return math.exp(log_q) * (log_q - p.logpdf(v))

    ends = [q.ppf(0.5), p.ppf(0.5)]
    pieces = [(-math.inf, min(ends)), (min(ends), max(ends)), (max(ends), math.inf)]
    return sum(scipy.integrate.quad(integrand, *piece, limit=300, epsabs=1e-12)[0] for piece in pieces)


@pytest.mark.parametrize("df", [2.5, 5.0, 60.0])
@pytest.mark.parametrize("loc_t, log_scale, loc_n, log_variance", CASES)
def test_kl_from_a_t_agrees_with_quadrature(loc_t, log_scale, loc_n, log_variance, df):
    found = kl_student_t_normal(tensor(loc_t), tensor(log_scale), df, tensor(loc_n), tensor(log_variance))
    if df == 2.5:  # the integrand falls too slowly for quadrature: the entropy is scipy's instead
        second = math.exp(2 * log_scale) * df / (df - 2) + (loc_t - loc_n) ** 2
        cross = 0.5 * math.log(2 * math.pi) + log_variance / 2 + second / math.exp(log_variance) / 2
        expected = cross - scipy.stats.t(df, loc_t, math.exp(log_scale)).entropy()
    else:
        q = scipy.stats.t(df, loc_t, math.exp(log_scale))
        expected = quadrature(q, scipy.stats.norm(loc_n, math.exp(log_variance / 2)))
    assert found.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("df", [0.1, 1.0, 2.0, 3.0, 60.0])
@pytest.mark.parametrize("loc_t, log_scale, loc_n, log_variance", CASES)
def test_kl_to_a_t_agrees_with_quadrature(loc_t, log_scale, loc_n, log_variance, df):
    found = kl_normal_student_t(tensor(loc_n), tensor(log_variance), tensor(loc_t), tensor(log_scale), df)
    q = scipy.stats.norm(loc_n, math.exp(log_variance / 2))
    grid = torch.linspace(-14, 14, 200_001, dtype=torch.float64)
    mass = torch.from_numpy(scipy.stats.norm.pdf(grid)) * (grid[1] - grid[0])
    points = (loc_n + math.exp(log_variance / 2) * grid).numpy()
    log_ratio = q.logpdf(points) - scipy.stats.t(df, loc_t, math.exp(log_scale)).logpdf(points)
    assert found.item() == pytest.approx((mass * torch.from_numpy(log_ratio)).sum().item(), rel=1e-7)


@pytest.mark.parametrize("df", [1e-3, 1.0, 1.999, 2.0])
def test_the_kl_of_a_t_without_variance_is_infinite(df):
    assert kl_student_t_normal(ZERO, ZERO, df, ZERO, ZERO).item() == math.inf
    two = kl_student_t_normal(tensor(0, 0), tensor(0, 0), tensor(3.0, df), tensor(0, 0), tensor(0, 0))
    assert two.item() == math.inf


def test_the_other_direction_is_finite_for_every_df():
    df = tensor(1e-3, 0.1, 1.0, 2.0, 1e3, 1e15)[:, None]
    zeros = torch.zeros_like(df)
    found = kl_normal_student_t(zeros, zeros, zeros, zeros, df)
    assert found.isfinite().all() and (found > -1e-14).all() and (found.diff() < 0).all()


@pytest.mark.parametrize("df", [1e3, 1e5])
def test_both_go_to_zero_like_7_over_4_df_squared(df):
    for kl in (
        kl_student_t_normal(ZERO, ZERO, df, ZERO, ZERO),
        kl_normal_student_t(ZERO, ZERO, ZERO, ZERO, df),
    ):
        assert kl.item() * df**2 == pytest.approx(7 / 4, rel=0.02)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_large_df_gives_the_divergence_of_normals(dtype, device):
    generator = torch.Generator().manual_seed(0)
    a, b, c, d = (torch.randn(4, 3, generator=generator).to(device, dtype) for _ in range(4))
    normal = kl_normal(a, 2 * b, c, d)
    for found in (kl_student_t_normal(a, b, 1e10, c, d), kl_normal_student_t(a, 2 * b, c, d / 2, 1e10)):
        assert found.dtype == dtype and found.device.type == device.type
        assert torch.allclose(found, normal, rtol=1e-5)


def test_extreme_spreads_stay_right():
    wide = kl_normal_student_t(ZERO, tensor(200.0), ZERO, ZERO, 2.0).item()
    # E log(1 + y^2 / 2) -> log(variance) + E log eps^2 - log 2, and E log eps^2 = -gamma - log 2
    mean = 200 - 0.5772156649015329 - 2 * math.log(2)
    constant = -math.log(2 * math.sqrt(2))
    expected = -0.5 * math.log(2 * math.pi * math.e) - 100 - constant + 1.5 * mean
    assert wide == pytest.approx(expected, rel=1e-7)  # the nodes lie thinner over a wide range
    narrow = kl_normal_student_t(tensor(1.0), tensor(-200.0), ZERO, ZERO, 1.0).item()
    expected = -0.5 * math.log(2 * math.pi * math.e) + 100 + math.log(math.pi) + math.log(2)
    assert narrow == pytest.approx(expected, rel=1e-10)


def test_gradients_agree_with_differences():
    arguments = [tensor(0.5, -1.0), tensor(-0.3, 0.4), tensor(0.1, 0.2), tensor(0.6, -0.5)]
    a, b, c, d = (one.requires_grad_() for one in arguments)
    df = tensor(2.6, 7.0).requires_grad_()
    assert gradcheck(kl_student_t_normal, (a, b, df, c, d))
    assert gradcheck(kl_normal_student_t, (a, b, c, d, df))


def test_no_gradient_is_asked_for_where_none_is_needed():
    with torch.no_grad():
        assert not kl_student_t_normal(ZERO, ZERO, 3.0, ZERO, ZERO).requires_grad
    df = tensor(3.0).requires_grad_()
    kl_student_t_normal(ZERO, ZERO, df, ZERO, ZERO).backward()
    assert df.grad.isfinite().all()


def test_the_divergences_agree_with_monte_carlo():
    generator = torch.Generator().manual_seed(5)
    loc, spread = tensor(0.4, -0.2), tensor(0.1, -0.6)
    z = sample_student_t(loc, spread, 9.0, n_samples=40_000, generator=generator)
    zeros = torch.zeros(2, dtype=torch.float64)
    ratio = student_t_log_prob(z, loc, spread, 9.0) - normal_log_prob(z, zeros, zeros)
    assert_mean_is(ratio, kl_student_t_normal(loc, spread, 9.0, zeros, zeros).item())
    z = loc + torch.exp(spread) * torch.randn(40_000, 2, generator=generator, dtype=torch.float64)
    ratio = normal_log_prob(z, loc, 2 * spread) - student_t_log_prob(z, zeros, zeros, 1.5)
    assert_mean_is(ratio, kl_normal_student_t(loc, 2 * spread, zeros, zeros, 1.5).item())


@pytest.mark.parametrize("kl", [kl_student_t_normal, kl_normal_student_t])
def test_shapes_and_bad_input(kl):
    df_place = 2 if kl is kl_student_t_normal else 4
    arguments = [torch.zeros(5, 3), torch.zeros(3), torch.zeros(4, 5, 3), torch.zeros(5, 3)]
    arguments.insert(df_place, 3.0)
    assert kl(*arguments).shape == (4, 5)
    for place, bad, words in (
        (df_place, -1.0, "df must be positive"),
        (df_place, torch.ones(2), "last axis"),
        (0, torch.full((3,), math.nan), "must be finite"),
        (1, torch.zeros(2), "last axis"),
    ):
        broken = list(arguments)
        broken[place] = bad
        with pytest.raises(ValueError, match=words):
            kl(*broken)
    with pytest.raises(TypeError, match="must be a torch.Tensor"):
        kl(0.0, *arguments[1:])
