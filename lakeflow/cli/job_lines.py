"""Runs of jobs as lines and as JSON."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Protocol, Self

from lakeflow.cli.report import Lines, is_terminal, json_line, say_stopping
from lakeflow.cli.text import count, duration
from lakeflow.core.values import printable
from lakeflow.jobs.rows import AttemptRow, JobEvent, RunRow
from lakeflow.jobs.store import Reader

_WORDS = {
    "task.started": "RUNNING",
    "run.started": "RUNNING",
    "run.accepted": "ACCEPTED",
    "run.stopping": "STOPPING",
    "run.skipped": "SKIPPED",
    "run.repaired": "REPAIRED",
    "run.slow": "SLOW",
    "task.slow": "SLOW",
    "notice.delivered": "TOLD",
    "notice.failed": "NOT TOLD",
}


class JobReport(Protocol):
    """Tells somebody how a run goes."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def event(self, event: JobEvent) -> None:
        """Tells what happened."""

    def stopping(self) -> None:
        """Tells that the run is being cancelled."""

    def result(self, reader: Reader, run: RunRow) -> None:
        """Tells how it ended."""


class PlainJobReport:
    """A line for each thing that people care about."""

    def __init__(self) -> None:
        self._lines = Lines(sys.stdout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Has nothing to put back."""

    def event(self, event: JobEvent) -> None:
        """Prints it."""
        if event.type not in ("run.ended", "run.accepted"):
            self._lines.write(event_line(event))

    def stopping(self) -> None:
        """Says on the error stream that the run is being cancelled."""
        say_stopping()

    def result(self, reader: Reader, run: RunRow) -> None:
        """Prints what it came to, and what failed why."""
        attempts = reader.select(AttemptRow, "run_id = ? ORDER BY attempt", (run.run_id,))
        for line in result_lines(run, attempts):
            self._lines.write(line)


class JsonJobReport:
    """A JSON object for each event, and a last one for the run."""

    def __init__(self) -> None:
        self._lines = Lines(sys.stdout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Has nothing to put back."""

    def event(self, event: JobEvent) -> None:
        """Prints it."""
        self._lines.write(json_line(dataclasses.asdict(event)))

    def stopping(self) -> None:
        """Says on the error stream that the run is being cancelled."""
        say_stopping()

    def result(self, reader: Reader, run: RunRow) -> None:
        """Prints the run with its tasks."""
        attempts = reader.select(AttemptRow, "run_id = ? ORDER BY attempt", (run.run_id,))
        self._lines.write(json_line(run_json(run, attempts)))


def report_for(*, as_json: bool) -> JobReport:
    """The report that fits where the output goes; rich is loaded for a terminal only."""
    if as_json:
        return JsonJobReport()
    if is_terminal(sys.stdout):
        from lakeflow.cli.job_live import LiveJobReport

        return LiveJobReport()
    return PlainJobReport()


def event_line(event: JobEvent) -> str:
    """A line on something that happened: time, task, state, and why if that is not plain."""
    moment = instant(event.at).strftime("%H:%M:%S")
    what = event.task_key or "(run)"
    if event.iteration is not None:
        what = f"{what}[{event.iteration}]"
    word, said = _WORDS.get(event.type, ""), event.message
    if event.type == "task.ended":
        word, _, said = event.message.rstrip(".").partition(": ")
    elif event.type in ("task.started", "run.started"):
        said = ""
    first = printable(said.split("\n", 1)[0])
    return f"{moment}  {printable(what):<24}  {word:<9}  {first}".rstrip()


def result_lines(run: RunRow, attempts: Iterable[AttemptRow]) -> Iterator[str]:
    """What a run came to: one sentence, and what failed with all that it said."""
    newest = newest_attempts(attempts)
    for attempt in newest:
        if attempt.result is not None and attempt.result.failed and attempt.code != "SKIPPED":
            yield f"{printable(attempt.task_key)} {attempt.result} ({attempt.code})"
            for line in (attempt.trace or attempt.message).rstrip("\n").split("\n"):
                yield f"  {printable(line)}"
    spent = duration(((run.ended or run.created) - (run.started or run.created)) / 1000)
    yield f"Run {run.run_id} of {run.name} {run.result} in {spent}: {count(len(newest), 'task')}."


def newest_attempts(
    attempts: Iterable[AttemptRow], *, of_iterations: bool = False
) -> list[AttemptRow]:
    """The last attempt of each task, or of each iteration, in the order of their first ones."""
    found: dict[tuple[str, int | None], AttemptRow] = {}
    for attempt in attempts:
        if (attempt.iteration is not None) is of_iterations:
            found[attempt.task_key, attempt.iteration] = attempt
    return list(found.values())


def run_json(run: RunRow, attempts: Iterable[AttemptRow]) -> dict[str, Any]:
    """A run and its tasks as JSON."""
    attempts = list(attempts)
    iterations = newest_attempts(attempts, of_iterations=True)
    return {
        "run_id": run.run_id,
        "job_id": run.job_id,
        "name": run.name,
        "state": run.state,
        "result": run.result,
        "message": run.message,
        "trigger": run.trigger,
        "parameters": run.parameters,
        "created": moment(run.created),
        "started": moment(run.started),
        "ended": moment(run.ended),
        "tasks": [
            {
                **attempt_json(each),
                "iterations": [
                    attempt_json(iteration)
                    for iteration in iterations
                    if iteration.task_key == each.task_key
                ],
            }
            for each in newest_attempts(attempts)
        ],
    }


def attempt_json(attempt: AttemptRow) -> dict[str, Any]:
    """An attempt of a task as JSON."""
    return {
        "task": attempt.task_key,
        "iteration": attempt.iteration,
        "run_id": attempt.attempt,
        "attempt": attempt.number,
        "state": attempt.state,
        "result": attempt.result,
        "code": attempt.code,
        "reason": attempt.reason,
        "message": attempt.message,
        "started": moment(attempt.started),
        "ended": moment(attempt.ended),
        "exit_code": attempt.exit_code,
        "cpu_seconds": attempt.cpu_seconds,
        "peak_memory": attempt.peak_memory,
        "values": attempt.values,
        "output": attempt.output,
    }


def instant(milliseconds: int) -> datetime:
    """A time of the database as one of Python."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def moment(milliseconds: int | None) -> str | None:
    """A time of the database as text, in UTC."""
    return None if milliseconds is None else instant(milliseconds).isoformat(timespec="seconds")
