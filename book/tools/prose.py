"""Check the book's prose: `python book/tools/prose.py` (part of `make lint`) prints each fault with file, cell and word.

Read are the markdown cells, the descriptions of figures, the pages, and the docstrings, without their code, formulas,
links and references. Asked are

- spelling: a dictionary (spylls reads Hunspell's; it comes with the American one, so British endings are first turned
  into American ones), and book/tools/words.yml for names and terms of the field;
- British, and common misspellings: typos, a list of what people get wrong;
- one spelling of every term: `write` in words.yml;
- symbols in formulas that nobody has explained: symbols.py.

Not cspell, aspell or LanguageTool: they need Node, a system package or Java; codespell knows misspellings only.
"""

import ast
import functools
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import symbols
import yaml
from project import ROOT, notebooks
from spylls.hunspell import Dictionary

LIST = ROOT / "book/tools/words.yml"
# What is no prose: code, formulas, HTML, targets of links, addresses, roles, a title after the year of a paper.
NO_PROSE = re.compile(
    r"```.*?```|``[^`]*``|`[^`]*`|\$\$.+?\$\$|\$[^$]+?\$|<!--.*?-->|</?[a-z][^>]*>|\]\([^)]*\)|https?://\S+|\{[a-z]+\}"
    r"|^ *\w+(?:, \w+)* : [^\n]*|^>>> .*?(?:\n\s*\n|\Z)|\(eq-[a-z0-9-]+\)|\((?:19|20)\d\d\), [A-Z][^;.]*[;.]",
    re.DOTALL | re.MULTILINE,
)
REFERENCES = re.compile(r"^## References\n.*?(?=^## |\Z)", re.DOTALL | re.MULTILINE)
WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
CODE_SIGNS = re.compile(r"[_=<>(){}\[\]|\\/*^@#%+~\d]|\w[.:]\w|[a-z][A-Z]|[A-Z]{2}[a-z]")
SENTENCE_END = re.compile(r"(?:^|[.!?:|*#>\-])[\"')\]]*\s*$")
# British endings and what the American dictionary knows in their place.
AMERICAN = (
    (r"is(e|ed|es|er|ers|ing|ation|ations|able)$", r"iz\1"),
    (r"ys(e|ed|es|er|ers|ing)$", r"yz\1"),
    (r"our", "or"),
    (r"re(s|d)?$", r"er\1"),
    (r"red$", "ered"),
    (r"ll(ed|ing|er|ers)$", r"l\1"),
    (r"gue(s?)$", r"g\1"),
    (r"(l|p)ogramme", r"\1ogram"),
    (r"grey", "gray"),
    (r"(c|f)ence(s?)$", r"\1ense\2"),
    (r"ence(s?)$", r"ense\1"),
    (r"ise", "ize"),
    (r"age(ing|d)$", r"ag\1"),
    (r"ageable$", "agable"),
    (r"ement(s?)$", r"ment\1"),
)


def prose(text):
    """The text without what is no prose, line by line as it was."""

    def blank(match):
        return re.sub(r"[^\n]+", " ", match.group())

    return NO_PROSE.sub(blank, REFERENCES.sub(blank, text))


def docstrings(path):
    tree = ast.parse(path.read_text(encoding="utf8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            yield getattr(node, "name", "module"), ast.get_docstring(node) or ""


def notebook_passages(notebook):
    """(cell, text) for each markdown cell and each description of a figure."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            yield f"cell {cell['id']}", "".join(cell["source"])
        alt = cell["metadata"].get("mystnb", {}).get("image", {}).get("alt")
        if alt:
            yield f"alt text of cell {cell['id']}", alt


def read(path):
    return json.loads(path.read_text(encoding="utf8"))


def passages(root=ROOT):
    """(where, prose) for all that the book says."""
    for path in sorted([*(root / "book").glob("*.ipynb"), *(root / "book/homework/public").glob("*.ipynb")]):
        yield from ((f"{path.name}, {cell}", prose(text)) for cell, text in notebook_passages(read(path)))
    for path in sorted([*root.glob("*.md"), *(root / "book").glob("*.md")]):
        yield path.name, prose(path.read_text(encoding="utf8"))
    for path in sorted([*(root / "vae_notes").rglob("*.py"), *(root / "book").rglob("*.py")]):
        yield from ((f"{path.name}, docstring of {name}", prose(text)) for name, text in docstrings(path))


@functools.cache
def dictionary():
    return Dictionary.from_files("en_US")


class Words:
    """The dictionary, with the book's own list."""

    def __init__(self):
        own = yaml.safe_load(LIST.read_text(encoding="utf8"))
        self.write = own["write"]
        self.names, self.own = set(own["names"]), set(own["words"])
        self.seen = {}

    def knows(self, word):
        if word not in self.seen:
            self.seen[word] = self.look_up(word)
        return self.seen[word]

    def look_up(self, word):
        name = word.removesuffix("'s")
        lower = name.lower()
        forms = {word, lower} | {re.sub(british, american, lower) for british, american in AMERICAN}
        return lower in self.own or name in self.names or any(dictionary().lookup(form) for form in forms)


def plain_words(text):
    """(word, does it begin a sentence?) for all words of a text that are no code and no abbreviation."""
    for token in re.finditer(r"\S+", text):
        if CODE_SIGNS.search(token.group().strip(".,;:!?()[]\"'*_")):
            continue
        for match in WORD.finditer(token.group().replace("’", "'")):
            word = match.group()
            if len(word) > 2 and not word.removesuffix("s").isupper():
                before = text[max(0, token.start() + match.start() - 40) : token.start() + match.start()]
                yield word, bool(SENTENCE_END.search(before))


def spelling_faults(where, text, words):
    """Unknown words. One with a capital within a sentence is taken for a name."""
    for word, begins in plain_words(text):
        if (begins or word[0].islower()) and not words.knows(word):
            yield f"{where}: {word!r} is in no word list"


def term_faults(where, text, words):
    for right, wrong in words.write.items():
        for match in re.finditer(rf"\b(?:{'|'.join(wrong)})\b", text, re.IGNORECASE):
            yield f"{where}: {match.group()!r} is written {right!r} in this book"


def typos_faults(found, words):
    """What typos says of all passages, in one run."""
    lines = [(where, line) for where, text in found for line in text.splitlines()]
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "typos.toml"
        lists = {"extend-identifiers": words.names, "extend-words": words.own}
        own = [f"[default.{key}]\n" + "".join(f'"{w}" = "{w}"\n' for w in sorted(ws)) for key, ws in lists.items()]
        settings.write_text("".join(own), encoding="utf8")
        command = [Path(sys.executable).with_name("typos"), "--locale", "en-gb", "--format", "json", "--isolated"]
        text = "\n".join(line for _, line in lines)
        done = subprocess.run([*command, "--config", settings, "-"], input=text, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 2):
        raise RuntimeError(done.stderr)
    for fault in map(json.loads, done.stdout.splitlines()):
        if fault["type"] == "typo":
            where = lines[fault["line_num"] - 1][0]
            yield f"{where}: {fault['typo']!r} should be {' or '.join(map(repr, fault['corrections']))}"


def symbol_faults():
    for path in notebooks():
        for cell, symbol, formula in symbols.undefined(read(path), path.stem[:2]):
            yield f"{path.name}, cell {cell}: nobody explains the symbol {symbol} in {formula[:60]}"


def faults(found=None):
    """Everything that is wrong with the given passages, or with the whole book, in words."""
    words, found = Words(), list(passages() if found is None else found)
    for where, text in found:
        yield from spelling_faults(where, text, words)
        yield from term_faults(where, text, words)
    yield from typos_faults(found, words)


if __name__ == "__main__":
    sys.exit("\n".join(dict.fromkeys([*faults(), *symbol_faults()])) or 0)
