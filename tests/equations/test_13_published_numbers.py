"""The equations of chapter 13: what is estimated, how long one trains, two bounds, and numbers of one's choice."""

import itertools
import math

import numpy as np
import sympy
import torch

from equations.checking import checks
from vae_notes.bounds import importance_weighted_bound
from vae_notes.densities import normal_log_prob
from vae_notes.reproduce.rows import stages


@checks("eq-numbers-estimate", kind="exact", over="5 random tables of K = 1 to 5 weights for 3 images, against the package")
def test_the_estimate(equation):
    for size in range(1, 6):
        log_w = torch.randn(size, 3, generator=torch.Generator().manual_seed(size), dtype=torch.float64)
        weights = log_w.exp().numpy()
        meaning = {
            "names": {r"\widehat{L}_K": importance_weighted_bound(log_w).mean().item(), "N": 3, "K": size},
            "functions": {"w_": lambda n, k, weights=weights: weights[int(k) - 1, int(n) - 1]},
            "ranges": {"n": (1, 3), "k": (1, size)},
        }
        equation.agrees(tolerance=1e-12, **meaning)


@checks("eq-numbers-schedule", kind="exact", over="1 to 40 stages, and the schedule of the package")
def test_the_passes_of_a_schedule(equation):
    for s in range(1, 41):
        equation.proves(names={"s": sympy.Integer(s)})
        if s <= 8:
            passes = sum(3**stage for stage in range(s))
            equation.equal(sum(one for one, _ in stages(passes)), float(equation.side(1, names={"s": s})))
            equation.equal(len(stages(passes)), s, what="number of stages that the package makes of them")


@checks("eq-numbers-jensen", kind="exact", over="40 sets of 1 to 6 random weights; tight where all are equal")
def test_mean_of_logs_and_log_of_mean(equation):
    generator = np.random.default_rng(1)
    for number in range(40):
        size = 1 + number % 6
        for weights in (generator.lognormal(size=size), np.full(size, 2.5)):
            meaning = {
                "names": {"K": size},
                "functions": {"w_": lambda k, weights=weights: weights[int(k) - 1]},
                "ranges": {"k": (1, size)},
            }
            equation.agrees(tolerance=1e-12, **meaning)
        left, right = equation.sides(**meaning)
        equation.equal(float(left), float(right), 1e-12, "both sides where all weights are equal")


@checks("eq-numbers-noise", kind="exact", over="a random law of 3 weights, K = 1, 2 and 3: all 3^K draws")
def test_the_noise_of_a_mean(equation):
    generator = np.random.default_rng(2)
    law, weights = generator.dirichlet(np.ones(3)), generator.lognormal(size=3)
    for size in (1, 2, 3):
        drawn = []  # the weights of the present draw

        def over_draws(body, size=size, drawn=drawn):
            chances, values = [], []
            for places in itertools.product(range(3), repeat=size):
                drawn[:] = [weights[place] for place in places]
                chances.append(math.prod(law[place] for place in places))
                values.append(float(body(drawn[0])))
            mean = np.dot(chances, values)
            return np.dot(chances, np.square(values)) - mean**2

        equation.agrees(
            tolerance=1e-12,
            names={"K": size},
            functions={"w_": lambda k, drawn=drawn: drawn[int(k) - 1]},
            operators={r"\mathrm{Var}": ("w", over_draws)},
            ranges={"k": (1, size)},
        )


@checks("eq-numbers-gradient", kind="symbolic", over="any positive weights that depend on a parameter, K = 1, 2 and 3")
def test_the_gradient_of_the_log_of_a_mean(equation):
    theta = sympy.Symbol("theta", real=True)
    for size in (1, 2, 3):
        weights = [sympy.exp(sympy.Function(f"a_{k}", real=True)(theta)) for k in range(size)]
        equation.proves(
            names={r"\theta": theta, "K": size},
            functions={"w_": lambda k, weights=weights: weights[int(k) - 1]},
            ranges={"k": (1, size), "j": (1, size)},
        )


def log_density(sigma, error, dims):
    """Minus the log density of an image whose squared error is spread evenly over its pixels, by the package."""
    pixel = math.sqrt(error / dims)
    x, loc = torch.full((1, dims), pixel, dtype=torch.float64), torch.zeros(1, dims, dtype=torch.float64)
    return -normal_log_prob(x, loc, torch.full_like(loc, 2 * math.log(sigma))).item()


@checks("eq-numbers-sigma", kind="exact", over="3 noise levels, 3 errors, 5 and 64 pixels: normal densities of the package")
def test_the_number_of_a_noise_level(equation):
    for sigma, error, dims in itertools.product((0.1, 0.7, 3.0), (0.2, 2.0, 50.0), (5, 64)):
        equation.agrees(
            tolerance=1e-9,
            names={r"\sigma": sigma, "r": error, "D": dims},
            functions={r"\ell": lambda sigma, error=error, dims=dims: log_density(float(sigma), error, dims)},
        )


@checks("eq-numbers-units", kind="exact", over="3 noise levels, units of 1, 255 and 1/2: normal densities of the package")
def test_the_number_in_other_units(equation):
    for sigma, unit in itertools.product((0.1, 0.7, 3.0), (1.0, 255.0, 0.5)):
        equation.agrees(
            tolerance=1e-9,
            names={r"\sigma": sigma, "c": unit, "D": 64},
            functions={
                r"\ell": lambda sigma: log_density(float(sigma), 2.0, 64),
                r"\ell_c": lambda sigma, unit=unit: log_density(float(sigma), 2.0 * unit**2, 64),
            },
        )
