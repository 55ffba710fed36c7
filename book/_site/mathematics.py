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
import subprocess
from importlib.metadata import files, version
from pathlib import Path

from playwright._impl._driver import compute_driver_executable

SCRIPT = Path(__file__).with_suffix(".js")
FONTS = "output/chtml/fonts/woff-v2"

# As Sphinx writes an equation: inline between \( and \), displayed between \[ and \], after its number.
EQUATION = re.compile(r'(<(span|div) class="math notranslate nohighlight"[^>]*>)(.*?)(</\2>)', re.DOTALL)
TEX = re.compile(r"\\\((?P<inline>.*)\\\)|\\\[(?P<display>.*)\\\]", re.DOTALL)
# A rule for one character: `mjx-c.mjx-c1D465.TEX-I::before {...}`, `mjx-stretchy-v.mjx-c28 mjx-ext mjx-c {...}`.
CHARACTER = re.compile(r"mjx-(?:c|stretchy-[hv])\.(mjx-c[0-9A-F]+(?:\.TEX-\w+)?)")
USED = re.compile(r'<mjx-(?:c|stretchy-[hv]) class="([^"]+)"')


def mathjax_folder():
    """Where sphinx-mathjax-offline keeps its copy (its folder's name cannot be imported)."""
    for file in files("sphinx-mathjax-offline"):
        if file.name == "tex-chtml.js":
            return Path(file.locate()).parent
    raise FileNotFoundError("sphinx-mathjax-offline holds no tex-chtml.js")


def run_mathjax(items):
    """The HTML of each (display, TeX), and MathJax's whole style sheet."""
    node = compute_driver_executable()
    job = {"folder": str(mathjax_folder()), "items": [{"tex": tex, "display": display} for display, tex in items]}
    command = [node[0] if isinstance(node, tuple) else node, str(SCRIPT)]
    done = subprocess.run(command, input=json.dumps(job), capture_output=True, encoding="utf8", check=False)
    if done.returncode:
        raise RuntimeError(f"MathJax failed:\n{done.stderr}")
    answer = json.loads(done.stdout)
    return answer["html"], answer["css"]


def slim(equation):
    """MathJax's HTML without what the style sheet says for all of it."""
    equation = equation.replace(' style="position: relative;"', "").replace(' unselectable="on"', "")
    return equation.replace('class=" ', 'class="').replace(' xmlns="http://www.w3.org/1998/Math/MathML"', "")


class Mathematics:
    """The typeset equations of the book, kept in a file from one build to the next."""

    def __init__(self, cache):
        self.cache = cache
        self.key = hashlib.sha256(SCRIPT.read_bytes() + Path(__file__).read_bytes()).hexdigest()
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
            self.known.update((name(item), slim(one)) for item, one in zip(new, done, strict=True))

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
        used = {names.replace(" ", ".") for names in USED.findall(page)}
        needed = []
        for rule in self.css.split("\n\n"):
            character = CHARACTER.match(rule.strip())
            if character is None or character[1] in used:
                needed.append(re.sub(r"/\*.*?\*/|\n\s*", "", rule))
        return "".join(needed).replace("FONTS", f"../_static/mathjax/{FONTS}")


def item_of(text):
    """(display, TeX) of what stands between an equation's tags."""
    match = TEX.search(text)
    if match["inline"] is not None:
        return False, html.unescape(match["inline"])
    return True, html.unescape(match["display"])


def name(item):
    display, tex = item
    return f"{'display' if display else 'inline'} {tex}"
