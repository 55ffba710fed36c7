"""Find the display equations of the chapters: label, place and LaTeX as it stands there."""

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

BOOK = Path(__file__).resolve().parents[1]
DISPLAY = re.compile(r"\$\$(?P<latex>.+?)\$\$(?P<after>[^\n]*)", re.DOTALL)
LABEL = re.compile(r" \((?P<label>eq-[a-z0-9]+(?:-[a-z0-9]+)*)\)\s*")


class Malformed(ValueError):
    """An equation without a label, or with one that cannot be used; the text says where."""


@dataclass(frozen=True)
class Source:
    """A display equation: ``chapter`` is the notebook's name without suffix, ``cell`` the id of its cell."""

    label: str
    chapter: str
    cell: str
    latex: str

    @property
    def place(self):
        return f"book/{self.chapter}.ipynb, cell {self.cell}, {self.label}"


def equations_of(notebook, chapter):
    """The equations of one notebook (its parsed JSON), in order."""
    for cell in notebook["cells"]:
        if cell["cell_type"] != "markdown":
            continue
        text = re.sub(r"```.*?```", "", "".join(cell["source"]), flags=re.DOTALL)
        for match in DISPLAY.finditer(text):
            label = LABEL.fullmatch(match["after"])
            if not label:
                start = " ".join(match["latex"].split())[:60]
                raise Malformed(
                    f"book/{chapter}.ipynb, cell {cell['id']}: after the display equation `{start}` comes "
                    f"{match['after']!r}; needed is a label such as ` (eq-kl-1d)`: small letters, digits, hyphens"
                )
            yield Source(label["label"], chapter, cell["id"], match["latex"].strip())


@cache
def sources(book=BOOK):
    """All equations of the numbered chapters, by label, in the order of the book."""
    found = {}
    for path in sorted(Path(book).glob("[0-9][0-9]-*.ipynb")):
        for equation in equations_of(json.loads(path.read_text(encoding="utf8")), path.stem):
            if equation.label in found:
                raise Malformed(f"{equation.place}: the label stands also in {found[equation.label].place}")
            found[equation.label] = equation
    return found
