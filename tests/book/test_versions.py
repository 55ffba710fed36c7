"""The runs with other releases test what they say: a copy of the checkout, with the requirements that belong to it."""

import subprocess
import sys

import pytest
import versions
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from project import ROOT

NEEDS = {canonicalize_name(need.name): need for need in versions.package_requirements()}


def by_name(lines):
    return {canonicalize_name(need.name): need.specifier for need in map(Requirement, lines)}


def test_the_latest_are_free_but_for_what_the_website_holds_back():
    asked = by_name(versions.latest_requirements())
    assert set(NEEDS) <= set(asked)
    assert not [name for name in NEEDS if asked[name]]
    assert str(asked["jupyter-book"]) and {"pytest", "nbval", "zizmor"} <= set(asked)


def test_the_oldest_are_the_lower_bounds():
    asked = by_name(versions.oldest_requirements())
    for name, need in NEEDS.items():
        version = next(iter(need.specifier)).version
        assert str(asked[name]) == f"=={version}"
    assert {"pytest", "hypothesis", "scipy", "setuptools"} <= set(asked)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A small checkout in which nothing is run, only noted."""
    for name in ("requirements.txt", "vae_notes/bounds.py", ".venv/old", "_build/html/index.html", ".git/HEAD", "shared/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("one")
    done = []

    def note(command, **options):
        done.append(" ".join(str(part) for part in command if part != sys.executable))
        return subprocess.CompletedProcess(command, 0, stdout="numpy==9\n")

    settings = versions.project()
    monkeypatch.setattr(versions, "project", lambda: settings)
    monkeypatch.setattr(versions, "ROOT", tmp_path)
    monkeypatch.setattr(versions, "BUILD", tmp_path / "_build")
    monkeypatch.setattr(versions.subprocess, "run", note)
    return tmp_path, done


def test_the_latest_make_a_lock_of_their_own_and_pass_the_same_tests(checkout):
    place, done = checkout
    versions.latest()
    copy = place / "_build" / "latest"
    assert sorted(path.name for path in copy.iterdir()) == ["requirements.txt", "vae_notes"]
    assert [command.split(" PYTHON")[0] for command in done][::2] == ["make environment", "make test"]
    assert done[1].endswith("book/tools/lock.py")
    assert (copy / "requirements.txt").read_text() == "numpy==9\n"
    assert (place / "requirements.txt").read_text() == "one"


def test_the_oldest_run_the_tests_of_the_package(checkout, monkeypatch):
    place, done = checkout
    monkeypatch.setattr(versions, "oldest_python", lambda: f"{sys.version_info[0]}.{sys.version_info[1]}")
    versions.oldest()
    assert "pytest tests --ignore=tests/book" in done[-1]
    assert (place / "_build/oldest/requirements.txt").read_text() == "numpy==9\n"


def test_the_oldest_ask_for_the_oldest_python(monkeypatch):
    monkeypatch.setattr(versions, "oldest_python", lambda: "3.2")
    with pytest.raises(SystemExit, match=r"make PYTHON=python3\.2"):
        versions.oldest()
    monkeypatch.undo()
    assert versions.project()["requires-python"] == f">={versions.oldest_python()}"


def test_a_run_that_fails_is_no_success():
    with pytest.raises(SystemExit, match="failed in"):
        versions.run(ROOT, sys.executable, "-c", "raise SystemExit(3)")
