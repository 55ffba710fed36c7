"""The equations of chapter 05: the KL divergence between normals, proved by integration and checked on numbers."""

import sympy

from equations.checking import checks
from tests.equations.vocabulary import MU, SIGMA, Normal, Z, divergence, normal

NAMES = {r"\mu": MU, r"\sigma": SIGMA, "z": Z}
KL = {r"\mathrm{KL}": divergence, r"\mathcal{N}": normal}


@checks("eq-kl-1d", kind="symbolic", over="all real mu, all sigma > 0")
def test_kl_to_the_standard_normal_by_integration(equation):
    equation.proves(names=NAMES, functions=KL)


@checks("eq-kl-two-averages", kind="symbolic", over="all real mu, all sigma > 0")
def test_the_two_averages(equation):
    average = Normal(MU, SIGMA**2).average
    for number in (0, 1):
        equation.proves(number, names=NAMES, operators={r"\mathbb{E}_q": ("z", average)})


@checks("eq-kl-1d-general", kind="symbolic", over="all real means, all positive scales")
def test_kl_of_two_normals(equation):
    means = dict(zip([r"\mu_q", r"\mu_p"], sympy.symbols("mu_q mu_p", real=True), strict=True))
    scales = dict(zip([r"\sigma_q", r"\sigma_p"], sympy.symbols("sigma_q sigma_p", positive=True), strict=True))
    delta = equation.side(1, 1, names=means | scales)
    ratio = equation.side(1, 2, names=means | scales)
    equation.sides(1, names=means | scales)
    equation.sides(2, names=means | scales)
    equation.proves(0, names=means | scales | {r"\delta": delta, "r": ratio}, functions=KL)


@checks("eq-kl-narrow", kind="symbolic", over="all real mu, sigma to 0")
def test_narrow(equation):
    value = equation.side(1, names=NAMES)
    equation.side(0, names={r"\mathrm{KL}": value})
    equation.sides(1, names=NAMES)
    equation.zero(value - divergence(Normal(MU, SIGMA**2), Normal(0, 1)), "KL")
    equation.shows(sympy.limit(value, SIGMA, 0, "+") == equation.side(2), "KL grows without bound")
