r"""How much a code says: mutual information, and the aggregate posterior of an encoder.

The aggregate posterior is the average of the encoder's distributions over the data,

q(z) = 1/N sum_n q(z|x_n),   q(z|x_n) = N(loc_n, diag(exp(log_variance_n))).

It splits the KL term of the ELBO ("ELBO surgery"): 1/N sum_n KL(q(z|x_n) || p) = I_q(x; z) + KL(q(z) || p).
Everything is in nats. Axes are (K samples, N data, D dimensions).
"""

import math
from dataclasses import dataclass

import torch

from vae_notes.checks import check_count, check_floating, check_range, value_checks_are_on
from vae_notes.densities import normal_log_prob
from vae_notes.divergences import kl_normal_standard
from vae_notes.reparameterization import sample_normal


def mutual_information(joint: torch.Tensor) -> torch.Tensor:
    r"""Mutual information of two discrete variables, from the table of their joint probabilities.

    I(x; z) = sum_{x,z} p(x, z) log( p(x, z) / (p(x) p(z)) )

    Parameters
    ----------
    joint
        Probabilities p(x, z), floating, shape (..., X, Z); each table sums to 1.

    Returns
    -------
    torch.Tensor
        Mutual information in nats, of the leading shape. It is 0 for independent variables and at most the
        smaller of log X and log Z.

    Raises
    ------
    TypeError
        If joint is not a floating tensor.
    ValueError
        If joint has fewer than two axes; (value checks) if a value lies outside [0, 1] or a table does not
        sum to 1.

    Notes
    -----
    Cover and Thomas (2006), Elements of Information Theory, section 2.3. From a contingency table of counts,
    `sklearn.metrics.mutual_info_score` computes the same; this one takes probabilities and batches, and it can
    be differentiated.

    Examples
    --------
    >>> mutual_information(torch.tensor([[0.5, 0.0], [0.0, 0.5]]))  # one fair coin, told twice: log 2
    tensor(0.6931)
    """
    check_floating(joint=joint)
    if joint.ndim < 2:
        raise ValueError(f"joint must have shape (..., X, Z), got {tuple(joint.shape)}")
    check_range(0, 1, joint=joint)
    total = joint.sum((-2, -1))
    tolerance = 1e-3 if joint.dtype in (torch.float16, torch.bfloat16) else 1e-5
    if value_checks_are_on() and not ((total - 1).abs() <= tolerance).all():
        worst = total.flatten()[(total - 1).abs().argmax()].item()
        raise ValueError(f"the probabilities in joint must sum to 1, but a table sums to {worst:g}")
    of_x, of_z = joint.sum(-1, keepdim=True), joint.sum(-2, keepdim=True)
    possible = joint > 0  # elsewhere 0 log 0 = 0, and the logarithms are kept finite for the gradient
    log_ratio = torch.where(possible, joint, 1.0).log() - torch.where(possible, of_x, 1.0).log()
    log_ratio = log_ratio - torch.where(possible, of_z, 1.0).log()
    return (joint * log_ratio).sum((-2, -1))


def aggregate_posterior_log_prob(
    z: torch.Tensor, loc: torch.Tensor, log_variance: torch.Tensor, *, values_per_chunk: int = 2**19
) -> torch.Tensor:
    r"""Log density of the aggregate posterior, a mixture of N normal distributions, at M points.

    log q(z_m) = log( 1/N sum_n N(z_m; loc_n, diag(exp(log_variance_n))) )

    Parameters
    ----------
    z
        Points, floating, shape (M, D).
    loc, log_variance
        Encoder outputs for ALL N data over which q(z) is the average, shape (N, D).
    values_per_chunk
        Largest size of an intermediate tensor, as long as N D is smaller. The M N D differences are never in
        memory at once (unless gradients are asked for, which keep them).

    Returns
    -------
    torch.Tensor
        Log density in nats, shape (M).

    Raises
    ------
    TypeError
        If an argument is not a floating tensor, dtypes differ, or values_per_chunk is no int.
    ValueError
        If shapes or devices do not agree, or values_per_chunk is below 1; (value checks) if a value is not
        finite.

    Notes
    -----
    With the M rows of a minibatch in place of all N data, this is the aggregate posterior of the minibatch,
    which says less than the data set does: see `elbo_surgery`. `torch.distributions.MixtureSameFamily` gives
    the same numbers, with all M N D differences in memory.

    Examples
    --------
    >>> loc = torch.tensor([[-1.0], [1.0]])
    >>> aggregate_posterior_log_prob(torch.zeros(1, 1), loc, torch.zeros(2, 1))  # log N(0; 1, 1)
    tensor([-1.4189])
    """
    check_floating(z=z, loc=loc, log_variance=log_variance)
    check_count(values_per_chunk=values_per_chunk)
    _check_encoder_outputs(loc, log_variance)
    if z.ndim != 2 or z.shape[-1] != loc.shape[-1]:
        raise ValueError(f"z must have shape (M, {loc.shape[-1]}), like loc, got {tuple(z.shape)}")
    rows = max(1, values_per_chunk // max(1, loc.numel()))
    parts = []
    for chunk in z.split(rows):
        pairs = chunk[:, None].expand(-1, *loc.shape)  # (rows, N, D), a view
        parts.append(normal_log_prob(pairs, loc, log_variance).logsumexp(-1))
    return torch.cat(parts) - math.log(len(loc))


@dataclass(frozen=True)
class ElboSurgery:
    """The KL term of the ELBO, split in two; all in nats per datum.

    ``kl`` is exact. ``mutual_information`` and ``aggregate_kl`` are estimates that add up to it, so their
    errors are equal and opposite, with ``standard_error`` for either.

    Examples
    --------
    >>> parts = ElboSurgery(kl=1.5, mutual_information=1.0, aggregate_kl=0.5, standard_error=0.01)
    >>> parts.mutual_information + parts.aggregate_kl == parts.kl
    True
    """

    kl: float
    mutual_information: float
    aggregate_kl: float
    standard_error: float


@torch.no_grad()
def elbo_surgery(
    loc: torch.Tensor,
    log_variance: torch.Tensor,
    *,
    n_samples: int = 16,
    generator: torch.Generator | None = None,
) -> ElboSurgery:
    r"""Split the average KL term into information about the datum and mismatch with the prior.

    1/N sum_n KL(q(z|x_n) || p) = I_q(x; z) + KL(q(z) || p),   p = N(0, I)

    The left side has a closed form. I_q(x; z) = 1/N sum_n E_{q(z|x_n)}[log q(z|x_n) - log q(z)] is estimated
    with n_samples draws per datum, and the last term is the difference. The N distributions are taken as the
    whole data set: then the estimate has no bias, and since q(z) >= q(z|x_n) / N, it never exceeds log N.

    A minibatch of M rows in place of the N data is a different question, with a biased answer: the information
    comes out too small (it is at most log M), and the mismatch too large by as much.

    Parameters
    ----------
    loc, log_variance
        Encoder outputs for all N data, floating, shape (N, D).
    n_samples
        Draws per datum, K of at least 2. Time grows with K N^2 D; memory does not.
    generator
        Source of the randomness, on the device of loc. None takes torch's global one.

    Returns
    -------
    ElboSurgery
        Four numbers, in nats. A small ``aggregate_kl`` may come out negative, within its error.

    Raises
    ------
    TypeError
        If an argument is not a floating tensor, dtypes differ, or n_samples is no int.
    ValueError
        If shapes or devices do not agree, or n_samples is below 2; (value checks) if a value is not finite.

    Notes
    -----
    Hoffman and Johnson (2016), ELBO surgery: yet another way to carve up the variational evidence lower bound.

    Examples
    --------
    Four well separated distributions say which of the four it was, log 4 nats, and no more:

    >>> loc = torch.tensor([[-30.0], [-10.0], [10.0], [30.0]])
    >>> parts = elbo_surgery(loc, torch.full((4, 1), -2.0), generator=torch.Generator().manual_seed(0))
    >>> round(parts.mutual_information, 4), round(math.log(4), 4)
    (1.3863, 1.3863)
    """
    if n_samples < 2:
        raise ValueError(f"n_samples must be at least 2, for the standard error, got {n_samples}")
    check_floating(loc=loc, log_variance=log_variance)
    _check_encoder_outputs(loc, log_variance)
    n = len(loc)
    z = sample_normal(loc, log_variance, n_samples=n_samples, generator=generator)  # (K, N, D)
    log_q_z = aggregate_posterior_log_prob(z.flatten(0, 1), loc, log_variance).view(n_samples, n)
    says = (normal_log_prob(z, loc, log_variance) - log_q_z).double()  # (K, N), each at most log N
    information = says.mean().item()
    # Every datum has the same number of draws, so that only the scatter within a datum is random.
    standard_error = (says.var(0) / n_samples).sum().sqrt().item() / n
    kl = kl_normal_standard(loc, log_variance).double().mean().item()
    return ElboSurgery(kl, information, kl - information, standard_error)


def _check_encoder_outputs(loc: torch.Tensor, log_variance: torch.Tensor) -> None:
    if loc.ndim != 2 or loc.shape != log_variance.shape or 0 in loc.shape:
        raise ValueError(
            f"loc and log_variance must both have shape (N, D) with N and D of at least 1, "
            f"got {tuple(loc.shape)} and {tuple(log_variance.shape)}"
        )
