"""Assertions about random means, with a false-alarm rate that is stated and kept.

A mean is accepted within STANDARD_ERRORS of its expected value. For a normal mean the chance of a false
alarm is then 8e-11 per comparison, over the choice of the seed (the seeds are fixed, so a run that
passed will pass again). The helper counts the comparisons and refuses those that would lift the rate of
the whole suite above SUITE_FALSE_ALARM_RATE. It asks for many draws, so that means are close to normal;
do not give it draws with heavy tails.
"""

import math

import torch

STANDARD_ERRORS = 6.5
FALSE_ALARM_RATE = math.erfc(STANDARD_ERRORS / math.sqrt(2))  # 8.0e-11
SUITE_FALSE_ALARM_RATE = 1e-6
SMALLEST_SAMPLE = 1000

_comparisons = 0


def assert_mean_is(draws, expected):
    """Fail unless the mean of the draws over axis 0 is the expected value, up to random error.

    draws: independent values, shape (n, ...); expected: a number, or a tensor of shape (...).
    """
    global _comparisons
    n = draws.shape[0]
    assert n >= SMALLEST_SAMPLE, f"a statistical test needs at least {SMALLEST_SAMPLE} draws, got {n}"
    draws = draws.detach().to("cpu", torch.float64)
    expected = torch.as_tensor(expected, dtype=torch.float64).detach().cpu().expand(draws.shape[1:])
    _comparisons += expected.numel()
    assert _comparisons * FALSE_ALARM_RATE < SUITE_FALSE_ALARM_RATE, (
        "too many comparisons for the stated rate"
    )
    mean = draws.sum(0) / n
    standard_error = ((draws - mean).square().sum(0) / (n - 1) / n).sqrt()
    assert (standard_error > 0).all(), "the draws do not vary: compare them exactly"
    off_by = (mean - expected) / standard_error
    worst = off_by.abs().max().item()
    assert worst < STANDARD_ERRORS, (
        f"the mean is {worst:.1f} standard errors off (allowed: {STANDARD_ERRORS}): "
        f"mean {mean.tolist()}, expected {expected.tolist()}, standard error {standard_error.tolist()}"
    )
