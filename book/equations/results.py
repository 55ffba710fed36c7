"""What the last whole run of the checks found, kept in _build/evidence.json for the pages of evidence."""

import hashlib
import json

from equations.sources import BOOK, sources

ROOT = BOOK.parent
RESULTS = ROOT / "_build" / "evidence.json"
KINDS = ("symbolic", "exact", "quadrature", "Monte Carlo", "autograd", "training")
# Whatever can change a finding: the chapters, the reader, the checks, the package that they call.
DEPENDS_ON = ("book/[0-9]*.ipynb", "book/equations/*.py", "tests/equations/*", "vae_notes/**/*", "requirements.txt")


def key():
    """One hash of everything that the findings depend on."""
    total = hashlib.sha256()
    for pattern in DEPENDS_ON:
        for path in sorted(p for p in ROOT.glob(pattern) if p.is_file() and "__pycache__" not in p.parts):
            total.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()


def load(path=None):
    """label -> what its checks found; empty when there was no whole run, or one of other chapters or checks."""
    try:
        kept = json.loads((path or RESULTS).read_text(encoding="utf8"))
    except (OSError, ValueError):
        return {}
    return kept["found"] if kept.get("key") == key() else {}


def save(found, path=None):
    """Keep what a run found if it found something for every equation, and otherwise nothing."""
    target = path or RESULTS
    if set(found) != set(sources()):
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"key": key(), "found": {label: found[label] for label in sources()}}, indent=1)
    target.write_text(text + "\n", encoding="utf8")
    return True


class Collector:
    """Gathers what passed and what failed while the tests run; `pytest_runtest_logreport` feeds it."""

    def __init__(self):
        self.found, self.failed = {}, set()

    def add(self, report):
        """Take what a test's report says, if it is the report of a check of an equation."""
        if report.when != "call" or "/equations/" not in report.nodeid:
            return
        if report.failed:
            self.failed.add(report.nodeid)
        for name, one in report.user_properties:
            if name == "evidence":
                self.found.setdefault(one["label"], []).append(one)

    def save(self):
        """A failed check leaves no evidence at all, and nor does a run of a part."""
        for checks in self.found.values():
            checks.sort(key=lambda one: one["test"])
        return not self.failed and save(self.found)
