"""Values of tables as people read them, and as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from struct import pack, unpack
from typing import Any

from lakeflow.core.schema import FLOAT, Array, DataType, Map, Struct


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


def cell(value: Any, kind: DataType | None = None) -> str:
    r"""A value of a table as Spark's `show` prints it.

    Args:
        value: As Arrow gives it: a map is a list of pairs.
        kind: Its type; may be left out for texts, numbers and truth values.

    Example:
        >>> cell(None), cell(True), cell(1e7), cell(b"\x01\xff")
        ('NULL', 'true', '1.0E7', '[01 FF]')
        >>> from lakeflow.core.schema import INT, STRING
        >>> cell([("a", 1)], Map(STRING, INT)), cell([1, None], Array(INT))
        ('{a -> 1}', '[1, NULL]')
    """
    match value:
        case None:
            return "NULL"
        case bool():
            return str(value).lower()
        case float():
            return _float(value if kind != FLOAT else _shortest(value))
        case bytes():
            return f"[{value.hex(' ').upper()}]"
        case datetime():
            text = value.replace(tzinfo=None).isoformat(" ")
            return text.rstrip("0") if value.microsecond else text
        case Decimal():
            return f"{value:f}"
    match kind:
        case Struct(fields):
            return _braced(cell(value[field.name], field.type) for field in fields)
        case Map(key, item):
            return _braced(f"{cell(k, key)} -> {cell(v, item)}" for k, v in value)
        case Array(element):
            return "[" + ", ".join(cell(item, element) for item in value) + "]"
    return printable(str(value))


def _braced(parts: Iterable[str]) -> str:
    return "{" + ", ".join(parts) + "}"


def _float(value: float) -> str:
    """As Java writes it."""
    if not math.isfinite(value):
        return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(value)
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    first, *rest = map(str, digits)
    power = int(exponent) + len(rest)
    return f"{'-' if sign else ''}{first}.{''.join(rest) or '0'}E{power}"


def _shortest(value: float) -> float:
    """The shortest number that is this one in 32 bits."""
    if not math.isfinite(value):
        return value
    tried = (float(f"{value:.{digits}g}") for digits in range(1, 10))
    return next(found for found in tried if unpack("f", pack("f", found)) == (value,))


def json_value(value: Any, kind: DataType | None = None) -> Any:
    """A value of a table for JSON: nothing is rounded, instants are ISO 8601.

    Args:
        value: As Arrow gives it: a map is a list of pairs.
        kind: Its type; may be left out for texts, numbers and truth values.

    Example:
        >>> json_value(Decimal("1.10")), json_value(date(2026, 1, 2)), json_value(float("nan"))
        ('1.10', '2026-01-02', 'NaN')
        >>> from lakeflow.core.schema import INT, STRING
        >>> json_value([("a", 1)], Map(STRING, INT))
        {'a': 1}
    """
    if value is None:
        return None
    match kind:
        case Struct(fields):
            return {field.name: json_value(value[field.name], field.type) for field in fields}
        case Map(key, item):
            return {cell(k, key): json_value(v, item) for k, v in value}
        case Array(element):
            return [json_value(item, element) for item in value]
    match value:
        case float() if not math.isfinite(value):
            return _float(value)
        case float():
            return value if kind != FLOAT else _shortest(value)
        case Decimal():
            return f"{value:f}"
        case date():
            return value.isoformat()
        case bytes():
            return value.hex()
        case bool() | int() | str():
            return value
    return str(value)
