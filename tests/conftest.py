"""Settings shared by all tests: reproducible property tests, and the devices to run on."""

import pytest
import torch
from hypothesis import settings

from equations.results import Collector

# derandomize: the same examples on every run, so that a failure is never luck; then no database is needed.
settings.register_profile("vae-notes", deadline=None, derandomize=True, database=None, max_examples=60)
settings.load_profile("vae-notes")


@pytest.fixture(params=["cpu", "cuda"])
def device(request):
    """Each test that takes this runs on the CPU, and on a GPU where there is one."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("this machine has no GPU that torch can use")
    return torch.device(request.param)


collector = Collector()


def pytest_runtest_logreport(report):
    """With workers this runs in the process that leads them, too, and that one saves."""
    collector.add(report)


def pytest_terminal_summary(terminalreporter):
    if collector.save():
        terminalreporter.write_line(f"evidence for {len(collector.found)} equations kept in _build/evidence.json")
