"""Spark's types in DuckDB's words, and the types that Spark gives to the results of operators."""

from __future__ import annotations

import re
from functools import cache

from lakeflow.core.errors import UnsupportedError
from lakeflow.core.schema import (
    BIGINT,
    BINARY,
    BOOLEAN,
    DATE,
    DOUBLE,
    FLOAT,
    INT,
    NTZ,
    SMALLINT,
    STRING,
    TIMESTAMP,
    TINYINT,
    VOID,
    Array,
    DataType,
    Decimal,
    Field,
    Map,
    Primitive,
    Struct,
)

YEAR_MONTH = Primitive("interval year to month")
DAY = Primitive("interval day")
DAY_TIME = Primitive("interval day to second")
"""Types of expressions only: no table can hold an interval."""

INTEGRAL = (TINYINT, SMALLINT, INT, BIGINT)
FRACTIONAL = (FLOAT, DOUBLE)
INTERVALS = (YEAR_MONTH, DAY, DAY_TIME)

_DUCKDB = {
    BOOLEAN: "BOOLEAN",
    TINYINT: "TINYINT",
    SMALLINT: "SMALLINT",
    INT: "INTEGER",
    BIGINT: "BIGINT",
    FLOAT: "FLOAT",
    DOUBLE: "DOUBLE",
    STRING: "VARCHAR",
    BINARY: "BLOB",
    DATE: "DATE",
    TIMESTAMP: "TIMESTAMP WITH TIME ZONE",
    NTZ: "TIMESTAMP",
    VOID: "INTEGER",
    YEAR_MONTH: "INTERVAL",
    DAY: "INTERVAL",
    DAY_TIME: "INTERVAL",
}
_SPARK = {name: kind for kind, name in _DUCKDB.items() if name != "INTERVAL"} | {
    "INTEGER": INT,
    "TIMESTAMPTZ": TIMESTAMP,
    '"NULL"': VOID,
    "NULL": VOID,
}


def identifier(name: str) -> str:
    """A name as DuckDB's quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def duckdb_type(kind: DataType) -> str:
    """DuckDB's name of a Spark type; the type of NULL is written as INTEGER."""
    match kind:
        case Primitive():
            return _DUCKDB[kind]
        case Decimal(precision, scale):
            return f"DECIMAL({precision},{scale})"
        case Array(element):
            return f"{duckdb_type(element)}[]"
        case Map(key, value):
            return f"MAP({duckdb_type(key)}, {duckdb_type(value)})"
        case Struct(fields):
            inner = ", ".join(f"{identifier(f.name)} {duckdb_type(f.type)}" for f in fields)
            return f"STRUCT({inner})"


@cache
def from_duckdb_type(text: str) -> DataType:
    """Spark's type for a type as DuckDB prints it.

    Raises:
        UnsupportedError: No type of a Delta table has these values.
    """
    reader = _TypeReader(text)
    kind = reader.kind()
    if reader.position != len(text):
        raise reader.unknown()
    return kind


class _TypeReader:
    """Reads DuckDB's spelling of one type."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0

    def unknown(self) -> UnsupportedError:
        return UnsupportedError(
            f"DuckDB's type {self.text} has no counterpart in Spark.",
            condition="UNSUPPORTED_DATATYPE",
            hint="Cast the column to a type that a Delta table can hold, such as BIGINT.",
        )

    def take(self, pattern: str) -> re.Match[str]:
        match = re.compile(pattern).match(self.text, self.position)
        if match is None:
            raise self.unknown()
        self.position = match.end()
        return match

    def accept(self, text: str) -> bool:
        if self.text.startswith(text, self.position):
            self.position += len(text)
            return True
        return False

    def kind(self) -> DataType:
        kind = self.single()
        while self.accept("[]"):
            kind = Array(kind)
        return kind

    def single(self) -> DataType:
        if self.accept("STRUCT("):
            fields = []
            while True:
                match = self.take(r'(?:"((?:[^"]|"")*)"|(\w+)) ')
                name = match[2] if match[1] is None else match[1].replace('""', '"')
                fields.append(Field(name, self.kind()))
                if not self.accept(", "):
                    break
            self.take(r"\)")
            return Struct(tuple(fields))
        if self.accept("MAP("):
            key = self.kind()
            self.take(", ")
            value = self.kind()
            self.take(r"\)")
            return Map(key, value)
        if self.accept("DECIMAL("):
            match = self.take(r"(\d+),\s*(\d+)\)")
            return Decimal(int(match[1]), int(match[2]))
        name = self.take(r'"NULL"|TIMESTAMP WITH TIME ZONE|\w+')[0]
        if name not in _SPARK:
            raise self.unknown()
        return _SPARK[name]


def is_numeric(kind: DataType) -> bool:
    """Whether Spark computes with it."""
    return kind in INTEGRAL or kind in FRACTIONAL or isinstance(kind, Decimal)


def is_atomic(kind: DataType) -> bool:
    """Whether it is one value, neither nested nor an interval."""
    return isinstance(kind, Decimal) or (isinstance(kind, Primitive) and kind not in INTERVALS)


_INTEGRAL_DIGITS = {TINYINT: 3, SMALLINT: 5, INT: 10, BIGINT: 20}


def as_decimal(kind: DataType) -> Decimal:
    """The decimal that holds every value of an integer type or decimal."""
    if isinstance(kind, Decimal):
        return kind
    assert isinstance(kind, Primitive)
    return Decimal(_INTEGRAL_DIGITS[kind], 0)


def bounded(precision: int, scale: int) -> Decimal:
    """A decimal cut at 38 digits, where digits before the point win over those after it."""
    if precision <= 38:
        return Decimal(precision, scale)
    return Decimal(38, max(0, scale - (precision - 38)))


def adjusted(precision: int, scale: int) -> Decimal:
    """The decimal of an arithmetic result, which keeps at least six digits after the point."""
    if precision <= 38:
        return Decimal(precision, scale)
    integral = precision - scale
    return Decimal(38, max(38 - integral, min(scale, 6)))


def _wider_decimal(a: Decimal, b: Decimal) -> Decimal:
    scale = max(a.scale, b.scale)
    return bounded(max(a.precision - a.scale, b.precision - b.scale) + scale, scale)


def _common_numeric(a: DataType, b: DataType) -> DataType:
    if isinstance(a, Decimal) or isinstance(b, Decimal):
        if a in FRACTIONAL or b in FRACTIONAL:
            return DOUBLE
        return _wider_decimal(as_decimal(a), as_decimal(b))
    if a in INTEGRAL and b in INTEGRAL:
        return max(a, b, key=INTEGRAL.index)
    return DOUBLE  # a FLOAT does not hold every number of an integral type


def _with_string(other: DataType) -> DataType | None:
    if other in INTEGRAL:
        return BIGINT
    if is_numeric(other):
        return DOUBLE
    if other in (BOOLEAN, DATE, TIMESTAMP, NTZ, BINARY):
        return other
    return None


def common_type(a: DataType, b: DataType) -> DataType | None:
    """The type to which Spark (ANSI) brings two values of one column; None if there is none."""
    if a == b:
        return a
    if VOID in (a, b):
        return b if a == VOID else a
    if is_numeric(a) and is_numeric(b):
        return _common_numeric(a, b)
    if STRING in (a, b):
        return _with_string(b if a == STRING else a)
    if {a, b} <= {DATE, TIMESTAMP, NTZ}:
        return TIMESTAMP if TIMESTAMP in (a, b) else NTZ
    if {a, b} == {DAY, DAY_TIME}:
        return DAY_TIME
    match a, b:
        case Array(x), Array(y):
            element = common_type(x, y)
            return None if element is None else Array(element)
        case Map(k1, v1), Map(k2, v2):
            key, value = common_type(k1, k2), common_type(v1, v2)
            return None if key is None or value is None else Map(key, value)
        case Struct(f1), Struct(f2):
            return _common_struct(f1, f2)
    return None


def _common_struct(a: tuple[Field, ...], b: tuple[Field, ...]) -> DataType | None:
    if len(a) != len(b) or any(x.name.lower() != y.name.lower() for x, y in zip(a, b, strict=True)):
        return None
    fields = []
    for x, y in zip(a, b, strict=True):
        kind = common_type(x.type, y.type)
        if kind is None:
            return None
        fields.append(Field(x.name, kind))
    return Struct(tuple(fields))


def is_orderable(kind: DataType) -> bool:
    """Whether Spark can compare and sort values of the type."""
    match kind:
        case Array(element):
            return is_orderable(element)
        case Struct(fields):
            return all(is_orderable(field.type) for field in fields)
        case Map():
            return False
    return True
