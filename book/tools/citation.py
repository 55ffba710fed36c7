"""Write the page on citing from CITATION.cff: the reference in words and as BibTeX.

Not cffconvert: it asks for a jsonschema older than the one that Jupyter needs.
"""

import re

import yaml
from project import ROOT

PAGE = ROOT / "book/citing.md"


def citation():
    return yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf8"))


def in_words(cff):
    authors = ", ".join(author["name"] for author in cff["authors"])
    authors = authors[0].upper() + authors[1:]
    return f"> {authors} ({cff['date-released'].year}). *{cff['title']}*, version {cff['version']}. <{cff['url']}>"


def bibtex(cff):
    """A BibTeX entry; braces keep the name of a group of authors, and the capitals of the title, as they are."""
    fields = {
        "title": f"{{{cff['title']}}}",
        "author": " and ".join(f"{{{author['name']}}}" for author in cff["authors"]),
        "year": str(cff["date-released"].year),
        "version": str(cff["version"]),
        "howpublished": f"\\url{{{cff['url']}}}",
        "note": f"Source: \\url{{{cff['repository-code']}}}",
    }
    key = re.sub(r"\W", "", cff["title"].lower()) + fields["year"]
    lines = [f"  {name:12} = {{{value}}}," for name, value in fields.items()]
    return "\n".join([f"@misc{{{key},", *lines, "}"])


def page_with_citation(text):
    """The page's text with the citation of now."""
    new = f"{in_words(citation())}\n\n```bibtex\n{bibtex(citation())}\n```"
    return re.sub(r"(<!-- citation.*?-->\n\n).*?(<!-- end -->)", lambda m: f"{m[1]}{new}\n\n{m[2]}", text, flags=re.DOTALL)


def write_citing():
    PAGE.write_text(page_with_citation(PAGE.read_text(encoding="utf8")), encoding="utf8")
