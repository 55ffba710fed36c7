"""Mistakes in the number that is reported. The model may be fine; the loss that falls is not what it says."""

from collections.abc import Callable

import torch
from torch import Tensor

from vae_notes.bounds import importance_weighted_bound
from vae_notes.bugs.bug import Bug
from vae_notes.bugs.models import TinyCategoricalVAE, TinyVAE
from vae_notes.data import binarize
from vae_notes.relaxed_categorical import sample_relaxed_categorical
from vae_notes.reparameterization import sample_normal

_SAMPLES, _BETA = 50, 0.25


def _bound(log_w: Tensor) -> Tensor:
    return importance_weighted_bound(log_w)


def _bound_with_mean_of_logs(log_w: Tensor) -> Tensor:
    return log_w.mean(0)


def _bound_without_log_k(log_w: Tensor) -> Tensor:
    return log_w.logsumexp(0)


def _estimate(log_weight_fn: Callable, x: Tensor, n_samples: int, generator: torch.Generator | None) -> Tensor:
    log_w = log_weight_fn(x, n_samples, generator)
    return importance_weighted_bound(log_w)


def _estimate_with_copies(
    log_weight_fn: Callable, x: Tensor, n_samples: int, generator: torch.Generator | None
) -> Tensor:
    log_w = log_weight_fn(x, 1, generator).expand(n_samples, -1)
    return importance_weighted_bound(log_w)


def _sample(loc: Tensor, log_variance: Tensor, generator: torch.Generator | None) -> Tensor:
    return sample_normal(loc, log_variance, generator=generator)


def _sample_switched_off(loc: Tensor, log_variance: Tensor, generator: torch.Generator | None) -> Tensor:
    return loc


def _reported(reconstruction: Tensor, kl: Tensor, beta: float) -> Tensor:
    return -(reconstruction - kl)


def _reported_with_beta(reconstruction: Tensor, kl: Tensor, beta: float) -> Tensor:
    return -(reconstruction - beta * kl)


def _targets(grey: Tensor, generator: torch.Generator | None) -> Tensor:
    return binarize(grey, "dynamic", generator=generator)


def _targets_thresholded(grey: Tensor, generator: torch.Generator | None) -> Tensor:
    return binarize(grey, "threshold", generator=generator)


def _draw(logits: Tensor, temperature: float, generator: torch.Generator | None) -> Tensor:
    return sample_relaxed_categorical(logits, temperature, hard=True, generator=generator)


def _draw_soft(logits: Tensor, temperature: float, generator: torch.Generator | None) -> Tensor:
    return sample_relaxed_categorical(logits, temperature, hard=False, generator=generator)


def _build_with_bound(bound) -> TinyVAE:
    def estimate(log_weight_fn, x, generator):
        return bound(log_weight_fn(x, _SAMPLES, generator))

    return TinyVAE(estimate=estimate, at_evaluation=True)


def _build_with_estimate(estimate) -> TinyVAE:
    def with_samples(log_weight_fn, x, generator):
        return estimate(log_weight_fn, x, _SAMPLES, generator)

    return TinyVAE(estimate=with_samples, at_evaluation=True)


def bugs() -> tuple[Bug, ...]:
    """The bugs of this family.

    Examples
    --------
    >>> without_log_k = next(one for one in bugs() if one.name == "bound-without-log-k")
    >>> log_w = torch.full((50, 1), -30.0)  # fifty equal weights
    >>> without_log_k.correct(log_w), without_log_k.broken(log_w)
    (tensor([-30.]), tensor([-26.0880]))
    """
    return (
        Bug(
            name="mean-of-logs",
            family="evaluation",
            symptom="More importance samples do not make the bound tighter.",
            cause="The mean of the logs is the ELBO. The importance-weighted bound is the log of the mean.",
            remedy="logsumexp over samples minus log K.",
            chapter=3,
            correct=_bound,
            broken=_bound_with_mean_of_logs,
            build=_build_with_bound,
        ),
        Bug(
            name="bound-without-log-k",
            family="evaluation",
            symptom="The bound rises by log K with K samples: with 50, by 3.9 nats. It beats every paper.",
            cause="The sum of the weights is taken for their mean.",
            remedy="Subtract log K. With equal weights the bound must not depend on K.",
            chapter=3,
            correct=_bound,
            broken=_bound_without_log_k,
            build=_build_with_bound,
        ),
        Bug(
            name="copies-of-one-sample",
            family="evaluation",
            symptom="Asked for 50 importance samples, the program is as fast as with one, and as loose.",
            cause="One sample is drawn and expanded to 50. The log of the mean of 50 equal weights is that weight.",
            remedy="Expand before drawing, and count the distinct samples.",
            chapter=3,
            correct=_estimate,
            broken=_estimate_with_copies,
            build=_build_with_estimate,
        ),
        Bug(
            name="noise-off-in-evaluation",
            family="evaluation",
            symptom="The held-out bound is better than the training bound, with the KL unchanged.",
            cause="In evaluation mode z is the mean of q, as in dropout. The average over q is gone: it is no bound any more.",
            remedy="A bound is an average over q, in evaluation too. The mean is for pictures.",
            chapter=6,
            correct=_sample,
            broken=_sample_switched_off,
            build=lambda function: TinyVAE(sample=function, at_evaluation=True),
        ),
        Bug(
            name="beta-in-the-report",
            family="evaluation",
            symptom="The smaller beta, the better the reported ELBO.",
            cause="The loss with its beta is reported as the ELBO. Below beta = 1 it is no bound on anything.",
            remedy="Train with beta, report with 1.",
            chapter=7,
            correct=_reported,
            broken=_reported_with_beta,
            build=lambda function: TinyVAE(objective=function, beta=_BETA, at_evaluation=True),
        ),
        Bug(
            name="thresholded-test-set",
            family="evaluation",
            symptom="The held-out loss is several nats better than the training loss.",
            cause="Training draws pixels, the test cuts at 1/2: other images, with less to encode.",
            remedy="One way of making targets, for training and test, and say which beside every number.",
            chapter=6,
            correct=_targets,
            broken=_targets_thresholded,
            build=lambda function: TinyVAE(targets=function, at_evaluation=True),
        ),
        Bug(
            name="soft-codes-in-evaluation",
            family="evaluation",
            symptom="Little is to be seen: here a tenth of a nat. But no bound belongs to the number.",
            cause="The relaxed draws of training are kept in evaluation. Soft codes are no values of the discrete latents.",
            remedy="Draw one-hot codes to evaluate, or sum over all of them.",
            chapter=10,
            correct=_draw,
            broken=_draw_soft,
            build=lambda function: TinyCategoricalVAE(draw=function, at_evaluation=True),
        ),
    )
