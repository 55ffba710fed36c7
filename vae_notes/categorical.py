r"""Kullback-Leibler divergence between categorical distributions: one value per datum, in nats.

Axes are (K samples, N data, D variables, C classes).
"""

import math

import torch
import torch.nn.functional as F

from vae_notes.checks import check_floating, check_leading_axes, check_no_nan, value_checks_are_on


def kl_categorical(logits_q: torch.Tensor, logits_p: torch.Tensor) -> torch.Tensor:
    r"""KL divergence between products of D independent categorical distributions, given by logits.

    KL(q || p) = sum_d sum_c q_dc (log q_dc - log p_dc),   q = softmax(logits_q), p = softmax(logits_p)

    For a uniform p (logits_p = 0) it is D log C minus the entropy of q. It is the KL of DISCRETE variables:
    beside relaxed samples it makes no lower bound. Close to q = p it is summed as
    q (r + exp(-r) - 1), r = log q - log p: the terms are then not negative, and no digits are lost.

    Parameters
    ----------
    logits_q, logits_p
        Unnormalised log probabilities, floating, shape (..., D, C). -inf stands for probability 0.

    Returns
    -------
    torch.Tensor
        KL divergence in nats, of the leading shape: 0 for q = p, and +inf where q gives probability to a class
        that p excludes.

    Raises
    ------
    TypeError
        If an argument is not a floating tensor, or dtypes differ.
    ValueError
        If shapes or devices do not agree; (value checks) if an argument holds NaN, +inf, or only -inf for one
        variable.

    Examples
    --------
    Certain of one among four equally probable classes: log 4 nats.

    >>> certain = torch.tensor([[0.0, -torch.inf, -torch.inf, -torch.inf]])
    >>> kl_categorical(certain, torch.zeros(1, 4))
    tensor(1.3863)
    """
    check_floating(logits_q=logits_q, logits_p=logits_p)
    if logits_q.ndim < 2 or logits_p.ndim < 2 or logits_q.shape[-2:] != logits_p.shape[-2:]:
        raise ValueError(
            f"logits_q and logits_p must have shape (..., D, C) with one D and C, "
            f"got logits_q {tuple(logits_q.shape)} and logits_p {tuple(logits_p.shape)}"
        )
    check_leading_axes(logits_q=logits_q.shape[:-2], logits_p=logits_p.shape[:-2])
    _check_class_logits(logits_q=logits_q, logits_p=logits_p)
    log_q, log_p = torch.broadcast_tensors(F.log_softmax(logits_q, -1), F.log_softmax(logits_p, -1))
    in_q, in_p = log_q > -math.inf, log_p > -math.inf
    q, p = log_q.exp(), log_p.exp()
    # Infinities are taken out before the subtraction: they would turn into NaN, here or in the gradient.
    both = in_q & in_p
    ratio = torch.where(both, log_q, 0.0) - torch.where(both, log_p, 0.0)
    small = ratio.abs() < 1
    r = torch.where(small, ratio, 0.0)
    terms = torch.where(small & both, q * (r + torch.expm1(-r)), q * ratio + p - q)
    return terms.sum((-2, -1)).masked_fill((in_q & ~in_p).any(-1).any(-1), math.inf)


def _check_class_logits(**logits: torch.Tensor) -> None:
    check_no_nan(**logits)
    for name, values in logits.items():
        if values.shape[-1] == 0:
            raise ValueError(f"{name} must have at least 1 class, got shape {tuple(values.shape)}")
        if value_checks_are_on() and not values.amax(-1).isfinite().all():
            raise ValueError(f"{name} must hold no +inf, and a finite value for at least one class")
