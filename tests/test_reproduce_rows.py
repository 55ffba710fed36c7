"""Rows of the table of log-likelihoods: schedule, objectives, measurement, and going on in the middle of a stage."""

import json
import math
from itertools import pairwise

import pytest
import torch

from vae_notes.bounds import importance_weighted_bound
from vae_notes.checkpoints import read_checkpoint
from vae_notes.likelihoods import BernoulliLikelihood
from vae_notes.models import VAE
from vae_notes.reproduce import find_recipe
from vae_notes.reproduce.rows import BoundVAE, TanhDecoder, TanhEncoder, build, measure, row, stages
from vae_notes.reproduce.runner import run_recipe
from vae_notes.student_t_latent import StudentTLatentVAE


def small(k=3, **settings):
    torch.manual_seed(0)
    networks = TanhEncoder(6, 5, 2), TanhDecoder(2, 5, 6), BernoulliLikelihood()
    return BoundVAE(*networks, k=k, **settings)


def some_images(n=7):
    return (torch.rand(n, 6, generator=torch.Generator().manual_seed(1)) < 0.4).float()


def test_the_schedule_is_the_published_one():
    """The published program: 3^i passes at 1e-4 times 10^(1 - i/7), which it rounds to one decimal."""
    whole = stages(3280)
    assert [passes for passes, _ in whole] == [1, 3, 9, 27, 81, 243, 729, 2187]
    published = [1e-4 * round(10 ** (1 - i / 7), 1) for i in range(8)]
    assert [rate for _, rate in whole] == pytest.approx(published, rel=0.04)


@pytest.mark.parametrize("epochs", [1, 2, 4, 5, 13, 100, 3279])
def test_a_short_run_is_the_beginning_of_a_longer_one(epochs):
    short, longer = stages(epochs), stages(epochs + 1)
    assert sum(passes for passes, _ in short) == epochs
    assert short[:-1] == longer[: len(short) - 1] and short[-1][1] == longer[len(short) - 1][1]


def test_the_schedule_ends():
    with pytest.raises(ValueError, match="epochs must be at most 3280, where the schedule ends, got 3281"):
        stages(3281)


def test_one_sample_makes_the_two_bounds_one():
    x = some_images()
    losses = [
        small(k=1, importance_weighted=flag).loss(x, torch.Generator().manual_seed(2))["loss"]
        for flag in (False, True)
    ]
    torch.testing.assert_close(*losses)


@pytest.mark.parametrize("importance_weighted", [False, True])
def test_the_objective_is_the_mean_of_logs_or_the_log_of_the_mean(importance_weighted):
    model, x = small(k=4, importance_weighted=importance_weighted).double(), some_images().double()
    log_w = model.log_weights(x, 4, torch.Generator().manual_seed(2))
    expected = log_w.exp().mean(0).log() if importance_weighted else log_w.mean(0)
    parts = model.loss(x, torch.Generator().manual_seed(2))
    torch.testing.assert_close(parts["loss"], -expected)
    torch.testing.assert_close(parts["elbo"], log_w.mean(0))


def test_a_model_without_latents_is_measured_exactly():
    """If neither network looks at its input, every weight is p(x), and the answer is known."""
    model, x = small(), some_images(50)
    with torch.no_grad():
        for layer in (model.encoder.loc, model.encoder.log_variance, model.decoder.output):
            layer.weight.zero_()
        model.decoder.output.bias.copy_(torch.linspace(-1, 1, 6))
    exact = -model.likelihood.log_prob(x, torch.linspace(-1, 1, 6).expand(50, 6))
    found = measure(model, x, n_samples=10)
    assert found["nll"] == pytest.approx(exact.mean().item(), abs=1e-3)
    assert found["elbo"] == pytest.approx(-exact.mean().item(), abs=1e-3)
    assert found["nll_error"] == pytest.approx(exact.std().item() / math.sqrt(50), abs=1e-3)
    assert (found["active"], found["images"], found["samples"]) == (0, 50, 10)


def test_more_samples_come_closer_and_units_are_counted():
    model, x = small(), some_images(400)
    with torch.no_grad():
        model.encoder.loc.weight[0].fill_(3.0)
        model.encoder.loc.weight[1].zero_()
    few, many = measure(model, x, n_samples=1), measure(model, x, n_samples=200)
    assert few["active"] == many["active"] == 1
    assert many["nll"] < few["nll"] - 0.1 and few["nll"] == pytest.approx(-few["elbo"], abs=1.0)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        again = -importance_weighted_bound(model.log_weights(x, 200, generator))
    assert many["nll"] == pytest.approx(again.mean().item(), abs=0.1)


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"objective": "vae", "k": 5}, BoundVAE),
        ({"objective": "iwae", "k": 5}, BoundVAE),
        ({"objective": "beta", "beta": 2.0}, VAE),
        ({"objective": "student-t", "prior_df": 5.0, "posterior_df": 5.0}, StudentTLatentVAE),
    ],
)
def test_a_row_builds_its_model(settings, kind):
    variant = row("a row", 3, **settings).variants["row"]
    x = some_images(40)
    model = build(variant, x, seed=1)
    assert type(model) is kind and model.encoder.loc.weight.shape == (50, 200)
    torch.testing.assert_close(
        model.decoder.output.bias.sigmoid(), x.mean(0).clamp(0.001, 0.999), atol=1e-5, rtol=0
    )
    assert getattr(model, "importance_weighted", False) == (settings["objective"] == "iwae")
    same = build(variant, x, seed=1)
    assert all(torch.equal(*pair) for pair in zip(model.parameters(), same.parameters(), strict=True))


def test_a_row_needs_a_known_objective():
    with pytest.raises(ValueError, match="objective must be one of vae, iwae, beta, student-t, got 'elbow'"):
        row("a row", 3, objective="elbow")


def last_stage(output):
    path = max((output.parent / f"{output.name}.checkpoints" / "0.0").glob("stage-*.pt"))
    return read_checkpoint(path)["model"]


def test_a_finished_row_goes_on_in_the_middle_of_a_stage(tmp_path):
    """2 epochs, then 6, then 7 give what 7 in one go give: the schedule does not depend on where a run stops."""
    recipe = find_recipe("published-quick")
    for epochs in (2, 6, 7):
        broken = run_recipe("a", recipe, tmp_path / "a.json", epochs=epochs, seeds=1, progress=False)
    whole = run_recipe("b", recipe, tmp_path / "b.json", epochs=7, seeds=1, progress=False)
    assert broken.runs[0]["results"] == whole.runs[0]["results"]
    one, other = last_stage(tmp_path / "a.json"), last_stage(tmp_path / "b.json")
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    kept = sorted(path.name for path in (tmp_path / "a.json.checkpoints" / "0.0").glob("after-*.json"))
    assert kept == ["after-1.json", "after-2.json", "after-4.json", "after-6.json", "after-7.json"]


def test_a_measurement_is_not_made_twice(tmp_path):
    """What was measured before a kill is read back: it costs minutes on a large test set."""
    recipe = find_recipe("published-quick")
    run_recipe("a", recipe, tmp_path / "a.json", epochs=1, seeds=1, progress=False)
    file = tmp_path / "a.json.checkpoints" / "0.0" / "whole-1.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"nll": 12.5}))
    again = run_recipe("a", recipe, tmp_path / "a.json", epochs=1, seeds=1, progress=False)
    assert again.runs[0]["results"]["nll"] == 12.5


def test_the_curve_has_a_point_at_the_end_of_each_stage(tmp_path):
    recipe = find_recipe("published-quick")
    result = run_recipe("a", recipe, tmp_path / "a.json", epochs=5, seeds=1, progress=False).runs[0][
        "results"
    ]
    assert result["curve_epochs"] == [1, 4, 5] and len(result["objective"]) == 5
    assert all(later > earlier for earlier, later in pairwise(result["objective"]))
    assert all(later < earlier for earlier, later in pairwise(result["curve_nll"]))
