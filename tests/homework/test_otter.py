"""Otter's own grading, which Gradescope runs, gives the same points as ours to who is honest."""

import pytest
from homework_submissions import QUESTIONS, Assignment, with_answer, write


@pytest.fixture(scope="module")
def assignment(tmp_path_factory):
    return Assignment(tmp_path_factory.mktemp("homework"))


def otters_points(assignment, notebook, folder):
    from otter.api import grade_submission

    write(folder / "one.ipynb", notebook)
    results = grade_submission(str(folder / "one.ipynb"), str(assignment.folder / "autograder.zip"), quiet=True)
    assert results.possible == 100
    return results.total


def test_a_solution_earns_everything(assignment, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert otters_points(assignment, assignment.solution, tmp_path) == 100


def test_a_part_earns_its_part(assignment, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    notebook = with_answer(assignment, assignment.answered(["q1", "q5", "q7"]), "q2", "best_mean = best_variance = 0.1")
    assert otters_points(assignment, notebook, tmp_path) == sum(QUESTIONS[one] for one in ("q1", "q5", "q7"))
