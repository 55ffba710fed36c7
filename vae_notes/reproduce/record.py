"""Results of recorded runs, as the package ships them."""

import json
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

__all__ = ["Recorded", "recorded"]


@dataclass(frozen=True, eq=False)
class Recorded:
    """What a run of a recipe left.

    ``settings`` holds command, epochs, seeds, device, versions, hardware, hashes of the data and the seconds
    that all trainings took together; ``variants`` the rows of the table; ``runs`` one dict per training
    with its ``variant``, ``seed``, ``seconds`` and ``results``.

    Examples
    --------
    >>> runs = [{"variant": "vae", "seed": s, "seconds": 1.0, "results": {"elbo": -20.0 - s}} for s in (0, 1)]
    >>> result = Recorded("toy", {"epochs": 3}, {"vae": {}}, runs)
    >>> result.table("elbo")
    {'vae': array([-20., -21.])}
    """

    name: str
    settings: dict
    variants: dict[str, dict]
    runs: list[dict]

    def table(self, key: str) -> dict[str, np.ndarray]:
        """One result of every training: for each variant an array with the seeds as its first axis.

        Raises
        ------
        KeyError
            If no training has a result of this name.
        """
        names = sorted({name for run in self.runs for name in run["results"]})
        if key not in names:
            raise KeyError(f"no result {key!r} in the run {self.name!r}; there are: {', '.join(names)}")
        rows = {
            variant: [
                run["results"][key]
                for run in self.runs
                if run["variant"] == variant and key in run["results"]
            ]
            for variant in self.variants
        }
        return {variant: np.array(values) for variant, values in rows.items() if values}


def recorded(name: str) -> Recorded:
    """Read the recorded run that ships with the package.

    Parameters
    ----------
    name : str
        One of ``recipe_names()``.

    Raises
    ------
    ValueError
        If the package brings no result of this name.

    Examples
    --------
    >>> try:
    ...     recorded("no-such-run")
    ... except ValueError as error:
    ...     print(error)
    no recorded result 'no-such-run': make it by `python -m vae_notes.reproduce no-such-run`
    """
    path = files("vae_notes.reproduce") / "results" / f"{name}.json"
    if not path.is_file():
        raise ValueError(f"no recorded result {name!r}: make it by `python -m vae_notes.reproduce {name}`")
    return from_json(name, path.read_text(encoding="utf8"))


def from_json(name: str, text: str) -> Recorded:
    """The content of a result file.

    Examples
    --------
    >>> from_json("toy", '{"settings": {"epochs": 3}, "variants": {"vae": {}}, "runs": []}').settings
    {'epochs': 3}
    """
    content = json.loads(text)
    return Recorded(name, content["settings"], content["variants"], content["runs"])
