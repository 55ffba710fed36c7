"""Faces of a short film (Frey Faces): a plane of faces, and how smooth the way from one to another is.

The pictures of seed 0 are kept as whole numbers of 0 to 99, so that the result file stays small.
"""

import torch

from vae_notes import data, latent_space, likelihoods, models, training
from vae_notes.autoencoder import Autoencoder
from vae_notes.reproduce.recipe import Recipe

HIDDEN_DIM, GRID, STEPS, PAIRS = 200, 7, 8, 200


def run(variant: dict, seed: int, epochs: int, device: str) -> dict:
    faces = data.load("frey_faces")
    torch.manual_seed(seed)
    x_dim, z_dim = faces.train.shape[1], variant["z_dim"]
    networks = models.Encoder(x_dim, HIDDEN_DIM, z_dim), models.Decoder(z_dim, HIDDEN_DIM, x_dim)
    if variant["model"] == "vae":
        model = models.VAE(*networks, likelihoods.NormalLikelihood(0.25, learn_scale=True))
    else:
        model = Autoencoder(*networks, likelihoods.NormalLikelihood(1.0))
    training.fit(model, faces.train, epochs=epochs, seed=seed, device=device, progress=False)
    model.to("cpu")
    with torch.no_grad():
        results = _measures(model, faces, seed)
        if seed == 0:
            results |= _pictures(model, faces, variant)
    return results


def _measures(model, faces, seed) -> dict:
    codes = model.encode(faces.train)[0]
    generator = torch.Generator().manual_seed(seed)
    start, end = torch.randperm(len(codes), generator=generator)[: 2 * PAIRS].split(PAIRS)
    middle = model.likelihood.mean(model.decode((codes[start] + codes[end]) / 2))
    path = latent_space.straight_path(codes[start], codes[end], torch.linspace(0, 1, STEPS + 1))
    seen = model.likelihood.mean(model.decode(path))  # (STEPS + 1, PAIRS, x_dim)
    steps = (seen[1:] - seen[:-1]).norm(dim=-1)
    near, far = (codes[1:] - codes[:-1]).norm(dim=-1), (codes[start] - codes[end]).norm(dim=-1)
    return {
        "error": _rms(model.reconstruct(faces.test) - faces.test).mean().item(),
        "next_frame": (near.median() / far.median()).item(),  # latent distance, in units of a random pair's
        "largest_step": (steps.max(0).values / steps.sum(0)).mean().item(),  # 1 / STEPS if all are equal
        "middle_to_film": _to_nearest(middle, faces.train),
        "mixed_to_film": _to_nearest((faces.train[start] + faces.train[end]) / 2, faces.train),
        "reconstruction_to_film": _to_nearest(model.reconstruct(faces.train[start]), faces.train),
    }


def _pictures(model, faces, variant) -> dict:
    codes = model.encode(faces.train)[0]
    first = int((faces.train - faces.train[0]).square().sum(-1).argmax())  # two frames that differ much
    ends = torch.stack([faces.train[0], faces.train[first]])
    path = latent_space.straight_path(codes[0], codes[first], torch.linspace(0, 1, STEPS))
    pictures = {"ends": _whole(ends), "path": _whole(model.likelihood.mean(model.decode(path)))}
    if variant["z_dim"] == 2 and variant["model"] == "vae":
        plane = model.likelihood.mean(model.decode(latent_space.prior_quantile_grid(GRID)))
        pictures |= {"plane": _whole(plane), "codes": codes.mul(100).round().int().tolist()}
    return pictures


def _rms(difference):
    return difference.square().mean(-1).sqrt()


def _to_nearest(images, film) -> float:
    """Average root mean squared difference to the nearest frame of the film."""
    return torch.cdist(images, film).min(1).values.mean().item() / film.shape[1] ** 0.5


def _whole(images) -> list:
    return images.clamp(0, 1).mul(99).round().int().tolist()


RECIPE = Recipe(
    title="Frey Faces: a plane of faces, and the way from one face to another",
    run=run,
    variants={
        "vae, 2": {"model": "vae", "z_dim": 2},
        "vae, 10": {"model": "vae", "z_dim": 10},
        "autoencoder, 2": {"model": "autoencoder", "z_dim": 2},
        "autoencoder, 10": {"model": "autoencoder", "z_dim": 10},
    },
    epochs=300,
    seeds=3,
    datasets=("frey_faces",),
)
