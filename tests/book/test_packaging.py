"""What `pip install` gets: the package, one version, loose bounds, and no notebook."""

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile

import pytest
import yaml
from notebook_runs import build_wheel, copy_of_the_package
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from project import ROOT

import vae_notes

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf8"))["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build_wheel(tmp_path_factory.mktemp("wheel"))


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    package = ROOT / "vae_notes"
    files = [*package.rglob("*.py"), *package.glob("reproduce/results/*.json"), *package.glob("live/js/*")]
    assert {name for name in names if ".dist-info/" not in name} == {p.relative_to(ROOT).as_posix() for p in files}
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_sdist_builds_into_the_same_wheel(tmp_path, wheel):
    source = copy_of_the_package(tmp_path)
    build = "import setuptools.build_meta as b, sys; print(b.build_sdist(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", build, str(tmp_path)], cwd=source, check=True, capture_output=True)
    sdist = next(tmp_path.glob("*.tar.gz"))
    with tarfile.open(sdist) as archive:
        assert not [name for name in archive.getnames() if name.endswith(".ipynb") or "/tests/" in name]
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", str(tmp_path), str(sdist)], check=True)
    again = next(tmp_path.glob("*.whl"))
    assert sorted(zipfile.ZipFile(again).namelist()) == sorted(zipfile.ZipFile(wheel).namelist())


def test_there_is_one_version(wheel):
    version = vae_notes.__version__
    assert wheel.name.startswith(f"vae_notes-{version}-")
    assert str(yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf8"))["version"]) == version
    changes = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf8"), re.MULTILINE)
    assert changes[0] == version


def test_bounds_are_loose():
    """Lower bounds only: an upper one or a pin breaks a reader's Colab when Colab moves on."""
    for line in PROJECT["dependencies"]:
        assert [part.operator for part in Requirement(line).specifier] in ([], [">="]), line


def test_the_lock_is_exact_and_holds_all_that_the_package_needs():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf8").splitlines()
    locked = [Requirement(line) for line in lines if line and not line.startswith("#")]
    assert all(len(r.specifier) == 1 and next(iter(r.specifier)).operator == "==" for r in locked)
    assert not [r.name for r in locked if r.url]
    pins = {canonicalize_name(r.name): next(iter(r.specifier)).version for r in locked}
    for line in PROJECT["dependencies"]:
        need = Requirement(line)
        assert need.specifier.contains(pins[canonicalize_name(need.name)]), line


def test_the_environment_is_the_lock():
    """What is tested here is what requirements.txt says."""
    lock = subprocess.run([sys.executable, str(ROOT / "book/tools/lock.py")], capture_output=True, text=True, check=True)
    assert lock.stdout == (ROOT / "requirements.txt").read_text(encoding="utf8")


def test_nothing_names_a_machine_or_a_registry():
    """Scripts and settings work anywhere: no folder of one machine, no package index of its own."""
    names = re.compile(r"(?<![\w./])/(home|Users|root|opt|srv|tmp)/|--(extra-)?index-url|--find-links")
    files = [*ROOT.glob("*.*"), *(ROOT / ".github").rglob("*.yml"), ROOT / "Makefile", ROOT / ".ci/run", *(ROOT / "book/tools").glob("*")]
    found = [path.name for path in files if path.is_file() and names.search(path.read_text(encoding="utf8"))]
    assert found == []
