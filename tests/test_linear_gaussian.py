"""The linear-Gaussian model against dense matrices, quadrature, scikit-learn and its own identities."""

import math
import re

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from tests.statistical import assert_mean_is
from vae_notes.checks import value_checks_off
from vae_notes.divergences import kl_multivariate_normal
from vae_notes.linear_gaussian import LinearGaussian

NAN, INF = float("nan"), float("inf")


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


def scalar(value):
    return torch.tensor(value, dtype=torch.float64)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def randn(*shape, seed=0):
    return torch.randn(shape, generator=seeded(seed), dtype=torch.float64)


def raises(error, text):
    return pytest.raises(error, match=re.escape(text))


def random_model(x_dim=5, z_dim=3, log_variance=-0.7, seed=0):
    return LinearGaussian(randn(x_dim, z_dim, seed=seed), randn(x_dim, seed=seed + 1), scalar(log_variance))


def dense_marginal(model):
    covariance = (
        model.weight @ model.weight.T + model.log_variance.exp() * torch.eye(len(model.bias)).double()
    )
    return MultivariateNormal(model.bias, covariance)


def dense_posterior(model, x):
    """By conditioning the joint normal distribution of (z, x): no matrix of the module appears."""
    marginal = dense_marginal(model).covariance_matrix
    gain = model.weight.T @ torch.linalg.inv(marginal)
    covariance = torch.eye(model.weight.shape[1]).double() - gain @ model.weight
    return MultivariateNormal((x - model.bias) @ gain.T, covariance)


# ------------------------------------------------------------------ evidence and posterior


@given(st.integers(1, 6), st.integers(1, 4), st.floats(-8, 8), st.integers(1, 3))
def test_evidence_and_posterior_agree_with_dense_matrices(x_dim, z_dim, log_variance, n_data):
    model = random_model(x_dim, z_dim, log_variance)
    x = 3 * randn(n_data, x_dim, seed=5)
    torch.testing.assert_close(model.log_evidence(x), dense_marginal(model).log_prob(x), rtol=1e-9, atol=1e-9)
    loc, scale_tril = model.posterior(x)
    expected = dense_posterior(model, x)
    torch.testing.assert_close(loc, expected.loc, rtol=1e-8, atol=1e-8)
    covariance = (scale_tril @ scale_tril.T).expand(n_data, z_dim, z_dim)
    torch.testing.assert_close(covariance, expected.covariance_matrix, rtol=1e-8, atol=1e-8)
    assert (scale_tril.triu(1) == 0).all() and (scale_tril.diagonal() > 0).all()


def test_evidence_agrees_with_scipy():
    model, x = random_model(), randn(7, 5, seed=5)
    marginal = dense_marginal(model)
    scipy_marginal = scipy.stats.multivariate_normal(marginal.loc.numpy(), marginal.covariance_matrix.numpy())
    np.testing.assert_allclose(model.log_evidence(x), scipy_marginal.logpdf(x.numpy()), rtol=1e-10)


def test_bayes_rule_holds_at_every_z():
    """log p(x, z) - log p(z|x) is log p(x), whatever z: the strictest check of all four parts."""
    model, x, z = random_model(), randn(7, 5, seed=5), 2 * randn(4, 7, 3, seed=6)
    loc, scale_tril = model.posterior(x)
    quotient = model.log_joint(x, z) - MultivariateNormal(loc, scale_tril=scale_tril).log_prob(z)
    torch.testing.assert_close(quotient, model.log_evidence(x).expand(4, 7), rtol=1e-10, atol=1e-10)


def test_evidence_is_the_integral_of_the_joint():
    model = random_model(x_dim=2, z_dim=1)
    x = tensor(0.3, -1.2)
    integral = scipy.integrate.quad(lambda z: model.log_joint(x, tensor(z)).exp().item(), -10, 10)[0]
    assert model.log_evidence(x).item() == pytest.approx(math.log(integral), abs=1e-9)


def test_log_joint_agrees_with_torch():
    model, x, z = random_model(), randn(7, 5, seed=5), randn(4, 7, 3, seed=6)
    likelihood = Normal(z @ model.weight.T + model.bias, (0.5 * model.log_variance).exp())
    expected = likelihood.log_prob(x).sum(-1) + Normal(0.0, 1.0).log_prob(z).sum(-1)
    torch.testing.assert_close(model.log_joint(x, z), expected)


def test_small_noise_keeps_the_digits():
    """With sigma = 1e-6 the textbook difference |r|^2 / sigma^2 - |..|^2 would leave 1e-4 of rounding."""
    model = LinearGaussian(tensor([3.0], [4.0]), tensor(0.0, 0.0), scalar(2 * math.log(1e-6)))
    on_the_line, off_it = tensor(3.0, 4.0), tensor(3.0 - 4e-6, 4.0 + 3e-6)
    variance = 25 + 1e-12
    exact = -0.5 * (25 / variance + math.log(variance) + 2 * math.log(1e-6) + 2 * math.log(2 * math.pi))
    assert model.log_evidence(on_the_line).item() == pytest.approx(exact, rel=1e-10)
    assert model.log_evidence(off_it).item() == pytest.approx(exact - 0.5 * 25, rel=1e-8)


def test_no_matrix_of_the_size_of_the_data_is_formed():
    """D = 200,000: the covariance matrix of x would take 160 GB."""
    x_dim = 200_000
    model = LinearGaussian(scalar(0.01).expand(x_dim, 1), scalar(0.0).expand(x_dim), scalar(0.0))
    x = torch.zeros(1, x_dim).double()
    expected = -0.5 * (x_dim * math.log(2 * math.pi) + math.log1p(x_dim * 1e-4))
    assert model.log_evidence(x).item() == pytest.approx(expected, rel=1e-10)
    assert model.posterior(x)[1].item() == pytest.approx((1 + x_dim * 1e-4) ** -0.5, rel=1e-10)
    elbo = model.elbo(x, tensor([0.0]), tensor([-math.log1p(x_dim * 1e-4)]))
    assert elbo.item() == pytest.approx(expected, rel=1e-10)


# ------------------------------------------------------------------ ELBO


def test_the_gap_of_the_elbo_is_the_kl_from_the_posterior():
    model, x = random_model(), randn(7, 5, seed=5)
    loc, log_variance = randn(7, 3, seed=6), randn(7, 3, seed=7)
    gap = model.log_evidence(x) - model.elbo(x, loc, log_variance)
    posterior = model.posterior(x)
    scale_tril_q = torch.diag_embed((0.5 * log_variance).exp())
    torch.testing.assert_close(gap, kl_multivariate_normal(loc, scale_tril_q, *posterior))
    expected = kl_divergence(MultivariateNormal(loc, scale_tril=scale_tril_q), dense_posterior(model, x))
    torch.testing.assert_close(gap, expected)
    assert (gap > 0).all()


def test_the_elbo_at_a_diagonal_posterior_is_the_evidence():
    """Orthogonal columns of W make the posterior diagonal."""
    weight = torch.linalg.qr(randn(5, 3))[0] * tensor(0.5, 1.0, 2.0)
    model = LinearGaussian(weight, randn(5, seed=1), scalar(-0.7))
    x = randn(7, 5, seed=5)
    loc, scale_tril = model.posterior(x)
    torch.testing.assert_close(scale_tril, torch.diag(scale_tril.diagonal()), rtol=0, atol=1e-12)
    log_variance = 2 * scale_tril.diagonal().log()
    torch.testing.assert_close(model.elbo(x, loc, log_variance.expand(7, 3)), model.log_evidence(x))
    torch.testing.assert_close(model.elbo(x, loc, log_variance), model.log_evidence(x))


def test_the_elbo_agrees_with_monte_carlo():
    model, x = random_model(), randn(4, 5, seed=5)
    loc, log_variance = 0.5 * randn(4, 3, seed=6), randn(4, 3, seed=7) - 1
    q = Independent(Normal(loc, (0.5 * log_variance).exp()), 1)
    z = loc + q.base_dist.scale * randn(20_000, 4, 3, seed=8)
    assert_mean_is(model.log_joint(x, z) - q.log_prob(z), model.elbo(x, loc, log_variance))


def test_the_elbo_at_extreme_variances_of_q():
    model, x, loc = random_model(), randn(1, 5, seed=5), torch.zeros(1, 3).double()
    assert model.elbo(x, loc, loc + 1e4).item() == -INF
    at_a_point = model.elbo(x, loc, loc - 1e4).item()
    expected = dense_marginal(LinearGaussian(0 * model.weight, model.bias, model.log_variance)).log_prob(x)
    assert at_a_point == pytest.approx(expected.item() - 3 * 4999.5)
    useless = LinearGaussian(0 * model.weight, model.bias, model.log_variance)  # z says nothing about x
    assert useless.elbo(x, loc, loc + 1e4).item() == -INF
    assert useless.elbo(x, loc, loc).item() == pytest.approx(useless.log_evidence(x).item())


# ------------------------------------------------------------------ sampling


def test_samples_have_the_moments_of_the_marginal():
    model = random_model(x_dim=3, z_dim=2)
    x = model.sample(40_000, generator=seeded(3))
    assert x.shape == (40_000, 3) and x.dtype == torch.float64
    assert_mean_is(x, model.bias)
    centred = x - model.bias
    covariance = dense_marginal(model).covariance_matrix
    assert_mean_is(centred.unsqueeze(-1) * centred.unsqueeze(-2), covariance)
    assert_mean_is(
        (centred @ torch.linalg.inv(covariance) * centred).sum(-1) ** 2, 3 * 5.0
    )  # E chi2_3^2 = 15
    assert torch.equal(model.sample(5, generator=seeded(1)), model.sample(5, generator=seeded(1)))
    torch.manual_seed(1)
    assert torch.equal(model.sample(5, generator=seeded(1)), model.sample(5))


def test_the_number_of_samples_is_a_count():
    with raises(ValueError, "n must be at least 1, got 0"):
        random_model().sample(0)
    with raises(TypeError, "n must be an int, got float"):
        random_model().sample(2.0)


# ------------------------------------------------------------------ fit


@pytest.fixture(scope="module")
def data():
    return random_model(6, 2, log_variance=-1.0, seed=20).sample(300, generator=seeded(4))


def test_the_fit_is_a_stationary_point_of_the_likelihood(data):
    fitted = LinearGaussian.fit(data, 2)
    parameters = [p.clone().requires_grad_() for p in (fitted.weight, fitted.bias, fitted.log_variance)]
    LinearGaussian(*parameters).log_evidence(data).mean().backward()
    assert all(p.grad.abs().max() < 1e-10 for p in parameters)


def test_the_fit_beats_the_truth_and_every_change(data):
    fitted = LinearGaussian.fit(data, 2)
    best = fitted.log_evidence(data).mean()
    assert best > random_model(6, 2, log_variance=-1.0, seed=20).log_evidence(data).mean()
    for seed in range(20):
        changed = LinearGaussian(
            fitted.weight + 0.05 * randn(6, 2, seed=seed),
            fitted.bias + 0.05 * randn(6, seed=seed + 100),
            fitted.log_variance + 0.05 * randn(1, seed=seed + 200)[0],
        )
        assert best > changed.log_evidence(data).mean()


def test_the_fit_agrees_with_scikit_learn(data):
    """scikit-learn divides by N - 1: its probabilistic PCA is ours with variances larger by N / (N - 1)."""
    fitted, n = LinearGaussian.fit(data, 2), len(data)
    pca = PCA(n_components=2, svd_solver="full").fit(data.numpy())
    noise = pca.noise_variance_ * (n - 1) / n
    assert fitted.log_variance.exp().item() == pytest.approx(noise, rel=1e-10)
    covariance = dense_marginal(fitted).covariance_matrix.numpy()
    np.testing.assert_allclose(covariance, pca.get_covariance() * (n - 1) / n, rtol=1e-10, atol=1e-12)
    scaled = LinearGaussian(
        fitted.weight * (n / (n - 1)) ** 0.5, fitted.bias, fitted.log_variance + math.log(n / (n - 1))
    )
    assert scaled.log_evidence(data).mean().item() == pytest.approx(pca.score(data.numpy()), rel=1e-10)


def test_the_columns_of_a_fit_are_ordered_orthogonal_and_of_one_sign(data):
    weight = LinearGaussian.fit(data, 4).weight
    gram = weight.T @ weight
    torch.testing.assert_close(gram, torch.diag(gram.diagonal()), rtol=0, atol=1e-10)
    assert (gram.diagonal().diff() < 0).all()
    assert (weight.gather(0, weight.abs().argmax(0, keepdim=True)) > 0).all()
    torch.testing.assert_close(LinearGaussian.fit(-data, 4).weight, weight)
    torch.testing.assert_close(LinearGaussian.fit(data + 7, 4).bias, data.mean(0) + 7)


def test_the_posterior_of_a_fit_is_diagonal(data):
    _, scale_tril = LinearGaussian.fit(data, 3).posterior(data)
    assert scale_tril.tril(-1).abs().max() < 1e-10


def test_a_fit_with_fewer_data_than_dimensions():
    x = randn(5, 20)
    fitted = LinearGaussian.fit(x, 2)
    eigenvalues = torch.linalg.eigvalsh((x - x.mean(0)).T @ (x - x.mean(0)) / 5).flip(0)
    assert fitted.log_variance.exp().item() == pytest.approx(eigenvalues[2:].mean().item(), rel=1e-10)
    torch.testing.assert_close(fitted.weight.square().sum(0), eigenvalues[:2] - eigenvalues[2:].mean())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equal_variances_leave_nothing_to_the_latent_variable(dtype):
    """All eigenvalues equal: rounding must not turn a weight of 0 into the root of a negative number."""
    corners = torch.cat([torch.eye(7), -torch.eye(7)]).to(dtype) * 0.1
    fitted = LinearGaussian.fit(corners, 5)
    assert fitted.weight.isfinite().all() and fitted.weight.abs().max() < 1e-3
    assert fitted.log_variance.exp().item() == pytest.approx(0.02 / 14, rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("offset", [0.0, 5.0, 1000.0])
@pytest.mark.parametrize(
    ("n", "x_dim", "rank"), [(50, 10, 2), (5, 10, 2), (10, 3, 1), (3, 10, 2), (300, 64, 3)]
)
def test_data_without_noise_are_refused(n, x_dim, rank, offset, dtype):
    x = (randn(n, rank) @ randn(rank, x_dim, seed=1) + offset).to(dtype)
    text = (
        f"x has no variance left outside its first {rank} principal components: the likelihood "
        "grows without bound as the noise variance falls to 0. Take a smaller z_dim or more data"
    )
    with raises(ValueError, text):
        LinearGaussian.fit(x, rank)
    if rank > 1 and offset == 0:
        assert LinearGaussian.fit(x, rank - 1).log_variance.isfinite()


def test_constant_data_are_refused():
    with raises(ValueError, "x has no variance left outside its first 1 principal components"):
        LinearGaussian.fit(torch.zeros(5, 3), 1)
    with raises(ValueError, "x has no variance left outside its first 1 principal components"):
        LinearGaussian.fit(torch.full((5, 3), 0.1), 1)


def test_small_but_real_noise_is_fitted():
    x = randn(200, 1) @ randn(1, 4, seed=1) + 1e-9 * randn(200, 4, seed=2)
    assert LinearGaussian.fit(x, 1).log_variance.item() == pytest.approx(2 * math.log(1e-9), abs=0.3)


@pytest.mark.parametrize(
    ("shape", "z_dim"), [((5,), 1), ((1, 3), 1), ((0, 3), 1), ((5, 3), 3), ((5, 3), 4), ((5, 3, 2), 1)]
)
def test_fit_shapes_are_explained(shape, z_dim):
    text = (
        "x must have shape (N, D), N of at least 2, and z_dim must be below D, "
        f"got x {shape} and z_dim {z_dim}"
    )
    with raises(ValueError, text):
        LinearGaussian.fit(torch.zeros(shape), z_dim)


def test_fit_refuses_bad_values():
    with raises(ValueError, "x must be finite, but 1 of 4 values are not: 1 NaN, 0 infinite"):
        LinearGaussian.fit(tensor([0.0, 1.0], [NAN, 0.0]), 1)
    with raises(ValueError, "z_dim must be at least 1, got 0"):
        LinearGaussian.fit(randn(5, 3), 0)
    with raises(TypeError, "z_dim must be an int, got float"):
        LinearGaussian.fit(randn(5, 3), 1.0)
    with raises(TypeError, "x must be floating, got torch.uint8"):
        LinearGaussian.fit(torch.zeros(5, 3, dtype=torch.uint8), 1)


# ------------------------------------------------------------------ what all methods promise


def test_leading_axes_dtype_and_device(device):
    model = random_model()
    moved = LinearGaussian(
        *(p.to(device, torch.float32) for p in (model.weight, model.bias, model.log_variance))
    )
    x = randn(2, 7, 5, seed=5)
    x32 = x.to(device, torch.float32).transpose(0, 1).contiguous().transpose(0, 1)
    loc, log_variance = torch.zeros(2, 7, 3, device=device), torch.zeros(3, device=device)
    results = moved.log_evidence(x32), moved.elbo(x32, loc, log_variance), moved.log_joint(x32, loc)
    for result in results:
        assert result.shape == (2, 7) and result.dtype == torch.float32 and result.device.type == device.type
    torch.testing.assert_close(results[0].cpu().double(), model.log_evidence(x), rtol=1e-4, atol=1e-4)
    assert moved.posterior(x32)[0].shape == (2, 7, 3) and moved.posterior(x32)[1].shape == (3, 3)
    assert moved.log_evidence(x32[0, 0]).shape == ()
    assert moved.log_evidence(x32[:, :0]).shape == (2, 0)
    assert moved.posterior(x32[:, :0])[0].shape == (2, 0, 3)
    assert moved.sample(2, generator=torch.Generator(device)).device.type == device.type


def test_gradients_agree_with_differences():
    def log_evidence(weight, bias, log_variance, x):
        return LinearGaussian(weight, bias, log_variance).log_evidence(x)

    def elbo(weight, log_variance, loc, log_variance_q):
        return LinearGaussian(weight, randn(4), log_variance).elbo(randn(3, 4), loc, log_variance_q)

    weight, log_variance = randn(4, 2).requires_grad_(), scalar(-0.5).requires_grad_()
    arguments = weight, randn(4, seed=1).requires_grad_(), log_variance, randn(3, 4, seed=2).requires_grad_()
    assert torch.autograd.gradcheck(log_evidence, arguments)
    arguments = (
        weight,
        log_variance,
        randn(3, 2, seed=3).requires_grad_(),
        randn(3, 2, seed=4).requires_grad_(),
    )
    assert torch.autograd.gradcheck(elbo, arguments)


@pytest.mark.parametrize(
    ("shapes"),
    [((5,), (5,), ()), ((5, 3), (3,), ()), ((5, 3), (5,), (1,)), ((5, 3), (5, 1), ()), ((5, 3, 1), (5,), ())],
)
def test_the_shapes_of_the_parameters_are_explained(shapes):
    text = (
        "weight must have shape (D, d), bias (D,) and log_variance (), "
        f"got weight {shapes[0]}, bias {shapes[1]}, log_variance {shapes[2]}"
    )
    with raises(ValueError, text):
        LinearGaussian(*(torch.zeros(shape) for shape in shapes))


PARAMETERS = ["weight", "bias", "log_variance"]


@pytest.mark.parametrize("name", PARAMETERS)
def test_bad_parameters_are_refused_by_name(name):
    good = dict(weight=torch.zeros(5, 3), bias=torch.zeros(5), log_variance=torch.tensor(0.0))
    for value in (NAN, INF):
        with raises(ValueError, f"{name} must be finite, but"):
            LinearGaussian(**(good | {name: good[name] + value}))
        with value_checks_off():
            LinearGaussian(**(good | {name: good[name] + value}))
    with raises(TypeError, f"{name} must be floating, got torch.int64"):
        LinearGaussian(**(good | {name: good[name].long()}))
    with raises(TypeError, f"{name} must be a torch.Tensor, got float"):
        LinearGaussian(**(good | {name: 0.0}))
    with raises(TypeError, "all floating tensors must have the same dtype"):
        LinearGaussian(**(good | {name: good[name].double()}))


def test_a_precision_that_overflows_is_an_error():
    text = "log_variance -100 is too small: the precision 1 / sigma^2 overflows torch.float32"
    with raises(ValueError, text):
        LinearGaussian(torch.zeros(5, 3), torch.zeros(5), torch.tensor(-100.0))
    LinearGaussian(torch.zeros(5, 3), torch.zeros(5), torch.tensor(-80.0))
    LinearGaussian(torch.zeros(5, 3), torch.zeros(5), torch.tensor(1e4))
    with value_checks_off():
        LinearGaussian(torch.zeros(5, 3), torch.zeros(5), torch.tensor(-100.0))


@pytest.mark.parametrize("log_variance", [-80.0, 80.0, 1e4])
def test_evidence_at_extreme_noise(log_variance):
    model = LinearGaussian(tensor([1.0], [2.0]), tensor(0.0, 0.0), scalar(log_variance))
    noise = math.exp(log_variance) if log_variance < 700 else INF
    log_det = np.logaddexp(math.log(5), log_variance) + log_variance
    expected = -0.5 * ((5 / (5 + noise)) + log_det + 2 * math.log(2 * math.pi))
    assert model.log_evidence(tensor(1.0, 2.0)).item() == pytest.approx(expected, rel=1e-10)


def test_one_datum_of_one_dimension():
    model, x, z = random_model(x_dim=1, z_dim=2), tensor(0.3), tensor(0.1, -0.2)
    expected = dense_marginal(model).log_prob(x)
    torch.testing.assert_close(model.log_evidence(x), expected)
    posterior = dense_posterior(model, x)
    torch.testing.assert_close(model.log_joint(x, z), expected + posterior.log_prob(z))
    q = MultivariateNormal(z, torch.eye(2).double())
    torch.testing.assert_close(model.elbo(x, z, 0 * z), expected - kl_divergence(q, posterior))


@pytest.mark.parametrize("method", ["log_evidence", "posterior", "log_joint", "elbo"])
def test_inputs_of_another_dtype_than_the_model_are_refused(method):
    rest = {"log_joint": [randn(7, 3)], "elbo": [randn(7, 3), randn(7, 3)]}.get(method, [])
    with raises(TypeError, "all floating tensors must have the same dtype, got x torch.float32"):
        getattr(random_model(), method)(randn(7, 5).float(), *(argument.float() for argument in rest))


def test_a_q_that_fits_itself_but_not_the_model_is_refused():
    model, x = random_model(), randn(7, 5)
    with raises(ValueError, "the last axis must have the same size everywhere, got loc (7, 2), weight (3,)"):
        model.elbo(x, randn(7, 2), randn(7, 2))
    with raises(
        TypeError, "all floating tensors must have the same dtype, got x torch.float64, loc torch.float32"
    ):
        model.elbo(x, randn(7, 3).float(), randn(7, 3).float())


def test_nothing_is_made_on_another_device():
    """The meta device has shapes and no values: a tensor made on the CPU would not mix with it."""
    with value_checks_off():
        on_meta = (torch.zeros(5, 3), torch.zeros(5), torch.tensor(0.0), torch.zeros(7, 5))
        *parameters, x = (tensor.to("meta") for tensor in on_meta)
        model = LinearGaussian(*parameters)
        assert model.log_evidence(x).device.type == "meta" and model.log_evidence(x).shape == (7,)
        assert model.sample(4).device.type == "meta"


@pytest.mark.parametrize("method", ["log_evidence", "posterior", "log_joint", "elbo"])
def test_bad_data_are_refused(method):
    model = random_model()
    rest = {"log_joint": [randn(7, 3)], "elbo": [randn(7, 3), randn(7, 3)]}.get(method, [])
    call = getattr(model, method)
    call(randn(7, 5), *rest)
    with raises(ValueError, "x must be finite, but 35 of 35 values are not: 35 NaN, 0 infinite"):
        call(randn(7, 5) + NAN, *rest)
    with raises(ValueError, "the last axis must have the same size everywhere, got x (7, 4)"):
        call(randn(7, 4), *rest)
    with raises(TypeError, "all floating tensors must have the same dtype, got x torch.float32"):
        call(randn(7, 5).float(), *rest)
    with raises(TypeError, "x must be a torch.Tensor, got list"):
        call([[0.0] * 5], *rest)
    with raises(ValueError, "x"):
        call(scalar(0.0), *rest)
    for position, name in enumerate({"log_joint": ["z"], "elbo": ["loc", "log_variance"]}.get(method, [])):
        bad = [*rest]
        bad[position] = randn(7, 2)
        text = f"the last axis must have the same size everywhere, got .*{name} \\(7, 2\\)"
        with pytest.raises(ValueError, match=text):
            call(randn(7, 5), *bad)
        bad[position] = randn(6, 3)
        with raises(ValueError, "leading axes must agree, aligned at the right"):
            call(randn(7, 5), *bad)
        bad[position] = randn(7, 3) + NAN
        with raises(ValueError, "must be finite"):
            call(randn(7, 5), *bad)
        bad[position] = randn(7, 3).float()
        with raises(TypeError, "all floating tensors must have the same dtype"):
            call(randn(7, 5), *bad)
