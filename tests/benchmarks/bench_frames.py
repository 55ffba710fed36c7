"""Frames of the live figures while something is dragged, on the pages of the built site (`make book` first).

    python -m tests.benchmarks.bench_frames            every figure, laptop and phone, and slowed down four times
    python -m tests.benchmarks.bench_frames 12-latent  the figures of one page

A screen shows 60 frames a second when the 95th percentile between two frames is 16.7 ms. "work" is what one frame
costs the page's main thread (script, style, layout): below 16.7 ms a slower screen is not to blame.
"""

import argparse
import sys

import numpy as np
from playwright.sync_api import sync_playwright

SLOWER = (1, 4)
MOVES = 150
WATCH = """() => {
    window.frameTimes = [];
    const note = (time) => { window.frameTimes.push(time); window.watching && requestAnimationFrame(note); };
    window.watching = true;
    requestAnimationFrame(note);
}"""
DRAWN = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
STOP = "() => { window.watching = false; return window.frameTimes; }"


def settled(page):
    """Nothing moves any more: the weights are there, and what is near is laid out."""
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(1500)


def drag(page, grip, moves, turns):
    """To and fro on a slanted line: what moves along one axis alone moves too."""
    box = grip.locator(".vl-grip").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for angle in np.linspace(0, 2 * np.pi * turns, moves):
        page.mouse.move(x + 40 * np.sin(angle), y + 20 * np.sin(angle))
    page.mouse.up()
    page.evaluate(DRAWN)


def main_thread_seconds(wire):
    return {one["name"]: one["value"] for one in wire.send("Performance.getMetrics")["metrics"]}["TaskDuration"]


def measure(page, wire, grip, slower):
    """Milliseconds between frames, and of work in each."""
    wire.send("Emulation.setCPUThrottlingRate", {"rate": slower})
    said = page.locator(".vl-says").all_inner_texts()
    drag(page, grip, 20, turns=0.25)  # aside: what is compiled at first use is compiled now
    if page.locator(".vl-says").all_inner_texts() == said:
        raise SystemExit("nothing moved when it was dragged: there is nothing to measure")
    page.evaluate(WATCH)
    before = main_thread_seconds(wire)
    drag(page, grip, MOVES, turns=1.75)  # and back to where it began
    work = main_thread_seconds(wire) - before
    times = page.evaluate(STOP)
    wire.send("Emulation.setCPUThrottlingRate", {"rate": 1})
    return np.diff(times), 1000 * work / len(times)


def figures(browser, address, widths):
    """Rows of one page, at both widths; the width first, because a figure is laid out for it."""
    for width, (wide, high) in widths.items():
        context = browser.new_context(viewport={"width": wide, "height": high})
        page = context.new_page()
        page.goto(address)
        wire = context.new_cdp_session(page)
        wire.send("Performance.enable")
        for root in page.locator(".vae-live").all():
            grip = root.locator("svg [role=slider]").first
            for _ in range(2):  # what is laid out on the way moves it; and the page's header must not lie over it
                grip.evaluate("it => it.scrollIntoView({block: 'center', behavior: 'instant'})")
                settled(page)
            for slower in SLOWER:
                gaps, work = measure(page, wire, grip, slower)
                yield root.get_attribute("data-figure"), width, slower, gaps, work
        context.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", nargs="?", default="", help="the beginning of a page's name")
    options = parser.parse_args()
    sys.path[:0] = ["tests/book", "book/tools", "book/_site"]
    import browser as browser_tool
    from page_faults import WIDTHS, serve
    from project import HTML, chapters

    print(f"{'page':24}{'figure':22}{'width':8}{'slower':>7}{'median':>8}{'95 %':>7}{'work':>7}   milliseconds a frame")
    with serve(HTML) as base, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser_tool.find(), args=browser_tool.flags())
        for chapter in chapters():
            if chapter.stem.startswith(options.page):
                for figure, width, slower, gaps, work in figures(chromium, f"{base}book/{chapter.stem}.html", WIDTHS):
                    low, high = np.percentile(gaps, [50, 95])
                    print(f"{chapter.stem[:23]:24}{figure:22}{width:8}{slower:>6}x{low:8.1f}{high:7.1f}{work:7.1f}", flush=True)
        chromium.close()


if __name__ == "__main__":
    main()
