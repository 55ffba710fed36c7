"""The browser of the book's tests; and what a run of the tests leaves behind: figures and counts for the status page."""

import datetime
import json
from contextlib import ExitStack
from functools import cache

import browser as browser_tool
import pytest
from live_pages import example, opened
from playwright.sync_api import sync_playwright
from project import BUILD


@pytest.fixture(scope="module")
def browser():
    """A Chromium without network, closed before the next file's."""
    path = browser_tool.find()
    assert path, browser_tool.HELP
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=browser_tool.flags())
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def live_page(browser, tmp_path_factory):
    """A function: the page that holds the example of a figure and nothing else, by the figure's name.

    Each page is opened once for a file of tests, which must only call its numbers.
    """
    with ExitStack() as pages:

        @cache
        def show(name):
            return pages.enter_context(opened(browser, tmp_path_factory.mktemp(name), example(name))).page

        yield show


def kind_of(nodeid):
    """``tests/book/test_site.py::...`` counts as "the book: site", ``tests/test_bounds.py::...`` as "the package: bounds"."""
    folder, _, file = nodeid.partition("::")[0].rpartition("/")
    name = file.removeprefix("test_").removesuffix(".py").replace("_", " ")
    return f"the {'book' if folder.endswith('book') else 'package'}: {name}"


def write_counts(terminalreporter):
    kinds = {}
    for outcome in ("passed", "skipped", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            kind = kinds.setdefault(kind_of(report.nodeid), {"passed": 0, "skipped": 0, "failed": 0})
            kind[outcome] += 1
    if len(kinds) > 20:  # a whole run, not one file by hand
        today = datetime.datetime.now(datetime.UTC).date().isoformat()
        target = BUILD / "test-reports" / "tests.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps({"date": today, "kinds": kinds}, indent=1) + "\n")


def pytest_terminal_summary(terminalreporter):
    write_counts(terminalreporter)
    report = BUILD / "test-reports" / "notebooks.json"
    if not report.exists():
        return
    terminalreporter.section("notebooks (_build/test-reports/notebooks.json)")
    for row in json.loads(report.read_text()):
        terminalreporter.write_line(
            f"{row['notebook']:24} {row['run']:20} {row['compared']:3} cells {row['wall_seconds']:6.1f} s wall "
            f"{row['cpu_seconds']:6.1f} s CPU {row['peak_bytes'] / 1e6:6.0f} MB"
        )
