"""The VAE against the linear-Gaussian model, in which every quantity is known exactly."""

import math

import pytest
import torch

from tests.statistical import assert_mean_is
from vae_notes.likelihoods import BernoulliLikelihood, CategoricalLikelihood, NormalLikelihood
from vae_notes.linear_gaussian import LinearGaussian
from vae_notes.models import VAE, Decoder, Encoder


class LinearEncoder(torch.nn.Module):
    """The exact posterior of a one-dimensional linear-Gaussian model, as an encoder."""

    x_dim, z_dim = 3, 1

    def __init__(self, exact: LinearGaussian, shift: float = 0.0):
        super().__init__()
        self.exact, self.shift = exact, shift

    def forward(self, x):
        loc, scale_tril = self.exact.posterior(x)
        log_variance = 2 * torch.log(scale_tril.diagonal(dim1=-2, dim2=-1)).expand(loc.shape)
        return loc + self.shift, log_variance


class LinearDecoder(torch.nn.Module):
    z_dim, output_dim = 1, 3

    def __init__(self, exact: LinearGaussian):
        super().__init__()
        self.weight, self.bias = torch.nn.Parameter(exact.weight), torch.nn.Parameter(exact.bias)

    def forward(self, z):
        return z @ self.weight.T + self.bias


@pytest.fixture
def exact():
    weight = torch.tensor([[1.0], [-0.5], [2.0]], dtype=torch.float64)
    bias = torch.tensor([0.1, 0.2, -0.3], dtype=torch.float64)
    return LinearGaussian(weight, bias, torch.tensor(2 * math.log(0.7), dtype=torch.float64))


def linear_vae(exact, shift=0.0, beta=1.0):
    likelihood = NormalLikelihood(scale=0.7).double()
    likelihood.log_variance.fill_(2 * math.log(0.7))  # all 53 bits of it
    return VAE(LinearEncoder(exact, shift), LinearDecoder(exact), likelihood, beta=beta)


def test_log_weights_at_the_exact_posterior_are_the_evidence_for_every_sample(exact):
    x = exact.sample(5, generator=torch.Generator().manual_seed(0))
    log_w = linear_vae(exact).log_weights(x, 7)
    assert torch.allclose(log_w, exact.log_evidence(x).expand(7, 5), atol=1e-10)


def test_elbo_has_the_exact_expectation(exact):
    x = exact.sample(1, generator=torch.Generator().manual_seed(0))
    vae = linear_vae(exact, shift=0.4)
    loc, log_variance = vae.encode(x)
    draws = vae.loss(x.expand(40_000, -1), generator=torch.Generator().manual_seed(1))["elbo"].detach()
    assert_mean_is(draws, exact.elbo(x, loc, log_variance).item())


def test_samples_and_sample_means_have_the_exact_variances(exact):
    """A draw of x has variance W W^T + sigma^2, a decoder mean only W W^T."""
    vae = linear_vae(exact)
    for draw, noise in ((vae.sample, 0.49), (vae.sample_mean, 0.0)):
        x = draw(40_000, generator=torch.Generator().manual_seed(2))
        for dim in range(3):
            centred = x[:, dim] - exact.bias[dim]
            assert_mean_is(centred**2, exact.weight[dim, 0].item() ** 2 + noise)


def small_vae(likelihood=None, beta=1.0, **kwargs):
    torch.manual_seed(0)
    likelihood = likelihood or BernoulliLikelihood()
    return VAE(
        Encoder(6, 10, 2, **kwargs), Decoder(2, 10, 6 * likelihood.outputs_per_dim), likelihood, beta=beta
    )


def test_loss_parts_add_up_and_beta_touches_the_loss_alone():
    x = torch.ones(4, 6)
    for beta in (0.0, 1.0, 4.0):
        parts = small_vae(beta=beta).loss(x, generator=torch.Generator().manual_seed(0))
        assert all(value.shape == (4,) for value in parts.values())
        assert torch.allclose(parts["elbo"], parts["reconstruction"] - parts["kl"])
        assert torch.allclose(parts["loss"], beta * parts["kl"] - parts["reconstruction"])


def test_gradient_reaches_every_parameter():
    vae = small_vae(NormalLikelihood(learn_scale=True))
    vae.loss(torch.rand(4, 6))["loss"].mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in vae.parameters())


def test_reconstruction_reaches_the_encoder_without_the_kl():
    """The reparameterised sample, not the KL alone, carries a gradient to the encoder."""
    vae = small_vae(beta=0.0)
    vae.loss(torch.ones(4, 6))["loss"].mean().backward()
    assert all(p.grad.abs().sum() > 0 for p in vae.encoder.parameters())


def test_reconstruct_is_deterministic_and_loss_is_not():
    vae, x = small_vae().eval(), torch.ones(4, 6)
    assert torch.equal(vae.reconstruct(x), vae.reconstruct(x))
    assert not torch.equal(vae.loss(x)["elbo"], vae.loss(x)["elbo"])  # eval() leaves the noise on


def test_reconstruct_decodes_the_mean():
    vae, x = small_vae(), torch.ones(4, 6)
    assert torch.equal(vae.reconstruct(x), torch.sigmoid(vae.decoder(vae.encoder(x)[0])))


def test_decoder_output_is_linear_in_its_last_layer():
    """No sigmoid is hidden in the decoder: the likelihood wants logits, which can be any number."""
    decoder = small_vae().decoder
    with torch.no_grad():
        decoder.output.bias.fill_(7.0)
        hidden = torch.relu(decoder.hidden(torch.ones(3, 2)))
        expected = hidden @ decoder.output.weight.T + 7.0
        assert torch.allclose(decoder(torch.ones(3, 2)), expected)


def test_log_variance_bound_holds_and_is_off_by_default():
    with torch.no_grad():
        wild = small_vae().encoder
        wild.log_variance.bias.fill_(1000.0)
        bounded = small_vae(log_variance_bound=8.0).encoder
        bounded.log_variance.bias.fill_(1000.0)
        assert (wild(torch.ones(1, 6))[1] > 900).all()
        assert (bounded(torch.ones(1, 6))[1] <= 8.0).all()


def test_log_variance_bound_hardly_changes_ordinary_values():
    with torch.no_grad():
        x = torch.rand(20, 6)
        plain, bounded = small_vae().encoder(x)[1], small_vae(log_variance_bound=20.0).encoder(x)[1]
    assert (plain - bounded).abs().max() < 1e-3 * plain.abs().max()


def test_autocast_leaves_the_parts_in_the_dtype_of_x():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        parts = small_vae().loss(torch.ones(4, 6))
    assert {value.dtype for value in parts.values()} == {torch.float32}


def test_categorical_decoder_needs_an_output_for_every_level():
    vae = small_vae(CategoricalLikelihood(levels=5))
    assert vae.decode(torch.zeros(3, 2)).shape == (3, 30)
    assert vae.sample(3).shape == vae.sample_mean(3).shape == (3, 6)


def test_check_data_names_the_fault():
    vae = small_vae()
    vae.check_data(torch.ones(2, 6))
    with pytest.raises(ValueError, match=r"x must have shape \(\.\.\., 6\), got \(2, 5\)"):
        vae.check_data(torch.ones(2, 5))
    with pytest.raises(ValueError, match="soft_targets"):
        vae.check_data(torch.full((2, 6), 0.5))


@pytest.mark.parametrize(
    "make, error, words",
    [
        (lambda: Encoder(0, 4, 2), ValueError, "x_dim must be at least 1, got 0"),
        (lambda: Encoder(6, 4.0, 2), TypeError, "hidden_dim must be an int, got float"),
        (lambda: Decoder(2, 4, -1), ValueError, "output_dim must be at least 1, got -1"),
        (lambda: Encoder(6, 4, 2, log_variance_bound=0), ValueError, "log_variance_bound must be a positive"),
        (lambda: Encoder(6, 4, 2)(torch.ones(3, 5)), ValueError, r"x must have shape \(\.\.\., 6\)"),
        (lambda: Decoder(2, 4, 6)(torch.ones(3, 5)), ValueError, r"z must have shape \(\.\.\., 2\)"),
        (
            lambda: VAE(Encoder(6, 4, 2), Decoder(2, 4, 6), CategoricalLikelihood(levels=5)),
            ValueError,
            r"decoder.output_dim must be x_dim \* outputs_per_dim = 6 \* 5 = 30, got 6",
        ),
        (lambda: VAE(Encoder(6, 4, 2), Decoder(2, 4, 7), BernoulliLikelihood()), ValueError, "= 6, got 7"),
        (
            lambda: VAE(Encoder(6, 4, 2), Decoder(3, 4, 6), BernoulliLikelihood()),
            ValueError,
            "encoder and decoder must share z_dim, got 2 and 3",
        ),
        (
            lambda: VAE(Encoder(6, 4, 2), Decoder(2, 4, 6), BernoulliLikelihood(), beta=-1.0),
            ValueError,
            "beta must be finite and not negative, got -1.0",
        ),
    ],
)
def test_bad_arguments(make, error, words):
    with pytest.raises(error, match=words):
        make()
