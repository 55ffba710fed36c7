"""What every live figure must do, tried on each of them in a browser: by mouse, finger and keys, offline, on a phone."""

import json
from contextlib import contextmanager

import pytest
from axe_playwright_python.sync_playwright import Axe
from live_pages import NAMES, example, opened

MOST_BYTES = 100_000
MOST_BYTES_OF_WEIGHTS = 400_000
PHONE = {"width": "phone", "has_touch": True, "is_mobile": True}
MOVABLE = ".vae-live svg [role=slider], .vae-live input[type=range]"
# All that has jumped since the page began to load.
SHIFTS = """() => new Promise(done => {
    let total = 0;
    new PerformanceObserver(list => list.getEntries().forEach(entry => (total += entry.value)))
        .observe({type: 'layout-shift', buffered: true});
    setTimeout(() => done(total), 100);
})"""
HEIGHT = "() => document.querySelector('.vae-live').getBoundingClientRect().height"
TO_THE_END = """end => document.querySelectorAll('.vae-live input[type=range]').forEach(slider => {
    slider.value = slider[end];
    slider.dispatchEvent(new Event('input'));
})"""
COUNT_WHAT_IS_SAID = """() => { window.said = 0;
    new MutationObserver(() => window.said++).observe(document.querySelector('.vl-heard'), {childList: true}); }"""
# As JupyterLab shows HTML: written into an element, whose scripts are then made anew so that they run.
SHOW_LIKE_JUPYTER = """html => {
    const host = document.createElement('div');
    host.innerHTML = html;
    for (const old of host.querySelectorAll('script')) {
        const fresh = document.createElement('script');
        for (const {name, value} of old.attributes) fresh.setAttribute(name, value);
        fresh.textContent = old.textContent;
        old.replaceWith(fresh);
    }
    document.querySelector('main').replaceChildren(host);
}"""
# As JupyterLab and Notebook listen: first of all, and only where the element with the focus does not forbid it.
SHORTCUTS_LIKE_JUPYTER = """() => document.addEventListener('keydown', event => {
    if (!event.target.hasAttribute('data-lm-suppress-shortcuts')) {
        event.preventDefault();
        event.stopPropagation();
    }
}, true)"""
ANIMATE = """() => new Promise(done => { const seen = [];
    document.querySelector('.vae-live').vaeLive.animate(200, share => seen.push(share), () => done(seen)); })"""


@pytest.fixture(scope="module", params=NAMES)
def figure(request):
    return example(request.param)


@pytest.fixture(scope="module")
def laptop_page(browser, figure, tmp_path_factory):
    with opened(browser, tmp_path_factory.mktemp("laptop"), figure) as page:
        yield page


@pytest.fixture(scope="module")
def phone_page(browser, figure, tmp_path_factory):
    with opened(browser, tmp_path_factory.mktemp("phone"), figure, **PHONE) as page:
        yield page


@pytest.fixture
def shown(laptop_page):
    reset(laptop_page)
    return laptop_page


@pytest.fixture
def phone(phone_page):
    reset(phone_page)
    return phone_page


def reset(shown):
    shown.page.get_by_role("button", name="Reset").first.click()
    shown.frame()


def grip(shown):
    """The middle of the first thing to drag, on the screen."""
    handle = shown.page.locator(".vae-live svg [role=slider]").first
    handle.scroll_into_view_if_needed()
    box = handle.locator(".vl-grip").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


@contextmanager
def dragged(shown, steps=3):
    """The first handle, pulled aside with the mouse, whose button is still down."""
    x, y = grip(shown)
    shown.page.mouse.move(x, y)
    shown.page.mouse.down()
    shown.page.mouse.move(x + 25, y + 12, steps=steps)
    shown.frame()
    yield
    shown.page.mouse.up()


def changed(before, after):
    return {key for key in before if before[key] != after[key]}


def test_it_says_at_first_what_python_says(shown, figure):
    assert shown.says() == figure.sentence


def test_the_mouse_drags_and_the_button_puts_back(shown, figure):
    start = shown.state()
    with dragged(shown):
        after = shown.state()
        assert changed(start, after) and shown.says() != figure.sentence
    x, y = grip(shown)
    shown.page.mouse.move(x, y)
    shown.page.mouse.move(x + 12, y)
    shown.frame()
    assert shown.state() == after, "it follows the pointer after the button was let go"
    reset(shown)
    assert shown.state() == start and shown.says() == figure.sentence


def test_a_finger_drags_the_handle_and_not_the_page(phone, figure):
    start = phone.state()
    x, y = grip(phone)
    wire = phone.context.new_cdp_session(phone.page)
    scrolled = phone.page.evaluate("scrollY")
    moves = [("Move", [(x + 3 * i, y - 10 * i)]) for i in range(1, 11)]
    for kind, points in [("Start", [(x, y)]), *moves, ("End", [])]:
        touches = [{"x": px, "y": py} for px, py in points]
        wire.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": touches})
    phone.page.wait_for_timeout(50)
    assert changed(start, phone.state())
    assert phone.page.evaluate("scrollY") == scrolled


def test_arrow_keys_move_every_handle_and_every_slider(shown, figure):
    movable = shown.page.locator(MOVABLE)
    assert movable.count() > 0
    for i in range(movable.count()):
        reset(shown)
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


def test_what_changes_is_read_aloud_once_it_is_still(shown, figure):
    shown.page.wait_for_timeout(600)
    shown.page.evaluate(COUNT_WHAT_IS_SAID)
    heard = shown.page.locator(".vl-heard")
    with dragged(shown, steps=8):
        assert heard.inner_text() == figure.sentence  # not yet
    shown.page.wait_for_timeout(700)
    assert heard.inner_text() == shown.says() != figure.sentence
    assert shown.page.evaluate("window.said") == 1


def nothing_jumps(shown):
    before = shown.page.evaluate(HEIGHT)
    for end in ("min", "max"):
        shown.page.evaluate(TO_THE_END, end)
        shown.frame()
        assert abs(shown.page.evaluate(HEIGHT) - before) < 1, "its height depends on its numbers"
        assert shown.page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), "it is too wide"
    assert shown.page.evaluate(SHIFTS) == 0


def test_nothing_jumps_on_a_laptop(shown, figure):
    nothing_jumps(shown)


def test_nothing_jumps_on_a_phone(phone, figure):
    nothing_jumps(phone)


def test_axe_finds_nothing_in_either_mode(browser, figure, tmp_path):
    with opened(browser, tmp_path, figure) as shown:
        for mode in ("light", "dark"):
            shown.page.emulate_media(color_scheme=mode)
            found = Axe().run(shown.page).response["violations"]
            assert [(mode, one["id"], [node["html"][:150] for node in one["nodes"][:3]]) for one in found] == []


def test_two_on_a_page_do_not_disturb_each_other(browser, figure, tmp_path):
    with opened(browser, tmp_path, figure, figure) as shown:
        start = shown.state(0)
        assert shown.state(1) == start
        one = shown.page.locator(".vae-live").first.locator("[role=slider], input[type=range]").first
        one.focus()
        one.press("ArrowRight")
        shown.frame()
        assert changed(start, shown.state(0)) and shown.state(1) == start
        ids = shown.page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
        assert len(ids) == len(set(ids))
        assert shown.page.evaluate("document.adoptedStyleSheets.length") == 1


def test_without_scripts_there_is_the_still_picture(browser, figure, tmp_path):
    with opened(browser, tmp_path, figure, java_script_enabled=False) as shown:
        still = shown.page.locator("noscript img")
        assert still.get_attribute("alt") == figure.alt
        assert still.is_visible()
        box = still.bounding_box()
        assert box["width"] > 300 and box["height"] > 150
        assert still.evaluate("async image => { await image.decode(); return image.naturalWidth; }") > 0


def test_it_is_small(figure):
    """Code, data and still picture; a decoder's weights are counted apart."""
    weights = len(json.dumps(figure.data.get("layers", [])))
    assert weights < MOST_BYTES_OF_WEIGHTS
    assert len(figure.html().encode()) - weights < MOST_BYTES


def test_a_cell_of_a_notebook_can_show_it_again_and_again(browser, tmp_path):
    with opened(browser, tmp_path, bypass_csp=True) as shown:
        for name in ("gaussian_kl", "elbo_gap", "gaussian_kl"):
            shown.page.evaluate(SHOW_LIKE_JUPYTER, example(name).html())
            assert shown.says() == example(name).sentence
            with dragged(shown):
                assert shown.says() != example(name).sentence
            reset(shown)
            assert shown.says() == example(name).sentence


def test_shortcuts_of_a_notebook_leave_it_its_keys(browser, figure, tmp_path):
    with opened(browser, tmp_path, figure) as shown:
        shown.page.evaluate(SHORTCUTS_LIKE_JUPYTER)
        test_arrow_keys_move_every_handle_and_every_slider(shown, figure)


@pytest.mark.parametrize(("motion", "steps"), [("reduce", 1), ("no-preference", 3)])
def test_less_motion_is_one_step(browser, tmp_path, motion, steps):
    """An animation makes many steps, or only the last one where the reader has asked for less motion."""
    with opened(browser, tmp_path, example("gaussian_kl"), reduced_motion=motion) as shown:
        seen = shown.page.evaluate(ANIMATE)
        assert seen[-1] == 1 and (len(seen) == 1 if steps == 1 else len(seen) >= steps)


class Faulty:
    """A figure with one thing broken."""

    def __init__(self, whole, old, new):
        self.sentence, self.alt, self.text = whole.sentence, whole.alt, whole.html()
        if old not in self.text:
            raise LookupError(f"{old} is gone: break something else")
        self.text = self.text.replace(old, new)

    def html(self):
        return self.text


def asks_for_nothing(shown, figure):
    """What `opened` sees to for every page."""


@pytest.mark.parametrize(
    ("test", "old", "new"),
    [
        (test_it_says_at_first_what_python_says, "0.5 * (Math.expm1", "0.4 * (Math.expm1"),
        (asks_for_nothing, '"use strict";', 'fetch("https://example.org/x").catch(() => 0);'),
        (asks_for_nothing, "<noscript>", '<img src="other.png" alt="x"><noscript>'),
        (asks_for_nothing, "figures[name].draw(figure);", "figures[name].draw(figure); console.error('a fault');"),
        (test_the_mouse_drags_and_the_button_puts_back, "(grabbed = null)", "0"),
        (test_the_mouse_drags_and_the_button_puts_back, "this.set(this.initial)", "0"),
        (test_a_finger_drags_the_handle_and_not_the_page, "event.preventDefault(), { passive", "0, { passive"),
        (test_arrow_keys_move_every_handle_and_every_slider, "ArrowLeft: [-1, 0], ArrowRight: [1, 0]", "F2: [1, 0]"),
        (test_what_changes_is_read_aloud_once_it_is_still, "clearTimeout(waiting)", "0"),
        (test_nothing_jumps_on_a_phone, ".vae-live .vl-plot {", ".vae-live .vl-plot { min-width: 500px;"),
        (test_nothing_jumps_on_a_laptop, "live.format(value, 3);", "live.format(value, 3) + ' long'.repeat(value < 1 ? 60 : 0);"),
        (test_nothing_jumps_on_a_laptop, "dress(root);", "requestAnimationFrame(() => requestAnimationFrame(() => dress(root)));"),
    ],
)
def test_a_faulty_figure_is_found_out(browser, tmp_path, test, old, new):
    """Every way of being broken must be found, or the tests above prove nothing."""
    faulty = Faulty(example("gaussian_kl"), old, new)
    options = PHONE if "phone" in test.__name__ or "finger" in test.__name__ else {}
    with pytest.raises(AssertionError), opened(browser, tmp_path, faulty, **options) as shown:
        test(shown, faulty)


@pytest.mark.parametrize(
    ("test", "old", "new"),
    [
        (test_axe_finds_nothing_in_either_mode, '"aria-label": label, "aria-orientation"', '"aria-orientation"'),
        (test_axe_finds_nothing_in_either_mode, "--vl-middle: #aab4c0", "--vl-middle: #4a5460"),
        (test_two_on_a_page_do_not_disturb_each_other, "`vae-live-${++made}`", "`vae-live`"),
        (test_without_scripts_there_is_the_still_picture, "<noscript>", "<noscript hidden>"),
        (test_shortcuts_of_a_notebook_leave_it_its_keys, "lmSuppressShortcuts", "other"),
    ],
)
def test_a_faulty_page_is_found_out(browser, tmp_path, test, old, new):
    with pytest.raises(AssertionError):
        test(browser, Faulty(example("gaussian_kl"), old, new), tmp_path)
