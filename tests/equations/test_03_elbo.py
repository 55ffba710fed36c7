"""The equations of chapter 03: identities and bounds in small random worlds, closed forms by integration.

A world has three values of x and four of z, and a random table for their joint law; q is another random law of z. All
averages are sums over these values, so that an identity must hold to rounding, with every sign and every term.
"""

import itertools
import math

import numpy as np
import sympy
import torch
from scipy import integrate, optimize, stats

from equations.checking import checks
from tests.equations.joint_worlds import (
    EVERY_Z,
    WORLDS,
    Point,
    World,
    average_over,
    elbo,
    posterior,
    random_table,
    sum_over,
    worlds,
)
from tests.equations.vocabulary import MU, SIGMA, Normal, X, normal, relative_entropy
from vae_notes import bounds, densities
from vae_notes.linear_gaussian import LinearGaussian


def scene(world, q, x=1):
    """What the symbols of this chapter mean in a world, for the datum x."""
    datum = Point(0, x)

    def weight(z):
        return world.joint(datum, z) / q[z.index]

    def q_or_vector(z):
        return q if z.index is None else q[z.index]

    return {
        "names": {"x": datum, "z": EVERY_Z, "q": q},
        "functions": {
            "p": world.joint,
            r"p_\theta": world.joint,
            r"p_\theta\mid": world.given,
            "q": q_or_vector,
            "w": weight,
            r"\mathrm{KL}": relative_entropy,
            r"\mathcal{L}": lambda x: elbo(world, q, x),
            "H": stats.entropy,
        },
        "operators": {name: ("z", average_over(q, 1)) for name in (r"\mathbb{E}_q", r"\mathbb{E}_{q}")},
        "integral": sum_over(4, 1),
    }


# ---------------------------------------------------------------------------------- the model and its two difficulties


def normal_density(point, mean, variance):
    return stats.norm.pdf(float(point), float(mean), math.sqrt(variance))


@checks(
    "eq-elbo-model",
    kind="quadrature",
    over="bends -0.7, 0.4 and 1, noise 0.5 and 0.8: densities, and five moments of x and z",
)
def test_the_bent_line(equation):
    z_grid, z_step = np.linspace(-9, 9, 241, retstep=True)
    for bend, noise in ((-0.7, 0.5), (0.4, 0.8), (1.0, 0.5)):
        density = {
            r"\mathcal{N}": lambda p, m, v: stats.norm.pdf(
                p, float(m) if np.ndim(m) == 0 else m, math.sqrt(v)
            )
        }
        x_grid, x_step = np.linspace(-70, 100, 1701, retstep=True)
        prior = equation.side(1, 0, names={"z": z_grid}, functions=density)
        names = {"x": x_grid[:, None], "z": z_grid, r"\theta": bend, r"\sigma_x": noise}
        joint = equation.side(1, 1, names=names, functions=density) * prior * z_step * x_step

        def mean(values, joint=joint):
            return (values * joint).sum()

        x = x_grid[:, None]
        spread = 1 + 2 * bend**2 + noise**2
        found = [mean(1), mean(x), mean((x - bend) ** 2), mean(x * z_grid), mean(x * z_grid**2)]
        equation.equal(np.array(found), np.array([1, bend, spread, 1, 3 * bend]), 1e-9, "moments of x and z")
        at = {"x": 0.3, "z": -1.2, r"\theta": bend, r"\sigma_x": noise}
        point = torch.tensor([0.3, -1.2], dtype=torch.float64)
        mean_x = point[1:] + bend * point[1:] ** 2
        log_variance = torch.full((1,), 2 * math.log(noise), dtype=torch.float64)
        by_package = {
            "p": lambda z, point=point: densities.standard_normal_log_prob(point[1:]).exp().item(),
            r"p_\theta": lambda x, z, m=mean_x, v=log_variance, point=point: (
                densities.normal_log_prob(point[:1], m, v).exp().item()
            ),
        }
        for number in (0, 1):
            equation.agrees(
                number, names=at, functions={**density, **by_package}, what="densities of the package"
            )


@checks("eq-elbo-evidence", kind="exact", over=f"{WORLDS}; a linear decoder with normal noise, by quadrature")
def test_evidence(equation):
    for world, q in worlds(1):
        equation.agrees(**scene(world, q))
    slope, shift, noise = 0.7, -0.4, 0.6
    model = LinearGaussian(
        *(torch.tensor(v, dtype=torch.float64) for v in ([[slope]], [shift], 2 * math.log(noise)))
    )
    for x in (-1.5, 0.2, 2.3):
        evidence = model.log_evidence(torch.tensor([[x]], dtype=torch.float64)).exp().item()
        functions = {
            "p": lambda z: normal_density(z, 0, 1),
            r"p_\theta": lambda x, evidence=evidence: evidence,
            r"p_\theta\mid": lambda x, z: normal_density(x, slope * z + shift, noise**2),
        }
        equation.agrees(
            names={"x": x}, functions=functions, integral=quadrature, what="linear-Gaussian model"
        )


def quadrature(body, variable, low, high):
    return integrate.quad(
        lambda point: float(body(point)), float(low), float(high), epsabs=1e-12, epsrel=1e-12
    )[0]


@checks("eq-elbo-posterior", kind="exact", over=f"{WORLDS}, every x and z")
def test_posterior(equation):
    for world, q in worlds(2):
        for x, z in itertools.product(range(3), range(4)):
            meaning = scene(world, q, x)
            equation.agrees(**{**meaning, "names": {"x": Point(0, x), "z": Point(1, z)}})


# ----------------------------------------------------------------------------------------------------- the two facts


def by_torch(q, p):
    """KL of two tables by torch's own formula for categorical laws."""
    law = torch.distributions.Categorical
    return torch.distributions.kl_divergence(law(torch.tensor(q)), law(torch.tensor(p))).item()


def two_laws(q, p):
    return {
        "names": {"q": q, "p": p},
        "functions": {"q": lambda z: q[z.index], "p": lambda z: p[z.index], r"\mathrm{KL}": by_torch},
        "operators": {name: ("z", average_over(q, 0)) for name in (r"\mathbb{E}_q", r"\mathbb{E}_{q}")},
    }


@checks("eq-elbo-kl", kind="exact", over="50 pairs of laws on 5 values; the sign strict, and tight for p = q")
def test_kl(equation):
    generator = np.random.default_rng(3)
    for _ in range(50):
        q, p = random_table(generator, 5), random_table(generator, 5)
        equation.agrees(what="random p and q", **two_laws(q, p))
        equation.shows(equation.side(1, **two_laws(q, p)) > 1e-4, "above zero where p and q differ")
        equation.equal(equation.side(1, **two_laws(q, q)), equation.side(2), 1e-12, "p = q")


@checks(
    "eq-elbo-gibbs",
    kind="exact",
    over="50 pairs of laws on 5 values, half of them with a q that misses a value",
)
def test_gibbs(equation):
    generator = np.random.default_rng(4)
    for number in range(50):
        q, p = random_table(generator, 5), random_table(generator, 5)
        if number % 2:
            q[2] = 0
            q /= q.sum()
        equation.agrees(tolerance=1e-12, what="random p and q", **two_laws(q, p))
        missed = p[2] if number % 2 else 0.0
        equation.equal(equation.side(2, **two_laws(q, p)), -missed, 1e-12, "minus what q misses of p")
    sides = np.array(equation.sides(**two_laws(p, p)), dtype=float)
    equation.equal(sides[:4], np.full(4, sides[4]), 1e-12, "p = q")


@checks(
    "eq-elbo-jensen",
    kind="exact",
    over="50 random variables with 6 positive values; tight for one that does not vary",
)
def test_jensen(equation):
    generator = np.random.default_rng(5)
    for _ in range(50):
        law, values = random_table(generator, 6), generator.lognormal(size=6)

        def mean(body, law=law, values=values):
            return sum(p * body(w) for p, w in zip(law, values, strict=True))

        equation.agrees(operators={r"\mathbb{E}": ("W", mean)})
    left, right = equation.sides(operators={r"\mathbb{E}": ("W", lambda body: body(2.5))})
    equation.equal(left, right, 1e-12, "W = 2.5 always")


# ------------------------------------------------------------------------------------------------- the three derivations


@checks(
    "eq-elbo-weight",
    kind="exact",
    over=f"{WORLDS}, every z, against the package's log weights; the rain model",
)
def test_weight(equation):
    for world, q in worlds(6):
        log_terms = (
            [[math.log(value)] for value in values]
            for values in ([world.given(Point(0, 1), Point(1, z)) for z in range(4)], world.joint(EVERY_Z), q)
        )
        log_w = bounds.log_weights(*(torch.tensor(t, dtype=torch.float64) for t in log_terms))
        for z in range(4):
            meaning = scene(world, q)
            meaning["functions"]["w"] = lambda z, log_w=log_w: math.exp(log_w[z.index, 0])
            equation.agrees(**{**meaning, "names": {"x": Point(0, 1), "z": Point(1, z)}})
    rain = World(np.array([[0.4, 0.1], [0.1, 0.4]]))  # dry and wet road, without and with rain
    found = [
        equation.side(
            1, **scene(rain, np.array([0.8, 0.2])) | {"names": {"x": Point(0, 1), "z": Point(1, z)}}
        )
        for z in (0, 1)
    ]
    equation.equal(np.array(found), np.array([1 / 8, 2]), 1e-12, "rain: 1/8 and 2")


@checks("eq-elbo-by-jensen", kind="exact", over=f"{WORLDS} and random q; tight where q is the posterior")
def test_by_jensen(equation):
    for world, q in worlds(7):
        equation.agrees(**scene(world, q))
        sides = equation.sides(**scene(world, posterior(world)))
        equation.equal(np.array(sides[1:]), np.full(4, sides[0]), 1e-12, "q is the posterior")


@checks(
    "eq-elbo-markov",
    kind="exact",
    over=f"{WORLDS}, t from 0 to 2; tight for weights that are 0 or a constant",
)
def test_markov(equation):
    def probability(q, weights):
        return lambda body: sum(chance for chance, w in zip(q, weights, strict=True) if body(w))

    for world, q in worlds(8):
        p_x = world.joint(Point(0, 1))
        weights = [world.joint(Point(0, 1), Point(1, z)) / q[z] for z in range(4)]
        for t in (0.0, 0.1, 0.2, 0.4, 0.8, 2.0):
            names = {"t": t, r"p_\theta(x)": p_x}
            equation.agrees(names=names, operators={"P": ("w", probability(q, weights))})
    for t, p_x in ((0.3, 0.7), (1.1, 0.2)):
        chance = math.exp(-t)
        rule = probability([chance, 1 - chance], [p_x / chance, 1e-300])  # their mean is p_x
        left, right = equation.sides(names={"t": t - 1e-9, r"p_\theta(x)": p_x}, operators={"P": ("w", rule)})
        equation.equal(left, right, 1e-8, "tight")


@checks("eq-elbo-three-steps", "eq-elbo-three-terms", kind="exact", over=f"{WORLDS} and random q")
def test_three_terms(equation):
    for world, q in worlds(9):
        equation.agrees(tolerance=1e-12, **scene(world, q))


@checks("eq-elbo-unbiased", kind="exact", over=f"{WORLDS} and random q")
def test_unbiased(equation):
    for world, q in worlds(10):
        equation.agrees(tolerance=1e-12, **scene(world, q))


@checks("eq-elbo-faces", kind="exact", over=f"{WORLDS} and random q")
def test_faces(equation):
    for world, q in worlds(11):
        meaning = scene(world, q)
        weights = [meaning["functions"]["w"](Point(1, z)) for z in range(4)]

        def rule(body, q=q, weights=weights):
            return sum(q[z] * body(Point(1, z), weights[z]) for z in range(4))

        meaning["operators"] = {r"\mathbb{E}_q": (("z", "w"), rule)}
        meaning["names"] |= {r"\mathcal{L}": elbo(world, q, Point(0, 1)), "w": None}
        equation.agrees(tolerance=1e-12, **meaning)


# -------------------------------------------------------------------------------------------------------- closed forms

THETA, NOISE, Z_ = (
    sympy.Symbol("theta", real=True),
    sympy.Symbol("sigma_x", positive=True),
    sympy.Symbol("z", real=True),
)
BENT = {r"\mu": MU, r"\sigma": SIGMA, r"\theta": THETA, r"\sigma_x": NOISE, "x": X}


def bent_moments():
    """Mean and variance of z + theta z^2 under N(mu, sigma^2), by integration."""
    average = Normal(MU, SIGMA**2).average
    mean = average(lambda z: z + THETA * z**2)
    return mean, average(lambda z: (z + THETA * z**2) ** 2) - mean**2


@checks("eq-elbo-moments", kind="symbolic", over="all real mu and theta, all sigma > 0")
def test_moments(equation):
    mean, variance = bent_moments()
    equation.proves(0, names=BENT | {"m_f": mean})
    equation.proves(1, names=BENT | {"v_f": variance})


@checks("eq-elbo-closed", kind="symbolic", over="all real x, mu and theta, all sigma and sigma_x > 0")
def test_closed(equation):
    q, prior = Normal(MU, SIGMA**2), Normal(0, 1)
    likelihood = q.average(lambda z: Normal(z + THETA * z**2, NOISE**2).log_density(X))
    bound = likelihood - q.average(lambda z: q.log_density(z) - prior.log_density(z))
    mean, variance = bent_moments()
    equation.proves(
        names=BENT | {r"\mathcal{L}": bound, "m_f": mean, "v_f": variance}, functions={r"\mathcal{N}": normal}
    )


# ------------------------------------------------------------------------------------ the gap, and what may fall and rise


@checks("eq-elbo-peak", kind="exact", over="10 random posteriors on 6 values, q on the first 3 or 4 of them")
def test_peak(equation):
    generator = np.random.default_rng(12)
    for number in range(10):
        target, held = random_table(generator, 6), 3 + number % 2
        q = np.zeros(6)
        q[:held] = random_table(generator, held)
        share = target[:held].sum()
        peak = np.where(np.arange(6) < held, target, 0) / share
        names = {"r": share, "q": q, r"\text{the peak}": peak, r"\text{gap}": relative_entropy(q, target)}
        equation.agrees(tolerance=1e-12, names=names, functions={r"\mathrm{KL}": relative_entropy})


@checks("eq-elbo-delta", kind="exact", over="steps between 10 random pairs of worlds and q")
def test_delta(equation):
    def state(world, q):
        return elbo(world, q, Point(0, 1)), world.joint(Point(0, 1)), relative_entropy(q, posterior(world))

    for before, after in zip(worlds(13, 10), worlds(14, 10), strict=True):
        variables = r"\mathcal{L}", r"p_\theta(x)", r"\text{gap}"

        states = [state(*before), state(*after)]

        def change(body, states=states):
            return body(*states[1]) - body(*states[0])

        equation.agrees(
            tolerance=1e-12, names=dict.fromkeys(variables), operators={r"\Delta": (variables, change)}
        )


@checks(
    "eq-elbo-shift", kind="exact", over="20 random x, b and m, against the package's linear-Gaussian model"
)
def test_shift(equation):
    for x, b, m in np.random.default_rng(15).normal(size=(20, 3)):
        model = LinearGaussian(*(torch.tensor(v, dtype=torch.float64) for v in ([[1.0]], [b], 0.0)))
        datum, loc, variance = torch.tensor([x, m, 0.5], dtype=torch.float64).view(3, 1, 1)
        names = {"x": x, "b": b, "m": m, "p_b": model.log_evidence(datum).exp().item()}
        equation.agrees(0, names=names)
        equation.agrees(1, names=names | {r"\mathcal{L}": model.elbo(datum, loc, variance.log()).item()})


# --------------------------------------------------------------------------------------------------- coordinate ascent


class Family:
    """Worlds with a parameter: the table is the softmax of a + t b + t^2 c, for random a, b and c."""

    def __init__(self, seed):
        self.coefficients = torch.tensor(np.random.default_rng(seed).normal(size=(3, 3, 4)))

    def __call__(self, t):
        a, b, c = self.coefficients
        logits = a + t * b - t**2 * c.abs()
        return World(torch.softmax(logits.flatten(), 0).view(3, 4))

    def elbo(self, t, q, x=1):
        return (q * (self(t).joint(Point(0, x), EVERY_Z) / q).log()).sum()

    def posterior(self, t, x=1):
        return self(t).given(EVERY_Z, Point(0, x)).detach()

    def best(self, q, start):
        """The nearest t at which the slope of the ELBO is zero for this q, going uphill."""

        def slope(t):
            t = torch.tensor(t, dtype=torch.float64, requires_grad=True)
            return torch.autograd.grad(self.elbo(t, q), t)[0].item()

        step, other = 0.05 * np.sign(slope(start)), start
        while slope(other) * step > 0:
            other += step
        return optimize.brentq(slope, other - step, other, xtol=1e-13) if other != start else start


@checks("eq-elbo-em", kind="exact", over="three worlds with a parameter; both maxima by numerical search")
def test_em(equation):
    for seed in (16, 17, 18):
        family, start = Family(seed), 0.2

        def over_laws(body):
            def loss(logits):
                logits = torch.tensor(logits, requires_grad=True)
                value = -body(torch.softmax(logits, 0))
                value.backward()
                return value.item(), logits.grad.numpy()

            found = optimize.minimize(loss, np.zeros(4), jac=True, options={"gtol": 1e-10})
            return torch.softmax(torch.tensor(found.x), 0)

        def over_parameters(body, start=start):
            found = optimize.minimize(
                lambda t: -body(torch.tensor(t[0])).item(),
                [start],
                method="Nelder-Mead",
                options={"xatol": 1e-10, "fatol": 1e-14},
            )
            return found.x[0]

        q = family.posterior(start)
        meaning = {
            "functions": {
                r"\mathcal{L}": family.elbo,
                r"p_\theta\mid": family(start).given,
                r"p_\theta": family(start).joint,
            },
            "operators": {
                r"\arg\max_{q}": ("q", over_laws),
                r"\arg\max_{\theta}": (r"\theta", over_parameters),
            },
        }
        names = {"x": Point(0, 1), "z": EVERY_Z, "q": q, r"\theta": torch.tensor(start)}
        equation.agrees(0, tolerance=1e-6, what="E-step", names=names, **meaning)
        names[r"\theta"] = family.best(q, start)
        equation.agrees(1, tolerance=1e-6, what="M-step", names=names, **meaning)


@checks(
    "eq-elbo-chain",
    kind="exact",
    over="five worlds with a parameter, one M-step from the posterior; tight without a step",
)
def test_chain(equation):
    for seed in range(20, 25):
        family, old = Family(seed), torch.tensor(0.3, dtype=torch.float64)
        q = family.posterior(old)
        for new in (torch.tensor(family.best(q, old.item()), dtype=torch.float64), old):
            meaning = {
                "names": {r"\theta": old, r"\theta'": new, "q": q, "x": Point(0, 1)},
                "functions": {
                    r"p_{\theta'}": family(new).joint,
                    r"p_\theta": family(old).joint,
                    r"\mathcal{L}": family.elbo,
                },
            }
            equation.agrees(tolerance=1e-12, what="an M-step" if new is not old else "no step", **meaning)
        sides = equation.sides(**meaning)
        equation.equal(torch.stack(sides[:3]), torch.stack(sides[-1:] * 3), 1e-12, "no step: equality")


@checks("eq-elbo-fisher", kind="autograd", over="five worlds with a parameter, q the posterior")
def test_fisher(equation):
    for seed in range(30, 35):
        family = Family(seed)
        at = torch.tensor(0.4, dtype=torch.float64, requires_grad=True)
        q = family.posterior(at)

        def slope(body, at=at, family=family):
            return torch.autograd.grad(body(at, family(at).joint), at)[0]

        meaning = {
            "names": {"x": Point(0, 1), "q": q},
            "functions": {r"\mathcal{L}": family.elbo, r"p_\theta": family(at).joint},
            "operators": {
                r"\nabla_\theta": ((r"\theta", r"p_\theta"), slope),
                r"\mathbb{E}_{q}": ("z", average_over(q, 1)),
            },
        }
        equation.agrees(tolerance=1e-12, **meaning)


# -------------------------------------------------------------------------------------------------- importance weights


@checks(
    "eq-elbo-second-moment",
    kind="quadrature",
    over="c from 0.55 to 4; at 1/2 and below the integrals grow without end",
)
def test_second_moment(equation):
    p_x, mean, variance = 0.3, 0.7, 0.6

    def meaning(c, reach):
        def q(z):
            return normal_density(z, mean, c * variance)

        def target(z, x=None):
            return normal_density(z, mean, variance)

        def average(body):
            return integrate.quad(
                lambda z: q(z) * float(body(target(z) * p_x / q(z))),
                mean - reach,
                mean + reach,
                epsabs=1e-12,
                limit=200,
            )[0]

        def area(body, *_):
            return integrate.quad(
                lambda z: float(body(z)), mean - reach, mean + reach, epsabs=1e-12, limit=200
            )[0]

        return {
            "names": {"c": c, "x": 1.0},
            "functions": {"q": q, r"p_\theta\mid": target, r"p_\theta": lambda x: {1.0: p_x}[x]},
            "operators": {r"\mathbb{E}_q": ("w", average)},
            "integral": area,
        }

    for c in (0.55, 0.6, 0.8, 1.3, 4.0):
        equation.agrees(tolerance=1e-8, what="c > 1/2", **meaning(c, 18))
    for c in (0.3, 0.5):
        equation.shows(equation.side(2, names={"c": c}) == sympy.oo, "infinite for c <= 1/2")
        for side in (0, 1):
            near, far, farther = (equation.side(side, **meaning(c, reach)) for reach in (2, 4, 8))
            equation.shows(
                far > 1.9 * near and farther > 1.9 * far, "twice the range, at least twice the integral"
            )


def exact_bound(n_samples, law, weights):
    """L_K by the package's estimator, averaged over every outcome of K draws."""
    places = np.array(list(itertools.product(range(len(law)), repeat=n_samples)))
    log_w = torch.tensor(np.log(weights)[places].T)  # axes: K samples, all outcomes
    return float(law[places].prod(1) @ bounds.importance_weighted_bound(log_w).numpy())


@checks("eq-elbo-iw", kind="exact", over=f"{WORLDS}, K = 1 to 4, every outcome of the draws")
def test_importance_weighted_bound(equation):
    for world, q in worlds(40):
        meaning = scene(world, q)
        weights = np.array([meaning["functions"]["w"](Point(1, z)) for z in range(4)])
        for n_samples in (1, 2, 3, 4):

            def rule(body, n_samples=n_samples, q=q):
                outcomes = itertools.product(range(len(q)), repeat=n_samples)
                return sum(
                    math.prod(q[z] for z in outcome)
                    * body(lambda k, outcome=outcome: Point(1, outcome[int(k) - 1]))
                    for outcome in outcomes
                )

            truth = exact_bound(n_samples, q, weights)
            equation.agrees(
                names={"K": n_samples, "x": Point(0, 1)},
                functions={
                    "w": meaning["functions"]["w"],
                    r"\mathcal{L}_K": lambda x, truth=truth: {Point(0, 1): truth}[x],
                },
                operators={r"\mathbb{E}": ("z_", rule)},
                what=f"K = {n_samples}",
            )


@checks("eq-elbo-ordering", kind="exact", over=f"{WORLDS}, K up to 5; tight where q is the posterior")
def test_ordering(equation):
    for world, q in worlds(41):
        for law in (q, posterior(world)):
            p_x = world.joint(Point(0, 1))
            weights = np.array([world.joint(Point(0, 1), Point(1, z)) for z in range(4)]) / law
            chain = [exact_bound(k, law, weights) for k in range(1, 6)]
            for middle, last in itertools.combinations(range(5), 2):
                names = {
                    r"\mathcal{L}_1": chain[0],
                    r"\dots": chain[middle],
                    r"\mathcal{L}_K": chain[last],
                    r"p_\theta(x)": p_x,
                }
                equation.agrees(names=names, tolerance=1e-12)
        equation.equal(
            np.array(equation.sides(names=names), dtype=float),
            np.full(4, math.log(p_x)),
            1e-12,
            "q is the posterior",
        )


@checks(
    "eq-elbo-leave-one-out", kind="exact", over="40 sets of 2 to 6 random weights; tight where all are equal"
)
def test_leave_one_out(equation):
    generator = np.random.default_rng(42)
    for number in range(40):
        size = 2 + number % 5
        for weights in (generator.lognormal(size=size), np.full(size, 2.5)):
            meaning = {
                "names": {"K": size - 1},
                "functions": {"w_": lambda k, weights=weights: weights[int(k) - 1]},
                "ranges": {"k": (1, size), "j": (1, size)},
            }
            equation.agrees(tolerance=1e-12, **meaning)
            log_w = torch.tensor(np.log(weights))
            by_package = [
                bounds.importance_weighted_bound(some[:, None]).item()
                for some in (log_w, *(torch.cat([log_w[:j], log_w[j + 1 :]]) for j in range(size)))
            ]
            left, right = equation.sides(**meaning)
            equation.equal(left, by_package[0], 1e-12, "the package's bound with all weights")
            equation.equal(right, np.mean(by_package[1:]), 1e-12, "its mean with one weight left out")
        equation.equal(left, right, 1e-12, "equal weights")


@checks(
    "eq-elbo-rate",
    kind="exact",
    over="two random worlds of 2 values, K = 400 and 800: the error halves and extrapolates to zero",
)
def test_rate(equation):
    for seed in (43, 44):
        generator = np.random.default_rng(seed)
        law, weights = random_table(generator, 2), generator.uniform(0.5, 1.5, 2)
        p_x = law @ weights

        def spread(body, law=law, weights=weights):
            values = [body(w) for w in weights]
            mean = sum(p * v for p, v in zip(law, values, strict=True))
            return sum(p * (v - mean) ** 2 for p, v in zip(law, values, strict=True))

        def gap(n_samples, law=law, weights=weights, p_x=p_x):
            count = np.arange(n_samples + 1)
            bound = stats.binom.pmf(count, n_samples, law[1]) @ np.log(
                (count * weights[1] + (n_samples - count) * weights[0]) / n_samples
            )
            names = {"K": n_samples, r"\mathcal{L}_K": bound, r"p_\theta(x)": p_x}
            return {"names": names, "operators": {r"\mathrm{Var}_q": ("w", spread)}}

        equation.agrees(approx=1e-3, what="K = 800", **gap(800))
        coarse, fine = (equation.side(0, **gap(k)) for k in (400, 800))
        equation.equal(2 * fine - coarse, equation.side(1, **gap(400)), 1e-6, "extrapolated to infinite K")


# ------------------------------------------------------------------------------------------ data sets, encoders, the rate


def per_datum(world, laws):
    """What the symbols mean for data x_1, x_2, x_3, each with its own q."""
    return {
        "functions": {
            "x_": lambda n: Point(0, int(n) - 1),
            r"p_\theta": world.joint,
            r"\mathcal{L}": lambda x: elbo(world, laws[x.index], x),
        },
        "names": {"N": 3},
        "ranges": {"n": (1, 3)},
    }


@checks("eq-elbo-dataset", kind="exact", over=f"{WORLDS}, one random q for each x; tight for the posteriors")
def test_data_set(equation):
    generator = np.random.default_rng(45)
    for world, _ in worlds(46):
        equation.agrees(**per_datum(world, [random_table(generator, 4) for _ in range(3)]))
        left, right = equation.sides(**per_datum(world, [posterior(world, x) for x in range(3)]))
        equation.equal(left, right, 1e-12, "posteriors")


@checks("eq-elbo-minibatch", kind="exact", over=f"{WORLDS}, all subsets of 1, 2 and 3 of the 3 data")
def test_minibatch(equation):
    generator = np.random.default_rng(47)
    for world, _ in worlds(48):
        meaning = per_datum(world, [random_table(generator, 4) for _ in range(3)])
        for size in (1, 2, 3):

            def rule(body, size=size):
                batches = list(itertools.combinations((1, 2, 3), size))
                return sum(body(set(batch)) for batch in batches) / len(batches)

            meaning["names"] = {"N": 3, "B": size}
            equation.agrees(tolerance=1e-12, operators={r"\mathbb{E}": (r"\mathcal{B}", rule)}, **meaning)


@checks("eq-elbo-gaps", kind="exact", over=f"{WORLDS}, families of 30 random q; both gaps at least zero")
def test_gaps(equation):
    generator = np.random.default_rng(49)
    for world, q in worlds(50):
        best = max(elbo(world, random_table(generator, 4), Point(0, 1)) for _ in range(30))
        best = max(best, elbo(world, q, Point(0, 1)))
        p_x, own = world.joint(Point(0, 1)), elbo(world, q, Point(0, 1))
        names = {r"p_\theta(x)": p_x, r"\mathcal{L}": own, r"\mathcal{L}^*": best}
        equation.agrees(tolerance=1e-12, names=names)
        equation.equal(equation.side(1, names=names), relative_entropy(q, posterior(world)), 1e-12, "the gap")


@checks(
    "eq-elbo-surgery",
    kind="exact",
    over="five encoders of 3 to 5 data with random laws of 4 values, random priors",
)
def test_surgery(equation):
    generator = np.random.default_rng(51)
    for data in (3, 4, 5, 3, 4):
        encoder = World(
            np.stack([random_table(generator, 4) for _ in range(data)]) / data
        )  # every datum equally often
        prior = random_table(generator, 4)
        equation.agrees(
            tolerance=1e-12,
            names={"N": data, "z": EVERY_Z},
            functions={
                "x_": lambda n: Point(0, int(n) - 1),
                r"q_\phi": encoder.joint,
                r"q_\phi\mid": encoder.given,
                "p": lambda z, prior=prior: {EVERY_Z: prior}[z],
                r"\mathrm{KL}": relative_entropy,
            },
            ranges={"n": (1, data)},
        )
