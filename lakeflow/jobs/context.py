"""What the references of a task may speak of, gathered from its run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from lakeflow.jobs.active import ActiveRun
from lakeflow.jobs.model import Job, JsonValue
from lakeflow.jobs.rows import AttemptRow, RunRow
from lakeflow.jobs.settings.scope import (
    ABSENT,
    CurrentTask,
    FinishedTask,
    Scope,
    TableUpdate,
    Trigger,
)

WORKSPACE_ID = 1


def scope_of_run(row: RunRow, parameters: Mapping[str, str]) -> Scope:
    """What the parameters of a run may speak of.

    Args:
        row: The run.
        parameters: Those that are resolved.
    """
    info = row.trigger_info
    return Scope(
        row.job_id,
        row.name,
        row.run_id,
        _instant(row.started or row.created),
        row.repairs,
        Trigger(
            row.trigger,
            _instant(info["time"]) if "time" in info else None,
            info.get("location", ""),
            info.get("files", ()),
            {
                table: TableUpdate(found["version"], _instant(found["committed"]))
                for table, found in info.get("tables", {}).items()
            },
        ),
        parameters,
        backfill=_instant(info["backfill"]) if "backfill" in info else None,
        workspace_id=WORKSPACE_ID,
        workspace_url=info.get("workspace_url", ""),
    )


def scope_of(run: ActiveRun, attempt: AttemptRow) -> Scope:
    """What the settings of a task may speak of.

    Args:
        run: Its run.
        attempt: The attempt that begins.
    """
    scope = scope_of_run(run.row, run.row.parameters)
    key = attempt.task_key
    item = ABSENT
    if attempt.iteration is not None:
        inputs = run.attempts[key, None].inputs
        assert inputs is not None
        item = inputs[attempt.iteration]
    return Scope(
        **{
            **{name: getattr(scope, name) for name in Scope.__slots__},
            "task": CurrentTask(
                key,
                attempt.attempt,
                run.made[key, attempt.iteration],
                _notebook(run.job, key, attempt.settings),
            ),
            "tasks": _FinishedTasks(run),
            "input": item,
        }
    )


class _FinishedTasks(Mapping[str, FinishedTask]):
    """The tasks of a run that have ended; there may be many, and few are asked for."""

    def __init__(self, run: ActiveRun) -> None:
        self._run = run

    def __getitem__(self, key: str) -> FinishedTask:
        attempt = self._run.attempts[key, None]
        if attempt.result is None:
            raise KeyError(key)
        return _finished(self._run, attempt)

    def __iter__(self) -> Iterator[str]:
        return (key for key, unit in self._run.state.units.items() if unit.result is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _finished(run: ActiveRun, attempt: AttemptRow) -> FinishedTask:
    assert attempt.result is not None
    output = attempt.output
    return FinishedTask(
        attempt.attempt,
        attempt.result,
        attempt.code,
        run.made[attempt.task_key, None],
        _notebook(run.job, attempt.task_key, attempt.settings),
        attempt.values,
        output.get("rows"),
        output.get("alert_output", {}).get("alert_state"),
    )


def _notebook(job: Job, key: str, resolved: Mapping[str, JsonValue]) -> str | None:
    settings: Mapping[str, Any] = job.tasks[key].settings.get("notebook_task") or {}
    found = resolved.get("notebook_path") or settings.get("notebook_path")
    return None if found is None else str(found)


def _instant(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
