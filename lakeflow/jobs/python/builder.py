"""Jobs as Python declares them: typed, small, and the Jobs API's JSON in the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Unpack, get_type_hints

from lakeflow.core.errors import ConfigurationError, LakeflowError
from lakeflow.core.location import Location, caller_location
from lakeflow.core.names import nearest
from lakeflow.jobs.model import JsonValue
from lakeflow.jobs.python.declarations import (
    Action,
    Branch,
    DeclaredJob,
    DeclaredTask,
    Value,
    keep,
    tell,
)
from lakeflow.jobs.python.options import JobOptions, TaskOptions
from lakeflow.jobs.settings.notices import check_notices
from lakeflow.jobs.settings.reading import read_job
from lakeflow.jobs.settings.references import check
from lakeflow.jobs.settings.scope import as_text
from lakeflow.jobs.timing.triggers import read_triggers


@dataclass(frozen=True, slots=True)
class DeclaredTrigger:
    """What starts a job by itself.

    Args:
        kind: Its field in the API, such as `schedule` or `file_arrival`.
        settings: The value of that field.
        paused: Whether it waits until somebody resumes it.
    """

    kind: str
    settings: Mapping[str, JsonValue]
    paused: bool = False


Before = str | DeclaredTask | Branch
"""What `after` takes."""


def job(
    name: str,
    *,
    tasks: Sequence[DeclaredTask],
    trigger: DeclaredTrigger | Sequence[DeclaredTrigger] = (),
    parameters: Mapping[str, Value] | None = None,
    **options: Unpack[JobOptions],
) -> DeclaredJob:
    """Declares a job.

    Args:
        name: For people; unique in the project.
        tasks: Its tasks; they run in the order that their `after` asks for.
        trigger: What starts it: `cron`, `every`, `files`, `tables`, `continuous`, or several.
        parameters: Names and default values, which tasks get as their own.
        options: Further fields of a job in the Jobs API.

    Example:
        >>> from lakeflow import jobs
        >>> load = jobs.task("load", jobs.pipeline("shop"))
        >>> nightly = jobs.job("nightly", tasks=[load], trigger=jobs.cron("0 0 2 * * ?"))
        >>> nightly.settings["schedule"]["quartz_cron_expression"]
        '0 0 2 * * ?'
    """
    location = caller_location()
    settings: dict[str, JsonValue] = {"name": name}
    settings |= _known(options, JobOptions, "job", location)
    if parameters:
        settings["parameters"] = [
            {"name": key, "default": as_text(value)} for key, value in parameters.items()
        ]
    settings |= _triggers([trigger] if isinstance(trigger, DeclaredTrigger) else trigger)
    settings["tasks"] = [task.settings for task in tasks]
    declared = DeclaredJob(name, settings, location)
    keep(declared)
    tell(_errors(declared, tasks))
    return declared


def task(
    key: str,
    action: Action,
    *,
    after: Before | Iterable[Before] = (),
    **options: Unpack[TaskOptions],
) -> DeclaredTask:
    """Declares a task.

    Args:
        key: Its name in the job.
        action: What it does, such as `pipeline("shop")` or `notebook("report.ipynb")`.
        after: The tasks before it: a task, its key, or `condition.when(True)`; or several.
        options: Further fields of a task in the Jobs API.

    Example:
        >>> from lakeflow import jobs
        >>> load = jobs.task("load", jobs.pipeline("shop"))
        >>> report = jobs.notebook("report.ipynb")
        >>> jobs.task("report", report, after=load, max_retries=2).settings
        {'task_key': 'report', 'depends_on': [{'task_key': 'load'}], 'max_retries': 2,
         'notebook_task': {'notebook_path': 'report.ipynb'}}
    """
    location = caller_location()
    before = [after] if isinstance(after, str | DeclaredTask | Branch) else list(after)
    settings: dict[str, JsonValue] = {"task_key": key}
    if before:
        settings["depends_on"] = [_dependency(each) for each in before]
    settings |= _known(options, TaskOptions, "task", location)
    settings[action.type] = action.settings
    return DeclaredTask(key, settings, location)


def cron(expression: str, timezone: str = "UTC", *, paused: bool = False) -> DeclaredTrigger:
    """Starts a job at the instants of a Quartz expression.

    Args:
        expression: Seconds, minutes, hours, day of month, month, day of week and maybe years.
        timezone: Such as `Europe/Berlin`.
        paused: Whether it waits until somebody resumes it.
    """
    settings = {"quartz_cron_expression": expression, "timezone_id": timezone}
    return DeclaredTrigger("schedule", settings, paused)


def every(
    interval: int,
    unit: Literal["MINUTES", "HOURS", "DAYS", "WEEKS"],
    *,
    paused: bool = False,
) -> DeclaredTrigger:
    """Starts a job again and again.

    Args:
        interval: How many units lie between two starts.
        unit: Of time.
        paused: Whether it waits until somebody resumes it.
    """
    return DeclaredTrigger("periodic", {"interval": interval, "unit": unit}, paused)


def files(
    url: str, *, quiet_seconds: int = 0, apart_seconds: int = 0, paused: bool = False
) -> DeclaredTrigger:
    """Starts a job when new files have arrived.

    Args:
        url: The folder that is watched, with all below it.
        quiet_seconds: How long nothing must have arrived before it starts.
        apart_seconds: How long two starts lie apart at least.
        paused: Whether it waits until somebody resumes it.
    """
    return DeclaredTrigger(
        "file_arrival", {"url": url, **_waits(quiet_seconds, apart_seconds)}, paused
    )


def tables(
    *names: str,
    condition: Literal["ANY_UPDATED", "ALL_UPDATED"] = "ANY_UPDATED",
    quiet_seconds: int = 0,
    apart_seconds: int = 0,
    paused: bool = False,
) -> DeclaredTrigger:
    """Starts a job when tables have changed.

    Args:
        names: The tables that are watched.
        condition: Whether one of them must have changed, or all.
        quiet_seconds: How long nothing must have changed before it starts.
        apart_seconds: How long two starts lie apart at least.
        paused: Whether it waits until somebody resumes it.
    """
    waits = _waits(quiet_seconds, apart_seconds)
    settings = {"table_names": list(names), "condition": condition, **waits}
    return DeclaredTrigger("table_update", settings, paused)


def continuous(
    *, task_retry_mode: Literal["NEVER", "ON_FAILURE"] = "NEVER", paused: bool = False
) -> DeclaredTrigger:
    """Starts a job anew as soon as it has ended.

    Args:
        task_retry_mode: Kept and shown; tasks are tried again as their `max_retries` say.
        paused: Whether it waits until somebody resumes it.
    """
    return DeclaredTrigger("continuous", {"task_retry_mode": task_retry_mode}, paused)


def _waits(quiet: int, apart: int) -> dict[str, JsonValue]:
    waits = {"wait_after_last_change_seconds": quiet, "min_time_between_triggers_seconds": apart}
    return {name: seconds for name, seconds in waits.items() if seconds}


def _triggers(triggers: Sequence[DeclaredTrigger]) -> dict[str, JsonValue]:
    """One trigger goes where every client looks for it, several into the newer list."""
    paused = [{"pause_status": "PAUSED"} if each.paused else {} for each in triggers]
    if len(triggers) == 1 and triggers[0].kind in ("schedule", "continuous"):
        return {triggers[0].kind: {**triggers[0].settings, **paused[0]}}
    entries = [
        {each.kind: each.settings, **pause} for each, pause in zip(triggers, paused, strict=True)
    ]
    if len(entries) == 1:
        return {"trigger": entries[0]}
    return {"triggers": entries} if entries else {}


def _dependency(before: Before) -> dict[str, JsonValue]:
    if isinstance(before, Branch):
        return {"task_key": before.task, "outcome": before.outcome}
    return {"task_key": before if isinstance(before, str) else before.key}


def _known(
    options: Mapping[str, object],
    known: type[JobOptions | TaskOptions],
    of: str,
    location: Location,
) -> dict[str, JsonValue]:
    """The options that there are; the others are told."""
    names = get_type_hints(known)
    tell(
        ConfigurationError(
            f"A {of} has no option {name!r}.",
            location=location,
            hint=nearest(name, names) or f"It has {', '.join(sorted(names))}.",
        )
        for name in options
        if name not in names
    )
    return {name: value for name, value in options.items() if name in names}


def _errors(declared: DeclaredJob, tasks: Sequence[DeclaredTask]) -> Iterator[LakeflowError]:
    """What only shows when all tasks of a job are known, told where its task was declared."""

    def place(path: tuple[str | int, ...]) -> Location:
        number = path[1] if path[:1] == ("tasks",) and len(path) > 1 else None
        return tasks[number].location if isinstance(number, int) else declared.location

    try:
        read_job(declared.settings, strict=True, locate=place)
        read_triggers(declared.settings)
    except LakeflowError as error:
        error.location = error.location or declared.location
        yield error
        return
    numbers = {each.key: number for number, each in enumerate(tasks)}
    for wrong in (*check(declared.settings, strict=True), *check_notices(declared.settings)):
        key = wrong.message.removeprefix("tasks[").partition("]")[0]
        wrong.location = place(("tasks", numbers[key]) if key in numbers else ())
        yield wrong
