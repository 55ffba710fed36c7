"""A decoder that also sees the last pixels: p(x|z) = prod_t p(x_t | x_{t-k}, ..., x_{t-1}, z).

Axes are (K samples, N data, D dimensions). One small network, the same at every place, reads the window of
the k pixels before; it sees all windows at once, so one pass gives every factor.
"""

import torch
from torch import Tensor, nn

from vae_notes import checks
from vae_notes.densities import bernoulli_log_prob

__all__ = ["AutoregressiveBernoulliLikelihood"]


class AutoregressiveBernoulliLikelihood(nn.Module):
    r"""Binary pixels in order, each a coin whose logit depends on z and on the pixels just before it.

    .. math:: p(x|z) = \prod_{t=1}^{D} \mathrm{Bernoulli}\big(x_t;\,
              \mathrm{sigmoid}(\mathrm{output}_t + m(x_{t-k}, \ldots, x_{t-1}))\big)

    ``output`` is what the decoder makes of z; m is a network with one hidden ReLU layer, shared by all places
    t. With m = 0 it is :class:`~vae_notes.likelihoods.BernoulliLikelihood`; with output = 0 it is a model of
    x that has no use for z, and for some data a perfect one.

    Parameters
    ----------
    window : int
        How many pixels back m can see, k. Pixels before the first count as neither 0 nor 1.
    hidden_dim : int
        Units of its hidden layer.

    Source: the causal convolutions of van den Oord et al. (2016), WaveNet, section 2.1, with one layer.

    Examples
    --------
    >>> likelihood = AutoregressiveBernoulliLikelihood(window=2)
    >>> likelihood.log_prob(torch.tensor([[1.0, 0.0, 1.0]]), torch.zeros(1, 3)).shape
    torch.Size([1])

    The probabilities of all strings add up to one:

    >>> strings = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 3)
    >>> bool(torch.isclose(likelihood.log_prob(strings, torch.zeros(8, 3)).exp().sum(), torch.tensor(1.0)))
    True
    """

    outputs_per_dim = 1

    def __init__(self, window: int, hidden_dim: int = 16):
        super().__init__()
        checks.check_count(window=window, hidden_dim=hidden_dim)
        self.window = window
        self.hidden = nn.Linear(window, hidden_dim)
        self.output = nn.Linear(hidden_dim, 1)

    def context(self, x: Tensor) -> Tensor:
        """m, (..., D): its entry t depends on the ``window`` pixels before t alone."""
        padded = nn.functional.pad(2 * x - 1, (self.window, 0))  # absent pixels are 0, between -1 and 1
        windows = padded.unfold(-1, self.window, 1)[..., :-1, :]  # (..., D, window)
        return self.output(torch.relu(self.hidden(windows))).squeeze(-1)

    def log_prob(self, x: Tensor, output: Tensor) -> Tensor:
        """log p(x|z) in nats, one value per datum; ``output`` holds logits of the shape (..., D)."""
        checks.check_floating(x=x, output=output)
        checks.check_same_last_axis(x=x, output=output)
        return bernoulli_log_prob(x, output + self.context(x))

    @torch.no_grad()
    def sample(self, output: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Binary images drawn from p(x|z), pixel after pixel."""
        x = torch.zeros_like(output)
        for t in range(output.shape[-1]):
            logits = output[..., t] + self.context(x)[..., t]
            x[..., t] = torch.bernoulli(torch.sigmoid(logits), generator=generator)
        return x

    def check(self, x: Tensor) -> None:
        """Raise unless x could be a target: 0 or 1."""
        checks.check_floating(x=x)
        checks.check_binary(x=x)
