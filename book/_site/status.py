"""The status page: what this build and the last test run measured."""

import datetime
import html
import json
import platform
from importlib.metadata import version

MISSING = "not run yet"


def read(path):
    """What a run of the tests left behind, or nothing."""
    try:
        return json.loads(path.read_text(encoding="utf8"))
    except (OSError, ValueError):
        return None


def table(head, rows):
    """A table; ``head`` and ``rows`` are text."""
    cells = "".join(f'<th class="head">{html.escape(one)}</th>' for one in head)
    lines = ("".join(f"<td>{html.escape(str(one))}</td>" for one in row) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return (
        '<div class="pst-scrollable-table-container"><table class="table">'
        f"<thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def taken(measured, notebook, key, scale, unit):
    """The largest figure of a notebook's test runs."""
    found = [row[key] for row in measured or [] if row["notebook"] == notebook]
    return f"{max(found) / scale:.0f} {unit}" if found else MISSING


def notebooks(executed, measured):
    """One row a notebook: ``executed`` is what myst-nb notes of each run, by page."""
    rows = []
    for page, data in executed.items():
        name = page.rpartition("/")[2]
        day = datetime.datetime.fromtimestamp(data["mtime"], datetime.UTC).date() if data else "-"
        ran = f"{data['runtime']:.0f} s" if data and data.get("runtime") is not None else "-"
        rows.append((name, ran, day, taken(measured, name, "cpu_seconds", 1, "s"), taken(measured, name, "peak_bytes", 1e6, "MB")))
    return table(("notebook", "run for this site", "on", "processor time when tested", "memory when tested"), rows)


def environment():
    names = ("torch", "numpy", "scipy", "scikit-learn", "matplotlib", "sympy", "jupyter-book")
    rows = [("Python", platform.python_version()), ("system", f"{platform.system()} {platform.machine()}")]
    return table(("environment of the build", "version"), rows + [(name, version(name)) for name in names])


def tests(report):
    """How many tests and checks of each kind the last run made, and how they ended."""
    if not report:
        return f"<p>Tests: {MISSING}.</p>"
    rows = [(kind, n["passed"], n["skipped"], n["failed"]) for kind, n in sorted(report["kinds"].items())]
    head = ("tests and checks of", "passed", "skipped", "failed")
    return f"<p>The last run of the tests ended on {report['date']}.</p>{table(head, rows)}"


def status(executed, reports):
    """The page's body; ``reports`` is the folder into which the tests write."""
    parts = (notebooks(executed, read(reports / "notebooks.json")), environment(), tests(read(reports / "tests.json")))
    return f'<div class="status">{"".join(parts)}</div>'
