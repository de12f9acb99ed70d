"""`lakeflow deploy`: brings the jobs of a server to what a project declares."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from lakeflow.cli.declared import project_options
from lakeflow.cli.jobs_run import HOME
from lakeflow.cli.options import Invocation, common_options
from lakeflow.jobs.declared import Declared

if TYPE_CHECKING:
    from lakeflow.jobs.deploy import Plan


@click.command("deploy")
@click.option("--dry-run", is_flag=True, help="Print what would change, and change nothing.")
@HOME
@project_options
@common_options
def command(
    invocation: Invocation, dry_run: bool, home: str | None, declared: Callable[[], Declared]
) -> int:
    """Create, change and remove the jobs that this project declares."""
    from lakeflow.server.compose import Server
    from lakeflow.server.deploy import deploy, plan_of

    project = declared()
    settings = invocation.settings(home=home)
    if dry_run:
        _print(invocation, plan_of(settings.home, project))
        return 0
    with Server(settings.home, settings, triggers=False) as server:
        plan = deploy(server, project)
    _print(invocation, plan)
    return 0


def _print(invocation: Invocation, plan: Plan) -> None:
    from lakeflow.cli.report import json_line

    if invocation.as_json:
        for step in plan.steps:
            changes = [{"field": c.path, "old": c.old, "new": c.new} for c in step.changes]
            kind, key = step.name
            told = {"action": step.action, "kind": kind, "key": key, "changes": changes}
            click.echo(json_line(told))
        return
    for line in plan_lines(plan):
        click.echo(line)


def plan_lines(plan: Plan) -> Iterator[str]:
    """What happens to each resource, and the fields that differ."""
    for step in plan.steps:
        yield f"{step.action:<9}  {'.'.join(step.name)}"
        for change in step.changes:
            yield f"    {change}"
    if plan.changes_nothing:
        yield "All is as it is declared."
