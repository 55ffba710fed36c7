"""The site as it is published: under the repository's path, light, closed to everything from elsewhere, easy to find."""

import io
import json
import re
import subprocess
import zipfile
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlparse
from xml.etree import ElementTree

import downloads
import nbformat
import pytest
from bs4 import BeautifulSoup
from chapters import whole_book
from finished_page import policy, with_plain_code, without_inline_styles
from light_equations import slim, style_of
from mathematics import EQUATION, Mathematics, node, run_mathjax
from page_faults import OPEN_EVERYTHING, page_faults, serve
from pages_server import serve_as_pages
from PIL import Image, ImageDraw
from project import HTML, chapters, notebooks, pages
from repository import pages_address
from site_files import as_webp
from status import status
from style_sheet import purged, without_unasked, words_of

ADDRESS = pages_address()
MOST_BYTES = 1_000_000  # of a page's HTML, figures, styles, scripts and icons, before compression
MOST_TRANSFERRED = 600_000  # of the same, as they are transferred
ALL = sorted(HTML.rglob("*.html"))
FULL = [path for path in ALL if path != HTML / "index.html"]  # which only leads on


def soup(path):
    return BeautifulSoup(path.read_text(encoding="utf8"), "html.parser")


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
        kind, *sources = rule.split()
        sources = [source for source in sources if not (kind == "img-src" and source == "data:")]
        assert all(source in ("'self'", "'none'") or source.startswith("'sha256-") for source in sources), rule
    assert text.index("Content-Security-Policy") < min(text.index(tag) for tag in ("<script", "<link", "<style") if tag in text)
    assert not [tag.name for tag in page.find_all() for name in tag.attrs if name == "style" or name.startswith("on")]


@pytest.mark.parametrize(
    "blocked",
    [
        "<script>document.title = 'run'</script>",
        "<p style='color:red'>styled</p>",
        "<style>p { color: red }</style>",
        "<img src='https://example.org/picture.png' alt='from elsewhere'>",
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
    size = {name: (HTML / urlparse(name.removeprefix(published)).path).stat().st_size for name in names}
    raw = sum(size[name] for name in names if "/mathjax/" not in name and "/_live/" not in name)
    print(f"{page}: {own / 1e3:.0f} kB of its own ({raw / 1e3:.0f} before compression), {fonts / 1e3:.0f} kB MathJax")
    figures = len(re.findall(r"<img[^>]*_images/", (HTML / f"{page}.html").read_text(encoding="utf8")))
    assert sum("/_images/" in name for name in names) == figures, "a figure was not counted"
    theme = sum(size[name] for name in names if "/_static/" in name)
    assert theme > 0 and raw - theme < MOST_BYTES
    # Chapter 12, which has the figure with the decoder and the most pictures, has 1.10 MB with the theme.
    assert raw < (1_115_000 if page.endswith("12-latent-space") else MOST_BYTES)
    assert sum(size[name] for name in names if "/_live/" in name) < 400_000, "a decoder's weights, when in view"
    assert own < MOST_TRANSFERRED
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
    ("typed", "first", "called"),
    [
        ("mu", "book/notation.html", "Notation > mu"),
        ("sigma", "book/notation.html", "Notation > sigma"),
        ("sigma_x", "book/notation.html", "Notation > sigma_x"),
        ("KL", "book/notation.html", "Notation > kl"),
        ("log_variance", "book/notation.html", "Notation > log_variance"),
        ("ELBO", "book/notation.html", "Notation > elbo"),
        ("reparameterisation", "book/04-reparameterization.html", "4. Reparameterisation"),
    ],
)
def test_the_search_finds_symbols_and_terms(browser, published, typed, first, called):
    """A symbol by its name leads to its row of the notation, and is called by it; a term leads to its chapter."""
    page = browser.new_page()
    page.goto(f"{published}search.html?q={typed}")
    page.wait_for_selector("#search-results li a")
    found = page.eval_on_selector_all("#search-results li > a", "links => links.map(a => a.getAttribute('href'))")
    assert found[0].partition("#")[0] == first
    assert page.locator("#search-results li > a").first.inner_text() == called
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


def test_pdf_and_zip_are_linked_where_they_are(tmp_path, monkeypatch):
    """A site without them says how to make them; `make published` puts the files and the links there."""
    site, made = tmp_path / "html", tmp_path / "downloads"
    (site / "book").mkdir(parents=True)
    made.mkdir()
    plain = f"<p>before</p>{whole_book()}<p>after</p>"
    assert "href" not in plain and "make pdf" in plain and "make zip" in plain
    (site / "book/contents.html").write_text(plain)
    monkeypatch.setattr(downloads, "HTML", site)
    monkeypatch.setattr(downloads, "FOLDER", made)
    (made / "vae-notes.pdf").write_bytes(b"x" * 2_000_000)
    with pytest.raises(SystemExit, match=r"no vae-notes\.zip"):
        downloads.main("publish")
    (made / "vae-notes.zip").write_bytes(b"y")
    for _ in range(2):
        downloads.main("publish")
        contents = soup(site / "book/contents.html")
        links = contents.select(".whole-book a")
        assert [(site / "book" / link["href"]).resolve() for link in links] == [site / "downloads" / f"vae-notes.{kind}" for kind in ("pdf", "zip")]
        assert all((site / "book" / link["href"]).is_file() for link in links)
        assert "(2 MB)" in contents.text and "make" not in contents.text and "after" in contents.text
    assert not [name for name in zipfile.ZipFile(downloads.make_zip()).namelist() if "downloads" in name]
    (site / "book/contents.html").write_text("no place")
    with pytest.raises(SystemExit, match="has 0 places"):
        downloads.main("publish")


def test_the_built_contents_link_only_what_is_there():
    page = soup(HTML / "book/contents.html").select_one(".whole-book")
    assert page.select("a") or "make pdf" in page.text
    assert all((HTML / "book" / link["href"]).resolve().is_file() for link in page.select("a"))


def test_places_of_two_pages_differ_in_the_pdf():
    article = '<p id="a"><a href="#a">x</a><a href="02-b.html#c">y</a><a href="02-b.html">z</a></p>'
    expected = '<p id="01-x--a"><a href="#01-x--a">x</a><a href="#02-b--c">y</a><a href="#02-b">z</a></p>'
    assert downloads.own_names(article, "book/01-x") == expected


@pytest.fixture
def small_site(tmp_path, monkeypatch):
    """Two pages of which the second comes late, since much has to be read before it."""
    late = f"<!--{'-' * 30_000_000}-->"
    parts = [f'<div class="page" id="{name}"><h1>{name}</h1></div>' for name in ("first", "second")]
    (tmp_path / "book").mkdir()
    monkeypatch.setattr(downloads, "HTML", tmp_path)
    monkeypatch.setattr(downloads, "FOLDER", tmp_path)
    monkeypatch.setattr(downloads, "printed_pages", lambda: ["book/first", "book/second"])
    look = f"<!doctype html><title>x</title><style>{downloads.LOOK}</style>"
    return lambda count: monkeypatch.setattr(downloads, "one_page", lambda: look + late.join(parts[:count]))


def make_pdf():
    """In a thread of its own, since Playwright takes one browser a thread, and the other tests' is open."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(downloads.make_pdf).result()


def test_the_pdf_holds_every_page(browser, small_site):
    small_site(2)
    content = make_pdf().read_bytes()
    assert content.startswith(b"%PDF") and len(re.findall(rb"/Type ?/Page\b", content)) == 2
    assert not (downloads.HTML / "book/print.html").exists()


def test_no_pdf_is_made_of_a_part_of_the_book(browser, small_site):
    small_site(1)
    with pytest.raises(SystemExit, match="1 of the book's 2 pages"):
        make_pdf()


# Each step of the finishing, on something small.


def test_an_inline_style_becomes_a_class():
    page, rules = without_inline_styles('<p style="a: b; c: d">x</p><i class="y" style="a: b; c: d"></i><script>"<p style=\'\'>"</script>')
    name = re.search(r'<p class="(s\w+)">', page)[1]
    assert f'<i class="{name} y">' in page
    assert rules == f".{name}{{a: b!important;c: d!important}}"


def test_rules_that_nothing_can_match_are_dropped():
    css = '@import "x";a.on,b.off{c:d}.off{e:"}"}@media print{.on:not(.off){f:g}.off{h:i}}@font-face{j:k}.bs-tooltip-any{l:m}'
    assert purged(css, {"on"}) == '@import "x";a.on{c:d}@media print{.on:not(.off){f:g}}@font-face{j:k}.bs-tooltip-any{l:m}'


def test_variables_that_nothing_asks_for_are_dropped():
    """Also those for which only dropped ones ask; a name in a selector is none."""
    css = 'a{--b:1;--c:var(--b);--d:"};";--e:f(g(1;),2)}.h--i:hover{--j:0;color:var(--k)}:root{--k:1;--l:2}'
    assert without_unasked(css, "get('--l')") == "a{}.h--i:hover{color:var(--k)}:root{--k:1;--l:2}"


def test_a_part_of_bootstrap_whose_rules_were_dropped_is_refused():
    assert {"dropdown", "show"} <= words_of(['<a data-bs-toggle="dropdown">'], [])
    with pytest.raises(ValueError, match="modal"):
        words_of(['<a data-bs-toggle="modal">'], [])


def test_words_of_code_without_a_colour_are_plain():
    code = '<span class="n">a</span><span class="o">=</span><span class="k">if</span>'
    assert with_plain_code(code) == 'a=<span class="k">if</span>'


def test_only_a_picture_of_many_shades_loses_something():
    drawn = Image.new("RGB", (300, 200), "white")
    ImageDraw.Draw(drawn).line((0, 0, 299, 199), fill="#0072b2")
    assert list(Image.open(io.BytesIO(as_webp(drawn))).convert("RGB").tobytes()) == list(drawn.tobytes())
    shades = Image.effect_noise((300, 200), 60).convert("RGB")
    near = Image.open(io.BytesIO(as_webp(shades))).convert("RGB")
    difference = [abs(a - b) for a, b in zip(near.tobytes(), shades.tobytes(), strict=True)]
    assert 0 < sum(difference) / len(difference) < 12


STYLE = """mjx-c.mjx-c61::before {
  a: b;
}

mjx-c.mjx-c62.TEX-I::before {
  c: d;
}

.TEX-I {
  e: f;
}

mjx-frac, mjx-mi {
  g: h;
}"""


@pytest.mark.parametrize(
    ("heavy", "light"),
    [
        ('<mjx-mi class="mjx-i"><mjx-c class="mjx-c62 TEX-I"></mjx-c></mjx-mi>', '<mjx-c class="mjx-c62 TEX-I"></mjx-c>'),
        ('<mjx-mo space="4"><mjx-c class="mjx-c61"></mjx-c></mjx-mo>', '<mjx-c class="mjx-c61" space="4"></mjx-c>'),
        (
            '<mjx-TeXAtom size="s" texclass="ORD"><mjx-mi><mjx-c class="mjx-c61"></mjx-c></mjx-mi></mjx-TeXAtom>',
            '<mjx-c class="mjx-c61" size="s"></mjx-c>',
        ),
        # Boxes that stay: two sizes would not multiply, a space would be scaled, a style would be lost, two characters.
        *(
            (box, box)
            for box in (
                '<mjx-TeXAtom size="s"><mjx-c class="mjx-c61" size="s"></mjx-c></mjx-TeXAtom>',
                '<mjx-TeXAtom space="4"><mjx-c class="mjx-c61" size="s"></mjx-c></mjx-TeXAtom>',
                '<mjx-mo style="width: 1em"><mjx-c class="mjx-c61"></mjx-c></mjx-mo>',
                '<mjx-mn><mjx-c class="mjx-c61"></mjx-c><mjx-c class="mjx-c61"></mjx-c></mjx-mn>',
            )
        ),
        # The MathML keeps what tells a screen reader something.
        ('<mi data-mjx-auto-op="false" mathvariant="script">L</mi>', '<mi mathvariant="script">L</mi>'),
    ],
)
def test_an_equation_loses_only_what_cannot_be_seen(heavy, light):
    assert slim(heavy, STYLE) == light


def test_a_page_has_the_rules_of_its_own_equations():
    assert style_of('<mjx-c class="mjx-c61">', STYLE) == "mjx-c.mjx-c61::before {a: b;}"
    assert style_of('<mjx-frac><mjx-c class="mjx-c62 TEX-I">', STYLE) == (
        "mjx-c.mjx-c62.TEX-I::before {c: d;}.TEX-I {e: f;}mjx-frac{g: h;}"
    )


DRAWN = """(texts) => texts.map(text => {
    document.querySelector('main').innerHTML = text;
    return [...document.querySelectorAll('mjx-container, mjx-container mjx-c')].map(piece => {
        const {x, y, width, height} = piece.getBoundingClientRect();
        return [getComputedStyle(piece).fontFamily, ...[x, y, width, height].map(number => Math.round(number * 100))];
    });
})"""


def test_a_light_equation_is_drawn_where_the_heavy_one_was(browser, tmp_path):
    """Each character in its font and its place, to a hundredth of a pixel."""
    items = [(True, tex) for tex in (r"\frac{\hat x^{2_k}}{\sqrt{q_\phi(z \mid x)}} = \mathbb{E}", r"\sum_{i=1}^n \log \max_{a \in A} x_i")]
    items.append((False, r"\mathcal{L}\,\Big(\overline{a} - \begin{pmatrix} a & b \\ c & d \end{pmatrix}\Big)"))
    heavy, style = run_mathjax(items)
    light = [slim(one, style) for one in heavy]
    page, drawn = browser.new_page(), []
    for equations, rules in ((heavy, style), (light, style_of("".join(light), style))):
        page.set_content(f"<!doctype html><style>{rules}</style><main></main>")
        drawn.append(page.evaluate(DRAWN, equations))
    page.close()
    assert drawn[0] == drawn[1]
    assert sum(map(len, heavy)) > 1.2 * sum(map(len, light))


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


def test_the_node_that_typesets_is_found(tmp_path, monkeypatch):
    """Playwright's, then one on the PATH, then a message that says what is missing."""
    assert "playwright" in node()
    assert subprocess.run([node(), "--version"], capture_output=True, check=True).stdout.startswith(b"v")
    monkeypatch.setattr("mathematics.files", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="no `node` is on the PATH"):
        node()
    (tmp_path / "node").touch(mode=0o755)
    assert node() == str(tmp_path / "node")
