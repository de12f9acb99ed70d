"""`lakeflow run`: one update of a pipeline."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from lakeflow.cli.interrupt import INTERRUPTED, Interruption
from lakeflow.cli.options import Invocation, common_options
from lakeflow.cli.progress import UpdateProgress
from lakeflow.cli.project import find_project_file
from lakeflow.cli.session import FullRefresh, UpdateResult
from lakeflow.core.errors import Interrupted

ALL = "all"


@click.command("run")
@click.argument("path", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Print the plan and change nothing.")
@click.option(
    "--full-refresh",
    metavar="[TABLE,...]",
    multiple=True,
    is_flag=False,
    flag_value=ALL,
    help="Compute these tables anew from their sources; all of them if none is named.",
)
@common_options
def command(
    invocation: Invocation, path: Path | None, dry_run: bool, full_refresh: tuple[str, ...]
) -> int:
    """Run one update of a pipeline.

    PATH is a .py or .sql file, a folder, or a project file; without it, the project file
    (pipeline.yml) of the current folder or of the nearest one above it.
    """
    tables = refreshed_tables(full_refresh, path)
    found = path or find_project_file(Path.cwd())
    if dry_run:
        return _print_plan(invocation, found, tables)
    return _update(invocation, found, tables)


def refreshed_tables(given: tuple[str, ...], path: Path | None) -> FullRefresh:
    """Reads the values of `--full-refresh`.

    Raises:
        UsageError: The value is the path of a pipeline, which was meant to stand before it.
    """
    names = [name.strip() for value in given for name in value.split(",") if name.strip()]
    if ALL in names:
        return ALL
    for name in names:
        if path is None and Path(name).exists():
            raise click.UsageError(
                f"--full-refresh takes {name!r} for the name of a table; "
                f"write the path first: lakeflow run {name} --full-refresh"
            )
    return names


def _print_plan(invocation: Invocation, path: Path, full_refresh: FullRefresh) -> int:
    from lakeflow.cli.lines import plan_json
    from lakeflow.cli.report import json_line

    plan = invocation.session().plan(path, full_refresh=full_refresh)
    click.echo(json_line(plan_json(plan)) if invocation.as_json else str(plan))
    return 0


def _update(invocation: Invocation, path: Path, full_refresh: FullRefresh) -> int:
    from lakeflow.cli.lines import standing_lines
    from lakeflow.cli.report import Lines, report_for

    started = time.monotonic()
    progress = UpdateProgress()
    report = report_for(as_json=invocation.as_json)
    session = invocation.session([progress.apply, report.event])
    result: UpdateResult | None = None

    with Interruption(session.stop, report.stopping) as interruption, report:
        try:
            result = session.run(path, full_refresh=full_refresh)
        except Interrupted:
            interruption.requested = True
        if result is not None:
            report.result(result, time.monotonic() - started)
    if interruption.requested and (result is None or result.state == "CANCELED"):
        errors = Lines(sys.stderr)
        for line in standing_lines(progress.finished(), progress.unfinished()):
            errors.write(line)
        return INTERRUPTED
    return 0 if result is not None and result.state == "COMPLETED" else 1
