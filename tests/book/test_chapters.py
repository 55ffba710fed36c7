"""Every chapter has the parts that a chapter needs, in the form in which it is stored."""

import json
import re
from collections import Counter

import pytest
from chapter_faults import LABEL_USED, chapter_faults, labels, prose, source
from new_chapter import chapter
from normalise import as_text, normalise
from project import ROOT, chapters, notebooks, pages


def read(path):
    return json.loads(path.read_text(encoding="utf8"))


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_chapter_has_its_parts(path):
    faults = chapter_faults(read(path))
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_chapter_is_in_its_stored_form(path):
    text = path.read_text(encoding="utf8")
    assert as_text(normalise(json.loads(text))) == text, "run `make normalise`"


def test_every_page_of_the_contents_has_a_source():
    missing = [p for p in pages() if not any((ROOT / f"{p}{end}").exists() for end in (".md", ".ipynb"))]
    assert missing == []


def test_every_notebook_is_in_the_contents():
    assert sorted((ROOT / "book").glob("*.ipynb")) == sorted(notebooks())


def test_labels_are_unique_and_references_to_them_exist():
    known = Counter(label for path in notebooks() for label in labels(read(path)))
    assert [label for label, times in known.items() if times > 1] == []
    for path in notebooks():
        used = [name for cell in prose(read(path)) for name in LABEL_USED.findall(source(cell))]
        assert set(used) <= set(known), path.name


def relative_links(text):
    """The targets of links that stay in the repository."""
    targets = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL))
    return [t.partition("#")[0] for t in targets if "://" not in t and not t.startswith(("#", "mailto:"))]


def test_links_between_pages_name_files_that_exist():
    """With their suffix, so that they work on GitHub too; the built site's links are tested in test_site.py."""
    texts = {path: source(cell) for path in notebooks() for cell in prose(read(path))}
    texts |= {path: path.read_text(encoding="utf8") for path in [*ROOT.glob("*.md"), *(ROOT / "book").glob("*.md")]}
    broken = [(p.name, t) for p, text in texts.items() for t in relative_links(text) if not (p.parent / t).is_file()]
    assert broken == []


def test_names_on_the_notation_page_exist_in_the_package():
    """The second column of the table of symbols gives names in the code."""
    package = "\n".join(path.read_text(encoding="utf8") for path in (ROOT / "vae_notes").glob("*.py"))
    rows = re.findall(r"^\|[^|]*\|([^|]*)\|", (ROOT / "book/notation.md").read_text(encoding="utf8"), re.MULTILINE)
    names = [name for row in rows for code in re.findall(r"`([^`]+)`", row) for name in re.findall(r"[a-z_]+", code)]
    assert len(names) > 10
    assert [name for name in names if not re.search(rf"\b{name}\b", package)] == []


# A chapter with nothing wrong, and what makes it wrong: each must be found, or the tests above prove nothing.


@pytest.fixture
def good():
    return chapter("99-example")


def cell_of(notebook, name):
    return next(cell for cell in notebook["cells"] if cell["id"] == name)


def test_the_chapter_of_new_chapter_is_good(good):
    assert chapter_faults(good) == []
    assert as_text(normalise(good)) == as_text(good)


@pytest.mark.parametrize(
    ("name", "before", "after", "fault"),
    [
        ("title", "# ", "## ", "only title"),
        ("title", "?", ".", "no question"),
        ("aims", "able to do", "unable to do", "no section 'What you will be able to do'"),
        ("summary", "## Summary", "### Summary", "no section 'Summary'"),
        ("first-idea", "## A section", "### A section", "in this order"),
        ("references", "## References", "## Sources", "no section 'References'"),
        ("mistakes", "> **Common", "**Common", "no box"),
        ("first-idea", " (eq-example-first)", "", "without a label"),
        ("first-idea", "(eq-example-first)", "(example-first)", "without a label"),
        ("first-idea", "A section", r"\begin{align} x \end{align}", "not between"),
        ("aims", "- Say", ":::{note}\n- Say", "directive"),
        ("aims", "- Say", "```{math}\nx\n```\n- Say", "directive"),
        ("aims", "- Say", "{doc}`notation` Say", "the role 'doc'"),
        ("solution-2-code", "assert", "print", "asserts nothing"),
        ("solution-3", "Solution 3", "Solution 4", "stands in place 3"),
        ("solution-4", "<details>", "<div>", "3 exercises"),
    ],
)
def test_a_broken_chapter_is_found_out(good, name, before, after, fault):
    cell = cell_of(good, name)
    assert before in source(cell)
    cell["source"] = [source(cell).replace(before, after)]
    assert any(fault in found for found in chapter_faults(good)), chapter_faults(good)


def test_a_solution_without_folded_code_is_found_out(good):
    cell_of(good, "solution-1-code")["metadata"] = {}
    assert any("no folded code cell" in found for found in chapter_faults(good))


@pytest.mark.parametrize(
    ("alt", "figures", "fault"),
    [
        (None, 1, "missing or only names it"),
        ("A curve", 1, "missing or only names it"),
        ("A curve that falls steeply and then levels off", 2, "2 figures"),
        ("A curve that falls steeply and then levels off", 0, "without a stored figure"),
        ("A curve that falls steeply and then levels off", 1, None),
    ],
)
def test_a_figure_needs_its_words(good, alt, figures, fault):
    cell = cell_of(good, "first-idea-check")
    picture = {"output_type": "display_data", "data": {"text/plain": ["<Figure size 7x3>"]}, "metadata": {}}
    cell["outputs"] = [picture] * figures
    cell["metadata"] = {"mystnb": {"image": {"alt": alt}}} if alt else {}
    found = chapter_faults(good)
    assert any(fault in one for one in found) if fault else found == []


def test_links_are_read():
    text = "[a](x.md#part) [b](https://example.org) [c](#here) `[d](code.md)` ![e](images/e.png)"
    assert relative_links(text) == ["x.md", "images/e.png"]
