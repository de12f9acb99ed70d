"""`lakeflow events`: the log of an update."""

from __future__ import annotations

import click

from lakeflow.cli.options import Invocation, common_options


@click.command("events")
@click.option("--update", metavar="ID", help="Which update; the last one if omitted.")
@common_options
def command(invocation: Invocation, update: str | None) -> int:
    """Print the log of an update.

    Without --update it is the last one. Times are UTC.
    """
    from lakeflow.cli.lines import event_line
    from lakeflow.cli.report import json_line

    for event in invocation.session().events(update):
        if invocation.as_json:
            click.echo(json_line(event.to_json()))
        else:
            click.echo(event_line(event, log=True))
    return 0
