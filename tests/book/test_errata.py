"""The errata pages treat every statement that the book judges wrong, imprecise or unsupported, and prove what they say.

A statement is named by its row, in parentheses: ``(S1-45)`` or ``(S2-14, S2-70)``. What is judged how stands in
book/coverage/NN-slug.yml.
"""

import ast
import json
import re

import pytest
import yaml
from chapter_faults import equation_faults, figure_faults, headings, markup_faults, prose, source
from project import ROOT, notebooks

COVERAGE = ROOT / "book" / "coverage"
KNOWN = {row for rows in yaml.safe_load((COVERAGE / "rows.yml").read_text(encoding="utf8")).values() for row in rows}
TREATED = ("WRONG", "imprecise", "unsupported")
PAGES = [path for path in notebooks() if path.name.startswith("errata-")]
ID = r"S\d-\d+"
NAMED = re.compile(rf"\(({ID}(?:, {ID})*)\)")
MOST_WORDS = 130  # of an entry, without its heading and formulas
MOST_LINES = 16  # of an entry's cell


def read(path):
    return json.loads(path.read_text(encoding="utf8"))


def verdicts():
    """row -> the set of its verdicts, of all chapters under which it stands."""
    found = {}
    for path in sorted(path for path in COVERAGE.glob("*.yml") if path.stem != "rows"):
        for entry in yaml.safe_load(path.read_text(encoding="utf8")):
            found.setdefault(entry["row"], set()).add(entry["verdict"])
    return found


def named(notebook):
    """The rows that a page names, in its text outside of code."""
    text = "\n".join(source(cell) for cell in prose(notebook))
    return {row for group in NAMED.findall(text) for row in group.split(", ")}


def entries(notebook):
    """(heading, text, code or None) of every entry: a cell that starts with ``### ``, and the code cell after it."""
    cells = notebook["cells"]
    for cell, after in zip(cells, [*cells[1:], None], strict=True):
        if cell["cell_type"] == "markdown" and source(cell).startswith("### "):
            heading, _, text = source(cell).partition("\n")
            follows = after is not None and after["cell_type"] == "code"
            yield heading.removeprefix("### "), text.strip(), source(after) if follows else None


def assertions_without_words(code):
    return [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Assert) and node.msg is None]


def entry_faults(heading, text, code):
    """What is wrong with one entry, in words."""
    if not re.match(r"\*\*The notes say\*\*", text) or "\n\n**Better:** " not in text:
        yield f"{heading}: does not say what the notes say and what is better"
    if not NAMED.search(text):
        yield f"{heading}: names no statement"
    words = len(re.sub(r"\$[^$]+\$", "x", text).split())
    if words > MOST_WORDS:
        yield f"{heading}: {words} words, more than {MOST_WORDS}"
    if code is None:
        return
    lines = [line for line in code.splitlines() if line.strip()]
    if len(lines) > MOST_LINES:
        yield f"{heading}: {len(lines)} lines of code, more than {MOST_LINES}"
    if not any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(code))):
        yield f"{heading}: its code asserts nothing"
    if assertions_without_words(code):
        yield f"{heading}: an assertion without words"
    if "print(" not in code:
        yield f"{heading}: its code shows nothing"


def page_faults(notebook):
    """What is wrong with one errata page, in words."""
    titles = [text for level, text in headings(notebook) if level == 1]
    if len(titles) != 1 or not titles[0].startswith("What the notes got wrong: "):
        yield f"the title is to be 'What the notes got wrong: ...', got {titles}"
    cells = [cell for cell in prose(notebook) if re.search("^### ", source(cell), re.MULTILINE)]
    yield from (f"cell {cell['id']}: more than one heading" for cell in cells if source(cell).count("### ") > 1)
    for check in (equation_faults, markup_faults, figure_faults):
        yield from check(notebook)
    if any("$$" in source(cell) for cell in prose(notebook)):
        yield "a display equation; the entries have formulas in the line only"
    for entry in entries(notebook):
        yield from entry_faults(*entry)


def row_faults(pages, judged):
    """What the pages together miss, and what they name that does not exist or is judged right."""
    found = set().union(*map(named, pages))
    wanted = {row for row, of_row in judged.items() if of_row & set(TREATED)}
    yield from (f"{row}: is judged {', '.join(sorted(judged[row]))} and stands on no errata page" for row in sorted(wanted - found))
    yield from (f"{row}: is no statement of the sources" for row in sorted(found - KNOWN))
    yield from (f"{row}: is named as an erratum and judged right" for row in sorted(found & KNOWN - wanted))


def test_there_are_errata_pages():
    assert PAGES


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_page_has_its_form(path):
    faults = list(page_faults(read(path)))
    assert not faults, "\n".join(faults)


def test_every_row_that_is_not_right_is_treated():
    faults = list(row_faults([read(path) for path in PAGES], verdicts()))
    assert not faults, "\n".join(faults)


# What makes a page wrong: each must be found, or the tests above prove nothing.

TITLE = {"cell_type": "markdown", "id": "title", "metadata": {}, "source": ["# What the notes got wrong: an example\n"]}
TEXT = "### A fact\n\n**The notes say** that one is two (S1-45, S0-02).\n\n**Better:** one is $1$.\n"
CODE = 'print(1)\nassert 1 == 1, "one is one"\n'


def page(text=TEXT, code=CODE):
    entry = {"cell_type": "markdown", "id": "fact", "metadata": {}, "source": text.splitlines(keepends=True)}
    check = {"cell_type": "code", "id": "fact-check", "metadata": {}, "source": code.splitlines(keepends=True)}
    return {"cells": [TITLE, entry, {**check, "outputs": []}]}


def test_a_good_page_has_no_fault():
    assert list(page_faults(page())) == []
    assert named(page()) == {"S1-45", "S0-02"}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"code": "print(1)\n"}, "asserts nothing"),
        ({"code": "print(1)\nassert True\n"}, "without words"),
        ({"code": 'assert True, "yes"\n'}, "shows nothing"),
        ({"code": CODE + "one = 1\n" * 15}, "lines of code"),
        ({"text": TEXT.replace("(S1-45, S0-02)", "(row 45)")}, "names no statement"),
        ({"text": TEXT.replace("**Better:**", "Better:")}, "what is better"),
        ({"text": TEXT.replace("**The notes say**", "They say")}, "what the notes say"),
        ({"text": TEXT + "word " * 130}, "words, more than"),
        ({"text": TEXT + "\n$$\nx=1\n$$ (eq-x)\n"}, "display equation"),
        ({"text": TEXT + "\n### Another\n"}, "more than one heading"),
    ],
)
def test_a_fault_of_a_page_is_found_out(change, fault):
    assert any(fault in found for found in page_faults(page(**change))), list(page_faults(page(**change)))


@pytest.mark.parametrize(
    ("judged", "fault"),
    [
        ({"S1-45": {"WRONG"}, "S0-02": {"correct", "imprecise"}, "S0-10": {"unsupported"}}, "S0-10: is judged"),
        ({"S1-45": {"WRONG"}, "S0-02": {"correct"}}, "S0-02: is named"),
    ],
)
def test_a_missing_or_needless_row_is_found_out(judged, fault):
    assert any(fault in found for found in row_faults([page()], judged))


def test_a_row_that_does_not_exist_is_found_out():
    wrong = page(TEXT.replace("S0-02", "S9-02"))
    assert "S9-02: is no statement of the sources" in list(row_faults([wrong], {"S1-45": {"WRONG"}}))
