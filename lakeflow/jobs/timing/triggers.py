"""What starts runs of a job: the values of its triggers, read from its settings.

Whether a trigger fires at some moment is decided in `ticks` and `event_triggers`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta, tzinfo
from enum import StrEnum
from typing import TypeVar

from lakeflow.core.errors import ConfigurationError, LakeflowError
from lakeflow.core.names import TableName
from lakeflow.jobs.model import JsonValue
from lakeflow.jobs.settings.object_fields import Fields
from lakeflow.jobs.timing import quartz
from lakeflow.jobs.timing.zones import time_zone

Value = TypeVar("Value")

LEAST_SECONDS_BETWEEN_TICKS = 10
"""How close two ticks of a schedule may be."""

_LEAST_TIMER = 60
_MOST_TABLES = 10


class MissedRuns(StrEnum):
    """What becomes of ticks that passed while nobody looked."""

    SKIP = "skip"
    RUN_ONCE = "run_once"
    RUN_ALL = "run_all"


class TableCondition(StrEnum):
    """How many of the tables must have changed."""

    ANY_UPDATED = "ANY_UPDATED"
    ALL_UPDATED = "ALL_UPDATED"


class ConditionMode(StrEnum):
    """What a query must answer for a run to start."""

    QUERY_RETURNS_ROWS = "QUERY_RETURNS_ROWS"
    RESULT_VALUE_CHANGES = "RESULT_VALUE_CHANGES"


class TaskRetryMode(StrEnum):
    """Whether failed tasks of a continuous job are tried again before the whole run is."""

    NEVER = "NEVER"
    ON_FAILURE = "ON_FAILURE"


class PauseStatus(StrEnum):
    """Whether a trigger may fire."""

    PAUSED = "PAUSED"
    UNPAUSED = "UNPAUSED"


class PeriodUnit(StrEnum):
    """In what the interval of a periodic trigger is counted."""

    MINUTES = "MINUTES"
    HOURS = "HOURS"
    DAYS = "DAYS"
    WEEKS = "WEEKS"


@dataclass(frozen=True, slots=True)
class Schedule:
    """Fires at the wall times of a Quartz expression.

    Args:
        quartz: Which ones.
        zone: Whose clocks.
        zone_id: The zone as it was written.
    """

    quartz: quartz.Quartz
    zone: tzinfo
    zone_id: str

    @property
    def identity(self) -> str:
        """Changes when the state of the trigger no longer belongs to it."""
        return f"schedule {self.quartz.text} {self.zone_id}"


@dataclass(frozen=True, slots=True)
class Periodic:
    """Fires whenever an interval has passed, counted from when the trigger was first seen."""

    interval: timedelta

    @property
    def identity(self) -> str:
        """Changes when the state of the trigger no longer belongs to it."""
        return f"periodic {self.interval.total_seconds():.0f}"


@dataclass(frozen=True, slots=True)
class Timers:
    """What an event waits for.

    Args:
        since_last_tick: At least this long after the trigger fired.
        since_last_change: At least this long after the last change; each change begins it anew.
    """

    since_last_tick: timedelta = timedelta(0)
    since_last_change: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class FileArrival:
    """Fires when files with new names lie in a folder or below it."""

    url: str
    timers: Timers

    @property
    def identity(self) -> str:
        """Changes when the state of the trigger no longer belongs to it."""
        return f"file_arrival {self.url}"


@dataclass(frozen=True, slots=True)
class TableUpdate:
    """Fires when tables have got new versions.

    Args:
        tables: Complete names.
        condition: Whether one of them is enough.
        timers: What it then waits for.
    """

    tables: tuple[str, ...]
    condition: TableCondition
    timers: Timers

    @property
    def identity(self) -> str:
        """Changes when the state of the trigger no longer belongs to it."""
        return f"table_update {' '.join(sorted(self.tables))}"


@dataclass(frozen=True, slots=True)
class Continuous:
    """Keeps exactly one run active."""

    task_retry_mode: TaskRetryMode

    @property
    def identity(self) -> str:
        """Changes when the state of the trigger no longer belongs to it."""
        return "continuous"


@dataclass(frozen=True, slots=True)
class Recorded:
    """A kind of trigger that is kept and shown, and never fires here.

    Args:
        kind: Its field, such as `model`.
        settings: The value of that field.
    """

    kind: str
    settings: Mapping[str, JsonValue] = field(hash=False)

    @property
    def identity(self) -> str:
        """Changes when the state of the trigger no longer belongs to it."""
        return self.kind


Rule = Schedule | Periodic | FileArrival | TableUpdate | Continuous | Recorded
"""What makes a trigger fire."""


@dataclass(frozen=True, slots=True)
class SqlCondition:
    """A query that is asked before a run starts.

    Args:
        query_id: The saved query.
        warehouse_id: Where it runs.
        mode: What it must answer.
    """

    query_id: str
    warehouse_id: str
    mode: ConditionMode


@dataclass(frozen=True, slots=True)
class Trigger:
    """One of the triggers of a job.

    Args:
        path: Where it stands in the settings: `schedule`, `triggers[1]`.
        rule: What makes it fire.
        paused: Whether it is held.
        condition: A query that must agree.
        missed_runs: What becomes of ticks that passed while nobody looked.
        max_missed_age_seconds: Ticks older than this do not run; 0 for no limit.
    """

    path: str
    rule: Rule
    paused: bool = False
    condition: SqlCondition | None = None
    missed_runs: MissedRuns = MissedRuns.RUN_ONCE
    max_missed_age_seconds: int = 0


_SCHEDULE = ("quartz_cron_expression", "timezone_id")
_CONTINUOUS = ("task_retry_mode", "maintenance_window")
_TIMERS = ("min_time_between_triggers_seconds", "wait_after_last_change_seconds")
_MISSED = ("missed_runs", "max_missed_age_seconds")
_CONDITION = ("sql_query_id", "warehouse_id", "trigger_mode")
_COMMON = ("pause_status", "sql_condition", *_MISSED)
_EVENTS: dict[str, tuple[str, ...]] = {
    "periodic": ("interval", "unit"),
    "file_arrival": ("url", *_TIMERS),
    "table_update": ("table_names", "condition", *_TIMERS),
    "model": ("condition", "aliases", "securable_name", *_TIMERS),
    "job_completion": ("jobs", "if_status"),
}
_KINDS = {"schedule": _SCHEDULE, "continuous": _CONTINUOUS, **_EVENTS}

FIELDS = {"": _COMMON, **_KINDS, "sql_condition": _CONDITION}
"""The fields of a trigger, and of each object in it."""

_NO_EFFECT = {
    "model": "is kept but never fires: there is no registry of models here.",
    "job_completion": "is kept but never fires here; let the other job end with a run_job_task.",
}
_UNITS = {
    PeriodUnit.MINUTES: timedelta(minutes=1),
    PeriodUnit.HOURS: timedelta(hours=1),
    PeriodUnit.DAYS: timedelta(days=1),
    PeriodUnit.WEEKS: timedelta(weeks=1),
}


def read_triggers(
    settings: Mapping[str, JsonValue], *, strict: bool = True
) -> tuple[tuple[Trigger, ...], tuple[str, ...]]:
    """Reads the triggers of a job.

    Args:
        settings: Those of the job, as in the Jobs API; only `triggers`, `schedule`, `trigger`
            and `continuous` are looked at.
        strict: Whether fields that are not known are refused; otherwise they are warned of.

    Returns:
        The triggers in their order, and warnings, such as of what is kept without effect.

    Raises:
        ConfigurationError: A value is wrong; the message begins with its path.
    """
    warnings: list[str] = []
    single = [
        name for name in ("schedule", "trigger", "continuous") if settings.get(name) is not None
    ]
    listed = settings.get("triggers")
    if listed is not None and single:
        raise ConfigurationError(
            f"The job has both triggers and {' and '.join(single)}.",
            hint=f"Move {single[0]} into the list of triggers.",
        )
    if len(single) > 1:
        raise ConfigurationError(
            f"The job has {' and '.join(single)}; it may have one of them.",
            hint="Write several triggers as a list: triggers: [{schedule: ...}, ...].",
        )
    if listed is not None:
        if not isinstance(listed, list | tuple):
            raise ConfigurationError(f"triggers is {listed!r}; it must be a list.")
        found = [
            _one_of(
                Fields(
                    item,
                    f"triggers[{place}]",
                    (*_KINDS, *_COMMON),
                    strict=strict,
                    warnings=warnings,
                ),
                tuple(_KINDS),
            )
            for place, item in enumerate(listed)
        ]
    else:
        found = [_single(name, settings[name], strict, warnings) for name in single]
    return tuple(found), tuple(warnings)


def _single(name: str, value: JsonValue, strict: bool, warnings: list[str]) -> Trigger:
    """Reads one of the three fields that hold the only trigger of a job."""

    def fields(*known: str) -> Fields:
        return Fields(value, name, known, strict=strict, warnings=warnings)

    if name == "schedule":
        given = fields(*_SCHEDULE, *_COMMON)
        return _trigger(given, _schedule(given))
    if name == "continuous":
        given = fields(*_CONTINUOUS, "pause_status")
        return _trigger(given, _continuous(given))
    return _one_of(fields(*_EVENTS, *_COMMON), tuple(_EVENTS))


def _one_of(given: Fields, kinds: tuple[str, ...]) -> Trigger:
    """Reads a trigger whose kind is the name of the one field of it that is set."""
    named = [kind for kind in kinds if kind in given]
    if len(named) != 1:
        raise ConfigurationError(
            f"{given.path} has {' and '.join(named) or 'no kind'}; a trigger has exactly one kind.",
            hint=f"Kinds are {', '.join(kinds)}.",
        )
    kind = named[0]
    inner = given.inner(kind, _KINDS[kind])
    match kind:
        case "schedule":
            rule: Rule = _schedule(inner)
        case "continuous":
            rule = _continuous(inner)
        case "periodic":
            count = inner.whole("interval", 1, most=100_000)
            rule = Periodic(count * _UNITS[inner.word("unit", PeriodUnit)])
        case "file_arrival":
            rule = _file_arrival(inner)
        case "table_update":
            rule = _table_update(inner)
        case _:
            given.warn(kind, _NO_EFFECT[kind])
            rule = Recorded(kind, inner.values)
    return _trigger(given, rule)


def _trigger(given: Fields, rule: Rule) -> Trigger:
    timed = isinstance(rule, Schedule | Periodic)
    for name in _MISSED:
        if name in given and not timed:
            raise given.error(
                name, "is for schedule and periodic only.", "Other triggers miss no ticks."
            )
    return Trigger(
        path=given.path,
        rule=rule,
        paused=given.word("pause_status", PauseStatus, PauseStatus.UNPAUSED) == "PAUSED",
        condition=_condition(given) if "sql_condition" in given else None,
        missed_runs=given.word("missed_runs", MissedRuns, MissedRuns.RUN_ONCE),
        max_missed_age_seconds=given.whole("max_missed_age_seconds", 1, default=0),
    )


def _schedule(given: Fields) -> Schedule:
    text = given.text("quartz_cron_expression", "0 30 6 * * ?")
    zone_id = given.text("timezone_id", "UTC or Europe/Vienna")
    expression = _read(given, "quartz_cron_expression", quartz.parse, text)
    zone = _read(given, "timezone_id", time_zone, zone_id)
    if (least := expression.least_seconds_between()) < LEAST_SECONDS_BETWEEN_TICKS:
        raise given.error(
            "quartz_cron_expression",
            f"is {text!r}, which fires {least} seconds after a tick; "
            f"at least {LEAST_SECONDS_BETWEEN_TICKS} must lie between two.",
            "Write one second, such as 0, or 0/10.",
        )
    return Schedule(expression, zone, zone_id)


def _continuous(given: Fields) -> Continuous:
    if "maintenance_window" in given:
        given.warn("maintenance_window", "is kept without effect: nothing is maintained here.")
    return Continuous(given.word("task_retry_mode", TaskRetryMode, TaskRetryMode.NEVER))


def _file_arrival(given: Fields) -> FileArrival:
    url = given.text("url", "data/landing/ or s3://bucket/landing/")
    if any(sign in url for sign in "*?"):
        raise given.error(
            "url", f"is {url!r}, which has a wildcard.", "Name the folder; it is watched whole."
        )
    return FileArrival(url, _timers(given))


def _table_update(given: Fields) -> TableUpdate:
    names = given.texts("table_names", _MOST_TABLES, "Write them like [main.shop.orders].")
    tables = [str(_read(given, "table_names", TableName.parse, name)) for name in names]
    condition = given.word("condition", TableCondition, TableCondition.ANY_UPDATED)
    return TableUpdate(tuple(dict.fromkeys(tables)), condition, _timers(given))


def _read(given: Fields, field: str, read: Callable[[str], Value], text: str) -> Value:
    try:
        return read(text)
    except LakeflowError as error:
        raise given.error(field, f"is wrong: {error.message}", error.hint) from error


def _timers(given: Fields) -> Timers:
    between, after = (
        timedelta(seconds=given.whole(name, _LEAST_TIMER, default=0)) for name in _TIMERS
    )
    return Timers(between, after)


def _condition(given: Fields) -> SqlCondition:
    inner = given.inner("sql_condition", _CONDITION)
    return SqlCondition(
        inner.text("sql_query_id", "the id of a saved query"),
        inner.text("warehouse_id", "the id of a SQL warehouse"),
        inner.word("trigger_mode", ConditionMode, ConditionMode.QUERY_RETURNS_ROWS),
    )
