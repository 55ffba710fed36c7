"""Lower bounds on the log evidence log p(x), from log densities: one value per datum, in nats.

Axes are (K samples, N data). A log weight is log w = log p(x|z) + log p(z) - log q(z|x) at a sample z
from q(z|x); the mean of w is p(x), so the mean of log w is a lower bound on log p(x).
"""

import math
from collections.abc import Callable, Iterable, Sequence

import torch

from vae_notes.checks import check_count, check_finite, check_floating, check_tensors, value_checks_are_on
from vae_notes.progress import progress_wanted, tqdm_class

LogWeightFunction = Callable[[torch.Tensor, int, torch.Generator | None], torch.Tensor]


def log_weights(
    log_p_x_given_z: torch.Tensor, log_p_z: torch.Tensor, log_q_z_given_x: torch.Tensor
) -> torch.Tensor:
    r"""Log importance weights of samples z from q(z|x).

    log w = log p(x|z) + log p(z) - log q(z|x)

    Parameters
    ----------
    log_p_x_given_z, log_p_z, log_q_z_given_x
        Log densities in nats at K samples for N data, floating, shape (K, N). The first two may be
        -inf. log q may not: a sample from q has a positive density under q.

    Returns
    -------
    torch.Tensor
        Log weights in nats, shape (K, N).

    Raises
    ------
    TypeError
        If an argument is not a floating tensor, or dtypes differ.
    ValueError
        If a shape is not (K, N) or K is 0, shapes or devices differ; (value checks) if an argument holds
        NaN or +inf, or log_q_z_given_x holds -inf.

    Examples
    --------
    >>> log_weights(torch.tensor([[-90.0]]), torch.tensor([[-3.0]]), torch.tensor([[-1.0]]))
    tensor([[-92.]])
    """
    terms = dict(log_p_x_given_z=log_p_x_given_z, log_p_z=log_p_z, log_q_z_given_x=log_q_z_given_x)
    check_floating(**terms)
    if len({tensor.shape for tensor in terms.values()}) > 1:
        found = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in terms.items())
        raise ValueError(f"all log densities must have the same shape (K, N), got {found}")
    _check_samples_by_data(log_p_x_given_z=log_p_x_given_z, log_p_z=log_p_z)
    check_finite(log_q_z_given_x=log_q_z_given_x)
    return log_p_x_given_z + log_p_z - log_q_z_given_x


def elbo_sampled(log_w: torch.Tensor) -> torch.Tensor:
    r"""Evidence lower bound (ELBO) by Monte Carlo alone: the mean of the log weights.

    L(x) = E_q[log w],   estimated by 1/K sum_k log w_k

    Parameters
    ----------
    log_w
        Log weights in nats, floating, shape (K, N).

    Returns
    -------
    torch.Tensor
        Unbiased estimate of the ELBO in nats, shape (N,). It is -inf where a weight is 0.

    Raises
    ------
    TypeError
        If log_w is not a floating tensor.
    ValueError
        If its shape is not (K, N) or K is 0, or (value checks) it holds NaN or +inf.

    Notes
    -----
    Kingma and Welling (2014), Auto-Encoding Variational Bayes, section 2.3, the first estimator.

    Examples
    --------
    >>> elbo_sampled(torch.tensor([[-100.0], [-104.0]]))
    tensor([-102.])
    """
    _check_samples_by_data(log_w=log_w)
    return log_w.mean(0)


def elbo_analytic(log_p_x_given_z: torch.Tensor, kl: torch.Tensor) -> torch.Tensor:
    r"""Evidence lower bound (ELBO) with an exact KL term: only the reconstruction is sampled.

    L(x) = E_q[log p(x|z)] - KL(q(z|x) || p(z)),   the mean estimated by 1/K sum_k log p(x|z_k)

    Parameters
    ----------
    log_p_x_given_z
        Log-likelihoods in nats, floating, shape (K, N).
    kl
        KL divergences in nats, shape (N,). +inf is allowed.

    Returns
    -------
    torch.Tensor
        Unbiased estimate of the ELBO in nats, shape (N,).

    Raises
    ------
    TypeError
        If an argument is not a floating tensor, or dtypes differ.
    ValueError
        If shapes are not (K, N) and (N,), K is 0, or devices differ; (value checks) if log_p_x_given_z
        holds NaN or +inf, or kl holds NaN or -inf.

    Notes
    -----
    Kingma and Welling (2014), Auto-Encoding Variational Bayes, section 2.3, the second estimator.

    Examples
    --------
    >>> elbo_analytic(torch.tensor([[-90.0], [-94.0]]), kl=torch.tensor([10.0]))
    tensor([-102.])
    """
    check_floating(log_p_x_given_z=log_p_x_given_z, kl=kl)
    _check_samples_by_data(log_p_x_given_z=log_p_x_given_z)
    if kl.shape != log_p_x_given_z.shape[1:]:
        raise ValueError(
            f"kl must have shape (N,) = {tuple(log_p_x_given_z.shape[1:])}, one value per datum, "
            f"got {tuple(kl.shape)}"
        )
    if value_checks_are_on() and not (kl > -math.inf).all():
        raise ValueError("kl must hold neither NaN nor -inf: a KL divergence is at least 0")
    return log_p_x_given_z.mean(0) - kl


def importance_weighted_bound(log_w: torch.Tensor) -> torch.Tensor:
    r"""Importance-weighted lower bound on log p(x), tighter than the ELBO for K > 1.

    L_K(x) = log(1/K sum_k w_k) = logsumexp_k(log w_k) - log K

    Parameters
    ----------
    log_w
        Log weights in nats, floating, shape (K, N).

    Returns
    -------
    torch.Tensor
        Estimate of the bound in nats, shape (N,). It is -inf where all K weights are 0. Its mean grows
        with K towards log p(x); with K = 1 it is the sampled ELBO.

    Raises
    ------
    TypeError
        If log_w is not a floating tensor.
    ValueError
        If its shape is not (K, N) or K is 0, or (value checks) it holds NaN or +inf.

    Notes
    -----
    Burda, Grosse and Salakhutdinov (2016), Importance Weighted Autoencoders, equation 8.

    Examples
    --------
    >>> importance_weighted_bound(torch.tensor([[-100.0], [-104.0]]))
    tensor([-100.6750])
    """
    _check_samples_by_data(log_w=log_w)
    return log_w.logsumexp(0) - math.log(log_w.shape[0])


@torch.no_grad()
def importance_weighted_bound_in_chunks(
    log_weight_fn: LogWeightFunction,
    x: torch.Tensor,
    n_samples: int,
    *,
    rows_per_chunk: int = 4096,
    generator: torch.Generator | None = None,
    progress: bool | None = None,
) -> torch.Tensor:
    r"""Importance-weighted bound with many samples, in memory that grows neither with K nor with N.

    L_K(x) = log(1/K sum_k w_k), summed up chunk by chunk; no gradients.

    Memory: x, the result, and what log_weight_fn needs for `rows_per_chunk` rows, a row being one sample
    of one datum. A Bernoulli decoder with D outputs in float32 holds 4 to 7 tensors of 4 D bytes a row
    at its peak: under 100 MB for 784 pixels and 4096 rows, for 5,000 samples of 10,000 images as for few.
    On a GPU, checks of values wait for every chunk; inside `checks.value_checks_off()` nothing does.

    Parameters
    ----------
    log_weight_fn
        Called as log_weight_fn(x_chunk, k, generator); returns log weights in nats, shape (k, n_chunk).
        For a model with `log_weights`: ``lambda x, k, generator: model.log_weights(x, k, generator)``.
    x
        Data, shape (N, ...).
    n_samples
        Number K of samples per datum.
    rows_per_chunk
        Largest k * n_chunk of a call. Samples of one datum share a call as far as they fit, so that the
        encoder runs rarely. From 1,000 to 4,000 rows cost the same per row on a CPU, more rows cost up
        to twice as much (they leave its cache), and a GPU is busy with 4096.
    generator
        Passed on. The same seed and rows_per_chunk give the same result; another rows_per_chunk hands
        the random numbers out in another order.
    progress
        True shows a progress bar, False none, None one where somebody watches (a terminal or a notebook).

    Returns
    -------
    torch.Tensor
        Estimate of the bound in nats, shape (N,).

    Raises
    ------
    TypeError
        If x or a result of log_weight_fn is no tensor, or n_samples or rows_per_chunk no int.
    ValueError
        If x has no axis, a number is below 1, or log_weight_fn returns another shape than (k, n_chunk);
        (value checks) if its result holds NaN or +inf.

    Notes
    -----
    Burda, Grosse and Salakhutdinov (2016), Importance Weighted Autoencoders, equation 8.

    Examples
    --------
    >>> def log_weight_fn(x, k, generator):
    ...     return torch.randn(k, len(x), generator=generator) - 0.5  # E[w] = 1, so log p(x) = 0
    >>> generator = torch.Generator().manual_seed(0)
    >>> x = torch.zeros(3, 2)
    >>> bound = importance_weighted_bound_in_chunks(log_weight_fn, x, 50_000, generator=generator)
    >>> bound.shape, bool((bound.abs() < 0.05).all())
    (torch.Size([3]), True)
    """
    check_count(n_samples=n_samples, rows_per_chunk=rows_per_chunk)
    check_tensors(x=x)
    if x.ndim == 0:
        raise ValueError("x must have shape (N, ...), got ()")
    data_per_chunk = max(1, rows_per_chunk // n_samples)
    samples_per_chunk = min(n_samples, rows_per_chunk)
    bounds, done = None, 0
    for x_chunk in _with_progress(x.split(data_per_chunk), progress):
        total = None
        for start in range(0, n_samples, samples_per_chunk):
            k = min(samples_per_chunk, n_samples - start)
            log_w = log_weight_fn(x_chunk, k, generator)
            _check_samples_by_data(log_w=log_w)
            if log_w.shape != (k, len(x_chunk)):
                raise ValueError(
                    f"log_weight_fn must return shape (k, n_chunk) = {(k, len(x_chunk))}, "
                    f"got {tuple(log_w.shape)}"
                )
            part = log_w.logsumexp(0)
            total = part if total is None else torch.logaddexp(total, part)
        if bounds is None:
            bounds = total.new_empty(len(x))  # as a whole: small pieces between large ones would hold memory
        bounds[done : done + len(x_chunk)] = total - math.log(n_samples)
        done += len(x_chunk)
    return bounds


def _with_progress(chunks: Sequence[torch.Tensor], progress: bool | None) -> Iterable[torch.Tensor]:
    if not progress_wanted(progress):
        return chunks
    return tqdm_class()(chunks, desc="importance-weighted bound")


def _check_samples_by_data(**tensors: torch.Tensor) -> None:
    check_floating(**tensors)
    for name, tensor in tensors.items():
        if tensor.ndim != 2 or tensor.shape[0] == 0:
            raise ValueError(
                f"{name} must have shape (K, N), K of at least 1 samples of N data, got {tuple(tensor.shape)}"
            )
        _check_no_nan_or_plus_infinity(name, tensor)


def _check_no_nan_or_plus_infinity(name: str, tensor: torch.Tensor) -> None:
    if value_checks_are_on() and not (tensor < math.inf).all():
        nan = int(tensor.isnan().sum())
        infinite = int((tensor == math.inf).sum())
        raise ValueError(f"{name} must hold neither NaN nor +inf, but it holds {nan} NaN and {infinite} +inf")
