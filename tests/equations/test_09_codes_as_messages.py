"""The equations of chapter 09 on messages: perplexity, the constant divergence, the bound, priors."""

import math

import numpy as np
import scipy
import sympy
import torch

from equations.checking import checks
from tests.equations.vocabulary import table
from vae_notes.vector_quantization import codebook_perplexity

# ---- the codebook in use


def shares(codes, size):
    """The share of every code among those that were counted."""
    return torch.bincount(codes, minlength=size).double().numpy() / len(codes)


def random_codes(seed, size=7, number=60):
    """Codes of a book that is used unevenly, each of them at least once."""
    rng = np.random.default_rng(seed)
    return torch.tensor(
        np.concatenate([np.arange(size), rng.choice(size, number, p=rng.dirichlet(np.ones(size)))])
    )


@checks(
    "eq-vq-perplexity",
    kind="exact",
    over="5 random sets of 67 codes on a book of 7, against the package and scipy's entropy",
)
def test_perplexity(equation):
    for seed in range(5):
        codes = random_codes(seed)
        names = {r"\text{perplexity}": codebook_perplexity(codes, 7), "K": 7}
        equation.agrees(names=names, functions={"f_": table([0, *shares(codes, 7)])}, tolerance=1e-12)
        by_scipy = math.exp(scipy.stats.entropy(shares(codes, 7)))
        equation.equal(by_scipy, names[r"\text{perplexity}"], 1e-12, "scipy's entropy")


@checks(
    "eq-vq-bounds",
    kind="exact",
    over="100 random sets of codes, n from 1 to 40 and K from 1 to 20; and both bounds are reached",
)
def test_bounds_of_the_perplexity(equation):
    rng = np.random.default_rng(0)
    for _ in range(100):
        n, size = int(rng.integers(1, 41)), int(rng.integers(1, 21))
        codes = torch.tensor(rng.integers(0, size, n))
        names = {"n": n, "K": size, r"\text{perplexity}": codebook_perplexity(codes, size)}
        low = equation.side(0, names=names)
        equation.agrees(names=names, tolerance=1e-12)
        equation.equal(codebook_perplexity(codes[:1].expand(n), size), low, 1e-12, "one code alone")
        times = n // size if n > size else 1
        even = torch.arange(min(n, size)).repeat(times)
        names |= {"n": len(even), "K": size}
        equation.equal(
            codebook_perplexity(even, size), equation.side(2, names=names), 1e-12, "all equally often"
        )


# ---- the bound


@checks(
    "eq-vq-kl",
    kind="symbolic",
    over="K = 2, 3 and 5: q tends to each of the K choices; and torch's divergence at the choice",
)
def test_constant_divergence(equation):
    rest = sympy.Symbol("epsilon", positive=True)  # the probability of each other code, which tends to zero
    for size in (2, 3, 5):
        for chosen in range(1, size + 1):
            one_hot = torch.nn.functional.one_hot(torch.tensor(chosen - 1), size).double()
            laws = {"q": one_hot, "p": torch.full((size,), 1 / size, dtype=torch.float64)}

            def divergence(a, b, laws=laws):
                pair = [torch.distributions.Categorical(probs=laws[str(law)]) for law in (a, b)]
                return torch.distributions.kl_divergence(*pair)

            almost = [rest] * size
            almost[chosen - 1] = 1 - (size - 1) * rest
            functions = {
                r"\mathrm{KL}": divergence,
                "q": lambda k, x, almost=almost: {7: almost}[x][int(k) - 1],
            }
            named, total, constant = equation.sides(
                names={"K": sympy.Integer(size), "x": 7}, functions=functions
            )
            equation.zero(
                sympy.limit(total, rest, 0, "+") - constant, f"the sum with K = {size} tends to log K"
            )
            equation.equal(named, constant, 1e-12, "torch's divergence")


class Coded:
    """A VQ-VAE that can be counted: 4 data, messages of 2 slots of 3 codes, random tables."""

    data, slots, codes = 4, 2, 3

    def __init__(self, seed, uniform=False):
        rng = np.random.default_rng(seed)
        messages = self.codes**self.slots
        self.prior = np.full(messages, 1 / messages) if uniform else rng.dirichlet(np.ones(messages))
        self.decoder = rng.dirichlet(np.ones(self.data), size=messages).T  # [x, message]
        self.encoder = rng.integers(0, messages, self.data)  # the message of each datum

    def evidence(self, x):
        return self.prior @ self.decoder[x]

    def posterior(self, message, x):
        return self.prior[message] * self.decoder[x, message] / self.evidence(x)

    def bound(self, x):
        """The ELBO of the one-hot q, by its definition: the mean of the log of p(x, message) / q under q."""
        q = np.eye(len(self.prior))[self.encoder[x]]
        return sum(a * math.log(self.prior[m] * self.decoder[x, m] / a) for m, a in enumerate(q) if a)

    def functions(self):
        return {
            r"\mathcal{L}": lambda x: self.bound(x),
            "k": lambda x: int(self.encoder[x]),
            "e_": lambda k: Code(k),
            "p": lambda k: float(self.prior[int(k)]),
            r"p_\theta": lambda x: float(self.evidence(x)),
            r"p_\theta\mid": self.given,
        }

    def given(self, left, right):
        """p(x | e_k) or p(k | x): a vector of the codebook says which is meant."""
        if isinstance(right, Code):
            return float(self.decoder[left, int(right)])
        return float(self.posterior(left, right))


class Code(int):
    """The vector of a message, known by its number."""


COUNTED = "5 random worlds of 4 data and 9 messages of 2 slots, every datum"


@checks("eq-vq-elbo", kind="exact", over=COUNTED + "; and the uniform prior")
def test_bound_of_a_one_hot_encoder(equation):
    for seed in range(5):
        for uniform in (False, True):
            world = Coded(seed, uniform)
            for x in range(world.data):
                equation.agrees(names={"x": x}, functions=world.functions(), tolerance=1e-12)
                if uniform:
                    rest = equation.side(
                        1, names={"x": x}, functions=world.functions() | {"p": lambda k: 1.0}
                    )
                    last = world.bound(x) - rest
                    equation.equal(
                        last, -world.slots * math.log(world.codes), 1e-12, "uniform: minus M log K"
                    )


@checks("eq-vq-evidence", kind="exact", over=COUNTED)
def test_gap_of_a_one_hot_encoder(equation):
    for seed in range(5):
        world = Coded(seed)
        for x in range(world.data):
            equation.agrees(
                names={"x": x},
                functions=world.functions(),
                ranges={"k": (0, len(world.prior) - 1)},
                tolerance=1e-12,
            )


@checks(
    "eq-vq-saving",
    kind="exact",
    over="5 random sets of codes on a book of 7: what the shares save as a prior, counted code by code",
)
def test_what_a_prior_saves(equation):
    for seed in range(5):
        codes = random_codes(seed)
        f = shares(codes, 7)
        names = {"f": f, "K": 7.0, r"\text{perplexity}": codebook_perplexity(codes, 7)}
        saved = np.mean([math.log(f[k] * 7) for k in codes])  # log p(k) against that of the uniform prior
        for side in equation.sides(names=names, functions={r"\mathrm{H}": scipy.stats.entropy}):
            equation.equal(saved, side, 1e-12, "what the prior saves")
        for other in np.random.default_rng(seed).dirichlet(np.ones(7), size=20):
            equation.ordered(
                np.mean([math.log(other[k] * 7) for k in codes]), saved, what="no other prior saves more"
            )


@checks(
    "eq-vq-prior", kind="exact", over="5 random laws of messages of 1 to 4 slots of 3 codes, every message"
)
def test_slot_by_slot(equation):
    for seed in range(5):
        slots = 1 + seed % 4
        law = np.random.default_rng(seed).dirichlet(np.ones(3**slots)).reshape((3,) * slots)
        for message in np.ndindex(*law.shape):
            prior = Messages(law, message)
            equation.agrees(
                names={"M": slots, r"\ldots": ...},
                functions={"k_": int, "p": prior.of, r"p\mid": prior.given},
                tolerance=1e-12,
            )


class Messages:
    """The law of a message and of its parts; slots are named by their numbers, from 1."""

    def __init__(self, law, message):
        self.law, self.message = law, message

    def of(self, *slots):
        """p(k_1, ..., k_m): the probability that these slots hold what the message holds there."""
        if ... in slots:
            first, _, last = slots
            slots = range(first, last + 1)
        wanted = [slice(None)] * self.law.ndim
        for slot in slots:
            wanted[slot - 1] = self.message[slot - 1]
        return float(self.law[tuple(wanted)].sum())

    def given(self, slot, first, dots, last):
        """p(k_m | k_1, ..., k_{m-1})."""
        before = list(range(first, last + 1))
        return self.of(*before, slot) / self.of(*before)
