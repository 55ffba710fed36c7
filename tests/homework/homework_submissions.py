"""Submissions made by a program: a solution or an empty copy, with something done to it."""

import json
import random
from pathlib import Path

from homework.draw import edition
from homework.making import make_assignment
from homework.master import master_path

NUMBER, KEY = "05", "a-key-for-tests"
QUESTIONS = {"q1": 8, "q2": 10, "q3": 10, "q4": 12, "q5": 20, "q6": 15, "q7": 25}


class Assignment:
    """The files of an assignment, and submissions of it."""

    def __init__(self, folder: Path, key: str = KEY, number: str = NUMBER):
        self.folder = make_assignment(master_path(number), key, folder)
        self.name, self.edition = self.folder.name, edition(key)
        self.solution = self._read("solution.ipynb")
        self.empty = self._read(f"{self.name}.ipynb")

    def _read(self, name):
        return json.loads((self.folder / name).read_text(encoding="utf8"))

    def answers(self) -> dict[str, int]:
        """For each question the number of the cell that holds its answer."""
        found, question = {}, ""
        for number, (solved, given) in enumerate(zip(self.solution["cells"], self.empty["cells"], strict=True)):
            text = "".join(solved["source"])
            if solved["cell_type"] == "markdown" and text.startswith("### Question"):
                question = f"q{text.split()[2]}"
            if solved["source"] != given["source"]:
                found[question] = number
        return found

    def answered(self, questions) -> dict:
        """The student's notebook with the solutions of some questions filled in."""
        notebook = json.loads(json.dumps(self.empty))
        for question, number in self.answers().items():
            if question in questions:
                notebook["cells"][number]["source"] = self.solution["cells"][number]["source"]
        return notebook

    def generated(self, seed: int) -> tuple[dict, int]:
        """A student who has answered some questions, broken some cells, and moved others; and what is due."""
        draw = random.Random(seed)
        questions = [question for question in QUESTIONS if draw.random() < 0.6]
        notebook = self.answered(questions)
        wrong = [question for question in QUESTIONS if question not in questions and draw.random() < 0.5]
        for question in wrong:
            notebook["cells"][self.answers()[question]]["source"] = draw.choice(WRONG)
        if draw.random() < 0.4:
            notebook["cells"].insert(draw.randrange(1, 28), code(draw.choice(HARMLESS)))
        if draw.random() < 0.3:
            notebook["cells"][1:] = draw.sample(notebook["cells"][1:], len(notebook["cells"]) - 1)
        return notebook, sum(QUESTIONS[question] for question in questions)


WRONG = ("kl_qp = 1 / 0", "def broken(:", "undefined_name", "import no_such_module", "answer = 42", "return 3")
HARMLESS = ("print('hello')", "1 + 1", "raise ValueError('an experiment that failed')", "%matplotlib inline", "# TODO")


def code(source) -> dict:
    """A code cell."""
    return {"cell_type": "code", "metadata": {}, "source": source, "outputs": [], "execution_count": None}


def with_cell(notebook: dict, source, place: int = 3) -> dict:
    """A copy of a notebook with one more code cell, before all answers if not said otherwise."""
    copy = json.loads(json.dumps(notebook))
    copy["cells"].insert(len(copy["cells"]) if place < 0 else place, code(source))
    return copy


def with_answer(assignment: Assignment, notebook: dict, question: str, source: str) -> dict:
    """A copy of a notebook with another answer to one question."""
    copy = json.loads(json.dumps(notebook))
    copy["cells"][assignment.answers()[question]]["source"] = source
    return copy


def write(path: Path, content) -> None:
    """A notebook, or bytes as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())

