"""Check everything under .github without asking GitHub: `python book/tools/workflows.py` (part of `make lint`).

zizmor looks for what would be unsafe (an action that is not pinned by commit, a permission too many, a secret that
leaks); check-jsonschema for what GitHub would not understand, and for a job without a timeout. Not actionlint: its
package for Python fetches a program from GitHub while it is installed, and this must work offline.
"""

import re
import subprocess
import sys
from pathlib import Path

from project import ROOT

# What GitHub reads there, and the schemas that come with check-jsonschema.
SCHEMAS = {
    ".github/workflows/*.yml": ("vendor.github-workflows", "custom.github-workflows-require-timeout"),
    ".github/dependabot.yml": ("vendor.dependabot",),
    ".github/ISSUE_TEMPLATE/[!c]*.yml": ("vendor.github-issue-forms",),
    ".github/ISSUE_TEMPLATE/config.yml": ("vendor.github-issue-config",),
    "CITATION.cff": ("vendor.citation-file-format",),
}


def complaint(tool, *arguments):
    """What a tool has to say, if it ends with an error."""
    program = Path(sys.executable).with_name(tool)
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False)
    return [done.stdout + done.stderr] if done.returncode else []


def schema_faults(root=ROOT):
    for pattern, schemas in SCHEMAS.items():
        files = sorted(root.glob(pattern))
        if not files:
            yield f"no file {pattern}"
        for schema in schemas if files else ():
            yield from complaint("check-jsonschema", "--builtin-schema", schema, *files)


def safety_faults(root=ROOT):
    yield from complaint("zizmor", "--offline", "--quiet", "--persona=pedantic", "--strict-collection", root / ".github")


def target_faults(root=ROOT):
    """A workflow runs nothing but targets of the Makefile, so that whatever it does can be done here, too."""
    targets = set(re.findall(r"^([a-z-]+):", (root / "Makefile").read_text(encoding="utf8"), re.MULTILINE))
    for path in sorted(root.glob(".github/workflows/*.yml")):
        for command in re.findall(r"\brun: (.+)", path.read_text(encoding="utf8")):
            if command.removeprefix("make ") not in targets:
                yield f"{path.name}: `{command}` is no target of the Makefile"


def faults(root=ROOT):
    return [*schema_faults(root), *safety_faults(root), *target_faults(root)]


if __name__ == "__main__":
    sys.exit("\n".join(faults()) or 0)
