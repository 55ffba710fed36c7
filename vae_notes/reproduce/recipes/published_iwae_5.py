"""A VAE trained on the log of the mean of 5 weights: table 1 in Burda et al. (2016)."""

from vae_notes.reproduce.rows import row

RECIPE = row("importance weighted, k = 5", epochs=40, objective="iwae", k=5, published=85.54)
