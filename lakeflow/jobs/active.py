"""A run that has not ended, as the scheduler holds it in memory; made from its rows alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from lakeflow.jobs.model import ForEach, Job, JsonValue, Result, Task
from lakeflow.jobs.rows import AttemptRow, RunRow
from lakeflow.jobs.settings.notices import warning_at
from lakeflow.jobs.step import Iterations, Phase, RunState, UnitState

Unit = tuple[str, int | None]
"""Key of a task, and number of an iteration."""

_PHASES = {
    "BLOCKED": Phase.WAITING,
    "WAITING_FOR_RETRY": Phase.RETRYING,
    "TERMINATED": Phase.DONE,
}


@dataclass(slots=True)
class ActiveRun:
    """A run that has not ended.

    Args:
        row: Its row.
        job: What it runs.
        state: Where it stands.
        attempts: The newest attempt of each task and each iteration that is active.
        made: How many attempts there were of each, over all repairs.
        values: Task values, by key of the task.
    """

    row: RunRow
    job: Job
    state: RunState
    attempts: dict[Unit, AttemptRow] = field(default_factory=dict)
    made: Counter[Unit] = field(default_factory=Counter)
    values: dict[str, Mapping[str, JsonValue]] = field(default_factory=dict)

    def unit(self, attempt: AttemptRow) -> UnitState | None:
        """The task or iteration of which this is the newest attempt."""
        unit = self.state.units[attempt.task_key]
        if attempt.iteration is None:
            return unit if unit.attempt == attempt.attempt else None
        found = unit.iterations.active.get(attempt.iteration) if unit.iterations else None
        return found if found is not None and found.attempt == attempt.attempt else None


def tasks_of(job: Job, only: Iterable[str]) -> dict[str, Task]:
    """The tasks of a run, by key.

    Args:
        job: What it runs.
        only: Keys of those that were asked for; none for all.
    """
    chosen = set(only) or set(job.tasks)
    return {
        key: replace(task, depends_on=tuple(d for d in task.depends_on if d.task in chosen))
        for key, task in job.tasks.items()
        if key in chosen
    }


def restore(row: RunRow, job: Job, attempts: Iterable[AttemptRow]) -> ActiveRun:
    """The run as its rows say it stands.

    Args:
        row: Its row.
        job: What it runs.
        attempts: All its attempts, the oldest first.
    """
    of: defaultdict[Unit, list[AttemptRow]] = defaultdict(list)
    for each in attempts:
        of[each.task_key, each.iteration].append(each)
    tasks = tasks_of(job, row.only)
    units = {key: _unit(key, task, of[key, None]) for key, task in tasks.items()}
    state = RunState(row.run_id, units, row.stopping, _deadline(row, job))
    if row.started is not None and row.warned is None:
        state.warn_at = warning_at(job.settings, row.started)
    state.prepared = not job.settings.get("git_source") or bool(row.checkout)
    run = ActiveRun(row, job, state)
    run.made = Counter(
        {unit: sum(each.started is not None for each in found) for unit, found in of.items()}
    )
    for key, task in tasks.items():
        unit = units[key]
        run.attempts[key, None] = newest = of[key, None][-1]
        if newest.values:
            run.values[key] = newest.values
        if newest.inputs is None or unit.phase is not Phase.ACTIVE:
            continue
        assert isinstance(task.action, ForEach)
        unit.iterations = iterations = Iterations([])
        kept = set(newest.settings.get("kept", ()))
        iterations.succeeded = len(kept)
        for number in reversed(range(len(newest.inputs))):
            mine = [each for each in of[key, number] if each.parent == newest.attempt]
            if not mine:
                if number not in kept:
                    iterations.pending.append(number)
                continue
            iteration = _unit(key, task.action.task, mine, number)
            if iteration.phase is Phase.DONE:
                iterations.succeeded += iteration.result is Result.SUCCESS
                iterations.failed += iteration.result is not Result.SUCCESS
            else:
                iterations.active[number] = iteration
                run.attempts[key, number] = mine[-1]
    return run


def _unit(
    key: str, task: Task, attempts: list[AttemptRow], iteration: int | None = None
) -> UnitState:
    newest = attempts[-1]
    due = newest.due if newest.state == "WAITING_FOR_RETRY" else None
    if newest.state == "RUNNING" and task.timeout_seconds and newest.started is not None:
        due = newest.started + task.timeout_seconds * 1000
    warn_at = None
    if newest.result is None and newest.started is not None and newest.warned is None:
        warn_at = warning_at(task.settings, newest.started)
    return UnitState(
        key,
        task,
        iteration,
        _PHASES.get(newest.state, Phase.ACTIVE),
        newest.result,
        newest.outcome,
        newest.attempt,
        sum(
            each.counts and each.result is not None and each.result.failed
            for each in attempts
            if each.repair == newest.repair
        ),
        due,
        newest.stopping,
        warn_at=warn_at,
    )


def _deadline(row: RunRow, job: Job) -> int | None:
    if not job.timeout_seconds or row.started is None:
        return None
    return row.started + job.timeout_seconds * 1000
