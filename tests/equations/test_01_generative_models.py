"""The equations of chapter 01: generators, densities, scores, walks, memories and likelihoods."""

import itertools
import math

import numpy as np
import scipy.integrate
import scipy.optimize
import scipy.stats
import sympy
import torch
import torch.nn.functional as F
from scipy.stats import multivariate_normal, norm
from sklearn.neighbors import KernelDensity

from equations.checking import checks
from equations.reading import Depends
from tests.equations.vocabulary import Law, Versus, by_quad, enumerated, random_law
from vae_notes import data, information, likelihoods, models
from vae_notes.monte_carlo import mean_and_standard_error

MIXTURE = (0.3, norm(-1.2, 0.5)), (0.7, norm(0.8, 1.1))  # a density on the line with two bumps


def mixture(x):
    return sum(weight * part.pdf(x) for weight, part in MIXTURE)


@checks("eq-gen-generator", kind="exact", over="the package's two half circles: 2000 points, made again from the same chance")
def test_a_generator_is_a_function_of_its_chance(equation):
    def chance(seed):
        u = torch.Generator().manual_seed(seed)
        angle = math.pi * torch.rand(2000, generator=u)
        lower = torch.rand(2000, generator=u) < 0.5
        return lower, (angle, torch.randn(2000, 2, generator=u))

    def program(lower, u):
        angle, noise = u
        arc = torch.stack([angle.cos(), angle.sin()], dim=1)
        return torch.where(lower[:, None], torch.tensor([1.0, 0.5]) - arc, arc) + 0.1 * noise

    lower, u = chance(1)
    points = data.two_moons(2000, generator=torch.Generator().manual_seed(1))
    meaning = {"names": {"x": points, "c": lower, "u": u}, "functions": {"G": program}}
    equation.agrees(0, tolerance=1e-6, **meaning)
    other = equation.side(0, 1, names={"u": chance(2)[1], r"\text{random}": Versus()}).left
    again = equation.side(1, 0, names={"c": lower, "u": other}, functions={"G": program})
    equation.shows((again != points).all(), "the same request with other random input: other points")


@checks("eq-gen-average", kind="exact", over="random joint laws of 4 requests and 6 answers in the plane, any point a")
def test_the_average_answer_is_the_best_single_one(equation):
    for seed in range(3):
        generator = np.random.default_rng(seed)
        joint, answers = random_law(generator, 24).reshape(4, 6), generator.normal(size=(6, 2))
        for c in range(4):
            given = joint[c] / joint[c].sum()

            def average(body, given=given, answers=answers):
                return sum(p * body(x) for p, x in zip(given, answers, strict=True))

            meaning = {
                "names": {
                    "a": generator.normal(size=2),
                    r"\bar x": joint[c] @ answers / joint[c].sum(),
                    r"\mathbb{E}[x\mid c]": average(lambda x: x),
                },
                "functions": {r"\Vert": np.linalg.norm},
                "operators": {r"\mathbb{E}": ("x", average)},
            }
            equation.agrees(0, tolerance=1e-12, **meaning)
            equation.agrees(1, tolerance=1e-12, **meaning)


@checks("eq-gen-mass", kind="quadrature", over="a density with two bumps, 3 intervals, against its distribution function")
def test_a_probability_is_a_volume(equation):
    for low, high in [(-2.1, -0.4), (-0.5, 0.9), (1.3, 6.0)]:
        truth = sum(weight * (part.cdf(high) - part.cdf(low)) for weight, part in MIXTURE)
        equation.agrees(
            0,
            names={r"\Pr(x\in A)": truth},
            functions={"p": mixture},
            ranges={"A": (low, high)},
            integral=by_quad,
        )
    equation.agrees(1, functions={"p": mixture}, ranges={"x": (-12, 12)}, integral=by_quad)


@checks("eq-gen-moons", kind="Monte Carlo", over="6 boxes of the plane, against 200,000 of the package's points; the total volume")
def test_the_density_of_the_two_half_circles(equation):
    nodes, weights = np.polynomial.legendre.leggauss(60)

    def over_angle(body, variable, low, high):
        low, high = float(low), float(high)
        angles = (low + high) / 2 + (high - low) / 2 * nodes
        return sum(w * body(t) for w, t in zip(weights, angles, strict=True)) * (high - low) / 2

    def half_circle(t, k):
        arc = np.array([math.cos(t), math.sin(t)])
        return arc if k == 1 else np.array([1, 0.5]) - arc

    def density(points):
        return equation.side(
            1,
            names={"x": points, "I": np.eye(2)},
            functions={"m_k": Depends(half_circle, "k"), r"\mathcal{N}": multivariate_normal.pdf},
            integral=over_angle,
        )

    def grid(low, high, count):
        axes = [a + (b - a) * (np.arange(count) + 0.5) / count for a, b in zip(low, high, strict=True)]
        return np.stack(np.meshgrid(*axes), -1).reshape(-1, 2), math.prod(np.subtract(high, low)) / count**2

    points, cell = grid((-1.8, -1.3), (2.8, 1.8), 90)
    equation.equal(density(points).sum() * cell, 1, 1e-6, "total volume")
    many = data.two_moons(200_000, generator=torch.Generator().manual_seed(3)).double()
    for low in [(-1.2, 0.0), (0.9, -0.6), (0.6, 0.3), (0.4, -0.1), (1.0, 0.0), (-0.9, 0.8)]:
        high = (low[0] + 0.3, low[1] + 0.3)
        points, cell = grid(low, high, 24)
        inside = ((many > torch.tensor(low)) & (many < torch.tensor(high))).all(1).double()
        share, stderr = mean_and_standard_error(inside)
        truth = equation.side(0, names={r"p_\mathrm{data}(x)": density(points).sum() * cell})
        equation.within(share, stderr, truth, f"box at {low}: share of the points against its volume")


@checks("eq-gen-direct", kind="exact", over="the package's model with random weights: its samples, made again from the same noise")
def test_noise_is_pushed_through_a_map(equation):
    torch.manual_seed(0)
    vae = models.VAE(models.Encoder(5, 7, 3), models.Decoder(3, 7, 5), likelihoods.NormalLikelihood())
    drawn = vae.sample_mean(6, generator=torch.Generator().manual_seed(4)).detach().double()
    noise = torch.randn(6, 3, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        functions = {r"G_\theta": lambda z: vae.decoder(z).double()}
        equation.agrees(1, tolerance=1e-6, names={"x": drawn, "z": noise}, functions=functions)
    law = equation.side(1, 0, names={"I": np.eye(3)}, functions={r"\mathcal{N}": _law_in_space})
    point = equation.side(0, 0, names={"z": noise[0].numpy()})
    equation.equal(law.logpdf(point), norm.logpdf(point).sum(), 1e-9, "N(0, I): independent standard normals")


def _law_in_space(mean, covariance):
    return multivariate_normal(np.full(len(covariance), float(mean)), covariance)


def two_heaps(seed):
    """Two laws on random places of the line, and the matrix of similarities between all places."""
    generator = np.random.default_rng(seed)
    places, length = generator.normal(size=9) * 1.5, generator.uniform(0.5, 2)
    weights = random_law(generator, 4), random_law(generator, 5)
    return places[:4], places[4:], *weights, length


@checks("eq-gen-distance", kind="exact", over="5 random pairs of laws on 4 and 5 places, as a quadratic form; equal laws: zero")
def test_the_distance_of_two_heaps(equation):
    def heaps(x, y, p, q, length):
        difference = np.concatenate([p, -q])
        places = np.concatenate([x, y])
        form = difference @ np.exp(-np.abs(np.subtract.outer(places, places)) / length) @ difference

        def average(body):
            return sum(
                p[i] * p[j] * q[k] * q[m] * body(x[i], x[j], y[k], y[m])
                for i, j, k, m in itertools.product(range(len(p)), range(len(p)), range(len(q)), range(len(q)))
            )

        return {
            "names": {r"\mathcal{D}": form},
            "functions": {"k": lambda a, b: np.exp(-abs(a - b) / length)},
            "operators": {r"\mathbb{E}": (("x", "x'", "y", "y'"), average)},
        }

    for seed in range(5):
        equation.agrees(tolerance=1e-12, **heaps(*two_heaps(seed)))
    x, _, p, _, length = two_heaps(0)
    equation.equal(equation.side(1, **heaps(x, x, p, p, length)), 0, 1e-12, "two equal laws")


@checks("eq-gen-distance-line", kind="quadrature", over="4 random pairs of laws on 4 and 5 places of the line, random lengths")
def test_the_distance_of_two_heaps_on_the_line(equation):
    for seed in range(4):
        x, y, p, q, length = two_heaps(seed)

        def blurred(places, weights, length=length):
            return lambda s: weights @ np.where(places > s, np.exp(-np.maximum(places - s, 0) / length), 0)

        def over_line(body, variable, low, high, places=(*x, *y), length=length):
            ends = np.sort([min(places) - 25 * length, *places])
            return sum(by_quad(body, variable, a, b) for a, b in itertools.pairwise(ends))

        places, weights = np.concatenate([x, y]), np.concatenate([p, -q])
        form = weights @ np.exp(-np.abs(np.subtract.outer(places, places)) / length) @ weights
        equation.agrees(
            tolerance=1e-10,
            names={r"\mathcal{D}": form, r"\ell": length},
            functions={"A_x": blurred(x, p), "A_y": blurred(y, q)},
            integral=over_line,
        )


@checks("eq-gen-rotation", kind="quadrature", over="a bent map of 2 numbers, 3 random rotations: waves of 4 frequencies")
def test_the_dice_have_no_names(equation):
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    z = np.stack(np.meshgrid(nodes, nodes)).reshape(2, -1)
    chance = np.outer(weights, weights).ravel() / weights.sum() ** 2

    def generator(z):
        return np.stack([z[0] + 0.4 * np.sin(z[1]), 0.7 * z[1] - 0.3 * np.cos(z[0])])

    def waves(turn):
        words = r"\text{ has the same distribution as }"
        pair = equation.side(0, names={"R": turn, "z": z, words: Versus()}, functions={r"G_\theta": generator})
        for frequency in [(1, 0), (0.3, -1), (1, 1), (-0.5, 2)]:
            yield [chance @ np.exp(1j * np.asarray(frequency) @ points) for points in pair]

    for seed in range(3):
        for turned, straight in waves(scipy.stats.ortho_group.rvs(2, random_state=seed)):
            equation.equal(np.array([turned.real, turned.imag]), np.array([straight.real, straight.imag]), 1e-9, "mean of a wave on both sides")
    stretched = max(abs(a - b) for a, b in waves(np.array([[1.5, 0], [0, 0.7]])))
    equation.shows(stretched > 0.05, "a matrix that is no rotation does change the distribution")


@checks("eq-gen-energy", kind="quadrature", over="scores that are a known log-density plus -1.3 and plus 0.8, at 5 places")
def test_a_score_gives_a_density(equation):
    for constant in (-1.3, 0.8):
        score = {r"f_\theta": lambda x, c=constant: np.log(mixture(x)) + c}
        total = equation.side(1, 1, functions=score, ranges={"x": (-12, 12)}, integral=by_quad)
        equation.equal(total, math.exp(constant), 1e-9, "Z")
        equation.side(0, 1, names={"Z": total})
        for x in (-2.0, -1.1, 0.0, 0.7, 3.0):
            equation.agrees(0, names={r"p_\theta(x)": mixture(x), "x": x, "Z": total}, functions=score)


def contrast(scores, p, q):
    """The classifier's loss on a finite world, by torch: label 1 for the data, 0 for the box."""
    scores = torch.as_tensor(scores)
    losses = [F.binary_cross_entropy_with_logits(scores, torch.full_like(scores, y), reduction="none") for y in (1, 0)]
    return p @ losses[0].numpy() + q @ losses[1].numpy()


@checks("eq-gen-contrast", kind="exact", over="5 random pairs of laws on 6 places, random scores, against torch's loss")
def test_the_loss_of_real_against_random(equation):
    for seed in range(5):
        generator = np.random.default_rng(seed)
        p, q, scores = random_law(generator, 6), random_law(generator, 6), generator.normal(size=6) * 2
        loss = equation.side(
            0,
            functions={"f": Law(scores), r"\mathrm{softplus}": lambda a: F.softplus(torch.as_tensor(a)).item()},
            operators={
                r"\mathbb{E}_{x\sim p_\mathrm{data}}": ("x", enumerated(p)),
                r"\mathbb{E}_{x\sim p_\mathrm{box}}": ("x", enumerated(q)),
            },
        )
        equation.equal(loss, contrast(scores, p, q), 1e-9, "loss")


def best_scores(p, q):
    """The scores with the smallest loss, by search."""
    return scipy.optimize.minimize(lambda f: contrast(f, p, q), np.zeros(len(p)), options={"gtol": 1e-9}).x


@checks("eq-gen-classifier", kind="exact", over="3 random pairs of laws on 4 places, the best scores found by search")
def test_the_best_judge_is_a_density(equation):
    for seed in range(3):
        generator = np.random.default_rng(seed)
        p, q = random_law(generator, 4), random_law(generator, 4)
        best = Law(best_scores(p, q))
        for x in range(4):
            functions = {"f^*": best, r"p_\mathrm{data}": Law(p), r"p_\mathrm{box}": Law(q)}
            equation.agrees(tolerance=1e-6, names={"x": x}, functions=functions)


@checks("eq-gen-langevin", kind="quadrature", over="a density with two bumps: what a step changes falls by 4 as the step is halved")
def test_climbing_and_staggering_keeps_the_density(equation):
    x = np.linspace(-8, 8, 4001)[:, None]
    chance = mixture(x[:, 0]) * (x[1, 0] - x[0, 0])
    nodes, weights = np.polynomial.hermite_e.hermegauss(30)
    weights = weights / weights.sum()

    def uphill(x):
        parts = [weight * part.pdf(x) for weight, part in MIXTURE]
        slopes = [-(x - part.mean()) / part.var() for _, part in MIXTURE]
        return sum(p * s for p, s in zip(parts, slopes, strict=True)) / sum(parts)

    for test in (np.square, lambda x: np.sin(1.3 * x), lambda x: np.exp(-((x - 0.5) ** 2))):
        changes = []
        for step in (0.004, 0.002):
            names = {"x": x, r"\eta": step, r"\varepsilon": nodes[None, :]}
            after = equation.side(1, names=names, functions={r"\nabla f_\theta": uphill})
            after = equation.side(0, names={r"x_\mathrm{next}": after})
            changes.append(chance @ test(after) @ weights - chance @ test(x[:, 0]))
        equation.equal(changes[0] / changes[1], 4, 0.03, "change of an average by one step, over that by half a step")


@checks("eq-gen-stagger", kind="symbolic", over="all steps between 0 and 2: the variance that one step leaves as it is")
def test_the_variance_of_the_walk(equation):
    step, v, x = sympy.symbols("eta v x", positive=True)
    noise = sympy.Symbol("noise", real=True)
    after = sympy.expand((x + step * sympy.diff(-(x**2) / 2, x) + sympy.sqrt(2 * step) * noise) ** 2)
    variance = after.coeff(noise, 0).coeff(x, 2) * v + after.coeff(noise, 2)  # the cross term has mean 0
    (settled,) = sympy.solve(sympy.Eq(variance, v), v)
    equation.proves(names={r"\eta": step, "v": settled})


@checks("eq-gen-memory", kind="exact", over="random heaps of 3 and 7 points in the plane, widths 0.2 and 1.1, against scikit-learn")
def test_the_memory_is_an_average_of_bumps(equation):
    for size, width in ((3, 0.2), (7, 1.1)):
        generator = np.random.default_rng(size)
        points, x = generator.normal(size=(size, 2)), generator.normal(size=2)
        judge = KernelDensity(bandwidth=width).fit(points)
        equation.agrees(
            tolerance=1e-9,
            names={"N": size, "h": width, "x": x, "I": np.eye(2)},
            functions={
                "p_h": lambda x, judge=judge: math.exp(judge.score_samples(x[None])[0]),
                "x_": lambda i, points=points: points[int(i) - 1],
                r"\mathcal{N}": multivariate_normal.pdf,
            },
        )


@checks("eq-gen-own-bump", kind="exact", over="12 random points in the plane, widths from 2 to 0.0001; the limit by sympy")
def test_the_likelihood_of_a_memory_on_its_own_data(equation):
    points = np.random.default_rng(1).normal(size=(12, 2))
    for width in (2, 0.5, 0.1, 1e-4):
        judge = KernelDensity(bandwidth=width).fit(points)
        for point in points[:3]:
            own = np.float64(math.exp(judge.score_samples(point[None])[0]))
            value = equation.side(0, names={"p_h(x_i)": own})
            bound = equation.side(1, names={"N": 12, "h": width})
            equation.compare(value, equation.statement(0).signs[0], bound, 1e-12, None, f"h = {width}")
    equation.equal(value, bound, 1e-12, "bumps that do not touch: the bound is reached")
    h = sympy.Symbol("h", positive=True)
    width, end = equation.sides(1, names={"h": h})
    growing = sympy.limit(equation.side(1, names={"N": 12, "h": width}), h, end, "+")
    equation.shows(growing == equation.side(2), "without bound as h goes to 0")


@checks("eq-gen-nll", "eq-gen-gap", kind="exact", over="random training and test data of 4 and 9 points, a Student-t model")
def test_the_error_and_the_gap(equation):
    for size in (4, 9):
        generator = np.random.default_rng(size)
        train, test = generator.normal(size=(2, size))
        model = scipy.stats.t(3.5, 0.2, 1.7)
        error = model.logpdf(train).mean() - model.logpdf(test).mean()
        equation.agrees(
            names={
                r"\mathrm{NLL}": -model.logpdf(test).mean(),
                r"\mathrm{gap}": error,
                "N": size,
                r"x_i^\mathrm{test}": Depends(lambda i, test=test: test[int(i) - 1], "i"),
                r"x_i^\mathrm{train}": Depends(lambda i, train=train: train[int(i) - 1], "i"),
            },
            functions={r"p_\theta": model.pdf},
        )


@checks("eq-gen-units", kind="exact", over="random normal laws in 1, 2 and 4 dimensions, units 0.01, 0.7 and 255")
def test_a_log_density_depends_on_the_unit(equation):
    for dimensions, unit in itertools.product((1, 2, 4), (0.01, 0.7, 255.0)):
        generator = np.random.default_rng(dimensions)
        factor, mean, x = (generator.normal(size=size) for size in [(dimensions, dimensions), dimensions, dimensions])
        covariance = factor @ factor.T + 0.3 * np.eye(dimensions)
        equation.agrees(
            names={"x": x, "y": unit * x, "D": dimensions, "s": unit},
            functions={
                "p_x": multivariate_normal(mean, covariance).pdf,
                "p_y": multivariate_normal(unit * mean, unit**2 * covariance).pdf,
            },
        )


@checks("eq-gen-rubbish", kind="exact", over="100 random densities and shares; no rubbish at x, where it is tight")
def test_rubbish_costs_little(equation):
    def meaning(share, p, rubbish):
        functions = {"p": lambda x: np.float64(p), r"p_\mathrm{rubbish}": lambda x: np.float64(rubbish)}
        return {"names": {r"\pi": share}, "functions": functions}

    generator = np.random.default_rng(1)
    for share, p, rubbish in zip(generator.uniform(0.01, 1, 100), *np.exp(generator.normal(size=(2, 100)) * 8), strict=True):
        equation.agrees(tolerance=1e-12, **meaning(share, p, rubbish))
    value, bound = equation.sides(**meaning(0.37, 0.2, 0))
    equation.equal(value, bound, 1e-12, "no rubbish at x")
    mixed = equation.side(0, **meaning(0.37, 0.2, 0.2))
    equation.equal(mixed, math.log(0.2), 1e-12, "a density mixed with itself stays what it is")


@checks("eq-gen-flow", kind="autograd", over="an invertible map of the plane at 6 random points, against the density of its two factors")
def test_the_density_of_a_flow(equation):
    def flow(z):  # a stretch of the first number by its own size, and of the second by the first
        return torch.stack([torch.sinh(z[0]) + 0.3, z[1] * torch.exp(0.5 * z[0]) - 0.2 * z[0] ** 2])

    def back(x):
        first = np.arcsinh(x[0] - 0.3)
        return np.array([first, (x[1] + 0.2 * first**2) * np.exp(-0.5 * first)])

    def density(x):  # p(x1) p(x2 | x1): Johnson's law, and a normal
        first = np.arcsinh(x[0] - 0.3)
        return scipy.stats.johnsonsu(0, 1, 0.3).pdf(x[0]) * norm.pdf(x[1], -0.2 * first**2, np.exp(0.5 * first))

    def jacobian(z):
        return torch.autograd.functional.jacobian(flow, torch.as_tensor(z)).numpy()

    for noise in np.random.default_rng(2).normal(size=(6, 2)):
        x = flow(torch.as_tensor(noise)).numpy()
        z = equation.side(1, 1, names={"x": x}, functions={r"G_\theta^{-1}": back})
        names = {"x": x, "z": z}
        equation.equal(equation.side(0, 1, names=names), noise, 1e-12, "the way back")
        functions = {r"p_\theta": density, "p": lambda z: norm.pdf(z).prod(), "J": jacobian}
        equation.agrees(0, names=names, functions=functions)


@checks("eq-gen-chain", kind="exact", over="3 random joint laws of three parts with 2, 3 and 4 states, at every state")
def test_the_chain_rule(equation):
    for seed in range(3):
        joint = random_law(np.random.default_rng(seed), 24).reshape(2, 3, 4)
        for i, j, k in np.ndindex(joint.shape):
            equation.agrees(
                names={
                    "p(x_1,x_2,x_3)": joint[i, j, k],
                    "p(x_1)": joint[i].sum(),
                    r"p(x_2\mid x_1)": joint[i, j].sum() / joint[i].sum(),
                    r"p(x_3\mid x_1,x_2)": joint[i, j, k] / joint[i, j].sum(),
                }
            )


@checks("eq-gen-js", kind="exact", over="4 random pairs of laws on 5 places, the classifier's best loss found by search")
def test_the_best_loss_of_the_judge(equation):
    for seed in range(4):
        generator = np.random.default_rng(seed)
        p, q = random_law(generator, 5), random_law(generator, 5)

        def average(weights, p=p, q=q):
            return lambda body: sum(w * body(a, b, (a + b) / 2) for w, a, b in zip(weights, p, q, strict=True))

        choice = information.mutual_information(torch.as_tensor(np.stack([p, q]) / 2)).item()
        laws = ("p", "q", "m")
        equation.agrees(
            1,
            names={r"\mathrm{JS}": choice},
            operators={r"\mathbb{E}_{p}": (laws, average(p)), r"\mathbb{E}_{q}": (laws, average(q))},
        )
        loss = contrast(best_scores(p, q), p, q)
        equation.equal(equation.side(0, names={r"\mathrm{JS}": choice}), loss, 1e-9, "the best loss")
