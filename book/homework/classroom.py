"""Grade a folder of submissions, each in processes of its own; go on after a failure, and go on after a stop."""

import csv
import hashlib
import io
import json
import multiprocessing
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from homework.limits import Limits
from homework.making import BANNER, code_cells
from homework.supervising import Outline, grade_cells, outline_of
from vae_notes.checkpoints import write_whole
from vae_notes.progress import progress_wanted, tqdm_class

__all__ = ["Submission", "grade_folder", "read_submission"]

_LARGEST = 50 * 2**20  # bytes of a notebook; ours have 30,000
_PRELOAD = [  # what notebooks and tests import, once for all submissions
    "torch", "matplotlib.pyplot", "scipy.integrate", "scipy.optimize", "scipy.stats", "sklearn.datasets",
    "IPython.core.interactiveshell", "vae_notes.data", "homework.supervising", "homework.testing",
]  # fmt: skip
_GRACE = 60  # seconds beyond the total limit until the grader of a submission is stopped itself


@dataclass(frozen=True)
class Submission:
    """A file that somebody handed in.

    Attributes
    ----------
    student
        Name of the file without its suffix, with its folder if it lies in one.
    path
        The file.
    digest
        Of its bytes.
    cells
        Its code, or nothing if it cannot be read.
    assignment, edition
        What its first lines say, or empty.
    problem
        Why it cannot be read, or empty.
    """

    student: str
    path: Path
    digest: str
    cells: tuple[str, ...]
    assignment: str
    edition: str
    problem: str


def read_submission(path: Path, folder: Path) -> Submission:
    """Read a file that may be anything.

    Parameters
    ----------
    path
        The file.
    folder
        The folder of all submissions, for the student's name.
    """
    student = path.relative_to(folder).with_suffix("").as_posix()
    assignment = edition = problem = ""
    cells: list[str] = []
    content = b""
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError(f"it has more than {_LARGEST} bytes")
        content = path.read_bytes()
        notebook = json.loads(content)
        if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
            raise ValueError("it has no list of cells")  # noqa: TRY004 - not an argument
        cells = code_cells(notebook)
        found = BANNER.search("\n".join(_texts(notebook["cells"])))
        if found:
            assignment, edition = found.groups()
    except (OSError, ValueError, RecursionError) as error:
        problem = f"not a notebook: {error}"[:200]
    return Submission(
        student, path, hashlib.sha256(content).hexdigest(), tuple(cells), assignment, edition, problem
    )


def _texts(cells: list) -> list[str]:
    sources = [cell.get("source", "") for cell in cells if isinstance(cell, dict) and cell.get("cell_type") == "markdown"]
    return ["".join(map(str, one)) if isinstance(one, list) else str(one) for one in sources]


def grade_folder(
    submissions: Path, make: Callable[[str], Path], output: Path, editions: dict[str, str],
    limits: Limits | None = None, jobs: int = 2, only: str = "",
) -> list[dict]:  # fmt: skip
    """Grade every notebook below a folder, and write ``grades.csv`` and one file of feedback for each.

    Parameters
    ----------
    submissions
        Folder of notebooks; subfolders count.
    make
        make(name) -> the folder that `make_assignment` wrote for an assignment. Asked once for each that occurs.
    output
        Folder of the results. What is there from the same file, tests and limits is not graded again.
    editions
        For each assignment the edition that this key has.
    limits
        Of each submission.
    jobs
        How many are graded side by side.
    only
        Name of the assignment to which files belong that do not say; without it, the one that most files name.

    Returns
    -------
    list of dict
        The rows of the table, in the order of the files' names.

    Raises
    ------
    ValueError
        If there is no notebook below the folder.
    """
    limits = limits or Limits()
    found = [read_submission(path, submissions) for path in sorted(submissions.rglob("*.ipynb")) if path.is_file()]
    if not found:
        raise ValueError(f"SUBMISSIONS must be a folder with notebooks (*.ipynb), found none below {submissions}")
    named = Counter(one.assignment for one in found if one.assignment in editions)
    usual = only or (named.most_common(1)[0][0] if named else "")
    folders = {name: make(name) for name in sorted({*named, usual} - {""})}
    outlines = {name: outline_of(str(path / "autograder.zip")) for name, path in folders.items()}
    (output / "parts").mkdir(parents=True, exist_ok=True)
    waiting, rows = [], {}
    for one in found:
        part = output / "parts" / f"{_file_name(one.student)}.json"
        name = one.assignment if only == "" else only
        name = name if name in outlines else usual
        outline = outlines.get(name, {})
        stamp = _stamp(one, folders.get(name), limits)
        known = _known(part, stamp)
        if known is not None:
            rows[one.student] = known
        else:
            waiting.append((one, name, outline, part, stamp))
    hidden = not progress_wanted(None)
    with tqdm_class()(total=len(found), initial=len(rows), unit="notebook", disable=hidden) as bar:
        for one, name, row in _grade_all(waiting, folders, editions, limits, jobs):
            rows[one.student] = row
            bar.update()
            _write_table(output, [rows[key.student] for key in found if key.student in rows])
            write_whole(output / f"{_file_name(one.student)}.md", _bytes(_feedback(row, name)))
    table = [rows[one.student] for one in found]
    _write_table(output, table)
    return table


def _grade_all(waiting, folders, editions, limits, jobs):
    """Start a process for each submission, some at a time, and yield what comes back."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOAD)
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)  # the fork server finds what it preloads only by this
    running: dict = {}
    queue = list(reversed(waiting))
    try:
        while queue or running:
            while queue and len(running) < jobs:
                job = queue.pop()
                one, name, outline, part, stamp = job
                row = _row(one, name, editions, outline)
                if row["status"] == "graded" and one.cells:
                    zip_path = str(folders[name] / "autograder.zip")
                    given = _given(folders[name] / f"{name}.ipynb")
                    process = context.Process(target=_grade_one, args=(one.cells, given, zip_path, outline, limits, part, row, stamp))
                    process.start()
                    running[process] = (job, row, time.monotonic())
                else:
                    _write_part(part, row, stamp)
                    yield one, name, row
            for process, (job, row, begin) in list(running.items()):
                late = time.monotonic() - begin > limits.total + _GRACE
                if process.is_alive() and not late:
                    continue
                process.kill()
                process.join()
                del running[process]
                one, name, _, part, stamp = job
                done = _known(part, stamp)
                if done is None:
                    done = {**row, "status": "the program stopped its grader", "seconds": round(time.monotonic() - begin, 1)}
                    _write_part(part, done, stamp)
                yield one, name, done
            time.sleep(0.02)
    finally:
        for process in running:
            process.kill()


def _grade_one(cells, given, zip_path, outline: Outline, limits: Limits, part: Path, row: dict, stamp: str) -> None:
    """In a process of its own: grade one submission and write its part."""
    import torch

    torch.set_num_threads(1)
    begin = time.monotonic()
    first, known = len(given), set(given)
    own = [source for source in cells if source not in known]  # the others have run, in the order that was meant
    found = grade_cells([*given, *own], zip_path, outline, limits)
    told = {**found["errors"], **found["left_out"]}
    notes = [
        f"`{own[number - first].strip()[:60]}`: {text}" for number, text in sorted(told.items()) if number >= first and text
    ]
    questions = {name: sum(case["points"] for case in cases) for name, cases in found["questions"].items()}
    stopped = sum(number >= first for number in found["left_out"])
    row |= {
        "status": f"graded, {stopped} cells left out" if stopped else "graded",
        "points": sum(questions.values()),
        "questions": questions,
        "cases": found["questions"],
        "notes": notes,
        "seconds": round(time.monotonic() - begin, 1),
    }
    _write_part(part, row, stamp)


def _given(path: Path) -> list[str]:
    """The code that the student was given: it runs first, so that a deleted cell is no loss."""
    return code_cells(json.loads(path.read_text(encoding="utf8")))


def _row(one: Submission, name: str, editions: dict[str, str], outline: Outline) -> dict:
    """What is known before anything has run."""
    status = "graded"
    if one.problem:
        status = one.problem
    elif one.assignment and one.assignment != name:
        status = f"another assignment: {one.assignment}"
    elif not name:
        status = "no assignment is named in it"
    cases = {
        question: [dict(points=0, of=of, reason=why, message="not run") for of, why in found]
        for question, found in outline.items()
    }
    return {
        "student": one.student,
        "assignment": name,
        "edition": {"": "not named", editions.get(name, ""): "yes"}.get(one.edition, "another"),
        "status": status,
        "points": 0,
        "of": sum(of for found in outline.values() for of, _ in found),
        "questions": dict.fromkeys(outline, 0),
        "cases": cases,
        "notes": [],
        "seconds": 0.0,
    }


def _stamp(one: Submission, assignment: Path | None, limits: Limits) -> str:
    """Changes with the submission, the tests and the limits."""
    total = hashlib.sha256(one.digest.encode())
    total.update(json.dumps([one.student, asdict(limits)]).encode())
    if assignment:
        total.update((assignment / "autograder.zip").read_bytes())
    return total.hexdigest()


def _known(part: Path, stamp: str) -> dict | None:
    try:
        content = json.loads(part.read_text(encoding="utf8"))
        return content["row"] if content["stamp"] == stamp else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write_part(part: Path, row: dict, stamp: str) -> None:
    write_whole(part, json.dumps({"stamp": stamp, "row": row}).encode())


def _bytes(text: str) -> bytes:
    """UTF-8, with a question mark for what is no character: names and cells may hold anything."""
    return text.encode("utf8", "replace")


def _file_name(student: str) -> str:
    """A file name for any student, different for different ones."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", student)[:80]
    return safe if safe == student else f"{safe}-{hashlib.sha256(_bytes(student)).hexdigest()[:6]}"


def _write_table(output: Path, rows: list[dict]) -> None:
    questions = sorted({question for row in rows for question in row["questions"]})
    columns = ["student", "assignment", "edition", "status", "points", "of", *questions, "seconds"]
    text = io.StringIO()
    table = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    table.writeheader()
    for row in rows:
        table.writerow({**{key: _harmless(value) for key, value in row.items()}, **row["questions"]})
    write_whole(output / "grades.csv", _bytes(text.getvalue()))


def _harmless(value):
    """A text that a spreadsheet does not take for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value


def _feedback(row: dict, name: str) -> str:
    lines = [f"# {name or 'No assignment'}: {row['points']} of {row['of']} points", "", f"{row['student']}: {row['status']}."]
    if row["edition"] == "another":
        lines += ["", "This notebook is of another edition: its numbers and functions differ from those asked for."]
    for question, cases in row["cases"].items():
        lines += ["", f"## {question}: {row['questions'][question]} of {sum(case['of'] for case in cases)}", ""]
        for case in cases:
            mark = f"{case['points']} of {case['of']}"
            lines.append(f"- {mark}: {case['reason']}" + (f" ({_one_line(case['message'])})" if case["message"] else ""))
    if row["notes"]:
        lines += ["", "## Cells that did not run to their end", "", *(f"- {_one_line(note)}" for note in row["notes"])]
    return "\n".join(lines) + "\n"


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300]
