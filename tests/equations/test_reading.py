"""The reader of displayed LaTeX itself: what it makes of the book's ways of writing, and how it refuses."""

import math

import numpy as np
import pytest
import sympy
import torch

from equations.evaluating import CannotRead
from equations.reading import Depends, Meaning, read
from equations.tokens import Unbalanced, plain, statements

x, y = sympy.symbols("x y", real=True)


@pytest.mark.parametrize(
    ("latex", "value"),
    [
        (r"-2^2", -4),
        (r"\tfrac12 x", x / 2),
        (r"\frac1{4}", sympy.Rational(1, 4)),
        (r"x(y+1)", x * (y + 1)),
        (r"x y", x * y),
        (r"e^{-x}", sympy.exp(-x)),
        (r"\log x\,\log y", sympy.log(x) * sympy.log(y)),
        (r"\log\frac12\sum_{i=1}^{3}i", sympy.log(3)),
        (r"\log 2\pi", sympy.log(2 * sympy.pi)),
        (r"\log(2)\,x", sympy.log(2) * x),
        (r"\log_2 8", 3),
        (r"\left|{-3}\right|", 3),
        (r"\sqrt{\tfrac12\,8}", 2),
        (r"\underbrace{x}_{\text{large}}-y", x - y),
        (r"\lim_{n\to\infty}\left(1+\frac{x}{n}\right)^n", sympy.exp(x)),
        (r"\frac{d}{dx}\,x^3", 3 * x**2),
        (r"\frac{\partial x^2y}{\partial y}+1", x**2 + 1),
        (r"\Gamma(5)", 24),
        (r"\max\big(2,\min(7,5)\big)", 5),
        (r"\sum_{i=1}^{3}i^2+1", 15),
        (r"\prod_{i=1}^{4}i", 24),
        (r"\int_0^1x\,dx\cdot4", 2),
        (r"\lfloor\frac72\rfloor", 3),
        (r"x+\log\tfrac12\sum_{i=1}^{3}\frac{i}{3}-y", x - y),
        (r"\partial(x^2y)/\partial x+1", 2 * x * y + 1),
    ],
)
def test_reads_algebra_as_it_is_written(latex, value):
    found = read(latex, Meaning()).doit() if hasattr(read(latex, Meaning()), "doit") else read(latex, Meaning())
    assert sympy.simplify(sympy.expand_log(sympy.sympify(found) - value)) == 0


def test_a_name_may_be_any_piece_and_the_longest_wins():
    meaning = Meaning(names={"p": 2, r"p_\theta": 3, r"p_\theta(x)": 5})
    assert read(r"p+p_\theta+p_\theta(x)", meaning) == 10


def test_a_name_is_not_taken_from_the_beginning_of_a_longer_symbol():
    assert read(r"\sigma_x", Meaning(names={r"\sigma": 7})) == sympy.Symbol(r"\sigma_x", real=True)


def test_functions_get_their_arguments_from_brackets_bars_and_subscripts():
    weights = [10, 20, 30]
    meaning = Meaning(
        functions={
            "p": lambda a, b: 100 * a + b,
            "w_": lambda k: weights[int(k)],
            "A_": lambda i, j: 10 * i + j,
            r"\Vert": np.linalg.norm,
        },
        names={"v": np.array([3.0, 4.0])},
    )
    assert read(r"p(1\mid 2)+p(3,4)+w_1+A_{1,2}+\lVert v\rVert^2", meaning) == 102 + 304 + 20 + 12 + 25


def test_an_operator_gets_its_body_as_a_function_and_binds_its_variable():
    meaning = Meaning(names={"z": 99}, operators={r"\mathbb{E}_q": ("z", lambda body: body(1) + body(2))})
    assert read(r"\mathbb{E}_q\big[z^2\big]+z", meaning) == 5 + 99


def test_an_operator_may_depend_on_what_is_bound_around_it():
    meaning = Meaning(operators={r"\mathbb{E}_{q_i}": ("z", lambda body, i: 10 * i + body(i), "i")})
    assert read(r"\sum_{i=1}^{2}\mathbb{E}_{q_i}[z^2]", meaning) == 10 + 1 + 20 + 4


def test_names_and_functions_may_depend_on_what_is_bound_around_them():
    meaning = Meaning(
        names={r"x_i^\mathrm{test}": Depends(lambda i: 10 * i, "i")},
        functions={"m_i": Depends(lambda t, i: t + i, "i")},
    )
    assert read(r"\sum_{i=1}^{2}x_i^\mathrm{test}\,m_i(3)", meaning) == 10 * 4 + 20 * 5


def test_the_mean_of_a_norm_needs_no_brackets_and_takes_its_power_along():
    meaning = Meaning(
        functions={r"\Vert": abs}, operators={r"\mathbb{E}": ("z", lambda body: (body(-1) + body(3)) / 2)}
    )
    assert read(r"\mathbb{E}\,\left\Vert z+1\right\Vert^2+7", meaning) == 8 + 7


def test_an_argument_may_say_which_variable_it_is():
    assert read(r"\sum_{k}p(z=k)", Meaning(functions={"p": lambda k: k**2}, ranges={"k": (1, 3)})) == 14


def test_the_place_of_a_minimum_needs_no_brackets_and_its_variable_may_be_a_function():
    laws = [lambda x: x + 1, lambda x: x - 4, lambda x: x + 2]
    meaning = Meaning(
        functions={"p": None},
        operators={r"\arg\min_p": ("p", lambda body: min(range(3), key=lambda i: body(laws[i])))},
    )
    assert read(r"\arg\min_p\,p(7)^2+5", meaning) == 1 + 5


def test_a_determinant_without_brackets_reaches_over_a_matrix_and_its_transpose():
    W = np.array([[1.0, 2.0], [0.5, -1.0], [3.0, 0.0]])
    value = read(r"\log\det W^\top W-1", Meaning(names={"W": W}))
    assert value == pytest.approx(math.log(np.linalg.det(W.T @ W)) - 1)
    assert read(r"\lvert\det J(2)\rvert", Meaning(functions={"J": lambda k: -float(k) * np.eye(3)})) == pytest.approx(8)


def test_an_operator_without_a_bracket_reaches_to_the_next_sign():
    meaning = Meaning(
        names={r"\theta": x},
        functions={"f": lambda value: value**3},
        operators={r"\nabla_\theta": ((), lambda body: sympy.diff(body(), x)), r"\nabla": ("y", lambda body: body(2))},
    )
    assert read(r"5\,\nabla_\theta f(\theta)\,\theta-f(\theta)", meaning) == 20 * x**3 - x**3
    assert read(r"\nabla(y+1)\,y", meaning) == 3 * y  # in the bracket y is bound, behind it free


def test_an_operator_may_bind_a_function():
    rolls = [2, 3, 5]
    meaning = Meaning(operators={r"\mathbb{E}": (("f_", "f"), lambda body: body(lambda k: rolls[int(k) - 1], 7))})
    assert read(r"\mathbb{E}\big[\sum_{k=1}^{3}f_k\big]+\mathbb{E}[f]", meaning) == 10 + 7


def test_a_bar_in_the_argument_may_mean_another_function():
    meaning = Meaning(functions={"p": lambda *points: len(points), r"p\mid": lambda a, b: 10 * a + b})
    assert [read(text, meaning) for text in ("p(5)", "p(5,6)", r"p(5\mid 6)")] == [1, 2, 56]
    only = Meaning(functions={r"p\mid": lambda a, b: 10 * a + b})
    assert read(r"p(5\mid 6)", only) == 56
    with pytest.raises(CannotRead, match="`p` has no meaning"):
        read("p(5,6)", only)


def test_relations_hold_or_not_in_events_cases_and_indices():
    meaning = Meaning(
        names={r"\mathcal{B}": {1, 4}, "c": 0.75},
        operators={"P": ("w", lambda body: sum(body(w) for w in range(10)) / 10)},
        ranges={"k": (1, 4), "j": (1, 4)},
    )
    assert read(r"P(2\le w<5)", meaning) == 0.3
    assert read(r"\sum_{k\in\mathcal{B}}k^2", meaning) == 17
    assert read(r"\sum_j\sum_{k\ne j}k", meaning) == 3 * 10
    assert read(r"\sum_j\sum_{k<j}1", meaning) == 6
    cases = r"\begin{cases}2c & \text{if }c>\tfrac12,\\ \infty & \text{otherwise}\end{cases}"
    assert read(cases, meaning) == 1.5
    assert read(cases, Meaning(names={"c": 0.5})) == sympy.oo
    with pytest.raises(CannotRead, match="2 rows of the cases hold"):
        read(cases.replace(r"\text{otherwise}", r"c\le 1"), meaning)


def test_one_sided_limits_are_the_numbers_next_door():
    meaning = Meaning(functions={"f": lambda z: 7 if z > 1 else 3}, names={"a": 1.0})
    assert read(r"f(a^+)-f(a^{-})", meaning) == 4


def test_a_sum_without_bounds_takes_its_range_from_the_check():
    assert read(r"\sum_k k", Meaning(ranges={"k": (2, 4)})) == 9


def test_integrals_can_be_done_by_the_checks_own_rule():
    meaning = Meaning(integral=lambda body, variable, low, high: float(body(0.5)))
    assert read(r"\int_0^1 u^2\,du+1", meaning) == pytest.approx(1.25)


def test_values_may_be_arrays_matrices_and_tensors():
    meaning = Meaning(names={"W": np.arange(6.0).reshape(3, 2), "I": np.eye(2)})
    assert np.array_equal(read(r"W^\top W-I", meaning), np.arange(6.0).reshape(3, 2).T @ np.arange(6.0).reshape(3, 2) - np.eye(2))
    s = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    value = read(r"\tfrac12\left(\sigma^2-\log\sigma^2-1\right)", Meaning(names={r"\sigma": s}))
    assert value.item() == pytest.approx(0.5 * (0.49 - math.log(0.49) - 1))
    assert torch.autograd.grad(value, s)[0].item() == pytest.approx(0.7 - 1 / 0.7)


@pytest.mark.parametrize(
    ("latex", "error", "says"),
    [
        (r"\frobnicate x", CannotRead, r"\\frobnicate"),
        (r"\sum_k x", CannotRead, "has no range"),
        (r"\int x", CannotRead, "no variable"),
        (r"\int_A x\,dx", CannotRead, "over `A` has no range"),
        (r"x^", CannotRead, "ends where an argument is needed"),
        (r"(x", Unbalanced, "never closed"),
        (r"\sum_{i=1}^{n}i", CannotRead, "whole numbers"),
    ],
)
def test_refuses_what_it_cannot_read_and_names_the_token(latex, error, says):
    with pytest.raises(error, match=says):
        read(latex, Meaning())


def test_statements_are_split_at_commas_and_conditions_but_not_inside_brackets():
    found = statements(r"\begin{aligned}a&=f(b,c),\\&d\le e\quad\text{if }g>0 . \end{aligned}")
    assert [str(one) for one in found] == ["a = f ( b , c )", r"d \le e", "g > 0"]
    assert [str(one) for one in statements(r"a=b\qquad(c>2)")] == ["a = b", "c > 2"]


def test_layout_does_not_matter():
    assert plain(r"\big(x\,\Vert\,y\big)") == plain(r"\left( x \lVert y \right)")


# ---- met first in chapters 07 and 08


def test_a_colon_ends_a_statement_but_not_in_a_definition():
    assert [str(one) for one in statements(r"r\to0: g\to 1")] == [r"r \to 0", r"g \to 1"]
    assert [str(one) for one in statements("a:=b")] == ["a := b"]


def test_the_remainder_of_a_division():
    assert read(r"(s \bmod f) + 1", Meaning(names={"s": 17, "f": 5})) == 3
    found = read(r"\frac{k\bmod P}{R\,P}", Meaning(names={"k": 17, "P": 5, "R": 0.5}))
    assert found == pytest.approx(0.8)
    with pytest.raises(CannotRead, match="put it in brackets"):
        read(r"1 + s \bmod f", Meaning(names={"s": 17, "f": 5}))


# ---- met first in chapter 09


def test_an_operator_without_brackets_reaches_over_a_norm_with_its_difference():
    meaning = Meaning(
        names={"a": 5.0, "b": 2.0},
        functions={r"\Vert": abs},
        operators={r"\frac{\partial}{\partial a}": ((), lambda body: 10 * body())},
    )
    assert read(r"\frac{\partial}{\partial a}\,2\,\Vert a-b\Vert^2-\Vert b\Vert", meaning) == 10 * 2 * 9 - 2


def test_cases_may_end_with_a_comma_and_a_stop():
    cases = r"\begin{cases}1&|c|\le2,\\0&|c|>2.\end{cases}"
    assert [read(cases, Meaning(names={"c": c})) for c in (-1.0, -2.0, 3.0)] == [1, 1, 0]


def test_an_event_of_arrays_says_where_it_happens_and_of_symbols_is_sympys_relation():
    chance = {r"\Pr": lambda event: event}
    g, x = sympy.symbols("g x", real=True)
    assert read(r"\Pr(-g\le x)", Meaning(functions=chance)) == sympy.Le(-g, x)
    draws = np.array([-1.0, 0.5, 2.0])
    assert list(read(r"\Pr(-g\le x)", Meaning({"g": draws, "x": 0.0}, chance))) == [False, True, True]
    assert list(read(r"\Pr(0<g<1)", Meaning({"g": draws}, chance))) == [False, True, False]


def test_an_extreme_over_a_variable_takes_the_product_that_follows():
    greatest = ("x", lambda body: max(body(x) for x in (0.0, 0.5, 1.0, 1.5)))
    assert read(r"1+\max_x\;\frac{4}{4+x^2}\,x-1", Meaning(operators={r"\max_x": greatest})) == pytest.approx(0.96)


def test_the_determinant_of_a_piece_with_a_name():
    jacobian = np.array([[1.0, 2.0], [3.0, 4.0]])
    meaning = Meaning({r"\frac{\partial y}{\partial v}": jacobian})
    assert read(r"\left|\det\frac{\partial y}{\partial v}\right|", meaning) == pytest.approx(2)
