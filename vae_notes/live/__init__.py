"""Live figures: they compute in the reader's page, without a kernel and without the network.

Each function gives one figure, which a notebook shows when it ends a cell. How one is made, and how to add one:
README.md beside this file.
"""

from vae_notes.live.gaussian_kl import gaussian_kl

__all__ = ["gaussian_kl"]
