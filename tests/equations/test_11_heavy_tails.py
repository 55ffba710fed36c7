"""The equations of chapter 11: tails and their rates, power laws, Student's t, its pull, its divergences."""

import math
from functools import partial

import numpy as np
import sympy
import torch
from scipy import integrate, optimize, special, stats

from equations.checking import Fails, checks
from equations.reading import Depends, Meaning, read
from equations.sources import sources
from equations.tokens import statements
from tests.equations.vocabulary import Normal, counted, divergence, normal, torch_of
from vae_notes.densities import normal_log_prob
from vae_notes.likelihoods import NormalLikelihood
from vae_notes.models import Decoder, Encoder
from vae_notes.multivariate_student_t import multivariate_student_t_log_prob
from vae_notes.student_t import (
    sample_log_mixing_gamma,
    sample_student_t,
    student_t_excess_kurtosis,
    student_t_log_prob,
    student_t_variance,
)
from vae_notes.student_t_divergences import kl_normal_student_t, kl_student_t_normal
from vae_notes.student_t_latent import StudentTLatentVAE
from vae_notes.student_t_likelihood import StudentTLikelihood

X, RATE, LAMBDA, NU = sympy.symbols("x r lambda nu", positive=True)
ZERO = torch.zeros(1, dtype=torch.float64)
quadrature = partial(integrate.quad, limit=500, epsabs=1e-13, epsrel=1e-11)


STEPS = np.arange(
    -5, 5.01, 1 / 20
)  # of double-exponential quadrature: exact to rounding for algebraic tails, too


def whole_line(law):
    """Points on the line and the weights of their sum as an integral; none where the law's density is 0."""
    reach = law.ppf(0.75) - law.ppf(0.25)
    points = law.median() + reach * np.sinh(np.pi / 2 * np.sinh(STEPS))
    weights = reach * np.cosh(np.pi / 2 * np.sinh(STEPS)) * np.pi / 2 * np.cosh(STEPS) / 20
    with np.errstate(over="ignore"):  # far out, where the density is 0
        kept = law.pdf(points) * weights > 1e-290
    return points[kept], weights[kept]


HALF_LINE = np.exp(np.pi / 2 * np.sinh(STEPS[10:-10]))
HALF_WEIGHTS = HALF_LINE * np.pi / 2 * np.cosh(STEPS[10:-10]) / 20


def mean_under(law):
    """E under a law of scipy, as an operator's rule."""
    points, weights = whole_line(law)
    weights = weights * law.pdf(points)
    return lambda body: float(sum(w * float(body(x)) for x, w in zip(points, weights, strict=True)))


def over_the_half_line(body, _, low, high):
    """An integral from 0 to infinity, by numbers."""
    assert (low, high) == (0, sympy.oo)
    return float(sum(w * float(body(x)) for x, w in zip(HALF_LINE, HALF_WEIGHTS, strict=True)))


def condition(equation, number, name, inside, outside, **names):
    """A condition holds for one value of its variable, and for another it does not."""
    equation.agrees(number, names={**names, name: inside}, what="the condition")
    try:
        equation.agrees(number, names={**names, name: outside})
    except Fails:
        return
    equation.fail(f"the condition holds for {outside}, too")


# ----------------------------------------------------------------------------------------------------- tails


def chance_under(density):
    """P of ``X > x`` or ``X < x``: sympy's integral of a density on x > 0."""

    def chance(event):
        point, big = sympy.Symbol("u", positive=True), sympy.Symbol("X", real=True)
        above = event.gts == big
        border = event.lts if above else event.gts
        return sympy.integrate(density(point), (point, border, sympy.oo) if above else (point, 0, border))

    return chance


def far_limit(body):
    """Of a function with a limit, which then is its lim inf and lim sup."""
    return sympy.limit(sympy.expand_log(sympy.simplify(body(X))), X, sympy.oo)


def exponential(u, rate=RATE):
    return rate * sympy.exp(-rate * u)


def lomax(u):  # with the tail (1 + x)^-2
    return 2 / (1 + u) ** 3


@checks(
    "eq-tail-definition",
    kind="symbolic",
    over="a power law, every lambda > 0; an exponential passes for some only",
)
def test_what_heavy_means(equation):
    def ratio(density, rate):
        values = equation.sides(
            0,
            names={r"\lambda": rate},
            functions={"P": chance_under(density)},
            operators={r"\limsup_{x\to\infty}": ("x", far_limit)},
        )
        return values[0] == values[1]

    border = equation.side(1, 1)
    for rate in (LAMBDA + border, border + sympy.Rational(1, 100)):
        equation.shows(ratio(lomax, rate), "a power law outlasts every exponential")
    for rate in (border, border - 1):
        equation.shows(not ratio(lomax, rate), "for lambda <= 0 even a power law does not")
    condition(equation, 1, r"\lambda", 0.01, -0.01)
    for factor, passes in ((2, True), (1, False), (sympy.Rational(1, 2), False)):
        equation.shows(
            ratio(exponential, factor * RATE) == passes, "an exponential passes for large lambda only"
        )


@checks("eq-tail-exponential", kind="symbolic", over="all positive rates, lambda and x")
def test_ratio_of_an_exponential(equation):
    functions = {"P": chance_under(exponential)}
    equation.proves(names={"r": RATE, r"\lambda": LAMBDA, "x": X}, functions=functions)


@checks(
    "eq-tail-rate",
    kind="symbolic",
    over="exponential, gamma, half-normal kernel, power law, Weibull with shape 1/2",
)
def test_decay_rate(equation):
    cases = {
        exponential: RATE,  # up to here e^(lambda x) has a finite mean
        lambda u: RATE**2 * u * sympy.exp(-RATE * u): RATE,
        lambda u: u * sympy.exp(-(u**2) / 2): sympy.oo,
        lomax: 0,
        lambda u: sympy.exp(-sympy.sqrt(u)) / (2 * sympy.sqrt(u)): 0,
    }
    for density, rate in cases.items():
        left, right = equation.sides(
            names={"r": rate},
            functions={"P": chance_under(density)},
            operators={r"\liminf_{x\to\infty}": ("x", far_limit)},
        )
        equation.shows(left == right, f"the rate is {rate}")


@checks(
    "eq-tail-markov", kind="quadrature", over="normal, Gumbel and logistic laws, x from -3 to 6; two points"
)
def test_exponential_moment_bounds_the_tail(equation):
    def sides(law, average, rate, x):
        def chance(event):
            border = float(event.lts if event.gts == sympy.Symbol("X", real=True) else event.gts)
            return law.sf(border) if event.gts == sympy.Symbol("X", real=True) else law.cdf(border)

        given = {
            "names": {r"\lambda": rate, "x": x},
            "functions": {"P": chance},
            "operators": {r"\mathbb{E}": ("X", average)},
        }
        equation.agrees(**given)
        return equation.sides(**given)

    for law in (stats.norm(0.4, 1.3), stats.gumbel_r(0.2, 0.8), stats.logistic(-0.5, 0.6)):
        for rate in (0.3, 1.1):
            for x in (-3.0, -0.6, 0.4, 2.0, 6.0):
                sides(law, mean_under(law), rate, x)
    points, weights = np.array([-40.0, 2.0]), np.array([0.8, 0.2])
    two = stats.rv_discrete(values=([0, 1], weights))
    law = type("Two", (), {"sf": lambda _, x: weights[points > x].sum(), "cdf": lambda _, x: two.cdf(x)})()
    left, right = sides(
        law, lambda body: float(sum(w * body(v) for w, v in zip(weights, points, strict=True))), 0.9, 1.9999
    )
    equation.equal(right, left, 1e-4, "nearly tight")


@checks(
    "eq-tail-slope",
    kind="symbolic",
    over="exponential, gamma, logistic, half-normal kernel, power law, Weibull 1/2",
)
def test_slope_of_the_log_density(equation):
    kernels = [
        exponential,
        lambda u: u * sympy.exp(-RATE * u),
        lambda u: sympy.exp(-RATE * u) / (1 + sympy.exp(-RATE * u)) ** 2,
        lambda u: u * sympy.exp(-(u**2) / 2),
        lomax,
        lambda u: sympy.exp(-sympy.sqrt(u)) / sympy.sqrt(u),
    ]
    for kernel in kernels:
        tail = chance_under(kernel)(sympy.Symbol("X", real=True) > X)
        rate = far_limit(lambda _, tail=tail: -sympy.log(tail) / X)
        left, right = equation.sides(names={"r": rate}, functions={"p": kernel})
        equation.shows(sympy.simplify(left) == sympy.simplify(right), f"the rate of the tail is {rate}")


# ------------------------------------------------------------------------------------------------ power laws

INDEX, START, GAP, MORE = sympy.symbols("a x_0 d y", positive=True)
POWER = {r"\alpha": -1 - INDEX, "x_0": START}  # alpha < -1 for every a > 0


def constant():
    """What makes x^alpha on x > x_0 a density."""
    u = sympy.Symbol("u", positive=True)
    return 1 / sympy.integrate(u ** POWER[r"\alpha"], (u, START, sympy.oo))


@checks("eq-tail-power", kind="symbolic", over="all alpha < -1, all x_0 > 0 and x > x_0")
def test_power_law(equation):
    def density(u):
        return constant() * u ** POWER[r"\alpha"]

    names = POWER | {"C": constant(), "x": START + MORE}
    for number in (0, 1):
        equation.proves(number, names=names, functions={"P": chance_under(density)})


@checks(
    "eq-tail-power-moments",
    kind="symbolic",
    over="all alpha < -1 and x_0 > 0, all m below the border; infinite there",
)
def test_moments_of_a_power_law(equation):
    u = sympy.Symbol("u", positive=True)

    def average(body):
        inside = sympy.powsimp(sympy.expand(body(u) * constant() * u ** POWER[r"\alpha"]))
        return sympy.integrate(inside, (u, START, sympy.oo))

    border = equation.side(1, 1, names=POWER)
    given = {"functions": {}, "operators": {r"\mathbb{E}": ("X", average)}}
    equation.proves(0, names=POWER | {"m": border - GAP}, **given)
    for beyond in (border, border + 1):
        value = equation.side(0, 0, names=POWER | {"m": beyond}, **given)
        equation.shows(value == sympy.oo, "infinite from the border on")
    condition(equation, 1, "m", 1.49, 1.51, **{r"\alpha": -2.5})


@checks("eq-tail-truncated", kind="quadrature", over="alpha = -2.3, -0.4, 1.7 and 3 on three intervals")
def test_power_law_on_an_interval(equation):
    for exponent in (-2.3, -0.4, 1.7, 3.0):
        for low, high in ((0.5, 2.2), (1.0, 9.0), (3.0, 3.4)):
            names = {r"\alpha": exponent, "x_0": low, "x_1": high}
            mass = quadrature(lambda v, exponent=exponent: v**exponent, low, high)[0]
            equation.agrees(names=names | {"C": 1 / mass})


# ----------------------------------------------------------------------------------------------- Student's t


def package_density(x, df):
    return student_t_log_prob(torch_of([float(x)]), ZERO, ZERO, df).exp().item()


@checks(
    "eq-tail-student",
    kind="quadrature",
    over="nu = 0.7, 1, 3.4 and 30 at five x: our density, scipy's, and the mass",
)
def test_student_density(equation):
    for df in (0.7, 1.0, 3.4, 30.0):
        for x in (-3.1, -0.4, 0.0, 1.2, 25.0):
            for density in (package_density, stats.t.pdf):
                functions = {r"t_\nu": lambda x, density=density, df=df: density(float(x), df)}
                equation.agrees(names={r"\nu": df, "x": x}, functions=functions, tolerance=1e-12)
    for df in (1.0, 3.4):
        mass = (
            2 * quadrature(lambda x, df=df: float(equation.side(1, names={r"\nu": df, "x": x})), 0, np.inf)[0]
        )
        equation.equal(mass, 1, 1e-9, "its integral")


@checks(
    "eq-tail-moments",
    kind="quadrature",
    over="nu = 4.8, 7.3 and 12 with random mu and s; our functions; the borders",
)
def test_student_moments(equation):
    for df, mu, scale in ((4.8, 0.7, 1.6), (7.3, -2.0, 0.4), (12.0, 1.1, 2.3)):
        mean = mean_under(stats.t(df, mu, scale))

        def variance_of(body, mean=mean):
            centre = mean(body)
            return mean(lambda v: (body(v) - centre) ** 2)

        rules = {r"\mathbb{E}": ("X", mean), r"\mathrm{Var}": ("X", variance_of)}
        for number in (0, 1):
            equation.agrees(
                number, names={r"\nu": df, r"\mu": mu, "s": scale}, operators=rules, tolerance=1e-8
            )
        variance = student_t_variance(torch_of([math.log(scale)]), df)
        equation.equal(
            equation.side(1, 0, names={r"\nu": df, "s": scale}), variance, 1e-9, "the package's variance"
        )
        kurtosis = student_t_excess_kurtosis(torch_of([df]))
        equation.equal(
            equation.side(1, 1, names={r"\nu": df}), kurtosis, 1e-9, "the package's excess kurtosis"
        )
    for number, power, border in ((0, 2, 2), (1, 4, 4)):  # the right sides have their poles where moments end
        equation.shows(
            abs(equation.side(1, number, names={r"\nu": border + 1e-9, "s": 1.0})) > 1e8, f"pole at {border}"
        )
        grown = quadrature(lambda v, p=power, b=border: v**p * stats.t.pdf(v, b), 1e3, 1e4)[0]
        equation.shows(grown > 0.9, f"at nu = {border} the integral up to R grows like log R")


@checks(
    "eq-tail-limit",
    kind="exact",
    over="five x at nu = 2000 and 4000: the remainder over its order stays the same",
)
def test_towards_the_normal(equation):
    for x in (-2.7, -0.6, 0.3, 1.1, 4.0):
        shares = []
        for df in (2000.0, 4000.0):
            orders = []

            def order(size, orders=orders):
                orders.append(size)
                return 0.0

            left, right = equation.sides(
                names={r"\nu": df, "x": x},
                functions={
                    r"t_\nu": lambda x, df=df: package_density(x, df),
                    r"\mathcal{N}": lambda *law: float(normal(*law)),
                    "O": order,
                },
            )
            shares.append((left - right) / orders[-1])
        equation.equal(shares[1] / shares[0], 1, 0.02, "the remainder over its order, nu doubled")


def mixing(df):
    """The law of the precision g."""
    return stats.gamma(df / 2, scale=2 / df)


@checks(
    "eq-tail-mixture", kind="quadrature", over="nu = 0.7, 3 and 12.5 at four x, against scipy's t and ours"
)
def test_mixture_of_normals(equation):
    for df in (0.7, 3.0, 12.5):
        for x in (-4.0, 0.0, 0.9, 2.5):
            for density in (package_density, stats.t.pdf):
                equation.agrees(
                    names={r"\nu": df, "x": x},
                    functions={
                        r"t_\nu": lambda x, density=density, df=df: density(float(x), df),
                        r"\mathcal{N}": lambda x, mean, v: stats.norm.pdf(x, float(mean), math.sqrt(v)),
                        r"\mathrm{Gamma}": lambda g, shape, rate: stats.gamma.pdf(g, shape, scale=1 / rate),
                    },
                    integral=over_the_half_line,
                    tolerance=1e-8,
                )


@checks(
    "eq-tail-sample",
    kind="quadrature",
    over="the package's draws; 1000^2 pairs of equal probability against scipy's t",
)
def test_sampler(equation):
    df, mu, scale, count = 3.4, 0.7, 1.8, 1000
    shape, log_scale = (9, 1), torch_of([math.log(scale)])
    drawn = sample_student_t(
        torch_of([mu]), log_scale, df, n_samples=9, generator=torch.Generator().manual_seed(3)
    )
    generator = torch.Generator().manual_seed(3)
    g = sample_log_mixing_gamma(torch_of([df]), shape, generator).exp()
    epsilon = torch.randn(shape, generator=generator, dtype=torch.float64)
    drawn, g, epsilon = (one[:, 0].numpy() for one in (drawn, g, epsilon))
    names = {r"\mu": mu, "s": scale, r"\varepsilon": epsilon, "g": g, "x": drawn}
    equation.agrees(0, names=names, tolerance=1e-12, what="the package's draws")
    law = equation.side(1, 1, functions={r"\mathcal{N}": normal})
    equation.equal(
        equation.side(0, 1, names={r"\varepsilon": 0.3}), 0.3, what="it is epsilon that has this law"
    )
    levels = (np.arange(count) + 0.5) / count
    noise = stats.norm.ppf(levels, float(law.mean), math.sqrt(law.variance))
    pairs = [one.ravel() for one in np.meshgrid(noise, mixing(df).ppf(levels))]
    x = equation.side(1, 0, names=names | {r"\varepsilon": pairs[0], "g": pairs[1]})
    for border in (-2.0, 0.5, 1.4, 6.0):
        equation.equal(
            np.mean(x <= border), stats.t.cdf(border, df, mu, scale), 2e-4, "the distribution function"
        )


def expected_precision(x, df):
    """E[g | x] by Bayes' rule, with two integrals."""

    joint = HALF_WEIGHTS * stats.norm.pdf(x, 0, HALF_LINE**-0.5) * mixing(df).pdf(HALF_LINE)
    return joint @ HALF_LINE / joint.sum()


def student_pull(x, df):
    """Minus the slope of the log density, by autograd."""
    x = torch_of([x], grad=True)
    return -torch.autograd.grad(student_t_log_prob(x, ZERO, ZERO, df), x)[0].item()


@checks(
    "eq-tail-weight",
    kind="quadrature",
    over="nu = 1.3, 3 and 12 at four x: Bayes' rule, and our density's slope over x",
)
def test_weight_of_a_datum(equation):
    for df in (1.3, 3.0, 12.0):
        for x in (-4.0, -0.6, 1.5, 3.1):
            functions = {
                "w": lambda x, df=df: student_pull(x, df) / x,
                r"\mathbb{E}": lambda g, x, df=df: {"g": expected_precision}[str(g)](x, df),
            }
            equation.agrees(names={r"\nu": df, "x": x}, functions=functions, tolerance=1e-8)


@checks(
    "eq-tail-pull",
    kind="autograd",
    over="slopes of our log densities, three sigma and nu at four x; w by Bayes' rule",
)
def test_pulls(equation):
    for spread, df in ((0.6, 1.3), (1.7, 3.0), (2.4, 12.0)):
        for x in (-4.0, -0.6, 1.5, 3.1):
            point = torch_of([x], grad=True)
            log_density = normal_log_prob(point, ZERO, torch_of([2 * math.log(spread)]))
            pull = -torch.autograd.grad(log_density, point)[0].item()
            names = {"x": x, r"\sigma": spread, r"\nu": df, r"\text{normal:}": 1, r"\text{Student:}": 1}
            equation.equal(equation.side(0, 0, names=names), pull, 1e-12, "the normal")
            weight = {"w": lambda x, df=df: expected_precision(x, df)}
            equation.agrees(1, names=names, functions=weight, tolerance=1e-8)
            equation.equal(equation.side(0, 1, names=names), student_pull(x, df), 1e-12, "Student's t")


@checks("eq-tail-largest-pull", kind="symbolic", over="all nu > 0: the stationary points by sympy")
def test_largest_pull(equation):
    def largest(body):
        stationary = sympy.solve(sympy.numer(sympy.together(sympy.diff(body(X), X))), X)
        assert len(stationary) == 1  # and the pull is 0 at 0 and far out
        return body(stationary[0])

    equation.proves(names={r"\nu": NU}, operators={r"\max_x": ("x", largest)})
    best = optimize.minimize_scalar(lambda x: -student_pull(x, 3.7), bounds=(0, 50), method="bounded")
    equation.equal(equation.side(1, names={r"\nu": 3.7}), -best.fun, 1e-8, "a numerical maximum at nu = 3.7")


@checks(
    "eq-tail-em", kind="exact", over="the largest likelihood of 12 points with outliers, nu = 1.5, 3 and 8"
)
def test_weighted_mean(equation):
    points = np.append(np.random.default_rng(1).normal(0.6, 1.0, size=10), [9.0, -14.0])
    for df in (1.5, 3.0, 8.0):

        def score(centre, df=df):
            return sum(student_pull(x - centre, df) for x in points)

        centre = optimize.brentq(score, -0.5, 1.5, xtol=1e-13)
        functions = {"w": lambda x, df=df: student_pull(x, df) / x, "x_": counted(points)}
        equation.agrees(names={r"\mu": centre}, functions=functions, ranges={"n": (1, 12)}, tolerance=1e-10)


# ----------------------------------------------------------------------------------------------- divergences


def entropy(law):
    points, weights = whole_line(law)
    return float(np.sum(-weights * law.pdf(points) * law.logpdf(points)))


def kl(q, p):
    """KL of two laws of scipy, by integrating its definition."""
    points, weights = whole_line(q)
    return float(np.sum(weights * q.pdf(points) * (q.logpdf(points) - p.logpdf(points))))


def scipy_normal(mean, variance):
    return stats.norm(float(mean), math.sqrt(variance))


LAWS = {r"\mathrm{KL}": kl, r"\mathcal{N}": scipy_normal, r"\mathrm{H}": entropy}


@checks("eq-tail-entropy", kind="quadrature", over="nu = 0.8, 1, 2.5, 7 and 40")
def test_entropy_of_a_t(equation):
    for df in (0.8, 1.0, 2.5, 7.0, 40.0):
        special_functions = {r"\psi": special.digamma, "B": lambda a, b: special.beta(a, float(b))}
        equation.agrees(
            names={r"\nu": df, r"t_\nu": stats.t(df)}, functions=LAWS | special_functions, tolerance=1e-8
        )


@checks(
    "eq-tail-kl-forward",
    kind="quadrature",
    over="nu = 2.3, 3, 5.5 and 30, and ours; at nu = 2 it grows without end",
)
def test_from_a_t_to_a_normal(equation):
    for df in (2.3, 3.0, 5.5, 30.0):
        given = {"names": {r"\nu": df, r"t_\nu": stats.t(df)}, "functions": LAWS}
        equation.agrees(0, **given, tolerance=1e-7)
        ours = kl_student_t_normal(ZERO, ZERO, df, ZERO, ZERO)
        equation.equal(equation.side(1, 0, **given), ours, 1e-7, "the package's divergence")
    condition(equation, 1, r"\nu", 2.01, 1.99)
    border = float(equation.side(1, 1))
    t, to = stats.t(border), stats.norm()
    grown = quadrature(lambda v: 2 * t.pdf(v) * (t.logpdf(v) - to.logpdf(v)), 1e3, 1e4)[0]
    equation.shows(grown > 2, "at the border the integral up to R grows like log R")


@checks("eq-tail-kl-reverse", kind="quadrature", over="nu = 0.7, 1, 3 and 30, and the package's divergence")
def test_from_a_normal_to_a_t(equation):
    for df in (0.7, 1.0, 3.0, 30.0):
        given = {
            "names": {r"\nu": df, r"t_\nu": stats.t(df), r"c_\nu": stats.t.pdf(0, df)},
            "functions": LAWS,
            "operators": {r"\mathbb{E}": (r"\varepsilon", mean_under(stats.norm()))},
        }
        equation.agrees(**given, tolerance=1e-8)
        ours = kl_normal_student_t(ZERO, ZERO, ZERO, ZERO, df)
        equation.equal(equation.side(1, **given), ours, 1e-8, "the package's divergence")


@checks("eq-tail-frullani", kind="quadrature", over="nu = 0.5, 1, 3.3 and 30")
def test_one_smooth_integral(equation):
    for df in (0.5, 1.0, 3.3, 30.0):
        equation.agrees(
            names={r"\nu": df},
            operators={r"\mathbb{E}": (r"\varepsilon", mean_under(stats.norm()))},
            integral=over_the_half_line,
            tolerance=1e-7,
        )


# ------------------------------------------------------------------------------------------- more dimensions


@checks(
    "eq-tail-multivariate",
    kind="exact",
    over="random points in 1 to 4 dimensions, against scipy's density and ours",
)
def test_multivariate_density(equation):
    rng = np.random.default_rng(2)
    for dimension, df in ((1, 0.8), (2, 1.5), (3, 4.2), (4, 9.0)):
        factor = np.tril(rng.normal(size=(dimension, dimension)), -1) + np.diag(
            rng.uniform(0.5, 2.0, dimension)
        )
        mu, x = rng.normal(size=(2, dimension))
        theirs = stats.multivariate_t(mu, factor @ factor.T, df).pdf

        law = torch_of(mu), torch_of(factor), df

        def ours(x, law=law):
            return multivariate_student_t_log_prob(torch_of(x), *law).exp().item()

        for density in (theirs, ours):
            equation.agrees(
                names={r"\nu": df, "D": dimension, "L": factor, "x": x, r"\mu": mu},
                functions={r"t_\nu": density, r"\Vert": np.linalg.norm},
                tolerance=1e-10,
            )


@checks(
    "eq-tail-squares",
    kind="quadrature",
    over="nu = 4.6, 7 and 20, over one shared g and normal noise; the border",
)
def test_correlation_of_squares(equation):
    nodes, weights = np.polynomial.hermite_e.hermegauss(6)
    first, second = np.meshgrid(nodes, nodes)
    weights = np.outer(weights, weights) / weights.sum() ** 2
    symbols = sympy.symbols("x_1 x_2", real=True)

    def correlation(df):
        def mean(expression):
            values = sympy.lambdify(symbols, expression)

            spread = HALF_LINE[:, None, None] ** -0.5
            inner = np.sum(weights * values(first * spread, second * spread), axis=(1, 2))
            return float(np.sum(HALF_WEIGHTS * mixing(df).pdf(HALF_LINE) * inner))

        def rule(a, b):
            of_a, of_b = mean(a), mean(b)
            return (mean(a * b) - of_a * of_b) / math.sqrt((mean(a**2) - of_a**2) * (mean(b**2) - of_b**2))

        return rule

    for df in (4.6, 7.0, 20.0):
        names = {r"\nu": df, "x_1": symbols[0], "x_2": symbols[1]}
        equation.agrees(0, names=names, functions={r"\mathrm{Corr}": correlation(df)}, tolerance=1e-6)
    condition(equation, 1, r"\nu", 4.01, 3.99)
    border = mixing(float(equation.side(1, 1)))
    grown = quadrature(lambda g: border.pdf(g) / g**2, 1e-8, 1e-4)[0]
    equation.shows(grown > 1, "at the border E[1 / g^2], and with it the variance of a square, is infinite")


# ---------------------------------------------------------------------------------------------------- models


@checks(
    "eq-tail-likelihood",
    kind="exact",
    over="the package's likelihood: random images of 5 pixels, three nu and s",
)
def test_likelihood(equation):
    rng = np.random.default_rng(3)
    for df, scale in ((1.4, 0.3), (3.0, 1.7), (11.0, 0.8)):
        x, output = rng.normal(size=(2, 5))
        likelihood = StudentTLikelihood(df=df, scale=scale).double()
        exact = {r"\nu": likelihood.df, "s": likelihood.scale}
        said = likelihood.log_prob(torch_of(x), torch_of(output)).item()
        equation.agrees(
            names=exact | {r"\log p_\theta(x\mid z)": said, "D": 5, "f_j(z)": Depends(counted(output), "j")},
            functions={"x_": counted(x), r"t_\nu": lambda v, df=likelihood.df: stats.t.pdf(v, df)},
            tolerance=1e-9,
        )


@checks(
    "eq-tail-lipschitz",
    kind="exact",
    over="normal mass on a grid in two dimensions: 8 random ReLU networks; tight for a cone",
)
def test_lipschitz_maps_keep_the_tail(equation):
    rng = np.random.default_rng(4)
    axis = np.linspace(-6, 6, 121)
    z = np.stack([one.ravel() for one in np.meshgrid(axis, axis)])
    mass = stats.norm.pdf(z).prod(0)
    mass /= mass.sum()

    def given(g, steepest, x):
        return {
            "names": {"z": z, "x": x, r"\Lambda": steepest},
            "functions": {"g": g, r"\Vert": lambda v: np.linalg.norm(v, axis=0)},
            "operators": {"P": ((), lambda event: float(mass @ event()))},
        }

    def network():
        inner, outer, bias, shift = (
            rng.normal(size=(6, 2)),
            rng.normal(size=6),
            rng.normal(size=6),
            rng.normal(),
        )

        def g(v):
            v = v if isinstance(v, np.ndarray) else np.full((2, 1), float(v))
            found = outer @ np.maximum(inner @ v + bias[:, None], 0) + shift
            return found if found.size > 1 else float(found[0])

        return g, np.linalg.norm(inner, 2) * np.linalg.norm(outer)

    for _ in range(8):
        g, steepest = network()
        for x in (0.5, 2.0, 7.0, 20.0):
            equation.agrees(**given(g, steepest, x), tolerance=1e-12)
    for x in (1.0, 2.1, 4.3):  # a cone climbs as fast as it may in every direction: both events are the same
        cone = given(
            lambda v: 0.4 + 1.3 * (np.linalg.norm(v, axis=0) if isinstance(v, np.ndarray) else float(v)),
            1.3,
            x,
        )
        equation.equal(*equation.sides(**cone), 1e-12, "tight")


@checks(
    "eq-tail-mc-kl",
    kind="quadrature",
    over="the mean over q, normal and t, is the divergence; our loss with its own draw",
)
def test_divergence_by_a_draw(equation):
    datum, scale, df = 1.4, 0.6, 2.5
    prior, loc = stats.t(df), 0.5 * datum
    ours = kl_normal_student_t(torch_of([loc]), torch_of([2 * math.log(scale)]), ZERO, ZERO, df).item()
    cases = ((stats.norm, ours), (partial(stats.t, 4.0), kl(stats.t(4.0, loc, scale), prior)))
    for family, exact in cases:
        functions = {r"q_\phi": lambda z, x, family=family: family(0.5 * x, scale).pdf(z), "p": prior.pdf}
        mean = 0.0
        for z, weight in zip(*whole_line(family(loc, scale)), strict=True):
            given = {"names": {"z": z, "x": datum}, "functions": functions}
            draw, density = equation.sides(1, **given)  # the draw's density is the second statement's
            mean += weight * density * equation.side(1, 0, **given)
        equation.equal(draw, z, 0, "what is drawn is z")
        left = equation.side(0, 0, names={r"\mathrm{KL}": exact})
        equation.equal(mean, left, 1e-9, "the mean of the estimate")
    torch.manual_seed(0)
    model = StudentTLatentVAE(Encoder(2, 8, 1), Decoder(1, 8, 2), NormalLikelihood(), prior_df=df).double()
    x = torch_of([[0.3, -1.2]])
    said = model.loss(x, torch.Generator().manual_seed(5))["kl"].item()
    centre, log_variance = (one.item() for one in model.encode(x))
    spread = math.exp(log_variance / 2)
    z = (
        centre
        + spread * torch.randn((1, 1), generator=torch.Generator().manual_seed(5), dtype=torch.float64).item()
    )
    functions = {r"q_\phi": lambda z, x: stats.norm.pdf(z, centre, spread), "p": prior.pdf}
    equation.equal(
        equation.side(1, 0, names={"z": z, "x": x}, functions=functions), said, 1e-9, "the package's estimate"
    )


# ------------------------------------------------------------------------------------ gamma-power divergence


def power_of(df):
    return -2 / (df + 1)


@checks("eq-tail-undo", kind="exact", over="nu = 0.7, 3 and 12.5 at four x, with scipy's density")
def test_a_power_undoes_a_power(equation):
    for df in (0.7, 3.0, 12.5):
        for x in (-4.0, -0.3, 1.2, 30.0):
            names = {r"\nu": df, r"\gamma": power_of(df), "x": x, r"c_\nu": stats.t.pdf(0, df)}
            functions = {r"t_\nu": lambda x, df=df: stats.t.pdf(x, df)}
            equation.agrees(names=names, functions=functions, tolerance=1e-11)


@checks(
    "eq-tail-gamma",
    kind="autograd",
    over="random laws on 6 points: the tangent of torch's norm of order 1 + gamma, at p",
)
def test_gamma_divergence(equation):
    rng = np.random.default_rng(5)
    for gamma in (-0.8, -0.5, -0.15):
        q, p = rng.dirichlet([1.0] * 6, size=2)

        def norm(law, gamma=gamma):
            return torch.linalg.vector_norm(law, 1 + gamma)

        at_p = torch_of(p, grad=True)
        tangent = torch.autograd.grad(norm(at_p), at_p)[0]  # of a concave function of degree 1
        exact = float(tangent @ torch_of(q) - norm(torch_of(q)))
        norms = {rf"\lVert {name}\rVert": norm(torch_of(law)).item() for name, law in (("q", q), ("p", p))}
        given = {
            "names": norms | {r"\gamma": gamma, r"\mathrm{D}_\gamma(q\,\Vert\,p)": exact},
            "functions": {"q": lambda i, q=q: q[i], "p": lambda i, p=p: p[i]},
            "integral": lambda body, *_: sum(body(i) for i in range(6)),
        }
        for number in (0, 1):
            equation.agrees(number, **given, tolerance=1e-12)
        equation.shows(equation.side(1, 0, **given) > 1e-4, "positive for two laws")
        same = given | {"functions": {"q": given["functions"]["q"], "p": given["functions"]["q"]}}
        same["names"] = {**given["names"], r"\lVert p\rVert": norms[r"\lVert q\rVert"]}
        equation.equal(equation.side(1, 0, **same), 0, 1e-12, "zero for q = p")


def gamma_by_quadrature(df, mu, scale):
    """The gamma-power divergence from a t with a centre and a scale to the standard one, by integrals."""
    q, p, gamma = stats.t(df, mu, scale), stats.t(df), power_of(df)
    points, weights = whole_line(q)
    norm_q, norm_p = (np.sum(weights * law.pdf(points) ** (1 + gamma)) ** (1 / (1 + gamma)) for law in (q, p))
    return float(np.sum(weights * q.pdf(points) * (p.pdf(points) / norm_p) ** gamma) - norm_q)


@checks(
    "eq-tail-gamma-closed",
    kind="quadrature",
    over="nu = 2.6, 5 and 9.5 with three random mu and s; kappa as an average",
)
def test_gamma_divergence_of_two_t(equation):
    for df, mu, scale in ((2.6, 0.4, 1.3), (5.0, -1.1, 0.6), (9.5, 2.0, 1.9)):
        names = {r"\nu": df, r"\mu": mu, "s": scale, r"\gamma": power_of(df), r"c_\nu": stats.t.pdf(0, df)}
        names[r"\kappa"] = mean_under(stats.t(df))(lambda v, df=df: 1 + v * v / df)
        equation.agrees(1, names=names, tolerance=1e-6, what="kappa = E[1 + x^2 / nu]")
        names[r"\kappa"] = equation.side(1, 1, names=names)
        names["A"] = equation.side(1, 2, names=names)
        equation.agrees(2, names=names, what="A as it is displayed")
        names[r"\mathrm{D}_\gamma"] = gamma_by_quadrature(df, mu, scale)
        equation.agrees(0, names=names, tolerance=1e-6)


@checks(
    "eq-tail-gamma-limit",
    kind="symbolic",
    over="the bracket as it is displayed before: all real mu, all s > 0",
)
def test_gamma_divergence_of_wide_t(equation):
    mu, scale = sympy.Symbol("mu", real=True), sympy.Symbol("s", positive=True)
    names = {r"\nu": NU, r"\mu": mu, "s": scale}
    before = statements(sources()["eq-tail-gamma-closed"].latex)
    kappa = read(before[1].sides[1], Meaning(names))
    bracket = read(before[0].sides[1], Meaning(names | {r"\kappa": kappa, "A": 1}))
    limit = sympy.limit(equation.side(0, names=names | {r"\Big(\cdots\Big)": bracket}), NU, sympy.oo)
    exact = divergence(Normal(mu, scale**2), Normal(0, 1))
    for value, what in ((limit, "the limit"), (exact, "the divergence of two normals by integration")):
        equation.zero(equation.side(1, names=names) - value, what)
