"""A VAE trained on the mean of 5 log weights: table 1 in Burda et al. (2016)."""

from vae_notes.reproduce.rows import row

RECIPE = row("VAE, k = 5", epochs=40, objective="vae", k=5, published=86.47)
