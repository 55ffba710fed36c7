"""The summary of the notebooks' runs, shown before pytest's closing line."""

import json

from project import BUILD


def pytest_terminal_summary(terminalreporter):
    report = BUILD / "test-reports" / "notebooks.json"
    if not report.exists():
        return
    terminalreporter.section("notebooks (_build/test-reports/notebooks.json)")
    for row in json.loads(report.read_text()):
        terminalreporter.write_line(
            f"{row['notebook']:24} {row['run']:20} {row['compared']:3} cells {row['wall_seconds']:6.1f} s wall "
            f"{row['cpu_seconds']:6.1f} s CPU {row['peak_bytes'] / 1e6:6.0f} MB"
        )
