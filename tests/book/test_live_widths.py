"""Nothing of a live figure reaches over its edge at the widths that the site leaves to it."""

import pytest
from live_pages import NAMES, example, opened

OVER = """() => {
    const {right} = document.querySelector('.vl-body').getBoundingClientRect();
    return [...document.querySelectorAll('.vl-body *:not(svg *)')]
        .filter(part => !part.closest('.vl-heard'))
        .filter(part => part.getBoundingClientRect().right > right + 1 || part.matches('th, td') && part.scrollWidth > part.clientWidth + 1)
        .map(part => part.outerHTML.slice(0, 120));
}"""
TO_THE_END = """end => document.querySelectorAll('.vae-live input[type=range]').forEach(slider => {
    slider.value = slider[end];
    slider.dispatchEvent(new Event('input'));
})"""
WIDTHS = [750, 370]  # a laptop's and a phone's


def check_widths(browser, folder, figure):
    for width in WIDTHS:
        with opened(browser, folder, figure, viewport={"width": width, "height": 900}) as shown:
            assert shown.page.evaluate(OVER) == []
            for end in ("min", "max"):
                shown.page.evaluate(TO_THE_END, end)
                shown.frame()
                assert shown.page.evaluate(OVER) == [], f"at {width} px, all sliders at their {end}"


@pytest.mark.parametrize("name", NAMES)
def test_nothing_reaches_over_the_edge(browser, tmp_path, name):
    check_widths(browser, tmp_path, example(name))


class Wide:
    """A figure whose words are too wide for its table."""

    def html(self):
        rule, wider = "table-layout: fixed;", "table-layout: fixed; letter-spacing: 3px;"
        text = example("heavy_tails").html()
        assert rule in text
        return text.replace(rule, wider)


def test_what_is_too_wide_is_found_out(browser, tmp_path):
    with pytest.raises(AssertionError, match="<t"):
        check_widths(browser, tmp_path, Wide())
