"""The whole book in one file: `downloads.py zip` for reading offline, `downloads.py pdf` for printing.

Both are made from the built site into _build/downloads; `downloads.py publish` puts them into the site, and links to
them into its page of contents, which otherwise says how to make them. The PDF is printed by Chromium from one long page that
holds every page of the book, so that links inside the book stay inside the PDF.
"""

import re
import shutil
import sys
import zipfile

import browser
from pages_server import serve_as_pages
from playwright.sync_api import sync_playwright
from project import BUILD, HTML, config, pages

FOLDER = BUILD / "downloads"
NAME = "vae-notes"
POLICY = re.compile(r'[ \t]*<meta http-equiv="Content-Security-Policy"[^>]*>\n?')
ARTICLE = re.compile(r'<article class="bd-article">(.*)</article>', re.DOTALL)
LINKS = re.compile(r'<ul class="whole-book">.*?</ul>', re.DOTALL)
WORDS = {"pdf": "the book as PDF", "zip": "the site as a zip archive"}
FOOTER = '<div style="width:100%;font-size:8px;text-align:center"><span class="pageNumber"></span></div>'
WIDTH_OF_PAPER = {"width": 657, "height": 930}  # A4 without its margins, in CSS pixels
LOOK = """
  body { padding: 0 !important; }
  .page { break-before: page; }
  .page section { content-visibility: visible !important; }
  h1, h2, h3 { break-after: avoid; }
  img, div.math, tr { break-inside: avoid; }
  pre, .highlight pre { white-space: pre-wrap !important; font-size: 0.72em; overflow-wrap: anywhere; }
  td code { white-space: normal !important; overflow-wrap: anywhere; }
  .headerlink, .copybtn, .downloads, summary { display: none !important; }
  .bd-article { font-size: 0.92em; }
"""


def make_zip():
    """The site without its policies: from a disk, a browser takes no file for the page's own."""
    target = FOLDER / f"{NAME}.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(path for path in HTML.rglob("*") if path.is_file()):
            name = file.relative_to(HTML)
            if name.name in ("404.html", "sitemap.xml", "robots.txt", ".buildinfo") or name.parts[0] == "downloads":
                continue
            content = file.read_bytes()
            if file.suffix == ".html":
                content = POLICY.sub("", content.decode()).encode()
            if file.name == "documentation_options.js":  # an excerpt would be fetched, which a browser refuses on a disk
                content = content.replace(b"SHOW_SEARCH_SUMMARY: true", b"SHOW_SEARCH_SUMMARY: false")
            archive.writestr(zipfile.ZipInfo.from_file(file, f"{NAME}/{name}"), content, zipfile.ZIP_DEFLATED)
    return target


def own_names(article, page):
    """An article whose places carry the page's name, so that those of two pages differ."""
    page = page.rpartition("/")[2]
    article = re.sub(r'\bid="', f'id="{page}--', article)
    article = re.sub(r'href="#', f'href="#{page}--', article)
    article = re.sub(r'href="([\w-]+)\.html#', r'href="#\1--', article)
    return re.sub(r'href="([\w-]+)\.html"', r'href="#\1"', article).replace("<details", "<details open")


def printed_pages():
    return [name for name in pages() if name not in ("book/contents", "book/status")]


def one_page():
    """The whole book as one page."""
    parts, styles = [], ""
    for page in printed_pages():
        text = (HTML / f"{page}.html").read_text(encoding="utf8")
        styles += "".join(re.findall(r'<link rel="stylesheet"[^>]*_styles[^>]*>', text))
        article = own_names(ARTICLE.search(text)[1], page).replace('loading="lazy"', "")
        parts.append(f'<div class="page" id="{page.rpartition("/")[2]}">{article}</div>')
    return (
        f'<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8"><title>{config()["title"]}</title>'
        f'{styles}<link rel="stylesheet" href="../_static/site.css"><style>{LOOK}</style></head>'
        f'<body><article class="bd-article">{"".join(parts)}</article></body></html>'
    )


def open_whole(page, address):
    """Open the long page and wait until all of it is there: what is still on its way would be missing without a word."""
    page.goto(f"{address}book/print.html", wait_until="load", timeout=600_000)
    page.evaluate("async () => { await document.fonts.ready; }")
    found, expected = page.locator(".page").count(), len(printed_pages())
    if found != expected:
        raise SystemExit(f"the page to print holds {found} of the book's {expected} pages: build the site again (make book)")


def make_pdf():
    target, page_file = FOLDER / f"{NAME}.pdf", HTML / "book" / "print.html"
    page_file.write_text(one_page(), encoding="utf8")
    try:
        with serve_as_pages(HTML) as address, sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=browser.find(), args=browser.flags())
            page = chromium.new_page(viewport=WIDTH_OF_PAPER)  # live figures are drawn for it, and their letters stay legible
            open_whole(page, address)
            page.pdf(
                path=target, format="A4", outline=True, tagged=True, print_background=True,
                display_header_footer=True, header_template="<span></span>", footer_template=FOOTER,
                margin={"top": "18mm", "bottom": "18mm", "left": "18mm", "right": "18mm"},
            )
            chromium.close()
    finally:
        page_file.unlink()
    return target


def publish():
    """Put PDF and zip into the site, and links to them, with their sizes, into its page of contents."""
    files = [FOLDER / f"{NAME}.{kind}" for kind in WORDS]
    missing = [file.name for file in files if not file.exists()]
    if missing:
        raise SystemExit(f"{FOLDER} holds no {' and no '.join(missing)}: `make published` makes both first")
    (HTML / "downloads").mkdir(exist_ok=True)
    links = ""
    for file in files:
        shutil.copy(file, HTML / "downloads")
        size = f"{file.stat().st_size / 1e6:.0f} MB"
        links += f'<li><a href="../downloads/{file.name}">{WORDS[file.suffix[1:]]}</a> ({size})</li>'
    contents = HTML / "book" / "contents.html"
    page, places = LINKS.subn(f'<ul class="whole-book">{links}</ul>', contents.read_text(encoding="utf8"))
    if places != 1:
        raise SystemExit(f"{contents} has {places} places for the links to PDF and zip, not one")
    contents.write_text(page, encoding="utf8")


def main(kind):
    if kind == "publish":
        return publish()
    FOLDER.mkdir(parents=True, exist_ok=True)
    made = {"zip": make_zip, "pdf": make_pdf}[kind]()
    print(f"{made} ({made.stat().st_size / 1e6:.1f} MB)")


if __name__ == "__main__":
    main(sys.argv[1])
