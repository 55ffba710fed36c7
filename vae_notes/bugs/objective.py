"""Mistakes in the KL term, in its weight, and in how the two terms are put together."""

from torch import Tensor

from vae_notes.bugs.bug import Bug
from vae_notes.bugs.models import TinyVAE
from vae_notes.divergences import kl_normal_standard, kl_normal_standard_per_dim
from vae_notes.free_bits import free_bits
from vae_notes.schedules import linear

_STEPS_PER_EPOCH, _WARM_UP, _NATS, _BETA = 12, 60, 0.5, 4.0


def _loss_minus_elbo(reconstruction: Tensor, kl: Tensor, beta: float) -> Tensor:
    return -(reconstruction - beta * kl)


def _loss_with_kl_rewarded(reconstruction: Tensor, kl: Tensor, beta: float) -> Tensor:
    return -(reconstruction + beta * kl)


def _loss_with_beta_on_reconstruction(reconstruction: Tensor, kl: Tensor, beta: float) -> Tensor:
    return -(beta * reconstruction - kl)


def _kl(loc: Tensor, log_variance: Tensor) -> Tensor:
    return kl_normal_standard(loc, log_variance)


def _kl_with_plus_log(loc: Tensor, log_variance: Tensor) -> Tensor:
    return 0.5 * (log_variance.exp() - 1 + log_variance + loc.square()).sum(-1)


def _kl_averaged(loc: Tensor, log_variance: Tensor) -> Tensor:
    return kl_normal_standard_per_dim(loc, log_variance).mean(-1)


def _floor_per_dimension(kl_per_dim: Tensor, nats: float) -> Tensor:
    return free_bits(kl_per_dim, nats)


def _floor_of_the_sum(kl_per_dim: Tensor, nats: float) -> Tensor:
    return kl_per_dim.sum(-1).clamp(min=nats * kl_per_dim.shape[-1])


def _weight_by_step(step: int, epoch: int, steps: int) -> float:
    return linear(step, steps)


def _weight_by_epoch(step: int, epoch: int, steps: int) -> float:
    return linear(epoch, steps)


def _weight_without_end(step: int, epoch: int, steps: int) -> float:
    return step / steps


def _build_with_floor(penalty) -> TinyVAE:
    return TinyVAE(kl=lambda loc, log_variance: penalty(kl_normal_standard_per_dim(loc, log_variance), _NATS))


def _build_with_weight(weight) -> TinyVAE:
    return TinyVAE(weight=lambda step: weight(step, step // _STEPS_PER_EPOCH, _WARM_UP))


def bugs() -> tuple[Bug, ...]:
    """The bugs of this family.

    Examples
    --------
    >>> import torch
    >>> kl_rewarded = bugs()[0]
    >>> reconstruction, kl = torch.tensor([-30.0]), torch.tensor([5.0])
    >>> kl_rewarded.correct(reconstruction, kl, 1.0), kl_rewarded.broken(reconstruction, kl, 1.0)
    (tensor([35.]), tensor([25.]))
    """
    return (
        Bug(
            name="kl-rewarded",
            family="objective",
            symptom="The loss falls below zero, and within a few epochs to numbers that make no sense.",
            cause="The KL has the wrong sign in the loss. It has no upper limit, so being far from the prior pays best.",
            remedy="Write the bound first, as in the book, and minimise minus that.",
            chapter=5,
            correct=_loss_minus_elbo,
            broken=_loss_with_kl_rewarded,
            build=lambda function: TinyVAE(objective=function),
        ),
        Bug(
            name="kl-with-plus-log",
            family="objective",
            symptom="The KL is negative, and the loss falls below zero, without end.",
            cause="In the closed form the log-variance has a minus. With a plus, a variance of 0 is the cheapest.",
            remedy="A KL is never negative: assert it once, at random arguments. Or import a function that is tested.",
            chapter=5,
            correct=_kl,
            broken=_kl_with_plus_log,
            build=lambda function: TinyVAE(kl=function),
        ),
        Bug(
            name="kl-averaged",
            family="objective",
            symptom="The loss is lower than that of others, the bound is worse: the codes carry five times as many nats.",
            cause="The KL is averaged over the latent dimensions, so its weight is 1/8 here and changes with their number.",
            remedy="Sum over dimensions, average over data, in both terms.",
            chapter=6,
            correct=_kl,
            broken=_kl_averaged,
            build=lambda function: TinyVAE(kl=function),
        ),
        Bug(
            name="beta-on-reconstruction",
            family="objective",
            symptom="A larger beta gives sharper pictures and a larger KL: the opposite of what the paper says.",
            cause="Beta multiplies the reconstruction. Up to a factor this is a model with weight 1/beta on the KL.",
            remedy="Beta belongs to the KL. With beta = 0 the loss must be minus the reconstruction.",
            chapter=7,
            correct=_loss_minus_elbo,
            broken=_loss_with_beta_on_reconstruction,
            build=lambda function: TinyVAE(objective=function, beta=_BETA),
        ),
        Bug(
            name="floor-of-the-sum",
            family="objective",
            symptom="Free bits are on, with a floor of 0.5 nats, and yet some latent dimensions have a KL far below.",
            cause="The floor lies under the sum, once. One dimension that uses all of it satisfies it for the others.",
            remedy="Put the floor under each dimension, then sum.",
            chapter=8,
            correct=_floor_per_dimension,
            broken=_floor_of_the_sum,
            build=_build_with_floor,
        ),
        Bug(
            name="warm-up-in-epochs",
            family="objective",
            symptom="The KL stays large to the end; the loss is low and the bound is worse.",
            cause="The schedule counts steps and is given epochs. After 15 epochs the weight is 14/60, not 1.",
            remedy="Log the weight with the loss. Say in the name of the argument what is counted.",
            chapter=8,
            correct=_weight_by_step,
            broken=_weight_by_epoch,
            build=_build_with_weight,
        ),
        Bug(
            name="warm-up-without-end",
            family="objective",
            symptom="The KL is well at first, then it shrinks from epoch to epoch.",
            cause="The ramp has no top: the weight passes 1 and goes on rising.",
            remedy="Cut the ramp at 1, and test the schedule far behind its end.",
            chapter=8,
            correct=_weight_by_step,
            broken=_weight_without_end,
            build=_build_with_weight,
        ),
    )
