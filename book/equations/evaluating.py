"""What sympy's parser makes of an equation, evaluated with the values of its pieces."""

import operator
from functools import cache, reduce
from numbers import Integral

import sympy
from sympy.parsing.latex import parse_latex

from equations.values import combine, own, power, times


class CannotRead(ValueError):
    """LaTeX that has no meaning here; the text names the token."""


class Node:
    """A piece of an equation; `value` gives what it is worth when the bound variables have the values in ``bound``."""

    def __init__(self, value):
        self.value = value


@cache
def algebra(skeleton):
    """What sympy's parser makes of an equation whose pieces are numbered symbols."""
    return parse_latex(skeleton)


def evaluate(expression, pieces, bound):
    """The value of a parsed skeleton, with Python's operators and the values of its pieces."""

    def worth(part, more=bound):
        if part.is_Symbol:
            return pieces[str(part)].value(more)
        if part.is_Number or part.is_NumberSymbol:
            return part
        if part.is_Add:
            return reduce(lambda a, b: combine(operator.add, a, b), (worth(one, more) for one in part.args))
        if part.is_Mul:
            return reduce(times, (worth(one, more) for one in part.args))
        if part.is_Pow:
            return power(worth(part.base, more), worth(part.exp, more))
        if isinstance(part, (sympy.Sum, sympy.Product)):
            return over_index(part, more)
        if isinstance(part, sympy.Limit):
            body, variable, point, _ = part.args
            name = pieces[str(variable)].key
            symbol = sympy.Symbol("".join(name), positive=True)
            return sympy.limit(worth(body, {**more, name: symbol}), symbol, worth(point, more))
        if isinstance(part, sympy.log):
            value = worth(part.args[0], more)
            base = part.args[1] if len(part.args) == 2 else sympy.E
            logarithm = own("log", value)
            return logarithm if base == sympy.E else combine(operator.truediv, logarithm, sympy.log(base))
        if isinstance(part, sympy.Function) and len(part.args) == 1:
            return own(type(part).__name__, worth(part.args[0], more))
        raise CannotRead(f"sympy reads {part} as a {type(part).__name__}, of which this module knows nothing")

    def over_index(part, more):
        body, (variable, low, high) = part.args
        name = pieces[str(variable)].key
        low, high = worth(low, more), worth(high, more)
        if not (isinstance(low, Integral) and isinstance(high, Integral)):
            raise CannotRead(f"the sum over {''.join(name)} runs from {low} to {high}, and needs whole numbers")
        values = [worth(body, {**more, name: sympy.Integer(i)}) for i in range(int(low), int(high) + 1)]
        plus = isinstance(part, sympy.Sum)
        operation = operator.add if plus else operator.mul
        return reduce(lambda a, b: combine(operation, a, b), values, 0 if plus else 1)

    try:
        return worth(expression)
    except KeyError as error:
        raise CannotRead(f"{error} has no value") from error
