"""Workers of a test file, and a way to run one attempt and wait for its end."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lakeflow.jobs.work import Assignment, Outcome, Process
from lakeflow.jobs.workers.pool import Workers

_NUMBERS = itertools.count(1)


@dataclass
class Attempt:
    """What is told of an attempt."""

    assignment: Assignment
    process: Process | None = None
    outcomes: list[Outcome] = field(default_factory=list)
    begun: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)

    def started(self, attempt: int, epoch: int, process: Process | None) -> None:
        assert (attempt, epoch) == (self.assignment.attempt, self.assignment.epoch)
        self.process = process
        self.begun.set()

    def ended(self, attempt: int, epoch: int, outcome: Outcome) -> None:
        assert (attempt, epoch) == (self.assignment.attempt, self.assignment.epoch)
        self.outcomes.append(outcome)
        self.over.set()

    @property
    def number(self) -> int:
        return self.assignment.attempt

    def wait(self) -> Outcome:
        assert self.over.wait(60), self.assignment
        (outcome,) = self.outcomes
        return outcome

    def until_said(self, text: str) -> str:
        """Waits until the task has written this to its standard output, and takes it all."""
        assert self.begun.wait(60)
        while text not in (said := self.stdout):
            assert not self.over.is_set(), (self.outcomes, said, self.stderr)
            self.over.wait(0.01)
        return said

    @property
    def stdout(self) -> str:
        return self.read("stdout")

    @property
    def stderr(self) -> str:
        return self.read("stderr")

    def read(self, name: str) -> str:
        path = self.assignment.folder / name
        return path.read_text() if path.exists() else ""


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    """Workers whose grace is longer than any test."""
    made = Workers(grace=60)
    yield made
    made.close()


@pytest.fixture
def begin(workers: Workers, tmp_path: Path) -> Callable[..., Attempt]:
    """Starts an attempt, by its type and settings."""

    def begin(
        kind: str, settings: dict[str, Any], by: Workers | None = None, **fields: Any
    ) -> Attempt:
        number = next(_NUMBERS)
        folder = tmp_path / "attempts" / str(number)
        attempt = Attempt(
            Assignment(number, 1, kind, settings, **{"folder": folder, "root": tmp_path, **fields})
        )
        (by or workers).start(attempt.assignment, attempt.started, attempt.ended)
        return attempt

    return begin


@pytest.fixture
def script(begin: Callable[..., Attempt], tmp_path: Path) -> Callable[..., Attempt]:
    """Starts a Python script, by its text and parameters."""

    def script(text: str, *parameters: str, **fields: Any) -> Attempt:
        path = tmp_path / f"script{next(_NUMBERS)}.py"
        path.write_text(text)
        settings = {"python_file": path.name, "parameters": list(parameters)}
        return begin("spark_python_task", settings, **fields)

    return script
