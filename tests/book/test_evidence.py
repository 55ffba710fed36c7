"""What the reader sees of the checks: marks beside equations, a line at a chapter's head, the pages of evidence."""

import html
import re
from functools import cache

import evidence_pages
import pytest
from bs4 import BeautifulSoup
from project import HTML, chapters

from equations import results
from equations.sources import sources

NAMES = [path.stem for path in chapters()]


def soup(path):
    return BeautifulSoup((HTML / path).read_text(encoding="utf8"), "html.parser")


def labels_of(chapter):
    return [label for label, source in sources().items() if source.chapter == chapter]


@pytest.mark.parametrize("chapter", NAMES)
def test_every_equation_of_a_chapter_leads_to_its_evidence(chapter):
    page, evidence = soup(f"book/{chapter}.html"), soup(f"book/evidence/{chapter}.html")
    links = {div["id"].removeprefix("equation-"): div.select_one("a.evidence-mark")["href"] for div in page.select("div.math[id]")}
    assert links == {label: f"evidence/{chapter}.html#{label}" for label in labels_of(chapter)}
    for label in links:
        row = evidence.find(id=label)
        assert row.select_one("mjx-container"), f"{label}: the formula is not shown"
        assert row.select_one("h2 a")["href"] == f"../{chapter}.html#equation-{label}"
        assert f"make evidence ONLY={label}" in row.get_text()


@pytest.mark.parametrize("chapter", NAMES)
def test_a_row_says_what_this_run_of_the_checks_found(chapter):
    found, evidence = results.load(), soup(f"book/evidence/{chapter}.html")
    assert found, "the checks were not run on this state of the book: make evidence"
    for label in labels_of(chapter):
        row = evidence.find(id=label)
        for check in found[label]:
            name = check["test"].partition("::")[2]
            assert name in row.get_text() and check["over"] in row.get_text()
            assert all(finding["figure"] in row.get_text() for finding in check["findings"])
            assert check["code"].strip() in row.get_text()


@pytest.mark.parametrize("chapter", NAMES)
def test_the_head_of_a_chapter_counts_its_equations(chapter):
    line = soup(f"book/{chapter}.html").select_one("h1 + .evidence-line")
    assert line.get_text().startswith(f"{len(labels_of(chapter))} numbered equations, all of them checked")
    assert line.a["href"] == f"evidence/{chapter}.html"


def test_the_overview_counts_chapters_and_kinds():
    text = soup("book/evidence.html").get_text(" ")
    found = results.load()
    assert f"{len(found)} equations, {sum(map(len, found.values()))} checks, all passed" in text
    rows = soup("book/evidence.html").select(".evidence-counts tbody tr")
    assert len(rows) == len(NAMES) + 1
    cells = [int(cell.get_text().replace("–", "0")) for cell in rows[-1].select("td")[1:]]
    assert cells[0] == len(found) and sum(cells[1:]) == sum(map(len, found.values()))


# On small pages, that each of the parts can be missing:

EQUATION = (
    '<h1>T</h1>\n<div class="math notranslate nohighlight" id="equation-{label}">\n<span class="eqno">(5.7)'
    '<a class="headerlink" href="#equation-{label}">#</a></span>\\[x\\]</div>'
)
LABEL = "eq-kl-1d"


def test_an_equation_without_evidence_gets_no_mark():
    page = EQUATION.format(label=LABEL)
    assert evidence_pages.mark(page, {}) == page
    marked = evidence_pages.mark(page, {LABEL: []})
    assert marked.count("evidence-mark") == 1
    assert marked.index("(5.7)") < marked.index("evidence-mark") < marked.index("headerlink")
    assert re.sub(r'<a class="evidence-mark".*?</a>', "", marked) == page


def test_the_head_says_how_many_are_checked():
    page, chapter = EQUATION.format(label=LABEL), sources()[LABEL].chapter
    labels = labels_of(chapter)
    assert "all of them" in evidence_pages.head(page, chapter, dict.fromkeys(labels))
    assert f"{len(labels) - 1} of them" in evidence_pages.head(page, chapter, dict.fromkeys(labels[1:]))
    assert evidence_pages.head(page, chapter, {}) == page


def test_what_a_check_says_is_shown_as_text():
    one = {
        "label": LABEL,
        "test": "tests/equations/test_x.py::test_y",
        "kind": "exact",
        "over": "a < b & c",
        "read": "whole",
        "code": "assert 1 < 2\n",
        "line": 3,
        "findings": [{"what": "<script>", "figure": "0"}],
    }
    row = evidence_pages.check_row(one, "https://github.com/o/r")
    assert html.escape("a < b & c") in row and "&lt;script&gt;" in row and "<script>" not in row
    assert 'href="https://github.com/o/r/blob/main/tests/equations/test_x.py#L3"' in row


def test_the_page_of_coverage_has_every_statement():
    rows = {row["id"] for row in soup("book/coverage.html").select("table.coverage tbody tr")}
    assert len(rows) == 401
    for link in soup("book/coverage.html").select("table.coverage td a"):
        page, _, anchor = link["href"].partition("#")
        assert anchor in ids_of(page), link["href"]


@cache
def ids_of(page):
    """All ids of a page; by its text, since a search of the tree for each link would take minutes."""
    return set(re.findall(r' id="([^"]+)"', (HTML / "book" / page).read_text(encoding="utf8")))
