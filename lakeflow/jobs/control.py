"""What clients ask of a scheduler; each function is called within a turn of it.

run_id = scheduler.ask(lambda turn: run_now(scheduler, turn, job_id)).result()
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lakeflow.core.errors import ConfigurationError, ConflictError, LakeflowError
from lakeflow.core.failpoints import failpoint
from lakeflow.core.names import nearest
from lakeflow.jobs.begin import block_tasks, dependents, new_run
from lakeflow.jobs.checkout import check_git_source
from lakeflow.jobs.context import scope_of_run
from lakeflow.jobs.ends import about_job
from lakeflow.jobs.model import Job, JsonValue, Result
from lakeflow.jobs.rows import NOT_ENDED, AttemptRow, JobRow, NoticeRow, RepairRow, RunRow
from lakeflow.jobs.scheduler import Scheduler
from lakeflow.jobs.settings.notices import check_notices
from lakeflow.jobs.settings.parameters import for_run
from lakeflow.jobs.settings.reading import read_job, stored_job
from lakeflow.jobs.settings.references import check
from lakeflow.jobs.timing.backfill import Window
from lakeflow.jobs.timing.ticks import to_millis
from lakeflow.jobs.timing.triggers import read_triggers
from lakeflow.jobs.turn import Turn


class NotFound(LakeflowError):
    """There is no such job or run."""

    exit_code = 2


def create_job(
    turn: Turn,
    settings: Mapping[str, JsonValue],
    *,
    root: str,
    creator: str,
    key: str | None = None,
    source: str | None = None,
) -> int:
    """Saves a job.

    Args:
        turn: The transaction.
        settings: JobSettings of the API.
        root: Folder against which its relative paths are taken.
        creator: Who saves it.
        key: Its key in the file that declares it.
        source: That file.

    Returns:
        Its id.

    Raises:
        ConfigurationError: The settings are not valid.
    """
    _check(settings)
    job_id = turn.store.new_id()
    job = JobRow(job_id, settings, root, turn.now, creator, 1, key, source)
    turn.store.insert(job)
    turn.store.keep_version(job, turn.now)
    turn.changed_jobs.add(job_id)
    said = f"{settings.get('name')} was created."
    turn.tell("job.created", said, job_id=job_id, details=about_job(job))
    return job_id


def change_job(
    turn: Turn, job_id: int, settings: Mapping[str, JsonValue], *, root: str | None = None
) -> None:
    """Gives a job other settings; runs that have begun keep theirs."""
    job = _job(turn, job_id)
    _check(settings)
    changed = replace(job, settings=settings, version=job.version + 1, root=root or job.root)
    if (changed.settings, changed.root) == (job.settings, job.root):
        return
    turn.store.update(JobRow, job_id, settings=settings, version=changed.version, root=changed.root)
    turn.store.keep_version(changed, turn.now)
    turn.changed_jobs.add(job_id)
    said = f"{settings.get('name')} was changed."
    turn.tell("job.changed", said, job_id=job_id, details=about_job(changed))


def delete_job(scheduler: Scheduler, turn: Turn, job_id: int) -> None:
    """Removes a job; its active runs are cancelled, its history stays."""
    job = _job(turn, job_id)
    for row in turn.store.select(RunRow, "job_id = ? AND state != 'TERMINATED'", (job_id,)):
        cancel(scheduler, turn, row.run_id, "Its job was deleted.")
    turn.store.delete(JobRow, "job_id = ?", (job_id,))
    turn.changed_jobs.add(job_id)
    said = f"{job.settings.get('name')} was deleted."
    turn.tell("job.deleted", said, job_id=job_id, details=about_job(job))


def run_now(
    scheduler: Scheduler,
    turn: Turn,
    job_id: int,
    *,
    request: Mapping[str, JsonValue] | None = None,
    only: Sequence[str] = (),
    token: str | None = None,
    trigger: str = "ONE_TIME",
    trigger_info: Mapping[str, JsonValue] | None = None,
    overrides: Mapping[str, JsonValue] | None = None,
) -> int:
    """Accepts a run of a job.

    Args:
        scheduler: Runs it.
        turn: The transaction.
        job_id: The job.
        request: `job_parameters` and the older fields of the like.
        only: Keys of the tasks that run; all if empty.
        token: A second request with the same token gets the same run.
        trigger: What began it.
        trigger_info: More of that.
        overrides: Settings of the job that are others for this run.

    Returns:
        Id of the run.
    """
    if token is not None and (before := _run_of(turn, token)) is not None:
        return before
    job = _job(turn, job_id)
    row = new_run(
        turn,
        replace(job, settings={**job.settings, **(overrides or {})}),
        trigger=trigger,
        trigger_info=trigger_info,
        parameters=for_run(stored_job(job.settings).parameters, request or {}),
        only=only,
        token=token,
    )
    scheduler.watch.started_by_hand(turn, job_id)
    return scheduler.begin(turn, row).run_id


def submit(
    scheduler: Scheduler,
    turn: Turn,
    settings: Mapping[str, JsonValue],
    *,
    root: str,
    creator: str,
    token: str | None = None,
) -> int:
    """Accepts a run of tasks that are no saved job.

    Returns:
        Id of the run.
    """
    if token is not None and (before := _run_of(turn, token)) is not None:
        return before
    _check(settings)
    job = JobRow(turn.store.new_id(), settings, root, turn.now, creator)
    return scheduler.begin(turn, new_run(turn, job, token=token, type="SUBMIT_RUN")).run_id


def cancel(
    scheduler: Scheduler, turn: Turn, number: int, reason: str = "Somebody cancelled it."
) -> None:
    """Has a run or one task of it end; nothing happens if it has ended.

    Args:
        scheduler: Runs it.
        turn: The transaction.
        number: Id of a run, or of an attempt of a task.
        reason: Why, in one sentence.

    Raises:
        NotFound: There is neither.
    """
    if (run := scheduler.active(number)) is not None:
        scheduler.cancel(turn, run, reason)
    elif turn.store.find(RunRow, number) is None:
        attempt = turn.store.find(AttemptRow, number)
        if attempt is None:
            raise NotFound(f"Run {number} does not exist.")
        scheduler.cancel_task(turn, attempt, reason)


def repair(
    scheduler: Scheduler,
    turn: Turn,
    run_id: int,
    *,
    tasks: Sequence[str] = (),
    all_failed: bool = False,
    with_dependents: bool = False,
    request: Mapping[str, JsonValue] | None = None,
    latest: int | None = None,
) -> int:
    """Runs tasks of a run that is over again, and what follows from them.

    Args:
        scheduler: Runs them.
        turn: The transaction.
        run_id: The run.
        tasks: Keys of the tasks that run again.
        all_failed: All that failed instead.
        with_dependents: All that depend on those as well.
        request: `job_parameters` and the like, where they are to be other than before.
        latest: Id of the latest repair; needed from the second on.

    Returns:
        Id of the repair.

    Raises:
        NotFound: There is no such run.
        ConflictError: It is not over, or was repaired meanwhile.
        ConfigurationError: There is nothing to repair.
    """
    row = _over(turn, run_id)
    _check_latest(turn, run_id, latest)
    job = turn.store.find(JobRow, row.job_id)
    settings = row.settings if job is None else job.settings
    found = stored_job(settings)
    again_with = for_run(found.parameters, request or {}, before=row.parameters)
    newest = _newest_attempts(turn, run_id)
    again = _repaired(found, newest, tasks, all_failed=all_failed, dependent=with_dependents)
    row = replace(
        row,
        settings=settings,
        repairs=row.repairs + 1,
        **NOT_ENDED,
        parameters=again_with.resolved(scope_of_run(row, {})),
        legacy={**row.legacy, **again_with.legacy},
        only=tuple(key for key in found.tasks if key in newest or key in again),
    )
    turn.store.replace(row)
    repair_id = turn.store.new_id()
    turn.store.insert(RepairRow(repair_id, run_id, row.repairs, tuple(again), turn.now))
    block_tasks(turn, row, again)
    said = f"{', '.join(again)} run again."
    turn.tell("run.repaired", said, job_id=row.job_id, run_id=run_id)
    failpoint("jobs.repair.written")
    scheduler.take_up(turn, row)
    return repair_id


def _check_latest(turn: Turn, run_id: int, latest: int | None) -> None:
    before = turn.store.select(RepairRow, "run_id = ? ORDER BY number", (run_id,))
    if before and latest != before[-1].repair_id:
        raise ConflictError(
            f"The latest repair of run {run_id} is {before[-1].repair_id}, not {latest}.",
            hint="Give its id as latest_repair_id.",
        )


def _repaired(
    job: Job,
    newest: Mapping[str, AttemptRow],
    tasks: Sequence[str],
    *,
    all_failed: bool,
    dependent: bool,
) -> list[str]:
    """Keys of the tasks whose result is open again, in the order of the job."""
    for key in tasks:
        if key not in job.tasks:
            raise ConfigurationError(
                f"The job has no task {key!r}.",
                hint=nearest(key, job.tasks) or f"Its tasks are {', '.join(job.tasks)}.",
            )
    if all_failed:
        tasks = [
            key
            for key, attempt in newest.items()
            if key in job.tasks
            and attempt.result in (Result.FAILED, Result.TIMEDOUT, Result.CANCELED)
        ]
    if not tasks:
        raise ConfigurationError(
            "There is nothing to repair.", hint="Name the tasks that are to run again."
        )
    after = dependents(job, tasks)
    ran = (Result.SUCCESS, Result.SUCCESS_WITH_FAILURES)
    if not dependent:
        after = {key for key in after if key not in newest or newest[key].result not in ran}
    return [key for key in job.tasks if key in after or key in tasks]


def _newest_attempts(turn: Turn, run_id: int) -> dict[str, AttemptRow]:
    attempts = turn.store.select(
        AttemptRow, "run_id = ? AND iteration IS NULL ORDER BY attempt", (run_id,)
    )
    return {each.task_key: each for each in attempts}


def delete_run(turn: Turn, run_id: int) -> None:
    """Forgets a run that is over."""
    row = _over(turn, run_id)
    for kind in (AttemptRow, RepairRow, RunRow):
        turn.store.delete(kind, "run_id = ?", (run_id,))
    turn.store.delete(NoticeRow, "run_id = ? AND state != 'WAITING'", (run_id,))
    turn.tell("run.deleted", f"Run {run_id} was deleted.", job_id=row.job_id, run_id=run_id)


def _over(turn: Turn, run_id: int) -> RunRow:
    row = turn.store.find(RunRow, run_id)
    if row is None:
        raise NotFound(f"Run {run_id} does not exist.")
    if row.state != "TERMINATED":
        raise ConflictError(f"Run {run_id} is not over yet.", hint="Wait for it, or cancel it.")
    return row


def _job(turn: Turn, job_id: int) -> JobRow:
    job = turn.store.find(JobRow, job_id)
    if job is None:
        raise NotFound(f"Job {job_id} does not exist.")
    return job


def _run_of(turn: Turn, token: str) -> int | None:
    found = turn.store.select(RunRow, "token = ?", (token,))
    return found[0].run_id if found else None


def _check(settings: Mapping[str, JsonValue]) -> None:
    read_job(settings)
    read_triggers(settings, strict=False)
    wrong = (*check(settings), *check_notices(settings, strict=False), *check_git_source(settings))
    for error in wrong:
        raise error


def backfill_job(
    scheduler: Scheduler,
    turn: Turn,
    job_id: int,
    windows: Sequence[Window],
    request: Mapping[str, JsonValue] | None = None,
) -> list[int]:
    """Accepts a run of a job for each window of a range, all of them or none.

    Args:
        scheduler: Runs them.
        turn: The transaction.
        job_id: The job.
        windows: See `backfill`.
        request: `job_parameters` and the like; they may refer to the window.

    Returns:
        Ids of the runs, in the order of the windows.
    """
    job = _job(turn, job_id)
    said = for_run(stored_job(job.settings).parameters, request or {})
    rows = [
        new_run(
            turn,
            job,
            parameters=said,
            trigger_info={"backfill": to_millis(window.start), "until": to_millis(window.end)},
        )
        for window in windows
    ]
    return [scheduler.begin(turn, row).run_id for row in rows]
