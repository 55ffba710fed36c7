"""Judging an anomaly score: how well it ranks, how sure we are of that, and where to draw the line.

A score is one number per datum, larger for what looks less normal. Its unit does not matter here: both functions
look at the order of the scores only.
"""

import math

import torch
from torch import Tensor

from vae_notes.checks import check_floating, check_no_nan

__all__ = ["auc_with_interval", "threshold_for"]


def auc_with_interval(
    normal: Tensor, anomalous: Tensor, *, confidence: float = 0.95
) -> tuple[float, float, float]:
    r"""Area under the ROC curve, with a confidence interval by DeLong's variance.

    AUC = P(s_anomalous > s_normal) + 1/2 P(s_anomalous = s_normal)

    The interval is symmetric on the scale log(AUC / (1 - AUC)), so it stays inside (0, 1). Where the two
    groups do not overlap at all the estimated variance is 0. The interval then reaches as far as if only
    min(m, n) independent comparisons had been made, all with one result: to (alpha / 2)^(1 / min(m, n)).

    Parameters
    ----------
    normal, anomalous
        Scores of the two groups, floating, shapes (m,) and (n,), at least 2 each. Infinite values are allowed.
    confidence
        Share of repetitions in which the interval holds the true area.

    Returns
    -------
    tuple of float
        The area and the ends of the interval, low <= AUC <= high.

    Raises
    ------
    TypeError
        If normal or anomalous is not a floating tensor, or dtypes differ.
    ValueError
        If a shape is not (at least 2,), or confidence is not between 0 and 1; (value checks) if a score is NaN.

    Notes
    -----
    DeLong, DeLong and Clarke-Pearson (1988), Comparing the areas under two or more correlated receiver
    operating characteristic curves. scikit-learn's roc_auc_score gives the same area, without an interval.

    Examples
    --------
    >>> auc_with_interval(torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([2.5, 4.5, 5.0, 6.0]))[0]
    0.875
    """
    _check_scores(normal=normal, anomalous=anomalous)
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
    above, below = _shares_won(anomalous, normal), 1 - _shares_won(normal, anomalous)
    area = above.mean().item()
    variance = above.var().item() / len(above) + below.var().item() / len(below)
    tail = (1 - confidence) / 2
    if area in (0.0, 1.0):
        far = tail ** (1 / min(len(above), len(below)))
        return (area, far, 1.0) if area == 1 else (area, 0.0, 1 - far)
    quantile = -torch.special.ndtri(torch.tensor(tail, dtype=torch.float64)).item()
    logit = math.log(area) - math.log1p(-area)
    half = quantile * math.sqrt(variance) / (area * (1 - area))
    low, high = (_sigmoid(logit + step) for step in (-half, half))
    return area, low, high


def threshold_for(normal: Tensor, false_alarm_rate: float) -> float:
    r"""The threshold that at most a given share of new normal data will exceed.

    threshold = s_(k), the k-th smallest of n held-out normal scores, k = ceil((n + 1) (1 - rate))

    If the n scores and a new one are exchangeable, the new one exceeds the threshold with probability at
    most 1 - k / (n + 1) <= rate, whatever their distribution (without ties exactly 1 - k / (n + 1)).

    Parameters
    ----------
    normal
        Scores of normal data that were *not* trained on, floating, shape (n,).
    false_alarm_rate
        The promised rate, strictly between 0 and 1.

    Raises
    ------
    TypeError
        If normal is not a floating tensor.
    ValueError
        If its shape is not (at least 2,), the rate is not between 0 and 1, or n is too small to promise it
        (n + 1 < 1 / rate); (value checks) if a score is NaN.

    Notes
    -----
    The quantile of split conformal prediction; Vovk, Gammerman and Shafer (2005).

    Examples
    --------
    >>> threshold_for(torch.arange(1.0, 100.0), false_alarm_rate=0.05)  # 99 scores, the 95th
    95.0
    """
    _check_scores(normal=normal)
    if not 0 < false_alarm_rate < 1:
        raise ValueError(f"false_alarm_rate must lie between 0 and 1, got {false_alarm_rate}")
    n = len(normal)
    k = math.ceil((n + 1) * (1 - false_alarm_rate) - 1e-9)  # 1e-9: 100 * (1 - 0.05) is a little above 95
    if k > n:
        raise ValueError(
            f"{n} normal scores cannot promise a false-alarm rate of {false_alarm_rate:g}: "
            f"at least {math.ceil(1 / false_alarm_rate - 1e-9) - 1} are needed"
        )
    return normal.sort().values[k - 1].item()


def _shares_won(scores: Tensor, others: Tensor) -> Tensor:
    """For each score, the share of the others below it, ties counted half: (len(scores),), 64 bits."""
    scores, others = scores.contiguous(), others.sort().values
    below = torch.searchsorted(others, scores, right=False)
    not_above = torch.searchsorted(others, scores, right=True)
    return (below + not_above).double() / (2 * len(others))


def _sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit)) if logit > 0 else math.exp(logit) / (1 + math.exp(logit))


def _check_scores(**scores: Tensor) -> None:
    check_floating(**scores)
    for name, values in scores.items():
        if values.ndim != 1 or len(values) < 2:
            raise ValueError(f"{name} must have shape (n,) with n of at least 2, got {tuple(values.shape)}")
    check_no_nan(**scores)
