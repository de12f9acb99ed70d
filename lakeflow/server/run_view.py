"""Runs and their tasks as the API shows them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lakeflow.jobs.model import Result
from lakeflow.jobs.rows import AttemptRow, RepairRow, RunRow
from lakeflow.jobs.settings.reading import stored_job
from lakeflow.jobs.store import Reader
from lakeflow.server.paging import cut, written
from lakeflow.server.states import Standing, failure_message, state_and_status

_PAGED = ("tasks", "job_clusters", "job_parameters", "repair_history", "iterations")
_MOST_MESSAGES = 3


@dataclass(frozen=True, slots=True)
class RunView:
    """A run with everything that is shown of it.

    Args:
        row: The run.
        attempts: Of its tasks, without iterations; the oldest first.
        repairs: The oldest first.
        origin: Where the server was reached.
        user: Who runs it.
        resolved: Whether the values of references are shown.
    """

    row: RunRow
    attempts: Sequence[AttemptRow]
    repairs: Sequence[RepairRow] = ()
    origin: str = ""
    user: str = ""
    resolved: bool = False

    @classmethod
    def of(
        cls,
        reader: Reader,
        row: RunRow,
        origin: str,
        user: str,
        *,
        resolved: bool = False,
        briefly: bool = False,
    ) -> RunView:
        """Reads all of a run, or what is needed of it to be shown without its tasks."""
        if briefly and row.result is not Result.FAILED:
            return cls(row, (), (), origin, user)
        attempts = reader.select(
            AttemptRow, "run_id = ? AND iteration IS NULL ORDER BY attempt", (row.run_id,)
        )
        repairs = reader.select(RepairRow, "run_id = ? ORDER BY number", (row.run_id,))
        return cls(row, attempts, repairs, origin, user, resolved)

    def brief(self) -> dict[str, Any]:
        """The run without its tasks."""
        row = self.row
        running = (row.ended or 0) - (row.started or row.created) if row.ended else 0
        tasks = stored_job(row.settings).tasks
        found: dict[str, Any] = {
            "job_id": row.job_id,
            "run_id": row.run_id,
            "job_run_id": row.run_id,
            "attempt_number": 0,
            "number_in_job": row.run_id,
            "original_attempt_run_id": row.run_id,
            "run_name": row.name,
            "run_type": row.type,
            "run_page_url": f"{self.origin}/#job/{row.job_id}/run/{row.run_id}",
            "format": "MULTI_TASK",
            "creator_user_name": self.user,
            "trigger": row.trigger,
            "start_time": row.created,
            "end_time": row.ended or 0,
            "setup_duration": 0,
            "execution_duration": running if len(row.only or tasks) == 1 else 0,
            "cleanup_duration": 0,
            "run_duration": running,
            "queue_duration": (row.started or row.created) - row.created,
            "job_parameters": self._parameters(),
            "job_clusters": list(row.settings.get("job_clusters") or ()),
            "overriding_parameters": dict(row.legacy),
            **state_and_status(self._standing()),
        }
        if row.trigger_info:
            found["trigger_info"] = dict(row.trigger_info)
        for name in ("git_source", "description", "schedule"):
            if row.settings.get(name):
                found[name] = row.settings[name]
        if row.used_commit:
            snapshot = {"git_snapshot": {"used_commit": row.used_commit}}
            found["git_source"] = {**found["git_source"], **snapshot}
        return found

    def whole(self, page: int | None = 0, *, history: bool = False) -> dict[str, Any]:
        """The run with its tasks.

        Args:
            page: Which part of its long arrays; None for all of them.
            history: Whether repairs and earlier attempts are shown.
        """
        shown = list(self.attempts) if history else list(self.newest().values())
        found = self.brief() | {"repair_history": self.history() if history else []}
        found["tasks"] = shown
        found, more = cut(found, _PAGED, page)
        found["tasks"] = [self.task(each) for each in found["tasks"]]
        if more and page is not None:
            found |= {"has_more": True, "next_page_token": written(page=page + 1)}
        return found

    def newest(self) -> dict[str, AttemptRow]:
        """The last attempt of each task, in the order of the job."""
        last = {each.task_key: each for each in self.attempts}
        order = stored_job(self.row.settings).tasks
        return {key: last[key] for key in (*order, *last) if key in last}

    def task(self, attempt: AttemptRow) -> dict[str, Any]:
        """One attempt of a task."""
        settings = self._settings_of(attempt)
        running = attempt.ended - (attempt.started or attempt.ended) if attempt.ended else 0
        found = {
            "run_if": "ALL_SUCCESS",
            "depends_on": [],
            **settings,
            "task_key": attempt.task_key,
            "run_id": attempt.attempt,
            "attempt_number": attempt.number,
            "start_time": attempt.started or attempt.created,
            "end_time": attempt.ended or 0,
            "setup_duration": 0,
            "execution_duration": running,
            "cleanup_duration": 0,
            "run_duration": running,
            "queue_duration": 0,
            "run_page_url": f"{self.origin}/#job/{self.row.job_id}/run/{attempt.attempt}",
            **state_and_status(standing_of(attempt)),
        }
        if attempt.outcome is not None and "condition_task" in settings:
            told = {**settings["condition_task"], **attempt.settings, "outcome": attempt.outcome}
            found["condition_task"] = told
        if self.resolved and attempt.settings:
            kind = next((name for name in settings if name.endswith("_task")), "")
            found["resolved_values"] = {kind: dict(attempt.settings)}
        return found

    def one_task(
        self, attempt: AttemptRow, iterations: Sequence[AttemptRow], page: int | None = 0
    ) -> dict[str, Any]:
        """One attempt of a task as a run of its own, which it is to clients that ask for its id.

        Args:
            attempt: The attempt.
            iterations: Attempts of its iterations if it is a for-each, or earlier ones of the same.
            page: Which part of its iterations; None for all of them.
        """
        task = self.task(attempt)
        shared = "start_time end_time setup_duration execution_duration cleanup_duration "
        shared += "run_duration queue_duration run_page_url state status attempt_number"
        found = self.brief() | {name: task[name] for name in shared.split()}
        same = (attempt.task_key, attempt.iteration, attempt.repair)
        first = next(
            each.attempt
            for each in (*self.attempts, *iterations, attempt)
            if (each.task_key, each.iteration, each.repair) == same
        )
        found |= {
            "run_id": attempt.attempt,
            "original_attempt_run_id": first,
            "run_name": attempt.task_key,
            "parent_run_id": attempt.parent or self.row.run_id,
            "repair_history": [],
            "tasks": [task],
        }
        if attempt.inputs is None:
            return found
        task["for_each_task"] = {
            **task["for_each_task"],
            "stats": for_each_stats(attempt, iterations),
        }
        last = {each.iteration: each for each in iterations}
        shown = sorted(last.values(), key=lambda each: each.iteration or 0)
        found, more = cut(found | {"iterations": shown}, ("iterations",), page)
        found["iterations"] = [self.task(each) for each in found["iterations"]]
        if more and page is not None:
            found |= {"has_more": True, "next_page_token": written(page=page + 1)}
        return found

    def history(self) -> list[dict[str, Any]]:
        """The run as it was, and its repairs."""
        rounds = [(0, None, self.row.created), *((r.number, r, r.started) for r in self.repairs)]
        found = []
        for number, repair, started in rounds:
            ids = [each.attempt for each in self.attempts if each.repair == number]
            last = number == len(self.repairs)
            ended = self.row.ended if last else self._ended(number)
            standing = self._standing() if last else self._standing_before(number)
            found.append(
                {
                    "id": self.row.run_id if repair is None else repair.repair_id,
                    "type": "ORIGINAL" if repair is None else "REPAIR",
                    "start_time": started,
                    "end_time": ended or 0,
                    "task_run_ids": ids,
                    **state_and_status(standing),
                }
            )
        return found

    def _parameters(self) -> list[dict[str, Any]]:
        defaults = stored_job(self.row.settings).parameters
        return [
            {"name": name, "default": defaults.get(name, ""), "value": value}
            for name, value in self.row.parameters.items()
        ]

    def _settings_of(self, attempt: AttemptRow) -> Mapping[str, Any]:
        task = stored_job(self.row.settings).tasks.get(attempt.task_key)
        found: Mapping[str, Any] = {} if task is None else task.settings
        inner = found.get("for_each_task")
        if attempt.iteration is not None and inner is not None:
            return {**inner["task"], "task_key": attempt.task_key}
        return found

    def _standing(self) -> Standing:
        row = self.row
        message = row.message
        if row.result is Result.FAILED and row.code == "RUN_EXECUTION_ERROR":
            message = failure_message(_failed(self.newest().values()), message)
        limit = stored_job(row.settings).max_concurrent_runs
        return Standing(row.state, row.result, row.code, message, whole=True, limit=limit)

    def _ended(self, number: int) -> int | None:
        times = [each.ended for each in self.attempts if each.repair == number and each.ended]
        return max(times, default=None)

    def _standing_before(self, number: int) -> Standing:
        """How the run stood before a later repair began; what it came to is what was repaired."""
        if number:
            result = self.repairs[number - 1].result or Result.FAILED
        else:
            known = {each.task_key: each.result for each in self.attempts if not each.repair}
            failed = any(each is not None and each.failed for each in known.values())
            result = Result.FAILED if failed else Result.SUCCESS
        message = ""
        if result is Result.FAILED:
            done = [each for each in self.attempts if each.repair <= number]
            message = failure_message(_failed({e.task_key: e for e in done}.values()), "")
        code = "RUN_EXECUTION_ERROR" if result is Result.FAILED else str(result)
        return Standing("TERMINATED", result, code, message, whole=True)


def standing_of(attempt: AttemptRow) -> Standing:
    """Where a task stands."""
    message = attempt.message
    if not message and attempt.result not in (None, Result.SUCCESS):
        message = attempt.reason
    return Standing(attempt.state, attempt.result, attempt.code, message)


def for_each_stats(attempt: AttemptRow, iterations: Sequence[AttemptRow]) -> dict[str, Any]:
    """How many iterations have come to what.

    Args:
        attempt: Of the for-each.
        iterations: All attempts of its iterations, the oldest first.
    """
    last = {each.iteration: each for each in iterations}.values()
    total = len(attempt.inputs or ())
    kept = len(attempt.settings.get("kept", ()))
    over = [each for each in last if each.state == "TERMINATED"]
    failed = [each for each in over if each.result is not Result.SUCCESS]
    messages = Counter((each.message, each.code) for each in failed)
    return {
        "task_run_stats": {
            "total_iterations": total,
            "scheduled_iterations": len(last) + kept,
            "active_iterations": len(last) - len(over),
            "completed_iterations": len(over) + kept,
            "succeeded_iterations": len(over) - len(failed) + kept,
            "failed_iterations": len(failed),
        },
        "error_message_stats": [
            {"count": count, "error_message": message, "termination_category": code}
            for (message, code), count in messages.most_common(_MOST_MESSAGES)
        ],
    }


def _failed(attempts: Iterable[AttemptRow]) -> dict[str, str]:
    kinds = (Result.FAILED, Result.TIMEDOUT, Result.CANCELED)
    return {each.task_key: each.message for each in attempts if each.result in kinds}
