"""Numbers, values and grids as text; every function here is pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import chain, islice
from typing import Any

from lakeflow.core.schema import DataType
from lakeflow.core.values import cell, printable

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
    names: Sequence[str],
    rows: Iterable[Sequence[Any]],
    kinds: Sequence[DataType] | None = None,
    *,
    widest: int | None = None,
) -> Iterator[str]:
    r"""Rows under their columns' names; numbers stand to the right.

    The rows are read as a stream: no more than the first ones are held.

    Args:
        names: The columns' names.
        rows: The rows.
        kinds: The columns' types; texts, numbers and truth values need none.
        widest: Columns are cut after so many characters; None cuts nothing.

    Example:
        >>> print("\n".join(grid(["id", "name"], [(1, "Ada"), (20, None)])))
        id  name
        --  ----
         1  Ada
        20  NULL
    """

    def line_of(row: Sequence[Any]) -> list[str]:
        shown = map(cell, row, kinds) if kinds is not None else map(cell, row)
        return [_cut(text, widest) for text in shown]

    remaining = iter(rows)
    first = list(islice(remaining, WIDTHS_FROM))
    right = [_is_numeric(row[index] for row in first) for index in range(len(names))]
    heads = [_cut(printable(name), widest) for name in names]
    texts = [line_of(row) for row in first]
    widths = [max(map(width, column)) for column in zip(heads, *texts, strict=True)]
    later = map(line_of, remaining)
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
