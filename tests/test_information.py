"""Mutual information and the aggregate posterior against sklearn, torch.distributions, quadrature and closed forms."""

import math
import re

import pytest
import scipy.integrate
import torch
from sklearn.metrics import mutual_info_score
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from vae_notes.checks import value_checks_off
from vae_notes.divergences import kl_normal_standard
from vae_notes.information import (
    ElboSurgery,
    aggregate_posterior_log_prob,
    elbo_surgery,
    mutual_information,
)

NAN, INF = float("nan"), float("inf")


def randn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def seeded(seed=0, device="cpu"):
    return torch.Generator(device).manual_seed(seed)


def raises(error, text):
    return pytest.raises(error, match=re.escape(text))


# ------------------------------------------------------------------ discrete


@pytest.mark.parametrize("shape", [(2, 2), (3, 5), (1, 4), (6, 1)])
def test_the_table_agrees_with_scikit_learn(shape):
    counts = torch.randint(0, 9, shape, generator=seeded(sum(shape))) + torch.eye(*shape).long()
    expected = mutual_info_score(None, None, contingency=counts.numpy())
    joint = counts.double() / counts.sum()
    assert mutual_information(joint).item() == pytest.approx(expected, abs=1e-14)
    assert mutual_information(joint.mT).item() == pytest.approx(expected, abs=1e-14)


def test_the_table_at_its_limits():
    of_x = torch.tensor([0.2, 0.8], dtype=torch.float64)
    of_z = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    independent = torch.outer(of_x, of_z)
    assert mutual_information(independent).item() == pytest.approx(0, abs=1e-16)
    permutation = torch.eye(5).double()[[3, 1, 0, 4, 2]] / 5
    assert mutual_information(permutation).item() == pytest.approx(math.log(5), rel=1e-15)
    certain = torch.tensor([[0.0, 1.0], [0.0, 0.0]])
    assert mutual_information(certain).item() == 0
    tiny = torch.tensor([[1e-300, 0.0], [0.0, 1 - 1e-300]], dtype=torch.float64)
    assert mutual_information(tiny).item() == pytest.approx(1e-300 * 300 * math.log(10), rel=1e-3)


def test_tables_come_in_batches_and_have_gradients():
    tables = randn(4, 3, 5).flatten(1).softmax(-1).view(4, 3, 5)
    each = torch.stack([mutual_information(table) for table in tables])
    torch.testing.assert_close(mutual_information(tables), each)
    logits = randn(6).requires_grad_()
    assert torch.autograd.gradcheck(lambda t: mutual_information(t.softmax(-1).view(2, 3)), logits)
    with_zero = torch.tensor([[0.5, 0.0], [0.0, 0.5]]).double().requires_grad_()
    mutual_information(with_zero).backward()
    assert with_zero.grad.isfinite().all()


def test_bad_tables_are_explained():
    good = torch.full((2, 2), 0.25)
    with raises(TypeError, "joint must be floating, got torch.int64"):
        mutual_information(good.long())
    with raises(ValueError, "joint must have shape (..., X, Z), got (2,)"):
        mutual_information(good[0])
    with raises(ValueError, "joint must lie between 0 and 1, but its values lie between -0.25 and 0.25"):
        mutual_information(good * torch.tensor([1.0, -1.0]))
    with raises(ValueError, "joint must not hold NaN"):
        mutual_information(good * NAN)
    with raises(ValueError, "the probabilities in joint must sum to 1, but a table sums to 0.5"):
        mutual_information(torch.stack([good, good / 2]))
    with value_checks_off():
        assert mutual_information(good / 2).shape == ()
    assert mutual_information(good.half()) == 0


# ------------------------------------------------------------------ aggregate posterior


@pytest.mark.parametrize("values_per_chunk", [1, 40, 2**19])
def test_the_mixture_agrees_with_torch(values_per_chunk, device):
    z, loc, log_variance = randn(11, 3), randn(7, 3, seed=1), randn(7, 3, seed=2)
    components = Independent(Normal(loc, (0.5 * log_variance).exp()), 1)
    mixture = MixtureSameFamily(Categorical(torch.ones(7).double()), components)
    result = aggregate_posterior_log_prob(
        z.to(device), loc.to(device), log_variance.to(device), values_per_chunk=values_per_chunk
    )
    assert result.dtype == torch.float64 and result.device.type == device.type
    torch.testing.assert_close(result.cpu(), mixture.log_prob(z))


def test_chunks_bound_the_memory_and_change_nothing(monkeypatch):
    sizes = []

    def spy(x, loc, log_variance):
        sizes.append(x.numel())
        return Normal(loc, (0.5 * log_variance).exp()).log_prob(x).sum(-1)

    z, loc, log_variance = randn(50, 2), randn(9, 2, seed=1), randn(9, 2, seed=2)
    whole = aggregate_posterior_log_prob(z, loc, log_variance)
    monkeypatch.setattr("vae_notes.information.normal_log_prob", spy)
    parts = aggregate_posterior_log_prob(z, loc, log_variance, values_per_chunk=100)
    torch.testing.assert_close(parts, whole)
    assert max(sizes) == 90 and len(sizes) == 10  # 5 points times 9 data times 2 dimensions at a time


def test_the_mixture_in_the_far_tail_and_with_tiny_spread():
    loc, log_variance = torch.tensor([[0.0], [1.0]]), torch.zeros(2, 1)
    far = aggregate_posterior_log_prob(torch.tensor([[1e4]]), loc, log_variance).item()
    assert far == pytest.approx(-0.5 * 9999.0**2, rel=1e-6)
    point = aggregate_posterior_log_prob(loc[:1], loc, torch.full((2, 1), -1e4)).item()
    assert point == pytest.approx(5000 - 0.5 * math.log(2 * math.pi) - math.log(2), rel=1e-6)
    assert aggregate_posterior_log_prob(torch.tensor([[0.5]]), loc, torch.full((2, 1), -1e4)).item() == -INF
    assert aggregate_posterior_log_prob(torch.zeros(0, 1), loc, log_variance).shape == (0,)


def test_the_mixture_can_be_differentiated():
    arguments = [randn(4, 2), randn(3, 2, seed=1), randn(3, 2, seed=2)]
    assert torch.autograd.gradcheck(aggregate_posterior_log_prob, [a.requires_grad_() for a in arguments])


def test_bad_points_and_encoders_are_explained():
    z, loc = torch.zeros(4, 2), torch.zeros(3, 2)
    with raises(ValueError, "z must have shape (M, 2), like loc, got (4, 1)"):
        aggregate_posterior_log_prob(z[:, :1], loc, loc)
    with raises(ValueError, "z must have shape (M, 2), like loc, got (2,)"):
        aggregate_posterior_log_prob(z[0], loc, loc)
    text = "loc and log_variance must both have shape (N, D) with N and D of at least 1, got"
    for bad in ((loc, loc[:2]), (loc[0], loc[0]), (loc[:0], loc[:0]), (loc[:, :0], loc[:, :0])):
        with raises(ValueError, text):
            aggregate_posterior_log_prob(z, *bad)
        with raises(ValueError, text):
            elbo_surgery(*bad)
    with raises(ValueError, "values_per_chunk must be at least 1, got 0"):
        aggregate_posterior_log_prob(z, loc, loc, values_per_chunk=0)
    for value in (NAN, INF):
        with raises(ValueError, "loc must be finite, but"):
            elbo_surgery(loc + value, loc)
        with raises(ValueError, "log_variance must be finite, but"):
            aggregate_posterior_log_prob(z, loc, loc + value)
    with raises(TypeError, "all floating tensors must have the same dtype"):
        elbo_surgery(loc, loc.double())
    with raises(TypeError, "z must be a torch.Tensor, got float"):
        aggregate_posterior_log_prob(0.0, loc, loc)
    with raises(TypeError, "loc must be a torch.Tensor, got float"):
        elbo_surgery(0.0, loc)
    with raises(ValueError, "n_samples must be at least 2, for the standard error, got 1"):
        elbo_surgery(loc, loc, n_samples=1)
    with raises(TypeError, "n_samples must be an int, got float"):
        elbo_surgery(loc, loc, n_samples=2.0)


# ------------------------------------------------------------------ surgery


def surgery_by_quadrature(loc, log_variance):
    """I_q(x; z) and KL(q(z) || p) for one-dimensional encoder outputs."""
    components = Normal(loc, (0.5 * log_variance).exp())
    prior = Normal(torch.tensor(0.0).double(), 1.0)

    def log_densities(z):
        log_q_n = components.log_prob(torch.tensor(z).double())
        return log_q_n, log_q_n.logsumexp(0) - math.log(len(loc))

    def information(z):
        log_q_n, log_q = log_densities(z)
        return (log_q_n.exp() * (log_q_n - log_q)).mean().item()

    def mismatch(z):
        _, log_q = log_densities(z)
        return (log_q.exp() * (log_q - prior.log_prob(torch.tensor(z)))).item()

    return [scipy.integrate.quad(f, -12, 12, limit=300)[0] for f in (information, mismatch)]


@pytest.mark.parametrize("seed", range(3))
def test_the_split_agrees_with_quadrature(seed, device):
    loc, log_variance = randn(6, seed=seed), randn(6, seed=10 + seed) - 1
    information, mismatch = surgery_by_quadrature(loc, log_variance)
    generator = seeded(seed, device)
    parts = elbo_surgery(
        loc[:, None].to(device), log_variance[:, None].to(device), n_samples=4000, generator=generator
    )
    assert 0 < parts.standard_error < 0.02
    assert abs(parts.mutual_information - information) < 6 * parts.standard_error
    assert abs(parts.aggregate_kl - mismatch) < 6 * parts.standard_error
    assert parts.kl == pytest.approx(information + mismatch, abs=1e-8)
    assert parts.kl == pytest.approx(kl_normal_standard(loc[:, None], log_variance[:, None]).mean().item())


def test_the_parts_add_up_and_the_information_is_at_most_log_n():
    for spread in (0.1, 1.0, 10.0):
        loc = spread * randn(50, 4)
        parts = elbo_surgery(loc, randn(50, 4, seed=1) - 2, n_samples=2, generator=seeded())
        assert parts.mutual_information + parts.aggregate_kl == pytest.approx(parts.kl, rel=1e-12)
        assert parts.mutual_information <= math.log(50) + 1e-12


def test_an_encoder_that_ignores_x_says_nothing():
    loc, log_variance = randn(1, 3).expand(40, 3), randn(1, 3, seed=1).expand(40, 3)
    parts = elbo_surgery(loc, log_variance, generator=seeded())
    assert parts.mutual_information == pytest.approx(0, abs=1e-12)
    assert parts.aggregate_kl == pytest.approx(parts.kl, rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("log_variance", [-30.0, -300.0, -1e4])
def test_separated_points_say_log_n_however_narrow(dtype, log_variance):
    loc = torch.linspace(-3, 3, 20, dtype=dtype)[:, None]
    parts = elbo_surgery(loc, torch.full_like(loc, log_variance), generator=seeded())
    assert parts.mutual_information == pytest.approx(math.log(20), rel=1e-3)
    assert math.isfinite(parts.aggregate_kl)


def test_the_standard_error_is_the_scatter_of_the_estimate():
    loc, log_variance = randn(30, 2), randn(30, 2, seed=1) - 1
    runs = [elbo_surgery(loc, log_variance, n_samples=5, generator=seeded(s)) for s in range(300)]
    estimates = torch.tensor([run.mutual_information for run in runs])
    stated = torch.tensor([run.standard_error for run in runs]).square().mean().sqrt()
    assert 0.85 < (estimates.std() / stated).item() < 1.15  # 300 runs know a scatter to 4 %


def test_a_minibatch_says_too_little():
    loc, log_variance = 2 * randn(200, 2), randn(200, 2, seed=1) - 3
    whole = elbo_surgery(loc, log_variance, n_samples=50, generator=seeded())
    batches = torch.randperm(200, generator=seeded(1)).view(20, 10)
    parts = [elbo_surgery(loc[b], log_variance[b], n_samples=50, generator=seeded(2)) for b in batches]
    assert sum(p.kl for p in parts) / 20 == pytest.approx(whole.kl)
    assert all(p.mutual_information <= math.log(10) + 1e-12 for p in parts)
    assert sum(p.mutual_information for p in parts) / 20 < whole.mutual_information - 0.5
    assert sum(p.aggregate_kl for p in parts) / 20 > whole.aggregate_kl + 0.5


def test_the_same_generator_gives_the_same_split_without_gradients(monkeypatch):
    loc, log_variance = randn(8, 2).requires_grad_(), randn(8, 2, seed=1)

    def without_gradients(z, loc, log_variance):
        assert not torch.is_grad_enabled()  # they would keep all K N^2 D differences
        return aggregate_posterior_log_prob(z, loc, log_variance)

    monkeypatch.setattr("vae_notes.information.aggregate_posterior_log_prob", without_gradients)
    first, second = (elbo_surgery(loc, log_variance, generator=seeded(3)) for _ in range(2))
    assert first == second and isinstance(first, ElboSurgery)
    torch.manual_seed(5)
    third = elbo_surgery(loc, log_variance)
    torch.manual_seed(5)
    assert third == elbo_surgery(loc, log_variance) != first
