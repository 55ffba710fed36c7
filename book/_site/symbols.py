"""Make the symbols of the notation page searchable by their names, and the index a list of them."""

import re

from docutils import nodes
from sphinx import addnodes

COMMAND = re.compile(r"\\(?:mathcal|mathrm|mathbb|text|log|mid|hat|frac|Vert|[,;!])")


def spoken(tex):
    """How a reader would type a symbol: ``\\mu`` is mu, ``q_\\phi(z \\mid x)`` is q phi z x."""
    tex = tex.replace(r"\varepsilon", "epsilon").replace(r"\mathcal{L}", "ELBO").replace("^2", " squared")
    return " ".join(re.findall(r"[A-Za-z]+", COMMAND.sub(" ", tex)))


def names(row):
    """By what a reader may look for a row: each symbol's name, its first word, and its names in the code.

    Sphinx's search takes an entry of the index only if it is hardly longer than what was typed, so names stand alone.
    """
    found = [spoken(math.astext()) for math in row[0].findall(nodes.math)]
    found += [name.split()[0] for name in found if len(name.partition(" ")[0]) > 1]
    return [name for name in dict.fromkeys(found + [code.astext() for code in row[1].findall(nodes.literal)]) if name]


def index_symbols(app, doctree):
    """An entry of the index for every name of every symbol; the search puts these above the text."""
    if app.env.docname != "book/notation":
        return
    index = app.env.get_domain("index").entries.setdefault(app.env.docname, [])
    for number, row in enumerate(doctree.findall(nodes.row)):
        row["ids"].append(f"symbol-{number}")
        entries = [("single", name, f"symbol-{number}", "main", None) for name in names(row)]  # main: before the text
        row[0].insert(0, addnodes.index(entries=entries))  # where the search looks
        index += entries  # where the page of the index looks; Sphinx has collected what the source itself has
