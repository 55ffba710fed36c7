"""Words that the checks of several chapters share: normals, divergences by integration, averages by quadrature,
small worlds in which everything can be counted.

A vocabulary must not know the answer: a divergence here is an integral or a sum of its definition, never the closed
form that a chapter states.
"""

import math
import operator
from dataclasses import dataclass
from functools import cache, reduce

import numpy as np
import scipy.integrate
import scipy.special
import sympy
import torch

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


@dataclass(frozen=True)
class Law:
    """A law on a finite world, from a table: both a value (for a divergence) and a function (for ``p(x)``).

    Places are whole numbers, or arrays of them; a free symbol stands for all states of its axis:
    ``Law(p)(y, 1)`` is ``p[:, 1]``.
    """

    table: np.ndarray

    def __call__(self, *places):
        return self.table[tuple(slice(None) if isinstance(one, sympy.Symbol) else np.asarray(one, int) for one in places)]

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.table, dtype)


def random_law(generator, *shape):
    """A random table, positive and generic, of which every column (along the first axis) sums to 1."""
    table = generator.gamma(1.5, size=shape) + 0.05
    return table / table.sum(0)


def relative_entropy(p, q):
    """KL(p || q) on a finite world, summed over the first axis."""
    return np.sum(scipy.special.rel_entr(np.asarray(p), np.asarray(q)), axis=0)


def entropy(p):
    """The entropy of a law on a finite world, in nats."""
    return np.sum(scipy.special.entr(np.asarray(p)), axis=0)


def by_quad(body, variable, low, high):
    """An integral by adaptive quadrature, for ``integral=``."""
    return scipy.integrate.quad(lambda point: float(body(point)), float(low), float(high), epsabs=1e-13, epsrel=1e-12)[0]


def over_states(count):
    """An integral over a finite world, for ``integral=``: the sum over its states, counted from 0."""
    return lambda body, variable, low, high: sum(body(state) for state in range(count))


def gauss_points(axes, points):
    """Nodes, of shape (n, axes), and weights of the average under N(0, I): exact up to the degree 2 points - 1."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(points)
    grid = np.stack(np.meshgrid(*[nodes] * axes, indexing="ij"), -1).reshape(-1, axes)
    product = np.prod(np.stack(np.meshgrid(*[weights / weights.sum()] * axes, indexing="ij"), -1), -1).ravel()
    return grid, product


class Versus:
    """What stands for the words in ``A has the same distribution as B``: the side is then the pair (A, B)."""

    __array_ufunc__ = None  # numpy must not try to multiply by it

    def __init__(self, left=None):
        self.left = left

    def __rmul__(self, left):
        return Versus(left)

    def __mul__(self, right):
        return self.left, right
COMPARE = {"<": operator.lt, ">": operator.gt, r"\le": operator.le, r"\ge": operator.ge}


def holds(equation, statement=0, **meaning):
    """Does a condition hold for these numbers, with the sign that is displayed? Of arrays, for each entry."""
    values = equation.sides(statement, **meaning)
    signs = equation.statement(statement).signs
    found = [COMPARE[sign](a, b) for a, sign, b in zip(values, signs, values[1:], strict=False)]
    return reduce(operator.and_, found)


def average_over_noise(expression, *noises):
    """The mean of a polynomial in independent standard normal variables; of a matrix, that of every entry."""
    if isinstance(expression, sympy.MatrixBase):
        return expression.applyfunc(lambda entry: average_over_noise(entry, *noises))
    polynomial = sympy.Poly(sympy.expand(expression), *noises)
    return sum(value * math.prod(map(normal_moment, powers)) for powers, value in polynomial.terms())


def counted(values):
    """A function of 1, 2, ... from an array or a list, as LaTeX counts: ``counted(p)(1)`` is ``p[0]``."""

    def at(place):
        if int(place) != place:
            raise ValueError(f"{place} is no place in a list")
        return values[int(place) - 1]

    return at


def torch_of(values, grad=False):
    """A tensor of 64-bit numbers, for what the package computes."""
    return torch.tensor(values, dtype=torch.float64, requires_grad=grad)
