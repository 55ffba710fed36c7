"""Test with other versions than those of the lock, in a copy of the checkout of its own below _build.

    python book/tools/versions.py latest   the newest release of everything: make the lock anew, then `make test`
    python book/tools/versions.py oldest   the oldest release of every dependency that pyproject.toml allows:
                                           the package's own tests (a book is built with new tools only)

The copy stays: its requirements.txt says what was tested. After `latest` has passed it can replace the lock.
What requirements.in holds back for the website's sake stays held back.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib

from lock import direct_requirements
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from project import BUILD, ROOT

LEFT_BEHIND = (".git", ".venv", "_build", "build", "dist", "shared", "__pycache__", "*.egg-info", ".*_cache")
# What the package's tests use beside the package; setuptools installs the package in place.
TEST_TOOLS = (
    "beautifulsoup4", "distributed", "hypothesis", "ipywidgets", "mpmath", "pytest", "pytest-xdist", "pyyaml", "scipy",
    "setuptools>=77", "sympy",
)  # fmt: skip


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf8"))["project"]


def package_requirements():
    return [Requirement(line) for line in project()["dependencies"]]


def latest_requirements():
    """All that the book asks for, with the package's own dependencies at any version."""
    free = {canonicalize_name(need.name) for need in package_requirements()}
    return [need.name if canonicalize_name(need.name) in free else str(need) for need in direct_requirements()]


def oldest_requirements():
    """The lower bounds themselves, and what the tests use."""
    lower = [f"{need.name}=={next(iter(need.specifier)).version}" for need in package_requirements()]
    return [*lower, *TEST_TOOLS]


def oldest_python():
    return re.search(r"\d+\.\d+", project()["requires-python"]).group()


def fresh_copy(name, requirements):
    """A copy of the checkout whose requirements.txt is ours; an older copy is thrown away."""
    copy = BUILD / name
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*LEFT_BEHIND))
    (copy / "requirements.txt").write_text("\n".join(requirements) + "\n", encoding="utf8")
    return copy


def run(copy, *command, **options):
    """Run a command in the copy; when it fails, so do we."""
    done = subprocess.run(command, cwd=copy, check=False, text=True, **options)
    if done.returncode:
        raise SystemExit(f"failed in {copy.relative_to(ROOT)}: {' '.join(command)}")
    return done.stdout


def python_of(copy):
    return str(copy / ".venv" / "bin" / "python")


def latest():
    copy = fresh_copy("latest", latest_requirements())
    run(copy, "make", "environment", f"PYTHON={sys.executable}")
    lock = run(copy, python_of(copy), "book/tools/lock.py", stdout=subprocess.PIPE)
    (copy / "requirements.txt").write_text(lock, encoding="utf8")
    run(copy, "make", "test", f"PYTHON={sys.executable}")


def oldest():
    if sys.version_info[:2] != tuple(map(int, oldest_python().split("."))):
        raise SystemExit(f"the oldest releases are tested with Python {oldest_python()}: make PYTHON=python{oldest_python()} ...")
    copy = fresh_copy("oldest", oldest_requirements())
    run(copy, "make", "environment", f"PYTHON={sys.executable}")
    freeze = run(copy, python_of(copy), "-m", "pip", "freeze", "--exclude-editable", stdout=subprocess.PIPE)
    (copy / "requirements.txt").write_text(freeze, encoding="utf8")
    print(freeze)
    others = [f"--ignore=tests/{folder}" for folder in ("book", "equations", "homework")]  # they are the book's
    run(copy, python_of(copy), "-m", "pytest", "tests", *others, "-n", "2")


if __name__ == "__main__":
    which = dict(latest=latest, oldest=oldest).get("".join(sys.argv[1:]))
    if which is None:
        raise SystemExit("usage: python book/tools/versions.py latest|oldest")
    os.environ["OMP_NUM_THREADS"] = "1"
    which()
