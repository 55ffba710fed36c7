"""The coder: exact round trips, and lengths against -log2 of the probabilities."""

import math
import random
import re
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vae_notes.bits_back import BitsBackCode
from vae_notes.coding import Stack, integer_counts


def raises(error, text):
    return pytest.raises(error, match=re.escape(text))


TABLES = st.lists(st.integers(0, 50), min_size=1, max_size=6).filter(any)


@given(st.integers(0, 10**30), st.lists(st.tuples(TABLES, st.integers(0, 10**6)), max_size=20))
def test_pops_undo_pushes(state, steps):
    steps = [(table, [i for i, c in enumerate(table) if c]) for table, _ in steps]
    steps = [(table, possible[len(table) % len(possible)]) for table, possible in steps]
    stack = Stack(state)
    for table, index in steps:
        stack.push(index, table)
    for table, index in reversed(steps):
        assert stack.pop(table) == index
    assert stack.state == state


@given(st.integers(0, 10**30), TABLES)
def test_pushes_undo_pops(state, table):
    """A pop can draw from bits that no push made: that is what bits back needs."""
    stack = Stack(state)
    index = stack.pop(table)
    assert table[index] > 0
    stack.push(index, table)
    assert stack.state == state


@pytest.mark.parametrize("table", [[1, 2, 1], [3, 0, 4], [7], [1, 999]])
def test_every_small_number_is_one_message(table):
    """Pops are a bijection: from the numbers below n T, symbol i comes n counts[i] times."""
    total = sum(table)
    pairs = set()
    for state in range(5 * total):
        stack = Stack(state)
        pairs.add((stack.pop(table), stack.state))
    assert len(pairs) == 5 * total
    assert [sum(i == index for i, _ in pairs) for index in range(len(table))] == [5 * c for c in table]


def test_the_length_is_minus_log2_of_the_probability():
    source = random.Random(0)
    stack, expected = Stack.random_bits(64, torch.Generator().manual_seed(0)), Fraction(1)
    start = stack.state
    for _ in range(300):
        table = [source.randint(1, 20) for _ in range(source.randint(1, 5))]
        index = source.randrange(len(table))
        stack.push(index, table)
        expected *= Fraction(sum(table), table[index])
    assert math.log2(stack.state) - math.log2(start) == pytest.approx(
        math.log2(expected.numerator) - math.log2(expected.denominator), abs=1e-10
    )
    assert stack.bits == math.log2(stack.state)


def test_from_an_empty_message():
    stack = Stack()
    assert stack.bits == 0
    for index in (1, 0, 2):
        stack.push(index, [2, 1, 5])
    assert [stack.pop([2, 1, 5]) for _ in range(3)] == [2, 0, 1]
    assert stack.state == 0


def test_random_bits_are_as_many_as_asked_for():
    for n in (1, 2, 64, 1000):
        stack = Stack.random_bits(n, torch.Generator().manual_seed(n))
        assert stack.state.bit_length() == n
        assert stack.state == Stack.random_bits(n, torch.Generator().manual_seed(n)).state
    ones = sum(Stack.random_bits(4000, torch.Generator().manual_seed(s)).state.bit_count() for s in range(10))
    assert abs(ones - 20_000) < 700  # 7 standard deviations
    with raises(ValueError, "n_bits must be at least 1, got 0"):
        Stack.random_bits(0)


def test_bad_states_symbols_and_counts_are_explained():
    with raises(TypeError, "state must be an int, got float"):
        Stack(1.0)
    with raises(TypeError, "state must be an int, got bool"):
        Stack(True)
    with raises(ValueError, "state must not be negative, got -1"):
        Stack(-1)
    stack = Stack(10)
    for index in (-1, 2):
        with raises(ValueError, f"index must lie between 0 and 1, got {index}"):
            stack.push(index, [1, 1])
    with raises(ValueError, "symbol 1 has the count 0, that is probability 0: no code exists for it"):
        stack.push(1, [1, 0])
    for counts in ([], [0, 0], [2, -1], [0.5, 0.5]):
        with raises(ValueError, "counts must be whole numbers, not negative, with a sum above 0, got ["):
            stack.push(0, counts)
        with raises(ValueError, "counts must be whole numbers"):
            stack.pop(counts)
    assert stack.state == 10


@pytest.mark.parametrize("total", [5, 6, 100, 2**40])
def test_counts_are_near_the_probabilities(total, device):
    p = torch.rand(7, 5, generator=torch.Generator().manual_seed(0)).double().pow(6).to(device)
    counts = integer_counts(3 * p, total)
    assert all(sum(row) == total and min(row) >= 1 and type(row[0]) is int for row in counts)
    off = torch.tensor(counts, dtype=torch.float64) / total - (p / p.sum(-1, keepdim=True)).cpu()
    assert off.abs().max() <= 6 / total
    assert integer_counts(p[0], total) == counts[0]


def test_counts_of_certain_and_of_even_probabilities():
    assert integer_counts(torch.tensor([0.0, 1.0, 0.0]), 10) == [1, 8, 1]
    assert integer_counts(torch.full((4,), 0.25), 4000) == [1000] * 4
    assert integer_counts(torch.tensor([2.0]), 3) == [3]


def test_counts_are_rounded_to_the_nearest():
    """Each symbol has 1, and of the other 10 the first gets 2.8: 3, not 2."""
    assert integer_counts(torch.tensor([0.28, 0.72]), total=12) == [4, 8]


def test_bad_probabilities_are_explained():
    good = torch.tensor([0.5, 0.5])
    with raises(TypeError, "probabilities must be floating"):
        integer_counts(good.long(), 4)
    with raises(ValueError, "with S between 1 and total = 1, got (2,)"):
        integer_counts(good, 1)
    with raises(ValueError, "got ()"):
        integer_counts(good[0], 4)
    with raises(ValueError, "got (2, 0)"):
        integer_counts(torch.zeros(2, 0), 4)
    with raises(TypeError, "total must be an int"):
        integer_counts(good, 4.0)
    with raises(ValueError, "probabilities must be finite"):
        integer_counts(good / 0, 4)
    for bad in (-good, good * torch.tensor([3.0, -1.0]), 0 * good):
        with raises(ValueError, "probabilities must not be negative, and each row must have a positive sum"):
            integer_counts(bad, 4)


# ------------------------------------------------------------------ bits back


def random_model(seed, n_z=3, n_x=4, exact=False):
    """Counts of a prior, of p(x|z) and of q(z|x): any, or those of the exact posterior."""
    source = random.Random(seed)
    prior = [source.randint(1, 9) for _ in range(n_z)]
    likelihood = [[source.randint(1, 9) for _ in range(n_x - 1)] for _ in range(n_z)]
    likelihood = [[*row, 40 - sum(row)] for row in likelihood]  # one total for all z
    posterior = [[source.randint(1, 9) for _ in range(n_z)] for _ in range(n_x)]
    if exact:
        posterior = [[prior[z] * likelihood[z][x] for z in range(n_z)] for x in range(n_x)]
    return prior, likelihood, posterior


def code_of(prior, likelihood, posterior):
    return BitsBackCode([prior], lambda z: [likelihood[z[0]]], lambda x: [posterior[x[0]]])


@pytest.mark.parametrize("bits", [1, 8, 200])
@pytest.mark.parametrize("seed", range(4))
def test_bits_back_round_trips(seed, bits):
    code, source = code_of(*random_model(seed)), random.Random(seed)
    data = [(source.randrange(4),) for _ in range(200)]
    stack = Stack.random_bits(bits, torch.Generator().manual_seed(seed))
    start = stack.state
    for x in data:
        code.encode(stack, x)
    assert [code.decode(stack) for _ in data] == data[::-1]
    assert stack.state == start


@pytest.mark.parametrize("seed", range(4))
def test_the_net_length_is_minus_the_log_weight_of_the_z_that_was_drawn(seed):
    prior, likelihood, posterior = random_model(seed)
    code = code_of(prior, likelihood, posterior)
    stack = Stack.random_bits(200, torch.Generator().manual_seed(seed))
    for x in range(4):
        before = stack.bits
        (z,) = code.encode(stack, (x,))
        weight = Fraction(likelihood[z][x], sum(likelihood[z])) * Fraction(prior[z], sum(prior))
        weight /= Fraction(posterior[x][z], sum(posterior[x]))
        assert stack.bits - before == pytest.approx(-math.log2(weight), abs=1e-9)


def test_with_the_exact_posterior_the_length_is_ideal_whatever_z():
    prior, likelihood, posterior = random_model(1, exact=True)
    code = code_of(prior, likelihood, posterior)
    for x in range(4):
        evidence = sum(
            Fraction(p, sum(prior)) * Fraction(row[x], sum(row)) for p, row in zip(prior, likelihood)
        )
        for seed in range(5):
            stack = Stack.random_bits(200, torch.Generator().manual_seed(seed))
            before = stack.bits
            code.encode(stack, (x,))
            assert stack.bits - before == pytest.approx(-math.log2(evidence), abs=1e-9)


def test_the_mean_length_of_a_chain_is_minus_the_elbo_if_totals_share_no_factor():
    """With one total for all tables the top of the stack is the last z, and the next z is no draw."""
    source, off = random.Random(5), {}
    prior, likelihood = [13, 3], [[9, 7], [3, 13]]
    data = [(source.randrange(2),) for _ in range(6000)]
    for total in (16, 17):
        posterior = [[5, total - 5], [2, total - 2]]
        code, stack = (
            code_of(prior, likelihood, posterior),
            Stack.random_bits(60, torch.Generator().manual_seed(0)),
        )
        lengths = []
        for x in data:
            before = stack.bits
            code.encode(stack, x)
            expected = sum(
                posterior[x[0]][z]
                / total
                * math.log2(posterior[x[0]][z] / total / (prior[z] / 16 * likelihood[z][x[0]] / 16))
                for z in range(2)
            )
            lengths.append(stack.bits - before - expected)
        lengths = torch.tensor(lengths, dtype=torch.float64)
        off[total] = (lengths.mean() / lengths.std() * math.sqrt(len(data))).abs().item()
    assert off[17] < 6.5
    assert off[16] > 20


def test_z_is_drawn_from_the_posterior():
    prior, likelihood, posterior = random_model(2)
    code, seen = code_of(prior, likelihood, posterior), [0, 0, 0]
    for seed in range(3000):
        stack = Stack.random_bits(40, torch.Generator().manual_seed(seed))
        seen[code.encode(stack, (1,))[0]] += 1
    total = sum(posterior[1])
    for count, share in zip(seen, posterior[1], strict=True):
        p = share / total
        assert abs(count - 3000 * p) < 6.5 * math.sqrt(3000 * p * (1 - p))


def test_vectors_of_symbols_keep_their_order():
    """Different tables for each dimension: a wrong order would pop a symbol with another's table."""
    prior = [[1, 2], [5, 1, 1]]
    likelihoods = {(a, b): [[1 + a, 3], [2, 2, 1 + b], [9, 1]] for a in range(2) for b in range(3)}

    def posterior(x):
        return [[1 + x[0], 4], [1, 1 + x[1], 1 + x[2]]]

    code = BitsBackCode(prior, likelihoods.__getitem__, posterior)
    source = random.Random(0)
    data = [(source.randrange(2), source.randrange(3), source.randrange(2)) for _ in range(100)]
    stack = Stack.random_bits(100, torch.Generator().manual_seed(0))
    start, used = stack.state, []
    for x in data:
        used.append(code.encode(stack, x))
    assert {z[0] for z in used} == {0, 1} and {z[1] for z in used} == {0, 1, 2}
    assert [code.decode(stack) for _ in data] == data[::-1]
    assert stack.state == start


def test_a_datum_of_the_wrong_length_is_refused():
    code = code_of(*random_model(0))
    with raises(ValueError, "zip()"):
        code.encode(Stack(10**9), (1, 1))
