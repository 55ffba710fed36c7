"""Grade one submission: its code in one process, the tests in another, and this one to stop them.

The process of the student is forked before any test is read, and so holds none in its memory; the tests see its
functions from outside (`homework.peer`), so that whatever it does to PyTorch, to the package or to `assert` does not
reach them. A cell that ends the process, or that takes too long or too much memory, is left out, and the rest is
run again.
"""

import contextlib
import multiprocessing
import os
import signal
import tempfile
import time
import zipfile
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

import psutil

from homework.limits import Limits
from homework.peer import Peer, RemoteError
from homework.student import RUN_CELL, student_process

__all__ = ["Outline", "grade_cells", "outline_of"]

Outline = dict[str, list[tuple[float, str]]]
_FORK = multiprocessing.get_context("fork")
_TICK, _LOOK = 0.05, 0.3  # seconds between two looks at the clock, and at the memory


def outline_of(autograder: str) -> Outline:
    """For each question the points and the reason of every test case, in order.

    Parameters
    ----------
    autograder
        Path of the zip that `make_assignment` wrote.
    """
    from homework.testing import load_test

    return {
        question: [
            (case.points, (case.body.test_func.__doc__ or "").strip().split("\n")[0])
            for case in load_test(question, text).test_cases
        ]
        for question, text in _tests(autograder).items()
    }


def _tests(autograder: str) -> dict[str, str]:
    with zipfile.ZipFile(autograder) as file:
        names = sorted(name for name in file.namelist() if name.startswith("tests/") and name.endswith(".py"))
        return {name[len("tests/") : -len(".py")]: file.read(name).decode() for name in names}


@dataclass
class _State:
    """What is known of a submission while it is graded."""

    cells: list[str]
    limits: Limits
    deadline: float
    left_out: dict[int, str] = field(default_factory=dict)  # number of the cell -> why
    errors: dict[int, str] = field(default_factory=dict)
    restarts: int = 0
    retry: bool = True


def grade_cells(cells: list[str], autograder: str, outline: Outline, limits: Limits) -> dict:
    """Run the cells of a submission and test what they define.

    Parameters
    ----------
    cells
        Sources of code cells, in the order in which they run. One that raises an error is run a second time after
        all others, which mends cells that were moved.
    autograder
        Path of the assignment's zip. It is read only by the process of the tests.
    outline
        From `outline_of`.
    limits
        What the submission may use.

    Returns
    -------
    dict
        ``questions``: for each a list of cases with ``points``, ``of``, ``reason`` and ``message``. ``left_out`` and
        ``errors``: number of the cell -> what happened.
    """
    state = _State(cells, limits, time.monotonic() + limits.total)
    questions = {}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        student = None
        try:
            for question, cases in outline.items():
                if student is None:
                    student = _run_cells(state, folder)
                found, stopped = _test_question(student, question, autograder, state)
                empty = [dict(points=0, of=of, reason=why, message=stopped) for of, why in cases[len(found) :]]
                questions[question] = found[: len(cases)] + empty
                if stopped:
                    state.restarts += 1
                    student.stop()
                    student = None
        finally:
            if student is not None:
                student.stop()
    return {"questions": questions, "left_out": state.left_out, "errors": state.errors}


class _Student:
    """The student's process and the line to it."""

    def __init__(self, folder: str, limits: Limits):
        self.line, theirs = _FORK.Pipe()
        self.process = _FORK.Process(target=student_process, args=(theirs, folder, limits))
        self.process.start()
        theirs.close()

    def memory(self) -> int:
        """Bytes in use by the process and its children."""
        try:
            one = psutil.Process(self.process.pid)
            return sum(other.memory_info().rss for other in (one, *one.children(recursive=True)))
        except psutil.Error:
            return 0

    def stop(self) -> None:
        """End it, with all that it has started."""
        with contextlib.suppress(psutil.Error):
            for other in psutil.Process(self.process.pid).children(recursive=True):
                other.kill()
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            self.process.kill()
        self.process.join()
        self.line.close()


def _run_cells(state: _State, folder: str) -> _Student:
    """Start the student's process and run what can be run; again without the cell that stopped it."""
    while True:
        student = _Student(folder, state.limits)
        wanted = [number for number in range(len(state.cells)) if number not in state.left_out]
        culprit, why, round_ = _watch_cells(student, wanted, state)
        if culprit is None:
            return student
        student.stop()
        state.restarts += 1
        if round_ == 1:
            state.left_out[culprit] = why
        else:  # it raised an error before, and what it did until then counts
            state.retry = False
        if state.restarts > state.limits.restarts or time.monotonic() > state.deadline:
            later = [number for number in wanted if number > culprit or round_ == 2]
            state.left_out.update({number: "not run: too much had to be stopped before" for number in later})


def _watch_cells(student: _Student, wanted: list[int], state: _State) -> tuple[int | None, str, int]:
    """Let a driver run the cells. The number of the cell that had to be stopped, or None; why; in which round."""
    sources = {number: state.cells[number] for number in wanted}
    with _driver(_drive_cells, student.line, sources, state.retry) as (driver, reports):
        state.errors = {}
        current, round_ = None, 1
        while True:
            report, why = _wait(reports, driver, student, state, state.limits.cell)
            if why:
                return (wanted[0] if current is None else current), why, round_
            kind, *rest = report
            if kind == "done":
                return None, "", round_
            current, round_ = rest[:2]
            if kind == "end":
                state.errors[current] = rest[2]


def _drive_cells(reports: Connection, line: Connection, sources: dict[int, str], retry: bool) -> None:
    """In a process of its own: run the cells, and then once more those that raised an error."""
    peer = Peer(line)
    run = peer.ask("name", RUN_CELL)
    for round_ in (1, 2) if retry else (1,):
        failed = {}
        for number, source in sources.items():
            reports.send(("begin", number, round_))
            error = str(run(source))
            reports.send(("end", number, round_, error))
            if error:
                failed[number] = source
        sources = failed
    reports.send(("done",))


def _test_question(student: _Student, question: str, autograder: str, state: _State) -> tuple[list[dict], str]:
    """The cases that were decided, and why the others were not, or nothing."""
    found: list[dict] = []
    with _driver(_drive_test, student.line, question, autograder) as (driver, reports):
        while True:
            case, why = _wait(reports, driver, student, state, state.limits.question)
            if why or case is None:
                return found, why
            found.append(case)


def _drive_test(reports: Connection, line: Connection, question: str, autograder: str) -> None:
    """In a process of its own: read the tests of a question and run them on what the student has defined."""
    from homework.testing import load_test, needed, run_cases

    peer = Peer(line)
    test = load_test(question, _tests(autograder)[question])
    names: dict = {}
    for case in test.test_cases:
        for name in needed(case):
            if name not in names:
                try:
                    names[name] = peer.ask("name", name)
                except (KeyError, RemoteError):
                    names[name] = None
    for result in run_cases(test, names):
        reports.send(result)
    peer.ask("name", RUN_CELL)  # raises if the program has ended meanwhile
    reports.send(None)


@contextlib.contextmanager
def _driver(target, *arguments):
    """A process that talks to the student's process, and the pipe on which it reports."""
    reports, theirs = _FORK.Pipe(duplex=False)
    driver = _FORK.Process(target=_quietly, args=(target, theirs, *arguments))
    driver.start()
    theirs.close()
    try:
        yield driver, reports
    finally:
        driver.kill()
        driver.join()
        reports.close()


def _quietly(target, *arguments) -> None:
    """Call it; when the line is broken, end without a word: that no report comes says enough."""
    with contextlib.suppress(RemoteError, BrokenPipeError):
        target(*arguments)


def _wait(reports: Connection, driver, student: _Student, state: _State, seconds: float) -> tuple[object, str]:
    """The next report; or why there will be none."""
    now = time.monotonic()
    end, look = min(now + seconds, state.deadline), now + _LOOK
    while not reports.poll(_TICK):
        now = time.monotonic()
        if now > end:
            return None, "stopped: it took too long"
        if now > look:
            look = now + _LOOK
            if student.memory() > state.limits.memory:
                return None, "stopped: it took too much memory"
        if not student.process.is_alive():
            return None, "stopped: the program ended itself"
    try:
        return reports.recv(), ""
    except EOFError:  # the driver has ended, because the line was broken
        return None, "stopped: the program broke off" if student.process.is_alive() else "stopped: the program ended itself"
