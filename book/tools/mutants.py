"""Break every displayed formula in many small ways and report which mistakes the checks notice: `make mutants`.

    python book/tools/mutants.py                       all chapters
    python book/tools/mutants.py 05 eq-kl-1d           a chapter, an equation

Printed are those that nobody notices, those that only a copy of the text notices (a check that reads the formula
would be stronger), and a table. Mutants that say the same in other words stand in tests/equations/equivalent.yml with
the reason; one that stands there and is noticed, or does not exist, is an error. The exit status is 1 if a mutant of
an equation that is read as a whole goes unnoticed.
"""

import argparse
import importlib
import json
import sys
from collections import Counter

import joblib
import yaml
from project import BUILD, ROOT
from tqdm import tqdm

sys.path[:0] = [str(ROOT / "book"), str(ROOT)]  # first: other packages bring modules called "tests"

from equations.checking import REGISTRY
from equations.mutants import mutants, noticed
from equations.sources import sources

EQUIVALENT = ROOT / "tests/equations/equivalent.yml"
COLUMNS = ("value", "unreadable", "copy", "equivalent", "missed")


def load_checks():
    """Import the tests of all chapters, which register themselves."""
    for path in sorted((ROOT / "tests/equations").glob("test_[0-9]*.py")):
        importlib.import_module(f"tests.equations.{path.stem}")


def equivalent():
    """label -> name of the mutant -> why it says the same."""
    return yaml.safe_load(EQUIVALENT.read_text(encoding="utf8")) or {}


def try_one(mutant):
    if not REGISTRY:
        load_checks()
    return noticed(mutant)


def verdict(mutant, seen, same):
    if mutant.name in same.get(mutant.label, {}):
        return "equivalent" if seen in (None, "copy") else "listed as equivalent, but noticed"
    return seen or "missed"


def fates(wanted, jobs):
    """Every mutant and what became of it."""
    found, same = list(mutants(*wanted)), equivalent()
    names = {label: {m.name for m in found if m.label == label} for label in {m.label for m in found}}
    for label, reasons in same.items():
        unknown = set(reasons) - names.get(label, set(reasons))
        if unknown or label not in sources():
            raise SystemExit(f"{EQUIVALENT.name}: {label} has no mutant {', '.join(sorted(unknown)) or 'at all'}")
    work = joblib.Parallel(n_jobs=jobs, return_as="generator")(joblib.delayed(try_one)(one) for one in found)
    seen = tqdm(work, total=len(found), unit="mutant", disable=None)
    return [(mutant, verdict(mutant, one, same)) for mutant, one in zip(found, seen, strict=True)]


def table(results, read):
    """Counts by how the equation is read and by what became of the mutants."""
    rows = {way: Counter() for way in ("whole", "part", "copy")}
    for mutant, fate in results:
        rows[read[mutant.label]][fate] += 1
    yield f"{'equation read':14}" + "".join(f"{name:>12}" for name in COLUMNS)
    for way, counts in rows.items():
        yield f"{way:14}" + "".join(f"{counts[name]:12}" for name in COLUMNS)


def ways(labels):
    """label -> how the best of its checks reads it."""
    best = {}
    for label in labels:
        tests = REGISTRY.get(label, [])
        found = {way_of(test, label) for test in tests}
        best[label] = next((way for way in ("whole", "part", "copy") if way in found), "copy")
    return best


def way_of(test, label):
    equation = test.run(label)
    return "whole" if equation.fully_read else ("part" if equation.read_sides else "copy")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wanted", nargs="*", help="chapters such as 05, or labels such as eq-kl-1d; all without any")
    parser.add_argument("--jobs", type=int, default=2, help="processes (2)")
    options = parser.parse_args()
    load_checks()
    results = fates(options.wanted, options.jobs)
    read = ways({mutant.label for mutant, _ in results})
    for mutant, fate in results:
        if fate not in ("value", "unreadable", "equivalent"):
            print(f"{fate:8} {mutant.label:32} {mutant.name:14} {mutant.latex}")
    print("\n".join(table(results, read)))
    report = [{"label": m.label, "mutant": m.name, "fate": fate, "read": read[m.label]} for m, fate in results]
    BUILD.mkdir(exist_ok=True)
    (BUILD / "mutants.json").write_text(json.dumps(report), encoding="utf8")
    bad = [m for m, fate in results if fate.startswith("listed") or (fate == "missed" and read[m.label] == "whole")]
    raise SystemExit(1 if bad else 0)


if __name__ == "__main__":
    main()
