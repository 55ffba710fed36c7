"""The page of coverage: every statement of the source documents, with its verdict, its place in the book and its check."""

import html
import re
from collections import Counter

import yaml
from sphinx import addnodes

VERDICTS = {
    "correct": "right as it stands",
    "correct-with-condition": "right under a condition that the chapter states",
    "imprecise": "half right, or easy to misread",
    "WRONG": "not so",
    "unsupported": "perhaps so, but nothing in the documents supports it",
}
DOCUMENTS = {
    "S0": "Document S0: a guide to the VAE and the ELBO",
    "S1": "Document S1: a review of the paper “Auto-Encoding Variational Bayes”",
    "S2": "Document S2: an explanation of the VAE and its theory",
    "S3": "Document S3: a short note",
    "S4": "Document S4: notes of a week of lectures",
}


def entries(folder):
    """row -> what the chapters' files say of it, in the order of the book."""
    found = {}
    for path in sorted(path for path in folder.glob("*.yml") if path.stem != "rows"):
        for entry in yaml.safe_load(path.read_text(encoding="utf8")):
            found.setdefault(entry["row"], []).append(entry)
    return found


def anchors(env, docname):
    """The text of every heading of a page -> its anchor."""
    toc = env.tocs.get(docname)
    references = toc.findall(lambda node: node.tagname == "reference") if toc else ()
    return {node.astext(): node.get("anchorname", "") for node in references if not isinstance(node, addnodes.toctree)}


def plain(text):
    """A heading without the marks of code and formulas, and with the apostrophes that are typed, not those shown."""
    return re.sub(r"[`$\\{}]", "", text).replace("\u2019", "'")


def place(entry, anchors_of):
    """A link to the section that treats a row."""
    known = {plain(text): anchor for text, anchor in anchors_of(entry["chapter"]).items()}
    anchor = known.get(plain(str(entry["section"])), "")
    page, section = entry["chapter"], html.escape(plain(str(entry["section"])))
    name = page[:2] if page[:2].isdigit() else page.replace("-", " ").capitalize()
    return f'<a href="{page}.html{anchor}">{name}, {section}</a>'


def check_names(entry):
    """The checks of a row: cells of the chapter, tests, or a text with its reason."""
    checks = entry["check"] if isinstance(entry["check"], list) else [entry["check"]]
    words = []
    for check in checks:
        if check == "text" or check.startswith(("text:", "text ")):
            reason = entry.get("reason") or check[5:].strip()
            words.append(f"in words: {html.escape(reason)}")
        else:
            words.append(f"<code>{html.escape(check)}</code>")
    return ", ".join(words)


def order(row):
    return row.partition("-")[0], int(row.partition("-")[2])


def row_line(row, found, anchors_of):
    first = found[0]
    where = "<br/>".join(place(entry, anchors_of) for entry in found)
    how = "<br/>".join(check_names(entry) for entry in found)
    return (
        f'<tr id="{row}"><th scope="row">{row}</th><td>{html.escape(str(first["states"]))}</td>'
        f'<td>{first["verdict"]}</td><td>{where}</td><td>{how}</td></tr>'
    )


def coverage(folder, anchors_of):
    """The page's body: counts, and one table for each document."""
    found = entries(folder)
    counts = Counter(entries[0]["verdict"] for entries in found.values())
    kinds = "".join(f"<li><strong>{name}</strong> ({counts[name]}): {words}</li>" for name, words in VERDICTS.items())
    parts = [f"<p>{len(found)} statements. The verdicts:</p><ul>{kinds}</ul>"]
    head = "".join(
        f'<th class="head">{one}</th>' for one in ("id", "what it states, in our words", "verdict", "where", "checked by")
    )
    for document, title in DOCUMENTS.items():
        rows = sorted((row for row in found if row.startswith(document + "-")), key=order)
        lines = "".join(row_line(row, found[row], anchors_of) for row in rows)
        parts.append(
            f'<section id="document-{document.lower()}"><h2>{title} ({len(rows)} statements)</h2>'
            '<div class="pst-scrollable-table-container"><table class="table coverage">'
            f"<thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div></section>"
        )
    return "".join(parts)
