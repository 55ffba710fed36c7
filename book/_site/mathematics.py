"""Typeset the equations when the site is built, so that a page shows them at once and runs no script for them.

In the reader's browser MathJax is 1.2 MB of script that moves the text while it works and writes inline styles.
Here it runs once: the copy is that of sphinx-mathjax-offline, the Node that runs it is Playwright's own; both are
locked in requirements.txt. What was typeset is kept in a cache, since an equation does not change with its page.
Not MathML alone: it needs no fonts of ours, but how well it looks depends on the reader's browser and fonts.
"""

import hashlib
import html
import json
import re
import shutil
import subprocess
from importlib.metadata import files, version
from pathlib import Path

import light_equations

SCRIPT = Path(__file__).with_suffix(".js")
FONTS = "output/chtml/fonts/woff-v2"

# As Sphinx writes an equation: inline between \( and \), displayed between \[ and \], after its number.
EQUATION = re.compile(r'(<(span|div) class="math notranslate nohighlight"[^>]*>)(.*?)(</\2>)', re.DOTALL)
TEX = re.compile(r"\\\((?P<inline>.*)\\\)|\\\[(?P<display>.*)\\\]", re.DOTALL)


def mathjax_folder():
    """Where sphinx-mathjax-offline keeps its copy (its folder's name cannot be imported)."""
    for file in files("sphinx-mathjax-offline"):
        if file.name == "tex-chtml.js":
            return Path(file.locate()).parent
    raise FileNotFoundError("sphinx-mathjax-offline holds no tex-chtml.js")


def node():
    """The Node that Playwright brings (its interface has no name for it), or else one on the PATH."""
    for file in files("playwright") or ():
        if file.parent.name == "driver" and file.name in ("node", "node.exe"):
            return str(file.locate())
    found = shutil.which("node")
    if not found:
        raise FileNotFoundError("equations are typeset by Node: Playwright brings none here, and no `node` is on the PATH")
    return found


def run_mathjax(items):
    """The HTML of each (display, TeX), and MathJax's whole style sheet."""
    job = {"folder": str(mathjax_folder()), "items": [{"tex": tex, "display": display} for display, tex in items]}
    command = [node(), str(SCRIPT)]
    done = subprocess.run(command, input=json.dumps(job), capture_output=True, encoding="utf8", check=False)
    if done.returncode:
        raise RuntimeError(f"MathJax failed:\n{done.stderr}")
    answer = json.loads(done.stdout)
    return answer["html"], answer["css"]


class Mathematics:
    """The typeset equations of the book, kept in a file from one build to the next."""

    def __init__(self, cache):
        self.cache = cache
        sources = (SCRIPT, Path(__file__), Path(light_equations.__file__))
        self.key = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
        self.key += version("sphinx-mathjax-offline") + version("playwright")
        try:
            kept = json.loads(cache.read_text(encoding="utf8"))
        except (OSError, ValueError):
            kept = {}
        fresh = kept.get("key") != self.key
        self.known, self.css = ({}, "") if fresh else (kept["known"], kept["css"])

    def save(self):
        self.cache.parent.mkdir(parents=True, exist_ok=True)
        self.cache.write_text(json.dumps({"key": self.key, "known": self.known, "css": self.css}), encoding="utf8")

    def learn(self, items):
        """Typeset what is not known yet, all of it in one run."""
        new = [item for item in dict.fromkeys(items) if name(item) not in self.known]
        if new:
            done, self.css = run_mathjax(new)
            self.known.update((name(item), light_equations.slim(one, self.css)) for item, one in zip(new, done, strict=True))

    def typeset(self, page):
        """A page's HTML with every equation in it typeset."""
        self.learn([item_of(match[3]) for match in EQUATION.finditer(page)])

        def one(match):
            equation = self.known[name(item_of(match[3]))]
            return match[1] + TEX.sub(lambda _: equation, match[3]) + match[4]

        return EQUATION.sub(one, page)

    def style(self, page):
        """The rules of MathJax's style sheet that a page needs, for a file that lies in a folder beside ``_static``."""
        if "<mjx-container" not in page:
            return ""
        style = light_equations.style_of(page, self.css)
        return style.replace("FONTS", f"../_static/mathjax/{FONTS}")


def item_of(text):
    """(display, TeX) of what stands between an equation's tags."""
    match = TEX.search(text)
    if match["inline"] is not None:
        return False, html.unescape(match["inline"])
    return True, html.unescape(match["display"])


def name(item):
    display, tex = item
    return f"{'display' if display else 'inline'} {tex}"
