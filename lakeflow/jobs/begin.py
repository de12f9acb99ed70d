"""Makes the run that a request, a trigger or a task asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from lakeflow.core.errors import ConfigurationError
from lakeflow.core.names import nearest
from lakeflow.jobs.context import scope_of_run
from lakeflow.jobs.model import Job, JsonValue, Result
from lakeflow.jobs.rows import AttemptRow, JobRow, RunRow
from lakeflow.jobs.settings.parameters import RunParameters, for_run
from lakeflow.jobs.settings.reading import stored_job
from lakeflow.jobs.turn import Turn
from lakeflow.jobs.work import Outcome

LONGEST_ID = 19
"""Digits of an id that the database can hold, and one more."""


def new_run(
    turn: Turn,
    job: JobRow,
    *,
    trigger: str = "ONE_TIME",
    trigger_info: Mapping[str, JsonValue] | None = None,
    parameters: RunParameters | None = None,
    only: Sequence[str] = (),
    token: str | None = None,
    parent: int | None = None,
    type: str = "JOB_RUN",  # noqa: A002 - the API's own word
) -> RunRow:
    """The row of a run that has not begun.

    Args:
        turn: The transaction that accepts it.
        job: What runs.
        trigger: What began it, in the API's words.
        trigger_info: More of that.
        parameters: What was said of its parameters; their defaults if nothing was.
        only: Keys of the tasks that run, with a `+` before or after for those above or below.
        token: Of a request that must not make a second run.
        parent: Attempt of the task that runs this job.
        type: `JOB_RUN` or `SUBMIT_RUN`.

    Raises:
        ConfigurationError: A task does not exist, or a reference in a parameter.
    """
    found = stored_job(job.settings)
    said = parameters or for_run(found.parameters, {})
    row = RunRow(
        turn.store.new_id(),
        job.job_id,
        type,
        found.name,
        job.settings,
        job.root,
        {},
        said.legacy,
        trigger,
        trigger_info or {},
        "QUEUED",
        turn.now,
        token=token,
        only=selected(found, only),
        parent=parent,
    )
    return replace(row, parameters=said.resolved(scope_of_run(row, {})))


def block_tasks(turn: Turn, row: RunRow, keys: Iterable[str]) -> None:
    """Enters tasks of a run that wait until it is their turn."""
    for key in keys:
        attempt = turn.store.new_id()
        turn.store.insert(
            AttemptRow(attempt, row.run_id, key, None, 0, row.repairs, "BLOCKED", turn.now)
        )


def selected(job: Job, only: Sequence[str]) -> tuple[str, ...]:
    """The keys of the tasks that `only` names, in the order of the job.

    Args:
        job: The job.
        only: Keys; `+key` with all before it, `key+` with all after it.

    Raises:
        ConfigurationError: There is no such task.
    """
    found: set[str] = set()
    before = {key: [each.task for each in task.depends_on] for key, task in job.tasks.items()}
    for each in only:
        key = each.strip("+")
        if key not in job.tasks:
            raise ConfigurationError(
                f"Job {job.name!r} has no task {key!r}.",
                hint=nearest(key, job.tasks) or f"Its tasks are {', '.join(job.tasks)}.",
            )
        found.add(key)
        if each.startswith("+"):
            found |= _closure(key, before)
        if each.endswith("+"):
            found |= dependents(job, [key])
    return tuple(key for key in job.tasks if key in found)


def dependents(job: Job, keys: Sequence[str]) -> set[str]:
    """All tasks that depend on some, directly or not."""
    after: dict[str, list[str]] = {key: [] for key in job.tasks}
    for key, task in job.tasks.items():
        for each in task.depends_on:
            after[each.task].append(key)
    return set().union(*(_closure(key, after) for key in keys)) - set(keys)


def _closure(key: str, edges: Mapping[str, Sequence[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [key]
    while waiting:
        for each in edges[waiting.pop()]:
            if each not in found:
                found.add(each)
                waiting.append(each)
    return found


def job_named(turn: Turn, job_id: str) -> JobRow:
    """The job that a task runs.

    Args:
        turn: The transaction.
        job_id: Its id, as text.

    Raises:
        ConfigurationError: There is none.
    """
    known = job_id.isascii() and job_id.isdigit() and len(job_id) < LONGEST_ID
    found = turn.store.find(JobRow, int(job_id)) if known else None
    if found is None:
        raise ConfigurationError(f"Job {job_id} does not exist.")
    return found


def outcome_of_child(row: RunRow) -> Outcome:
    """What a task comes to that waits for a run.

    Args:
        row: The run, which is over.
    """
    assert row.result is not None
    failed = row.result.failed
    said = f"Run {row.run_id} of {row.name} is {row.result}: {row.message}"
    return Outcome(
        Result.FAILED if failed and row.result is not Result.CANCELED else row.result,
        "RUN_EXECUTION_ERROR" if failed else "SUCCESS",
        said if failed else "",
        output={"run_job_output": {"run_id": row.run_id}},
    )
