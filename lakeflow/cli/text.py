"""Numbers, values and grids as text; every function here is pure."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import chain, islice
from typing import Any

WIDTHS_FROM = 1000
"""Rows that decide how wide the columns of a grid are; later, longer cells stick out."""


def count(number: int, noun: str) -> str:
    """A number with its noun.

    Example:
        >>> count(12345, "row"), count(1, "row")
        ('12,345 rows', '1 row')
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def duration(seconds: float) -> str:
    """A span of time, as exact as one cares about it.

    Example:
        >>> duration(0.042), duration(3.21), duration(75), duration(7400)
        ('0.04 s', '3.2 s', '1 min 15 s', '2 h 3 min')
    """
    if seconds < 0.995:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def rate(rows: int, seconds: float) -> str:
    """Rows in a second; nothing where there is nothing to divide.

    Example:
        >>> rate(12345, 2.0)
        '6,172 rows/s'
    """
    if not rows or seconds <= 0:
        return ""
    each = rows / seconds
    return f"{each:,.1f} rows/s" if each < 10 else f"{each:,.0f} rows/s"


def printable(text: str) -> str:
    r"""Text that cannot move the cursor or break a line: control characters are escaped.

    Example:
        >>> print(printable("two\nlines \x1b[31m"))
        two\nlines \x1b[31m
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def cell(value: Any, *, nested: bool = False) -> str:
    r"""A value of a table, as SQL people write it.

    Example:
        >>> cell(None), cell(True), cell([1, None]), cell({"a": "x"}), cell(b"\x01")
        ('NULL', 'true', '[1, NULL]', "{a: 'x'}", "X'01'")
    """
    match value:
        case None:
            return "NULL"
        case bool():
            return str(value).lower()
        case str():
            return f"'{printable(value)}'" if nested else printable(value)
        case bytes():
            return f"X'{value.hex().upper()}'"
        case datetime():
            return value.replace(tzinfo=None).isoformat(" ")
        case Decimal():
            return f"{value:f}"
        case dict():
            parts = (f"{printable(k)}: {cell(v, nested=True)}" for k, v in value.items())
            return "{" + ", ".join(parts) + "}"
        case tuple() if len(value) == 2:
            return f"{cell(value[0], nested=True)}: {cell(value[1], nested=True)}"
        case list():
            return "[" + ", ".join(cell(item, nested=True) for item in value) + "]"
    return printable(str(value))


def json_value(value: Any) -> Any:
    """A value of a table for JSON: nothing is rounded, instants are ISO 8601.

    Example:
        >>> json_value({"price": Decimal("1.10"), "at": date(2026, 1, 2), "x": float("nan")})
        {'price': '1.10', 'at': '2026-01-02', 'x': 'NaN'}
    """
    match value:
        case float() if not math.isfinite(value):
            return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")
        case Decimal():
            return f"{value:f}"
        case date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case bytes():
            return value.hex()
        case dict():
            return {str(name): json_value(item) for name, item in value.items()}
        case list() | tuple():
            return [json_value(item) for item in value]
        case None | bool() | int() | float() | str():
            return value
    return str(value)


def width(text: str) -> int:
    """Columns that text takes on a terminal.

    Example:
        >>> width("naïve"), width("東京")
        (5, 4)
    """
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF")
        for char in text
    )


def grid(
    names: Sequence[str], rows: Iterable[Sequence[Any]], *, widest: int | None = None
) -> Iterator[str]:
    r"""Rows under their columns' names; numbers stand to the right.

    The rows are read as a stream: no more than the first ones are held.

    Args:
        names: The columns' names.
        rows: The rows.
        widest: Columns are cut after so many characters; None cuts nothing.

    Example:
        >>> print("\n".join(grid(["id", "name"], [(1, "Ada"), (20, None)])))
        id  name
        --  ----
         1  Ada
        20  NULL
    """
    remaining = iter(rows)
    first = list(islice(remaining, WIDTHS_FROM))
    right = [_is_numeric(row[index] for row in first) for index in range(len(names))]
    heads = [_cut(printable(name), widest) for name in names]
    texts = [[_cut(cell(value), widest) for value in row] for row in first]
    widths = [max(map(width, column)) for column in zip(heads, *texts, strict=True)]
    later = ([_cut(cell(value), widest) for value in row] for row in remaining)
    for line in chain([heads, ["-" * size for size in widths]], texts, later):
        cells = (
            " " * (size - width(text)) + text if to_right else text + " " * (size - width(text))
            for text, size, to_right in zip(line, widths, right, strict=True)
        )
        yield "  ".join(cells).rstrip()


def _is_numeric(values: Iterable[Any]) -> bool:
    given = [value for value in values if value is not None]
    return bool(given) and all(
        isinstance(value, int | float | Decimal) and not isinstance(value, bool) for value in given
    )


def _cut(text: str, widest: int | None) -> str:
    if widest is None or width(text) <= widest:
        return text
    while width(text) > widest - 1:
        text = text[: max(0, min(len(text) - 1, widest - 1))]
    return text + "…"
