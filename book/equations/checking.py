"""Tie a test to the equations that it checks, and keep what it found for the page of evidence.

    @checks("eq-kl-1d", kind="symbolic", over="all real mu, all sigma > 0")
    def test_kl_of_a_normal_to_the_standard_normal(equation):
        equation.proves(names={r"\\sigma": sigma}, functions={r"\\mathrm{KL}": kl_by_integration})

`Equation` reads the LaTeX of the chapter, so that a mistake on the page fails the test. A check that does not read
all of it also carries a copy (``latex=...``), and fails when the chapter is changed and the copy is not.
"""

import functools
import inspect
import itertools
import math
from dataclasses import dataclass, field

import pytest
import sympy
from scipy.stats import norm

from equations.evaluating import CannotRead
from equations.reading import Meaning, Reader
from equations.results import KINDS
from equations.sources import sources
from equations.tokens import plain, statements


class Fails(AssertionError):
    """The equation on the page is not what the check finds."""


@dataclass(frozen=True)
class Finding:
    """One thing that a check found: what was compared, and how large the error or how wide the interval was.

    ``figure`` has a place for ``size`` if that is a number; of many such findings the worst is shown.
    """

    what: str
    figure: str
    size: float | None = None  # the larger, the worse


@dataclass
class Tie:
    """What `checks` says of a test."""

    name: str
    kind: str
    over: str
    latex: dict  # label -> copy
    code: str  # the test's own text
    line: int  # where it begins in its file


def short(value):
    return f"{value:.1e}" if value else "0"


def as_float(value):
    """A value as one Python float (the largest entry of an array is for `Equation.equal` to find)."""
    return float(sympy.N(value)) if isinstance(value, sympy.Basic) else float(value)


def entries(value):
    """The entries of a number, matrix, array or tensor as floats."""
    if isinstance(value, sympy.MatrixBase):
        return [as_float(one) for one in value]
    if hasattr(value, "detach"):
        value = value.detach().numpy()
    if hasattr(value, "ravel"):
        return [float(one) for one in value.ravel()]
    return [as_float(value)]


@dataclass
class Equation:
    """An equation as a check sees it. ``latex`` is the chapter's, or that of a mutant."""

    source: object
    tie: Tie
    latex: str
    findings: list = field(default_factory=list)
    read_sides: set = field(default_factory=set)

    def __post_init__(self):
        self.statements = statements(self.latex)

    # ---- reading

    def sides(self, statement=0, **meaning):
        """The values of all sides of a statement; see `equations.reading` for what ``meaning`` may hold."""
        return [self.side(number, statement, **meaning) for number in range(len(self.statement(statement).sides))]

    def side(self, number, statement=0, **meaning):
        """The value of one side of a statement, counted from 0."""
        tokens = self.statement(statement).sides
        if not 0 <= number < len(tokens):
            raise Fails(f"{self.source.place}: statement {statement} has {len(tokens)} sides, and side {number} is asked")
        self.read_sides.add((statement, number))
        try:
            return Reader(tokens[number], Meaning(**meaning)).node().value({})
        except CannotRead as error:
            raise CannotRead(f"{self.source.place}: {error}") from error

    def statement(self, number):
        if not 0 <= number < len(self.statements):
            raise Fails(
                f"{self.source.place}: has {len(self.statements)} statements, and number {number} is asked:\n"
                + "\n".join(map(str, self.statements))
            )
        return self.statements[number]

    def part(self, tokens, **meaning):
        """The value of a piece of LaTeX that the check has cut out of a side."""
        return Reader(plain(tokens) if isinstance(tokens, str) else tokens, Meaning(**meaning)).node().value({})

    # ---- finding

    def found(self, what, figure, size=None):
        self.findings.append(Finding(what, figure, size))

    def fail(self, message):
        raise Fails(f"{self.source.place}: {message}\n    {' '.join(self.latex.split())}")

    def proves(self, statement=0, what="", **meaning):
        """sympy shows that all sides of a statement are equal, with their symbols free; the signs must all be =."""
        values = self.sides(statement, **meaning)
        signs = self.statement(statement).signs
        if not signs or set(signs) != {"="}:
            self.fail(f"a proof of equality needs = between the sides, not {signs}")
        for left, right in itertools.pairwise(values):
            self.zero(left - right, what or self.named(statement))

    def zero(self, difference, what):
        """sympy shows that an expression (or every entry of a matrix) is zero."""
        for entry in difference if isinstance(difference, sympy.MatrixBase) else [difference]:
            rest = simplified(sympy.sympify(entry))
            if rest != 0:
                self.fail(f"{what}: the difference is {rest}, not zero")
        self.found(what, "proved: the difference is identically zero")

    def agrees(self, statement=0, tolerance=1e-9, what="", approx=None, **meaning):
        """Numbers: every sign of a statement holds as it is displayed.

        ``=`` holds within ``tolerance``, relative to 1 + |right|; an inequality with that much slack; ``\\approx``
        and ``\\to`` within ``approx``, which the check must then give.
        """
        values = self.sides(statement, **meaning)
        signs = self.statement(statement).signs
        if not signs:
            self.fail("has no sign to check; use `side` and `equal`")
        for left, sign, right in zip(values, signs, values[1:], strict=False):
            self.compare(left, sign, right, tolerance, approx, what or self.named(statement))

    def named(self, statement):
        """What is compared, where the check does not say it."""
        return "both sides" if len(self.statements) == 1 else f"both sides of part {statement + 1}"

    def compare(self, left, sign, right, tolerance, approx, what):
        if sign in ("=", ":=", r"\leftarrow"):
            self.equal(left, right, tolerance, what)
        elif sign in (r"\approx", r"\to"):
            if approx is None:
                self.fail(f"{sign} needs approx=...: how close the two sides must be")
            self.equal(left, right, approx, what)
        elif sign in (r"\le", "<", r"\ge", ">"):
            small, large = (left, right) if sign in (r"\le", "<") else (right, left)
            self.ordered(small, large, tolerance, what)
        else:
            self.fail(f"the sign {sign} cannot be checked by numbers")

    def equal(self, value, truth, tolerance=1e-9, what="value"):
        """Two values, arrays or matrices agree within a tolerance relative to 1 + |truth|."""
        left, right = entries(value), entries(truth)
        if len(left) != len(right):
            self.fail(f"{what}: {len(left)} entries against {len(right)}")
        errors = [0.0 if a == b else abs(a - b) / (1 + abs(b)) for a, b in zip(left, right, strict=True)]
        error = max(errors)
        if not error <= tolerance:  # also when it is NaN
            worst = 0 if math.isnan(error) else errors.index(error)
            self.fail(f"{what}: {left[worst]:.10g} against {right[worst]:.10g}, error {error:.2g} > {tolerance:g}")
        self.found(what, "largest error {}", error)

    def ordered(self, small, large, tolerance=1e-12, what="inequality"):
        """Every entry of ``small`` is at most that of ``large``."""
        margins = [b - a for a, b in zip(entries(small), entries(large), strict=True)]
        if not min(margins) >= -tolerance:
            self.fail(f"{what}: violated by {-min(margins):.3g}")
        self.found(what, "smallest margin {}", -min(margins))

    def within(self, estimate, stderr, truth, what="estimate", errors=4.5):
        """A Monte Carlo estimate lies within some standard errors of the truth; the false-alarm rate is noted."""
        estimate, stderr, truth = as_float(estimate), as_float(stderr), as_float(truth)
        if not 0 < stderr < math.inf:
            self.fail(f"{what}: the standard error is {stderr}")
        distance = abs(estimate - truth) / stderr
        alarm = 2 * norm.sf(errors)
        if not distance <= errors:
            self.fail(f"{what}: {estimate:.6g} +- {stderr:.2g} is {distance:.1f} standard errors from {truth:.6g}")
        self.found(
            what,
            f"{estimate:.4g} ± {stderr:.1g} against {truth:.4g}, {distance:.1f} standard errors "
            f"(false-alarm rate {alarm:.0e})",
        )

    def shows(self, condition, what):
        """A plain yes or no, for what no number says: a sign, an order, a gradient that is None."""
        if not bool(condition):
            self.fail(f"not so: {what}")
        self.found(what, "holds")

    # ---- the end

    @property
    def fully_read(self):
        wanted = {(i, j) for i, statement in enumerate(self.statements) for j in range(len(statement.sides))}
        return wanted <= self.read_sides

    def same_as_copy(self):
        copy = self.tie.latex.get(self.source.label)
        if copy is not None and plain(copy) != plain(self.latex):
            self.fail(
                "the chapter's LaTeX is no longer that of the check; look whether the check still proves it, then "
                f"renew the copy:\n    {' '.join(copy.split())}"
            )

    def finish(self):
        if not self.findings:
            self.fail(f"{self.tie.name} compares nothing")
        if not self.fully_read and self.source.label not in self.tie.latex:
            self.fail(f"{self.tie.name} does not read all of it, so it needs a copy of it: @checks(..., latex=r'...')")


def simplified(expression):
    """An expression, simplified by what proves a difference to be zero."""
    expression = sympy.expand_log(expression.doit(), force=True)
    for step in (sympy.expand, sympy.simplify, lambda e: sympy.simplify(e.rewrite(sympy.exp)), sympy.gammasimp):
        if expression == 0:
            return expression
        expression = step(expression)
    return expression


REGISTRY = {}  # label -> the tests that check it


def checks(*labels, kind, over, latex=None):
    """Make a test of the equations with these labels; it is called once for each, with an `Equation`.

    ``kind`` is one of `KINDS`; ``over`` says in words what was tried: the ranges, the model, the number of draws.
    ``latex`` is the copy for what cannot be read: a text, or with several labels a dictionary of texts.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {KINDS}, got {kind!r}")
    if not labels:
        raise ValueError("labels: got none, needed is at least one such as 'eq-kl-1d'")
    copies = latex if isinstance(latex, dict) else {label: latex for label in labels if latex is not None}

    def decorate(check):
        code, line = inspect.getsourcelines(check)
        name = f"tests/equations/{check.__module__.rpartition('.')[2]}.py::{check.__name__}"
        tie = Tie(name, kind, over, copies, "".join(code), line)

        def run(label, latex=None):
            """The equation after the check; ``latex`` in place of the chapter's is a mutant, which no copy matches."""
            if label not in sources():
                raise Fails(f"{tie.name}: no equation in book/ is labelled {label!r}")
            source = sources()[label]
            equation = Equation(source, tie, source.latex if latex is None else latex)
            check(equation)
            equation.finish()
            if latex is None:
                equation.same_as_copy()
            return equation

        @pytest.mark.parametrize("label", labels)
        @functools.wraps(check)
        def test(label, record_property):
            equation = run(label)
            record_property("evidence", evidence(equation))

        test.__wrapped__ = None  # or pytest would ask for a fixture named like the check's argument
        del test.__wrapped__
        test.run, test.tie = run, tie
        for label in labels:
            REGISTRY.setdefault(label, []).append(test)
        return test

    return decorate


def worst(findings):
    """One (what, figure) for each thing compared: of many comparisons the worst, and how many there were."""
    groups = {}
    for finding in findings:
        groups.setdefault((finding.what, finding.figure if finding.size is not None else ""), []).append(finding)
    for (what, _), group in groups.items():
        bad = max(group, key=lambda one: -math.inf if one.size is None else one.size)
        figure = bad.figure if bad.size is None else bad.figure.format(short(abs(bad.size)))
        yield {"what": what, "figure": figure if len(group) == 1 else f"{figure} in {len(group)} comparisons"}


def evidence(equation):
    """What the page of evidence says of one check."""
    tie = equation.tie
    return {
        "label": equation.source.label,
        "test": tie.name,
        "kind": tie.kind,
        "over": tie.over,
        "code": tie.code,
        "line": tie.line,
        "read": "whole" if equation.fully_read else ("part" if equation.read_sides else "copy"),
        "findings": list(worst(equation.findings)),
    }
