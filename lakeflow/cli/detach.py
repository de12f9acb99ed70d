"""`lakeflow detach`: a flow that is gone lets go of its source."""

from __future__ import annotations

import click

from lakeflow.cli.options import Invocation, common_options


@click.command("detach")
@click.argument("flow")
@common_options
def command(invocation: Invocation, flow: str) -> int:
    """Let a flow go of its source.

    A source is told that data were taken only when every flow attached to it has them. A flow
    that no longer exists would hold it back for ever; this takes it off the list.
    """
    from lakeflow.cli.report import json_line

    invocation.session().detach(flow)
    if invocation.as_json:
        click.echo(json_line({"detached": flow}))
    else:
        click.echo(f"{flow} is detached; its source no longer waits for it.")
    return 0
