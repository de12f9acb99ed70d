"""`lakeflow jobs run`, `repair` and `cancel`: what somebody has a server do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from lakeflow.cli.declared import pairs, project_options
from lakeflow.cli.interrupt import INTERRUPTED, Interruption
from lakeflow.cli.options import Invocation, common_options
from lakeflow.core.errors import ConfigurationError
from lakeflow.core.settings import Settings
from lakeflow.jobs.definitions.declared import Declared
from lakeflow.jobs.home import Home
from lakeflow.jobs.rows import JobEvent, RepairRow, RunRow
from lakeflow.jobs.store import Reader

if TYPE_CHECKING:
    from lakeflow.cli.server import Speaker

HOME = click.option("--home", metavar="DIR", help="Folder of jobs, runs and what they leave.")
LOCAL = click.option(
    "--local", is_flag=True, help="Run it in this process, and end when the run has ended."
)
NO_WAIT = click.option("--no-wait", is_flag=True, help="Print the id of the run and end.")


@click.command("run")
@click.argument("name")
@LOCAL
@NO_WAIT
@click.option("--param", "parameters", multiple=True, metavar="NAME=VALUE", help="A job parameter.")
@click.option(
    "--only", multiple=True, metavar="KEY", help="Only this task; +KEY with all before, KEY+ after."
)
@HOME
@project_options
@common_options
def run_command(
    invocation: Invocation,
    name: str,
    local: bool,
    no_wait: bool,
    parameters: tuple[str, ...],
    only: tuple[str, ...],
    home: str | None,
    declared: Callable[[], Declared],
) -> int:
    """Run a job of this project, and tell how it goes.

    NAME is its key in lakeflow.yml or databricks.yml. It is run by the server that is at work in
    the home, or with --local by one in this process.
    """
    _check_waiting(local=local, no_wait=no_wait)
    project = declared()
    job = project.job(name)
    if not job.settings.get("tasks"):
        raise ConfigurationError(
            f"Job {name} has no tasks, so there is nothing to run.",
            location=job.locate(),
            hint="Give it tasks; see docs/tasks.md.",
        )
    given = pairs("--param", parameters)

    def begin(server: Speaker) -> int:
        job_id = deployed(server, project, [name])["jobs"][name]
        body = {"job_id": job_id, "job_parameters": given, "only": list(only)}
        return int(server.call("/api/2.2/jobs/run-now", body)["run_id"])

    return _run(invocation, home, begin, local=local, no_wait=no_wait)


@click.command("repair")
@click.argument("run_id", metavar="RUN", type=int)
@LOCAL
@NO_WAIT
@click.option("--task", "tasks", multiple=True, metavar="KEY", help="A task that runs again.")
@click.option("--dependents", is_flag=True, help="All that depend on it as well.")
@click.option("--param", "parameters", multiple=True, metavar="NAME=VALUE", help="A job parameter.")
@HOME
@common_options
def repair_command(
    invocation: Invocation,
    run_id: int,
    local: bool,
    no_wait: bool,
    tasks: tuple[str, ...],
    dependents: bool,
    parameters: tuple[str, ...],
    home: str | None,
) -> int:
    """Run what failed in a run again, and what follows from it.

    Without --task it is all that failed.
    """
    _check_waiting(local=local, no_wait=no_wait)
    body: dict[str, Any] = {"run_id": run_id, "rerun_dependent_tasks": dependents}
    body |= {"rerun_tasks": list(tasks)} if tasks else {"rerun_all_failed_tasks": True}
    if given := pairs("--param", parameters):
        body["job_parameters"] = given

    def begin(server: Speaker) -> int:
        latest = _latest_repair(invocation.settings(home=home), run_id)
        server.call("/api/2.2/jobs/runs/repair", {**body, **latest})
        return run_id

    return _run(invocation, home, begin, local=local, no_wait=no_wait)


@click.command("cancel")
@click.argument("run_id", metavar="RUN", type=int)
@HOME
@common_options
def cancel_command(invocation: Invocation, run_id: int, home: str | None) -> int:
    """Have a run end, or one task of it.

    RUN is the id of a run, or of an attempt of a task.
    """
    from lakeflow.cli.server import speaking

    with speaking(invocation.settings(home=home), local=False) as server:
        server.call("/api/2.2/jobs/runs/cancel", {"run_id": run_id})
    return 0


def deployed(
    server: Speaker, project: Declared, only: list[str], *, dry_run: bool = False
) -> Mapping[str, Any]:
    """Has jobs of a project saved; errors in its files are told with their place.

    Args:
        server: Where.
        project: What it declares.
        only: Keys of jobs; all if empty.
        dry_run: Whether nothing is changed.

    Returns:
        `plan` and `jobs`, the ids by key.
    """
    from lakeflow.server.deploy import check_jobs
    from lakeflow.server.projects_api import declared_json

    check_jobs(project, only)
    body = {**declared_json(project), "only": only, "dry_run": dry_run}
    found: Mapping[str, Any] = server.call("/api/lakeflow/deploy", body)
    return found


def _check_waiting(*, local: bool, no_wait: bool) -> None:
    if local and no_wait:
        raise click.UsageError("--local ends with its run, so it cannot be given with --no-wait.")


def _latest_repair(settings: Settings, run_id: int) -> Mapping[str, Any]:
    with closing(Reader(Home(settings.home).database)) as reader:
        where = "run_id = ? ORDER BY number DESC LIMIT 1"
        before = reader.select(RepairRow, where, (run_id,))
    return {"latest_repair_id": before[0].repair_id} if before else {}


def _run(
    invocation: Invocation,
    home: str | None,
    begin: Callable[[Speaker], int],
    *,
    local: bool,
    no_wait: bool,
) -> int:
    """Begins a run and waits until it is over."""
    from lakeflow.cli.job_lines import report_for
    from lakeflow.cli.report import json_line
    from lakeflow.cli.server import speaking

    settings = invocation.settings(home=home)
    with speaking(settings, local=local, can_be_local=True) as server:
        with closing(Reader(Home(settings.home).database)) as reader:
            last = reader.select(JobEvent, "1 ORDER BY sequence DESC LIMIT 1")
        report = report_for(as_json=invocation.as_json)
        accepted: Future[int] = Future()

        def cancel() -> None:
            server.call("/api/2.2/jobs/runs/cancel", {"run_id": accepted.result()})

        with Interruption(cancel, report.stopping) as interruption:
            run_id = begin(server)
            accepted.set_result(run_id)
            if no_wait:
                click.echo(json_line({"run_id": run_id}) if invocation.as_json else run_id)
                return INTERRUPTED if interruption.requested else 0
            with report:
                _wait(partial(server.follow, run_id, report.event, last[0].sequence if last else 0))
        with closing(Reader(Home(settings.home).database)) as reader:
            row = reader.find(RunRow, run_id)
            assert row is not None
            report.result(reader, row)
    assert row.result is not None
    if interruption.requested and row.result.failed:
        return INTERRUPTED
    return 1 if row.result.failed else 0


def _wait(follow: Callable[[], None]) -> None:
    """Follows a run on a thread: the main one must be free for signals."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            follow()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run, name="follow")
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
