"""`lakeflow jobs backup` and `restore`: copies of what a server knows."""

from __future__ import annotations

from pathlib import Path

import click

from lakeflow.cli.jobs_run import HOME
from lakeflow.cli.options import Invocation, common_options
from lakeflow.jobs.home import Home


@click.command("backup")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@HOME
@common_options
def backup_command(invocation: Invocation, file: Path, home: str | None) -> int:
    """Write a copy of all jobs and runs to FILE, also while a server works."""
    from lakeflow.cli.report import json_line
    from lakeflow.server.state import back_up

    size = back_up(Home(invocation.settings(home=home).home), file)
    told = json_line({"file": str(file), "bytes": size})
    click.echo(told if invocation.as_json else f"{file}: {size:,} bytes.")
    return 0


@click.command("restore")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@HOME
@common_options
def restore_command(invocation: Invocation, file: Path, home: str | None) -> int:
    """Put a copy that backup wrote in the place of all jobs and runs.

    No server may work in the home meanwhile. What was there is kept beside it.
    """
    from lakeflow.cli.report import json_line
    from lakeflow.server.state import restore

    settings = invocation.settings(home=home)
    kept = restore(Home(settings.home), file, settings)
    if invocation.as_json:
        click.echo(json_line({"file": str(file), "kept": None if kept is None else str(kept)}))
        return 0
    click.echo(f"{settings.home} has the jobs and runs of {file}.")
    if kept is not None:
        click.echo(f"What was there before is in {kept}.")
    return 0
