"""The equations of chapter 12: the latent space as a map, its axes, its walks, its holes, and alarms."""

import itertools
import math

import numpy as np
import scipy.integrate
import scipy.linalg
import scipy.optimize
import scipy.stats
import sympy
import torch
from scipy.stats import multivariate_normal, norm
from sklearn.metrics import roc_auc_score

from equations.checking import checks
from tests.equations.vocabulary import Law, gauss_points, random_law, relative_entropy
from vae_notes.anomaly import auc_with_interval, threshold_for
from vae_notes.divergences import kl_multivariate_normal
from vae_notes.latent_space import prior_quantile_grid, spherical_path


@checks("eq-latent-grid", kind="quadrature", over="grids of 2, 5 and 12 points: the package's, and the mass of the prior below each")
def test_the_middle_of_a_strip(equation):
    for n in (2, 5, 12):
        columns = prior_quantile_grid(n)[:n, 0].double().numpy()
        for i in range(1, n + 1):
            meaning = {"names": {"z_i": columns[i - 1], "i": i, "n": n}, "functions": {r"\Phi^{-1}": lambda u: norm.ppf(float(u))}}
            equation.agrees(tolerance=1e-6, what="the package's grid", **meaning)
            below = scipy.integrate.quad(norm.pdf, -np.inf, equation.side(1, **meaning))[0]
            strips = below * n - (i - 1)
            equation.equal(strips, 0.5, 1e-9, "share of its own strip that lies below the point")


@checks("eq-latent-overlap", kind="symbolic", over="all real means, all positive standard deviations")
def test_the_overlap_of_two_normals(equation):
    m, n, z = sympy.symbols("m n z", real=True)
    s, t = sympy.symbols("s t", positive=True)

    def log_root(mean, scale):
        return -((z - mean) ** 2) / (4 * scale**2) - sympy.log(scale * sympy.sqrt(2 * sympy.pi)) / 2

    a, b, bell = sympy.Symbol("a", positive=True), sympy.Symbol("b", real=True), (z, -sympy.oo, sympy.oo)
    integral = sympy.integrate(sympy.exp(-a * z**2 + b * z), bell)
    square, line, rest = sympy.Poly(log_root(m, s) + log_root(n, t), z).all_coeffs()
    overlap = integral.subs({a: -square, b: line}, simultaneous=True) * sympy.exp(rest)
    left, right = equation.sides(names={"m": m, "n": n, "s": s, "t": t, "C": overlap})
    difference = sympy.expand_log(sympy.log(left) - sympy.log(right), force=True)
    equation.zero(sympy.cancel(difference), "the logarithms of both sides")


@checks("eq-latent-prior-rotation", kind="exact", over="random rotations and reflections in 2, 3 and 8 dimensions")
def test_the_prior_does_not_notice_a_rotation(equation):
    for d in (2, 3, 8):
        turn = scipy.stats.ortho_group.rvs(d, random_state=d)
        prior = {"p": multivariate_normal(np.zeros(d), np.eye(d)).pdf}
        z = np.random.default_rng(d).normal(size=d)
        equation.agrees(tolerance=1e-12, names={"R": turn, "z": z}, functions=prior)
        left, right = equation.sides(names={"R": 1.3 * turn, "z": z}, functions=prior)
        equation.shows(abs(left / right - 1) > 0.1, "a matrix that is no rotation does change the density")


@checks("eq-latent-elbo-rotation", kind="quadrature", over="a bent decoder of 2 codes and 3 pixels, 3 random rotations and encoders")
def test_the_elbo_does_not_notice_a_rotation(equation):
    points, weights = gauss_points(2, 60)

    def decoder(z):
        return np.stack([z[:, 0] + 0.3 * np.sin(z[:, 1]), np.cos(z[:, 0]), z[:, 0] * z[:, 1] / 2], -1)

    def elbo(x, decoder, mean, covariance):
        tril = np.linalg.cholesky(covariance)
        codes = mean + points @ tril.T
        fit = weights @ norm.logpdf(x, decoder(codes), 0.7).sum(-1)
        prior = torch.zeros(1, 2).double(), torch.eye(2).double()
        kl = kl_multivariate_normal(torch.as_tensor(mean)[None], torch.as_tensor(tril), *prior)
        return fit - kl.item()

    for seed in range(3):
        generator = np.random.default_rng(seed)
        x, mean, variances = generator.normal(size=3), generator.normal(size=2), np.diag(generator.uniform(0.1, 0.8, 2))
        turn = scipy.stats.ortho_group.rvs(2, random_state=seed)
        first = elbo(x, decoder, mean, variances)
        turned = turn @ mean, turn @ variances @ turn.T
        bounds = {
            r"\mathcal{L}_{\theta,q}(x)": first,
            r"\mathcal{L}_{\theta',q'}(x)": elbo(x, lambda z, turn=turn: decoder(z @ turn), *turned),
        }
        equation.agrees(tolerance=1e-9, names=bounds)
        unturned = elbo(x, decoder, *turned)
        equation.shows(abs(unturned - first) > 0.01, "with the decoder left as it was the bound does change")


@checks("eq-latent-diagonal-loss", kind="exact", over="random rotated Gaussians in 2 and 3 dimensions, the best diagonal one by search")
def test_what_a_diagonal_encoder_loses(equation):
    for d in (2, 3):
        generator = np.random.default_rng(d)
        turn = scipy.stats.ortho_group.rvs(d, random_state=d)
        covariance = turn @ np.diag(generator.uniform(0.1, 2, d)) @ turn.T
        target = torch.zeros(1, d).double(), torch.as_tensor(np.linalg.cholesky(covariance))

        def loss(log_scales, target=target, d=d):
            tril = torch.as_tensor(np.exp(log_scales)).diag()
            return kl_multivariate_normal(torch.zeros(1, d).double(), tril, *target).item()

        best = scipy.optimize.minimize(loss, np.zeros(d), options={"gtol": 1e-6}).fun
        precision = np.linalg.inv(covariance)
        displayed = equation.side(
            0, names={"P": precision}, functions={"P_": Law(precision)}, ranges={"j": (0, d - 1)}
        )
        equation.equal(displayed, best, 1e-8, "the smallest KL of any diagonal encoder")


@checks("eq-latent-norm", kind="symbolic", over="every number of dimensions d > 0, by the integral over the radius")
def test_the_mean_norm_of_a_draw(equation):
    d, r = sympy.symbols("d r", positive=True)

    def average(body):  # only the norm of z matters; at the radius r there is room like r to the power d - 1
        weight = r ** (d - 1) * sympy.exp(-(r**2) / 2)
        whole, part = (sympy.integrate(sympy.powsimp(f * weight), (r, 0, sympy.oo)) for f in (1, body(r)))
        return part / whole

    equation.proves(names={"d": d}, functions={r"\Vert": abs}, operators={r"\mathbb{E}": ("z", average)})


@checks("eq-latent-midpoint", kind="exact", over="1, 2 and 3 dimensions; the average of a square is exact")
def test_the_middle_of_two_draws(equation):
    for d in (1, 2, 3):
        points, weights = gauss_points(2 * d, 2)

        def average(body, points=points, weights=weights, d=d):
            return sum(w * body(both[:d], both[d:]) for w, both in zip(weights, points, strict=True))

        operators = {r"\mathbb{E}": (("a", "b"), average)}
        equation.agrees(tolerance=1e-12, names={"d": d}, functions={r"\Vert": np.linalg.norm}, operators=operators)
        end = points[1][:d] + 0.1
        same = {r"\mathbb{E}": (("a", "b"), lambda body, end=end: body(end, end))}
        middle = equation.side(0, functions={r"\Vert": np.linalg.norm}, operators=same)
        equation.equal(middle, end @ end, 1e-12, "of two equal draws the middle is the draw")


def codes_and_angle(seed, same_norm=False):
    """Two random codes in 4 dimensions and the angle between them."""
    a, b = np.random.default_rng(seed).normal(size=(2, 4))
    if same_norm:
        b = b * np.linalg.norm(a) / np.linalg.norm(b)
    return a, b, math.acos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


@checks("eq-latent-slerp", kind="exact", over="random codes in 4 dimensions: the package's arc; for equal norms a turn by t times the angle")
def test_the_arc_between_two_codes(equation):
    for seed, t in itertools.product(range(4), (0.0, 0.13, 0.5, 0.8, 1.0)):
        a, b, angle = codes_and_angle(seed)
        path = spherical_path(torch.as_tensor(a), torch.as_tensor(b), torch.tensor([t], dtype=torch.float64))[0]
        names = {"a": a, "b": b, r"\omega": angle, "t": t}
        equation.agrees(tolerance=1e-9, names=names | {"z(t)": path.numpy()}, what="the package's arc")
        a, b, angle = codes_and_angle(seed, same_norm=True)
        plane = np.outer(b, a) - np.outer(a, b)  # turns a towards b
        turn = scipy.linalg.expm(t * angle * plane / np.linalg.norm(plane, 2))
        names = {"a": a, "b": b, r"\omega": angle, "t": t, "z(t)": turn @ a}
        equation.agrees(tolerance=1e-9, names=names, what="a turn by t times the angle")


@checks("eq-latent-slerp-middle", kind="exact", over="8 random pairs of codes in 4 dimensions, of different norms: the package's arc")
def test_the_middle_of_the_arc(equation):
    for seed in range(8):
        a, b, angle = codes_and_angle(seed)
        path = spherical_path(torch.as_tensor(a), torch.as_tensor(b), torch.tensor([0.5]).double())[0]
        equation.agrees(names={"a": a, "b": b, r"\omega": angle, "z(1/2)": path.numpy()})


@checks("eq-latent-floor", kind="exact", over="60 random encoders of 4 data on 6 codes; codes that never meet, where it is tight")
def test_the_floor_of_the_mismatch(equation):
    def meaning(encoder, prior):
        aggregate, each, count = Law(encoder.mean(1)), Law(encoder), encoder.shape[1]
        return {
            "names": {"N": count},
            "functions": {
                "p": Law(prior),
                r"q_\phi": lambda z, *x: each(z, *x) if x else aggregate(z),
                "x_": lambda n: n - 1,
                r"\mathrm{KL}": relative_entropy,
            },
        }

    for seed in range(60):
        generator = np.random.default_rng(seed)
        sharp = random_law(generator, 6, 4) ** 8
        equation.agrees(tolerance=1e-12, **meaning(sharp / sharp.sum(0), random_law(generator, 6)))
    apart = np.kron(np.eye(3), np.array([[0.3], [0.7]]))  # three data, two codes each, none shared
    left, right = equation.sides(**meaning(apart, random_law(generator, 6)))
    equation.equal(left, right, 1e-12, "codes that never meet")


@checks("eq-latent-auc", kind="exact", over="random scores with and without ties, all pairs counted, against the package and scikit-learn")
def test_the_area_is_the_share_of_pairs_won(equation):
    for seed, levels in itertools.product(range(3), (4, 1000)):
        generator = np.random.default_rng(seed)
        anomalous, usual = generator.integers(1, levels, 17) + 0.3 * levels // 1, generator.integers(levels, size=23) * 1.0
        pairs = np.subtract.outer(anomalous, usual)
        shares = {"P(s_a>s_n)": np.mean(pairs > 0), "P(s_a=s_n)": np.mean(pairs == 0)}
        package = auc_with_interval(torch.as_tensor(usual), torch.as_tensor(anomalous))[0]
        library = roc_auc_score([1] * 17 + [0] * 23, np.concatenate([anomalous, usual]))
        for area in (package, library):
            equation.agrees(names=shares | {r"\mathrm{AUC}": area})


@checks("eq-latent-threshold", kind="exact", over="4, 5 and 6 normal scores and rates from 0.2 to 0.6: every order of the scores and a new one")
def test_the_promise_of_the_threshold(equation):
    for n, rate in itertools.product((4, 5, 6), (0.2, 0.25, 0.41, 0.6)):
        orders = list(itertools.permutations([float(score) for score in range(n + 1)]))
        rings = [order[-1] > threshold_for(torch.tensor(order[:-1]), rate) for order in orders]
        names = {"P(s>s_{(k)})": np.mean(rings), "k": math.ceil((n + 1) * (1 - rate) - 1e-9), "n": n}
        equation.agrees(tolerance=1e-12, names=names | {r"\alpha": rate})
        value = equation.side(1, names=names)
        equation.shows(value > rate - 1 / (n + 1), "no smaller threshold would keep the promise")


@checks("eq-latent-linear", kind="exact", over="random subspaces of 1, 2 and 3 directions in 5 dimensions: the error of the projection")
def test_the_error_of_a_linear_autoencoder(equation):
    for size in (1, 2, 3):
        generator = np.random.default_rng(size)
        directions = np.linalg.qr(generator.normal(size=(5, size)))[0]
        mean, x = generator.normal(size=(2, 5))
        output = mean + directions @ np.linalg.lstsq(directions, x - mean, rcond=None)[0]  # the nearest it can say
        equation.agrees(
            tolerance=1e-12,
            names={"e(x)": np.sum((x - output) ** 2), "x": x, "m": mean, "U": directions},
            functions={r"\Vert": np.linalg.norm},
        )
