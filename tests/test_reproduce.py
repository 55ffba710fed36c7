"""Recorded runs: nothing is lost when they are stopped, and what the package ships is what its recipes make."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from joblib import cpu_count

from vae_notes import data
from vae_notes.checkpoints import fingerprint, read_checkpoint
from vae_notes.reproduce import Recipe, Recorded, find_recipe, recipe_names, recorded
from vae_notes.reproduce.__main__ import main
from vae_notes.reproduce.runner import run_recipe, something_to_resume

CHEAP_SECONDS = 20  # a recorded training is made again here if it took no longer
NAMES = recipe_names()


def toy(variant, seed, epochs, device):
    """A training that is over at once: its numbers say what it was called with."""
    return {"elbo": 100.0 * variant["beta"] + 10 * seed + epochs, "curve": [[float(seed)], [0.5]]}


TOY = Recipe("a toy", toy, {"a / b": {"beta": 1}, "a _ b": {"beta": 2}}, epochs=3, seeds=2)


def test_every_variant_runs_with_every_seed(tmp_path):
    result = run_recipe("toy", TOY, tmp_path / "toy.json", progress=False)
    assert [(run["variant"], run["seed"]) for run in result.runs] == [
        ("a / b", 0), ("a / b", 1), ("a _ b", 0), ("a _ b", 1),
    ]  # fmt: skip
    table = result.table("elbo")
    assert table["a / b"].tolist() == [103, 113] and table["a _ b"].tolist() == [203, 213]
    assert result.table("curve")["a _ b"].shape == (2, 2, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["toy.json"]


def test_the_result_says_how_it_was_made(tmp_path):
    run_recipe("toy", TOY, tmp_path / "toy.json", epochs=7, seeds=1, progress=False)
    settings = json.loads((tmp_path / "toy.json").read_text())["settings"]
    assert settings["command"] == "python -m vae_notes.reproduce toy --epochs 7 --seeds 1 --device cpu"
    assert settings["versions"]["torch"] == torch.__version__
    assert settings["data"]["digits"]["train"] == fingerprint(data.load("digits").train)
    assert (settings["epochs"], settings["seeds"], settings["device"]) == (7, 1, "cpu")


def test_a_result_is_replaced_as_a_whole(tmp_path, monkeypatch):
    """When the disk fails at the last moment, the old result is still there and no half of a new one."""
    output, replace_file = tmp_path / "toy.json", os.replace
    output.write_text("old")

    def fails(source, target):
        if target == output:
            raise OSError("disk")
        replace_file(source, target)

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(OSError, match="disk"):
        run_recipe("toy", TOY, output, progress=False)
    assert output.read_text() == "old" and not list(tmp_path.glob(".*.part"))


def test_jobs_side_by_side_give_the_same(tmp_path):
    alone = run_recipe("toy", TOY, tmp_path / "alone.json", progress=False)
    both = run_recipe("toy", TOY, tmp_path / "both.json", jobs=2, progress=False)
    strip = [
        [{k: v for k, v in run.items() if k != "seconds"} for run in result.runs] for result in (alone, both)
    ]
    assert strip[0] == strip[1]


def test_a_run_that_failed_goes_on_where_it_was(tmp_path):
    called = []

    def breaks(variant, seed, epochs, device):
        called.append((variant["beta"], seed))
        if len(called) == 3:
            raise KeyboardInterrupt
        return toy(variant, seed, epochs, device)

    recipe = replace(TOY, run=breaks)
    with pytest.raises(KeyboardInterrupt):
        run_recipe("toy", recipe, tmp_path / "toy.json", progress=False)
    assert not (tmp_path / "toy.json").exists()
    result = run_recipe("toy", recipe, tmp_path / "toy.json", progress=False)
    assert called == [(1, 0), (1, 1), (2, 0), (2, 0), (2, 1)]
    assert result.table("elbo")["a _ b"].tolist() == [203, 213]


def test_more_seeds_keep_those_that_are_done(tmp_path):
    """Seeds may differ between the goes: each training is the same whatever the others are."""
    called = []

    def counts(variant, seed, epochs, device):
        called.append(seed)
        if seed == 1:
            raise RuntimeError("stop")
        return toy(variant, seed, epochs, device)

    recipe = replace(TOY, run=counts, variants={"only": {"beta": 1}})
    with pytest.raises(RuntimeError, match="stop"):
        run_recipe("toy", recipe, tmp_path / "toy.json", progress=False)
    run_recipe("toy", recipe, tmp_path / "toy.json", seeds=1, progress=False)
    assert called == [0, 1]


@pytest.mark.parametrize(
    ("change", "words"),
    [({"epochs": 4}, "other epochs"), ({"variants": {"a / b": {"beta": 9}}}, "other variants")],
)
def test_parts_of_other_settings_are_refused(tmp_path, change, words):
    def fails(variant, seed, epochs, device):
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        run_recipe("toy", replace(TOY, run=fails), tmp_path / "toy.json", progress=False)
    with pytest.raises(ValueError, match=words):
        run_recipe("toy", replace(TOY, **change), tmp_path / "toy.json", progress=False)


@pytest.mark.parametrize("bad", [float("nan"), [1.0, float("inf")], [[1.0], [float("nan")]]])
def test_numbers_that_are_not_finite_are_refused(tmp_path, bad):
    recipe = replace(TOY, run=lambda variant, seed, epochs, device: {"elbo": bad})
    with pytest.raises(ValueError, match="the result 'elbo' of variant 'a / b', seed 0, is not finite"):
        run_recipe("toy", recipe, tmp_path / "toy.json", progress=False)


def test_a_recipe_needs_variants_and_counts():
    with pytest.raises(ValueError, match="at least one variant"):
        replace(TOY, variants={})
    with pytest.raises(ValueError, match="epochs"):
        replace(TOY, epochs=0)


PROGRAM = """
import sys, time
from pathlib import Path
from vae_notes.reproduce import Recipe
from vae_notes.reproduce.runner import run_recipe

def slow(variant, seed, epochs, device):
    time.sleep(0.2)
    return {"elbo": float(seed)}

run_recipe("toy", Recipe("slow", slow, {"only": {}}, epochs=1, seeds=8), Path(sys.argv[1]), progress=False)
"""


def test_a_killed_run_loses_only_what_was_under_way(tmp_path):
    output = tmp_path / "toy.json"
    command = [sys.executable, "-c", PROGRAM, str(output)]
    run = subprocess.Popen(command)
    parts = tmp_path / "toy.json.parts"
    end = time.monotonic() + 60
    while len(list(parts.glob("0.*.json"))) < 3 and time.monotonic() < end:
        time.sleep(0.02)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    done = {path: path.stat().st_mtime_ns for path in parts.glob("0.*.json")}
    assert 3 <= len(done) < 8 and not output.exists()
    for path in done:
        json.loads(path.read_text())
    written = {path.name: path.read_text() for path in done}
    subprocess.run(command, check=True)
    again = {f"0.{run['seed']}.json": json.dumps(run) for run in json.loads(output.read_text())["runs"]}
    assert len(again) == 8 and written.items() <= again.items()


# Trainings that go on within themselves: a recipe that `goes_on` gets a folder for its checkpoints.


def counts_up(variant, seed, epochs, device, folder):
    """A training that writes down how far it came, and breaks at the epoch that the variant says."""
    file = folder / "epoch.txt"
    epoch = int(file.read_text()) if file.exists() else 0
    began = epoch
    while epoch < epochs:
        if epoch == variant["breaks"]:
            raise KeyboardInterrupt
        epoch += 1
        file.write_text(str(epoch))
    return {"began": began, "seconds": 7.0}


GOES_ON = Recipe("counts up", counts_up, {"only": {"breaks": None}}, epochs=5, seeds=1, goes_on=True)


def test_a_training_goes_on_from_its_own_folder(tmp_path):
    output = tmp_path / "toy.json"
    assert not something_to_resume(output)
    first = replace(GOES_ON, run=lambda variant, *rest: counts_up({"breaks": 3}, *rest))
    with pytest.raises(KeyboardInterrupt):
        run_recipe("toy", first, output, progress=False)
    assert something_to_resume(output) and not output.exists()
    result = run_recipe("toy", GOES_ON, output, progress=False)
    assert result.table("began")["only"].tolist() == [3]


def test_a_finished_training_goes_on_with_more_epochs(tmp_path):
    output = tmp_path / "toy.json"
    run_recipe("toy", GOES_ON, output, progress=False)
    result = run_recipe("toy", GOES_ON, output, epochs=9, progress=False)
    assert result.table("began")["only"].tolist() == [5] and result.settings["epochs"] == 9


def test_a_training_of_several_goes_says_its_time(tmp_path):
    result = run_recipe("toy", GOES_ON, tmp_path / "toy.json", progress=False)
    assert result.runs[0]["seconds"] == 7 and "seconds" not in result.runs[0]["results"]


def test_checkpoints_of_another_variant_are_refused(tmp_path):
    """The loop that resumes cannot see code inside a loss; the settings of the row can be seen here."""
    run_recipe("toy", GOES_ON, tmp_path / "toy.json", progress=False)
    with pytest.raises(ValueError, match="is of a run with other variant: delete the folder"):
        run_recipe(
            "toy", replace(GOES_ON, variants={"only": {"breaks": 8}}), tmp_path / "toy.json", progress=False
        )


@pytest.mark.parametrize(("progress", "expected"), [(True, "1"), (False, "0")])
def test_one_training_at_a_time_shows_its_own_bar(tmp_path, monkeypatch, progress, expected):
    monkeypatch.setenv("VAE_NOTES_PROGRESS", "as before")
    seen = []
    run = replace(TOY, run=lambda *rest: seen.append(os.environ["VAE_NOTES_PROGRESS"]) or {"elbo": 1.0})
    run_recipe("toy", run, tmp_path / "toy.json", seeds=1, progress=progress)
    assert seen == [expected] * 2 and os.environ["VAE_NOTES_PROGRESS"] == "as before"


def command_of(output, *options):
    """The quick row by the real command: importance-weighted training on small digits."""
    return [sys.executable, "-m", "vae_notes.reproduce", "published-quick", "--output", str(output), *options]


def parameters(output):
    """All parameters that the trainings of a run ended with, by training and name."""
    folder = Path(f"{output}.checkpoints")
    last = {training.name: max(training.glob("stage-*.pt")) for training in folder.iterdir()}
    return {
        (training, name): value
        for training, path in last.items()
        for name, value in read_checkpoint(path)["model"].items()
    }


def same_parameters(one, other):
    return set(one) == set(other) and all(torch.equal(value, other[name]) for name, value in one.items())


def results(output):
    return [run["results"] for run in json.loads(output.read_text())["runs"]]


def kill_at_a_random_moment(command, stages, moment):
    """Start the command, and kill it: as soon as it trains and a little later, or while it still starts."""
    before = {path: path.stat().st_mtime_ns for path in stages.glob("stage-*.pt")}
    newest = max(before, default=None)
    run = subprocess.Popen(command)
    end = time.monotonic() + (120 if moment.random() < 0.8 else moment.uniform(0, 2))
    while run.poll() is None and time.monotonic() < end:
        now = max(stages.glob("stage-*.pt"), default=None)
        if now is not None and (now != newest or now.stat().st_mtime_ns != before[now]):
            time.sleep(moment.uniform(0, 0.4))
            break
        time.sleep(0.005)
    run.kill()
    return run.wait() == -signal.SIGKILL


def test_twenty_kills_change_nothing(tmp_path):
    """Killed twenty times at random moments, the real command ends with the parameters of an unbroken run."""
    whole, broken = tmp_path / "whole.json", tmp_path / "broken.json"
    options = ("--seeds", "1", "--epochs", "100", "--jobs", "1")
    subprocess.run(command_of(whole, *options), check=True)
    command, moment = command_of(broken, *options), random.Random(0)
    stages = Path(f"{broken}.checkpoints") / "0.0"
    assert all(kill_at_a_random_moment(command, stages, moment) for _ in range(20))
    assert stages.is_dir() and not broken.exists()
    left = {path.name: read_checkpoint(path)["epoch"] for path in stages.glob("stage-*.pt")}
    assert left, "no kill came after a checkpoint: the moments are badly chosen"
    subprocess.run([*command, "--resume"], check=True)
    assert same_parameters(parameters(broken), parameters(whole))
    assert results(broken) == results(whole)
    subprocess.run(command_of(broken, "--seeds", "1", "--epochs", "101"), check=True)
    assert not same_parameters(parameters(broken), parameters(whole))  # one epoch more would be noticed


def test_a_cluster_loses_nothing_with_a_worker(tmp_path):
    """Two Dask workers share the trainings; one is killed in the middle, and the result is the same."""
    from distributed import Client, LocalCluster

    alone, spread = tmp_path / "alone.json", tmp_path / "spread.json"
    subprocess.run(command_of(alone, "--seeds", "3"), check=True)
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        with Client(cluster) as client:
            workers = list(client.run(os.getpid).values())
        command = command_of(spread, "--seeds", "3", "--cluster", cluster.scheduler_address)
        run = subprocess.Popen(command)
        under_way = Path(f"{spread}.checkpoints")
        end = time.monotonic() + 300
        while len(list(under_way.glob("*/stage-1.pt"))) < 2 and time.monotonic() < end:
            time.sleep(0.02)
        assert len(workers) == 2 and run.poll() is None and not spread.exists()
        os.kill(workers[0], signal.SIGKILL)
        assert run.wait(timeout=300) == 0
    assert results(spread) == results(alone)
    assert same_parameters(parameters(spread), parameters(alone))


def test_workers_with_two_threads_are_refused(tmp_path):
    """A training seeds the random state of its process: two in one process would disturb each other."""
    from distributed import LocalCluster

    with (
        LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None) as cluster,
        pytest.raises(
            ValueError, match="each worker of the cluster must have one thread, got workers with 2"
        ),
    ):
        run_recipe("toy", TOY, tmp_path / "toy.json", cluster=cluster.scheduler_address, progress=False)


def test_the_command_lists_the_runs(capsys):
    assert main([]) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert listed == NAMES


@pytest.mark.parametrize(("options", "jobs"), [([], cpu_count()), (["--jobs", "3"], 3)])
def test_the_command_uses_all_cores_unless_told(monkeypatch, options, jobs):
    seen = {}

    def notes(name, recipe, output, **settings):
        seen.update(settings)
        return Recorded(name, {"seconds": 0.0}, {}, [])

    monkeypatch.setattr("vae_notes.reproduce.__main__.run_recipe", notes)
    assert main(["published-quick", *options]) == 0
    assert seen["jobs"] == jobs and seen["cluster"] is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["no-such-run"], "name must be one of the recorded runs, got 'no-such-run'"),
        (["no-such-run", "--seeds", "0"], "must be at least 1, got 0"),
        (
            ["published-quick", "--resume", "--output", "no-such.json"],
            "--resume: an earlier go would have left",
        ),
    ],
)
def test_the_command_says_what_is_wrong(capsys, arguments, words):
    with pytest.raises(SystemExit) as error:
        main(arguments)
    assert error.value.code == 2
    assert words in capsys.readouterr().err


def test_a_result_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="no recorded result 'nothing': make it by"):
        recorded("nothing")


def test_a_table_of_nothing_is_named(tmp_path):
    result = run_recipe("toy", TOY, tmp_path / "toy.json", progress=False)
    with pytest.raises(KeyError, match="there are: curve, elbo"):
        result.table("kl")


# The results that the package ships.


@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_result_belongs_to_its_recipe(name):
    """A recipe that changed without a new run would leave numbers behind that its command does not give."""
    recipe, result = find_recipe(name), recorded(name)
    assert result.variants == json.loads(json.dumps(dict(recipe.variants)))
    assert (result.settings["epochs"], result.settings["seeds"]) == (recipe.epochs, recipe.seeds)
    assert set(result.settings["data"]) == set(recipe.datasets)
    wanted = [(variant, seed) for variant in recipe.variants for seed in range(recipe.seeds)]
    assert [(run["variant"], run["seed"]) for run in result.runs] == wanted


@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_result_is_of_the_data_at_hand(name):
    for dataset, hashes in recorded(name).settings["data"].items():
        if dataset != "digits" and not os.environ.get("VAE_NOTES_DATA"):
            pytest.skip(f"{dataset} is not at hand: VAE_NOTES_DATA is not set")
        loaded = data.load(dataset)
        assert hashes == {"train": fingerprint(loaded.train), "test": fingerprint(loaded.test)}


@pytest.mark.parametrize("name", NAMES)
def test_the_cheapest_training_gives_what_is_recorded(name, tmp_path):
    """The command gives the recorded numbers again: within the spread over seeds, which another machine may use up."""
    recipe, result = find_recipe(name), recorded(name)
    if set(recipe.datasets) != {"digits"}:
        pytest.skip("needs a download")
    cheapest = min(result.runs, key=lambda run: run["seconds"])
    if cheapest["seconds"] > CHEAP_SECONDS:
        pytest.skip(f"the cheapest training took {cheapest['seconds']} s")
    release = result.settings["versions"]["torch"].partition("+")[0]
    if torch.__version__.partition("+")[0] != release:
        pytest.skip(f"recorded with PyTorch {release}; another release draws other numbers from the same seed")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = (tmp_path,) if recipe.goes_on else ()
    variant = dict(recipe.variants[cheapest["variant"]])
    again = recipe.run(variant, cheapest["seed"], recipe.epochs, "cpu", *folder)
    torch.set_num_threads(threads)
    again.pop("seconds", None)
    assert set(again) == set(cheapest["results"])
    for key, value in again.items():
        over_seeds = result.table(key)[cheapest["variant"]]
        spread = over_seeds.std(0, ddof=1) if len(over_seeds) > 1 else 0
        room = 3 * spread + 1e-3 * (1 + np.abs(over_seeds).max())
        assert np.all(np.abs(np.array(value) - np.array(cheapest["results"][key])) <= room), key
