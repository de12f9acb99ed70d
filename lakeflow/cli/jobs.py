"""`lakeflow jobs`: what runs when, what has run, and why."""

from __future__ import annotations

import importlib

import click

from lakeflow.core.names import nearest

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


class _Commands(click.Group):
    """Loads a sub-command when it is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"lakeflow.cli.{COMMANDS[name]}")
        command: click.Command = getattr(module, f"{name}_command")
        return command

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = arguments[0]
        if name not in COMMANDS and not name.startswith("-"):
            hint = nearest(name, COMMANDS) or f"Commands are {', '.join(COMMANDS)}."
            raise click.UsageError(f"No such command 'jobs {name}'. {hint}", context)
        return super().resolve_command(context, arguments)


@click.group("jobs", cls=_Commands)
def command() -> None:
    """Run jobs, and see what has run and why."""
