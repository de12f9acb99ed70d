"""Reads the rows of a SQLite table in the order of a cursor column and the row's id.

The row's id is part of the position, so that a row that is committed later with a cursor value
that was seen before is read all the same.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

from lakeflow.connect.source import ArrowScan, Limit, SourceContext
from lakeflow.core.errors import ConfigurationError, DataError, SourceError
from lakeflow.core.names import nearest
from lakeflow.core.schema import BIGINT, BINARY, DOUBLE, STRING, DataType, Field, Schema

if TYPE_CHECKING:
    import pyarrow as pa

OPTIONS = ("path", "table", "cursor", "maxrowspertrigger")
BATCH_ROWS = 50_000
_VALUES: dict[DataType, tuple[type, ...]] = {
    BIGINT: (int,),
    DOUBLE: (int, float),
    BINARY: (bytes,),
    STRING: (str,),
}


class SqliteConnector:
    """Tables of SQLite databases."""

    name = "sqlite"
    positional = ("path",)

    def source(self, options: Mapping[str, str], context: SourceContext) -> SqliteSource:
        """Opens a table.

        Raises:
            ConfigurationError: An option is unknown or missing.
            SourceError: The database or the table is not there.
        """
        found = {name.lower(): value for name, value in options.items()}
        for name in found:
            if name not in OPTIONS:
                raise ConfigurationError(
                    f"read_sqlite has no option {name}.",
                    location=context.location,
                    hint=nearest(name, OPTIONS) or None,
                )
        for name in OPTIONS[:3]:
            if name not in found:
                raise ConfigurationError(
                    f"read_sqlite needs the option {name}.", location=context.location
                )
        return SqliteSource(found["path"], found["table"], found["cursor"], context)


class SqliteSource:
    """One opened table; a position is `[cursor value, row id]`."""

    group: str | None = None

    def __init__(self, path: str, table: str, cursor: str, context: SourceContext) -> None:
        self._path, self._table, self._cursor, self._context = path, table, cursor, context
        with closing(self._connect()) as connection:
            rows = connection.execute(f"PRAGMA table_info({_quoted(table)})").fetchall()
            if not rows:
                raise SourceError(
                    f"There is no table {table} in {path}.", location=context.location
                )
            try:
                connection.execute(f"SELECT rowid FROM {_quoted(table)} LIMIT 1")
            except sqlite3.OperationalError as error:
                raise SourceError(
                    f"The table {table} has no row ids (WITHOUT ROWID), so rows with equal "
                    f"{cursor} could not be told apart.",
                    location=context.location,
                ) from error
        self._schema = Schema(tuple(Field(row[1], _type(row[2])) for row in rows))
        if self._schema.find(cursor) is None:
            raise ConfigurationError(
                f"The table {table} has no column {cursor}.",
                location=context.location,
                hint=nearest(cursor, self._schema.names) or None,
            )

    def schema(self) -> Schema:
        """The table's columns, by their declared types."""
        return self._schema

    def horizon(self) -> list[Any] | None:
        """The highest position there is now.

        Raises:
            DataError: Rows have no cursor value, so they would never be read.
        """
        cursor = _quoted(self._cursor)
        with closing(self._connect()) as connection:
            [(missing,)] = connection.execute(
                f"SELECT count(*) FROM {_quoted(self._table)} WHERE {cursor} IS NULL"
            )
            if missing:
                raise DataError(
                    f"{missing} rows of {self._table} have no {self._cursor} and would never be "
                    "read.",
                    location=self._context.location,
                    hint="Use a cursor column that is never NULL.",
                )
            found = connection.execute(
                f"SELECT {cursor}, rowid FROM {_quoted(self._table)} "
                f"ORDER BY {cursor} DESC, rowid DESC LIMIT 1"
            ).fetchone()
        return None if found is None else list(found)

    def latest(self, start: list[Any] | None, limit: Limit, upto: list[Any]) -> list[Any]:
        """The end of the next batch."""
        if limit.max_rows is None:
            return upto
        where, values = self._range(start, upto)
        cursor = _quoted(self._cursor)
        with closing(self._connect()) as connection:
            found = connection.execute(
                f"SELECT {cursor}, rowid FROM {_quoted(self._table)} WHERE {where} "
                f"ORDER BY {cursor}, rowid LIMIT 1 OFFSET ?",
                (*values, limit.max_rows - 1),
            ).fetchone()
        return upto if found is None else list(found)

    def read(self, start: list[Any] | None, end: list[Any]) -> ArrowScan:
        """The rows of a range."""
        return ArrowScan(lambda: self._reader(start, end))

    def commit(self, end: list[Any]) -> None:
        """A table needs no acknowledgement."""

    def close(self) -> None:
        """Each read has a connection of its own."""

    def _connect(self) -> sqlite3.Connection:
        try:
            return sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)
        except sqlite3.OperationalError as error:
            raise SourceError(
                f"The database {self._path} cannot be opened: {error}.",
                location=self._context.location,
            ) from error

    def _range(self, start: list[Any] | None, end: list[Any]) -> tuple[str, tuple[Any, ...]]:
        position = f"({_quoted(self._cursor)}, rowid)"
        if start is None:
            return f"{position} <= (?, ?)", tuple(end)
        return f"{position} > (?, ?) AND {position} <= (?, ?)", (*start, *end)

    def _reader(self, start: list[Any] | None, end: list[Any]) -> pa.RecordBatchReader:
        import pyarrow as pa

        types: dict[DataType, pa.DataType] = {
            BIGINT: pa.int64(),
            DOUBLE: pa.float64(),
            BINARY: pa.binary(),
            STRING: pa.string(),
        }
        schema = pa.schema([pa.field(f.name, types[f.type]) for f in self._schema])
        return pa.RecordBatchReader.from_batches(schema, self._batches(start, end, schema))

    def _batches(
        self, start: list[Any] | None, end: list[Any], schema: pa.Schema
    ) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        where, values = self._range(start, end)
        names = ", ".join(map(_quoted, self._schema.names))
        order = f"{_quoted(self._cursor)}, rowid"
        with closing(self._connect()) as connection:
            rows = connection.execute(
                f"SELECT rowid, {names} FROM {_quoted(self._table)} WHERE {where} ORDER BY {order}",
                values,
            )
            while batch := rows.fetchmany(BATCH_ROWS):
                columns = list(zip(*batch, strict=True))
                yield pa.record_batch(
                    [
                        pa.array(self._checked(field, column, columns[0]), schema.field(n).type)
                        for n, (field, column) in enumerate(
                            zip(self._schema, columns[1:], strict=True)
                        )
                    ],
                    schema=schema,
                )

    def _checked(self, field: Field, column: tuple[Any, ...], ids: tuple[Any, ...]) -> list[Any]:
        """The values, each of the column's type; SQLite itself lets any value into any column."""
        wanted = _VALUES[field.type]
        for value, row in zip(column, ids, strict=True):
            if value is not None and not isinstance(value, wanted):
                raise DataError(
                    f"Column {field.name} of {self._table} is {field.type}; row {row} holds "
                    f"{value!r}.",
                    location=self._context.location,
                )
        return [float(v) if v is not None and field.type == DOUBLE else v for v in column]


def _type(declared: str) -> DataType:
    """The type of a column by SQLite's own rules of affinity."""
    text = declared.upper()
    if "INT" in text:
        return BIGINT
    if "CHAR" in text or "CLOB" in text or "TEXT" in text or not text:
        return STRING
    if "BLOB" in text:
        return BINARY
    if "REAL" in text or "FLOA" in text or "DOUB" in text:
        return DOUBLE
    return STRING


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
