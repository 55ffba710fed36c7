"""The Student-t likelihood against torch, its own samples and the normal one; the VAE with t latents."""

import math

import pytest
import scipy.stats
import torch
from torch.distributions import StudentT

from tests.statistical import assert_mean_is
from vae_notes.bounds import importance_weighted_bound
from vae_notes.likelihoods import NormalLikelihood
from vae_notes.models import VAE, Decoder, Encoder
from vae_notes.reproduce.recipes import heavy_tails
from vae_notes.student_t_divergences import kl_normal_student_t
from vae_notes.student_t_latent import StudentTLatentVAE
from vae_notes.student_t_likelihood import StudentTLikelihood


def randn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_one_value_per_datum_as_torch_has_it():
    likelihood, x, output = StudentTLikelihood(df=3.0, scale=0.3), randn(4, 6, 3), randn(4, 6, 3, seed=1)
    expected = StudentT(3.0, output, 0.3).log_prob(x).sum(-1)
    assert torch.allclose(likelihood.log_prob(x, output), expected, rtol=1e-6)
    assert torch.equal(likelihood.mean(output), output) and likelihood.outputs_per_dim == 1


def test_a_large_df_is_the_normal_likelihood():
    x, output = randn(5, 3).float(), randn(5, 3, seed=1).float()
    found = StudentTLikelihood(df=1e8, scale=0.5).log_prob(x, output)
    assert torch.allclose(found, NormalLikelihood(0.5).log_prob(x, output), rtol=1e-5)


def test_samples_fit_the_check_and_the_distribution():
    likelihood = StudentTLikelihood(df=3.0, scale=0.5, learn_scale=True, learn_df=True)
    output = torch.ones(20_000, 2)
    x = likelihood.sample(output, generator=torch.Generator().manual_seed(1))
    likelihood.check(x)
    assert x.dtype == output.dtype and not x.requires_grad
    for level in (0.1, 0.5, 0.95):
        threshold = 1 + 0.5 * scipy.stats.t(3).ppf(level)
        assert_mean_is((x[:, 0] <= threshold).double(), level)
    again = likelihood.sample(output, generator=torch.Generator().manual_seed(1))
    assert torch.equal(x, again)
    independent = (x[:, 0] > 1.5) & (x[:, 1] > 1.5)  # every pixel has a scale of its own
    assert_mean_is(independent.double(), scipy.stats.t(3).sf(1.0) ** 2)


def test_what_is_learned_is_a_parameter():
    names = {"log_scale", "log_df"}
    assert dict(StudentTLikelihood().named_parameters()) == {}
    assert set(StudentTLikelihood().state_dict()) == names
    learned = StudentTLikelihood(learn_scale=True, learn_df=True)
    assert set(dict(learned.named_parameters())) == names
    x = randn(50, 3)
    learned.log_prob(x, torch.zeros_like(x)).sum().backward()
    assert all(p.grad.isfinite() and p.grad != 0 for p in learned.parameters())
    assert learned.df == pytest.approx(4.0) and learned.scale == pytest.approx(1.0)


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"df must be a positive finite number, got 0.0"):
        StudentTLikelihood(df=0.0)
    with pytest.raises(ValueError, match=r"scale must be a positive finite number, got inf"):
        StudentTLikelihood(scale=math.inf)
    with pytest.raises(ValueError, match="x must be finite"):
        StudentTLikelihood().check(torch.tensor([[math.nan]]))
    with pytest.raises(TypeError, match="x must be floating"):
        StudentTLikelihood().check(torch.zeros(2, 3, dtype=torch.uint8))


def vae_of(kind=StudentTLatentVAE, **options):
    torch.manual_seed(0)
    networks = Encoder(2, 8, 2), Decoder(2, 8, 2), NormalLikelihood(0.7)
    return kind(*networks, **options).double()


def test_without_a_t_it_is_the_vae():
    x, generator = randn(6, 2), lambda: torch.Generator().manual_seed(3)
    t_vae, vae = vae_of(), vae_of(VAE)
    ours, theirs = t_vae.loss(x, generator()), vae.loss(x, generator())
    assert torch.equal(ours["reconstruction"], theirs["reconstruction"])
    assert torch.equal(t_vae.log_weights(x, 5, generator()), vae.log_weights(x, 5, generator()))
    assert torch.equal(t_vae.sample(4, generator()), vae.sample(4, generator()))


def test_the_estimated_kl_has_the_right_mean():
    vae, x = vae_of(prior_df=1.5), randn(1, 2)
    with torch.no_grad():
        estimates = vae.loss(x.expand(20_000, 2), torch.Generator().manual_seed(1))
        exact = kl_normal_student_t(*vae.encode(x), torch.zeros(2).double(), torch.zeros(2).double(), 1.5)
    assert_mean_is(estimates["kl"], exact.item())
    assert torch.equal(estimates["elbo"], estimates["reconstruction"] - estimates["kl"])
    assert torch.equal(estimates["loss"], -estimates["elbo"])


@pytest.mark.parametrize(
    "options", [{"prior_df": 3.0}, {"prior_df": 3.0, "posterior_df": 6.0}, {"posterior_df": 6.0}]
)
def test_weights_average_to_the_evidence(options):
    """E[w] = p(x) whatever q is: here p(x) by a sum over a grid of z in one dimension."""
    torch.manual_seed(0)
    vae = StudentTLatentVAE(Encoder(2, 8, 1), Decoder(1, 8, 2), NormalLikelihood(1.0), **options).double()
    x = randn(1, 2)
    with torch.no_grad():
        grid = torch.sinh(torch.linspace(-9, 9, 20_001, dtype=torch.float64))[:, None]
        width = torch.cosh(torch.linspace(-9, 9, 20_001, dtype=torch.float64)) * 18 / 20_000
        joint = vae.likelihood.log_prob(x.expand(len(grid), 2), vae.decode(grid)) + vae.prior_log_prob(grid)
        evidence = (joint.exp() * width).sum()
        weights = vae.log_weights(x, 20_000, torch.Generator().manual_seed(1)).exp()
    assert_mean_is(weights[:, 0] / evidence, 1.0)


def test_the_t_posterior_has_the_stated_scale():
    vae, x = vae_of(prior_df=3.0, posterior_df=6.0), randn(1, 2)
    with torch.no_grad():
        z, _ = vae._draw(x, 20_000, torch.Generator().manual_seed(0))
        loc, log_variance = vae.encode(x)
    quartile = torch.exp(0.5 * log_variance) * scipy.stats.t(6).ppf(0.75)
    assert_mean_is(((z - loc).abs() < quartile)[:, 0].double(), 0.5)


def test_the_prior_is_drawn_with_its_own_tail():
    vae = StudentTLatentVAE(Encoder(2, 8, 1), Decoder(1, 8, 2), NormalLikelihood(), prior_df=1.0)
    z = vae._prior_sample(20_000, torch.Generator().manual_seed(0))
    assert_mean_is((z[:, 0].abs() > 10).double(), 2 * scipy.stats.cauchy.sf(10))


def test_a_posterior_with_an_infinite_kl_is_refused():
    with pytest.raises(ValueError, match="posterior_df must exceed 2 with a normal prior, got 2.0"):
        vae_of(posterior_df=2.0)
    with pytest.raises(ValueError, match="prior_df must be None or a positive finite number, got -1"):
        vae_of(prior_df=-1)
    vae_of(prior_df=1.0, posterior_df=2.0)


def test_the_recipe_runs_and_repeats_itself():
    recipe = heavy_tails.RECIPE
    first, again = (recipe.run(recipe.variants["hot, t likelihood"], 0, 1, "cpu") for _ in range(2))
    assert first == again and all(math.isfinite(value) for value in first.values())


def test_the_recipe_of_the_curve_runs():
    recipe = heavy_tails.RECIPE
    result = recipe.run(recipe.variants["t prior, t posterior"], 0, 1, "cpu")
    assert sorted(result["quantiles"]) == result["quantiles"]
    assert result["log_likelihood_far"] < result["log_likelihood"] < result["log_likelihood_near"]


def test_the_spoilt_images_are_as_stated():
    x, generator = torch.full((200, 64), 0.5), torch.Generator().manual_seed(0)
    assert_mean_is((heavy_tails.spoil(x, "hot", generator) == 4).double().flatten(), 0.02)
    assert_mean_is((heavy_tails.spoil(x, "salt", generator) == 1).double().flatten(), 0.05)
    assert_mean_is((heavy_tails.spoil(x, "noise", generator) - x).double().flatten() ** 2, 0.04)
    with pytest.raises(ValueError, match="kind must be salt, hot or noise"):
        heavy_tails.spoil(x, "pepper", generator)


def test_the_bound_of_the_recipe_is_a_bound():
    vae, x = (
        heavy_tails.curve_vae("normal", 2.5, None, 0),
        heavy_tails.curve(50, torch.Generator().manual_seed(0)),
    )
    with torch.no_grad():
        elbo = vae.loss(x, torch.Generator().manual_seed(0))["elbo"].mean()
        many = importance_weighted_bound(vae.log_weights(x, 200, torch.Generator().manual_seed(0))).mean()
    assert many > elbo
