"""KL divergences against torch.distributions, quadrature, sympy, 60-digit arithmetic and Monte Carlo."""

import itertools
import math
import re

import mpmath
import pytest
import scipy.integrate
import scipy.stats
import sympy
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from tests.statistical import assert_mean_is
from vae_notes.checks import value_checks_off
from vae_notes.divergences import (
    kl_multivariate_normal,
    kl_normal,
    kl_normal_standard,
    kl_normal_standard_per_dim,
)

NAN, INF = float("nan"), float("inf")
mpmath.mp.dps = 60


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


def randn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def random_factor(*leading, dim, seed=0):
    """A lower Cholesky factor with a diagonal between 0.4 and 2.5."""
    raw = randn(*leading, dim, dim, seed=seed)
    return raw.tril(-1) + torch.diag_embed((0.4 * raw.diagonal(dim1=-2, dim2=-1)).exp())


def raises(error, text):
    return pytest.raises(error, match=re.escape(text))


def exact_kl(loc_q, log_variance_q, loc_p, log_variance_p):
    """The textbook formula, in 60 digits."""
    loc_q, log_variance_q, loc_p, log_variance_p = map(
        mpmath.mpf, (loc_q, log_variance_q, loc_p, log_variance_p)
    )
    variance_q, variance_p = mpmath.exp(log_variance_q), mpmath.exp(log_variance_p)
    quotient = (variance_q + (loc_q - loc_p) ** 2) / variance_p
    return (log_variance_p - log_variance_q + quotient - 1) / 2


# ------------------------------------------------------------------ diagonal


def test_standard_agrees_with_torch():
    loc, log_variance = randn(3, 7, 5), randn(3, 7, 5, seed=1)
    q = Normal(loc, (0.5 * log_variance).exp())
    per_dim = kl_divergence(q, Normal(torch.zeros_like(loc), torch.ones_like(loc)))
    torch.testing.assert_close(kl_normal_standard_per_dim(loc, log_variance), per_dim)
    torch.testing.assert_close(kl_normal_standard(loc, log_variance), per_dim.sum(-1))


def test_kl_normal_agrees_with_torch_in_both_directions():
    parameters = [randn(7, 5, seed=i) for i in range(4)]
    loc_q, log_variance_q, loc_p, log_variance_p = parameters
    q = Independent(Normal(loc_q, (0.5 * log_variance_q).exp()), 1)
    p = Independent(Normal(loc_p, (0.5 * log_variance_p).exp()), 1)
    torch.testing.assert_close(kl_normal(*parameters), kl_divergence(q, p))
    torch.testing.assert_close(kl_normal(loc_p, log_variance_p, loc_q, log_variance_q), kl_divergence(p, q))


@given(st.floats(-100, 100), st.floats(-80, 80), st.floats(-100, 100), st.floats(-80, 80))
def test_kl_normal_agrees_with_60_digit_arithmetic(loc_q, log_variance_q, loc_p, log_variance_p):
    parameters = loc_q, log_variance_q, loc_p, log_variance_p
    exact = float(exact_kl(*parameters))
    assert kl_normal(*map(tensor, parameters)).item() == pytest.approx(exact, rel=1e-11, abs=1e-13)


@given(st.floats(-100, 100), st.floats(-80, 80))
def test_standard_agrees_with_60_digit_arithmetic(loc, log_variance):
    exact = float(exact_kl(loc, log_variance, 0, 0))
    result = kl_normal_standard(tensor(loc), tensor(log_variance)).item()
    assert result == pytest.approx(exact, rel=1e-11, abs=1e-16)
    assert result >= -1e-16


@pytest.mark.parametrize("log_variance", [1e-3, -1e-3, 1e-5, -1e-5, 1e-6, -1e-6])
def test_the_digits_survive_near_zero(log_variance):
    """With exp(l) - 1 - l, l = 1e-6 would leave 1e-12 with an error of 1e-16: four digits. expm1 keeps ten."""
    exact = float(exact_kl(0, log_variance, 0, 0))
    assert kl_normal_standard(tensor(0.0), tensor(log_variance)).item() == pytest.approx(exact, rel=2e-9)
    shifted = kl_normal(tensor(0.0), tensor(log_variance), tensor(0.0), tensor(0.0))
    assert shifted.item() == pytest.approx(exact, rel=2e-9)
    factors = [torch.eye(1).double() * math.exp(log_variance / 2), torch.eye(1).double()]
    full = kl_multivariate_normal(tensor(0.0), factors[0], tensor(0.0), factors[1]).item()
    assert full == pytest.approx(exact, rel=1e-5, abs=1e-15)


def test_kl_of_a_distribution_from_itself_is_zero():
    loc, log_variance, factor = randn(7, 5), 5 * randn(7, 5, seed=1), random_factor(7, dim=5)
    assert (kl_normal(loc, log_variance, loc, log_variance) == 0).all()
    assert (kl_normal_standard(torch.zeros(3), torch.zeros(3)) == 0).all()
    assert (kl_multivariate_normal(loc, factor, loc, factor).abs() < 1e-25).all()


@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_kl_normal_agrees_with_quadrature(direction):
    parameters = [0.3, -0.5, -0.8, 0.9] if direction == "forward" else [-0.8, 0.9, 0.3, -0.5]
    loc_q, log_variance_q, loc_p, log_variance_p = parameters
    q = scipy.stats.norm(loc_q, math.exp(log_variance_q / 2))
    p = scipy.stats.norm(loc_p, math.exp(log_variance_p / 2))
    integral = scipy.integrate.quad(lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), -25, 25, limit=200)[0]
    assert kl_normal(*map(tensor, parameters)).item() == pytest.approx(integral, abs=1e-8)


def test_kl_normal_agrees_with_a_symbolic_integral():
    """sympy integrates q (log q - log p) exactly, with two different rational normal distributions."""
    t = sympy.symbols("t", real=True)  # z = 1/2 + sqrt(2) t has the distribution q when t is standard normal
    z = sympy.Rational(1, 2) + sympy.sqrt(2) * t

    def log_normal(loc, variance):
        return -((z - loc) ** 2) / (2 * variance) - sympy.log(2 * sympy.pi * variance) / 2

    log_q = log_normal(sympy.Rational(1, 2), sympy.Integer(2))
    log_p = log_normal(sympy.Rational(-1, 3), sympy.Integer(3))
    standard = sympy.exp(-(t**2) / 2) / sympy.sqrt(2 * sympy.pi)
    exact = sympy.integrate(sympy.expand(sympy.expand(log_q - log_p) * standard), (t, -sympy.oo, sympy.oo))
    result = kl_normal(tensor(0.5), tensor(math.log(2)), tensor(-1 / 3), tensor(math.log(3)))
    assert result.item() == pytest.approx(float(exact), rel=1e-12)


@pytest.mark.parametrize("seed", [0, 1])
def test_diagonal_kl_agrees_with_monte_carlo(seed):
    loc_q, log_variance_q, loc_p, log_variance_p = (0.7 * randn(3, seed=4 * seed + i) for i in range(4))
    q, p = Normal(loc_q, (0.5 * log_variance_q).exp()), Normal(loc_p, (0.5 * log_variance_p).exp())
    z = loc_q + q.scale * randn(50_000, 3, seed=100 + seed)
    log_ratio = (q.log_prob(z) - p.log_prob(z)).sum(-1)
    assert_mean_is(log_ratio, kl_normal(loc_q, log_variance_q, loc_p, log_variance_p))
    log_ratio = (q.log_prob(z) - Normal(0.0, 1.0).log_prob(z)).sum(-1)
    assert_mean_is(log_ratio, kl_normal_standard(loc_q, log_variance_q))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_documented_answers_at_extreme_variances(dtype, device):
    zero, tiny, huge = (torch.tensor([value], dtype=dtype, device=device) for value in (0.0, -1e4, 1e4))
    assert kl_normal_standard(zero, tiny).item() == 4999.5
    assert kl_normal_standard(zero, huge).item() == INF
    assert kl_normal_standard_per_dim(zero, huge).item() == INF
    assert kl_normal(zero, tiny, zero, huge).item() == 9999.5
    assert kl_normal(zero, huge, zero, tiny).item() == INF
    assert kl_normal(zero, tiny, zero, tiny).item() == 0
    assert kl_normal(zero, huge, zero + 1, huge).item() == 0
    assert kl_normal(zero, zero, zero, tiny).item() == INF
    assert kl_normal(zero, tiny, zero + 1, tiny).item() == INF  # two points, no overlap
    far = INF if dtype == torch.float32 else 0.5e60
    assert kl_normal_standard(zero + 1e30, zero).item() == pytest.approx(far, rel=1e-12)


@pytest.mark.parametrize("log_variance", [-80.0, -30.0, 30.0, 80.0])
def test_plus_and_minus_80(log_variance):
    exact = float(exact_kl(0, log_variance, 0, 0))
    assert kl_normal_standard(tensor(0.0), tensor(log_variance)).item() == pytest.approx(exact, rel=1e-12)
    exact = float(exact_kl(0.5, 0, 0, log_variance))
    result = kl_normal(tensor(0.5), tensor(0.0), tensor(0.0), tensor(log_variance))
    assert result.item() == pytest.approx(exact, rel=1e-12)
    f32 = [torch.tensor([v]) for v in (0.5, 0.0, 0.0, log_variance)]
    assert kl_normal(*f32).item() == pytest.approx(exact, rel=1e-5)


def test_a_scale_of_1e_30():
    log_variance = torch.tensor([2 * math.log(1e-30)])
    near = torch.tensor([2e-30])
    assert kl_normal(near, log_variance, torch.zeros(1), log_variance).item() == pytest.approx(2, rel=1e-4)
    expected = 0.5 * (-1 - 2 * math.log(1e-30))
    assert kl_normal_standard(torch.zeros(1), log_variance).item() == pytest.approx(expected, rel=1e-6)
    eye = torch.eye(1)
    full = kl_multivariate_normal(near, 1e-30 * eye, torch.zeros(1), 1e-30 * eye)
    assert full.item() == pytest.approx(2, rel=1e-4)


@given(st.lists(st.floats(-30, 30), min_size=4, max_size=4), st.sampled_from([torch.float32, torch.float64]))
def test_kl_is_never_negative_beyond_rounding(parameters, dtype):
    kl = kl_normal(*(torch.tensor([value], dtype=dtype) for value in parameters)).item()
    assert kl >= -1e-6 if dtype == torch.float32 else kl >= -1e-14


def test_gradients_of_the_standard_kl_are_loc_and_half_variance_minus_one():
    loc, log_variance = randn(7, 5).requires_grad_(), randn(7, 5, seed=1).requires_grad_()
    kl_normal_standard(loc, log_variance).sum().backward()
    torch.testing.assert_close(loc.grad, loc.detach())
    torch.testing.assert_close(log_variance.grad, 0.5 * (log_variance.detach().exp() - 1))


@pytest.mark.parametrize("log_variance", [-1e4, -700.0, 80.0])
def test_gradients_at_extreme_variances(log_variance):
    parameters = [tensor(0.0), tensor(log_variance), tensor(0.0), tensor(log_variance)]
    parameters = [parameter.requires_grad_() for parameter in parameters]
    kl_normal(*parameters).backward()
    assert [parameter.grad.item() for parameter in parameters] == [0, 0, 0, 0]
    loc, log_variance = tensor(2.0).requires_grad_(), tensor(log_variance).requires_grad_()
    kl_normal_standard(loc, log_variance).backward()
    assert loc.grad.item() == 2
    assert log_variance.grad.item() == pytest.approx(0.5 * math.expm1(log_variance.item()))


def test_gradients_agree_with_differences():
    assert torch.autograd.gradcheck(kl_normal, [randn(3, 2, seed=i).requires_grad_() for i in range(4)])
    arguments = [randn(2), random_factor(dim=2), randn(2, seed=1), random_factor(dim=2, seed=2)]

    def kl(loc_q, factor_q, loc_p, factor_p):
        return kl_multivariate_normal(loc_q, factor_q.tril(), loc_p, factor_p.tril())

    assert torch.autograd.gradcheck(kl, [argument.requires_grad_() for argument in arguments])


# ------------------------------------------------------------------ full covariance


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_full_kl_agrees_with_torch(dim):
    arguments = (
        randn(7, dim),
        random_factor(7, dim=dim),
        randn(7, dim, seed=1),
        random_factor(7, dim=dim, seed=2),
    )
    q = MultivariateNormal(arguments[0], scale_tril=arguments[1])
    p = MultivariateNormal(arguments[2], scale_tril=arguments[3])
    torch.testing.assert_close(kl_multivariate_normal(*arguments), kl_divergence(q, p))


def test_full_kl_agrees_with_the_textbook_formula_in_rational_numbers():
    L_q = sympy.Matrix([[2, 0], [-1, sympy.Rational(1, 2)]])
    L_p = sympy.Matrix([[1, 0], [3, sympy.Rational(3, 2)]])
    m_q, m_p = sympy.Matrix([1, -2]), sympy.Matrix([sympy.Rational(1, 3), 4])
    S_q, S_p = L_q * L_q.T, L_p * L_p.T
    difference = m_p - m_q
    quadratic = (S_p.inv() * S_q).trace() + (difference.T * S_p.inv() * difference)[0]
    exact = (quadratic - 2 + sympy.log(S_p.det() / S_q.det())) / 2
    m_q, L_q, m_p, L_p = (torch.tensor(sympy.matrix2numpy(a, dtype=float)) for a in (m_q, L_q, m_p, L_p))
    result = kl_multivariate_normal(m_q.squeeze(-1), L_q, m_p.squeeze(-1), L_p)
    assert result.item() == pytest.approx(float(exact), rel=1e-12)


def test_full_kl_of_diagonal_factors_is_the_diagonal_kl():
    loc_q, log_variance_q, loc_p, log_variance_p = (randn(7, 5, seed=i) for i in range(4))
    factors = [
        torch.diag_embed((0.5 * log_variance).exp()) for log_variance in (log_variance_q, log_variance_p)
    ]
    full = kl_multivariate_normal(loc_q, factors[0], loc_p, factors[1])
    torch.testing.assert_close(full, kl_normal(loc_q, log_variance_q, loc_p, log_variance_p))


def test_full_kl_does_not_change_when_both_are_moved_by_one_linear_map():
    loc_q, loc_p, L_q, L_p = randn(4), randn(4, seed=1), random_factor(dim=4), random_factor(dim=4, seed=2)
    A, shift = random_factor(dim=4, seed=3), randn(4, seed=4)
    moved = kl_multivariate_normal(A @ loc_q + shift, A @ L_q, A @ loc_p + shift, A @ L_p)
    torch.testing.assert_close(moved, kl_multivariate_normal(loc_q, L_q, loc_p, L_p))


def test_full_kl_agrees_with_monte_carlo():
    loc_q, L_q, loc_p, L_p = randn(3), random_factor(dim=3), randn(3, seed=1), random_factor(dim=3, seed=2)
    z = loc_q + randn(50_000, 3, seed=3) @ L_q.T
    q, p = MultivariateNormal(loc_q, scale_tril=L_q), MultivariateNormal(loc_p, scale_tril=L_p)
    assert_mean_is(q.log_prob(z) - p.log_prob(z), kl_multivariate_normal(loc_q, L_q, loc_p, L_p))


def test_full_kl_refuses_factors_that_are_not_lower_triangular():
    loc, good = randn(7, 2), random_factor(7, dim=2)
    bad = good.clone()
    bad[3, 0, 1] = 1e-9
    with raises(ValueError, "scale_tril_q must be lower triangular, but it has values above the diagonal"):
        kl_multivariate_normal(loc, bad, loc, good)
    with raises(ValueError, "scale_tril_p must be lower triangular"):
        kl_multivariate_normal(loc, good, loc, bad)
    with value_checks_off():
        assert kl_multivariate_normal(loc, good, loc, bad).shape == (7,)


@pytest.mark.parametrize("entry", [0.0, -2.0])
def test_full_kl_refuses_a_diagonal_that_is_not_positive(entry):
    loc, good = randn(7, 2), random_factor(7, dim=2)
    bad = good.clone()
    bad[3, 1, 1] = entry
    text = f"must have a positive diagonal, but its smallest entry is {entry:g}"
    with raises(ValueError, f"scale_tril_q {text}"):
        kl_multivariate_normal(loc, bad, loc, good)
    with raises(ValueError, f"scale_tril_p {text}"):
        kl_multivariate_normal(loc, good, loc, bad)


@pytest.mark.parametrize("position", range(4))
def test_full_kl_shapes_are_explained(position):
    good = [randn(7, 2), random_factor(7, dim=2), randn(7, 2), random_factor(7, dim=2)]
    wrong = (
        [(7, 2, 3), (7, 3, 2), (7, 2), (2,), (7, 2, 2, 1)]
        if position % 2
        else [(7, 3), (7, 1), (), (7, 2, 1)]
    )
    for shape in wrong:
        bad = [*good]
        bad[position] = torch.zeros(shape, dtype=torch.float64)
        names = ["loc_q", "scale_tril_q", "loc_p", "scale_tril_p"]
        found = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in zip(names, bad, strict=True))
        text = f"means need shape (..., D) and Cholesky factors (..., D, D) with one D, got {found}"
        with raises(ValueError, text):
            kl_multivariate_normal(*bad)
    bad = [*good]
    bad[position] = bad[position][:3]
    with raises(ValueError, "leading axes must agree, aligned at the right"):
        kl_multivariate_normal(*bad)


# ------------------------------------------------------------------ what all divergences promise


def _full(loc_q, raw_q, loc_p, raw_p):
    return kl_multivariate_normal(loc_q, torch.diag_embed(raw_q.exp()), loc_p, torch.diag_embed(raw_p.exp()))


DIVERGENCES = {"standard": (kl_normal_standard, 2), "diagonal": (kl_normal, 4), "full": (_full, 4)}
every_divergence = pytest.mark.parametrize(
    ("kl", "n_arguments"), DIVERGENCES.values(), ids=DIVERGENCES.keys()
)


@every_divergence
def test_one_value_per_datum(kl, n_arguments):
    arguments = [randn(3, 5, 4, seed=i) for i in range(n_arguments)]
    whole = kl(*arguments)
    assert whole.shape == (3, 5)
    for k, n in itertools.product(range(3), range(5)):
        one_by_one = sum(kl(*(a[k, n, d : d + 1] for a in arguments)) for d in range(4))
        torch.testing.assert_close(whole[k, n], one_by_one, rtol=1e-12, atol=1e-12)


@every_divergence
def test_missing_leading_axes_are_filled(kl, n_arguments):
    for missing in itertools.product([0, 1, 2], repeat=n_arguments):
        arguments = [randn(3, 5, 4, seed=i)[(0,) * m] for i, m in enumerate(missing)]
        result = kl(*arguments)
        assert result.shape == (3, 5)[min(missing) :]
        filled = kl(*(a.expand(3, 5, 4) for a in arguments))
        torch.testing.assert_close(result.expand(3, 5), filled, rtol=1e-12, atol=1e-12)


@every_divergence
def test_nothing_else_is_broadcast(kl, n_arguments):
    for position in range(n_arguments):
        for shape in [(3, 5, 1), (3, 5, 3), (3, 1, 4), (1, 5, 4), (5, 3, 4), (4, 4)]:
            bad = [randn(3, 5, 4) for _ in range(n_arguments)]
            bad[position] = randn(*shape)
            with pytest.raises(ValueError, match="agree|same size|one D"):
                kl(*bad)


@every_divergence
@pytest.mark.parametrize("shape", [(0, 4), (3, 0, 4)])
def test_an_empty_batch_gives_an_empty_answer(kl, n_arguments, shape, device):
    result = kl(*(torch.zeros(shape, device=device) for _ in range(n_arguments)))
    assert result.shape == shape[:-1] and result.dtype == torch.float32


@every_divergence
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_device_and_memory_layout_do_not_matter(kl, n_arguments, dtype, device):
    arguments = [randn(5, 4, seed=i) for i in range(n_arguments)]
    strided = [a.to(device, dtype).repeat_interleave(2, 0).T.contiguous().T[::2] for a in arguments]
    assert not any(a.is_contiguous() for a in strided)
    result = kl(*strided)
    assert result.dtype == dtype and result.device.type == device.type
    torch.testing.assert_close(result.cpu().double(), kl(*arguments), rtol=1e-5, atol=1e-5)
    if dtype == torch.float64:
        torch.testing.assert_close(result.cpu(), kl(*arguments), rtol=1e-12, atol=1e-12)


NAMES = {
    kl_normal_standard: ["loc", "log_variance"],
    kl_normal_standard_per_dim: ["loc", "log_variance"],
    kl_normal: ["loc_q", "log_variance_q", "loc_p", "log_variance_p"],
    kl_multivariate_normal: ["loc_q", "scale_tril_q", "loc_p", "scale_tril_p"],
}


@pytest.mark.parametrize(("kl", "name"), [(kl, name) for kl, names in NAMES.items() for name in names])
def test_bad_values_and_dtypes_are_refused_by_name(kl, name):
    good = {n: torch.eye(2) if n.startswith("scale_tril") else torch.zeros(2) for n in NAMES[kl]}
    assert kl(**good).sum() == 0
    for value in (NAN, INF):
        with raises(ValueError, f"{name} must be finite, but"):
            kl(**(good | {name: good[name] + value}))
    with raises(
        TypeError, f"{name} must be floating, got torch.int64; convert it, for example with {name}.to("
    ):
        kl(**(good | {name: good[name].long()}))
    with raises(TypeError, f"{name} must be a torch.Tensor, got float"):
        kl(**(good | {name: 0.0}))
    with raises(TypeError, "all floating tensors must have the same dtype"):
        kl(**(good | {name: good[name].double()}))
    with raises(ValueError, "all tensors must be on the same device"):
        kl(**(good | {name: good[name].to("meta")}))
    with value_checks_off():
        assert kl(**(good | {name: good[name] + NAN})).isnan().all()


@pytest.mark.parametrize("kl", [kl_normal_standard, kl_normal_standard_per_dim, kl_normal])
def test_a_tensor_without_axes_is_refused(kl):
    with raises(ValueError, "needs at least one axis"):
        kl(*(torch.tensor(0.0) for _ in NAMES[kl]))
