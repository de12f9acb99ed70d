"""`lakeflow query`: a SELECT over the tables."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

import click

from lakeflow.cli.interrupt import ending_at_once
from lakeflow.cli.options import Invocation, common_options
from lakeflow.cli.session import Batches
from lakeflow.core.errors import UnsupportedError


class _Statement(click.Command):
    """Takes an argument that begins with a comment of SQL for the statement that it is."""

    def parse_args(self, context: click.Context, given: list[str]) -> list[str]:
        texts = [word for word in given if word.startswith("--") and _is_text(word)]
        options = [word for word in given if word not in texts]
        return super().parse_args(context, [*options, *(["--"] if texts else []), *texts])


def _is_text(word: str) -> bool:
    """Whether a word that begins as an option does is none: those have no spaces in their name."""
    return "\n" in word or any(char.isspace() for char in word.partition("=")[0])


@click.command("query", cls=_Statement)
@click.argument("sql")
@common_options
def command(invocation: Invocation, sql: str) -> int:
    """Run Spark SQL over the tables, read-only.

    SQL may be - to read the statement from the standard input.
    """
    text = sys.stdin.read() if sql == "-" else sql
    with ending_at_once():
        return _print_rows(invocation, text)


def _print_rows(invocation: Invocation, text: str) -> int:
    from lakeflow.cli.report import is_terminal, json_line
    from lakeflow.cli.text import count, duration, grid
    from lakeflow.core.arrow import from_arrow
    from lakeflow.core.values import json_value

    started = time.monotonic()
    batches = invocation.session().query(text)
    names = [str(name) for name in batches.schema.names]
    kinds = [from_arrow(kind) for kind in batches.schema.types]
    if invocation.as_json:
        _refuse_doubles(names)
        for row in _rows(batches):
            click.echo(json_line(dict(zip(names, map(json_value, row, kinds), strict=True))))
        return 0
    printed = 0
    for line in grid(names, _rows(batches), kinds):
        click.echo(line)
        printed += 1
    if is_terminal(sys.stdout):
        spent = duration(time.monotonic() - started)
        click.echo(f"{count(printed - 2, 'row')}, {spent}", err=True)
    return 0


def _rows(batches: Batches) -> Iterator[tuple[Any, ...]]:
    for batch in batches:
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _refuse_doubles(names: list[str]) -> None:
    double = next((name for name in names if names.count(name) > 1), None)
    if double is not None:
        raise UnsupportedError(
            f"Two columns are called {double!r}, and a JSON object has each name once.",
            hint="Give one of them another name with AS.",
        )
