"""Every display equation is tied to a check and every check to an equation; and a check that is none is found out."""

import importlib
from pathlib import Path

import pytest

from equations.checking import REGISTRY, Equation, Fails, Tie, checks
from equations.results import Collector, load, save
from equations.sources import Malformed, Source, equations_of, sources

for path in sorted(Path(__file__).parent.glob("test_[0-9]*.py")):
    importlib.import_module(f"tests.equations.{path.stem}")
TIED = set(REGISTRY)  # before the tests below make checks of their own


def test_every_equation_has_a_check():
    assert not [sources()[label].place for label in sources() if label not in TIED]


def test_every_check_has_an_equation():
    assert sorted(TIED - set(sources())) == []


def notebook(*texts):
    return {"cells": [{"cell_type": "markdown", "id": "here", "source": text} for text in texts]}


@pytest.mark.parametrize("after", ["", " (kl-1d)", " (eq-KL)", " (eq-)", "(eq-a)", " (eq-a) and"])
def test_a_missing_or_malformed_label_is_named_with_file_and_cell(after):
    with pytest.raises(Malformed, match=r"book/07-x\.ipynb, cell here.*needed is a label"):
        list(equations_of(notebook(f"$$\nx=1\n$${after}"), "07-x"))


def test_a_label_may_stand_only_once(tmp_path):
    text = '{"cells": [{"cell_type": "markdown", "id": "%s", "source": "$$x$$ (eq-a)"}]}'
    (tmp_path / "01-a.ipynb").write_text(text % "first")
    (tmp_path / "02-b.ipynb").write_text(text % "second")
    with pytest.raises(Malformed, match=r"02-b\.ipynb, cell second, eq-a: the label stands also in book/01-a"):
        sources(tmp_path)


def equation(latex, copy=None):
    tie = Tie("test", "exact", "all", {"eq-a": copy} if copy else {}, "", 1)
    return Equation(Source("eq-a", "07-x", "here", latex), tie, latex)


def test_a_check_that_compares_nothing_is_refused():
    one = equation("x=x")
    one.sides()
    with pytest.raises(Fails, match="compares nothing"):
        one.finish()


def test_a_check_that_does_not_read_all_needs_a_copy():
    one = equation("x=x,\\quad y=z")
    one.proves()
    with pytest.raises(Fails, match="needs a copy"):
        one.finish()
    with_copy = equation("x=x,\\quad y=z", copy="x=x, y = z")
    with_copy.proves()
    with_copy.finish()
    with_copy.same_as_copy()


def test_a_copy_that_differs_from_the_chapter_fails():
    with pytest.raises(Fails, match="no longer that of the check"):
        equation("x=y+1", copy="x=y-1").same_as_copy()


@pytest.mark.parametrize(
    "attempt",
    [
        lambda e: e.proves(0),
        lambda e: e.agrees(0, names={"x": 1.0, "y": 2.0}),
        lambda e: e.agrees(1, names={"x": 3.0, "y": 2.0}),
        lambda e: e.equal(1.0, 1.001),
        lambda e: e.equal(float("nan"), 1.0),
        lambda e: e.equal([1.0, 2.0][0], float("inf")),
        lambda e: e.ordered(1.0, 0.9),
        lambda e: e.ordered(float("nan"), 1.0),
        lambda e: e.within(1.0, 0.1, 2.0),
        lambda e: e.within(1.0, 0.0, 1.0),
        lambda e: e.within(1.0, float("nan"), 1.0),
        lambda e: e.shows(False, "something"),
        lambda e: e.side(5),
        lambda e: e.sides(7),
        lambda e: e.agrees(2, names={"x": 1.0, "y": 1.0}),
    ],
)
def test_each_way_of_comparing_can_fail(attempt):
    with pytest.raises(Fails):
        attempt(equation(r"x=y,\quad x\le y,\quad x\approx y"))


def test_a_check_of_an_unknown_label_fails():
    @checks("eq-there-is-no-such", kind="exact", over="nothing")
    def test_something(equation):
        equation.shows(True, "never")

    with pytest.raises(Fails, match="no equation in book/ is labelled"):
        test_something.run("eq-there-is-no-such")
    del REGISTRY["eq-there-is-no-such"]


@pytest.mark.parametrize(("labels", "kind"), [((), "exact"), (("eq-a",), "by authority")])
def test_a_tie_needs_a_label_and_a_known_kind(labels, kind):
    with pytest.raises(ValueError, match=r"labels|kind"):
        checks(*labels, kind=kind, over="all")


class Report:
    """What pytest says of one test."""

    when = "call"

    def __init__(self, label, failed=False):
        self.nodeid, self.failed = f"tests/equations/test_01_x.py::test[{label}]", failed
        self.user_properties = [] if failed else [("evidence", {"label": label, "test": "t"})]


def test_a_failed_check_leaves_no_evidence(tmp_path, monkeypatch):
    monkeypatch.setattr("equations.results.RESULTS", tmp_path / "evidence.json")
    for broken in (None, next(iter(sources()))):
        collector = Collector()
        for label in sources():
            collector.add(Report(label, failed=label == broken))
        assert collector.save() == (broken is None)
    assert set(load()) == set(sources())


def test_evidence_of_a_part_or_of_other_chapters_is_not_used(tmp_path, monkeypatch):
    target = tmp_path / "evidence.json"
    assert not save({}, target)
    assert load(target) == {}
    assert save({label: [] for label in sources()}, target)
    assert load(target)
    monkeypatch.setattr("equations.results.key", lambda: "another")
    assert load(target) == {}
