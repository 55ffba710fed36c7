"""Make .venv and install the locked requirements and the package into it; do nothing where that is done.

Runs with any Python 3 that the machine offers, so that a Python that is too old gets a message, not a
syntax error. What was installed is written to a stamp after success; a marker that a run leaves while it
works tells the next run to start over when it was interrupted.
"""

import hashlib
import json
import os
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, "bin", "python")
STAMP = os.path.join(VENV, "vae-notes-installed.json")
MARKER = os.path.join(VENV, "vae-notes-installing")
OLDEST = (3, 11)


def digest(*names):
    """One hash of some files of the checkout."""
    total = hashlib.sha256()
    for name in names:
        with open(os.path.join(ROOT, name), "rb") as file:
            total.update(file.read())
    return total.hexdigest()


def wanted():
    """What the stamp says when the environment is up to date.

    The checkout's own path belongs to it: the package is installed in place, so a moved checkout needs it anew.
    """
    return {"requirements": digest("requirements.txt"), "package": digest("pyproject.toml"), "root": ROOT}


def installed():
    """What the stamp says, or nothing."""
    try:
        with open(STAMP) as file:
            stamp = json.load(file)
        subprocess.check_output([PYTHON, "-c", ""])
    except (OSError, ValueError, subprocess.CalledProcessError):
        return {}
    return stamp


def refuse_old_python():
    if sys.version_info[:2] < OLDEST:
        raise SystemExit(
            f"VAE Notes needs Python {OLDEST[0]}.{OLDEST[1]} or newer, and this one ({sys.executable}) is "
            f"{sys.version.split()[0]}.\nInstall a newer one and name it: make PYTHON=python3.12 ..."
        )


def pip(*arguments):
    command = [PYTHON, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    if subprocess.call(command + list(arguments)):
        raise SystemExit("installing failed: see pip's message above")


def make_venv():
    """A usable .venv; one that an interrupted run left behind is made anew."""
    fresh = os.path.exists(MARKER) or not os.path.exists(PYTHON)
    if not fresh:
        fresh = subprocess.call([PYTHON, "-m", "pip", "--version"], stdout=subprocess.DEVNULL) != 0
    if fresh:
        refuse_old_python()
        if subprocess.call([sys.executable, "-m", "venv", "--clear", VENV]):
            raise SystemExit("could not make .venv (on Debian and Ubuntu: install python3-venv)")


def main():
    goal, have = wanted(), installed()
    if have == goal and not os.path.exists(MARKER):
        return
    begin = time.time()
    print("Setting up .venv (once, and again when requirements.txt or pyproject.toml change) ...", flush=True)
    make_venv()
    if os.path.exists(STAMP):
        os.remove(STAMP)
    open(MARKER, "w").close()
    if have.get("requirements") != goal["requirements"]:
        pip("-r", os.path.join(ROOT, "requirements.txt"))
    pip("--no-deps", "--no-build-isolation", "--editable", ROOT)
    with open(STAMP, "w") as file:
        json.dump(goal, file)
    os.remove(MARKER)
    print(f"... .venv is ready ({time.time() - begin:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
