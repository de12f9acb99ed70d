"""`lakeflow jobs history`, `logs` and `why`: what has run, what it said, and why it did."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import click

from lakeflow.cli.jobs_run import HOME
from lakeflow.cli.options import Invocation, common_options
from lakeflow.core.errors import ConfigurationError
from lakeflow.core.names import nearest
from lakeflow.jobs.home import Home
from lakeflow.jobs.rows import AttemptRow, JobRow, RunRow, TriggerRow
from lakeflow.jobs.store import Reader


def open_reader(invocation: Invocation, home: str | None) -> tuple[Home, Reader]:
    """The home that the options name, and what is known there.

    Raises:
        ConfigurationError: No job was ever run there.
    """
    found = Home(invocation.settings(home=home).home)
    if not found.database.exists():
        raise ConfigurationError(
            f"No job has run in {found.folder}.",
            hint="Run one (lakeflow jobs run NAME --local), or name another folder with --home.",
        )
    return found, Reader(found.database)


@click.command("history")
@click.argument("name", required=False)
@click.option("--limit", default=20, type=click.IntRange(1), metavar="N", help="How many runs.")
@HOME
@common_options
def history_command(invocation: Invocation, name: str | None, limit: int, home: str | None) -> int:
    """Print the last runs, of one job or of all, the newest first."""
    from lakeflow.cli.job_lines import instant, run_json
    from lakeflow.cli.report import json_line
    from lakeflow.cli.text import duration, grid

    _, reader = open_reader(invocation, home)
    with closing(reader):
        where, values = "1", []
        if name is not None:
            where, values = "job_id = ?", [find_job(reader, name).job_id]
        runs = reader.select(RunRow, f"{where} ORDER BY run_id DESC LIMIT {limit}", values)
        if invocation.as_json:
            for run in runs:
                attempts = reader.select(AttemptRow, "run_id = ? ORDER BY attempt", (run.run_id,))
                click.echo(json_line(run_json(run, attempts)))
            return 0
    names = ["run", "job", "started", "took", "result", "trigger", ""]
    rows = [
        (
            run.run_id,
            run.name,
            f"{instant(run.started or run.created):%Y-%m-%d %H:%M:%S}",
            duration((run.ended - (run.started or run.created)) / 1000) if run.ended else "",
            str(run.result or run.state),
            run.trigger,
            run.message if run.result is None or run.result.failed else "",
        )
        for run in runs
    ]
    for line in grid(names, rows, widest=60):
        click.echo(line)
    return 0


@click.command("logs")
@click.argument("run_id", metavar="RUN", type=int)
@click.argument("task", required=False)
@HOME
@common_options
def logs_command(invocation: Invocation, run_id: int, task: str | None, home: str | None) -> int:
    """Print what the tasks of a run have written, or one of them.

    RUN is the id of a run, or of one attempt of a task.
    """
    found, reader = open_reader(invocation, home)
    with closing(reader):
        attempts = _attempts(reader, run_id, task)
    for attempt in attempts:
        folder = found.attempt(attempt.run_id, attempt.attempt)
        for name in ("stdout", "stderr"):
            if (path := folder / name).is_file() and path.stat().st_size:
                click.echo(f"== {_named(attempt)} {name}", err=True)
                _copy(path)
    return 0


def _attempts(reader: Reader, run_id: int, task: str | None) -> list[AttemptRow]:
    """The attempts of a run or of one task of it, or the one that has the id."""
    one = reader.find(AttemptRow, run_id)
    if one is not None and task is None:
        return [one]
    find_run(reader, run_id)
    found = reader.select(AttemptRow, "run_id = ? ORDER BY attempt", (run_id,))
    names = {name for each in found for name in (each.task_key, _iteration(each))}
    if task is not None and task not in names:
        keys = dict.fromkeys(each.task_key for each in found)
        raise ConfigurationError(
            f"Run {run_id} has no task {task!r}.",
            hint=nearest(task, names) or f"Its tasks are {', '.join(keys)}.",
        )
    return [each for each in found if task in (None, each.task_key, _iteration(each))]


def _iteration(attempt: AttemptRow) -> str:
    """The task, with the number of its iteration if it is one of a for-each."""
    number = attempt.iteration
    return attempt.task_key if number is None else f"{attempt.task_key}[{number}]"


def _named(attempt: AttemptRow) -> str:
    text = _iteration(attempt)
    return f"{text}, attempt {attempt.number + 1}" if attempt.number else text


def _copy(path: Path) -> None:
    with path.open(encoding="utf-8", errors="backslashreplace") as file:
        while text := file.read(1 << 16):
            click.echo(text, nl=False)


@click.command("why")
@click.argument("run_id", metavar="RUN", type=int)
@click.argument("task", required=False)
@HOME
@common_options
def why_command(invocation: Invocation, run_id: int, task: str | None, home: str | None) -> int:
    """Explain in a sentence why a run or a task of it stands where it stands."""
    _, reader = open_reader(invocation, home)
    with closing(reader):
        if task is None and reader.find(AttemptRow, run_id) is None:
            for line in _why_run(reader, find_run(reader, run_id)):
                click.echo(line)
            return 0
        attempt = _attempts(reader, run_id, task)[-1]
    click.echo(_why_task(attempt))
    return 0


def _why_run(reader: Reader, run: RunRow) -> Iterator[str]:
    if run.state == "QUEUED":
        active = reader.select(
            RunRow, "job_id = ? AND state IN ('RUNNING', 'TERMINATING')", (run.job_id,)
        )
        ids = ", ".join(str(each.run_id) for each in active)
        limit = run.settings.get("max_concurrent_runs", 1)
        yield f"It waits: {limit} runs of {run.name} may be active, and there are: {ids}."
    elif run.result is None:
        yield f"It is {run.state}. {run.message}".rstrip()
        if run.settings.get("git_source") and not run.checkout:
            yield "Its tasks wait until its repository is checked out."
    else:
        yield f"It is {run.result}: {run.message}"
    for trigger in reader.select(TriggerRow, "job_id = ?", (run.job_id,)):
        yield f"The next one: {trigger.reason}"


def _why_task(attempt: AttemptRow) -> str:
    match attempt.state:
        case "BLOCKED":
            return f"{_named(attempt)} waits for the tasks before it."
        case "WAITING_FOR_RETRY":
            return f"{_named(attempt)} waits until it may be tried again."
        case "PENDING":
            return f"{_named(attempt)} waits for room: as many tasks run as may. {attempt.reason}"
        case "RUNNING" | "TERMINATING":
            return f"{_named(attempt)} is {attempt.state}. {attempt.reason}"
    said = attempt.message or attempt.reason
    return f"{_named(attempt)} is {attempt.result}: {said}"


def find_run(reader: Reader, run_id: int) -> RunRow:
    """The run with an id.

    Raises:
        ConfigurationError: There is none.
    """
    found = reader.find(RunRow, run_id)
    if found is None:
        raise ConfigurationError(
            f"There is no run {run_id}.", hint="lakeflow jobs history lists the runs."
        )
    return found


def find_job(reader: Reader, name: str) -> JobRow:
    """The job with an id, a key or a name.

    Raises:
        ConfigurationError: There is none, or several have the name.
    """
    jobs = reader.select(JobRow)
    found = [job for job in jobs if name in (str(job.job_id), job.key)]
    found = found or [job for job in jobs if job.settings.get("name") == name]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(str(job.job_id) for job in found)
        raise ConfigurationError(f"Several jobs are named {name!r}.", hint=f"Say one of {ids}.")
    known = [job.key or str(job.settings.get("name")) for job in jobs]
    raise ConfigurationError(
        f"There is no job {name!r}.",
        hint=nearest(name, known) or f"Jobs are {', '.join(known) or 'not there yet'}.",
    )
