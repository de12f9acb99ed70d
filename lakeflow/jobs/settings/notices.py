"""Who is told what when a run or an attempt of a task starts, ends or takes too long."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from lakeflow.core.errors import ConfigurationError
from lakeflow.core.names import nearest
from lakeflow.jobs.model import JsonValue, Result

DURATION_WARNING = "on_duration_warning_threshold_exceeded"
BACKLOG_WARNING = "on_streaming_backlog_exceeded"
EVENTS = ("on_start", "on_success", "on_failure", DURATION_WARNING, BACKLOG_WARNING)
"""What somebody may be told of."""

RECORDED_EVENTS = ("on_maintenance_start", "on_maintenance_complete")
"""Kept as they are: there is nobody here who maintains a run from outside."""

MOST_WEBHOOKS = 3
"""Destinations that an event of a job or of a task may have."""

METRICS = (
    "RUN_DURATION_SECONDS",
    "STREAMING_BACKLOG_BYTES",
    "STREAMING_BACKLOG_RECORDS",
    "STREAMING_BACKLOG_SECONDS",
    "STREAMING_BACKLOG_FILES",
)
"""What a health rule may watch; all but the first are recorded, not watched."""

_SKIPPED = frozenset(
    {Result.UPSTREAM_FAILED, Result.UPSTREAM_CANCELED, Result.MAXIMUM_CONCURRENT_RUNS_REACHED}
)
_CANCELED = frozenset({Result.CANCELED, Result.UPSTREAM_CANCELED})
_SUCCESS = frozenset({Result.SUCCESS, Result.SUCCESS_WITH_FAILURES})


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to be told to somebody.

    Args:
        event: One of `EVENTS`.
        kind: How it is delivered.
        to: The address, or the id of a notification destination.
        body: What is said: names and ids, never parameters, messages or output.
    """

    event: str
    kind: Literal["email", "webhook"]
    to: str
    body: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Subject:
    """The run, or the attempt of a task, of which there is something to tell.

    Args:
        job_id: The job.
        job_name: Its name.
        run_id: The run or the attempt.
        task_key: If it is an attempt of a task.
        job_run_id: The run that the attempt belongs to.
        url: Where a person sees it.
        workspace_id: Ours.
    """

    job_id: int
    job_name: str
    run_id: int
    task_key: str | None = None
    job_run_id: int | None = None
    url: str = ""
    workspace_id: int = 0


def at_start(
    settings: Mapping[str, JsonValue], subject: Subject, *, retry: bool = False
) -> list[Notice]:
    """Who is told that a run or an attempt has started.

    Args:
        settings: Those of the job for a run, those of the task for an attempt.
        subject: What has started.
        retry: Whether it is a further attempt of a task.
    """
    if retry and _says(settings, "alert_on_last_attempt"):
        return []
    return _notices(settings, "on_start", subject, {})


def at_end(
    settings: Mapping[str, JsonValue], subject: Subject, result: Result, *, last: bool = True
) -> list[Notice]:
    """Who is told what a run or an attempt has come to.

    A run is told of once, when nothing of it is tried again. One that was passed over, because
    it was excluded or disabled, is not told of.

    Args:
        settings: Those of the job for a run, those of the task for an attempt.
        subject: What has ended.
        result: What it came to.
        last: Whether no further attempt will be made.
    """
    said = {"result_state": result.value}
    if result in _SUCCESS:
        return _notices(settings, "on_success", subject, said)
    if not result.failed or (not last and _says(settings, "alert_on_last_attempt")):
        return []
    if result in _CANCELED and _says(settings, "no_alert_for_canceled_runs"):
        return []
    if result in _SKIPPED and _says(settings, "no_alert_for_skipped_runs"):
        return []
    notices = _notices(settings, "on_failure", subject, said)
    emails = settings.get("email_notifications") or {}
    if result in _SKIPPED and emails.get("no_alert_for_skipped_runs"):  # its older place
        return [notice for notice in notices if notice.kind != "email"]
    return notices


def at_warning(
    settings: Mapping[str, JsonValue], subject: Subject, event: str = DURATION_WARNING
) -> list[Notice]:
    """Who is told that a health rule is broken.

    Args:
        settings: Those of the job for a run, those of the task for an attempt.
        subject: What takes too long or lags behind.
        event: `DURATION_WARNING` or `BACKLOG_WARNING`.
    """
    return _notices(settings, event, subject, {})


def warning_at(settings: Mapping[str, JsonValue], started: int) -> int | None:
    """The first millisecond in which a run or an attempt takes longer than its rule says.

    Args:
        settings: Those of the job for a run, those of the task for an attempt.
        started: When it started, in milliseconds since 1970.
    """
    limits = [rule["value"] for rule in _rules(settings) if rule.get("metric") == METRICS[0]]
    return started + min(limits) * 1000 + 1 if limits else None


def unwatched(settings: Mapping[str, JsonValue]) -> list[str]:
    """What is said of the health rules of a job that are kept and not watched.

    Args:
        settings: The job as the API writes it.
    """
    return [
        f"{path}health.rules[{number}]: {rule['metric']} is kept and not watched: "
        f"there is {METRICS[0]} here."
        for path, part in _parts(settings)
        for number, rule in enumerate(_rules(part))
        if rule.get("metric") in METRICS[1:]
    ]


def check_notices(
    settings: Mapping[str, JsonValue], *, strict: bool = True
) -> list[ConfigurationError]:
    """All that is wrong with the notifications and health rules of a job and its tasks.

    Args:
        settings: The job as the API writes it.
        strict: Whether an event that nobody knows is wrong.
    """
    return [
        ConfigurationError(f"{path}{error.message}", hint=error.hint)
        for path, part in _parts(settings)
        for error in _errors(part, strict=strict)
    ]


def _notices(
    settings: Mapping[str, JsonValue],
    event: str,
    subject: Subject,
    said: Mapping[str, JsonValue],
) -> list[Notice]:
    if "condition_task" in settings:  # decides and does nothing, so there is nothing to tell
        return []
    emails = (settings.get("email_notifications") or {}).get(event) or ()
    webhooks = (settings.get("webhook_notifications") or {}).get(event) or ()
    if not emails and not webhooks:
        return []
    body = {**_body(event, subject), **said}
    told = [Notice(event, "email", address, body) for address in dict.fromkeys(emails)]
    ids = dict.fromkeys(webhook["id"] for webhook in webhooks)
    return told + [Notice(event, "webhook", each, body) for each in ids]


def _body(event: str, subject: Subject) -> dict[str, JsonValue]:
    """What Databricks posts to a webhook, ids as texts, and beside it where to look."""
    run = {"run_id": str(subject.run_id)}
    body: dict[str, JsonValue] = {
        "event_type": f"jobs.{event}",
        "workspace_id": str(subject.workspace_id),
        "run": run,
        "job": {"job_id": str(subject.job_id), "name": subject.job_name},
    }
    if subject.task_key is not None:
        body["task"] = {"task_key": subject.task_key}
    if subject.job_run_id is not None:
        run["parent_run_id"] = str(subject.job_run_id)
    if subject.url:
        body["run_page_url"] = subject.url
    return body


def _says(settings: Mapping[str, JsonValue], name: str) -> bool:
    return bool((settings.get("notification_settings") or {}).get(name))


def _rules(settings: Mapping[str, JsonValue]) -> list[Mapping[str, JsonValue]]:
    rules = (settings.get("health") or {}).get("rules")
    return [rule for rule in rules if isinstance(rule, Mapping)] if isinstance(rules, list) else []


def _parts(
    settings: Mapping[str, JsonValue], path: str = ""
) -> Iterator[tuple[str, Mapping[str, JsonValue]]]:
    yield path, settings
    for task in settings.get("tasks") or ():
        yield from _parts(task, f"tasks[{task.get('task_key')}].")
    inner = (settings.get("for_each_task") or {}).get("task")
    if inner:
        yield from _parts(inner, f"{path}for_each_task.task.")


def _errors(settings: Mapping[str, JsonValue], *, strict: bool) -> Iterator[ConfigurationError]:
    for name in ("email_notifications", "webhook_notifications"):
        for event, destinations in (settings.get(name) or {}).items():
            known = event in EVENTS + RECORDED_EVENTS
            older = (name, event) == ("email_notifications", "no_alert_for_skipped_runs")
            if known or (strict and not older):
                yield from _errors_of_event(name, event, destinations)
    if len(_rules(settings)) != len((settings.get("health") or {}).get("rules") or ()):
        yield ConfigurationError("health.rules is a list of mappings.")
    for number, rule in enumerate(_rules(settings)):
        where = f"health.rules[{number}]"
        metric, value = str(rule.get("metric")), rule.get("value")
        if metric not in METRICS:
            yield ConfigurationError(
                f"{where}: there is no metric {metric!r}.",
                hint=nearest(metric, METRICS) or f"There are {', '.join(METRICS)}.",
            )
        if rule.get("op") != "GREATER_THAN" or type(value) is not int:
            yield ConfigurationError(
                f"{where} compares by {rule.get('op')} with {value!r}.",
                hint="A rule has op: GREATER_THAN and a whole number as value.",
            )


def _errors_of_event(
    name: str, event: str, destinations: JsonValue
) -> Iterator[ConfigurationError]:
    if event not in EVENTS + RECORDED_EVENTS:
        yield ConfigurationError(
            f"{name}: there is no event {event!r}.",
            hint=nearest(event, EVENTS) or f"There are {', '.join(EVENTS)}.",
        )
        return
    if destinations is None:
        return
    webhook = name == "webhook_notifications"
    found: list[JsonValue] = destinations if isinstance(destinations, list) else [None]
    if webhook:
        found = [each.get("id") if isinstance(each, Mapping) else None for each in found]
    if not all(isinstance(each, str) for each in found):
        what = "mappings with an id" if webhook else "addresses"
        yield ConfigurationError(f"{name}.{event} is a list of {what}.")
    if webhook and len(found) > MOST_WEBHOOKS:
        yield ConfigurationError(
            f"{name}.{event} has {len(found)} destinations; it may have {MOST_WEBHOOKS}.",
            hint="Let one of them pass it on.",
        )
