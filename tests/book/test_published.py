"""The site as it is published: under the repository's path, light, closed to everything from elsewhere, easy to find."""

import json
import re
import zipfile
from urllib.parse import urlparse
from xml.etree import ElementTree

import browser as browser_tool
import downloads
import nbformat
import pytest
from bs4 import BeautifulSoup
from finished_page import policy, without_inline_styles
from mathematics import EQUATION, Mathematics
from page_faults import OPEN_EVERYTHING, page_faults, serve
from pages_server import serve_as_pages
from PIL import Image
from playwright.sync_api import sync_playwright
from project import HTML, chapters, notebooks, pages
from repository import pages_address
from status import status
from style_sheet import purged

ADDRESS = pages_address()
MOST_BYTES = 1_000_000  # of a page's own HTML, figures, styles and scripts, as they are transferred
ALL = sorted(HTML.rglob("*.html"))
FULL = [path for path in ALL if path != HTML / "index.html"]  # which only leads on


def soup(path):
    return BeautifulSoup(path.read_text(encoding="utf8"), "html.parser")


@pytest.fixture(scope="module")
def browser():
    path = browser_tool.find()
    assert path, browser_tool.HELP
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=browser_tool.flags())
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def published():
    with serve_as_pages(HTML) as address:
        yield address


@pytest.mark.parametrize(
    ("repository", "pages"),
    [
        ("https://github.com/Someone/a-fork", "https://someone.github.io/a-fork/"),
        ("https://github.com/someone/Someone.github.io", "https://someone.github.io/"),
    ],
)
def test_the_address_of_the_pages_follows_from_the_repository(repository, pages, tmp_path):
    (tmp_path / "_config.yml").write_text(f"repository: {{url: {repository}}}")
    assert pages_address(tmp_path) == pages


@pytest.mark.parametrize("page", pages())
def test_a_page_says_what_it_is(page):
    """To search engines and to messengers: title, description, address, and a picture made at the build."""
    head = soup(HTML / f"{page}.html").head
    said = {tag.get("property") or tag.get("name"): tag["content"] for tag in head.find_all("meta", content=True)}
    assert head.find("link", rel="canonical")["href"] == said["og:url"] == f"{ADDRESS}{page}.html"
    assert said["twitter:card"] == "summary_large_image"
    assert said["og:title"] in head.title.text
    assert 40 <= len(said["description"]) <= 200
    assert said["og:description"] == said["description"]
    assert "\\" not in said["description"]
    picture = HTML / said["og:image"].removeprefix(ADDRESS)
    assert Image.open(picture).size == (1200, 630)
    assert picture.stat().st_size < 300_000


def test_no_two_pages_say_the_same():
    for tag in ("og:description", "og:image", "og:title"):
        said = [soup(HTML / f"{page}.html").find("meta", property=tag)["content"] for page in pages()]
        assert len(set(said)) == len(said), tag


def test_the_sitemap_names_every_page():
    space = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
    rows = ElementTree.parse(HTML / "sitemap.xml").getroot().iter(f"{space}loc")
    assert sorted(row.text for row in rows) == sorted(f"{ADDRESS}{page}.html" for page in pages())
    assert f"Sitemap: {ADDRESS}sitemap.xml" in (HTML / "robots.txt").read_text().splitlines()


def test_phones_find_an_icon():
    static = HTML / "_static"
    manifest = json.loads((static / "site.webmanifest").read_text(encoding="utf8"))
    for icon in manifest["icons"]:
        assert (static / icon["src"]).is_file()
        if icon["sizes"] != "any":
            assert "{}x{}".format(*Image.open(static / icon["src"]).size) == icon["sizes"]
    assert (static / manifest["start_url"]).resolve().is_file()
    assert Image.open(static / "apple-touch-icon.png").size == (180, 180)


@pytest.mark.parametrize("depth", ["nothing", "book/nothing.html", "a/b/c/nothing.html"])
def test_a_wrong_address_gets_a_page_that_leads_back(browser, published, depth):
    page, failed = browser.new_page(), []
    page.on("requestfailed", lambda request: failed.append(request.url))
    page.on("response", lambda response: response.status >= 400 and failed.append(response.url))
    assert page.goto(published + depth).status == 404
    assert [url for url in failed if not url.endswith("favicon.ico")] == [published + depth]
    assert page.locator("h1").inner_text() == "There is no such page"
    links = page.eval_on_selector_all("a", "links => links.map(a => a.href)")
    assert len(links) == 3
    assert all((HTML / link.removeprefix(published)).is_file() for link in links)
    page.close()


@pytest.mark.parametrize("path", FULL, ids=lambda path: path.stem)
def test_a_page_allows_only_what_the_site_serves(path):
    """The browser itself says in test_site.py, as an error of the console, whatever the policy blocks."""
    text, page = path.read_text(encoding="utf8"), soup(path)
    rules = page.head.find("meta", attrs={"http-equiv": "Content-Security-Policy"})["content"]
    assert rules == policy(text)
    for rule in rules.split("; "):
        assert all(source in ("'self'", "'none'") or source.startswith("'sha256-") for source in rule.split()[1:]), rule
    assert text.index("Content-Security-Policy") < min(text.index(tag) for tag in ("<script", "<link", "<style") if tag in text)
    assert not [tag.name for tag in page.find_all() for name in tag.attrs if name == "style" or name.startswith("on")]


@pytest.mark.parametrize(
    "blocked",
    [
        "<script>document.title = 'run'</script>",
        "<p style='color:red'>styled</p>",
        "<style>p { color: red }</style>",
        "<img src='data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA=' alt='from elsewhere'>",
    ],
)
def test_what_a_policy_blocks_is_a_fault(browser, tmp_path, blocked):
    """So that test_site.py finds a violation on any page."""
    text = '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>t</title>'
    rule = f'<meta http-equiv="Content-Security-Policy" content="{policy(text)}">'
    (tmp_path / "page.html").write_text(f"<!doctype html>{text}{rule}</head><body><main><h1>t</h1>{blocked}</main></body></html>")
    with serve(tmp_path) as base:
        faults = page_faults(browser, base, "page.html")
    assert any(fault.startswith("console:") and "Content Security Policy" in fault for fault in faults), faults


TRANSFERRED = """() => performance.getEntries()
    .filter(entry => entry.transferSize !== undefined)
    .map(entry => [entry.name, entry.transferSize])"""


def weigh(browser, address):
    """Bytes transferred for a page and everything in it: its own, and those of MathJax's fonts."""
    page = browser.new_page()
    page.goto(address, wait_until="load")
    page.evaluate(OPEN_EVERYTHING)
    page.wait_for_load_state("networkidle")
    sizes = page.evaluate(TRANSFERRED)
    page.close()
    fonts = sum(size for name, size in sizes if "/mathjax/" in name)
    return sum(size for _, size in sizes) - fonts, fonts, [name for name, _ in sizes]


@pytest.mark.parametrize("page", pages())
def test_a_page_is_light(browser, published, page):
    own, fonts, names = weigh(browser, f"{published}{page}.html")
    raw = sum((HTML / urlparse(name.removeprefix(published)).path).stat().st_size for name in names if "/mathjax/" not in name)
    print(f"{page}: {own / 1e3:.0f} kB of its own ({raw / 1e3:.0f} before compression), {fonts / 1e3:.0f} kB MathJax")
    figures = len(re.findall(r"<img[^>]*_images/", (HTML / f"{page}.html").read_text(encoding="utf8")))
    assert sum("/_images/" in name for name in names) == figures, "a figure was not counted"
    assert own < MOST_BYTES
    assert fonts < 400_000


def test_no_script_is_needed_to_see_an_equation(browser, published):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{published}{pages()[0].replace('index', 'notation')}.html")
    box = page.locator("mjx-container").first.bounding_box()
    assert box["width"] > 3 and box["height"] > 3
    assert "\\(" not in page.locator("article").inner_text()
    context.close()


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_the_contents_show_every_chapter(path):
    page = soup(HTML / "book/contents.html")
    link = page.select_one(f'.gallery a.chapter[href="{path.stem}.html"]')
    assert link, "no entry"
    entry = link.find_parent("li")
    assert len(entry.select_one("p").text) > 10
    picture = entry.select_one("img")
    assert len(picture["alt"]) > 30
    size = Image.open((HTML / "book" / picture["src"]).resolve()).size
    assert size == (int(picture["width"]), int(picture["height"]))
    download = entry.select_one("a[download]")["href"]
    nbformat.validate(nbformat.read((HTML / "book" / download).resolve(), as_version=4))


@pytest.mark.parametrize("path", FULL, ids=lambda path: path.stem)
def test_every_icon_is_drawn(path):
    style = (HTML / "_static/site.css").read_text(encoding="utf8")
    names = set(re.findall(r"\bfa-([a-z0-9-]+)", path.read_text(encoding="utf8"))) - {"solid", "brands", "lg"}
    assert [name for name in names if f".fa-{name}::before" not in style] == []


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("mu", "book/notation.html"),
        ("sigma", "book/notation.html"),
        ("KL", "book/notation.html"),
        ("log_variance", "book/notation.html"),
        ("ELBO", "book/notation.html"),
        ("reparameterisation", "book/04-reparameterization.html"),
    ],
)
def test_the_search_finds_symbols_and_terms(browser, published, typed, first):
    """A symbol by its name leads to its row of the notation; a term to its chapter."""
    page = browser.new_page()
    page.goto(f"{published}search.html?q={typed}")
    page.wait_for_selector("#search-results li a")
    found = page.eval_on_selector_all("#search-results li > a", "links => links.map(a => a.getAttribute('href'))")
    assert found[0].partition("#")[0] == first
    assert len(found) > 2
    page.close()


def test_the_status_page_shows_every_notebook():
    text = soup(HTML / "book/status.html").select_one(".status").get_text(" ")
    assert [path.stem for path in notebooks() if path.stem not in text] == []
    assert "torch" in text


def test_the_status_says_what_was_not_run(tmp_path):
    text = status({"book/01-x": {"mtime": 0, "runtime": 2.0}}, tmp_path)
    assert text.count("not run yet") == 3
    (tmp_path / "notebooks.json").write_text(json.dumps([{"notebook": "01-x", "cpu_seconds": 9.0, "peak_bytes": 7e6}]))
    kinds = {"the book: site": {"passed": 5, "skipped": 1, "failed": 0}}
    (tmp_path / "tests.json").write_text(json.dumps({"date": "2000-01-01", "kinds": kinds}))
    text = status({"book/01-x": {"mtime": 0, "runtime": 2.0}}, tmp_path)
    assert "not run yet" not in text
    for part in ("1970-01-01", "9 s", "7 MB", "the book: site", "2000-01-01"):
        assert part in text


def test_the_zip_holds_every_page_and_no_policy(tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "FOLDER", tmp_path)
    archive = zipfile.ZipFile(downloads.make_zip())
    for page in pages():
        assert b"Content-Security-Policy" not in archive.read(f"vae-notes/{page}.html")
    assert b"SHOW_SEARCH_SUMMARY: false" in archive.read("vae-notes/_static/documentation_options.js")


def test_places_of_two_pages_differ_in_the_pdf():
    article = '<p id="a"><a href="#a">x</a><a href="02-b.html#c">y</a><a href="02-b.html">z</a></p>'
    expected = '<p id="01-x--a"><a href="#01-x--a">x</a><a href="#02-b--c">y</a><a href="#02-b">z</a></p>'
    assert downloads.own_names(article, "book/01-x") == expected


# Each step of the finishing, on something small.


def test_an_inline_style_becomes_a_class():
    page, rules = without_inline_styles('<p style="a: b; c: d">x</p><i class="y" style="a: b; c: d"></i><script>"<p style=\'\'>"</script>')
    name = re.search(r'<p class="(s\w+)">', page)[1]
    assert f'<i class="{name} y">' in page
    assert rules == f".{name}{{a: b!important;c: d!important}}"


def test_rules_that_nothing_can_match_are_dropped():
    css = '@import "x";a.on,b.off{c:d}.off{e:"}"}@media print{.on:not(.off){f:g}.off{h:i}}@font-face{j:k}.bs-any{l:m}'
    assert purged(css, {"on"}) == '@import "x";a.on{c:d}@media print{.on:not(.off){f:g}}@font-face{j:k}.bs-any{l:m}'


def test_equations_are_typeset_once(tmp_path, monkeypatch):
    page = '<span class="math notranslate nohighlight">\\(a &lt; \\mu\\)</span>'
    first = Mathematics(tmp_path / "cache.json")
    done = first.typeset(page)
    assert "<mjx-container" in done and "μ" in done and EQUATION.search(done)
    assert "mjx-c1D707" in first.style(done)
    assert "mjx-c1D70E" not in first.style(done)
    first.save()
    monkeypatch.setattr("mathematics.run_mathjax", None)
    assert Mathematics(tmp_path / "cache.json").typeset(page) == done
