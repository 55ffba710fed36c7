"""Student-t likelihoods on digits with bad pixels, and Student-t latents on a curve with far points."""

import torch

from vae_notes import data, likelihoods, models, training
from vae_notes.bounds import importance_weighted_bound
from vae_notes.reproduce.recipe import Recipe
from vae_notes.student_t import sample_student_t
from vae_notes.student_t_latent import StudentTLatentVAE
from vae_notes.student_t_likelihood import StudentTLikelihood

TRUE_DF = 2.5  # of the curve's coordinate


def spoil(x: torch.Tensor, kind: str, generator: torch.Generator) -> torch.Tensor:
    """Images as a faulty camera gives them: 5 % white pixels, 2 % hot ones of value 4, or normal noise."""
    chance = torch.rand(x.shape, generator=generator)
    noise = torch.randn(x.shape, generator=generator)
    if kind == "salt":
        return torch.where(chance < 0.05, 1.0, x)
    if kind == "hot":
        return torch.where(chance < 0.02, 4.0, x)
    if kind == "noise":
        return x + 0.2 * noise
    raise ValueError(f"kind must be salt, hot or noise, got {kind!r}")


def curve(n: int, generator: torch.Generator) -> torch.Tensor:
    """(n, 2) points on a V whose coordinate is Student-t, with normal noise of standard deviation 0.1."""
    zero = torch.zeros(n, 1)
    u = sample_student_t(zero, zero, TRUE_DF, generator=generator)
    return torch.cat([u, 0.5 * u.abs()], dim=1) + 0.1 * torch.randn(n, 2, generator=generator)


def likelihood_of(name: str, scale: float):
    if name == "normal":
        return likelihoods.NormalLikelihood(scale, learn_scale=True)
    return StudentTLikelihood(4.0, scale, learn_scale=True, learn_df=True)


def digits_vae(likelihood: str, seed: int) -> models.VAE:
    torch.manual_seed(seed)
    return models.VAE(models.Encoder(64, 128, 8), models.Decoder(8, 128, 64), likelihood_of(likelihood, 0.3))


def curve_vae(likelihood: str, prior_df, posterior_df, seed: int) -> StudentTLatentVAE:
    torch.manual_seed(seed)
    networks = models.Encoder(2, 64, 1, log_variance_bound=12.0), models.Decoder(1, 64, 2)
    return StudentTLatentVAE(
        *networks, likelihood_of(likelihood, 1.0), prior_df=prior_df, posterior_df=posterior_df
    )


def _bound(model, x, n_samples) -> torch.Tensor:
    with torch.no_grad():
        return importance_weighted_bound(model.log_weights(x, n_samples, torch.Generator().manual_seed(1)))


def _run_digits(variant: dict, seed: int, epochs: int, device: str) -> dict:
    digits, generator = data.load("digits"), torch.Generator().manual_seed(100 + seed)
    train = spoil(digits.train, variant["kind"], generator)
    test = spoil(digits.test, variant["kind"], generator)
    model = digits_vae(variant["likelihood"], seed)
    training.fit(model, train, epochs=epochs, learning_rate=2e-3, seed=seed, device=device, progress=False)
    model.to("cpu")
    return {
        "log_likelihood": _bound(model, test, 100).mean().item(),
        "clean_error": (model.reconstruct(test) - digits.test).square().mean().sqrt().item(),
        "scale": model.likelihood.scale,
        "df": getattr(model.likelihood, "df", 0.0),
    }


def _run_curve(variant: dict, seed: int, epochs: int, device: str) -> dict:
    generator = torch.Generator().manual_seed(100 + seed)
    train, test = curve(2000, generator), curve(5000, generator)
    model = curve_vae(variant["likelihood"], variant["prior_df"], variant["posterior_df"], seed)
    training.fit(
        model,
        train,
        epochs=epochs,
        batch_size=64,
        learning_rate=3e-3,
        max_grad_norm=5.0,
        seed=seed,
        device=device,
        progress=False,
    )
    model.to("cpu")
    bound, far = _bound(model, test, 300), test[:, 0].abs() > 5
    drawn = model.sample(100_000, torch.Generator().manual_seed(2))[:, 0].abs()
    return {
        "log_likelihood": bound.mean().item(),
        "log_likelihood_near": bound[~far].mean().item(),
        "log_likelihood_far": bound[far].mean().item(),
        "quantiles": [drawn.quantile(p).item() for p in (0.9, 0.99, 0.999)],
        "scale": model.likelihood.scale,
    }


def run(variant: dict, seed: int, epochs: int, device: str) -> dict:
    return (_run_digits if "kind" in variant else _run_curve)(variant, seed, epochs, device)


RECIPE = Recipe(
    title="Student-t likelihoods on digits with bad pixels, Student-t latents on a curve with far points",
    run=run,
    variants={
        **{
            f"{kind}, {name} likelihood": {"kind": kind, "likelihood": name}
            for kind in ("hot", "salt", "noise")
            for name in ("normal", "t")
        },
        "normal prior": {"likelihood": "normal", "prior_df": None, "posterior_df": None},
        "normal prior, t likelihood": {"likelihood": "t", "prior_df": None, "posterior_df": None},
        "t prior": {"likelihood": "normal", "prior_df": TRUE_DF, "posterior_df": None},
        "t prior, t posterior": {"likelihood": "normal", "prior_df": TRUE_DF, "posterior_df": 5.0},
    },
    epochs=80,
    seeds=5,
)
