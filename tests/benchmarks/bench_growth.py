"""How time and memory grow with the data, the latent, the importance samples and the batch.

    python -m tests.benchmarks.bench_growth [--scale 1.0] [--repeats 3] [--threads 1] [--record FILE] [--full]

Each point is measured in a fresh process, with the model of `loops.py`: the seconds and CPU seconds of the work,
and by how much the process's largest memory rose above what it was when model and data were there. One quantity
grows at a time. ``--scale`` shrinks the work for a quick look; ``--full`` adds the importance-weighted bound with
5,000 samples of 10,000 images, which takes a quarter of an hour or more.
"""

import argparse
import multiprocessing
import resource
import sys
import time
from pathlib import Path

import torch

from tests.benchmarks import loops
from tests.benchmarks.bench_training import load_average
from tests.benchmarks.records import write_record
from vae_notes import likelihoods, models, training
from vae_notes.bounds import importance_weighted_bound_in_chunks

FIXED = {"images": 6_400, "latent": loops.Z_DIM, "samples": 0, "batch": loops.BATCH}
AXES = {
    "images": (1_600, 3_200, 6_400, 12_800, 25_600, 51_200),
    "latent": (2, 8, 32, 128, 512),
    "samples": (1, 10, 100, 1_000, 5_000),
    "batch": (16, 32, 64, 128, 256, 512, 1_024, 2_048),
}
IMAGES_FOR_SAMPLES = 100  # the samples grow, with the bound of this many images
FULL = {"images": 10_000, "latent": loops.Z_DIM, "samples": 5_000, "batch": loops.BATCH}


def points(scale: float = 1.0, full: bool = False) -> dict[str, dict]:
    """Every point by its name: one quantity off its usual value. ``samples`` 0 means an epoch of training."""
    found = {}
    for axis, values in AXES.items():
        for value in values:
            point = FIXED | {axis: value}
            if axis == "samples":
                point["images"] = IMAGES_FOR_SAMPLES
            point["images"] = max(1, round(point["images"] * scale))
            found[f"{axis} {value}"] = {"axis": axis, **point}
    if full:
        found["5,000 samples of 10,000 images"] = {"axis": "full", **FULL}
    return found


def megabytes_so_far() -> float:
    """The largest memory this process has had: ru_maxrss counts kilobytes, on macOS bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def _warm_up() -> None:
    """A tiny training and a tiny bound: the first of each loads libraries, which is no cost of the work."""
    encoder, decoder = models.Encoder(4, 3, 2), models.Decoder(2, 3, 4)
    vae, x = models.VAE(encoder, decoder, likelihoods.BernoulliLikelihood()), torch.ones(2, 4)
    training.fit(vae, x, epochs=1, progress=False)
    importance_weighted_bound_in_chunks(vae.log_weights, x, 2, progress=False)


def measure_point(point: dict, threads: int = 1) -> dict[str, float]:
    """Seconds, CPU seconds and megabytes of one point, in this process."""
    torch.set_num_threads(threads)
    _warm_up()
    vae = loops.new_vae(point["latent"])
    x = torch.empty(point["images"], loops.X_DIM).bernoulli_(0.13)  # in place: a copy would raise the peak
    before, wall, used = megabytes_so_far(), time.perf_counter(), time.process_time()
    if point["samples"]:
        generator = torch.Generator().manual_seed(0)
        settings = {"generator": generator, "progress": False}
        importance_weighted_bound_in_chunks(vae.log_weights, x, point["samples"], **settings)
    else:
        training.fit(vae, x, epochs=1, batch_size=point["batch"], learning_rate=1e-3, progress=False)
    return {
        "seconds": time.perf_counter() - wall,
        "CPU seconds": time.process_time() - used,
        "megabytes": megabytes_so_far() - before,
    }


def measure_apart(point: dict, threads: int) -> dict[str, float]:
    """`measure_point` in a fresh process, because the largest memory of a process never falls."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measure_point, (point, threads))


def measure(chosen: dict[str, dict], repeats: int, threads: int) -> list[dict]:
    """All points, interleaved: every repeat passes over all of them. The full run is made once."""
    runs = []
    for repeat in range(repeats):
        for name, point in chosen.items():
            if point["axis"] == "full" and repeat > 0:
                continue
            results = measure_apart(point, threads)
            seconds = round(results["seconds"], 3)
            runs.append({"variant": name, "seed": repeat, "seconds": seconds, "results": results})
    return runs


def table(runs: list[dict], chosen: dict[str, dict]) -> str:
    lines = [f"{'point':34}{'CPU seconds':>12}{'us of CPU each':>16}{'megabytes':>11}"]
    for name, point in chosen.items():
        found = [run["results"] for run in runs if run["variant"] == name]
        used = min(one["CPU seconds"] for one in found)
        each = used / (point["images"] * max(1, point["samples"])) * 1e6
        megabytes = max(one["megabytes"] for one in found)
        lines.append(f"{name:34}{used:>12.2f}{each:>16.1f}{megabytes:>11.0f}")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> list[dict]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0, help="of the numbers of images")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="threads of PyTorch")
    parser.add_argument("--full", action="store_true", help="5,000 samples of 10,000 images as well")
    parser.add_argument("--record", type=Path, help="write all runs into this JSON file")
    options = parser.parse_args(arguments)
    chosen, load = points(options.scale, options.full), load_average()
    runs = measure(chosen, options.repeats, options.threads)
    print(table(runs, chosen))
    if options.record is not None:
        settings = {
            "title": "how time and memory grow",
            "command": f"python -m tests.benchmarks.bench_growth --scale {options.scale} --repeats "
            f"{options.repeats} --threads {options.threads}" + (" --full" if options.full else ""),
            "load average": [round(load, 1), round(load_average(), 1)],
        }
        write_record(options.record, settings, chosen, runs)
    return runs


if __name__ == "__main__":
    main()
