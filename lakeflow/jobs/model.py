"""What a job is made of. The words and values are those of Databricks' Jobs API 2.2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

JsonValue = Any
"""What `json.loads` returns."""


class RunIf(StrEnum):
    """What the tasks before a task must have come to for it to run."""

    ALL_SUCCESS = "ALL_SUCCESS"
    AT_LEAST_ONE_SUCCESS = "AT_LEAST_ONE_SUCCESS"
    NONE_FAILED = "NONE_FAILED"
    ALL_DONE = "ALL_DONE"
    AT_LEAST_ONE_FAILED = "AT_LEAST_ONE_FAILED"
    ALL_FAILED = "ALL_FAILED"


class Result(StrEnum):
    """What a run or a task has come to."""

    SUCCESS = "SUCCESS"
    SUCCESS_WITH_FAILURES = "SUCCESS_WITH_FAILURES"
    FAILED = "FAILED"
    TIMEDOUT = "TIMEDOUT"
    CANCELED = "CANCELED"
    UPSTREAM_FAILED = "UPSTREAM_FAILED"
    UPSTREAM_CANCELED = "UPSTREAM_CANCELED"
    EXCLUDED = "EXCLUDED"
    DISABLED = "DISABLED"
    MAXIMUM_CONCURRENT_RUNS_REACHED = "MAXIMUM_CONCURRENT_RUNS_REACHED"

    @property
    def failed(self) -> bool:
        """Whether a task that depends on this one sees a failure."""
        return self in _FAILED


_FAILED = frozenset(
    {
        Result.FAILED,
        Result.TIMEDOUT,
        Result.CANCELED,
        Result.UPSTREAM_FAILED,
        Result.UPSTREAM_CANCELED,
        Result.MAXIMUM_CONCURRENT_RUNS_REACHED,
    }
)


@dataclass(frozen=True, slots=True)
class Dependency:
    """A task that must have ended before another one is looked at.

    Args:
        task: Its key.
        outcome: `true` or `false` of a condition task; the other branch is excluded.
    """

    task: str
    outcome: str | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """What a task does in a process or a thread: everything but control flow.

    Args:
        type: Its field in a task, such as `notebook_task`.
        settings: The value of that field; may hold `{{references}}`.
    """

    type: str
    settings: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Condition:
    """An if/else: compares two texts or numbers.

    Args:
        op: `EQUAL_TO`, `NOT_EQUAL`, `GREATER_THAN` and so on.
        left: First operand; may hold `{{references}}`.
        right: Second operand.
    """

    op: str
    left: str
    right: str


@dataclass(frozen=True, slots=True)
class ForEach:
    """Runs a task once for each of some inputs.

    Args:
        inputs: A JSON array as text, or a reference to one.
        concurrency: Iterations that may run at the same time.
        task: What is run; its key is that of the whole.
    """

    inputs: str
    concurrency: int
    task: Task


@dataclass(frozen=True, slots=True)
class RunJob:
    """Runs another job and comes to what that run comes to.

    Args:
        settings: `job_id`, `job_parameters` and the older fields of the like.
    """

    settings: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Task:
    """A step of a job.

    Args:
        key: Unique in its job.
        action: What it does.
        depends_on: Tasks before it.
        run_if: What those must have come to.
        disabled: Whether it is passed over.
        max_retries: Further attempts after a failure; -1 for as many as it takes.
        min_retry_interval_millis: Between the start of an attempt and that of the next.
        retry_on_timeout: Whether an attempt that took too long is made again.
        timeout_seconds: After which an attempt is stopped; 0 for never.
        settings: The whole task as it was given, with what only others read.
    """

    key: str
    action: Work | Condition | ForEach | RunJob
    depends_on: tuple[Dependency, ...] = ()
    run_if: RunIf = RunIf.ALL_SUCCESS
    disabled: bool = False
    max_retries: int = 0
    min_retry_interval_millis: int = 0
    retry_on_timeout: bool = False
    timeout_seconds: int = 0
    settings: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Job:
    """Tasks and the order in which they run.

    Args:
        name: For people; need not be unique.
        tasks: By key, in the order in which they were given.
        parameters: Names and default values.
        max_concurrent_runs: Runs that may be active at the same time.
        queued: Whether a run above that waits, or is skipped.
        timeout_seconds: After which a run is stopped; 0 for never.
        settings: The whole job as it was given.
    """

    name: str
    tasks: Mapping[str, Task]
    parameters: Mapping[str, str] = field(default_factory=dict)
    max_concurrent_runs: int = 1
    queued: bool = True
    timeout_seconds: int = 0
    settings: Mapping[str, JsonValue] = field(default_factory=dict)
