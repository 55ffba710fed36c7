"""Submissions that break, cheat or attack, each with the points that it must get."""

from homework_submissions import QUESTIONS, with_answer, with_cell

PATCH_COMPARISONS = """
import builtins, numpy, torch, unittest.mock
always = lambda *args, **kwargs: True
torch.allclose = torch.isclose = torch.equal = numpy.allclose = numpy.isclose = always
numpy.testing.assert_allclose = torch.testing.assert_close = lambda *args, **kwargs: None
torch.Tensor.__lt__ = torch.Tensor.__eq__ = torch.Tensor.__le__ = torch.Tensor.__gt__ = always
torch.Tensor.all = torch.Tensor.any = always
builtins.abs = lambda x: 0.0
builtins.float = lambda x: 0.0
"""
PATCH_PACKAGE = """
import vae_notes.divergences, scipy.integrate, scipy.stats, torch.distributions
vae_notes.divergences.kl_normal_standard = lambda *args: 0.0
scipy.integrate.quad = lambda *args, **kwargs: (0.0, 0.0)
torch.distributions.kl_divergence = lambda q, p: torch.zeros(3)
kl_qp = kl_pq = 0.0
"""
PATCH_GRADER = """
import sys
import otter.test_files.exception_test as tests
tests.test_case.call_func = lambda self, names: None
tests.ExceptionTestFile.run = lambda self, names: None
for name, module in list(sys.modules.items()):
    if name.startswith("homework") and hasattr(module, "run_cases"):
        module.run_cases = lambda test, names: iter([])
"""
ANYTHING = """
class Anything:
    def __getattr__(self, name): return self
    def __call__(self, *args, **kwargs): return self
    def __float__(self): return 0.0
    def __eq__(self, other): return True
    __lt__ = __gt__ = __le__ = __ge__ = __eq__
    def __sub__(self, other): return self
    __rsub__ = __abs__ = __mul__ = lambda self, *args: self
    def __bool__(self): return True
    def __reduce__(self): return (eval, ("True",))
anything = Anything()
kl_qp = kl_pq = best_mean = best_variance = kl_full = diagonal_variances = rate_bits = largest_mean = anything
divergence = kl_to_prior = check_kl = anything
"""
SEARCH_FOR_TESTS = """
import gc
found = [one for one in gc.get_objects() if isinstance(one, str) and "def test_mutant" in one]
found += [one for one in gc.get_objects() if type(one).__name__ in ("test_case", "ExceptionTestFile")]
kl_qp = 1.0 if not found else None
assert found, "no test lies in the memory of this process"
kl_pq = "stolen"
"""
FORGE = """
import io, os, torch, stat
for line in range(3, 64):
    try:
        if stat.S_ISSOCK(os.fstat(line).st_mode):
            buffer = io.BytesIO()
            torch.save(["answer", True], buffer)
            os.write(line, len(buffer.getvalue()).to_bytes(4, "big") + buffer.getvalue())
            os.write(line, b"nonsense" * 100)
    except OSError:
        pass
"""
CHILDREN = """
import subprocess, sys
children = [subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"]) for _ in range(8)]
"""


def _replaced(notebook, old: str, new: str) -> dict:
    first, *rest = notebook["cells"]
    source = "".join(first["source"]).replace(old, new)
    return {**notebook, "cells": [{**first, "source": source}, *rest]}


def submissions(assignment) -> dict[str, tuple[object, int, str]]:
    """Name -> (content of the file, points due, a part of the status that the table must show)."""
    full, empty = assignment.solution, assignment.empty
    everything = sum(QUESTIONS.values())

    def answer(question, source):
        return with_answer(assignment, full, question, source)

    half = assignment.answered(["q1", "q5"])
    deleted = {**full, "cells": [full["cells"][0], *(full["cells"][n] for n in assignment.answers().values())]}
    backwards = {**full, "cells": [full["cells"][0], *reversed(full["cells"][1:])]}
    strange = {**full, "cells": [*full["cells"], 7, None, {"cell_type": "code"}, {"cell_type": "code", "source": [1, 2]}]}
    surrogate = with_cell(full, "text = '\ud800'")
    elsewhere = _replaced(full, assignment.name, "04-reparameterization")
    another_edition = _replaced(full, assignment.edition, "00000000")
    no_banner = {**full, "cells": full["cells"][1:]}
    return {
        # what breaks
        "syntax-error": (with_cell(full, "def ("), everything, "graded"),
        "error": (with_cell(full, "1 / 0"), everything, "graded"),
        "half-answered": (half, QUESTIONS["q1"] + QUESTIONS["q5"], "graded"),
        "nothing-answered": (empty, 0, "graded"),
        "given-cells-deleted": (deleted, everything, "graded"),
        "cells-backwards": (backwards, everything, "graded"),
        "no-first-line": (no_banner, everything, "graded"),
        "infinite-loop": (with_cell(full, "while True: pass"), everything, "1 cells left out"),
        "loop-in-an-answer": (answer("q6", "def kl_to_prior(a, b):\n    while True: pass"), everything - 15, "graded"),
        "deaf-loop": (
            with_cell(full, "import signal\nfor one in (2, 15): signal.signal(one, signal.SIG_IGN)\nwhile True: pass"),
            everything,
            "1 cells left out",
        ),
        "memory-bomb": (with_cell(full, "hoard = []\nwhile True: hoard.append(bytearray(2**26))"), everything, "graded"),
        "large-tensor": (with_cell(full, "large = torch.zeros(2**42)"), everything, "graded"),
        "large-answer": (answer("q1", "kl_qp = kl_pq = torch.zeros(2**28)"), everything - 8, "graded"),
        "memory-of-children": (
            with_cell(full, "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'x = []\\nwhile 1: x.append(bytearray(2**26))'])"),
            everything,
            "graded",
        ),
        "kernel-killed": (with_cell(full, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"), everything, "1 cells left out"),
        "exit-at-once": (with_cell(full, "import os\nos._exit(0)"), everything, "1 cells left out"),
        "exit": (with_cell(full, "import sys\nsys.exit()\n"), everything, "graded"),
        "exit-in-an-answer": (answer("q6", "def kl_to_prior(a, b):\n    raise SystemExit"), everything - 15, "graded"),
        "kill-in-an-answer": (answer("q6", "import os\ndef kl_to_prior(a, b):\n    os._exit(1)"), everything - 15, "graded"),
        "gigabytes-printed": (with_cell(full, "text = 'x' * 10**7\nfor _ in range(400): print(text)"), everything, "graded"),
        "gigabytes-written": (with_cell(full, "with open('large', 'wb') as f:\n    while True: f.write(bytes(10**7))"), everything, "graded"),
        "recursion": (with_cell(full, "def f(n): return f(n + 1)\nf(0)"), everything, "graded"),
        "asks-for-input": (with_cell(full, "name = input('name? ')"), everything, "graded"),
        "folder-gone": (with_cell(full, "import os, shutil\nshutil.rmtree(os.getcwd())"), everything, "graded"),
        "threads": (
            with_cell(full, "import threading\nfor _ in range(8): threading.Thread(target=lambda: [0 for _ in iter(int, 1)], daemon=True).start()"),
            everything,
            "graded",
        ),
        "children": (with_cell(full, CHILDREN), everything, "graded"),
        "not-finite": (answer("q1", "kl_qp, kl_pq = float('nan'), float('inf')"), everything - 8, "graded"),
        "texts": (answer("q1", "kl_qp, kl_pq = 'one', [1]"), everything - 8, "graded"),
        "strange-cells": (strange, everything, "graded"),
        "no-unicode": (surrogate, everything, "graded"),
        # what is no submission
        "empty-file": (b"", 0, "not a notebook"),
        "half-a-file": (b'{"cells": [', 0, "not a notebook"),
        "a-list": (b"[1, 2]", 0, "not a notebook"),
        "a-picture": (bytes(range(256)) * 40, 0, "not a notebook"),
        "nested": (b"[" * 100_000, 0, "not a notebook"),
        "another-assignment": (elsewhere, 0, "another assignment: 04-reparameterization"),
        "another-edition": (another_edition, everything, "graded"),
        # who cheats
        "patched-comparisons": (with_cell(empty, PATCH_COMPARISONS, -1), 0, "graded"),
        "patched-package": (with_cell(empty, PATCH_PACKAGE, -1), 0, "graded"),
        "patched-grader": (with_cell(empty, PATCH_GRADER, -1), 0, "graded"),
        "anything": (with_cell(empty, ANYTHING, -1), 0, "graded"),
        "search-for-tests": (with_cell(empty, SEARCH_FOR_TESTS, -1), 0, "graded"),
        "patched-assert": (with_cell(full, "import builtins\nAssertionError = builtins.AssertionError = OSError"), everything, "graded"),
        "never-complains": (answer("q7", "def check_kl(kl):\n    pass"), everything - 25, "graded"),
        "always-complains": (answer("q7", "def check_kl(kl):\n    assert False"), everything - 25, "graded"),
        "forged-answers": (with_cell(empty, FORGE, -1), 0, ""),
        "kills-its-grader": (with_cell(full, "import os\nos.kill(os.getppid(), 9)"), 0, "stopped its grader"),
        "=1+1": (full, everything, "graded"),
    }
