"""Start a chapter: a notebook with every part that a chapter needs, entered wherever chapters are listed; or remove one.

The new chapter has one display equation and tests/equations one test of it: every equation needs one.

    make new-chapter NAME=14-diffusion
    make remove-chapter NAME=14-diffusion
"""

import re
import sys

from normalise import as_text, normalise
from project import ROOT
from repository import title, write_readme

CONTENTS, INDEX = ROOT / "_toc.yml", ROOT / "book" / "index.md"
ORDER = ("title", "aims", "needs", "first-idea", "first-idea-check", "mistakes", "summary", "exercises")

TEXT = {
    "title": "# {title}\n\n**Which question does this chapter answer?** Ask it as a reader would.",
    "aims": "## What you will be able to do\n\n- Say in one line each what a reader can do afterwards.",
    "needs": "## What you need first\n\n- The symbols of the [notation](notation.md).",
    "first-idea": "## A section of one idea\n\nSay it in words, then in symbols:\n\n$$\n1 + 1 = 2\n$$ (eq-{slug}-first)",
    "mistakes": "> **Common mistakes**\n>\n> - Name the mistake, its symptom and its remedy.",
    "summary": "## Summary\n\nSay what was shown, and where it leads.",
    "exercises": "## Exercises",
    "references": "## References\n\n- Author (year). Title. Link.",
}
CHECK = '''"""The equations of chapter {number}."""

from equations.checking import checks


@checks("eq-{slug}-first", kind="exact", over="one sum")
def test_the_first_equation(equation):
    equation.proves()
'''
EXERCISE = "### Exercise {n}\n\nAsk for something that the reader can check."
SOLUTION = "<details><summary>Solution {n}</summary>\n\nExplain the answer.\n\n</details>"


def code(name, source, **metadata):
    return {"cell_type": "code", "id": name, "metadata": metadata, "source": source, "outputs": []}


def markdown(name, source):
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": source}


def exercise(n):
    """An exercise, its solution in words and its solution that runs."""
    prompts = {f"code_prompt_{verb}": f"{verb.capitalize()} the code of solution {n}" for verb in ("show", "hide")}
    return [
        markdown(f"exercise-{n}", EXERCISE.format(n=n)),
        markdown(f"solution-{n}", SOLUTION.format(n=n)),
        code(f"solution-{n}-code", f"assert {n} + 1 > {n}", tags=["hide-cell"], mystnb=prompts),
    ]


def chapter(name):
    slug = name.split("-", 1)[1]
    text = {key: value.format(title=slug.replace("-", " ").capitalize(), slug=slug) for key, value in TEXT.items()}
    cells = []
    for part in ORDER:
        cells.append(code(part, "print(1 + 1)") if part == "first-idea-check" else markdown(part, text[part]))
    for n in range(1, 5):
        cells += exercise(n)
    notebook = normalise({"cells": [*cells, markdown("references", text["references"])]})
    check = next(cell for cell in notebook["cells"] if cell["id"] == "first-idea-check")
    check["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["2\n"]}]
    return notebook


def edit(path, change):
    path.write_text(change(path.read_text(encoding="utf8")), encoding="utf8")


def after_last(pattern, line, text):
    """The text with a line more, behind the last one that matches."""
    last = list(re.finditer(pattern, text, re.MULTILINE))[-1]
    return f"{text[: last.end()]}{line}\n{text[last.end() :]}"


def without_lines(pattern, text):
    return re.sub(rf"^.*{pattern}.*\n", "", text, flags=re.MULTILINE)


def check_file(name):
    """Where the equations of a chapter are checked."""
    return ROOT / "tests" / "equations" / f"test_{name.replace('-', '_')}.py"


def new(name, path):
    taken = sorted(path.parent.glob(f"{name[:2]}-*.ipynb"))
    if taken:
        raise SystemExit(f"{taken[0].relative_to(ROOT)} exists already")
    path.write_text(as_text(chapter(name)), encoding="utf8")
    number, slug = name.split("-", 1)
    check_file(name).write_text(CHECK.format(number=number, slug=slug), encoding="utf8")
    row = f"| [{name[:2]} {title(path)}]({path.name}) | Which question does it answer? |"
    edit(CONTENTS, lambda text: after_last(r"^ *- file: book/\d\d-.*\n", f"      - file: book/{name}", text))
    edit(INDEX, lambda text: after_last(r"^\| \[\d\d .*\n", row, text))
    write_readme()
    print(f"{path.relative_to(ROOT)} is there, and stands last in _toc.yml and in book/index.md: now write it")


def remove(name, path):
    if not path.exists():
        raise SystemExit(f"there is no {path.relative_to(ROOT)}")
    path.unlink()
    check_file(name).unlink(missing_ok=True)
    (ROOT / "book" / "coverage" / f"{name}.yml").unlink(missing_ok=True)
    edit(CONTENTS, lambda text: without_lines(rf"- file: book/{name}$", text))
    edit(INDEX, lambda text: without_lines(rf"\({name}\.ipynb\) \|", text))
    write_readme()
    for other in sorted((ROOT / "book").rglob("*.*")):
        if other.suffix in (".md", ".ipynb", ".yml") and name in other.read_text(encoding="utf8"):
            print(f"{other.relative_to(ROOT)} still names {name}")


def main(name="", *options):
    if not re.fullmatch(r"\d\d-[a-z0-9]+(-[a-z0-9]+)*", name) or options not in ((), ("--remove",)):
        raise SystemExit(f"usage: make new-chapter NAME=14-diffusion (two digits, a slug), not {name!r}")
    (remove if options else new)(name, ROOT / "book" / f"{name}.ipynb")


if __name__ == "__main__":
    main(*sys.argv[1:])
