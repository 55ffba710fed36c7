"""The equations of chapter 10: the Gumbel law, the race, relaxed draws, their gradients, and bounds."""

import math
from functools import partial

import numpy as np
import sympy
import torch
from scipy import integrate, special, stats
from scipy.interpolate import lagrange

from equations.checking import checks
from equations.reading import Depends
from tests.equations.vocabulary import X, counted, table, torch_of
from vae_notes import densities
from vae_notes.categorical import kl_categorical
from vae_notes.categorical_vae import CategoricalVAE
from vae_notes.gumbel import gumbel_log_prob, standard_gumbel
from vae_notes.relaxed_categorical import relaxed_categorical_log_prob, sample_relaxed_categorical
from vae_notes.schedules import geometric
from vae_notes.straight_through import straight_through

LOGITS = np.array([0.4, -1.1, 0.9, 0.15])
NOISE = np.array([1.3, -0.2, 0.35, 0.6])
PI = special.softmax(LOGITS)
GUMBEL = stats.gumbel_r
quadrature = partial(integrate.quad, limit=400, epsabs=1e-12, epsrel=1e-11)


def mean_of(law, low=-np.inf, high=np.inf):
    """E under a law of scipy, as an operator's rule."""
    return lambda body: quadrature(lambda point: float(body(point)) * law.pdf(point), low, high)[0]


def integral_within(low, high):
    """A rule for integrals whose integrand is 0 in double precision outside of (low, high)."""

    def rule(body, _, lower, upper):
        return quadrature(lambda v: float(body(v)), max(float(lower), low), min(float(upper), high))[0]

    return rule


def seeded(seed=5):
    return torch.Generator().manual_seed(seed)


# -------------------------------------------------------------------------------------------------- a choice


@checks("eq-gum-sum", kind="exact", over="k = 2 to 5 classes, random logits and values")
def test_average_over_a_choice(equation):
    rng = np.random.default_rng(1)
    for k in range(2, 6):
        logits, heights = rng.normal(size=(2, k))
        law = torch.distributions.OneHotCategorical(logits=torch_of(logits))
        corners, shares = law.enumerate_support().numpy(), law.probs.numpy()
        given = {"names": {"k": k}, "ranges": {"j": (1, k)}}
        equation.agrees(
            0,
            functions={
                "f": lambda z, heights=heights: float(np.exp(heights @ z)),
                "e_": counted(np.eye(k)),
                r"\pi_": counted(shares),
            },
            operators={
                r"\mathbb{E}_q": (
                    "z",
                    lambda body, at=corners, p=shares: float(p @ [body(corner) for corner in at]),
                )
            },
            **given,
        )
        for i in range(1, k + 1):
            names = {**given["names"], "i": i}
            functions = {r"\pi_": counted(shares), r"\ell_": counted(logits)}
            equation.agrees(1, names=names, ranges=given["ranges"], functions=functions)


@checks("eq-gum-exact", kind="symbolic", over="three classes, all real logits and values")
def test_gradient_of_an_average(equation):
    logits, heights = sympy.symbols("l_1:4", real=True), sympy.symbols("f_1:4", real=True)
    shares = [sympy.exp(one) / sum(map(sympy.exp, logits)) for one in logits]
    for j in (1, 2):
        equation.proves(
            names={r"\ell_j": logits[j - 1], "j": j},
            functions={"f": lambda place: heights[place - 1], "e_": lambda i: i, r"\pi_": counted(shares)},
            operators={
                r"\mathbb{E}_q": ("z", lambda body: sum(p * body(i) for i, p in enumerate(shares, start=1)))
            },
        )


# -------------------------------------------------------------------------------------------- the Gumbel law


def limit_law(x, mu=0, beta=1):
    """Pr(mu + beta (M - log n) <= x) for the maximum M of n waiting times, as n grows."""
    n = sympy.Symbol("n", positive=True)
    return sympy.limit((1 - sympy.exp(-(x - mu) / beta) / n) ** n, n, sympy.oo)


@checks("eq-gum-extreme", kind="symbolic", over="all real x")
def test_maxima_of_waiting_times(equation):
    equation.proves(names={"x": X})
    maxima = [stats.expon.cdf(point + math.log(1e9)) ** 1e9 for point in (-1.2, 0.3, 2.0)]
    for point, chance in zip((-1.2, 0.3, 2.0), maxima, strict=True):
        equation.equal(
            equation.side(1, names={"x": point}), chance, 1e-7, "the largest of 10^9 waiting times"
        )


SHIFTED = {r"\mu": sympy.Symbol("mu", real=True), r"\beta": sympy.Symbol("beta", positive=True), "x": X}


@checks(
    "eq-gum-cdf", "eq-gum-density", kind="symbolic", over="all real x and mu, all beta > 0; 20 random points"
)
def test_gumbel_law_as_a_limit(equation):
    def cdf(x):
        return limit_law(x, SHIFTED[r"\mu"], SHIFTED[r"\beta"])

    equation.proves(names=SHIFTED, functions={"F": cdf, "f": lambda x: sympy.diff(cdf(x), x)})
    rng = np.random.default_rng(2)
    for mu, beta, x in rng.normal(size=(20, 3)) * (1, 0.4, 2):
        law = {"loc": torch_of([mu]), "log_scale": torch_of([beta])}
        density = gumbel_log_prob(torch_of([x]), **law).exp().item()
        functions = {
            "F": lambda x, mu=mu, beta=beta: GUMBEL.cdf(x, mu, math.exp(beta)),
            "f": lambda _, p=density: p,
        }
        names = {r"\mu": mu, r"\beta": math.exp(beta), "x": x}
        equation.agrees(names=names, functions=functions, what="scipy's law and the package's density")


@checks("eq-gum-mgf", kind="quadrature", over="s = -2.3, -0.6, 0.2 and 0.7; at s = 1 the integral diverges")
def test_exponential_moments(equation):
    average = mean_of(GUMBEL, -6, 400)
    for s in (-2.3, -0.6, 0.2, 0.7):
        equation.agrees(
            names={"s": s},
            operators={r"\mathbb{E}": ("g", average)},
            integral=integral_within(0, 200),
            tolerance=1e-7,
        )
    below = [quadrature(lambda g: math.exp(g) * GUMBEL.pdf(g), -6, top)[0] for top in (100, 200, 300)]
    equation.equal(below[2] - below[1], 100, 1e-6, "at s = 1 the integral up to g grows like g")


@checks("eq-gum-moments", kind="quadrature", over="the standard law, and four random mu and beta")
def test_gumbel_moments(equation):
    mean = mean_of(GUMBEL, -6, 60)
    names = {r"\gamma": np.euler_gamma}
    rng = np.random.default_rng(3)
    for mu, beta in rng.normal(size=(4, 2)):
        rules = {
            r"\mathbb{E}": ("g", mean),
            r"\mathrm{Var}": ("g", lambda body: mean(lambda g: body(g) ** 2) - mean(body) ** 2),
        }
        for number in range(4):
            given = names | {r"\mu": mu, r"\beta": beta}
            equation.agrees(number, names=given, operators=rules, approx=5e-5 / 2)


def chance_of(density):
    """Pr of an event in one variable, as a rule: the integral over where sympy says it happens."""
    point = sympy.Symbol("point", real=True)

    def rule(event):
        where = sympy.sympify(event(point)).as_set()
        parts = where.args if isinstance(where, sympy.Union) else [where]
        return sum(
            quadrature(density, float(part.inf), float(part.sup))[0] for part in parts if part.inf < part.sup
        )

    return rule


@checks("eq-gum-minimum", kind="quadrature", over="six x from -3 to 2")
def test_minima(equation):
    for x in (-3.0, -1.2, -0.4, 0.1, 0.9, 2.0):
        equation.agrees(names={"x": x}, operators={r"\Pr": ("g", chance_of(GUMBEL.pdf))})


@checks("eq-gum-stable", kind="exact", over="n = 2, 7 and 2.5, five x; with another scale it fails")
def test_maxima_of_gumbels(equation):
    for number in (1, 2):
        equation.agrees(
            number, names={r"\mu": 0.0, r"\beta": 1.0}, what="the conditions name the standard law"
        )
    law = GUMBEL(equation.side(1, 1), equation.side(1, 2))
    points = np.array([-1.5, -0.3, 0.4, 1.7, 3.0])
    for n in (2.0, 7.0, 2.5):
        equation.agrees(names={"x": points, "n": n}, functions={"F": law.cdf})
    left, right = equation.sides(names={"x": 0.4, "n": 7.0}, functions={"F": GUMBEL(0, 2).cdf})
    equation.shows(abs(left - right) > 0.01, "with beta = 2 the two sides differ")


@checks("eq-gum-tail", kind="symbolic", over="x to infinity")
def test_right_tail(equation):
    equation.proves(functions={"F": limit_law})


@checks("eq-gum-inverse", kind="exact", over="u from 0.001 to 0.999, against scipy's quantiles")
def test_drawing(equation):
    for u in (0.001, 0.1, 0.37, 0.8, 0.999):
        equation.agrees(names={"u": u, "g": GUMBEL.ppf(u)}, tolerance=1e-12)


# -------------------------------------------------------------------------------------------------- the race


def noise_grid(count, points):
    """Gumbel noises on a grid of equally probable cells, one array for each of ``count`` classes."""
    one = GUMBEL.ppf((np.arange(points) + 0.5) / points)
    return [axis.ravel() for axis in np.meshgrid(*[one] * count)]


def place_of_largest(count):
    """arg max over 1, ..., count, as an operator's rule."""
    return lambda body: (
        np.argmax(np.stack([np.asarray(body(j), dtype=float) for j in range(1, count + 1)]), 0) + 1
    )


@checks(
    "eq-gum-max",
    kind="quadrature",
    over="3 classes and 100^3 noises in cells of equal probability, 2 and 1000^2",
)
def test_gumbel_max(equation):
    for k, points in ((3, 100), (2, 1000)):
        for i in range(1, k + 1):
            equation.agrees(
                names={"i": i},
                functions={
                    "g_": counted(noise_grid(k, points)),
                    r"\ell_": counted(LOGITS + 2),
                    r"\pi_": counted(special.softmax(LOGITS[:k])),
                },
                operators={
                    r"\arg\max_j": ("j", place_of_largest(k)),
                    r"\Pr": ((), lambda event: float(np.mean(event()))),
                },
                tolerance=5e-4,
            )


@checks("eq-gum-race", kind="symbolic", over="k = 2, 3, 4 classes, all positive weights, all real x")
def test_race_with_a_score(equation):
    weights = sympy.symbols("w_1:5", positive=True)
    for k in (2, 3, 4):
        names = {"i": 2, "k": k, "x": X, "S": sum(weights[:k])}
        equation.proves(names=names, functions={"w_": counted(weights)})


@checks("eq-gum-winner", kind="quadrature", over="four classes, each as the winner, three heights")
def test_winner_and_height(equation):
    for i in range(4):
        for m in (-0.5, 0.8, 3.0):

            def wins_at(x, i=i):
                return GUMBEL.pdf(x, LOGITS[i]) * np.prod(
                    [GUMBEL.cdf(x, LOGITS[j]) for j in range(4) if j != i]
                )

            chance = quadrature(wins_at, -8, m)[0]
            names = {
                r"\Pr(i\text{ wins, with at most }m)": chance,
                "i": i + 1,
                "m": m,
                "S": np.exp(LOGITS).sum(),
            }
            equation.agrees(names=names, functions={"w_": counted(np.exp(LOGITS))})


# ------------------------------------------------------------------------------------------------ relaxation


@checks(
    "eq-gum-relax",
    kind="exact",
    over="the package's draw with the same noise: four classes, tau = 0.3, 1 and 2.5",
)
def test_relaxed_draw(equation):
    for tau in (0.3, 1.0, 2.5):
        y = sample_relaxed_categorical(torch_of(LOGITS), tau, generator=seeded()).numpy()
        noise = standard_gumbel((4,), generator=seeded(), dtype=torch.float64).numpy()
        for i in range(1, 5):
            functions = {"y_": counted(y), r"\ell_": counted(LOGITS), "g_": counted(noise)}
            equation.agrees(names={"i": i, "k": 4, r"\tau": tau}, functions=functions, tolerance=1e-12)


@checks(
    "eq-gum-ratio", kind="exact", over="the package's draw with the same noise: all pairs of four classes"
)
def test_ratio_of_coordinates(equation):
    noise = standard_gumbel((4,), generator=seeded(), dtype=torch.float64).numpy()
    functions = {r"\ell_": counted(LOGITS), "g_": counted(noise), "a_": counted(LOGITS + noise)}
    for i in range(1, 5):
        equation.agrees(1, names={"i": i}, functions=functions)
    scores = [equation.side(1, 1, names={"i": i}, functions=functions) for i in range(1, 5)]
    for tau in (0.4, 1.7):
        y = sample_relaxed_categorical(torch_of(LOGITS), tau, generator=seeded()).numpy()
        for i, j in np.ndindex(4, 4):
            ratios = {"y_": counted(y), "a_": counted(scores)}
            equation.agrees(names={"i": i + 1, "j": j + 1, r"\tau": tau}, functions=ratios, tolerance=1e-12)


@checks("eq-gum-limits", kind="symbolic", over="sympy's limits of the softmax of three different scores")
def test_limits_of_the_temperature(equation):
    scores = [sympy.Rational(3, 10), sympy.Rational(-7, 5), sympy.Rational(11, 10)]
    tau = sympy.Symbol("tau", positive=True)

    def soft(temperature):
        parts = [sympy.exp((one - max(scores)) / temperature) for one in scores]
        return sympy.Matrix([part / sum(parts) for part in parts])

    equation.agrees(
        0,
        names={"y": Depends(soft, r"\tau")},
        functions={r"\text{one-hot}": lambda i: sympy.eye(3)[:, int(i) - 1], "a_": counted(scores)},
        operators={
            r"\lim_{\tau\to0}": (
                r"\tau",
                lambda body: body(tau).applyfunc(lambda one: sympy.limit(one, tau, 0)),
            ),
            r"\arg\max_i": ("i", place_of_largest(3)),
        },
    )
    for i in range(3):
        equation.proves(1, names={"y_i": Depends(lambda t, i=i: soft(t)[i], r"\tau"), "k": 3})


# --------------------------------------------------------------------------------- what the temperature does


@checks("eq-gum-logistic", kind="quadrature", over="five x from -2.5 to 3")
def test_difference_of_two_gumbels(equation):
    def chance(event):  # over g_1 where sympy says that the event happens, then over g_2
        first, second = sympy.symbols("first second", real=True)
        border = sympy.solve(event(first, second).lhs - event(first, second).rhs, first)[0]
        below = bool(event(first, second).subs({first: border - 1}))
        at = sympy.lambdify(second, border)
        law = GUMBEL.cdf if below else GUMBEL.sf
        return mean_of(GUMBEL, -6, 60)(lambda g: law(at(g)))

    for x in (-2.5, -0.7, 0.2, 1.1, 3.0):
        equation.agrees(names={"x": x}, operators={r"\Pr": (("g_1", "g_2"), chance)})


@checks(
    "eq-gum-mean-two",
    kind="quadrature",
    over="odds r = 9, 2.2, 0.3 by the package's density; r to 1 gives 1/2",
)
def test_mean_of_two_at_temperature_one(equation):
    tau, k = float(equation.side(1, 1)), int(equation.side(1, 2))
    for number in (1, 2):
        equation.agrees(number, names={r"\tau": tau, "k": k}, what="the condition")

    def mean(odds):
        logits = torch_of([[math.log(odds)] + [0.0] * (k - 1)])

        def weighted(y):
            log_y = torch_of([[y, 1 - y]]).log()
            return y * relaxed_categorical_log_prob(log_y, logits, tau).exp().item()

        return quadrature(weighted, 0, 1)[0]

    for odds in (9.0, 2.2, 0.3):
        equation.agrees(names={"r": odds, r"\mathbb{E}[y_1]": mean(odds)}, tolerance=1e-8)
    near = equation.side(1, names={"r": sympy.Symbol("r", positive=True)})
    equation.zero(sympy.limit(near, sympy.Symbol("r", positive=True), 1) - sympy.Rational(1, 2), "equal odds")


# --------------------------------------------------------------------------------------------------- density


@checks("eq-gum-integral", kind="quadrature", over="k = 1, 2, 5 and 2.5 with S = 0.4, 1.3 and 3.7")
def test_integral_over_the_height(equation):
    for k in (1.0, 2.0, 5.0, 2.5):
        for total in (0.4, 1.3, 3.7):
            equation.agrees(names={"k": k, "S": total}, integral=integral_within(-8, 60), tolerance=1e-8)


def density_of_gaps(v, pi, tau):
    """By its definition: the density of the scores, integrated over their common height; tau for each gap."""
    scores = np.log(pi)
    at = partial(GUMBEL.pdf, loc=scores)
    return tau ** (len(pi) - 1) * quadrature(lambda x: np.prod(at(x + tau * v)), -30, 60)[0]


def simplex(rng, k):
    """Random probabilities, a temperature, gaps (the last one 0) and their softmax."""
    v = np.append(rng.normal(size=k - 1), 0.0)
    return rng.dirichlet([2.0] * k), rng.uniform(0.4, 2.5), v, special.softmax(v)


def slopes_in_gaps(v):
    """The slopes of the first k - 1 softmax coordinates in the first k - 1 gaps, by autograd."""
    jacobian = torch.autograd.functional.jacobian(
        lambda free: torch.cat([free, free.new_zeros(1)]).softmax(0)[:-1], torch_of(v[:-1])
    )
    return jacobian.numpy()


@checks(
    "eq-gum-gaps", kind="quadrature", over="k = 2, 3 and 4 classes, four random points and temperatures each"
)
def test_density_of_the_gaps(equation):
    rng = np.random.default_rng(4)
    for k in (2, 3, 4) * 4:
        pi, tau, v, _ = simplex(rng, k)
        equation.agrees(
            names={"k": k, r"\tau": tau, "v": v},
            functions={
                "p": lambda v, pi=pi, tau=tau: density_of_gaps(v, pi, tau),
                r"\pi_": counted(pi),
                "v_": counted(v),
            },
            ranges={"i": (1, k), "j": (1, k)},
            tolerance=1e-8,
        )


@checks("eq-gum-jacobian", kind="autograd", over="k = 2 to 6 classes at random gaps")
def test_change_of_volume(equation):
    rng = np.random.default_rng(5)
    for k in range(2, 7):
        _, _, v, y = simplex(rng, k)
        names = {r"\frac{\partial y}{\partial v}": slopes_in_gaps(v), "k": k}
        equation.agrees(names=names, functions={"y_": counted(y)}, tolerance=1e-12)


@checks(
    "eq-gum-concrete",
    kind="quadrature",
    over="k = 2, 3 and 4 classes, four random points and temperatures each",
)
def test_concrete_density(equation):
    rng = np.random.default_rng(6)
    for k in (2, 3, 4) * 4:
        pi, tau, _, y = simplex(rng, k)

        def change(y, pi=pi, tau=tau):
            gaps = np.log(y / y[-1])
            return density_of_gaps(gaps, pi, tau) / abs(np.linalg.det(slopes_in_gaps(gaps)))

        def package(y, pi=pi, tau=tau):
            log_y, log_pi = (torch_of(np.log(one))[None] for one in (y, pi))
            return relaxed_categorical_log_prob(log_y, log_pi, tau).exp().item()

        for density, who in (
            (change, "gaps by quadrature, divided by the volume"),
            (package, "the package's density"),
        ):
            equation.agrees(
                names={"k": k, r"\tau": tau, "y": y},
                functions={"p": density, r"\pi_": counted(pi), "y_": counted(y)},
                ranges={"i": (1, k), "j": (1, k)},
                tolerance=1e-8,
                what=who,
            )


# ------------------------------------------------------------------------------------------------- gradients


HEIGHTS = np.array([1.0, 3.0, 2.0, 6.0])


def value_of(z):
    """Some smooth function of the choice that mixes its coordinates."""
    return (torch_of(HEIGHTS) * z**2).sum(-1) + z[0] * z[2] ** 3


def slope_at(z):
    """Its slope, by autograd."""
    z = z.detach().clone().requires_grad_()
    return torch.autograd.grad(value_of(z), z)[0].numpy()


def draw(tau, hard=False):
    """Logits and a draw that depends on them, by the package, always with the same noise."""
    logits = torch_of(LOGITS, grad=True)
    return logits, sample_relaxed_categorical(logits, tau, hard=hard, generator=seeded())


def slopes_of(y, logits):
    """Entry i, j: the slope of y_i in logit j, by autograd."""
    return np.stack([torch.autograd.grad(one, logits, retain_graph=True)[0].numpy() for one in y])


@checks(
    "eq-gum-soft", kind="autograd", over="four classes, tau = 0.5 and 1.4, a function that mixes coordinates"
)
def test_soft_gradient(equation):
    for tau in (0.5, 1.4):
        logits, y = draw(tau)
        paths, slope = slopes_of(y, logits), slope_at(y)
        gradient = torch.autograd.grad(value_of(y), logits)[0].numpy()
        for j in range(4):
            names = {
                r"\frac{\partial f(y)}{\partial\ell_j}": gradient[j],
                r"\frac{\partial f}{\partial z_i}\Big|_{z=y}": Depends(counted(slope), "i"),
                r"\frac{\partial y_i}{\partial\ell_j}": Depends(counted(paths[:, j]), "i"),
            }
            equation.agrees(names=names, ranges={"i": (1, 4)}, tolerance=1e-12)


@checks("eq-gum-slope", kind="autograd", over="all pairs of four classes, tau = 0.5 and 1.4")
def test_slope_of_the_softmax(equation):
    for tau in (0.5, 1.4):
        logits, y = draw(tau)
        paths, values = slopes_of(y, logits), y.detach().numpy()
        for i, j in np.ndindex(4, 4):
            names = {
                r"\frac{\partial y_i}{\partial\ell_j}": paths[i, j],
                "i": i + 1,
                "j": j + 1,
                r"\tau": tau,
            }
            kronecker = {r"\delta_": lambda i, j: int(i == j), "y_": counted(values)}
            equation.agrees(names=names, functions=kronecker, tolerance=1e-12)


@checks(
    "eq-gum-st", kind="autograd", over="value and gradient of the package's hard draw, at two temperatures"
)
def test_straight_through(equation):
    for tau in (0.5, 1.4):
        logits, y = draw(tau)
        logits_hard, hard = draw(tau, hard=True)
        gradient = torch.autograd.grad(value_of(hard), logits_hard)[0].numpy()
        given = {
            "names": {"y": y, "z": hard},
            "functions": {
                r"\mathrm{sg}": torch.Tensor.detach,
                r"\text{one-hot}": lambda i: torch.eye(4).double()[int(i) - 1],
                "y_": counted(y.detach().numpy()),
            },
            "operators": {r"\arg\max_i": ("i", place_of_largest(4))},
        }
        equation.agrees(0, tolerance=1e-12, what="its value", **given)
        by_formula = torch.autograd.grad(value_of(equation.side(1, 0, **given)), logits, retain_graph=True)[0]
        equation.equal(by_formula, gradient, 1e-12, "its gradient")
        paths = slopes_of(y, logits)
        for j in range(4):
            names = {
                r"\frac{\partial f}{\partial\ell_j}": gradient[j],
                r"\frac{\partial f}{\partial z_i}\Big|_{z\text{ hard}}": Depends(
                    counted(slope_at(hard)), "i"
                ),
                r"\frac{\partial y_i}{\partial\ell_j}": Depends(counted(paths[:, j]), "i"),
            }
            equation.agrees(1, names=names, ranges={"i": (1, 4)}, tolerance=1e-12, what="the chain of slopes")


def curve(y):
    return 0.7 + y**3 + 0.4 * y + torch.sin(torch.as_tensor(y))


def slope_of_curve(y):
    return 3 * y**2 + 0.4 + math.cos(y)


OF_CURVE = {"f": lambda y: float(curve(float(y))), "f'": lambda y: slope_of_curve(float(y))}


@checks(
    "eq-gum-two",
    kind="autograd",
    over="the package's draws of two classes: three log-odds, three temperatures",
)
def test_two_classes(equation):
    for odds, tau in ((-0.8, 0.6), (0.3, 1.0), (1.9, 2.2)):

        def gradient(value, odds=odds):
            free = torch_of(odds, grad=True)
            return torch.autograd.grad(value(free), free)[0].item()

        def drawn(free, tau=tau, hard=False):
            logits = torch.stack([free, torch.zeros_like(free)])
            return sample_relaxed_categorical(logits, tau, hard=hard, generator=seeded(7))[0]

        average = gradient(lambda free: torch.sigmoid(free) * curve(1.0) + torch.sigmoid(-free) * curve(0.0))
        names = {
            r"\text{exact}": average,
            r"\text{soft}": gradient(lambda free: curve(drawn(free))),
            r"\text{straight-through}": gradient(lambda free: curve(drawn(free, hard=True))),
            r"\pi": special.expit(odds),
            r"\tau": tau,
            "y": drawn(torch_of(odds)).item(),
            "z": drawn(torch_of(odds), hard=True).item(),
        }
        for number in range(3):
            equation.agrees(number, names=names, functions=OF_CURVE, tolerance=1e-12)


def moment_of(estimator, power, pi, tau):
    """E[estimator^power] of the soft or the straight-through gradient, over t, the score before the sigmoid.

    The logistic noise is tau t minus the log-odds.
    """

    def inside(t):
        y = special.expit(t)
        slope = slope_of_curve(y if estimator == "soft" else float(t > 0))
        return (slope * y * (1 - y) / tau) ** power * tau * stats.logistic.pdf(tau * t - special.logit(pi))

    return sum(quadrature(inside, *ends)[0] for ends in ((-60, 0), (0, 60)))


@checks(
    "eq-gum-st-limit", kind="quadrature", over="pi = 0.3 and 0.85; tau = 0.001 and 0.0005, extrapolated to 0"
)
def test_mean_of_straight_through_at_zero(equation):
    def at_zero(body):
        return 2 * body(5e-4) - body(1e-3)  # what is linear in tau falls out

    for pi in (0.3, 0.85):
        mean = Depends(lambda tau, pi=pi: moment_of("hard", 1, pi, tau), r"\tau")
        equation.agrees(
            names={r"\mathbb{E}[\text{straight-through}]": mean, r"\pi": pi},
            functions=OF_CURVE,
            operators={r"\lim_{\tau\to0}": (r"\tau", at_zero)},
            tolerance=1e-5,
        )


@checks("eq-gum-variance", kind="quadrature", over="pi = 0.3 and 0.85; the error falls with tau")
def test_variances_at_low_temperature(equation):
    for number, estimator, name in ((0, "soft", r"\text{soft}"), (1, "hard", r"\text{straight-through}")):
        for pi in (0.3, 0.85):
            errors = []
            for tau in (2e-3, 1e-3):
                variance = moment_of(estimator, 2, pi, tau) - moment_of(estimator, 1, pi, tau) ** 2
                left, right = equation.sides(
                    number,
                    names={rf"\mathrm{{Var}}[{name}]": variance, r"\pi": pi, r"\tau": tau},
                    functions=OF_CURVE,
                    integral=integral_within(-9, 9),
                )
                errors.append(float(left) / float(right) - 1)
            equation.equal(
                errors[0] / errors[1], 2, 0.02, f"{estimator}: relative error at tau over that at tau / 2"
            )
            equation.equal(errors[1], 0, 5e-3, f"{estimator}: relative error at tau = 0.001")


@checks("eq-gum-inside", kind="exact", over="four c; the addition is the parabola through 0, c/4 and 0")
def test_the_inside_is_invented(equation):
    for c in (-3.0, -0.7, 0.4, 2.5):
        bump = lagrange([0, 0.5, 1], [0, c / 4, 0])
        functions = {"f": math.exp, "f_c": lambda y, bump=bump: math.exp(y) + bump(float(y))}
        for y in (-0.2, 0.1, 0.6, 0.9, 1.3):
            equation.agrees(0, names={"y": y, "c": c}, functions=functions)

        def by_formula(y, c=c):
            return equation.side(1, 0, names={"y": float(y), "c": c}, functions={"f": math.exp})

        for number in (1, 2):
            equation.agrees(number, functions={"f": math.exp, "f_c": by_formula}, tolerance=1e-12)


@checks(
    "eq-gum-plain",
    kind="exact",
    over="both outcomes of the package's straight-through draw, three values of pi",
)
def test_plain_straight_through(equation):
    for odds in (-0.8, 0.3, 1.9):
        free, mean = torch_of(odds, grad=True), 0.0
        share = torch.sigmoid(free)
        for outcome, weight in ((1.0, share.item()), (0.0, 1 - share.item())):
            z = straight_through(torch_of(outcome), share)
            mean += weight * torch.autograd.grad(curve(z), free, retain_graph=True)[0].item()
        names = {r"\mathbb{E}[\text{plain}]": mean, r"\pi": share.item()}
        equation.agrees(names=names, functions=OF_CURVE, tolerance=1e-12)


# ---------------------------------------------------------------------------------------------------- bounds


def divergence_of(q, p):
    """KL of two tables of probabilities, by the package."""
    return kl_categorical(torch_of(np.log([q])), torch_of(np.log([p]))).item()


def between(laws):
    """``\\mathrm{KL}`` of laws with names, such as q and p: ``laws`` holds its values by pairs."""
    return lambda one, other: laws[str(one), str(other)]


DATUM = 0.9


def likelihood(x, mean):
    """Of a decoder with normal noise."""
    return stats.norm.pdf(float(x), mean, 0.3)


@checks("eq-gum-elbo", kind="exact", over="five random models with four codes; tight at the exact posterior")
def test_discrete_bound(equation):
    rng = np.random.default_rng(8)
    for _ in range(5):
        q, p = rng.dirichlet([1.0] * 4), rng.dirichlet([2.0] * 4)
        means = rng.normal(size=4) + 0.5
        joint = p * likelihood(DATUM, means)
        evidence, posterior = math.log(joint.sum()), joint / joint.sum()
        for law in (q, posterior):
            given = {
                "names": {
                    "x": DATUM,
                    r"\mathcal{L}(x)": evidence - divergence_of(law, posterior),
                    r"\log p_\theta(x)": evidence,
                },
                "functions": {
                    "q": table(law),
                    "p": table(p),
                    r"p_\theta": lambda x, z, means=means: likelihood(x, means[int(z)]),
                    r"\mathrm{KL}": between(
                        {("q", "p"): divergence_of(law, p), ("p", "q"): divergence_of(p, law)}
                    ),
                },
                "ranges": {"z": (0, 3)},
            }
            equation.agrees(**given)
        equation.equal(equation.side(1, **given), equation.side(3, **given), what="tight at the posterior")


@checks(
    "eq-gum-kl",
    kind="exact",
    over="five pairs of random laws of 2 to 6 classes, against torch's divergence and ours",
)
def test_categorical_divergence(equation):
    rng = np.random.default_rng(9)
    for k in range(2, 7):
        q, p = rng.dirichlet([1.0] * k, size=2)
        laws = [torch.distributions.Categorical(torch_of(one)) for one in (q, p)]
        theirs = [torch.distributions.kl_divergence(*pair).item() for pair in (laws, laws[::-1])]
        ours = [divergence_of(q, p), divergence_of(p, q)]
        for right in (theirs, ours):
            divergence = between({("q", "p"): right[0], ("p", "q"): right[1]})
            functions = {r"\mathrm{KL}": divergence, "q_": counted(q), "p_": counted(p)}
            equation.agrees(names={"k": k}, functions=functions, tolerance=1e-12)


def concrete(odds, tau):
    """The density of y_1 for two classes, by the package."""

    def density(y):
        log_y = torch_of([[math.log(y), math.log1p(-y)]])
        return relaxed_categorical_log_prob(log_y, torch_of([[odds, 0.0]]), tau).exp().item()

    return density


def over_the_simplex(body, *_):
    """The integral over y from 0 to 1: a sum over equal steps of its log-odds, which converges very fast."""
    t = np.linspace(-16, 16, 161)
    return (t[1] - t[0]) * sum(float(body(y)) * y * (1 - y) for y in special.expit(t))


def average_over_the_simplex(density, body):
    return over_the_simplex(lambda y: density(y) * body(y))


@checks("eq-gum-relaxed-elbo", kind="quadrature", over="two classes, a normal decoder, three posteriors")
def test_relaxed_bound(equation):
    for odds, tau_q, tau_p in ((1.5, 1.4, 1.2), (-0.5, 2.0, 1.5), (3.0, 2.5, 2.5)):
        q, p = concrete(odds, tau_q), concrete(0.3, tau_p)
        evidence = over_the_simplex(lambda y, p=p: likelihood(DATUM, y) * p(y))
        excess = over_the_simplex(
            lambda y, q=q, p=p, e=evidence: q(y) * np.log(q(y) * e / (likelihood(DATUM, y) * p(y)))
        )
        average = partial(average_over_the_simplex, q)
        given = {
            "names": {
                "x": DATUM,
                r"\mathcal{L}_\tau(x)": math.log(evidence) - excess,
            },  # less the KL to the true posterior
            "functions": {r"q_\tau": q, r"p_\tau": p, r"p_\theta": likelihood},
            "operators": {r"\mathbb{E}_{y\sim q_\tau}": ("y", average)},
            "integral": over_the_simplex,
        }
        equation.agrees(tolerance=1e-7, **given)
        equation.equal(
            equation.side(2, **given), math.log(evidence), 1e-9, "the log evidence of the soft model"
        )


@checks("eq-gum-mixed", kind="exact", over="the package's loss with the same draws, 5 random images")
def test_mixed_objective(equation):
    torch.manual_seed(0)
    model = CategoricalVAE(6, 8, 2, 3, temperature=0.7).double()
    x = (torch.rand(5, 6, generator=seeded()) < 0.5).double()
    said = model.loss(x, seeded(11))["elbo"].detach().numpy()
    logits = model.encode(x).detach()
    y = sample_relaxed_categorical(logits, 0.7, generator=seeded(11))
    q, uniform = logits.softmax(-1).numpy(), np.full(3, 1 / 3)
    divergences = {
        ("q", "p"): np.array([sum(divergence_of(row, uniform) for row in one) for one in q]),
        ("p", "q"): np.array([sum(divergence_of(uniform, row) for row in one) for one in q]),
    }
    equation.agrees(
        names={r"\mathcal{M}(x)": said, "x": x},
        functions={
            r"\log p_\theta": lambda x, y: densities.bernoulli_log_prob(x, model.decode(y)).detach().numpy(),
            r"\mathrm{KL}": between(divergences),
        },
        operators={r"\mathbb{E}_{y\sim q_\tau}": ("y", lambda body: body(y))},
        tolerance=1e-12,
    )


def relaxed_divergence(odds_q, odds_p, tau):
    """KL of two Concrete laws of two classes with one temperature, by quadrature over the log-odds t of y."""

    def inside(t):
        log_y = torch_of([[-np.logaddexp(0, -t), -np.logaddexp(0, t)]])
        log_q = relaxed_categorical_log_prob(log_y, torch_of([[odds_q, 0.0]]), tau).item()
        log_p = relaxed_categorical_log_prob(log_y, torch_of([[odds_p, 0.0]]), tau).item()
        return math.exp(log_q + log_y.sum().item()) * (log_q - log_p)

    middle, reach = odds_q / tau, 40 / tau
    return integrate.quad(inside, middle - reach, middle + reach, epsabs=1e-10, limit=100)[0]


TWO_CLASSES = [(0.5, 0.0, 0.6), (2.0, -0.4, 1.3), (-1.7, 0.8, 1.0), (6.6, 0.0, 3.0)]


@checks(
    "eq-gum-processing", kind="quadrature", over="two classes, four pairs of log-odds and temperatures; q = p"
)
def test_information_thrown_away(equation):
    for odds_q, odds_p, tau in [*TWO_CLASSES, (0.7, 0.7, 1.0)]:
        q, p = special.softmax([odds_q, 0]), special.softmax([odds_p, 0])
        laws = {
            ("q", "p"): divergence_of(q, p),
            (r"q_\tau", r"p_\tau"): relaxed_divergence(odds_q, odds_p, tau),
        }
        equation.agrees(functions={r"\mathrm{KL}": between(laws)})


@checks("eq-gum-kl-logistic", kind="quadrature", over="four differences of the log-odds and temperatures")
def test_relaxed_divergence_of_two_classes(equation):
    for odds_q, odds_p, tau in TWO_CLASSES:
        names = {r"\mathrm{KL}(q_\tau\,\Vert\,p_\tau)": relaxed_divergence(odds_q, odds_p, tau)}
        equation.agrees(names=names | {r"\delta": odds_q - odds_p}, tolerance=1e-8)


@checks("eq-gum-without-log", kind="exact", over="random q of 2 to 6 classes, uniform p")
def test_prior_without_its_logarithm(equation):
    rng = np.random.default_rng(10)
    for k in range(2, 7):
        q, uniform = rng.dirichlet([1.0] * k), np.full(k, 1 / k)
        laws = {("q", "p"): divergence_of(q, uniform), ("p", "q"): divergence_of(uniform, q)}
        functions = {r"\mathrm{KL}": between(laws), "q_": counted(q)}
        equation.agrees(names={"k": float(k)}, functions=functions, ranges={"i": (1, k)}, tolerance=1e-12)


# --------------------------------------------------------------------------------------------------- cooling


@checks(
    "eq-gum-schedule",
    kind="exact",
    over="the package's geometric schedule, clipped at the floor: steps 0 to 60",
)
def test_cooling(equation):
    for floor, rate in ((0.3, 0.05), (0.5, 0.02), (0.0, 0.1)):
        for step in range(0, 61, 4):
            names = {
                r"\tau_t": np.clip(geometric(step, math.exp(-rate), start=1.0, end=0.0), floor, None),
                r"\tau_{\min}": floor,
                "r": rate,
                "t": step,
            }
            equation.agrees(names=names, tolerance=1e-12)
