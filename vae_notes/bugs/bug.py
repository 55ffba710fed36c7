"""What a `Bug` is: a mistake, its twin without the mistake, and where both are put to train."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class Bug:
    """A mistake that runs, and under which the loss falls.

    Attributes
    ----------
    name
        A slug, such as ``"mean-over-pixels"``.
    family
        Where in a program it hides: objective, likelihood, sampling, discrete or evaluation.
    symptom, cause, remedy
        What one sees, why, and what to write instead: a sentence or two each.
    chapter
        Number of the chapter that explains it.
    correct, broken
        Two functions with the same signature. They differ by the one mistake.
    build
        build(function) gives a small untrained model with ``loss`` that uses the function in its place.

    Examples
    --------
    >>> from vae_notes.bugs import bug
    >>> bug("mean-over-pixels").family, bug("mean-over-pixels").chapter
    ('likelihood', 6)
    """

    name: str
    family: str
    symptom: str
    cause: str
    remedy: str
    chapter: int
    correct: Callable
    broken: Callable
    build: Callable[[Callable], nn.Module]
