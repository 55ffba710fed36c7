"""The numbers of the figure annealing against the package's schedules, free bits and autograd."""

import itertools
import math

import pytest
import torch
from live_pages import float64, numbers
from torch.testing import assert_close

from vae_notes import schedules
from vae_notes.divergences import kl_normal_standard_per_dim
from vae_notes.free_bits import free_bits

CLOSE = dict(rtol=0, atol=1e-6)
NAME = "annealing"
BY_PACKAGE = {
    "linear": lambda step, length: schedules.linear(step, length),
    "sigmoid": lambda step, length: schedules.sigmoid(step, length / 2, length / 10),
    "cyclical": lambda step, length: schedules.cyclical(step, length),
    "geometric": lambda step, length: schedules.geometric(step, 0.01 ** (1 / length)),
    "none": lambda step, length: 1.0,
}
MEANS = [[0.5, -0.85, 1.35, 2.0], [-2.4, 0.05, -0.3, 0.9], [0.1, 0.05, -0.1, 0.15]]


@pytest.mark.parametrize("kind", BY_PACKAGE)
def test_schedules(live_page, kind):
    page = live_page(NAME)
    for length in (100, 350, 600, 1200):
        steps = [0, 1, 24, 25, 26, 99, 100, 137, 150, 299, 300, 301, 599, 600, 900, 1199, 1200]
        weights = "([kind, steps, length]) => steps.map(step => vaeNotesLive.figures.annealing.numbers.weight(kind, step, length))"
        found = page.evaluate(weights, [kind, steps, length])
        assert_close(float64(*found), float64(*(BY_PACKAGE[kind](step, length) for step in steps)), **CLOSE)


def charged(means, floor, groups):
    kl = kl_normal_standard_per_dim(means, torch.zeros_like(means))
    return kl, free_bits(kl, floor, groups=groups)


@pytest.mark.parametrize(("floor", "groups"), [*itertools.product([0.0, 0.1, 0.5, 1.9], ["dimension", "all"])])
def test_penalty_and_slopes(live_page, floor, groups):
    page, seen = live_page(NAME), set()
    for means in MEANS:
        found = numbers(page, NAME, "penalty", means, floor, groups)
        leaf = float64(means).requires_grad_()
        kl, value = charged(leaf, floor, groups)
        (slopes,) = torch.autograd.grad(value.sum(), leaf)
        assert_close(float64(*found["kl"]), kl[0].detach(), **CLOSE)
        assert_close(float64(found["sum"], found["value"]), torch.stack([kl.sum(), value[0]]).detach(), **CLOSE)
        assert_close(float64(*found["slopes"]), slopes[0], **CLOSE)
        assert found["alive"] == (slopes[0] != 0).tolist()
        seen |= set(found["alive"])
    assert seen == ({True} if floor == 0 else {True, False})


@pytest.mark.parametrize(("kind", "groups"), [("linear", "dimension"), ("cyclical", "all"), ("none", "dimension")])
def test_what_pulls_alone_leads_where_gradient_descent_leads(live_page, kind, groups):
    page, floor, length = live_page(NAME), 0.5, 300
    way = float64(*numbers(page, NAME, "descend", MEANS[0], floor, groups, kind, length))
    assert len(way) == 1201
    mean = float64(MEANS[0]).requires_grad_()
    optimiser = torch.optim.SGD([mean], lr=0.01)
    for step in range(1200):
        assert_close(way[step], mean[0].detach(), **CLOSE)
        optimiser.zero_grad()
        (BY_PACKAGE[kind](step, length) * charged(mean, floor, groups)[1]).sum().backward()
        optimiser.step()
    kl = 0.5 * way[-1].square()
    if groups == "dimension":
        assert_close(way[-1][:2], float64(*MEANS[0][:2]))  # below the floor: nothing moved them
        assert_close(way[-1][2:], float64(1, 1), rtol=0, atol=0.011)  # to the edge of the floor, no further
    else:
        assert_close(kl.sum(), float64(0.5)[0], rtol=0, atol=0.011)
        assert_close(way[-1] / way[-1][0], float64(*MEANS[0]) / MEANS[0][0])  # all by the same factor


@pytest.mark.parametrize("kind", BY_PACKAGE)
def test_without_a_floor_every_schedule_ends_in_collapse(live_page, kind):
    way = numbers(live_page(NAME), NAME, "descend", MEANS[0], 0.0, "dimension", kind, 1200)
    assert math.isclose(way[0][3], 2.0) and max(map(abs, way[-1])) < 0.02
