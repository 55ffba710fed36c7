"""Bring the book's notebooks into the one form in which they are stored, so that diffs show what was changed.

Kept: sources, readable cell ids, the tags and figure descriptions that the book uses, short text outputs.
Dropped: pictures (drawn at build time; the text that stands for one stays), stderr, counters, everything else
that Jupyter or Colab leave behind. Of a live figure (`vae_notes.live`) stay its text and its small still picture,
which GitHub shows; its HTML comes anew from every run. The setup cell is written here. Refused, by cell: stored errors, long
outputs, tags and output types that the book does not use.

Not nbstripout: it keeps an output whole or drops it whole, and we want a figure without its picture but with
its text; it also knows no readable ids. Not nbformat's own normaliser: it only repairs what is invalid.

    python book/tools/normalise.py             rewrite what is not in form
    python book/tools/normalise.py --check     say what is not in form, change nothing
    python book/tools/normalise.py --execute   run the notebooks first and store their text outputs
"""

import argparse
import json
import os
import re
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from project import ROOT, notebook_environment
from repository import setup_cell

GOOD_ID = re.compile(r"[a-z0-9][a-z0-9-]{1,62}")
MACHINE_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f-]+)?")  # as Jupyter and Colab make them
TAGS = {"hide-input", "hide-cell", "hide-output"}
KEPT_TYPES = ("text/plain", "text/latex", "text/html")
LONGEST_OUTPUT = 2000  # characters a cell
LIVE_TEXT, LIVE_HTML = "Live figure ", '<div class="vae-live"'  # how the outputs of a live figure begin
LARGEST_STILL = 30_000  # bytes of the PNG
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


class Refused(ValueError):
    """A notebook that cannot be put into form; the text names the cell."""


def text_of(lines):
    return lines if isinstance(lines, str) else "".join(lines)


def tidy(text):
    """Text without trailing blanks and without empty lines at its end, as the list of lines that nbformat stores."""
    return "\n".join(line.rstrip() for line in text_of(text).splitlines()).rstrip("\n").splitlines(keepends=True)


def id_from_content(source):
    """A readable id from the first words of a cell."""
    words = re.findall(r"[a-z0-9]+", text_of(source).lower().replace("import", ""))
    return ("-".join(words[:5]) or "cell").ljust(2, "x")[:50].strip("-")


def unique_ids(cells):
    """One readable id for each cell: its own, if that is readable and not taken."""
    taken = []
    for cell in cells:
        own = cell.get("id", "")
        readable = GOOD_ID.fullmatch(own) and not MACHINE_ID.fullmatch(own)
        wanted = own if readable else id_from_content(cell["source"])
        name, number = wanted, 2
        while name in taken:
            name, number = f"{wanted}-{number}", number + 1
        taken.append(name)
    return taken


def normal_metadata(cell, name):
    """Only the tags and the figure descriptions that the book uses."""
    kept = {key: cell["metadata"][key] for key in ("tags", "mystnb") if cell.get("metadata", {}).get(key)}
    foreign = set(kept.get("tags", [])) - TAGS
    if foreign:
        raise Refused(f"cell {name}: tag {min(foreign)!r} is not one of {sorted(TAGS)}")
    return kept


def is_live(data):
    """Whether an output is a live figure, fresh from a run or as it is stored."""
    return text_of(data.get("text/plain", "")).startswith(LIVE_TEXT)


def normal_live(output, name):
    """A live figure as it is stored: the text that the tests compare, and the still picture with its description."""
    still = text_of(output["data"].get("image/png", "")).replace("\n", "")
    if not still:
        raise Refused(f"cell {name}: a live figure without a still picture; run `make outputs`")
    size = len(still) * 3 // 4
    if size > LARGEST_STILL:
        raise Refused(f"cell {name}: the still picture has {size} bytes, more than {LARGEST_STILL}")
    text = text_of(output["data"]["text/plain"]).splitlines(keepends=True)
    metadata = {kind: said for kind, said in output.get("metadata", {}).items() if kind == "image/png"}
    return {
        "output_type": output["output_type"],
        "data": {"text/plain": text, "image/png": still},
        "metadata": metadata,
    }


def normal_output(output, name):
    """One output without its picture, or None when nothing of it is stored."""
    kind = output["output_type"]
    if kind == "error":
        raise Refused(f"cell {name}: stores an error ({output.get('ename')}: {output.get('evalue')})")
    if kind == "stream":
        if output["name"] == "stderr":
            return None
        return {"output_type": "stream", "name": "stdout", "text": text_of(output["text"]).splitlines(keepends=True)}
    if is_live(output["data"]):
        live = normal_live(output, name)
        return live if kind == "display_data" else {**live, "execution_count": None}
    data = {}
    for mime, value in output["data"].items():
        if mime in KEPT_TYPES:
            data[mime] = text_of(value).splitlines(keepends=True)
        elif not mime.startswith("image/"):
            raise Refused(f"cell {name}: stores an output of type {mime}")
    normal = {"output_type": kind, "data": data, "metadata": {}}
    return normal if kind == "display_data" else {**normal, "execution_count": None}


def normal_outputs(outputs, name):
    kept = []
    for output in filter(None, (normal_output(one, name) for one in outputs)):
        if output["output_type"] == "stream" and kept and kept[-1]["output_type"] == "stream":
            joined = "".join(kept[-1]["text"] + output["text"])
            kept[-1]["text"] = joined.splitlines(keepends=True)
        else:
            kept.append(output)
    parts = [part for o in kept for part in (o.get("text", ""), *(o.get("data", {}).get(t, "") for t in KEPT_TYPES))]
    size = sum(len(text_of(part)) for part in parts)
    if size > LONGEST_OUTPUT:
        raise Refused(f"cell {name}: stores {size} characters of output, more than {LONGEST_OUTPUT}; print less")
    return kept


def normal_cell(cell, name):
    normal = {"cell_type": cell["cell_type"], "id": name, "metadata": normal_metadata(cell, name)}
    normal["source"] = tidy(setup_cell() if name == "setup" else cell["source"])
    if cell.get("attachments"):
        raise Refused(f"cell {name}: has an attachment; draw the figure in a code cell")
    if cell["cell_type"] == "code":
        normal |= {"execution_count": None, "outputs": normal_outputs(cell.get("outputs", []), name)}
    return normal


def with_setup(cells):
    """The cells with a setup cell, which is the first one after the title and folded."""
    rest = [cell for cell in cells if cell.get("id") != "setup"]
    setup = {"cell_type": "code", "id": "setup", "metadata": {"tags": ["hide-input"]}, "source": "", "outputs": []}
    return [*rest[:1], setup, *rest[1:]]


def normalise(notebook):
    """The notebook (as read from JSON) in the form in which it is stored."""
    cells = with_setup([cell for cell in notebook["cells"] if text_of(cell["source"]).strip()])
    normal = [normal_cell(cell, name) for cell, name in zip(cells, unique_ids(cells), strict=True)]
    return {"cells": normal, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}


def execute(notebook, folder):
    """Run a notebook in this environment's kernel and return it with its outputs."""
    os.environ.update(notebook_environment())
    node = nbformat.reads(json.dumps(notebook), as_version=4)
    NotebookClient(node, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
    return json.loads(nbformat.writes(node))


def as_text(notebook):
    """The stored form, laid out as Jupyter itself lays it out."""
    return json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Bring the book's notebooks into their stored form.")
    parser.add_argument("--check", action="store_true", help="change nothing, fail if something is not in form")
    parser.add_argument("--execute", action="store_true", help="run the notebooks and store their text outputs")
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: every notebook of the book")
    options = parser.parse_args(arguments)
    bad = []
    for path in options.notebooks or sorted((ROOT / "book").glob("*.ipynb")):
        before = path.read_text(encoding="utf8")
        try:
            notebook = normalise(json.loads(before))
            if options.execute:
                notebook = normalise(execute(notebook, path.parent))
        except Refused as fault:
            bad.append(f"{path.name}: {fault}")
            continue
        if as_text(notebook) == before:
            continue
        if options.check:
            bad.append(f"{path.name}: not in its stored form; run `make normalise`")
        else:
            path.write_text(as_text(notebook), encoding="utf8")
            print(f"{path.name}: rewritten")
    if bad:
        sys.exit("\n".join(bad))


if __name__ == "__main__":
    main()
