"""The equations of chapter 05: the KL divergence between normals, proved by integration and checked on numbers."""

import math

import numpy as np
import sympy
import torch
from scipy.stats import norm

from equations.checking import checks
from tests.equations.vocabulary import MU, SIGMA, Normal, Z, divergence, enumerated, normal, table
from vae_notes.bounds import elbo_sampled
from vae_notes.divergences import kl_multivariate_normal, kl_normal_standard
from vae_notes.monte_carlo import mean_and_standard_error

NAMES = {r"\mu": MU, r"\sigma": SIGMA, "z": Z}
KL = {r"\mathrm{KL}": divergence, r"\mathcal{N}": normal}
STANDARD = Normal(0, 1)
LAW = Normal(MU, SIGMA**2)
WORLDS = 5  # random worlds of three codes and four data


def worlds():
    """A model p(z) p(x | z) on 3 codes and 4 data, and an encoder q(z | x), by random tables."""
    for seed in range(WORLDS):
        rng = np.random.default_rng(seed)
        prior, decoder = rng.dirichlet(np.ones(3)), rng.dirichlet(np.ones(4), size=3).T  # decoder[x, z]
        yield prior, decoder, rng.dirichlet(np.ones(3), size=4).T  # encoder[z, x]


def discrete_divergence(q, p):
    """KL of two lists of probabilities, by its definition."""
    return sum(a * math.log(a / b) for a, b in zip(q, p, strict=True))


@checks("eq-kl-elbo", kind="exact", over="5 random worlds of 3 codes and 4 data, every datum")
def test_elbo_is_a_lower_bound(equation):
    for prior, decoder, encoder in worlds():
        for x in range(4):
            q = encoder[:, x]
            meaning = dict(
                names={
                    "x": x,
                    r"\log p_\theta(x)": math.log(prior @ decoder[x]),
                    r"\mathcal{L}(\theta,\phi;x)": sum(
                        q[z] * math.log(prior[z] * decoder[x, z] / q[z]) for z in range(3)
                    ),
                    r"q_\phi(z\mid x)": q,
                    "p(z)": prior,
                },
                functions={r"p_\theta": table(decoder), r"\mathrm{KL}": discrete_divergence},
                operators={r"\mathbb{E}_{q_\phi(z\mid x)}": ("z", enumerated(q))},
            )
            equation.agrees(**meaning)
    posterior = prior * decoder[x] / (prior @ decoder[x])
    meaning["names"][r"q_\phi(z\mid x)"] = posterior
    meaning["operators"] = {r"\mathbb{E}_{q_\phi(z\mid x)}": ("z", enumerated(posterior))}
    evidence = meaning["names"][r"\log p_\theta(x)"]
    equation.equal(equation.side(1, **meaning), evidence, what="with the posterior for q the bound is tight")


@checks("eq-kl-definition", kind="symbolic", over="normals with all real mu and all sigma > 0, against N(0, 1)")
def test_definition(equation):
    densities = {"q": LAW.density, "p": STANDARD.density}
    integral = equation.side(2, names={"z": Z}, functions=densities)
    value = sympy.integrate(sympy.expand(sympy.expand_log(integral.function, force=True)), (Z, -sympy.oo, sympy.oo))
    average = equation.side(1, functions=densities, operators={r"\mathbb{E}_{z\sim q}": ("z", LAW.average)})
    equation.zero(average - value, "the average and the integral")
    named = equation.side(0, names={"q": LAW, "p": STANDARD}, functions={r"\mathrm{KL}": divergence})
    equation.zero(named - value, "the divergence of the vocabulary and the integral")
    library = torch.distributions.kl_divergence(
        torch.distributions.Normal(0.4, 1.7), torch.distributions.Normal(0.0, 1.0)
    )
    equation.equal(value.subs({MU: 0.4, SIGMA: 1.7}), library, 1e-6, "torch.distributions at one point")


@checks("eq-kl-log-inequality", kind="symbolic", over="all t > 0: the difference falls before 1, rises after, and is 0 at 1")
def test_the_logarithm_lies_below_its_tangent(equation):
    t = sympy.Symbol("t", positive=True)
    left, right = equation.sides(names={"t": t})
    difference = right - left
    equation.zero(difference.subs(t, 1), "at t = 1 the two sides meet")
    equation.zero(sympy.diff(difference, t) - (t - 1) / t, "the slope of the difference is (t - 1) / t")
    equation.agrees(names={"t": np.linspace(0.01, 9, 500)}, what="500 values of t from 0.01 to 9")
    variable, border = equation.sides(1, names={"t": t})
    equation.shows(variable == t and equation.statement(1).signs == [">"] and border == 0, "t is positive: there log t exists")
    equation.shows(sympy.limit(left, t, border, "+") == -sympy.oo, "and at the border log t falls without bound")


@checks("eq-kl-nonnegative", kind="exact", over="5 random laws q and p on 3 values, one with p = q, one where q leaves out a value")
def test_gibbs(equation):
    pairs = [(encoder[:, 0], prior) for prior, _, encoder in worlds()]
    pairs += [(pairs[0][0], pairs[0][0]), (np.array([0.3, 0.7]), np.array([0.2, 0.5, 0.3]))]
    for q, p in pairs:
        support = range(len(q))
        last = dict(
            names={r"\mathrm{KL}(q\,\Vert\,p)": discrete_divergence(q, p[: len(q)])},
            functions={"q": table(q), "p": table(p)},
            operators={r"\mathbb{E}_q": ("z", enumerated(q)), r"\mathbb{E}_{q}": ("z", enumerated(q))},
            integral=lambda body, variable, low, high, support=support: sum(body(z) for z in support),
            ranges={"q>0": (0, 0)},
        )
        equation.agrees(**last)
        if len(q) == len(p) and np.array_equal(q, p):
            equation.equal(equation.side(3, **last), equation.side(4), what="with q = p the bound is reached")


@checks("eq-kl-log-ratio", kind="symbolic", over="all real z and mu, all sigma > 0")
def test_log_ratio(equation):
    equation.proves(names=NAMES, functions={"q": LAW.density, "p": STANDARD.density})


@checks("eq-kl-two-averages", kind="symbolic", over="all real mu, all sigma > 0")
def test_the_two_averages(equation):
    for number in (0, 1):
        equation.proves(number, names=NAMES, operators={r"\mathbb{E}_q": ("z", LAW.average)})


@checks("eq-kl-1d", kind="symbolic", over="all real mu, all sigma > 0")
def test_kl_to_the_standard_normal_by_integration(equation):
    equation.proves(names=NAMES, functions=KL)


@checks("eq-kl-1d", kind="autograd", over="200 random pairs of mean and log-variance, the package's function in float64")
def test_the_package_computes_the_displayed_kl(equation):
    rng = np.random.default_rng(0)
    mean, log_variance = rng.normal(size=200) * 2, rng.normal(size=200)
    names = {r"\mu": mean, r"\sigma": np.exp(log_variance / 2)}
    package = kl_normal_standard(torch.tensor(mean)[:, None], torch.tensor(log_variance)[:, None])
    equation.side(0, names={r"\mathrm{KL}(\mathcal{N}(\mu,\sigma^2)\,\Vert\,\mathcal{N}(0,1))": package})
    equation.equal(package, equation.side(1, names=names), 1e-12, "kl_normal_standard")


@checks("eq-kl-entropies", kind="symbolic", over="all real mu, all sigma > 0; each of the two parts on its own")
def test_cross_entropy_and_entropy(equation):
    equation.proves(names=NAMES | {"q": LAW, "p": STANDARD}, functions={r"\mathrm{KL}": divergence})
    side = equation.statement(0).sides[1]
    minus = side.index("-", 4)
    while side[:minus].count("(") != side[:minus].count(")"):
        minus = side.index("-", minus + 1)
    cross = equation.part(side[:minus], names=NAMES)
    own = equation.part(side[minus + 1 :], names=NAMES)
    equation.zero(cross + LAW.average(STANDARD.log_density), "the first part is the cross-entropy")
    equation.zero(own + LAW.average(LAW.log_density), "the second part is the entropy of q")


@checks("eq-kl-two-parts", kind="symbolic", over="all real mu and s; both parts on 400 points")
def test_two_parts(equation):
    s = sympy.Symbol("s", real=True)
    value = divergence(LAW, STANDARD).subs(SIGMA, sympy.exp(s / 2))
    equation.proves(names=NAMES | {"s": s, r"\mathrm{KL}": value})
    side = equation.statement(0).sides[1]
    plus = side.index("+")
    points = np.linspace(-4, 4, 400)
    for part in (side[:plus], side[plus + 1 :]):
        values = equation.part(part, names={r"\mu": points, "s": points})
        equation.ordered(np.zeros(400), values, what="a part is never negative")


@checks("eq-kl-gradient", kind="symbolic", over="all real mu, all sigma > 0")
def test_gradient(equation):
    s = sympy.Symbol("s", real=True)  # log sigma^2
    value = divergence(LAW, STANDARD).subs(SIGMA, sympy.exp(s / 2))
    equation.proves(0, names={r"\mathrm{KL}": value, r"\mu": MU})
    slope, right = equation.sides(
        1, names={r"\mathrm{KL}": value, r"\log\sigma^2": s, r"\sigma": sympy.exp(s / 2)}
    )
    equation.zero(slope - right, "the slope in the log-variance")


@checks("eq-kl-gradient", kind="autograd", over="3 random points, torch's own divergence of two normals")
def test_gradient_by_autograd(equation):
    torch.manual_seed(0)
    for _ in range(3):
        mean = torch.randn((), dtype=torch.float64, requires_grad=True)
        log_variance = torch.randn((), dtype=torch.float64, requires_grad=True)
        q = torch.distributions.Normal(mean, (log_variance / 2).exp())
        kl = torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0))
        by_mean, by_log_variance = torch.autograd.grad(kl, [mean, log_variance])
        names = {r"\mu": mean.item(), r"\sigma": math.exp(log_variance.item() / 2)}
        equation.side(0, 0, names={r"\frac{\partial\,\mathrm{KL}}{\partial\mu}": by_mean})
        equation.side(0, 1, names={r"\frac{\partial\,\mathrm{KL}}{\partial\log\sigma^2}": by_log_variance})
        equation.equal(by_mean, equation.side(1, 0, names=names), what="slope in the mean")
        equation.equal(by_log_variance, equation.side(1, 1, names=names), what="slope in the log-variance")


@checks("eq-kl-invariance", kind="symbolic", over="every ruler u = (z - b) / a with a > 0, a normal q, p = N(0, 1)")
def test_invariance(equation):
    a, b = sympy.Symbol("a", positive=True), sympy.Symbol("b", real=True)
    laws = {
        "q_u": Normal((MU - b) / a, (SIGMA / a) ** 2),
        "p_u": Normal(-b / a, 1 / a**2),
        "q_z": LAW,
        "p_z": STANDARD,
    }
    equation.proves(names=laws, functions={r"\mathrm{KL}": divergence})


@checks("eq-kl-1d-general", kind="symbolic", over="all real means, all positive scales")
def test_kl_of_two_normals(equation):
    means = dict(zip([r"\mu_q", r"\mu_p"], sympy.symbols("mu_q mu_p", real=True), strict=True))
    scales = dict(zip([r"\sigma_q", r"\sigma_p"], sympy.symbols("sigma_q sigma_p", positive=True), strict=True))
    delta, ratio = equation.side(1, 1, names=means | scales), equation.side(1, 2, names=means | scales)
    equation.side(0, 1, names={r"\delta": delta})
    equation.side(0, 2, names={"r": ratio})
    equation.proves(0, names=means | scales | {r"\delta": delta, "r": ratio}, functions=KL)
    mean_q, mean_p, scale_q, scale_p = *means.values(), *scales.values()
    equation.zero(delta - (mean_q - mean_p) / scale_p, "delta is the mean of q on the ruler of p")
    equation.zero(ratio - (scale_q / scale_p) ** 2, "r is the variance of q on the ruler of p")


@checks("eq-kl-additive", kind="exact", over="5 pairs of random laws on 3 x 4 x 3 values that factorise, and one that does not")
def test_additive(equation):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        q, p = ([rng.dirichlet(np.ones(n)) for n in (3, 4, 3)] for _ in range(2))
        joint = [np.einsum("i,j,k->ijk", *law).ravel() for law in (q, p)]
        equation.agrees(
            names={"d": 3, "q": joint[0], "p": joint[1]},
            functions={r"\mathrm{KL}": discrete_divergence, **pieces_of(q, p)},
        )


def pieces_of(q, p):
    """q_j and p_j, counted from 1."""
    return {"q_": lambda j: q[int(j) - 1], "p_": lambda j: p[int(j) - 1]}


@checks("eq-kl-diagonal", kind="symbolic", over="three dimensions, all real means, all positive scales")
def test_diagonal(equation):
    means, scales = sympy.symbols("mu_1:4", real=True), sympy.symbols("sigma_1:4", positive=True)
    whole = sum(divergence(Normal(m, s**2), STANDARD) for m, s in zip(means, scales, strict=True))
    left = r"\mathrm{KL}\big(\mathcal{N}(\mu,\mathrm{diag}(\sigma^2))\,\Vert\,\mathcal{N}(0,I)\big)"
    equation.proves(
        names={left: whole, "d": 3},
        functions={r"\mu_": lambda j: means[int(j) - 1], r"\sigma_": lambda j: scales[int(j) - 1]},
    )


@checks("eq-kl-total-correlation", kind="exact", over="5 random laws on 3 x 4 values with dependent parts, against p that factorises")
def test_total_correlation(equation):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        q = rng.dirichlet(np.ones(12)).reshape(3, 4)
        marginals, p = [q.sum(1), q.sum(0)], [rng.dirichlet(np.ones(n)) for n in (3, 4)]
        equation.agrees(
            names={
                "d": 2,
                "q": q.ravel(),
                "p": np.outer(*p).ravel(),
                r"\bar q": np.outer(*marginals).ravel(),
            },
            functions={r"\mathrm{KL}": discrete_divergence, **pieces_of(marginals, p)},
        )


def random_pair(seed, size=3):
    """Two random normals in ``size`` dimensions: means, and Cholesky factors with a positive diagonal."""
    rng = np.random.default_rng(seed)
    factors = [np.tril(rng.normal(size=(size, size)), -1) + np.diag(rng.uniform(0.4, 1.8, size)) for _ in range(2)]
    return rng.normal(size=(2, size)), factors


def gaussian_average(mean, factor, function, points=6):
    """E under N(mean, L L^T) of a polynomial of low degree, exactly, on a grid of Gauss-Hermite nodes."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(points)
    weights = weights / weights.sum()
    total = 0.0
    for places in np.ndindex(*(points,) * len(mean)):
        total += np.prod(weights[list(places)]) * function(mean + factor @ nodes[list(places)])
    return total


def log_density(mean, factor, point):
    white = np.linalg.solve(factor, point - mean)
    return -white @ white / 2 - np.log(np.diag(factor)).sum() - len(mean) / 2 * math.log(2 * math.pi)


def divergence_by_quadrature(means, factors):
    """KL(N_0 || N_1), the average of the log-ratio, which is a quadratic polynomial."""
    return gaussian_average(
        means[0],
        factors[0],
        lambda z: log_density(means[0], factors[0], z) - log_density(means[1], factors[1], z),
    )


MATRIX = {r"\mathrm{tr}": np.trace, r"\det": np.linalg.det}


@checks("eq-kl-quadratic-form", kind="quadrature", over="5 random normals in 3 dimensions, random m and A (not symmetric)")
def test_quadratic_form(equation):
    for seed in range(5):
        (mean, centre), (factor, matrix) = random_pair(seed)
        matrix = matrix + 0.3 * np.triu(np.ones((3, 3)))
        rule = ("z", lambda body, mean=mean, factor=factor: gaussian_average(mean, factor, body))
        equation.agrees(
            names={"A": matrix, "m": centre, r"\mu_0": mean, r"\Sigma_0": factor @ factor.T},
            functions=MATRIX,
            operators={r"\mathbb{E}_q": rule},
        )


@checks("eq-kl-full", kind="quadrature", over="5 random pairs of normals with full covariances in 3 dimensions")
def test_full_covariances(equation):
    for seed in range(5):
        means, factors = random_pair(seed)
        truth = divergence_by_quadrature(means, factors)
        package = kl_multivariate_normal(*(torch.tensor(one)[None] for pair in zip(means, factors, strict=True) for one in pair))
        equation.equal(package, truth, what="kl_multivariate_normal")
        names = {"d": 3, r"\mathrm{KL}(q\,\Vert\,p)": truth}
        for number, (mean, factor) in enumerate(zip(means, factors, strict=True)):
            names |= {rf"\mu_{number}": mean, rf"\Sigma_{number}": factor @ factor.T}
        inverse = {r"\Sigma_1^{-1}": np.linalg.inv(names[r"\Sigma_1"])}
        equation.agrees(names=names | inverse, functions=MATRIX)


@checks("eq-kl-cholesky", kind="quadrature", over="5 random pairs of normals with full covariances in 3 dimensions")
def test_cholesky_factors(equation):
    for seed in range(5):
        means, factors = random_pair(seed)
        difference = np.linalg.solve(factors[1], means[0] - means[1])
        equation.agrees(
            names={
                "d": 3,
                r"\mathrm{KL}(q\,\Vert\,p)": divergence_by_quadrature(means, factors),
                r"\Vert M\Vert_F": np.linalg.norm(np.linalg.solve(factors[1], factors[0]), "fro"),
                r"\Vert v\Vert": np.linalg.norm(difference),
            },
            functions={
                r"(L_0)_": lambda i, j, factors=factors: factors[0][int(i) - 1, int(j) - 1],
                r"(L_1)_": lambda i, j, factors=factors: factors[1][int(i) - 1, int(j) - 1],
            },
        )


@checks("eq-kl-estimate", kind="Monte Carlo", over="20,000 draws from N(1, 1/4) against N(0, 1), seed 0")
def test_estimate_and_its_standard_error(equation):
    q, p = torch.distributions.Normal(1.0, 0.5), torch.distributions.Normal(0.0, 1.0)
    torch.manual_seed(0)
    draws = q.sample((20_000,)).double()
    log_densities = {
        "q": lambda z: sympy.Float(q.log_prob(torch.tensor(float(z)).double()).exp().item()),
        "p": lambda z: sympy.Float(p.log_prob(torch.tensor(float(z)).double()).exp().item()),
    }
    values = (q.log_prob(draws) - p.log_prob(draws)).double()
    for k in range(5):
        names = {"r_k": values[k].item(), "z_k": draws[k].item()}
        equation.agrees(0, names=names, functions=log_densities, tolerance=1e-5, what="a log-ratio")
    mean, stderr = mean_and_standard_error(values)
    few = values[:50]
    ratio = {"r_": lambda k: few[int(k) - 1].item()}
    few_mean, few_stderr = mean_and_standard_error(few)
    equation.agrees(1, names={r"\widehat{\mathrm{KL}}": few_mean.item(), "K": 50}, functions=ratio, what="the mean")
    equation.agrees(
        2,
        names={r"\mathrm{stderr}": few_stderr.item(), "K": 50, r"\mathrm{std}(r_1,\dots,r_K)": few.std().item()},
        what="the standard error",
    )
    equation.within(mean, stderr, kl_normal_standard(torch.tensor([[1.0]]), torch.tensor([[math.log(0.25)]])), "the KL")


@checks(
    "eq-kl-mean-field",
    kind="exact",
    over="3 random covariances in 3 dimensions: both divergences are stationary there and larger 1 % to either side",
    latex=r"""\begin{aligned}
\sigma_j^2&=1/(\Sigma^{-1})_{jj}&&(q\,\Vert\,\text{posterior}),\\
\sigma_j^2&=\Sigma_{jj}&&(\text{posterior}\,\Vert\,q).
\end{aligned}""",
)
def test_best_variances_of_a_diagonal_law(equation):
    for seed in range(3):
        _, (factor, _) = random_pair(seed)
        covariance = factor @ factor.T
        for number in (0, 1):
            side = equation.statement(number).sides[1]
            formula, which = side[: side.index("(", 4)], side[side.index("(", 4) :]
            q_first = which.index("q") < which.index(r"\text{posterior}")
            functions = {
                r"(\Sigma^{-1})_": lambda i, j, c=covariance: np.linalg.inv(c)[int(i) - 1, int(j) - 1],
                r"\Sigma_": lambda i, j, c=covariance: c[int(i) - 1, int(j) - 1],
            }
            best = np.array([float(equation.part(formula, names={"j": j}, functions=functions)) for j in (1, 2, 3)])

            variable = equation.side(0, number, names={r"\sigma_j^2": sympy.Symbol("variance")})
            equation.shows(variable == sympy.Symbol("variance"), "solved for the variance")

            def loss(variances, q_first=q_first, factor=factor):
                laws = [np.diag(np.sqrt(variances)), factor]
                return divergence_by_quadrature(np.zeros((2, 3)), laws if q_first else laws[::-1])

            for j in range(3):
                for change in (0.99, 1.01):
                    other = best.copy()
                    other[j] *= change
                    equation.ordered(loss(best), loss(other), -1e-6, f"dimension {j + 1}, variance times {change}")


@checks("eq-kl-narrow", kind="symbolic", over="all real mu, sigma to 0")
def test_narrow(equation):
    value = equation.side(1, names=NAMES)
    equation.side(0, names={r"\mathrm{KL}": value})
    equation.zero(value - divergence(LAW, STANDARD), "KL")
    variable, point = equation.sides(1, names=NAMES)
    equation.shows(sympy.limit(value, variable, point, "+") == equation.side(2), "KL grows without bound")


@checks("eq-kl-balance", kind="symbolic", over="all w, all sigma_x > 0; the solution is unique and a minimum")
def test_balance(equation):
    v, noise = sympy.symbols("v sigma_x", positive=True)
    w = sympy.Symbol("w", real=True)
    names = {r"\sigma^2": v, r"\sigma_x": noise, "w": w}
    latex = equation.statement(0).sides
    slope = equation.side(0, names=names)
    (solution,) = sympy.solve(sympy.Eq(slope, equation.side(1)), v)
    variable, claimed = equation.side(2, names=names), equation.side(3, names=names)
    equation.shows(equation.statement(0).signs == ["=", r"\Longleftrightarrow", "="] and len(latex) == 4, "an equivalence")
    equation.shows(variable == v, "solved for the variance")
    equation.zero(claimed - solution, "the solution")
    model = Normal(0, 1)  # z ~ N(0, 1), x | z ~ N(w z, sigma_x^2): the loss is what it should be, up to a constant
    q = Normal(MU, v)
    loss = q.average(lambda z: (X_FIXED - w * z) ** 2 / (2 * noise**2)) + divergence(q, model)
    equation.zero(sympy.diff(loss, v) - slope, "the derivative of the loss in the variance")
    equation.shows(sympy.simplify(sympy.diff(slope, v)).is_positive, "the loss is convex in the variance")


X_FIXED = sympy.Symbol("x", real=True)


@checks("eq-kl-fixed", kind="symbolic", over="three dimensions, all real means, all positive scales")
def test_fixed_covariance(equation):
    means, scales = sympy.symbols("mu_1:4", real=True), sympy.symbols("sigma_1:4", positive=True)
    constant = equation.side(1, 1, names={"d": 3}, functions={r"\sigma_": lambda j: scales[int(j) - 1]})
    equation.side(0, 1, names={"c": constant})
    whole = sum(divergence(Normal(m, s**2), STANDARD) for m, s in zip(means, scales, strict=True))
    norm_of = {r"\Vert\mu\Vert": sympy.sqrt(sum(m**2 for m in means))}
    equation.proves(0, names={r"\mathrm{KL}": whole, "c": constant} | norm_of)
    equation.shows(not constant.free_symbols & set(means), "the constant does not depend on the mean")


@checks("eq-kl-fisher", kind="symbolic", over="all directions (mu, s): second derivatives at the prior, and the Fisher information by integration")
def test_fisher(equation):
    s = sympy.Symbol("s", real=True)
    names = {r"\mu": MU, "s": s}
    vector = equation.side(1, 1, names=names)
    matrix = equation.side(1, 2, names=names)
    equation.side(0, 1, names={"h": vector})
    equation.side(0, 2, names={"F": matrix})
    exact = divergence(LAW, STANDARD).subs(SIGMA, sympy.exp(s / 2))
    equation.side(0, names={r"\mathrm{KL}": exact})
    quadratic = equation.side(1, names={"h": vector, "F": matrix})
    quadratic = quadratic[0] if isinstance(quadratic, sympy.MatrixBase) else quadratic
    equation.zero(quadratic - equation.side(2, names=names), "the two quadratic forms")
    t = sympy.Symbol("t", real=True)
    second = sympy.series(exact.subs({MU: t * MU, s: t * s}), t, 0, 3).removeO()
    equation.zero(second - t**2 * quadratic, "the expansion to second order")
    score = sympy.Matrix([sympy.diff(Normal(MU, sympy.exp(s)).log_density(Z), one) for one in (MU, s)])
    score = score.subs({MU: 0, s: 0})
    information = (score * score.T).applyfunc(lambda entry: STANDARD.average(lambda z: entry.subs(Z, z)))
    equation.zero(information - matrix, "the average outer product of the score")


@checks("eq-kl-pinsker", kind="quadrature", over="60 random pairs of normals with widths from 0.2 to 3, and three nearly equal pairs")
def test_pinsker(equation):
    rng = np.random.default_rng(0)
    pairs = [(rng.normal(), rng.uniform(0.2, 3), rng.normal(), rng.uniform(0.2, 3)) for _ in range(60)]
    pairs += [(shift, 1.0, 0.0, 1.0) for shift in (1e-3, 1e-2, 1e-1)]
    grid = np.linspace(-30, 30, 20_001)

    def variation(q, p):
        return float(np.trapezoid(np.abs(q.pdf(grid) - p.pdf(grid)), grid) / 2)

    def integrated(q, p):
        return float(np.trapezoid(q.pdf(grid) * (q.logpdf(grid) - p.logpdf(grid)), grid))

    for mean_q, scale_q, mean_p, scale_p in pairs:
        q, p = norm(mean_q, scale_q), norm(mean_p, scale_p)
        equation.agrees(names={"q": q, "p": p}, functions={r"\mathrm{TV}": variation, r"\mathrm{KL}": integrated})
    # the bound is tight up to the factor that shifted normals have: TV / bound -> sqrt(2 / pi)
    bound = equation.side(1, functions={r"\mathrm{KL}": lambda *_: 1e-6 / 2})
    equation.equal(norm.cdf(5e-4) - norm.cdf(-5e-4), bound * math.sqrt(2 / math.pi), 1e-9, "a shift of 0.001")


@checks("eq-kl-two-estimators", kind="Monte Carlo", over="the model z ~ N(0, 1), x | z ~ N(2z, 1) at x = 1.5 with q = N(0.3, 0.4), 200,000 draws, seed 0")
def test_two_estimators(equation):
    prior, q = torch.distributions.Normal(0.0, 1.0), torch.distributions.Normal(0.3, math.sqrt(0.4))
    torch.manual_seed(0)
    z = q.sample((200_000,)).double()
    kl = torch.distributions.kl_divergence(q, prior).double()
    names = {
        r"\log p_\theta(x\mid z)": torch.distributions.Normal(2 * z, 1.0).log_prob(torch.tensor(1.5).double()),
        r"\log p(z)": prior.log_prob(z),
        r"\log q(z)": q.log_prob(z),
        r"\mathrm{KL}(q\,\Vert\,p)": kl,
    }
    truth = -0.5 * math.log(2 * math.pi) - 0.5 * ((1.5 - 0.6) ** 2 + 4 * 0.4) - kl.item()
    for number, letter in ((0, "A"), (1, "B")):
        values = equation.side(1, number, names=names)
        name = equation.side(0, number, names={rf"\widehat{{\mathcal{{L}}}}^{{{letter}}}": sympy.Symbol(letter)})
        equation.shows(name == sympy.Symbol(letter), f"estimator {letter} is named so")
        mean, stderr = mean_and_standard_error(values)
        equation.within(mean, stderr, truth, f"estimator {letter} on average")
    all_sampled = names[r"\log p_\theta(x\mid z)"] + names[r"\log p(z)"] - names[r"\log q(z)"]
    equation.equal(elbo_sampled(all_sampled[:, None]), equation.side(1, 0, names=names).mean(), 1e-9, "elbo_sampled")


@checks("eq-kl-variance", kind="symbolic", over="all real a, b, c, by the moments of the standard normal")
def test_variance_of_a_quadratic(equation):
    names = dict(zip("abc", sympy.symbols("a b c", real=True), strict=True))

    def variance(body):
        mean = STANDARD.average(body)
        return STANDARD.average(lambda noise: body(noise) ** 2) - mean**2

    equation.proves(names=names, operators={r"\mathrm{Var}": (r"\varepsilon", variance)})
