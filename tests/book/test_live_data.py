"""Large data of live figures: out of the page, asked for when the figure comes near; from a server and from a disk."""

import re
import zipfile
from contextlib import contextmanager

import downloads
import live_data
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from finished_page import finish, in_head, with_policy
from live_pages import PAGE, example, float64
from mathematics import Mathematics
from pages_server import serve_as_pages
from playwright.sync_api import expect
from project import HTML, pages

from tests.live_examples import plane, untrained

FAR, NEAR = 1200, 550  # above the figure: too far to ask for its data, and near enough
FIGURE = ".vae-live[data-figure=latent_plane]"
BLOCK = f'<script type="application/json" data-live-large="some_figure">{"{}"}</script>'
HEIGHTS = "() => [...document.querySelectorAll('.vae-live')].map(figure => figure.getBoundingClientRect().height)"
WATCH_SHIFTS = """window.shifts = 0;
    new PerformanceObserver(list => list.getEntries().forEach(entry => (window.shifts += entry.value)))
        .observe({type: 'layout-shift', buffered: true});"""
SCROLL = """([distance, which]) => {
    const figure = document.querySelectorAll('.vae-live')[which];
    scrollTo(0, scrollY + figure.getBoundingClientRect().top - innerHeight - distance);
}"""
DECODE = """zs => { const {numbers} = vaeNotesLive.figures.latent_plane;
    const {layers, squash} = document.querySelector('.vae-live').vaeLive.data;
    return zs.map(z => numbers.decode(numbers.read(layers), squash, z)); }"""
GREYS = "picture => [...picture.getContext('2d').getImageData(0, 0, 8, 8).data].filter((_, i) => i % 4 === 0)"


def asked_for(name="latent_plane"):
    return re.compile(rf"/_live/{name}-[0-9a-f]{{8}}\.js$")


def build(site, *figures, broken=None):
    """A site of one page, finished as the book's pages are: each figure stands below an empty screen."""
    blocks = "".join(f'<p style="height: 4000px">Above.</p>{one.html()}' for one in figures)
    if broken:
        assert broken[0] in blocks, f"{broken[0]} is gone: break something else"
        blocks = blocks.replace(*broken)
    page, files = live_data.move(PAGE.format(blocks), "../")
    live_data.write(site, files)
    page, style = finish(page, Mathematics(site / "none.json"), lambda name: None, "")
    (site / "book").mkdir()
    (site / "404.html").write_text("<!doctype html><title>Not here</title>")
    (site / "book/page.css").write_text(style, encoding="utf8")
    page = with_policy(in_head(page, '<link rel="stylesheet" href="page.css" />'))
    (site / "book/page.html").write_text(page, encoding="utf8")
    return site


class Visit:
    """A page in the browser, what large data it asked for, and what it complained of."""

    def __init__(self, page, base):
        self.page, self.base, self.asked, self.faults = page, base, [], []
        page.route("**/*", self.guard)
        page.on("console", lambda m: m.type in ("error", "warning") and self.faults.append(m.text))
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.add_init_script(WATCH_SHIFTS)
        page.goto(f"{base}book/page.html")
        page.wait_for_timeout(200)

    def guard(self, route):
        url = route.request.url
        if "/_live/" in url:
            self.asked.append(url)
        if url.startswith(self.base):
            route.continue_()
        else:
            self.faults.append(f"asks for {url}")
            route.abort()

    def scroll(self, distance, which=0):
        """Until the figure is so many pixels below what is seen."""
        self.page.evaluate(SCROLL, [distance, which])
        self.page.wait_for_timeout(200)

    def waiting(self):
        """For each figure with large data: does its still picture stand there, and nothing else?"""
        found = []
        for figure in self.page.locator(FIGURE).all():
            still, body = figure.locator(".vl-still img"), figure.locator(".vl-body > *")
            hidden = not any(part.is_visible() for part in body.all())
            assert still.count() == hidden, "both the still picture and the figure can be seen, or neither"
            if hidden:
                box, room = still.bounding_box(), figure.bounding_box()
                assert box["width"] > 300 and box["height"] > 150
                assert room["y"] < box["y"] and box["y"] + box["height"] < room["y"] + room["height"]
            found.append(hidden)
        return found


@contextmanager
def visited(browser, base, height=800, **options):
    context = browser.new_context(viewport={"width": 1280, "height": height}, **options)
    try:
        yield Visit(context.new_page(), base)
    finally:
        context.close()


@contextmanager
def served(site, kind):
    """The address of a site: on a server, or of its zip, unpacked on a disk."""
    if kind == "server":
        with serve_as_pages(site) as base:
            yield base
        return
    unpacked = site.parent / "unpacked"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(downloads, "HTML", site)
        patch.setattr(downloads, "FOLDER", site.parent)
        with zipfile.ZipFile(downloads.make_zip()) as archive:
            archive.extractall(unpacked)
    yield f"{unpacked.as_uri()}/vae-notes/"


# ---------------------------------------------------------------- the page and its files


def test_the_data_lie_in_a_file_named_by_their_hash():
    one, other = example("latent_plane"), plane(hidden_dim=16)
    whole = PAGE.format(one.html() + example("gaussian_kl").html() + other.html())
    page, files = live_data.move(whole, "../../")
    assert len(page) < len(whole) - 130_000
    blocks = BeautifulSoup(page, "html.parser").select("script[data-live-large]")
    assert [f"../../{name}" for name in files] == [block["data-file"] for block in blocks]
    assert len(files) == 2 and all(asked_for().search(f"/{name}") for name in files)
    for (name, text), figure in zip(files.items(), (one, other), strict=True):
        assert text.startswith(f'vaeNotesLive.deliver("{name[len("_live/") : -len(".js")]}", {{"layers":[')
        assert figure.data["layers"][1]["weight"] in text and figure.data["layers"][1]["weight"] not in page
    assert live_data.move(PAGE.format(one.html()), "")[1].items() < files.items(), "the same data, another name"


def test_two_of_the_same_share_a_file():
    page, files = live_data.move(2 * example("latent_plane").html(), "")
    assert len(files) == 1 and page.count(f'data-file="{next(iter(files))}"') == 2


@pytest.mark.parametrize("text", ["<p>no figure</p>", f"<pre>{BLOCK.replace('<', '&lt;')}</pre>"])
def test_a_page_without_large_data_stays_as_it_is(text):
    assert live_data.move(text + example("elbo_gap").html(), "../") == (text + example("elbo_gap").html(), {})


def test_files_that_no_page_asks_for_are_removed(tmp_path):
    page, files = live_data.move(BLOCK, "")
    live_data.write(tmp_path, {**files, "_live/some_figure-00000000.js": "old"})
    (tmp_path / "page.html").write_text(page)
    live_data.drop_unasked(tmp_path)
    assert [f"_live/{file.name}" for file in (tmp_path / "_live").iterdir()] == list(files)


def test_the_built_pages_hold_no_large_data():
    """Each file that a page names is there, and there is no other; chapter 12 has a decoder's weights."""
    named = set()
    for page in pages():
        for block in BeautifulSoup((HTML / f"{page}.html").read_text(encoding="utf8"), "html.parser").select("[data-live-large]"):
            assert not block.text
            named.add((HTML / page).parent.joinpath(block["data-file"]).resolve())
    assert named == set((HTML / "_live").glob("*")) and [file for file in named if asked_for().search(str(file))]


# ---------------------------------------------------------------- the figure in a browser


def wakes_when_near(visit, figure):
    """Everything that a reader's way to the figure and back shows."""
    heights = visit.page.evaluate(HEIGHTS)
    visit.scroll(FAR)
    assert visit.asked == [] and visit.waiting() == [True]
    visit.scroll(NEAR)
    assert len(visit.asked) == 1 and asked_for().search(visit.asked[0]) and visit.waiting() == [False]
    for distance in (-700, FAR, -300):
        visit.scroll(distance)
    assert len(visit.asked) == 1
    assert visit.page.locator(".vl-says").inner_text() == figure.sentence
    visit.page.get_by_label("share").fill("1")
    expect(visit.page.locator(".vl-says")).to_contain_text("At share 1.00 of the way")  # drawn in the next frame
    assert visit.page.evaluate(HEIGHTS) == heights and visit.page.evaluate("window.shifts") == 0
    assert visit.faults == []


def computes(visit):
    """The images are the model's own: by the figure's function, and as drawn at the end of the path."""
    vae = untrained()
    z = torch.cartesian_prod(*[torch.linspace(-3.2, 3.2, 5, dtype=torch.float64)] * 2)
    expected = vae.likelihood.mean(vae.decode(z))
    torch.testing.assert_close(float64(*visit.page.evaluate(DECODE, z.tolist())), expected, rtol=0, atol=1e-6)
    end = vae.likelihood.mean(vae.decode(float64(1, -1)[None]))[0].clamp(0, 1)
    greys = visit.page.eval_on_selector(".vl-picture", GREYS)
    assert 0.1 < end.std() and (float64(*greys) - 255 * end).abs().max() <= 0.51


@pytest.mark.parametrize("kind", ["server", "disk"])
def test_a_figure_asks_for_its_data_when_it_is_near(browser, tmp_path, kind):
    figure = example("latent_plane")
    with served(build(tmp_path / "site", figure), kind) as base, visited(browser, base) as visit:
        assert ("Content-Security-Policy" in visit.page.content()) == (kind == "server")
        wakes_when_near(visit, figure)
        computes(visit)


def says_that_it_failed(visit, figure):
    """Right below the still picture, in the room that the figure would take."""
    heights = visit.page.evaluate(HEIGHTS)
    visit.scroll(-figure_height(visit))
    assert visit.waiting() == [True] and len(visit.asked) == 1
    told = visit.page.locator("[role=status]", has_text="The data of this figure did not load")
    assert told.count() == 1 and told.is_visible()
    picture, words = visit.page.locator(".vl-still img").bounding_box(), told.bounding_box()
    room = visit.page.locator(FIGURE).bounding_box()
    assert 0 <= words["y"] - picture["y"] - picture["height"] < 20 and words["y"] + words["height"] < room["y"] + room["height"]
    assert visit.page.evaluate(HEIGHTS) == heights and visit.page.evaluate("window.shifts") == 0


def figure_height(visit):
    return visit.page.evaluate(HEIGHTS)[0]


@pytest.mark.parametrize("kind", ["server", "disk"])
@pytest.mark.parametrize("fault", ["missing", "a page of errors"])
def test_a_figure_says_that_its_data_failed(browser, tmp_path, kind, fault):
    """Missing, or with a page in its place, as some servers answer; the still picture stays."""
    site = build(tmp_path / "site", example("latent_plane"))
    (file,) = (site / "_live").iterdir()
    file.unlink() if fault == "missing" else file.write_text("<!doctype html><title>Oh</title>")
    with served(site, kind) as base, visited(browser, base) as visit:
        says_that_it_failed(visit, example("latent_plane"))


def go_their_own_ways(visit):
    """Four figures: one of another kind, two of the same data, one whose data are broken."""
    page = visit.page
    assert page.locator(".vl-says").first.inner_text() == example("gaussian_kl").sentence
    assert visit.waiting() == [True] * 3
    visit.scroll(NEAR, 3)
    assert visit.waiting() == [True] * 3 and len(visit.asked) == 1
    visit.scroll(NEAR, 1)
    assert visit.waiting() == [False, True, True]
    visit.scroll(NEAR, 2)
    assert visit.waiting() == [False, False, True]
    assert len(visit.asked) == len(set(visit.asked)) == 2
    assert page.locator("script[src*=_live]").count() == 2
    words = [status.inner_text() for status in page.locator(".vl-still [role=status]").all()]
    assert len(words) == 1 and words[0].startswith("The data")


def four(site, broken=None):
    small = plane(hidden_dim=16)
    build(site, example("gaussian_kl"), example("latent_plane"), example("latent_plane"), small, broken=broken)
    (other,) = live_data.move(small.html(), "")[1]
    (site / other).write_text("throw new Error('broken');")
    return site


def test_figures_do_not_wait_for_each_other(browser, tmp_path):
    with served(four(tmp_path / "site"), "server") as base, visited(browser, base) as visit:
        go_their_own_ways(visit)
        assert visit.faults == ["broken"]


def test_without_scripts_nothing_is_asked_for(browser, tmp_path):
    site = build(tmp_path / "site", example("latent_plane"))
    with served(site, "server") as base, visited(browser, base, java_script_enabled=False) as visit:
        still = visit.page.locator("noscript img")
        still.scroll_into_view_if_needed()
        assert still.is_visible() and visit.asked == []


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("mode", ["light", "dark"])
def test_axe_finds_nothing_while_a_figure_waits_or_has_failed(browser, tmp_path, width, mode):
    site = build(tmp_path / "site", example("latent_plane"))
    next((site / "_live").iterdir()).unlink()
    with served(site, "server") as base, visited(browser, base, color_scheme=mode) as visit:
        visit.page.set_viewport_size({"width": width, "height": 800})
        for distance in (FAR, -400):
            visit.scroll(distance)
            words = visit.page.locator(".vl-still p")
            if distance == FAR:
                assert not words.inner_text().startswith("The data")
            else:  # the file is asked for, and is missing: that takes a moment
                expect(words).to_contain_text("The data")
            found = Axe().run(visit.page).response["violations"]
            assert [(one["id"], [node["html"][:150] for node in one["nodes"][:3]]) for one in found] == []


@pytest.mark.parametrize(
    ("check", "old", "new"),
    [
        (wakes_when_near, 'NEAR = "600px"', 'NEAR = "0px"'),
        (wakes_when_near, 'NEAR = "600px"', 'NEAR = "2000px"'),
        (wakes_when_near, "seen.some((one) => one.isIntersecting)", "true"),
        (wakes_when_near, "figure.draw();\n      remove();", "remove(); figure.body.append('late');"),
        (wakes_when_near, ".vae-live .vl-waiting { visibility: hidden; }", ".vae-live .vl-waiting { display: none; }"),
        (wakes_when_near, ".vae-live .vl-waiting { visibility: hidden; }", ""),
        (wakes_when_near, "position: absolute; inset: 0.9rem 1rem;", ""),
        (says_that_it_failed, "words.textContent = FAILED", "0"),
        (says_that_it_failed, "words.textContent = FAILED", "words.textContent = FAILED, words.parentNode.before(words)"),
        (says_that_it_failed, 'script.addEventListener("error", () => reject());', ""),
    ],
)
def test_a_faulty_loading_is_found_out(browser, tmp_path, check, old, new):
    site = build(tmp_path / "site", example("latent_plane"), broken=(old, new))
    if check is says_that_it_failed:
        next((site / "_live").iterdir()).unlink()
    with pytest.raises(AssertionError), served(site, "server") as base, visited(browser, base) as visit:
        check(visit, example("latent_plane"))


@pytest.mark.parametrize(("old", "new"), [("files[address] ??=", "files[address] ="), ("name in delivered ? ", "true ? ")])
def test_figures_that_disturb_each_other_are_found_out(browser, tmp_path, old, new):
    site = four(tmp_path / "site", (old, new))
    with pytest.raises(AssertionError), served(site, "server") as base, visited(browser, base) as visit:
        go_their_own_ways(visit)
