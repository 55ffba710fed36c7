"""A class of hostile and broken submissions, graded in one run: each gets what is due, and the run goes on."""

import csv
import json
import os

import pytest
from homework_submissions import KEY, Assignment, write
from hostile import submissions

from homework.classroom import grade_folder, read_submission
from homework.draw import edition
from homework.limits import Limits

LIMITS = Limits(cell=6, question=15, total=120, memory=2**30, file=2**24)
GENERATED = int(os.environ.get("VAE_NOTES_GENERATED", "6"))  # for the record 100 were graded in one run


@pytest.fixture(scope="module")
def assignment(tmp_path_factory):
    return Assignment(tmp_path_factory.mktemp("homework"))


@pytest.fixture(scope="module")
def graded(assignment, tmp_path_factory):
    """Everything handed in, and what came out of one run."""
    folder = tmp_path_factory.mktemp("class")
    handed_in = submissions(assignment)
    for seed in range(GENERATED):
        notebook, points = assignment.generated(seed)
        handed_in[f"generated-{seed}"] = (notebook, points, "graded")
    for name, (content, _, _) in handed_in.items():
        write(folder / "handed-in" / f"{name}.ipynb", content)
    rows = grade_folder(
        folder / "handed-in",
        {assignment.name: assignment.folder}.__getitem__,
        folder / "grades",
        {assignment.name: edition(KEY)},
        LIMITS,
    )
    return handed_in, {row["student"]: row for row in rows}, folder


def test_each_gets_what_is_due(graded):
    handed_in, rows, _ = graded
    points = {name: rows[name]["points"] for name in handed_in}
    assert points == {name: due for name, (_, due, _) in handed_in.items()}


def test_the_table_says_what_happened(graded):
    handed_in, rows, _ = graded
    wrong = {
        name: rows[name]["status"] for name, (_, _, status) in handed_in.items() if status not in rows[name]["status"]
    }
    assert wrong == {}


def test_table_and_feedback_are_written(graded):
    handed_in, rows, folder = graded
    with open(folder / "grades" / "grades.csv", encoding="utf8", newline="") as file:
        table = list(csv.DictReader(file))
    assert len(table) == len(handed_in) == len(rows)
    by_name = {row["student"].lstrip("'"): row for row in table}
    assert {name: float(row["points"]) for name, row in by_name.items()} == {
        name: due for name, (_, due, _) in handed_in.items()
    }
    assert [row["student"] for row in table if row["student"].startswith("=")] == []
    texts = {path.name for path in (folder / "grades").glob("*.md")}
    assert len(texts) == len(handed_in)
    feedback = (folder / "grades" / "infinite-loop.md").read_text(encoding="utf8")
    assert "100 of 100" in feedback and "it took too long" in feedback


def test_it_goes_on_where_it_was_stopped(graded, assignment, monkeypatch):
    """What was graded is not graded again; a part that is damaged is, and so is a submission that changed."""
    handed_in, _, folder = graded
    parts = sorted((folder / "grades" / "parts").iterdir())
    assert len(parts) == len(handed_in)
    again = ["error", "syntax-error", "half-answered"]
    (folder / "grades/parts/error.json").write_text("{", encoding="utf8")
    (folder / "grades/parts/syntax-error.json").unlink()
    notebook, points, _ = handed_in["nothing-answered"]
    write(folder / "handed-in/half-answered.ipynb", notebook)
    seen = []
    from homework import classroom

    grade_all = classroom._grade_all

    def watched(waiting, *rest):
        seen.extend(job[0].student for job in waiting)
        return grade_all(waiting, *rest)

    monkeypatch.setattr(classroom, "_grade_all", watched)
    second = grade_folder(
        folder / "handed-in", {assignment.name: assignment.folder}.__getitem__, folder / "grades", {assignment.name: edition(KEY)}, LIMITS
    )
    assert sorted(seen) == sorted(again)
    found = {row["student"]: row["points"] for row in second}
    expected = {name: due for name, (_, due, _) in handed_in.items()} | {"half-answered": points}
    assert found == expected


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="SUBMISSIONS must be a folder with notebooks"):
        grade_folder(tmp_path, lambda name: tmp_path, tmp_path / "grades", {})


def test_names_of_students_never_meet(tmp_path):
    """Two students whose names differ in signs that no file name has."""
    from homework.classroom import _file_name

    names = ["kim/05", "kim 05", "kim-05", "김/05", "kim\\05", "../05", "a" * 300, "a" * 301]
    assert len({_file_name(name) for name in names}) == len(names)
    assert all("/" not in _file_name(name) and len(_file_name(name)) < 100 for name in names)


def test_a_large_file_is_not_read(tmp_path):
    path = tmp_path / "large.ipynb"
    with open(path, "wb") as file:
        file.truncate(10**9)
    assert "more than" in read_submission(path, tmp_path).problem


def test_the_line_with_the_edition_is_found_wherever_it_stands(tmp_path, assignment):
    notebook = json.loads(json.dumps(assignment.empty))
    notebook["cells"].reverse()
    write(tmp_path / "one.ipynb", notebook)
    found = read_submission(tmp_path / "one.ipynb", tmp_path)
    assert (found.assignment, found.edition) == (assignment.name, edition(KEY))
