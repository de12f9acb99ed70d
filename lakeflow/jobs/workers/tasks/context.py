"""What a task sees while it runs in its process."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lakeflow.core.errors import TaskError
from lakeflow.jobs.model import JsonValue
from lakeflow.jobs.work import Assignment
from lakeflow.jobs.workers.wire import Message


class Stopped(BaseException):
    """The task was asked to end."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a task came to.

    Args:
        output: As in `Outcome`.
        exit_code: Of the program that it ran; other than 0 is a failure.
        message: Why it failed, where the code does not say it.
        error: Why it failed, for the traceback.
    """

    output: Mapping[str, JsonValue] = field(default_factory=dict)
    exit_code: int | None = None
    message: str = ""
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """What whoever composes the program hands to tasks, each a dotted name `module:function`.

    Args:
        types: What runs a type of task that is not known here: called with settings and context.
        engine: Called with a context; returns what runs SQL and is `spark`, for notebooks.
        environments: The folder of virtual environments; one in the user's cache if empty.
    """

    types: Mapping[str, str] = field(default_factory=dict)
    engine: str = ""
    environments: str = ""


@dataclass(frozen=True, slots=True)
class Context:
    """An attempt in its process.

    Args:
        assignment: What is to be done.
        given: What others do for it.
        values: Task values that were set.
    """

    assignment: Assignment
    given: Given = field(default_factory=Given)
    values: dict[str, JsonValue] = field(default_factory=dict)

    @property
    def settings(self) -> Mapping[str, Any]:
        """The value of the task's field."""
        return self.assignment.settings

    def required(self, name: str) -> Any:
        """A setting that has to be there.

        Raises:
            TaskError: It is not.
        """
        if not (found := self.settings.get(name)):
            raise TaskError(f"{self.assignment.type} needs {name}.", "INVALID_RUN_CONFIGURATION")
        return found

    def file(self, name: str, endings: tuple[str, ...] = ("",)) -> Path:
        """The file that a setting names, relative to the root of the job.

        Args:
            name: The setting.
            endings: What may be left out at the end of the file's name.

        Raises:
            TaskError: The setting or the file is missing.
        """
        said = str(self.required(name)).removeprefix("file:")
        path = self.assignment.root / said
        for ending in endings:
            if (found := path.with_name(path.name + ending)).is_file():
                return found
        raise TaskError(
            f"{self.assignment.type}.{name}: there is no file {path}.",
            "RESOURCE_NOT_FOUND",
            hint=f"Relative paths are taken against {self.assignment.root}.",
        )


def order(assignment: Assignment, given: Given, *, again: bool) -> Message:
    """The message that lets a worker run an attempt.

    Args:
        assignment: The attempt.
        given: What others do for it.
        again: Whether the worker waits for another one afterwards.
    """
    fields = {name: getattr(assignment, name) for name in Assignment.__slots__}
    for name in ("folder", "root"):
        fields[name] = fields[name].absolute()
    return {"assignment": fields, "given": asdict(given), "again": again}


def ordered(message: Message) -> Context:
    """What such a message asks for."""
    said = message["assignment"]
    fields = {**said, "libraries": tuple(said["libraries"])}
    for name in ("folder", "root"):
        fields[name] = Path(said[name])
    return Context(Assignment(**fields), Given(**message["given"]))


def load(name: str) -> Callable[..., Any]:
    """The function of a dotted name, `module:function` or `module.function`.

    Raises:
        TaskError: There is none.
    """
    module, colon, inner = name.partition(":")
    if not colon:
        module, _, inner = name.rpartition(".")
    try:
        found: Any = importlib.import_module(module)
        for part in inner.split("."):
            found = getattr(found, part)
    except (ModuleNotFoundError, AttributeError, ValueError) as error:
        if isinstance(error, ModuleNotFoundError) and not module.startswith(error.name or "?"):
            raise  # of an import inside the module
        raise TaskError(
            f"There is no function {name}: {error}.",
            "RESOURCE_NOT_FOUND",
            hint="Write module.function or module:function.",
        ) from error
    if not callable(found):
        raise TaskError(f"{name} is not a function.", "INVALID_RUN_CONFIGURATION")
    return found  # type: ignore[no-any-return]
