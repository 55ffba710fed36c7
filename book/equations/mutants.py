"""Put mistakes into the displayed LaTeX, one at a time, and ask the checks whether they notice.

A mutant has a name such as ``number 3``: the rule and how many times it applied before. The rules are the mistakes
that people make in such formulas: a sign, a factor, an exponent, a number, mean and scale exchanged, the arguments of
a divergence exchanged, an inequality turned round, a logarithm forgotten.
"""

import re
from dataclasses import dataclass

from equations.checking import REGISTRY, Fails
from equations.sources import sources
from equations.tokens import OPEN, closing, pieces, plain

FLIPPED = {"+": "-", "-": "+", r"\le": r"\ge", r"\ge": r"\le", "<": ">", ">": "<", r"\max": r"\min", r"\min": r"\max"}
EXCHANGED = {r"\mu": r"\sigma", r"\sigma": r"\mu"}
FRACTIONS = {r"\frac", r"\tfrac", r"\dfrac"}


@dataclass(frozen=True)
class Mutant:
    label: str
    name: str
    latex: str


def changed(tokens, place, count, new):
    return tokens[:place] + new + tokens[place + count :]


def signs(tokens):
    for place, token in enumerate(tokens):
        if token in FLIPPED:
            yield changed(tokens, place, 1, [FLIPPED[token]])


def numbers(tokens):
    """Every whole number one larger; of the 12 in ``\\frac12``, which TeX takes for 1 and 2, each digit."""
    for place, token in enumerate(tokens):
        if not token.isdigit():
            continue
        if place and tokens[place - 1] in FRACTIONS and len(token) > 1:
            for digit in range(len(token)):
                more = str((int(token[digit]) + 1) % 10)
                yield changed(tokens, place, 1, [token[:digit] + more + token[digit + 1 :]])
        else:
            yield changed(tokens, place, 1, [str(int(token) + 1)])


def factors(tokens):
    """Every fraction of numbers, such as one half, left out."""
    for place, token in enumerate(tokens):
        if token not in FRACTIONS or place + 1 >= len(tokens):
            continue
        after = tokens[place + 1 : place + 7]
        if re.fullmatch(r"\d\d", after[0]):
            yield changed(tokens, place, 2, ["1"])
        elif "".join(after[0:1] + after[2:4] + after[5:]) == "{}{}" and after[1].isdigit() and after[4].isdigit():
            yield changed(tokens, place, 7, ["1"])


def exchanges(tokens):
    for place, token in enumerate(tokens):
        if token in EXCHANGED:
            yield changed(tokens, place, 1, [EXCHANGED[token]])


def divergences(tokens):
    r"""The two sides of ``\Vert`` inside a bracket, exchanged."""
    for place, token in enumerate(tokens):
        if token != "(":
            continue
        end = closing(tokens, place)
        depth, bar = 0, None
        for inner in range(place + 1, end):
            depth += (tokens[inner] in OPEN) - (tokens[inner] in OPEN.values())
            if tokens[inner] in (r"\Vert", r"\|") and not depth:
                bar = inner if bar is None else -1
        if bar is not None and bar > 0:
            left, right = tokens[place + 1 : bar], tokens[bar + 1 : end]
            if right and right[-1] in (r"\big", r"\right", r"\Big"):  # the size belongs to the closing bracket
                left, right = [*left, right[-1]], right[:-1]
            yield changed(tokens, place + 1, end - place - 1, [*right, tokens[bar], *left])


def exponents(tokens):
    """Every exponent that is no number one larger (numbers are another rule's); no star, no transpose, no word."""
    for place, token in enumerate(tokens[:-1]):
        if token != "^":
            continue
        after = tokens[place + 1]
        if after == "{":
            end = closing(tokens, place + 1)
            inside = tokens[place + 2 : end]
            if not any(t.startswith((r"\mathrm", r"\text", r"\top", "*", r"\ast", r"\prime")) for t in inside):
                yield changed(tokens, end, 0, ["+", "1"])
        elif after.isalpha() or (after.startswith("\\") and after not in (r"\top", r"\ast", r"\prime", r"\infty")):
            yield changed(tokens, place + 1, 1, ["{", after, "+", "1", "}"])


def logarithms(tokens):
    for place, token in enumerate(tokens):
        if token in (r"\log", r"\ln") and tokens[place + 1] != "_":
            yield changed(tokens, place, 1, [])


RULES = {
    "sign": signs,
    "number": numbers,
    "factor": factors,
    "exchange": exchanges,
    "divergence": divergences,
    "exponent": exponents,
    "logarithm": logarithms,
}


def mutants_of(source):
    """All mutants of an equation; those that say the same as the equation itself are none."""
    tokens = pieces(source.latex)
    for rule, make in RULES.items():
        for number, tampered in enumerate(make(tokens), start=1):
            latex = " ".join(tampered)
            if plain(latex) != plain(source.latex):
                yield Mutant(source.label, f"{rule} {number}", latex)


def noticed(mutant):
    """Who notices: "value" or "unreadable" (a check that reads the LaTeX), "copy" (only the text differs), or None."""
    reading = None
    tests = REGISTRY.get(mutant.label, [])
    for test in tests:
        try:
            test.run(mutant.label, mutant.latex)
        except Fails:
            return "value"
        except Exception:  # noqa: BLE001 - whatever a mistake makes of the formula: no number, no shape, no such symbol
            reading = "unreadable"
    if reading:
        return reading
    return "copy" if any(mutant.label in test.tie.latex for test in tests) else None


def mutants(*wanted):
    """The mutants of the equations whose label or chapter (or the beginning of its name) is wanted, or of all."""
    for source in sources().values():
        if not wanted or any(source.label == one or source.chapter.startswith(one) for one in wanted):
            yield from mutants_of(source)
