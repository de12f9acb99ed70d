"""What is said after all tests."""

from __future__ import annotations

from collections import Counter

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Adds up what tests of faults have counted."""
    counted: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", None) == "teardown":
                for name, found in report.user_properties:
                    if name == "faults":
                        counted.update(found)
    if counted:
        counts = {name: counted[name] for name in ("kills", "lost", "doubled", "unreadable")}
        terminalreporter.section("faults")
        terminalreporter.line(", ".join(f"{count} {name}" for name, count in counts.items()))
