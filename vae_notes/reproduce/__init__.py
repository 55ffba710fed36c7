"""Recorded runs: results that take too long for a chapter, made by one command and shipped with the package.

``python -m vae_notes.reproduce`` lists them, ``python -m vae_notes.reproduce NAME`` makes one again, and
``recorded("NAME")`` reads what the package brings along.
"""

from vae_notes.reproduce.recipe import Recipe, find_recipe, recipe_names
from vae_notes.reproduce.record import Recorded, recorded

__all__ = ["Recipe", "Recorded", "find_recipe", "recipe_names", "recorded"]
