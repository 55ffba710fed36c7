"""Under two keys: each solution earns everything, each empty copy nothing, and copies between the keys earn little.

`make homework-check` asks the same under many keys; here it is also seen to notice what it must.
"""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import homework_check
import nbformat
import pytest

from homework.master import master_path, masters

KEYS = ["key-0000", "key-0001"]


@pytest.fixture(scope="module")
def check():
    """homework_check.check in a process of its own: solutions may change what is global, as PyTorch's default dtype."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as apart:
        yield lambda *arguments: apart.submit(homework_check.check, *arguments).result()


@pytest.mark.parametrize("name", [path.stem for path in masters()])
def test_an_assignment_is_fair(check, tmp_path, name):
    faults, copies = check(name, KEYS, tmp_path)
    assert faults == [] and len(copies) == 4


BREAKS = {
    "wrong solution": (
        "kl_qp = math.log(<< s2 >> / << s1 >>)",
        "kl_qp = math.log(<< s1 >> / << s2 >>)",
        "the solution earns 96; ",
    ),
    "solution that fails": ("def kl_to_prior(", "def kl_to_post(", "name 'kl_to_prior' is not defined"),
    "test that passes everything": ('assert calls, "the function is never called"', "pass", "the empty copy earns 1"),
    "check that passes everything": (
        'assert kl_qp is not ... and kl_pq is not ..., "Question 1 is open"\nassert kl_qp > 0 and kl_pq > 0',
        "assert True",
        "the checks of the empty copy name the questions 2, 3, 4, 5, 6, 7",
    ),
    "same draws for every key": ("m1, s1 = draw", 'draw = type(draw)("fixed", "05")\nm1, s1 = draw', "the answers of key-0000 earn 100"),
}


@pytest.mark.parametrize(("old", "new", "said"), BREAKS.values(), ids=BREAKS)
def test_an_unfair_assignment_is_noticed(check, tmp_path, old, new, said):
    notebook = nbformat.read(master_path("05"), as_version=4)
    cells = [cell for cell in notebook.cells if old in cell.source]
    assert len(cells) == 1
    cells[0].source = cells[0].source.replace(old, new)
    broken = tmp_path / "05-gaussian-kl.ipynb"
    nbformat.write(notebook, broken)
    faults, _ = check("05-gaussian-kl", KEYS, tmp_path, broken)
    assert any(said in fault for fault in faults), faults
