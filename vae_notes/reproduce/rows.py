"""Rows of a table of log-likelihoods: networks, schedule, training and measurement, the same for every row.

The networks, the batch of 20 and the schedule are those of Burda, Grosse and Salakhutdinov (2016), section 5: stage
i = 0, ..., 7 makes 3^i passes over the data, 3,280 together. Each stage is longer than all before it, so that a
short run is the beginning of the long one: it may stop anywhere, and later go on. A rate that falls until a last
epoch fixed beforehand could not.
"""

import functools
import json
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from vae_notes import data, training
from vae_notes.bounds import elbo_sampled, importance_weighted_bound, importance_weighted_bound_in_chunks
from vae_notes.checkpoints import write_whole
from vae_notes.collapse import active_units
from vae_notes.likelihoods import BernoulliLikelihood
from vae_notes.models import VAE
from vae_notes.monte_carlo import mean_and_standard_error
from vae_notes.reproduce.recipe import Recipe
from vae_notes.student_t_latent import StudentTLatentVAE

__all__ = ["BoundVAE", "TanhDecoder", "TanhEncoder", "build", "coin_flips", "measure", "row", "stages"]

STAGES = 8
OBJECTIVES = ("vae", "iwae", "beta", "student-t")
ELBO_SAMPLES = 20  # draws for each image when the ELBO is measured
CURVE_IMAGES, CURVE_SAMPLES = 1000, 100  # for the points of the curve, which need not be as exact as its end


class TanhEncoder(nn.Module):
    """q(z|x) with two hidden tanh layers: (..., x_dim) -> loc and log_variance, each (..., z_dim).

    Examples
    --------
    >>> loc, log_variance = TanhEncoder(x_dim=64, hidden_dim=20, z_dim=3)(torch.rand(5, 64))
    >>> loc.shape, log_variance.shape
    (torch.Size([5, 3]), torch.Size([5, 3]))
    """

    def __init__(self, x_dim: int, hidden_dim: int, z_dim: int):
        super().__init__()
        self.x_dim, self.z_dim = x_dim, z_dim
        self.hidden = _two_tanh_layers(x_dim, hidden_dim)
        self.loc = _glorot(nn.Linear(hidden_dim, z_dim))
        self.log_variance = _glorot(nn.Linear(hidden_dim, z_dim))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.hidden(x)
        return self.loc(hidden), self.log_variance(hidden)


class TanhDecoder(nn.Module):
    """Logits of p(x|z) with two hidden tanh layers: (..., z_dim) -> (..., output_dim).

    Examples
    --------
    >>> TanhDecoder(z_dim=3, hidden_dim=20, output_dim=64)(torch.zeros(7, 5, 3)).shape
    torch.Size([7, 5, 64])
    """

    def __init__(self, z_dim: int, hidden_dim: int, output_dim: int):
        super().__init__()
        self.z_dim, self.output_dim = z_dim, output_dim
        self.hidden = _two_tanh_layers(z_dim, hidden_dim)
        self.output = _glorot(nn.Linear(hidden_dim, output_dim))

    def forward(self, z: Tensor) -> Tensor:
        return self.output(self.hidden(z))


def _two_tanh_layers(inputs: int, hidden_dim: int) -> nn.Sequential:
    first, second = _glorot(nn.Linear(inputs, hidden_dim)), _glorot(nn.Linear(hidden_dim, hidden_dim))
    return nn.Sequential(first, nn.Tanh(), second, nn.Tanh())


def _glorot(layer: nn.Linear) -> nn.Linear:
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


class BoundVAE(VAE):
    r"""A VAE that is trained on k samples for each datum, by one of two bounds.

    .. math:: \frac1k \sum_{i=1}^k \log w_i \quad\text{or}\quad \log \frac1k \sum_{i=1}^k w_i

    Parameters
    ----------
    encoder, decoder, likelihood : module
        As for :class:`vae_notes.models.VAE`.
    k : int
        Samples for each datum.
    importance_weighted : bool
        Train on the second bound. With k = 1 the two are the same.

    Source: Burda, Grosse & Salakhutdinov (2016), equations 3 and 8.

    Examples
    --------
    >>> model = BoundVAE(TanhEncoder(64, 20, 3), TanhDecoder(3, 20, 64), BernoulliLikelihood(), k=5)
    >>> parts = model.loss(torch.ones(7, 64))
    >>> sorted(parts), bool((parts["bound"] >= parts["elbo"]).all())
    (['bound', 'elbo', 'loss'], True)
    """

    def __init__(self, encoder, decoder, likelihood, *, k: int, importance_weighted: bool = False):
        super().__init__(encoder, decoder, likelihood)
        self.k, self.importance_weighted = k, importance_weighted

    def loss(self, x: Tensor, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """What is minimised, the ELBO and the importance-weighted bound of k samples: each (N,), in nats."""
        log_w = self.log_weights(x, self.k, generator)
        elbo, bound = elbo_sampled(log_w), importance_weighted_bound(log_w)
        return {"loss": -(bound if self.importance_weighted else elbo), "elbo": elbo, "bound": bound}


def stages(epochs: int) -> list[tuple[int, float]]:
    """The schedule: how many epochs of each stage belong to the first ``epochs``, and their learning rates.

    Raises
    ------
    ValueError
        If the schedule, 3,280 epochs, is over before.

    Examples
    --------
    >>> [(passes, round(rate, 5)) for passes, rate in stages(20)]
    [(1, 0.001), (3, 0.00072), (9, 0.00052), (7, 0.00037)]
    """
    found = []
    for stage in range(STAGES):
        passes = min(3**stage, epochs)
        if passes:
            found.append((passes, 10 ** (-3 - stage / 7)))
        epochs -= passes
    if epochs:
        raise ValueError(f"epochs must be at most 3280, where the schedule ends, got {3280 + epochs}")
    return found


def build(variant: dict, x: Tensor, seed: int) -> VAE:
    """The untrained model of a row; the decoder starts at the frequency with which each pixel of x is on.

    Examples
    --------
    >>> variant = row("a row", 13, objective="iwae", k=5).variants["row"]
    >>> model = build(variant, torch.rand(100, 784), seed=0)
    >>> model.k, model.encoder.z_dim
    (5, 50)
    """
    torch.manual_seed(seed)
    encoder = TanhEncoder(x.shape[1], variant["hidden"], variant["latents"])
    decoder = TanhDecoder(variant["latents"], variant["hidden"], x.shape[1])
    with torch.no_grad():
        decoder.output.bias.copy_(x.mean(0).clamp(0.001, 0.999).logit())
    networks = encoder, decoder, BernoulliLikelihood()
    if variant["objective"] == "beta":
        return VAE(*networks, beta=variant["beta"])
    if variant["objective"] == "student-t":
        return StudentTLatentVAE(
            *networks, prior_df=variant["prior_df"], posterior_df=variant["posterior_df"]
        )
    return BoundVAE(*networks, k=variant["k"], importance_weighted=variant["objective"] == "iwae")


def coin_flips(x: Tensor, generator: torch.Generator) -> Tensor:
    """Binary images whose pixels are on with the probabilities x.

    Examples
    --------
    >>> coin_flips(torch.tensor([[0.0, 1.0]]), torch.Generator().manual_seed(0))
    tensor([[0., 1.]])
    """
    return data.binarize(x, "dynamic", generator=generator)


def _train_in_stages(
    model: VAE, x: Tensor, batch_size: int, seed: int, epochs: int, device: str, folder: Path, seconds: float
) -> Iterator[tuple[int, training.History]]:
    """Train stage by stage, each with a checkpoint of its own; yields the epochs so far, and the stage's history."""
    done = 0
    for stage, (passes, rate) in enumerate(stages(epochs)):
        history = training.fit(
            model, x, epochs=passes, batch_size=batch_size, learning_rate=rate, transform=coin_flips,
            seed=STAGES * seed + stage, device=device,
            checkpoint=folder / f"stage-{stage}.pt", checkpoint_seconds=seconds,
        )  # fmt: skip
        done += passes
        yield done, history


@torch.no_grad()
def measure(model: VAE, x: Tensor, n_samples: int) -> dict:
    """ELBO, importance-weighted negative log-likelihood and active units of binary images x, (N, x_dim).

    The standard errors are over images, for these weights; another training would move the mean by more.

    Examples
    --------
    >>> model = BoundVAE(TanhEncoder(64, 20, 3), TanhDecoder(3, 20, 64), BernoulliLikelihood(), k=1)
    >>> sorted(measure(model, torch.ones(7, 64), n_samples=10))
    ['active', 'elbo', 'elbo_error', 'images', 'nll', 'nll_error', 'samples']
    """
    generator = torch.Generator(x.device).manual_seed(0)
    rows = x.split(1024)
    elbo = torch.cat([model.log_weights(one, ELBO_SAMPLES, generator).mean(0) for one in rows])
    nll = -importance_weighted_bound_in_chunks(model.log_weights, x, n_samples, generator=generator)
    found = {"samples": n_samples, "images": len(x), "active": int(active_units(model.encode(x)[0]).sum())}
    for name, values in (("elbo", elbo), ("nll", nll)):
        mean, error = mean_and_standard_error(values.double())
        found[name], found[f"{name}_error"] = round(mean.item(), 4), round(error.item(), 4)
    return found


def _kept(path: Path, make) -> dict:
    """What an earlier go measured, or what make() measures now."""
    if not path.exists():
        write_whole(path, json.dumps(make()).encode())
    return json.loads(path.read_text(encoding="utf8"))


def _run(checkpoint_seconds: float, variant: dict, seed: int, epochs: int, device: str, folder: Path) -> dict:
    images = data.load(variant["data"])
    test = coin_flips(images.test, torch.Generator().manual_seed(0)).to(
        device
    )  # one draw, the same for all rows
    model = build(variant, images.train, seed)
    curve, trained, seconds = [], [], 0.0
    goes = _train_in_stages(
        model, images.train, variant["batch_size"], seed, epochs, device, folder, checkpoint_seconds
    )
    for done, history in goes:
        some = functools.partial(measure, model, test[:CURVE_IMAGES], CURVE_SAMPLES)
        curve.append({"epochs": done} | _kept(folder / f"after-{done}.json", some))
        trained += (-history["loss"]).round(4).tolist()
        seconds += history.seconds.sum()
    whole = _kept(folder / f"whole-{epochs}.json", lambda: measure(model, test, variant["samples"]))
    some = test[: variant["more_images"]]
    more = _kept(folder / f"more-{epochs}.json", lambda: measure(model, some, variant["more_samples"]))
    same = _kept(folder / f"same-{epochs}.json", lambda: measure(model, some, variant["samples"]))
    return whole | {
        "more_samples_nll": more["nll"],
        "same_images_nll": same["nll"],
        "objective": trained,
        **{f"curve_{key}": [point[key] for point in curve] for key in ("epochs", "elbo", "nll", "active")},
        "seconds": seconds,
    }


def row(title: str, epochs: int, *, seeds: int = 1, checkpoint_seconds: float = 60.0, **settings) -> Recipe:
    """The recipe of one row: what is not given is as in Burda et al. (2016), except the length.

    ``objective`` is ``vae``, ``iwae``, ``beta`` or ``student-t``. The importance-weighted likelihood takes ``samples`` for all
    test images, and ``more_samples`` for the first ``more_images``, to see what more samples would change.

    Raises
    ------
    ValueError
        If ``objective`` is none of these.

    Examples
    --------
    >>> recipe = row("a tighter bound", 13, objective="iwae", k=5)
    >>> recipe.variants["row"]["hidden"], recipe.epochs
    (200, 13)
    """
    if settings.get("objective") not in OBJECTIVES:
        raise ValueError(
            f"objective must be one of {', '.join(OBJECTIVES)}, got {settings.get('objective')!r}"
        )
    standard = {
        "data": "mnist", "hidden": 200, "latents": 50, "batch_size": 20, "k": 1,
        "samples": 500, "more_samples": 5000, "more_images": 500,
    }  # fmt: skip
    variant = standard | settings
    run = functools.partial(_run, checkpoint_seconds)
    return Recipe(title, run, {"row": variant}, epochs, seeds, (variant["data"],), goes_on=True)
