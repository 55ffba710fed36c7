"""The net holds: mistakes put into the displayed formulas are noticed. A sample here, all of them by `make mutants`."""

import zlib

import pytest
from mutants import equivalent, load_checks

from equations.mutants import Mutant, mutants_of, noticed
from equations.sources import Source, sources
from equations.tokens import plain

load_checks()
EVERY = 3  # one equation in three, one mutant each


def sample():
    """A mutant for each of a third of the equations, chosen by their labels, so that every run tries the same."""
    for label, source in sources().items():
        number = zlib.crc32(label.encode())
        found = list(mutants_of(source))
        if number % EVERY == 0 and found:
            yield found[number // EVERY % len(found)]


@pytest.mark.parametrize("mutant", list(sample()), ids=lambda mutant: f"{mutant.label}, {mutant.name}")
def test_a_mistake_in_a_formula_is_noticed(mutant):
    same = mutant.name in equivalent().get(mutant.label, {})
    assert same != bool(noticed(mutant)), mutant.latex


def test_equivalent_mutants_exist_and_have_a_reason():
    names = {label: {mutant.name for mutant in mutants_of(sources()[label])} for label in equivalent()}
    for label, reasons in equivalent().items():
        assert set(reasons) <= names[label], label
        assert all(len(reason) > 20 for reason in reasons.values()), label


@pytest.mark.parametrize(
    ("latex", "expected"),
    [
        (r"x+y", [r"x-y"]),
        (r"\tfrac12x", [r"\tfrac22x", r"\tfrac13x", r"1x"]),
        (r"\frac{1}{2}x", [r"\frac{2}{2}x", r"\frac{1}{3}x", r"1x"]),
        (r"\mu", [r"\sigma"]),
        (r"x^2", [r"x^3"]),
        (r"x^n", [r"x^{n+1}"]),
        (r"x^{-a}", [r"x^{+a}", r"x^{-a+1}"]),
        (r"W^\top", []),
        (r"\mathrm{KL}\big(q\,\Vert\,p\big)", [r"\mathrm{KL}\big(p\Vert q\big)"]),
        (r"a\le b", [r"a\ge b"]),
        (r"\log x", [r"x"]),
        (r"\text{one of 2}", []),
    ],
)
def test_what_mutants_are(latex, expected):
    found = [plain(mutant.latex) for mutant in mutants_of(Source("eq-a", "01-x", "c", latex))]
    assert sorted(found) == sorted(plain(one) for one in expected)


def test_a_mutant_that_no_check_reads_is_missed():
    assert noticed(Mutant("eq-without-any-check", "sign 1", "x")) is None
