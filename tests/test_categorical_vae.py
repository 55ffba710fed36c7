"""The categorical VAE: its sums over codes against loops, its bound against the evidence, its loss against draws."""

import itertools
import math
import re

import pytest
import torch
import torch.nn.functional as F

from tests.statistical import assert_mean_is
from vae_notes import training
from vae_notes.categorical_vae import CategoricalVAE


def model_and_data(n_variables=2, n_classes=3, seed=0, **settings):
    torch.manual_seed(seed)
    model = CategoricalVAE(6, 8, n_variables, n_classes, **settings).double()
    for parameter in model.parameters():
        parameter.data *= 3  # far from uniform, so that mistakes show
    x = torch.bernoulli(torch.full((5, 6), 0.5), generator=torch.Generator().manual_seed(1)).double()
    return model, x


def raises(error, text):
    return pytest.raises(error, match=re.escape(text))


@pytest.mark.parametrize(("n_variables", "n_classes"), [(1, 4), (2, 3), (3, 2)])
def test_elbo_and_evidence_agree_with_loops_over_the_codes(n_variables, n_classes):
    model, x = model_and_data(n_variables, n_classes)
    log_q, elbo, evidence = model.encode(x).log_softmax(-1), 0, 0
    for code in itertools.product(range(n_classes), repeat=n_variables):
        z = F.one_hot(torch.tensor(code), n_classes).double()
        bits = torch.distributions.Bernoulli(logits=model.decode(z))
        log_p_x_given_z = bits.log_prob(x).sum(-1)
        log_q_z = sum(log_q[:, d, c] for d, c in enumerate(code))
        log_p_z = -n_variables * math.log(n_classes)
        elbo = elbo + log_q_z.exp() * (log_p_x_given_z + log_p_z - log_q_z)
        evidence = evidence + (log_p_x_given_z + log_p_z).exp()
    torch.testing.assert_close(model.elbo(x), elbo)
    torch.testing.assert_close(model.log_evidence(x), evidence.log())
    assert (model.elbo(x) < model.log_evidence(x)).all()


def test_codes_are_all_different_and_the_last_variable_changes_fastest():
    model, _ = model_and_data(3, 2)
    codes = model.codes()
    assert codes.shape == (8, 3, 2) and codes.unique(dim=0).shape[0] == 8
    assert (codes.sum(-1) == 1).all() and codes[1].argmax(-1).tolist() == [0, 0, 1]


def test_hard_draws_estimate_the_elbo_and_soft_ones_do_not():
    model, x = model_and_data(hard=True, temperature=2.0)
    many = x[:1].expand(20_000, 6)
    generator = torch.Generator().manual_seed(0)
    hard = model.loss(many, generator)
    assert_mean_is(hard["elbo"], model.elbo(x[:1]).item())
    model.hard = False
    soft = model.loss(many, generator)
    standard_error = soft["elbo"].std() / 20_000**0.5
    assert abs(soft["elbo"].mean() - model.elbo(x[:1]).item()) > 20 * standard_error
    torch.testing.assert_close(soft["loss"], -soft["elbo"])
    torch.testing.assert_close(soft["elbo"], soft["reconstruction"] - soft["kl"])


@pytest.mark.parametrize("hard", [False, True])
def test_the_reconstruction_reaches_the_encoder(hard):
    model, x = model_and_data(hard=hard)
    model.loss(x)["reconstruction"].sum().backward()
    assert model.encoder[0].weight.grad.abs().sum() > 0


def test_it_trains(device):
    model, x = model_and_data()
    model, x = model.to(device), x.repeat(20, 1).to(device)
    before = model.elbo(x).mean().item()
    history = training.fit(model, x, epochs=20, learning_rate=0.01, progress=False)
    assert history["elbo"].shape == (20,) and model.elbo(x).mean().item() > before + 1


def test_bad_arguments():
    model, x = model_and_data()
    with raises(ValueError, "x must have shape (..., 6), got (5, 5)"):
        model.loss(x[:, :5])
    with raises(ValueError, "z must have shape (..., 2, 3), got (3, 2)"):
        model.decode(torch.zeros(3, 2).double())
    with raises(ValueError, "x must be binary (0 or 1)"):
        model.check_data(x + 0.5)
    with raises(ValueError, "3^20 = 3486784401 codes are too many to enumerate, the limit is 10000"):
        CategoricalVAE(6, 8, 20, 3).codes()
    with raises(ValueError, "n_classes must be at least 1, got 0"):
        CategoricalVAE(6, 8, 2, 0)
    model.temperature = 0.0
    with raises(ValueError, "temperature must be positive and finite, got 0.0"):
        model.loss(x)
