"""The same networks with the KL counted twice; no published number."""

from vae_notes.reproduce.rows import row

RECIPE = row("beta-VAE, beta = 2", epochs=13, objective="beta", beta=2.0, samples=100, more_samples=1000)
