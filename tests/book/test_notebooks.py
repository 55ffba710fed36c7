"""Every chapter runs alone, as Colab would run it and in the project's own environment, and prints what it stores."""

import dataclasses
import json
import os
import sys
from pathlib import Path

import pytest
from normalise import as_text, normalise
from notebook_runs import build_wheel, make_colab_like, run_notebook
from project import BUILD, notebooks

REPORT = BUILD / "test-reports" / "notebooks.json"
MOST_SECONDS = 60
MOST_SECONDS_OF_A_PANEL = 30
MOST_BYTES = 2e9


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def rows():
    """What each run took; written when the last one is done, and shown at the end of the test run."""
    collected = []
    yield collected
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps(collected, indent=1) + "\n")


def run_as_colab(notebook, folder, source):
    """One thread, an environment with only what Colab ships, and the package from a wheel (without network) or a repository."""
    python = make_colab_like(folder / "environment")
    offline = {"PIP_NO_INDEX": "1"} if Path(source).suffix == ".whl" else {}
    return run_notebook(notebook, folder, python, 1, VAE_NOTES_SOURCE=str(source), **offline)


def run_at_home(notebook, folder, source):
    """Two threads, the project's own environment, and at the end a press on the button of each panel."""
    return run_notebook(notebook, folder, sys.executable, 2, press=True)


RUNS = {"colab, 1 thread": run_as_colab, "at home, 2 threads": run_at_home}


@pytest.mark.parametrize("how", RUNS)
@pytest.mark.parametrize("notebook", notebooks(), ids=lambda path: path.stem)
def test_notebook_gives_what_it_stores(notebook, how, tmp_path, wheel, rows):
    run = RUNS[how](notebook, tmp_path, os.environ.get("VAE_NOTES_SOURCE") or wheel)
    taken = {k: v for k, v in dataclasses.asdict(run).items() if k != "words"}
    rows.append({"notebook": notebook.stem, "run": how, **taken})
    assert run.failed == 0, run.words
    assert run.compared > 0, "no cell was compared"
    most = MOST_SECONDS + run.panels * MOST_SECONDS_OF_A_PANEL
    assert run.seconds <= most, f"{run.seconds:.0f} s, more than {most} s"
    assert run.peak_bytes <= MOST_BYTES, f"{run.peak_bytes / 1e9:.2f} GB, more than {MOST_BYTES / 1e9:.0f} GB"


def small_notebook(folder, source, output):
    """A notebook of our own with one cell that stores one line of output."""
    outputs = [{"output_type": "stream", "name": "stdout", "text": output}] if output else []
    cell = {"cell_type": "code", "id": "only", "metadata": {}, "source": source, "outputs": outputs}
    title = {"cell_type": "markdown", "id": "title", "metadata": {}, "source": "# Title"}
    path = folder / "small.ipynb"
    path.write_text(as_text(normalise({"cells": [title, cell]})))
    return path


@pytest.mark.parametrize(
    ("source", "output", "failed"),
    [
        ("print(1 + 1)", "2\n", 0),
        ("print(1 + 1)", "3\n", 1),  # a stored output that is not what the cell prints
        ("print(1 + 1)", "", 1),
        ("import sphinx", "", 1),  # what Colab does not ship
        ("import vae_notes\nprint('site-packages' in vae_notes.__file__)", "True\n", 0),  # the wheel, not the checkout
        ("import os\nprint(os.listdir())", "['small.ipynb']\n", 0),
        ("import warnings\nwarnings.warn('careful')", "", 1),  # a warning that the reader would see
    ],
)
def test_the_run_can_fail(source, output, failed, tmp_path, wheel):
    run = run_as_colab(small_notebook(tmp_path, source, output), tmp_path, wheel)
    assert (run.compared, run.failed) == (2, failed), run.words


LIVE_CELL = """class Figure:
    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/plain": "Live figure small: TEXT", "text/html": 'HTML', "image/png": "iVBORw0KGgo="}
Figure()"""


@pytest.mark.parametrize(
    ("text", "html", "failed"),
    [
        ("0.3 nats.", '<div class="vae-live">\\n<p>', 0),
        ("0.4 nats.", '<div class="vae-live">', 1),
        ("0.3 nats.", "<p>no figure</p>", 1),
    ],
)
def test_a_live_figure_is_compared_by_its_text_and_must_give_its_html(text, html, failed, tmp_path, wheel):
    path = small_notebook(tmp_path, LIVE_CELL.replace("TEXT", text).replace("HTML", html), "")
    content = json.loads(path.read_text())
    stored = {"text/plain": "Live figure small: 0.3 nats.", "image/png": "iVBORw0KGgo="}
    output = {"output_type": "execute_result", "data": stored, "metadata": {}, "execution_count": None}
    content["cells"][2]["outputs"] = [output]
    path.write_text(json.dumps(content))
    run = run_as_colab(path, tmp_path, wheel)
    assert (run.compared, run.failed) == (2, failed), run.words


PANEL_CELL = """from vae_notes import live
live.Panel(lambda z: SOURCE, "Again", z=(0, 1))"""


@pytest.mark.parametrize(
    ("source", "press", "failed"), [("1 + z", True, 0), ("1 / z", True, 1), ("1 / z", False, 0), ("1 + other", True, 1)]
)
def test_the_button_of_every_panel_is_pressed(source, press, failed, tmp_path, wheel):
    path = small_notebook(tmp_path, PANEL_CELL.replace("SOURCE", source), "")
    content = json.loads(path.read_text())
    text = 'Panel "Again" (z: 0, 1). It answers where Python runs: in Jupyter and in Colab.'
    output = {"output_type": "execute_result", "data": {"text/plain": text}, "metadata": {}, "execution_count": None}
    content["cells"][2]["outputs"] = [output]
    path.write_text(json.dumps(content))
    run = run_notebook(path, tmp_path, sys.executable, 1, press=press)
    assert (run.compared, run.failed, run.panels) == (2 + press, failed, int(press)), run.words


def test_the_run_is_measured(tmp_path, wheel):
    """A cell that takes memory and time shows in the figures."""
    source = "import time\nblock = bytearray(300_000_000)\nend = time.time() + 2\nwhile time.time() < end:\n    pass"
    run = run_at_home(small_notebook(tmp_path, source, ""), tmp_path, wheel)
    assert run.failed == 0, run.words
    assert run.peak_bytes > 3e8
    assert run.wall_seconds > 2
    assert run.cpu_seconds > 0.5


def test_a_missing_package_that_cannot_be_installed_fails_the_first_cell(tmp_path):
    run = run_as_colab(small_notebook(tmp_path, "print(1)", "1\n"), tmp_path, tmp_path / "missing.whl")
    assert run.failed > 0, run.words
    assert "missing.whl" in run.words
