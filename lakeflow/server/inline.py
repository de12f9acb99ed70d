"""Runs SQL tasks on threads of the server: a process of their own would cost more than they do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Protocol

from lakeflow.core.errors import LakeflowError, TaskError, was_interrupted
from lakeflow.jobs.model import Result
from lakeflow.jobs.work import Assignment, Ended, Outcome, Process, Runner, Started


class Task(Protocol):
    """Something that runs on a thread and can be ended from another."""

    def run(self, assignment: Assignment) -> Mapping[str, Any]:
        """Does it; returns its output."""

    def cancel(self) -> None:
        """Has `run` raise as soon as it can."""


class InlineRunner:
    """Runs attempts on threads; a `Runner`.

    Args:
        tasks: Makes what runs an attempt, by type.
        threads: How many run at the same time.
    """

    def __init__(self, tasks: Mapping[str, Callable[[], Task]], threads: int) -> None:
        self._tasks = tasks
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="task")
        self._running: dict[int, Task] = {}
        self._stopped: set[int] = set()
        self._lock = threading.Lock()

    def start(self, assignment: Assignment, started: Started, ended: Ended) -> None:
        """Begins an attempt."""
        with self._lock:
            self._running[assignment.attempt] = self._tasks[assignment.type]()
        self._pool.submit(self._run, assignment, started, ended)

    def _run(self, assignment: Assignment, started: Started, ended: Ended) -> None:
        attempt = assignment.attempt
        started(attempt, assignment.epoch, None)
        before = time.thread_time()
        try:
            with self._lock:
                task = self._running[attempt]
            outcome = Outcome(Result.SUCCESS, output=task.run(assignment))
        except Exception as error:
            outcome = self._failure(attempt, error)
        finally:
            with self._lock:
                del self._running[attempt]
                self._stopped.discard(attempt)
        spent = time.thread_time() - before
        ended(attempt, assignment.epoch, replace(outcome, cpu_seconds=spent))

    def _failure(self, attempt: int, error: Exception) -> Outcome:
        if attempt in self._stopped and was_interrupted(error):
            return Outcome(Result.CANCELED, "USER_CANCELED", "The task was stopped.")
        code = error.code if isinstance(error, TaskError) else "RUN_EXECUTION_ERROR"
        known = isinstance(error, LakeflowError)
        return Outcome(
            Result.FAILED, code, str(error) if known else f"{type(error).__name__}: {error}"
        )

    def stop(self, attempt: int) -> None:
        """Ends an attempt."""
        with self._lock:
            task = self._running.get(attempt)
            if task is not None:
                self._stopped.add(attempt)
                task.cancel()

    def end_cluster(self, text: str) -> None:
        """Threads share nothing."""

    def sweep(self, processes: Mapping[int, Process]) -> None:
        """Threads end with their process."""

    def close(self) -> None:
        """Stops everything."""
        with self._lock:
            running = list(self._running)
        for attempt in running:
            self.stop(attempt)
        self._pool.shutdown(cancel_futures=True)


class Dispatch:
    """Hands attempts to one of two runners, by their type.

    Args:
        inline: Runs what has to be quick.
        types: What that is.
        workers: Runs all else.
        environment: Variables of every worker.
        localise: Puts what lies on this machine in the place of names that only a server knows.
    """

    def __init__(
        self,
        inline: Runner,
        types: frozenset[str],
        workers: Runner,
        environment: Mapping[str, str],
        localise: Callable[[Assignment], Assignment],
    ) -> None:
        self._inline = inline
        self._types = types
        self._workers = workers
        self._environment = environment
        self._localise = localise

    def start(self, assignment: Assignment, started: Started, ended: Ended) -> None:
        """Begins an attempt."""
        try:
            assignment = self._localise(assignment)
        except TaskError as error:
            outcome = Outcome(Result.FAILED, error.code, str(error))
            ended(assignment.attempt, assignment.epoch, outcome)
            return
        if assignment.type in self._types:
            self._inline.start(assignment, started, ended)
            return
        variables = {**self._environment, **assignment.environment}
        self._workers.start(replace(assignment, environment=variables), started, ended)

    def stop(self, attempt: int) -> None:
        """Ends an attempt; the one of the two that does not know it does nothing."""
        self._inline.stop(attempt)
        self._workers.stop(attempt)

    def end_cluster(self, text: str) -> None:
        """Ends a process that attempts shared."""
        self._workers.end_cluster(text)

    def sweep(self, processes: Mapping[int, Process]) -> None:
        """Kills what an earlier server has left."""
        self._workers.sweep(processes)

    def close(self) -> None:
        """Stops everything."""
        self._inline.close()
        self._workers.close()
