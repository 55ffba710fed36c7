"""A VAE trained on one sample: the first row of table 1 in Burda et al. (2016)."""

from vae_notes.reproduce.rows import row

RECIPE = row("VAE, k = 1", epochs=121, objective="vae", k=1, published=86.76)
