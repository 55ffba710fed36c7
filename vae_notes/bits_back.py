"""Bits-back coding: a code for x whose length is the negative ELBO, from a model with a hidden variable.

The sender draws z from q(z|x) by popping it from the message, and so gains -log2 q(z|x) bits. The receiver, who
knows x in the end, pushes it back. On average over z the net length is

E_q[ -log2 p(x|z) - log2 p(z) + log2 q(z|x) ] = -ELBO / log 2  bits.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vae_notes.coding import Stack

Counts = Sequence[int]


@dataclass(frozen=True)
class BitsBackCode:
    """A lossless code for x = (x_1, ..., x_D), with a hidden z = (z_1, ..., z_d), all of them small ints.

    Parameters
    ----------
    prior
        Counts of p(z_j), one list for each j (see `coding.Stack` for counts).
    likelihood
        z -> the counts of p(x_i|z), one list for each i.
    posterior
        x -> the counts of q(z_j|x), one list for each j.

    Notes
    -----
    z is drawn from the bits on top of the message. Those are the last z, which was pushed with the prior; where
    q(z) differs from p(z) they are not random. Give the posterior a total that has no factor in common with those
    of the prior and the likelihood (say 4095 and 4096): then z depends on the whole message. With one total for
    all, the code is lossless still, but its length is not the one above.

    Hinton and van Camp (1993), Keeping the neural networks simple by minimizing the description length of the
    weights; Townsend, Bird and Barber (2019), Practical lossless compression with latent variables using bits
    back coding, who chain the data by asymmetric numeral systems as here.

    Examples
    --------
    One coin flip x, reported by z right in 3 of 4 cases; q is the exact posterior, so x costs -log2 p(x) = 1 bit:

    >>> table = [[3, 1], [1, 3]]
    >>> code = BitsBackCode([[1, 1]], likelihood=lambda z: [table[z[0]]], posterior=lambda x: [table[x[0]]])
    >>> stack = Stack.random_bits(64)
    >>> before, length = stack.state, stack.bits
    >>> z = code.encode(stack, (1,))
    >>> round(stack.bits - length, 6)
    1.0
    >>> code.decode(stack), stack.state == before
    ((1,), True)
    """

    prior: Sequence[Counts]
    likelihood: Callable[[tuple[int, ...]], Sequence[Counts]]
    posterior: Callable[[tuple[int, ...]], Sequence[Counts]]

    def encode(self, stack: Stack, x: tuple[int, ...]) -> tuple[int, ...]:
        """Put x on the stack; the z that was used is returned."""
        z = _pop(stack, self.posterior(x))
        _push(stack, x, self.likelihood(z))
        _push(stack, z, self.prior)
        return z

    def decode(self, stack: Stack) -> tuple[int, ...]:
        """Take x off the stack, and leave the stack as it was before x."""
        z = _pop(stack, self.prior)
        x = _pop(stack, self.likelihood(z))
        _push(stack, z, self.posterior(x))
        return x


def _push(stack: Stack, symbols: tuple[int, ...], counts: Sequence[Counts]) -> None:
    for symbol, of_symbol in zip(symbols, counts, strict=True):
        stack.push(symbol, of_symbol)


def _pop(stack: Stack, counts: Sequence[Counts]) -> tuple[int, ...]:
    """The symbols in the order in which they are pushed: the last of them lies on top."""
    return tuple(stack.pop(of_symbol) for of_symbol in reversed(counts))[::-1]
