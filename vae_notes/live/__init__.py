"""Live figures: they compute in the reader's page, without a kernel and without the network.

Each function gives one figure, which a notebook shows when it ends a cell. How one is made, and how to add one:
README.md beside this file.
"""

from vae_notes.live.annealing import annealing
from vae_notes.live.elbo_gap import elbo_gap
from vae_notes.live.gaussian_kl import gaussian_kl
from vae_notes.live.gumbel_softmax import gumbel_softmax
from vae_notes.live.heavy_tails import heavy_tails
from vae_notes.live.latent_plane import latent_plane
from vae_notes.live.panel import Panel
from vae_notes.live.rate_distortion import rate_distortion
from vae_notes.live.reparameterized import reparameterized
from vae_notes.live.vector_quantization import vector_quantization

__all__ = [
    "Panel",
    "annealing",
    "elbo_gap",
    "gaussian_kl",
    "gumbel_softmax",
    "heavy_tails",
    "latent_plane",
    "rate_distortion",
    "reparameterized",
    "vector_quantization",
]
