"""The repository's address is set in one place; every copy is one that the tool keeps, and equals the setting."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from citation import PAGE, bibtex, citation, page_with_citation
from project import ROOT, chapters, notebooks
from repository import (
    colab_address,
    maintained,
    readme_with_table,
    set_address,
    settings,
    setup_cell,
    site_address,
    slug,
)

ADDRESS = settings()["url"]
SKIPPED = {".git", ".venv", "_build", "shared", "__pycache__", ".pytest_cache", ".ruff_cache", "build", "dist"}


def text_files(root):
    """Every text file of the checkout (git's list where there is one, else all but the usual folders)."""
    for path in sorted(root.rglob("*")):
        if path.is_file() and not SKIPPED & set(path.relative_to(root).parts):
            try:
                yield path, path.read_text(encoding="utf8")
            except UnicodeDecodeError:
                continue


def files_that_name(text, root=ROOT):
    return {path for path, content in text_files(root) if text in content}


def test_only_maintained_files_name_the_repository():
    owner = slug(ADDRESS)
    assert files_that_name(f"github.com/{owner}") <= set(maintained())
    assert files_that_name(f"/github/{owner}") <= set(maintained())
    assert files_that_name(site_address(ADDRESS).removeprefix("https://").rstrip("/")) <= set(maintained())


def test_the_setting_stands_once_in_the_config():
    assert (ROOT / "_config.yml").read_text(encoding="utf8").count(slug(ADDRESS)) == 1


def test_the_copies_equal_the_setting():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf8"))
    assert citation["repository-code"] == ADDRESS
    assert citation["url"] == site_address(ADDRESS)
    assert f'"{ADDRESS}"' in (ROOT / "pyproject.toml").read_text(encoding="utf8")
    for path in notebooks():
        cells = json.loads(path.read_text(encoding="utf8"))["cells"]
        assert "".join(cells[1]["source"]) == setup_cell(), path.name
        assert f'"git+{ADDRESS}"' in setup_cell()


def test_the_readme_opens_every_chapter_in_colab():
    readme = (ROOT / "README.md").read_text(encoding="utf8")
    assert readme == readme_with_table(readme), "run `make normalise`"
    linked = re.findall(r"https://colab\.research\.google\.com/[^\s)]+", readme)
    assert linked == [colab_address(f"book/{path.stem}") for path in chapters()]


def test_changing_the_address_changes_it_everywhere(tmp_path):
    new = "https://github.com/someone/a-fork.of-it"
    ignore = shutil.ignore_patterns(*SKIPPED)
    shutil.copytree(ROOT, tmp_path / "copy", ignore=ignore)
    before = {path.relative_to(ROOT) for path in files_that_name(slug(ADDRESS))}
    set_address(new, tmp_path / "copy")
    assert settings(tmp_path / "copy")["url"] == new
    assert files_that_name(f"github.com/{slug(ADDRESS)}", tmp_path / "copy") == set()
    assert files_that_name(site_address(ADDRESS), tmp_path / "copy") == set()
    assert site_address(new) in (tmp_path / "copy" / "book/citing.md").read_text(encoding="utf8")
    after = {path.relative_to(tmp_path / "copy") for path in files_that_name(slug(new), tmp_path / "copy")}
    assert after == before | {Path(__file__).relative_to(ROOT)}  # which names the fork itself
    set_address(ADDRESS, tmp_path / "copy")
    for path in maintained():
        assert (tmp_path / "copy" / path.relative_to(ROOT)).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("address", ["https://example.org/a/b", "github.com/a/b", "https://github.com/a", ""])
def test_another_kind_of_address_is_refused(address):
    with pytest.raises(SystemExit, match="not an address of the form"):
        slug(address)


def test_the_setup_cell_runs_and_prints_nothing(tmp_path):
    done = subprocess.run([sys.executable, "-c", setup_cell()], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""


@pytest.mark.parametrize(
    ("address", "site"),
    [
        ("https://github.com/Some-One/a.b", "https://some-one.github.io/a.b/"),
        ("https://github.com/Some-One/some-one.github.io", "https://some-one.github.io/"),
    ],
)
def test_pages_are_published_where_github_puts_them(address, site):
    assert site_address(address) == site


def test_the_page_on_citing_says_what_the_citation_file_says():
    text = PAGE.read_text(encoding="utf8")
    assert page_with_citation(text) == text, "run `make normalise`"
    assert bibtex(citation()) in text
    changed = bibtex({**citation(), "version": "9.9", "authors": [{"name": "A"}, {"name": "B"}]})
    assert "version      = {9.9}," in changed and "{{A} and {B}}" in changed
    assert changed.count("{") == changed.count("}")
