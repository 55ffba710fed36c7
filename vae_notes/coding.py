"""A lossless coder in exact integer arithmetic: asymmetric numeral systems, in which a message is one number.

The message is a stack: what was pushed last is popped first. A distribution over S symbols is given by whole
numbers, ``counts``: symbol i has the probability counts[i] / sum(counts). Pushing it multiplies the number by
sum(counts) / counts[i], up to rounding, so that the message grows by -log2 of the probability in bits.
Python's integers have no largest value, so nothing is ever rounded away: every pop undoes its push exactly.

For short messages: the time of a push grows with the length of the message. Coders for files keep the top of
the stack in a machine word (Duda, 2014; the libraries constriction and craystack).
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

import torch

from vae_notes.checks import check_count, check_finite, check_floating, value_checks_are_on


class Stack:
    """A message as one whole number that is never negative, to push symbols to and to pop them from.

    push: s -> (s // f) T + c + s % f,   with f = counts[i], T = sum(counts), c = counts[0] + ... + counts[i-1]

    Parameters
    ----------
    state
        The message so far. 0 is the empty one. `random_bits` gives one to borrow from.

    Raises
    ------
    TypeError, ValueError
        If state is not an int, or is negative.

    Notes
    -----
    Duda (2014), Asymmetric numeral systems: entropy coding combining speed of Huffman coding with compression
    rate of arithmetic coding (the range variant, without renormalisation).

    Examples
    --------
    A symbol of probability 1/4 adds two bits:

    >>> stack = Stack(1000)
    >>> before = stack.bits
    >>> stack.push(2, counts=[1, 2, 1])
    >>> round(stack.bits - before, 2)
    2.0
    >>> stack.pop(counts=[1, 2, 1]), stack.state
    (2, 1000)
    """

    def __init__(self, state: int = 0) -> None:
        if isinstance(state, bool) or not isinstance(state, int):
            raise TypeError(f"state must be an int, got {type(state).__name__}")
        if state < 0:
            raise ValueError(f"state must not be negative, got {state}")
        self.state = state

    @classmethod
    def random_bits(cls, n_bits: int, generator: torch.Generator | None = None) -> "Stack":
        """A message of n_bits random bits (the first is 1), from a generator on the CPU."""
        check_count(n_bits=n_bits)
        bits = torch.randint(0, 2, (n_bits,), generator=generator).tolist()
        return cls(int("".join(map(str, [1, *bits[1:]])), 2))

    @property
    def bits(self) -> float:
        """Length of the message in bits, log2 of the state (0 if it is empty)."""
        return math.log2(max(self.state, 1))

    def push(self, index: int, counts: Sequence[int]) -> None:
        """Put a symbol on the stack: 0 <= index < len(counts), of a count above 0."""
        ends = _ends(counts)
        if not 0 <= index < len(ends):
            raise ValueError(f"index must lie between 0 and {len(ends) - 1}, got {index}")
        count = counts[index]
        if count == 0:
            raise ValueError(f"symbol {index} has the count 0, that is probability 0: no code exists for it")
        quotient, rest = divmod(self.state, count)
        self.state = quotient * ends[-1] + ends[index] - count + rest

    def pop(self, counts: Sequence[int]) -> int:
        """Take the last symbol off the stack, or, from other bits, draw a symbol with the given probabilities."""
        ends = _ends(counts)
        quotient, slot = divmod(self.state, ends[-1])
        index = bisect_right(ends, slot)
        self.state = quotient * counts[index] + slot - (ends[index] - counts[index])
        return index


def integer_counts(probabilities: torch.Tensor, total: int) -> list:
    """Whole numbers near total * probabilities, at least 1 each, which sum to total over the last axis.

    Parameters
    ----------
    probabilities
        Finite, not negative, floating, shape (..., S); each row is divided by its sum, which must be positive.
    total
        Their sum, at least S. The larger it is, the nearer are the counts to the probabilities.

    Returns
    -------
    list
        Nested lists of ints, of the shape of probabilities.

    Raises
    ------
    TypeError, ValueError
        If probabilities is not such a tensor, or total is no int or below S.

    Examples
    --------
    >>> integer_counts(torch.tensor([0.75, 0.25, 0.0]), total=15)
    [10, 4, 1]
    """
    check_floating(probabilities=probabilities)
    check_count(total=total)
    if probabilities.ndim == 0 or not 1 <= probabilities.shape[-1] <= total:
        raise ValueError(
            f"probabilities must have shape (..., S) with S between 1 and total = {total}, "
            f"got {tuple(probabilities.shape)}"
        )
    check_finite(probabilities=probabilities)
    p = probabilities.detach().to("cpu", torch.float64)
    if value_checks_are_on() and not ((p >= 0).all() and (p.sum(-1) > 0).all()):
        raise ValueError("probabilities must not be negative, and each row must have a positive sum")
    p = p / p.sum(-1, keepdim=True)
    free = total - p.shape[-1]  # every symbol has 1; these are handed out
    ends = (p.cumsum(-1) * free).round().long().clamp(max=free)
    ends[..., -1] = free
    return (ends.diff(dim=-1, prepend=torch.zeros_like(ends[..., :1])) + 1).tolist()


def _ends(counts: Sequence[int]) -> list[int]:
    ends = list(accumulate(counts))
    if not ends or min(counts) < 0 or ends[-1] == 0 or not isinstance(ends[-1], int):
        raise ValueError(f"counts must be whole numbers, not negative, with a sum above 0, got {counts}")
    return ends
