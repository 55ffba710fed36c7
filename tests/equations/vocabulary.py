"""Words that the checks of several chapters share: normals, divergences by integration, averages by quadrature,
small worlds in which everything can be counted.

A vocabulary must not know the answer: a divergence here is an integral or a sum of its definition, never the closed
form that a chapter states.
"""

import operator
from dataclasses import dataclass
from functools import cache, reduce

import numpy as np
import sympy

MU, NU, Z, X = sympy.symbols("mu nu z x", real=True)
SIGMA, S = sympy.symbols("sigma s", positive=True)


@dataclass(frozen=True)
class Normal:
    """A normal law in one dimension, by its mean and its variance, as ``\\mathcal{N}(m, v)`` writes it."""

    mean: object
    variance: object

    def log_density(self, point):
        return -sympy.log(2 * sympy.pi * self.variance) / 2 - (point - self.mean) ** 2 / (2 * self.variance)

    def density(self, point):
        return sympy.exp(self.log_density(point))

    def average(self, function):
        """The mean of a polynomial in the point, by sympy's integrals of the powers of a standard normal."""
        noise = sympy.Symbol("noise", real=True)
        point = self.mean + sympy.sqrt(self.variance) * noise
        inside = sympy.Poly(sympy.expand(sympy.expand_log(sympy.sympify(function(point)), force=True)), noise)
        return sum(value * normal_moment(power) for (power,), value in inside.terms())


@cache
def normal_moment(power):
    """E[noise^power] under N(0, 1), by integration."""
    noise = sympy.Symbol("noise", real=True)
    weight = sympy.exp(-(noise**2) / 2) / sympy.sqrt(2 * sympy.pi)
    return sympy.integrate(noise**power * weight, (noise, -sympy.oo, sympy.oo))


def normal(*arguments):
    """``\\mathcal{N}``: with two arguments the law, with three (a point first) its density there."""
    if len(arguments) == 2:
        return Normal(*arguments)
    point, mean, variance = arguments
    return Normal(mean, variance).density(point)


def divergence(q, p):
    """KL(q || p) of two normals, by integrating its definition."""
    return q.average(lambda point: q.log_density(point) - p.log_density(point))


def hermite(mean=0.0, scale=1.0, points=80):
    """E under N(mean, scale^2), as an operator's rule: Gauss-Hermite quadrature, exact for polynomials."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(points)
    weights = weights / weights.sum()
    return lambda body: float(np.sum(weights * np.array([float(body(mean + scale * node)) for node in nodes])))


def table(values):
    """A function of whole numbers from an array: ``table(p)(1, 2)`` is ``p[1, 2]``."""
    values = np.asarray(values, dtype=float)
    return lambda *places: values[tuple(int(place) for place in places)]


def enumerated(*weights):
    """E under independent discrete laws, as an operator's rule: the sum over all their values, counted from 0."""
    shapes = [len(one) for one in weights]

    def rule(body):
        return sum(
            np.prod([w[i] for w, i in zip(weights, places, strict=True)]) * body(*places) for places in np.ndindex(*shapes)
        )

    return rule


COMPARE = {"<": operator.lt, ">": operator.gt, r"\le": operator.le, r"\ge": operator.ge}


def holds(equation, statement=0, **meaning):
    """Does a condition hold for these numbers, with the sign that is displayed? Of arrays, for each entry."""
    values = equation.sides(statement, **meaning)
    signs = equation.statement(statement).signs
    found = [COMPARE[sign](a, b) for a, sign, b in zip(values, signs, values[1:], strict=False)]
    return reduce(operator.and_, found)
