"""Where in a file a value stands: looked for only to say it in an error."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from typing import Any, TextIO

from lakeflow.engine.files.disk import open_text
from lakeflow.engine.files.options import ReadOptions


def line_of(path: str, column: str, value: str, options: ReadOptions) -> int | None:
    """The number of the first line of a file in which a column has a value.

    Args:
        path: The file.
        column: The column's name.
        value: Its text, or the beginning of it.
        options: How the file is read.

    Returns:
        None where it is not found.
    """
    if options.format == "parquet" or (options.format == "json" and options.multi_line):
        return None
    lines = _csv_lines if options.format == "csv" else _json_lines
    with open_text(path, options.encoding) as stream:
        try:
            return next(lines(stream, column, value, options), None)
        except (ValueError, TypeError, OSError, EOFError, csv.Error):
            return None


def _csv_lines(stream: TextIO, column: str, value: str, options: ReadOptions) -> Iterator[int]:
    csv.field_size_limit(1 << 24)
    rows = csv.reader(stream, delimiter=options.sep, quotechar=options.quote or None)
    begun = 1
    place = None
    for row in rows:
        if place is None and options.header:
            names = [name.strip().lower() for name in row]
            place = names.index(column.lower())
        elif any(
            field.strip().startswith(value)
            for field in (row if place is None else row[place : place + 1])
        ):
            yield begun
        begun = rows.line_num + 1


def _json_lines(
    stream: TextIO,
    column: str,
    value: str,
    options: ReadOptions,  # noqa: ARG001 - as for CSV
) -> Iterator[int]:
    for number, line in enumerate(stream, 1):
        if value == line.strip()[: len(value)] or (column in line and _says(line, column, value)):
            yield number


def _says(line: str, column: str, value: str) -> bool:
    try:
        record: Any = json.loads(line, parse_int=_Number, parse_float=_Number)
    except (ValueError, RecursionError):
        return False
    found = record.get(column) if isinstance(record, dict) else None
    if isinstance(found, _Number):
        return found.startswith(value)
    text = json.dumps(found, ensure_ascii=False, separators=(",", ":"), default=str)
    return text.startswith(value)


class _Number(str):
    """A number's own digits."""

    __slots__ = ()
