"""`lakeflow jobs list`, `show`, `graph` and `next`: the jobs that there are, and when they run."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import click

from lakeflow.cli.declared import project_options
from lakeflow.cli.jobs_run import HOME
from lakeflow.cli.jobs_runs import find_job, open_reader
from lakeflow.cli.options import Invocation, common_options
from lakeflow.core.errors import ConfigurationError
from lakeflow.jobs.definitions.declared import Declared
from lakeflow.jobs.model import Condition, ForEach, Job, RunJob, Task
from lakeflow.jobs.rows import JobRow, RunRow, TriggerRow
from lakeflow.jobs.settings.reading import read_job

_ID_OF_JOB = re.compile(r"^\$\{resources\.jobs\.(.+)\.id\}$")


@click.command("list")
@HOME
@common_options
def list_command(invocation: Invocation, home: str | None) -> int:
    """Print the jobs that were deployed, with their last run."""
    from lakeflow.cli.report import json_line
    from lakeflow.cli.text import grid

    _, reader = open_reader(invocation, home)
    with closing(reader):
        jobs = reader.select(JobRow, "1 ORDER BY job_id")
        last = {
            job.job_id: reader.select(
                RunRow, "job_id = ? ORDER BY run_id DESC LIMIT 1", (job.job_id,)
            )
            for job in jobs
        }
        waits = {row.job_id: row.reason for row in reader.select(TriggerRow)}
    rows = [
        {
            "job_id": job.job_id,
            "name": job.settings.get("name"),
            "key": job.key,
            "project": job.source,
            "last": str(last[job.job_id][0].result or last[job.job_id][0].state)
            if last[job.job_id]
            else None,
            "next": waits.get(job.job_id),
        }
        for job in jobs
    ]
    if invocation.as_json:
        for row in rows:
            click.echo(json_line(row))
        return 0
    shown = [[value if value is not None else "" for value in row.values()] for row in rows]
    for line in grid(["id", "name", "key", "project", "last", "next"], shown, widest=60):
        click.echo(line)
    return 0


@click.command("show")
@click.argument("name")
@HOME
@common_options
def show_command(invocation: Invocation, name: str, home: str | None) -> int:
    """Print a job as it was deployed."""
    import yaml

    from lakeflow.cli.report import json_line

    _, reader = open_reader(invocation, home)
    with closing(reader):
        job = find_job(reader, name)
    if invocation.as_json:
        click.echo(json_line({"job_id": job.job_id, "settings": job.settings}))
        return 0
    click.echo(f"# job {job.job_id}, version {job.version}, of {job.source or job.creator}")
    click.echo(f"# paths are taken against {job.root}")
    click.echo(yaml.safe_dump(dict(job.settings), sort_keys=False, allow_unicode=True), nl=False)
    return 0


@click.command("graph")
@click.argument("name")
@click.option("--mermaid", is_flag=True, help="Print it as a Mermaid flowchart.")
@project_options
@common_options
def graph_command(
    invocation: Invocation, name: str, mermaid: bool, declared: Callable[[], Declared]
) -> int:
    """Print the tasks of a job of this project, each after those that it waits for."""
    from lakeflow.cli.report import json_line

    job = read_job(declared().job(name).settings).job
    if invocation.as_json:
        for task in ordered(job):
            before = [each.task for each in task.depends_on]
            click.echo(json_line({"task": task.key, "type": kind(task), "after": before}))
        return 0
    for line in mermaid_lines(job) if mermaid else graph_lines(job):
        click.echo(line)
    return 0


def ordered(job: Job) -> list[Task]:
    """The tasks of a job, each after those that it waits for, else in their own order."""
    found: dict[str, Task] = {}
    waiting = list(job.tasks.values())
    while waiting:
        ready = [task for task in waiting if all(d.task in found for d in task.depends_on)]
        found.update((task.key, task) for task in ready)
        waiting = [task for task in waiting if task.key not in found]
    return list(found.values())


def kind(task: Task) -> str:
    """What a task does, in a word or two."""
    match task.action:
        case Condition(op, left, right):
            return f"if {left} {op} {right}"
        case ForEach(inputs, concurrency, inner):
            text = inputs if isinstance(inputs, str) else json.dumps(inputs, ensure_ascii=False)
            return f"for each of {text}, {concurrency} at once: {kind(inner)}"
        case RunJob(settings):
            return "run job " + _ID_OF_JOB.sub(r"\1", str(settings["job_id"]))
        case work:
            return work.type.removesuffix("_task")


def graph_lines(job: Job) -> Iterator[str]:
    """A line for each task: key, what it does, what it waits for."""
    width = max((len(key) for key in job.tasks), default=0)
    for task in ordered(job):
        before = ", ".join(
            each.task if each.outcome is None else f"{each.task} is {each.outcome}"
            for each in task.depends_on
        )
        rule = "" if task.run_if == "ALL_SUCCESS" else f" ({task.run_if})"
        after = f"  after {before}{rule}" if before else ""
        yield f"{task.key:<{width}}  {kind(task)}{after}"


def mermaid_lines(job: Job) -> Iterator[str]:
    """The same as a flowchart."""
    yield "flowchart LR"
    for task in ordered(job):
        left, right = ("{", "}") if isinstance(task.action, Condition) else ("[", "]")
        yield f'    {task.key}{left}"{task.key}"{right}'
        for each in task.depends_on:
            label = f"|{each.outcome}|" if each.outcome else ""
            yield f"    {each.task} -->{label} {task.key}"


@click.command("next")
@click.argument("name")
@click.option("--count", default=10, type=click.IntRange(1, 1000), metavar="N", help="How many.")
@project_options
@common_options
def next_command(
    invocation: Invocation, name: str, count: int, declared: Callable[[], Declared]
) -> int:
    """Print when a job of this project is to run next, and where clocks are changed.

    Times are those of the schedule's zone, with their distance from UTC.
    """
    from lakeflow.cli.report import json_line

    for when in _next(declared().job(name).settings, count):
        if invocation.as_json:
            click.echo(json_line(when))
        else:
            click.echo(f"{when['local']}  {when['trigger']}  {when['note']}".rstrip())
    return 0


def _next(settings: Mapping[str, Any], count: int) -> Iterator[dict[str, str]]:
    from lakeflow.jobs.timing.ticks import upcoming
    from lakeflow.jobs.timing.triggers import read_triggers

    triggers, _ = read_triggers(settings, strict=False)
    if not triggers:
        raise ConfigurationError(
            "The job has no trigger: it runs when somebody runs it.",
            hint="Give it a schedule; see docs/triggers.md.",
        )
    now = datetime.now(UTC)
    found = [(each, trigger) for trigger in triggers for each in upcoming(trigger, now, count)]
    if not found:
        paths = ", ".join(trigger.path for trigger in triggers)
        raise ConfigurationError(
            f"When the job runs next cannot be foretold: it waits for an event ({paths})."
        )
    for each, trigger in sorted(found, key=lambda pair: pair[0].fire_time)[:count]:
        paused = "It is paused. " if trigger.paused else ""
        yield {
            "local": each.local.isoformat(" "),
            "utc": each.fire_time.isoformat(),
            "trigger": trigger.path,
            "note": f"{paused}{each.note}".strip(),
        }
