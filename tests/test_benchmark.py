"""The benchmark of the training loop must run and say what it promises. Nothing here asserts a time."""

import importlib.util
import math
from pathlib import Path

import pytest
import torch

PATH = Path(__file__).parent / "benchmarks" / "bench_training.py"


@pytest.fixture(scope="module")
def bench():
    spec = importlib.util.spec_from_file_location("bench_training", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_tiny_run_fills_the_table(bench, capsys, monkeypatch):
    monkeypatch.delenv("VAE_NOTES_DATA", raising=False)
    rows = bench.main(["--images", "256", "--blocks", "2"])
    assert [row["loop"] for row in rows] == list(bench.LOOPS)
    for row in rows:
        numbers = [
            *row["seconds"],
            row["CPU seconds"],
            row["CPU to bare"],
            row["images/s"],
            *row["to bare loop"],
            row["share of floor"],
        ]
        assert all(math.isfinite(number) and number > 0 for number in numbers), row["loop"]
        assert row["seconds"][0] <= row["seconds"][1] and row["to bare loop"][0] <= row["to bare loop"][1]
        if row["loop"] == bench.FLOOR:
            assert row["share of floor"] == 1 and math.isnan(row["test ELBO"])
        else:
            assert -600 < row["test ELBO"] < 0
    bare = next(row for row in rows if row["loop"] == bench.BARE)
    assert bare["to bare loop"] == (1, 1)
    head, *lines = capsys.readouterr().out.strip().splitlines()
    assert "256 synthetic images of MNIST's shape" in head and "2 blocks" in head
    assert len(lines) == 1 + len(rows) and len({len(line) for line in lines}) == 1


def test_every_loop_trains_the_same_model(bench):
    """From one start, one epoch of each loop lowers the loss by about as much."""
    train, test, _ = bench.load_images(1280)
    start = bench.test_elbo(bench.new_vae(), test)
    elbo = {
        name: bench.test_elbo(loop(train, 1), test)
        for name, loop in bench.LOOPS.items()
        if name != bench.FLOOR
    }
    assert all(value > start + 50 for value in elbo.values()), elbo
    assert max(elbo.values()) - min(elbo.values()) < 15, elbo


def test_the_plain_loss_is_the_loss_of_the_package(bench):
    vae, x = bench.new_vae(), torch.bernoulli(torch.full((4, 784), 0.2))
    torch.manual_seed(1)
    plain = bench.plain_loss(vae, x)
    torch.manual_seed(1)
    torch.testing.assert_close(plain, vae.loss(x)["loss"].mean())
