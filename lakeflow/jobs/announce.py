"""Writes down who is told of a run and its tasks, in the transaction of what they are told of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lakeflow.jobs.active import ActiveRun
from lakeflow.jobs.context import WORKSPACE_ID
from lakeflow.jobs.model import ForEach, JsonValue
from lakeflow.jobs.rows import AttemptRow
from lakeflow.jobs.settings.notices import Notice, Subject, at_end, at_start, at_warning
from lakeflow.jobs.turn import Turn


def run_started(turn: Turn, run: ActiveRun) -> None:
    """A run has begun."""
    turn.post(at_start(run.job.settings, _run(run)), run.row)


def run_ended(turn: Turn, run: ActiveRun) -> None:
    """A run is over, or was skipped."""
    assert run.row.result is not None
    turn.post(at_end(run.job.settings, _run(run), run.row.result), run.row)


def run_slow(turn: Turn, run: ActiveRun) -> None:
    """A run takes longer than its health rule says."""
    turn.post(at_warning(run.job.settings, _run(run)), run.row)


def attempt_started(turn: Turn, run: ActiveRun, attempt: AttemptRow) -> None:
    """An attempt of a task has begun."""
    subject = _attempt(run, attempt)
    found = at_start(_settings(run, attempt), subject, retry=attempt.number > 0)
    _post(turn, run, attempt, found)


def attempt_ended(turn: Turn, run: ActiveRun, attempt: AttemptRow, *, last: bool) -> None:
    """An attempt of a task is over; no other follows if it is the last."""
    assert attempt.result is not None
    subject = _attempt(run, attempt)
    found = at_end(_settings(run, attempt), subject, attempt.result, last=last)
    _post(turn, run, attempt, found)


def attempt_slow(turn: Turn, run: ActiveRun, attempt: AttemptRow) -> None:
    """An attempt of a task takes longer than its health rule says."""
    _post(turn, run, attempt, at_warning(_settings(run, attempt), _attempt(run, attempt)))


def _post(turn: Turn, run: ActiveRun, attempt: AttemptRow, notices: Iterable[Notice]) -> None:
    about = {name: getattr(attempt, name) for name in ("attempt", "task_key", "iteration")}
    turn.post(notices, run.row, **about)


def _run(run: ActiveRun) -> Subject:
    return Subject(run.row.job_id, run.row.name, run.row.run_id, workspace_id=WORKSPACE_ID)


def _attempt(run: ActiveRun, attempt: AttemptRow) -> Subject:
    return Subject(
        run.row.job_id,
        run.row.name,
        attempt.attempt,
        attempt.task_key,
        run.row.run_id,
        workspace_id=WORKSPACE_ID,
    )


def _settings(run: ActiveRun, attempt: AttemptRow) -> Mapping[str, JsonValue]:
    """Of the task, or of the one within a for-each."""
    task = run.job.tasks[attempt.task_key]
    if attempt.iteration is not None and isinstance(task.action, ForEach):
        return task.action.task.settings
    return task.settings
