"""Run every variant of a recipe with every seed, over the cores of the machine, and lose nothing when stopped."""

import json
import math
import os
import platform
import time
from pathlib import Path

import torch

import vae_notes
from vae_notes import data
from vae_notes.checkpoints import fingerprint, write_whole
from vae_notes.progress import progress_wanted, tqdm_class
from vae_notes.reproduce.recipe import Recipe
from vae_notes.reproduce.record import Recorded, from_json

__all__ = ["run_recipe"]


def run_recipe(
    name: str,
    recipe: Recipe,
    output: Path,
    *,
    epochs: int | None = None,
    seeds: int | None = None,
    device: str = "cpu",
    jobs: int = 1,
    progress: bool | None = None,
) -> Recorded:
    """Make a recorded run, and write its result as one JSON file.

    Each training writes its part into the folder ``OUTPUT.parts`` when it ends, so that a run that is stopped, or
    killed, goes on where it was: call it again. The folder is removed when the result is whole.

    Parameters
    ----------
    name : str
        What the run is called.
    recipe : Recipe
        What to run.
    output : Path
        The JSON file, replaced as a whole at the end.
    epochs, seeds : int, optional
        Instead of the recipe's own.
    device : str
        Where to train.
    jobs : int
        How many trainings run side by side, each on one thread.
    progress : bool, optional
        Show a progress bar; as for `training.fit`.

    Raises
    ------
    ValueError
        If the folder of parts is of a run with other settings, or if a training returns a number that is not finite.

    Examples
    --------
    >>> import tempfile
    >>> recipe = Recipe("a toy", lambda variant, seed, epochs, device: {"elbo": -epochs - seed}, {"vae": {}}, 5, 2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     result = run_recipe("toy", recipe, Path(folder) / "toy.json", progress=False)
    >>> result.table("elbo"), result.settings["command"]
    ({'vae': array([-5, -6])}, 'python -m vae_notes.reproduce toy --epochs 5 --seeds 2 --device cpu')
    """
    from joblib import Parallel, delayed

    epochs = recipe.epochs if epochs is None else epochs
    seeds = recipe.seeds if seeds is None else seeds
    started = {"name": name, "epochs": epochs, "device": device, "variants": dict(recipe.variants)}
    parts = output.with_name(output.name + ".parts")
    _open_parts(parts, started)
    wanted = [
        (place, variant, seed) for place, variant in enumerate(recipe.variants) for seed in range(seeds)
    ]
    missing = [one for one in wanted if not _part(parts, one[0], one[2]).exists()]
    calls = (
        delayed(_run_one)(recipe, _part(parts, place, seed), variant, seed, epochs, device)
        for place, variant, seed in missing
    )
    done = Parallel(n_jobs=jobs, return_as="generator_unordered")(calls)
    known = len(wanted) - len(missing)
    hidden = not progress_wanted(progress)
    for _ in tqdm_class()(done, total=len(wanted), initial=known, unit="training", disable=hidden):
        pass
    runs = [json.loads(_part(parts, place, seed).read_text(encoding="utf8")) for place, _, seed in wanted]
    command = f"python -m vae_notes.reproduce {name} --epochs {epochs} --seeds {seeds} --device {device}"
    content = {
        "settings": {
            "title": recipe.title,
            "command": command,
            "epochs": epochs,
            "seeds": seeds,
            "device": device,
            "versions": _versions(),
            "hardware": _hardware(device),
            "data": {one: _data_hashes(one) for one in recipe.datasets},
            "seconds": round(sum(run["seconds"] for run in runs), 1),
        },
        "variants": dict(recipe.variants),
        "runs": runs,
    }
    text = _as_text(content)
    write_whole(output, text.encode())
    for path in parts.iterdir():
        path.unlink()
    parts.rmdir()
    return from_json(name, text)


def _run_one(recipe: Recipe, path: Path, variant: str, seed: int, epochs: int, device: str) -> None:
    """One training, on one thread, so that its numbers do not depend on how many run side by side."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    begin = time.perf_counter()
    try:
        results = recipe.run(dict(recipe.variants[variant]), seed, epochs, device)
    finally:
        torch.set_num_threads(threads)
    seconds = round(time.perf_counter() - begin, 2)
    for key, value in results.items():
        if not all(math.isfinite(number) for number in _numbers(value)):
            raise ValueError(
                f"the result {key!r} of variant {variant!r}, seed {seed}, is not finite: {value}"
            )
    part = {"variant": variant, "seed": seed, "seconds": seconds, "results": results}
    write_whole(path, json.dumps(part).encode())


def _numbers(value) -> list[float]:
    """All numbers in a number or in lists of lists of them."""
    return [number for item in value for number in _numbers(item)] if isinstance(value, list) else [value]


def _open_parts(parts: Path, started: dict) -> None:
    """Make the folder of parts, or see that it is of a run with the same settings."""
    settings = parts / "settings.json"
    if settings.exists():
        before = json.loads(settings.read_text(encoding="utf8"))
        differ = [key for key, value in json.loads(json.dumps(started)).items() if before.get(key) != value]
        if differ:
            raise ValueError(
                f"{parts} is of a run with other {', '.join(differ)}: delete the folder to start afresh"
            )
        return
    parts.mkdir(parents=True, exist_ok=True)
    write_whole(settings, json.dumps(started).encode())


def _part(parts: Path, place: int, seed: int) -> Path:
    """The file of one training; variants are counted, because their names may hold any character."""
    return parts / f"{place}.{seed}.json"


def _as_text(content: dict) -> str:
    """JSON with one training a line, so that a change can be read in a diff."""
    runs = ",\n  ".join(json.dumps(run) for run in content["runs"])
    head = json.dumps({key: value for key, value in content.items() if key != "runs"}, indent=1)
    return f'{head[:-2]},\n "runs": [\n  {runs}\n ]\n}}\n'


def _versions() -> dict:
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "vae_notes": vae_notes.__version__,
    }


def _hardware(device: str) -> dict:
    accelerator = torch.cuda.get_device_name(device) if device.startswith("cuda") else None
    return {"machine": platform.machine(), "cores": os.cpu_count(), "accelerator": accelerator}


def _data_hashes(name: str) -> dict:
    loaded = data.load(name)
    return {"train": fingerprint(loaded.train), "test": fingerprint(loaded.test)}
