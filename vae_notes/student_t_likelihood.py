"""A likelihood p(x|z) with heavy tails, with the interface of `vae_notes.likelihoods`."""

import math

import torch
from torch import Tensor, nn

from vae_notes import checks
from vae_notes.student_t import sample_student_t, student_t_log_prob

__all__ = ["StudentTLikelihood"]


class StudentTLikelihood(nn.Module):
    r"""Real-valued pixels with outliers: each pixel is Student-t around the decoder's output.

    .. math:: \log p(x|z) = \sum_j \log t_\nu\big((x_j - \mathrm{output}_j) / s\big) - \log s

    As df grows it becomes :class:`vae_notes.likelihoods.NormalLikelihood`. The pull of a pixel on the output
    is at most (nu + 1) / (2 s sqrt(nu)), and goes to 0 for pixels that are far off.

    Parameters
    ----------
    df : float
        Degrees of freedom nu > 0, shared by all pixels; where training starts if it is learned.
    scale : float
        The scale s shared by all pixels, in the units of x (no standard deviation); where training starts
        if it is learned.
    learn_scale, learn_df : bool
        Make log s, or log nu, a parameter.

    Source: Lange, Little & Taylor (1989) for regression; the scale and df shared as in NormalLikelihood.

    Examples
    --------
    >>> likelihood = StudentTLikelihood(df=3.0, scale=0.5)
    >>> x, output = torch.tensor([[0.0, 1.0]]), torch.tensor([[0.0, 0.5]])
    >>> likelihood.log_prob(x, output)
    tensor([-1.1908])
    """

    outputs_per_dim = 1

    def __init__(
        self, df: float = 4.0, scale: float = 1.0, learn_scale: bool = False, learn_df: bool = False
    ):
        super().__init__()
        for name, value, learn in (("df", df, learn_df), ("scale", scale, learn_scale)):
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be a positive finite number, got {value}")
            logarithm = torch.tensor(math.log(value))
            if learn:
                self.register_parameter(f"log_{name}", nn.Parameter(logarithm))
            else:
                self.register_buffer(f"log_{name}", logarithm)

    @property
    def scale(self) -> float:
        """The scale s as a number."""
        return math.exp(self.log_scale.item())

    @property
    def df(self) -> float:
        """The degrees of freedom nu as a number."""
        return math.exp(self.log_df.item())

    def _parameters_for(self, output: Tensor) -> tuple[Tensor, Tensor]:
        log_scale = self.log_scale.to(output.dtype).expand(output.shape[-1:])  # (D,), for every datum
        return log_scale, self.log_df.to(output.dtype).exp()

    def log_prob(self, x: Tensor, output: Tensor) -> Tensor:
        """log p(x|z) in nats, one value per datum; ``output`` holds the centres."""
        return student_t_log_prob(x, output, *self._parameters_for(output))

    def mean(self, output: Tensor) -> Tensor:
        """The centre, the output itself: E[x|z] if df > 1, and the median for every df."""
        return output

    def sample(self, output: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Images drawn from p(x|z): the centre plus heavy-tailed noise, independent in each pixel."""
        with torch.no_grad():
            return sample_student_t(output, *self._parameters_for(output), generator=generator)

    def check(self, x: Tensor) -> None:
        """Raise unless x could be a target: floating and finite."""
        checks.check_floating(x=x)
        checks.check_finite(x=x)
