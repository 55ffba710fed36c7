"""Pages that hold live figures and nothing else, opened in Chromium from a file, with the network cut."""

import functools
from contextlib import contextmanager

import torch
from finished_page import with_policy, without_inline_styles

from tests.live_examples import EXAMPLES

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8" />
<meta name="viewport" content="width=device-width, initial-scale=1" /><title>A page</title></head>
<body><main><h1>Page</h1>{}<p>What comes below.</p></main></body></html>"""
WIDTHS = {"laptop": 1280, "phone": 390}


@functools.cache
def example(name):
    """One figure of each kind, small; all tests of all figures look at these."""
    return EXAMPLES[name]()


NAMES = tuple(EXAMPLES)


def page_of(*figures):
    """The text of a page with these figures, under the policy that the site gives to its pages."""
    return with_policy(without_inline_styles(PAGE.format("\n".join(one.html() for one in figures)))[0])


class Opened:
    """A page in the browser, and what it asked for or complained of."""

    def __init__(self, browser, file, width="laptop", **options):
        options = {"viewport": {"width": WIDTHS[width], "height": 1000}, **options}
        self.context = browser.new_context(**options)
        self.faults = []
        self.page = self.context.new_page()
        self.page.route("**/*", functools.partial(self.guard, file.as_uri()))
        self.page.on("console", lambda m: m.type in ("error", "warning") and self.faults.append(m.text))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.goto(file.as_uri())

    def guard(self, allowed, route):
        if route.request.url == allowed:
            route.continue_()
        else:
            self.faults.append(f"asks for {route.request.url}")
            route.abort()

    def state(self, which=0):
        return self.page.evaluate("i => ({...document.querySelectorAll('.vae-live')[i].vaeLive.state})", which)

    def frame(self):
        """Wait until what was asked for is drawn."""
        self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def says(self):
        return self.page.locator(".vl-says").first.inner_text()


@contextmanager
def opened(browser, folder, *figures, **options):
    """The figures on a page of their own; at the end it must have asked for nothing and complained of nothing."""
    file = folder / "page.html"
    file.write_text(page_of(*figures), encoding="utf8")
    found = Opened(browser, file, **options)
    try:
        yield found
        assert found.faults == []
    finally:
        found.context.close()


def numbers(page, figure, function, *arguments):
    """Call one of the figure's pure functions in the page."""
    call = "([figure, name, values]) => vaeNotesLive.figures[figure].numbers[name](...values)"
    return page.evaluate(call, [figure, function, list(arguments)])


def float64(*values):
    return torch.tensor(values, dtype=torch.float64)
