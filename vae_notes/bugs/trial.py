"""A short training on scikit-learn's digits, with a correct or a broken function in its place."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from vae_notes.bugs.bug import Bug
from vae_notes.data import load
from vae_notes.training import fit

BATCH_SIZE = 128


@dataclass(frozen=True)
class Trial:
    """What a short training showed, and what its model is worth.

    Attributes
    ----------
    curve
        What the program shows after each epoch, (epochs,): the training loss, or, for mistakes of evaluation,
        the loss that it reports for held-out data. Whatever the function makes of it: in nats only if it is right.
    bound
        The lower bound on log p(x) of held-out data in nats per datum, from the package's own functions.

    Examples
    --------
    >>> float(Trial(curve=np.array([40.0, 30.0]), bound=-31.0).curve[-1])
    30.0
    """

    curve: np.ndarray
    bound: float


def trial(bug: Bug, function: Callable, *, epochs: int = 15, seed: int = 0) -> Trial:
    """Train the small model of a bug with this function in its place.

    Parameters
    ----------
    bug
        One of `vae_notes.bugs.all_bugs`.
    function
        ``bug.correct``, ``bug.broken``, or another one with their signature.
    epochs
        Passes over the 1438 digits.
    seed
        Of the weights, the order of the data and all noise.

    Returns
    -------
    Trial
        With the same seed both functions start from the same weights.

    Raises
    ------
    TypeError, ValueError, NonFiniteLossError
        As `vae_notes.training.fit`.

    Examples
    --------
    >>> from vae_notes.bugs import bug
    >>> found = bug("mean-over-pixels")
    >>> shown = trial(found, found.broken, epochs=3).curve
    >>> bool(shown[-1] < shown[0])
    True
    """
    digits = load("digits")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = bug.build(function)
    history = fit(
        model,
        digits.train,
        epochs=epochs,
        batch_size=BATCH_SIZE,
        learning_rate=3e-3,
        seed=seed,
        held_out=digits.test,
        progress=False,
    )
    curves = history.held_out if bug.family == "evaluation" else history.parts
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        bound = model.bound(digits.test, generator).mean().item()
    return Trial(curve=curves["loss"], bound=bound)
