"""A VAE trained on the mean of 50 log weights: table 1 in Burda et al. (2016)."""

from vae_notes.reproduce.rows import row

RECIPE = row("VAE, k = 50", epochs=4, objective="vae", k=50, published=86.35)
