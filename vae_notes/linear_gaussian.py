"""The linear-Gaussian model: the one VAE-like model whose evidence and posterior are exact.

z ~ N(0, I),   x | z ~ N(W z + b, sigma^2 I),   z with d dimensions, x with D.

Everything goes through the d x d matrix M = I + W^T W / sigma^2; no D x D matrix is formed.
"""

import torch

from vae_notes.checks import (
    check_count,
    check_finite,
    check_floating,
    check_same_last_axis,
    value_checks_are_on,
)
from vae_notes.densities import LOG_2_PI, normal_log_prob, standard_normal_log_prob
from vae_notes.divergences import kl_normal_standard
from vae_notes.reparameterization import sample_normal


class LinearGaussian:
    r"""Linear decoder with a standard normal prior and normal noise of one variance.

    p(z) = N(z; 0, I),   p(x|z) = N(x; W z + b, sigma^2 I),   sigma^2 = exp(log_variance)

    Parameters
    ----------
    weight
        W, floating, shape (D, d).
    bias
        b, shape (D,), in the unit of x.
    log_variance
        log sigma^2 of the noise, a tensor without axes.

    Raises
    ------
    TypeError
        If an argument is not a floating tensor, or dtypes differ.
    ValueError
        If shapes or devices do not agree; (value checks) if a value is not finite, or 1 / sigma^2 overflows.

    Notes
    -----
    Tipping and Bishop (1999), Probabilistic Principal Component Analysis, section 3.

    Examples
    --------
    With W = 1, b = 0 and noise of variance 1, x is N(0, 2) and z given x is N(x / 2, 1 / 2):

    >>> model = LinearGaussian(torch.ones(1, 1), torch.zeros(1), torch.tensor(0.0))
    >>> model.log_evidence(torch.zeros(1, 1))
    tensor([-1.2655])
    >>> loc, scale_tril = model.posterior(torch.ones(1, 1))
    >>> loc, scale_tril @ scale_tril.mT
    (tensor([[0.5000]]), tensor([[0.5000]]))
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor, log_variance: torch.Tensor) -> None:
        check_floating(weight=weight, bias=bias, log_variance=log_variance)
        if weight.ndim != 2 or bias.shape != weight.shape[:1] or log_variance.ndim != 0:
            raise ValueError(
                f"weight must have shape (D, d), bias (D,) and log_variance (), "
                f"got weight {tuple(weight.shape)}, bias {tuple(bias.shape)}, "
                f"log_variance {tuple(log_variance.shape)}"
            )
        check_finite(weight=weight, bias=bias, log_variance=log_variance)
        if value_checks_are_on() and not torch.exp(-log_variance).isfinite():
            raise ValueError(
                f"log_variance {log_variance.item():g} is too small: "
                f"the precision 1 / sigma^2 overflows {log_variance.dtype}"
            )
        self.weight, self.bias, self.log_variance = weight, bias, log_variance

    @classmethod
    def fit(cls, x: torch.Tensor, z_dim: int) -> "LinearGaussian":
        r"""Fit by maximum likelihood: probabilistic principal component analysis, in closed form.

        With the eigenvalues l_1 >= ... >= l_D of the covariance matrix of x (divided by N) and the first
        d eigenvectors U: b is the mean, sigma^2 the mean of l_{d+1}, ..., l_D, and
        W = U (diag(l_1, ..., l_d) - sigma^2 I)^{1/2}.

        Parameters
        ----------
        x
            Data, floating, shape (N, D).
        z_dim
            Number d of latent dimensions, below D.

        Returns
        -------
        LinearGaussian
            The fitted model. Each column of W has its largest entry (by size) positive: the likelihood
            leaves the signs, and any rotation of z, open.

        Raises
        ------
        TypeError
            If x is not a floating tensor, or z_dim no int.
        ValueError
            If x is not (N, D) with N of at least 2, z_dim is not below D, x has no variance left outside
            its first z_dim principal components, or (value checks) x is not finite.

        Notes
        -----
        Tipping and Bishop (1999), section 3; Bishop (2006), Pattern Recognition and Machine Learning,
        equations 12.45 and 12.46.

        Examples
        --------
        >>> x = torch.tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
        >>> model = LinearGaussian.fit(x, z_dim=1)
        >>> model.weight, model.log_variance.exp()
        (tensor([[1.2247],
                [0.0000]]), tensor(0.5000))
        """
        check_floating(x=x)
        check_count(z_dim=z_dim)
        if x.ndim != 2 or len(x) < 2 or z_dim >= x.shape[-1]:
            raise ValueError(
                f"x must have shape (N, D), N of at least 2, and z_dim must be below D, "
                f"got x {tuple(x.shape)} and z_dim {z_dim}"
            )
        check_finite(x=x)
        bias = x.mean(0)
        _, singular_values, directions = torch.linalg.svd(x - bias, full_matrices=False)
        eigenvalues = singular_values.square() / len(x)
        variance = eigenvalues[z_dim:].sum() / (x.shape[-1] - z_dim)
        rounding = torch.finfo(x.dtype).eps ** 2 * (eigenvalues[0] + x.square().max())
        if not variance > 100 * rounding:
            raise ValueError(
                f"x has no variance left outside its first {z_dim} principal components: the likelihood "
                "grows without bound as the noise variance falls to 0. Take a smaller z_dim or more data"
            )
        weight = (directions[:z_dim] * (eigenvalues[:z_dim] - variance).clamp(min=0).sqrt().unsqueeze(-1)).T
        largest = weight.gather(0, weight.abs().argmax(0, keepdim=True))
        return cls(torch.where(largest < 0, -weight, weight), bias, variance.log())

    def log_evidence(self, x: torch.Tensor) -> torch.Tensor:
        r"""Exact log density of x, with z integrated out.

        log p(x) = log N(x; b, W W^T + sigma^2 I) = log p(x, m) + d/2 log 2 pi - 1/2 log det M

        with the posterior mean m and M = I + W^T W / sigma^2: the joint density at the posterior's peak
        times the posterior's volume. Unlike the difference of squares of the usual matrix inversion
        lemma it loses no digits when sigma is small.

        Parameters
        ----------
        x
            Data, floating, shape (..., D).

        Returns
        -------
        torch.Tensor
            Log evidence in nats, of the leading shape.

        Raises
        ------
        TypeError
            If x is not a floating tensor of the dtype of the model.
        ValueError
            If the last axis is not D or devices differ, or (value checks) x is not finite.

        Examples
        --------
        >>> model = LinearGaussian(torch.zeros(2, 1), torch.zeros(2), torch.tensor(0.0))
        >>> model.log_evidence(torch.zeros(1, 2))  # with W = 0, a standard normal distribution
        tensor([-1.8379])
        """
        loc, cholesky = self._posterior_mean_and_precision_cholesky(x)
        half_log_det = cholesky.diagonal().log().sum()
        return self.log_joint(x, loc) + 0.5 * self.weight.shape[1] * LOG_2_PI - half_log_det

    def posterior(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        r"""Exact posterior distribution of z given x.

        p(z|x) = N(z; M^-1 W^T (x - b) / sigma^2, M^-1)

        Parameters
        ----------
        x
            Data, floating, shape (..., D).

        Returns
        -------
        tuple of torch.Tensor
            Mean, of shape (..., d), and the lower Cholesky factor of the covariance matrix, of shape
            (d, d): it is the same for every x.

        Raises
        ------
        TypeError
            If x is not a floating tensor of the dtype of the model.
        ValueError
            If the last axis is not D or devices differ, or (value checks) x is not finite.

        Notes
        -----
        Bishop (2006), Pattern Recognition and Machine Learning, equation 12.42, whose M is sigma^2 times
        this one.

        Examples
        --------
        >>> model = LinearGaussian(torch.zeros(2, 1), torch.zeros(2), torch.tensor(0.0))
        >>> model.posterior(torch.ones(1, 2))  # with W = 0, x says nothing about z
        (tensor([[0.]]), tensor([[1.]]))
        """
        loc, cholesky = self._posterior_mean_and_precision_cholesky(x)
        return loc, torch.linalg.cholesky(torch.cholesky_inverse(cholesky))

    def log_joint(self, x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        r"""Log joint density of x and z.

        log p(x, z) = log N(x; W z + b, sigma^2 I) + log N(z; 0, I)

        Parameters
        ----------
        x
            Data, floating, shape (..., D).
        z
            Latent points, shape (..., d). Leading axes may be missing: x (N, D) goes with z (K, N, d).

        Returns
        -------
        torch.Tensor
            Log density in nats, of the leading shape.

        Raises
        ------
        TypeError
            If an argument is not a floating tensor of the dtype of the model.
        ValueError
            If shapes or devices do not agree, or (value checks) a value is not finite.

        Examples
        --------
        >>> model = LinearGaussian(torch.ones(2, 1), torch.zeros(2), torch.tensor(0.0))
        >>> model.log_joint(torch.zeros(1, 2), torch.zeros(1, 1))
        tensor([-2.7568])
        """
        check_floating(x=x, z=z, weight=self.weight)
        check_same_last_axis(z=z, weight=self.weight[0])
        loc = z @ self.weight.T + self.bias
        return normal_log_prob(x, loc, self.log_variance.expand(x.shape[-1:])) + standard_normal_log_prob(z)

    def elbo(self, x: torch.Tensor, loc: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
        r"""Exact evidence lower bound for a diagonal normal q(z|x), with nothing sampled.

        L(x) = log N(x; W loc + b, sigma^2 I) - 1/2 sum_j s_j^2 |W_j|^2 / sigma^2 - KL(q(z|x) || p(z))

        with the columns W_j of W. The gap log p(x) - L(x) is KL(q(z|x) || p(z|x)).

        Parameters
        ----------
        x
            Data, floating, shape (..., D).
        loc, log_variance
            Mean and log-variance log s^2 of q, shape (..., d).

        Returns
        -------
        torch.Tensor
            ELBO in nats, of the leading shape.

        Raises
        ------
        TypeError
            If an argument is not a floating tensor of the dtype of the model.
        ValueError
            If shapes or devices do not agree, or (value checks) a value is not finite.

        Examples
        --------
        Where the posterior is diagonal, the ELBO at the posterior is the log evidence:

        >>> model = LinearGaussian(torch.ones(1, 1), torch.zeros(1), torch.tensor(0.0))
        >>> x = torch.ones(1, 1)
        >>> model.elbo(x, 0.5 * x, torch.full((1, 1), 0.5).log()), model.log_evidence(x)
        (tensor([-1.5155]), tensor([-1.5155]))
        """
        kl = kl_normal_standard(loc, log_variance)
        check_floating(x=x, loc=loc, weight=self.weight)
        check_same_last_axis(loc=loc, weight=self.weight[0])
        log_variance_x = self.log_variance.expand(x.shape[-1:])
        at_mean = normal_log_prob(x, loc @ self.weight.T + self.bias, log_variance_x)
        column_norms = (self.weight * torch.exp(-0.5 * self.log_variance)).square().sum(0)
        # A column of zeros spreads nothing, also where the variance of q overflows.
        spread = torch.where(column_norms > 0, log_variance.exp() * column_norms, 0).sum(-1)
        return at_mean - 0.5 * spread - kl

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> torch.Tensor:
        r"""Draw data from the model: z from the prior, then x given z.

        Parameters
        ----------
        n
            Number of data.
        generator
            Source of the randomness, on the device of the model.

        Returns
        -------
        torch.Tensor
            Data, shape (n, D).

        Raises
        ------
        TypeError
            If n is no int.
        ValueError
            If n is below 1.

        Examples
        --------
        >>> model = LinearGaussian(torch.ones(3, 2), torch.zeros(3), torch.tensor(0.0))
        >>> model.sample(5, generator=torch.Generator().manual_seed(0)).shape
        torch.Size([5, 3])
        """
        check_count(n=n)
        zeros = self.weight.new_zeros(n, self.weight.shape[1])
        z = sample_normal(zeros, zeros, generator=generator)
        loc = z @ self.weight.T + self.bias
        return sample_normal(loc, self.log_variance.expand(loc.shape), generator=generator)

    def _posterior_mean_and_precision_cholesky(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        check_floating(x=x, weight=self.weight)
        check_same_last_axis(x=x, bias=self.bias)
        check_finite(x=x)
        precision_scale = torch.exp(-0.5 * self.log_variance)
        scaled_weight = self.weight * precision_scale
        eye = torch.eye(self.weight.shape[1], dtype=self.weight.dtype, device=self.weight.device)
        cholesky = torch.linalg.cholesky(eye + scaled_weight.T @ scaled_weight)
        projected = ((x - self.bias) * precision_scale) @ scaled_weight
        loc = torch.cholesky_solve(projected.unsqueeze(-1), cholesky).squeeze(-1)
        return loc, cholesky
