"""Groups of commands, each of which is loaded when it is named."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

from lakeflow.core.names import nearest


class Commands(click.Group):
    """Loads a sub-command when it is named, and tells the nearest name of one that is not there.

    Args:
        homes: Names of the sub-commands, each with its module and its name there.
        prefix: What stands before their names, such as `jobs `.
        given: What a group of click takes.
    """

    def __init__(
        self, *, homes: Mapping[str, tuple[str, str]], prefix: str = "", **given: Any
    ) -> None:
        super().__init__(**given)
        self._homes = homes
        self._prefix = prefix

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Their names, in the order in which they are explained."""
        return list(self._homes)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        """The sub-command of a name."""
        if name not in self._homes:
            return None
        module, attribute = self._homes[name]
        found: click.Command = getattr(importlib.import_module(module), attribute)
        return found

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The sub-command that the words of a user name."""
        name = arguments[0]
        if name not in self._homes and not name.startswith("-"):
            hint = nearest(name, self._homes) or f"Commands are {', '.join(self._homes)}."
            raise click.UsageError(f"No such command '{self._prefix}{name}'. {hint}", context)
        return super().resolve_command(context, arguments)
