"""What the training loop costs, beside a bare loop, a DataLoader loop, two libraries and the matrix products alone.

    python -m tests.benchmarks.bench_training [--images 12800] [--blocks 9] [--epochs 1] [--threads 1]
                                              [--device cpu] [--record FILE]

The rows are interleaved: one block runs each of them once, and a ratio compares two runs of one block, so that a
slow moment of the machine hits both. Of seconds and of ratios the 25th percentile over blocks is shown, in
brackets the 75th. On a busy machine the CPU seconds of one thread tell more than the clock; those of the processes
that a DataLoader starts are counted. A row trains for the same epochs from the same start as all others, and its
test ELBO says whether it learned as much. The libraries are extras (tests/benchmarks/extras.txt); MNIST is used
where VAE_NOTES_DATA has it.
"""

import argparse
import math
import os
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tests.benchmarks import loops, peers
from tests.benchmarks.records import write_record

OURS, BARE, FLOOR, PEAK = "vae_notes.training.fit", "bare loop, same model", "matrix products alone", "peak"
BFLOAT16, DATALOADER = "fit, bfloat16", "DataLoader, image by image"
WORKERS = "DataLoader, two workers"
LOOPS = {
    OURS: loops.run_fit,
    BARE: loops.run_bare,
    "bare loop, loss in plain PyTorch": loops.run_bare_plain,
    BFLOAT16: loops.run_fit_bfloat16,
    DATALOADER: loops.run_dataloader,
    WORKERS: loops.run_dataloader_with_workers,
    FLOOR: loops.run_matrix_products,
    "empty operations alone": loops.run_launches,
    PEAK: loops.run_large_product,
}
ON_A_GPU = {"bare loop as a CUDA graph": loops.run_cuda_graph}


# --- Measuring ----------------------------------------------------------------------------------------


def cpu_seconds() -> float:
    """Of this process and of those that it has started and seen end."""
    times = os.times()
    return time.process_time() + times.children_user + times.children_system  # times.user counts whole ticks


def measure(rows: dict, train: Tensor, test: Tensor, blocks: int, epochs: int, device: str = "cpu") -> list:
    """Every loop once in every block: one dict a run, with seconds, CPU seconds and the test ELBO."""
    names, runs = list(rows), []
    for block in range(-1, blocks):  # block -1 warms up and is not counted
        for name in names[block % len(names) :] + names[: block % len(names)]:  # no fixed place in a block
            wall, used = time.perf_counter(), cpu_seconds()
            vae = rows[name](train, epochs, device)
            _wait_for(device)
            wall, used = time.perf_counter() - wall, cpu_seconds() - used
            results = {"seconds": wall, "CPU seconds": used}
            if vae is not None:
                results["test ELBO"] = loops.test_elbo(vae, test)
            if block >= 0:
                runs.append({"variant": name, "seed": block, "seconds": round(wall, 3), "results": results})
    return sorted(runs, key=lambda run: (names.index(run["variant"]), run["seed"]))


def _wait_for(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def summary(runs: list[dict], samples: int, products: float) -> list[dict]:
    """A row for each loop: low percentiles of seconds, ratios pair by pair to our loop, the share of the floor.

    ``samples`` is how many images a run saw, ``products`` how many floating-point operations that takes.
    """
    names = list(dict.fromkeys(run["variant"] for run in runs))
    table = {
        (name, key): np.array([run["results"].get(key, math.nan) for run in runs if run["variant"] == name])
        for name in names
        for key in ("seconds", "CPU seconds", "test ELBO")
    }
    rows = []
    for name in names:
        seconds, cpu = table[name, "seconds"], table[name, "CPU seconds"]
        rows.append(
            {
                "loop": name,
                "seconds": np.percentile(seconds, [25, 75]),
                "CPU seconds": np.percentile(cpu, 25),
                "images/s": samples / np.percentile(seconds, 25),
                "to fit": np.percentile(seconds / table[OURS, "seconds"], [25, 75]),
                "CPU to fit": np.percentile(cpu / table[OURS, "CPU seconds"], [25, 75]),
                "share of floor": np.median(table[FLOOR, "CPU seconds"] / cpu),
                "GFLOP/s": products / np.percentile(seconds, 25) / 1e9,
                "test ELBO": table[name, "test ELBO"].mean(),
            }
        )
    return rows


# --- Telling ------------------------------------------------------------------------------------------


def table(rows: list[dict]) -> str:
    head = f"{'loop':34}{'seconds':>16}{'CPU s':>8}{'images/s':>10}{'time to fit':>15}{'CPU to fit':>15}"
    lines = [head + f"{'of floor':>10}{'GFLOP/s':>9}{'test ELBO':>11}"]
    for row in rows:
        seconds, ratio, cpu_ratio = (
            "{:.2f} ({:.2f})".format(*row[key]) for key in ("seconds", "to fit", "CPU to fit")
        )
        elbo = "-" if math.isnan(row["test ELBO"]) else f"{row['test ELBO']:.2f}"
        gflops = "-" if row["loop"] == "empty operations alone" else f"{row['GFLOP/s']:.0f}"
        lines.append(
            f"{row['loop']:34}{seconds:>16}{row['CPU seconds']:>8.2f}{row['images/s']:>10.0f}{ratio:>15}"
            f"{cpu_ratio:>15}{row['share of floor']:>10.0%}{gflops:>9}{elbo:>11}"
        )
    return "\n".join(lines)


def aims(rows: list[dict]) -> list[tuple[str, float, bool]]:
    """What the loop should reach on a CPU: what it is, what was measured, and whether that is enough."""
    row = {one["loop"]: one for one in rows}
    low = {name: one["CPU to fit"][0] for name, one in row.items()}
    found = [(f"{name}: CPU time of fit, at least 1.2", low[name], 1.2) for name in low if "trainer" in name]
    found += [(f"{name}: CPU time of fit, at least 2.5", low[name], 2.5) for name in (DATALOADER, WORKERS)]
    found.append(("share of the floor, at least 0.60", row[OURS]["share of floor"], 0.6))
    found.append(("fit: CPU time of bfloat16, at least 1.25", 1 / row[BFLOAT16]["CPU to fit"][1], 1.25))
    checked = [(what, value, value >= aim) for what, value, aim in found]
    bare = 1 / row[BARE]["CPU to fit"][1]  # the 25th percentile of fit's time over the bare loop's
    worse = row[OURS]["test ELBO"] - row[BFLOAT16]["test ELBO"]
    checked.append(("fit: CPU time of the bare loop, at most 1.10", bare, bare <= 1.10))
    checked.append(("ELBO lost by bfloat16 in nats, at most 0.5", worse, worse <= 0.5))
    return checked


def load_average() -> float:
    """How many processes wanted a core in the last minute; NaN where the system does not say."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else math.nan


def main(arguments: list[str] | None = None) -> list[dict]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=12_800, help="training images per epoch")
    parser.add_argument("--blocks", type=int, default=9, help="how often every loop is run")
    parser.add_argument("--epochs", type=int, default=1, help="epochs per run")
    parser.add_argument("--threads", type=int, default=1, help="threads of PyTorch")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--record", type=Path, help="write all runs into this JSON file")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    libraries, missing = peers.installed()
    rows = LOOPS | libraries | (ON_A_GPU if options.device.startswith("cuda") else {})
    train, test, source = loops.load_images(options.images)
    load = load_average()
    runs = measure(rows, train, test, options.blocks, options.epochs, options.device)
    settings = {
        "title": "one training by several loops",
        "command": f"python -m tests.benchmarks.bench_training --images {options.images} --blocks "
        f"{options.blocks} --epochs {options.epochs} --threads {options.threads} --device {options.device}",
        "data": f"{len(train)} {source}",
        "samples": len(train) * options.epochs,
        "products": loops.flops(train, options.epochs),
        "load average": [round(load, 1), round(load_average(), 1)],
        "libraries": {name.split("'")[0]: version(name.split("'")[0]) for name in libraries},
    }
    found = summary(runs, settings["samples"], settings["products"])
    print(
        f"{len(train)} {source}; {options.epochs} epoch(s), {options.blocks} blocks, "
        f"{options.threads} thread(s), {options.device}, PyTorch {torch.__version__}, "
        f"load average {load:.1f} to {load_average():.1f}"
    )
    print(table(found))
    for name in missing:
        print(f"left out, because not installed: {name} (pip install -r tests/benchmarks/extras.txt)")
    if options.device == "cpu":
        for what, value, met in aims(found):
            print(f"{'met   ' if met else 'MISSED'} {value:6.2f}  {what}")
    if options.record is not None:
        write_record(options.record, settings, {name: {} for name in rows}, runs)
    return found


if __name__ == "__main__":
    main()
