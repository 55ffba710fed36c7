"""Make assignments from a key, and grade what students hand in.

    make homework KEY=...                     every assignment, into _build/homework
    make homework KEY=... ONLY=05             one of them
    make grade SUBMISSIONS=folder KEY=...     grade a folder of notebooks, into folder/grades

The key is the teacher's secret: whoever has it can make the solutions.
"""

import argparse
import multiprocessing
import sys
from pathlib import Path

from project import BUILD, ROOT

sys.path.insert(0, str(ROOT / "book"))

from homework.classroom import grade_folder
from homework.draw import check_key, edition
from homework.limits import Limits
from homework.making import make_assignment
from homework.master import master_path, masters

FOLDER = BUILD / "homework"


def make(key: str, only: str, folder: Path = FOLDER) -> list[Path]:
    """Make all assignments, or one."""
    wanted = [master_path(only)] if only else masters()
    return [make_assignment(master, key, folder) for master in wanted]


def grade(submissions: Path, key: str, options) -> None:
    """Grade a folder with the assignments of a key, which are made anew."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        raise ValueError("grading needs Linux or macOS; on Windows it runs in WSL")
    if not submissions.is_dir():
        raise ValueError(f"SUBMISSIONS must be a folder, got {str(submissions)!r}")
    assignments = BUILD / "homework-grading" / edition(key)
    editions = dict.fromkeys((path.stem for path in masters()), edition(key))
    only = master_path(options.only).stem if options.only else ""
    limits = Limits(cell=options.seconds, question=options.seconds, memory=int(options.memory * 2**30))
    output = options.output or submissions.with_name(submissions.name + "-grades")
    rows = grade_folder(
        submissions, lambda name: make(key, name, assignments)[0], output, editions, limits, options.jobs, only
    )
    for row in rows:
        print(f"{row['student']:30s} {row['points']:5g} of {row['of']:3g}  {row['seconds']:6.1f} s  {row['status']}")
    print(f"{output / 'grades.csv'}: {len(rows)} submissions")


def main() -> int:
    parser = argparse.ArgumentParser(prog="homework.py", description=__doc__.splitlines()[0])
    parser.add_argument("--key", default="", help="the teacher's key")
    parser.add_argument("--only", default="", help="one assignment: its name, or the number of its chapter")
    parser.add_argument("--submissions", type=Path, help="grade this folder")
    parser.add_argument("--output", type=Path, help="folder of the grades (default: SUBMISSIONS-grades)")
    parser.add_argument("--jobs", type=int, default=2, help="submissions side by side (default: 2)")
    parser.add_argument("--seconds", type=float, default=60, help="limit for a cell, and for a question's tests")
    parser.add_argument("--memory", type=float, default=3, help="limit in GiB for a submission (default: 3)")
    options = parser.parse_args()
    try:
        check_key(options.key)
        if options.submissions is None:
            for folder in make(options.key, options.only):
                print(folder.relative_to(ROOT))
        else:
            grade(options.submissions.resolve(), options.key, options)
    except ValueError as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
