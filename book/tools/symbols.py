"""Find symbols that no one has explained: `undefined(notebook, chapter)` compares formulas with the notation page.

A symbol is a letter, a Greek letter, or something like `\\mathcal{L}` or `\\mathrm{KL}`; accents, subscripts and
arguments do not make another one of it. It is known in a chapter when

- the first column of a table in book/notation.md shows it (a row that ends in "(chapter 01)" holds there only), or
- the chapter has named it before or in the same cell: a formula inside a sentence holds it ("we write $a$ for the
  slope", "let $q=\\mathcal{N}(m, v)$"), or a displayed line defines it, standing alone to the left of = or \\sim;
- the formula itself binds it, as a sum its index and an integral its variable.

So a letter that only displayed formulas use, and that nobody mentions, is found; a wrong one, too, if it is no other
symbol of the chapter.
"""

import re

from project import ROOT

MATH = re.compile(r"\$\$(.+?)\$\$|\$([^$]+?)\$", re.DOTALL)
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
WORDS = re.compile(r"\\(text\w*|begin|end|label|tag)\s*\{[^{}]*\}|\\(mathrm|operatorname)\*?\s*\{[^A-Z{}]*\}")
GREEK = (
    "alpha|beta|gamma|delta|epsilon|varepsilon|zeta|eta|theta|vartheta|iota|kappa|lambda|mu|nu|xi|pi|varpi|rho|varrho|"
    "sigma|varsigma|tau|upsilon|phi|varphi|chi|psi|omega|Gamma|Delta|Theta|Lambda|Xi|Pi|Sigma|Upsilon|Phi|Psi|Omega|ell"
)
SYMBOL = re.compile(
    r"\\(?:mathrm|operatorname|mathcal|mathbb|mathbf|mathsf|boldsymbol)\*?\s*\{(?P<upright>[^{}]*)\}"
    rf"|\\(?P<greek>{GREEK})(?![A-Za-z])"
    r"|\\[A-Za-z]+|\\.|(?P<letter>[A-Za-z])"
)
SUBSCRIPT = re.compile(r"[_^](\{[^{}]*\}|\\[A-Za-z]+|.)")
# What a reader of such a book knows without being told.
COMMON = {"e", "O", r"\pi", r"\mathbb{R}"}
# The index of a sum or a product, and the variable of an integral, which comes after a d.
BOUND = re.compile(r"\\(?:sum|prod)(?:\\limits)?_\{?([A-Za-z])|\\int.*?(?<![A-Za-z\\])d(\\?[A-Za-z]+)", re.DOTALL)
ROW = re.compile(r"^\| *(\$.*?) \|.*?$", re.MULTILINE)
HOLDS_IN = re.compile(r"\(chapters? (\d\d(?:(?:, | and )\d\d)*)\)")


def symbols(formula):
    """The symbols of a formula in order."""
    for match in SYMBOL.finditer(WORDS.sub(" ", formula)):
        if match.group("letter") or match.group("upright") or match.group("greek"):
            yield re.sub(r"\s|\*", "", match.group())


def defined(display):
    """The symbols that a displayed formula itself defines: alone, but for arguments, to the left of = or \\sim."""
    for line in re.split(r"\\\\|,\s*\\q?quad|\\begin\{aligned\}", display):
        left, sign, _ = re.sub(r"&|\s|\{\}", "", SUBSCRIPT.sub("", line)).partition("=")
        left = re.sub(r"\(.*\)$", "", left.partition(r"\sim")[0])
        found = list(symbols(left))
        if (sign or r"\sim" in line) and len(found) == 1:
            yield found[0]


def formulas(text):
    """(formula, does it stand in a sentence?) for all formulas of a text."""
    for display, inline in MATH.findall(CODE.sub("", text)):
        yield (display, False) if display else (inline, True)


def listed(chapter, notation=None):
    """The symbols of the notation page that hold in a chapter, given as "07"."""
    text = notation if notation is not None else (ROOT / "book/notation.md").read_text(encoding="utf8")
    found = set(COMMON)
    for row in ROW.finditer(text):
        only = HOLDS_IN.search(row.group())
        if not only or chapter in only.group(1):
            found |= {s for formula, _ in formulas(row.group(1)) for s in symbols(formula)}
    return found


def undefined(notebook, chapter, notation=None):
    """(cell, symbol, formula) wherever a chapter uses a symbol that is neither listed nor named before."""
    known = listed(chapter, notation)
    for cell in notebook["cells"]:
        if cell["cell_type"] != "markdown":
            continue
        found = list(formulas("".join(cell["source"])))
        for formula, inside in found:
            known |= set(symbols(formula) if inside else defined(formula))
        for formula, _ in found:
            bound = {symbol for match in BOUND.findall(formula) for symbol in match}
            for symbol in dict.fromkeys(symbols(formula)):
                if symbol not in known | bound:
                    yield cell["id"], symbol, " ".join(formula.split())
