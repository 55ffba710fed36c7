"""What may vary in an assignment is drawn from the teacher's key."""

import hashlib
import random
import re
from collections.abc import Sequence

__all__ = ["Draw", "check_key", "edition"]

_KEY = re.compile(r"\S{4,}")
_ROUNDS = 100_000  # of a slow hash, so that a short key is not found from its edition by trying


def check_key(key: str) -> str:
    """The key, if it is one.

    Raises
    ------
    ValueError
        If it has fewer than four characters, or blanks.
    """
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise ValueError(f"KEY must have at least 4 characters and no blank, got {key!r}")
    return key


def edition(key: str) -> str:
    """The public name of a key: eight hexadecimal digits, from which the key cannot be computed.

    Examples
    --------
    >>> edition("public") == edition("public"), edition("public") == edition("publik")
    (True, False)
    """
    digest = hashlib.pbkdf2_hmac("sha256", check_key(key).encode(), b"VAE Notes edition", _ROUNDS)
    return digest.hex()[:8]


class Draw:
    """A stream of choices that depends on the key and the assignment, and on nothing else.

    Only `random.Random.random` is used, whose numbers Python promises to keep from version to version.

    Parameters
    ----------
    key
        The teacher's key.
    assignment
        Name of the assignment: each has a stream of its own.

    Examples
    --------
    >>> draw = Draw("public", "05-gaussian-kl")
    >>> 0.5 <= draw.number(0.5, 2.0) <= 2.0, draw.choice("sign", "half") in ("sign", "half")
    (True, True)
    >>> Draw("public", "05").integer(0, 999) == Draw("public", "05").integer(0, 999)
    True
    """

    def __init__(self, key: str, assignment: str):
        digest = hashlib.sha256(f"{check_key(key)}\n{assignment}".encode()).digest()
        self._random = random.Random(int.from_bytes(digest, "big")).random

    def number(self, low: float, high: float, digits: int = 2) -> float:
        """A number from low to high, rounded to some digits after the point."""
        return round(low + (high - low) * self._random(), digits)

    def numbers(self, count: int, low: float, high: float, digits: int = 2) -> list[float]:
        """A list of such numbers."""
        return [self.number(low, high, digits) for _ in range(count)]

    def integer(self, low: int, high: int) -> int:
        """A whole number from low to high, both possible."""
        return low + int((high - low + 1) * self._random())

    def choice(self, *options):
        """One of the options."""
        return options[self.integer(0, len(options) - 1)]

    def sample(self, options: Sequence, count: int) -> list:
        """Some of the options, none twice, in an order drawn too.

        Raises
        ------
        ValueError
            If there are fewer options than that.
        """
        if count > len(options):
            raise ValueError(f"count must be at most {len(options)}, the number of options, got {count}")
        left = list(options)
        return [left.pop(self.integer(0, len(left) - 1)) for _ in range(count)]

    def seed(self) -> int:
        """A seed for a generator."""
        return self.integer(1, 2**31 - 2)
