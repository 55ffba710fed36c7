"""Free bits against loops in plain Python, and their gradients against derivatives taken by hand."""

import math
import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vae_notes import training
from vae_notes.checks import value_checks_off
from vae_notes.free_bits import FreeBits, free_bits
from vae_notes.likelihoods import BernoulliLikelihood
from vae_notes.models import VAE, Decoder, Encoder


def raises(error, text):
    return pytest.raises(error, match=re.escape(text))


def by_loops(kl, nats, groups, floor):
    """The penalty of a batch, from lists of floats."""
    n, d = len(kl), len(kl[0])
    numbers = (
        {"dimension": range(d), "all": [0] * d}.get(groups, groups) if isinstance(groups, str) else groups
    )
    total = 0.0
    for g in set(numbers):
        own = [sum(row[j] for j in range(d) if numbers[j] == g) for row in kl]
        total += max(nats, sum(own) / n) if floor == "batch" else sum(max(nats, k) for k in own) / n
    return total


def kl_batch(n=5, d=4, seed=0):
    return torch.rand(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


WAYS = [(g, f) for g in ("dimension", "all", (0, 0, 1, 1), (7, 3, 5, 7)) for f in ("batch", "sample")]


@pytest.mark.parametrize(("groups", "floor"), WAYS)
@pytest.mark.parametrize("nats", [0.0, 0.3, 0.5, 5.0])
def test_against_loops(groups, floor, nats):
    kl = kl_batch()
    result = free_bits(kl, nats, groups=groups, floor=floor)
    assert result.shape == (5,)
    assert result.mean().item() == pytest.approx(by_loops(kl.tolist(), nats, groups, floor), rel=1e-12)


def test_by_hand():
    kl = torch.tensor([[0.0, 3.0], [0.4, 1.0]])
    torch.testing.assert_close(free_bits(kl, 0.5), torch.tensor([2.5, 2.5]))
    torch.testing.assert_close(free_bits(kl, 0.5, floor="sample"), torch.tensor([3.5, 1.5]))
    torch.testing.assert_close(free_bits(kl, 3.0, groups="all"), torch.tensor([3.0, 3.0]))
    torch.testing.assert_close(free_bits(kl, 2.0, groups="all", floor="sample"), torch.tensor([3.0, 2.0]))


@pytest.mark.parametrize(("groups", "floor"), WAYS)
def test_a_floor_of_zero_is_the_plain_kl(groups, floor):
    kl = kl_batch().requires_grad_()
    result = free_bits(kl, 0.0, groups=groups, floor=floor)
    torch.testing.assert_close(result.mean(), kl.sum(1).mean())
    (slope,) = torch.autograd.grad(result.mean(), kl)
    torch.testing.assert_close(slope, torch.full_like(kl, 1 / 5))


@given(st.integers(0, 10**6), st.floats(0, 2))
def test_jensen_the_order_of_the_penalties(seed, nats):
    kl = kl_batch(seed=seed)
    plain = kl.sum(1).mean()
    batch, sample = (free_bits(kl, nats, floor=floor).mean() for floor in ("batch", "sample"))
    whole = free_bits(kl, nats, groups="all").mean()
    assert plain <= batch + 1e-12 and batch <= sample + 1e-12 and whole <= batch + 1e-12


def test_the_gradient_is_that_of_the_kl_above_the_floor_and_zero_below():
    mean = torch.tensor([[0.6, 2.0, 0.1], [0.2, -0.9, 1.5]], dtype=torch.float64, requires_grad=True)
    kl = mean.square() / 2  # averages 0.1, 1.2025, 0.565
    cases = {
        ("dimension", "batch"): [[0, 1, 1], [0, 1, 1]],
        ("dimension", "sample"): [[0, 1, 0], [0, 0, 1]],
        ("all", "batch"): [[1, 1, 1], [1, 1, 1]],
        ("all", "sample"): [[1, 1, 1], [1, 1, 1]],
    }
    for (groups, floor), open_ in cases.items():
        penalty = free_bits(kl, 0.5, groups=groups, floor=floor).mean()
        (slope,) = torch.autograd.grad(penalty, mean, retain_graph=True)
        torch.testing.assert_close(slope, mean.detach() * torch.tensor(open_) / 2)
    penalty = free_bits(kl, 0.5, groups=[0, 1, 0]).mean()  # 0.665 and 1.2025
    (slope,) = torch.autograd.grad(penalty, mean)
    torch.testing.assert_close(slope, mean.detach() / 2)


def test_nothing_pushes_a_collapsed_dimension_up():
    mean = torch.zeros(4, 2, dtype=torch.float64, requires_grad=True)
    for floor in ("batch", "sample"):
        penalty = free_bits(mean.square() / 2, 0.5, floor=floor).mean()
        (slope,) = torch.autograd.grad(penalty, mean)
        assert penalty == 1 and (slope == 0).all()


@pytest.mark.parametrize(("groups", "floor"), WAYS)
def test_gradients_agree_with_differences(groups, floor):
    kl = kl_batch().requires_grad_()
    assert torch.autograd.gradcheck(lambda k: free_bits(k, 0.37, groups=groups, floor=floor), [kl])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_and_device_are_those_of_the_kl(dtype, device):
    for groups, floor in WAYS:
        result = free_bits(kl_batch().to(device, dtype), 0.5, groups=groups, floor=floor)
        assert result.dtype == dtype and result.device.type == device.type


def test_extreme_kl():
    kl = torch.tensor([[math.inf, 0.0], [1.0, 0.0]])
    assert free_bits(kl, 0.5).tolist() == [math.inf, math.inf]
    assert free_bits(kl, 0.5, floor="sample").tolist() == [math.inf, 1.5]


def test_bad_arguments_are_refused_by_name():
    kl = kl_batch()
    for nats in (-0.1, math.inf, math.nan):
        with raises(ValueError, f"nats must be a finite number of at least 0, got {nats}"):
            free_bits(kl, nats)
    with raises(ValueError, 'floor must be "batch" or "sample", got \'datum\''):
        free_bits(kl, 0.5, floor="datum")
    with raises(ValueError, 'groups must be "dimension", "all" or a list of numbers, got \'each\''):
        free_bits(kl, 0.5, groups="each")
    with raises(ValueError, "groups must give a number for each of the 4 dimensions, got [0, 1]"):
        free_bits(kl, 0.5, groups=[0, 1])
    with raises(ValueError, "kl_per_dim must have shape (N, d), got (5,)"):
        free_bits(kl[:, 0], 0.5)
    with raises(TypeError, "kl_per_dim must be floating, got torch.int64"):
        free_bits(kl.long(), 0.5)
    with raises(ValueError, "kl_per_dim must"):
        free_bits(kl * math.nan, 0.5)
    with value_checks_off():
        assert free_bits(kl * math.nan, 0.5).isnan().all()


# ------------------------------------------------------------------ the module


def small_vae():
    torch.manual_seed(0)
    return VAE(Encoder(6, 8, 3), Decoder(3, 8, 6), BernoulliLikelihood())


def rows(n=20):
    return torch.randint(2, (n, 6), generator=torch.Generator().manual_seed(5)).float()


@pytest.mark.parametrize(
    ("groups", "floor"), [("dimension", "batch"), ("all", "sample"), ([0, 0, 1], "batch")]
)
def test_the_module_floors_the_loss_and_reports_the_true_elbo(groups, floor):
    vae = small_vae()
    parts = FreeBits(vae, 0.2, groups=groups, floor=floor).loss(rows(), torch.Generator().manual_seed(1))
    plain = vae.loss(rows(), torch.Generator().manual_seed(1))
    for name in ("elbo", "kl", "reconstruction"):
        torch.testing.assert_close(parts[name], plain[name])
    loc, log_variance = vae.encode(rows())
    kl = 0.5 * (loc**2 + log_variance.exp() - 1 - log_variance)
    penalty = by_loops(kl.tolist(), 0.2, groups, floor)
    assert (parts["loss"] + parts["reconstruction"]).mean().item() == pytest.approx(penalty, rel=1e-5)


def test_without_a_floor_it_trains_like_the_vae():
    plain, floored = small_vae(), FreeBits(small_vae(), 0.0)
    options = {"epochs": 2, "batch_size": 10, "progress": False}
    one, other = training.fit(plain, rows(), **options), training.fit(floored, rows(), **options)
    assert one["elbo"] == pytest.approx(other["elbo"], rel=1e-5)


def test_training_holds_the_kl_near_the_floor():
    """Coins that z cannot explain: without a floor the KL is driven to 0, with one it may stay."""
    coins = torch.randint(2, (400, 6), generator=torch.Generator().manual_seed(0)).float()
    kl = {}
    for name, model in (("plain", small_vae()), ("floor", FreeBits(small_vae(), 0.3))):
        history = training.fit(model, coins, epochs=25, learning_rate=1e-2, progress=False)
        kl[name] = history["kl"][-1]
    assert kl["floor"] > kl["plain"] + 0.3


def test_the_vae_checks_the_data():
    with raises(ValueError, "0 or 1"):
        training.fit(FreeBits(small_vae(), 0.1), rows() / 2, epochs=1, progress=False)
