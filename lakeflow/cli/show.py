"""`lakeflow show`: what a table is and holds."""

from __future__ import annotations

import click

from lakeflow.cli.interrupt import ending_at_once
from lakeflow.cli.options import Invocation, common_options


@click.command("show")
@click.argument("table")
@click.option(
    "--limit", default=10, show_default=True, type=click.IntRange(min=0), help="Rows to print."
)
@common_options
def command(invocation: Invocation, table: str, limit: int) -> int:
    """Show what a table is and holds.

    Prints its version, columns, first rows and the counts of its expectations.
    """
    from lakeflow.cli.lines import description_json, description_lines
    from lakeflow.cli.report import json_line

    with ending_at_once():
        description = invocation.session().show(table, limit)
    if invocation.as_json:
        click.echo(json_line(description_json(description)))
        return 0
    for line in description_lines(description):
        click.echo(line)
    return 0
