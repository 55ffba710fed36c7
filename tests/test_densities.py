"""Densities against torch.distributions, scipy, quadrature, enumeration and 60-digit arithmetic."""

import itertools
import math
import re

import mpmath
import pytest
import scipy.integrate
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

from vae_notes.checks import value_checks_off
from vae_notes.densities import (
    bernoulli_log_prob,
    categorical_log_prob,
    discretized_logistic_log_prob,
    normal_log_prob,
    standard_normal_log_prob,
    standardized_residual,
)

NAN, INF = float("nan"), float("inf")
mpmath.mp.dps = 60


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


def randn(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def raises(error, text):
    return pytest.raises(error, match=re.escape(text))


# Each density as a function of float tensors of one shape (..., D): for the contracts that all share.
def _bernoulli(x, logits):
    return bernoulli_log_prob((x > 0).to(x.dtype), logits)


def _soft_bernoulli(x, logits):
    return bernoulli_log_prob(x.sigmoid(), logits, soft_targets=True)


def _categorical(x, logits):
    return categorical_log_prob((x > 0).to(torch.int64), torch.stack([logits, -logits, 2 * logits], -1))


def _discretized_logistic(x, loc, log_scale):
    x = (4 + 3 * x).clamp(0, 8).to(torch.int64)
    return discretized_logistic_log_prob(x, 4 + loc, log_scale, levels=9)


DENSITIES = {
    "standard_normal": (standard_normal_log_prob, 1),
    "normal": (normal_log_prob, 3),
    "bernoulli": (_bernoulli, 2),
    "soft_bernoulli": (_soft_bernoulli, 2),
    "categorical": (_categorical, 2),
    "discretized_logistic": (_discretized_logistic, 3),
}
every_density = pytest.mark.parametrize(("density", "n_arguments"), DENSITIES.values(), ids=DENSITIES.keys())


# ------------------------------------------------------------------ what all densities promise


@every_density
def test_one_value_per_datum_summed_over_the_last_axis(density, n_arguments):
    arguments = [randn(3, 5, 4, seed=i) for i in range(n_arguments)]
    whole = density(*arguments)
    assert whole.shape == (3, 5)
    for k, n in itertools.product(range(3), range(5)):
        one_by_one = sum(density(*(a[k, n, d : d + 1] for a in arguments)) for d in range(4))
        torch.testing.assert_close(whole[k, n], one_by_one, rtol=1e-12, atol=1e-12)


@every_density
def test_missing_leading_axes_are_filled(density, n_arguments):
    for missing in itertools.product([0, 1, 2], repeat=n_arguments):
        arguments = [randn(3, 5, 4, seed=i)[(0,) * m] for i, m in enumerate(missing)]
        result = density(*arguments)
        assert result.shape == (3, 5)[min(missing) :]
        filled = density(*(a.expand(3, 5, 4) for a in arguments))
        torch.testing.assert_close(result.expand(3, 5), filled, rtol=1e-12, atol=1e-12)


@every_density
def test_nothing_else_is_broadcast(density, n_arguments):
    good = [randn(3, 5, 4) for _ in range(n_arguments)]
    for position in range(n_arguments if n_arguments > 1 else 0):
        for shape in [(3, 5, 1), (3, 5, 3), (3, 1, 4), (1, 5, 4), (5, 3, 4), (2, 3, 1, 4), (4, 4)]:
            bad = [*good]
            bad[position] = randn(*shape)
            with pytest.raises(ValueError, match="(?s)shape|agree|same size"):
                density(*bad)


@every_density
def test_a_tensor_without_axes_is_refused(density, n_arguments):
    with raises(ValueError, "axis") if n_arguments != 2 else pytest.raises(ValueError):
        density(*(torch.tensor(0.0) for _ in range(n_arguments)))


@every_density
@pytest.mark.parametrize("shape", [(0, 4), (3, 0, 4)])
def test_an_empty_batch_gives_an_empty_answer(density, n_arguments, shape, device):
    arguments = [torch.zeros(shape, device=device) for _ in range(n_arguments)]
    result = density(*arguments)
    assert result.shape == shape[:-1] and result.dtype == torch.float32


@every_density
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_device_and_memory_layout_do_not_matter(density, n_arguments, dtype, device):
    arguments = [randn(5, 4, seed=i) for i in range(n_arguments)]
    expected = density(*arguments)
    strided = [a.to(device, dtype).repeat_interleave(2, 0).T.contiguous().T[::2] for a in arguments]
    assert not any(a.is_contiguous() for a in strided)
    result = density(*strided)
    assert result.dtype == dtype and result.device.type == device.type
    torch.testing.assert_close(
        result.cpu().double(), expected, rtol=1e-5 if dtype == torch.float32 else 1e-12, atol=1e-5
    )


@every_density
def test_gradients_are_right(density, n_arguments):
    arguments = [randn(3, 2, seed=i).requires_grad_() for i in range(n_arguments)]
    if density in (_bernoulli, _categorical, _discretized_logistic):
        arguments[0].requires_grad_(False)
    assert torch.autograd.gradcheck(density, arguments)


@pytest.mark.parametrize("position", [0, 1])
@every_density
def test_two_devices_are_refused(density, n_arguments, position):
    arguments = [randn(3, 2) for _ in range(n_arguments)]
    arguments[position % n_arguments] = arguments[0].to("meta")
    if n_arguments > 1:
        with raises(ValueError, "all tensors must be on the same device"), value_checks_off():
            density(*arguments)


FLOATING_ARGUMENTS = [
    (standard_normal_log_prob, ["z"]),
    (normal_log_prob, ["x", "loc", "log_variance"]),
    (bernoulli_log_prob, ["x", "logits"]),
]


@pytest.mark.parametrize(("density", "names"), FLOATING_ARGUMENTS)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.bool, torch.int64])
def test_whole_numbers_are_refused_with_a_hint(density, names, dtype):
    for name in names:
        arguments = {n: torch.zeros(2, 3) for n in names} | {name: torch.zeros(2, 3, dtype=dtype)}
        text = f"{name} must be floating, got {dtype}; convert it, for example with {name}.to(torch.float32)"
        with raises(TypeError, text):
            density(**arguments)
        with raises(TypeError, f"{name} must be a torch.Tensor, got float"):
            density(**(arguments | {name: 0.0}))


@pytest.mark.parametrize(("density", "names"), FLOATING_ARGUMENTS)
def test_mixed_dtypes_are_refused(density, names):
    if len(names) > 1:
        arguments = {n: torch.zeros(2, 3) for n in names} | {
            names[-1]: torch.zeros(2, 3, dtype=torch.float64)
        }
        with raises(TypeError, "all floating tensors must have the same dtype, got x torch.float32"):
            density(**arguments)


def test_nan_is_refused_by_name_unless_value_checks_are_off():
    zero, nan, index = tensor([0.0]), tensor([NAN]), torch.tensor([[0]])
    three, nan3 = torch.zeros(1, 1, 3), torch.tensor([[[0.0, NAN, 0.0]]])
    cases = [
        ("z must be finite", standard_normal_log_prob, dict(z=nan)),
        ("x must be finite", normal_log_prob, dict(x=nan, loc=zero, log_variance=zero)),
        ("loc must be finite", normal_log_prob, dict(x=zero, loc=nan, log_variance=zero)),
        ("log_variance must be finite", normal_log_prob, dict(x=zero, loc=zero, log_variance=nan)),
        ("x must not hold NaN", bernoulli_log_prob, dict(x=nan, logits=zero)),
        ("x must not hold NaN", bernoulli_log_prob, dict(x=nan, logits=zero, soft_targets=True)),
        ("logits must not hold NaN", bernoulli_log_prob, dict(x=zero, logits=nan)),
        ("logits must not hold NaN", bernoulli_log_prob, dict(x=zero, logits=nan, soft_targets=True)),
        ("logits must not hold NaN", categorical_log_prob, dict(x=index, logits=nan3)),
        (
            "loc must be finite",
            discretized_logistic_log_prob,
            dict(x=index, loc=nan, log_scale=zero, levels=4),
        ),
        (
            "log_scale must be finite",
            discretized_logistic_log_prob,
            dict(x=index, loc=zero, log_scale=nan, levels=4),
        ),
    ]
    assert categorical_log_prob(index, three).isfinite()
    for text, density, arguments in cases:
        with raises(ValueError, text):
            density(**arguments)
        with value_checks_off():
            result = density(**arguments)  # silence is what was asked for; the answer is still no number
        assert result.isnan().all(), text


@pytest.mark.parametrize("value", [INF, -INF])
def test_infinite_parameters_are_refused(value):
    zero, infinite = tensor([0.0]), tensor([value])
    for name in ["x", "loc", "log_variance"]:
        with raises(ValueError, f"{name} must be finite, but 1 of 1 values are not: 0 NaN, 1 infinite"):
            normal_log_prob(**(dict(x=zero, loc=zero, log_variance=zero) | {name: infinite}))
    with raises(ValueError, "z must be finite"):
        standard_normal_log_prob(infinite)


def test_half_precision_stays_half_precision():
    x, parameters = torch.tensor([[1]]), torch.zeros(1, 1, dtype=torch.bfloat16)
    for result in (
        normal_log_prob(parameters, parameters, parameters),
        bernoulli_log_prob(parameters, parameters),
        discretized_logistic_log_prob(x, parameters, parameters, levels=3),
    ):
        assert result.dtype == torch.bfloat16 and result.isfinite()


# ------------------------------------------------------------------ normal


@given(
    st.floats(-1e3, 1e3),
    st.floats(-1e3, 1e3),
    st.floats(-80, 80),
)
def test_normal_agrees_with_60_digit_arithmetic(x, loc, log_variance):
    exact = -((mpmath.mpf(x) - mpmath.mpf(loc)) ** 2) / mpmath.exp(log_variance) / 2
    exact -= (mpmath.mpf(log_variance) + mpmath.log(2 * mpmath.pi)) / 2
    result = normal_log_prob(tensor(x), tensor(loc), tensor(log_variance))
    assert result.item() == pytest.approx(float(exact), rel=1e-11, abs=1e-13)


def test_normal_agrees_with_torch_and_scipy():
    x, loc, log_variance = randn(7, 5), randn(7, 5, seed=1), randn(7, 5, seed=2)
    scale = (0.5 * log_variance).exp()
    expected = torch.distributions.Normal(loc, scale).log_prob(x).sum(-1)
    torch.testing.assert_close(normal_log_prob(x, loc, log_variance), expected)
    by_scipy = scipy.stats.norm.logpdf(x, loc, scale).sum(-1)
    torch.testing.assert_close(normal_log_prob(x, loc, log_variance), torch.as_tensor(by_scipy))


def test_standard_normal_agrees_with_torch_and_with_normal():
    z = randn(7, 5)
    expected = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(-1)
    torch.testing.assert_close(standard_normal_log_prob(z), expected)
    zero = torch.zeros_like(z)
    torch.testing.assert_close(standard_normal_log_prob(z), normal_log_prob(z, zero, zero))
    assert standard_normal_log_prob(torch.zeros(3, 0)).tolist() == [0, 0, 0]  # no dimensions: p = 1


@pytest.mark.parametrize("log_variance", [-4.0, 0.0, 3.0])
def test_normal_integrates_to_one(log_variance):
    def density(x):
        return normal_log_prob(tensor(x), tensor(1.5), tensor(log_variance)).exp().item()

    reach = 12 * math.exp(log_variance / 2)
    assert scipy.integrate.quad(density, 1.5 - reach, 1.5 + reach)[0] == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("log_variance", [-1e4, -3000.0, -1500.0, -500.0, -400.0, -200.0, 200.0, 500.0, 1e4])
def test_normal_at_extreme_variances(log_variance, dtype, device):
    at = torch.full((1,), log_variance, dtype=dtype, device=device)
    zero = torch.zeros_like(at)
    peak = -0.5 * (log_variance + math.log(2 * math.pi))
    assert normal_log_prob(zero, zero, at).item() == pytest.approx(peak, rel=1e-6)
    beside = normal_log_prob(zero + 1, zero, at).item()
    exact = float(-mpmath.exp(-log_variance) / 2) + peak
    if exact < torch.finfo(dtype).min:
        exact = -INF
    assert beside == pytest.approx(exact, rel=1e-4 if dtype == torch.float32 else 1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_normal_with_a_scale_of_1e_30(dtype):
    log_variance = torch.tensor([2 * math.log(1e-30)], dtype=dtype)
    x = torch.tensor([3e-30], dtype=dtype)
    exact = -0.5 * 9 - math.log(1e-30) - 0.5 * math.log(2 * math.pi)
    assert normal_log_prob(x, torch.zeros_like(x), log_variance).item() == pytest.approx(exact, rel=1e-4)


def test_residual_overflows_only_where_it_must():
    """exp(100) is no float32, but 1e-30 * exp(100) is."""
    r = standardized_residual(torch.tensor([1e-30]), torch.zeros(1), torch.tensor([-100.0]))
    assert r.item() == pytest.approx(1e-30 * math.exp(100), rel=1e-4)
    r = standardized_residual(torch.tensor([1e30]), torch.zeros(1), torch.tensor([100.0]))
    assert r.item() == pytest.approx(1e30 * math.exp(-100), rel=1e-4)


@pytest.mark.parametrize("log_variance", [-1e4, -1420.0, -700.0, 0.0, 700.0, 1e4])
def test_normal_gradients_at_the_mean_are_finite_and_right(log_variance):
    arguments = [
        tensor(0.3).requires_grad_(),
        tensor(0.3).requires_grad_(),
        tensor(log_variance).requires_grad_(),
    ]
    normal_log_prob(*arguments).backward()
    assert [a.grad.item() for a in arguments] == [0, 0, -0.5]


@pytest.mark.parametrize("log_variance", [-1000.0, -300.0, 0.0, 300.0])
def test_normal_curvature_at_the_mean_is_minus_the_precision(log_variance):
    """The guard against 0 * inf must not reach ordinary points where x = loc: their Hessian counts."""

    def log_p(x):
        return normal_log_prob(x, tensor(0.3), tensor(log_variance))

    curvature = torch.autograd.functional.hessian(log_p, tensor(0.3)).item()
    exact = -math.exp(-log_variance) if log_variance > -700 else -INF
    assert curvature == pytest.approx(exact, rel=1e-12)


def test_normal_gradients_away_from_the_mean_at_a_tiny_variance_have_the_right_sign():
    arguments = [tensor(0.4).requires_grad_(), tensor(0.3).requires_grad_(), tensor(-1e4).requires_grad_()]
    log_p = normal_log_prob(*arguments)
    log_p.backward()
    assert log_p.item() == -INF
    assert [a.grad.item() for a in arguments] == [-INF, INF, INF]


def test_a_difference_that_overflows_is_an_error():
    big, log_variance = torch.tensor([3e38]), torch.tensor([1000.0])
    with raises(ValueError, "x - loc overflows torch.float32: use a wider dtype or rescale both"):
        normal_log_prob(big, -big, log_variance)
    assert normal_log_prob(big.double(), -big.double(), log_variance.double()).isfinite()
    with value_checks_off():
        normal_log_prob(big, -big, log_variance)


def test_standard_normal_far_out_is_minus_infinity():
    assert standard_normal_log_prob(tensor(1e200)).item() == -INF
    assert standard_normal_log_prob(tensor(1e100)).item() == pytest.approx(-5e199)


# ------------------------------------------------------------------ Bernoulli


def binary_images(n_pixels):
    return torch.tensor(list(itertools.product([0.0, 1.0], repeat=n_pixels)), dtype=torch.float64)


def test_bernoulli_sums_to_one_over_all_images():
    logits = 3 * randn(6)
    assert bernoulli_log_prob(binary_images(6), logits).exp().sum().item() == pytest.approx(1, abs=1e-12)


def test_bernoulli_agrees_with_torch():
    x = binary_images(4)
    logits = 3 * randn(16, 4)
    expected = torch.distributions.Bernoulli(logits=logits).log_prob(x).sum(-1)
    torch.testing.assert_close(bernoulli_log_prob(x, logits), expected)


@given(st.sampled_from([0.0, 1.0]), st.floats(-1e4, 1e4), st.sampled_from([torch.float32, torch.float64]))
def test_bernoulli_agrees_with_60_digit_arithmetic(x, logit, dtype):
    logit = torch.tensor([logit], dtype=dtype)
    sign = 1 if x else -1
    exact = -mpmath.log1p(mpmath.exp(-sign * mpmath.mpf(logit.item())))
    for soft in (False, True):
        result = bernoulli_log_prob(torch.tensor([x], dtype=dtype), logit, soft_targets=soft).item()
        rel = 1e-6 if dtype == torch.float32 else 1e-13
        assert result == pytest.approx(float(exact), rel=rel, abs=1e-37)


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize(
    ("x", "logit", "expected"), [(1, INF, 0), (0, INF, -INF), (1, -INF, -INF), (0, -INF, 0)]
)
def test_probabilities_of_exactly_0_and_1(x, logit, expected, soft, device):
    x = torch.tensor([float(x), 1.0], device=device)
    logits = torch.tensor([logit, 0.0], device=device, requires_grad=True)
    log_p = bernoulli_log_prob(x, logits, soft_targets=soft)
    assert log_p.item() == pytest.approx(expected - math.log(2))
    log_p.backward()
    assert logits.grad[0].item() == {0: 0, -INF: 1 if x[0] else -1}[expected]
    assert logits.grad[1].item() == 0.5


@pytest.mark.parametrize("logit", [INF, -INF])
def test_a_certain_pixel_makes_a_grey_target_impossible(logit):
    assert bernoulli_log_prob(tensor(0.5), tensor(logit), soft_targets=True).item() == -INF


def test_certain_pixels_among_grey_ones():
    """Infinite logits at pixels that agree add 0, and change nothing at the others."""
    grey, logits = randn(7, 5).sigmoid(), 2 * randn(7, 5, seed=1)
    expected = bernoulli_log_prob(grey[:, :3], logits[:, :3], soft_targets=True)
    grey[:, 3:], logits[:, 3], logits[:, 4] = tensor(0.0, 1.0), -INF, INF
    torch.testing.assert_close(bernoulli_log_prob(grey, logits, soft_targets=True), expected)


def test_soft_targets_give_the_mean_over_binary_images():
    grey, logits = randn(5).sigmoid(), 2 * randn(5, seed=1)
    images = binary_images(5)
    weights = torch.where(images == 1, grey, 1 - grey).prod(-1)
    mean = (weights * bernoulli_log_prob(images, logits)).sum()
    torch.testing.assert_close(bernoulli_log_prob(grey, logits, soft_targets=True), mean)


def test_soft_targets_agree_with_the_cross_entropy_of_torch_and_have_an_entropy_floor():
    grey = randn(7, 5).sigmoid()
    logits = 2 * randn(7, 5, seed=1)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, grey, reduction="none").sum(-1)
    torch.testing.assert_close(bernoulli_log_prob(grey, logits, soft_targets=True), -expected)
    best = bernoulli_log_prob(grey, grey.logit(), soft_targets=True)
    entropy = torch.distributions.Bernoulli(probs=grey).entropy().sum(-1)
    torch.testing.assert_close(best, -entropy)


@pytest.mark.parametrize("grey", [0.5, -0.1, 1.1, 1e-9, 255.0, INF])
def test_grey_pixels_are_refused_with_an_explanation(grey):
    x = tensor(0.0, 1.0, grey)
    text = (
        f"x must be binary (0 or 1), but its values lie between {min(0, grey):g} and {max(1, grey):g} "
        "and are not all 0 or 1. Grey pixels have no Bernoulli probability. Make them binary with "
        "vae_notes.data.binarize, or, if they are probabilities of a 1 in [0, 1], pass soft_targets=True"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        bernoulli_log_prob(x, torch.zeros_like(x))
    with value_checks_off():
        assert bernoulli_log_prob(x, torch.zeros_like(x)).shape == ()


@pytest.mark.parametrize("x", [-0.1, 1.1, 255.0])
def test_soft_targets_are_probabilities(x):
    with raises(
        ValueError,
        f"x must lie between 0 and 1, but its values lie between {min(x, 0.5):g} and {max(x, 0.5):g}",
    ):
        bernoulli_log_prob(tensor(0.5, x), tensor(0.0, 0.0), soft_targets=True)
    assert bernoulli_log_prob(tensor(0.0, 1.0), tensor(0.0, 0.0), soft_targets=True) == -2 * math.log(2)


# ------------------------------------------------------------------ categorical


def test_categorical_sums_to_one_over_all_images():
    x = torch.tensor(list(itertools.product(range(3), repeat=4)))
    log_p = categorical_log_prob(x, 2 * randn(4, 3))
    assert log_p.exp().sum().item() == pytest.approx(1, abs=1e-12)


def test_categorical_agrees_with_torch():
    logits = 2 * randn(6, 5, 4)
    x = torch.randint(4, (6, 5), generator=torch.Generator().manual_seed(0))
    expected = torch.distributions.Categorical(logits=logits).log_prob(x).sum(-1)
    torch.testing.assert_close(categorical_log_prob(x, logits), expected)
    assert categorical_log_prob(x, logits.float()).dtype == torch.float32


def test_sixteen_equal_levels_cost_four_bits_a_pixel():
    log_p = categorical_log_prob(torch.zeros(1, 784, dtype=torch.int64), torch.zeros(1, 784, 16).double())
    assert log_p.item() == pytest.approx(-784 * math.log(16), rel=1e-12)


@pytest.mark.parametrize("shift", [0.0, 1e4, -1e4])
def test_categorical_does_not_depend_on_a_shift_and_keeps_the_digits(shift):
    logits = shift + tensor(0.0, -8.0, -16.0).reshape(1, 3)
    exact = -mpmath.log(1 + mpmath.exp(-8) + mpmath.exp(-16))
    assert categorical_log_prob(torch.tensor([0]), logits).item() == pytest.approx(float(exact), rel=1e-12)


def test_classes_of_probability_zero():
    logits = torch.tensor([[[0.0, -INF, 0.0]]], requires_grad=True)
    assert categorical_log_prob(torch.tensor([[1]]), logits).item() == -INF
    log_p = categorical_log_prob(torch.tensor([[0]]), logits)
    assert log_p.item() == pytest.approx(-math.log(2))
    log_p.backward()
    assert logits.grad.flatten().tolist() == pytest.approx([0.5, 0, -0.5])


@pytest.mark.parametrize("logits", [[INF, 0.0], [-INF, -INF]])
def test_logits_without_a_softmax_are_refused(logits):
    text = "logits must hold at least one finite value per pixel and no +inf: the softmax needs both"
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        categorical_log_prob(torch.tensor([0, 0]), torch.tensor([[0.0, 0.0], logits]))
    with value_checks_off():
        categorical_log_prob(torch.tensor([0, 0]), torch.tensor([[0.0, 0.0], logits]))


@pytest.mark.parametrize("x", [[-1, 2], [0, 3]])
def test_class_indices_out_of_range_are_refused(x):
    text = f"x must lie between 0 and 2, but its values lie between {x[0]} and {x[1]}"
    with raises(ValueError, text):
        categorical_log_prob(torch.tensor(x), torch.zeros(2, 3))
    with raises(ValueError, text):
        discretized_logistic_log_prob(torch.tensor(x), torch.zeros(2), torch.zeros(2), levels=3)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.int32])
def test_class_indices_of_another_dtype_are_refused(dtype):
    x = torch.zeros(2, dtype=dtype)
    text = f"x must hold class indices (torch.int64), got {dtype}; convert it with x.to(torch.int64)"
    with raises(TypeError, text):
        categorical_log_prob(x, torch.zeros(2, 3))
    with raises(TypeError, text):
        discretized_logistic_log_prob(x, torch.zeros(2), torch.zeros(2), levels=3)


@pytest.mark.parametrize(
    ("x_shape", "logits_shape"),
    [((7, 2), (7, 2)), ((7, 2), (7, 3, 4)), ((), (3,)), ((), (2, 3)), ((7, 2), (7, 2, 0))],
)
def test_categorical_shapes_are_explained(x_shape, logits_shape):
    text = (
        "x must have shape (..., D) and logits (..., D, C) with one D and C of at least 1, "
        f"got x {x_shape} and logits {logits_shape}"
    )
    with raises(ValueError, text):
        categorical_log_prob(torch.zeros(x_shape, dtype=torch.int64), torch.zeros(logits_shape))


def test_categorical_leading_axes_are_not_stretched():
    with raises(ValueError, "leading axes must agree, aligned at the right: x has (7,) and logits has (1,)"):
        categorical_log_prob(torch.zeros(7, 2, dtype=torch.int64), torch.zeros(1, 2, 3))


def test_categorical_needs_floating_logits():
    with raises(TypeError, "logits must be floating, got torch.int64"):
        categorical_log_prob(torch.tensor([0]), torch.zeros(1, 3, dtype=torch.int64))
    with raises(TypeError, "x must be a torch.Tensor, got int"):
        categorical_log_prob(0, torch.zeros(1, 3))


# ------------------------------------------------------------------ discretized logistic


def exact_discretized_logistic(x, loc, log_scale, levels):
    """log(F(upper edge) - F(lower edge)) in enough digits for any cancellation."""
    with mpmath.workdps(400):
        scale = mpmath.exp(log_scale)

        def cdf(edge):
            return 1 / (1 + mpmath.exp(-(mpmath.mpf(edge) - mpmath.mpf(loc)) / scale))

        lower = 0 if x == 0 else cdf(x - 0.5)
        upper = 1 if x == levels - 1 else cdf(x + 0.5)
        if x == levels - 1 and x > 0:  # 1 - F, by the symmetry of the logistic function
            return mpmath.log(1 / (1 + mpmath.exp((mpmath.mpf(x) - 0.5 - mpmath.mpf(loc)) / scale)))
        return mpmath.log(upper - lower)


def grey_level(x, loc, log_scale, levels, dtype=torch.float64):
    return discretized_logistic_log_prob(
        torch.tensor([x]),
        torch.tensor([loc], dtype=dtype),
        torch.tensor([log_scale], dtype=dtype),
        levels=levels,
    )


@given(st.integers(2, 256), st.floats(0, 1), st.floats(-20, 270), st.floats(-1.5, 20))
def test_discretized_logistic_agrees_with_400_digit_arithmetic(levels, position, loc, log_scale):
    x = round(position * (levels - 1))
    exact = float(exact_discretized_logistic(x, loc, log_scale, levels))
    assert grey_level(x, loc, log_scale, levels).item() == pytest.approx(exact, rel=1e-11, abs=1e-15)


def test_discretized_logistic_agrees_with_scipy():
    x = torch.arange(1, 15).reshape(-1, 1)
    loc, log_scale = tensor(6.3).expand(14, 1), tensor(0.7).expand(14, 1)
    cdf = scipy.stats.logistic(loc=6.3, scale=math.exp(0.7)).cdf
    expected = torch.as_tensor(cdf(x.double() + 0.5) - cdf(x.double() - 0.5)).log().squeeze(-1)
    result = discretized_logistic_log_prob(x, loc, log_scale, levels=16)
    torch.testing.assert_close(result, expected, rtol=1e-10, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("levels", [2, 3, 16, 256])
def test_discretized_logistic_sums_to_one(levels, dtype, device):
    centres = [-1e6, -0.5, 0.0, 0.5, 1.2, 7.5, 300.0]
    log_scales = [-1e4, -200.0, -30.0, -7.0, -2.0, 0.0, 5.0, 30.0, 39.9, 40.1, 200.0, 1e4]
    grid = torch.tensor(list(itertools.product(centres, log_scales)), dtype=dtype, device=device)
    x = torch.arange(levels, device=device).reshape(-1, 1, 1).expand(levels, len(grid), 1)
    log_p = discretized_logistic_log_prob(x, grid[:, :1], grid[:, 1:], levels=levels)
    assert (log_p <= 0).all()
    totals = log_p.double().exp().sum(0)
    atol = 2e-6 if dtype == torch.float32 else 1e-12
    torch.testing.assert_close(totals, torch.ones_like(totals), rtol=0, atol=atol)


@pytest.mark.parametrize("log_scale", [30.0, 39.0, 41.0, 300.0, 1e4])
def test_a_flat_logistic_spreads_over_the_edges_only(log_scale):
    """s much wider than the levels: half a unit of mass at each end, 1 / (4 s) in each bin between."""
    assert grey_level(0, 7.0, log_scale, 16).item() == pytest.approx(-math.log(2), rel=1e-9)
    assert grey_level(15, 7.0, log_scale, 16).item() == pytest.approx(-math.log(2), rel=1e-9)
    assert grey_level(7, 7.0, log_scale, 16).item() == pytest.approx(-math.log(4) - log_scale, rel=1e-11)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("log_scale", [-1e4, -2000.0, -500.0, -177.0, -30.0])
def test_a_sharp_logistic_chooses_the_bin_of_its_centre(log_scale, dtype):
    assert grey_level(7, 7.3, log_scale, 16, dtype).item() == 0
    assert grey_level(7, 7.5, log_scale, 16, dtype).item() == pytest.approx(-math.log(2))
    assert grey_level(8, 7.5, log_scale, 16, dtype).item() == pytest.approx(-math.log(2))
    far = float(-2.5 * mpmath.exp(-log_scale)) if -log_scale < math.log(torch.finfo(dtype).max) else -INF
    assert grey_level(5, 8.0, log_scale, 16, dtype).item() == pytest.approx(far, rel=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("log_scale", [-1e4, -1000.0, -100.0, -8.0, -3.0, 0.0, 20.0, 39.0, 41.0, 1e4])
@pytest.mark.parametrize("x", [0, 7, 15])
def test_discretized_logistic_gradients_are_finite(x, log_scale, dtype):
    loc = torch.tensor([float(x)], dtype=dtype, requires_grad=True)
    log_scale = torch.tensor([log_scale], dtype=dtype, requires_grad=True)
    log_p = discretized_logistic_log_prob(torch.tensor([x]), loc, log_scale, levels=16)
    log_p.backward()
    assert log_p.isfinite().all() and loc.grad.isfinite().all() and log_scale.grad.isfinite().all()


@pytest.mark.parametrize("log_scale", [-2.0, 0.0, 3.0, 38.0, 42.0])
@pytest.mark.parametrize("x", [0, 6, 15])
def test_discretized_logistic_gradients_agree_with_high_precision_differences(x, log_scale):
    arguments = [tensor(5.2).requires_grad_(), tensor(log_scale).requires_grad_()]
    discretized_logistic_log_prob(torch.tensor([x]), *arguments, levels=16).backward()
    with mpmath.workdps(400):
        step = mpmath.mpf(10) ** -100

        def slope(at, **fixed):
            return (at(step) - at(-step)) / (2 * step)

        by_loc = slope(lambda h: exact_discretized_logistic(x, mpmath.mpf(5.2) + h, log_scale, 16))
        by_scale = slope(lambda h: exact_discretized_logistic(x, 5.2, mpmath.mpf(log_scale) + h, 16))
    assert arguments[0].grad.item() == pytest.approx(float(by_loc), rel=1e-8, abs=1e-15)
    assert arguments[1].grad.item() == pytest.approx(float(by_scale), rel=1e-8, abs=1e-15)


@pytest.mark.parametrize(
    ("levels", "error", "text"),
    [
        (1, ValueError, "levels must be at least 2, got 1"),
        (0, ValueError, "levels must be at least 1, got 0"),
        (2.0, TypeError, "levels must be an int, got float"),
    ],
)
def test_levels_are_checked(levels, error, text):
    with raises(error, text):
        discretized_logistic_log_prob(torch.tensor([0]), torch.zeros(1), torch.zeros(1), levels=levels)


def test_discretized_logistic_needs_floating_parameters_of_one_dtype():
    x, zero = torch.tensor([0]), torch.zeros(1)
    with raises(TypeError, "loc must be floating, got torch.int64"):
        discretized_logistic_log_prob(x, x, zero, levels=4)
    with raises(TypeError, "all floating tensors must have the same dtype"):
        discretized_logistic_log_prob(x, zero, zero.double(), levels=4)
    with raises(TypeError, "log_scale must be a torch.Tensor, got float"):
        discretized_logistic_log_prob(x, zero, 0.0, levels=4)
