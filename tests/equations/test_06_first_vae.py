"""The equations of chapter 06: the first VAE, its losses and the mistakes around them."""

import math

import numpy as np
import sympy
import torch
from scipy.integrate import quad

from equations.checking import checks
from tests.equations.vocabulary import enumerated, table
from vae_notes.densities import bernoulli_log_prob, normal_log_prob
from vae_notes.divergences import kl_normal_standard
from vae_notes.reparameterization import sample_normal

Q, P = r"q_\phi(z \mid x)", r"p_\theta(z \mid x)"


def worlds(codes=3, data=4, count=5):
    """Random tables of a prior p(z), a decoder p(x | z) as [x, z] and an encoder q(z | x) as [z, x]."""
    for seed in range(count):
        rng = np.random.default_rng(seed)
        yield (
            rng.dirichlet(np.ones(codes)),
            rng.dirichlet(np.ones(data), size=codes).T,
            rng.dirichlet(np.ones(codes), size=data).T,
        )


def discrete_divergence(q, p):
    return sum(a * math.log(a / b) for a, b in zip(q, p, strict=True))


def discrete_elbo(prior, likelihood, q):
    return sum(q[z] * math.log(prior[z] * likelihood[z] / q[z]) for z in range(len(q)))


@checks("eq-vae-identity", "eq-vae-elbo", kind="exact", over="5 random worlds of 3 codes and 4 data, every datum")
def test_the_bound_and_its_gap(equation):
    for prior, decoder, encoder in worlds():
        for x in range(4):
            q, evidence = encoder[:, x], prior @ decoder[x]
            equation.agrees(
                names={
                    "x": x,
                    r"\log p_\theta(x)": math.log(evidence),
                    r"\mathcal{L}(x)": discrete_elbo(prior, decoder[x], q),
                    Q: q,
                    P: prior * decoder[x] / evidence,
                    "p(z)": prior,
                },
                functions={r"p_\theta": table(decoder), r"\mathrm{KL}": discrete_divergence},
                operators={r"\mathbb{E}_{q_\phi(z \mid x)}": ("z", enumerated(q))},
            )


@checks("eq-vae-sample", kind="symbolic", over="all real mu, log sigma^2 and eps")
def test_the_sampling_step(equation):
    mean, s, noise = sympy.symbols("mu s epsilon", real=True)
    names = {r"\mu": mean, r"\log\sigma^2": s, r"\sigma": sympy.exp(s / 2), r"\varepsilon": noise}
    draw = equation.side(1, 0, names=names)
    equation.side(0, 0, names={"z": draw})
    for statement in (1, 2):
        equation.proves(statement, names=names | {"z": draw})


@checks("eq-vae-sample", kind="autograd", over="50 draws of the package's sample_normal, seed 0")
def test_the_package_samples_so(equation):
    torch.manual_seed(0)
    mean, log_variance = torch.randn(2, 50, dtype=torch.float64).requires_grad_(True)
    z = sample_normal(mean, log_variance, generator=torch.Generator().manual_seed(1))
    by_mean, by_log_variance = torch.autograd.grad(z.sum(), [mean, log_variance])
    sigma = (log_variance / 2).exp()
    names = {r"\mu": mean, r"\sigma": sigma, r"\varepsilon": (z - mean) / sigma, "z": z}
    equation.agrees(0, names=names, what="the draw")
    equation.side(0, 1, names={r"\frac{\partial z}{\partial \mu}": by_mean})
    equation.side(0, 2, names={r"\frac{\partial z}{\partial \log\sigma^2}": by_log_variance})
    equation.equal(by_mean, float(equation.side(1, 1)) * torch.ones(50), what="slope in the mean")
    equation.equal(by_log_variance, equation.side(1, 2, names=names), what="slope in the log-variance")


@checks("eq-vae-bernoulli", kind="exact", over="5 random binary images of 6 pixels; and its probabilities of all 64 images add to 1")
def test_bernoulli(equation):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        logits, pixels = rng.normal(size=6) * 2, rng.integers(0, 2, 6)
        probabilities = 1 / (1 + np.exp(-logits))

        def value(x, p=probabilities):
            functions = {"x_": lambda j: float(x[int(j) - 1]), "p_": lambda j: float(p[int(j) - 1])}
            return float(equation.side(1, names={"D": 6}, functions=functions))

        package = bernoulli_log_prob(torch.tensor(pixels[None]).double(), torch.tensor(logits[None]))
        equation.side(0, names={r"\log p_\theta(x \mid z)": package})
        equation.equal(value(pixels), package.sum(), 1e-12, "bernoulli_log_prob")
    total = sum(math.exp(value(image)) for image in np.ndindex(*(2,) * 6))
    equation.equal(total, 1.0, 1e-12, "the probabilities of all 64 images")


@checks("eq-vae-kl", kind="quadrature", over="5 random codes of 3 dimensions, the integral of the definition in each")
def test_kl(equation):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        mean, scale = rng.normal(size=3), rng.uniform(0.3, 1.7, 3)

        def log_ratio(z, m, s):
            return -0.5 * ((z - m) / s) ** 2 - math.log(s) + 0.5 * z**2

        truth = sum(
            quad(lambda z, m=m, s=s: math.exp(-0.5 * ((z - m) / s) ** 2) / s * log_ratio(z, m, s), m - 12 * s, m + 12 * s)[0]
            for m, s in zip(mean, scale, strict=True)
        ) / math.sqrt(2 * math.pi)
        equation.agrees(
            names={"d": 3, r"\mathrm{KL}(q_\phi(z \mid x) \,\Vert\, p(z))": truth},
            functions={
                r"\mu_": lambda i, mean=mean: float(mean[int(i) - 1]),
                r"\sigma_": lambda i, scale=scale: float(scale[int(i) - 1]),
            },
        )
        package = kl_normal_standard(torch.tensor(mean[None]), torch.tensor(np.log(scale[None] ** 2)))
        equation.equal(package, truth, what="kl_normal_standard")


@checks("eq-vae-loss", kind="exact", over="5 random worlds: the loss of the data is minus the mean bound, term by term")
def test_loss(equation):
    for prior, decoder, encoder in worlds():
        bounds = [discrete_elbo(prior, decoder[x], encoder[:, x]) for x in range(4)]
        two_penalties = np.mean(
            [
                -sum(q * math.log(p) for q, p in zip(encoder[:, x], decoder[x], strict=True))
                + discrete_divergence(encoder[:, x], prior)
                for x in range(4)
            ]
        )
        equation.agrees(
            names={r"\text{loss}": two_penalties, "N": 4},
            functions={"x_": lambda n: int(n) - 1, r"\mathcal{L}": lambda x, bounds=bounds: bounds[int(x)]},
        )


@checks("eq-vae-total-variance", kind="exact", over="5 random worlds of 3 codes, with a random pixel value for each datum")
def test_total_variance(equation):
    for number, (prior, decoder, _) in enumerate(worlds()):
        pixel = np.random.default_rng(100 + number).normal(size=4)

        def moments(weights, values):
            mean = weights @ values
            return mean, weights @ (values - mean) ** 2

        means, variances = zip(*(moments(decoder[:, z], pixel) for z in range(3)), strict=True)
        inner = {r"\mathbb{E}[x_j \mid z]": np.array(means), r"\mathrm{Var}[x_j \mid z]": np.array(variances)}
        equation.agrees(
            names=inner | {r"\mathrm{Var}[x_j]": moments(decoder @ prior, pixel)[1]},
            functions={
                r"\mathrm{Var}": lambda values, prior=prior: moments(prior, values)[1],
                r"\mathbb{E}": lambda values, prior=prior: prior @ values,
            },
        )


@checks("eq-vae-iw", kind="exact", over="5 random worlds of 3 codes, K = 2 and 3, by enumerating all 3^K draws")
def test_importance_weighted_bound(equation):
    for prior, decoder, encoder in worlds():
        q = encoder[:, 0]
        weights = prior * decoder[0] / q

        def bound(k, q=q, weights=weights):
            return sum(
                np.prod(q[list(places)]) * math.log(np.mean(weights[list(places)])) for places in np.ndindex(*(3,) * k)
            )

        for k in (2, 3):
            drawn = []  # the codes that the expectation has drawn at the moment

            def average(body, k=k, q=q, drawn=drawn):
                total = 0.0
                for places in np.ndindex(*(3,) * k):
                    drawn[:] = places
                    total += np.prod(q[list(places)]) * body(None)
                return total

            equation.agrees(
                0,
                names={r"\mathcal{L}_K(x)": bound(k), "K": k},
                functions={"w_": lambda i, weights=weights, drawn=drawn: float(weights[drawn[int(i) - 1]])},
                operators={r"\mathbb{E}": ("draws", average)},
            )
            equation.agrees(
                1,
                names={
                    r"\mathcal{L}_1": bound(1),
                    r"\mathcal{L}_K": bound(k),
                    r"\mathcal{L}_{K+1}": bound(k + 1),
                    r"\log p_\theta(x)": math.log(prior @ decoder[0]),
                },
            )


@checks("eq-vae-normal", kind="exact", over="5 random images of 6 pixels against the product of one-dimensional normals; it integrates to 1")
def test_normal_likelihood(equation):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        image, mean, scale = rng.normal(size=6), rng.normal(size=6), float(rng.uniform(0.2, 2))
        names = {r"\sigma_x": scale, "x": image, "x'": mean, "D": 6}
        log_variance = torch.full((6,), 2 * math.log(scale), dtype=torch.float64)
        package = normal_log_prob(torch.tensor(image), torch.tensor(mean), log_variance)
        equation.side(0, names={r"\log p_\theta(x \mid z)": package})
        equation.equal(equation.side(1, names=names, functions={r"\Vert": np.linalg.norm}), package.sum(), 1e-12, "normal_log_prob")

    def density(x):
        one = names | {"x": np.array([x]), "x'": np.array([0.4]), "D": 1}
        return math.exp(float(equation.side(1, names=one, functions={r"\Vert": np.linalg.norm})))

    equation.equal(quad(density, 0.4 - 12 * scale, 0.4 + 12 * scale)[0], 1.0, 1e-8, "its integral over one pixel")


@checks("eq-vae-beta", kind="symbolic", over="all errors, all KL, all sigma_x > 0, all beta")
def test_beta_and_scale_are_one_knob(equation):
    error, kl, beta = sympy.symbols("error kl beta", real=True)
    noise = sympy.Symbol("sigma_x", positive=True)
    equation.proves(names={r"\Vert x - x' \Vert": error, r"\mathrm{KL}": kl, r"\beta": beta, r"\sigma_x": noise})


@checks("eq-vae-best-scale", kind="symbolic", over="every mean squared error, every D: the only stationary point, and a minimum")
def test_best_scale(equation):
    error, size, v = sympy.symbols("error D v", positive=True)
    names = {r"\hat\sigma_x^2": v, "D": size, r"\mathbb{E}\, \Vert x - x' \Vert^2": error}
    variable, claimed = equation.sides(names=names)
    equation.shows(variable == v, "solved for the variance")
    loss = error / (2 * v) + size / 2 * sympy.log(2 * sympy.pi * v)
    (best,) = sympy.solve(sympy.diff(loss, v), v)
    equation.zero(claimed - best, "the stationary point of the negative log-likelihood")
    equation.shows(sympy.diff(loss, v, 2).subs(v, best).is_positive, "it is a minimum")


@checks("eq-vae-mean-mse", kind="symbolic", over="all D > 0, all sigma_x > 0, both directions of the equivalence")
def test_mean_squared_error(equation):
    size, v = sympy.symbols("D v", positive=True)
    names = {"D": size, r"\sigma_x^2": v}
    left, right, variance, claimed = equation.sides(names=names)
    equation.shows(equation.statement(0).signs == ["=", r"\iff", "="] and variance == v, "an equivalence, for the variance")
    (solution,) = sympy.solve(sympy.Eq(left, right), v)
    equation.zero(solution - claimed, "the variance at which the two factors agree")
    image, mean = torch.rand(2, 8, dtype=torch.float64)
    average = torch.nn.functional.mse_loss(image, mean)
    squares = (image - mean).square().sum()
    equation.equal(average, left.subs(size, 8) * squares, 1e-6, "torch's mse_loss has the left factor")
    log_variance = torch.full((8,), math.log(claimed.subs(size, 8)), dtype=torch.float64)
    ours, constant = (normal_log_prob(x, mean, log_variance).sum() for x in (image, mean))
    equation.equal(constant - ours, average, 1e-6, "the normal log-likelihood at that variance, without its constant")


@checks("eq-vae-bits", kind="exact", over="uniform images: D pixels of 2^b levels cost b bits a pixel, b = 1, 4, 8, D = 3, 784")
def test_bits_per_dimension(equation):
    for bits in (1, 4, 8):
        for size in (3, 784):
            nats = -size * bits * math.log(2)
            value = equation.side(1, names={r"\log p(x)": nats, "D": size})
            equation.side(0, names={r"\text{bits per dimension}": value})
            equation.equal(value, float(bits), 1e-12, f"{bits} bits, {size} pixels")


@checks("eq-vae-soft", kind="exact", over="5 random grey images of 4 pixels, by enumerating the 16 binary images that they describe")
def test_soft_targets(equation):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        grey, p = rng.uniform(0.05, 0.95, 4), rng.uniform(0.05, 0.95, 4)
        for means in (p, grey):  # with p = x the bound is tight

            def average(body, grey=grey):
                return sum(
                    np.prod(np.where(image, grey, 1 - grey)) * body(np.array(image)) for image in np.ndindex(*(2,) * 4)
                )

            equation.agrees(
                names={"z": 0},
                functions={
                    "x_": lambda j, grey=grey: float(grey[int(j) - 1]),
                    "p_": lambda j, means=means: float(means[int(j) - 1]),
                    "H": lambda x: -x * math.log(x) - (1 - x) * math.log(1 - x),
                    r"p_\theta": lambda image, _, means=means: float(np.prod(np.where(image, means, 1 - means))),
                },
                operators={r"\mathbb{E}_{x' \sim \mathrm{Bern}(x)}": ("x'", average)},
                ranges={"j": (1, 4)},
            )
            tight = abs(equation.side(0, **last(means, grey)) - equation.side(2, **last(means, grey)))
            equation.shows((tight < 1e-12) == (means is grey), "equality exactly at p = x")


def last(p, grey):
    """The meaning of the outer sides of the equation of soft targets."""
    return dict(
        functions={
            "x_": lambda j: float(grey[int(j) - 1]),
            "p_": lambda j: float(p[int(j) - 1]),
            "H": lambda x: -x * math.log(x) - (1 - x) * math.log(1 - x),
        },
        ranges={"j": (1, 4)},
    )


@checks("eq-vae-integral", kind="symbolic", over="all p between 0 and 1 but one half; and 1/2 in the limit there")
def test_not_a_density(equation):
    p = sympy.Symbol("p", positive=True)
    left, right = equation.sides(names={"p": p})
    for value in (0.03, 0.3, 0.77, 0.999):
        equation.equal(left.subs(p, value).evalf(), right.subs(p, value), 1e-12, f"p = {value}")
    equation.shows(sympy.limit(right, p, sympy.Rational(1, 2)) == sympy.Rational(1, 2), "the limit at one half is one half")


@checks("eq-vae-clip", kind="autograd", over="10 random gradients with norms from 11 to 10,000: torch's clipping to norm 10, then one step of SGD")
def test_clipping_a_summed_gradient(equation):
    for seed in range(10):
        torch.manual_seed(seed)
        theta = torch.nn.Parameter(torch.randn(7, dtype=torch.float64))
        gradient = torch.randn(7, dtype=torch.float64)
        gradient *= 11 * (10_000 / 11) ** (seed / 9) / gradient.norm()
        rate = 0.03
        names = {r"\theta": theta.detach().clone(), r"\eta": rate, "g": gradient}
        after = {}
        for clipped in (True, False):
            copy = torch.nn.Parameter(names[r"\theta"].clone())
            copy.grad = gradient.clone()
            if clipped:
                torch.nn.utils.clip_grad_norm_([copy], 10.0)
            torch.optim.SGD([copy], lr=rate).step()
            after[clipped] = copy.detach()
        for statement, clipped in ((0, True), (1, False)):
            left, right = equation.sides(statement, names=names, functions={r"\Vert": torch.linalg.norm})
            equation.equal(left, names[r"\theta"], what="the left side is theta")
            equation.equal(after[clipped], right, 1e-6, "the step that torch makes")


@checks("eq-vae-sparse", kind="exact", over="5 random linear encoders and decoders whose codes have zeros: the count of nonzero entries")
def test_sparse_autoencoder(equation):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        weights, image = rng.normal(size=(3, 5)), rng.normal(size=5)

        def encode(x, weights=weights):
            code = weights @ x
            code[0] = 0.0
            return code

        def decode(code, weights=weights):
            return weights.T @ np.tanh(code)

        truth = ((decode(encode(image)) - image) ** 2).sum() + 0.3 * 2
        equation.agrees(
            names={"x": image, r"\lambda": 0.3, "L(x)": truth, r"\Vert \psi(x) \Vert_0": np.count_nonzero(encode(image))},
            functions={r"\psi": encode, r"\varphi": decode, r"\Vert": np.linalg.norm},
        )
