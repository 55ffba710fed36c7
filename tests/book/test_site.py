"""Every page of the built site, looked at in a browser whose network is cut."""

from urllib.parse import urlparse

import pytest
from bs4 import BeautifulSoup
from page_faults import MODES, WIDTHS, page_faults, serve
from project import HTML, chapters, pages
from repository import pages_address

EVIDENCE = ["book/evidence/02-maximum-likelihood.html", "book/evidence/05-gaussian-kl.html"]  # the longest, one more
PAGES = [f"{page}.html" for page in pages()] + ["search.html", "genindex.html", *EVIDENCE]


@pytest.fixture(scope="module")
def site():
    assert (HTML / "index.html").exists(), "the site is not built: make book"
    with serve(HTML) as base:
        yield base


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("page", PAGES)
def test_page_has_no_fault(browser, site, page, width, mode):
    faults = page_faults(browser, site, page, width, mode)
    assert not faults, "\n".join(faults)


def test_the_front_door_leads_to_the_book(browser, site):
    page = browser.new_page()
    page.goto(site)
    page.wait_for_url(f"**/{PAGES[0]}")
    assert page.url == site + PAGES[0]
    page.close()


@pytest.mark.parametrize(("link", "order"), [("a.right-next", pages()), ("a.left-prev", pages()[::-1])])
def test_previous_and_next_lead_through_the_whole_book(browser, site, link, order):
    """Every page of the contents in its order, and no way on from the last.

    By the keyboard: on a busy machine a click can miss a link that moves while what is above it is laid out.
    """
    page = browser.new_page()
    page.goto(f"{site}{order[0]}.html")
    for following in order[1:]:
        page.locator(link).press("Enter")
        page.wait_for_url(f"{site}{following}.html", wait_until="domcontentloaded", timeout=120_000)
    assert page.locator(link).count() == 0
    page.close()


def test_search_finds_a_symbol(browser, site):
    """The search index is there and answers, without the network."""
    page = browser.new_page()
    page.goto(site + "search.html?q=divergence")
    page.wait_for_selector("#search-results li a")
    assert page.locator("#search-results li a").count() > 0
    page.close()


# A page with nothing wrong, and what makes it wrong: each must be found, or the test above proves nothing.
GOOD_PAGE = """<!doctype html><html lang="en"><head><title>A page</title>
<meta name="viewport" content="width=device-width"></head>
<body style="margin:0;background:white;color:black"><main><h1>Page</h1>{}</main></body></html>"""

PICTURE = 'src="data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="'
BROKEN = {
    "equation": '<span class="math notranslate">\\(x\\)</span>',
    "image": '<img src="data:," alt="a picture that cannot be drawn">',
    "alternative text": f'<img {PICTURE} alt="">',
    "distorted": f'<img {PICTURE} alt="a square" style="max-width:100px" width="200" height="200">',
    "console": "<script>console.error('a fault')</script>",
    "console: an error": "<script>throw new Error('an error')</script>",
    "request": '<link rel="stylesheet" href="missing.css">',
    "off-site": '<link rel="stylesheet" href="https://example.org/style.css">',
    "scroll": '<div style="width:500px">wide</div>',
    "axe: color-contrast": '<p style="color:#ddd">pale text</p>',
    "axe: color-contrast (": '<div class="highlight"><pre><span class="k" style="color:#ddd">if</span></pre></div>',
    "axe: label": '<input type="text">',
}


def test_a_good_page_has_no_fault(browser, tmp_path):
    (tmp_path / "page.html").write_text(GOOD_PAGE.format(""))
    with serve(tmp_path) as base:
        assert page_faults(browser, base, "page.html", "phone") == page_faults(browser, base, "page.html") == []


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_page_is_found_out(browser, tmp_path, kind):
    (tmp_path / "page.html").write_text(GOOD_PAGE.format(BROKEN[kind]))
    with serve(tmp_path) as base:
        faults = page_faults(browser, base, "page.html", "phone")
    assert any(kind in fault for fault in faults), faults


def broken_links(folder):
    """Every link inside the site whose page or anchor is missing."""
    soups = {p: BeautifulSoup(p.read_text(encoding="utf8"), "html.parser") for p in folder.rglob("*.html")}
    anchors = {path: {tag["id"] for tag in soup.select("[id]")} for path, soup in soups.items()}
    for path, soup in soups.items():
        for link in soup.select("a[href]"):
            target, _, anchor = link["href"].partition("#")
            if "://" in target or target.startswith("mailto:"):
                continue
            target = target.partition("?")[0]
            if target.startswith("/"):  # the page for wrong addresses names whole paths
                target = str(folder / target.removeprefix(urlparse(pages_address()).path))
            goal = (path.parent / target).resolve() if target else path
            if not goal.is_file():
                yield f"{path.name}: {link['href']} leads nowhere"
            elif anchor and goal in anchors and anchor not in anchors[goal]:
                yield f"{path.name}: {link['href']} names no place on its page"


def test_links_inside_the_site_resolve():
    found = list(broken_links(HTML))
    assert found == []


def test_a_broken_link_is_found_out(tmp_path):
    (tmp_path / "a.html").write_text('<a href="b.html#here">x</a><a href="c.html">y</a><a href="#top">z</a>')
    (tmp_path / "b.html").write_text('<p id="there"></p>')
    assert len(list(broken_links(tmp_path))) == 3


def test_every_page_of_the_contents_is_built():
    missing = [page for page in pages() if not (HTML / f"{page}.html").is_file()]
    assert missing == []


@pytest.mark.parametrize("notebook", chapters(), ids=lambda path: path.stem)
def test_a_chapter_and_its_equations_have_the_number_of_its_file(notebook):
    """Also where a new part of the contents begins."""
    number = int(notebook.stem[:2])
    page = BeautifulSoup((HTML / "book" / f"{notebook.stem}.html").read_text(encoding="utf8"), "html.parser")
    assert page.select_one(".bd-sidebar-primary li.active").get_text().strip().startswith(f"{number}. ")
    labels = [label.get_text().strip("() \n\xb6#").partition(".")[0] for label in page.select(".eqno")]
    assert labels and set(labels) == {str(number)}
