"""How much of the latent a posterior uses: measures of posterior collapse, one value per latent dimension.

The arguments are what an encoder gives for a whole data set: loc and log_variance of q(z|x), (N, d).
"""

import torch

from vae_notes.checks import check_finite, check_floating
from vae_notes.divergences import kl_normal_standard_per_dim

__all__ = ["active_units", "kl_per_dim", "variance_of_means"]


def kl_per_dim(loc: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    r"""KL divergence from the posterior to the prior, per latent dimension, averaged over the data.

    KL_j = 1/N sum_n KL(q(z_j|x_n) || N(0, 1))

    Parameters
    ----------
    loc, log_variance
        Of q(z|x) = N(loc, diag(exp(log_variance))), floating, shape (N, d).

    Returns
    -------
    torch.Tensor
        Nats, shape (d,). Their sum is the KL term of the ELBO. 0 in a dimension that has collapsed.

    Raises
    ------
    TypeError
        If an argument is not a floating tensor, or dtypes differ.
    ValueError
        If shapes are not (N, d) or N is 0, devices differ, or (value checks) a value is not finite.

    Examples
    --------
    >>> loc = torch.tensor([[2.0, 0.0], [-2.0, 0.0]])
    >>> kl_per_dim(loc, torch.zeros(2, 2))
    tensor([2., 0.])
    """
    _check_data_by_dims("loc", loc)
    _check_data_by_dims("log_variance", log_variance)
    return kl_normal_standard_per_dim(loc, log_variance).mean(0)


def variance_of_means(loc: torch.Tensor) -> torch.Tensor:
    r"""Variance over the data of the posterior's mean, per latent dimension (divided by N).

    A_j = 1/N sum_n (loc_nj - 1/N sum_m loc_mj)^2

    Parameters
    ----------
    loc
        Means E[z|x] of q(z|x), floating, shape (N, d).

    Returns
    -------
    torch.Tensor
        Shape (d,). 0 in a dimension whose mean is the same for every datum.

    Raises
    ------
    TypeError
        If loc is not a floating tensor.
    ValueError
        If its shape is not (N, d) or N is 0, or (value checks) a value is not finite.

    Notes
    -----
    Burda, Grosse and Salakhutdinov (2016), Importance Weighted Autoencoders, section 5.

    Examples
    --------
    >>> variance_of_means(torch.tensor([[2.0, 3.0], [-2.0, 3.0]]))
    tensor([4., 0.])
    """
    _check_data_by_dims("loc", loc)
    check_finite(loc=loc)
    return loc.var(0, correction=0)


def active_units(loc: torch.Tensor, *, threshold: float = 0.01) -> torch.Tensor:
    r"""Which latent dimensions carry information: those whose posterior mean varies over the data.

    active_j = A_j > threshold,   A_j = Var_x(E[z_j|x])

    Parameters
    ----------
    loc
        Means E[z|x] of q(z|x), floating, shape (N, d).
    threshold
        The smallest variance that counts, in the units of z squared; the prior has variance 1.

    Returns
    -------
    torch.Tensor
        Booleans, shape (d,). Their sum is the number of active units.

    Raises
    ------
    TypeError
        If loc is not a floating tensor.
    ValueError
        If its shape is not (N, d) or N is 0, threshold is negative or NaN, or (value checks) a value is
        not finite.

    Notes
    -----
    Burda, Grosse and Salakhutdinov (2016), Importance Weighted Autoencoders, section 5; the threshold is theirs.

    Examples
    --------
    >>> active_units(torch.tensor([[2.0, 3.0], [-2.0, 3.0]]))
    tensor([ True, False])
    """
    if not threshold >= 0:
        raise ValueError(f"threshold must be a number of at least 0, got {threshold}")
    return variance_of_means(loc) > threshold


def _check_data_by_dims(name: str, tensor: torch.Tensor) -> None:
    check_floating(**{name: tensor})
    if tensor.ndim != 2 or len(tensor) == 0:
        raise ValueError(f"{name} must have shape (N, d), N of at least 1, got {tuple(tensor.shape)}")
