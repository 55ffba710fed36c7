"""One form for what a benchmark leaves: the form of recorded runs, so that `vae_notes.reproduce.recorded` reads it."""

import json
import os
import platform
from pathlib import Path

import torch

import vae_notes


def write_record(path: Path, settings: dict, variants: dict, runs: list[dict]) -> None:
    """Write settings, variants and runs, a run a line; versions and hardware are added."""
    settings = settings | {
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "vae_notes": vae_notes.__version__,
        },
        "hardware": {"machine": platform.machine(), "cores": os.cpu_count()},
    }
    head = json.dumps({"settings": settings, "variants": variants}, indent=1)
    lines = ",\n  ".join(json.dumps(_rounded(run)) for run in runs)
    path.write_text(f'{head[:-2]},\n "runs": [\n  {lines}\n ]\n}}\n', encoding="utf8")


def _rounded(value):
    """Five digits: more would only make the file longer."""
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return float(f"{value:.5g}") if isinstance(value, float) else value
