"""The notebooks that the website offers, and the tables of the pages Homework and For teachers; `make normalise` calls it.

Each master says in its metadata (``vae_notes``) how long it takes, what it asks in one line, and what a student can do who
has answered a question.
"""

import json
import re
import shutil
import sys
import tempfile
from pathlib import Path

from project import ROOT
from repository import colab_address, title

sys.path.insert(0, str(ROOT / "book"))

from homework.making import make_assignment
from homework.master import masters

PUBLIC = "public"  # the key of the assignments that the website offers
HOMEWORK, TEACHERS = ROOT / "book/homework.md", ROOT / "book/teachers.md"


def about(master):
    """What a master says of itself."""
    return json.loads(master.read_text(encoding="utf8"))["metadata"]["vae_notes"]


def short_title(master):
    """``Homework 05: The distance between Gaussians`` without its beginning."""
    return title(master).partition(": ")[2]


def assignments():
    """The list for students: what is asked, how long it takes, where it opens."""
    rows = []
    for path in masters():
        colab = colab_address(f"book/homework/{PUBLIC}/{path.stem}")
        download = f"{{download}}`download <homework/{PUBLIC}/{path.name}>`"
        said = about(path)
        stop = "" if short_title(path).endswith("?") else "."
        rows.append(
            f"- **{path.stem[:2]} {short_title(path)}{stop}** {said['asks'][0].upper()}{said['asks'][1:]}. {said['minutes']} minutes.\n"
            f"  [Open in Colab]({colab}) or {download}."
        )
    return "\n".join(rows)


def outcomes():
    """The table for teachers: what each question shows."""
    rows = ["| assignment | question | who has answered it can |", "|---|---|---|"]
    for path in masters():
        for question, text in about(path)["outcomes"].items():
            rows.append(f"| {path.stem[:2]} | {question} | {text} |")
    return "\n".join(rows)


def with_table(text, table):
    """A page with its table of now, between the two marks that say where."""
    place = r"(<!-- table.*?-->\n\n).*?(\n\n<!-- end -->)"
    text, count = re.subn(place, lambda m: m[1] + table + m[2], text, flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"a page needs one <!-- table --> with its <!-- end -->, found {count}")
    return text


def pages():
    """Each page and what it must say."""
    return {
        page: with_table(page.read_text(encoding="utf8"), table)
        for page, table in ((HOMEWORK, assignments()), (TEACHERS, outcomes()))
    }


def write_notebooks():
    """The students' notebooks of the public key."""
    folder = ROOT / "book/homework" / PUBLIC
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        made = {path.name: make_assignment(path, PUBLIC, Path(work)) / path.name for path in masters()}
        for name, path in made.items():
            shutil.copyfile(path, folder / name)
    for path in folder.glob("*.ipynb"):
        if path.name not in made:
            path.unlink()


def write_pages():
    for page, text in pages().items():
        page.write_text(text, encoding="utf8")


if __name__ == "__main__":
    write_notebooks()
    write_pages()
