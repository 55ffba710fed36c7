"""The plain autoencoder: its loss by hand, what it shares with a VAE, and what it refuses."""

import re

import pytest
import torch

from vae_notes import training
from vae_notes.autoencoder import Autoencoder
from vae_notes.likelihoods import BernoulliLikelihood, NormalLikelihood
from vae_notes.models import VAE, Decoder, Encoder


def autoencoder(likelihood=None, z_dim=2, device=None):
    torch.manual_seed(0)
    likelihood = NormalLikelihood(0.5) if likelihood is None else likelihood
    model = Autoencoder(Encoder(6, 16, z_dim), Decoder(z_dim, 16, 6), likelihood)
    return model if device is None else model.to(device)


def images(n=40):
    return torch.rand(n, 6, generator=torch.Generator().manual_seed(1))


def test_the_loss_is_a_squared_error_up_to_a_constant(device):
    model, x = autoencoder(device=device), images().to(device)
    parts = model.loss(x)
    error = (x - model.decode(model.encode(x)[0])).square().sum(-1)
    expected = error / (2 * 0.5**2) + 3 * torch.log(torch.tensor(2 * torch.pi * 0.5**2))
    torch.testing.assert_close(parts["loss"], expected)
    torch.testing.assert_close(parts["reconstruction"], -parts["loss"])


def test_the_loss_is_that_of_a_vae_without_noise_and_kl():
    model, x = autoencoder(BernoulliLikelihood()), images().round()
    with torch.no_grad():
        model.encoder.log_variance.weight.zero_()
        model.encoder.log_variance.bias.fill_(-60.0)  # no noise to speak of
    vae = VAE(model.encoder, model.decoder, model.likelihood)
    torch.testing.assert_close(model.loss(x)["reconstruction"], vae.loss(x)["reconstruction"])


def test_nothing_is_random():
    model, x = autoencoder(), images()
    assert torch.equal(model.loss(x)["loss"], model.loss(x, torch.Generator().manual_seed(3))["loss"])


def test_no_gradient_reaches_the_log_variance():
    model = autoencoder()
    model.loss(images())["loss"].mean().backward()
    assert model.encoder.log_variance.weight.grad is None and model.encoder.loc.weight.grad is not None


def test_it_trains_to_reconstruct():
    torch.manual_seed(0)
    code = torch.randn(200, 1)
    x = code @ torch.randn(1, 6)  # data on a line: one latent is enough
    model = autoencoder(z_dim=1)
    before = (model.reconstruct(x) - x).square().mean()
    training.fit(model, x, epochs=60, batch_size=50, learning_rate=1e-2, progress=False)
    assert (model.reconstruct(x) - x).square().mean() < 0.05 * before


@pytest.mark.parametrize("ask", [lambda m: m.sample(3), lambda m: m.sample_mean(3), lambda m: m.log_weights(images(), 5)])
def test_what_needs_a_prior_is_refused(ask):
    with pytest.raises(TypeError, match="an autoencoder has no prior"):
        ask(autoencoder())


def test_mismatched_parts_are_refused():
    with pytest.raises(ValueError, match=re.escape("encoder and decoder must share z_dim, got 2 and 3")):
        Autoencoder(Encoder(6, 16, 2), Decoder(3, 16, 6), BernoulliLikelihood())
