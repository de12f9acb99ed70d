"""`lakeflow jobs pause`, `resume` and `backfill`: when jobs run, said by hand."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import click

from lakeflow.cli.declared import pairs
from lakeflow.cli.jobs_run import HOME
from lakeflow.cli.jobs_runs import find_job, open_reader
from lakeflow.cli.options import Invocation, common_options
from lakeflow.core.errors import ConfigurationError
from lakeflow.jobs.home import Home
from lakeflow.jobs.rows import JobRow

LEGACY = ("schedule", "trigger", "continuous")


@click.command("pause")
@click.argument("name")
@HOME
@common_options
def pause_command(invocation: Invocation, name: str, home: str | None) -> int:
    """Hold all triggers of a job; runs that have begun go on.

    The next deployment brings back what the project's file says.
    """
    return _set(invocation, name, home, "PAUSED")


@click.command("resume")
@click.argument("name")
@HOME
@common_options
def resume_command(invocation: Invocation, name: str, home: str | None) -> int:
    """Let the triggers of a job begin runs again."""
    return _set(invocation, name, home, "UNPAUSED")


def _set(invocation: Invocation, name: str, home: str | None, status: str) -> int:
    from lakeflow.cli.server import speaking

    job = _job(invocation, name, home)
    changed = with_pause(job.settings, status)
    if not changed:
        raise ConfigurationError(
            f"Job {name} has no trigger: it runs when somebody runs it.",
            hint="Give it a schedule; see docs/triggers.md.",
        )
    settings = invocation.settings(home=home)
    with speaking(settings, local=Home(settings.home).holder() is None) as server:
        server.call("/api/2.2/jobs/update", {"job_id": job.job_id, "new_settings": changed})
    return 0


def _job(invocation: Invocation, name: str, home: str | None) -> JobRow:
    _, reader = open_reader(invocation, home)
    with closing(reader):
        return find_job(reader, name)


def with_pause(settings: Mapping[str, Any], status: str) -> dict[str, Any]:
    """The triggers of a job, each held or not.

    Args:
        settings: Of the job.
        status: `PAUSED` or `UNPAUSED`.
    """
    found: dict[str, Any] = {
        name: {**settings[name], "pause_status": status} for name in LEGACY if settings.get(name)
    }
    if several := settings.get("triggers"):
        found["triggers"] = [{**each, "pause_status": status} for each in several]
    return found


@click.command("backfill")
@click.argument("name")
@click.option("--from", "start", required=True, metavar="TIME", help="Beginning of the range.")
@click.option("--to", "end", required=True, metavar="TIME", help="Its end, which is not in it.")
@click.option(
    "--every",
    type=click.Choice(["hour", "day", "week"]),
    help="Length of a window; the ticks of the job's schedule begin windows if omitted.",
)
@click.option("--most", type=click.IntRange(1), metavar="N", help="Allow so many runs, not 100.")
@click.option("--param", "parameters", multiple=True, metavar="NAME=VALUE", help="A job parameter.")
@HOME
@common_options
def backfill_command(
    invocation: Invocation,
    name: str,
    start: str,
    end: str,
    every: str | None,
    most: int | None,
    parameters: tuple[str, ...],
    home: str | None,
) -> int:
    """Run a job once for each window of a range of time.

    Times are like 2026-01-31 or 2026-01-31T12:00:00+01:00; UTC if they do not say a zone.
    Parameters may refer to the beginning of the window: --param 'day={{backfill.iso_date}}'.
    """
    from lakeflow.cli.report import json_line
    from lakeflow.cli.server import speaking

    job = _job(invocation, name, home)
    body = {
        "job_id": job.job_id,
        "start": _time("--from", start).isoformat(),
        "end": _time("--to", end).isoformat(),
        "every": every,
        "most": most,
        "job_parameters": pairs("--param", parameters),
    }
    with speaking(invocation.settings(home=home), local=False) as server:
        made = server.call("/api/lakeflow/backfill", body)["runs"]
    for run in made:
        click.echo(
            json_line(run) if invocation.as_json else f"{run['run_id']}  {run['window_start']}"
        )
    return 0


def _time(option: str, text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.UsageError(f"{option} is a time like 2026-01-31, not {text!r}.") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)
