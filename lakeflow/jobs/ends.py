"""What an event keeps of an end for good: a repair changes the row, and a run may be deleted."""

from __future__ import annotations

from collections.abc import Mapping

from lakeflow.jobs.model import JsonValue
from lakeflow.jobs.rows import AttemptRow, JobRow, RepairRow, RunRow
from lakeflow.jobs.store import Store


def about_job(job: JobRow) -> Mapping[str, JsonValue]:
    """What the event of a change says of a job; its settings are kept by version."""
    return {"version": job.version, "created": job.created, "creator": job.creator}


def about_run(store: Store, row: RunRow) -> Mapping[str, JsonValue]:
    """What the event of a run's end says of it.

    Args:
        store: Where the run is.
        row: The run, over.
    """
    repairs = store.select(RepairRow, "run_id = ? AND ended IS NULL", (row.run_id,))
    began = max([row.started or row.created, *(each.started for each in repairs)])
    return {
        "name": row.name,
        "type": row.type,
        "trigger": row.trigger,
        "parameters": dict(row.parameters),
        "result": row.result,
        "code": row.code,
        "created": row.created,
        "began": began,
        "ended": row.ended,
        "repair": row.repairs,
        "parent": row.parent,
        "root": _root(store, row.parent),
    }


def about_attempt(row: AttemptRow) -> Mapping[str, JsonValue]:
    """What the event of an attempt's end says of it."""
    return {
        "result": row.result,
        "code": row.code,
        "created": row.created,
        "started": row.started,
        "ended": row.ended,
        "number": row.number,
        "repair": row.repair,
        "parent": row.parent,
        "outcome": row.outcome,
        "exit_code": row.exit_code,
        "cpu_seconds": row.cpu_seconds,
        "peak_memory": row.peak_memory,
    }


def _root(store: Store, parent: int | None) -> int | None:
    """The attempt at the top: the task of a run that no task began."""
    found = parent
    while parent is not None:
        found = parent
        attempt = store.find(AttemptRow, parent)
        run = None if attempt is None else store.find(RunRow, attempt.run_id)
        parent = None if run is None else run.parent
    return found
