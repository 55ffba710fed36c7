"""The numbers of the figure rate_distortion against those of the models that it was given."""

import torch
from live_pages import example, float64, numbers, opened
from torch.testing import assert_close

from vae_notes import likelihoods, live, models

CLOSE = dict(rtol=0, atol=1e-6)
NAME = "rate_distortion"


def given():
    data = example(NAME).data
    return data, float64(data["betas"])[0], float64(data["rates"])[0], float64(data["distortions"])[0]


def test_every_point(live_page):
    page = live_page(NAME)
    data, betas, rates, distortions = given()
    objectives = distortions + betas[:, None] * rates  # a row for each beta
    for i in range(len(betas)):
        found = numbers(page, NAME, "measured", i, data)
        expected = [betas[i], rates[i], distortions[i], rates[i] + distortions[i], objectives[i, i]]
        assert_close(float64(*[found[key] for key in ("beta", "rate", "distortion", "sum", "objective")]), torch.stack(expected), **CLOSE)
        assert found["cheapest"] == objectives[i].argmin()
        told = f"β = {betas[i]:g}: R = {rates[i]:.1f}, D = {distortions[i]:.1f}, R + D = {expected[3]:.1f} nats."
        assert numbers(page, NAME, "sentence", {"index": i}, data) == told
    assert numbers(page, NAME, "best", data) == (rates + distortions).argmin() == data["state"]["index"]


def test_the_nearest_point(live_page):
    page = live_page(NAME)
    data, _, rates, distortions = given()
    generator = torch.Generator().manual_seed(0)
    where = torch.rand(30, 2, generator=generator, dtype=torch.float64) * float64(19, 27)
    places = torch.stack([rates, distortions], -1) / float64(19, 27)
    expected = torch.cdist(where / float64(19, 27), places).argmin(1)
    found = [numbers(page, NAME, "nearest", x, y, data, [19, 27]) for x, y in where.tolist()]
    assert found == expected.tolist()
    assert len(set(found)) > 3


def test_a_model_s_reconstructions_reach_the_page(browser, tmp_path):
    """From the models to the canvas: the picture shows their pixels, as exactly as a screen has greys."""
    torch.manual_seed(0)
    images = (torch.rand(3, 64) > 0.5).float()
    vaes = [models.VAE(models.Encoder(64, 8, 2), models.Decoder(2, 8, 64), likelihoods.BernoulliLikelihood()) for _ in range(3)]
    with torch.no_grad():
        kept = torch.stack([vae.reconstruct(images) for vae in vaes])
        parts = [vae.loss(images) for vae in vaes]
    rates = torch.stack([part["kl"].mean() for part in parts])
    distortions = -torch.stack([part["reconstruction"].mean() for part in parts])
    figure = live.rate_distortion([0.5, 1.0, 2.0], rates, distortions, images, kept, (8, 8))
    read = """() => [...document.querySelectorAll('.vae-live canvas')].map(shown => {
        const copy = Object.assign(document.createElement('canvas'), {width: shown.width, height: shown.height});
        const pen = copy.getContext('2d', {willReadFrequently: true});
        pen.drawImage(shown, 0, 0);
        return [...pen.getImageData(0, 0, shown.width, shown.height).data].filter((_, i) => i % 4 === 0);
    })"""
    with opened(browser, tmp_path, figure) as shown:
        for i in range(3):
            shown.page.evaluate("i => document.querySelector('.vae-live').vaeLive.set({index: i})", i)
            shown.frame()
            for row, expected in zip(shown.page.evaluate(read), (images, kept[i]), strict=True):
                tiles = torch.tensor(row).view(8, 26)  # three images of 8 pixels, a gap after each but the last
                for n in range(3):
                    found = tiles[:, 9 * n : 9 * n + 8].reshape(-1) / 255
                    assert_close(found, expected[n], rtol=0, atol=0.5 / 255 + 1e-6)
    assert (kept[0] - kept[1]).abs().max() > 0.02
