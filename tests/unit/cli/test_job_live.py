"""The table of a run on a terminal."""

from __future__ import annotations

import io

from rich.console import Console

from lakeflow.cli.job_live import LiveJobReport, RunProgress, table
from lakeflow.jobs.rows import JobEvent


def drawn(events: list[JobEvent], now: int) -> list[str]:
    progress = RunProgress()
    for event in events:
        progress.apply(event)
    stream = io.StringIO()
    Console(file=stream, width=80, force_terminal=False).print(table(progress.tasks(), now))
    return [" ".join(line.split()) for line in stream.getvalue().splitlines()]


def event(at: int, kind: str, message: str = "", **more: object) -> JobEvent:
    return JobEvent(at, kind, message, **more)


def test_tasks_with_state_time_and_what_went_wrong() -> None:
    events = [
        event(0, "run.started", "It begins."),
        event(0, "task.started", task_key="load"),
        event(2000, "task.ended", "FAILED: no luck\nsecond line.", task_key="load"),
        event(3000, "task.started", task_key="load"),
        event(3000, "task.started", task_key="fan"),
        event(3500, "task.ended", "SUCCESS.", task_key="fan", iteration=0),
        event(3600, "task.ended", "FAILED: bad.", task_key="fan", iteration=1),
        event(4000, "task.ended", "EXCLUDED: Its branch was not taken.", task_key="other"),
    ]
    assert drawn(events[:3], 5000)[1] == "load FAILED 2.0 s no luck"
    assert drawn(events, 5500) == [
        "Task State Time",
        "load RUNNING 2.5 s attempt 2, no luck",
        "fan RUNNING 2.5 s 2 iterations ended",
        "other EXCLUDED Its branch was not taken",
    ]


def test_more_tasks_than_lines_of_the_screen_are_folded() -> None:
    console = Console(file=io.StringIO(), width=60, height=12, force_terminal=True)
    report = LiveJobReport(console)
    for number in range(50):
        report.event(event(number, "task.started", task_key=f"task{number:02}"))
    with console.capture() as captured:
        console.print(report._draw())
    text = captured.get()
    assert "task49" in text
    assert "task00" not in text
    assert "43 more tasks above" in text
