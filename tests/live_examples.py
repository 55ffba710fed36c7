"""One live figure of each kind, for the tests of all of them."""

import torch
from torch import nn

from vae_notes import likelihoods, live, models


class Deeper(nn.Module):
    """A decoder of three linear layers, as that of chapter 12."""

    def __init__(self, hidden_dim):
        super().__init__()
        self.z_dim, self.output_dim = 2, 64
        self.first, self.rest = nn.Linear(2, hidden_dim), models.Decoder(hidden_dim, hidden_dim, 64)

    def forward(self, z):
        return self.rest(torch.relu(self.first(z)))


def untrained(likelihood=None, hidden_dim=128):
    """A model whose weights are as large as those of a trained one."""
    torch.manual_seed(0)
    vae = models.VAE(models.Encoder(64, 8, 2), Deeper(hidden_dim), likelihood or likelihoods.NormalLikelihood())
    with torch.no_grad():
        for weight in vae.decoder.parameters():
            weight.mul_(2)
    return vae.double().requires_grad_(False)


def plane(**options):
    codes = torch.randn(359, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return live.latent_plane(untrained(**options), codes, torch.arange(359) % 10, (8, 8))


def curve():
    """A curve whose slope is minus beta at every point; the images are noise that fades into grey."""
    rates = torch.linspace(17, 0, 12, dtype=torch.float64)
    betas = [round(beta, 3) for beta in (2.5 * torch.exp(-rates / 6)).tolist()]
    originals = (torch.rand(8, 64, generator=torch.Generator().manual_seed(3)) > 0.5).double()
    kept = (rates / 17)[:, None, None]
    images = kept * originals + (1 - kept) * 0.5
    return live.rate_distortion(betas, rates, 10 + 15 * torch.exp(-rates / 6), originals, images, (8, 8))


def heavy():
    points = torch.randn(19, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    return live.heavy_tails(points, outlier=6.0)


EXAMPLES = {
    "elbo_gap": lambda: live.elbo_gap(loc=0.5, scale=0.5),
    "reparameterized": lambda: live.reparameterized(),
    "vector_quantization": lambda: live.vector_quantization(),
    "latent_plane": plane,
    "heavy_tails": heavy,
    "rate_distortion": curve,
    "annealing": lambda: live.annealing(),
    "gumbel_softmax": lambda: live.gumbel_softmax(torch.tensor([0.6, 0.3, 0.1]).log()),
    "gaussian_kl": lambda: live.gaussian_kl(loc_q=1.0, scale_q=0.5),
}
