"""`lakeflow jobs run` and `lakeflow jobs repair`: a server in this process, for one run."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

import click

from lakeflow.cli.declared import pairs, project_options
from lakeflow.cli.interrupt import INTERRUPTED, Interruption
from lakeflow.cli.options import Invocation, common_options
from lakeflow.core.errors import ConfigurationError
from lakeflow.jobs.declared import Declared
from lakeflow.jobs.rows import JobEvent, RepairRow, RunRow
from lakeflow.jobs.turn import Turn

if TYPE_CHECKING:
    from lakeflow.server.compose import Server

Begin = Callable[["Server"], int]
"""Begins a run in a server; returns its id."""

HOME = click.option("--home", metavar="DIR", help="Folder of jobs, runs and what they leave.")
LOCAL = click.option(
    "--local", is_flag=True, help="Run it in this process, and end when the run has ended."
)


@click.command("run")
@click.argument("name")
@LOCAL
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
    parameters: tuple[str, ...],
    only: tuple[str, ...],
    home: str | None,
    declared: Callable[[], Declared],
) -> int:
    """Run a job of this project, and tell how it goes.

    NAME is its key in lakeflow.yml or databricks.yml.
    """
    _refuse_remote(local)
    project = declared()
    request = {"job_parameters": pairs("--param", parameters)}

    def begin(server: Server) -> int:
        from lakeflow.jobs.control import run_now
        from lakeflow.server.deploy import deploy, source_of

        deploy(server, project, [name])
        job = server.job_of(source_of(project), name)
        return server.ask(
            lambda turn: run_now(server.scheduler, turn, job, request=request, only=only)
        )

    return _until_the_end(invocation, home, begin)


@click.command("repair")
@click.argument("run_id", metavar="RUN", type=int)
@LOCAL
@click.option("--task", "tasks", multiple=True, metavar="KEY", help="A task that runs again.")
@click.option("--dependents", is_flag=True, help="All that depend on it as well.")
@click.option("--param", "parameters", multiple=True, metavar="NAME=VALUE", help="A job parameter.")
@HOME
@common_options
def repair_command(
    invocation: Invocation,
    run_id: int,
    local: bool,
    tasks: tuple[str, ...],
    dependents: bool,
    parameters: tuple[str, ...],
    home: str | None,
) -> int:
    """Run what failed in a run again, and what follows from it.

    Without --task it is all that failed.
    """
    _refuse_remote(local)
    request = {"job_parameters": given} if (given := pairs("--param", parameters)) else {}

    def begin(server: Server) -> int:
        from lakeflow.jobs.control import repair

        def repaired(turn: Turn) -> int:
            where = "run_id = ? ORDER BY number DESC LIMIT 1"
            before = turn.store.select(RepairRow, where, (run_id,))
            return repair(
                server.scheduler,
                turn,
                run_id,
                tasks=tasks,
                all_failed=not tasks,
                with_dependents=dependents,
                request=request,
                latest=before[0].repair_id if before else None,
            )

        server.ask(repaired)
        return run_id

    return _until_the_end(invocation, home, begin)


def _refuse_remote(local: bool) -> None:
    if not local:
        raise ConfigurationError(
            "Jobs run in a server, and this command cannot speak to one yet.",
            hint="Add --local to run it in this process.",
        )


def _until_the_end(invocation: Invocation, home: str | None, begin: Begin) -> int:
    """Begins a run in a server of this process and waits until it is over."""
    from lakeflow.cli.job_lines import report_for
    from lakeflow.server.compose import Server

    settings = invocation.settings(home=home)
    report = report_for(as_json=invocation.as_json)
    follower = _Follower(report.event)
    with Server(settings.home, settings, listeners=[follower.heard], triggers=False) as server:
        run_id = begin(server)
        follower.follow(run_id)
        reason = "Somebody pressed Ctrl-C."

        def cancel() -> None:
            from lakeflow.jobs.control import cancel

            server.ask(lambda turn: cancel(server.scheduler, turn, run_id, reason))

        with Interruption(cancel, report.stopping) as interruption, report:
            server.wait_for(follower.ended)
        with closing(server.reader()) as reader:
            row = reader.find(RunRow, run_id)
            assert row is not None
            report.result(reader, row)
    if server.failure is not None:
        raise server.failure
    assert row.result is not None
    if interruption.requested and row.result.failed:
        return INTERRUPTED
    return 1 if row.result.failed else 0


class _Follower:
    """Hands on what happens in one run, from its beginning, and tells its end."""

    def __init__(self, tell: Callable[[JobEvent], None]) -> None:
        self.ended = threading.Event()
        self._tell = tell
        self._run: int | None = None
        self._early: list[JobEvent] = []
        self._lock = threading.RLock()

    def follow(self, run_id: int) -> None:
        """Says which run it is."""
        with self._lock:
            self._run = run_id
            for event in self._early:
                self.heard(event)
            self._early.clear()

    def heard(self, event: JobEvent) -> None:
        """Takes in an event of the scheduler."""
        with self._lock:
            if self._run is None:
                self._early.append(event)
            elif event.run_id == self._run and not self.ended.is_set():
                self._tell(event)
                if event.type in ("run.ended", "run.skipped"):
                    self.ended.set()
