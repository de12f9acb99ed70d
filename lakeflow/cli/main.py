"""The `lakeflow` command: finds the sub-command, runs it, turns errors into exit codes."""

from __future__ import annotations

import gc
import io
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from lakeflow import __version__
from lakeflow.cli.commands import Commands
from lakeflow.cli.interrupt import INTERRUPTED
from lakeflow.cli.options import Invocation, common_options
from lakeflow.cli.session import OpenSession, open_session
from lakeflow.core.errors import LakeflowError

if TYPE_CHECKING:
    from lakeflow.cli.session import Session
    from lakeflow.core.events import Event
    from lakeflow.core.settings import Settings

COMMANDS = "run show query events detach jobs deploy serve".split()
"""Sub-commands, each in the module of this package that has its name."""

UNEXPECTED = 70
"""Exit code of an error in Lakeflow itself, as in BSD's sysexits."""


@click.group(
    cls=Commands,
    homes={name: (f"lakeflow.cli.{name}", "command") for name in COMMANDS},
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, message="%(prog)s %(version)s")
@common_options
def group(invocation: Invocation) -> None:
    """Runs declarative pipelines over Delta tables, and shows what they made."""


def program() -> None:
    """The program `lakeflow`: `main`, without looking for garbage where there is none.

    What is imported stays to the end. The collector would look through it again and again while
    it grows, and once more when the program ends: a twentieth of a short update.
    """
    gc.disable()

    def loaded(settings: Settings, *, listeners: Sequence[Callable[[Event], None]] = ()) -> Session:
        session = open_session(settings, listeners=listeners)
        gc.freeze()
        gc.enable()
        return session

    try:
        main(open_session=loaded)
    finally:
        gc.freeze()


def main(
    arguments: Sequence[str] | None = None, *, open_session: OpenSession = open_session
) -> None:
    """Runs the command line and ends the program.

    Args:
        arguments: Words after `lakeflow`; those of this process if omitted.
        open_session: Makes the session.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A value that the terminal's encoding cannot show must not end the program.
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run_command(sys.argv[1:] if arguments is None else arguments, open_session))


def run_command(arguments: Sequence[str], open_session: OpenSession) -> int:
    """Runs the command line and returns its exit code."""
    invocation = Invocation(open_session)
    try:
        code = group.main(
            list(arguments), prog_name="lakeflow", standalone_mode=False, obj=invocation
        )
    except click.exceptions.NoArgsIsHelpError as error:
        error.show(sys.stdout)
        return 0
    except click.ClickException as error:
        if "--json" in arguments:
            _tell_as_json(error.format_message(), "UsageError")
        error.show()
        return 2
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted before anything was started.", err=True)
        return INTERRUPTED
    except LakeflowError as error:
        return _explain(error, invocation)
    except Exception as error:
        return _apologise(error, invocation)
    return int(code or 0)


def _explain(error: LakeflowError, invocation: Invocation) -> int:
    from lakeflow.cli.lines import error_json
    from lakeflow.cli.report import json_line

    if invocation.debug:
        traceback.print_exception(error)
    if invocation.as_json:
        click.echo(json_line(error_json(error)))
    click.echo(str(error), err=True)
    return error.exit_code


def _tell_as_json(message: str, kind: str) -> None:
    from lakeflow.cli.lines import failure_json
    from lakeflow.cli.report import json_line

    click.echo(json_line({"errors": [failure_json(kind, message)]}))


def _apologise(error: Exception, invocation: Invocation) -> int:
    if invocation.debug:
        traceback.print_exception(error)
    if invocation.as_json:
        _tell_as_json(str(error), type(error).__name__)
    click.echo(
        f"Unexpected error in Lakeflow {__version__}: {type(error).__name__}: {error}\n"
        "  This is a fault of Lakeflow, not of your pipeline. Please report it as an issue,\n"
        "  with what the same command prints when --debug is added.",
        err=True,
    )
    return UNEXPECTED
