"""Print the exact lock of this environment, for requirements.txt.

Every installed distribution that follows from book/tools/requirements.in is printed with its version.
Left out: pip, this package, what only one kind of machine has (torch's CUDA libraries follow from torch's
own exact pins), and local version labels such as ``+cpu``. Direct requirements that another platform needs
are printed as they stand, with their marker.
"""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

DIRECT = Path(__file__).with_name("requirements.in")
ONE_PLATFORM = ("nvidia-", "cuda-", "triton")


def direct_requirements():
    lines = (line.split("#")[0].strip() for line in DIRECT.read_text(encoding="utf8").splitlines())
    return [Requirement(line) for line in lines if line]


def closure(requirements):
    """Name -> version of everything installed that the requirements lead to."""
    found, queue = {}, [(r.name, r.extras) for r in requirements if r.marker is None or r.marker.evaluate()]
    seen = set()
    while queue:
        name, extras = queue.pop()
        for extra in ["", *extras]:
            if (canonicalize_name(name), extra) in seen:
                continue
            seen.add((canonicalize_name(name), extra))
            dist = distribution(name)
            found[canonicalize_name(name)] = Version(dist.version).public
            for line in dist.requires or []:
                need = Requirement(line)
                if need.marker is None or need.marker.evaluate({"extra": extra}):
                    queue.append((need.name, need.extras))
    return found


def main():
    direct = direct_requirements()
    try:
        locked = closure(direct)
    except PackageNotFoundError as missing:
        raise SystemExit(f"{missing}: install {DIRECT} into this environment first") from None
    lines = [f"{n}=={v}" for n, v in locked.items() if not n.startswith(ONE_PLATFORM)]
    lines += [str(r) for r in direct if r.marker is not None and not r.marker.evaluate()]
    print("# The exact lock of the book and its tests, written by book/tools/lock.py; see requirements.in there.")
    print("\n".join(sorted(lines)))


if __name__ == "__main__":
    main()
