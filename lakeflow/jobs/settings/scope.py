"""What `{{references}}` may speak of: a run, its trigger, its tasks and what those have left."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from lakeflow.jobs.model import JsonValue, Result

ABSENT: JsonValue = object()
"""Stands where null would be a value."""


@dataclass(frozen=True, slots=True)
class TableUpdate:
    """A commit that a table update trigger has seen.

    Args:
        version: Of the table.
        committed: When it was written.
    """

    version: int
    committed: datetime


@dataclass(frozen=True, slots=True)
class Trigger:
    """What started a run.

    Args:
        type: As the API writes it, such as `PERIODIC` or `FILE_ARRIVAL`.
        time: The instant for which the run was due; that of its start if it was due at none.
        location: The watched place, if files arrived.
        files: Those that arrived.
        tables: Those that changed, by complete name.
    """

    type: str = "ONE_TIME"
    time: datetime | None = None
    location: str = ""
    files: Sequence[str] = ()
    tables: Mapping[str, TableUpdate] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CurrentTask:
    """The task whose settings are being resolved.

    Args:
        key: Its name in the job.
        run_id: Of this attempt.
        execution_count: Attempts so far with this one, those of repairs included.
        notebook_path: If it runs one.
    """

    key: str
    run_id: int
    execution_count: int = 1
    notebook_path: str | None = None


@dataclass(frozen=True, slots=True)
class FinishedTask:
    """A task that ran before.

    Args:
        run_id: Of its last attempt.
        result: What it came to.
        code: Its termination code, such as `RUN_EXECUTION_ERROR`.
        execution_count: How often it was attempted.
        notebook_path: If it ran one.
        values: Its task values.
        rows: What its query gave, each row by column; None if it has no query.
        alert_state: `OK`, `TRIGGERED` or `UNKNOWN` of an alert.
    """

    run_id: int
    result: Result
    code: str = "SUCCESS"
    execution_count: int = 1
    notebook_path: str | None = None
    values: Mapping[str, JsonValue] = field(default_factory=dict)
    rows: Sequence[Mapping[str, JsonValue]] | None = None
    alert_state: str | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """Everything that the references in a job or a task may speak of.

    Args:
        job_id: The job.
        job_name: Its name when the run started.
        job_run_id: The run.
        start_time: When it started.
        repair_count: How often it was repaired.
        trigger: What started it.
        parameters: The run's, resolved.
        task: The task; None while the parameters of the run are resolved.
        tasks: The finished tasks by key.
        input: The item of a for-each task.
        backfill: Start of the window that the run does again.
        workspace_id: Ours.
        workspace_url: Where the server is reached.
    """

    job_id: int
    job_name: str
    job_run_id: int
    start_time: datetime
    repair_count: int = 0
    trigger: Trigger = Trigger()
    parameters: Mapping[str, str] = field(default_factory=dict)
    task: CurrentTask | None = None
    tasks: Mapping[str, FinishedTask] = field(default_factory=dict)
    input: JsonValue = ABSENT
    backfill: datetime | None = None
    workspace_id: int = 0
    workspace_url: str = ""


def milliseconds(instant: datetime) -> int:
    """Since 1970, without the detour over a float."""
    since = instant - datetime(1970, 1, 1, tzinfo=UTC)
    return since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000


def as_text(value: JsonValue) -> str:
    """How a value stands in a text: texts as they are, all else as JSON.

    Example:
        >>> as_text("a"), as_text(True), as_text([1, "b"])
        ('a', 'true', '[1,"b"]')
    """
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
