"""One line of a chapter chooses between a quick run and the full size; both run, the full size here with tiny data."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import full_size
import pytest
from full_size import SWITCH, code_cells, has_switch, shrunk
from project import chapters, notebook_environment, notebooks

WITH_SWITCH = [path for path in notebooks() if has_switch(path)]


def calls_fit(source):
    calls = (node.func for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return any(ast.unparse(function) == "training.fit" for function in calls)


@pytest.mark.parametrize("notebook", chapters(), ids=lambda path: path.stem)
def test_a_chapter_that_trains_has_one_switch(notebook):
    """The switch stands in a cell of its own chapter that is shown, on one line, with a word of what it does."""
    content = json.loads(notebook.read_text(encoding="utf8"))
    lines = [
        (line, cell["metadata"].get("tags", []))
        for cell in content["cells"]
        if cell["cell_type"] == "code"
        for line in "".join(cell["source"]).splitlines()
        if line.startswith("full = ")
    ]
    assert len(lines) <= 1
    assert lines or not any(calls_fit(source) for _, source in code_cells(notebook))
    for line, tags in lines:
        assert line.startswith(SWITCH + "  # the switch: True ") and not tags


def run(notebook, folder):
    command = [sys.executable, full_size.__file__, str(notebook)]
    environment = {**notebook_environment(1), "VAE_NOTES_PROGRESS": "0"}
    return subprocess.run(
        command, cwd=folder, env=environment, check=False, capture_output=True, text=True, timeout=300
    )


@pytest.mark.parametrize("notebook", WITH_SWITCH, ids=lambda path: path.stem)
def test_the_full_size_runs(notebook, tmp_path):
    done = run(notebook, tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    calls = json.loads(done.stdout.strip().splitlines()[-1])
    assert ["load", "mnist"] in calls or any(name == "fit" and epochs > 0 for name, epochs in calls)


def write(folder, *sources):
    cells = [{"cell_type": "code", "id": f"cell-{i}", "source": [text]} for i, text in enumerate(sources)]
    path = folder / "small.ipynb"
    path.write_text(json.dumps({"cells": cells}))
    return path


START = (
    f'import torch\nfrom vae_notes import data\n{SWITCH}\ndigits = data.load("mnist" if full else "digits")'
)


@pytest.mark.parametrize(
    "cell, word",
    [
        ("digits.train.reshape(-1, 8, 8)", "RuntimeError"),
        ("assert digits.levels == 17", "AssertionError"),
        ("assert full or digits.levels == 17", None),
    ],
)
def test_what_only_the_quick_run_can_do_is_noticed(cell, word, tmp_path):
    done = run(write(tmp_path, START, cell), tmp_path)
    assert (done.returncode == 0) == (word is None), done.stderr
    assert word is None or (word in done.stderr and "in cell cell-1 of small.ipynb" in done.stderr)


def test_numbers_that_depend_on_the_switch_become_small_and_nothing_else_changes():
    names = {"full": True, "torch": None}
    for source in (
        "a = 600 if full else 30",
        "b = 5 if full else 9",
        'c = "x" if full else "y"',
        "d = 7 if a else 1",
    ):
        exec(compile(shrunk(source), "cell", "exec"), names)  # noqa: S102
    assert (names["a"], names["b"], names["c"], names["d"]) == (30, 5, "x", 7)


def test_the_notebooks_with_a_switch_are_found():
    assert {path.stem[:2] for path in WITH_SWITCH} >= {"01", "04", "06", "07", "08", "09", "10", "11", "12"}
    assert all(Path(path).suffix == ".ipynb" for path in WITH_SWITCH)
