"""The book's own Sphinx extension: what turns Jupyter Book's pages into this site.

- sphinx-thebe, which Jupyter Book always loads, names a CDN and declares its constants twice: disconnected.
- Every page passes through `finished_page` on its way to the disk; equations are typeset there (`mathematics`).
- When all pages are written, the files beside them are (`site_files`).
- `chapters` collects what each page says of itself, for the page of contents and the cards.
- Large data of live figures go into files of their own (`live_data`).
- The page of status shows what was measured (`status`); symbols are found by their names (`symbols`).
- Every equation leads to its check, on pages made of the last run of the checks (`evidence_pages`); `coverage_page` shows where
  each statement of the source documents is treated.
- Boxes of common mistakes, which are plain blockquotes in the source, are marked for the style sheet.
"""

import hashlib
import shutil
import sys
from pathlib import Path

import chapters
import coverage_page
import evidence_pages
import imagesize
import live_data
import site_files
import status
import style_sheet
import symbols
from docutils import nodes
from finished_page import card, finish, in_head, with_policy
from mathematics import FONTS, Mathematics, mathjax_folder

sys.path.append(str(Path(__file__).parents[1] / "tools"))
from project import BUILD
from repository import pages_address, settings

from equations import results

GALLERY, DOWNLOADS, STATUS = "<!-- chapters -->", "<!-- downloads -->", "<!-- status -->"
EVIDENCE, COVERAGE = "<!-- evidence -->", "<!-- coverage -->"
# Pages made of what other pages say; and the notation, whose index entries Sphinx's search forgets otherwise.
EVERY_TIME = ("book/contents", "book/status", "book/notation", "book/evidence", "book/coverage")


def disconnect(app, config):
    """Take sphinx-thebe and the script of MathJax off every page."""
    app.registry.css_files[:] = [css for css in app.registry.css_files if css[0] != "sphinx-thebe.css"]
    for listeners in app.events.listeners.values():
        for listener in list(listeners):
            module, name = getattr(listener.handler, "__module__", ""), getattr(listener.handler, "__name__", "")
            if module.startswith("sphinx_thebe") or name == "install_mathjax":
                app.disconnect(listener.id)


def mark_mistakes(app, doctree):
    for quote in doctree.findall(nodes.block_quote):
        if quote.astext().startswith("Common mistakes"):
            quote["classes"].append("mistakes")


def renew(app, env):
    """The pages that are made of other pages are written in every build."""
    return [name for name in EVERY_TIME if name in env.all_docs]


class Finisher:
    """Stands where the theme's templates are rendered, and finishes each page before it is written."""

    def __init__(self, app):
        self.app, self.site = app, Path(app.outdir)
        self.render = app.builder.templates.render
        self.mathematics = Mathematics(BUILD / "equations.json")
        self.address = pages_address()
        self.found = results.load()
        self.styles = []

    def __call__(self, template, context):
        page = self.render(template, context)
        if not template.endswith(".html") or "</title>" not in page:
            return page
        name, root = context["pagename"], context["content_root"].removeprefix("./")
        if GALLERY in page:
            page = page.replace(GALLERY, chapters.gallery(self.app.env, lambda docname: self.thumbnail(docname, root)))
            page = page.replace(DOWNLOADS, chapters.whole_book())
        if STATUS in page:
            page = page.replace(STATUS, status.status(self.executed(), BUILD / "test-reports"))
        page, files = live_data.move(self.with_evidence(page, name), root)
        live_data.write(self.site, files)
        page, style = finish(page, self.mathematics, self.figure, self.head(name, root))
        self.styles = self.styles or style_sheet.linked(page)
        page = style_sheet.with_one_link(page, root)
        if style:
            page = in_head(page, f'<link rel="stylesheet" href="{root}{self.write_style(name, style)}" />')
        return with_policy(page)

    def with_evidence(self, page, docname):
        """The page with what the checks found: marks and a line in a chapter, tables on the two pages made of them."""
        chapter = docname.rpartition("/")[2]
        if docname in chapters.numbered(self.app.env):
            page = evidence_pages.head(evidence_pages.mark(page, self.found), chapter, self.found)
        if EVIDENCE in page:
            page = page.replace(EVIDENCE, evidence_pages.overview(self.found, self.titles()))
        if COVERAGE in page:
            folder = self.app.srcdir / "book/coverage"
            page = page.replace(COVERAGE, coverage_page.coverage(folder, lambda name: coverage_page.anchors(self.app.env, f"book/{name}")))
        return page

    def titles(self):
        """The name of every chapter's file -> its title with its number."""
        env = self.app.env
        return {name.rpartition("/")[2]: chapters.title(env, name) for name in chapters.numbered(env)}

    def write_style(self, docname, style):
        """A page's own style sheet; not in the page, since the search reads pages under a policy of its own."""
        version = hashlib.sha256(style.encode()).hexdigest()[:8]
        name = f"_styles/{docname.replace('/', '-')}.css"
        (self.site / name).parent.mkdir(parents=True, exist_ok=True)
        (self.site / name).write_text(style, encoding="utf8")
        return f"{name}?v={version}"

    def executed(self):
        """What myst-nb noted when it ran each notebook, in the order of the contents."""
        env = self.app.env
        order = env.toctree_includes.get(env.config.root_doc, [])
        run = [name for name in order if str(env.doc2path(name)).endswith(".ipynb")]
        return {name: env.nb_metadata[name].get("exec_data") for name in run}

    def file_of(self, figure):
        """The file of a figure, from the name under which it is published."""
        return next((self.app.srcdir / uri for uri, (_, name) in self.app.env.images.items() if name == figure), None)

    def figure(self, name):
        """Name, width and height of a figure's small form."""
        file = self.file_of(name)
        return file and (site_files.small_name(name), *imagesize.get(file))

    def first_figure(self, docname):
        uri = self.app.env.vae_pages.get(docname, {}).get("figure")
        return self.app.srcdir / uri if uri and (self.app.srcdir / uri).is_file() else None

    def thumbnail(self, docname, root):
        """Address, width and height of a chapter's picture."""
        figure = self.first_figure(docname)
        if not figure:
            return None
        name = f"_cards/{docname.rpartition('/')[2]}.webp"
        site_files.thumbnail(figure, self.site / name)
        return (root + name, *imagesize.get(self.site / name))

    def head(self, docname, root):
        """Description, card, canonical link and icons of a page; search and index are no pages of the book."""
        icons = (
            f'<link rel="apple-touch-icon" href="{root}_static/apple-touch-icon.png" />\n    '
            f'<link rel="manifest" href="{root}_static/site.webmanifest" />\n    '
            '<meta name="theme-color" content="#ffffff" media="(prefers-color-scheme: light)" />\n    '
            '<meta name="theme-color" content="#14181e" media="(prefers-color-scheme: dark)" />\n    '
        )
        said = self.app.env.vae_pages.get(docname)
        if not said:
            return icons + f'<link rel="canonical" href="{self.address}{docname}.html" />'
        title, figure = chapters.title(self.app.env, docname), self.first_figure(docname)
        image = site_files.card_name(docname, title, figure and figure.name)
        if not (self.site / image).exists():
            site_files.draw_card(title, self.app.config.html_title, figure, self.site / image)
        address = f"{self.address}{docname}.html"
        description = chapters.description(said["opening"])
        return icons + card(title, description, address, self.address + image, self.app.config.html_title)


def write_evidence(app):
    """One page for each chapter; Sphinx asks for them when all chapters are written."""
    if app.builder.format != "html" or not app.vae_finisher.found:
        return
    found, titles = app.vae_finisher.found, app.vae_finisher.titles()
    pages = [(Path(app.outdir) / f"book/{name}.html").read_text(encoding="utf8") for name in titles]
    number_of = evidence_pages.numbers(pages)
    for name, title in titles.items():
        body = evidence_pages.chapter_body(name, title, found, number_of, settings()["url"])
        yield f"book/evidence/{name}", {"title": f"Evidence: {title}", "body": body}, "page.html"


def install(app):
    if app.builder.format == "html":
        app.builder.templates.render = app.vae_finisher = Finisher(app)


def write_files(app, failure):
    """What stands beside the pages, once all of them are written."""
    if failure or app.builder.format != "html":
        return
    site, address, title = Path(app.outdir), pages_address(), app.config.html_title
    app.vae_finisher.mathematics.save()
    shutil.copytree(mathjax_folder() / FONTS, site / "_static" / "mathjax" / FONTS, dirs_exist_ok=True)
    site_files.shrink_figures(site / "_images", BUILD / "figures")
    site_files.write_not_found(site, address, title)
    site_files.write_icons(site)
    style_sheet.write(site, [*app.vae_finisher.styles, "_static/icons.css"])
    site_files.do_not_measure(site)
    site_files.name_hits(site)
    site_files.drop_sources(site)
    live_data.drop_unasked(site)
    site_files.write_sitemap(site, address, sorted(app.env.all_docs))
    site_files.write_manifest(site, title)


def setup(app):
    app.connect("config-inited", disconnect)
    app.connect("doctree-read", mark_mistakes)
    app.connect("doctree-read", symbols.index_symbols, priority=400)
    app.connect("doctree-read", chapters.remember, priority=900)
    app.connect("env-updated", renew)
    app.connect("builder-inited", install)
    app.connect("html-collect-pages", write_evidence)
    app.connect("build-finished", write_files, priority=900)  # after the theme has written its colours of code
    return {"version": "2", "parallel_read_safe": False, "parallel_write_safe": False}
