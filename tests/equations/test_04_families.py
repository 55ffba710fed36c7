"""The equations of the second half of chapter 04: paths for full covariances, layers and other families."""

import itertools

import numpy as np
import sympy
import torch
from scipy import optimize, stats

from equations.checking import checks
from tests.equations.vocabulary import MU, SIGMA, Normal, Z, average_over_noise, normal

EPS = sympy.Symbol("epsilon", real=True)
PARAMETERS = {r"\mu": MU, r"\sigma": SIGMA}

NOISE = sympy.Matrix(sympy.symbols("e_1:3", real=True))
FACTOR = sympy.Matrix(2, 2, sympy.symbols("l_11 l_12 l_21 l_22", real=True))


@checks("eq-rep-covariance", kind="symbolic", over="all real 2 x 2 matrices L and all means")
def test_covariance(equation):
    mean = sympy.Matrix(sympy.symbols("m_1 m_2", real=True))
    z = mean + FACTOR * NOISE

    def covariance(body):
        value = body(z)
        centred = value - average_over_noise(value, *NOISE)
        return average_over_noise(centred * centred.T, *NOISE)

    equation.proves(
        names={"L": FACTOR},
        operators={
            r"\mathrm{Cov}": ("z", covariance),
            r"\mathbb{E}": (r"\varepsilon", lambda body: average_over_noise(body(NOISE), *NOISE)),
        },
    )


@checks("eq-rep-cholesky-gradient", kind="symbolic", over="all real 2 x 2 matrices L, all symmetric A")
def test_gradient_for_a_factor(equation):
    a, b, c = sympy.symbols("a b c", real=True)

    def gradient(body):
        value = body()[0]
        return FACTOR.applyfunc(lambda entry: sympy.diff(value, entry))

    def average(body):
        return average_over_noise(body(FACTOR * NOISE, NOISE), *NOISE)

    equation.proves(
        names={"L": FACTOR, "A": sympy.Matrix([[a, b], [b, c]])},
        operators={r"\nabla_L": ((), gradient), r"\mathbb{E}": (("z", r"\varepsilon"), average)},
    )


# ------------------------------------------------------------------------------------------------ local reparameterisation


@checks(
    "eq-rep-local",
    kind="symbolic",
    over="two weights, all real means and inputs, all scales > 0: moments 1 to 4",
)
def test_local_reparameterisation(equation):
    means = sympy.symbols("m_1:3", real=True)
    inputs = sympy.symbols("x_1:3", real=True), (2, -1)  # of two data, of which the first is looked at
    scales, noises = sympy.symbols("s_1:3", positive=True), sympy.symbols("e_1:3", real=True)
    by_weights = sum((m + s * e) * x for m, s, e, x in zip(means, scales, noises, inputs[0], strict=True))
    meaning = {
        "names": {"n": 1},
        "functions": {
            "m_": lambda j: means[int(j) - 1],
            "s_": lambda j: scales[int(j) - 1],
            "x_": lambda n, j: inputs[int(n) - 1][int(j) - 1],
            "y_": lambda n: (by_weights, None)[int(n) - 1],
            r"\delta_": lambda n: (EPS, None)[int(n) - 1],
        },
        "ranges": {"j": (1, 2)},
    }
    drawn, local = equation.sides(0, **meaning)
    equation.zero(equation.side(0, 1, **meaning) - EPS, "whose law is stated")
    noise = equation.side(1, 1, functions={r"\mathcal{N}": normal})
    for power in range(1, 5):
        by_output = noise.average(lambda point, power=power: local.subs(EPS, point) ** power)
        equation.zero(by_output - average_over_noise(drawn**power, *noises), f"moment {power}")


S, M = sympy.Symbol("s", positive=True), sympy.Symbol("m", real=True)


def variance(value, noises):
    return average_over_noise(value**2, *noises) - average_over_noise(value, *noises) ** 2


@checks("eq-rep-local-variance", kind="symbolic", over="all real m, all s > 0, N = 2, 3 and 5")
def test_variance_of_shared_and_of_local_noise(equation):
    for size in (2, 3, 5):
        noises = sympy.symbols(f"e_1:{size + 1}", real=True)
        shared, local = ([M + S * noise for noise in some] for some in ([noises[0]] * size, noises))
        texts = r"\text{shared }W", r"\text{local}"
        gradients = [sympy.diff(sum(y**2 for y in outputs) / (2 * size), M) for outputs in (shared, local)]
        operator = texts, lambda body, gradients=gradients, noises=noises: variance(body(*gradients), noises)
        for number in (0, 1):
            equation.proves(
                number,
                names={"s": S, "N": size} | dict.fromkeys(texts),
                operators={r"\mathrm{Var}": operator},
                what=f"N = {size}",
            )


@checks("eq-rep-local-weights", kind="symbolic", over="all s > 0, D = 2, 3 and 5")
def test_variance_for_one_of_many_weights(equation):
    for size in (2, 3, 5):
        noises, scales = (
            sympy.symbols(f"e_1:{size + 1}", real=True),
            sympy.symbols(f"s_1:{size + 1}", positive=True),
        )
        outputs = (
            sum(s * e for s, e in zip(scales, noises, strict=True)),
            sympy.sqrt(sum(s**2 for s in scales)) * noises[0],
        )
        for number, output in enumerate(outputs):
            same = dict.fromkeys(scales, S)
            gradient = sympy.diff(output**2 / 2, scales[0]).subs(same)

            def rule(body, gradient=gradient, noises=noises):
                value = body()
                equation.zero(value - gradient, "in the bracket stands the gradient for s_1")
                return variance(sympy.simplify(value), noises)

            names = {
                "s": S,
                "D": size,
                "y": output.subs(same),
                r"\varepsilon_1": noises[0],
                r"\delta": noises[0],
            }
            equation.proves(number, names=names, operators={r"\mathrm{Var}": ((), rule)}, what=f"D = {size}")


# ---------------------------------------------------------------------------------------------------------- other families


@checks(
    "eq-rep-location-scale",
    kind="autograd",
    over="Laplace, Gumbel, Cauchy and Student-t, 7 points, mu = 0.6, sigma = 1.7; the paths proved for all",
)
def test_location_and_scale(equation):
    mu, sigma = torch.tensor(0.6, dtype=torch.float64), torch.tensor(1.7, dtype=torch.float64)
    zero, one = torch.zeros((), dtype=torch.float64), torch.ones((), dtype=torch.float64)
    families = [getattr(torch.distributions, name) for name in ("Laplace", "Gumbel", "Cauchy")]
    families.append(lambda loc, scale: torch.distributions.StudentT(3 * one, loc, scale))
    for family in families:
        equation.agrees(
            0,
            names={"z": torch.linspace(-3, 4, 7, dtype=torch.float64), r"\mu": mu, r"\sigma": sigma},
            functions={
                "q": lambda z, family=family: family(mu, sigma).log_prob(z).exp(),
                "p_0": lambda e, family=family: family(zero, one).log_prob(e).exp(),
            },
            tolerance=1e-12,
            what="densities",
        )
    for number in (1, 2):
        equation.proves(number, names=PARAMETERS | {"z": MU + SIGMA * EPS})


@checks(
    "eq-rep-inverse",
    kind="exact",
    over="rates 0.4, 1 and 2.5, 9 values of u and of z; F inverted by root finding",
)
def test_inverse_distribution_function(equation):
    for rate, place in itertools.product((0.4, 1.0, 2.5), np.linspace(0.05, 0.95, 9)):
        u, z = float(place), float(place) * 4
        law = stats.expon(scale=1 / rate)
        names = {r"\lambda": rate, r"\phi": rate, "z": z, "u": u}
        values = equation.sides(
            1, names=names, functions={"F": lambda z, rate: stats.expon.cdf(z, scale=1 / rate)}
        )
        equation.equal(values[1], values[0], 1e-12, "F of scipy")
        equation.equal(equation.side(2, 1, names={"z": law.ppf(u)}), values[3], 1e-12, "inverse of scipy")

        def inverse(u, rate):
            def rest(point):
                return float(equation.side(1, 1, names={r"\lambda": rate, "z": point})) - u

            return optimize.brentq(rest, 0, 100, xtol=1e-14, rtol=1e-14)

        equation.agrees(
            0,
            names=names | {"z": values[3]},
            functions={"F^{-1}": inverse},
            tolerance=1e-10,
            what="by root finding",
        )


@checks(
    "eq-rep-implicit",
    kind="symbolic",
    over="normal laws for mu and sigma, exponential for its rate, logistic for its scale",
)
def test_implicit_gradient(equation):
    rate, noise = sympy.symbols("lambda u", positive=True)
    standard = (Z - MU) / SIGMA
    logistic = 1 / (1 + sympy.exp(-standard))
    below = (1 + sympy.erf(standard / sympy.sqrt(2))) / 2
    cases = (  # distribution function, density, the draw with its noise held, parameter
        (below, Normal(MU, SIGMA**2).density(Z), MU + SIGMA * EPS, MU),
        (below, Normal(MU, SIGMA**2).density(Z), MU + SIGMA * EPS, SIGMA),
        (1 - sympy.exp(-rate * Z), rate * sympy.exp(-rate * Z), noise / rate, rate),
        (logistic, sympy.exp(-standard) / (SIGMA * (1 + sympy.exp(-standard)) ** 2), MU + SIGMA * EPS, SIGMA),
    )
    for distribution, density, draw, parameter in cases:
        path = equation.side(0, names={"z": draw, r"\phi": parameter})
        implicit = equation.side(
            1,
            names={"z": Z, r"\phi": parameter},
            functions={
                "F": lambda z, phi, F=distribution, own=parameter: F.subs(
                    {Z: z, own: phi}, simultaneous=True
                ),
                r"q_\phi": lambda z, q=density: q.subs(Z, z),
            },
        )
        equation.zero(path - implicit.subs(Z, draw), f"gradient for {parameter}")
