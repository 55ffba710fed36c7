"""The equations of chapter 02, first half: divergences, likelihoods, and what they promise."""

import itertools
import math

import numpy as np
import scipy.optimize
import scipy.stats
import sympy
import torch
from torch.distributions import Categorical, kl_divergence

from equations.checking import checks
from equations.reading import Depends
from tests.equations.vocabulary import Law, entropy, enumerated, over_states, random_law, relative_entropy
from vae_notes import information

KL = {r"\mathrm{KL}": relative_entropy}
COUNTS = np.array([0.10, 0.20, 0.20, 0.50])  # the chapter's data: how often 0, 1, 2, 3 pixels are lit


def by_torch(p, q):
    """KL of two laws on a finite world, by torch's own rule for categorical distributions."""
    return kl_divergence(*(Categorical(torch.as_tensor(np.asarray(one))) for one in (p, q))).item()


def data_and_model(seed, *shape):
    """Two random laws as names and functions: the data's and the model's."""
    generator = np.random.default_rng(seed)
    return {r"p_\mathrm{data}": Law(random_law(generator, *shape)), r"p_\theta": Law(random_law(generator, *shape))}


def binomial(share):
    """The chapter's model: three pixels, each lit with the same probability."""
    return Law(scipy.stats.binom.pmf(range(4), 3, share))


@checks("eq-ml-kl", kind="exact", over="5 random pairs of laws on 6 states, against torch")
def test_kl_is_an_average_under_the_data(equation):
    for seed in range(5):
        laws = data_and_model(seed, 6)
        equation.agrees(
            names=laws,
            functions=laws | {r"\mathrm{KL}": by_torch},
            operators={r"\mathbb{E}_{x\sim p_\mathrm{data}}": ("x", enumerated(laws[r"p_\mathrm{data}"].table))},
            ranges={"x": (0, 5)},
        )


@checks("eq-ml-split", kind="exact", over="5 random pairs of laws on 6 states")
def test_kl_splits_into_two_averages(equation):
    for seed in range(5):
        laws = data_and_model(seed, 6)
        average = enumerated(laws[r"p_\mathrm{data}"].table)
        equation.agrees(
            names=laws,
            functions=laws | {r"\mathrm{KL}": by_torch},
            operators={r"\mathbb{E}_{p_\mathrm{data}}": ("x", average)},
        )


@checks("eq-ml-equivalence", kind="exact", over="the chapter's data and two random laws of the data, model binomial")
def test_smallest_kl_is_largest_likelihood(equation):
    def best(sign):
        def rule(body):
            found = scipy.optimize.minimize_scalar(
                lambda share: sign * body(binomial(share)), bounds=(0.01, 0.99), method="bounded", options={"xatol": 1e-10}
            )
            return found.x

        return rule

    generator = np.random.default_rng(2)
    for p in (COUNTS, random_law(generator, 4), random_law(generator, 4)):
        laws = {r"p_\mathrm{data}": Law(p), r"p_\theta": binomial(0.5)}
        values = equation.sides(
            names=laws,
            functions=laws | KL,
            operators={
                r"\mathbb{E}_{x\sim p_\mathrm{data}}": ("x", enumerated(p)),
                r"\arg\min_\theta": (r"p_\theta", best(1)),
                r"\arg\max_\theta": (r"p_\theta", best(-1)),
            },
        )
        equation.equal(values[0], values[1], 1e-6, "smallest KL against largest likelihood")
        equation.equal(values[1], p @ range(4) / 3, 1e-6, "both against the mean share of lit pixels")


@checks("eq-ml-sample", kind="exact", over="every possible sample of 1, 2, 3 and 4 data from 4 states: mean and variance")
def test_the_sample_mean_of_the_log_likelihood(equation):
    laws = data_and_model(3, 4)
    p = laws[r"p_\mathrm{data}"].table
    log_model = np.log(laws[r"p_\theta"].table)
    for size in (1, 2, 3, 4):
        samples = np.array(list(itertools.product(range(4), repeat=size)))
        chances = p[samples].prod(-1)
        expected, estimates = equation.sides(
            names={"N": size},
            functions=laws | {"x_": lambda i, samples=samples: samples[:, int(i) - 1]},
            operators={r"\mathbb{E}_{x\sim p_\mathrm{data}}": ("x", enumerated(p))},
        )
        equation.equal(chances @ estimates, expected, 1e-12, "mean of the right side over all samples against the left")
        spread = p @ log_model**2 - (p @ log_model) ** 2
        equation.equal(chances @ (estimates - expected) ** 2, spread / size, 1e-12, "its variance against Var/N")


@checks("eq-ml-counts", kind="exact", over="random samples of 5, 8 and 13 counts, against the maximum found by search")
def test_the_likeliest_share_of_lit_pixels(equation):
    generator = np.random.default_rng(4)
    for size in (5, 8, 13):
        data = generator.choice(4, size=size, p=COUNTS)

        def cost(share, data=data):
            return -scipy.stats.binom.logpmf(data, 3, share).sum()

        found = scipy.optimize.minimize_scalar(cost, bounds=(0.001, 0.999), method="bounded", options={"xatol": 1e-10})
        equation.agrees(
            tolerance=1e-6,
            names={r"\hat\theta": found.x, "N": size},
            functions={"x_": lambda i, data=data: float(data[int(i) - 1])},
        )


@checks("eq-ml-empirical", kind="exact", over="random samples of 7, 10 and 20 data from 4 states")
def test_the_sample_mean_by_the_empirical_law(equation):
    generator = np.random.default_rng(5)
    for size in (7, 10, 20):
        data = np.concatenate([range(4), generator.choice(4, size=size - 4, p=COUNTS)])
        shares = Law(np.bincount(data, minlength=4) / size)
        model = Law(random_law(generator, 4))
        equation.agrees(
            names={"N": size, r"\hat p": shares, r"p_\theta": model},
            functions=KL
            | {"H": entropy, r"p_\theta": model, "x_": lambda i, data=data: int(data[int(i) - 1])},
        )


@checks("eq-ml-bumps", kind="quadrature", over="five data, a mixture as the model, widths 0.02 and 0.01: the error falls by 4")
def test_narrow_bumps_on_the_data(equation):
    data = np.array([-1.2, -0.3, 0.4, 0.9, 2.1])
    model = [scipy.stats.norm(-0.7, 0.8), scipy.stats.norm(1.1, 1.3)]
    noise, weights = np.polynomial.hermite_e.hermegauss(60)
    weights = weights / weights.sum()

    def density(x):
        return 0.35 * model[0].pdf(x) + 0.65 * model[1].pdf(x)

    def divergence(width, model_density):
        points = data[:, None] + width * noise  # a row for each narrow normal
        bumps = scipy.stats.norm.pdf(points[..., None], data, width).mean(-1)
        return np.mean(np.log(bumps / model_density(points)) @ weights)

    errors = []
    for width in (0.02, 0.01):
        value, limit = equation.sides(
            names={r"\hat p_h": width, r"p_\theta": density, "h": width, "N": 5},
            functions={r"\mathrm{KL}": divergence, r"p_\theta": density, "x_": lambda i: data[int(i) - 1]},
        )
        equation.compare(value, equation.statement(0).signs[0], limit, 0, width**2, f"h = {width}")
        errors.append(float(value - limit))
    equation.equal(errors[0] / errors[1], 4, 0.02, "error at twice the width over error")


@checks("eq-ml-push", kind="symbolic", over="4 bins with free scores, 6 data, the derivative by each score")
def test_the_push_on_a_score(equation):
    scores = sympy.symbols("l0:4", real=True)
    data = [0, 0, 0, 1, 3, 3]
    total = sum(map(sympy.exp, scores))
    for k in range(4):
        equation.proves(
            names={r"\ell_k": scores[k], "k": k, "N": len(data)},
            functions={
                r"p_\theta": lambda k: sympy.exp(scores[int(k)]) / total,
                r"\hat p": lambda k: sympy.Rational(data.count(k), len(data)),
                "x_": lambda i: data[int(i) - 1],
            },
        )


@checks("eq-ml-moments", kind="quadrature", over="data a mixture of two normals, 5 random m and s, and the best m and s by search")
def test_the_likeliest_normal_has_the_moments_of_the_data(equation):
    noise, weights = np.polynomial.hermite_e.hermegauss(20)
    points = np.concatenate([-2.5 + 0.7 * noise, 2.1 + 0.9 * noise])
    weights = np.concatenate([0.6 * weights, 0.4 * weights]) / weights.sum()
    mean = weights @ points
    variance = weights @ (points - mean) ** 2

    def meaning(m, s):
        return {
            "names": {"m": m, "s": s, r"\mu": mean, "v": variance},
            "functions": {r"\mathcal{N}": lambda x, m, v: scipy.stats.norm.pdf(x, m, math.sqrt(v))},
            "operators": {r"\mathbb{E}_{p_\mathrm{data}}": ("x", lambda body: weights @ body(points))},
        }

    for m, s in np.random.default_rng(6).uniform((-2, 0.5), (2, 3), (5, 2)):
        equation.agrees(0, tolerance=1e-12, **meaning(m, s))

    def cost(knobs):
        return -equation.side(0, 0, **meaning(knobs[0], math.exp(knobs[1])))

    m, s = scipy.optimize.minimize(cost, [0.3, 0.3], method="BFGS", options={"gtol": 1e-8}).x
    best = meaning(m, math.exp(s))
    equation.agrees(1, tolerance=1e-5, **best | {"names": best["names"] | {r"\text{largest at }m": m}})
    equation.agrees(2, tolerance=1e-5, **best)


@checks("eq-ml-reverse", kind="exact", over="5 random pairs of laws on 6 states, against torch")
def test_reverse_kl_is_an_average_under_the_model(equation):
    for seed in range(5):
        laws = data_and_model(seed, 6)
        equation.agrees(
            names=laws,
            functions=laws | {r"\mathrm{KL}": by_torch},
            operators={r"\mathbb{E}_{x\sim p_\theta}": ("x", enumerated(laws[r"p_\theta"].table))},
        )


def largest_difference(p, q):
    """The largest difference between the probabilities of any event."""
    events = np.array(list(itertools.product([0, 1], repeat=len(p))))
    return np.max(events @ (p - q))


def transport(p, q):
    """The least average way from one law on 0, 1, 2, ... to another, by linear programming over all plans."""
    n = len(p)
    way = np.abs(np.subtract.outer(range(n), range(n))).ravel()
    rows = np.kron(np.eye(n), np.ones(n))
    columns = np.kron(np.ones(n), np.eye(n))
    return scipy.optimize.linprog(way, A_eq=np.vstack([rows, columns]), b_eq=np.concatenate([p, q])).fun


@checks(
    "eq-ml-others",
    kind="exact",
    over="4 random pairs of laws on 0 to 5: the best of 64 events, the information of a fair choice, the best transport plan",
)
def test_three_other_criteria(equation):
    for seed in range(4):
        laws = data_and_model(seed, 6)
        p, q = (law.table for law in laws.values())
        middle = {r"\bar p": Law((p + q) / 2)}
        cumulated = {r"F_\mathrm{data}": Law(p.cumsum()), r"F_\theta": Law(q.cumsum())}
        choice = information.mutual_information(torch.as_tensor(np.stack([p, q]) / 2)).item()
        truths = {r"\mathrm{TV}": largest_difference(p, q), r"\mathrm{JS}": choice, "W_1": transport(p, q)}
        for statement in range(3):
            equation.agrees(
                statement,
                tolerance=1e-7,
                names=laws | middle | truths,
                functions=laws | cumulated | KL,
                integral=over_states(6),
            )


@checks("eq-ml-shift", kind="exact", over="shifts 0, 0.13, 0.5, 0.97, 1, 1.6 and 3, in steps of 0.01")
def test_two_uniform_laws_apart(equation):
    cells = np.arange(401)
    for shift in (0, 13, 50, 97, 100, 160, 300):
        p, q = (((cells >= start) & (cells < start + 100)) / 100 for start in (0, shift))
        choice = information.mutual_information(torch.as_tensor(np.stack([p, q]) / 2)).item()
        truths = {
            "a": shift / 100,
            r"\mathrm{TV}": np.abs(p - q).sum() / 2,
            r"\mathrm{JS}": choice,
            "W_1": scipy.stats.wasserstein_distance(cells / 100, cells / 100, p, q),
        }
        for statement in range(3):
            equation.agrees(statement, tolerance=1e-9, names=truths)


@checks("eq-ml-pinsker", kind="exact", over="2000 random pairs of laws on 5 states, and two nearly equal coins, where it is tight")
def test_pinsker(equation):
    generator = np.random.default_rng(8)
    coins = (np.array([[0.5 + 1e-3], [0.5 - 1e-3]]), np.array([[0.5], [0.5]]))
    for p, q in ((random_law(generator, 5, 2000), random_law(generator, 5, 2000)), coins):
        laws = {r"p_\mathrm{data}": Law(p), r"p_\theta": Law(q)}
        functions = KL | {r"\mathrm{TV}": lambda p, q: np.abs(p.table - q.table).sum(0) / 2}
        equation.agrees(tolerance=1e-12, names=laws, functions=functions)
    value, bound = equation.sides(names=laws, functions=functions)
    equation.equal(value / bound, 1.0, 1e-5, "two nearly equal coins: TV over its bound")


@checks("eq-ml-noise", kind="exact", over="60 random pairs of densities over many orders of magnitude; no noise at x, where it is tight")
def test_the_price_of_99_percent_noise(equation):
    for log_p, log_r in np.random.default_rng(9).uniform(-30, 10, (60, 2)):
        densities = {r"p_\mathrm{data}": lambda x, p=log_p: np.exp(p), "r": lambda x, r=log_r: np.exp(r)}
        equation.agrees(tolerance=1e-9, approx=0.001, names={r"\text{ nats}": 1}, functions=densities)
    densities = {r"p_\mathrm{data}": lambda x: np.float64(0.37), "r": lambda x: np.float64(0)}
    equation.equal(equation.side(0, functions=densities), equation.side(1), 1e-12, "no noise at x: loss against log 100")


@checks("eq-ml-heldout", kind="exact", over="random test data of sizes 1, 4 and 9, a Student-t model")
def test_held_out_error(equation):
    for size in (1, 4, 9):
        data = np.random.default_rng(size).normal(size=size)
        model = scipy.stats.t(3.5, 0.2, 1.7)
        equation.agrees(
            names={
                r"\text{held-out error}": -model.logpdf(data).mean(),
                "M": size,
                r"x_i^\mathrm{test}": Depends(lambda i, data=data: data[int(i) - 1], "i"),
            },
            functions={r"p_\theta": model.pdf},
        )


@checks("eq-ml-conditional", kind="exact", over="4 random joint laws of 3 images and 4 labels, random classifiers")
def test_the_cross_entropy_of_a_classifier(equation):
    images, labels = sympy.symbols("x y", real=True)  # each stands for all its states
    for seed in range(4):
        generator = np.random.default_rng(seed)
        joint = random_law(generator, 12).reshape(4, 3)  # p(y, x)
        truth, model = Law(joint / joint.sum(0)), Law(random_law(generator, 4, 3))
        conditional = {(labels, images): entropy(joint.ravel()) - entropy(joint.sum(0))}

        def average(body, joint=joint):
            return sum(np.sum(joint[:, x] * body(x, labels)) for x in range(3))

        equation.agrees(
            functions=KL
            | {r"p_\mathrm{data}": truth, r"p_\theta": model, "H": lambda *order, h=conditional: h[order]},
            operators={r"\mathbb{E}_{p_\mathrm{data}}": (("x", "y"), average)},
        )
