"""What any test may ask for, and what is said after all of them."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.faults.journal import Recorder

ROOT = str(Path(__file__).parents[1])
if ROOT not in sys.path:
    sys.path.append(ROOT)


@pytest.fixture
def recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Recorder]:
    """Records from now on what this process writes and syncs below a folder, in order."""
    from tests.faults.journal import NAMING, Recorder

    def record(folder: Path) -> Recorder:
        for name in ("fsync", *NAMING):
            monkeypatch.setattr(os, name, getattr(os, name))
        found = Recorder(folder, tmp_path / "recorded")
        found.install()
        return found

    return record


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Adds up what tests of faults have counted."""
    counted: Counter[str] = Counter()
    calls = 0
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", None) == "teardown":
                for name, found in report.user_properties:
                    if name == "faults":
                        counted.update(found)
                    if name == "sdk_calls":
                        calls += found
    if calls:
        terminalreporter.section("databricks-sdk")
        terminalreporter.line(f"{calls} calls")
    if counted:
        counts = {name: counted[name] for name in ("kills", "lost", "doubled", "unreadable")}
        terminalreporter.section("faults")
        terminalreporter.line(", ".join(f"{count} {name}" for name, count in counts.items()))
