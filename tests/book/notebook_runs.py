"""Run one notebook cell by cell against its stored outputs, in an environment of our choice, and measure it."""

import ast
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from xml.etree import ElementTree

from lock import closure
from normalise import LIVE_HTML, is_live, text_of
from packaging.requirements import Requirement
from project import ROOT, notebook_environment

# What Colab ships and a chapter may use; with everything that these need, and nothing else of this environment.
COLAB = ("torch", "numpy", "scipy", "matplotlib", "scikit-learn", "sympy", "ipywidgets", "ipykernel", "tqdm", "pooch")
KERNEL = "measured"
CELL_SECONDS = 120
LIVE = "LIVE FIGURE"  # stands for the HTML of a live figure, which is not stored
PANEL = 'Panel "'  # how the stored text of a panel begins
# Pressed once each, after the last cell: what a reader does who first runs all and then comes back.
PRESS = """# NBVAL_IGNORE_OUTPUT
display(PANEL.make(**{name: values[0] for name, values in PANEL.choices.items()}))"""
SANITISE = rf"""
[addresses]
regex: 0x[0-9a-f]{{8,}}
replace: ADDRESS

[cell-files]
regex: \S*ipykernel_\d+/\d+\.py
replace: CELL

[model-ids]
regex: [0-9a-f]{{32}}
replace: ID

[live-figures]
regex: (?s)\A{LIVE_HTML}.*\Z
replace: {LIVE}
"""


@dataclass
class Run:
    """What one run gave: cells compared, cells that differ, panels pressed, pytest's words, and what it took."""

    compared: int
    failed: int
    panels: int
    words: str
    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int

    @property
    def seconds(self):
        """Wall time, or CPU time where the machine had other things to do at the same time."""
        return min(self.wall_seconds, self.cpu_seconds)


def copy_of_the_package(folder):
    """What a build needs, copied, so that a build leaves nothing behind in the checkout."""
    source = folder / "source"
    shutil.copytree(ROOT / "vae_notes", source / "vae_notes", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    return source


def build_wheel(folder):
    """A wheel of the checkout."""
    source = copy_of_the_package(folder)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", str(folder), str(source)], check=True)
    return next(folder.glob("*.whl"))


def site_packages(python):
    command = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    return Path(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())


def make_colab_like(folder, allowed=COLAB):
    """A fresh environment with links to the allowed distributions of this one; gives its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    target = site_packages(python)
    for name in closure([Requirement(one) for one in (*allowed, "pip", "setuptools")]):
        dist = distribution(name)
        for top in {file.parts[0] for file in dist.files} - {"..", "__pycache__"}:
            source = Path(dist.locate_file(top))
            if source.exists() and not (target / top).exists():
                (target / top).symlink_to(source)
    return python


def write_kernel(folder, python, report):
    """A kernelspec that starts this Python's kernel through the launcher that measures it."""
    launcher = Path(__file__).with_name("measured_kernel.py")
    command = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    argv = [sys.executable, str(launcher), str(report), *command]
    place = folder / "kernels" / KERNEL
    place.mkdir(parents=True)
    (place / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": KERNEL, "language": "python"}))


def shows_panel(cell):
    texts = [text_of(output.get("data", {}).get("text/plain", "")) for output in cell.get("outputs", [])]
    return any(text.startswith(PANEL) for text in texts)


def press_at_the_end(content):
    """Give the panel of each cell that ends in one a name, and add a cell for each that presses it; gives their number."""
    cells = [cell for cell in content["cells"] if shows_panel(cell)]
    for number, cell in enumerate(cells):
        lines = text_of(cell["source"]).splitlines()
        first = ast.parse("\n".join(lines)).body[-1].lineno - 1
        last = "\n".join(lines[first:])
        cell["source"] = "\n".join([*lines[:first], f"(panel_{number} := {last})"])
        pressing = {"cell_type": "code", "id": f"press-{number}", "metadata": {}, "execution_count": None, "outputs": []}
        content["cells"].append(pressing | {"source": PRESS.replace("PANEL", f"panel_{number}")})
    return len(cells)


def copy_to_compare(notebook, folder, press):
    """A copy whose code cells are numbered: nbval compares nothing of a cell that seems never to have run.

    The HTML of a live figure is not stored: the copy says that there must be some. With press, last cells press
    the buttons of all panels.
    """
    content = json.loads(notebook.read_text(encoding="utf8"))
    for number, cell in enumerate(c for c in content["cells"] if c["cell_type"] == "code"):
        cell["execution_count"] = number + 1
        for output in cell["outputs"]:
            if is_live(output.get("data", {})):
                output["data"]["text/html"] = LIVE
    panels = press_at_the_end(content) if press else 0
    (folder / notebook.name).write_text(json.dumps(content), encoding="utf8")
    return panels


def count(junit):
    suite = ElementTree.parse(junit).getroot().find("testsuite")
    tests, skipped = int(suite.get("tests")), int(suite.get("skipped"))
    return tests - skipped, int(suite.get("failures")) + int(suite.get("errors"))


def wait_for(report, seconds=30):
    """The launcher's report, which comes a moment after the kernel was killed."""
    end = time.monotonic() + seconds
    while not report.exists():
        assert time.monotonic() < end, "the kernel's launcher left no report"
        time.sleep(0.05)
    return json.loads(report.read_text())


def run_notebook(notebook, folder, python, threads, *, press=False, **variables):
    """Compare a notebook with its stored outputs, from an empty folder, with this Python and number of threads."""
    state, empty = folder / "state", folder / "empty"
    for place in (state, empty):
        place.mkdir()
    (state / "sanitise.cfg").write_text(SANITISE)
    (state / "pytest.ini").write_text("[pytest]\n")
    write_kernel(state, python, state / "taken.json")
    environment = {**notebook_environment(threads), **variables}
    environment["JUPYTER_PATH"] = os.pathsep.join([str(state), environment["JUPYTER_PATH"]])
    panels = copy_to_compare(notebook, empty, press)
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-kernel-name", KERNEL, "-q", "--color=no"]
    command += ["-c", str(state / "pytest.ini"), "-p", "no:cacheprovider", "-p", "no:xdist"]
    command += ["--nbval-sanitize-with", str(state / "sanitise.cfg"), "--nbval-cell-timeout", str(CELL_SECONDS)]
    command += ["--junitxml", str(state / "cells.xml"), str(empty / notebook.name)]
    done = subprocess.run(command, env=environment, cwd=empty, check=False, capture_output=True, text=True)
    compared, failed = count(state / "cells.xml")
    return Run(compared, failed, panels, done.stdout[-6000:], **wait_for(state / "taken.json"))
