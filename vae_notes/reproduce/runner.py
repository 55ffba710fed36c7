"""Run every variant of a recipe with every seed, over cores or a cluster, and lose nothing when stopped.

``OUTPUT.parts`` holds what is finished until all is; ``OUTPUT.checkpoints`` is for trainings that go on.
"""

import json
import math
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

import vae_notes
from vae_notes import data
from vae_notes.checkpoints import fingerprint, write_whole
from vae_notes.progress import progress_wanted, tqdm_class
from vae_notes.reproduce.recipe import Recipe
from vae_notes.reproduce.record import Recorded, from_json

__all__ = ["run_recipe", "something_to_resume"]


def run_recipe(
    name: str,
    recipe: Recipe,
    output: Path,
    *,
    epochs: int | None = None,
    seeds: int | None = None,
    device: str = "cpu",
    jobs: int = 1,
    cluster: str | None = None,
    progress: bool | None = None,
) -> Recorded:
    """Make a recorded run, and write its result as one JSON file.

    Each training writes its part into the folder ``OUTPUT.parts`` when it ends, so that a run that is stopped, or
    killed, goes on where it was: call it again. The folder is removed when the result is whole. A recipe that
    ``goes_on`` also keeps checkpoints in ``OUTPUT.checkpoints``, from which a killed training goes on, and a
    finished one with more epochs.

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
    cluster : str, optional
        The address of a Dask scheduler, whose workers then do the trainings in place of ``jobs``. The folder of
        the output must be one that all of them see, and each worker must have one thread.
    progress : bool, optional
        Show a progress bar; as for `training.fit`. One training at a time also shows its own.

    Raises
    ------
    ValueError
        If the folder of parts or of checkpoints is of a run with other settings, if a training returns a number
        that is not finite, or if a worker of the cluster has more than one thread.

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
    output = output.resolve()  # workers may have another current folder
    parts = _parts(output)
    _open(parts, {"name": name, "epochs": epochs, "device": device, "variants": dict(recipe.variants)})
    wanted = [
        (place, variant, seed) for place, variant in enumerate(recipe.variants) for seed in range(seeds)
    ]
    missing = [one for one in wanted if not _part(parts, one[0], one[2]).exists()]
    hidden = not progress_wanted(progress)
    here = cluster is None and min(jobs, len(missing)) <= 1  # in this process, one after the other
    calls = []
    for place, variant, seed in missing:
        folder = _checkpoints(output) / f"{place}.{seed}"
        if recipe.goes_on:
            _open(folder, {"name": name, "variant": recipe.variants[variant], "seed": seed, "device": device})
        arguments = variant, seed, epochs, device, folder, here and not hidden
        calls.append(delayed(_run_one)(recipe, _part(parts, place, seed), *arguments))
    with _backend(cluster):
        done = Parallel(
            n_jobs=1 if here else jobs if cluster is None else -1, return_as="generator_unordered"
        )(calls)
        known = len(wanted) - len(missing)
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


def something_to_resume(output: Path) -> bool:
    """Whether an earlier go left anything for this output: finished trainings, or checkpoints.

    Examples
    --------
    >>> something_to_resume(Path("no-such-folder/toy.json"))
    False
    """
    return any(path.is_dir() for path in (_parts(output), _checkpoints(output)))


@contextmanager
def _backend(cluster: str | None) -> Iterator[None]:
    """Let joblib hand the trainings to the workers of a cluster, if one is named."""
    if cluster is None:
        yield
        return
    from distributed import Client
    from joblib import parallel_config

    with Client(cluster) as client:
        threads = {one["nthreads"] for one in client.scheduler_info(n_workers=-1)["workers"].values()}
        if threads - {1}:  # a training seeds the random state of its whole process
            raise ValueError(
                f"each worker of the cluster must have one thread, got workers with {max(threads)}: "
                "start them by `dask worker ADDRESS --nthreads 1`"
            )
        with parallel_config(backend="dask"):
            yield


def _run_one(
    recipe: Recipe, path: Path, variant: str, seed: int, epochs: int, device: str, folder: Path, shown: bool
) -> None:
    """One training, on one thread, so that its numbers do not depend on how many run side by side."""
    if path.exists():  # a cluster may ask for it again after it lost a worker
        return
    begin = time.perf_counter()
    with _one_thread(), _progress(shown):
        extra = (folder,) if recipe.goes_on else ()
        results = dict(recipe.run(dict(recipe.variants[variant]), seed, epochs, device, *extra))
    seconds = round(results.pop("seconds", time.perf_counter() - begin), 2)
    for key, value in results.items():
        if not all(math.isfinite(number) for number in _numbers(value)):
            raise ValueError(
                f"the result {key!r} of variant {variant!r}, seed {seed}, is not finite: {value}"
            )
    part = {"variant": variant, "seed": seed, "seconds": seconds, "results": results}
    write_whole(path, json.dumps(part).encode())


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _progress(shown: bool) -> Iterator[None]:
    """Say to the training whether its own bar is wanted; bars of several processes would overwrite each other."""
    before = os.environ.get("VAE_NOTES_PROGRESS")
    os.environ["VAE_NOTES_PROGRESS"] = "1" if shown else "0"
    try:
        yield
    finally:
        if before is None:
            del os.environ["VAE_NOTES_PROGRESS"]
        else:
            os.environ["VAE_NOTES_PROGRESS"] = before


def _numbers(value) -> list[float]:
    """All numbers in a number or in lists of lists of them."""
    return [number for item in value for number in _numbers(item)] if isinstance(value, list) else [value]


def _open(folder: Path, started: dict) -> None:
    """Make a folder of parts or checkpoints, or see that it is of a run with the same settings."""
    settings = folder / "settings.json"
    if settings.exists():
        before = json.loads(settings.read_text(encoding="utf8"))
        differ = [key for key, value in json.loads(json.dumps(started)).items() if before.get(key) != value]
        if differ:
            raise ValueError(
                f"{folder} is of a run with other {', '.join(differ)}: delete the folder to start afresh"
            )
        return
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(settings, json.dumps(started).encode())


def _parts(output: Path) -> Path:
    return output.with_name(output.name + ".parts")


def _checkpoints(output: Path) -> Path:
    return output.with_name(output.name + ".checkpoints")


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
