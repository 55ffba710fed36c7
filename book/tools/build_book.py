"""Build the website into _build/html and print its path last.

Jupyter Book re-runs a notebook only when its cells change, and Sphinx rewrites a page only when its source
changes. Two keys close the gaps: one of everything that can change an output (the package, the lock, Python),
one of everything that can change how a page looks. When a key differs from that of the last successful
build, what depends on it is thrown away first. A failed build leaves no pages that a later one could take
for good.
"""

import hashlib
import json
import shutil
import subprocess
import sys

from project import BUILD, HTML, ROOT, notebook_environment

KEYS = BUILD / "built.json"
CACHE = BUILD / ".jupyter_cache"
PAGES = (HTML, BUILD / ".doctrees", BUILD / "jupyter_execute")


def digest(*patterns):
    """One hash of the names and the content of all files of the checkout that match."""
    total = hashlib.sha256(sys.version.encode())
    for pattern in patterns:
        for path in sorted(p for p in ROOT.glob(pattern) if p.is_file() and "__pycache__" not in p.parts):
            total.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()


def current_keys():
    return {
        "outputs": digest("vae_notes/**/*", "requirements.txt"),
        "pages": digest("_config.yml", "_toc.yml", "book/_site/**/*", "requirements.txt", "_build/evidence.json"),
    }


def last_keys():
    try:
        return json.loads(KEYS.read_text())
    except (OSError, ValueError):
        return {}


def throw_away(*folders):
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def main():
    keys, last = current_keys(), last_keys()
    KEYS.unlink(missing_ok=True)
    if keys["outputs"] != last.get("outputs"):
        throw_away(CACHE)
    if keys != last:
        throw_away(*PAGES)
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", "-W", "-n", "--keep-going", "--quiet", str(ROOT)]
    failed = subprocess.run(command, env=notebook_environment(), cwd=ROOT, check=False).returncode
    if failed:
        reports = sorted((HTML / "reports").rglob("*.log"))
        for report in reports:
            print(f"\n----- {report.relative_to(ROOT)}\n{report.read_text(encoding='utf8')}", file=sys.stderr)
        throw_away(*PAGES)
        raise SystemExit("the book was not built: see the messages above")
    KEYS.write_text(json.dumps(keys))
    print(HTML / "index.html")


if __name__ == "__main__":
    main()
