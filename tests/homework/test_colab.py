"""The notebooks as a student meets them: an empty folder, what Colab ships, and one install by the first cell."""

import json
import os
import re
import subprocess

import pytest
from homework_submissions import Assignment
from notebook_runs import build_wheel, make_colab_like

from homework.master import masters

# Runs in the environment like Colab's: each notebook in names of its own, cell by cell, and what each cell raised.
RUN = """
import contextlib, io, json, sys
found = {}
for path in sys.argv[1:]:
    cells = [c for c in json.load(open(path))["cells"] if c["cell_type"] == "code"]
    names, errors = {"__name__": "__main__"}, []
    for cell in cells:
        with contextlib.redirect_stdout(io.StringIO()):
            try:
                exec("".join(cell["source"]), names)
                errors.append("")
            except Exception as error:
                errors.append(f"{type(error).__name__}: {error}")
    found[path] = errors
print(json.dumps([found, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """For every assignment the errors, cell by cell, of the solution and of the empty copy."""
    folder = tmp_path_factory.mktemp("colab")
    python = make_colab_like(folder / "environment")
    wheel = build_wheel(tmp_path_factory.mktemp("wheel"))
    empty = folder / "empty"
    empty.mkdir()
    made = [Assignment(folder / "made", key="public", number=path.stem) for path in masters()]
    paths = [one.folder / name for one in made for name in ("solution.ipynb", f"{one.name}.ipynb")]
    environment = {"PATH": os.environ["PATH"], "HOME": str(empty), "VAE_NOTES_SOURCE": str(wheel)}
    environment |= {"OMP_NUM_THREADS": "1", "MPLBACKEND": "agg", "PIP_NO_INDEX": "1"}
    command = [str(python), "-c", RUN, *map(str, paths)]
    done = subprocess.run(command, cwd=empty, env=environment, check=True, capture_output=True, text=True)
    found, modules = json.loads(done.stdout.splitlines()[-1])
    assert "vae_notes" in modules and "otter" not in modules
    return {one.name: (found[str(one.folder / "solution.ipynb")], found[str(one.folder / f"{one.name}.ipynb")]) for one in made}


@pytest.mark.parametrize("name", [path.stem for path in masters()])
def test_the_solution_runs_without_an_error(ran, name):
    solution, _ = ran[name]
    assert [error for error in solution if error] == []


@pytest.mark.parametrize("name", [path.stem for path in masters()])
def test_the_empty_copy_stops_only_at_its_checks(ran, name):
    """The visible check of each question says that it is open; nothing else fails."""
    _, empty = ran[name]
    assert empty[:2] == ["", ""]
    found = [re.match(r"AssertionError: Question (\d+)|", error)[1] or error for error in empty if error]
    master = json.loads(next(path for path in masters() if path.stem == name).read_text(encoding="utf8"))
    assert found == [question.removeprefix("q") for question in master["metadata"]["vae_notes"]["outcomes"]]
