"""Area under the curve, its interval, and thresholds: scikit-learn, scipy, enumeration, and coverage."""

import math
import re

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.metrics import roc_auc_score

from tests.statistical import assert_mean_is
from vae_notes.anomaly import auc_with_interval, threshold_for

NAN, INF = float("nan"), float("inf")


def randn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def raises(error, text):
    return pytest.raises(error, match=re.escape(text))


@pytest.mark.parametrize("decimals", [0, 1, 9])  # 0: nearly all scores are tied
def test_the_area_is_that_of_scikit_learn(decimals):
    normal, anomalous = randn(70, seed=1).round(decimals=decimals), (randn(50, seed=2) + 0.7).round(decimals=decimals)
    expected = roc_auc_score([0] * 70 + [1] * 50, torch.cat([normal, anomalous]))
    assert math.isclose(auc_with_interval(normal, anomalous)[0], expected)


def test_the_area_of_the_reverse_question():
    normal, anomalous = randn(70, seed=1), randn(50, seed=2) + 0.7
    area, low, high = auc_with_interval(normal, anomalous)
    np.testing.assert_allclose(auc_with_interval(anomalous, normal), (1 - area, 1 - high, 1 - low))
    np.testing.assert_allclose(auc_with_interval(-anomalous, -normal), (area, low, high))


def test_only_the_order_counts():
    normal, anomalous = randn(70, seed=1), randn(50, seed=2) + 0.7
    expected = auc_with_interval(normal, anomalous)
    np.testing.assert_allclose(auc_with_interval(normal.exp() * 1e6, anomalous.exp() * 1e6), expected)
    np.testing.assert_allclose(auc_with_interval(normal.flip(0), anomalous[torch.randperm(50)]), expected)


def test_infinite_scores_are_scores():
    area, low, high = auc_with_interval(torch.tensor([-INF, 0.0, 1.0]), torch.tensor([0.5, INF, INF]))
    assert math.isclose(area, 8 / 9) and 0 < low < area < high < 1


def test_the_variance_is_that_of_delong():
    """Written out over all pairs, as in the paper: structural components V10 and V01."""
    normal, anomalous = randn(40, seed=1), randn(30, seed=2) + 0.5
    kernel = (anomalous[:, None] > normal).double().numpy()
    v10, v01 = kernel.mean(1), kernel.mean(0)
    area = kernel.mean()
    variance = ((v10 - area) ** 2).sum() / 29 / 30 + ((v01 - area) ** 2).sum() / 39 / 40
    half = stats.norm.ppf(0.95) * math.sqrt(variance) / (area * (1 - area))
    logit = math.log(area / (1 - area))
    expected = [1 / (1 + math.exp(-(logit + step))) for step in (-half, half)]
    np.testing.assert_allclose(auc_with_interval(normal, anomalous, confidence=0.9)[1:], expected)


@pytest.mark.parametrize("true_area", [0.7, 0.95])
def test_the_interval_covers_as_often_as_promised(true_area):
    """Two normal distributions at a distance of sqrt(2) Phi^-1(area). 95 % intervals, somewhat liberal."""
    distance = math.sqrt(2) * stats.norm.ppf(true_area)
    scores = randn(1500, 100, seed=3)
    covered = []
    for row in scores:
        _, low, high = auc_with_interval(row[:60], row[60:] + distance)
        covered.append(low <= true_area <= high)
    assert 0.92 < np.mean(covered) < 0.98


@pytest.mark.parametrize(("m", "n"), [(10, 10), (200, 30)])
def test_groups_that_do_not_overlap(m, n):
    normal, anomalous = torch.arange(float(m)), torch.arange(float(n)) + m
    low = stats.binomtest(min(m, n), min(m, n)).proportion_ci(method="exact").low
    np.testing.assert_allclose(auc_with_interval(normal, anomalous), (1.0, low, 1.0))
    np.testing.assert_allclose(auc_with_interval(anomalous, normal), (0.0, 0.0, 1 - low), atol=1e-15)


def test_all_scores_equal():
    area, low, high = auc_with_interval(torch.ones(5), torch.ones(7))
    assert area == low == high == 0.5  # no comparison tells anything, and none varies


def test_bad_scores_are_refused():
    good = torch.ones(3)
    with raises(ValueError, "anomalous must have shape (n,) with n of at least 2, got (1,)"):
        auc_with_interval(good, good[:1])
    with raises(ValueError, "normal must have shape (n,) with n of at least 2, got (3, 1)"):
        auc_with_interval(good[:, None], good)
    with raises(ValueError, "normal"):
        auc_with_interval(torch.tensor([1.0, NAN]), good)
    with raises(TypeError, "normal"):
        auc_with_interval(good.int(), good)
    for confidence in (0, 1, 95):
        with raises(ValueError, f"confidence must lie between 0 and 1, got {confidence}"):
            auc_with_interval(good, good, confidence=confidence)


@pytest.mark.parametrize("n", [2, 9, 20, 99])
@pytest.mark.parametrize("rate", [0.05, 0.1, 1 / 3, 0.5, 0.9])
def test_a_threshold_keeps_its_promise_exactly(n, rate):
    """By enumeration: of n + 1 exchangeable scores, each is equally likely to be the new one."""
    scores = torch.arange(float(n + 1)).square()
    if (n + 1) * rate < 1 - 1e-9:
        with raises(ValueError, f"{n} normal scores cannot promise a false-alarm rate"):
            threshold_for(scores[1:], rate)
        return
    alarms = sum((scores[i] > threshold_for(torch.cat([scores[:i], scores[i + 1 :]]), rate)).item() for i in range(n + 1))
    assert alarms == math.floor((n + 1) * rate + 1e-9)  # the promise, and no alarm given away


def test_a_threshold_keeps_its_promise_for_heavy_tails():
    scores = randn(4000, 21, seed=4) / randn(4000, 21, seed=5).abs()
    alarms = torch.tensor([float(row[20] > threshold_for(row[:20], 0.1)) for row in scores])
    assert_mean_is(alarms, 2 / 21)


def test_a_threshold_with_ties_rings_less():
    assert threshold_for(torch.tensor([1.0] * 15 + [2.0] * 5), 0.1) == 2.0


def test_the_order_of_the_scores_does_not_matter():
    scores = randn(50)
    assert threshold_for(scores, 0.1) == threshold_for(scores.flip(0), 0.1) == scores.sort().values[45].item()


def test_how_many_are_needed():
    with raises(ValueError, "at least 99 are needed"):
        threshold_for(randn(98), 0.01)
    assert threshold_for(randn(99), 0.01) == randn(99).max().item()


def test_bad_thresholds_are_refused():
    for rate in (0, 1, -0.1, 5):
        with raises(ValueError, f"false_alarm_rate must lie between 0 and 1, got {rate}"):
            threshold_for(randn(50), rate)
    with raises(ValueError, "normal must have shape (n,) with n of at least 2, got (5, 2)"):
        threshold_for(randn(5, 2), 0.1)
    with raises(ValueError, "normal"):
        threshold_for(torch.tensor([1.0, NAN, 2.0]), 0.5)


def test_scores_may_lie_on_any_device(device):
    normal, anomalous = torch.arange(5.0, device=device), torch.arange(5.0, device=device) + 1.5
    assert math.isclose(auc_with_interval(normal, anomalous)[0], 19 / 25)
    assert threshold_for(normal, 0.2) == 4.0
