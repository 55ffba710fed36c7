"""The Python side of the live figures: what they refuse, and that what they give is whole, small and always the same."""

import base64
import functools
import io
import json
import math
import re
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
import torch
from bs4 import BeautifulSoup
from PIL import Image

import vae_notes.live
from tests.live_examples import EXAMPLES, plane, untrained
from vae_notes import likelihoods, live
from vae_notes.live.figure import check_number, script


@pytest.fixture(params=EXAMPLES, scope="module")
def figure(request):
    return EXAMPLES[request.param]()


def test_every_figure_is_tested():
    assert set(EXAMPLES) == set(vae_notes.live.__all__) - {"Panel"}


def test_the_html_is_one_block_that_asks_for_nothing(figure):
    html = figure.html()
    page = BeautifulSoup(html, "html.parser")
    block = page.select_one("div.vae-live")
    assert block["data-figure"] == figure.name
    assert not page.select("[src]:not([src^='data:']), link, style, [onclick], iframe")
    addresses = {tag.get("href") or tag.get("xlink:href") for tag in page.select("[href], [xlink\\:href]")}
    assert all(address.startswith("#") for address in addresses)
    data = json.loads(block.select_one("script.vl-data").string)
    apart = [json.loads(one.string) for one in block.select(f"script[data-live-large={figure.name}]")]
    assert [list(one) for one in apart] == [list(figure.large)] * bool(figure.large)
    assert dict(data, **dict(*apart)) == figure.data and not set(data) & set(figure.large)
    counts = [len(page.select(f"script{kind}")) for kind in ("[type]", ":not([type])")]
    assert counts == ([3, 4] if figure.large else [2, 3])


def test_without_trust_jupyterlab_shows_the_still_picture(figure):
    """It leaves out scripts, and takes every tag away that is not on its list, as noscript and svg, but not their text."""
    page = BeautifulSoup(figure.html(), "html.parser")
    for code in page.find_all("script"):
        code.decompose()
    (still,) = page.find_all("img")
    assert page.get_text().strip() == ""
    assert still["alt"] == figure.alt and still["src"].startswith("data:image/svg+xml,")
    assert unquote(still["src"]).endswith(figure.svg())


def test_scripts_end_where_they_should(figure):
    """Neither a file nor the data may hold what would end the script early."""
    text = "</script><b>"
    for large, scripts in (((), 5), (("more",), 7)):
        data = {"state": {}, "text": text, "more": text}
        tricky = live.figure.LiveFigure(figure.name, data, "", figure.alt, figure._still, large)
        assert tricky.html().count("</script>") == scripts
        assert "<b>" not in tricky.html()


def test_only_a_decoder_is_large():
    assert [name for name in EXAMPLES if EXAMPLES[name]().large] == ["latent_plane"]


@pytest.mark.parametrize("large", [("state",), ("other",), ("more", "other")])
def test_what_is_large_must_be_in_the_data_and_not_the_state(large):
    with pytest.raises(ValueError, match=r"large must name parts of data other than its state, got \['(state|other)'\]"):
        live.figure.LiveFigure("elbo_gap", {"state": {}, "more": 1}, "", "", lambda: None, large)


def test_the_still_picture_is_small_and_has_its_description(figure):
    svg = ElementTree.fromstring(figure.svg())
    assert svg.get("role") == "img" and svg.get("aria-label") == figure.alt
    assert len(figure.alt) > 80
    assert len(figure.svg()) < 55_000
    picture = Image.open(io.BytesIO(figure.png()))
    assert picture.width >= 500 and len(picture.getcolors()) > 3
    assert len(figure.png()) <= 30_000


def test_a_notebook_gets_text_html_and_picture(figure):
    data, metadata = figure._repr_mimebundle_()
    assert data["text/plain"] == repr(figure) == f"Live figure {figure.name}: {figure.sentence}"
    assert data["text/html"] == figure.html()
    assert base64.b64decode(data["image/png"]) == figure.png()
    assert metadata["image/png"]["alt"] == figure.alt


@pytest.mark.parametrize("name", EXAMPLES)
def test_two_of_the_same_are_the_same(name):
    one, two = EXAMPLES[name](), EXAMPLES[name]()
    assert one is not two
    assert one.html() == two.html() and one.png() == two.png()


def test_matplotlib_is_left_as_it_was(figure):
    import matplotlib.pyplot as plt

    before, shown = dict(plt.rcParams), plt.get_fignums()
    figure._repr_mimebundle_()
    assert dict(plt.rcParams) == before and plt.get_fignums() == shown


def test_the_scripts_keep_to_themselves(figure):
    """No style attribute, no evaluated text, no name outside the one of the base: the site's policy forbids them."""
    for name in ("base.js", "large.js", f"{figure.name}.js"):
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
        (live.vector_quantization, "beta", 2.5),
        (live.annealing, "floor", 2.5),
        (live.annealing, "length", 50),
        (live.annealing, "step", 1201),
        (functools.partial(live.gumbel_softmax, torch.zeros(3)), "temperature", 0.05),
        (functools.partial(live.heavy_tails, torch.zeros(3)), "outlier", 9.5),
        (functools.partial(live.heavy_tails, torch.zeros(3)), "df", 0.5),
    ],
)
def test_what_a_slider_cannot_reach_is_refused(figure, name, value):
    with pytest.raises(ValueError, match=f"^{name} must lie between"):
        figure(**{name: value})


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"z": (0.0, 2.1)}, ValueError, r"z\[1\] must lie between -2 and 2"),
        ({"target": (0.0,)}, ValueError, r"target must be two numbers, got \(0.0,\)"),
        ({"codes": ((0.0, 0.0), (0.0, 3.0))}, ValueError, r"codes\[1\]\[1\] must lie"),
        ({"codes": ((0.0, 0.0),)}, ValueError, "at least two codes, got 1"),
        ({"codes": ((0.0, "a"), (0.0, 1.0))}, TypeError, r"codes\[0\]\[1\] must be a number, got str"),
    ],
)
def test_vector_quantization_refuses_what_is_no_point(arguments, error, text):
    with pytest.raises(error, match=text):
        live.vector_quantization(**arguments)


CODES, LABELS = torch.zeros(3, 2), torch.tensor([1, 2, 3])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((CODES[:, :1], LABELS, (8, 8)), r"codes must have shape \(N, 2\) and labels \(N,\).*got \(3, 1\) and \(3,\)"),
        ((CODES, LABELS[:2], (8, 8)), r"got \(3, 2\) and \(2,\)"),
        ((CODES, LABELS + 8, (8, 8)), r"digits from 0 to 9, got \[9, 10, 11\]"),
        ((CODES, LABELS, (8, 9)), r"from 2 latents to 8 \* 9 pixels .* widths \[\(2, 16\), \(16, 16\), \(16, 64\)\]"),
        ((CODES, LABELS, (8, 8), (0, 4)), "a2 must lie between"),
    ],
)
def test_latent_plane_refuses_what_does_not_fit(arguments, text):
    with pytest.raises(ValueError, match=text):
        live.latent_plane(untrained(hidden_dim=16), *arguments)


def test_latent_plane_refuses_a_decoder_of_other_layers():
    vae = untrained(hidden_dim=16)
    vae.decoder.rest.forward = lambda z: vae.decoder.rest.output(torch.tanh(vae.decoder.rest.hidden(z)))
    with pytest.raises(ValueError, match="these alone do not give its images"):
        live.latent_plane(vae, CODES, LABELS, (8, 8))


def test_latent_plane_finds_out_what_its_output_passes():
    assert plane(hidden_dim=16).data["squash"] == "none"
    assert plane(hidden_dim=16, likelihood=likelihoods.BernoulliLikelihood()).data["squash"] == "sigmoid"


def test_the_weights_are_below_400_kilobytes():
    assert len(json.dumps(EXAMPLES["latent_plane"]().data["layers"])) < 400_000


def panel_of(seen):
    def make(beta, seed):
        seen.append((beta, seed))
        return EXAMPLES["gaussian_kl"]()

    return live.Panel(make, "Train again", beta=(1.0, 4.0), seed=(0, 1))


def test_a_panel_calls_python_with_what_was_chosen(capsys):
    seen = []
    row, _ = panel_of(seen).widget().children
    beta, seed, button = row.children
    assert (beta.options, seed.options, button.description) == ((1.0, 4.0), (0, 1), "Train again")
    beta.value = 4.0
    button.click()
    assert seen == [(4.0, 0)] and not button.disabled
    assert "Live figure gaussian_kl" in capsys.readouterr().out


def test_a_button_can_be_pressed_again_after_a_failure():
    box = live.Panel(lambda beta: 1 / beta, "Train again", beta=(0.0,)).widget()
    button = box.children[0].children[-1]
    button.click()  # the traceback is shown in the panel's own place
    assert not button.disabled


class Shell:
    kernel = None


@pytest.mark.parametrize(
    ("shell", "variable", "installed", "answers"),
    [(Shell(), None, True, True), (None, None, True, False), (Shell(), "0", True, False), (Shell(), None, False, False)],
)
def test_a_panel_is_shown_only_where_python_answers(monkeypatch, shell, variable, installed, answers):
    monkeypatch.delenv("VAE_NOTES_PANELS", raising=False)
    if variable:
        monkeypatch.setenv("VAE_NOTES_PANELS", variable)
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    if not installed:
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    shown = panel_of([])._repr_mimebundle_()
    assert shown["text/plain"].startswith('Panel "Train again" (beta: 1.0, 4.0; seed: 0, 1). It answers where Python runs')
    assert ("application/vnd.jupyter.widget-view+json" in shown) == answers


@pytest.mark.parametrize("choices", [{}, {"beta": ()}])
def test_a_panel_needs_choices(choices):
    with pytest.raises(ValueError, match="at least one choice and values for each"):
        live.Panel(print, "Train again", **choices)


@pytest.mark.parametrize(
    ("points", "text"),
    [
        (torch.zeros(3, 1), r"points must have shape \(N,\) with N from 2 to 100, got \(3, 1\)"),
        (torch.zeros(1), r"got \(1,\)"),
        (torch.tensor([0.0, 9.5]), r"points\[1\] must lie between -4 and 9"),
    ],
)
def test_heavy_tails_refuses_other_points(points, text):
    with pytest.raises(ValueError, match=text):
        live.heavy_tails(points)


@pytest.mark.parametrize(
    ("logits", "text"),
    [
        (torch.zeros(4), r"logits must have shape \(3,\), got \(4,\)"),
        (torch.tensor([0.0, -3.5, 0.0]), r"logits\[1\] must lie between -3 and 3"),
    ],
)
def test_gumbel_softmax_refuses_other_logits(logits, text):
    with pytest.raises(ValueError, match=text):
        live.gumbel_softmax(logits)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"means": (0.0, 1.0)}, "means must be four numbers, got 2"),
        ({"means": (0.0, 1.0, 2.5, 0.0)}, r"means\[2\] must lie between -2.4 and 2.4"),
        ({"schedule": "cosine"}, "schedule must be one of linear, sigmoid, cyclical, geometric, none, got 'cosine'"),
    ],
)
def test_annealing_refuses_other_means_and_schedules(arguments, text):
    with pytest.raises(ValueError, match=text):
        live.annealing(**arguments)


def curve(**changes):
    """A curve of three models and two images of 2 by 2 pixels, with something else in place."""
    good = dict(
        betas=(0.5, 1.0, 2.0),
        rates=torch.tensor([3.0, 2.0, 1.0]),
        distortions=torch.tensor([4.5, 5.0, 7.0]),
        originals=torch.ones(2, 4),
        reconstructions=torch.ones(3, 2, 4),
        image_shape=(2, 2),
    )
    return live.rate_distortion(**(good | changes))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"betas": (0.5, 1.0)}, r"betas must hold from 2 to 12 numbers.*got 2, \(3,\) and \(3,\)"),
        ({"distortions": torch.ones(3, 1)}, r"shape \(B,\), got 3, \(3,\) and \(3, 1\)"),
        ({"image_shape": (2, 3)}, r"D = 2 \* 3 up to 256, got \(2, 4\)"),
        ({"originals": torch.ones(11, 4)}, r"M from 1 to 10 .* got \(11, 4\)"),
        ({"reconstructions": torch.ones(3, 4)}, r"reconstructions must have shape \(3, 2, 4\), got \(3, 4\)"),
        ({"reconstructions": torch.full((3, 2, 4), 1.5)}, "reconstructions must hold pixels from 0 to 1, got 1.5 to 1.5"),
        ({"originals": torch.full((2, 4), math.nan)}, "originals must hold pixels from 0 to 1"),
        ({"betas": (0.5, 2.0, 1.0)}, r"betas must rise, got \[0.5, 2.0, 1.0\]"),
        ({"betas": (0.0, 1.0, 2.0)}, r"betas\[0\] must lie between"),
        ({"rates": torch.tensor([1.0, -1.0, 0.0])}, r"rates\[1\] must lie between"),
    ],
)
def test_rate_distortion_refuses_what_does_not_fit(changes, text):
    assert repr(curve()).startswith("Live figure rate_distortion: β = 1: R = 2.0, D = 5.0, R + D = 7.0")
    with pytest.raises(ValueError, match=text):
        curve(**changes)
