"""Read a master notebook, and fill in what a key draws.

A master is a notebook in the format of `otter assign`, with two additions. The code cell with the tag ``variants``
draws the values that vary (``draw`` is in its scope) and is then left out. All other cells are Jinja templates with
``<< name >>`` for a value and ``<% if ... %>`` for a choice, so that LaTeX and Python keep their braces.
"""

from pathlib import Path

import jinja2
import nbformat

from homework.draw import Draw, check_key

__all__ = ["MASTERS", "master_path", "masters", "render", "variants"]

MASTERS = Path(__file__).parent / "masters"
_TEMPLATES = jinja2.Environment(
    variable_start_string="<<",
    variable_end_string=">>",
    block_start_string="<%",
    block_end_string="%>",
    comment_start_string="<#",
    comment_end_string="#>",
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    undefined=jinja2.StrictUndefined,
    autoescape=False,
)
_NOT_OFFERED = ("draw", "__builtins__")


def masters() -> list[Path]:
    """The master notebooks, by chapter."""
    return sorted(MASTERS.glob("[0-9][0-9]-*.ipynb"))


def master_path(name: str) -> Path:
    """The master of an assignment, from its name or from the number of its chapter.

    Raises
    ------
    ValueError
        If there is none.
    """
    found = [path for path in masters() if name in (path.stem, path.stem[:2])]
    if len(found) != 1:
        known = ", ".join(path.stem for path in masters())
        raise ValueError(f"the assignment must be one of {known}, or the number of its chapter, got {name!r}")
    return found[0]


def variants(notebook: nbformat.NotebookNode, key: str, name: str) -> dict:
    """What the cell ``variants`` draws for this key: the names that do not begin with an underscore."""
    cells = [cell for cell in notebook.cells if "variants" in cell.metadata.get("tags", [])]
    if len(cells) != 1:
        raise ValueError(f"{name}: a master has one cell with the tag 'variants', found {len(cells)}")
    names = {"draw": Draw(key, name)}
    exec(compile(cells[0].source, f"{name}: variants", "exec"), names)  # noqa: S102 - the master is the teacher's own
    return {k: v for k, v in names.items() if k not in _NOT_OFFERED and not k.startswith("_")}


def render(path: Path, key: str) -> nbformat.NotebookNode:
    """The master for one key: no variants cell, every template filled in.

    Parameters
    ----------
    path
        The master notebook.
    key
        The teacher's key.

    Raises
    ------
    ValueError
        If the key is none, if the master has not exactly one variants cell, or if a template does not fit; the
        text names notebook and cell.
    """
    check_key(key)
    notebook = nbformat.read(path, as_version=4)
    values = variants(notebook, key, path.stem)
    cells = []
    for number, cell in enumerate(notebook.cells):
        if "variants" in cell.metadata.get("tags", []):
            continue
        try:
            cell.source = _TEMPLATES.from_string(cell.source).render(values)
        except jinja2.TemplateError as error:
            raise ValueError(f"{path.name}, cell {number} ({cell.get('id')}): {error}") from error
        cells.append(cell)
    notebook.cells = cells
    return notebook
