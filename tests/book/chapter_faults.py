"""What is wrong with a chapter as a chapter: its parts, its equations, its figures, its solutions."""

import re

PARTS = ("What you will be able to do", "What you need first", "Summary", "Exercises", "References")
MISTAKES = "> **Common mistakes"
FEWEST_EXERCISES = 4
SHORTEST_ALT = 30  # characters; a shorter one only names the figure

DISPLAY = re.compile(r"\$\$(.+?)\$\$([^\n]*)", re.DOTALL)
LABEL = re.compile(r" \((eq-[a-z0-9-]+)\)")
LABEL_USED = re.compile(r"\{eq\}`([^`]+)`")
HEADING = re.compile(r"^(#+) +(.+?) *$", re.MULTILINE)
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


def source(cell):
    return "".join(cell["source"])


def prose(notebook):
    """The markdown cells."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "markdown"]


def headings(notebook):
    """(level, text) of every heading in order."""
    found = [HEADING.findall(CODE.sub(lambda m: m.group().replace("#", ""), source(cell))) for cell in prose(notebook)]
    return [(len(marks), text) for cell in found for marks, text in cell]


def labels(notebook):
    """The labels of the display equations in order."""
    return [label for cell in prose(notebook) for _, rest in DISPLAY.findall(source(cell)) for label in LABEL.findall(rest)]


def part_faults(notebook):
    titles = [text for level, text in headings(notebook) if level == 1]
    first = source(notebook["cells"][0])
    if len(titles) != 1 or not first.startswith("# "):
        yield f"the first cell is to hold the only title, found {titles}"
    opening = "".join(source(c) for c in notebook["cells"]).split(f"## {PARTS[0]}")[0]
    if "?" not in opening:
        yield "no question before the first section"
    sections = [text for level, text in headings(notebook) if level == 2]
    places = [sections.index(part) if part in sections else -1 for part in PARTS]
    if -1 in places:
        yield f"no section {PARTS[places.index(-1)]!r}"
    elif places != sorted(places) or places[2] - places[1] < 2:
        yield f"the sections are to be {PARTS} in this order, with the chapter's own between the second and third"
    starts = [source(cell) for cell in prose(notebook)]
    if not any(text.startswith(MISTAKES) for text in starts):
        yield f"no box that starts with {MISTAKES!r}"


def equation_faults(notebook):
    for cell in prose(notebook):
        text = CODE.sub("", source(cell))
        for body, rest in DISPLAY.findall(text):
            if not LABEL.fullmatch(rest.rstrip()):
                yield f"cell {cell['id']}: a display equation without a label (eq-...): {body.strip()[:50]}"
        if re.search(r"\\begin\{(equation|align|gather)\*?\}|\\\[", DISPLAY.sub("", text)):
            yield f"cell {cell['id']}: a display equation that is not between $$ and $$"


def markup_faults(notebook):
    """What GitHub and Colab would show as it stands in the source."""
    for cell in prose(notebook):
        text = source(cell)
        if re.search(r"^\s*(:::|```\{|~~~\{)", text, re.MULTILINE):
            yield f"cell {cell['id']}: a MyST directive"
        for role in re.findall(r"\{([a-z:-]+)\}`", text):
            if role != "eq":
                yield f"cell {cell['id']}: the role {role!r}"


def figure_faults(notebook):
    for cell in notebook["cells"]:
        data = [output.get("data", {}) for output in cell.get("outputs", [])]
        figures = sum("".join(d.get("text/plain", "")).startswith("<Figure") for d in data)
        alt = cell["metadata"].get("mystnb", {}).get("image", {}).get("alt", "")
        if figures > 1:
            yield f"cell {cell['id']}: {figures} figures in one cell"
        if figures and len(alt) < SHORTEST_ALT:
            yield f"cell {cell['id']}: a figure whose alternative text is missing or only names it: {alt!r}"
        if alt and not figures:
            yield f"cell {cell['id']}: an alternative text without a stored figure (`make outputs`)"


def exercise_faults(notebook):
    cells, solved = notebook["cells"], 0
    for cell, after in zip(cells, [*cells[1:], {}], strict=True):
        match = re.match(r"<details>\s*<summary>Solution (\d+)", source(cell))
        if not match or cell["cell_type"] != "markdown":
            continue
        solved += 1
        if int(match.group(1)) != solved:
            yield f"cell {cell['id']}: solution {match.group(1)} stands in place {solved}"
        if after.get("cell_type") != "code" or "hide-cell" not in after["metadata"].get("tags", []):
            yield f"cell {cell['id']}: no folded code cell follows the solution"
        elif "assert" not in source(after):
            yield f"cell {after['id']}: the solution's code asserts nothing"
        elif not after["metadata"].get("mystnb", {}).get("code_prompt_show"):
            yield f"cell {after['id']}: no code_prompt_show that names the solution"
    if solved < FEWEST_EXERCISES:
        yield f"{solved} exercises with a solution, fewer than {FEWEST_EXERCISES}"


CHECKS = (part_faults, equation_faults, markup_faults, figure_faults, exercise_faults)


def chapter_faults(notebook):
    """Everything that is wrong with a chapter, in words; an empty list is a good chapter."""
    return [fault for check in CHECKS for fault in check(notebook)]
