"""What a recorded run is: a function of variant and seed, and the settings that it was run with."""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from vae_notes import checks

__all__ = ["Recipe", "find_recipe", "recipe_names"]


@dataclass(frozen=True)
class Recipe:
    """A table of trainings: every variant with every seed.

    Parameters
    ----------
    title : str
        What the run shows, in one line.
    run : callable
        run(variant, seed, epochs, device) -> dict of numbers, or of lists of numbers. ``variant`` is one of
        the values of ``variants``. Given the same arguments it must return the same numbers. It is called in a
        process of its own, on one thread. What it returns as ``seconds`` is taken for its time in all goes.
    variants : mapping
        The rows of the table: a name, and the settings that go with it (whatever JSON can hold).
    epochs : int
        How long each training of the recorded run was.
    seeds : int
        The recorded run used the seeds 0, 1, ..., seeds - 1.
    datasets : tuple of str
        What the run loads by ``data.load``; their hashes are recorded.
    goes_on : bool
        For trainings too long for one go. ``run`` is then called with a fifth argument, a folder of this
        training's own, into which it writes its checkpoints; called again, after a kill or with more epochs,
        it goes on from what it finds there. The folder is kept when the result is whole.

    Examples
    --------
    >>> def run(variant, seed, epochs, device):
    ...     return {"elbo": -variant["beta"] - seed}
    >>> recipe = Recipe("a toy", run, {"small": {"beta": 1}, "large": {"beta": 4}}, epochs=3, seeds=2)
    >>> recipe.run(recipe.variants["large"], 1, recipe.epochs, "cpu")
    {'elbo': -5}
    """

    title: str
    run: Callable[..., dict]
    variants: Mapping[str, dict]
    epochs: int
    seeds: int
    datasets: tuple[str, ...] = ("digits",)
    goes_on: bool = False

    def __post_init__(self):
        checks.check_count(epochs=self.epochs, seeds=self.seeds)
        if not self.variants:
            raise ValueError("variants must name at least one variant, got none")


def recipe_names() -> list[str]:
    """The names of all recorded runs.

    Examples
    --------
    >>> "no-such-run" in recipe_names()
    False
    """
    from vae_notes.reproduce import recipes

    return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(recipes.__path__))


def find_recipe(name: str) -> Recipe:
    """The recipe of a recorded run.

    Raises
    ------
    ValueError
        If there is none of this name.

    Examples
    --------
    >>> try:
    ...     find_recipe("no-such-run")
    ... except ValueError as error:
    ...     print(str(error)[:42])
    name must be one of the recorded runs, got
    """
    if name not in recipe_names():
        raise ValueError(
            f"name must be one of the recorded runs, got {name!r}; there are: {', '.join(recipe_names())}"
        )
    return importlib.import_module(f"vae_notes.reproduce.recipes.{name.replace('-', '_')}").RECIPE
