"""What a decoder's output means: four likelihoods p(x|z) with one interface.

Each likelihood is a small module with ``outputs_per_dim`` (how many numbers the decoder must give for
each dimension of x) and four methods: ``log_prob``, ``mean``, ``sample`` and ``check``. Images are flat:
``x`` is (..., D), ``output`` is (..., D * outputs_per_dim). Every ``log_prob`` is one value per datum,
in nats, with every constant kept, so that bounds from different models of the *same* target compare.
"""

import math

import torch
from torch import Tensor, nn

from vae_notes import checks
from vae_notes.densities import (
    bernoulli_log_prob,
    categorical_log_prob,
    discretized_logistic_log_prob,
    normal_log_prob,
)

__all__ = [
    "BernoulliLikelihood",
    "CategoricalLikelihood",
    "DiscretizedLogisticLikelihood",
    "NormalLikelihood",
]


def _grey_levels(x: Tensor, levels: int) -> Tensor:
    """The class index 0..levels-1 of grey values that lie on the grid j / (levels - 1)."""
    scaled = x * (levels - 1)
    index = scaled.round()
    if checks.value_checks_are_on():
        worst = (scaled - index).abs().max().item() if x.numel() else 0.0
        if not worst < 1e-3:
            raise ValueError(
                f"x must hold the {levels} grey levels j / {levels - 1}, j = 0..{levels - 1}; "
                f"the farthest value lies {worst:.3g} of a level from the grid"
            )
    return index.long()


def _check_levels(levels: int) -> None:
    checks.check_count(levels=levels)
    if levels < 2:
        raise ValueError(f"levels must be at least 2, got {levels}")


class BernoulliLikelihood(nn.Module):
    r"""Binary pixels: p(x|z) = prod_j Bernoulli(x_j; sigmoid(output_j)).

    Parameters
    ----------
    soft_targets : bool
        Accept grey x in [0, 1]. ``log_prob`` is then the expectation of the log probability over
        binary images x' ~ Bernoulli(x): it is the usual "binary cross-entropy on grey pixels", and it
        is not the log density of x.

    Source: Kingma & Welling (2014), appendix C.1.

    Examples
    --------
    >>> likelihood = BernoulliLikelihood()
    >>> x, logits = torch.tensor([[1.0, 0.0]]), torch.tensor([[2.0, -2.0]])
    >>> likelihood.log_prob(x, logits)
    tensor([-0.2539])
    >>> likelihood.mean(logits)
    tensor([[0.8808, 0.1192]])
    """

    outputs_per_dim = 1

    def __init__(self, soft_targets: bool = False):
        super().__init__()
        self.soft_targets = soft_targets

    def log_prob(self, x: Tensor, output: Tensor) -> Tensor:
        """log p(x|z) in nats, one value per datum; ``output`` holds logits of the shape of x."""
        return bernoulli_log_prob(x, output, soft_targets=self.soft_targets)

    def mean(self, output: Tensor) -> Tensor:
        """E[x|z] = sigmoid(output), the probability that a pixel is 1."""
        return torch.sigmoid(output)

    def sample(self, output: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Binary images drawn from p(x|z)."""
        return torch.bernoulli(torch.sigmoid(output), generator=generator)

    def check(self, x: Tensor) -> None:
        """Raise unless x could be a target: 0 or 1 (or in [0, 1] with ``soft_targets``)."""
        checks.check_floating(x=x)
        if self.soft_targets:
            checks.check_range(0, 1, x=x)
        else:
            checks.check_binary(x=x)


class NormalLikelihood(nn.Module):
    r"""Real-valued pixels: p(x|z) = N(x; output, scale^2 I), with the full constant.

    .. math:: \log p(x|z) = -\|x - \mathrm{output}\|^2 / (2 \sigma_x^2) - (D/2) \log(2 \pi \sigma_x^2)

    Parameters
    ----------
    scale : float
        The standard deviation sigma_x shared by all pixels, in the units of x; where training starts
        if it is learned.
    learn_scale : bool
        Make log sigma_x^2 a parameter. Its best value is the mean squared error (Rybkin et al., 2021).

    Source: Kingma & Welling (2014), appendix C.2; Rybkin, Daniilidis & Levine (2021).

    Examples
    --------
    >>> likelihood = NormalLikelihood(scale=0.5)
    >>> x, output = torch.tensor([[0.0, 1.0]]), torch.tensor([[0.0, 0.5]])
    >>> likelihood.log_prob(x, output)
    tensor([-0.9516])
    """

    outputs_per_dim = 1

    def __init__(self, scale: float = 1.0, learn_scale: bool = False):
        super().__init__()
        if not (math.isfinite(scale) and scale > 0):
            raise ValueError(f"scale must be a positive finite number, got {scale}")
        log_variance = torch.tensor(2 * math.log(scale))
        if learn_scale:
            self.log_variance = nn.Parameter(log_variance)
        else:
            self.register_buffer("log_variance", log_variance)

    @property
    def scale(self) -> float:
        """The standard deviation sigma_x as a number."""
        return math.exp(0.5 * self.log_variance.item())

    def log_prob(self, x: Tensor, output: Tensor) -> Tensor:
        """log p(x|z) in nats, one value per datum; ``output`` holds the means."""
        log_variance = self.log_variance.to(output.dtype).expand(output.shape[-1:])  # (D,), for every datum
        return normal_log_prob(x, output, log_variance)

    def mean(self, output: Tensor) -> Tensor:
        """E[x|z], the output itself."""
        return output

    def sample(self, output: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Images drawn from p(x|z): the mean plus noise of standard deviation ``scale``."""
        noise = torch.randn(output.shape, generator=generator, dtype=output.dtype, device=output.device)
        return output + torch.exp(0.5 * self.log_variance).to(output.dtype) * noise

    def check(self, x: Tensor) -> None:
        """Raise unless x could be a target: floating and finite."""
        checks.check_floating(x=x)
        checks.check_finite(x=x)


class CategoricalLikelihood(nn.Module):
    r"""Grey levels as categories: each pixel has its own softmax over the levels.

    The target is grey x in [0, 1] on the grid j / (levels - 1); ``log_prob`` is the log probability of
    the level, a true likelihood of discrete data. With all logits equal it costs D log(levels) nats.

    Parameters
    ----------
    levels : int
        How many grey values a pixel can take (256 for bytes, 17 for scikit-learn's digits).

    Source: van den Oord, Kalchbrenner & Kavukcuoglu (2016), section 3.1.

    Examples
    --------
    >>> likelihood = CategoricalLikelihood(levels=4)
    >>> x = torch.tensor([[0.0, 1 / 3, 1.0]])
    >>> likelihood.log_prob(x, torch.zeros(1, 12))  # 3 log(1/4)
    tensor([-4.1589])
    """

    def __init__(self, levels: int):
        super().__init__()
        _check_levels(levels)
        self.levels = self.outputs_per_dim = levels

    def _logits(self, output: Tensor) -> Tensor:
        if output.shape[-1] % self.levels:
            raise ValueError(
                f"output must have a last axis that is a multiple of levels = {self.levels}, "
                f"got shape {tuple(output.shape)}"
            )
        return output.unflatten(-1, (-1, self.levels))  # (..., D * levels) -> (..., D, levels)

    def log_prob(self, x: Tensor, output: Tensor) -> Tensor:
        """log P(x|z) in nats, one value per datum; ``output`` (..., D * levels) holds logits."""
        checks.check_floating(x=x)
        return categorical_log_prob(_grey_levels(x, self.levels), self._logits(output))

    def mean(self, output: Tensor) -> Tensor:
        """E[x|z] on the scale [0, 1]."""
        grid = torch.linspace(0, 1, self.levels, dtype=output.dtype, device=output.device)
        return self._logits(output).softmax(-1) @ grid

    def sample(self, output: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Grey images drawn from p(x|z), on the grid of levels."""
        probs = self._logits(output).softmax(-1)
        index = torch.multinomial(probs.reshape(-1, self.levels), 1, generator=generator)
        return index.reshape(probs.shape[:-1]).to(output.dtype) / (self.levels - 1)

    def check(self, x: Tensor) -> None:
        """Raise unless x could be a target: in [0, 1] and on the grid of levels."""
        checks.check_floating(x=x)
        checks.check_finite(x=x)
        checks.check_range(0, 1, x=x)
        _grey_levels(x, self.levels)


class DiscretizedLogisticLikelihood(nn.Module):
    r"""Grey levels as cells of one logistic density whose scale is learned.

    The probability of a level is the mass that a logistic density, centred on the decoder's output, puts
    on the level's cell; the two end cells reach to infinity, so the levels' probabilities sum to one.
    It needs one output per pixel, knows that neighbouring levels are alike, and is a true likelihood of
    discrete data, in the same unit as :class:`CategoricalLikelihood`.

    Parameters
    ----------
    levels : int
        How many grey values a pixel can take.

    Source: Salimans, Karpathy, Chen & Kingma (2017), section 2.1.

    Examples
    --------
    >>> likelihood = DiscretizedLogisticLikelihood(levels=17)
    >>> x = torch.tensor([[0.0, 0.5, 1.0]])
    >>> likelihood.log_prob(x, x).shape
    torch.Size([1])
    >>> bool(likelihood.log_prob(x, x) > likelihood.log_prob(x, 1 - x))
    True
    """

    outputs_per_dim = 1

    def __init__(self, levels: int):
        super().__init__()
        _check_levels(levels)
        self.levels = levels
        self.log_scale = nn.Parameter(torch.tensor(math.log(levels / 16)))  # in levels

    def log_prob(self, x: Tensor, output: Tensor) -> Tensor:
        """log P(x|z) in nats, one value per datum; ``output`` holds centres on the scale [0, 1]."""
        checks.check_floating(x=x)
        index = _grey_levels(x, self.levels)
        log_scale = self.log_scale.to(output.dtype).expand(output.shape[-1:])  # (D,), for every datum
        centre = output * (self.levels - 1)
        return discretized_logistic_log_prob(index, centre, log_scale, levels=self.levels)

    def mean(self, output: Tensor) -> Tensor:
        """E[x|z] on the scale [0, 1]: the sum of P(level >= j) over j = 1..levels-1."""
        edges = torch.arange(self.levels - 1, dtype=output.dtype, device=output.device) + 0.5
        centre = (output * (self.levels - 1)).unsqueeze(-1)
        above = torch.sigmoid((centre - edges) * torch.exp(-self.log_scale).to(output.dtype))
        return above.mean(-1)

    def sample(self, output: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Grey images drawn from p(x|z): a logistic draw, rounded to its cell."""
        uniform = torch.rand(output.shape, generator=generator, dtype=output.dtype, device=output.device)
        noise = torch.logit(uniform, eps=torch.finfo(output.dtype).tiny)
        level = output * (self.levels - 1) + torch.exp(self.log_scale).to(output.dtype) * noise
        return level.round().clamp(0, self.levels - 1) / (self.levels - 1)

    def check(self, x: Tensor) -> None:
        """Raise unless x could be a target: in [0, 1] and on the grid of levels."""
        checks.check_floating(x=x)
        checks.check_finite(x=x)
        checks.check_range(0, 1, x=x)
        _grey_levels(x, self.levels)
