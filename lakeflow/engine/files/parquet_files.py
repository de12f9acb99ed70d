"""Parquet files: the types in their footers, and their columns in the types of a schema."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakeflow.connect.source import FileEntry
from lakeflow.core.errors import UnsupportedError
from lakeflow.core.location import Location
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
    Schema,
    Struct,
)
from lakeflow.engine.files import sql
from lakeflow.engine.files.disk import local
from lakeflow.engine.files.values import Conversion
from lakeflow.engine.files.widening import INTEGERS

if TYPE_CHECKING:
    import duckdb

_TYPES: dict[str, DataType] = {
    "null": VOID,
    "boolean": BOOLEAN,
    "tinyint": TINYINT,
    "smallint": SMALLINT,
    "integer": INT,
    "bigint": BIGINT,
    "utinyint": SMALLINT,
    "usmallint": INT,
    "uinteger": BIGINT,
    "ubigint": Decimal(20, 0),
    "float": FLOAT,
    "double": DOUBLE,
    "varchar": STRING,
    "enum": STRING,
    "uuid": STRING,
    "json": STRING,
    "blob": BINARY,
    "date": DATE,
    "timestamp": NTZ,
    "timestamp_s": NTZ,
    "timestamp_ms": NTZ,
    "timestamp_ns": NTZ,
    "timestamp with time zone": TIMESTAMP,
}
_DIGITS = {TINYINT: 3, SMALLINT: 5, INT: 10, BIGINT: 19}


@dataclass(frozen=True, slots=True)
class ParquetGroup:
    """Files whose footers say the same.

    Args:
        columns: DuckDB's types by name, in order.
        positions: Where each file stands in the scan.
        source: SQL of a table with `c0`, `c1`, ... and the file's position in `position`.
    """

    columns: tuple[tuple[str, Any], ...]
    positions: tuple[int, ...]
    source: str


def groups(
    connection: duckdb.DuckDBPyConnection, files: tuple[FileEntry, ...]
) -> list[ParquetGroup]:
    """The files by what their footers say; one query reads all footers."""
    # A file without a byte holds no row.
    written = [n for n, file in enumerate(files) if file.size]
    if not written:
        return []
    paths = ", ".join(sql.path(local(files[n].path)) for n in written)
    rows = connection.execute(
        "SELECT file_name, name, type, type_length, repetition_type, num_children,"
        f" converted_type, logical_type FROM parquet_schema([{paths}])"
    ).fetchall()
    footers: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for name, *footer in rows:
        footers[name].append(tuple(footer))
    alike: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for position in written:
        alike[tuple(footers[local(files[position].path)])].append(position)
    return [_group(connection, files, tuple(positions)) for positions in alike.values()]


def _group(
    connection: duckdb.DuckDBPyConnection,
    files: tuple[FileEntry, ...],
    positions: tuple[int, ...],
) -> ParquetGroup:
    paths = [sql.path(local(files[n].path)) for n in positions]
    reader = "FROM read_parquet([{}], hive_partitioning = false)"
    one = connection.sql(f"SELECT * {reader.format(paths[0])}")
    columns = tuple(zip(one.columns, one.types, strict=True))
    position = str(positions[0])
    if len(positions) > 1:
        position = f"list_extract({list(positions)}, file_index::BIGINT + 1)"
    selected = [f"{sql.name(name)} AS c{n}" for n, (name, _) in enumerate(columns)]
    source = f"(SELECT {', '.join([*selected, f'{position} AS position'])} "
    return ParquetGroup(columns, positions, source + reader.format(", ".join(paths)) + ")")


def spark_schema(
    group: ParquetGroup, files: tuple[FileEntry, ...], location: Location | None
) -> Schema:
    """The columns of a group in Spark's types.

    Raises:
        UnsupportedError: A column's type has no equal in Spark.
    """
    file = files[group.positions[0]].path
    fields: dict[str, Field] = {}
    for name, kind in group.columns:
        # A table has no two names that differ by case only.
        fields.setdefault(name.lower(), Field(name, spark_type(kind, name, file, location)))
    return Schema(tuple(fields.values()))


def spark_type(kind: Any, column: str, file: str, location: Location | None) -> DataType:
    """Spark's type for one of DuckDB's.

    Raises:
        UnsupportedError: There is none.
    """

    def inner(child: Any) -> DataType:
        return spark_type(child, column, file, location)

    identifier = str(kind.id).lower().strip('"')
    match identifier:
        case "decimal":
            (_, precision), (_, scale) = kind.children
            return Decimal(precision, scale)
        case "list" | "array":
            return Array(inner(kind.children[0][1]))
        case "map":
            return Map(inner(kind.children[0][1]), inner(kind.children[1][1]))
        case "struct":
            return Struct(tuple(Field(name, inner(child)) for name, child in kind.children))
    if str(kind).upper() == "JSON":
        return STRING
    if identifier not in _TYPES:
        raise UnsupportedError(
            f"The column {sql.name(column)} of {file} has the type {kind},"
            " which Spark's tables cannot hold.",
            condition="PARQUET_TYPE_NOT_SUPPORTED",
            location=location,
        )
    return _TYPES[identifier]


def conversion(kind: Any, spark: DataType, target: DataType) -> Conversion | None:
    """How a column of a file becomes one of a schema.

    Args:
        kind: DuckDB's type of the column in the file.
        spark: Spark's type for it.
        target: The type in the schema.

    Returns:
        None where the types are equal.
    """
    wanted = sql.type_name(target)
    if str(kind) == wanted:
        return None
    if spark == target or _holds(spark, target):
        if "TIMESTAMP_NS" not in str(kind):
            return Conversion("{x}", f"CAST({{t}} AS {wanted})")
    elif not (_scalar(spark) and _scalar(target) and _comparable(spark, target)):
        return Conversion("{x}", f"NULL::{wanted}")
    # The value must come back unchanged from the type it is to have.
    return Conversion(
        f"TRY_CAST({{x}} AS {wanted})",
        f"CASE WHEN TRY_CAST({{t}} AS {kind}) = {{x}} THEN {{t}} END",
    )


def _scalar(kind: DataType) -> bool:
    return not isinstance(kind, Array | Map | Struct)


def _comparable(spark: DataType, target: DataType) -> bool:
    def number(kind: DataType) -> bool:
        return kind in (*INTEGERS, FLOAT, DOUBLE) or isinstance(kind, Decimal)

    return (number(spark) and number(target)) or spark == target


def _holds(spark: DataType, target: DataType) -> bool:
    """Whether each value of one type is a value of the other."""
    match spark, target:
        case Array(one), Array(two):
            return one == two or _holds(one, two)
        case Map(key, one), Map(other, two):
            return (key == other or _holds(key, other)) and (one == two or _holds(one, two))
        case Struct(one), Struct(two):
            known = {field.name: field.type for field in two}
            return all(
                f.name in known and (f.type == known[f.name] or _holds(f.type, known[f.name]))
                for f in one
            )
        case Decimal(p1, s1), Decimal(p2, s2):
            return s2 >= s1 and p2 - s2 >= p1 - s1
    if spark == VOID:
        return True
    if target == STRING:
        return spark in (*INTEGERS, BOOLEAN, DATE) or isinstance(spark, Decimal)
    if spark in INTEGERS and isinstance(target, Decimal):
        return target.precision - target.scale >= _DIGITS[spark]
    if spark in INTEGERS and target in INTEGERS:
        return INTEGERS.index(target) >= INTEGERS.index(spark)
    return (spark, target) in ((FLOAT, DOUBLE), (INT, DOUBLE), (SMALLINT, FLOAT), (TINYINT, FLOAT))
