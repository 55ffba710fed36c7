"""The Python side of the live figures: what they refuse, and that what they give is whole, small and always the same."""

import base64
import io
import json
import math
import re
from xml.etree import ElementTree

import pytest
from bs4 import BeautifulSoup
from PIL import Image

import vae_notes.live
from vae_notes import live
from vae_notes.live.figure import check_number, script

FIGURES = {
    "elbo_gap": lambda: live.elbo_gap(loc=0.5, scale=0.5),
    "reparameterized": lambda: live.reparameterized(),
    "gaussian_kl": lambda: live.gaussian_kl(loc_q=1.0, scale_q=0.5),
}


@pytest.fixture(params=FIGURES, scope="module")
def figure(request):
    return FIGURES[request.param]()


def test_every_figure_is_tested():
    assert set(FIGURES) == set(vae_notes.live.__all__) - {"panel"}


def test_the_html_is_one_block_that_asks_for_nothing(figure):
    html = figure.html()
    page = BeautifulSoup(html, "html.parser")
    block = page.select_one("div.vae-live")
    assert block["data-figure"] == figure.name
    assert not page.select("[src], link, style, [onclick], iframe")
    addresses = {tag.get("href") or tag.get("xlink:href") for tag in page.select("[href], [xlink\\:href]")}
    assert all(address.startswith("#") for address in addresses)
    assert json.loads(block.select_one("script.vl-data").string) == figure.data
    assert [len(page.select(f"script{kind}")) for kind in ("[type]", ":not([type])")] == [2, 3]


def test_scripts_end_where_they_should(figure):
    """Neither a file nor the data may hold what would end the script early."""
    assert figure.html().count("</script>") == 5
    tricky = live.figure.LiveFigure(figure.name, {"state": {}, "text": "</script><b>"}, "", figure.alt, figure._still)
    assert tricky.html().count("</script>") == 5


def test_the_still_picture_is_small_and_has_its_description(figure):
    svg = ElementTree.fromstring(figure.svg())
    assert svg.get("role") == "img" and svg.get("aria-label") == figure.alt
    assert len(figure.alt) > 80
    assert len(figure.svg()) < 40_000
    picture = Image.open(io.BytesIO(figure.png()))
    assert picture.width >= 500 and len(picture.getcolors()) > 3
    assert len(figure.png()) <= 30_000


def test_a_notebook_gets_text_html_and_picture(figure):
    data, metadata = figure._repr_mimebundle_()
    assert data["text/plain"] == repr(figure) == f"Live figure {figure.name}: {figure.sentence}"
    assert data["text/html"] == figure.html()
    assert base64.b64decode(data["image/png"]) == figure.png()
    assert metadata["image/png"]["alt"] == figure.alt


@pytest.mark.parametrize("name", FIGURES)
def test_two_of_the_same_are_the_same(name):
    one, two = FIGURES[name](), FIGURES[name]()
    assert one is not two
    assert one.html() == two.html() and one.png() == two.png()


def test_matplotlib_is_left_as_it_was(figure):
    import matplotlib.pyplot as plt

    before, shown = dict(plt.rcParams), plt.get_fignums()
    figure._repr_mimebundle_()
    assert dict(plt.rcParams) == before and plt.get_fignums() == shown


def test_the_scripts_keep_to_themselves(figure):
    """No style attribute, no evaluated text, no name outside the one of the base: the site's policy forbids them."""
    for name in ("base.js", f"{figure.name}.js"):
        text = script(name)
        assert not re.search(r"\beval\(|innerHTML|new Function|document\.write|https?://(?!www\.w3\.org)|[\"']style[\"']", text)
        assert text.count('"use strict"') == 1
    assert not re.search(r"url\((?!#)|@import", script("live.css"))


@pytest.mark.parametrize("value", [0.29, 2.51, -1.0, math.nan, math.inf])
def test_a_number_out_of_range_is_refused_by_name(value):
    with pytest.raises(ValueError, match=r"width must lie between 0.3 and 2.5, which its slider can reach, got "):
        check_number(0.3, 2.5, width=value)


@pytest.mark.parametrize("value", ["1", None, True, [1.0]])
def test_what_is_no_number_is_refused_by_name(value):
    with pytest.raises(TypeError, match=f"width must be a number, got {type(value).__name__}"):
        check_number(0.3, 2.5, width=value)


@pytest.mark.parametrize(
    ("figure", "name", "value"),
    [
        (live.gaussian_kl, "loc_q", 3.1),
        (live.gaussian_kl, "loc_p", -4),
        (live.gaussian_kl, "scale_q", 0),
        (live.gaussian_kl, "scale_p", 3),
        (live.elbo_gap, "loc", 4),
        (live.elbo_gap, "scale", 0.1),
        (live.elbo_gap, "x", -2),
        (live.elbo_gap, "bend", 1.5),
        (live.reparameterized, "loc", 2.5),
        (live.reparameterized, "scale", 0.1),
        (live.reparameterized, "draws", 1001),
    ],
)
def test_what_a_slider_cannot_reach_is_refused(figure, name, value):
    with pytest.raises(ValueError, match=f"^{name} must lie between"):
        figure(**{name: value})
