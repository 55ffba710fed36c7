"""Live figures: they compute in the reader's page, without a kernel and without the network.

Each function gives one figure, which a notebook shows when it ends a cell. How one is made, and how to add one:
README.md beside this file.
"""

from vae_notes.live.elbo_gap import elbo_gap
from vae_notes.live.gaussian_kl import gaussian_kl
from vae_notes.live.reparameterized import reparameterized

__all__ = ["elbo_gap", "gaussian_kl", "reparameterized"]
