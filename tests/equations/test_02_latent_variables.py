"""The equations of chapter 02, second half: latent variables, the linear-Gaussian model, and what the integral costs."""

import itertools
import math

import numpy as np
import scipy.integrate
import scipy.stats
import sympy
import torch
from scipy.stats import multivariate_normal, norm
from torch.distributions import MultivariateNormal, kl_divergence

from equations.checking import checks
from tests.equations.vocabulary import (
    Law,
    by_quad,
    divergence,
    enumerated,
    gauss_points,
    normal,
    over_states,
    random_law,
)
from vae_notes.bounds import importance_weighted_bound
from vae_notes.linear_gaussian import LinearGaussian


class World:
    """A random joint law p(x, z) of 3 data and 4 codes, and everything that follows from it by counting."""

    def __init__(self, seed, data=3, codes=4):
        self.generator = np.random.default_rng(seed)
        self.joint = random_law(self.generator, data * codes).reshape(data, codes)
        self.evidence, self.prior = self.joint.sum(1), self.joint.sum(0)
        self.decoder = self.joint / self.prior  # p(x | z) at [x, z]
        self.posterior = self.joint.T / self.evidence  # p(z | x) at [z, x]

    @property
    def functions(self):
        """p, and p_theta of a datum alone or given a code."""
        marginal, conditional = Law(self.evidence), Law(self.decoder)
        return {"p": Law(self.prior), r"p_\theta": lambda x, *z: conditional(x, *z) if z else marginal(x)}


WORLDS = "4 random worlds of 3 data and 4 codes"


@checks(
    "eq-ml-two-steps",
    kind="exact",
    over=WORLDS,
    latex=r"z_i\sim p(z),\quad x_i\sim p_\theta(x\mid z_i),\quad i=1,\dots,N .",
)
def test_the_two_steps_make_the_joint_law(equation):
    for seed in range(4):
        world = World(seed)
        codes = equation.side(1, 0, functions=world.functions)  # the law from which z_i is drawn
        for code in range(4):
            names = {"z_i": code, "x_i": 0}
            data = equation.side(1, 1, names=names, functions=world.functions)
            drawn = equation.side(0, 0, names=names)
            equation.equal(codes[drawn] * data, world.joint[:, code], 1e-14, f"first a code, then a datum: z = {code}")
    model, _ = linear_model(0)
    first, last = equation.side(1, 2), equation.side(0, 4, names={"N": 5})
    equation.side(0, 2)
    equation.equal(last - first + 1, len(model.sample(5)), 0, "how many data")


@checks("eq-ml-marginal", kind="exact", over=WORLDS + "; linear decoders by quadrature")
def test_the_evidence_adds_up_over_the_codes(equation):
    for seed in range(4):
        world = World(seed)
        expectation = {r"\mathbb{E}_{z\sim p(z)}": ("z", enumerated(world.prior))}
        for x in range(3):
            meaning = {"names": {"x": x}, "functions": world.functions}
            equation.agrees(0, tolerance=1e-14, ranges={"k": (0, 3)}, **meaning)
            equation.agrees(1, tolerance=1e-14, operators=expectation, integral=over_states(4), **meaning)
    for x, w, b in [(0.7, 1.3, -0.4), (-1.1, 0.6, 0.2)]:
        functions = {"p": norm.pdf, r"p_\theta": lambda x, *z, w=w, b=b: _linear_density(x, w, b, *z)}
        left, right = (equation.side(side, 1, names={"x": x}, functions=functions, integral=by_quad) for side in (0, 1))
        equation.equal(right, left, 1e-9, "a linear decoder, by quadrature")


def _linear_density(x, w, b, *z):
    return norm.pdf(x, w * z[0] + b, 0.5) if z else norm.pdf(x, b, math.hypot(w, 0.5))


@checks("eq-ml-total-variance", kind="quadrature", over="the chapter's bent decoder, shifted, and noise 0.4 and 0.9")
def test_the_variance_of_a_datum(equation):
    codes = np.linspace(-9, 9, 1801)
    prior = norm.pdf(codes) * (codes[1] - codes[0])
    data = np.linspace(-16, 16, 1601)

    def decoder(z):
        return 2 * np.tanh(2.5 * z + 0.8) + 0.2 * z

    for noise in (0.4, 0.9):
        evidence = norm.pdf(data[:, None], decoder(codes), noise) @ prior * (data[1] - data[0])

        def variance(values, evidence=evidence):
            weights = evidence if values is data else prior
            return weights @ values**2 - (weights @ values) ** 2

        equation.agrees(
            tolerance=1e-9,
            names={"x": data, "z": codes, r"\sigma_x": noise},
            functions={"g": decoder, r"\mathrm{Var}": variance},
        )


@checks("eq-ml-prior", kind="quadrature", over="a bent decoder at the data -1.7, 0.1 and 2.5")
def test_a_uniform_prior_with_another_decoder(equation):
    def density(x, z):
        return norm.pdf(x, 2 * math.tanh(1.5 * z) + 0.2 * z, 0.6)

    for x in (-1.7, 0.1, 2.5):
        equation.agrees(
            tolerance=1e-8,
            names={"x": x},
            functions={
                r"p_\theta": density,
                r"\mathcal{N}": lambda z, m, v: norm.pdf(z, float(m), math.sqrt(v)),
                r"\Phi^{-1}": norm.ppf,
            },
            ranges={"z": (-10, 10)},
            integral=by_quad,
        )


@checks("eq-ml-bayes", kind="exact", over=WORLDS + ", every datum and code")
def test_bayes_rule(equation):
    for seed in range(4):
        world = World(seed)
        for x, z in itertools.product(range(3), range(4)):
            equation.agrees(
                tolerance=1e-14,
                names={
                    "x": x,
                    "z": z,
                    r"p_\theta(z\mid x)": world.posterior[z, x],
                    r"p_\theta(x\mid z)": world.decoder[x, z],
                },
                functions=world.functions,
            )


def linear_model(seed, data=3, codes=2):
    """A random linear-Gaussian model, its names, and one generic datum."""
    generator = np.random.default_rng(seed)
    W, b, noise = generator.normal(size=(data, codes)), generator.normal(size=data), generator.uniform(0.7, 1.3)
    x = b + generator.normal(size=data) * 1.2
    model = LinearGaussian(torch.as_tensor(W), torch.as_tensor(b), torch.tensor(2 * math.log(noise), dtype=torch.float64))
    return model, {"W": W, "b": b, r"\sigma_x": noise, "x": x}


DENSITY = {r"\mathcal{N}": multivariate_normal.pdf}


@checks("eq-ml-linear", kind="exact", over="random models of 3 pixels and 2 codes: the package's own draws, made again")
def test_the_linear_model(equation):
    for seed in range(3):
        model, names = linear_model(seed)
        drawn = model.sample(4, generator=torch.Generator().manual_seed(seed)).numpy()
        generator = torch.Generator().manual_seed(seed)
        codes = torch.randn(4, 2, generator=generator, dtype=torch.float64).numpy()
        noise = torch.randn(4, 3, generator=generator, dtype=torch.float64).numpy()
        for n in range(4):
            here = names | {"z": codes[n], r"\varepsilon": noise[n], "x": drawn[n]}
            equation.agrees(2, tolerance=1e-12, names=here)
            for statement, size in ((0, 2), (1, 3)):
                law = equation.side(
                    1, statement, names={"I": np.eye(size)}, functions={r"\mathcal{N}": _law_of_several}
                )
                point = equation.side(0, statement, names=here)
                truth = norm.logpdf(point).sum()
                equation.equal(law.logpdf(point), truth, 1e-12, "N(0, I): independent standard normals")


def _law_of_several(mean, covariance):
    return multivariate_normal(np.full(len(covariance), float(mean)), covariance)


def joint_density(names, codes):
    """p(x | z) p(z) of a linear model at codes of shape (n, d), pixel by pixel."""
    W, b, noise, x = (names[key] for key in ("W", "b", r"\sigma_x", "x"))
    return norm.pdf(x, codes @ W.T + b, noise).prod(-1) * norm.pdf(codes).prod(-1)


def integrated_evidence(names):
    """The evidence of a linear model with two codes, by the trapezoid rule over both."""
    axis = np.linspace(-9, 9, 361)
    codes = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    return joint_density(names, codes).sum() * (axis[1] - axis[0]) ** 2


@checks("eq-ml-linear-evidence", kind="quadrature", over="4 random models of 3 pixels and 2 codes, integrated over the codes")
def test_the_evidence_of_the_linear_model(equation):
    for seed in range(4):
        _, names = linear_model(seed)
        evidence = {r"p_\theta(x)": integrated_evidence(names), "I": np.eye(3)}
        equation.agrees(tolerance=1e-10, names=names | evidence, functions=DENSITY)


@checks("eq-ml-linear-posterior", kind="quadrature", over="4 random models of 3 pixels and 2 codes, at 3 codes each")
def test_the_posterior_of_the_linear_model(equation):
    for seed in range(4):
        _, names = linear_model(seed)
        names = names | {"I": np.eye(2)}
        M = equation.side(1, 1, names=names)
        evidence = integrated_evidence(names)
        for z in np.random.default_rng(seed).normal(size=(3, 2)):
            posterior = joint_density(names, z) / evidence
            here = names | {"z": z, r"p_\theta(z\mid x)": posterior, "M": M}
            equation.agrees(0, tolerance=1e-10, names=here, functions=DENSITY)
            equation.agrees(1, names=here)


@checks("eq-ml-aggregate", kind="exact", over="maximum-likelihood fits to 9 and 12 random data of 4 pixels, 1 and 2 codes")
def test_the_posteriors_together_are_the_prior(equation):
    for size, codes in ((9, 1), (12, 2)):
        data = torch.as_tensor(np.random.default_rng(size).gamma(1.5, size=(size, 4)))
        points, weights = gauss_points(codes, 2)  # exact up to the third power

        def sides(model, points=points, weights=weights, data=data, size=size, codes=codes):
            def average(body, i):
                mean, tril = (one.numpy() for one in model.posterior(data[int(i) - 1]))
                return sum(w * body((mean + tril @ point)[:, None]) for w, point in zip(weights, points, strict=True))

            key = r"\mathbb{E}_{p_\theta(z\mid x_i)}"
            meaning = {"names": {"N": size, "I": np.eye(codes)}, "operators": {key: ("z", average, "i")}}
            return [equation.sides(statement, **meaning) for statement in (0, 1)]

        (mean, zero), (square, identity) = sides(LinearGaussian.fit(data, codes))
        equation.equal(mean, np.full((codes, 1), float(zero)), 1e-10, "mean of all posteriors")
        equation.equal(square, identity, 1e-10, "mean square of all posteriors")
        best = LinearGaussian.fit(data, codes)
        other = sides(LinearGaussian(1.2 * best.weight, best.bias, best.log_variance))
        equation.shows(np.abs(other[1][0] - identity).max() > 0.01, "not so for weights that are not the likeliest")


@checks("eq-ml-rotation", kind="exact", over="random models of 3 pixels and 2 codes, random rotations and reflections")
def test_a_rotation_of_the_codes(equation):
    for seed in range(4):
        model, names = linear_model(seed)
        turn = scipy.stats.ortho_group.rvs(2, random_state=seed)
        z = np.random.default_rng(seed).normal(size=2)
        names = names | {"R": turn, "z": z, r"\text{give the same}p_\theta(x)": 1}
        prior = {"p": lambda z: multivariate_normal.pdf(z, np.zeros(2), np.eye(2))}
        first, second, W = equation.sides(0, names=names, functions=prior)
        turned = equation.side(0, 1, names=names)
        equation.equal(second, first, 1e-12, "p(z) and p(Rz)")
        other = LinearGaussian(torch.as_tensor(turned), model.bias, model.log_variance)
        x = torch.as_tensor(names["x"])
        equation.equal(other.log_evidence(x), model.log_evidence(x), 1e-12, "log p(x) with both weights")
        equation.equal(turned @ (turn @ z), W @ z, 1e-12, "the turned weights at the turned code: the same datum")


@checks("eq-ml-grid", kind="exact", over="grids of 2 to 7 points along 1 to 4 axes, counted")
def test_the_points_of_a_grid(equation):
    for n, d in itertools.product((2, 3, 7), (1, 2, 3, 4)):
        count = len(torch.cartesian_prod(*[torch.arange(n)] * d))
        words = {r"\text{ evaluations of the decoder.}": 1}
        equation.equal(equation.side(0, names={"n": n, "d": d} | words), count, 0, "points")


@checks("eq-ml-naive", kind="exact", over="4 random worlds of 3 data and 4 codes, every choice of 1 to 4 draws")
def test_the_blind_average(equation):
    for seed in range(4):
        world = World(seed)
        for draws in (1, 2, 3, 4):
            choices = np.array(list(itertools.product(range(4), repeat=draws)))  # every K-tuple of codes
            codes = {"z_": lambda k, choices=choices: choices[:, int(k) - 1]}
            x = seed % 3
            package = importance_weighted_bound(torch.as_tensor(np.log(world.decoder[x, choices].T))).exp().numpy()
            names = {"K": draws, "x": x, r"\hat p(x)": package}
            _, estimates = equation.sides(0, names=names, functions=world.functions | codes)
            equation.agrees(0, tolerance=1e-12, names=names, functions=world.functions | codes)
            prior = equation.side(1, 1, functions=world.functions)
            chances = prior[equation.side(0, 1, names={"k": draws}, functions=codes)]
            for k in range(1, draws):
                chances = chances * prior[choices[:, k - 1]]
            equation.equal(chances @ estimates, world.evidence[x], 1e-12, "right on average")


@checks("eq-ml-variance", kind="exact", over="4 random worlds of 3 data and 4 codes, every choice of 1 to 4 draws")
def test_the_variance_of_the_blind_average(equation):
    for seed, draws in itertools.product(range(4), (1, 2, 4)):
        world = World(seed)
        choices = np.array(list(itertools.product(range(4), repeat=draws)))
        chances = world.prior[choices].prod(-1)
        for x in range(3):
            estimates = world.decoder[x, choices].mean(-1)
            square = world.prior @ (world.decoder[x] / world.evidence[x]) ** 2  # E over the prior of the squared term
            meaning = {
                "names": {"x": x, "K": draws, r"p_\theta(x)": world.evidence[x]},
                "functions": {
                    r"\mathrm{Var}": lambda values, chances=chances: chances @ (values - chances @ values) ** 2,
                    r"\hat p": lambda x, estimates=estimates: estimates,
                    "r": lambda x, square=square: square,
                    "p": Law(world.prior),
                    r"p_\theta": Law(world.posterior),
                },
                "operators": {r"\mathbb{E}_{z\sim p_\theta(z\mid x)}": ("z", enumerated(world.posterior[:, x]))},
            }
            equation.agrees(0, tolerance=1e-12, **meaning)
            equation.agrees(1, tolerance=1e-12, **meaning)


@checks("eq-ml-power", kind="quadrature", over="5 random weights and noises, integrated over 1 and 2 codes")
def test_the_price_of_a_typical_datum(equation):
    axis = np.linspace(-8, 8, 641)
    for w, noise in np.random.default_rng(3).uniform((0.5, 0.6), (2.2, 1.4), (5, 2)):
        v, t = w**2 + noise**2, 2 * w**2 + noise**2
        terms = norm.pdf(math.sqrt(v), w * axis, noise)  # p(x | z) at x^2 = v
        prior = norm.pdf(axis) * (axis[1] - axis[0])
        one = prior @ terms**2 / (prior @ terms) ** 2
        pairs, both = np.outer(terms, terms), np.outer(prior, prior)
        two = np.sum(both * pairs**2) / np.sum(both * pairs) ** 2
        names = {"r_1": one, r"\sigma_x": noise, "v": v, "t": t}
        equation.agrees(1, tolerance=1e-10, names=names)
        equation.agrees(0, tolerance=1e-10, names=names | {"r": two, "d": 2})


def information(names):
    """I = H(x) - H(x | z) of a linear model, by torch's entropies."""
    W, b, noise = (torch.as_tensor(names[key], dtype=torch.float64) for key in ("W", "b", r"\sigma_x"))
    identity = torch.eye(len(b), dtype=torch.float64)
    alone = MultivariateNormal(b, W @ W.T + noise**2 * identity).entropy()
    return (alone - MultivariateNormal(b, noise**2 * identity).entropy()).item()


def precision(names):
    """M, as the chapter names it: the inverse covariance of the posterior, here by inverting the joint covariance."""
    W, noise = names["W"], names[r"\sigma_x"]
    d = W.shape[1]
    joint = np.block([[np.eye(d), W.T], [W, W @ W.T + noise**2 * np.eye(len(W))]])
    return np.linalg.inv(joint)[:d, :d]


@checks("eq-ml-information", kind="exact", over="4 random models of 3 pixels and 2 codes; the average over x is exact")
def test_the_information_of_the_code(equation):
    points, weights = gauss_points(3, 3)  # exact: the KL is quadratic in x
    for seed in range(4):
        model, names = linear_model(seed)
        covariance = names["W"] @ names["W"].T + names[r"\sigma_x"] ** 2 * np.eye(3)
        data = names["b"] + points @ np.linalg.cholesky(covariance).T

        def posterior(z, x, model=model):
            mean, tril = model.posterior(torch.as_tensor(x))
            return MultivariateNormal(mean, scale_tril=tril)  # one for each datum

        def average(body, data=data):
            return weights @ body(data)

        prior = MultivariateNormal(torch.zeros(2).double(), torch.eye(2).double())
        equation.agrees(
            tolerance=1e-10,
            names={r"\mathcal{I}": information(names), "M": precision(names)},
            functions={
                r"p_\theta": posterior,
                "p": lambda z, prior=prior: prior,
                r"\mathrm{KL}": lambda q, p: kl_divergence(q, p).numpy(),
            },
            operators={r"\mathbb{E}_{x\sim p_\theta}": ("x", average)},
        )


@checks("eq-ml-price", kind="quadrature", over="2 random models of 2 pixels and 2 codes, integrated over all four")
def test_the_average_price(equation):
    def plane(far):
        axis = np.linspace(-far, far, 41)
        return np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2), (axis[1] - axis[0]) ** 2

    (codes, code_area), (data, data_area) = plane(10), plane(12)
    prior = norm.pdf(codes).prod(-1) * code_area
    for seed in range(2):
        _, names = linear_model(seed, data=2)
        names = names | {r"\sigma_x": names[r"\sigma_x"] + 0.3, "W": 0.7 * names["W"] / np.linalg.norm(names["W"], 2)}
        means, noise = codes @ names["W"].T, names[r"\sigma_x"]
        terms = np.exp(-((data[:, None] - means) ** 2).sum(-1) / (2 * noise**2)) / (2 * np.pi * noise**2)
        evidence = terms @ prior
        prices = terms**2 @ prior / evidence**2

        def average(body, evidence=evidence):
            return np.sum(evidence * body(None)) * data_area

        equation.agrees(
            tolerance=1e-9,
            names={r"\mathcal{I}": information(names), "M": precision(names), "x": None},
            functions={"r": lambda x, prices=prices: prices},
            operators={r"\mathbb{E}_{x\sim p_\theta}": ("x", average)},
        )


@checks("eq-ml-importance", kind="exact", over=WORLDS + ", random proposals, and some that leave out a code")
def test_importance_weights(equation):
    for seed in range(4):
        world = World(seed)
        proposal = random_law(world.generator, 4)
        for x in range(3):
            equation.agrees(
                tolerance=1e-14,
                names={"x": x},
                functions=world.functions | {"q": Law(proposal)},
                operators={r"\mathbb{E}_{z\sim q}": ("z", enumerated(proposal))},
            )
        blind = np.array([0.0, *proposal[1:]]) / proposal[1:].sum()  # never draws the code 0
        seen = {r"\mathbb{E}_{z\sim q}": ("z", lambda body, q=blind: sum(q[z] * body(z) for z in (1, 2, 3)))}
        value = equation.side(1, names={"x": 0}, functions=world.functions | {"q": Law(blind)}, operators=seen)
        missing = world.evidence[0] - world.joint[0, 0]
        equation.equal(value, missing, 1e-14, "a proposal that leaves out a code loses its share")


@checks("eq-ml-output", kind="exact", over="random outputs of 3, 5 and 8 pixels, against the product over the pixels")
def test_the_log_likelihood_of_a_normal_decoder(equation):
    for size in (3, 5, 8):
        generator = np.random.default_rng(size)
        x, output = generator.normal(size=(2, size))
        noise = generator.uniform(0.2, 2)
        equation.agrees(
            tolerance=1e-12,
            names={"x": x, "z": None, r"\sigma_x": noise, "D": size, "I": np.eye(size)},
            functions=DENSITY
            | {
                "g": lambda z, output=output: output,
                r"\Vert": np.linalg.norm,
                r"p_\theta": lambda x, z, output=output, noise=noise: norm.pdf(x, output, noise).prod(),
            },
        )


@checks("eq-ml-thin", kind="exact", over="3 random sheets, data on and beside them, noise 0.01 and 0.005: the error falls by 4")
def test_a_thin_sheet(equation):
    for seed, beside in ((1, 0.0), (2, 0.4), (3, 0.7)):
        W = np.random.default_rng(seed).normal(size=(5, 2))
        code = np.array([0.8, -1.1])
        normal_direction = np.linalg.svd(W)[0][:, 3]
        x = W @ code + beside * normal_direction
        names = {"W": W, "D": 5, "d": 2, r"\delta": beside, "z^*": code}
        constant = equation.side(1, 1, names=names, functions={r"\Vert": np.linalg.norm})
        errors = []
        for noise in (0.01, 0.005):
            model = LinearGaussian(torch.as_tensor(W), torch.zeros(5).double(), torch.tensor(2 * math.log(noise), dtype=torch.float64))
            here = names | {r"\sigma_x": noise, "c": constant}
            equation.side(0, 1, names=here)
            # o(1) is what is left out; the error shows that it vanishes like the square of the noise
            limit = equation.side(1, 0, names=here, functions={"o": lambda one: 0.0})
            evidence = {r"p_\theta(x)": 1, r"\log p_\theta(x)": model.log_evidence(torch.as_tensor(x)).item()}
            value = equation.side(0, 0, names=evidence)
            errors.append(value - limit)
        equation.shows(abs(errors[1]) < 0.01, "what is left out is small")
        equation.equal(errors[0] / errors[1], 4, 0.01, "what is left out, at twice the noise over at the noise")


@checks("eq-ml-delta", kind="symbolic", over="any real m; f a cosine, and a square minus x")
def test_the_delta_as_a_rule_for_averages(equation):
    m, h = sympy.Symbol("m", real=True), sympy.Symbol("h", positive=True)  # h as the limit names it
    noise = sympy.Symbol("noise", real=True)

    def average(body):
        weight = sympy.exp(-(noise**2) / 2) / sympy.sqrt(2 * sympy.pi)
        inside = sympy.expand(sympy.expand_trig(body(m + h * noise)))
        return sympy.integrate(inside * weight, (noise, -sympy.oo, sympy.oo))

    for f in (sympy.cos, lambda x: x**2 - x):
        equation.proves(
            names={"m": m},
            functions={"f": f, r"\delta_m": lambda x: sympy.DiracDelta(x - m)},
            operators={r"\mathbb{E}_{x\sim\mathcal{N}(m,h^2)}": ("x", average)},
        )


@checks("eq-ml-delta-kl", kind="symbolic", over="all real m, all h > 0, and h to 0")
def test_the_kl_of_a_narrow_normal(equation):
    m, h = sympy.Symbol("m", real=True), sympy.Symbol("h", positive=True)
    functions = {r"\mathcal{N}": normal, r"\mathrm{KL}": divergence}
    left, right, end = equation.sides(names={"m": m, "h": h}, functions=functions)
    equation.zero(left - right, "the KL by integration against the formula")
    equation.shows(sympy.limit(right, h, 0, "+") == end, "it grows without bound")
