"""The two commands do what is needed, nothing twice, and never take half a job for a whole one."""

import json
import re
import subprocess
import sys
from types import SimpleNamespace

import browser
import build_book
import environment
import pytest
import yaml
from project import ROOT


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """An empty checkout in which environment.py works, with its slow steps replaced by notes of what was asked."""
    (tmp_path / ".venv").mkdir()
    for name in ("requirements.txt", "pyproject.toml"):
        (tmp_path / name).write_text("one")
    done = []
    monkeypatch.setattr(environment, "ROOT", str(tmp_path))
    monkeypatch.setattr(environment, "PYTHON", sys.executable)
    for name in ("STAMP", "MARKER"):
        monkeypatch.setattr(environment, name, str(tmp_path / ".venv" / name))
    monkeypatch.setattr(environment, "make_venv", lambda: done.append("venv"))
    monkeypatch.setattr(environment, "pip", lambda *arguments: done.append(arguments[0]))
    return SimpleNamespace(path=tmp_path, done=done)


def asked(checkout):
    """What one more run asks for."""
    checkout.done.clear()
    environment.main()
    return checkout.done


def test_the_environment_is_made_once(checkout):
    assert asked(checkout) == ["venv", "-r", "--no-deps"]
    assert asked(checkout) == []


def test_only_what_changed_is_installed_anew(checkout):
    asked(checkout)
    (checkout.path / "pyproject.toml").write_text("two")
    assert asked(checkout) == ["venv", "--no-deps"]
    (checkout.path / "requirements.txt").write_text("two")
    assert asked(checkout) == ["venv", "-r", "--no-deps"]


def test_an_interrupted_install_is_begun_anew(checkout, monkeypatch):
    asked(checkout)
    (checkout.path / "requirements.txt").write_text("two")

    def interrupted(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(environment, "pip", interrupted)
        environment.main()
    (checkout.path / "requirements.txt").write_text("one")  # even back at the state that was installed before
    assert asked(checkout) == ["venv", "-r", "--no-deps"]
    assert asked(checkout) == []


def test_an_old_python_gets_a_message(monkeypatch):
    monkeypatch.setattr(environment.sys, "version_info", (3, 9, 6, "final", 0))
    with pytest.raises(SystemExit, match=r"needs Python 3\.11 or newer.*\n.*make PYTHON="):
        environment.refuse_old_python()


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A tiny book whose builder only notes what it finds and leaves a page behind."""
    for name in ("vae_notes/module.py", "_toc.yml", "_config.yml", "requirements.txt", "book/_site/style.css"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("one")
    build = tmp_path / "_build"
    state = SimpleNamespace(path=tmp_path, html=build / "html", cache=build / ".jupyter_cache", found=None, code=0)

    def builder(*arguments, **options):
        state.found = {"pages": state.html.exists(), "outputs": state.cache.exists()}
        state.html.mkdir(parents=True, exist_ok=True)
        state.cache.mkdir(parents=True, exist_ok=True)
        return SimpleNamespace(returncode=state.code)

    for name, value in {
        "ROOT": tmp_path,
        "HTML": state.html,
        "KEYS": build / "built.json",
        "CACHE": state.cache,
        "PAGES": (state.html,),
    }.items():
        monkeypatch.setattr(build_book, name, value)
    monkeypatch.setattr(build_book.subprocess, "run", builder)
    return state


@pytest.mark.parametrize(
    ("changed", "kept"),
    [
        (None, {"pages": True, "outputs": True}),
        ("_toc.yml", {"pages": False, "outputs": True}),
        ("book/_site/style.css", {"pages": False, "outputs": True}),
        ("vae_notes/module.py", {"pages": False, "outputs": False}),
        ("requirements.txt", {"pages": False, "outputs": False}),
    ],
)
def test_a_build_keeps_what_nothing_changed(book, changed, kept):
    build_book.main()
    if changed:
        (book.path / changed).write_text("two")
    build_book.main()
    assert book.found == kept


def test_a_new_module_makes_the_notebooks_run_again(book):
    build_book.main()
    (book.path / "vae_notes" / "another.py").write_text("")
    build_book.main()
    assert book.found == {"pages": False, "outputs": False}


def test_a_failed_build_leaves_no_pages_and_no_key(book):
    book.code = 1
    with pytest.raises(SystemExit, match="not built"):
        build_book.main()
    assert not book.html.exists()
    book.code = 0
    build_book.main()
    assert book.found["pages"] is False


def test_the_path_of_the_site_is_printed_last(book, capfd):
    build_book.main()
    assert capfd.readouterr().out.splitlines()[-1] == str(book.html / "index.html")


def test_the_site_was_built_with_the_sources_of_now():
    """What the other tests look at is not a build of yesterday."""
    assert json.loads(build_book.KEYS.read_text()) == build_book.current_keys(), "run `make book`"


def test_help_has_a_line_for_every_target():
    text = (ROOT / "Makefile").read_text(encoding="utf8")
    targets = set(re.search(r"^\.PHONY: (.+)$", text, re.MULTILINE).group(1).split()) - {"environment"}
    shown = subprocess.run(["make", "--silent"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {line.split()[1] for line in shown.splitlines()} == targets
    assert all(len(line.split()) > 3 for line in shown.splitlines())


def test_lint_asks_every_tool_and_all_are_content():
    """As run by hand, before a commit and at the start of `make test`: a tool that fails ends it."""
    recipe = subprocess.run(["make", "-n", "lint"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    asked = [line.split(" ", 1)[1] for line in recipe.splitlines() if line.startswith(".venv/bin/python")]
    assert asked == [
        "-m ruff check --quiet .",
        "book/tools/normalise.py --check",
        "book/tools/prose.py",
        "book/tools/workflows.py",
    ]
    for command in asked[1:]:
        done = subprocess.run([sys.executable, *command.split()], cwd=ROOT, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout + done.stderr) == (0, ""), command


def test_the_hook_before_a_commit_is_what_make_test_begins_with():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf8"))["repos"]
    assert [(hook["entry"], hook["language"]) for repo in hooks for hook in repo["hooks"]] == [("make lint", "system")]
    makefile = (ROOT / "Makefile").read_text(encoding="utf8")
    assert re.search(r"^test: environment lint ", makefile, re.MULTILINE)


def test_a_named_browser_that_is_none_is_refused(monkeypatch):
    monkeypatch.setenv("CHROMIUM", "no-such-browser")
    with pytest.raises(SystemExit, match="no-such-browser"):
        browser.find()
