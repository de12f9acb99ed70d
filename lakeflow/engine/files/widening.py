"""Which type holds the values of two: the rules by which inferred schemas are merged."""

from __future__ import annotations

from dataclasses import replace

from lakeflow.core.schema import (
    BIGINT,
    DOUBLE,
    FLOAT,
    INT,
    SMALLINT,
    STRING,
    TINYINT,
    VOID,
    Array,
    DataType,
    Decimal,
    Field,
    Map,
    Schema,
    Struct,
)

INTEGERS = (TINYINT, SMALLINT, INT, BIGINT)
_DIGITS = {TINYINT: 3, SMALLINT: 5, INT: 10, BIGINT: 19}


def merged(first: Schema, second: Schema) -> Schema:
    """The columns of both, in the order in which they are met."""
    return Schema(_fields(first.fields, second.fields))


def _fields(first: tuple[Field, ...], second: tuple[Field, ...]) -> tuple[Field, ...]:
    found = {field.name.lower(): field for field in first}
    for field in second:
        known = found.setdefault(field.name.lower(), field)
        # A name that differs by case only has no place in a table: what it holds is rescued.
        if known.name == field.name:
            found[field.name.lower()] = replace(known, type=wider(known.type, field.type))
    return tuple(found.values())


def wider(first: DataType, second: DataType) -> DataType:
    """The narrowest type that holds the values of both; STRING where only their text does."""
    if second in (first, VOID):
        return first
    if first == VOID:
        return second
    match first, second:
        case Struct(one), Struct(two):
            return Struct(_fields(one, two))
        case Array(one), Array(two):
            return Array(wider(one, two))
        case Map(key, one), Map(other, two) if key == other:
            return Map(key, wider(one, two))
    return _number(first, second) or STRING


def _number(first: DataType, second: DataType) -> DataType | None:
    if first in INTEGERS and second in INTEGERS:
        return max(first, second, key=INTEGERS.index)
    floats = {FLOAT, DOUBLE} & {first, second}
    numbers = all(
        k in (*INTEGERS, FLOAT, DOUBLE) or isinstance(k, Decimal) for k in (first, second)
    )
    if numbers and floats:
        return DOUBLE
    if not numbers:
        return None
    one, two = _decimal(first), _decimal(second)
    scale = max(one.scale, two.scale)
    precision = max(one.precision - one.scale, two.precision - two.scale) + scale
    return Decimal(precision, scale) if precision <= 38 else None


def _decimal(kind: DataType) -> Decimal:
    return kind if isinstance(kind, Decimal) else Decimal(_DIGITS[kind], 0)  # type: ignore[index]


def without_void(kind: DataType) -> DataType:
    """The type with STRING in place of the type of NULL, which no table can hold."""
    match kind:
        case Array(element):
            return Array(without_void(element))
        case Map(key, value):
            return Map(without_void(key), without_void(value))
        case Struct(fields):
            return Struct(tuple(replace(f, type=without_void(f.type)) for f in fields))
    return STRING if kind == VOID else kind
