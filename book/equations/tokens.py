r"""LaTeX in pieces: tokens without layout, balanced groups, statements and the signs between their sides."""

import re
from dataclasses import dataclass

TOKEN = re.compile(r"\\(?:text|mathrm|operatorname|mathcal|mathbb|mathbf|mathsf)\*?\s*\{[^{}]*\}|\\[A-Za-z]+|\\.|\d+(?:\.\d+)?|\S")
SPACES = {r"\,", r"\;", r"\:", r"\!", r"\ ", r"\quad", r"\qquad", "~"}
SIZES = {rf"\{size}{side}" for size in ("big", "Big", "bigg", "Bigg") for side in ("", "l", "r", "m")}
LAYOUT = SPACES | SIZES | {r"\left", r"\right", r"\displaystyle", r"\textstyle", r"\limits", r"\nolimits"}
SAME = {r"\tfrac": r"\frac", r"\dfrac": r"\frac", r"\lVert": r"\Vert", r"\rVert": r"\Vert", r"\lvert": "|",
        r"\rvert": "|", r"\vert": "|", r"\leq": r"\le", r"\geq": r"\ge", r"\neq": r"\ne", r"\longrightarrow": r"\to",
        r"\rightarrow": r"\to", r"\|": r"\Vert", r"\ast": "*", r"\lbrace": r"\{", r"\rbrace": r"\}"}  # fmt: skip
OPEN = {"(": ")", "[": "]", "{": "}", r"\{": r"\}", r"\lfloor": r"\rfloor", r"\lceil": r"\rceil"}
CLOSE = set(OPEN.values())
SIGNS = ("=", r"\le", r"\ge", "<", ">", r"\approx", r"\to", r"\propto", r"\sim", r"\leftarrow", ":=", r"\ne",
         r"\Longrightarrow", r"\Rightarrow", r"\Longleftrightarrow", r"\iff")  # fmt: skip


CONDITION = re.compile(r"\\text\{\s*(?:as|if|else|for|for all|when|with|where|and|instead of)\s*\}")


class Unbalanced(ValueError):
    """A bracket without its partner."""


def pieces(latex):
    """All tokens of a LaTeX text, spaces and layout included."""
    return TOKEN.findall(latex)


def closing(tokens, start):
    """The place of the bracket that closes the one at ``start``."""
    stack = []
    for place in range(start, len(tokens)):
        token = tokens[place]
        if token in OPEN:
            stack.append(OPEN[token])
        elif token in CLOSE:
            if not stack or stack.pop() != token:
                raise Unbalanced(f"`{token}` closes nothing in `{' '.join(tokens)}`")
            if not stack:
                return place
    raise Unbalanced(f"`{tokens[start]}` is never closed in `{' '.join(tokens)}`")


def without_underbraces(tokens):
    r"""``\underbrace{A}_{B}`` says A, and B is for the reader."""
    out, place = [], 0
    while place < len(tokens):
        if tokens[place] != r"\underbrace":
            out.append(tokens[place])
            place += 1
            continue
        end = closing(tokens, place + 1)
        out += without_underbraces(tokens[place + 2 : end])
        place = end + 1
        if tokens[place : place + 1] == ["_"]:
            place = closing(tokens, place + 1) + 1
    return out


def without_alignment(tokens):
    r"""Drop ``\begin{aligned}``, ``&`` and ``\\``; inside matrices and cases they mean something and stay."""
    out, kept, place = [], 0, 0
    while place < len(tokens):
        token = tokens[place]
        if token in (r"\begin", r"\end"):
            end = closing(tokens, place + 1)
            name = "".join(tokens[place + 2 : end])
            if name not in ("aligned", "gathered", "split"):
                kept += 1 if token == r"\begin" else -1
                out.append(f"{token}{{{name}}}")
            place = end + 1
            continue
        if kept or token not in ("&", r"\\"):
            out.append(token)
        place += 1
    return out


def plain(latex):
    """The tokens that carry meaning: without spaces, sizes and alignment, and one spelling for each sign."""
    return meaningful(pieces(latex))


def meaningful(tokens):
    """`plain` of what is in pieces already."""
    tokens = [SAME.get(token, token) for token in without_alignment(without_underbraces(tokens))]
    out = []
    for token in tokens:
        if token in LAYOUT or (token == "." and out and out[-1] in LAYOUT):
            continue
        if token.startswith("\\") and token.endswith("}") and not token.startswith((r"\begin", r"\end")):
            token = re.sub(r"\s*\*?\s*\{\s*", "{", token, count=1).replace(r"\operatorname", r"\mathrm")
        if token == "=" and out and out[-1] == ":":
            out[-1] = ":="
            continue
        out.append(token)
    # an empty group only spaces
    place = 0
    while place < len(out) - 1:
        if out[place] == "{" and out[place + 1] == "}":
            del out[place : place + 2]
        else:
            place += 1
    return out


def split(tokens, at):
    """The parts of a list of tokens between those that ``at`` names, outside brackets, and these separators."""
    parts, separators, stack, environments = [[]], [], [], 0
    for token in tokens:
        environments += token.startswith(r"\begin{") - token.startswith(r"\end{")
        if token in OPEN:
            stack.append(OPEN[token])
        elif stack and token == stack[-1]:
            stack.pop()
        if token in at and not stack and not environments:
            separators.append(token)
            parts.append([])
        else:
            parts[-1].append(token)
    return parts, separators


@dataclass(frozen=True)
class Statement:
    """``sides`` are lists of tokens, and ``signs`` stand between them: one fewer."""

    sides: list
    signs: list

    def __str__(self):
        words = [" ".join(self.sides[0])]
        for sign, side in zip(self.signs, self.sides[1:], strict=True):
            words += [sign, " ".join(side)]
        return " ".join(words)


def conditions_apart(tokens):
    r"""A condition, ``\text{if } x>0`` or ``\qquad(x>0)``, is a statement of its own: put a comma before it."""
    out, place = [], 0
    while place < len(tokens):
        token = tokens[place]
        if CONDITION.fullmatch(token):
            out.append(",")
            place += 1
            continue
        if token == "(" and out and out[-1] in (r"\quad", r"\qquad"):
            before = next((one for one in reversed(out) if one not in SPACES), "&")
            end = closing(tokens, place)
            inside = tokens[place + 1 : end]
            if before not in ("&", r"\\", *SIGNS) and len(split(inside, SIGNS)[0]) > 1:
                out += [",", *inside, ","]
                place = end + 1
                continue
        out.append(token)
        place += 1
    return out


def statements(latex):
    """The statements of a display equation: what stands between commas and full stops outside all brackets."""
    parts, _ = split(meaningful(conditions_apart(pieces(latex))), {",", ".", ";"})
    found = []
    for part in parts:
        if part:
            sides, signs = split(part, SIGNS)
            found.append(Statement(sides, signs))
    return found
