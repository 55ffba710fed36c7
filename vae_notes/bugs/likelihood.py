"""Mistakes in what the decoder's output means."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from vae_notes.bugs.bug import Bug
from vae_notes.bugs.models import TinyGaussianVAE, TinyVAE
from vae_notes.densities import bernoulli_log_prob, normal_log_prob


def _log_prob(x: Tensor, output: Tensor) -> Tensor:
    return bernoulli_log_prob(x, output)


def _log_prob_averaged(x: Tensor, output: Tensor) -> Tensor:
    return -F.binary_cross_entropy_with_logits(output, x, reduction="none").mean(-1)


def _log_prob_with_sigmoid_twice(x: Tensor, output: Tensor) -> Tensor:
    return bernoulli_log_prob(x, torch.sigmoid(output))


def _image(flat: Tensor, height: int, width: int) -> Tensor:
    return flat.unflatten(-1, (height, width))


def _image_with_width_first(flat: Tensor, height: int, width: int) -> Tensor:
    return flat.unflatten(-1, (width, height)).mT


def _normal_log_prob(x: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    return normal_log_prob(x, mean, log_variance)


def _normal_log_prob_without_its_log(x: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    square = (x - mean).square() / log_variance.exp()
    return -0.5 * (square + math.log(2 * math.pi)).sum(-1)


def _build_with_image(image) -> TinyVAE:
    """Digits on a 4 x 16 grid: the decoder's flat output becomes a picture before it is compared."""

    def log_prob(x: Tensor, output: Tensor) -> Tensor:
        return bernoulli_log_prob(x, image(output, 4, 16).flatten(-2))

    return TinyVAE(log_prob=log_prob)


def bugs() -> tuple[Bug, ...]:
    """The bugs of this family.

    Examples
    --------
    >>> mean_over_pixels = bugs()[0]
    >>> x, logits = torch.ones(1, 64), torch.zeros(1, 64)
    >>> mean_over_pixels.correct(x, logits), mean_over_pixels.broken(x, logits)
    (tensor([-44.3614]), tensor([-0.6931]))
    """
    return (
        Bug(
            name="mean-over-pixels",
            family="likelihood",
            symptom="The loss is below 1 from the start. The KL goes to 0, and all reconstructions look alike.",
            cause="The reconstruction is averaged over pixels, the KL is summed: the KL weighs 64 times too much.",
            remedy="Sum over pixels; average over data only.",
            chapter=6,
            correct=_log_prob,
            broken=_log_prob_averaged,
            build=lambda function: TinyVAE(log_prob=function),
        ),
        Bug(
            name="sigmoid-twice",
            family="likelihood",
            symptom="The loss stops far above that of others. Pictures are grey, no pixel is nearly certain.",
            cause="The decoder ends in a sigmoid, and the cross-entropy takes logits: probabilities stay in 0.5 to 0.73.",
            remedy="Let the decoder return logits, and take the sigmoid for pictures only.",
            chapter=6,
            correct=_log_prob,
            broken=_log_prob_with_sigmoid_twice,
            build=lambda function: TinyVAE(log_prob=function),
        ),
        Bug(
            name="width-before-height",
            family="likelihood",
            symptom="The loss is as good as the right one. Pictures that are not square come out scrambled elsewhere.",
            cause="Rows and columns are swapped where the output becomes a picture. A dense layer learns any order of pixels.",
            remedy="Height comes first. Test with a picture that is not square and has one bright pixel.",
            chapter=6,
            correct=_image,
            broken=_image_with_width_first,
            build=_build_with_image,
        ),
        Bug(
            name="variance-without-its-log",
            family="likelihood",
            symptom="The learned variance grows and grows. The loss comes to rest, and no picture gets sharp.",
            cause="The log-variance was dropped as a constant. It is one only while the variance is not learned.",
            remedy="Keep every term that holds a parameter. A density integrates to 1: test that.",
            chapter=6,
            correct=_normal_log_prob,
            broken=_normal_log_prob_without_its_log,
            build=lambda function: TinyGaussianVAE(function),
        ),
    )
