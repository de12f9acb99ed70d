"""What the scheduler hands to whoever runs a task, and what it gets back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from lakeflow.jobs.model import JsonValue, Result


@dataclass(frozen=True, slots=True)
class Assignment:
    """One attempt of a task, ready to run: nothing in it is left to be resolved.

    Args:
        attempt: The id of the attempt, which is a run id of the API.
        epoch: Goes up each time the attempt is handed out; a result with an older one is dropped.
        type: The field of the task that says what to do, such as `spark_python_task`.
        settings: The value of that field, without references.
        folder: For the attempt's files: `stdout`, `stderr`, the executed notebook. It is made by
            whoever starts the attempt.
        root: Folder against which relative paths of the settings are taken.
        parameters: The job's parameters, pushed down to tasks that take names and values.
        values: What `dbutils.jobs.taskValues.get` finds: task key to key to value.
        names: What user code may ask for: `job_id`, `run_id`, `task_key` and so on.
        environment: Variables added to those of the server.
        cluster: Attempts with the same text share one process; None for a process of their own.
        warm: Whether a process that was started ahead may be taken.
        libraries: What has to be installed beside the interpreter, as in the API.
        memory_limit: Bytes that the processes of the attempt may use; 0 for no limit.
    """

    attempt: int
    epoch: int
    type: str
    settings: Mapping[str, JsonValue]
    folder: Path
    root: Path
    parameters: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, JsonValue]] = field(default_factory=dict)
    names: Mapping[str, JsonValue] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    cluster: str | None = None
    warm: bool = True
    libraries: tuple[Mapping[str, JsonValue], ...] = ()
    memory_limit: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended.

    Args:
        result: `SUCCESS`, `FAILED` or `CANCELED`.
        code: Databricks' termination code, such as `RUN_EXECUTION_ERROR` or `DRIVER_ERROR`.
        message: One sentence for people; empty if all went well.
        trace: The traceback of user code.
        output: What the task gave: the text of `dbutils.notebook.exit`, rows of a query.
        values: Task values that it set.
        exit_code: Of the process, if one ran.
        cpu_seconds: Processor time of the attempt, its children's with it.
        peak_memory: Bytes that its processes held at most.
    """

    result: Result
    code: str = "SUCCESS"
    message: str = ""
    trace: str = ""
    output: Mapping[str, JsonValue] = field(default_factory=dict)
    values: Mapping[str, JsonValue] = field(default_factory=dict)
    exit_code: int | None = None
    cpu_seconds: float = 0.0
    peak_memory: int = 0


@dataclass(frozen=True, slots=True)
class Process:
    """A process that runs an attempt; with its start time, for ids of processes come again."""

    pid: int
    started: float


Started = Callable[[int, int, Process | None], None]
"""Told attempt, epoch and process once an attempt runs."""

Ended = Callable[[int, int, Outcome], None]
"""Told attempt, epoch and outcome once an attempt has ended and nothing of it is left."""


class Runner(Protocol):
    """Runs attempts; every method returns at once and may be called from any thread."""

    def start(self, assignment: Assignment, started: Started, ended: Ended) -> None:
        """Begins an attempt; `ended` is called once, whatever happens, from some thread."""

    def stop(self, attempt: int) -> None:
        """Ends an attempt: asks, waits for ten seconds, then kills all its processes."""

    def end_cluster(self, text: str) -> None:
        """Ends the process that the attempts of a cluster shared."""

    def sweep(self, processes: Mapping[int, Process]) -> None:
        """Kills what is left of attempts that an earlier server started, by attempt."""

    def close(self) -> None:
        """Stops everything; no process is left when it returns."""
