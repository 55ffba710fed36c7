"""The rubric of an assignment: one page that says what each point is given for."""

import re

from homework.testing import load_test

__all__ = ["MAXIMUM", "rubric"]

MAXIMUM = 100
_HEAD = """\
# Rubric: {title}

Assignment {name}, edition {edition}, {total} points. Each line is a hidden test, and passes or fails as a whole.

| question | points | given for |
|---|---:|---|
"""


def rubric(name: str, edition: str, notebook, tests: dict[str, str]) -> str:
    """One page of Markdown: questions, points, and the first line of every test's docstring.

    Parameters
    ----------
    name, edition
        Of the assignment.
    notebook
        The rendered master: its first heading is the title.
    tests
        Source of the test file of each question.

    Raises
    ------
    ValueError
        If a test has no points or no docstring, or if the points do not add up to 100.
    """
    lines, total = [], 0
    for question, text in tests.items():
        for case in load_test(question, text).test_cases:
            reason = (case.body.test_func.__doc__ or "").strip().split("\n")[0]
            if not reason or case.points is None or case.points <= 0:
                raise ValueError(f"{name}: each test of {question} needs points and a docstring")
            total += case.points
            lines.append("| {} | {:g} | {} |".format(question, case.points, reason.replace("|", r"\|")))
    if total != MAXIMUM:
        raise ValueError(f"{name}: the points must add up to {MAXIMUM}, got {total}")
    heads = (re.search(r"^# (.+)$", cell.source, re.MULTILINE) for cell in notebook.cells if cell.cell_type == "markdown")
    title = next((found.group(1) for found in heads if found), name)
    return _HEAD.format(title=title, name=name, edition=edition, total=total) + "\n".join(lines) + "\n"
