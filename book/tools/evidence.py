"""Run the checks of the displayed equations, all of them or some: `make evidence ONLY=eq-kl-1d`.

    python book/tools/evidence.py              all, unless nothing has changed since they last passed
    python book/tools/evidence.py 05 eq-kl-1d  a chapter, an equation, whatever has been run before

The build of the site calls the first form and shows what was found; a check that fails stops the build.
"""

import os
import subprocess
import sys

from project import ROOT

sys.path.insert(0, str(ROOT / "book"))

from equations.results import load
from equations.sources import sources

FOLDER = "tests/equations"


def run(*arguments):
    """The checks, run by the test runner in a process of its own, with one thread a worker."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--no-header", *arguments]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False).returncode


def files(chapter):
    return [str(path.relative_to(ROOT)) for path in (ROOT / FOLDER).glob(f"test_{chapter}_*.py")]


def some(wanted):
    """The checks of chapters (two digits) and of equations (labels)."""
    for one in wanted:
        if one in sources():
            chapter = sources()[one].chapter[:2]
            failed = run(*files(chapter), "-k", f"[{one}]", "-v")
        elif files(one):
            failed = run(*files(one), "-v")
        else:
            raise SystemExit(f"ONLY: {one!r} is neither a chapter such as 05 nor the label of an equation in book/")
        if failed:
            raise SystemExit(failed)


def ensure():
    """Run all checks if something has changed since all of them passed."""
    if load():
        return
    print(f"checking {len(sources())} equations ...", flush=True)
    if run(FOLDER, "-n", "2", "--dist", "loadfile", "--deselect", f"{FOLDER}/test_mutants.py"):
        raise SystemExit("an equation of the book fails its check: see the messages above")
    if not load():
        raise SystemExit("the checks passed, but not every equation has one: run pytest tests/equations/test_ties.py")


if __name__ == "__main__":
    some(sys.argv[1:]) if sys.argv[1:] else ensure()
