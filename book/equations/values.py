"""Arithmetic with whatever an equation's symbols stand for: sympy expressions, numbers, numpy arrays, torch tensors."""

import operator
from functools import reduce

import numpy
import sympy
from sympy.logic.boolalg import BooleanAtom


def library(value):
    """The module with ``log`` and the like for a value."""
    if type(value).__module__.partition(".")[0] == "torch":
        import torch

        return torch
    return numpy if isinstance(value, (float, numpy.ndarray, numpy.generic)) else sympy


def own(name, value):
    """``log``, ``sqrt``, ``exp``... of a value, by the library that the value belongs to."""
    return getattr(library(value), name)(value)


def largest(*values):
    return _extreme(values, "maximum", sympy.Max)


def smallest(*values):
    return _extreme(values, "minimum", sympy.Min)


def _extreme(values, name, symbolic):
    found = next((lib for lib in map(library, values) if lib is not sympy), sympy)
    if found is sympy:
        return symbolic(*values)
    if found is not numpy:
        values = [found.as_tensor(float(v) if isinstance(v, sympy.Basic) else v) for v in values]
    else:
        values = [float(v) if isinstance(v, sympy.Basic) else v for v in values]
    return reduce(getattr(found, name), values)


def determinant(value):
    return value.det() if isinstance(value, sympy.MatrixBase) else numpy.linalg.det(value)


def number(value):
    """A sympy number as the Python number that numpy and torch understand."""
    if isinstance(value, sympy.Integer):
        return int(value)
    return float(value) if isinstance(value, sympy.Expr) and value.is_number else value


def combine(operation, left, right):
    """An operation between two values; exact numbers become floats only where the other side is no sympy."""
    if isinstance(left, sympy.Basic) and not isinstance(right, (int, sympy.Basic, sympy.MatrixBase)):
        left = number(left)
    if isinstance(right, sympy.Basic) and not isinstance(left, (int, sympy.Basic, sympy.MatrixBase)):
        right = number(right)
    return operation(left, right)


def times(left, right):
    """A product: of matrices and vectors the matrix product, of all others the usual one."""
    if isinstance(left, numpy.ndarray) and isinstance(right, numpy.ndarray) and left.ndim and right.ndim:
        return left @ right
    return combine(operator.mul, left, right)


def power(base, exponent):
    """A power; a square matrix to the -1 is its inverse."""
    if isinstance(base, numpy.ndarray) and base.ndim == 2 and exponent == -1:
        return numpy.linalg.inv(base)
    if isinstance(base, int) and isinstance(exponent, int):
        base = sympy.Integer(base)  # 1/3 stays exact
    return combine(operator.pow, base, exponent)


def transpose(value):
    return value.T


COMPARISONS = {
    "=": operator.eq,
    r"\ne": operator.ne,
    r"\le": operator.le,
    r"\ge": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    r"\in": lambda one, many: one in many,
}


def holds(values, signs):
    """Do all relations of a chain such as a < b <= c hold? Of arrays where; with a free symbol sympy's relation."""
    chain = zip(values[:-1], signs, values[1:], strict=True)
    return reduce(operator.and_, (related(left, sign, right) for left, sign, right in chain))


def related(left, sign, right):
    """One relation, true or false where nothing is free in it."""
    free = any(isinstance(one, sympy.Expr) and one.free_symbols for one in (left, right))
    found = combine(sympy.Eq if sign == "=" and free else COMPARISONS[sign], left, right)
    return bool(found) if isinstance(found, BooleanAtom) else found


def step_aside(value, side):
    """The floating-point number next to a value, above (+) or below (-): where a limit from one side is taken."""
    return numpy.nextafter(float(value), numpy.inf if side == "+" else -numpy.inf)
