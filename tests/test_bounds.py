"""Bounds against exact evidence: by enumeration, and in the linear-Gaussian model."""

import itertools
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
import scipy.special
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from tests.statistical import assert_mean_is
from vae_notes import likelihoods, models
from vae_notes.bounds import (
    elbo_analytic,
    elbo_sampled,
    importance_weighted_bound,
    importance_weighted_bound_in_chunks,
    log_weights,
)
from vae_notes.checks import value_checks_off
from vae_notes.densities import normal_log_prob, standard_normal_log_prob
from vae_notes.divergences import kl_multivariate_normal, kl_normal_standard
from vae_notes.linear_gaussian import LinearGaussian
from vae_notes.reparameterization import sample_normal

NAN, INF = float("nan"), float("inf")


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def randn(*shape, seed=0):
    return torch.randn(shape, generator=seeded(seed), dtype=torch.float64)


def raises(error, text):
    return pytest.raises(error, match=re.escape(text))


# ------------------------------------------------------------------ a latent variable with three values


def three_state_model():
    """log p(x, z) for one x and z in {0, 1, 2}, log q(z|x), and log p(x): all exact."""
    log_joint = torch.tensor([-2.0, -1.0, -4.0], dtype=torch.float64)
    log_q = torch.log_softmax(torch.tensor([0.5, 0.2, -0.3], dtype=torch.float64), 0)
    return log_joint, log_q, log_joint.logsumexp(0)


def exact_mean_of_bound(bound, n_samples):
    """E over all 3^K tuples of samples from q: nothing is drawn. The tuples play the data axis."""
    log_joint, log_q, _ = three_state_model()
    tuples = torch.tensor(list(itertools.product(range(3), repeat=n_samples))).T  # (K, 3^K)
    log_w = log_weights(log_joint[tuples], torch.zeros(tuples.shape).double(), log_q[tuples])
    return (log_q[tuples].sum(0).exp() * bound(log_w)).sum().item()


def test_the_mean_weight_is_the_evidence_for_every_number_of_samples():
    _, _, log_p_x = three_state_model()
    for n_samples in range(1, 7):
        mean = exact_mean_of_bound(lambda log_w: importance_weighted_bound(log_w).exp(), n_samples)
        assert math.log(mean) == pytest.approx(log_p_x.item(), abs=1e-12)


def test_the_importance_weighted_bound_grows_from_the_elbo_towards_the_evidence():
    log_joint, log_q, log_p_x = three_state_model()
    elbo = (log_q.exp() * (log_joint - log_q)).sum().item()
    bounds = [exact_mean_of_bound(importance_weighted_bound, n_samples) for n_samples in range(1, 8)]
    assert bounds[0] == pytest.approx(elbo, abs=1e-12)
    assert all(tighter > looser for looser, tighter in itertools.pairwise(bounds))
    assert bounds[-1] < log_p_x.item()
    assert log_p_x.item() - bounds[-1] < 0.2 * (log_p_x.item() - elbo)


def test_the_sampled_elbo_is_unbiased_for_every_number_of_samples():
    log_joint, log_q, _ = three_state_model()
    elbo = (log_q.exp() * (log_joint - log_q)).sum().item()
    for n_samples in range(1, 6):
        assert exact_mean_of_bound(elbo_sampled, n_samples) == pytest.approx(elbo, abs=1e-12)


# ------------------------------------------------------------------ the linear-Gaussian model


@pytest.fixture
def exact():
    """A linear-Gaussian model with d = 2, data from it, and a diagonal q that is not the posterior."""
    model = LinearGaussian(0.7 * randn(3, 2, seed=1), randn(3, seed=2), torch.tensor(-0.5).double())
    x = model.sample(4, generator=seeded(3))
    loc, _ = model.posterior(x)
    return model, x, loc + 0.2, torch.full_like(loc, -0.4)


def weights_of(model, x, loc, log_variance, n_samples, generator):
    z = sample_normal(loc, log_variance, n_samples=n_samples, generator=generator)
    log_p_z = standard_normal_log_prob(z)
    return log_weights(model.log_joint(x, z) - log_p_z, log_p_z, normal_log_prob(z, loc, log_variance)), z


def test_sampled_and_analytic_elbo_agree_with_the_exact_elbo(exact):
    model, x, loc, log_variance = exact
    log_w, z = weights_of(*exact, 20_000, seeded(4))
    expected = model.elbo(x, loc, log_variance)
    assert_mean_is(log_w, expected)
    torch.testing.assert_close(elbo_sampled(log_w), log_w.sum(0) / 20_000)
    kl = kl_normal_standard(loc, log_variance)
    log_p_x_given_z = model.log_joint(x, z) - standard_normal_log_prob(z)
    assert_mean_is(log_p_x_given_z - kl, expected)
    torch.testing.assert_close(elbo_analytic(log_p_x_given_z, kl), log_p_x_given_z.sum(0) / 20_000 - kl)


def test_with_the_posterior_as_q_every_weight_is_the_evidence(exact):
    model, x, _, _ = exact
    loc, scale_tril = model.posterior(x)
    posterior = torch.distributions.MultivariateNormal(loc, scale_tril=scale_tril)
    z = loc + randn(6, 4, 2, seed=5) @ scale_tril.T
    log_p_z = standard_normal_log_prob(z)
    log_w = log_weights(model.log_joint(x, z) - log_p_z, log_p_z, posterior.log_prob(z))
    torch.testing.assert_close(log_w, model.log_evidence(x).expand(6, 4))
    for bound in (elbo_sampled, importance_weighted_bound):
        torch.testing.assert_close(bound(log_w), model.log_evidence(x))


def test_many_samples_reach_the_evidence_where_the_elbo_does_not(exact):
    model, x, loc, log_variance = exact
    log_w, _ = weights_of(*exact, 40_000, seeded(6))
    log_p_x = model.log_evidence(x)
    assert_mean_is((log_w - log_p_x).exp(), torch.ones(4))
    assert (importance_weighted_bound(log_w) - log_p_x).abs().max() < 0.03
    gap = kl_multivariate_normal(loc, torch.diag_embed((0.5 * log_variance).exp()), *model.posterior(x))
    torch.testing.assert_close(log_p_x - model.elbo(x, loc, log_variance), gap)
    assert gap.min() > 0.05


# ------------------------------------------------------------------ numbers


@given(st.integers(1, 5), st.integers(0, 4), st.floats(-1e4, 1e4))
def test_agrees_with_scipy_and_moves_with_a_shift(n_samples, n_data, shift):
    log_w = 3 * randn(n_samples, n_data)
    bound = importance_weighted_bound(log_w + shift)
    expected = scipy.special.logsumexp(log_w.numpy(), axis=0) - math.log(n_samples) + shift
    torch.testing.assert_close(bound, torch.as_tensor(expected), rtol=1e-11, atol=1e-11)
    assert elbo_sampled(log_w).shape == bound.shape == (n_data,)


def test_one_sample_makes_all_bounds_equal():
    log_w = randn(1, 5)
    assert torch.equal(importance_weighted_bound(log_w), log_w[0])
    assert torch.equal(elbo_sampled(log_w), log_w[0])


def test_jensen():
    log_w = 3 * randn(10, 50)
    assert (importance_weighted_bound(log_w) > elbo_sampled(log_w)).all()


def test_weights_of_zero():
    log_w = torch.tensor([[-INF, -INF, 0.0], [-INF, 0.0, 0.0]])
    assert importance_weighted_bound(log_w).tolist() == pytest.approx([-INF, -math.log(2), 0.0])
    assert elbo_sampled(log_w).tolist() == [-INF, -INF, 0]
    assert elbo_analytic(log_w, torch.tensor([INF, INF, 1.0])).tolist() == [-INF, -INF, -1]
    assert elbo_analytic(torch.zeros(1, 1), torch.tensor([INF])).tolist() == [-INF]


def test_log_weights_keep_minus_infinity_of_the_model():
    zero, never = torch.zeros(1, 1), torch.full((1, 1), -INF)
    assert log_weights(never, zero, zero).item() == -INF
    assert log_weights(zero, never, zero).item() == -INF
    assert log_weights(never, never, zero).item() == -INF


def test_log_weights_have_the_right_signs():
    terms = [torch.full((1, 1), value) for value in (-10.0, -3.0, -1.0)]
    assert log_weights(*terms).item() == -12


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_device_and_layout(dtype, device):
    log_w = randn(4, 6).to(device, dtype)
    for function in (elbo_sampled, importance_weighted_bound, lambda log_w: elbo_analytic(log_w, log_w[0])):
        result = function(log_w.T.contiguous().T)
        assert result.dtype == dtype and result.device.type == device.type
        torch.testing.assert_close(result, function(log_w))


def test_gradients_are_the_normalised_weights():
    log_w = (3 * randn(5, 4)).requires_grad_()
    importance_weighted_bound(log_w).sum().backward()
    torch.testing.assert_close(log_w.grad, log_w.detach().softmax(0))


# ------------------------------------------------------------------ errors


NAMES = ["log_p_x_given_z", "log_p_z", "log_q_z_given_x"]


@pytest.mark.parametrize("name", NAMES)
def test_log_weights_refuse_bad_arguments_by_name(name):
    good = {n: torch.zeros(3, 4) for n in NAMES}
    refused = [NAN, INF] if name != "log_q_z_given_x" else [NAN, INF, -INF]
    for value in refused:
        bad = torch.zeros(3, 4)
        bad[1, 2] = value
        if name == "log_q_z_given_x":
            text = f"{name} must be finite, but 1 of 12"
        else:
            text = (
                f"{name} must hold neither NaN nor +inf, "
                f"but it holds {int(math.isnan(value))} NaN and {int(value == INF)} +inf"
            )
        with raises(ValueError, text):
            log_weights(**(good | {name: bad}))
        with value_checks_off():
            log_weights(**(good | {name: bad}))
    for shape in [(3, 1), (4,)]:
        bad = good | {name: torch.zeros(shape)}
        found = ", ".join(f"{n} {tuple(tensor.shape)}" for n, tensor in bad.items())
        with raises(ValueError, f"all log densities must have the same shape (K, N), got {found}"):
            log_weights(**bad)
    with raises(TypeError, f"{name} must be floating, got torch.int64"):
        log_weights(**(good | {name: torch.zeros(3, 4, dtype=torch.int64)}))
    with raises(TypeError, "all floating tensors must have the same dtype"):
        log_weights(**(good | {name: torch.zeros(3, 4).double()}))


@pytest.mark.parametrize("shape", [(), (4,), (0, 4), (2, 3, 4)])
def test_the_axis_of_samples_must_be_there_and_not_empty(shape):
    log_w = torch.zeros(shape)

    def text(name):
        return f"{name} must have shape (K, N), K of at least 1 samples of N data, got {shape}"

    for bound in (elbo_sampled, importance_weighted_bound):
        with raises(ValueError, text("log_w")):
            bound(log_w)
    with raises(ValueError, text("log_p_x_given_z")):
        elbo_analytic(log_w, torch.zeros(4))
    with raises(ValueError, text("log_p_x_given_z")):
        log_weights(log_w, log_w, log_w)


@pytest.mark.parametrize("bound", [elbo_sampled, importance_weighted_bound])
def test_bounds_refuse_bad_values_and_types(bound):
    for value, text in [(NAN, "1 NaN and 0 +inf"), (INF, "0 NaN and 1 +inf")]:
        bad = torch.tensor([[0.0, value], [0.0, 0.0]])
        with raises(ValueError, f"log_w must hold neither NaN nor +inf, but it holds {text}"):
            bound(bad)
        with value_checks_off():
            assert not bound(bad)[1].isfinite()
    with raises(TypeError, "log_w must be floating, got torch.int64"):
        bound(torch.zeros(2, 2, dtype=torch.int64))
    with raises(TypeError, "log_w must be a torch.Tensor, got list"):
        bound([[0.0]])


def test_elbo_analytic_refuses_bad_arguments():
    log_p = torch.zeros(3, 4)
    for shape in [(), (3,), (1,), (3, 4), (1, 4)]:
        with raises(ValueError, f"kl must have shape (N,) = (4,), one value per datum, got {shape}"):
            elbo_analytic(log_p, torch.zeros(shape))
    for value in (NAN, -INF):
        with pytest.raises(
            ValueError, match="^kl must hold neither NaN nor -inf: a KL divergence is at least 0$"
        ):
            elbo_analytic(log_p, torch.tensor([0.0, 0.0, value, 0.0]))
        with value_checks_off():
            elbo_analytic(log_p, torch.tensor([0.0, 0.0, value, 0.0]))
    with raises(ValueError, "log_p_x_given_z must hold neither NaN nor +inf"):
        elbo_analytic(log_p + INF, torch.zeros(4))
    with raises(TypeError, "kl must be floating, got torch.int64"):
        elbo_analytic(log_p, torch.zeros(4, dtype=torch.int64))
    with raises(TypeError, "all floating tensors must have the same dtype"):
        elbo_analytic(log_p, torch.zeros(4).double())


# ------------------------------------------------------------------ in chunks


class Recorder:
    """A log weight function with a weight of its own for each call, sample and datum; it keeps them all."""

    def __init__(
        self, draw=lambda k, n, generator: torch.randn(k, n, generator=generator, dtype=torch.float64)
    ):
        self.calls, self.parts, self.draw = [], {}, draw

    def __call__(self, x, k, generator):
        self.calls.append((k, len(x)))
        log_w = self.draw(k, len(x), generator) + x.sum(-1)
        for column, datum in enumerate(x[:, 0].tolist()):
            self.parts.setdefault(datum, []).append(log_w[:, column])
        return log_w

    def unchunked(self, x):
        return importance_weighted_bound(torch.stack([torch.cat(self.parts[d]) for d in x[:, 0].tolist()], 1))


def data(n):
    return torch.stack([torch.arange(n).double(), randn(n)], -1)


@given(st.integers(1, 30), st.integers(1, 8), st.integers(1, 40))
def test_chunks_give_what_the_same_draws_give_at_once(n_samples, n_data, rows_per_chunk):
    x, recorder = data(n_data), Recorder()
    bound = importance_weighted_bound_in_chunks(
        recorder, x, n_samples, rows_per_chunk=rows_per_chunk, generator=seeded(1), progress=False
    )
    torch.testing.assert_close(bound, recorder.unchunked(x), rtol=1e-12, atol=1e-12)
    assert max(k * n for k, n in recorder.calls) <= rows_per_chunk
    assert sum(k * n for k, n in recorder.calls) == n_samples * n_data


@given(st.integers(1, 30), st.integers(1, 8), st.integers(1, 40))
def test_chunks_of_equal_weights_give_that_weight(n_samples, n_data, rows_per_chunk):
    x = data(n_data)
    bound = importance_weighted_bound_in_chunks(
        Recorder(lambda k, n, _: torch.zeros(k, n).double()), x, n_samples, rows_per_chunk=rows_per_chunk
    )
    torch.testing.assert_close(bound, x.sum(-1), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("n_samples", "n_data", "rows", "calls"),
    [
        (5, 7, 1000, [(5, 7)]),  # everything at once
        (5, 7, 10, [(5, 2), (5, 2), (5, 2), (5, 1)]),  # all samples of two data
        (5, 7, 14, [(5, 2), (5, 2), (5, 2), (5, 1)]),
        (5, 2, 3, [(3, 1), (2, 1), (3, 1), (2, 1)]),  # one datum, its samples in parts
        (2, 2, 1, [(1, 1)] * 4),
    ],
)
def test_samples_of_a_datum_stay_together_as_far_as_they_fit(n_samples, n_data, rows, calls):
    recorder = Recorder()
    importance_weighted_bound_in_chunks(recorder, data(n_data), n_samples, rows_per_chunk=rows)
    assert recorder.calls == calls


def test_the_default_chunk_has_4096_rows():
    recorder = Recorder()
    importance_weighted_bound_in_chunks(recorder, data(2), 5000)
    assert recorder.calls == [(4096, 1), (904, 1)] * 2


def test_the_seed_decides():
    def bound(seed):
        return importance_weighted_bound_in_chunks(
            Recorder(), data(3), 20, rows_per_chunk=7, generator=seeded(seed)
        )

    assert torch.equal(bound(1), bound(1))
    assert not torch.equal(bound(1), bound(2))


def test_chunks_with_weights_of_zero():
    def all_zero(k, n, generator):
        return torch.full((k, n), -INF, dtype=torch.float64)

    def first_zero(k, n, generator):
        return torch.where(torch.arange(k) == 0, -INF, 0.0).double().unsqueeze(-1).expand(k, n)

    x = torch.zeros(2, 1).double()
    bound = importance_weighted_bound_in_chunks(Recorder(all_zero), x, 5, rows_per_chunk=2)
    assert bound.tolist() == [-INF, -INF]
    bound = importance_weighted_bound_in_chunks(Recorder(first_zero), x, 4, rows_per_chunk=2)
    assert bound.tolist() == pytest.approx([-math.log(2)] * 2)


def test_chunks_reach_the_exact_evidence(exact):
    model, x, loc, log_variance = exact

    def log_weight_fn(x_chunk, k, generator):
        first = int((x == x_chunk[0]).all(-1).nonzero())
        rows = slice(first, first + len(x_chunk))
        return weights_of(model, x_chunk, loc[rows], log_variance[rows], k, generator)[0]

    bound = importance_weighted_bound_in_chunks(log_weight_fn, x, 40_000, generator=seeded(7))
    torch.testing.assert_close(bound, model.log_evidence(x), rtol=0, atol=0.03)


def test_no_gradients_are_kept():
    weight = torch.ones(1, dtype=torch.float64, requires_grad=True)
    bound = importance_weighted_bound_in_chunks(lambda x, k, _: weight * x.sum(-1).expand(k, -1), data(3), 4)
    assert not bound.requires_grad


def test_no_chunk_waits_for_the_device():
    """Without checks of values nothing reads a number from a tensor, which on a GPU would wait for all work before."""
    encoder, decoder = models.Encoder(6, 8, 2), models.Decoder(2, 8, 6)
    vae = models.VAE(encoder, decoder, likelihoods.BernoulliLikelihood())
    x = torch.bernoulli(torch.full((40, 6), 0.5), generator=seeded())

    class Reads(TorchDispatchMode):
        count = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            name = function.overloadpacket.__name__
            self.count += name in ("_local_scalar_dense", "is_nonzero", "nonzero", "equal")
            return function(*args, **(kwargs or {}))

    def reads():
        with Reads() as mode:
            importance_weighted_bound_in_chunks(vae.log_weights, x, 10, rows_per_chunk=20, progress=False)
        return mode.count

    assert reads() > 20  # a check or more for each of the 20 chunks
    with value_checks_off():
        assert reads() == 0


def test_an_empty_set_has_an_empty_bound():
    bound = importance_weighted_bound_in_chunks(lambda x, k, _: torch.zeros(k, len(x)), torch.zeros(0, 3), 10)
    assert bound.shape == (0,) and bound.dtype == torch.float32


def test_data_may_have_any_axes_behind_the_first():
    bound = importance_weighted_bound_in_chunks(
        lambda x, k, _: torch.zeros(k, len(x)), torch.zeros(3, 2, 2, dtype=torch.uint8), 10, rows_per_chunk=10
    )
    assert bound.tolist() == pytest.approx([0] * 3, abs=1e-6)


def test_errors_of_the_chunked_bound():
    def run(log_weight_fn=lambda x, k, _: torch.zeros(k, len(x)), x=None, n_samples=4, **kwargs):
        x = torch.zeros(6, 2) if x is None else x
        return importance_weighted_bound_in_chunks(log_weight_fn, x, n_samples, **kwargs)

    with raises(ValueError, "n_samples must be at least 1, got 0"):
        run(n_samples=0)
    with raises(ValueError, "rows_per_chunk must be at least 1, got 0"):
        run(rows_per_chunk=0)
    with raises(TypeError, "rows_per_chunk must be an int, got float"):
        run(rows_per_chunk=8.0)
    with raises(TypeError, "x must be a torch.Tensor, got list"):
        run(x=[0.0])
    with pytest.raises(ValueError, match=r"^x must have shape \(N, ...\), got \(\)$"):
        run(x=torch.tensor(0.0))
    with raises(ValueError, "log_weight_fn must return shape (k, n_chunk) = (4, 6), got (6, 4)"):
        run(lambda x, k, _: torch.zeros(len(x), k))
    with raises(ValueError, "log_weight_fn must return shape (k, n_chunk) = (2, 1), got (4, 1)"):
        run(lambda x, k, _: torch.zeros(4, len(x)), rows_per_chunk=2)
    with raises(ValueError, "log_w must have shape (K, N)"):
        run(lambda x, k, _: torch.zeros(len(x)))
    with raises(TypeError, "log_w must be a torch.Tensor, got float"):
        run(lambda x, k, _: 0.0)
    with raises(ValueError, "log_w must hold neither NaN nor +inf, but it holds 24 NaN and 0 +inf"):
        run(lambda x, k, _: torch.full((k, len(x)), NAN))


@pytest.mark.parametrize(("progress", "shown"), [(True, True), (False, False), (None, False)])
def test_the_progress_bar_is_silent_unless_asked_or_in_a_terminal(progress, shown, capsys):
    importance_weighted_bound_in_chunks(Recorder(), data(3), 4, rows_per_chunk=4, progress=progress)
    err = capsys.readouterr().err
    assert ("importance-weighted bound: 100%" in err and "3/3" in err) == shown
    assert shown or err == ""


MEMORY_PROGRAM = """
import re, torch
from vae_notes.bounds import importance_weighted_bound_in_chunks, log_weights
from vae_notes.densities import bernoulli_log_prob, normal_log_prob, standard_normal_log_prob
from vae_notes.reparameterization import sample_normal

torch.set_num_threads(1)
encoder = torch.nn.Linear(784, 64)
decoder = torch.nn.Sequential(torch.nn.Linear(32, 512), torch.nn.ReLU(), torch.nn.Linear(512, 784))

def log_weight_fn(x, k, generator):
    loc, log_variance = encoder(x).chunk(2, -1)
    z = sample_normal(loc, log_variance, n_samples=k, generator=generator)
    log_p_x_given_z = bernoulli_log_prob(x, decoder(z))
    return log_weights(log_p_x_given_z, standard_normal_log_prob(z), normal_log_prob(z, loc, log_variance))

def peak():
    with open("/proc/self/status") as status:
        return int(re.search("VmHWM:[^0-9]*([0-9]+) kB", status.read()).group(1)) / 1e3

x = (torch.rand(12, 784) < 0.5).float()
importance_weighted_bound_in_chunks(log_weight_fn, x, 10, rows_per_chunk=100, progress=False)
before = peak()
importance_weighted_bound_in_chunks(log_weight_fn, x, 5000, progress=False)
print(peak() - before)
"""


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="peak memory is read from /proc: Linux only"
)
def test_memory_is_what_the_docstring_says():
    """5,000 samples of 12 data at once would be 188 MB per tensor; the docstring says 100 MB in all."""
    assert "under 100 MB for 784 pixels and 4096 rows" in importance_weighted_bound_in_chunks.__doc__
    command = [sys.executable, "-c", MEMORY_PROGRAM]
    run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    grown = float(run.stdout)
    assert 25 < grown < 100, f"memory grew by {grown:.0f} MB"
