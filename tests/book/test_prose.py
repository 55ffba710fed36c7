"""The prose is spelt, British and of one mind about its terms, and no formula uses a symbol that nobody explains."""

import json
import re

import prose
import pytest
import symbols
import yaml
from project import chapters

OWN = yaml.safe_load(prose.LIST.read_text(encoding="utf8"))


def test_the_book_has_no_fault_of_spelling_or_terms():
    found = list(dict.fromkeys(prose.faults()))
    assert found == [], "\n".join(found)


def test_every_symbol_is_explained():
    found = list(prose.symbol_faults())
    assert found == [], "\n".join(found)


def test_all_kinds_of_text_are_read():
    places = " ".join(where for where, _ in prose.passages())
    for kind in ("cell setting", "alt text of cell", "notation.md", "README.md", "bounds.py, docstring of elbo_analytic"):
        assert kind in places, kind


def test_the_word_list_is_in_order():
    """Each word once, in lower case, and every pattern is one."""
    for group in ("names", "words"):
        assert len(OWN[group]) == len(set(OWN[group])), group
    assert not [word for word in OWN["words"] if word != word.lower()]
    assert all(re.compile(one) for wrong in OWN["write"].values() for one in wrong)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("The postreior is normal.", "'postreior' is in no word list"),
        ("A modle.", "'modle'"),
        ("Normalisng it", "'Normalisng' is in no word list"),
        ("The color of a line", "'color' should be 'colour'"),
        ("We normalize it.", "'normalize' should be 'normalise'"),
        ("at the center", "'center' should be 'centre'"),
        ("a mini-batch", "'mini-batch' is written 'minibatch'"),
        ("in gray", "'gray' is written 'grey'"),
        ("a line\nand teh other", "'teh'"),
        ("Ba and Teh, but a ba and teh sea", "'teh'"),
        ("Héldor's rule", "\"Héldor's\" is in no word list"),
        ("Kingma (2014), Color of things; the colr", "'colr'"),
        ("**Vraiational** inference", "'Vraiational' is in no word list"),
    ],
)
def test_a_fault_is_found_out(text, said):
    found = list(prose.faults([("here", prose.prose(text))]))
    assert any(said in fault and fault.startswith("here: ") for fault in found), found


@pytest.mark.parametrize(
    "text",
    [
        "We normalised the colour of the centre, analysed its behaviour and labelled it.",
        "The name `kolour` and the formula $kolour$ are no words; nor is https://example.org/kolour.",
        "```\nkolour\n```\n\n$$\nkolour\n$$ (eq-kolour)",
        "Hölder's rule. Ba and Teh (2015), Color and modeling of things.",
        "A theorem of Kolour, and [a link](kolour.md) to it.",
        "## References\n\n- Kolour, A. Color of modeling.\n",
        ">>> kolour(1)\nkolour\n\nThat was an example.",
        "x : kolour, of shape (N, D)",
        "log_kolour, kolour.md, MyKolour and p(kolour) are code.",
    ],
)
def test_what_is_right_or_no_prose_passes(text):
    assert list(prose.faults([("here", prose.prose(text))])) == []


@pytest.mark.parametrize(
    ("formula", "found"),
    [
        (r"\hat p_\theta(x \mid z_i)", ["p", r"\theta", "x", "z", "i"]),
        (r"\mathrm{KL}(q \,\Vert\, p)", [r"\mathrm{KL}", "q", "p"]),
        (r"\log \mathcal{N} (x)", [r"\mathcal{N}", "x"]),
        (r"\begin{aligned} a &= b_\text{last} \end{aligned}", ["a", "b"]),
        (r"\operatorname{softplus} \ell, p_\mathrm{data}", [r"\ell", "p"]),
        (r"\sigma^2\varepsilon\,\big(\tfrac12\big)", [r"\sigma", r"\varepsilon"]),
    ],
)
def test_symbols_are_read(formula, found):
    assert list(symbols.symbols(formula)) == found


NOTATION = "| symbol | meaning |\n|---|---|\n| $x$, $y$, $d$ | data |\n| $u$ | noise (chapters 01 and 03) |\n| 1 | $v$ |\n"


@pytest.mark.parametrize(
    ("cells", "unknown"),
    [
        (["$$\nx + y = e^2\n$$ (eq-a)"], []),
        (["$$\nx + w = 1\n$$ (eq-a)"], ["w"]),
        (["$$\nx + v = 1\n$$ (eq-a)"], ["v"]),
        (["We write $w$ for the weight.", "$$\nx + w = 1\n$$ (eq-a)"], []),
        (["$$\nx + w = 1\n$$ (eq-a)", "We write $w$ for the weight."], ["w"]),
        (["$$\nx + w = 1\n$$ (eq-a)\n\nwhere $w \\ge 0$ is a weight."], []),
        (["$$\nw_i(x) = x + y\n$$ (eq-a)"], ["i"]),
        (["$$\nw \\sim \\text{any law}, \\quad t = w + s\n$$ (eq-a)"], ["s"]),
        (["$$\n\\begin{aligned} w &= x, \\\\ x &= w + t \\end{aligned}\n$$ (eq-a)"], ["t"]),
        (["$$\nx = \\sum_{m=1}^{M} y_m\n$$ (eq-a)"], ["M"]),
        (["$$\nx = \\int_0^1 t^s\\,dt\n$$ (eq-a)"], ["s"]),
        (["`$w$` is code", "$$\nx = w + \\tau\n$$ (eq-a)"], ["w", r"\tau"]),
        (["$$\nwt = x\n$$ (eq-a)"], ["w", "t"]),
        (["$$\nu = x\n$$ (eq-a)", "$$\nx = \\mathcal{F} u\n$$ (eq-b)"], [r"\mathcal{F}"]),
        (["$$\nx = u + x\n$$ (eq-a)"], ["u"]),
    ],
)
def test_an_unexplained_symbol_is_found_out(cells, unknown):
    notebook = {"cells": [{"cell_type": "markdown", "id": f"c{i}", "source": text} for i, text in enumerate(cells)]}
    assert [symbol for _, symbol, _ in symbols.undefined(notebook, "02", NOTATION)] == unknown


def test_a_row_may_hold_in_some_chapters_only():
    cell = {"cell_type": "markdown", "id": "c", "source": "$$\nx = u + x\n$$ (eq-a)"}
    assert [len(list(symbols.undefined({"cells": [cell]}, n, NOTATION))) for n in ("01", "02", "03")] == [0, 1, 0]


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_a_wrong_letter_in_a_chapter_is_found_out(path):
    """In the last displayed formula of each chapter, a letter that no chapter uses."""
    notebook = json.loads(path.read_text(encoding="utf8"))
    cell = [c for c in notebook["cells"] if c["cell_type"] == "markdown" and "$$" in "".join(c["source"])][-1]
    cell["source"] = "".join(cell["source"]).replace("\n$$ (eq", "\n+ \\Upsilon\n$$ (eq", 1)
    assert [symbol for _, symbol, _ in symbols.undefined(notebook, path.stem[:2])] == [r"\Upsilon"]
