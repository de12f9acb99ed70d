"""Delta's statistics of a file, from what DuckDB's COPY says it wrote.

A wrong bound makes a reader skip rows, so a bound is either certain or left out: decimals never
pass through floats, long strings are cut below and raised above, and floating-point columns with
NaN or infinities have none.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping

from lakeflow.core.schema import DataType, Decimal, Primitive, Schema

LONGEST_STRING = 32
MOST_COLUMNS = 32
"""Bounds are kept for the first columns only, as other writers do."""

_INTEGERS = {"tinyint", "smallint", "int", "bigint"}
_HIGHEST = chr(0x10FFFF)

ColumnStatistics = Mapping[str, str]


def file_statistics(
    schema: Schema, rows: int, columns: Mapping[str, ColumnStatistics], skip: tuple[str, ...] = ()
) -> str:
    """The `stats` of an `add` action.

    Args:
        schema: Columns of the table.
        rows: Rows in the file; always exact.
        columns: What COPY returned per column: `min`, `max`, `null_count`, `has_nan` as text, by
            the column's quoted name.
        skip: Partition columns, which have no statistics.
    """
    lowest: list[str] = []
    highest: list[str] = []
    nulls: list[str] = []
    for field in schema.fields[:MOST_COLUMNS]:
        found = columns.get('"' + field.name.replace('"', '""') + '"')
        if found is None or field.name in skip or not isinstance(field.type, Primitive | Decimal):
            continue
        name = json.dumps(field.name)
        if "null_count" in found:
            nulls.append(f"{name}:{int(found['null_count'])}")
        bounds = _bounds(field.type, found) if found.get("min") is not None else None
        if bounds is not None:
            lowest.append(f"{name}:{bounds[0]}")
            if bounds[1] is not None:
                highest.append(f"{name}:{bounds[1]}")
    parts = [f'"numRecords":{rows}']
    for key, values in (("minValues", lowest), ("maxValues", highest), ("nullCount", nulls)):
        parts.append(f'"{key}":{{{",".join(values)}}}')
    return "{" + ",".join(parts) + "}"


def _bounds(kind: DataType, found: ColumnStatistics) -> tuple[str, str | None] | None:
    low, high = found["min"], found["max"]
    if found.get("min_is_exact") == "false" or found.get("max_is_exact") == "false":
        return None
    match kind:
        case Decimal():
            number = re.compile(r"-?\d+(\.\d+)?")
            if number.fullmatch(low) and number.fullmatch(high):
                return low, high
            return None
        case Primitive(name) if name in _INTEGERS:
            return str(int(low)), str(int(high))
        case Primitive("float" | "double"):
            if found.get("has_nan") == "true" or not all(
                map(math.isfinite, map(float, (low, high)))
            ):
                return None
            # Both zeros are equal, and some readers order them: the bounds take in both.
            return json.dumps(float(low) or -0.0), json.dumps(float(high) or 0.0)
        case Primitive("string"):
            return json.dumps(low[:LONGEST_STRING]), _raised(high)
        case Primitive("date"):
            return json.dumps(low), json.dumps(high)
        case Primitive("timestamp" | "timestamp_ntz" as name):
            zone = "Z" if name == "timestamp" else ""
            bounds = _instant(low, zone), _instant(high, zone)
            return None if bounds[0] is None or bounds[1] is None else (bounds[0], bounds[1])
        case _:
            return None


def _raised(high: str) -> str | None:
    """A text of bounded length that is not below; None if no higher character is left."""
    if len(high) <= LONGEST_STRING:
        return json.dumps(high)
    if high[LONGEST_STRING] == _HIGHEST:
        return None
    return json.dumps(high[:LONGEST_STRING] + _HIGHEST, ensure_ascii=True)


def _instant(text: str, zone: str) -> str | None:
    """The spelling Delta wants; None for what is not `YYYY-MM-DD hh:mm:ss[.ffffff][+00]`."""
    match = re.fullmatch(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)(?:\+00(?::00)?)?", text)
    return json.dumps(f"{match[1]}T{match[2]}{zone}") if match else None
