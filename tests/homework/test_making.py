"""An assignment made from a master: whole, without its solutions, and the same for the same key."""

import ast
import html
import json
import re
import zipfile

import nbformat
import pytest
import yaml
from homework_submissions import KEY, QUESTIONS, Assignment
from project import ROOT
from repository import settings, setup_cell

from homework.making import code_cells, make_assignment
from homework.master import master_path, masters, render
from homework.testing import load_test

ALL = [path.stem for path in masters()]
each_master = pytest.mark.parametrize("name", ALL)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Every assignment of one key, made when asked for."""
    folder, known = tmp_path_factory.mktemp("made"), {}

    def make(name):
        if name not in known:
            known[name] = Assignment(folder, number=name)
        return known[name]

    return make


def lines(notebook):
    """The lines of code that are long enough to be somebody's own."""
    return {line.strip() for source in code_cells(notebook) for line in source.splitlines() if len(line.strip()) > 20}


def is_open(source):
    """Whether a cell of answers holds nothing but ``...``, names set to ``...`` and functions whose body is ``...``."""

    def placeholder(node):
        if isinstance(node, ast.FunctionDef):
            return len(node.body) == 1 and isinstance(node.body[0], ast.Expr) and placeholder(node.body[0])
        return isinstance(node, ast.Expr | ast.Assign) and isinstance(node.value, ast.Constant) and node.value.value is ...

    return all(placeholder(node) for node in ast.parse(source).body)


def zipped_tests(assignment):
    """The tests in the zip for Gradescope, by question."""
    with zipfile.ZipFile(assignment.folder / "autograder.zip") as file:
        names = [name for name in file.namelist() if name.startswith("tests/q")]
        return {name[6:-3]: file.read(name).decode() for name in names}


def questions_and_points(notebook):
    """What the headings of the student's notebook say."""
    text = "\n".join("".join(cell["source"]) for cell in notebook["cells"])
    return {f"q{q}": int(points) for q, points in re.findall(r"^### Question (\d+) \((\d+) points\)", text, re.MULTILINE)}


def test_each_of_chapters_02_to_12_has_one():
    assert [name[:2] for name in ALL] == [f"{number:02d}" for number in range(2, 13)]
    chapters = {path.stem for path in (ROOT / "book").glob("[0-9][0-9]-*.ipynb")}
    assert set(ALL) <= chapters


@each_master
def test_nothing_of_the_solution_is_left(made, name):
    assignment = made(name)
    hidden = lines(assignment.solution) - lines(assignment.empty)
    assert len(hidden) > 10
    answers = {q: "".join(assignment.empty["cells"][number]["source"]) for q, number in assignment.answers().items()}
    assert {q: source for q, source in answers.items() if not is_open(source)} == {}
    shown = json.dumps(assignment.empty)
    assert [line for line in hidden if json.dumps(line)[1:-1] in shown] == []
    secret = {line.strip() for test in zipped_tests(assignment).values() for line in test.splitlines() if len(line.strip()) > 30}
    assert [line for line in secret if json.dumps(line)[1:-1] in shown] == []
    assert not re.search(r"SOLUTION|HIDDEN|BEGIN|autograder|otter", shown)


@each_master
def test_the_students_notebook_is_whole(made, name):
    assignment = made(name)
    nbformat.validate(nbformat.from_dict(assignment.empty))
    first, setup, *_ = ("".join(cell["source"]) for cell in assignment.empty["cells"])
    assert first.startswith(f"# Homework {name[:2]}: ")
    assert f"Assignment {name}, edition {assignment.edition}" in first
    assert setup == setup_cell()
    texts = "\n".join("".join(cell["source"]) for cell in assignment.empty["cells"])
    assert "<<" not in texts and "<%" not in texts
    assert "..." in texts and len(json.dumps(assignment.empty)) < 60_000
    asked = re.findall(r"^### Question (\d+)", texts, re.MULTILINE)
    assert asked == [str(number + 1) for number in range(len(asked))]


@each_master
def test_the_points_in_the_text_are_those_of_the_rubric(made, name):
    assignment = made(name)
    rubric = (assignment.folder / "rubric.md").read_text(encoding="utf8")
    given = {}
    for question, points in re.findall(r"^\| (q\d+) \| (\d+) \|", rubric, re.MULTILINE):
        given[question] = given.get(question, 0) + int(points)
    assert questions_and_points(assignment.empty) == given and sum(given.values()) == 100
    assert len(rubric) < 8000  # a page


@each_master
def test_the_zip_is_what_gradescope_needs(made, name):
    assignment = made(name)
    with zipfile.ZipFile(assignment.folder / "autograder.zip") as file:
        names = set(file.namelist())
        environment = yaml.safe_load(file.read("environment.yml"))
    assert {"run_autograder", "run_otter.py", "setup.sh", "otter_config.json"} <= names
    assert "pytorch-cpu" in environment["dependencies"]
    assert f"git+{settings()['url']}" in environment["dependencies"][-1]["pip"]
    cases = {question: load_test(question, text).test_cases for question, text in zipped_tests(assignment).items()}
    points = {question: sum(case.points for case in found) for question, found in cases.items()}
    assert points == questions_and_points(assignment.empty)
    assert all(case.hidden for found in cases.values() for case in found)


def test_the_same_key_gives_the_same_bytes(tmp_path):
    path = master_path("05")
    first, second, other = (
        make_assignment(path, key, tmp_path / str(place)) for place, key in enumerate((KEY, KEY, "another-key"))
    )
    for file in sorted(first.iterdir()):
        assert file.read_bytes() == (second / file.name).read_bytes(), file.name
        assert file.read_bytes() != (other / file.name).read_bytes(), file.name


@each_master
def test_the_website_offers_what_the_public_key_gives(tmp_path, name):
    folder = make_assignment(master_path(name), "public", tmp_path)
    committed = ROOT / "book/homework/public" / f"{name}.ipynb"
    assert (folder / f"{name}.ipynb").read_text(encoding="utf8") == committed.read_text(encoding="utf8")


def test_the_website_offers_no_other_notebook():
    assert sorted(path.stem for path in (ROOT / "book/homework/public").iterdir()) == ALL


def test_no_solution_lies_on_the_website(made):
    """Only what chapters or the package say, too, may be found there."""
    from project import HTML

    own = "\n".join(path.read_text(encoding="utf8") for path in (ROOT / "book").glob("*.ipynb"))
    own += "\n".join(path.read_text(encoding="utf8") for path in (ROOT / "vae_notes").rglob("*.py"))
    pages = [path for path in HTML.rglob("*") if path.suffix in (".html", ".ipynb", ".txt", ".js", ".json", ".md")]
    site = {path: path.read_text(encoding="utf8", errors="replace") for path in pages}
    site |= {  # code is coloured by tags
        path: text + html.unescape(re.sub(r"<[^<>]*>", "", text)) for path, text in site.items() if path.suffix == ".html"
    }
    assert len(site) > 20
    assert [path for path in HTML.rglob("*") if path.name in ("solution.ipynb", "autograder.zip", "rubric.md", "masters")] == []
    for name in ALL:
        assignment = Assignment(made(name).folder.parent / "public", key="public", number=name)
        secrets = {line for line in lines(assignment.solution) - lines(assignment.empty) if len(line) > 40}
        secrets = {line for line in secrets if json.dumps(line)[1:-1] not in own}
        assert len(secrets) > 3
        for path, text in site.items():
            found = [line for line in secrets if line in text or json.dumps(line)[1:-1] in text]
            assert found == [], f"{path.name} shows {found[0]!r}"


def test_an_unknown_assignment_is_refused():
    with pytest.raises(ValueError, match="the assignment must be one of 02-.*, or the number of its chapter, got '99'"):
        master_path("99")


def broken(tmp_path, change):
    """The master of 05 with something changed."""
    notebook = nbformat.read(master_path("05"), as_version=4)
    change(notebook)
    path = tmp_path / "05-gaussian-kl.ipynb"
    nbformat.write(notebook, path)
    return path


def replace(old, new):
    def change(notebook):
        hits = [cell for cell in notebook.cells if old in cell.source]
        assert hits
        for cell in hits:
            cell.source = cell.source.replace(old, new)

    return change


def test_an_unknown_name_in_a_template_is_refused(tmp_path):
    path = broken(tmp_path, replace("<< budget >>", "<< bugdet >>"))
    with pytest.raises(ValueError, match=r"05-gaussian-kl.ipynb, cell \d+ .*'bugdet' is undefined"):
        render(path, KEY)


@pytest.mark.parametrize("count", [0, 2])
def test_a_master_has_one_cell_of_variants(tmp_path, count):
    def change(notebook):
        notebook.cells[1:2] = count * [notebook.cells[1]]

    path = broken(tmp_path, change)
    with pytest.raises(ValueError, match=f"one cell with the tag 'variants', found {count}"):
        render(path, KEY)


def test_points_that_do_not_add_up_are_refused(tmp_path):
    path = broken(tmp_path, replace("points: 7", "points: 8"))
    with pytest.raises(ValueError, match="the points must add up to 100, got 102"):
        make_assignment(path, KEY, tmp_path / "out")


@pytest.mark.parametrize(("old", "new"), [('"""KL(q || p)"""', '""""""'), ("points: 4\n", ""), ("points: 4\n", "points: 0\n")])
def test_a_test_without_a_reason_or_points_is_refused(tmp_path, old, new):
    path = broken(tmp_path, replace(old, new))
    with pytest.raises(ValueError, match=r"each test of q\d needs points and a docstring"):
        make_assignment(path, KEY, tmp_path / "out")


def test_a_solution_that_is_not_marked_is_refused(tmp_path):
    def unmark(notebook):
        cell = next(cell for cell in notebook.cells if "def kl_to_prior" in cell.source)
        cell.source = cell.source.replace("# BEGIN SOLUTION", "").replace("# END SOLUTION", "")

    path = broken(tmp_path, unmark)
    with pytest.raises(ValueError, match="7 questions, but solutions were taken out of 6 cells"):
        make_assignment(path, KEY, tmp_path / "out")


@pytest.mark.parametrize(
    ("left", "error"),
    [
        ("# SOLUTION", "a marker of the master is left in the student's notebook"),
        ("# HIDDEN", "a marker of the master is left in the student's notebook"),
        ("def test_forward(kl_qp):", "the student's notebook shows a test of q1: def test_forward"),
    ],
)
def test_a_marker_or_a_test_in_a_text_is_refused(tmp_path, left, error):
    path = broken(tmp_path, replace("Priors need not be normal.", f"{left}\n"))
    with pytest.raises(ValueError, match=error):
        make_assignment(path, KEY, tmp_path / "out")


@pytest.mark.parametrize(
    ("source", "open_"),
    [
        ("...", True), ("a = ...\nb = ...  # why", True), ("def f(x):\n    ...\n\ndef g(x):\n    ...", True),
        ("a = ...\nb = 1", False), ("def f(x):\n    y = 2 * x\n    ...", False), ("def f(x):\n    return x", False), ("x + 1", False),
    ],
)  # fmt: skip
def test_what_an_open_answer_is(source, open_):
    assert is_open(source) == open_


def test_questions_of_the_tests_are_those_of_the_master(made):
    assert sorted(QUESTIONS) == sorted(made("05-gaussian-kl").answers())


def test_the_pages_say_what_the_masters_say():
    from homework_pages import pages

    for page, text in pages().items():
        assert page.read_text(encoding="utf8") == text, f"{page.name}: run make normalise"


@each_master
def test_a_master_says_what_teachers_ask(made, name):
    from homework_pages import about

    said = about(master_path(name))
    assert 60 <= said["minutes"] <= 120
    assert len(said["asks"]) > 20 and said["asks"][-1] not in ".?"  # the page adds the full stop
    empty = made(name).empty
    assert f"about {said['minutes']} minutes" in "".join(empty["cells"][0]["source"])
    assert list(said["outcomes"]) == list(questions_and_points(empty))
    assert all(text and not text[0].isupper() for text in said["outcomes"].values())
