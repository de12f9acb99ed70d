"""A runner whose attempts end when a test says so, and a scheduler around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lakeflow.core.clock import FixedClock
from lakeflow.jobs.control import create_job, run_now
from lakeflow.jobs.home import Home
from lakeflow.jobs.model import Result
from lakeflow.jobs.rows import AttemptRow, RunRow
from lakeflow.jobs.scheduler import Scheduler
from lakeflow.jobs.store import Store
from lakeflow.jobs.work import Assignment, Ended, Outcome, Process, Started


class ScriptedRunner:
    """Runs nothing; remembers what it was handed."""

    def __init__(self) -> None:
        self.running: dict[int, tuple[Assignment, Ended]] = {}
        self.handed: list[Assignment] = []
        self.stopped: list[int] = []
        self.ended_clusters: list[str] = []
        self.swept: dict[int, Process] = {}

    def start(self, assignment: Assignment, started: Started, ended: Ended) -> None:
        assert assignment.attempt not in self.running
        self.running[assignment.attempt] = (assignment, ended)
        self.handed.append(assignment)
        started(assignment.attempt, assignment.epoch, Process(4711, 0.5))

    def stop(self, attempt: int) -> None:
        self.stopped.append(attempt)

    def end_cluster(self, text: str) -> None:
        self.ended_clusters.append(text)

    def sweep(self, processes: Mapping[int, Process]) -> None:
        self.swept.update(processes)

    def close(self) -> None:
        self.running.clear()

    def end(self, attempt: int, outcome: Outcome) -> None:
        assignment, ended = self.running.pop(attempt)
        ended(attempt, assignment.epoch, outcome)


class World:
    """A scheduler over a real database, a clock that a test moves, and the runner above."""

    def __init__(self, folder: Path, *, slots: int = 1000, store: Store | None = None) -> None:
        self.folder = folder
        self.clock = FixedClock(datetime(2026, 11, 1, tzinfo=UTC))
        self.open(slots=slots)

    def open(self, *, slots: int = 1000) -> None:
        """Begins again with what the database holds, as a server does that was killed."""
        self.runner = ScriptedRunner()
        self.store = Store(self.folder / "jobs.db")
        self.scheduler = Scheduler(
            self.store, self.runner, Home(self.folder), self.clock, slots=slots
        )
        self.scheduler.recover()
        self.turn()

    def crash(self, *, slots: int = 1000) -> None:
        self.store.close()
        self.open(slots=slots)

    def ask(self, call: Callable[..., Any]) -> Any:
        answer = self.scheduler.ask(call)
        self.turn()
        return answer.result(0)

    def job(self, settings: Mapping[str, Any]) -> int:
        return self.ask(lambda turn: create_job(turn, settings, root="/", creator="me"))

    def run(self, job_id: int, **given: Any) -> int:
        return self.ask(lambda turn: run_now(self.scheduler, turn, job_id, **given))

    def turn(self) -> int | None:
        """Turns until nothing is left that is not for later."""
        due = self.scheduler.turn()
        while self.scheduler._inbox:
            due = self.scheduler.turn()
        return due

    def sleep(self, seconds: float) -> None:
        self.clock.sleep(seconds)
        self.turn()

    def running(self) -> dict[str, int]:
        """Attempts that run, by task key and, in a for-each, iteration."""
        return {_named(each): each.attempt for each, _ in self.runner.running.values()}

    def end(self, name: str, result: Result = Result.SUCCESS, **more: Any) -> None:
        code = "SUCCESS" if result is Result.SUCCESS else "RUN_EXECUTION_ERROR"
        self.runner.end(self.running()[name], Outcome(result, code, **more))
        self.turn()

    def row(self, run_id: int) -> RunRow:
        found = self.store.find(RunRow, run_id)
        assert found is not None
        return found

    def attempts(self, run_id: int) -> list[AttemptRow]:
        return self.store.select(AttemptRow, "run_id = ? ORDER BY attempt", (run_id,))

    def results(self, run_id: int) -> dict[str, str]:
        """What each task has come to, or the state of its newest attempt."""
        return {
            each.task_key: str(each.result or each.state)
            for each in self.attempts(run_id)
            if each.iteration is None
        }


def _named(assignment: Assignment) -> str:
    key, iteration = assignment.names["task_key"], assignment.names["iteration"]
    return key if iteration is None else f"{key}[{iteration}]"


def script(key: str, *after: str, **more: Any) -> dict[str, Any]:
    """A task of a script that depends on others; `other:true` names an outcome."""
    depends_on = []
    for each in after:
        name, _, outcome = each.partition(":")
        depends_on.append({"task_key": name, **({"outcome": outcome} if outcome else {})})
    what = {"spark_python_task": {"python_file": f"{key}.py"}}
    if any(name.endswith("_task") for name in more):
        what = {}
    return {"task_key": key, "depends_on": depends_on, **what, **more}
