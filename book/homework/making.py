"""Make the files of an assignment: the student's notebook, the autograder, the solution and the rubric.

`otter assign` takes solutions and hidden tests out of the student's copy and packs the autograder; what is added
here is what it leaves open: the cell that installs the package, the notebook's name and edition, an environment with
PyTorch's CPU build, and the rubric.
"""

import contextlib
import io
import re
import shutil
import tempfile
import zipfile
from pathlib import Path

import nbformat
import yaml
from repository import settings, setup_cell

from homework.draw import edition
from homework.master import render
from homework.rubric import rubric
from vae_notes.checkpoints import write_whole

__all__ = ["BANNER", "code_cells", "make_assignment"]

_CONFIG = {
    "init_cell": False,
    "export_cell": False,
    "check_all_cell": False,
    "run_tests": False,
    "tests": {"files": True, "ok_format": False},
    "python_version": "3.12",
}
_BANNER = "*Assignment {name}, edition {edition}. Leave this line as it is: the grading looks for it.*"
BANNER = re.compile(r"Assignment (\d\d-[a-z0-9-]+), edition ([0-9a-f]{8})")  # the line in a submission
_SETUP = 'find_spec("vae_notes")'  # only the cell that installs the package holds this


def make_assignment(master: Path, key: str, folder: Path) -> Path:
    """Write ``NN-slug.ipynb``, ``autograder.zip``, ``solution.ipynb`` and ``rubric.md`` into a folder of their own.

    Parameters
    ----------
    master
        The master notebook.
    key
        The teacher's key.
    folder
        Where the folder ``NN-slug`` is made, or replaced.

    Returns
    -------
    Path
        That folder.

    Raises
    ------
    ValueError
        If key or master are not as they must be; if the points do not add up to 100; if the student's notebook
        holds a marker of the master, a hidden test or the whole solution of a question.
    """
    notebook = render(master, key)
    name = master.stem
    with tempfile.TemporaryDirectory() as work:
        solution, student, tests = _assign(notebook, name, Path(work))
        finished = {
            "solution.ipynb": _finish(solution, name, key),
            f"{name}.ipynb": _finish(student, name, key),
        }
        _refuse_leaks(finished["solution.ipynb"], finished[f"{name}.ipynb"], tests, name)
        text = rubric(name, edition(key), notebook, tests)
        target = folder / name
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for file, content in finished.items():
            write_whole(target / file, nbformat.writes(content).encode() + b"\n")
        write_whole(target / "rubric.md", text.encode())
        _pack(next(Path(work, "made", "autograder").glob("*.zip")), target / "autograder.zip")
    return target


def _assign(notebook, name: str, work: Path):
    """What `otter assign` makes of a rendered master: solution, student's copy, and the tests by question."""
    from otter.assign import main as assign

    config = {**_CONFIG, "environment": "environment.yml"}
    head = nbformat.v4.new_raw_cell("# ASSIGNMENT CONFIG\n" + yaml.safe_dump(config))
    notebook.cells.insert(0, head)
    (work / "environment.yml").write_text(_environment(), encoding="utf8")
    nbformat.write(notebook, work / f"{name}.ipynb")
    with contextlib.redirect_stdout(io.StringIO()):
        assign(str(work / f"{name}.ipynb"), str(work / "made"), no_pdfs=True, no_run_tests=True)
    made = work / "made"
    copies = [nbformat.read(made / kind / f"{name}.ipynb", as_version=4) for kind in ("autograder", "student")]
    tests = {
        path.stem: path.read_text(encoding="utf8") for path in sorted((made / "autograder/tests").glob("*.py"))
    }
    return *copies, tests


def _environment() -> str:
    """The conda environment in which Gradescope grades: the package, and PyTorch without CUDA."""
    wanted = {
        "name": "{{ otter_env_name }}",
        "channels": ["conda-forge"],
        "dependencies": [
            "python=3.12",
            "pip",
            "git",
            "pytorch-cpu",
            {"pip": ["ipykernel", "scipy", f"git+{settings()['url']}"]},  # otter adds itself
        ],
    }
    return yaml.safe_dump(wanted, sort_keys=False)


def _finish(notebook, name: str, key: str):
    """Add the setup cell and the line with name and edition; nothing of the master's metadata stays."""
    head, *rest = notebook.cells
    banner = _BANNER.format(name=name, edition=edition(key))
    head.source = f"{head.source.rstrip()}\n\n{banner}"
    setup = nbformat.v4.new_code_cell(setup_cell(), metadata={"tags": ["setup"]})
    cells = [head, setup, *rest]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number:02d}"
        cell.metadata = {"tags": ["setup"]} if cell is setup else {}
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "colab": {"name": f"{name}.ipynb", "provenance": []}}
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


def code_cells(notebook) -> list[str]:
    """The code of a student's notebook, less the cell that installs the package.

    Parameters
    ----------
    notebook
        The parsed JSON of a notebook of version 4. Cells whose source is no text are left out.
    """
    cells = []
    for cell in notebook.get("cells", []):
        source = cell.get("source", "") if isinstance(cell, dict) else None
        if isinstance(source, list) and all(isinstance(line, str) for line in source):
            source = "".join(source)
        if isinstance(source, str) and cell.get("cell_type") == "code" and _SETUP not in source:
            cells.append(source)
    return cells


def _refuse_leaks(solution, student, tests: dict, name: str) -> None:
    """Nothing of a solution, and no hidden test, may stand in the student's copy."""
    shown = "\n".join(cell.source for cell in student.cells)
    if re.search(r"\bSOLUTION\b|HIDDEN|BEGIN (TEST|QUESTION|PROMPT)", shown):
        raise ValueError(f"{name}: a marker of the master is left in the student's notebook")
    changed = sum(one.source != other.source for one, other in zip(solution.cells, student.cells, strict=True))
    if changed < len(tests):
        raise ValueError(f"{name}: {len(tests)} questions, but solutions were taken out of {changed} cells")
    given = {line.strip() for cell in student.cells for line in cell.source.splitlines()}
    for question, text in tests.items():
        leaked = [
            line for line in text.splitlines() if re.match(r"\s*def test_", line) and line.strip() in given
        ]
        if leaked:
            raise ValueError(f"{name}: the student's notebook shows a test of {question}: {leaked[0].strip()}")


def _pack(source: Path, target: Path) -> None:
    """The autograder's zip with fixed dates, so that the same key gives the same bytes."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in sorted(old.infolist(), key=lambda entry: entry.filename):
            if not entry.is_dir():
                info = zipfile.ZipInfo(entry.filename, (1980, 1, 1, 0, 0, 0))
                info.external_attr = entry.external_attr
                new.writestr(info, old.read(entry), zipfile.ZIP_DEFLATED)
