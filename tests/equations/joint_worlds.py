"""Worlds given by one joint table, and points that know their variable, so that p(x), p(x, z) and p(z | x) are all
found from the table by summing and dividing.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch

from vae_notes import bounds


@dataclass(frozen=True)
class Point:
    """A value of one variable of a `World`: ``axis`` says which variable, ``index`` None means all its values."""

    axis: int
    index: int | None = None


class World:
    """A joint law of a few discrete variables, as a table with one axis for each: numpy array or torch tensor.

    Every probability comes from the table by summing, and by dividing for a condition, so that Bayes' rule and the
    like are found, not assumed. Whole axes (``Point(axis)``) give vectors.
    """

    def __init__(self, table):
        self.table = table

    def joint(self, *points):
        """p(x), p(x, z): the probability of these values, summed over all other variables."""
        found = {point.axis: point.index for point in points}
        if len(found) < len(points):
            raise ValueError(f"points: needed is one for each variable, got {points}")
        table = self.table
        for axis in reversed(range(table.ndim)):
            if axis not in found:
                table = table.sum(axis)
        return table[tuple(slice(None) if found[axis] is None else found[axis] for axis in sorted(found))]

    def given(self, *points):
        """p(x | z): the last value is the condition."""
        return self.joint(*points) / self.joint(points[-1])


def random_table(generator, *shape):
    """A random law with all probabilities positive: a table of this shape that sums to one."""
    values = generator.uniform(0.1, 1.0, shape)
    return values / values.sum()


def average_over(law, axis):
    """E under a law of one variable of a `World`, as an operator's rule; values of probability zero do not count."""
    return lambda body: sum(weight * body(Point(axis, i)) for i, weight in enumerate(law) if weight)


def sum_over(size, axis):
    """The integral over one variable of a `World`: the sum over its values, as the rule of a `Meaning`."""
    return lambda body, variable, low, high: sum(body(Point(axis, i)) for i in range(size))


EVERY_Z = Point(1)
WORLDS = "five random worlds, 3 values of x and 4 of z"


def worlds(seed, count=5):
    """Random worlds, each with a random q."""
    generator = np.random.default_rng(seed)
    for _ in range(count):
        yield World(random_table(generator, 3, 4)), random_table(generator, 4)


def elbo(world, q, x):
    """The ELBO as the mean log weight under q, by the package: draws in the proportions of q would give the same."""
    z = [Point(1, i) for i in range(len(q))]
    log_lik, log_prior = (
        [[math.log(value)] for value in values]
        for values in ([world.given(x, one) for one in z], [world.joint(one) for one in z])
    )
    log_w = bounds.log_weights(
        *(torch.tensor(t, dtype=torch.float64) for t in (log_lik, log_prior, np.log(q)[:, None]))
    )
    return float(q @ log_w[:, 0].numpy())


def posterior(world, x=1):
    return world.given(EVERY_Z, Point(0, x))
