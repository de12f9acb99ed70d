"""`lakeflow deploy`: brings the jobs of a server to what a project declares."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from lakeflow.cli.declared import project_options
from lakeflow.cli.jobs_run import HOME
from lakeflow.cli.options import Invocation, common_options
from lakeflow.jobs.definitions.declared import Declared

WIDEST = 80
"""Characters of a value that are printed."""


@click.command("deploy")
@click.option("--dry-run", is_flag=True, help="Print what would change, and change nothing.")
@HOME
@project_options
@common_options
def command(
    invocation: Invocation, dry_run: bool, home: str | None, declared: Callable[[], Declared]
) -> int:
    """Create, change and remove the jobs that this project declares."""
    from lakeflow.cli.jobs_run import deployed
    from lakeflow.cli.server import speaking
    from lakeflow.jobs.home import Home
    from lakeflow.server.deploy import plan_of
    from lakeflow.server.projects_api import plan_json

    project = declared()
    settings = invocation.settings(home=home)
    local = Home(settings.home).holder() is None
    if dry_run:
        _print(invocation, plan_json(plan_of(settings.home, project)))
        return 0
    with speaking(settings, local=local) as server:
        _print(invocation, deployed(server, project, [])["plan"])
    return 0


def _print(invocation: Invocation, plan: Sequence[Mapping[str, Any]]) -> None:
    from lakeflow.cli.report import json_line

    for step in plan:
        if invocation.as_json:
            click.echo(json_line(step))
            continue
        click.echo(f"{step['action']:<9}  {step['kind']}.{step['key']}")
        for change in step["changes"]:
            click.echo(f"    {change['field']}: {_shown(change['old'])} -> {_shown(change['new'])}")
    if not invocation.as_json and all(step["action"] == "unchanged" for step in plan):
        click.echo("All is as it is declared.")


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "(not set)" if value is None else text if len(text) <= WIDEST else text[:WIDEST] + "…"
