"""What a Python file declares of jobs, and where that goes while the file is run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from lakeflow.core.errors import LakeflowError
from lakeflow.core.location import Location
from lakeflow.jobs.model import JsonValue
from lakeflow.jobs.settings.references import Reference
from lakeflow.jobs.settings.scope import as_text

Value = str | int | float | bool
"""What may be given for a parameter; the API has texts, so it becomes one."""


@dataclass(frozen=True, slots=True)
class Action:
    """What a task does.

    Args:
        type: Its field in a task of the API, such as `notebook_task`.
        settings: The value of that field.
    """

    type: str
    settings: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Branch:
    """One way out of a condition; see `DeclaredTask.when`."""

    task: str
    outcome: str


@dataclass(frozen=True, slots=True)
class DeclaredTask:
    """A task as it was declared.

    Args:
        key: Its name in the job.
        settings: The task as the API writes it.
        location: Where it was declared.
    """

    key: str
    settings: Mapping[str, JsonValue]
    location: Location

    def when(self, outcome: bool) -> Branch:
        """For `after`: the branch that runs when this condition comes out so."""
        return Branch(self.key, as_text(outcome))

    def value(self, key: str) -> str:
        """A reference to a task value that this task sets."""
        return self._reference("values", key)

    def first_row(self, column: str) -> str:
        """A reference to a value of the first row that this task's query gives."""
        return self._reference("output", "first_row", column)

    @property
    def rows(self) -> str:
        """A reference to the rows that this task's query gives, as the inputs of a for-each."""
        return self._reference("output", "rows")

    @property
    def result(self) -> str:
        """A reference to what this task comes to, such as `success`."""
        return self._reference("result_state")

    def _reference(self, *path: str) -> str:
        return str(Reference.to("tasks", self.key, *path))


@dataclass(frozen=True, slots=True)
class DeclaredJob:
    """A job as it was declared.

    Args:
        name: For people.
        settings: The job as the API writes it.
        location: Where it was declared.
    """

    name: str
    settings: Mapping[str, JsonValue]
    location: Location

    @property
    def runs(self) -> frozenset[str]:
        """The jobs that its tasks run, as far as they are named by key and not by id."""
        inner = ((task.get("for_each_task") or {}).get("task") for task in self.settings["tasks"])
        called = (
            str(task["run_job_task"]["job_id"])
            for task in (*self.settings["tasks"], *inner)
            if task and "run_job_task" in task
        )
        return frozenset(key for key in called if not (key.isascii() and key.isdigit()))


@dataclass(slots=True)
class Declarations:
    """What a file declares while it is run.

    Args:
        jobs: In their order.
        errors: What is wrong with them.
    """

    jobs: list[DeclaredJob] = field(default_factory=list)
    errors: list[LakeflowError] = field(default_factory=list)


_active: ContextVar[Declarations | None] = ContextVar("declarations", default=None)


@contextmanager
def declarations() -> Iterator[Declarations]:
    """Jobs declared inside are kept, and so are their errors, instead of being raised."""
    found = Declarations()
    token = _active.set(found)
    try:
        yield found
    finally:
        _active.reset(token)


def tell(errors: Iterable[LakeflowError]) -> None:
    """Keeps errors of a declaration while a file is run; raises the first one otherwise.

    Raises:
        LakeflowError: No file is being run.
    """
    active = _active.get()
    for error in errors:
        if active is None:
            raise error
        active.errors.append(error)


def keep(declared: DeclaredJob) -> None:
    """Adds a job to those of the file that is being run, if one is."""
    active = _active.get()
    if active is not None:
        active.jobs.append(declared)
