"""The repository's address: set in _config.yml, copied by this tool where a file format forces a copy on us.

``python book/tools/repository.py`` writes the README's table of chapters and the page on citing anew and prints the
address; with an address as argument it is changed everywhere (`make set-repo URL=https://github.com/OWNER/REPO`),
and so is the address of the website, which GitHub Pages derives from it.
"""

import json
import re
import sys

import yaml
from citation import write_citing
from project import ROOT, chapters

# Files that hold a copy; beside them every notebook's setup cell does.
COPIES = ("_config.yml", "CITATION.cff", "pyproject.toml", "README.md", "book/citing.md", "book/homework.md")

SETUP_CELL = """\
import importlib.util
import os
import subprocess
import sys

if importlib.util.find_spec("vae_notes") is None:  # as in Colab: fetch the book's own package, once
    source = os.environ.get("VAE_NOTES_SOURCE", "git+{address}")
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", source], check=True)
    importlib.invalidate_caches()
vae_notes = importlib.import_module("vae_notes")"""


def settings(root=ROOT):
    return yaml.safe_load((root / "_config.yml").read_text(encoding="utf8"))["repository"]


def slug(address):
    """``OWNER/REPO`` of an address, which must be GitHub's: Colab opens notebooks only from there."""
    match = re.fullmatch(r"https://github\.com/([A-Za-z0-9-]+/[A-Za-z0-9._-]+?)(\.git)?/?", address)
    if not match:
        raise SystemExit(f"not an address of the form https://github.com/OWNER/REPO: {address!r}")
    return match.group(1)


def site_address(address):
    """Where GitHub Pages publishes the website of a repository."""
    owner, name = slug(address).split("/")
    host = f"{owner.lower()}.github.io"
    return f"https://{host}/" if name.lower() == host else f"https://{host}/{name}/"


def pages_address(root=ROOT):
    """Where GitHub Pages publishes this book."""
    return site_address(settings(root)["url"])


def setup_cell(root=ROOT):
    """The source of the first code cell of every notebook."""
    return SETUP_CELL.format(address=settings(root)["url"])


def colab_address(page, root=ROOT):
    """Where Colab opens a page's notebook."""
    repository = settings(root)
    return (
        f"https://colab.research.google.com/github/{slug(repository['url'])}"
        f"/blob/{repository['branch']}/{page}.ipynb"
    )


def title(path):
    """The title of a notebook, which is the first line of its first cell."""
    first = "".join(json.loads(path.read_text(encoding="utf8"))["cells"][0]["source"])
    return first.splitlines()[0].removeprefix("# ")


def chapter_table():
    """The README's table of chapters, with what opens each in Colab."""
    rows = ["| chapter | in Colab |", "|---|---|"]
    for path in chapters():
        colab = colab_address(f"book/{path.stem}")
        rows.append(f"| [{path.stem[:2]} {title(path)}](book/{path.name}) | [open]({colab}) |")
    return "\n".join(rows)


def readme_with_table(text):
    """The README's text with the table of chapters of now."""
    return re.sub(r"(<!-- chapters.*?-->\n\n).*?(\n\n<!-- end -->)", rf"\1{chapter_table()}\2", text, flags=re.DOTALL)


def write_readme():
    readme = ROOT / "README.md"
    readme.write_text(readme_with_table(readme.read_text(encoding="utf8")), encoding="utf8")


def maintained(root=ROOT):
    """The files in which this tool keeps the address."""
    notebooks = [*(root / "book").glob("*.ipynb"), *(root / "book/homework/public").glob("*.ipynb")]
    return [root / name for name in COPIES if (root / name).exists()] + sorted(notebooks)


def set_address(address, root=ROOT):
    old, new = settings(root)["url"], f"https://github.com/{slug(address)}"
    for path in maintained(root):
        text = path.read_text(encoding="utf8")
        for before in ("github.com/", "colab.research.google.com/github/"):
            text = re.sub(re.escape(before + slug(old)) + r"(?![\w.-]*\w)", before + slug(new), text)
        path.write_text(text.replace(site_address(old), site_address(new)), encoding="utf8")


def main(arguments):
    if arguments:
        set_address(arguments[0])
    write_readme()
    write_citing()
    print(settings()["url"])


if __name__ == "__main__":
    main(sys.argv[1:])
