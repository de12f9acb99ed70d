"""Options that every command takes, and what they come to."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lakeflow.cli.project import default_home, default_lakehouse
from lakeflow.cli.session import OpenSession, Session, open_session
from lakeflow.core.events import Event

if TYPE_CHECKING:
    from lakeflow.core.settings import Settings


@dataclass
class Invocation:
    """What a command is run with.

    Args:
        open_session: Makes the session; the engine's own unless a test says otherwise.
        given: The common options that were given, before or after the command.
    """

    open_session: OpenSession = open_session
    given: dict[str, Any] = field(default_factory=dict)

    @property
    def as_json(self) -> bool:
        """Whether the output is to be JSON."""
        return bool(self.given.get("json"))

    @property
    def debug(self) -> bool:
        """Whether errors are to be printed with their traceback."""
        return bool(self.given.get("debug"))

    def session(self, listeners: Sequence[Callable[[Event], None]] = ()) -> Session:
        """Opens the lakehouse that the options and the environment name.

        Raises:
            ConfigurationError: A setting is not valid.
        """
        return self.open_session(self.settings(), listeners=listeners)

    def settings(self, **given: Any) -> Settings:
        """What the options and the environment say.

        Args:
            given: Settings that a command's own options say; None means not given.

        Raises:
            ConfigurationError: A setting is not valid.
        """
        from lakeflow.core.settings import Settings

        lakehouse = self.given.get("lakehouse")
        if lakehouse is None and "LAKEFLOW_LAKEHOUSE" not in os.environ:
            lakehouse = default_lakehouse(Path.cwd())
        if given.get("home") is None and "LAKEFLOW_HOME" not in os.environ:
            given["home"] = default_home(Path.cwd())
        memory = self.given.get("memory_limit")
        return Settings.load(lakehouse=lakehouse, memory_limit=memory, **given)


def common_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options that every command takes, and hands it the `Invocation` instead of them."""

    @click.option("--lakehouse", metavar="DIR", help="Folder of the tables and their state.")
    @click.option("--memory-limit", metavar="SIZE", help="Memory a flow may use, such as 2GB.")
    @click.option("--json", is_flag=True, help="Print JSON, one object per line.")
    @click.option("--debug", is_flag=True, help="Print errors with their traceback.")
    @click.pass_obj
    @functools.wraps(function)
    def wrapped(invocation: Invocation, /, **options: Any) -> Any:
        for name in ("lakehouse", "memory_limit", "json", "debug"):
            value = options.pop(name)
            if value:
                invocation.given[name] = value
        return function(invocation, **options)

    return wrapped
