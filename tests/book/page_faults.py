"""Open a page in Chromium with the network cut and say, in plain words, everything that is wrong with it."""

import functools
import http.server
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field

from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup

WIDTHS = {"laptop": (1280, 900), "phone": (390, 844)}
MODES = ("light", "dark")

# What waits until the reader comes near: folded boxes, sections that are not laid out yet, pictures.
OPEN_EVERYTHING = """() => {
    document.querySelectorAll('details').forEach(box => box.open = true);
    document.querySelectorAll('section').forEach(section => section.style.contentVisibility = 'visible');
    for (const image of document.images) image.loading = 'eager';
    window.dispatchEvent(new Event('resize'));
    return Promise.all([...document.images].map(image => image.decode().catch(() => {})));
}"""
IDLE = "async () => { for (let i = 0; i < 30; i++) await new Promise(done => requestIdleCallback(done)); }"
# A picture is distorted if the shape in which it is shown is another than its own (by more than rounding to pixels).
IMAGES = """() => [...document.images].map(i => {
    const style = getComputedStyle(i);
    const width = i.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    const height = i.clientHeight - parseFloat(style.paddingTop) - parseFloat(style.paddingBottom);
    const drawn = i.complete && i.naturalWidth > 0;
    const shape = Math.abs(width * i.naturalHeight - height * i.naturalWidth) / Math.max(i.naturalWidth, i.naturalHeight);
    return {src: i.getAttribute('src'), alt: i.alt.trim(), drawn,
            distorted: drawn && width > 0 && style.objectFit === 'fill' && shape > 2};
})"""
# Elements that reach over the right edge and lie in no box that scrolls: they make the page scroll.
WIDE = """() => {
    const edge = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= edge) return [];
    const boxed = e => e && (getComputedStyle(e).overflowX !== 'visible' || boxed(e.parentElement));
    const wide = [...document.body.querySelectorAll('*')].filter(e => e.getBoundingClientRect().right > edge + 1);
    return ['the page', ...wide.filter(e => !boxed(e.parentElement)).map(e => e.outerHTML.slice(0, 100))].slice(0, 5);
}"""
# Of the thousands of coloured words of code, one of each kind: axe would judge the same colour again and again.
TOKENS_ONCE = """() => {
    const seen = new Set();
    for (const token of document.querySelectorAll('.highlight pre span')) {
        if (seen.has(token.className)) token.replaceWith(document.createTextNode(token.textContent));
        seen.add(token.className);
    }
}"""


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@contextmanager
def serve(folder):
    """Serve a folder on this machine alone and give its address."""
    handler = functools.partial(QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@dataclass
class Visit:
    """What a page did while it was open."""

    base: str
    faults: list = field(default_factory=list)

    def guard(self, route):
        """Let only the site's own files through."""
        url = route.request.url
        if url.startswith(self.base):
            route.continue_()
        else:
            self.faults.append(f"off-site: the page asks for {url}")
            route.abort()

    def on_response(self, response):
        if response.status >= 400:
            self.faults.append(f"request: {response.url} answers {response.status}")

    def on_failed(self, request):
        if request.url.startswith(self.base):
            self.faults.append(f"request: {request.url} fails ({request.failure})")

    def on_console(self, message):
        if message.type == "error":
            self.faults.append(f"console: {message.text}")

    def watch(self, page):
        page.route("**/*", self.guard)
        page.on("response", self.on_response)
        page.on("requestfailed", self.on_failed)
        page.on("console", self.on_console)
        page.on("pageerror", lambda error: self.faults.append(f"console: {error}"))


def equation_faults(page, html):
    expected = len(BeautifulSoup(html, "html.parser").select("span.math, div.math"))
    rendered = page.locator("mjx-container").count()
    if rendered != expected:
        yield f"equation: {expected} in the source, {rendered} rendered"
    for text in page.locator("mjx-merror, [data-mjx-error]").all_text_contents():
        yield f"equation: MathJax cannot read {text!r}"


def image_faults(page):
    for image in page.evaluate(IMAGES):
        if not image["drawn"]:
            yield f"image: {image['src']} is not drawn"
        if image["distorted"]:
            yield f"distorted: {image['src']} is not shown in its own shape"
        if not image["alt"]:
            yield f"image: {image['src']} has no alternative text"


def scroll_faults(page):
    wide = page.evaluate(WIDE)
    if wide:
        yield f"scroll: the page scrolls sideways because of {', '.join(wide[1:])}"


def axe_faults(page):
    """Serious and critical findings of axe; it changes the page, so it comes last."""
    page.evaluate(TOKENS_ONCE)
    for rule in Axe().run(page).response["violations"]:
        if rule["impact"] in ("serious", "critical"):
            nodes = "; ".join(node["html"][:150] for node in rule["nodes"][:3])
            yield f"axe: {rule['id']} ({rule['impact']}, {len(rule['nodes'])} times): {nodes}"


def page_faults(browser, base, name, width="laptop", mode="light"):
    """Everything that is wrong with one page at one width in one mode; an empty list is a good page."""
    wide, high = WIDTHS[width]
    context = browser.new_context(viewport={"width": wide, "height": high}, color_scheme=mode)
    visit, page = Visit(base), context.new_page()
    visit.watch(page)
    try:
        response = page.goto(base + name, wait_until="load")
        page.evaluate(OPEN_EVERYTHING)
        page.wait_for_load_state("networkidle")
        page.evaluate(IDLE)
        faults = [*equation_faults(page, response.text()), *image_faults(page)]
        faults += [*scroll_faults(page), *visit.faults]  # before axe, which loads style sheets on its own
        return [*faults, *axe_faults(page)]
    finally:
        context.close()
