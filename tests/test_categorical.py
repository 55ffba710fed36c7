"""KL of categorical variables against torch.distributions, 50-digit arithmetic and exact limits."""

import math
import re

import mpmath
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Categorical, kl_divergence

from vae_notes.categorical import kl_categorical
from vae_notes.checks import value_checks_off

NAN, INF = float("nan"), float("inf")


def randn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def raises(error, text):
    return pytest.raises(error, match=re.escape(text))


def test_agrees_with_torch(device):
    q, p = randn(4, 7, 3, 5).to(device), randn(7, 3, 5, seed=1).to(device)
    expected = kl_divergence(Categorical(logits=q), Categorical(logits=p.expand_as(q))).sum(-1)
    torch.testing.assert_close(kl_categorical(q, p), expected)
    torch.testing.assert_close(kl_categorical(p, q), kl_divergence(
        Categorical(logits=p.expand_as(q)), Categorical(logits=q)).sum(-1))  # fmt: skip


def test_a_uniform_prior_gives_log_c_minus_the_entropy():
    q = randn(7, 3, 10)
    expected = 3 * math.log(10) - Categorical(logits=q).entropy().sum(-1)
    torch.testing.assert_close(kl_categorical(q, torch.zeros(3, 10).double()), expected)


@given(st.lists(st.floats(-300, 300), min_size=2, max_size=5), st.floats(-300, 300))
def test_agrees_with_50_digits(values, other):
    with mpmath.workdps(50):
        a, b = [mpmath.mpf(v) for v in values], [mpmath.mpf(other), *[mpmath.mpf(0)] * (len(values) - 1)]
        log_q = [v - mpmath.log(sum(map(mpmath.exp, a))) for v in a]
        log_p = [v - mpmath.log(sum(map(mpmath.exp, b))) for v in b]
        exact = float(sum(mpmath.exp(i) * (i - j) for i, j in zip(log_q, log_p)))
    q = torch.tensor([values], dtype=torch.float64)
    p = torch.tensor([[other] + [0.0] * (len(values) - 1)], dtype=torch.float64)
    assert kl_categorical(q, p).item() == pytest.approx(exact, rel=1e-9, abs=1e-12)


def test_it_keeps_its_digits_near_equality_and_is_never_negative():
    """To second order the KL of q = softmax(0, h) to the fair coin is h^2 / 8."""
    for h in (1e-2, 1e-3):
        kl = kl_categorical(torch.tensor([[0.0, h]]), torch.zeros(1, 2)).item()  # 32 bits
        assert kl == pytest.approx(h**2 / 8, rel=1e-3)
    q = randn(1000, 2, 5).float()
    near = q + 1e-7 * randn(1000, 2, 5, seed=1).float()
    assert (kl_categorical(q, near) >= -1e-14).all() and (kl_categorical(q, q) == 0).all()


def test_impossible_classes():
    one, certain = torch.tensor([[0.0, 0.0, -INF]]), torch.tensor([[-INF, 0.0, -INF]])
    assert kl_categorical(certain, one).item() == pytest.approx(math.log(2))
    assert kl_categorical(one, torch.zeros(1, 3)).item() == pytest.approx(math.log(1.5))
    assert kl_categorical(torch.zeros(1, 3), one).item() == INF
    assert kl_categorical(torch.tensor([[0.0, -1e4]]), torch.tensor([[0.0, -INF]])).item() == INF


@pytest.mark.parametrize("logits", [[1e4, -1e4, 0.0], [0.0, 0.0, -INF], [-INF, 1e4, -INF]])
def test_extreme_logits_have_finite_gradients(logits):
    q = torch.tensor([logits], requires_grad=True)
    p = torch.tensor([[0.0, -1e4, 1e4]], requires_grad=True)
    kl = kl_categorical(q, p)
    kl.sum().backward()
    assert kl.isfinite().all() and q.grad.isfinite().all() and p.grad.isfinite().all()


def test_the_gradient_agrees_with_numbers():
    q, p = randn(2, 2, 4).requires_grad_(), randn(2, 4, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(kl_categorical, (q, p))
    assert torch.autograd.gradcheck(kl_categorical, (q, q.detach() + 1e-3 * randn(2, 2, 4, seed=2)))


def test_bad_arguments_are_refused_by_name():
    good = dict(logits_q=torch.zeros(7, 3, 4), logits_p=torch.zeros(7, 3, 4))
    for name, value in good.items():
        with raises(ValueError, f"{name} must not hold NaN, but 84 of 84"):
            kl_categorical(**(good | {name: value + NAN}))
        with raises(ValueError, f"{name} must hold no +inf, and a finite value for at least one class"):
            kl_categorical(**(good | {name: value - INF}))
        with raises(TypeError, f"{name} must be floating, got torch.int64"):
            kl_categorical(**(good | {name: value.long()}))
        with raises(ValueError, "logits_q and logits_p must have shape (..., D, C) with one D and C"):
            kl_categorical(**(good | {name: torch.zeros(7, 4, 4)}))
        with raises(ValueError, "leading axes must agree"):
            kl_categorical(**(good | {name: torch.zeros(2, 3, 4)}))
    with raises(ValueError, "logits_q must have at least 1 class, got shape (3, 0)"):
        kl_categorical(torch.zeros(3, 0), torch.zeros(3, 0))
    with value_checks_off():
        assert kl_categorical(good["logits_q"] + NAN, good["logits_p"]).isnan().all()
