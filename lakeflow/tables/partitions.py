"""Values of partition columns, as the text in which the log keeps them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from lakeflow.core.errors import DataError
from lakeflow.core.location import Location
from lakeflow.core.schema import (
    BINARY,
    DATE,
    DOUBLE,
    FLOAT,
    NTZ,
    STRING,
    TIMESTAMP,
    Array,
    DataType,
    Map,
    Schema,
    Struct,
)

_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"


def can_partition(kind: DataType) -> bool:
    """Whether a column of a type may be a partition column."""
    return kind != BINARY and not isinstance(kind, Array | Map | Struct)


def partition_values(
    found: Mapping[str, str | None], schema: Schema, location: Location
) -> dict[str, str | None]:
    """What the log says of a file's partition.

    Args:
        found: Value of each partition column as DuckDB writes it, None for NULL.
        schema: Columns of the table.
        location: Where the table is declared, for errors.

    Raises:
        DataError: A value has no text that readers take for the same value.
    """
    values: dict[str, str | None] = {}
    for name, text in found.items():
        field = schema.find(name)
        assert field is not None
        try:
            values[name] = None if text is None else _spelled(field.type, text)
        except ValueError as error:
            raise DataError(
                f"{name} is {text!r} in a row, which a partition column cannot hold: readers "
                "would see another value.",
                location=location,
                hint=f"Compute another value, or do not partition by {name}.",
            ) from error
    return values


def partition_text(value: Any) -> str:
    """A value that was read from a log, as the log spells it."""
    match value:
        case bool():
            return "true" if value else "false"
        case datetime() if value.tzinfo is None:
            return value.isoformat(" ", "microseconds")
        case datetime():
            return _instant_text(value)
        case Decimal():
            return format(value, "f")
        case float():
            return _float_text(str(value))
        case _:
            return str(value)


def castable_text(kind: DataType, text: str) -> str:
    """A value from the log of any writer, as one that every backend can cast."""
    if kind == TIMESTAMP:
        instant = datetime.fromisoformat(text)
        return _instant_text(instant if instant.tzinfo else instant.replace(tzinfo=UTC))
    return text


def _instant_text(value: datetime) -> str:
    """A TIMESTAMP, which readers in every zone take for the same instant."""
    return value.astimezone(UTC).replace(tzinfo=None).isoformat("T", "microseconds") + "Z"


def _float_text(text: str) -> str:
    if math.isfinite(float(text)):
        return text
    return "NaN" if math.isnan(float(text)) else text.replace("inf", "Infinity")


def _spelled(kind: DataType, text: str) -> str:
    if kind == STRING and text in ("", _HIVE_NULL):
        raise ValueError("readers take it for NULL")
    if kind == DATE:
        return date.fromisoformat(text).isoformat()
    if kind == TIMESTAMP:
        return _instant_text(datetime.fromisoformat(text))
    if kind == NTZ:
        return datetime.fromisoformat(text).isoformat(" ", "microseconds")
    if kind in (FLOAT, DOUBLE):
        return _float_text(text)
    return text
