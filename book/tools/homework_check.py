"""See that assignments are fair under many keys: `make homework-check KEYS=20`.

For each assignment and each key the solution must earn 100 points and the student's empty copy none; on the copy the visible
check of each question must say that it is open. Then the answers of one key are handed in under another, as a whole notebook and pasted one by one
into the right notebook: at most 50 points. Everything runs in this process, which is quick and fit for our own solutions only;
the grading of a class keeps them apart.
"""

import argparse
import contextlib
import io
import itertools
import json
import os
import re
import sys
import tempfile
import zipfile
from pathlib import Path

import joblib
from project import ROOT
from tqdm import tqdm

sys.path.insert(0, str(ROOT / "book"))

from homework.making import code_cells, make_assignment
from homework.master import master_path, masters
from homework.testing import load_test, run_cases

MOST_COPIED = 50
PAIRS = 20


def names_after(cells):
    """What the cells define, and the errors that they raise."""
    names, errors = {"__name__": "__main__"}, []
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        os.chdir(folder)
        try:
            for source in cells:
                try:
                    exec(compile(source, "cell", "exec"), names)  # noqa: S102 - our own solutions
                except Exception as error:  # noqa: BLE001 - what a notebook would show
                    errors.append(f"{type(error).__name__}: {error}"[:200])
        finally:
            os.chdir(before)
    return {key: None if value is ... else value for key, value in names.items()}, errors


def points(autograder, names):
    """The points of these names, and what failed."""
    total, failed = 0, []
    with zipfile.ZipFile(autograder) as file:
        for entry in sorted(name for name in file.namelist() if name.startswith("tests/")):
            question = Path(entry).stem
            for case in run_cases(load_test(question, file.read(entry).decode()), names):
                total += case["points"]
                if case["message"]:
                    failed.append(f"{question}, {case['reason']}: {case['message'][:200]}")
    return total, failed


def questions(autograder):
    """How many questions the tests are for."""
    with zipfile.ZipFile(autograder) as file:
        return sum(name.startswith("tests/q") for name in file.namelist())


def read(path):
    return code_cells(json.loads(path.read_text(encoding="utf8")))


def pasted(answers, solution, empty):
    """The answers of another key in the places where this key's answers stand, or None if the places differ."""
    if not len(answers) == len(solution) == len(empty):
        return None
    return [a if s != e else e for a, s, e in zip(answers, solution, empty, strict=True)]


def check(name, keys, folder, master=None):
    """The faults of one assignment, and the points of copies; ``master`` is its file, if it is another than the book's."""
    faults, copies, made = [], [], {}
    for key in keys:
        path = make_assignment(master or master_path(name), key, folder / key)
        made[key] = (read(path / "solution.ipynb"), read(path / f"{path.name}.ipynb"), path / "autograder.zip")
    for key, (solution, empty, autograder) in made.items():
        names, errors = names_after(solution)
        total, failed = points(autograder, names)
        names, open_questions = names_after(empty)
        nothing, _ = points(autograder, names)
        if total != 100 or errors:
            faults.append(f"{name}, key {key}: the solution earns {total}; {'; '.join(errors + failed)}")
        if nothing != 0:
            faults.append(f"{name}, key {key}: the empty copy earns {nothing}")
        said = [found[1] for found in (re.match(r"AssertionError: Question (\d+)", error) for error in open_questions) if found]
        if sorted(said, key=int) != [str(number + 1) for number in range(questions(autograder))]:
            faults.append(f"{name}, key {key}: the checks of the empty copy name the questions {', '.join(said) or 'none'}")
    pairs = list(itertools.permutations(keys, 2))
    for one, other in pairs[:: max(1, len(pairs) // PAIRS)]:
        solution, empty, autograder = made[other]
        for kind, cells in (("whole", made[one][0]), ("pasted", pasted(made[one][0], solution, empty))):
            if cells is not None:
                total, _ = points(autograder, names_after([*empty, *cells])[0])
                copies.append(total)
                if total > MOST_COPIED:
                    faults.append(f"{name}: the answers of {one} earn {total} under {other} ({kind})")
    return faults, copies


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keys", type=int, default=20, help="how many keys (default: 20)")
    parser.add_argument("--only", default="", help="one assignment: its name, or the number of its chapter")
    parser.add_argument("--jobs", type=int, default=2, help="assignments side by side (default: 2)")
    options = parser.parse_args()
    keys = [f"key-{number:04d}" for number in range(options.keys)]
    wanted = [master_path(options.only)] if options.only else masters()
    with tempfile.TemporaryDirectory() as folder:
        calls = (joblib.delayed(check)(path.stem, keys, Path(folder)) for path in wanted)
        done = joblib.Parallel(n_jobs=options.jobs, return_as="generator")(calls)
        faults = []
        for path, (found, copies) in tqdm(zip(wanted, done, strict=True), total=len(wanted), unit="assignment"):
            faults += found
            most, mean = (max(copies), sum(copies) / len(copies)) if copies else (0, 0)
            tqdm.write(f"{path.stem:24s} {len(keys)} keys; copies under another key: {len(copies)}, at most {most:g}, mean {mean:.0f}")
    print("\n".join(faults) or "every solution earns 100, every empty copy 0, every copy from another key at most 50")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
