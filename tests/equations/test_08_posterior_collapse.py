"""The equations of chapter 08: the linear VAE solved by sympy; the package's measures, schedules, floors."""

import functools
import itertools
import math

import numpy as np
import sympy
import torch
from scipy.optimize import brentq, minimize, minimize_scalar
from scipy.stats import norm
from torch.distributions import Normal as TorchNormal
from torch.distributions import kl_divergence

from equations.checking import checks
from tests.equations.vocabulary import COMPARE, Normal, divergence, enumerated, holds
from tests.equations.worlds import World
from vae_notes import schedules
from vae_notes.collapse import active_units, kl_per_dim, variance_of_means
from vae_notes.divergences import kl_normal_standard_per_dim
from vae_notes.free_bits import free_bits
from vae_notes.likelihoods import BernoulliLikelihood
from vae_notes.models import VAE, Decoder, Encoder
from vae_notes.reparameterization import sample_normal

LAM, NOISE, S2, BETA, RATE = sympy.symbols("lambda sigma_x^2 s^2 beta r", positive=True)
W, V = sympy.symbols("w v", real=True)
SYMBOLS = {
    r"\lambda": LAM, r"\sigma_x": sympy.sqrt(NOISE), "s": sympy.sqrt(S2), "w": W, "v": V,
    r"\beta": BETA, "r": RATE,
}  # fmt: skip


def real(value):
    return torch.tensor(value, dtype=torch.float64)


# ---- measures


def encoder_outputs(seed, n=7, d=3):
    generator = torch.Generator().manual_seed(seed)
    loc, log_variance = torch.randn(2, n, d, generator=generator, dtype=torch.float64)
    return loc * real([1.5, 0.4, 0.05]), log_variance - real([2.0, 0.3, 0.1])


def encoder_meaning(loc, log_variance):
    """q(z_j | x_n) as a law of torch, with x_n and z_j standing for n and j."""
    scale = (log_variance / 2).exp()

    def law(j, n):
        return TorchNormal(loc[int(n) - 1, int(j) - 1], scale[int(n) - 1, int(j) - 1])

    return {r"q_\phi": law, "x_": lambda n: n}


@checks(
    "eq-col-kl-dim",
    kind="exact",
    over="3 random encoders of 7 data and 3 codes: the package's measure, torch's divergences",
)
def test_kl_per_dimension(equation):
    for seed in range(3):
        outputs = encoder_outputs(seed)
        functions = encoder_meaning(*outputs) | {r"\mathrm{KL}": kl_divergence}
        for j in range(3):
            prior = TorchNormal(real(0.0), real(1.0))
            names = {r"\mathrm{KL}_j": kl_per_dim(*outputs)[j], "N": 7, "z_j": j + 1, "p(z_j)": prior}
            equation.agrees(tolerance=1e-12, names=names, functions=functions)


@checks(
    "eq-col-active",
    kind="exact",
    over="20 random encoders of 7 data, and variances just above and below the threshold",
)
def test_active_units(equation):
    outcomes = []
    nodes, weights = np.polynomial.hermite_e.hermegauss(5)
    weights = weights / weights.sum()
    averages = {
        r"\mathrm{Var}_{x}": ((), lambda body: np.var(body())),
        r"\mathbb{E}_{q_\phi(z_j\mid x)}": ((), lambda body: body() @ weights),
    }
    for seed in range(20):
        loc, log_variance = encoder_outputs(seed)
        if seed > 16:  # variances just about the threshold
            loc = loc / loc.std(0, correction=0) * real([0.0099, 0.01001, 0.0101]).sqrt()
        for j in range(3):
            scale = (log_variance[:, j] / 2).exp().numpy()
            points = loc[:, j].numpy()[:, None] + scale[:, None] * nodes  # of q(z_j | x), a row for each x
            names = {"A_j": variance_of_means(loc)[j].item(), "z_j": points}
            named, variance, threshold = equation.sides(names=names, operators=averages)
            equation.equal(variance, named, 1e-12, "variance of the means")
            said = COMPARE[equation.statement(0).signs[1]](variance, threshold)
            equation.shows(said == active_units(loc)[j].item(), "active exactly then, as the package says")
            outcomes.append(said)
    equation.shows(min(outcomes.count(True), outcomes.count(False)) > 10, "both happen often")


GRID = torch.linspace(-14, 14, 401, dtype=torch.float64)


@checks(
    "eq-col-surgery",
    kind="quadrature",
    over="3 random encoders of 5 data and 2 codes, the plane of z on a grid",
)
def test_surgery(equation):
    cell = (GRID[1] - GRID[0]) ** 2
    prior = TorchNormal(real(0.0), real(1.0)).log_prob(GRID).exp()
    prior = prior[:, None] * prior

    def integral(q, p):
        q, p = q.clamp(min=1e-300), p.clamp(min=1e-300)  # far out both are 0 in floating point
        return (q * (q / p).log()).sum() * cell

    for seed in range(3):
        loc, log_variance = (part[:, :2] / 2 for part in encoder_outputs(seed, n=5))
        axes = (
            TorchNormal(loc[..., None], (log_variance / 2).exp()[..., None]).log_prob(GRID).exp()
        )  # (n, j, grid)
        each = axes[:, 0, :, None] * axes[:, 1, None, :]
        q_z = each.mean(0)
        names = {
            r"\mathcal{I}(x;z)": sum(integral(one, q_z) for one in each) / 5,
            r"q_\phi(z)": q_z, "p(z)": prior, "d": 2,
        }  # fmt: skip
        per_dim = kl_per_dim(loc, log_variance)
        functions = {
            r"\mathrm{KL}": integral,
            r"\mathrm{KL}_": lambda j, per_dim=per_dim: per_dim[int(j) - 1],
        }
        equation.agrees(tolerance=1e-9, names=names, functions=functions)


# ---- the argument


@checks("eq-col-identity", kind="exact", over="5 random worlds of 4 x 3 states, every sum counted out")
def test_identity(equation):
    for seed in range(5):
        world = World(seed)
        equation.agrees(tolerance=1e-12, names=world.names({r"\mathcal{L}(x)": world.elbo}), **world.meaning)


@checks("eq-col-prior", kind="exact", over="5 random worlds of 4 x 3 states whose decoder ignores z")
def test_posterior_is_the_prior(equation):
    for seed in range(5):
        world = World(seed)
        world.p_x_given_z = world.p_x_given_z[:, :1].expand(4, 3)
        world.derive()
        names = {name: table.expand(4, 3) for name, table in world.names().items()}
        equation.agrees(tolerance=1e-12, names=names)
    world = World(0)
    equation.shows(not torch.allclose(world.posterior, world.p_z), "not so when the decoder uses z")


# ---- the linear VAE


@functools.cache
def linear_terms():
    """Reconstruction and KL of the linear VAE, averaged over x, by integrating their definitions."""
    x = sympy.Symbol("x", real=True)
    encoder, data = Normal(V * x, S2), Normal(0, LAM)
    fit = encoder.average(lambda z: Normal(W * z, NOISE).log_density(x))
    kl = divergence(encoder, Normal(0, 1))
    return tuple(
        sympy.simplify(data.average(lambda point, term=term: term.subs(x, point))) for term in (fit, kl)
    )


def linear_elbo(beta=1):
    fit, kl = linear_terms()
    return fit - beta * kl


@functools.cache
def linear_optimum(beta=1):
    """Where the derivatives vanish, besides collapse, with w > 0: solved one variable after the other."""
    bound = linear_elbo(beta)
    (variance,) = sympy.solve(sympy.diff(bound, S2), S2)
    (slope,) = sympy.solve(sympy.diff(bound, V), V)
    square = sympy.Symbol("w^2", positive=True)
    at = sympy.together(sympy.diff(bound, W).subs({S2: variance, V: slope}) / W)
    (best,) = sympy.solve(sympy.numer(sympy.simplify(at.subs(W, sympy.sqrt(square)))), square)
    weight = sympy.sqrt(best)
    return {W: weight, V: sympy.simplify(slope.subs(W, weight)), S2: sympy.simplify(variance.subs(W, weight))}


def numbers(lam, noise, beta=1.0):
    return {LAM: lam, NOISE: noise, BETA: beta}


def best_by_search(lam, noise, beta=1.0):
    """w, v and s^2 of the largest weighted bound, found by climbing from several places."""
    height = sympy.lambdify((W, V, S2), linear_elbo(BETA).subs(numbers(lam, noise, beta)))
    slopes = sympy.lambdify(
        (W, V, S2), [sympy.diff(linear_elbo(BETA).subs(numbers(lam, noise, beta)), u) for u in (W, V, S2)]
    )

    def down(place):
        w, v, log_s2 = place
        s2 = math.exp(log_s2)
        by_w, by_v, by_s2 = slopes(w, v, s2)
        return -height(w, v, s2), -np.array([by_w, by_v, by_s2 * s2])

    starts = [(1.0, 0.3, -0.5), (0.2, 0.1, 0.0), (2.0, 0.8, -1.0)]
    ends = [minimize(down, start, jac=True, method="BFGS", options={"gtol": 1e-11}) for start in starts]
    w, v, log_s2 = min(ends, key=lambda end: end.fun).x
    return abs(w), v * math.copysign(1, w), math.exp(log_s2)


@checks(
    "eq-col-linear-elbo",
    kind="symbolic",
    over="all w, v and all positive lambda, s, sigma_x, by integrating over x and z",
)
def test_linear_elbo(equation):
    equation.proves(names=SYMBOLS | {r"\mathcal{L}": linear_elbo()})


@checks(
    "eq-col-linear-optimum",
    kind="symbolic",
    over="all lambda > sigma_x^2; and 4 pairs of numbers, by search from 3 starts",
)
def test_linear_optimum(equation):
    optimum = linear_optimum()
    names = SYMBOLS | {"w": optimum[W], "v": optimum[V], "s": sympy.sqrt(optimum[S2])}
    for statement in range(3):
        equation.proves(statement, names=names)
    for lam, noise in ((1.7, 0.6), (3.0, 2.5), (0.4, 0.1), (6.0, 1.0)):
        w, v, s2 = best_by_search(lam, noise)
        for statement in range(3):
            found = {"w": w, "v": v, "s": math.sqrt(s2), r"\lambda": lam, r"\sigma_x": math.sqrt(noise)}
            equation.agrees(statement, 1e-6, "by search", names=found)
    equation.equal(best_by_search(0.6, 1.7)[0], 0, 1e-6, "collapse below the threshold")


@checks("eq-col-linear-kl", kind="symbolic", over="all lambda > sigma_x^2, at the solved optimum")
def test_linear_kl(equation):
    optimum = linear_optimum()
    kl = linear_terms()[1].subs(optimum)
    x = sympy.Symbol("x", real=True)
    variance = Normal(0, LAM).average(lambda point: (V * x).subs(x, point) ** 2).subs(optimum)
    equation.proves(0, names=SYMBOLS | {r"\mathrm{KL}": kl})
    equation.proves(1, names=SYMBOLS | {"A": variance})


@checks(
    "eq-col-linear-gain", kind="symbolic", over="all lambda > sigma_x^2, the optimum against w = v = 0, s = 1"
)
def test_linear_gain(equation):
    gain = linear_elbo().subs(linear_optimum()) - linear_elbo().subs({W: 0, V: 0, S2: 1})
    equation.proves(names=SYMBOLS | {r"\Delta\mathcal{L}": gain})


AT_COLLAPSE = {W: 0, V: 0, S2: 1}


@checks("eq-col-hessian", kind="symbolic", over="all positive lambda, beta, sigma_x")
def test_hessian(equation):
    bound = linear_elbo(BETA)
    equation.proves(names=SYMBOLS | {"H": sympy.hessian(bound, (W, V)).subs(AT_COLLAPSE)})
    mixed = [sympy.diff(bound, S2, one).subs(AT_COLLAPSE) for one in (W, V)]
    equation.shows(mixed == [0, 0], "s^2 does not mix with w and v")


@checks(
    "eq-col-threshold",
    kind="symbolic",
    over="all positive lambda, beta, sigma_x; 60 random points on both sides",
)
def test_threshold(equation):
    hessian = sympy.hessian(linear_elbo(BETA), (W, V)).subs(AT_COLLAPSE)
    (border,) = sympy.solve(hessian.det(), LAM)
    left, right = equation.sides(names=SYMBOLS)
    equation.zero((left - right).subs(LAM, border), "the determinant vanishes at the border")
    generator = np.random.default_rng(0)
    for lam, noise, beta in generator.uniform(0.2, 3, (60, 3)):
        curvature = np.linalg.eigvalsh(np.array(hessian.subs(numbers(lam, noise, beta)), dtype=float)).max()
        said = holds(equation, names={r"\lambda": lam, r"\sigma_x": math.sqrt(noise), r"\beta": beta})
        equation.shows(said == (curvature > 0), "a saddle exactly then")


# ---- any decoder


def images(seed, n=6, pixels=3):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, pixels))
    return x, x.mean(0), generator


def density(x, mean, covariance):
    """Of a normal with a round covariance."""
    return np.float64(np.exp(norm.logpdf(x, mean, math.sqrt(covariance[0, 0])).sum()))


@checks("eq-col-ratio", kind="exact", over="10 random points t, 6 data of 3 pixels, noise 0.3 to 2")
def test_average_ratio(equation):
    for seed in range(10):
        x, mean, generator = images(seed)
        t, scale = generator.normal(size=3), generator.uniform(0.3, 2)
        ratios = np.exp(norm.logpdf(x, mean + t, scale).sum(1) - norm.logpdf(x, mean, scale).sum(1))
        names = {"D(t)": ratios.mean(), "t": t, r"\bar x": mean, "N": 6, r"\sigma_x": scale, "I": np.eye(3)}
        functions = {
            "x_": lambda n, x=x: x[int(n) - 1],
            r"\mathcal{N}": density,
            r"\Vert": np.linalg.norm,
        }
        equation.agrees(tolerance=1e-12, names=names, functions=functions)


@checks(
    "eq-col-jensen",
    kind="exact",
    over="20 random decoders with 5 codes, 6 data of 3 pixels; with one datum both sides meet",
)
def test_no_decoder_beats_the_ratio(equation):
    for seed in range(20):
        for n in (6, 1):
            x, mean, generator = images(seed, n)
            outputs, scale = mean + generator.normal(size=(5, 3)), generator.uniform(0.5, 2)
            weights = generator.dirichlet(np.ones(5))
            each = np.exp(norm.logpdf(x, outputs[:, None], scale).sum(2))  # (codes, data)
            collapsed = np.exp(norm.logpdf(x, mean, scale).sum(1))

            def ratio(t, x=x, mean=mean, scale=scale):
                return np.mean(
                    np.exp(norm.logpdf(x, mean + t, scale).sum(1) - norm.logpdf(x, mean, scale).sum(1))
                )

            meaning = {
                "names": {"N": n, r"\bar x": mean},
                "functions": {
                    "x_": lambda n: int(n) - 1,
                    r"p_\theta": lambda k, p=weights @ each: p[k],
                    "p_0": lambda k, p=collapsed: p[k],
                    "f": lambda z, outputs=outputs: outputs[z],
                    "D": ratio,
                },
                "operators": {r"\mathbb{E}_{p(z)}": ("z", enumerated(weights))},
            }
            if n == 1:
                likelihood, bound = equation.sides(**meaning)
                equation.equal(likelihood, bound, 1e-12, "one datum")
            else:
                equation.agrees(tolerance=-1e-9, **meaning)  # strict


# ---- deep and strong decoders


@checks(
    "eq-col-shrink",
    kind="quadrature",
    over="layers of 1, 2, 3 and 5 inputs, all weights of their law",
)
def test_a_layer_shrinks(equation):
    generator = np.random.default_rng(0)
    nodes, weights = np.polynomial.legendre.leggauss(2)  # exact for squares, and symmetric: relu takes half
    for n in (1, 2, 3, 5):
        h = generator.normal(size=n)
        bound = 1 / math.sqrt(n)
        second = sum(
            np.prod(weights[list(places)] / 2) * max(bound * nodes[list(places)] @ h, 0) ** 2
            for places in itertools.product(range(2), repeat=n)
        )
        inside = math.sqrt(np.mean(h**2))
        names = {r"\mathbb{E}\big[h_{\text{out}}^2\big]": second, "n": n, r"h_{\text{in}}": inside}
        equation.agrees(tolerance=1e-12, names=names)


@checks(
    "eq-col-shrink",
    kind="Monte Carlo",
    over="one layer of 32 inputs and 4000 units, as torch draws its weights",
)
def test_a_layer_of_torch_shrinks(equation):
    torch.manual_seed(0)
    h = torch.randn(32)
    layer = torch.nn.Linear(32, 4000, bias=False)
    squares = torch.relu(layer(h)).square().double().detach()
    inside = {r"h_{\text{in}}": h.square().mean().sqrt().item(), "n": 32}
    estimate, *truths = equation.sides(
        names={r"\mathbb{E}\big[h_{\text{out}}^2\big]": squares.mean(), **inside}
    )
    for truth in truths:
        equation.within(estimate, squares.std() / math.sqrt(4000), truth, "mean square of the units")


@checks(
    "eq-col-autoregressive",
    kind="exact",
    over="all 16 strings of 4 symbols under 2 codes, from a random table of their probabilities",
)
def test_chain_of_symbols(equation):
    generator = np.random.default_rng(0)
    table = generator.dirichlet(np.ones(16), size=2).reshape(2, 2, 2, 2, 2)  # z, x_1, ..., x_4

    def beginning(z, symbols):
        return table[(z, *symbols)].sum()

    for z, *string in np.ndindex(2, 2, 2, 2, 2):

        def probability(*places, string=string):
            if len(places) == 2:
                return beginning(places[1], places[0])
            now, first, _, last, code = places  # of x_t given x_1, ..., x_{t-1}; z
            before = string[first - 1 : last]
            return beginning(code, [*before, string[now - 1]]) / beginning(code, before)

        names = {"x": string, "z": int(z), "T": 4, r"\ldots": None}
        functions = {r"p_\theta": probability, "x_": lambda t: int(t)}
        equation.agrees(tolerance=1e-12, names=names, functions=functions)


@checks(
    "eq-col-entropy",
    kind="exact",
    over="all strings of 1 to 7 coins that stay with probability 0.2, 0.55, 0.8",
)
def test_entropy_of_strings(equation):
    for length, stay in itertools.product((1, 2, 4, 7), (0.2, 0.55, 0.8)):
        entropy = 0.0
        for string in itertools.product((0, 1), repeat=length):
            p = 0.5 * math.prod(stay if a == b else 1 - stay for a, b in itertools.pairwise(string))
            entropy -= p * math.log(p)
        equation.agrees(tolerance=1e-12, names={r"\mathrm{H}": entropy, "T": length, "a": np.float64(stay)})


# ---- the lagging encoder


def flow():
    """The linear part of the gradient flow at w = v = 0, with s^2 = c."""
    bound = linear_elbo()
    return (
        sympy.Matrix([sympy.diff(bound, W), RATE * sympy.diff(bound, V)]).jacobian([W, V]).subs({W: 0, V: 0})
    )


def growth_rate(at):
    """The larger eigenvalue of the flow."""
    matrix = flow().subs(at)
    return (matrix.trace() + sympy.sqrt(matrix.trace() ** 2 - 4 * matrix.det())) / 2


@checks(
    "eq-col-growth",
    kind="symbolic",
    over="all positive lambda, sigma_x, r and c; c = 1 where the derivative by s^2 vanishes",
)
def test_growth_matrix(equation):
    equation.proves(names=SYMBOLS | {"J": flow(), "c": S2})
    held, square, _ = equation.sides(1, names=SYMBOLS | {"c": S2})
    equation.zero(held - square, "c stands for s^2")
    (rest,) = sympy.solve(sympy.diff(linear_elbo(), S2).subs({W: 0, V: 0}), S2)
    equation.proves(1, names={"c": rest, "s": sympy.sqrt(rest)})


@checks("eq-col-lag", kind="symbolic", over="limits of the exact growth rate at 3 pairs lambda > sigma_x^2")
def test_slow_and_fast_encoders(equation):
    for lam, noise in ((2, sympy.Rational(4, 5)), (sympy.Rational(3, 2), sympy.Rational(1, 3)), (7, 5)):
        at = {LAM: lam, NOISE: noise, S2: 1}
        names = {r"\lambda": sympy.sympify(lam), r"\sigma_x": sympy.sqrt(noise), "r": RATE}
        growth = growth_rate(at)
        variable, slow = equation.sides(0, names=names)
        rate, near = equation.sides(1, names=names | {"g": growth})
        equation.shows(
            sympy.limit(rate / near, variable, slow) == 1, "for a slow encoder, to first order in r"
        )
        variable, fast = equation.sides(2, names=names)
        rate, limit = equation.sides(3, names=names | {"g": growth})
        equation.shows(sympy.limit(rate, variable, fast) == limit, "for a fast encoder")


@checks(
    "eq-col-noise", kind="symbolic", over="all positive lambda, sigma_x, r; 60 random points on both sides"
)
def test_noisy_encoder(equation):
    (border,) = sympy.solve(flow().det(), S2)
    left, right = equation.sides(names=SYMBOLS | {"c": S2})
    equation.zero((left - right).subs(S2, border), "the determinant vanishes at the border")
    generator = np.random.default_rng(0)
    for lam, noise, c, speed in generator.uniform(0.2, 3, (60, 4)):
        matrix = np.array(flow().subs({LAM: lam, NOISE: noise, S2: c, RATE: speed}), dtype=float)
        said = holds(equation, names={r"\lambda": lam, r"\sigma_x": math.sqrt(noise), "c": c})
        equation.shows(said == (np.linalg.eigvals(matrix).real.max() < 0), "collapse attracts exactly then")


# ---- annealing


@checks("eq-col-loss", kind="exact", over="the package's loss for 3 weights, 8 binary data, the same draws")
def test_loss(equation):
    x = torch.randint(0, 2, (8, 5), generator=torch.Generator().manual_seed(0)).double()
    for beta in (0.3, 1.0, 4.0):
        torch.manual_seed(1)
        vae = VAE(Encoder(5, 6, 2), Decoder(2, 6, 5), BernoulliLikelihood(), beta=beta).double()
        loc, log_variance = (part.detach() for part in vae.encode(x))
        z = sample_normal(loc, log_variance, generator=torch.Generator().manual_seed(2))
        p = torch.sigmoid(vae.decode(z).detach())
        names = {
            r"\text{loss}": vae.loss(x, torch.Generator().manual_seed(2))["loss"].detach(),
            r"p_\theta(x\mid z)": torch.where(x == 1, p, 1 - p).prod(1),
            r"q_\phi(z\mid x)": TorchNormal(loc, (log_variance / 2).exp()),
            "p(z)": TorchNormal(real(0.0), real(1.0)),
            r"\beta": beta,
        }
        equation.agrees(
            tolerance=1e-10,
            names=names,
            functions={r"\mathrm{KL}": lambda q, p: kl_divergence(q, p).sum(1)},
            operators={r"\mathbb{E}_{q}": ((), lambda body: body())},
        )


@checks(
    "eq-col-geometric",
    kind="exact",
    over="the package's schedule and the recursion, rates 0.5 to 0.99 (and 1.1), 40 epochs",
)
def test_geometric_schedule(equation):
    for rate, start, end in ((0.5, 0.0, 1.0), (0.9, 0.2, 0.8), (0.99, 1.5, 0.4), (1.1, 0.1, 1.0)):
        weight = start
        for epoch in range(40):
            names = {
                r"\beta_e": weight,
                r"\mathrm{end}": end,
                r"\mathrm{start}": start,
                r"\mathrm{rate}": rate,
                "e": epoch,
            }
            equation.agrees(tolerance=1e-10, what="recursion", names=names)
            if rate <= 1:
                names[r"\beta_e"] = schedules.geometric(epoch, rate, start=start, end=end)
                equation.agrees(tolerance=1e-12, what="package", names=names)
            weight += (1 - rate) * (end - weight)  # the factor by which the gap shrinks


@checks(
    "eq-col-half",
    kind="exact",
    over="halves after 2, 3, 7 and 20 epochs of the package's schedule, and 10 random rates by root search",
)
def test_half_way(equation):
    for epochs in (2, 3, 7, 20):
        rate = brentq(lambda rate, e=epochs: schedules.geometric(e, rate) - 0.5, 0.01, 0.999, xtol=1e-15)
        equation.agrees(tolerance=1e-9, names={"e_{1/2}": epochs, r"\mathrm{rate}": rate})
    for rate in np.random.default_rng(0).uniform(0.3, 0.97, 10):
        half = brentq(lambda e, rate=rate: rate**e - 0.5, 0.01, 200, xtol=1e-13)
        equation.agrees(tolerance=1e-9, names={"e_{1/2}": half, r"\mathrm{rate}": rate})


@checks(
    "eq-col-schedules", kind="exact", over="the package's schedules, all steps up to 60, 4 sets of parameters"
)
def test_schedules(equation):
    for ramp, middle, width, period, part in (
        (30, 12, 3.0, 20, 0.5),
        (7, 30, 11.0, 9, 0.3),
        (55, 20, 6.5, 13, 0.8),
        (60, 40, 1.7, 60, 1.0),
    ):
        for step in range(60):
            common = {"k": step, "S": ramp, "m": middle, "h": width, "P": period, "R": part}
            truths = {
                r"\beta_\text{linear}": schedules.linear(step, ramp),
                r"\beta_\text{sigmoid}": schedules.sigmoid(step, middle, width),
                r"\beta_\text{cyclical}": schedules.cyclical(step, 10 * period, cycles=10, ramp=part),
            }
            for statement in range(3):
                equation.agrees(statement, 1e-12, names=common | truths)


@checks(
    "eq-col-kl-beta",
    kind="symbolic",
    over="all lambda > beta sigma_x^2; 6 sets of numbers on both sides of the border, by search",
)
def test_kl_of_a_weighted_optimum(equation):
    kl = linear_terms()[1].subs(linear_optimum(BETA))
    equation.proves(0, names=SYMBOLS, functions={r"\mathrm{KL}": lambda beta: kl.subs(BETA, beta)})
    at = sympy.lambdify((W, V, S2, LAM), linear_terms()[1])
    for lam, noise, beta in (
        (2.0, 0.7, 0.5),
        (0.9, 1.6, 0.5),
        (0.5, 0.7, 0.9),
        (3.0, 1.2, 2.0),
        (1.0, 1.5, 0.8),
        (2.0, 0.5, 6.0),
    ):
        found = at(*best_by_search(lam, noise, beta), lam)
        names = {r"\lambda": lam, r"\sigma_x": math.sqrt(noise), r"\beta": beta}
        if holds(equation, 1, names=names):
            equation.agrees(
                0, 1e-6, "open", names=names, functions={r"\mathrm{KL}": lambda _, found=found: found}
            )
        else:
            equation.equal(found, equation.side(0, 2, names=names), 1e-6, "closed")


# ---- free bits


def floors(seed, groups):
    """KLs of 5 data in the dimensions of 3 groups, and what the formulas need: x_n picks the n-th datum."""
    kl = torch.rand(5, len(groups), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    summed = np.stack([kl[:, [g == k for g in groups]].sum(1).numpy() for k in range(3)])  # (groups, data)
    functions = {r"\mathrm{KL}_": lambda g: summed[int(g) - 1], "x_": lambda n: np.eye(5)[int(n) - 1]}
    return kl, {"functions": functions, "ranges": {"g": (1, 3)}}


@checks(
    "eq-col-free-batch",
    kind="exact",
    over="6 random tables of 5 data and 3 groups, floors 0.3 to 1.2, the package's penalty",
)
def test_floor_under_the_average(equation):
    for seed, groups in enumerate(([0, 1, 2], [0, 0, 1, 2, 2], [2, 1, 0, 0, 0, 1]) * 2):
        kl, meaning = floors(seed, groups)
        for nats in (0.3, 0.6, 1.2):
            penalty = free_bits(kl, nats, groups=groups).mean()
            equation.agrees(
                tolerance=1e-12, names={r"\text{penalty}": penalty, r"\lambda_0": nats, "B": 5}, **meaning
            )


@checks(
    "eq-col-free-sample",
    kind="exact",
    over="6 random tables of 5 data and 3 groups, floors 0.3 to 1.2, the package's penalty",
)
def test_floor_under_each_datum(equation):
    for seed, groups in enumerate(([0, 1, 2], [0, 0, 1, 2, 2], [2, 1, 0, 0, 0, 1]) * 2):
        kl, meaning = floors(seed, groups)
        for nats, n in itertools.product((0.3, 0.6, 1.2), range(5)):
            penalty = free_bits(kl, nats, groups=groups, floor="sample")[n]
            names = {r"\text{penalty}(x)": penalty, r"\lambda_0": nats, "x": np.eye(5)[n]}
            equation.agrees(tolerance=1e-12, names=names, **meaning)


@checks(
    "eq-col-free-gradient",
    kind="autograd",
    over="means from -3 to 3, floors 0.3, 0.5 and 1.1; gradients of the package's penalty",
)
def test_gradient_of_a_floor(equation):
    mu = sympy.Symbol("mu", real=True)
    for nats in (0.3, 0.5, 1.1):
        slope = equation.side(0, names={r"\mu": mu, r"\lambda_0": sympy.Float(nats)})
        for mean in np.linspace(-3, 3, 24):
            at = torch.tensor([[mean]], dtype=torch.float64, requires_grad=True)
            penalty = free_bits(kl_normal_standard_per_dim(at, torch.zeros_like(at)), nats)
            truth = torch.autograd.grad(penalty.sum(), at)[0].item()
            names = {r"\mu": mean, r"\lambda_0": nats}
            equation.equal(slope.subs(mu, mean), truth, 1e-12, "derivative as displayed")
            said = (
                equation.side(1, names=names)
                if holds(equation, 1, names=names)
                else equation.side(0, 2, names=names)
            )
            equation.equal(said, truth, 1e-12, "its value")


# ---- the price


def best_at_rate(k, lam, noise):
    """The largest bound of a direction with a KL of k nats, over the encoder's noise and the decoder's weight."""
    fit = linear_terms()[0].subs({LAM: lam, NOISE: noise})
    (weight,) = sympy.solve(sympy.diff(fit, W), W)
    best_fit = sympy.lambdify((V, S2), fit.subs(W, weight))

    def minus(log_s2):
        s2 = math.exp(log_s2)
        square = 2 * k - (s2 - 1 - log_s2)  # v^2 lambda, so that the KL is k
        return -best_fit(math.sqrt(max(square, 0) / lam), s2) + k

    low = brentq(lambda t: 2 * k - (math.exp(t) - 1 - t), -2 * k - 5, 0) if k else 0.0
    return -minimize_scalar(minus, bounds=(low, 0), method="bounded", options={"xatol": 1e-12}).fun


PRICES = [(0.4, 0.5, 1.0), (0.2, 1.7, 2.0), (0.9, 0.9, 0.95), (1.3, 3.0, 0.8)]


@checks(
    "eq-col-rate",
    kind="exact",
    over="4 sets of rate, variance and noise, against the best encoder of that KL by search",
)
def test_bound_at_a_rate(equation):
    for k, lam, noise in PRICES:
        names = {"k": k, r"\lambda": lam, r"\sigma_x": math.sqrt(noise)}
        bounds = {r"\mathcal{L}": lambda k, lam=lam, noise=noise: best_at_rate(float(k), lam, noise)}
        equation.agrees(tolerance=1e-9, names=names, functions=bounds)


@checks(
    "eq-col-price",
    kind="exact",
    over="directions with lambda < sigma_x^2, against the best encoder of that KL by search",
)
def test_price_of_a_floor(equation):
    for floor, lam, noise in PRICES[:3]:
        names = {r"\lambda_0": floor, r"\lambda": lam, r"\sigma_x": math.sqrt(noise)}
        bounds = {r"\mathcal{L}": lambda k, lam=lam, noise=noise: best_at_rate(float(k), lam, noise)}
        equation.agrees(tolerance=1e-9, names=names, functions=bounds)
    worth = {r"\lambda_0": 0.3, r"\lambda": 3.0, r"\sigma_x": 1.0}
    equation.shows(
        equation.side(1, names=worth) < 0, "a gain, not a price, where the direction is worth using"
    )
