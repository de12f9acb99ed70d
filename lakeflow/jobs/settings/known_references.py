"""The table of references: what each of them means and where its value comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

from lakeflow.core.errors import ConfigurationError
from lakeflow.core.names import nearest, quote
from lakeflow.jobs.model import JsonValue
from lakeflow.jobs.settings.scope import (
    ABSENT,
    CurrentTask,
    FinishedTask,
    Scope,
    TableUpdate,
    as_text,
    milliseconds,
)


class MissingValue(ConfigurationError):
    """A reference names a value that is not there."""


TIME_ARGUMENTS: Mapping[str, tuple[str, Callable[[datetime], JsonValue]]] = {
    "iso_date": ("`2026-01-31`", lambda t: t.strftime("%Y-%m-%d")),
    "iso_datetime": ("`2026-01-31T23:59:00Z`", lambda t: t.strftime("%Y-%m-%dT%H:%M:%SZ")),
    "iso_weekday": ("1 for Monday to 7 for Sunday", datetime.isoweekday),
    "is_weekday": ("`true` from Monday to Friday, else `false`", lambda t: t.isoweekday() < 6),
    "year": ("such as 2026", lambda t: t.year),
    "month": ("1 to 12", lambda t: t.month),
    "day": ("1 to 31", lambda t: t.day),
    "hour": ("0 to 23", lambda t: t.hour),
    "minute": ("0 to 59", lambda t: t.minute),
    "second": ("0 to 59", lambda t: t.second),
    "timestamp_ms": ("milliseconds since 1970", milliseconds),
}
"""What may stand for `<time>`: what it is, and how it is made of an instant in UTC."""

_LONG = ("<table>", "<field>")
_Names = tuple[str, ...]


def _time(instant: datetime, argument: str) -> JsonValue:
    return TIME_ARGUMENTS[argument][1](instant.astimezone(UTC))


def _update(scope: Scope, table: _Names) -> TableUpdate | None:
    return scope.trigger.tables.get(".".join(table).lower())


def _version(scope: Scope, table: _Names) -> JsonValue:
    update = _update(scope, table)
    return update.version if update else ""


def _committed(scope: Scope, names: _Names) -> JsonValue:
    update = _update(scope, names[:-1])
    return _time(update.committed, names[-1]) if update else ""


def _named(values: Mapping[str, JsonValue], name: str, missing: str, hint: str = "") -> JsonValue:
    if name not in values:
        raise MissingValue(missing, hint=nearest(name, values) or hint or None)
    return values[name]


def _parameter(scope: Scope, names: _Names) -> JsonValue:
    return _named(scope.parameters, names[0], f"the job has no parameter {names[0]!r}.")


def _current(scope: Scope) -> CurrentTask:
    if scope.task is None:
        raise MissingValue("there is no task where the parameters of a job are resolved.")
    return scope.task


def _finished(scope: Scope, names: _Names) -> FinishedTask:
    key = names[0]
    found: FinishedTask = _named(
        scope.tasks, key, f"task {key!r} has not run.", "Let this task depend on it."
    )
    return found


def _notebook(task: CurrentTask | FinishedTask) -> str:
    if task.notebook_path is None:
        raise MissingValue("the task runs no notebook.")
    return task.notebook_path


def _task_value(scope: Scope, names: _Names) -> JsonValue:
    task, key = names
    return _named(
        _finished(scope, names).values,
        key,
        f"task {task!r} has set no value {key!r}.",
        f"Set it there: dbutils.jobs.taskValues.set({key!r}, ...).",
    )


def _rows(scope: Scope, names: _Names) -> list[Mapping[str, JsonValue]]:
    rows = _finished(scope, names).rows
    if rows is None:
        raise MissingValue(f"task {names[0]!r} has left no rows.", hint="Only queries do.")
    return [dict(row) for row in rows]


def _first_row(scope: Scope, names: _Names) -> Mapping[str, JsonValue]:
    rows = _rows(scope, names)
    if not rows:
        raise MissingValue(f"the query of task {names[0]!r} gave no rows.")
    return rows[0]


def _column(scope: Scope, names: _Names) -> JsonValue:
    column = names[1]
    return _named(_first_row(scope, names), column, f"the query has no column {column!r}.")


def _alert_state(scope: Scope, names: _Names) -> JsonValue:
    state = _finished(scope, names).alert_state
    if state is None:
        raise MissingValue(f"task {names[0]!r} is no alert.")
    return state


def _error_code(scope: Scope, names: _Names) -> JsonValue:
    task = _finished(scope, names)
    if not task.result.failed:
        return ""
    return "".join(word.capitalize() for word in task.code.split("_"))


def _input(scope: Scope) -> JsonValue:
    if scope.input is ABSENT:
        raise MissingValue("there is no input outside of a for-each task.")
    return scope.input


def _input_field(scope: Scope, names: _Names) -> JsonValue:
    value = _input(scope)
    for name in names:
        if not isinstance(value, Mapping):
            raise MissingValue(f"the input has no field {name!r}: it is {as_text(value)[:100]}.")
        value = _named(value, name, f"the input has no field {name!r}.")
    return value


def _backfill(scope: Scope, names: _Names) -> JsonValue:
    if scope.backfill is None:
        raise MissingValue(
            "the run is no backfill.", hint="Give it as a parameter of a backfill only."
        )
    return _time(scope.backfill, names[0])


@dataclass(frozen=True, slots=True)
class KnownReference:
    """A row of the table of references.

    Args:
        spelling: Its parts joined by dots; a part in angle brackets stands for a name.
        meaning: What it is, for the documents.
        value: Finds it, given the names that stand in the place of brackets.
        old: Whether it is a spelling of before, which still works.
    """

    spelling: str
    meaning: str
    value: Callable[[Scope, tuple[str, ...]], JsonValue]
    old: bool = False

    @property
    def pattern(self) -> tuple[str, ...]:
        """Its parts."""
        return tuple(self.spelling.split("."))

    @property
    def needs(self) -> str:
        """What there must be beside a run: `parameters`, a `task`, an `input`, or nothing."""
        if self.pattern[0] in ("task", "tasks", "run_id", "task_key", "task_retry_count"):
            return "task"
        if self.spelling == "job.parameters.<parameter>":
            return "parameters"
        return "input" if self.pattern[0] == "input" else ""


KNOWN: tuple[KnownReference, ...] = (
    KnownReference("job.id", "The job's id.", lambda s, _: s.job_id),
    KnownReference("job.name", "Its name when the run started.", lambda s, _: s.job_name),
    KnownReference("job.run_id", "The run's id.", lambda s, _: s.job_run_id),
    KnownReference(
        "job.repair_count", "How often the run was repaired.", lambda s, _: s.repair_count
    ),
    KnownReference(
        "job.start_time.<time>", "When the run started.", lambda s, n: _time(s.start_time, n[0])
    ),
    KnownReference(
        "job.trigger.time.<time>",
        "The instant for which the run was due; that of its start if it was due at none.",
        lambda s, n: _time(s.trigger.time or s.start_time, n[0]),
    ),
    KnownReference(
        "job.trigger.type",
        "What started the run, such as `periodic`, `one_time` or `file_arrival`.",
        lambda s, _: s.trigger.type.lower(),
    ),
    KnownReference(
        "job.trigger.file_arrival.location",
        "The watched place; empty if no files started the run.",
        lambda s, _: s.trigger.location,
    ),
    KnownReference(
        "job.trigger.file_arrival.files",
        "JSON array of the files that arrived. Only here, not on Databricks.",
        lambda s, _: list(s.trigger.files),
    ),
    KnownReference(
        "job.trigger.table_update.updated_tables",
        "JSON array of the tables that changed.",
        lambda s, _: list(s.trigger.tables),
    ),
    KnownReference(
        "job.trigger.table_update.<table>.version",
        "The newest version of a table that changed; empty if it did not.",
        _version,
    ),
    KnownReference(
        "job.trigger.table_update.<table>.commit_timestamp.<time>",
        "When that version was committed; empty if it did not change.",
        _committed,
    ),
    KnownReference("job.parameters.<parameter>", "A parameter of the job.", _parameter),
    KnownReference("task.name", "The task's key.", lambda s, _: _current(s).key),
    KnownReference("task.run_id", "The id of this attempt.", lambda s, _: _current(s).run_id),
    KnownReference(
        "task.execution_count",
        "Attempts so far with this one, those of repairs included.",
        lambda s, _: _current(s).execution_count,
    ),
    KnownReference(
        "task.notebook_path",
        "The notebook of a notebook task.",
        lambda s, _: _notebook(_current(s)),
    ),
    KnownReference(
        "tasks.<task>.run_id",
        "The id of a finished task's last attempt.",
        lambda s, n: _finished(s, n).run_id,
    ),
    KnownReference(
        "tasks.<task>.result_state",
        "What it came to, in lower case: `success`, `failed`, `excluded` and so on.",
        lambda s, n: _finished(s, n).result.lower(),
    ),
    KnownReference(
        "tasks.<task>.error_code",
        "Why it failed, such as `RunExecutionError`; empty if it did not.",
        _error_code,
    ),
    KnownReference(
        "tasks.<task>.execution_count",
        "How often it was attempted.",
        lambda s, n: _finished(s, n).execution_count,
    ),
    KnownReference(
        "tasks.<task>.notebook_path",
        "The notebook that it ran.",
        lambda s, n: _notebook(_finished(s, n)),
    ),
    KnownReference("tasks.<task>.values.<key>", "A task value that it set.", _task_value),
    KnownReference(
        "tasks.<task>.output.rows",
        "JSON array of the rows of its query, each an object by column.",
        _rows,
    ),
    KnownReference(
        "tasks.<task>.output.first_row", "The first of those rows, a JSON object.", _first_row
    ),
    KnownReference(
        "tasks.<task>.output.first_row.<column>", "A value of the first of those rows.", _column
    ),
    KnownReference(
        "tasks.<task>.output.alert_state",
        "`OK`, `TRIGGERED` or `UNKNOWN` of an alert.",
        _alert_state,
    ),
    KnownReference("input", "The item of a for-each task.", lambda s, _: _input(s)),
    KnownReference(
        "input.<field>", "A field of that item, or a field of such a field.", _input_field
    ),
    KnownReference(
        "backfill.<time>", "Start of the window that a backfill's run does again.", _backfill
    ),
    KnownReference("workspace.id", "The id of this installation.", lambda s, _: s.workspace_id),
    KnownReference("workspace.url", "Where its server is reached.", lambda s, _: s.workspace_url),
    KnownReference("job_id", "`job.id`", lambda s, _: s.job_id, old=True),
    KnownReference("run_id", "`task.run_id`", lambda s, _: _current(s).run_id, old=True),
    KnownReference("parent_run_id", "`job.run_id`", lambda s, _: s.job_run_id, old=True),
    KnownReference("task_key", "`task.name`", lambda s, _: _current(s).key, old=True),
    KnownReference(
        "task_retry_count",
        "`task.execution_count` less one",
        lambda s, _: _current(s).execution_count - 1,
        old=True,
    ),
    KnownReference(
        "start_date",
        "`job.start_time.iso_date`",
        lambda s, _: _time(s.start_time, "iso_date"),
        old=True,
    ),
    KnownReference(
        "start_time",
        "`job.start_time.timestamp_ms`",
        lambda s, _: milliseconds(s.start_time),
        old=True,
    ),
)
"""Every reference there is; the documents are compared with it."""

NAMESPACES: Mapping[str, Sequence[tuple[tuple[str, ...], KnownReference]]] = {
    first: [(known.pattern, known) for known in KNOWN if known.pattern[0] == first]
    for first in sorted({known.pattern[0] for known in KNOWN})
}
"""First parts, and what may follow: a reference that begins with another one stays as it is."""


def find(path: tuple[str, ...]) -> tuple[KnownReference, tuple[str, ...]]:
    """The row that a reference matches, and the names in the place of its brackets.

    Raises:
        ConfigurationError: It matches none.
    """
    for pattern, known in NAMESPACES.get(path[0], ()):
        names = _match(pattern, path)
        if names is not None:
            return known, names
    said = ".".join(map(quote, path))
    meant = sorted({each for known in KNOWN if not known.old for each in _spellings(known, path)})
    raise ConfigurationError(
        f"There is no reference {{{{{said}}}}}.", hint=nearest(said, meant) or None
    )


def _match(pattern: tuple[str, ...], path: tuple[str, ...]) -> tuple[str, ...] | None:
    """The names in brackets; `<table>` and `<field>` take as many parts as there are."""
    if len(path) < len(pattern):
        return None
    names: list[str] = []
    parts = iter(path)
    for part in pattern:
        if part in _LONG:
            names += islice(parts, len(path) - len(pattern) + 1)
            continue
        found = next(parts)
        if part == "<time>" and found not in TIME_ARGUMENTS:
            return None
        if part.startswith("<"):
            names.append(found)
        elif found != part:
            return None
    return tuple(names) if next(parts, None) is None else None


def _spellings(known: KnownReference, path: tuple[str, ...]) -> Iterator[str]:
    """A known reference as the user may have meant it, with the user's own names in it."""
    parts = [
        quote(path[number]) if part.startswith("<") and number < len(path) else part
        for number, part in enumerate(known.pattern)
    ]
    if known.pattern[-1] == "<time>":
        yield from (".".join([*parts[:-1], argument]) for argument in TIME_ARGUMENTS)
    else:
        yield ".".join(parts)
