"""The equations of chapter 04: estimators of a gradient, their means and variances, and where they are wrong.

Most are proved with free symbols: q is N(mu, sigma^2), f a polynomial, and an average is an integral of the powers of
the noise. What no polynomial shows (ripples, steps, kinks) is integrated numerically.
"""

import itertools
import math

import numpy as np
import sympy
import torch
from scipy import integrate

from equations.checking import checks
from tests.equations.joint_worlds import EVERY_Z, WORLDS, Point, World, average_over, elbo, posterior, worlds
from tests.equations.vocabulary import (
    MU,
    SIGMA,
    Normal,
    X,
    Z,
    average_over_noise,
    divergence,
    normal,
    relative_entropy,
)
from vae_notes.reparameterization import sample_normal

EPS = sympy.Symbol("epsilon", real=True)
PATH = MU + SIGMA * EPS
Q = Normal(MU, SIGMA**2)
PARAMETERS = {r"\mu": MU, r"\sigma": SIGMA}
POLYNOMIALS = (Z**2, Z**3 - 2 * Z, Z**4 + Z + 1)


def slope(parameter):
    """The gradient with respect to one parameter, as an operator without a variable."""
    return (), lambda body: sympy.diff(body(), parameter)


def at(expression, point):
    """A function of z, given as an expression, at a point."""
    return sympy.sympify(expression).subs(Z, point)


def over_q(body, variable, low, high):
    """The integral of a polynomial times the density of q, by dividing the density out and averaging."""
    if variable != "z":
        raise ValueError(f"variable: needed is z, got {variable}")
    rest = sympy.simplify(sympy.expand_log(body(Z), force=True) / Q.density(Z))
    return Q.average(lambda point: rest.subs(Z, point))


# --------------------------------------------------------------------------------------------- what is differentiated


@checks("eq-rep-elbo", kind="exact", over=f"{WORLDS} and random q; tight where q is the posterior")
def test_elbo(equation):
    for world, q in worlds(60):
        for law in (q, posterior(world)):
            encoder = World(np.stack([q[::-1], law, q[[1, 3, 0, 2]]]) / 3)  # a law of z for each x

            meaning = {
                "names": {"x": Point(0, 1), "z": EVERY_Z},
                "functions": {
                    "p": world.joint,
                    r"p_\theta": world.joint,
                    r"p_\theta\mid": world.given,
                    r"q_\phi\mid": encoder.given,
                    r"\mathrm{KL}": relative_entropy,
                    r"\mathcal{L}": lambda x, world=world, law=law: elbo(world, law, x),
                },
                "operators": {r"\mathbb{E}_{q_\phi(z\mid x)}": ("z", average_over(law, 1))},
            }
            equation.agrees(tolerance=1e-12, **meaning)
        _, bound, evidence = equation.sides(**meaning)
        equation.equal(bound, evidence, 1e-12, "q is the posterior")


W = sympy.Symbol("w", real=True)


@checks("eq-rep-theta", kind="symbolic", over="decoder N(w z, 1): all real x, w and mu, all sigma > 0")
def test_gradient_of_the_decoder(equation):
    equation.proves(
        names={"x": X},
        functions={r"p_\theta": lambda x, z: Normal(W * z, 1).density(x)},
        operators={r"\nabla_\theta": slope(W), r"\mathbb{E}_{q_\phi}": ("z", Q.average)},
    )


@checks("eq-rep-problem", kind="symbolic", over="decoder N(w z, 1): all real x, w and mu, all sigma > 0")
def test_the_problem_has_an_answer_which_is_not_zero(equation):
    def log_likelihood(z):
        return Normal(W * z, 1).log_density(X)

    decoder = {r"p_\theta": lambda x, z: Normal(W * z, 1).density(x)}
    for parameter in (MU, SIGMA):
        score = sympy.diff(Q.log_density(Z), parameter)
        meaning = {
            "names": {
                "z": Z,
                "x": X,
                "?": Q.average(lambda z, score=score: log_likelihood(z) * at(score, z)),
            },
            "functions": {"f": log_likelihood, **decoder},
            "operators": {
                r"\nabla_\phi": slope(parameter),
                r"\mathbb{E}_{q_\phi(z\mid x)}": ("z", Q.average),
            },
        }
        equation.proves(0, what=f"the gradient for {parameter} is that by the score", **meaning)
        equation.proves(1, **meaning)
        equation.shows(equation.side(0, **meaning) != 0, "f does not contain phi, its average does")


# ---------------------------------------------------------------------------------------------------- the two estimators


@checks(
    "eq-rep-die", kind="exact", over="three loads of the die, from -0.6 to 0.8, random pay for every face"
)
def test_the_loaded_die(equation):
    eta = sympy.Symbol("eta", real=True)
    total = sum(sympy.exp(eta * face) for face in range(1, 7))
    generator = np.random.default_rng(61)
    for load in (-0.6, 0.0, 0.8):
        for pay in (list(generator.normal(size=6)), [1, 2, 3, 4, 5, 6]):

            def odds(face):
                return sympy.exp(eta * face) / total

            values = equation.sides(
                names={r"\eta": eta},
                functions={"f": lambda face, pay=pay: pay[int(face) - 1], r"p_\eta": odds},
                operators={r"\mathbb{E}": ("i", lambda body: sum(odds(i) * body(i) for i in range(1, 7)))},
            )
            numbers = np.array([float(value.subs(eta, load)) for value in values])
            free = torch.tensor(load, dtype=torch.float64, requires_grad=True)
            chances = torch.softmax(free * torch.arange(1.0, 7.0, dtype=torch.float64), 0)
            truth = torch.autograd.grad(chances @ torch.tensor(pay, dtype=torch.float64), free)[0].item()
            equation.equal(numbers, np.full(4, truth), 1e-12, "against autograd")
            if load == 0 and pay[0] == 1:
                equation.equal(numbers, np.full(4, 35 / 12), 1e-12, "a fair die that pays its face: 35/12")


@checks("eq-rep-score", kind="symbolic", over="f = z^2, z^3 - 2z and z^4 + z + 1, all real mu, all sigma > 0")
def test_score_function(equation):
    for f in POLYNOMIALS:
        for parameter in (MU, SIGMA):
            equation.proves(
                names={"z": Z},
                functions={"f": lambda z, f=f: at(f, z), r"q_\phi": Q.density},
                operators={r"\nabla_\phi": slope(parameter), r"\mathbb{E}_{q_\phi}": ("z", score_average)},
                integral=over_q,
                what=f"f = {f}, gradient for {parameter}",
            )


def score_average(body):
    """E under q of an expression that is differentiated with z held: first the body for a free z, then the average."""
    inside = body(Z)
    return Q.average(lambda point: at(inside, point))


@checks("eq-rep-normal-score", kind="symbolic", over="all real z and mu, all sigma > 0")
def test_score_of_a_normal(equation):
    for number in (0, 1):
        equation.proves(number, names=PARAMETERS | {r"\log q": Q.log_density(Z), "z": Z})


@checks(
    "eq-rep-z", kind="symbolic", over="the first six moments, all real mu, all sigma > 0; the package's draws"
)
def test_the_trick(equation):
    path = equation.side(1, 0, names=PARAMETERS | {r"\varepsilon": EPS})
    equation.zero(equation.side(0, 1, names={r"\varepsilon": EPS}) - EPS, "whose law is stated")
    noise = equation.side(1, 1, functions={r"\mathcal{N}": normal})
    for power in range(1, 7):
        of_path = noise.average(lambda point, power=power: path.subs(EPS, point) ** power)
        equation.zero(of_path - Q.average(lambda z, power=power: z**power), f"moment {power}")
    loc, log_variance = (torch.linspace(*ends, 5, dtype=torch.float64) for ends in ((-1, 2), (-3, 1)))
    z = sample_normal(loc, log_variance, generator=torch.Generator().manual_seed(62))
    draws = torch.randn(5, dtype=torch.float64, generator=torch.Generator().manual_seed(62))
    names = {"z": z, r"\mu": loc, r"\sigma": log_variance.exp().sqrt(), r"\varepsilon": draws}
    equation.agrees(0, names=names, tolerance=1e-12, what="sample_normal")


@checks("eq-rep-change", kind="symbolic", over="all real z and mu, all sigma > 0")
def test_change_of_variables(equation):
    below = (1 + sympy.erf((Z - MU) / (SIGMA * sympy.sqrt(2)))) / 2  # P(mu + sigma epsilon <= z)
    equation.proves(
        names=PARAMETERS | {"z": Z, r"\varepsilon": (Z - MU) / SIGMA},
        functions={"q": lambda z: at(sympy.diff(below, Z), z), r"\mathcal{N}": normal},
    )


@checks(
    "eq-rep-pathwise", kind="symbolic", over="f = z^2, z^3 - 2z and z^4 + z + 1, all real mu, all sigma > 0"
)
def test_pathwise(equation):
    def over_noise(body):
        return Normal(0, 1).average(lambda noise: body(noise, MU + SIGMA * noise))

    for f in POLYNOMIALS:
        for parameter in (MU, SIGMA):
            equation.proves(
                0,
                names=PARAMETERS | {r"\varepsilon": None, "z": None},
                functions={"f": lambda z, f=f: at(f, z), "f'": lambda z, f=f: at(sympy.diff(f, Z), z)},
                operators={
                    r"\nabla_\phi": slope(parameter),
                    r"\mathbb{E}_{q_\phi}": ("z", Q.average),
                    r"\mathbb{E}_{\varepsilon}": ((r"\varepsilon", "z"), over_noise),
                },
                what=f"f = {f}, gradient for {parameter}",
            )
    noise = (
        (-1, 0.3),
        (sympy.Rational(1, 2), 0.5),
        (3, 0.2),
    )  # lopsided, so that minus sigma epsilon is another law
    equation.proves(
        0,
        names=PARAMETERS | {r"\varepsilon": None, "z": None},
        functions={"f": lambda z: z**3, "f'": lambda z: 3 * z**2},
        operators={
            r"\nabla_\phi": slope(SIGMA),
            r"\mathbb{E}_{q_\phi}": ("z", lambda body: sum(w * body(MU + SIGMA * e) for e, w in noise)),
            r"\mathbb{E}_{\varepsilon}": (
                (r"\varepsilon", "z"),
                lambda body: sum(w * body(e, MU + SIGMA * e) for e, w in noise),
            ),
        },
        what="a lopsided noise with three values",
    )
    for number in (1, 2):
        equation.proves(number, names=PARAMETERS | {"z": PATH, r"\varepsilon": EPS})


@checks(
    "eq-rep-parts",
    kind="symbolic",
    over="f = z^2, z^3 - 2z and z^4 + z + 1, all real mu, all sigma > 0; a ReLU by quadrature",
)
def test_integration_by_parts(equation):
    for f in POLYNOMIALS:
        equation.proves(
            names=PARAMETERS | {"z": Z},
            functions={
                "f": lambda z, f=f: at(f, z),
                "f'": lambda z, f=f: at(sympy.diff(f, Z), z),
                "q": Q.density,
                "q'": lambda z: at(sympy.diff(Q.density(Z), Z), z),
            },
            operators={r"\mathbb{E}_q": ("z", Q.average)},
            integral=over_q,
            what=f"f = {f}",
        )
    mean, scale = 0.4, 0.8
    density = sympy.lambdify(Z, Q.density(Z).subs({MU: mean, SIGMA: scale}))
    steepness = sympy.lambdify(Z, sympy.diff(Q.density(Z), Z).subs({MU: mean, SIGMA: scale}))

    def area(body, *_):
        return integrate.quad(
            lambda z: float(body(z)), mean - 12 * scale, mean + 12 * scale, points=[0], epsabs=1e-13
        )[0]

    equation.agrees(
        names={r"\mu": mean, r"\sigma": scale},
        functions={"f": lambda z: max(z, 0.0), "f'": lambda z: float(z > 0), "q": density, "q'": steepness},
        operators={r"\mathbb{E}_q": ("z", lambda body: area(lambda z: density(z) * body(z)))},
        integral=area,
        what="ReLU",
    )


@checks(
    "eq-rep-log-variance",
    kind="symbolic",
    over="all real mu, epsilon and log variances; the package's gradient",
)
def test_gradient_for_the_log_variance(equation):
    log_variance = sympy.Symbol("l", real=True)
    scale = sympy.exp(log_variance / 2)
    names = {"z": MU + scale * EPS, r"\log\sigma^2": log_variance, r"\sigma": scale, r"\varepsilon": EPS}
    equation.proves(names=names)
    given = torch.linspace(-3, 1, 5, dtype=torch.float64, requires_grad=True)
    z = sample_normal(torch.zeros(5, dtype=torch.float64), given, generator=torch.Generator().manual_seed(63))
    draws = torch.randn(5, dtype=torch.float64, generator=torch.Generator().manual_seed(63))
    by_formula = equation.side(1, names={r"\sigma": (given / 2).exp(), r"\varepsilon": draws})
    equation.equal(by_formula, torch.autograd.grad(z.sum(), given)[0], 1e-12, "sample_normal, by autograd")


# --------------------------------------------------------------------------------------------------------- the variances


def estimators(f):
    """The pathwise and the score-function estimator for mu, and the score itself, as expressions in the noise."""
    score = at(sympy.diff(Q.log_density(Z), MU), PATH)
    return sympy.diff(at(f, PATH), MU), sympy.simplify(at(f, PATH) * score), sympy.simplify(score)


def mean(expression):
    return average_over_noise(expression, EPS)


def variance(expression):
    return mean(expression**2) - mean(expression) ** 2


def variance_of(*names_and_values):
    """Var[...] of named estimators, as an operator."""
    names, values = zip(*names_and_values, strict=True)
    return names, lambda body: variance(body(*values))


@checks("eq-rep-variances", kind="symbolic", over="f = z^2, all real mu, all sigma > 0")
def test_variances(equation):
    pathwise, score_function, _ = estimators(Z**2)
    operator = variance_of((r"\text{pathwise}", pathwise), (r"\text{score}", score_function))
    for number in (0, 1):
        equation.proves(number, names=PARAMETERS, operators={r"\mathrm{Var}": operator})


@checks("eq-rep-dimensions", kind="exact", over="d = 1 to 5, every average over the noise exact")
def test_variance_in_many_dimensions(equation):
    for d in range(1, 6):
        noise = sympy.symbols(f"e_1:{d + 1}", real=True)
        draws = [1 + one for one in noise]
        estimator = sum(z**2 for z in draws) * noise[0]

        def rule(body, noise=noise, estimator=estimator):
            value = body(estimator)
            return average_over_noise(value**2, *noise) - average_over_noise(value, *noise) ** 2

        equation.proves(names={"d": d}, operators={r"\mathrm{Var}": (r"\text{score}", rule)}, what=f"d = {d}")


@checks("eq-rep-score-zero", kind="symbolic", over="scores for mu and sigma, all real mu, all sigma > 0")
def test_the_mean_score_is_zero(equation):
    for parameter in (MU, SIGMA):
        score = sympy.diff(Q.log_density(Z), parameter)

        def average(body, score=score):
            equation.zero(body(Z) - score, "in the bracket stands the score")
            return score_average(body)

        def area(body, *ends, score=score):
            equation.zero(body(Z) / Q.density(Z) - score, "under the integral stands the score times q")
            return over_q(body, *ends)

        equation.proves(
            names={"z": Z},
            functions={r"q_\phi": Q.density},
            operators={r"\nabla_\phi": slope(parameter), r"\mathbb{E}_q": ("z", average)},
            integral=area,
            what=f"the score for {parameter}",
        )
    inside = equation.side(2, operators={r"\nabla_\phi": ((), lambda body: body())})
    equation.zero(inside - sympy.integrate(Q.density(Z), (Z, -sympy.oo, sympy.oo)), "the total probability")


B = sympy.Symbol("b", real=True)


@checks(
    "eq-rep-baseline",
    kind="symbolic",
    over="f = z^2, z^3 - 2z and z^4 + z + 1, all real mu and b, all sigma > 0",
)
def test_baseline(equation):
    for f in POLYNOMIALS:
        pathwise, _, score = estimators(f)
        surrogate = at(sympy.diff((f - B) * Q.log_density(Z), MU), PATH)  # z held, as in code
        names = {"b": B, "s": score, "z": PATH, "g_b": surrogate}
        functions = {"f": lambda z, f=f: at(f, z)}
        equation.proves(0, names=names, functions=functions, what=f"f = {f}: the gradient of the surrogate")
        estimator = equation.side(1, 0, names=names, functions=functions)
        equation.zero(mean(estimator) - mean(pathwise), f"f = {f}: unbiased for every b")
        (best,) = sympy.solve(sympy.diff(mean(estimator**2), B), B)
        equation.proves(
            1,
            names={r"b^\ast": best},
            functions=functions,
            operators={r"\mathbb{E}": (("z", "s"), lambda body, score=score: mean(body(PATH, score)))},
            what=f"f = {f}: the smallest second moment",
        )


@checks("eq-rep-var-baseline", kind="symbolic", over="f = z^2, all real mu, all sigma > 0")
def test_variance_with_the_best_baseline(equation):
    score = estimators(Z**2)[2]
    (best,) = sympy.solve(sympy.diff(mean((PATH**2 - B) ** 2 * score**2), B), B)
    equation.proves(0, names=PARAMETERS | {r"b^\ast": best})
    operator = variance_of((r"g_{b^\ast}", (PATH**2 - best) * score))
    equation.proves(1, names=PARAMETERS, operators={r"\mathrm{Var}": operator})


@checks(
    "eq-rep-own-sample",
    kind="exact",
    over="a loaded die with three faces, K = 2 and 3, all outcomes, random pay",
)
def test_a_baseline_with_its_own_sample(equation):
    pay = torch.tensor(np.random.default_rng(64).normal(size=3))
    for load, n_samples in itertools.product((0.3, -0.5), (2, 3)):
        eta = torch.tensor(load, dtype=torch.float64, requires_grad=True)
        log_odds = torch.log_softmax(eta * torch.arange(3, dtype=torch.float64), 0)
        scores = torch.stack([torch.autograd.grad(one, eta, retain_graph=True)[0] for one in log_odds])

        def average(body, n_samples=n_samples, log_odds=log_odds, scores=scores):
            total = 0
            for faces in itertools.product(range(3), repeat=n_samples):
                f, s = pay[list(faces)], scores[list(faces)]
                chance = log_odds[list(faces)].sum().exp()
                value = body(lambda k, f=f: f[int(k) - 1], lambda k, s=s: s[int(k) - 1], f.mean(), f[0])
                total = total + chance * value
            return total

        def gradient(body, eta=eta):
            return torch.autograd.grad(body(), eta, retain_graph=True)[0]

        meaning = {
            "names": {"K": n_samples, r"\bar f": None, "f": None},
            "operators": {
                r"\mathbb{E}": (("f_", "s_", r"\bar f", "f"), average),
                r"\nabla_\phi": ((), gradient),
            },
            "ranges": {"k": (1, n_samples)},
        }
        for number in (0, 1):
            equation.agrees(number, tolerance=1e-12, what=f"K = {n_samples}", **meaning)


# --------------------------------------------------------------------------------------- narrow clouds, ripples, jumps

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(60)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


@checks(
    "eq-rep-narrow",
    kind="quadrature",
    over="exp, sine and a cubic at two mu, sigma 0.02 and 0.01: the error falls by four",
)
def test_narrow_clouds(equation):
    functions = (
        (np.exp, np.exp, np.exp),
        (np.sin, np.cos, lambda z: -np.sin(z)),
        (lambda z: z**3 - z + 2, lambda z: 3 * z**2 - 1, lambda z: 6 * z),
    )
    texts = r"\text{pathwise}", r"\text{score, best baseline}", r"\text{score}"
    for (f, first, second), mu in itertools.product(functions, (0.5, -1.3)):
        errors = []
        for sigma in (0.02, 0.01):
            z, score = mu + sigma * NODES, NODES / sigma
            best = WEIGHTS @ (f(z) * score**2) / (WEIGHTS @ score**2)
            values = first(z), (f(z) - best) * score, f(z) * score

            def spread(body, values=values):
                value = body(*values)
                return WEIGHTS @ (value - WEIGHTS @ value) ** 2

            meaning = {
                "names": {r"\mu": mu, r"\sigma": sigma},
                "functions": {"f": f, "f'": first, "f''": second},
                "operators": {r"\mathrm{Var}": (texts, spread)},
            }
            sides = [equation.sides(number, **meaning) for number in range(3)]
            errors.append([left / right - 1 for left, right in sides])
            for number in range(3):
                left, right = sides[number]
                sign = equation.statement(number).signs[0]
                equation.compare(
                    left / right, sign, 1.0, 0, 40 * sigma**2, f"{texts[number][6:-1]}, relative"
                )
        for coarse, fine in zip(*errors, strict=True):
            equation.shows(
                abs(fine) < 1e-9 or 3.5 < coarse / fine < 4.5, "half the width, a quarter of the error"
            )


@checks("eq-rep-cosine", kind="quadrature", over="k = 0.4, 0.85, 1.7 and 3")
def test_ripples(equation):
    grid, step = np.linspace(-12, 12, 4001, retstep=True)
    density = np.exp(-(grid**2) / 2) / math.sqrt(2 * math.pi) * step
    for k in (0.4, 0.85, 1.7, 3.0):
        z = torch.tensor(grid, requires_grad=True)  # mu = 0 and sigma = 1
        f = torch.cos(k * z)
        pathwise = torch.autograd.grad(f.sum(), z)[0].numpy()
        values = pathwise, f.detach().numpy() * grid

        def spread(body, values=values):
            value = body(*values)
            return density @ value**2 - (density @ value) ** 2

        operator = (r"\text{pathwise}", r"\text{score}"), spread
        for number in (0, 1):
            equation.agrees(number, names={"k": k}, operators={r"\mathrm{Var}": operator}, tolerance=1e-12)


@checks("eq-rep-step", kind="symbolic", over="all real mu, all sigma > 0; the sign at 9 pairs of them")
def test_a_step(equation):
    right, left = (
        sympy.integrate(Q.density(Z), (Z, *ends)).rewrite(sympy.erf)
        for ends in ((0, sympy.oo), (-sympy.oo, 0))
    )
    meaning = {
        "names": PARAMETERS,
        "functions": {
            "f": lambda z: 1 if z > 0 else 0,
            r"\Phi": lambda u: (1 + sympy.erf(u / sympy.sqrt(2))) / 2,
            r"\mathcal{N}": normal,
        },
        "operators": {r"\mathbb{E}_q": ("z", lambda body: right * body(1) + left * body(-1))},
    }
    equation.proves(0, **meaning)
    gradient, density, zero = equation.sides(1, **meaning)
    equation.zero(gradient - density, "the gradient")
    for mu, sigma in itertools.product((-1.2, 0.1, 0.9), (0.4, 1.0, 2.3)):
        value = density.subs({MU: mu, SIGMA: sigma})
        equation.compare(value, equation.statement(1).signs[1], zero, -1e-3, None, "the sign")


@checks("eq-rep-jump", kind="quadrature", over="a sine with jumps at two points, five mu, sigma 0.7 and 1.2")
def test_jumps(equation):
    places, heights = (-0.3, 0.5), (-0.7, 2.0)

    def f(z):
        steps = (height * np.heaviside(z - place, 0.4) for place, height in zip(places, heights, strict=True))
        return math.sin(z) + sum(steps)

    for mu, sigma in itertools.product((-1.0, -0.2, 0.3, 0.8, 1.5), (0.7, 1.2)):
        centre = mu

        def density(z, sigma=sigma):
            return math.exp(-(((z - centre) / sigma) ** 2) / 2) / (sigma * math.sqrt(2 * math.pi))  # noqa: B023

        def average(body, sigma=sigma, density=density):
            ends = mu - 10 * sigma, *places, mu + 10 * sigma  # noqa: B023
            pieces = itertools.pairwise(ends)
            return sum(
                integrate.quad(lambda z: density(z) * float(body(z)), *ends, epsabs=1e-13)[0]
                for ends in pieces
            )

        def difference(body, mu=mu, h=0.02):
            """The derivative for mu by differences of order six; it moves the law under which `average` works."""
            nonlocal centre
            total = 0
            for steps, weight in ((1, 45), (2, -9), (3, 1)):
                for side in (1, -1):
                    centre = mu + side * steps * h
                    total += side * weight * body()
            centre = mu
            return total / (60 * h)

        equation.agrees(
            tolerance=1e-8,
            functions={"f": f, "f'": math.cos, "q": density, "a_": lambda j: places[int(j) - 1]},
            operators={r"\mathbb{E}_q": ("z", average), r"\frac{\partial}{\partial\mu}": ((), difference)},
            ranges={"j": (1, 2)},
        )


# ----------------------------------------------------------------------------------------------- batches, and the KL term


@checks(
    "eq-rep-batch",
    kind="exact",
    over="random gradients of 3 data with 2 draws each, B and K of 1 to 3, all outcomes",
)
def test_variance_of_a_batch(equation):
    generator = np.random.default_rng(65)
    gradients, data, draws = (
        generator.normal(size=(3, 2)),
        generator.dirichlet(np.ones(3)),
        np.array([0.3, 0.7]),
    )
    per_datum = gradients @ draws
    of_data = data @ per_datum**2 - (data @ per_datum) ** 2
    of_draws = data @ (gradients**2 @ draws - per_datum**2)
    for batch, n_samples in ((1, 1), (2, 1), (3, 1), (1, 2), (1, 3), (2, 2)):
        one = [  # chance and mean gradient of a datum with all its draws
            (data[n] * draws[list(picks)].prod(), gradients[n, list(picks)].mean())
            for n in range(3)
            for picks in itertools.product(range(2), repeat=n_samples)
        ]
        all_of_them = [
            (math.prod(chance for chance, _ in several), sum(value for _, value in several) / batch)
            for several in itertools.product(one, repeat=batch)
        ]

        def spread(body, outcomes=all_of_them):
            first, second = (
                sum(chance * body(value) ** power for chance, value in outcomes) for power in (1, 2)
            )
            return second - first**2

        equation.agrees(
            names={"B": batch, "K": n_samples, r"V_{\text{data}}": of_data, r"V_{\text{draws}}": of_draws},
            operators={r"\mathrm{Var}": (r"\text{batch gradient}", spread)},
            tolerance=1e-12,
            what=f"B = {batch}, K = {n_samples}",
        )


@checks("eq-rep-spread", kind="symbolic", over="all real x, w, mu and beta, all sigma^2 and sigma_x > 0")
def test_the_spread_of_the_code(equation):
    spread, noise = sympy.symbols("v sigma_x", positive=True)
    beta, q = sympy.Symbol("beta", real=True), Normal(MU, spread)
    names = {"w": W, "x": X, r"\sigma^2": spread, r"\sigma_x": noise, r"\beta": beta}
    equation.proves(
        names=names | {r"\mathrm{KL}": divergence(q, Normal(0, 1))},
        functions={r"p_\theta": lambda x, z: Normal(W * z, noise**2).density(x)},
        operators={r"\mathbb{E}_q": ("z", q.average)},
    )
    slope = equation.side(1, names=names)
    equation.zero(
        slope.subs({beta: 1, spread: 1 / (1 + W**2 / noise**2)}),
        "beta = 1: zero at 1 / (1 + w^2 / sigma_x^2)",
    )
