"""Whether the rows of a query fit the columns of a table, and how they are widened."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lakeflow.core.errors import DataError, DefinitionError
from lakeflow.core.location import Location
from lakeflow.core.schema import (
    BIGINT,
    DATE,
    DOUBLE,
    FLOAT,
    INT,
    NTZ,
    SMALLINT,
    TINYINT,
    VOID,
    Array,
    DataType,
    Decimal,
    Field,
    Map,
    Schema,
    Struct,
    types_within,
)
from lakeflow.dialect.types import duckdb_type, identifier

_DIGITS = {TINYINT: 3, SMALLINT: 5, INT: 10, BIGINT: 20}
_WIDER: dict[DataType, tuple[DataType, ...]] = {
    TINYINT: (SMALLINT, INT, BIGINT, FLOAT, DOUBLE),
    SMALLINT: (INT, BIGINT, FLOAT, DOUBLE),
    INT: (BIGINT, DOUBLE),
    FLOAT: (DOUBLE,),
    DATE: (NTZ,),
}


@dataclass(frozen=True, slots=True)
class Fitted:
    """A query whose columns are those of a table.

    Args:
        sql: The query, with casts and the table's spelling of names.
        schema: Columns of its rows.
    """

    sql: str
    schema: Schema


def widens(kind: DataType, to: DataType) -> bool:
    """Whether every value of a type is a value of another, exactly."""
    if kind in (to, VOID):
        return True
    if isinstance(to, Decimal):
        whole = to.precision - to.scale
        if isinstance(kind, Decimal):
            return whole >= kind.precision - kind.scale and to.scale >= kind.scale
        return kind in _DIGITS and whole >= _DIGITS[kind]
    return to in _WIDER.get(kind, ())


def refuse_void(schema: Schema, dataset: str, location: Location) -> None:
    """Refuses columns of a table that are NULL, or hold NULL alone, without a type.

    Raises:
        DefinitionError: There is one.
    """
    for field in schema:
        if VOID in types_within(field.type):
            raise DefinitionError(
                f"Column {field.name} of {dataset} is {field.type}: NULL without a type.",
                condition="UNSUPPORTED_DATATYPE",
                location=location,
                hint="Give it one, such as CAST(NULL AS STRING) or CAST(array() AS ARRAY<STRING>).",
            )


def grown(table: DataType, rows: DataType, *, exact: bool = False) -> DataType | None:
    """The type of a table's column after taking up the new fields of structs in its rows.

    Args:
        table: The column's type so far.
        rows: That of the rows.
        exact: Nothing is widened: what is not new must be of the very type.

    Returns:
        None if the rows do not fit.
    """
    match table, rows:
        case Struct(known), Struct(given):
            fields = {field.name.lower(): field for field in known}
            for field in given:
                before = fields.get(field.name.lower())
                kind = field.type if before is None else grown(before.type, field.type, exact=exact)
                if kind is None:
                    return None
                fields[field.name.lower()] = replace(before or field, type=kind)
            return Struct(tuple(fields.values()))
        case Array(known), Array(given):
            element = grown(known, given, exact=exact)
            return None if element is None else Array(element)
        case Map(key, known), Map(other, given) if key == other:
            value = grown(known, given, exact=exact)
            return None if value is None else Map(key, value)
    return table if rows == table or (not exact and widens(rows, table)) else None


def retyped(table: Schema, rows: Schema) -> Schema:
    """The columns of a table without rows, with the types of a query where those do not fit."""
    fields = []
    for field in table.fields:
        found = rows.find(field.name)
        fits = found is None or grown(field.type, found.type) is not None
        fields.append(field if found is None or fits else replace(field, type=found.type))
    return Schema(tuple(fields))


def fit(sql: str, rows: Schema, table: Schema, dataset: str, location: Location) -> Fitted:
    """Fits the rows of a query to the columns that a table has already.

    Args:
        sql: The query.
        rows: Its columns.
        table: The table's columns; those it lacks will be added to it.
        dataset: The table's name, for errors.
        location: Of the flow, for errors.

    Raises:
        DataError: A column's type is neither the table's nor one that widens to it.
        DefinitionError: A column is NULL in every row, and the table does not have it.
    """
    columns: list[str] = []
    fields: list[Field] = []
    changed = False
    for field in rows.fields:
        found = table.find(field.name)
        name, kind = (found.name, found.type) if found else (field.name, field.type)
        if kind == VOID:
            raise DefinitionError(
                f"Column {field.name} of {dataset} is NULL without a type.",
                location=location,
                hint="Give it one: CAST(NULL AS STRING).",
            )
        fitting = grown(kind, field.type)
        if fitting is None:
            raise DataError(
                f"Column {field.name} of {dataset} is {kind}; its flow now gives {field.type}.",
                condition="CANNOT_MERGE_INCOMPATIBLE_DATA_TYPE",
                location=location,
                hint=f"Cast it in the query, or rebuild the table with --full-refresh {dataset}.",
            )
        kind = fitting
        expression = identifier(field.name)
        if field.type != kind:
            expression = f"CAST({expression} AS {duckdb_type(kind)})"
        if field.type != kind or name != field.name:
            changed = True
        columns.append(f"{expression} AS {identifier(name)}")
        fields.append(replace(found, type=kind) if found else Field(name, kind, nullable=True))
    fitted = Schema(tuple(fields))
    return Fitted(f"SELECT {', '.join(columns)} FROM ({sql})" if changed else sql, fitted)
