"""The autoregressive likelihood against enumeration of all strings, and against its own definition."""

import re

import pytest
import torch

from tests.statistical import assert_mean_is
from vae_notes.autoregressive import AutoregressiveBernoulliLikelihood
from vae_notes.likelihoods import BernoulliLikelihood
from vae_notes.models import VAE, Decoder, Encoder


def raises(error, text):
    return pytest.raises(error, match=re.escape(text))


def likelihood(window=2, seed=0):
    torch.manual_seed(seed)
    result = AutoregressiveBernoulliLikelihood(window, hidden_dim=7).double()
    for parameter in result.parameters():
        torch.nn.init.normal_(parameter)
    return result


def all_strings(length):
    return torch.cartesian_prod(*[torch.tensor([0.0, 1.0]).double()] * length)


OUTPUT = torch.tensor([0.3, -1.0, 0.5, 2.0, -0.2], dtype=torch.float64)


@pytest.mark.parametrize("window", [1, 2, 5, 9])
def test_the_probabilities_of_all_strings_add_up_to_one(window):
    strings = all_strings(5)
    total = likelihood(window).log_prob(strings, OUTPUT.expand(32, 5)).exp().sum()
    assert total.item() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("window", [1, 2, 4])
def test_a_logit_depends_on_the_window_before_it_and_on_nothing_else(window):
    model, x = likelihood(window), torch.rand(6, dtype=torch.float64).requires_grad_()
    for t in range(6):
        (slope,) = torch.autograd.grad(model.context(x)[t], x)
        assert (slope != 0).tolist() == [t - window <= s < t for s in range(6)]


def test_against_one_symbol_at_a_time():
    model, x = likelihood(window=2), all_strings(5)[[5, 17, 30]]
    expected = torch.zeros(3, dtype=torch.float64)
    for n in range(3):
        padded = torch.cat([torch.zeros(2).double(), 2 * x[n] - 1])
        for t in range(5):
            logit = OUTPUT[t] + model.output(torch.relu(model.hidden(padded[t : t + 2])))[0]
            expected[n] += torch.log(torch.sigmoid(logit if x[n, t] == 1 else -logit))
    torch.testing.assert_close(model.log_prob(x, OUTPUT.expand(3, 5)), expected)


def test_without_context_it_is_the_bernoulli_likelihood():
    model, x = likelihood(), all_strings(5)
    for parameter in model.output.parameters():
        torch.nn.init.zeros_(parameter)
    expected = BernoulliLikelihood().log_prob(x, OUTPUT.expand(32, 5))
    torch.testing.assert_close(model.log_prob(x, OUTPUT.expand(32, 5)), expected)


def test_samples_have_the_probabilities_that_log_prob_gives():
    model, strings = likelihood(), all_strings(3)
    output = OUTPUT[:3]
    x = model.sample(output.expand(40_000, 3), torch.Generator().manual_seed(0))
    hits = (x[:, None] == strings).all(-1).double()  # (draws, strings)
    assert_mean_is(hits, model.log_prob(strings, output.expand(8, 3)).exp())


def test_samples_repeat_with_the_seed():
    one, other = (likelihood().sample(OUTPUT.expand(9, 5), torch.Generator().manual_seed(s)) for s in (1, 1))
    assert torch.equal(one, other) and set(one.unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_in_a_vae_with_samples_before_data(dtype, device):
    torch.manual_seed(0)
    vae = VAE(Encoder(5, 8, 2), Decoder(2, 8, 5), AutoregressiveBernoulliLikelihood(3)).to(device, dtype)
    x = all_strings(5).to(device, dtype)
    assert vae.log_weights(x, 4).shape == (4, 32)
    output = torch.zeros(4, 32, 5, device=device, dtype=dtype)
    one_by_one = torch.stack([vae.likelihood.log_prob(x, one) for one in output])
    torch.testing.assert_close(vae.likelihood.log_prob(x, output), one_by_one)
    assert vae.sample(3).shape == (3, 5) and vae.loss(x)["loss"].dtype == dtype
    vae.check_data(x)


def test_bad_arguments_are_refused():
    with raises(ValueError, "window must be at least 1, got 0"):
        AutoregressiveBernoulliLikelihood(0)
    with raises(ValueError, "hidden_dim must be at least 1, got 0"):
        AutoregressiveBernoulliLikelihood(1, hidden_dim=0)
    with raises(ValueError, "0 or 1"):
        likelihood().check(torch.full((2, 5), 0.5))
    with pytest.raises(ValueError, match="same size|agree"):
        likelihood().log_prob(all_strings(5), OUTPUT[:4].expand(32, 4))
