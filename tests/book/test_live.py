"""What every live figure must do, tried on each of them in a browser: by mouse, finger and keys, offline, on a phone."""

import json

import pytest
from axe_playwright_python.sync_playwright import Axe
from live_pages import NAMES, chromium, example, opened

MOST_BYTES = 100_000
MOST_BYTES_OF_WEIGHTS = 400_000
SHIFTS = """() => new Promise(done => {
    let total = 0;
    new PerformanceObserver(list => list.getEntries().forEach(entry => (total += entry.value)))
        .observe({type: 'layout-shift', buffered: true});
    setTimeout(() => done(total), 150);
})"""


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


def first_handle(shown):
    """The first thing to drag, and where its middle is on the screen."""
    handle = shown.page.locator(".vae-live svg [role=slider]").first
    handle.scroll_into_view_if_needed()
    box = handle.locator(".vl-grip").bounding_box()
    return handle, box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def changed(before, after):
    return {key for key in before if before[key] != after[key]}


@pytest.mark.parametrize("name", NAMES)
def test_it_says_at_first_what_python_says(browser, tmp_path, name):
    with opened(browser, tmp_path, example(name)) as shown:
        assert shown.says() == example(name).sentence


@pytest.mark.parametrize("name", NAMES)
def test_the_mouse_drags_and_the_button_puts_back(browser, tmp_path, name):
    with opened(browser, tmp_path, example(name)) as shown:
        start = shown.state()
        _, x, y = first_handle(shown)
        shown.page.mouse.move(x, y)
        shown.page.mouse.down()
        shown.page.mouse.move(x + 25, y + 12, steps=3)
        shown.frame()
        dragged = shown.state()
        assert changed(start, dragged)
        assert shown.says() != example(name).sentence
        shown.page.mouse.up()
        _, x, y = first_handle(shown)
        shown.page.mouse.move(x, y)
        shown.page.mouse.move(x + 12, y)
        shown.frame()
        assert shown.state() == dragged, "it follows the pointer after the button was let go"
        shown.page.get_by_role("button", name="Reset").click()
        shown.frame()
        assert shown.state() == start
        assert shown.says() == example(name).sentence


@pytest.mark.parametrize("name", NAMES)
def test_a_finger_drags(browser, tmp_path, name):
    with opened(browser, tmp_path, example(name), width="phone", has_touch=True, is_mobile=True) as shown:
        start = shown.state()
        _, x, y = first_handle(shown)
        wire = shown.context.new_cdp_session(shown.page)
        scrolled = shown.page.evaluate("scrollY")
        moves = [("Move", [(x + 3 * i, y - 10 * i)]) for i in range(1, 11)]
        for kind, points in [("Start", [(x, y)]), *moves, ("End", [])]:
            touches = [{"x": px, "y": py} for px, py in points]
            wire.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": touches})
        shown.page.wait_for_timeout(50)
        assert changed(start, shown.state())
        assert shown.page.evaluate("scrollY") == scrolled, "the finger moved the page and not the handle"


@pytest.mark.parametrize("name", NAMES)
def test_arrow_keys_move_every_handle_and_every_slider(browser, tmp_path, name):
    with opened(browser, tmp_path, example(name)) as shown:
        movable = shown.page.locator(".vae-live svg [role=slider], .vae-live input[type=range]")
        assert movable.count() > 0
        for i in range(movable.count()):
            shown.page.get_by_role("button", name="Reset").click()
            shown.frame()
            start, one = shown.state(), movable.nth(i)
            said = one.get_attribute("aria-valuetext")
            one.focus()
            for key in ("ArrowRight", "ArrowLeft", "ArrowLeft"):  # one of them moves even what stands at an end
                one.press(key)
                shown.frame()
                if changed(start, shown.state()):
                    break
            assert changed(start, shown.state()), f"no arrow key moves {one.get_attribute('aria-label')}"
            assert one.get_attribute("aria-valuetext") != said


@pytest.mark.parametrize("name", NAMES)
def test_what_changes_is_read_aloud_once_it_is_still(browser, tmp_path, name):
    with opened(browser, tmp_path, example(name)) as shown:
        heard = shown.page.locator(".vl-heard")
        count = "() => { window.said = 0; new MutationObserver(() => window.said++).observe("
        shown.page.evaluate(count + "document.querySelector('.vl-heard'), {childList: true}); }")
        _, x, y = first_handle(shown)
        shown.page.mouse.move(x, y)
        shown.page.mouse.down()
        shown.page.mouse.move(x + 30, y + 12, steps=10)
        shown.frame()
        assert heard.inner_text() == example(name).sentence  # not yet
        shown.page.wait_for_timeout(700)
        assert heard.inner_text() == shown.says() != example(name).sentence
        assert shown.page.evaluate("window.said") == 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", ["laptop", "phone"])
def test_nothing_jumps_and_nothing_is_too_wide(browser, tmp_path, name, width):
    with opened(browser, tmp_path, example(name), width=width) as shown:
        assert shown.page.evaluate(SHIFTS) == 0
        height = "() => document.querySelector('.vae-live').getBoundingClientRect().height"
        before = shown.page.evaluate(height)
        ends = "() => document.querySelectorAll('.vae-live input[type=range]').forEach(slider => {"
        for end in ("min", "max"):
            shown.page.evaluate(ends + f"slider.value = slider.{end}; slider.dispatchEvent(new Event('input')); }})")
            shown.frame()
            assert abs(shown.page.evaluate(height) - before) < 1, "its height depends on its numbers"
            assert shown.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("name", NAMES)
def test_axe_finds_nothing(browser, tmp_path, name, mode):
    with opened(browser, tmp_path, example(name), color_scheme=mode, bypass_csp=True) as shown:
        found = Axe().run(shown.page).response["violations"]
        assert [(one["id"], [node["html"][:150] for node in one["nodes"][:3]]) for one in found] == []


@pytest.mark.parametrize("name", NAMES)
def test_two_on_a_page_do_not_disturb_each_other(browser, tmp_path, name):
    with opened(browser, tmp_path, example(name), example(name)) as shown:
        start = shown.state(0)
        assert shown.state(1) == start
        slider = shown.page.locator(".vae-live").first.locator("[role=slider], input[type=range]").first
        slider.focus()
        slider.press("ArrowRight")
        slider.press("ArrowUp")
        shown.frame()
        assert changed(start, shown.state(0)) and shown.state(1) == start
        ids = shown.page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
        assert len(ids) == len(set(ids))
        assert shown.page.evaluate("document.adoptedStyleSheets.length") == 1


@pytest.mark.parametrize("name", NAMES)
def test_without_scripts_there_is_the_still_picture(browser, tmp_path, name):
    with opened(browser, tmp_path, example(name), java_script_enabled=False) as shown:
        still = shown.page.locator("noscript svg[role=img]")
        assert still.get_attribute("aria-label") == example(name).alt
        assert still.is_visible()
        box = still.bounding_box()
        assert box["width"] > 300 and box["height"] > 150
        assert shown.page.locator("noscript svg path").first.is_visible()


@pytest.mark.parametrize("name", NAMES)
def test_it_is_small(name):
    """Code, data and still picture; a decoder's weights are counted apart."""
    weights = len(json.dumps(example(name).data.get("layers", [])))
    assert weights < MOST_BYTES_OF_WEIGHTS
    assert len(example(name).html().encode()) - weights < MOST_BYTES


@pytest.mark.parametrize(("motion", "steps"), [("reduce", 1), ("no-preference", 3)])
def test_less_motion_is_one_step(browser, tmp_path, motion, steps):
    """An animation makes many steps, or only the last one where the reader has asked for less motion."""
    with opened(browser, tmp_path, example("gaussian_kl"), reduced_motion=motion) as shown:
        run = """() => new Promise(done => { const seen = [];
            document.querySelector('.vae-live').vaeLive.animate(200, s => seen.push(s), () => done(seen)); })"""
        seen = shown.page.evaluate(run)
        assert seen[-1] == 1 and (len(seen) == 1 if steps == 1 else len(seen) >= steps)


class Faulty:
    """A figure that is broken in one way: each way must be found, or the tests above prove nothing."""

    def __init__(self, whole, old, new):
        self.sentence, self.alt, self.text = whole.sentence, whole.alt, whole.html()
        if old not in self.text:
            raise LookupError(f"{old} is gone: break something else")
        self.text = self.text.replace(old, new)

    def html(self):
        return self.text


@pytest.mark.parametrize(
    ("test", "arguments", "old", "new"),
    [
        (test_it_says_at_first_what_python_says, {}, "0.5 * (Math.expm1", "0.4 * (Math.expm1"),
        (test_it_says_at_first_what_python_says, {}, '"use strict";', 'fetch("https://example.org/x").catch(() => 0);'),
        (test_it_says_at_first_what_python_says, {}, "<noscript>", '<img src="other.png" alt="x"><noscript>'),
        (test_the_mouse_drags_and_the_button_puts_back, {}, "(grabbed = null)", "0"),
        (test_the_mouse_drags_and_the_button_puts_back, {}, "this.set(this.initial)", "0"),
        (test_a_finger_drags, {}, "event.preventDefault(), { passive", "0, { passive"),
        (test_arrow_keys_move_every_handle_and_every_slider, {}, "ArrowLeft: [-1, 0], ArrowRight: [1, 0]", "F2: [1, 0]"),
        (test_what_changes_is_read_aloud_once_it_is_still, {}, "clearTimeout(waiting)", "0"),
        (test_nothing_jumps_and_nothing_is_too_wide, {"width": "phone"}, ".vae-live .vl-plot {", ".vae-live .vl-plot { min-width: 500px;"),
        (test_axe_finds_nothing, {"mode": "light"}, '"aria-label": label, "aria-orientation"', '"aria-orientation"'),
        (test_axe_finds_nothing, {"mode": "dark"}, "--vl-middle: #aab4c0", "--vl-middle: #4a5460"),
        (test_two_on_a_page_do_not_disturb_each_other, {}, "`vae-live-${++made}`", "`vae-live`"),
        (test_without_scripts_there_is_the_still_picture, {}, "<noscript>", "<noscript hidden>"),
    ],
)  # fmt: skip
def test_a_faulty_figure_is_found_out(browser, tmp_path, monkeypatch, test, arguments, old, new):
    faulty = Faulty(example("gaussian_kl"), old, new)
    monkeypatch.setitem(test.__globals__, "example", lambda name: faulty)
    with pytest.raises(AssertionError):
        test(browser, tmp_path, name="gaussian_kl", **arguments)
