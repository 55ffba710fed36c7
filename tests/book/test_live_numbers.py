"""The numbers that the figures compute in the page are those of the package, over a grid of settings."""

import itertools
import math

import pytest
import scipy.integrate
import torch
from live_pages import example, float64, numbers, opened
from scipy.spatial import Voronoi
from torch.distributions import Normal
from torch.testing import assert_close

from tests.live_examples import plane, untrained
from vae_notes import likelihoods
from vae_notes.divergences import kl_normal, kl_normal_standard
from vae_notes.latent_space import spherical_path, straight_path
from vae_notes.linear_gaussian import LinearGaussian
from vae_notes.reparameterization import sample_normal
from vae_notes.vector_quantization import VectorQuantizer, nearest_code

CLOSE = dict(rtol=0, atol=1e-6)


@pytest.fixture
def page_of(browser, tmp_path):
    """A page with one figure, by name."""
    open_pages = []

    def show(name):
        manager = opened(browser, tmp_path, example(name))
        open_pages.append(manager)
        return manager.__enter__().page

    yield show
    for manager in open_pages:
        manager.__exit__(None, None, None)


def test_gaussian_kl(page_of):
    page = page_of("gaussian_kl")
    grid = list(itertools.product((-3.0, 0.0, 1.25), (0.3, 1.0, 2.5), (-1.0, 3.0), (0.3, 0.9, 2.5)))
    settings = [{"loc_q": a, "scale_q": b, "loc_p": c, "scale_p": d} for a, b, c, d in grid]
    found = []
    for loc_q, scale_q, loc_p, scale_p in grid:
        q, p = {"loc": loc_q, "scale": scale_q}, {"loc": loc_p, "scale": scale_p}
        terms = numbers(page, "gaussian_kl", "terms", q, p)
        found.append([terms["kl"], sum(value for key, value in terms.items() if key != "kl")])
    columns = float64(*grid)[:, :, None]
    m_q, s_q, m_p, s_p = columns[:, 0], 2 * columns[:, 1].log(), columns[:, 2], 2 * columns[:, 3].log()
    expected = kl_normal(m_q, s_q, m_p, s_p)
    assert_close(float64(*found), expected[:, None].expand(-1, 2), **CLOSE)
    sentences = [numbers(page, "gaussian_kl", "sentence", one) for one in settings]
    back = kl_normal(m_p, s_p, m_q, s_q)
    told = [f"KL(q‖p) = {a:.4f} nats, KL(p‖q) = {b:.4f} nats." for a, b in zip(expected, back, strict=True)]
    assert sentences == told


def test_the_area_of_gaussian_kl_is_the_divergence(page_of):
    page = page_of("gaussian_kl")
    q, p = {"loc": 0.5, "scale": 0.7}, {"loc": -0.4, "scale": 1.3}
    z = torch.linspace(-12, 12, 1201, dtype=torch.float64)
    values = page.evaluate(
        "([zs, q, p]) => zs.map(z => vaeNotesLive.figures.gaussian_kl.numbers.integrand(z, q, p))", [z.tolist(), q, p]
    )
    area = scipy.integrate.simpson(values, x=z)
    assert_close(area, numbers(page, "gaussian_kl", "terms", q, p)["kl"], **CLOSE)


def bent_log_joint(z, x, bend):
    z = torch.as_tensor(z, dtype=torch.float64)
    return (Normal(z + bend * z**2, 0.5).log_prob(float64(x)[0]) + Normal(0.0, 1.0).log_prob(z)).item()


def joint(z, x, bend):
    return math.exp(bent_log_joint(z, x, bend))


def weighted_log_ratio(z, loc, scale, x, bend):
    """q(z) log(p(x, z) / q(z)), whose integral is the ELBO."""
    log_q = Normal(float64(loc)[0], scale).log_prob(float64(z)[0]).item()
    return math.exp(log_q) * (bent_log_joint(z, x, bend) - log_q)


def test_elbo_gap_against_quadrature(page_of):
    """Evidence and ELBO as integrals, by scipy; the terms as the package has them."""
    page = page_of("elbo_gap")
    for loc, scale, x, bend in itertools.product((-3.0, 0.4), (0.15, 1.5), (-1.0, 3.0), (0.0, 0.35, 1.0)):
        found = numbers(page, "elbo_gap", "parts", {"loc": loc, "scale": scale, "x": x, "bend": bend})
        span = (loc - 12 * scale, loc + 12 * scale)
        setting = (loc, scale, x, bend)
        expected, _ = scipy.integrate.quad(weighted_log_ratio, *span, args=setting, points=[loc], epsabs=1e-9)
        assert_close(found["elbo"], expected, **CLOSE)
        assert_close(found["kl"], kl_normal_standard(float64(loc), 2 * float64(scale).log()).item(), **CLOSE)
        assert_close(found["elbo"], found["reconstruction"] - found["kl"], **CLOSE)
    for x, bend in itertools.product((-1.0, 0.7, 3.0), (0.0, 0.35, 1.0)):
        peaks = [-2, -1, 0, 1, 2]
        evidence, _ = scipy.integrate.quad(joint, -12, 12, args=(x, bend), points=peaks, epsabs=1e-12, limit=200)
        assert_close(numbers(page, "elbo_gap", "logEvidence", x, bend), math.log(evidence), **CLOSE)


def test_elbo_gap_without_a_bend_is_the_linear_model(page_of):
    page = page_of("elbo_gap")
    line = LinearGaussian(torch.ones(1, 1, dtype=torch.float64), float64(0), float64(0.25).log()[0])
    for loc, scale, x in itertools.product((-1.0, 0.4), (0.2, 1.0), (-1.0, 2.0)):
        state = {"loc": loc, "scale": scale, "x": x, "bend": 0.0}
        by_package = line.elbo(*(float64(one)[None] for one in (x, loc, 2 * math.log(scale)))).item()
        assert_close(numbers(page, "elbo_gap", "parts", state)["elbo"], by_package, **CLOSE)
        evidence = line.log_evidence(float64(x)[None]).item()
        assert_close(numbers(page, "elbo_gap", "logEvidence", x, 0.0), evidence, **CLOSE)
        top = numbers(page, "elbo_gap", "climb", state, 200)  # the best q is the posterior, the gap is closed
        mean, factor = line.posterior(float64(x)[None])
        assert_close(float64(top["loc"], top["scale"]), torch.stack([mean.squeeze(), factor.squeeze()]), rtol=0, atol=1e-3)


def test_climbing_never_leads_down(page_of):
    page = page_of("elbo_gap")
    state = {"loc": -2.5, "scale": 1.4, "x": 1.0, "bend": 1.0}
    heights = []
    for steps in (0, 1, 3, 10, 30, 100):
        there = {**state, **numbers(page, "elbo_gap", "climb", state, steps)}
        heights.append(numbers(page, "elbo_gap", "parts", there)["elbo"])
    assert heights == sorted(heights) and heights[-1] > heights[0] + 1


def test_reparameterized_against_autograd(page_of):
    page = page_of("reparameterized")
    noise = float64(*example("reparameterized").data["noise"])
    for loc, scale, name in itertools.product((-2.0, 0.0, 1.35), (0.2, 0.5, 1.5), ("loc", "scale")):
        state = {"loc": loc, "scale": scale, "parameter": name, "draws": 100}
        leaf = {key: torch.full_like(noise, state[key], requires_grad=True) for key in ("loc", "scale")}
        z = leaf["loc"] + leaf["scale"] * noise
        (path,) = torch.autograd.grad(z.square().sum(), leaf[name])
        log_q = Normal(leaf["loc"], leaf["scale"]).log_prob(z.detach())
        (score,) = torch.autograd.grad((z.detach().square() * log_q).sum(), leaf[name])
        for kind, expected in (("path", path), ("score", score)):
            found = float64(*numbers(page, "reparameterized", "estimates", kind, state, noise.tolist()))
            assert_close(found, expected, **CLOSE)
            running = float64(*numbers(page, "reparameterized", "runningMeans", found.tolist()))
            assert_close(running, expected.cumsum(0) / torch.arange(1, len(noise) + 1), **CLOSE)
            mean, stderr = numbers(page, "reparameterized", "meanAndError", found.tolist())
            assert_close(mean, expected.mean().item(), **CLOSE)
            assert_close(stderr, (expected.std() / math.sqrt(len(noise))).item(), **CLOSE)
        # E[z^2] = loc^2 + scale^2
        assert abs(numbers(page, "reparameterized", "exact", state) - 2 * state[name]) < 1e-6


def test_the_noise_of_reparameterized_is_what_the_package_draws():
    noise = float64(*example("reparameterized").data["noise"])
    zero = torch.zeros(len(noise), dtype=torch.float64)
    drawn = sample_normal(zero, zero, generator=torch.Generator().manual_seed(0))
    assert_close(noise, drawn, rtol=0, atol=5.1e-5)


DECODE = """zs => { const {numbers} = vaeNotesLive.figures.latent_plane;
    const {layers, squash} = document.querySelector('.vae-live').vaeLive.data;
    const read = numbers.read(layers); return zs.map(z => numbers.decode(read, squash, z)); }"""


@pytest.mark.parametrize("likelihood", [likelihoods.NormalLikelihood(), likelihoods.BernoulliLikelihood()])
def test_latent_plane_decodes_as_the_model_does(browser, tmp_path, likelihood):
    z = torch.cartesian_prod(*[torch.linspace(-3.2, 3.2, 9, dtype=torch.float64)] * 2)
    with opened(browser, tmp_path, plane(likelihood=likelihood)) as shown:
        found = float64(*shown.page.evaluate(DECODE, z.tolist()))
    vae = untrained(likelihood=likelihood)
    expected = vae.likelihood.mean(vae.decode(z))
    assert expected.std() > 0.1
    assert_close(found, expected, **CLOSE)


def test_the_paths_of_latent_plane(page_of):
    page = page_of("latent_plane")
    shares = torch.linspace(0, 1, 7, dtype=torch.float64)
    pairs = [((-1.0, 1.0), (1.2, 0.3)), ((0.0, 2.0), (0.1, 3.0)), ((1.0, 1.0), (1.0, 1.0)), ((0.0, 0.0), (1.0, 2.0))]
    for (start, end), (name, path) in itertools.product(pairs, [("straight", straight_path), ("spherical", spherical_path)]):
        found = [numbers(page, "latent_plane", "along", name, start, end, share) for share in shares.tolist()]
        assert_close(float64(*found), path(float64(*start), float64(*end), shares), **CLOSE)
    # points in opposite directions, which infinitely many arcs join: the straight line
    assert numbers(page, "latent_plane", "along", "spherical", [1, 1], [-1, -1], 0.5) == [0, 0]


def test_the_nearest_code_of_latent_plane(page_of):
    page, data = page_of("latent_plane"), example("latent_plane").data
    z = torch.randn(40, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    found = [numbers(page, "latent_plane", "nearest", data["codes"], data["labels"], point) for point in z.tolist()]
    assert found == [data["labels"][i] for i in nearest_code(z, float64(*data["codes"]))]


def test_vector_quantization_against_the_quantiser_and_autograd(page_of):
    page, state = page_of("vector_quantization"), example("vector_quantization").data["state"]
    book, target = float64(*state["codes"]), float64(-0.3, 1.1)
    quantizer = VectorQuantizer(len(book), 2).double().eval()
    quantizer.load_state_dict({**quantizer.state_dict(), "codebook": book})
    points = torch.cartesian_prod(*[torch.linspace(-2, 2, 7, dtype=torch.float64)] * 2)
    for point, beta in itertools.product(points, (0.0, 0.25, 2.0)):
        arguments = point.tolist(), state["codes"], target.tolist(), beta
        losses = numbers(page, "vector_quantization", "losses", *arguments)
        slopes = numbers(page, "vector_quantization", "gradients", *arguments)
        z = point.clone().requires_grad_()
        quantized = quantizer(z)
        terms = {
            "reconstruction": (quantized.z - target).square().sum(),
            "codebook": quantized.codebook_loss,
            "commitment": beta * quantized.commitment_loss,
        }
        index = int(quantized.codes)
        assert losses["index"] == index
        for name, value in terms.items():
            reached = quantizer.codebook if name == "codebook" else z
            (gradient,) = torch.autograd.grad(value, reached, retain_graph=True)
            gradient = gradient[index] if name == "codebook" else gradient
            assert abs(losses[name] - value.item()) < 1e-6
            assert_close(float64(*slopes[name]), gradient, **CLOSE)


def test_a_step_of_vector_quantization_moves_the_vector_and_one_code(page_of):
    page, state = page_of("vector_quantization"), example("vector_quantization").data["state"]
    arguments = state["z"], state["codes"], state["target"], state["beta"]
    index = numbers(page, "vector_quantization", "nearest", state["z"], state["codes"])
    slopes = numbers(page, "vector_quantization", "gradients", *arguments)
    after = numbers(page, "vector_quantization", "step", *arguments)
    expected = float64(*state["z"]) - 0.1 * (float64(*slopes["reconstruction"]) + float64(*slopes["commitment"]))
    assert_close(float64(*after["z"]), expected, **CLOSE)
    codes = float64(*state["codes"])
    codes[index] -= 0.1 * float64(*slopes["codebook"])
    assert_close(float64(*after["codes"]), codes, **CLOSE)


def test_the_cells_of_vector_quantization_are_the_voronoi_cells(page_of):
    """The inner corners against scipy; and the middle of every cell is nearest to its own code."""
    page, codes = page_of("vector_quantization"), example("vector_quantization").data["state"]["codes"]
    corners = {i: float64(*numbers(page, "vector_quantization", "cell", i, codes)) for i in range(len(codes))}
    for i, polygon in corners.items():
        assert nearest_code(polygon.mean(0), float64(*codes)) == i
    inside = float64(*[v for v in Voronoi(codes).vertices.tolist() if max(map(abs, v)) < 2])
    found = torch.cat(list(corners.values()))
    apart = (inside[:, None] - found).norm(dim=-1)
    assert len(inside) > 3 and apart.min(1).values.max() < 1e-9
    area = 0.0
    for polygon in corners.values():
        after = polygon.roll(-1, 0)
        area += 0.5 * (polygon[:, 0] * after[:, 1] - polygon[:, 1] * after[:, 0]).sum().item()
    assert_close(area, 16.0, **CLOSE)  # together they fill the square
