"""Makes of events the rows of `system.lakeflow.*`: pure, from what the events keep for good."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from lakeflow.engine.history import ACCOUNT
from lakeflow.jobs.model import JsonValue
from lakeflow.jobs.rows import JobEvent

Row = dict[str, Any]
SettingsOf = Callable[[int, int], Mapping[str, JsonValue] | None]
"""Settings of a job in one of its versions."""

TYPES = ("job.created", "job.changed", "job.deleted", "run.ended", "run.skipped", "task.ended")
"""Of events that come to rows."""

_RESULTS = {
    "SUCCESS": "SUCCEEDED",
    "SUCCESS_WITH_FAILURES": "SUCCEEDED",
    "FAILED": "FAILED",
    "TIMEDOUT": "TIMED_OUT",
    "CANCELED": "CANCELLED",
    "UPSTREAM_FAILED": "SKIPPED",
    "UPSTREAM_CANCELED": "SKIPPED",
    "EXCLUDED": "SKIPPED",
    "DISABLED": "SKIPPED",
    "MAXIMUM_CONCURRENT_RUNS_REACHED": "SKIPPED",
}
_TRIGGERS = {"PERIODIC": "CRON", "ONE_TIME": "ONETIME", "RETRY": "ONETIME_RETRY"}
_OURS = frozenset({"DRIVER_ERROR", "INTERNAL_ERROR"})
"""Codes of what was not the user's fault."""

_TRIGGER_FIELDS = {
    "schedule": "CRON",
    "periodic": "PERIODIC",
    "file_arrival": "FILE_ARRIVAL",
    "table_update": "TABLE",
    "continuous": "CONTINUOUS",
    "model": "MODEL",
}


def rows_of(event: JobEvent, home: int, settings_of: SettingsOf) -> Iterator[tuple[str, Row]]:
    """What an event comes to, each row with the name of its table.

    Args:
        event: Of one of `TYPES`.
        home: The number of the home that it happened in.
        settings_of: Finds what a job was.
    """
    common = {"account_id": ACCOUNT, "workspace_id": str(home), "job_id": _text(event.job_id)}
    match event.type:
        case "run.ended" | "run.skipped":
            yield "job_run_timeline", {**common, **_run(event)}
        case "task.ended":
            yield "job_task_run_timeline", {**common, **_task(event)}
        case "job.created" | "job.changed" | "job.deleted":
            for table, row in _job(event, settings_of):
                yield table, {**common, **row}


def _run(event: JobEvent) -> Row:
    found = event.details
    first = found["repair"] == 0
    lasted = (found["ended"] - found["began"]) // 1000
    return {
        "run_id": str(event.run_id),
        "period_start_time": _instant(found["began"]),
        "period_end_time": _instant(found["ended"]),
        "trigger_type": _TRIGGERS.get(found["trigger"], found["trigger"]),
        "run_type": found["type"],
        "run_name": found["name"],
        "job_parameters": list(found["parameters"].items()),
        "source_task_run_id": _text(found["parent"]),
        "root_task_run_id": _text(found["root"]),
        "setup_duration_seconds": 0,
        "queue_duration_seconds": (found["began"] - found["created"]) // 1000 if first else 0,
        "run_duration_seconds": lasted,
        "cleanup_duration_seconds": 0,
        "execution_duration_seconds": lasted,
        "repair": found["repair"],
        **_end(event),
    }


def _task(event: JobEvent) -> Row:
    found = event.details
    began = found["started"] or found["ended"]
    return {
        "run_id": str(event.attempt),
        "period_start_time": _instant(began),
        "period_end_time": _instant(found["ended"]),
        "task_key": event.task_key,
        "job_run_id": str(event.run_id),
        "parent_run_id": _text(found["parent"] or event.run_id),
        "setup_duration_seconds": 0,
        "cleanup_duration_seconds": 0,
        "execution_duration_seconds": (found["ended"] - began) // 1000,
        "attempt_number": found["number"],
        "iteration": event.iteration,
        "repair": found["repair"],
        "condition_outcome": found["outcome"],
        "exit_code": found["exit_code"],
        "cpu_seconds": found["cpu_seconds"],
        "peak_memory_bytes": found["peak_memory"],
        **_end(event),
    }


def _end(event: JobEvent) -> Row:
    result, code = event.details["result"], event.details["code"]
    failed = _RESULTS[result] in ("FAILED", "TIMED_OUT")
    return {
        "result_state": _RESULTS[result],
        "termination_code": code,
        "termination_type": ("INTERNAL_ERROR" if code in _OURS else "CLIENT_ERROR")
        if failed
        else "SUCCESS",
        "message": event.message.removeprefix(f"{result}: ").removeprefix(f"{result}."),
    }


def _job(event: JobEvent, settings_of: SettingsOf) -> Iterator[tuple[str, Row]]:
    about = event.details
    assert event.job_id is not None
    settings = settings_of(event.job_id, about["version"]) or {}
    before = settings_of(event.job_id, about["version"] - 1) or {}
    deleted = event.type == "job.deleted"
    now = _instant(event.at)
    times = {"change_time": now, "delete_time": now if deleted else None}
    triggers = _triggers(settings)
    yield (
        "jobs",
        {
            **times,
            "name": settings.get("name"),
            "description": settings.get("description"),
            "creator_id": about["creator"],
            "tags": list(settings.get("tags", {}).items()),
            "run_as": about["creator"],
            "trigger": json.dumps(triggers) if triggers else None,
            "trigger_type": _trigger_type(triggers),
            "run_as_user_name": about["creator"],
            "creator_user_name": about["creator"],
            "paused": _is_paused(triggers),
            "timeout_seconds": settings.get("timeout_seconds", 0),
            "health_rules": _health(settings),
            "deployment": _deployment(settings),
            "create_time": _instant(about["created"]),
            "version": about["version"],
        },
    )
    tasks = {each["task_key"]: each for each in settings.get("tasks", ())}
    known = {each["task_key"]: each for each in before.get("tasks", ())}
    for key, task in tasks.items():
        if deleted or known.get(key) != task:
            yield "job_tasks", {**_declared(task), **times}
    if not deleted:
        for key in known.keys() - tasks.keys():
            yield "job_tasks", {**_declared(known[key]), "change_time": now, "delete_time": now}


def _declared(task: Mapping[str, JsonValue]) -> Row:
    return {
        "task_key": task["task_key"],
        "depends_on_keys": [each["task_key"] for each in task.get("depends_on", ())],
        "timeout_seconds": task.get("timeout_seconds", 0),
        "health_rules": _health(task),
        "task_type": next((name for name in task if name.endswith("_task")), None),
    }


def _triggers(settings: Mapping[str, JsonValue]) -> list[Mapping[str, JsonValue]]:
    """All triggers of a job in the form of the newer list."""
    found = list(settings.get("triggers") or ())
    found += [{k: settings[k]} for k in ("schedule", "continuous") if settings.get(k)]
    return [*found, settings["trigger"]] if settings.get("trigger") else found


def _trigger_type(triggers: list[Mapping[str, JsonValue]]) -> str:
    kinds = [_TRIGGER_FIELDS[name] for each in triggers for name in each if name in _TRIGGER_FIELDS]
    return ",".join(kinds) or "ONETIME"


def _is_paused(triggers: list[Mapping[str, JsonValue]]) -> bool:
    """Whether there are triggers, and all of them are paused."""
    said = [
        each.get("pause_status")
        or next((v.get("pause_status") for k, v in each.items() if k in _TRIGGER_FIELDS), None)
        for each in triggers
    ]
    return bool(said) and all(each == "PAUSED" for each in said)


def _health(settings: Mapping[str, JsonValue]) -> list[Row]:
    rules = (settings.get("health") or {}).get("rules") or ()
    return [{name: each.get(name) for name in ("metric", "op", "value")} for each in rules]


def _deployment(settings: Mapping[str, JsonValue]) -> Row | None:
    found = settings.get("deployment")
    names = ("kind", "metadata_file_path")
    return None if found is None else {name: found.get(name) for name in names}


def _instant(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)
