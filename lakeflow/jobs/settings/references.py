"""Dynamic value references: `{{job.run_id}}` and the like, in the settings of jobs and tasks."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from lakeflow.core.errors import ConfigurationError
from lakeflow.core.names import nearest, quote
from lakeflow.jobs.model import JsonValue
from lakeflow.jobs.settings.known_references import NAMESPACES, MissingValue, find
from lakeflow.jobs.settings.scope import Scope, as_text

_PART = r"[A-Za-z0-9_]+|`(?:[^`]|``)+`|\[[A-Za-z0-9_]+\]"
_REFERENCE = re.compile(rf"\{{\{{[ \t]*((?:{_PART})(?:\.(?:{_PART}))*)[ \t]*\}}\}}")
_PARTS = re.compile(_PART)
_NEARLY = re.compile(r"\{\{[ \t]*(?:job|tasks?|input|backfill|workspace)\.[^{}]*\}{0,2}")


@dataclass(frozen=True, slots=True)
class Reference:
    """What stands between two pairs of braces.

    Args:
        path: Its parts, without back-ticks and brackets.
        text: All of it as the user wrote it.
    """

    path: tuple[str, ...]
    text: str = field(compare=False)

    @classmethod
    def to(cls, *path: str) -> Reference:
        """The reference with these parts.

        Example:
            >>> str(Reference.to("tasks", "load", "values", "row count"))
            '{{tasks.load.values.`row count`}}'
        """
        return cls(path, "{{" + ".".join(map(quote, path)) + "}}")

    def __str__(self) -> str:
        return self.text


def parse(text: str) -> tuple[str | Reference, ...]:
    """Splits a text at its references; what only looks like one stays text.

    Example:
        >>> [str(part) for part in parse("run {{job.run_id}} of {{job")]
        ['run ', '{{job.run_id}}', ' of {{job']
    """
    parts: list[str | Reference] = []
    position = 0
    for found in _REFERENCE.finditer(text):
        if found.start() > position:
            parts.append(text[position : found.start()])
        parts.append(Reference(tuple(map(_bare, _PARTS.findall(found[1]))), found[0]))
        position = found.end()
    if position < len(text):
        parts.append(text[position:])
    return tuple(parts)


def _bare(part: str) -> str:
    if part.startswith("`"):
        return part[1:-1].replace("``", "`")
    return part.strip("[]")


def resolve(value: JsonValue, scope: Scope) -> JsonValue:
    """Puts values in the place of references, in every text of a JSON value but keys.

    A value that is put in is not looked at again, and what it holds stays text.

    Raises:
        MissingValue: A known reference has no value in this run.
        ConfigurationError: A reference is not known, though its first part is.
    """
    if isinstance(value, str):
        return "".join(
            part if isinstance(part, str) else _text_of(part, scope) for part in parse(value)
        )
    if isinstance(value, Mapping):
        return {key: resolve(each, scope) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [resolve(each, scope) for each in value]
    return value


def _text_of(reference: Reference, scope: Scope) -> str:
    if reference.path[0] not in NAMESPACES:
        return reference.text
    known, names = find(reference.path)
    try:
        return as_text(known.value(scope, names))
    except MissingValue as error:
        raise MissingValue(f"{reference}: {error.message}", hint=error.hint) from None


def check(settings: Mapping[str, JsonValue], *, strict: bool = False) -> list[ConfigurationError]:
    """All that is wrong with the references of a job, before it ever runs.

    Args:
        settings: The job as the API writes it.
        strict: Whether what nearly is a reference, and would stay as it is, is wrong too.
    """
    parameters = {str(each.get("name")): each for each in _mappings(settings.get("parameters"))}
    tasks = {str(each.get("task_key")): each for each in _mappings(settings.get("tasks"))}
    defaults = {name: each.get("default") for name, each in parameters.items()}
    errors = check_parameters("parameters", defaults, strict=strict)
    for key, task in tasks.items():
        there = _Place(
            f"tasks[{key}]",
            ("", "parameters", "task"),
            tuple(parameters),
            tuple(tasks),
            partial(_before, key, tasks),
            strict,
        )
        errors += there.errors_of_task(task)
    return errors


def check_parameters(
    field_name: str, values: Mapping[str, JsonValue], *, strict: bool = False
) -> list[ConfigurationError]:
    """All that is wrong with references in values of job parameters.

    Args:
        field_name: Where they stand.
        values: By name of the parameter.
        strict: Whether what nearly is a reference is wrong too.
    """
    place = _Place(field_name, ("",), strict=strict)
    return [
        error
        for name, value in values.items()
        for error in place.errors(value, f"{field_name}[{name}]")
    ]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where references stand, and what they may speak of there."""

    name: str
    holds: tuple[str, ...]
    parameters: Sequence[str] = ()
    tasks: Sequence[str] = ()
    before: Callable[[], Collection[str]] = frozenset
    strict: bool = False

    def errors_of_task(self, task: Mapping[str, JsonValue]) -> Iterator[ConfigurationError]:
        for name, value in task.items():
            if name in _NOT_RESOLVED:
                continue
            if name != "for_each_task" or not isinstance(value, Mapping):
                yield from self.errors(value, f"{self.name}.{name}")
                continue
            inside = f"{self.name}.for_each_task"
            yield from self.errors(value.get("inputs"), f"{inside}.inputs")
            inner = value.get("task")
            if isinstance(inner, Mapping):
                place = replace(self, name=f"{inside}.task", holds=(*self.holds, "input"))
                yield from place.errors_of_task(inner)

    def errors(self, value: JsonValue, where: str) -> Iterator[ConfigurationError]:
        for path, text in _texts(value, where):
            for part in parse(text):
                try:
                    self.check_part(part)
                except ConfigurationError as error:
                    yield ConfigurationError(f"{path}: {error.message}", hint=error.hint)

    def check_part(self, part: str | Reference) -> None:
        if isinstance(part, Reference):
            if part.path[0] in NAMESPACES:
                self.check(part)
        elif self.strict and (found := _NEARLY.search(part)):
            raise ConfigurationError(
                f"{found[0]!r} is no reference and would stay as it is.",
                hint="Names with other signs than letters, digits and _ stand in back-ticks: "
                "{{tasks.`my-task`.run_id}}.",
            )

    def check(self, reference: Reference) -> None:
        known, names = find(reference.path)
        if known.needs not in self.holds:
            raise ConfigurationError(
                f"{reference} has no value here.", hint=_OUT_OF_PLACE[known.needs]
            )
        if known.pattern[-1] == "<parameter>" and names[0] not in self.parameters:
            raise ConfigurationError(
                f"{reference}: the job has no parameter {names[0]!r}.",
                hint=nearest(names[0], self.parameters) or "Declare it in the job's parameters.",
            )
        if known.pattern[0] == "tasks":
            self.check_task(reference, names[0])

    def check_task(self, reference: Reference, task: str) -> None:
        if task not in self.tasks:
            raise ConfigurationError(
                f"{reference}: the job has no task {task!r}.",
                hint=nearest(task, self.tasks) or None,
            )
        if task not in self.before():
            raise ConfigurationError(
                f"{reference}: task {task!r} need not have run before this one.",
                hint=f"Add {task!r} to depends_on.",
            )


_NOT_RESOLVED = frozenset(
    "task_key description depends_on email_notifications webhook_notifications".split()
)
_OUT_OF_PLACE = {
    "parameters": "Parameters of a job cannot be made of each other.",
    "task": "Parameters of a job are resolved before its tasks; use it in a task.",
    "input": "There is an input in the task of a for-each task only.",
}


def _texts(value: JsonValue, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _texts(each, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for number, each in enumerate(value):
            yield from _texts(each, f"{path}[{number}]")


def _mappings(value: JsonValue) -> Iterator[Mapping[str, JsonValue]]:
    if isinstance(value, list | tuple):
        yield from (each for each in value if isinstance(each, Mapping))


def _before(key: str, tasks: Mapping[str, Mapping[str, JsonValue]]) -> set[str]:
    """The tasks that have ended before one starts."""
    found: set[str] = set()
    waiting = [key]
    while waiting:
        for dependency in _mappings(tasks.get(waiting.pop(), {}).get("depends_on")):
            before = str(dependency.get("task_key"))
            if before not in found:
                found.add(before)
                waiting.append(before)
    return found
