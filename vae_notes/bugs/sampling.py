"""Mistakes in drawing z from q(z|x)."""

import torch
from torch import Tensor

from vae_notes.bugs.bug import Bug
from vae_notes.bugs.models import TinyVAE
from vae_notes.reparameterization import sample_normal


def _sample(loc: Tensor, log_variance: Tensor, generator: torch.Generator | None) -> Tensor:
    return sample_normal(loc, log_variance, generator=generator)


def _sample_with_variance_for_scale(
    loc: Tensor, log_variance: Tensor, generator: torch.Generator | None
) -> Tensor:
    return loc + log_variance.exp() * torch.randn(loc.shape, generator=generator)


def _sample_detached(loc: Tensor, log_variance: Tensor, generator: torch.Generator | None) -> Tensor:
    return sample_normal(loc, log_variance, generator=generator).detach()


def _sample_with_shared_noise(
    loc: Tensor, log_variance: Tensor, generator: torch.Generator | None
) -> Tensor:
    return loc + (0.5 * log_variance).exp() * torch.randn(loc.shape[-1:], generator=generator)


def _sample_with_the_same_noise(
    loc: Tensor, log_variance: Tensor, generator: torch.Generator | None
) -> Tensor:
    return sample_normal(loc, log_variance, generator=torch.Generator().manual_seed(0))


def _build(sample) -> TinyVAE:
    return TinyVAE(sample=sample)


def bugs() -> tuple[Bug, ...]:
    """The bugs of this family.

    Examples
    --------
    >>> detached = next(one for one in bugs() if one.name == "detached-sample")
    >>> loc = torch.zeros(1, 2, requires_grad=True)
    >>> [f(loc, torch.zeros(1, 2), None).requires_grad for f in (detached.correct, detached.broken)]
    [True, False]
    """
    return (
        Bug(
            name="variance-for-scale",
            family="sampling",
            symptom="The loss is a little lower than the right one. The bound of correct code, with the same weights, is worse.",
            cause="The noise is multiplied by exp(log-variance), which is the variance, not the standard deviation.",
            remedy="exp(log_variance / 2). Name what a head returns: log_variance or log_scale, never sigma.",
            chapter=4,
            correct=_sample,
            broken=_sample_with_variance_for_scale,
            build=_build,
        ),
        Bug(
            name="detached-sample",
            family="sampling",
            symptom="The KL falls to 0 within a few epochs, and all reconstructions are the same grey average.",
            cause="The sample is cut from the graph (`detach`, `no_grad`, or `sample` for `rsample`). The encoder hears only the KL.",
            remedy="Draw with the reparameterisation, and test that a gradient arrives at the encoder.",
            chapter=4,
            correct=_sample,
            broken=_sample_detached,
            build=_build,
        ),
        Bug(
            name="one-noise-for-all",
            family="sampling",
            symptom="The loss falls more slowly than it should, and most of the KL is lost.",
            cause="One draw of the noise serves the whole batch. Each sample is right alone; their errors no longer cancel.",
            remedy="Draw noise of the shape of the means, a new one for each datum.",
            chapter=4,
            correct=_sample,
            broken=_sample_with_shared_noise,
            build=_build,
        ),
        Bug(
            name="the-same-noise",
            family="sampling",
            symptom="Nothing in the loss shows it. But an average over many calls is no more exact than one call.",
            cause="The generator is seeded inside the function, so every call gives the same noise.",
            remedy="Make a generator once, outside the loop, and pass it on.",
            chapter=4,
            correct=_sample,
            broken=_sample_with_the_same_noise,
            build=_build,
        ),
    )
