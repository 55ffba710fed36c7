"""Each statement of the source documents has its place in the book, and what is said to check it exists.

book/coverage/rows.yml lists the statements that belong to each chapter; book/coverage/NN-slug.yml says for one
chapter where each is treated, with which verdict, and by which check.
"""

import ast
import json

import pytest
import yaml
from chapter_faults import headings
from project import ROOT, notebooks

FOLDER = ROOT / "book" / "coverage"
VERDICTS = ("correct", "correct-with-condition", "imprecise", "WRONG", "unsupported")
KEYS = ("row", "states", "verdict", "chapter", "section", "check")
SHORTEST_REASON = 20  # characters

ROWS = yaml.safe_load((FOLDER / "rows.yml").read_text(encoding="utf8"))
KNOWN = {row for rows in ROWS.values() for row in rows}


def test_all_statements_are_listed():
    assert len(KNOWN) == 401


def names_of_tests(path):
    """The names of the tests in a file, ``Class::test`` for those in a class."""
    if not path.is_file():
        return set()
    names = set()
    for node in ast.parse(path.read_text(encoding="utf8")).body:
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}::{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)}
    return names


def check_fault(check, entry, cells):
    """Why this check is none, or nothing."""
    if check == "text" or check.startswith(("text:", "text ")):
        reason = entry.get("reason", "") or check[5:]
        return None if len(reason) >= SHORTEST_REASON else "is only text and gives no reason"
    if "::" in check:
        path, _, name = check.partition("::")
        return None if name.partition("[")[0] in names_of_tests(ROOT / path) else f"names no test: {check}"
    return None if check in cells else f"names no cell: {check}"


def coverage_faults(entries, notebook, stem):
    """Everything that is wrong with one chapter's coverage, in words."""
    cells = {cell["id"] for cell in notebook["cells"] if cell["cell_type"] == "code"}
    sections = {text for _, text in headings(notebook)}
    seen = []
    for entry in entries:
        row = entry.get("row")
        missing = [key for key in KEYS if not entry.get(key)]
        if missing:
            yield f"{row}: no {', '.join(missing)}"
            continue
        if row not in KNOWN or row in seen:
            yield f"{row}: is no statement of the sources, or stands here twice"
        seen.append(row)
        if entry["chapter"] != stem:
            yield f"{row}: names the chapter {entry['chapter']}"
        if entry["verdict"] not in VERDICTS:
            yield f"{row}: the verdict {entry['verdict']!r} is not one of {VERDICTS}"
        if entry["section"] not in sections:
            yield f"{row}: the chapter has no section {entry['section']!r}"
        checks = entry["check"] if isinstance(entry["check"], list) else [entry["check"]]
        yield from (f"{row}: {fault}" for fault in (check_fault(c, entry, cells) for c in checks) if fault)
    yield from (f"{row}: has no place in the chapter" for row in ROWS.get(stem, []) if row not in seen)


def read(path):
    """A page of the book: a notebook, or a text as a notebook of one cell."""
    text = path.read_text(encoding="utf8")
    if path.suffix == ".ipynb":
        return json.loads(text)
    return {"cells": [{"cell_type": "markdown", "id": "page", "metadata": {}, "source": text}]}


CHAPTERS = [path for path in notebooks() if path.stem in ROWS]
READING = ROOT / "book/further-reading.md"  # what belongs to no chapter: book/coverage/appendix.yml


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_every_row_of_the_chapter_has_its_place(path):
    file = FOLDER / f"{path.stem}.yml"
    assert file.is_file(), f"no {file.name}"
    faults = list(coverage_faults(yaml.safe_load(file.read_text(encoding="utf8")), read(path), path.stem))
    assert not faults, "\n".join(faults)


def test_every_row_of_the_appendix_has_its_place():
    entries = yaml.safe_load((FOLDER / "appendix.yml").read_text(encoding="utf8"))
    faults = list(coverage_faults(entries, read(READING), READING.stem))
    assert not faults, "\n".join(faults)
    assert sorted(entry["row"] for entry in entries) == sorted(ROWS["appendix"])


def test_every_coverage_file_belongs_to_a_chapter():
    assert {path.stem for path in FOLDER.glob("*.yml")} - {path.stem for path in CHAPTERS} == {"appendix", "rows"}


def test_every_statement_has_a_place_and_so_stands_on_the_page_of_coverage():
    placed = {
        entry["row"]
        for path in FOLDER.glob("*.yml")
        if path.stem != "rows"
        for entry in yaml.safe_load(path.read_text(encoding="utf8"))
    }
    assert placed == KNOWN


# What makes an entry wrong: each must be found, or the test above proves nothing.

STEM = "05-gaussian-kl"
NOTEBOOK = {
    "cells": [
        {"cell_type": "markdown", "id": "text", "metadata": {}, "source": ["## Limits\n", "words"]},
        {"cell_type": "code", "id": "limit-check", "metadata": {}, "source": ["assert True"]},
    ]
}
GOOD = {
    "row": "S0-03",
    "states": "something",
    "verdict": "correct",
    "chapter": STEM,
    "section": "Limits",
    "check": "limit-check",
}


def faults_of(**change):
    """The faults of one entry, without those of the rows that are not there."""
    found = coverage_faults([{**GOOD, **change}], NOTEBOOK, STEM)
    return [fault for fault in found if "has no place" not in fault]


@pytest.mark.parametrize(
    "check",
    [
        "limit-check",
        "text: a remark on the history of the name, nothing to run",
        "tests/book/test_coverage.py::test_all_statements_are_listed",
        ["limit-check", "tests/book/test_coverage.py::test_all_statements_are_listed"],
    ],
)
def test_a_good_entry_has_no_fault(check):
    assert faults_of(check=check) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"row": "S9-99"}, "no statement"),
        ({"states": ""}, "no states"),
        ({"verdict": "right"}, "verdict"),
        ({"chapter": "06-first-vae"}, "names the chapter"),
        ({"section": "Nowhere"}, "no section"),
        ({"check": "no-such-cell"}, "names no cell"),
        ({"check": "text"}, "gives no reason"),
        ({"check": "tests/book/test_coverage.py::test_nothing_of_the_kind"}, "names no test"),
        ({"check": "tests/no_such_file.py::test_all"}, "names no test"),
    ],
)
def test_a_wrong_entry_is_found_out(change, fault):
    assert any(fault in found for found in faults_of(**change)), faults_of(**change)


def test_a_missing_and_a_repeated_row_are_found_out():
    found = list(coverage_faults([GOOD, GOOD], NOTEBOOK, STEM))
    assert "S0-03: is no statement of the sources, or stands here twice" in found
    assert sum("has no place" in fault for fault in found) == len(ROWS[STEM]) - 1
