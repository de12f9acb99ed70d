"""The live table of tasks on a terminal, while a run goes on."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lakeflow.cli.job_lines import result_lines
from lakeflow.cli.live import LINES_AROUND, STYLES
from lakeflow.cli.report import STOPPING
from lakeflow.cli.text import count, duration, width
from lakeflow.core.values import printable
from lakeflow.jobs.rows import AttemptRow, JobEvent, RunRow
from lakeflow.jobs.store import Reader

MOST_NAME = 40
"""Columns for the keys of tasks."""

_STYLES = {
    **STYLES,
    "SUCCESS": "green",
    "SUCCESS_WITH_FAILURES": "yellow",
    "TIMEDOUT": "bold red",
    "CANCELED": "yellow",
    "UPSTREAM_FAILED": "red",
    "UPSTREAM_CANCELED": "yellow",
}


@dataclass(frozen=True, slots=True)
class TaskProgress:
    """How far a task has got.

    Args:
        key: Its key.
        state: What it has come to, or `RUNNING`.
        started: When its newest attempt began, in milliseconds since 1970.
        ended: When it ended.
        attempts: Attempts that have begun.
        iterations: Iterations that have ended.
        message: What went wrong.
    """

    key: str
    state: str = "WAITING"
    started: int | None = None
    ended: int | None = None
    attempts: int = 0
    iterations: int = 0
    message: str = ""

    def seconds(self, now: int) -> float | None:
        """How long its newest attempt has run."""
        return None if self.started is None else ((self.ended or now) - self.started) / 1000


class RunProgress:
    """What is known of the tasks of a run, from its events."""

    def __init__(self) -> None:
        self._tasks: dict[str, TaskProgress] = {}

    def apply(self, event: JobEvent) -> None:
        """Takes in what happened."""
        if event.task_key is None:
            return
        task = self._tasks.get(event.task_key, TaskProgress(event.task_key))
        changes: dict[str, object] = {}
        if event.iteration is not None:
            changes = {"iterations": task.iterations + (event.type == "task.ended")}
        elif event.type == "task.started":
            changes = {
                "state": "RUNNING",
                "started": event.at,
                "ended": None,
                "attempts": task.attempts + 1,
            }
        elif event.type == "task.ended":
            state, _, said = event.message.rstrip(".").partition(": ")
            changes = {"state": state, "ended": event.at, "message": said}
        self._tasks[event.task_key] = dataclasses.replace(task, **changes)  # type: ignore[arg-type]

    def tasks(self) -> list[TaskProgress]:
        """The tasks of which anything is known, in the order in which it became so."""
        return list(self._tasks.values())


class LiveJobReport:
    """Draws the table anew while the run goes on.

    Args:
        console: Where.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, soft_wrap=False)
        self.progress = RunProgress()
        self._ended = False
        self._stopping = False
        self._live = Live(
            get_renderable=self._draw,
            console=self.console,
            refresh_per_second=8,
            vertical_overflow="crop",
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        self._live.vertical_overflow = "visible"
        self._live.stop()

    def event(self, event: JobEvent) -> None:
        """Takes in what happened."""
        self.progress.apply(event)

    def stopping(self) -> None:
        """Says below the table that the run is being cancelled."""
        self._stopping = True

    def result(self, reader: Reader, run: RunRow) -> None:
        """Prints what it came to, and what failed why."""
        attempts = reader.select(AttemptRow, "run_id = ? ORDER BY attempt", (run.run_id,))
        *before, last = result_lines(run, attempts)
        for line in before:
            self.console.print(Text(line, style="red"))
        failed = run.result is not None and run.result.failed
        self.console.print(Text(last, style="bold red" if failed else "green"))

    def _draw(self) -> RenderableType:
        tasks = self.progress.tasks()
        room = len(tasks) if self._ended else max(1, self.console.height - LINES_AROUND)
        drawn = table(tasks[-room:], int(datetime.now(UTC).timestamp() * 1000))
        if self._ended:
            return drawn
        folded = len(tasks) - room
        foot = STOPPING if self._stopping else ""
        if folded > 0:
            foot = f"… {count(folded, 'more task')} above. {foot}"
        return Group(drawn, Text(foot, style="bold yellow" if self._stopping else "dim"))


def table(tasks: Sequence[TaskProgress], now: int) -> Table:
    """The table of tasks.

    Args:
        tasks: What is shown.
        now: Milliseconds since 1970, for the time of those that run.
    """
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    widest = max((width(task.key) for task in tasks), default=0)
    states = max((len(task.state) for task in tasks), default=0)
    name = min(max(widest, len("Task")), MOST_NAME)
    drawn.add_column("Task", no_wrap=True, overflow="ellipsis", min_width=name, max_width=name)
    drawn.add_column("State", no_wrap=True, min_width=states)
    drawn.add_column("Time", no_wrap=True, justify="right", min_width=6)
    drawn.add_column("", no_wrap=True, overflow="ellipsis")
    for task in tasks:
        spent = task.seconds(now)
        said = [f"{task.iterations:,} iterations ended"] if task.iterations else []
        said += [f"attempt {task.attempts}"] if task.attempts > 1 else []
        said += [printable(task.message.split("\n", 1)[0])] if task.message else []
        drawn.add_row(
            Text(printable(task.key)),
            Text(task.state, style=_STYLES.get(task.state, "dim")),
            "" if spent is None else duration(spent),
            Text(", ".join(said), style="dim"),
        )
    return drawn
