"""Pieces of DuckDB SQL: quoted names and texts, and the spelling of types."""

from __future__ import annotations

from lakeflow.core.schema import Array, DataType, Decimal, Map, Primitive, Struct

_NAMES = {
    "boolean": "BOOLEAN",
    "tinyint": "TINYINT",
    "smallint": "SMALLINT",
    "int": "INTEGER",
    "bigint": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "string": "VARCHAR",
    "binary": "BLOB",
    "date": "DATE",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
    "timestamp_ntz": "TIMESTAMP",
    "void": "VARCHAR",
}


def name(text: str) -> str:
    """A name in double quotes."""
    return '"' + text.replace('"', '""') + '"'


def text(value: str) -> str:
    """A text in single quotes."""
    return "'" + value.replace("'", "''") + "'"


def path(value: str) -> str:
    """A path as a quoted text in which no character is a wildcard."""
    return text("".join(f"[{c}]" if c in "*?[" else c for c in value))


def type_name(kind: DataType) -> str:
    """How DuckDB spells a type.

    Example:
        >>> from lakeflow.core.schema import parse_type
        >>> type_name(parse_type("ARRAY<STRUCT<at: TIMESTAMP>>"))
        'STRUCT("at" TIMESTAMP WITH TIME ZONE)[]'
    """
    match kind:
        case Primitive(spark):
            return _NAMES[spark]
        case Decimal(precision, scale):
            return f"DECIMAL({precision},{scale})"
        case Array(element):
            return f"{type_name(element)}[]"
        case Map(key, value):
            return f"MAP({type_name(key)}, {type_name(value)})"
        case Struct(fields):
            inner = ", ".join(f"{name(f.name)} {type_name(f.type)}" for f in fields)
            return f"STRUCT({inner})"
