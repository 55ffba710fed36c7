"""The same networks with a Student-t prior and posterior; no published number."""

from vae_notes.reproduce.rows import row

RECIPE = row(
    "Student-t latents",
    epochs=13,
    objective="student-t",
    prior_df=5.0,
    posterior_df=5.0,
    samples=100,
    more_samples=1000,
)
