"""Reads a job's settings: JSON of the API, or what a file declares."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lakeflow.core.errors import ConfigurationError, LakeflowError
from lakeflow.core.location import Location
from lakeflow.core.names import nearest
from lakeflow.jobs.model import (
    Condition,
    Dependency,
    ForEach,
    Job,
    JsonValue,
    RunIf,
    RunJob,
    Task,
    Work,
)
from lakeflow.jobs.settings.conditions import OPERATORS
from lakeflow.jobs.settings.fields import ELSEWHERE, OBJECTS, TASK_TYPES
from lakeflow.jobs.settings.notices import unwatched

Path = tuple[str | int, ...]
Locate = Callable[[Path], Location | None]

MOST_TASKS = 1000
_KEY = re.compile(r"[\w-]{1,100}")
LONGEST = 10 * 365 * 24 * 60 * 60
"""Seconds that something may be waited for: ten years."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A job, and what its reader has to be told.

    Args:
        job: The job.
        warnings: Fields that nobody knows, and rules that nobody watches; they are kept.
    """

    job: Job
    warnings: tuple[str, ...] = ()


def read_job(
    settings: Mapping[str, JsonValue],
    *,
    strict: bool = False,
    locate: Locate = lambda _: None,
) -> Reading:
    """Reads the settings of a job.

    Args:
        settings: JobSettings of the Jobs API.
        strict: Whether a field that is not known is an error and not a warning.
        locate: Where the user wrote what is at a path.

    Raises:
        ConfigurationError: The first thing that is wrong; it names the field.
    """
    reader = _Reader(strict, locate, [])
    reader.check("job", settings, ())
    tasks: dict[str, Task] = {}
    given = settings.get("tasks") or []
    if len(given) > MOST_TASKS:
        raise reader.error(("tasks",), f"A job has at most {MOST_TASKS} tasks, not {len(given)}.")
    for number, value in enumerate(given):
        task = reader.task(value, ("tasks", number))
        if task.key in tasks:
            raise reader.error(("tasks", number, "task_key"), f"Two tasks are named {task.key!r}.")
        tasks[task.key] = task
    reader.check_dependencies(tasks)
    return Reading(
        Job(
            settings.get("name") or "Untitled",
            tasks,
            reader.parameters(settings.get("parameters") or []),
            reader.number(settings, "max_concurrent_runs", (), 1, least=0, most=1000),
            bool((settings.get("queue") or {}).get("enabled", True)),
            reader.number(settings, "timeout_seconds", (), 0, most=LONGEST),
            settings,
        ),
        (*reader.warnings, *unwatched(settings)),
    )


@lru_cache(maxsize=256)
def _read_text(text: str) -> Job:
    return read_job(json.loads(text)).job


def stored_job(settings: Mapping[str, JsonValue]) -> Job:
    """The job of settings that were read before; the same one for the same settings."""
    return _read_text(json.dumps(settings))


@dataclass(frozen=True, slots=True)
class _Reader:
    strict: bool
    locate: Locate
    warnings: list[str]

    def error(self, path: Path, message: str, hint: str = "") -> LakeflowError:
        location = next(
            (found for n in range(len(path), -1, -1) if (found := self.locate(path[:n]))), None
        )
        where = f"{_written(path)}: " if path else ""
        return ConfigurationError(f"{where}{message}", location=location, hint=hint or None)

    def check(self, kind: str, value: Any, path: Path) -> None:
        """Refuses what does not have the shape of an object, its fields' with it."""
        if not isinstance(value, Mapping):
            raise self.error(path, f"It is a mapping of fields to values, not {value!r}.")
        known = {field.name: field for field in OBJECTS[kind]}
        for name, found in value.items():
            field = known.get(name)
            if field is None:
                message = f"{name} is not a field of {_said(kind)}."
                hint = nearest(str(name), known) or f"Fields are {', '.join(known)}."
                if self.strict:
                    raise self.error((*path, name), message, hint)
                self.warnings.append(f"{_written((*path, name))}: {message} {hint}")
            elif found is not None:
                self._check_shape(field.shape, found, (*path, name))

    def _check_shape(self, shape: str, value: Any, path: Path) -> None:
        if shape.endswith("[]"):
            if not isinstance(value, Sequence) or isinstance(value, str):
                raise self.error(path, f"It is a list, not {value!r}.")
            for number, each in enumerate(value):
                self.check(shape.removesuffix("[]"), each, (*path, number))
        elif shape in _SHAPES:
            fits, said = _SHAPES[shape]
            if not fits(value):
                raise self.error(path, f"It is {said}, not {value!r}.")
        elif shape != "task":  # the inner task of a for-each is read where it is met
            self.check(shape, value, path)

    def number(
        self, of: Mapping[str, Any], name: str, path: Path, default: int, *, least: int = 0,
        most: int | None = None,
    ) -> int:  # fmt: skip
        """A whole number within bounds."""
        value = of.get(name)
        if value is None:
            return default
        number = int(value)
        if number < least or (most is not None and number > most):
            bounds = f"at least {least}" if most is None else f"between {least} and {most}"
            raise self.error((*path, name), f"It is {bounds}, not {number}.")
        return number

    def parameters(self, given: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """Names and default values of a job's parameters."""
        found: dict[str, str] = {}
        for number, each in enumerate(given):
            name = each.get("name")
            if not name or name in found:
                said = f"Two parameters are named {name!r}." if name else "A parameter has a name."
                raise self.error(("parameters", number), said)
            found[name] = _text(each.get("default", ""))
        return found

    def task(self, value: Any, path: Path, *, inner: bool = False) -> Task:
        """Reads a task, or the inner task of a for-each."""
        self.check("task", value, path)
        key = value.get("task_key")
        if (
            not key
            or not isinstance(key, str)
            or not all(c.isalnum() or c in "_-" for c in key)
            or len(key) > 100
        ):
            raise self.error(
                (*path, "task_key"),
                f"{key!r} is not the key of a task.",
                "It has letters, digits, - and _, at most 100 of them.",
            )
        run_if = value.get("run_if") or RunIf.ALL_SUCCESS
        if run_if not in RunIf.__members__:
            raise self.error(
                (*path, "run_if"),
                f"{run_if!r} is no condition.",
                nearest(str(run_if), RunIf) or f"Conditions are {', '.join(RunIf)}.",
            )
        return Task(
            key,
            self._action(value, path, inner=inner),
            tuple(
                Dependency(each.get("task_key", ""), each.get("outcome"))
                for each in value.get("depends_on") or ()
            ),
            RunIf(run_if),
            bool(value.get("disabled", False)),
            self.number(value, "max_retries", path, 0, least=-1),
            self.number(value, "min_retry_interval_millis", path, 0, most=LONGEST * 1000),
            bool(value.get("retry_on_timeout", False)),
            self.number(value, "timeout_seconds", path, 0, most=LONGEST),
            value,
        )

    def _action(
        self, value: Mapping[str, Any], path: Path, *, inner: bool
    ) -> Work | Condition | ForEach | RunJob:
        types = [name for name in (*TASK_TYPES, *ELSEWHERE) if value.get(name) is not None]
        if len(types) != 1:
            raise self.error(
                path,
                f"Task {value['task_key']!r} has {' and '.join(types) or 'nothing to do'}.",
                f"Give it one of {', '.join(TASK_TYPES)}.",
            )
        (kind,) = types
        settings, place = value[kind], (*path, kind)
        match kind:
            case "condition_task":
                return self._condition(settings, place)
            case "for_each_task" if inner:
                raise self.error(place, "A for-each has no for-each within it.")
            case "for_each_task":
                return self._for_each(settings, place)
            case "run_job_task":
                called = settings.get("job_id")
                if called is None:
                    raise self.error((*place, "job_id"), "It is missing.")
                if isinstance(called, str) and called.isdigit() and not _is_number(called):
                    raise self.error((*place, "job_id"), f"{called!r} is not the id of a job.")
                return RunJob(settings)
        return Work(kind, settings)

    def _condition(self, settings: Mapping[str, Any], path: Path) -> Condition:
        for name in ("op", "left", "right"):
            if name not in settings:
                raise self.error((*path, name), "It is missing.")
        if settings["op"] not in OPERATORS:
            raise self.error(
                (*path, "op"),
                f"{settings['op']!r} is no comparison.",
                nearest(str(settings["op"]), OPERATORS) or f"Use {', '.join(OPERATORS)}.",
            )
        return Condition(settings["op"], settings["left"], settings["right"])

    def _for_each(self, settings: Mapping[str, Any], path: Path) -> ForEach:
        for name in ("inputs", "task"):
            if settings.get(name) is None:
                raise self.error((*path, name), "It is missing.")
        return ForEach(
            settings["inputs"],
            self.number(settings, "concurrency", path, 1, least=1, most=100),
            self.task(settings["task"], (*path, "task"), inner=True),
        )

    def check_dependencies(self, tasks: Mapping[str, Task]) -> None:
        """Refuses dependencies on nothing, outcomes of what has none, and cycles."""
        for number, task in enumerate(tasks.values()):
            for place, each in enumerate(task.depends_on):
                path = ("tasks", number, "depends_on", place)
                before = tasks.get(each.task)
                if before is None:
                    raise self.error(
                        (*path, "task_key"),
                        f"There is no task {each.task!r}.",
                        nearest(each.task, tasks) or f"Tasks are {', '.join(tasks)}.",
                    )
                if each.outcome is None:
                    continue
                if not isinstance(before.action, Condition):
                    raise self.error(
                        (*path, "outcome"), f"{each.task!r} is no condition, so it has no outcome."
                    )
                if each.outcome not in ("true", "false"):
                    raise self.error(
                        (*path, "outcome"), f'It is "true" or "false", not {each.outcome!r}.'
                    )
        cycle = _cycle({key: [d.task for d in task.depends_on] for key, task in tasks.items()})
        if cycle:
            raise self.error(("tasks",), f"Tasks wait for each other: {' -> '.join(cycle)}.")


def _cycle(before: Mapping[str, Sequence[str]]) -> list[str]:
    """Keys that wait for each other in a circle, the first one again at the end."""
    done: set[str] = set()
    for start in before:
        path: list[str] = []
        waiting = [(start, iter(before[start]))] if start not in done else []
        while waiting:
            key, rest = waiting[-1]
            if not path or path[-1] != key:
                path.append(key)
            following = next((each for each in rest if each not in done), None)
            if following is None:
                done.add(key)
                path.pop()
                waiting.pop()
            elif following in path:
                return [*path[path.index(following) :], following]
            else:
                waiting.append((following, iter(before[following])))
    return []


def _text(value: Any) -> str:
    """A value as the text that the API makes of it."""
    return value if isinstance(value, str) else json.dumps(value)


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float | bool)


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        return re.fullmatch(r"-?[0-9]{1,18}", value) is not None
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**18


def _is_texts(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and all(
        isinstance(each, str) for each in value
    )  # fmt: skip


_SHAPES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "any": (lambda _: True, ""),
    "text": (_is_scalar, "a text"),
    "scalar": (lambda v: _is_scalar(v) or isinstance(v, Mapping | Sequence), "a text"),
    "number": (_is_number, "a whole number"),
    "id": (lambda value: _is_number(value) or isinstance(value, str), "an id"),
    "flag": (lambda value: isinstance(value, bool), "true or false"),
    "texts": (_is_texts, "a list of texts"),
    "command": (lambda value: isinstance(value, str) or _is_texts(value), "a text or a list"),
    "inputs": (lambda value: isinstance(value, str | Sequence), "a JSON array, or text of one"),
    "mapping": (
        lambda value: isinstance(value, Mapping) and all(_is_scalar(v) for v in value.values()),
        "a mapping of names to texts",
    ),
}


def _written(path: Path) -> str:
    """A path as people write it: `tasks[2].run_if`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def _said(kind: str) -> str:
    return {"job": "a job", "task": "a task"}.get(kind, kind)
