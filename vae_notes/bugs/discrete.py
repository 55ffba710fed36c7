"""Mistakes with discrete latents: vector quantisation and Gumbel-softmax."""

import torch
import torch.nn.functional as F
from torch import Tensor

from vae_notes.bugs.bug import Bug
from vae_notes.bugs.models import TinyCategoricalVAE, TinyVQVAE
from vae_notes.categorical import kl_categorical
from vae_notes.relaxed_categorical import sample_relaxed_categorical
from vae_notes.straight_through import straight_through
from vae_notes.vector_quantization import nearest_code

_FAVOURITE = 4.0  # logit of the first class: a prior that is far from uniform


def _quantize(z: Tensor, codebook: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    e = codebook[nearest_code(z, codebook)]
    codebook_loss = (z.detach() - e).square().sum(-1)
    return straight_through(e, z), codebook_loss, (z - e.detach()).square().sum(-1)


def _quantize_straight_through_first(z: Tensor, codebook: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    e = straight_through(codebook[nearest_code(z, codebook)], z)
    codebook_loss = (z.detach() - e).square().sum(-1)
    return straight_through(e, z), codebook_loss, (z - e.detach()).square().sum(-1)


def _quantize_without_straight_through(z: Tensor, codebook: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    e = codebook[nearest_code(z, codebook)]
    codebook_loss = (z.detach() - e).square().sum(-1)
    return e, codebook_loss, (z - e.detach()).square().sum(-1)


def _penalty(codebook_loss: Tensor, commitment_loss: Tensor, beta: float) -> Tensor:
    return codebook_loss + beta * commitment_loss


def _penalty_with_beta_on_codebook(codebook_loss: Tensor, commitment_loss: Tensor, beta: float) -> Tensor:
    return beta * codebook_loss + commitment_loss


def _kl(logits: Tensor, prior_logits: Tensor) -> Tensor:
    return kl_categorical(logits, prior_logits)


def _kl_to_prior_without_log(logits: Tensor, prior_logits: Tensor) -> Tensor:
    log_q, p = logits.log_softmax(-1), prior_logits.softmax(-1)
    return (log_q.exp() * (log_q - p)).sum((-2, -1))


def _kl_without_log_k(logits: Tensor, prior_logits: Tensor) -> Tensor:
    log_q = logits.log_softmax(-1)
    return (log_q.exp() * log_q).sum((-2, -1))


def _draw(logits: Tensor, temperature: float, generator: torch.Generator | None) -> Tensor:
    return sample_relaxed_categorical(logits, temperature, generator=generator)


def _draw_minus_gumbel(logits: Tensor, temperature: float, generator: torch.Generator | None) -> Tensor:
    gumbel = -torch.rand(logits.shape, generator=generator).clamp(1e-6, 1 - 1e-6).log().neg().log()
    return F.softmax((logits - gumbel) / temperature, -1)


def _draw_from_probabilities(logits: Tensor, temperature: float, generator: torch.Generator | None) -> Tensor:
    return sample_relaxed_categorical(logits.softmax(-1), temperature, generator=generator)


def _vq(name: str, *, beta: float = 0.25, **texts) -> Bug:
    return Bug(
        name=name,
        family="discrete",
        chapter=9,
        correct=_quantize,
        build=lambda function: TinyVQVAE(quantize=function, beta=beta),
        **texts,
    )


def _gumbel(name: str, **texts) -> Bug:
    return Bug(
        name=name,
        family="discrete",
        chapter=10,
        correct=_draw,
        build=lambda function: TinyCategoricalVAE(draw=function),
        **texts,
    )


def bugs() -> tuple[Bug, ...]:
    """The bugs of this family.

    Examples
    --------
    >>> without_log_k = next(one for one in bugs() if one.name == "kl-without-log-k")
    >>> uniform = torch.zeros(1, 10)
    >>> bool(without_log_k.correct(uniform, uniform) == 0), without_log_k.broken(uniform, uniform)
    (True, tensor(-2.3026))
    """
    return (
        _vq(
            "straight-through-first",
            beta=2.0,  # below 1 the encoder is pushed away from the codes, and the loss explodes: somebody would notice
            symptom="Reconstructions improve, and the codebook is to the last digit what it was at the start.",
            cause="After the straight-through line the code's gradient goes to the encoder, that of the codebook loss too.",
            remedy="Compute both squared distances with the code itself, then pass the gradient through.",
            broken=_quantize_straight_through_first,
        ),
        _vq(
            "no-straight-through",
            symptom="The loss falls, then rests on a high level: the codes say next to nothing about the picture.",
            cause="The decoder reads the code itself. Choosing it has no gradient, so the encoder hears the commitment loss alone.",
            remedy="Give the decoder the code with the gradient of z, and test that the reconstruction reaches the encoder.",
            broken=_quantize_without_straight_through,
        ),
        Bug(
            name="beta-on-codebook",
            family="discrete",
            symptom="All seems well. Results change with beta in the wrong direction: a smaller one makes a lazy codebook.",
            cause="Beta stands at the codebook loss instead of the commitment loss.",
            remedy="Beta multiplies the term whose gradient goes to the encoder: the one with the code detached.",
            chapter=9,
            correct=_penalty,
            broken=_penalty_with_beta_on_codebook,
            build=lambda function: TinyVQVAE(penalty=function),
        ),
        Bug(
            name="prior-without-its-log",
            family="discrete",
            symptom="The loss is lower than the right one, and the classes that the prior favours are hardly used.",
            cause="The KL subtracts the probability of the prior instead of its log.",
            remedy="Keep log probabilities under names that begin with log. The KL of p to itself must be 0.",
            chapter=10,
            correct=_kl,
            broken=_kl_to_prior_without_log,
            build=lambda function: TinyCategoricalVAE(divergence=function, favourite=_FAVOURITE),
        ),
        Bug(
            name="kl-without-log-k",
            family="discrete",
            symptom="The KL is negative, the reported bound too good by a constant: here 2 log 10 = 4.6 nats.",
            cause="Minus the entropy is taken for the KL to a uniform prior. The gradient is right, the number is not.",
            remedy="Add log K for each variable before the number is compared with anything.",
            chapter=10,
            correct=_kl,
            broken=_kl_without_log_k,
            build=lambda function: TinyCategoricalVAE(divergence=function),
        ),
        _gumbel(
            "gumbel-subtracted",
            symptom="The loss is even lower. But how often a class is drawn is not the softmax of the logits.",
            cause="The Gumbel noise is subtracted. Its distribution is not symmetric, so minus it is another noise.",
            remedy="Add it, -log(-log(u)), and compare the frequencies of the largest class with the softmax.",
            broken=_draw_minus_gumbel,
        ),
        _gumbel(
            "probabilities-for-logits",
            symptom="The loss stays a little higher. No draw is ever nearly certain, however long it trains.",
            cause="Probabilities are passed where logits are expected: they differ by 1 at most, so all classes stay likely.",
            remedy="Pass logits, and test with logits of which one is large.",
            broken=_draw_from_probabilities,
        ),
    )
