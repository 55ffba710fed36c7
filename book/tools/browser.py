"""Find the Chromium with which the site's tests look at the pages; `python book/tools/browser.py` installs one.

Looked for in this order: the variable CHROMIUM, a browser on the PATH, the usual place on macOS, Playwright's own.
"""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MACOS = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
HELP = (
    "The tests of the site need Chromium or Chrome, and none was found. Install one, or name it:\n"
    "  Debian, Ubuntu: sudo apt-get install chromium\n"
    "  macOS:          brew install --cask chromium\n"
    "  any:            CHROMIUM=/path/to/chromium make test"
)


def playwright_chromium():
    """The path of Playwright's own Chromium, if it was downloaded."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def find():
    """The path of a Chromium, or None."""
    named = os.environ.get("CHROMIUM")
    if named:
        if not shutil.which(named):
            raise SystemExit(f"CHROMIUM names {named!r}, which is no program")
        return shutil.which(named)
    on_path = (shutil.which(name) for name in NAMES)
    usual = (path for path in MACOS if Path(path).exists())
    return next((path for path in (*on_path, *usual) if path), None) or playwright_chromium()


def flags():
    """How the tests start it: no network, and without the sandbox where root needs that."""
    found = ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
    return found + ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else found


def install():
    """Get one: by the system's packages where we may, else Playwright's own."""
    if platform.system() == "Linux" and shutil.which("apt-get") and os.geteuid() == 0:
        for step in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
            subprocess.run(["apt-get", "-qq", *step], stdout=subprocess.DEVNULL, check=False)
    if not find():
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)


if __name__ == "__main__":
    if not find():
        print("No Chromium found; trying to install one ...", flush=True)
        install()
    if not find():
        raise SystemExit(HELP)
