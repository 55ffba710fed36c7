"""The benchmark must run and say what it promises. Nothing here asserts a time."""

import math

import pytest
import torch

from tests.benchmarks import bench_growth, bench_training, loops, peers
from vae_notes.reproduce.record import from_json, recorded

FLOORS = (loops.run_matrix_products, loops.run_launches, loops.run_large_product)
TRAINED = [name for name, loop in bench_training.LOOPS.items() if loop not in FLOORS]


@pytest.fixture(autouse=True)
def _synthetic_images_and_the_threads_there_were(monkeypatch):
    monkeypatch.delenv("VAE_NOTES_DATA", raising=False)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_a_tiny_run_fills_the_table_and_the_record(capsys, tmp_path):
    path = tmp_path / "speed.json"
    found = bench_training.main(["--images", "256", "--blocks", "2", "--record", str(path)])
    libraries, missing = peers.installed()
    assert [row["loop"] for row in found] == [*bench_training.LOOPS, *libraries]
    for row in found:
        for key in (
            "seconds",
            "CPU seconds",
            "images/s",
            "to fit",
            "CPU to fit",
            "share of floor",
            "GFLOP/s",
        ):
            numbers = row[key] if hasattr(row[key], "__len__") else [row[key]]
            assert all(math.isfinite(number) and number > 0 for number in numbers), (row["loop"], key)
            assert list(numbers) == sorted(numbers), (row["loop"], key)
        learns = row["loop"] in TRAINED or row["loop"] in libraries
        assert -600 < row["test ELBO"] < 0 if learns else math.isnan(row["test ELBO"]), row["loop"]
    by_name = {row["loop"]: row for row in found}
    assert list(by_name[bench_training.OURS]["to fit"]) == [1, 1]
    assert by_name[bench_training.FLOOR]["share of floor"] == 1
    printed = capsys.readouterr().out
    assert "256 synthetic images of MNIST's shape" in printed and "2 blocks" in printed
    assert all(f"not installed: {name}" in printed for name in missing)
    assert len(bench_training.aims(found)) == 6 + len(libraries)

    record = from_json("speed", path.read_text(encoding="utf8"))
    seconds = record.table("CPU seconds")
    assert list(seconds) == list(by_name) and all(len(values) == 2 for values in seconds.values())
    again = bench_training.summary(record.runs, record.settings["samples"], record.settings["products"])
    assert [row["images/s"] for row in again] == pytest.approx([row["images/s"] for row in found], rel=1e-3)


def test_the_ratios_are_those_of_runs_in_one_block():
    """Twice as slow in every block is a ratio of 2, though the second block is ten times slower throughout."""
    runs = [
        {"variant": name, "seed": block, "results": {"seconds": s * slow, "CPU seconds": s * slow}}
        for name, s in ((bench_training.OURS, 2.0), (bench_training.FLOOR, 1.0), ("other", 4.0))
        for block, slow in enumerate((1.0, 10.0, 3.0))
    ]
    ours, _, other = bench_training.summary(runs, samples=100, products=2e9)
    assert list(other["to fit"]) == list(other["CPU to fit"]) == [2, 2]
    assert ours["share of floor"] == 0.5 and other["share of floor"] == 0.25
    assert ours["seconds"][0] == 4 and ours["images/s"] == 25 and ours["GFLOP/s"] == 0.5


def test_every_loop_trains_the_same_model():
    """From one start, one epoch of each loop lowers the loss by about as much."""
    train, test, _ = loops.load_images(1280)
    start = loops.test_elbo(loops.new_vae(), test)
    compared = {name: bench_training.LOOPS[name] for name in TRAINED} | peers.installed()[0]
    elbo = {name: loops.test_elbo(loop(train, 1), test) for name, loop in compared.items()}
    assert all(value > start + 50 for value in elbo.values()), elbo
    assert max(elbo.values()) - min(elbo.values()) < 15, elbo


def test_the_plain_loss_is_the_loss_of_the_package():
    vae, x = loops.new_vae(), torch.bernoulli(torch.full((4, 784), 0.2))
    torch.manual_seed(1)
    plain = loops.plain_loss(vae, x)
    torch.manual_seed(1)
    torch.testing.assert_close(plain, vae.loss(x)["loss"].mean())


def test_the_products_of_a_step_are_those_that_pytorch_counts():
    from torch.utils.flop_counter import FlopCounterMode

    x, vae = torch.zeros(loops.BATCH, loops.X_DIM), loops.new_vae()
    with FlopCounterMode(display=False) as counter:
        loops.package_loss(vae, x).backward()
    assert loops.flops(x, 1) == counter.get_total_flops()
    with FlopCounterMode(display=False) as counter:
        loops.run_matrix_products(x, 1)
    assert loops.flops(x, 1) == counter.get_total_flops()


def test_the_operations_of_a_step_are_counted():
    """At least the matrix products, and not the one-time work: it does not grow with the number of images."""
    assert 11 < loops.operations_per_step() < 200


def test_peers_that_are_missing_are_named(monkeypatch):
    monkeypatch.setattr(peers, "find_spec", lambda name: None)
    assert peers.installed() == ({}, ["pythae", "lightning"])


def test_growth_takes_one_quantity_at_a_time_from_its_usual_value():
    found = bench_growth.points()
    for axis, values in bench_growth.AXES.items():
        named = {name: point for name, point in found.items() if point["axis"] == axis}
        assert [point[axis] for point in named.values()] == list(values)
        others = {
            key for key in bench_growth.FIXED if key not in (axis, "images" if axis == "samples" else axis)
        }
        assert all(point[key] == bench_growth.FIXED[key] for point in named.values() for key in others)


def test_a_point_measures_time_and_memory():
    point = bench_growth.points(scale=0.01)["images 12800"]
    found = bench_growth.measure_apart(point, threads=1)
    assert set(found) == {"seconds", "CPU seconds", "megabytes"}
    assert 0 < found["CPU seconds"] and 0 <= found["megabytes"] < 1000


def test_the_growth_is_recorded(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(bench_growth, "AXES", {"images": (64,), "samples": (2,)})
    monkeypatch.setattr(bench_growth, "measure_apart", bench_growth.measure_point)  # no process of its own
    path = tmp_path / "growth.json"
    bench_growth.main(["--repeats", "2", "--record", str(path)])
    record = from_json("growth", path.read_text(encoding="utf8"))
    assert {name: len(values) for name, values in record.table("megabytes").items()} == {
        "images 64": 2,
        "samples 2": 2,
    }
    assert len(capsys.readouterr().out.strip().splitlines()) == 3


# The recorded runs that the package ships.


def test_the_recorded_comparison_is_of_the_rows_there_are():
    record = recorded("speed")
    libraries = [f"{name}'s trainer" for name in ("pythae", "lightning")]
    assert list(record.variants) == [*bench_training.LOOPS, *libraries]
    rows = bench_training.summary(record.runs, record.settings["samples"], record.settings["products"])
    assert len({run["seed"] for run in record.runs}) >= 5 and len(bench_training.aims(rows)) == 8
    elbo = [row["test ELBO"] for row in rows if not math.isnan(row["test ELBO"])]
    assert max(elbo) - min(elbo) < 3  # equal epochs: a faster loop did not learn less


def test_the_recorded_growth_is_linear_where_it_should_be_and_flat_in_memory():
    record = recorded("growth")
    points = bench_growth.points(full=True)
    assert record.variants == points
    seconds, megabytes = record.table("CPU seconds"), record.table("megabytes")
    for axis, low, high in (("images", 0.8, 1.2), ("samples", 0.7, 1.2)):
        values = bench_growth.AXES[axis]
        first, last = (seconds[f"{axis} {value}"].min() for value in (values[-3], values[-1]))
        assert low < math.log(last / first) / math.log(values[-1] / values[-3]) < high, axis
    assert megabytes["5,000 samples of 10,000 images"].max() < 1000
    assert megabytes["images 51200"].max() < 2 * megabytes["images 1600"].max()  # beyond the data themselves
