"""The equations of chapter 09 on steps: straight-through slopes, rounding with noise, coins, ReinMax."""

import math

import numpy as np
import scipy
import sympy
import torch
from torch.autograd import grad

from equations.checking import checks
from vae_notes.straight_through import straight_through, straight_through_round, straight_through_sign

STEPS = {r"\mathrm{sgn}": np.sign, r"\mathrm{round}": np.rint}


# ---- steps and their slopes


def quotient(point, step=1e-4):
    """The slope at a point, as an operator's rule: the central difference."""
    return lambda body: (body(point + step) - body(point - step)) / (2 * step)


@checks(
    "eq-vq-flat",
    kind="exact",
    over="40 random x from -3 to 3 by differences and autograd; and at the jumps, where no slope exists",
)
def test_steps_are_flat(equation):
    for statement, step, jump in ((0, torch.sign, 0.0), (1, torch.round, 1.5)):
        for x in np.random.default_rng(0).uniform(-3, 3, 40):
            by_differences = {r"\frac{d}{dx}": ("x", quotient(x))}
            equation.agrees(statement, 0, "differences", functions=STEPS, operators=by_differences)
            leaf = torch.tensor(x, requires_grad=True)
            (slope,) = grad(step(leaf), leaf)
            equation.equal(slope, equation.side(1, statement), 0, "autograd")
        at_jump = {r"\frac{d}{dx}": ("x", quotient(jump))}
        height = equation.side(0, statement, functions=STEPS, operators=at_jump) * 2e-4
        equation.shows(
            height >= 1, "at a jump the difference does not shrink with the step: there is no slope"
        )


def slopes(through, loss, x):
    """The slope of a loss at x through a straight-through step, and its slope at the hard value itself."""
    x = x.clone().requires_grad_(True)
    y = through(x)
    hard = y.detach().clone().requires_grad_(True)
    return grad(loss(y).sum(), x)[0], hard.detach(), grad(loss(hard).sum(), hard)[0]


def bumpy(y):
    """A loss with no symmetry."""
    return torch.sin(1.3 * y) + 0.2 * y**3 + torch.exp(0.3 * y)


POINTS = torch.tensor(np.random.default_rng(1).uniform(-4, 4, 60))


@checks(
    "eq-vq-through",
    kind="autograd",
    over="60 random x from -4 to 4, the package's rounding, a loss without symmetry",
)
def test_straight_through(equation):
    at_x, hard, at_y = slopes(straight_through_round, bumpy, POINTS)
    value = equation.side(1, 0, names={"x": POINTS.numpy()}, functions=STEPS)
    equation.equal(equation.side(0, 0, names={"y": hard}), value, 0, "the value")
    before = equation.side(0, 1, names={r"\frac{\partial L}{\partial x}": at_x})
    behind = equation.side(1, 1, names={r"\frac{\partial L}{\partial y}": at_y})
    equation.equal(before, behind, 1e-12, "the slope")


@checks("eq-vq-square", kind="autograd", over="60 random x from -4 to 4, the package's rounding")
def test_straight_through_of_a_square(equation):
    at_x, _, _ = slopes(straight_through_round, torch.square, POINTS)
    names = {r"\frac{\partial L}{\partial x}": at_x, "x": POINTS.numpy()}
    equation.agrees(approx=1e-12, names=names, functions=STEPS)


@checks(
    "eq-vq-clip",
    kind="autograd",
    over="60 random x from -4 to 4 and both borders, c = 0.7, 1 and 2, the package's rounding and sign",
)
def test_clipped(equation):
    for limit in (0.7, 1.0, 2.0):
        x = torch.cat([POINTS, torch.tensor([-limit, limit])])
        for step in (straight_through_round, straight_through_sign):
            at_x, _, at_y = slopes(lambda x, step=step, limit=limit: step(x, limit=limit), bumpy, x)
            for here, slope, behind in zip(x.tolist(), at_x, at_y.tolist(), strict=True):
                partials = {r"\frac{\partial L}{\partial x}": slope, r"\partial L/\partial y": behind}
                equation.agrees(approx=1e-12, names=partials | {"x": here, "c": limit})


# ---- rounding with noise, and a coin


def dithered(body):
    """E under u uniform on (-1/2, 1/2) of a function with at most one step: the step is found by halving."""
    low, high = -0.5, 0.5
    left, right = body(low), body(high)
    while high - low > 1e-15:
        middle = (low + high) / 2
        low, high = (middle, high) if body(middle) == left else (low, middle)
    return left * (low + 0.5) + right * (0.5 - low)


DITHERED = {r"\mathbb{E}_u": ("u", dithered)}
GENERIC = np.random.default_rng(2).uniform(-5, 5, 25)  # x, none of them close to a whole number or a half
GENERIC = GENERIC[np.abs(2 * GENERIC - np.rint(2 * GENERIC)) > 0.05]


@checks(
    "eq-vq-dither", kind="exact", over="random x from -5 to 5, the average over the noise by finding the step"
)
def test_rounding_is_right_on_average(equation):
    for x in GENERIC:
        equation.agrees(names={"x": x}, functions=STEPS, operators=DITHERED, tolerance=1e-13)


@checks(
    "eq-vq-dither-slope",
    kind="exact",
    over="random x from -5 to 5, the average over the noise by finding the step, a loss without symmetry",
)
def test_a_rounded_number_with_noise_is_a_coin(equation):
    loss = {"f": lambda y: math.sin(1.3 * y) + 0.2 * y**3 + math.exp(0.3 * y)}
    for x in GENERIC:
        names = {"x": x, "k": math.floor(x), "p": x - math.floor(x)}
        # between two jumps the average is a straight line, so that differences give its slope exactly
        slope = {r"\frac{d}{dx}": ("x", quotient(x, 0.01))}
        equation.agrees(0, names=names, functions=STEPS | loss, operators=DITHERED, tolerance=1e-12)
        equation.agrees(1, names=names, functions=STEPS | loss, operators=DITHERED | slope, tolerance=1e-10)


T, P, H = sympy.symbols("t p h", positive=True)
COEFFICIENTS = sympy.symbols("c0:6", real=True)
POLYNOMIAL = sum(c * T**i for i, c in enumerate(COEFFICIENTS))


def at(expression):
    """A function of t from an expression in t."""
    return lambda point: expression.subs(T, point)


@checks(
    "eq-vq-coin",
    kind="symbolic",
    over="all p; f a polynomial of degree 5 with free coefficients plus an exponential and a wave",
)
def test_the_gradient_of_a_coin(equation):
    f = POLYNOMIAL + sympy.exp(2 * T) + sympy.sin(3 * T)
    equation.proves(
        names={"p": P},
        functions={"f": at(f), "f'": at(sympy.diff(f, T))},
        operators={r"\mathbb{E}": ("b", lambda body: (1 - P) * body(0) + P * body(1))},
    )


@checks(
    "eq-vq-rules",
    kind="autograd",
    over="5 random losses and coins; the rules of scipy, and the package's straight-through slope",
)
def test_four_rules(equation):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        p, (a, b, c) = rng.uniform(0.1, 0.9), rng.normal(size=3)

        def loss(y, a=a, b=b, c=c):
            return a * torch.sin(2 * y + b) + torch.exp(c * y)

        def slope(y, loss=loss):
            y = torch.tensor(np.asarray(y, dtype=float)).requires_grad_(True)
            return grad(loss(y).sum(), y)[0].numpy()

        soft = torch.tensor(p, dtype=torch.float64, requires_grad=True)
        tosses = [
            grad(loss(straight_through(hard.double(), soft)), soft)[0] for hard in torch.tensor([0.0, 1.0])
        ]
        rules = {
            "straight through": (1 - p) * tosses[0] + p * tosses[1],
            "trapezoid": scipy.integrate.trapezoid(slope([0, 1]), [0, 1]),
            "midpoint": scipy.integrate.fixed_quad(slope, 0, 1, n=1)[0],
            "Simpson": scipy.integrate.simpson(slope([0, 0.5, 1]), x=[0, 0.5, 1]),
        }
        for number, (name, value) in enumerate(rules.items()):
            equation.agrees(
                number, 1e-12, name, names={"p": p, rf"\text{{{name}}}": value}, functions={"f'": slope}
            )


@checks(
    "eq-vq-rules",
    kind="symbolic",
    over="polynomials of degree 5 with free coefficients: exact up to degree 1, 2, 2 and 4, and no further",
)
def test_degrees_of_the_rules(equation):
    exact = POLYNOMIAL.subs(T, 1) - POLYNOMIAL.subs(T, 0)
    for number, degree in enumerate((1, 2, 2, 4)):
        equation.side(0, number)
        rule = equation.side(1, number, names={"p": P}, functions={"f'": at(sympy.diff(POLYNOMIAL, T))})
        error = sympy.expand(rule - exact)
        for i in range(degree + 1):
            equation.zero(error.coeff(COEFFICIENTS[i]), f"rule {number + 1} is exact for t^{i}")
        equation.shows(error.coeff(COEFFICIENTS[degree + 1]) != 0, f"and not for t^{degree + 1}")


@checks(
    "eq-vq-orders",
    kind="symbolic",
    over="f(t) = g(ht), g a polynomial of degree 6 with free coefficients, all p: the leading power of h",
)
def test_orders(equation):
    u = sympy.Symbol("u")
    g = sum(c * u**i for i, c in enumerate(sympy.symbols("g0:7", real=True)))
    slope = sympy.diff(g.subs(u, H * T), T)
    ends = slope.subs(T, 0), slope.subs(T, 1)
    rules = ((1 - P) * ends[0] + P * ends[1], (ends[0] + ends[1]) / 2, slope.subs(T, sympy.Rational(1, 2)))
    names = {r"\text{exact}": sympy.integrate(slope, (T, 0, 1)), "p": P, "h": H}
    derivatives = {"g" + "'" * i: lambda at, i=i: sympy.diff(g, u, i).subs(u, at) for i in (2, 3)}
    for number, (name, rule, order) in enumerate(
        zip(("straight through", "trapezoid", "midpoint"), rules, (2, 3, 3), strict=True)
    ):
        equation.shows(equation.statement(number).signs == [r"\approx"], "said of small steps")
        error, claimed = equation.sides(
            number, names=names | {rf"\text{{{name}}}": rule}, functions=derivatives
        )
        rest = sympy.limit(sympy.expand(error - claimed) / H**order, H, 0)
        equation.zero(rest, f"{name}: what the claim leaves over is smaller than h^{order}")
        equation.shows(
            sympy.limit(sympy.expand(error) / H**order, H, 0) != 0,
            f"and the error itself is of order h^{order}",
        )


# ---- ReinMax


def jacobian(pi):
    """J as the text defines it: of the softmax, where its value is pi."""
    return np.diag(pi) - np.outer(pi, pi)


def reinmax(theta, b, slope):
    """The gradient of a loss with this slope at the drawn b, by the algorithm of Liu et al. and autograd."""
    pi = torch.softmax(theta, 0)
    nearer = torch.softmax((((pi + b) / 2).log() - theta).detach() + theta, 0)
    mixed = 2 * nearer - pi / 2
    return grad((b + mixed - mixed.detach()) @ slope, theta)[0]


@checks(
    "eq-vq-reinmax",
    kind="autograd",
    over="5 random units, all 4 outcomes, against the published algorithm; quadratic losses on average",
)
def test_reinmax(equation):
    for seed in range(5):
        torch.manual_seed(seed)
        matrix, vector, theta = torch.randn(4, 4).double(), torch.randn(4).double(), torch.randn(4).double()
        theta.requires_grad_(True)
        pi, outcomes = torch.softmax(theta, 0), torch.eye(4, dtype=torch.float64)

        def loss(b, matrix=matrix, vector=vector):
            return b @ matrix @ b + vector @ b

        def slope(b, loss=loss):
            b = torch.tensor(b).requires_grad_(True)
            return grad(loss(b), b)[0].numpy()

        by_autograd = torch.autograd.functional.jacobian(lambda logits: torch.softmax(logits, 0), theta)
        equation.equal(jacobian(pi.detach().numpy()), by_autograd, 1e-12, "J is the Jacobian of the softmax")
        (exact,) = grad(sum(p * loss(b) for p, b in zip(pi, outcomes, strict=True)), theta, retain_graph=True)
        average = 0
        for p, b in zip(pi.tolist(), outcomes, strict=True):
            behind = torch.tensor(slope(b.numpy()))
            (plain,) = grad(straight_through(b, pi) @ behind, theta, retain_graph=True)
            names = {
                r"\pi": pi.detach().numpy(),
                "b": b.numpy(),
                r"\text{straight through}": plain,
                r"\text{ReinMax}": reinmax(theta, b, behind),
            }
            functions = {"J": jacobian, "f'": slope}
            for statement in (0, 1):
                equation.agrees(statement, 1e-12, names=names, functions=functions)
            average = average + p * equation.side(1, 1, names=names, functions=functions)
        equation.equal(
            average, exact, 1e-12, "the average of ReinMax for a quadratic loss is the exact gradient"
        )
