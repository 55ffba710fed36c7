"""The rows of the table in small, on scikit-learn's digits: seconds in place of hours."""

from vae_notes.reproduce.rows import row

RECIPE = row(
    "importance-weighted training on small digits, in seconds", epochs=13, seeds=2, checkpoint_seconds=0.2,
    objective="iwae", k=5, data="digits", hidden=50, latents=8,
    samples=100, more_samples=1000, more_images=100,
)  # fmt: skip
