"""Make the symbols of the notation page searchable by their names, and the index a list of them."""

import re

from docutils import nodes
from sphinx import addnodes

COMMAND = re.compile(r"\\(?:mathcal|mathrm|mathbb|text|log|mid|hat|frac|Vert|[,;!])")
SUBSCRIPT = re.compile(r"([A-Za-z]+)_\\?([A-Za-z]+)")


def in_words(tex):
    tex = tex.replace(r"\varepsilon", "epsilon").replace(r"\mathcal{L}", "ELBO").replace("^2", " squared")
    return COMMAND.sub(" ", tex)


def spoken(tex):
    """How a reader would type a symbol: ``\\mu`` is mu, ``q_\\phi(z \\mid x)`` is q phi z x."""
    return " ".join(re.findall(r"[A-Za-z]+", in_words(tex)))


def with_subscript(tex):
    """How a reader of TeX or of code would: ``\\sigma_x^2`` has sigma_x, ``q_\\phi(z \\mid x)`` has q_phi."""
    return ["_".join(pair) for pair in SUBSCRIPT.findall(in_words(tex))]


def names(row):
    """By what a reader may look for a row: each symbol's name, its first word, and its names in the code.

    Sphinx's search takes an entry of the index only if it is hardly longer than what was typed, so names stand alone.
    """
    formulas = [math.astext() for math in row[0].findall(nodes.math)]
    found = [spoken(tex) for tex in formulas] + [name for tex in formulas for name in with_subscript(tex)]
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
