"""The command line of recorded runs: ``python -m vae_notes.reproduce NAME``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from vae_notes.reproduce.recipe import find_recipe, recipe_names
from vae_notes.reproduce.runner import run_recipe, something_to_resume


def main(arguments: Sequence[str] | None = None) -> int:
    """List the recorded runs, or make one."""
    parser = argparse.ArgumentParser(
        prog="python -m vae_notes.reproduce",
        description="Make a recorded run of the book again. Without a name: list them. Stopped? Call it again, it goes on.",
    )  # fmt: skip
    parser.add_argument("name", nargs="?", help="the run")
    parser.add_argument(
        "--epochs", type=_count, help="passes over the data (default: those of the recorded run)"
    )
    parser.add_argument(
        "--seeds", type=_count, help="use the seeds 0 ... SEEDS - 1 (default: those of the recorded run)"
    )
    parser.add_argument("--device", default="cpu", help="where to train (default: cpu)")
    parser.add_argument(
        "--jobs", type=_count, help="trainings side by side, one thread each (default: one per core)"
    )
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="spread the trainings over the workers of this Dask scheduler instead",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="stop if there is nothing to go on from (without it: go on if there is, else start)",
    )
    parser.add_argument(
        "--output", type=Path, help="the JSON file to write (default: NAME.json in this folder)"
    )
    options = parser.parse_args(arguments)
    if options.name is None:
        for name in recipe_names():
            recipe = find_recipe(name)
            print(f"{name:24s} {recipe.title} ({len(recipe.variants)} variants, {recipe.seeds} seeds)")
        return 0
    try:
        recipe = find_recipe(options.name)
    except ValueError as error:
        parser.error(str(error))
    output = options.output or Path(f"{options.name}.json")
    if options.resume and not something_to_resume(output):
        parser.error(f"--resume: an earlier go would have left {output}.parts or {output}.checkpoints")
    from joblib import cpu_count

    result = run_recipe(
        options.name, recipe, output,
        epochs=options.epochs, seeds=options.seeds, device=options.device,
        jobs=options.jobs or cpu_count(), cluster=options.cluster,
    )  # fmt: skip
    print(f"{output}: {len(result.runs)} trainings, {result.settings['seconds']:.0f} s")
    return 0


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {value}")
    return value


if __name__ == "__main__":
    sys.exit(main())
