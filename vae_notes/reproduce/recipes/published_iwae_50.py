"""A VAE trained on the log of the mean of 50 weights: table 1 in Burda et al. (2016)."""

from vae_notes.reproduce.rows import row

RECIPE = row("importance weighted, k = 50", epochs=4, objective="iwae", k=50, published=84.78)
