"""The equations of chapter 07: identities counted out in small random worlds, lengths measured in the coder."""

import math

import numpy as np
import pytest
import sympy
import torch
from scipy.integrate import quad
from scipy.optimize import brentq, minimize, minimize_scalar
from scipy.stats import norm
from torch.distributions import MultivariateNormal, kl_divergence
from torch.distributions import Normal as TorchNormal

from equations.checking import checks
from tests.equations.vocabulary import SIGMA, Normal, Z, divergence, holds, normal
from tests.equations.worlds import World
from vae_notes import bits_back, coding, information
from vae_notes.likelihoods import NormalLikelihood
from vae_notes.linear_gaussian import LinearGaussian
from vae_notes.models import VAE, Decoder, Encoder
from vae_notes.reparameterization import sample_normal

WORLDS = [World(seed) for seed in range(5)]
TABLES = "5 random worlds of 4 x 3 states, every sum counted out"
BOUND, MEAN_BOUND = r"\mathcal{L}(x)", r"\mathbb{E}_{\hat p}[\mathcal{L}]"


def real(value):
    return torch.tensor(value, dtype=torch.float64)


def in_worlds(equation, names, statement=0):
    """The statement holds in every world; ``names`` gives what it needs besides the tables."""
    for world in WORLDS:
        equation.agrees(statement, 1e-12, names=world.names(names(world)), **world.meaning)


# ---- the forms of the ELBO


@checks("eq-anat-energy", kind="exact", over=TABLES)
def test_energy_and_entropy(equation):
    in_worlds(equation, lambda world: {BOUND: world.elbo, "U(x, z)": -world.joint.log()})


@checks("eq-anat-joint-kl", kind="exact", over=TABLES + "; with the posterior for q it is the log evidence")
def test_minus_a_divergence_to_the_joint(equation):
    in_worlds(equation, lambda world: {BOUND: world.elbo})
    world = World(9)
    world.q = world.posterior
    equation.equal(
        equation.side(1, names=world.names(), **world.meaning), world.p_x.log(), 1e-12, "with the posterior"
    )


@checks("eq-anat-two-joints", kind="exact", over=TABLES)
def test_divergence_of_two_joints(equation):
    in_worlds(equation, lambda world: {BOUND: world.elbo})


@checks("eq-anat-rd", kind="exact", over=TABLES)
def test_rate_and_distortion(equation):
    def names(world):
        parts = {"D": world.distortion, "R": world.rate}
        return {**parts, r"-\mathbb{E}_{\hat p}[\mathcal{L}]": -world.under_data(world.elbo)}

    for statement in range(3):
        in_worlds(equation, names, statement)


@checks("eq-anat-aggregate", kind="exact", over=TABLES + "; information against the package's")
def test_aggregate_posterior_and_information(equation):
    def names(world):
        said = information.mutual_information(world.p_hat * world.q)
        return {r"\mathcal{I}_q": said, "q(z)": (world.p_hat * world.q).sum(0, keepdim=True)}

    for statement in range(2):
        in_worlds(equation, names, statement)


@checks("eq-anat-surgery", kind="exact", over=TABLES)
def test_surgery(equation):
    def names(world):
        return {
            MEAN_BOUND: world.under_data(world.elbo),
            "D": world.distortion,
            r"\mathcal{I}_q": information.mutual_information(world.p_hat * world.q),
        }

    in_worlds(equation, names)


@checks("eq-anat-cross", kind="exact", over=TABLES)
def test_cross_entropy(equation):
    in_worlds(equation, lambda world: {})


@checks(
    "eq-anat-fence",
    kind="exact",
    over="200 random worlds; on the left fence with q inverted, on the right with p(z) = q(z)",
)
def test_fence_of_the_plane(equation):
    def names(world):
        return world.names({"D": world.distortion, "R": world.rate, r"\mathcal{I}_q": world.information})

    for seed in range(200):
        world = World(seed)
        equation.agrees(tolerance=-1e-6, names=names(world), **world.meaning)  # strict
    world = World(3)
    world.p_z = world.q_z
    world.p_x_given_z = world.p_hat * world.q / world.q_z
    low, said, high = equation.sides(names=names(world), **world.meaning)
    equation.equal(low, said, 1e-12, "left fence, reached")
    equation.equal(high, said, 1e-12, "right fence, reached")


def price(world, q, beta):
    """D + beta R of an encoder, by their definitions."""
    weights = world.p_hat * q
    return (weights * (-world.p_x_given_z.log() + beta * (q / world.p_z).log())).sum()


def cheapest(world, beta):
    """The encoder that minimises D + beta R, by search."""

    def value_and_slope(scores):
        scores = real(scores).reshape(world.q.shape).requires_grad_()
        value = price(world, scores.softmax(1), beta)
        return value.item(), torch.autograd.grad(value, scores)[0].numpy().ravel()

    found = minimize(
        value_and_slope, np.zeros(world.q.numel()), jac=True, method="BFGS", options={"gtol": 1e-9}
    )
    return real(found.x).reshape(world.q.shape).softmax(1)


@checks(
    "eq-anat-blahut",
    kind="exact",
    over="3 random worlds with prices 0.4, 1 and 2.3, against the minimum found by search",
)
def test_cheapest_code(equation):
    for seed, beta in enumerate((0.4, 1.0, 2.3)):
        world = World(seed)
        found = cheapest(world, beta)
        names = world.names({r"q(z\mid x)": found, r"\beta": beta})
        left, right = equation.sides(names=names, **world.meaning)
        equation.equal(right / right.sum(1, keepdim=True), left, 1e-6, "normalised over z")


def best_codes(world, prices, steps):
    """Rate and distortion of the cheapest encoders, with the prior made the best for them so many times."""
    prices, prior = prices[:, None, None], world.p_z
    for step in range(steps + 1):
        q = (prior.log() + world.p_x_given_z.log() / prices).softmax(2)
        if step < steps:  # Blahut and Arimoto
            prior = (world.p_hat * q).sum(1, keepdim=True)
    pairs = world.p_hat * q
    return (pairs * (q / prior).log()).sum((1, 2)), -(pairs * world.p_x_given_z.log()).sum((1, 2))


@checks(
    "eq-anat-slope",
    kind="autograd",
    over="prices 0.3, 0.6 and 0.9 in 4 random worlds; with the best prior by differences",
)
def test_slope_of_the_curve(equation):
    prices = [0.3, 0.6, 0.9]
    for seed in range(4):
        world = World(seed)
        beta = real(prices).requires_grad_()
        run, rise = (
            torch.autograd.grad(part.sum(), beta, retain_graph=True)[0] for part in best_codes(world, beta, 0)
        )
        equation.agrees(
            tolerance=1e-9, what="one prior", names={r"\frac{dD}{dR}": rise / run, r"\beta": real(prices)}
        )
        world.p_x_given_z = world.p_x_given_z**3 / (world.p_x_given_z**3).sum(
            0
        )  # a sharper decoder: all codes are used
        ends = [best_codes(world, real(prices) * step, 2000) for step in (1.001, 0.999)]
        slope = (ends[0][1] - ends[1][1]) / (ends[0][0] - ends[1][0])
        equation.agrees(
            tolerance=1e-4, what="best prior", names={r"\frac{dD}{dR}": slope, r"\beta": real(prices)}
        )


# ---- information


def per_datum(world):
    """Meanings for a sum over data x_1, ..., x_N of equal weight."""

    def law(z, datum=None):
        return (world.q_z[0] if datum is None else world.q[int(datum) - 1])[z].numpy()

    return {
        "names": {"z": slice(None), "N": len(world.q)},
        "functions": {"q": law, "x_": lambda n: n, r"\mathbb{E}_": lambda law: law},  # weights times values
        "ranges": {"n": (1, len(world.q))},
    }


def equal_weights(seed, n_x):
    world = World(seed, n_x=n_x)
    world.p_hat = torch.full_like(world.p_hat, 1 / n_x)
    world.derive()
    return world


@checks(
    "eq-anat-information",
    kind="exact",
    over="random worlds of 3, 4 and 5 data of equal weight, against the package's table",
)
def test_information_as_an_average(equation):
    for seed, n_x in enumerate((3, 4, 5)):
        world = equal_weights(seed, n_x)
        meaning = per_datum(world)
        meaning["names"][r"\mathcal{I}_q"] = information.mutual_information(world.p_hat * world.q)
        equation.agrees(tolerance=1e-12, **meaning)


@checks(
    "eq-anat-log-n",
    kind="exact",
    over="300 random encoders of 2 to 7 data; reached by codes that do not overlap",
)
def test_ceiling_of_the_information(equation):
    for seed in range(300):
        n_x = 2 + seed % 6
        world = equal_weights(seed, n_x)
        equation.agrees(names={r"\mathcal{I}_q": world.information, "N": n_x})
    for n_x in (2, 3, 7):
        table = torch.eye(n_x, dtype=torch.float64) / n_x
        said, ceiling = equation.sides(
            names={r"\mathcal{I}_q": information.mutual_information(table), "N": n_x}
        )
        equation.equal(ceiling, said, 1e-12, "reached without overlap")


# ---- forces, and the sum of entropies


@checks("eq-anat-curved", kind="symbolic", over="x = 1, mu = 0, all sigma > 0")
def test_spread_can_help(equation):
    average = Normal(0, SIGMA**2).average
    equation.proves(names={"x": 1, "z": Z, r"\sigma": SIGMA}, operators={r"\mathbb{E}_q": ("z", average)})
    variance = sympy.Symbol("v", positive=True)
    error = equation.side(1, names={r"\sigma": sympy.sqrt(variance)})
    equation.shows(
        sympy.solve(sympy.diff(error, variance), variance) == [sympy.Rational(1, 3)], "smallest at 1/3"
    )


def weighted(rows):
    """Meanings for ``\\mathbb{E}\\Vert v\\Vert^2``: equal weights times the squared lengths of the rows."""
    return {r"\mathbb{E}": np.full(len(rows), 1 / len(rows))}, {
        r"\Vert": lambda v: np.linalg.norm(v, axis=-1)
    }


@checks(
    "eq-anat-noise",
    kind="autograd",
    over="4 random sets of 30 data of 1 to 4 pixels, the noise that maximises the likelihood",
)
def test_noise_at_a_stationary_point(equation):
    for seed in range(4):
        generator = torch.Generator().manual_seed(seed)
        x, output = torch.randn(2, 30, seed + 1, generator=generator, dtype=torch.float64)

        def slope(log_variance, x=x, output=output):
            at = torch.tensor(log_variance, dtype=torch.float64, requires_grad=True)
            return torch.autograd.grad(TorchNormal(output, (at / 2).exp()).log_prob(x).sum(), at)[0].item()

        best = brentq(slope, -5, 5, xtol=1e-14)
        mean, length = weighted(x)
        names = {
            **mean,
            "x": x.numpy(),
            "f(z)": output.numpy(),
            "D": x.shape[1],
            r"\sigma_x": math.exp(best / 2),
        }
        equation.agrees(tolerance=1e-10, names=names, functions=length)


class RandomLinear:
    """A linear VAE at random parameters, its code rescaled by c and its decoder's input divided by c."""

    def __init__(self, seed, z_dim):
        generator = torch.Generator().manual_seed(seed)
        self.x = torch.randn(6, 3, generator=generator, dtype=torch.float64)
        self.weight = torch.randn(3, z_dim, generator=generator, dtype=torch.float64)
        self.loc = torch.randn(6, z_dim, generator=generator, dtype=torch.float64)
        self.log_variance = torch.randn(6, z_dim, generator=generator, dtype=torch.float64)

    def elbo(self, c):
        c = torch.as_tensor(c, dtype=torch.float64)
        decoder = LinearGaussian(self.weight / c, torch.zeros(3).double(), real(0.3))
        return decoder.elbo(self.x, c * self.loc, self.log_variance + 2 * c.log()).mean()

    def slope(self, c):
        at = torch.tensor(c, dtype=torch.float64, requires_grad=True)
        return torch.autograd.grad(self.elbo(at), at)[0].item()

    def codes(self, c):
        """Points whose mean square is that of the codes: mu plus and minus sigma sqrt(d) along each axis."""
        z_dim = self.loc.shape[1]
        steps = torch.cat([torch.eye(z_dim), -torch.eye(z_dim)]).double() * math.sqrt(z_dim)
        spread = (self.log_variance / 2).exp()
        return (c * (self.loc + steps[:, None] * spread)).reshape(-1, z_dim).numpy()


@checks(
    "eq-anat-rescale", kind="exact", over="linear VAEs of 1 to 3 codes at random parameters, c from 0.5 to 2"
)
def test_change_when_codes_are_rescaled(equation):
    for seed, z_dim in enumerate((1, 2, 3)):
        model = RandomLinear(seed, z_dim)
        mean, length = weighted(model.codes(1.0))
        for c in (0.5, 1.3, 2.0):
            change = (model.elbo(c) - model.elbo(1.0)).item()
            names = {**mean, "z": model.codes(1.0), "d": z_dim, "c": c, r"\Delta(c)": change}
            equation.agrees(tolerance=1e-10, names=names, functions=length)


@checks(
    "eq-anat-code-scale",
    kind="autograd",
    over="linear VAEs of 1 to 3 codes, rescaled until the ELBO's derivative vanishes",
)
def test_scale_of_codes_at_rest(equation):
    for seed, z_dim in enumerate((1, 2, 3)):
        model = RandomLinear(seed, z_dim)
        best = brentq(model.slope, 0.01, 20, xtol=1e-14)
        codes = model.codes(best)
        mean, length = weighted(codes)
        equation.agrees(tolerance=1e-9, names={**mean, "z": codes, "d": z_dim}, functions=length)


@checks(
    "eq-anat-entropies", kind="exact", over="linear VAEs of 1 to 3 codes at their optimum, and away from it"
)
def test_sum_of_entropies(equation):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(60, 5, generator=generator, dtype=torch.float64) * torch.tensor([2.0, 1.3, 0.9, 0.5, 0.4])
    for z_dim in (1, 2, 3):
        model = LinearGaussian.fit(x, z_dim)  # the optimum, whose posterior has uncorrelated axes
        loc, root = model.posterior(x)
        variance = (root @ root.mT).expand(60, -1, -1)
        for away in (0.0, 0.4):
            log_variance = variance.diagonal(dim1=1, dim2=2).log() + away
            q = TorchNormal(loc, (log_variance / 2).exp())
            noise = TorchNormal(torch.zeros(60, 5).double(), (model.log_variance / 2).exp())
            prior = TorchNormal(torch.zeros(1, z_dim).double(), torch.ones(1, z_dim).double())
            names = {
                r"\mathcal{L}": model.elbo(x, loc, log_variance).mean(),
                r"q(z\mid x)": q, "p(z)": prior, r"p_\theta(x\mid z)": noise,
            }  # fmt: skip
            meaning = {
                "names": names,
                "functions": {"H": lambda law: law.entropy().sum(1).mean()},
                "operators": {r"\mathbb{E}": ((), lambda body: body())},
            }
            bound, entropies = equation.sides(**meaning)
            if away:
                equation.shows(abs(bound - entropies) > 0.05, "not so away from the optimum")
            else:
                equation.equal(entropies, bound, 1e-10, "at the optimum")


# ---- lengths of messages


PRIOR, LIKELIHOOD = [7, 5, 4], [[9, 4, 2, 1], [3, 6, 5, 2], [1, 2, 4, 9]]
ENCODER = [[13, 3, 1], [9, 6, 2], [3, 11, 3], [2, 5, 10]]
CODE = bits_back.BitsBackCode([PRIOR], lambda z: [LIKELIHOOD[z[0]]], lambda x: [ENCODER[x[0]]])
CODER = "every pair of 4 x 3 states, sent with the package's coder on a message of 2000 random bits"


def coder_world():
    """The world of the coder's tables."""
    world = World(0)
    world.p_z = torch.tensor([PRIOR]).double() / 16
    world.p_x_given_z = torch.tensor(LIKELIHOOD).double().T / 16
    world.q = torch.tensor(ENCODER).double() / 17
    world.derive()
    return world


def message():
    return coding.Stack.random_bits(2000, torch.Generator().manual_seed(0))


def growth(stack, step):
    """Bits that a step adds to a message; from the whole number itself, as both lengths are near 2000."""
    before = stack.state
    step(stack)
    return float(sympy.log(sympy.Rational(stack.state, before), 2).evalf(20))


def net_lengths():
    """Bits that bits-back coding needs for each x and z: z lies on top of the message, and so is drawn."""
    lengths = torch.zeros(4, 3, dtype=torch.float64)
    for x, z in np.ndindex(4, 3):
        stack = message()
        stack.push(z, ENCODER[x])
        used = []
        lengths[x, z] = growth(stack, lambda stack, x=x, used=used: used.append(CODE.encode(stack, (x,))))
        assert used == [(z,)]
    return lengths


@checks("eq-anat-two-part", kind="exact", over=CODER)
def test_two_parts(equation):
    lengths = torch.zeros(4, 3, dtype=torch.float64)
    for x, z in np.ndindex(4, 3):
        first = growth(message(), lambda stack, z=z: stack.push(z, PRIOR))
        lengths[x, z] = first + growth(message(), lambda stack, x=x, z=z: stack.push(x, LIKELIHOOD[z]))
    world = coder_world()
    equation.agrees(tolerance=1e-12, names=world.names({r"\ell_2(x, z)": lengths}))


@checks("eq-anat-bits-back", kind="exact", over=CODER)
def test_bits_back(equation):
    equation.agrees(tolerance=1e-12, names=coder_world().names({r"\ell(x, z)": net_lengths()}))


@checks("eq-anat-length", kind="exact", over=CODER)
def test_mean_length_is_the_bound(equation):
    world = coder_world()
    names = world.names({r"\ell(x, z)": net_lengths(), BOUND: world.elbo})
    equation.agrees(tolerance=1e-12, names=names, **world.meaning)


@checks("eq-anat-overhead", kind="exact", over=TABLES)
def test_overhead(equation):
    in_worlds(equation, lambda world: {BOUND: world.elbo})


@checks(
    "eq-anat-push",
    kind="exact",
    over="200 messages of up to 80 bits, random tables of 4 symbols, whole numbers throughout",
)
def test_push(equation):
    generator = np.random.default_rng(0)
    for _ in range(200):
        counts = [int(count) for count in generator.integers(1, 60, 4)]
        symbol, state = (
            int(generator.integers(4)),
            int(generator.integers(2**40)) * int(generator.integers(2**40)),
        )
        stack = coding.Stack(state)
        stack.push(symbol, counts)
        numbers = {
            "s": state,
            "s'": stack.state,
            "f": counts[symbol],
            "T": sum(counts),
            "c": sum(counts[:symbol]),
        }
        left, right = equation.sides(names=numbers)
        equation.shows(left == right, "the same whole number")


@checks(
    "eq-anat-bins", kind="quadrature", over="q = N(0.7, 0.3^2), 6 places, bins of width 0.02, 0.01 and 0.005"
)
def test_cost_of_a_bin(equation):
    for place in (-0.4, 0.1, 0.5, 0.8, 1.1, 1.7):
        errors = []
        for width in (0.02, 0.01, 0.005):
            edges = place - width / 2, place + width / 2
            prior, code = (
                norm(*law).cdf(edges[1]) - norm(*law).cdf(edges[0]) for law in ((0, 1), (0.7, 0.3))
            )
            densities = {"p(z)": norm(0, 1).pdf(place), r"q(z\mid x)": norm(0.7, 0.3).pdf(place)}
            cost = equation.side(0, names=densities | {r"\delta": width})
            exact = math.log2(code) - math.log2(prior)
            errors.append(abs(cost - exact))
            equation.equal(
                equation.side(0, names=densities | {r"\delta": 3 * width}), cost, 1e-12, "the width cancels"
            )
        equation.equal(errors[0], 0, 1e-2, "against the masses of the bins")
        equation.equal(
            [errors[0] / errors[1], errors[1] / errors[2]][1],
            4,
            0.02,
            "a bin half as wide, a quarter of the error",
        )


# ---- beta


@checks(
    "eq-anat-beta-elbo",
    kind="exact",
    over="minus the loss of the package's VAE, 3 pairs of beta and scale, 8 data, the same draws",
)
def test_objective_of_the_package(equation):
    x = torch.randn(8, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for beta, scale in ((0.3, 0.9), (1.0, 0.4), (4.0, 0.7)):
        torch.manual_seed(1)
        vae = VAE(Encoder(5, 6, 2), Decoder(2, 6, 5), NormalLikelihood(scale), beta=beta).double()
        vae.likelihood.log_variance = real(2 * math.log(scale))
        loc, log_variance = (part.detach() for part in vae.encode(x))
        z = sample_normal(loc, log_variance, generator=torch.Generator().manual_seed(2))
        loss = vae.loss(x, torch.Generator().manual_seed(2))["loss"].detach()
        laws = (
            MultivariateNormal(loc, log_variance.exp().diag_embed()),
            MultivariateNormal(torch.zeros(2).double(), torch.eye(2).double()),
        )
        equation.agrees(
            tolerance=1e-10,
            names={
                "x": x,
                r"\beta": beta,
                r"\sigma_x": scale,
                "I": torch.eye(5).double(),
                "q": laws[0],
                "p": laws[1],
            },
            functions={
                "J": lambda *at, here=(beta, scale**2), loss=loss: (
                    -loss if at == pytest.approx(here) else math.nan
                ),
                "f": lambda z, vae=vae: vae.decode(z).detach(),
                r"\mathcal{N}": lambda x, mean, cov: MultivariateNormal(mean, cov).log_prob(x).exp(),
                r"\mathrm{KL}": kl_divergence,
            },
            operators={r"\mathbb{E}_q": ("z", lambda body, z=z: body(z))},
        )


@checks(
    "eq-anat-knob",
    kind="quadrature",
    over="10 random models of 1 to 4 pixels, one code, curved decoder; beta and variance from 0.1 to 5",
)
def test_one_knob(equation):
    generator = np.random.default_rng(0)
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    weights = weights / weights.sum()
    for trial in range(10):
        pixels = 1 + trial % 4
        x, slope = generator.normal(size=(2, pixels))
        mean, scale = generator.normal(), generator.uniform(0.3, 1.5)
        output = np.sin(slope * (mean + scale * nodes[:, None]))
        kl = weights @ (norm.logpdf(mean + scale * nodes, mean, scale) - norm.logpdf(mean + scale * nodes))

        def objective(beta, variance, x=x, output=output, kl=kl):
            return weights @ norm.logpdf(x, output, math.sqrt(variance)).sum(1) - beta * kl

        beta, variance = generator.uniform(0.1, 5, 2)
        names = {r"\beta": beta, r"\sigma_x": math.sqrt(variance), "D": pixels}
        equation.agrees(tolerance=1e-10, names=names, functions={"J": objective})


def weighted_bound(world, beta):
    return world.under_q(world.p_x_given_z.log()) - beta * world.under_q((world.q / world.p_z).log())


@checks("eq-anat-beta-shift", kind="exact", over=TABLES + ", beta from 0 to 4")
def test_weighted_objective(equation):
    for beta in (0.0, 0.4, 1.0, 4.0):
        in_worlds(equation, lambda world, beta=beta: {
            r"\mathcal{L}_\beta(x)": weighted_bound(world, beta), BOUND: world.elbo, r"\beta": beta,
        })  # fmt: skip


@checks("eq-anat-beta-bound", kind="exact", over="40 random worlds of 4 data, beta from 0 to 1.5")
def test_when_the_bound_is_left(equation):
    outcomes = []
    for seed in range(40):
        world = World(seed)
        for beta in (0.0, 0.3, 0.6, 0.9, 1.0, 1.5):
            meaning = {"names": world.names({r"\beta": beta}), **world.meaning}
            left, right = equation.sides(**meaning)
            excess = weighted_bound(world, beta) - world.p_x.log()
            equation.equal(left - right, excess, 1e-12, "by how much the evidence is exceeded")
            said = holds(equation, **meaning)
            equation.shows(torch.equal(said, excess > 0), "above the evidence exactly then")
            outcomes += said.flatten().tolist()
    equation.shows(min(outcomes.count(True), outcomes.count(False)) > 100, "both happen often")


# ---- the scale of the prior, the threshold, the cell


@checks(
    "eq-anat-absorb", kind="exact", over="3 random normals of 2 codes, a curved decoder, c = 0.4, 1.7 and 3"
)
def test_scale_of_the_prior_is_absorbed(equation):
    for seed, c in enumerate((0.4, 1.7, 3.0)):
        generator = np.random.default_rng(seed)
        mean, root, mixing = (
            generator.normal(size=2),
            generator.normal(size=(2, 2)),
            generator.normal(size=(2, 3)),
        )
        steps = np.concatenate([np.eye(2), -np.eye(2)]) * math.sqrt(2)
        z = mean + steps @ root.T  # four points with exactly this mean and covariance
        scaled = c * z

        def decoder(z, mixing=mixing):
            return np.tanh(z @ mixing)

        names = {
            "c": c, r"\mu": mean, r"\Sigma": root @ root.T, "z'": scaled, "f'(z')": decoder(z),
            r"\mu'": scaled.mean(0), r"\Sigma'": np.cov(scaled.T, bias=True),
        }  # fmt: skip
        for statement, what in enumerate(("same output", "mean of c z", "covariance of c z")):
            equation.agrees(statement, 1e-12, what, names=names, functions={"f": decoder})


@checks(
    "eq-anat-invariant",
    kind="symbolic",
    over="one dimension: all mu, all sigma and c > 0; numbers in 3 dimensions",
)
def test_divergence_does_not_see_the_scale(equation):
    mu, c = sympy.Symbol("mu", real=True), sympy.Symbol("c", positive=True)
    symbols = {r"\mu": mu, r"\Sigma": SIGMA**2, "c": c, "I": 1}
    equation.proves(names=symbols, functions={r"\mathrm{KL}": divergence, r"\mathcal{N}": normal})

    def law(mean, covariance):
        return MultivariateNormal(mean if torch.is_tensor(mean) else real([float(mean)] * 3), covariance)

    for seed, c in enumerate((0.4, 1.7, 3.0)):
        mean, *root = torch.randn(4, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        root = torch.stack(root)
        numbers = {
            r"\mu": mean,
            r"\Sigma": root @ root.T + 0.1 * torch.eye(3),
            "c": c,
            "I": torch.eye(3).double(),
        }
        equation.agrees(
            tolerance=1e-10, names=numbers, functions={r"\mathrm{KL}": kl_divergence, r"\mathcal{N}": law}
        )


@checks(
    "eq-anat-threshold",
    kind="exact",
    over="variances from 0.1 to 4 and noise from 0.2 to 1.5, against the best weight by search",
)
def test_threshold_of_a_direction(equation):
    for variance, noise in ((0.1, 0.3), (0.7, 0.2), (1.2, 1.5), (2.0, 0.9), (4.0, 1.5)):
        x = torch.tensor([[-1.0], [1.0]]).double() * math.sqrt(variance)

        def loss(weight, x=x, noise=noise):
            model = LinearGaussian(real([[weight]]), real([0.0]), real(noise).log())
            return -model.log_evidence(x).mean().item()

        best = minimize_scalar(loss, bounds=(0, 4), method="bounded", options={"xatol": 1e-12}).x
        names = {"w": best, "v_i": variance, r"\sigma_x": math.sqrt(noise)}
        equation.agrees(tolerance=1e-5, names=names)


@checks(
    "eq-anat-dequantise",
    kind="quadrature",
    over="two bumps at 5 levels, cells of width 0.2 to 1.5; a flat density, where both sides meet",
)
def test_cell_and_density(equation):
    def mixture(x):
        bumps = (0.3, -0.4, 0.2), (0.7, 0.6, 0.5)
        return np.float64(
            sum(w * math.exp(-(((x - m) / s) ** 2) / 2) / s for w, m, s in bumps) / math.sqrt(2 * math.pi)
        )

    def meaning(density, width, level):
        def mean(body):
            return quad(body, -width / 2, width / 2)[0] / width

        return {
            "names": {r"\Delta": width, "k": level},
            "functions": {"p": density},
            "operators": {r"\mathbb{E}_u": ("u", mean)},
            "integral": lambda body, variable, low, high: np.float64(quad(body, low, high)[0]),
        }

    for width in (0.2, 0.6, 1.5):
        for level in (-1.0, -0.4, 0.1, 0.6, 1.5):
            equation.agrees(tolerance=-1e-6, **meaning(mixture, width, level))  # strict
        cell, mean = equation.sides(**meaning(lambda x: np.float64(0.23), width, 0.1))
        equation.equal(mean, cell, 1e-10, "a flat density")
