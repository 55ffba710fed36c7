"""Likelihoods against torch.distributions, enumeration over all targets, and their own samples."""

import itertools
import math

import pytest
import torch
from torch import distributions

from tests.statistical import assert_mean_is
from vae_notes import checks
from vae_notes.likelihoods import (
    BernoulliLikelihood,
    CategoricalLikelihood,
    DiscretizedLogisticLikelihood,
    NormalLikelihood,
)

ALL = [
    BernoulliLikelihood(),
    BernoulliLikelihood(soft_targets=True),
    NormalLikelihood(scale=0.3),
    NormalLikelihood(scale=0.3, learn_scale=True),
    CategoricalLikelihood(levels=5),
    DiscretizedLogisticLikelihood(levels=5),
]


def outputs(likelihood, *leading, dims=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (*leading, dims * likelihood.outputs_per_dim)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("likelihood", ALL, ids=lambda one: type(one).__name__)
def test_one_value_per_datum_and_samples_fit_the_check(likelihood):
    output = outputs(likelihood, 4, 6)
    x = likelihood.sample(output, generator=torch.Generator().manual_seed(1))
    assert x.shape == (4, 6, 3) and x.dtype == torch.float64
    likelihood.check(x)
    assert likelihood.log_prob(x, output).shape == (4, 6)
    assert likelihood.mean(output).shape == (4, 6, 3)


@pytest.mark.parametrize("likelihood", ALL, ids=lambda one: type(one).__name__)
def test_samples_have_the_stated_mean(likelihood):
    output = outputs(likelihood, dims=2)
    x = likelihood.sample(output.expand(40_000, -1), generator=torch.Generator().manual_seed(2))
    for dim in range(2):
        assert_mean_is(x[:, dim], likelihood.mean(output)[dim].item())


@pytest.mark.parametrize("likelihood", ALL, ids=lambda one: type(one).__name__)
def test_samples_follow_the_seed(likelihood):
    output = outputs(likelihood, 50)
    first, again, other = (
        likelihood.sample(output, generator=torch.Generator().manual_seed(seed)) for seed in (3, 3, 4)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)


@pytest.mark.parametrize("likelihood", ALL, ids=lambda one: type(one).__name__)
def test_empty_batch(likelihood):
    output = outputs(likelihood, 0)
    x = likelihood.sample(output)
    likelihood.check(x)
    assert likelihood.log_prob(x, output).shape == (0,)


@pytest.mark.parametrize(
    "likelihood, grid",
    [
        (BernoulliLikelihood(), [0.0, 1.0]),
        (CategoricalLikelihood(levels=4), [0.0, 1 / 3, 2 / 3, 1.0]),
        (DiscretizedLogisticLikelihood(levels=4), [0.0, 1 / 3, 2 / 3, 1.0]),
    ],
    ids=["bernoulli", "categorical", "discretized"],
)
def test_discrete_likelihoods_sum_to_one_and_have_the_stated_mean(likelihood, grid):
    targets = torch.tensor(list(itertools.product(grid, repeat=2)), dtype=torch.float64)
    output = outputs(likelihood, dims=2)
    probs = likelihood.log_prob(targets, output.expand(len(targets), -1)).exp()
    assert probs.sum().item() == pytest.approx(1.0, abs=1e-12)
    assert torch.allclose(probs @ targets, likelihood.mean(output), atol=1e-12)


def test_bernoulli_equals_torch_distributions():
    output = outputs(BernoulliLikelihood(), 7)
    x = BernoulliLikelihood().sample(output)
    expected = distributions.Bernoulli(logits=output).log_prob(x).sum(-1)
    assert torch.allclose(BernoulliLikelihood().log_prob(x, output), expected, atol=1e-12)


def test_soft_bernoulli_is_the_expectation_over_binary_images():
    x = torch.tensor([0.2, 0.7], dtype=torch.float64)
    output = outputs(BernoulliLikelihood(), dims=2)
    binary = torch.tensor(list(itertools.product([0.0, 1.0], repeat=2)), dtype=torch.float64)
    weight = (x * binary + (1 - x) * (1 - binary)).prod(-1)
    expected = (weight * BernoulliLikelihood().log_prob(binary, output.expand(4, -1))).sum()
    assert torch.allclose(BernoulliLikelihood(soft_targets=True).log_prob(x, output), expected, atol=1e-12)


@pytest.mark.parametrize("learn_scale", [False, True])
def test_normal_equals_torch_distributions(learn_scale):
    likelihood = NormalLikelihood(scale=0.3, learn_scale=learn_scale).double()
    x, output = outputs(likelihood, 7, seed=1), outputs(likelihood, 7)
    expected = distributions.Normal(output, 0.3).log_prob(x).sum(-1)
    # The scale is kept as a float32 log-variance, so seven digits are all it has.
    assert torch.allclose(likelihood.log_prob(x, output), expected, rtol=1e-6)
    assert likelihood.scale == pytest.approx(0.3, rel=1e-6)


def test_normal_sample_has_the_stated_spread():
    likelihood = NormalLikelihood(scale=0.3)
    x = likelihood.sample(torch.ones(40_000, 1), generator=torch.Generator().manual_seed(5))
    assert_mean_is((x[:, 0].double() - 1) ** 2, 0.09)


def test_learned_scale_is_a_parameter_and_its_optimum_is_the_mean_squared_error():
    likelihood = NormalLikelihood(scale=1.0, learn_scale=True)
    x, output = outputs(likelihood, 50, seed=1).float(), outputs(likelihood, 50).float()
    with torch.no_grad():
        likelihood.log_variance.copy_(((x - output) ** 2).mean().log())
    likelihood.log_prob(x, output).mean().backward()
    assert abs(likelihood.log_variance.grad.item()) < 1e-5
    assert list(NormalLikelihood(scale=1.0).parameters()) == []


def test_equal_logits_cost_log_levels_a_pixel():
    x = torch.rand(3, 784).mul(15).round() / 15
    log_prob = CategoricalLikelihood(levels=16).log_prob(x, torch.zeros(3, 784 * 16))
    assert torch.allclose(log_prob, torch.full((3,), -784 * math.log(16)))


def test_categorical_output_is_pixel_major():
    logits = torch.full((2, 3), -50.0)
    logits[0, 2] = logits[1, 0] = 50.0  # pixel 0 is level 2 (value 1), pixel 1 is level 0
    assert torch.allclose(CategoricalLikelihood(levels=3).mean(logits.flatten()), torch.tensor([1.0, 0.0]))


def test_discretized_logistic_with_a_tiny_scale_names_the_right_level():
    likelihood = DiscretizedLogisticLikelihood(levels=17)
    with torch.no_grad():
        likelihood.log_scale.fill_(-10.0)
    x = torch.arange(17.0)[:, None] / 16
    assert likelihood.log_prob(x, x).exp().allclose(torch.ones(17))
    assert likelihood.mean(x).allclose(x) and likelihood.sample(x).allclose(x)


@pytest.mark.parametrize(
    "likelihood, x, words",
    [
        (BernoulliLikelihood(), torch.tensor([[0.5]]), "soft_targets"),
        (BernoulliLikelihood(soft_targets=True), torch.tensor([[1.5]]), "1.5"),
        (NormalLikelihood(), torch.tensor([[math.nan]]), "x must be finite"),
        (CategoricalLikelihood(levels=5), torch.tensor([[0.3]]), "5 grey levels"),
        (CategoricalLikelihood(levels=5), torch.tensor([[1.25]]), "1.25"),
        (DiscretizedLogisticLikelihood(levels=5), torch.tensor([[0.3]]), "5 grey levels"),
        (DiscretizedLogisticLikelihood(levels=5), torch.tensor([[-0.25]]), "-0.25"),
    ],
)
def test_check_refuses_impossible_targets(likelihood, x, words):
    with pytest.raises(ValueError, match=words):
        likelihood.check(x)


@pytest.mark.parametrize("likelihood", ALL, ids=lambda one: type(one).__name__)
def test_byte_images_are_refused_with_a_hint(likelihood):
    with pytest.raises(TypeError, match=r"x .*torch\.float32"):
        likelihood.check(torch.zeros(2, 3, dtype=torch.uint8))


def test_values_are_not_checked_inside_the_training_loop():
    off_grid = torch.tensor([[0.3]])
    with checks.value_checks_off():
        CategoricalLikelihood(levels=5).log_prob(off_grid, torch.zeros(1, 5))
    with pytest.raises(ValueError, match="5 grey levels"):
        CategoricalLikelihood(levels=5).log_prob(off_grid, torch.zeros(1, 5))


@pytest.mark.parametrize(
    "make, error, words",
    [
        (lambda: NormalLikelihood(scale=0.0), ValueError, "scale must be a positive finite number, got 0.0"),
        (lambda: NormalLikelihood(scale=math.inf), ValueError, "got inf"),
        (lambda: CategoricalLikelihood(levels=1), ValueError, "levels must be at least 2, got 1"),
        (lambda: DiscretizedLogisticLikelihood(levels=2.5), TypeError, "levels must be an int, got float"),
        (
            lambda: CategoricalLikelihood(levels=5).log_prob(torch.zeros(1, 2), torch.zeros(1, 9)),
            ValueError,
            r"multiple of levels = 5, got shape \(1, 9\)",
        ),
    ],
)
def test_bad_arguments(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_grey_pixels_need_soft_targets():
    grey, logits = torch.tensor([[0.5]]), torch.zeros(1, 1)
    assert BernoulliLikelihood(soft_targets=True).log_prob(grey, logits).item() == pytest.approx(-math.log(2))
    with pytest.raises(ValueError, match="soft_targets"):
        BernoulliLikelihood().log_prob(grey, logits)
