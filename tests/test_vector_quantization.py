"""Vector quantisation against other libraries, enumeration and arithmetic by hand."""

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial import cKDTree
from sklearn.cluster import KMeans

from vae_notes import training
from vae_notes.checks import value_checks_off
from vae_notes.vector_quantization import VectorQuantizer, codebook_perplexity, nearest_code

F64 = torch.float64


def randn(*shape, seed=0, dtype=F64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def quantizer_with(codebook, **options):
    quantizer = VectorQuantizer(*codebook.shape, **options).to(codebook.dtype)
    with torch.no_grad():
        quantizer.codebook.copy_(codebook)
    return quantizer


# ------------------------------------------------------------------ nearest code


@pytest.mark.parametrize("dim", [1, 2, 8])
def test_nearest_code_agrees_with_a_search_tree(dim):
    z, codebook = randn(40, 5, dim), randn(17, dim, seed=1)
    _, expected = cKDTree(codebook.numpy()).query(z.numpy())
    assert nearest_code(z, codebook).tolist() == expected.tolist()
    assert (nearest_code(z, codebook) == nearest_code(z[:, :, None, :], codebook)[..., 0]).all()


def test_codes_are_their_own_nearest_and_rounding_is_a_codebook():
    codebook = randn(17, 3)
    assert nearest_code(codebook, codebook).tolist() == list(range(17))
    whole = torch.arange(-5.0, 6.0)[:, None]
    x = 3 * randn(200, 1, dtype=torch.float32).clamp(-1.6, 1.6)
    assert torch.equal(whole[nearest_code(x, whole)], torch.round(x))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_of_equally_near_codes_the_first_is_taken(dtype, device):
    codebook = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], dtype=dtype, device=device)
    z = torch.tensor([[0.0, 0.0], [0.0, -3.0], [2.0, 2.0], [-1.0, 1.0]], dtype=dtype, device=device)
    assert nearest_code(z, codebook).tolist() == [0, 0, 0, 1]
    assert nearest_code(z, codebook.flip(0)).tolist() == [0, 0, 0, 1]


def test_far_from_the_origin_no_digits_are_lost():
    """Here |z|^2 - 2 z e + |e|^2 in 32 bits is all rounding."""
    codebook = 1000 + 0.01 * randn(50, 4, dtype=torch.float32)
    z = 1000 + 0.01 * randn(300, 4, seed=1, dtype=torch.float32)
    exact = (z.double()[:, None] - codebook.double()).square().sum(-1)
    assert torch.equal(nearest_code(z, codebook), exact.argmin(1))
    expanded = codebook.square().sum(1) - 2 * z @ codebook.T
    assert not torch.equal(expanded.argmin(1), exact.argmin(1))


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_very_small_and_very_large_vectors_find_their_code(size):
    z, codebook = randn(30, 3, dtype=torch.float32), randn(9, 3, seed=1, dtype=torch.float32)
    assert torch.equal(nearest_code(size * z, size * codebook), nearest_code(z, codebook))


def test_no_vectors_give_no_codes(device):
    codes = nearest_code(torch.zeros(0, 4, 2, device=device), torch.zeros(3, 2, device=device))
    assert codes.shape == (0, 4) and codes.dtype == torch.int64


def test_autocast_does_not_change_the_codes():
    z, codebook = randn(200, 4, dtype=torch.float32), randn(30, 4, seed=1, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        inside = nearest_code(z, codebook)
    assert torch.equal(inside, nearest_code(z, codebook))


def test_bad_vectors_are_refused():
    good, codebook = torch.zeros(5, 2), torch.zeros(3, 2)
    for z, e in ((torch.zeros(5, 3), codebook), (torch.tensor(0.0), codebook), (good, torch.zeros(2))):
        with pytest.raises(ValueError, match=r"z must have shape \(\.\.\., D\) and codebook \(K, D\)"):
            nearest_code(z, e)
    with pytest.raises(ValueError, match="K and D of at least 1"):
        nearest_code(good, torch.zeros(0, 2))
    with pytest.raises(TypeError, match="same dtype"):
        nearest_code(good.double(), codebook)
    for name, pair in (("z", (good + math.nan, codebook)), ("codebook", (good, codebook + math.inf))):
        with pytest.raises(ValueError, match=f"{name} must be finite"):
            nearest_code(*pair)
    with value_checks_off():
        assert nearest_code(good + math.nan, codebook).shape == (5,)


# ------------------------------------------------------------------ perplexity


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60))
def test_perplexity_is_the_exponential_of_scipys_entropy_and_bounded(values):
    codes = torch.tensor(values)
    found = codebook_perplexity(codes, 10)
    assert found == pytest.approx(math.exp(stats.entropy(np.bincount(values, minlength=10))), rel=1e-12)
    assert 1 - 1e-12 <= found <= min(10, len(values), len(set(values))) * (1 + 1e-12)


def test_perplexity_at_its_two_ends(device):
    assert codebook_perplexity(torch.full((7, 4), 3, device=device), 32) == 1
    every = torch.arange(32, device=device).repeat(5).reshape(40, 4)
    assert codebook_perplexity(every, 32) == pytest.approx(32, rel=1e-12)
    assert codebook_perplexity(every, 512) == pytest.approx(32, rel=1e-12)  # unused codes do not count


def test_perplexity_refuses_what_is_no_code():
    with pytest.raises(TypeError, match="codes must hold class indices"):
        codebook_perplexity(torch.zeros(3), 4)
    with pytest.raises(ValueError, match="codes must hold at least one index, got none"):
        codebook_perplexity(torch.zeros(0, dtype=torch.int64), 4)
    with pytest.raises(ValueError, match="codes must lie between 0 and 3"):
        codebook_perplexity(torch.tensor([4]), 4)
    with pytest.raises(ValueError, match="n_codes must be at least 1"):
        codebook_perplexity(torch.tensor([0]), 0)


# ------------------------------------------------------------------ who receives which gradient


@pytest.fixture
def vectors():
    return randn(6, 3, 2).requires_grad_()


def test_values_of_what_is_returned(vectors):
    quantizer = quantizer_with(randn(5, 2, seed=1))
    q = quantizer(vectors)
    assert torch.equal(q.codes, nearest_code(vectors, quantizer.codebook.detach()))
    assert torch.equal(q.z, quantizer.codebook[q.codes]) and torch.equal(quantizer.lookup(q.codes), q.z)
    distance = (vectors - quantizer.codebook[q.codes]).square().sum(-1)
    torch.testing.assert_close(q.codebook_loss, distance)
    torch.testing.assert_close(q.commitment_loss, distance)


@pytest.mark.parametrize("updates", ["gradient", "ema"])
def test_the_decoders_gradient_is_copied_to_the_encoder_and_not_to_the_codebook(vectors, updates):
    quantizer = quantizer_with(randn(5, 2, seed=1), updates=updates)
    q = quantizer(vectors)
    weight = randn(6, 3, 2, seed=2)
    (weight * q.z.sin()).sum().backward()
    torch.testing.assert_close(vectors.grad, weight * q.z.detach().cos())
    assert quantizer.codebook.grad is None or not quantizer.codebook.grad.any()


def test_the_codebook_loss_reaches_the_chosen_codes_alone(vectors):
    codebook = torch.cat([randn(5, 2, seed=1), torch.tensor([[50.0, 50.0]], dtype=F64)])
    quantizer = quantizer_with(codebook)
    q = quantizer(vectors)
    q.codebook_loss.sum().backward()
    assert vectors.grad is None
    expected = torch.zeros(6, 2, dtype=F64)  # sum of 2 (e_k - z) over the vectors that chose k
    for vector, code in zip(vectors.detach().reshape(-1, 2), q.codes.flatten(), strict=True):
        expected[code] += 2 * (codebook[code] - vector)
    torch.testing.assert_close(quantizer.codebook.grad, expected)
    assert (expected[5] == 0).all() and (expected != 0).any()


def test_the_commitment_loss_reaches_the_vectors_alone(vectors):
    quantizer = quantizer_with(randn(5, 2, seed=1))
    q = quantizer(vectors)
    q.commitment_loss.sum().backward()
    assert quantizer.codebook.grad is None
    torch.testing.assert_close(vectors.grad, 2 * (vectors - q.z).detach())


def test_with_ema_the_codebook_is_no_parameter_and_its_loss_has_no_gradient(vectors):
    quantizer = VectorQuantizer(5, 2, updates="ema").double()
    assert not list(quantizer.parameters()) and not quantizer(vectors).codebook_loss.requires_grad
    assert set(quantizer.state_dict()) == {"codebook", "counts", "sums"}


# ------------------------------------------------------------------ running means


def test_one_step_without_memory_is_one_step_of_k_means():
    z, start = randn(300, 2), randn(6, 2, seed=1)
    quantizer = quantizer_with(start, updates="ema", decay=0.0)
    quantizer(z)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one step is what we want, converged or not
        lloyd = KMeans(6, init=start.numpy(), n_init=1, max_iter=1, tol=0).fit(z.numpy())
    by_hand = torch.stack([z[nearest_code(z, start) == k].mean(0) for k in range(6)])
    torch.testing.assert_close(quantizer.codebook, by_hand)
    # after its one step sklearn assigns the points to the new centres, as the next call here would
    assert nearest_code(z, quantizer.codebook).tolist() == lloyd.predict(z.numpy()).tolist()
    torch.testing.assert_close(quantizer.codebook, torch.from_numpy(lloyd.cluster_centers_))


def test_running_means_are_weighted_means_of_all_vectors_so_far():
    """e_k = sum_t gamma^(T - t) (sum of the vectors) / sum_t gamma^(T - t) (their number), in numpy."""
    gamma, codebook = 0.8, randn(4, 2, seed=1).float().double()
    quantizer = quantizer_with(codebook, updates="ema", decay=gamma)
    tops, bottoms = np.zeros((4, 2)), np.zeros(4)
    for step in range(25):
        z = randn(3, 5, 2, seed=step)
        codes = nearest_code(z, quantizer.codebook).numpy().ravel()
        for k in range(4):
            tops[k] = gamma * tops[k] + z.numpy().reshape(-1, 2)[codes == k].sum(0)
            bottoms[k] = gamma * bottoms[k] + (codes == k).sum()
        quantizer(z)
        used = bottoms > 0
        np.testing.assert_allclose(quantizer.codebook.numpy()[used], (tops / bottoms[:, None])[used])
    np.testing.assert_allclose(quantizer.counts.numpy(), (1 - gamma) * bottoms)


@pytest.mark.parametrize("updates", ["gradient", "ema"])
def test_nothing_moves_in_evaluation_mode(updates, vectors):
    quantizer = VectorQuantizer(5, 2, updates=updates, restart_below=0.5).double().eval()
    before = {name: value.clone() for name, value in quantizer.state_dict().items()}
    quantizer(vectors)
    assert all(torch.equal(before[name], value) for name, value in quantizer.state_dict().items())
    quantizer.train()(vectors)
    assert not torch.equal(before["counts"], quantizer.counts)


def test_a_code_that_is_never_chosen_stays_for_ever_without_nan():
    far = torch.tensor([[0.0, 0.0], [1e6, 1e6]])
    quantizer = quantizer_with(far, updates="ema", decay=0.5)
    with value_checks_off():
        for step in range(300):  # 0.5^300 is below the smallest float32
            quantizer(randn(8, 2, seed=step, dtype=torch.float32))
    assert torch.equal(quantizer.codebook[1], far[1]) and quantizer.codebook.isfinite().all()
    quantizer(far[1:] + 7.0)
    torch.testing.assert_close(quantizer.codebook[1], far[1] + 7.0)  # one vector, all the weight


# ------------------------------------------------------------------ restarts


@pytest.mark.parametrize("updates", ["gradient", "ema"])
def test_dead_codes_restart_on_vectors_of_the_batch_and_live_ones_do_not(updates, device):
    codebook = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1e6, 1e6], [-1e6, 0.0]])
    quantizer = quantizer_with(codebook, updates=updates, restart_below=0.1).to(device)
    first, second = (randn(50, 2, seed=s, dtype=torch.float32).to(device) for s in (0, 1))
    quantizer(first)  # nothing is known yet: nothing restarts
    assert torch.equal(quantizer.codebook[2:].cpu(), codebook[2:])
    live = quantizer.codebook[:2].detach().clone()
    average = quantizer.counts.mean().item()
    quantizer(second, torch.Generator(device).manual_seed(0))
    if updates == "gradient":
        assert torch.equal(quantizer.codebook[:2], live)
        rows = (quantizer.codebook[2:, None] == second).all(-1)
        assert rows.any(1).all()  # each is one of the vectors
    assert quantizer.codebook.abs().max() < 10
    assert (quantizer.counts[2:] >= 0.99 * average * (1 - 1e-6)).all()  # and has time to show its worth


def test_restarts_depend_on_the_generator_alone(vectors):
    def run(seed):
        quantizer = quantizer_with(randn(9, 2, seed=1) + 20, restart_below=0.5)
        quantizer(vectors)
        quantizer(vectors, torch.Generator().manual_seed(seed))
        return quantizer.codebook.detach()

    assert torch.equal(run(3), run(3)) and not torch.equal(run(3), run(4))


def test_after_a_restart_with_ema_the_code_is_the_mean_of_old_place_and_new_vectors():
    quantizer = quantizer_with(torch.tensor([[0.0], [100.0]], dtype=F64), updates="ema", restart_below=0.5)
    z = torch.tensor([[1.0], [1.0], [1.0], [1.0]], dtype=F64)
    quantizer(z)  # counts (0.04, 0), so the average is 0.02
    quantizer(z, torch.Generator().manual_seed(0))  # code 1 restarts at 1, but code 0 lies there already
    torch.testing.assert_close(quantizer.codebook[:, 0], torch.ones(2, dtype=F64))
    assert nearest_code(z, quantizer.codebook).tolist() == [0, 0, 0, 0]
    assert quantizer.counts[1].item() == pytest.approx(0.99 * 0.02)
    assert quantizer.sums[1].item() == pytest.approx(0.99 * 0.02)


# ------------------------------------------------------------------ training


class Small(torch.nn.Module):
    def __init__(self, **options):
        super().__init__()
        torch.manual_seed(0)
        self.encoder, self.decoder = torch.nn.Linear(4, 6), torch.nn.Linear(6, 4)
        self.quantizer = VectorQuantizer(8, 3, restart_below=0.1, **options)

    def loss(self, x, generator):
        q = self.quantizer(self.encoder(x).unflatten(-1, (2, 3)), generator)
        error = (self.decoder(q.z.flatten(-2)) - x).square().sum(-1)
        extra = (q.codebook_loss + 0.25 * q.commitment_loss).sum(-1)
        return {"loss": error + extra, "error": error}


@pytest.mark.parametrize("updates", ["gradient", "ema"])
def test_training_falls_and_a_resumed_run_is_the_same_bit_for_bit(updates, tmp_path):
    x = randn(60, 4, dtype=torch.float32)
    settings = {"batch_size": 16, "learning_rate": 1e-2, "held_out": x[:10], "progress": False}
    whole, halves = Small(updates=updates), Small(updates=updates)
    history = training.fit(whole, x, epochs=8, **settings)
    assert history["error"][-1] < 0.7 * history["error"][0]
    training.fit(halves, x, epochs=3, checkpoint=tmp_path / "run", **settings)
    fresh = Small(updates=updates)
    again = training.fit(fresh, x, epochs=8, checkpoint=tmp_path / "run", **settings)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, fresh.state_dict()[name]), name
    assert np.array_equal(history["loss"], again["loss"])
    assert not torch.equal(whole.quantizer.codebook, Small(updates=updates).quantizer.codebook)


@pytest.mark.parametrize("updates", ["gradient", "ema"])
def test_training_on_any_device_and_under_bfloat16(updates, device):
    x = randn(60, 4, dtype=torch.float32)

    class Cast(Small):
        def loss(self, x, generator):
            z = self.encoder(x).to(x.dtype).unflatten(-1, (2, 3))  # bfloat16 under autocast
            q = self.quantizer(z, generator)
            error = (self.decoder(q.z.flatten(-2)).to(x.dtype) - x).square().sum(-1)
            return {"loss": error + (q.codebook_loss + 0.25 * q.commitment_loss).sum(-1)}

    model = Cast(updates=updates).to(device)
    history = training.fit(model, x, epochs=3, learning_rate=1e-2, bfloat16=True, progress=False)
    assert history["loss"][-1] < history["loss"][0]
    assert all(value.dtype == torch.float32 for value in model.state_dict().values())


def test_bad_settings_and_inputs_are_refused_by_name():
    for options, text in (
        ({"n_codes": 0}, "n_codes must be at least 1, got 0"),
        ({"dim": 0}, "dim must be at least 1, got 0"),
        ({"updates": "EMA"}, 'updates must be "gradient" or "ema", got \'EMA\''),
        ({"decay": 1.0}, r"decay must lie in \[0, 1\), got 1.0"),
        ({"decay": -0.1}, r"decay must lie in \[0, 1\), got -0.1"),
        ({"restart_below": 1.0}, r"restart_below must lie in \[0, 1\), got 1.0"),
        ({"restart_below": math.nan}, "restart_below must lie in"),
    ):
        with pytest.raises(ValueError, match=text):
            VectorQuantizer(**({"n_codes": 4, "dim": 2} | options))
    quantizer = VectorQuantizer(4, 2)
    with pytest.raises(ValueError, match=r"z must have shape \(\.\.\., 2\), got \(5, 3\)"):
        quantizer(torch.zeros(5, 3))
    with pytest.raises(TypeError, match="z must be floating, got torch.int64"):
        quantizer(torch.zeros(5, 2, dtype=torch.int64))
    with pytest.raises(ValueError, match="z must be finite"):
        quantizer(torch.full((5, 2), math.nan))
    with pytest.raises(ValueError, match="codes must lie between 0 and 3"):
        quantizer.lookup(torch.tensor([4]))
    with pytest.raises(TypeError, match="codes must hold class indices"):
        quantizer.lookup(torch.tensor([1.0]))


def test_an_empty_batch_is_no_trouble():
    quantizer = VectorQuantizer(4, 2, updates="ema", restart_below=0.1)
    q = quantizer(torch.zeros(0, 3, 2))
    assert q.z.shape == (0, 3, 2) and q.codebook_loss.shape == (0, 3) and quantizer.codebook.isfinite().all()
