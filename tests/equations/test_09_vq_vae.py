"""The equations of chapter 09 on the quantiser: the nearest code, the losses and their slopes, k-means."""

import itertools
import math

import numpy as np
import sympy
import torch
from scipy.spatial import cKDTree
from sklearn.cluster import KMeans
from torch.autograd import grad

from equations.checking import checks
from vae_notes.densities import bernoulli_log_prob
from vae_notes.straight_through import straight_through
from vae_notes.vector_quantization import VectorQuantizer, nearest_code

VECTORS = {r"\mathrm{sg}": torch.Tensor.detach, r"\Vert": torch.linalg.norm}
CODES, SIZE, BETA = 5, 3, 0.35  # number of codes, their dimensions, weight of the commitment loss


# ---- codes


def codebook_and_vectors(seed, vectors=40):
    """A random codebook and random vectors, as arrays."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(CODES, SIZE)), 1.5 * rng.normal(size=(vectors, SIZE))


def quantizer_of(codebook, **options):
    """The package's quantiser with a given codebook."""
    quantizer = VectorQuantizer(*codebook.shape, **options).double()
    with torch.no_grad():
        quantizer.codebook.copy_(torch.tensor(codebook))
    return quantizer


@checks(
    "eq-vq-nearest",
    kind="exact",
    over="5 random codebooks, 40 vectors each, against the package and scipy's search tree",
)
def test_nearest_code(equation):
    nearest = {r"\arg\min_j": ("j", lambda body: min(range(CODES), key=body))}
    nearest[r"\arg\max_j"] = ("j", lambda body: max(range(CODES), key=body))
    for seed in range(5):
        codebook, vectors = codebook_and_vectors(seed)
        quantized = quantizer_of(codebook).eval()(torch.tensor(vectors))
        tree = cKDTree(codebook).query(vectors)[1]
        for z, code, z_q, by_tree in zip(vectors, quantized.codes.tolist(), quantized.z, tree, strict=True):
            functions = {"e_": lambda j, codebook=codebook: codebook[int(j)], r"\Vert": np.linalg.norm}
            vector = equation.side(1, 0, names={"k": code}, functions=functions)
            equation.equal(equation.side(0, 0, names={"z_q": z_q}), vector, 1e-12, "the code's vector")
            equation.agrees(
                1, 0, "the code", names={"z_e": z, "k": code}, functions=functions, operators=nearest
            )
            equation.equal(by_tree, code, 0, "scipy's search tree")


@checks(
    "eq-vq-border",
    kind="exact",
    over="60 points on borders in 2 to 4 dimensions, found by halving a line between two cells",
)
def test_borders_of_cells(equation):
    for seed in range(60):
        rng = np.random.default_rng(seed)
        codes, near, far = rng.normal(size=(3, 2, 2 + seed % 3))
        ends = [codes[0] + 0.1 * near[0], codes[1] + 0.1 * far[0]]
        for _ in range(60):
            middle = (ends[0] + ends[1]) / 2
            ends[nearest_code(torch.tensor(middle), torch.tensor(codes)).item()] = middle
        names = {"z_e": middle, "e_i": codes[0], "e_j": codes[1]}
        equation.agrees(names=names, functions={r"\Vert": np.linalg.norm}, tolerance=1e-12)


def decode(z):
    """Some decoder: from vectors (..., SIZE) to four logits."""
    weight = torch.linspace(-1.5, 2, SIZE * 4, dtype=torch.float64).reshape(SIZE, 4)
    return torch.tanh(z) @ weight


DATUM = torch.tensor([1.0, 0.0, 0.0, 1.0], dtype=torch.float64)


@checks(
    "eq-vq-copy",
    kind="autograd",
    over="40 random vectors, 5 codes, the package's quantiser before a small decoder",
)
def test_the_gradient_is_copied(equation):
    codebook, vectors = codebook_and_vectors(0)
    z = torch.tensor(vectors, requires_grad=True)
    q = quantizer_of(codebook).eval()(z)
    at_code = q.z.detach().clone().requires_grad_(True)
    (at_z,), (at_z_q,) = (
        grad(bernoulli_log_prob(DATUM.expand(40, 4), decode(one)).sum(), leaf)
        for one, leaf in ((q.z, z), (at_code, at_code))
    )
    equation.shows((at_z.abs().sum(-1) > 0).all(), "every vector receives a gradient")
    before = equation.side(0, names={r"\frac{\partial L}{\partial z_e}": at_z})
    behind = equation.side(1, names={r"\frac{\partial L}{\partial z_q}": at_z_q})
    equation.equal(before, behind, 1e-12, "the slope")


@checks(
    "eq-vq-capacity", kind="symbolic", over="all K and M; and the messages of small books counted one by one"
)
def test_messages(equation):
    equation.proves(names=dict(zip("KM", sympy.symbols("K M", positive=True), strict=True)))
    for codes, slots in ((2, 5), (3, 4), (5, 3)):
        messages = sum(1 for _ in itertools.product(range(codes), repeat=slots))
        value = equation.side(0, names={"K": sympy.Integer(codes), "M": sympy.Integer(slots)})
        equation.equal(value, math.log(messages), 1e-12, "the log of their number")


# ---- losses and who receives their gradient


@checks(
    "eq-vq-loss",
    kind="autograd",
    over="5 random codebooks and vectors: the value, and its gradients at encoder, codebook and decoder",
)
def test_three_losses(equation):
    for seed in range(5):
        codebook, vectors = codebook_and_vectors(seed, vectors=1)
        z, scale = (torch.tensor(value, requires_grad=True) for value in (vectors[0], 1.3))
        quantizer = quantizer_of(codebook).eval()
        q = quantizer(z)
        log_p = bernoulli_log_prob(DATUM[None], scale * decode(q.z)[None]).sum()
        package = q.codebook_loss + BETA * q.commitment_loss - log_p
        names = {"x": DATUM, r"\beta": BETA, "L": package, "z_e": z}
        names |= {"e_k": quantizer.codebook[q.codes], "z_q": straight_through(quantizer.codebook[q.codes], z)}
        likelihood = {
            r"p_\theta": lambda x, z, s=scale: bernoulli_log_prob(x[None], s * decode(z)[None]).sum().exp()
        }
        equation.agrees(names=names, functions=VECTORS | likelihood, tolerance=1e-12, what="the value")
        loss = equation.side(1, names=names, functions=VECTORS | likelihood)
        leaves = {"the encoder's output": z, "the codebook": quantizer.codebook, "the decoder": scale}
        both = [grad(value, list(leaves.values()), retain_graph=True) for value in (package, loss)]
        for name, ours, displayed in zip(leaves, *both, strict=True):
            equation.equal(displayed, ours, 1e-12, f"the gradient at {name}")
            equation.shows(ours.abs().sum() > 0, f"{name} receives one")


@checks(
    "eq-vq-loss",
    kind="autograd",
    over="5 random vectors at a code, where only the first loss counts: a step down makes the datum likelier",
)
def test_sign_of_the_reconstruction(equation):
    for seed in range(5):
        z = torch.tensor(codebook_and_vectors(seed, vectors=1)[1][0], requires_grad=True)

        def likelihood(x, z):
            return bernoulli_log_prob(x[None], decode(z)[None]).sum().exp()

        at_its_code = {"L": None, r"\beta": BETA, "x": DATUM, "z_q": z, "z_e": z.detach(), "e_k": z.detach()}
        equation.side(0, names=at_its_code)  # the other two losses are zero there
        loss = equation.side(1, names=at_its_code, functions=VECTORS | {r"p_\theta": likelihood})
        with torch.no_grad():
            after = z - 1e-3 * grad(loss, z)[0]
        equation.shows(
            likelihood(DATUM, after) > likelihood(DATUM, z), "a step down the loss makes the datum likelier"
        )


def autograd_at(leaf):
    """The derivative with respect to a leaf, as an operator's rule."""
    return ((), lambda body: grad(body(), leaf)[0])


@checks(
    "eq-vq-pull",
    kind="autograd",
    over="40 random vectors on 5 codes, the package's two losses; a code that nobody chose",
)
def test_pull_on_codes_and_vectors(equation):
    codebook, vectors = codebook_and_vectors(1)
    codebook[-1] += 50  # nobody chooses it
    z, quantizer = torch.tensor(vectors, requires_grad=True), quantizer_of(codebook).eval()
    q = quantizer(z)
    (pull,) = grad(q.codebook_loss.sum(), quantizer.codebook)
    (commit,) = grad(BETA * q.commitment_loss.sum(), z)
    for k in range(CODES - 1):
        e_k, mine = torch.tensor(codebook[k], requires_grad=True), z.detach()[q.codes == k]
        names = {"e_k": e_k, "n_k": len(mine), r"\beta": BETA}
        cell = VECTORS | {"z_": lambda i, mine=mine: mine[int(i) - 1]}
        by_code = {r"\frac{\partial}{\partial e_k}": autograd_at(e_k)}
        equation.agrees(
            0, 1e-12, names=names, functions=cell, operators=by_code, ranges={"i": (1, len(mine))}
        )
        equation.equal(
            pull[k], equation.side(1, 0, names=names, functions=cell), 1e-12, "the package's codebook loss"
        )
        one = mine[0].clone().requires_grad_(True)
        names |= {"z_e": one}
        by_vector = {r"\frac{\partial}{\partial z_e}": autograd_at(one)}
        equation.agrees(1, 1e-12, names=names, functions=VECTORS, operators=by_vector)
        first = (q.codes == k).nonzero()[0].item()
        equation.equal(
            commit[first], equation.side(1, 1, names=names), 1e-12, "the package's commitment loss"
        )
    equation.equal(pull[-1], np.zeros(SIZE), 0, "a code that nobody chose is not pulled")


@checks(
    "eq-vq-late",
    kind="autograd",
    over="10 random vectors and codes, beta from 0.1 to 3; and the codebook receives nothing",
)
def test_late_codebook_loss(equation):
    for seed in range(10):
        rng = np.random.default_rng(seed)
        z, e = (torch.tensor(rng.normal(size=SIZE), requires_grad=True) for _ in range(2))
        z_q, beta = straight_through(e, z), float(rng.uniform(0.1, 3))
        names = {"z_e": z, "e_k": e, "z_q": z_q, r"\beta": beta}
        operators = {r"\frac{\partial}{\partial z_e}": autograd_at(z)}
        equation.agrees(names=names, functions=VECTORS, operators=operators, tolerance=1e-12)
        for loss in ((z.detach() - z_q).square().sum(), beta * (z - z_q.detach()).square().sum()):
            (at_codebook,) = grad(loss, e, allow_unused=True)
            equation.shows(at_codebook is None, "the codebook receives nothing")


# ---- running means


@checks(
    "eq-vq-ema",
    kind="exact",
    over="20 batches of 40 vectors on 5 codes, decay 0, 0.7 and 0.99: the package's counts, sums and codes",
)
def test_running_means(equation):
    for decay in (0.0, 0.7, 0.99):
        codebook, _ = codebook_and_vectors(2)
        codebook[-1] += 50  # an empty cell: its count and its sum shrink
        quantizer = quantizer_of(codebook, updates="ema", decay=decay)
        quantizer.counts.add_(torch.linspace(0.5, 1.5, CODES))  # old values count from the first batch
        quantizer.sums.add_(torch.linspace(-2, 3, CODES)[:, None])
        for seed in range(20):
            z = torch.tensor(codebook_and_vectors(seed)[1])
            before = quantizer.counts.clone(), quantizer.sums.clone()
            codes = quantizer(z).codes
            for k in range(CODES):
                mine = z[codes == k].numpy()
                cell = {"z_": lambda i, mine=mine: mine[int(i) - 1]}
                old = {
                    "N_k": before[0][k].item(),
                    "m_k": before[1][k].numpy(),
                    r"\gamma": decay,
                    "n_k": len(mine),
                }
                new = {
                    "N_k": quantizer.counts[k].item(),
                    "m_k": quantizer.sums[k].numpy(),
                    "e_k": quantizer.codebook[k],
                }
                for number in (0, 1):
                    left = equation.side(0, number, names=new)
                    equation.equal(
                        left, equation.side(1, number, names=old, functions=cell), 1e-12, "the running value"
                    )
                if len(mine):
                    equation.agrees(2, 1e-12, names=new, what="the code")


@checks(
    "eq-vq-lloyd",
    kind="symbolic",
    over="cells of 1 to 5 vectors, all values; and one step of scikit-learn's k-means",
)
def test_a_gradient_step_is_a_step_of_k_means(equation):
    symbols = sympy.symbols("z_1:6", real=True)
    for number in range(1, 6):
        names = {"e_k": sympy.Symbol("e", real=True), "n_k": number}
        equation.proves(
            names=names, functions={"z_": lambda i: symbols[int(i) - 1]}, what=f"{number} vectors"
        )
    codebook, vectors = codebook_and_vectors(0)
    lloyd = KMeans(CODES, init=codebook, n_init=1, max_iter=1, algorithm="lloyd", tol=0)
    centres = lloyd.fit(vectors).cluster_centers_
    chosen = cKDTree(codebook).query(vectors)[1]
    for k in set(chosen):
        mine = vectors[chosen == k]
        names = {"e_k": codebook[k], "n_k": len(mine)}
        for side in equation.sides(names=names, functions={"z_": lambda i, mine=mine: mine[int(i) - 1]}):
            equation.equal(centres[k], side, 1e-12, "scikit-learn's k-means")
