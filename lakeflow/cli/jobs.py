"""`lakeflow jobs`: what runs when, what has run, and why."""

from __future__ import annotations

import click

from lakeflow.cli.commands import Commands

COMMANDS = {
    "run": "jobs_run",
    "repair": "jobs_run",
    "cancel": "jobs_run",
    "pause": "jobs_when",
    "resume": "jobs_when",
    "backfill": "jobs_when",
    "list": "jobs_read",
    "show": "jobs_read",
    "graph": "jobs_read",
    "next": "jobs_read",
    "history": "jobs_runs",
    "logs": "jobs_runs",
    "why": "jobs_runs",
    "backup": "jobs_state",
    "restore": "jobs_state",
}
"""Sub-commands, and the module of this package that has each."""


@click.group(
    "jobs",
    cls=Commands,
    homes={n: (f"lakeflow.cli.{home}", f"{n}_command") for n, home in COMMANDS.items()},
    prefix="jobs ",
)
def command() -> None:
    """Run jobs, and see what has run and why."""
