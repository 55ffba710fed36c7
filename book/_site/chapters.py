"""What each page says of itself: its title, one line, its opening words, its first figure."""

import html
import re

from docutils import nodes
from sphinx import addnodes

LONGEST = 200  # characters of a description; search engines and messengers cut there


def opening(doctree):
    """The words of a page before its first section, without paragraphs that hold an equation."""
    section = doctree.next_node(nodes.section)
    words = []
    for child in section.children if section else []:
        if isinstance(child, nodes.section):
            break
        words += [p.astext() for p in child.findall(nodes.paragraph) if p.next_node(nodes.math) is None]
    return re.sub(r"\s+", " ", " ".join(words)).strip()


def sentences(text):
    return re.split(r"(?<=[.?!])\s+", text)


def description(text):
    """As many whole sentences as fit, at least a part of the first."""
    kept = ""
    for sentence in sentences(text):
        if len(kept) + len(sentence) >= LONGEST:
            break
        kept = f"{kept} {sentence}".strip()
    return kept or text[: LONGEST - 2].rsplit(" ", 1)[0] + " …"


def remember(app, doctree):
    """Note what a page says of itself; runs after Sphinx has collected the page's images."""
    env = app.env
    figure = next(iter(doctree.findall(nodes.image)), None)
    env.vae_pages = getattr(env, "vae_pages", {})
    env.vae_pages[env.docname] = {
        "opening": opening(doctree),
        "figure": figure and figure["uri"],
        "alt": figure.get("alt", "") if figure else "",
        "lines": lines_of_table(doctree) if env.docname == app.config.root_doc else {},
    }


def lines_of_table(doctree):
    """The front page's table: for the name of a chapter the question it answers, as HTML."""
    found = {}
    for row in doctree.findall(nodes.row):
        link = row.next_node(addnodes.pending_xref)
        if link is not None and len(row) == 2:
            name = link["reftarget"].rpartition("/")[2].removesuffix(".ipynb")
            found[name] = "".join(map(as_html, row[1].findall(is_text)))
    return found


def is_text(node):
    return isinstance(node, (nodes.Text, nodes.math)) and not isinstance(node.parent, nodes.math)


def as_html(node):
    text = html.escape(node.astext(), quote=False)
    return f'<span class="math notranslate nohighlight">\\({text}\\)</span>' if isinstance(node, nodes.math) else text


def line(env, docname):
    """One line for a chapter: the question on the front page, or the first sentence of the chapter itself."""
    name = docname.rpartition("/")[2]
    asked = env.vae_pages[env.config.root_doc]["lines"].get(name)
    return asked or html.escape(sentences(env.vae_pages[docname]["opening"])[0], quote=False)


def title(env, docname):
    """A page's title, with its number where it has one."""
    number = env.toc_secnumbers.get(docname, {}).get("")
    words = env.titles[docname].astext()
    return f"{number[0]}. {words}" if number else words


def numbered(env):
    """The chapters, in their order: the pages that have a number."""
    order = [name for name in env.toctree_includes.get(env.config.root_doc, [])]
    return [name for name in order if env.toc_secnumbers.get(name, {}).get("")]


def gallery(env, picture):
    """The list of chapters with a picture each; ``picture`` gives (address, width, height) for a chapter, or None."""
    items = []
    for docname in numbered(env):
        found, page = picture(docname), docname.rpartition("/")[2]
        alt = html.escape(env.vae_pages[docname]["alt"])
        image = (
            f'<img src="{found[0]}" width="{found[1]}" height="{found[2]}" alt="{alt}" loading="lazy" />' if found else ""
        )
        items.append(
            f'<li><div class="picture">{image}</div>'
            f'<div><a class="chapter" href="{page}.html">{html.escape(title(env, docname), quote=False)}</a>'
            f"<p>{line(env, docname)}</p>"
            f'<p class="downloads"><a href="../_sources/{docname}.ipynb" download>'
            f'Download chapter {page[:2]} as .ipynb</a></p></div></li>'
        )
    return f'<ol class="gallery">{"".join(items)}</ol>'


def whole_book():
    """What stands in place of the links to the book in one file, until `make published` has made the files."""
    return (
        '<ul class="whole-book"><li>the book as PDF: not in this copy; <code>make pdf</code> makes it</li>'
        "<li>the site as a zip archive: not in this copy; <code>make zip</code> makes it</li></ul>"
    )
