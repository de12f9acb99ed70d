"""Spark's types as Arrow's."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

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
    Schema,
    Struct,
)

if TYPE_CHECKING:
    import pyarrow as pa


@cache
def _primitives() -> dict[DataType, pa.DataType]:
    import pyarrow as pa

    return {
        BOOLEAN: pa.bool_(),
        TINYINT: pa.int8(),
        SMALLINT: pa.int16(),
        INT: pa.int32(),
        BIGINT: pa.int64(),
        FLOAT: pa.float32(),
        DOUBLE: pa.float64(),
        STRING: pa.string(),
        BINARY: pa.binary(),
        DATE: pa.date32(),
        TIMESTAMP: pa.timestamp("us", "UTC"),
        NTZ: pa.timestamp("us"),
        VOID: pa.null(),
    }


def to_arrow(kind: DataType) -> pa.DataType:
    """The Arrow type that holds a Spark type's values."""
    import pyarrow as pa

    match kind:
        case Primitive():
            return _primitives()[kind]
        case Decimal(precision, scale):
            return pa.decimal128(precision, scale)
        case Array(element):
            return pa.list_(to_arrow(element))
        case Map(key, value):
            return pa.map_(to_arrow(key), to_arrow(value))
        case Struct(fields):
            return pa.struct([pa.field(f.name, to_arrow(f.type), f.nullable) for f in fields])


def arrow_schema(schema: Schema) -> pa.Schema:
    """The Arrow schema of a table's columns."""
    import pyarrow as pa

    return pa.schema([pa.field(f.name, to_arrow(f.type), f.nullable) for f in schema.fields])


def from_arrow(kind: pa.DataType) -> DataType:
    """The Spark type that holds an Arrow type's values exactly.

    Raises:
        UnsupportedError: There is none.
    """
    import pyarrow as pa

    types = pa.types
    for spark, arrow in _primitives().items():
        if kind.equals(arrow):
            return spark
    if types.is_large_string(kind) or types.is_string_view(kind):
        return STRING
    if types.is_large_binary(kind) or types.is_binary_view(kind):
        return BINARY
    if types.is_unsigned_integer(kind) and kind.bit_width < 64:
        return {8: SMALLINT, 16: INT, 32: BIGINT}[kind.bit_width]
    if types.is_timestamp(kind) and kind.unit in ("s", "ms", "us"):
        return NTZ if kind.tz is None else TIMESTAMP
    if types.is_decimal(kind) and kind.precision <= 38:
        return Decimal(kind.precision, kind.scale)
    if types.is_dictionary(kind):
        return from_arrow(kind.value_type)
    if types.is_map(kind):
        return Map(from_arrow(kind.key_type), from_arrow(kind.item_type))
    if types.is_struct(kind):
        return Struct(tuple(Field(f.name, from_arrow(f.type)) for f in kind))
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return Array(from_arrow(kind.value_type))
    raise UnsupportedError(
        f"The Arrow type {kind} has no type in a Delta table.",
        condition="UNSUPPORTED_DATATYPE",
        hint="Cast the column in the function.",
    )
