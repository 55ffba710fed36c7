"""What the reader sees of the checks: a mark beside every equation, a line at a chapter's head, the pages of evidence.

Nothing here is written by hand: it all comes from the last whole run of the checks (`equations.results`), which the
build makes before it writes a page.
"""

import html
import re
import sys
from collections import Counter
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))
from equations.results import KINDS
from equations.sources import sources

# As Sphinx writes the number of a labelled equation.
NUMBERED = re.compile(
    r'(<div class="math notranslate nohighlight" id="equation-(?P<label>eq-[a-z0-9-]+)">\s*<span class="eqno">'
    r"\((?P<number>[\d.]+)\))(?P<rest>.*?</a>)(</span>)"
)
HEADING = re.compile(r"</h1>\n?", re.DOTALL)
READ = {
    "whole": "The check reads this formula from the chapter: what is displayed is what was tested.",
    "part": "The check reads a part of this formula from the chapter; a copy of the rest tells it when the chapter changes.",
    "copy": "The check is written by hand beside a copy of this formula, and fails when the chapter changes.",
}
KIND_WORDS = {
    "symbolic": "proved by computer algebra, with the symbols free",
    "exact": "every case counted, or a model solved in closed form",
    "quadrature": "integrals computed numerically",
    "Monte Carlo": "estimated from draws, with a standard error and a stated rate of false alarms",
    "autograd": "compared with automatic differentiation",
    "training": "compared with a recorded training",
}


def mark(page, found):
    """A page's HTML with a link to the evidence beside the number of each checked equation."""

    def one(match):
        label, number = match["label"], match["number"]
        if label not in found:
            return match[0]
        chapter = sources()[label].chapter
        link = (
            f'<a class="evidence-mark" href="evidence/{chapter}.html#{label}" '
            f'title="How equation {number} is checked">✓<span class="visually-hidden">how equation {number} is checked</span></a>'
        )
        return f"{match[1]}{link}{match['rest']}{match[5]}"

    return NUMBERED.sub(one, page)


def head(page, chapter, found):
    """The line below a chapter's title: how many equations it has, and that all are checked."""
    labels = [label for label, source in sources().items() if source.chapter == chapter]
    checked = sum(label in found for label in labels)
    if not labels or not found:
        return page
    words = "all of them checked" if checked == len(labels) else f"{checked} of them checked"
    line = (
        f'<p class="evidence-line"><a href="evidence/{chapter}.html">{len(labels)} numbered equations, {words}</a> '
        "when this page was built: ✓ beside a number leads to the test.</p>\n"
    )
    return HEADING.sub(lambda match: match[0] + line, page, count=1)


def numbers(pages):
    """label -> the number under which the pages of the site show an equation."""
    return {match["label"]: match["number"] for page in pages for match in NUMBERED.finditer(page)}


def formula(latex):
    """A displayed formula as Sphinx writes it, for MathJax."""
    wrapped = f"\\begin{{split}}\n{latex}\n\\end{{split}}" if r"\\" in latex else latex
    return f'<div class="math notranslate nohighlight">\\[{html.escape(wrapped, quote=False)}\\]</div>'


def check_row(one, repository):
    """One check of an equation: kind, range, findings, test and how to run it."""
    findings = "".join(
        f"<li>{html.escape(f['what'])}: {html.escape(f['figure'])}</li>" for f in one["findings"]
    )
    path, _, name = one["test"].partition("::")
    return (
        f'<div class="evidence-check"><p><strong>{html.escape(one["kind"].capitalize())}</strong>: '
        f'{html.escape(one["over"])}.</p><ul>{findings}</ul><p>{READ[one["read"]]}</p>'
        f"<details><summary>The test <code>{html.escape(name)}</code></summary>"
        f'<pre>{html.escape(one["code"])}</pre>'
        f'<p><a href="{repository}/blob/main/{path}#L{one["line"]}">{html.escape(path)}, line {one["line"]}</a></p>'
        "</details></div>"
    )


def equation_row(source, checks, number, repository):
    return (
        f'<section id="{source.label}" class="evidence-row"><h2>Equation {number} '
        f'<a href="../{source.chapter}.html#equation-{source.label}">in the chapter</a></h2>'
        f'<div class="evidence-formula">{formula(source.latex)}</div>'
        + "".join(check_row(one, repository) for one in checks)
        + f"<p>Run it again: <code>make evidence ONLY={source.label}</code></p></section>"
    )


def chapter_body(chapter, title, found, number_of, repository):
    """The page of evidence of one chapter."""
    labels = [label for label, source in sources().items() if source.chapter == chapter]
    rows = "".join(
        equation_row(sources()[label], found[label], number_of.get(label, label), repository) for label in labels
    )
    return (
        f"<h1>Evidence: {html.escape(title)}</h1>"
        f'<p>How the {len(labels)} numbered equations of <a href="../{chapter}.html">chapter {chapter[:2]}</a> were '
        'checked when this site was built. <a href="../evidence.html">What the kinds of checks mean, and all chapters</a>.</p>'
        f'<p>Equations: {" ".join(f"""<a href="#{label}">{number_of.get(label, label)}</a>""" for label in labels)}</p>'
        f"{rows}"
    )


def kinds_of(found, labels):
    """How many checks of each kind some equations have."""
    return Counter(one["kind"] for label in labels for one in found[label])


def overview(found, titles):
    """The body of the page that leads to the chapters: counts by chapter, kind and way of reading."""
    if not found:
        return "<p>The checks have not been run for this build.</p>"
    columns = [kind for kind in KINDS if kinds_of(found, found)[kind]]
    lines = []
    for chapter, title in titles.items():
        labels = [label for label, source in sources().items() if source.chapter == chapter]
        counts = kinds_of(found, labels)
        cells = "".join(f"<td>{counts[kind] or '–'}</td>" for kind in columns)
        lines.append(
            f'<tr><td><a href="evidence/{chapter}.html">{html.escape(title)}</a></td><td>{len(labels)}</td>{cells}</tr>'
        )
    total = kinds_of(found, found)
    cells = "".join(f"<td>{total[kind]}</td>" for kind in columns)
    lines.append(f"<tr><td>all chapters</td><td>{len(found)}</td>{cells}</tr>")
    heads = "".join(f'<th class="head">{html.escape(one)}</th>' for one in ("chapter", "equations", *columns))
    meaning = "".join(f"<li><strong>{kind}</strong>: {KIND_WORDS[kind]}</li>" for kind in columns)
    ways = Counter(best_reading(checks) for checks in found.values())
    return (
        f"<p>{len(found)} equations, {sum(total.values())} checks, all passed. From the chapter as it stands there, "
        f"{ways['whole']} equations are read as a whole and {ways['part']} in part; {ways['copy']} are compared with a "
        "copy beside a check written by hand.</p>"
        f'<div class="pst-scrollable-table-container"><table class="table evidence-counts"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div><p>The kinds of checks:</p><ul>{meaning}</ul>"
    )


def best_reading(checks):
    return next(way for way in READ if any(one["read"] == way for one in checks))
