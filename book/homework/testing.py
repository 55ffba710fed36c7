"""Read otter's test files and run them against names."""

import inspect
from collections.abc import Iterator

from otter.test_files.exception_test import ExceptionTestFile

__all__ = ["load_test", "needed", "run_cases"]


def load_test(question: str, text: str) -> ExceptionTestFile:
    """The test file of a question, from its source, which is the teacher's own and is executed.

    Parameters
    ----------
    question
        Its name.
    text
        Its source in otter's exception-based format.
    """
    return ExceptionTestFile.from_string(text, path=f"tests/{question}.py")


def needed(case) -> list[str]:
    """The names that a test case asks for: the parameters of its function."""
    return list(inspect.signature(case.body.test_func).parameters)


def run_cases(test: ExceptionTestFile, names: dict) -> Iterator[dict]:
    """Run the test cases of a question one by one, each against the same names.

    Parameters
    ----------
    test
        From `load_test`.
    names
        What the student's code has defined; a name that is missing is None, as otter has it.

    Yields
    ------
    dict
        ``points`` (what it gives), ``of`` (what it can give), ``reason`` (first line of its docstring) and
        ``message`` (why it failed, else empty).
    """
    for case in test.test_cases:
        missing = [name for name in needed(case) if names.get(name) is None]
        message = f"not answered: {', '.join(missing)}" if missing else ""
        try:
            if not missing:
                case.body.call_func(names)
        except Exception as error:  # noqa: BLE001 - whatever a test raises, it has failed
            message = f"{type(error).__name__}: {error}"[:500]
        reason = (case.body.test_func.__doc__ or "").strip().split("\n")[0]
        yield dict(points=0 if message else case.points, of=case.points, reason=reason, message=message)
