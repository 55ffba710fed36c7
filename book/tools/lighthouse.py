"""What Lighthouse says of three pages on a phone; needs Node and the network: `make lighthouse`.

Not part of `make test`: its figures for performance depend on how busy the machine is.
"""

import json
import os
import shutil
import subprocess
import sys

import browser
from pages_server import serve_as_pages
from project import BUILD, pages

LIGHTHOUSE = "lighthouse@12.8.2"
KINDS = ("performance", "accessibility", "best-practices", "seo")
LEAST = 95


def chosen():
    """The front page, the notation, and one chapter: the longest."""
    chapters = [page for page in pages() if page.rpartition("/")[2][:2].isdigit()]
    longest = max(chapters, key=lambda page: (BUILD / "html" / f"{page}.html").stat().st_size)
    return [pages()[0], longest, "book/notation"]


def scores(address, report):
    """The four scores of a page, out of 100."""
    command = ["npx", "--yes", LIGHTHOUSE, address, "--quiet", "--output=json", f"--output-path={report}"]
    command += [f"--only-categories={','.join(KINDS)}", "--chrome-flags=--headless=new --no-sandbox"]
    subprocess.run(command, env={**os.environ, "CHROME_PATH": browser.find()}, check=True)
    found = json.loads(report.read_text(encoding="utf8"))["categories"]
    return [round(100 * found[kind]["score"]) for kind in KINDS]


def main():
    if not shutil.which("npx"):
        raise SystemExit("Lighthouse needs Node: install it, or use another machine")
    folder, low = BUILD / "lighthouse", False
    folder.mkdir(parents=True, exist_ok=True)
    print(f"{'phone profile':32}", *(f"{kind:>15}" for kind in KINDS))
    with serve_as_pages() as address:
        for page in chosen():
            row = scores(f"{address}{page}.html", folder / f"{page.rpartition('/')[2]}.json")
            low = low or min(row) < LEAST
            print(f"{page:32}", *(f"{score:15}" for score in row), flush=True)
    sys.exit(f"a score below {LEAST}" if low else 0)


if __name__ == "__main__":
    main()
