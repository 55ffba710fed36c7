"""A chapter made by `make new-chapter` passes what every chapter must pass; removed again, it leaves no trace."""

import json
import shutil
import subprocess
import sys

import prose
import pytest
import symbols
import yaml
from chapter_faults import chapter_faults
from normalise import as_text, normalise
from project import ROOT
from versions import LEFT_BEHIND

NAME = "98-a-trial-of-it"


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    place = tmp_path_factory.mktemp("checkout") / "copy"
    shutil.copytree(ROOT, place, ignore=shutil.ignore_patterns(*LEFT_BEHIND, "*.pyc"))
    return place


def tool(copy, *arguments):
    command = [sys.executable, "-B", str(copy / "book/tools/new_chapter.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def content(copy):
    return {path.relative_to(copy): path.read_bytes() for path in sorted(copy.rglob("*")) if path.is_file()}


def test_a_new_chapter_is_good_everywhere_and_leaves_no_trace(copy):
    before = content(copy)
    assert tool(copy, NAME).returncode == 0
    path = copy / "book" / f"{NAME}.ipynb"
    text = path.read_text(encoding="utf8")
    notebook = json.loads(text)
    assert chapter_faults(notebook) == []
    assert as_text(normalise(notebook)) == text
    assert list(symbols.undefined(notebook, NAME[:2])) == []
    passages = [(cell, prose.prose(words)) for cell, words in prose.notebook_passages(notebook)]
    assert list(prose.faults(passages)) == []
    assert yaml.safe_load((copy / "_toc.yml").read_text(encoding="utf8"))
    changed = {str(name) for name, data in content(copy).items() if before.get(name) != data}
    checks = f"tests/equations/test_{NAME.replace('-', '_')}.py"
    assert changed == {f"book/{NAME}.ipynb", "_toc.yml", "book/index.md", "README.md", checks}
    run = [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", checks]
    done = subprocess.run(run, cwd=copy, capture_output=True, text=True, check=False)
    assert "1 passed" in done.stdout, done.stdout
    (copy / "book/coverage" / f"{NAME}.yml").write_text("- row: S0-01\n")
    done = tool(copy, NAME, "--remove")
    assert (done.returncode, done.stdout) == (0, "")
    assert content(copy) == before


def test_the_new_chapter_stands_after_the_last_one(copy):
    tool(copy, NAME)
    lines = (copy / "_toc.yml").read_text(encoding="utf8").splitlines()
    chapters = [i for i, line in enumerate(lines) if "book/" in line and line.split("book/")[1][:2].isdigit()]
    assert NAME in lines[chapters[-1]] and len({line.index("-") for line in (lines[i] for i in chapters)}) == 1
    for taken in (NAME, f"{NAME[:2]}-another"):
        assert tool(copy, taken).stderr.strip() == f"book/{NAME}.ipynb exists already"
    tool(copy, NAME, "--remove")


def test_what_still_names_a_removed_chapter_is_said(copy):
    tool(copy, NAME)
    page = copy / "book" / "notation.md"
    text = page.read_text(encoding="utf8")
    page.write_text(f"{text}\nSee [the trial]({NAME}.ipynb).\n", encoding="utf8")
    assert tool(copy, NAME, "--remove").stdout == f"book/notation.md still names {NAME}\n"
    page.write_text(text, encoding="utf8")


@pytest.mark.parametrize("arguments", [[], ["7-x"], ["07_x"], ["07-x", "--erase"]])
def test_another_name_is_refused(copy, arguments):
    assert tool(copy, *arguments).stderr.startswith("usage: make new-chapter")
    assert "there is no book/97-x.ipynb" in tool(copy, "97-x", "--remove").stderr
