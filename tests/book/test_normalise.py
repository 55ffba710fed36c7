"""The tool that brings notebooks into their stored form: it changes what it must, refuses what it cannot, and no more."""

import json

import normalise as tool
import pytest
from normalise import Refused, as_text, normalise
from repository import setup_cell


def code(source, outputs=(), **cell):
    return {"cell_type": "code", "id": "a-cell", "metadata": {}, "source": source, "outputs": [*outputs], **cell}


def notebook(*cells):
    title = {"cell_type": "markdown", "id": "title", "metadata": {}, "source": "# A title"}
    return {"cells": [title, *cells], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def stream(name, text):
    return {"output_type": "stream", "name": name, "text": text}


PICTURE = {
    "output_type": "display_data",
    "data": {"image/png": "iVBORw0KGgo=", "text/plain": "<Figure size 7x3>"},
    "metadata": {"needs_background": "light"},
}


def only(cell):
    """The normal form of a notebook's one cell, after title and setup."""
    return normalise(notebook(cell))["cells"][2]


def test_a_dirty_notebook_is_cleaned():
    dirty = code(
        "x = 1   \n\nprint(x)\n\n",
        [stream("stderr", "careful"), stream("stdout", "1\n"), stream("stdout", "2\n"), PICTURE],
        id="3f2a9c1b",
        execution_count=7,
        metadata={"collapsed": True, "tags": ["hide-input"], "executionInfo": {"user": "somebody"}},
    )
    clean = only(dirty)
    assert clean["id"] == "x-1-print-x"
    assert clean["execution_count"] is None
    assert clean["metadata"] == {"tags": ["hide-input"]}
    assert clean["source"] == ["x = 1\n", "\n", "print(x)"]
    assert clean["outputs"] == [
        {"output_type": "stream", "name": "stdout", "text": ["1\n", "2\n"]},
        {"output_type": "display_data", "data": {"text/plain": ["<Figure size 7x3>"]}, "metadata": {}},
    ]


def test_the_notebook_has_only_our_metadata():
    dirty = {**notebook(code("x")), "metadata": {"colab": {"name": "copy"}, "kernelspec": {"name": "my-env"}}}
    assert normalise(dirty)["metadata"] == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }


def test_the_form_is_a_fixed_point():
    dirty = notebook(code("1 + 1", [stream("stdout", "x\n"), PICTURE], id="A B"), code("1 + 1", id="A B"))
    once = as_text(normalise(dirty))
    assert once != as_text(dirty)
    assert as_text(normalise(json.loads(once))) == once
    assert once.endswith("}\n")


@pytest.mark.parametrize(
    ("own", "kept"),
    [("kl-sympy-1d", True), ("ab", True), ("KL", False), ("a", False), ("a_b", False), ("x" * 64, False)]
    + [("1b9d6bcd", False), ("1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed", False), ("-a", False)],
)
def test_readable_ids_are_kept_and_others_made(own, kept):
    made = only(code("The evidence lower bound", id=own))["id"]
    assert made == (own if kept else "the-evidence-lower-bound")


def test_ids_are_unique():
    cells = normalise(notebook(code("a", id="same"), code("b", id="same"), code("c", id="same")))["cells"]
    assert [cell["id"] for cell in cells[2:]] == ["same", "same-2", "same-3"]


def test_the_setup_cell_is_written_and_stands_second():
    changed = code("print('by hand')", id="setup")
    cells = normalise(notebook(code("first"), changed))["cells"]
    assert [cell["id"] for cell in cells] == ["title", "setup", "a-cell"]
    assert "".join(cells[1]["source"]) == setup_cell()
    assert cells[1]["metadata"] == {"tags": ["hide-input"]}


def test_empty_cells_go():
    assert len(normalise(notebook(code(" \n"), code("x")))["cells"]) == 3


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (code("1 / 0", [{"output_type": "error", "ename": "ZeroDivisionError", "evalue": "no", "traceback": []}]),
         "cell a-cell: stores an error"),
        (code("print('x' * 3000)", [stream("stdout", "x" * 3000)]), "cell a-cell: stores 3000 characters"),
        (code("x", metadata={"tags": ["skip-execution"]}), "cell a-cell: tag 'skip-execution'"),
        (code("x", attachments={"a.png": {}}), "cell a-cell: has an attachment"),
        (code("x", [{"output_type": "display_data", "data": {"application/json": {}}, "metadata": {}}]),
         "cell a-cell: stores an output of type application/json"),
    ],
)  # fmt: skip
def test_what_cannot_be_stored_is_refused_by_name(cell, text):
    with pytest.raises(Refused, match=text):
        normalise(notebook(cell))


def live(**data):
    """The output of a live figure, as a run gives it."""
    fresh = {"text/plain": "Live figure kl: 0.3 nats.", "text/html": '<div class="vae-live">', "image/png": "iVBORw0KGgo="}
    said = {"image/png": {"alt": "Two curves."}, "other": 1}
    return {"output_type": "execute_result", "data": {**fresh, **data}, "metadata": said, "execution_count": 3}


def test_of_a_live_figure_text_and_still_picture_are_stored():
    cell = only(code("live.kl()", [live(**{"text/html": "x" * 100_000})]))
    assert cell["outputs"] == [
        {
            "output_type": "execute_result",
            "data": {"text/plain": ["Live figure kl: 0.3 nats."], "image/png": "iVBORw0KGgo="},
            "metadata": {"image/png": {"alt": "Two curves."}},
            "execution_count": None,
        }
    ]
    assert only(cell) == cell


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"image/png": ""}, "cell a-cell: a live figure without a still picture"),
        ({"image/png": "A" * 40_004}, "cell a-cell: the still picture has 30003 bytes"),
        ({"text/plain": "Live figure " + "x" * 2000}, "cell a-cell: stores 2012 characters"),
    ],
)
def test_a_live_figure_that_cannot_be_stored_is_refused_by_name(data, text):
    with pytest.raises(Refused, match=text):
        only(code("live.kl()", [live(**data)]))


def test_check_changes_nothing_and_fails_on_what_is_not_in_form(tmp_path):
    path = tmp_path / "dirty.ipynb"
    before = json.dumps(notebook(code("x  ")))
    path.write_text(before)
    with pytest.raises(SystemExit, match=r"dirty\.ipynb: not in its stored form"):
        tool.main(["--check", str(path)])
    assert path.read_text() == before
    tool.main([str(path)])
    assert path.read_text() != before
    tool.main(["--check", str(path)])


def test_execute_stores_the_text_that_the_cells_print(tmp_path, monkeypatch):
    for name in tool.notebook_environment():
        monkeypatch.setenv(name, "")  # so that what the tool sets is put back afterwards
    path = tmp_path / "run.ipynb"
    path.write_text(json.dumps(notebook(code("import sys\nprint(6 * 7)\nprint('aside', file=sys.stderr)"))))
    tool.main(["--execute", str(path)])
    assert json.loads(path.read_text())["cells"][2]["outputs"] == [
        {"name": "stdout", "output_type": "stream", "text": ["42\n"]}
    ]
