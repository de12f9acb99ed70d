"""Reads the rows of a SQLite table by a cursor column, and each row that is inserted late too.

A position says up to which value of the cursor, and up to which row id, all has been read. A row
is new if it is above the one or above the other: its cursor has grown, or it was inserted since,
with whatever cursor. Row ids also tell rows with equal cursors apart. What no cursor shows stays
unseen: a row that is changed without raising its cursor, and one that takes a row id which was in
use before, with a cursor that was passed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakeflow.connect.options import checked_options, positive
from lakeflow.connect.source import ArrowScan, Group, Limit, SourceContext
from lakeflow.core.arrow import arrow_schema
from lakeflow.core.errors import ConfigurationError, DataError, SourceError, StateError
from lakeflow.core.names import nearest, quote
from lakeflow.core.schema import STRING, Field, Schema
from lakeflow_connectors.sqlite.values import Misfit, declared_type, read_column, readable

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 50_000
BUSY_SECONDS = 30.0
"""How long a read waits for a writer that locks the whole database."""

Position = dict[str, Any]
"""`by` (the cursor), `value` and `row` (of the last row by cursor), `rows` (the highest row id)."""


class SqliteConnector:
    """Tables of SQLite databases."""

    name = "sqlite"
    positional = ("path",)
    secret: tuple[str, ...] = ()

    def source(self, options: Mapping[str, str], context: SourceContext) -> SqliteSource:
        """Opens a table.

        Raises:
            ConfigurationError: An option is unknown or missing.
            SourceError: The database or the table is not there.
        """
        found = checked_options(
            "read_sqlite",
            options,
            required=["path", "table", "cursor"],
            optional=["schemaHints", "maxRowsPerTrigger"],
            location=context.location,
        )
        if "maxrowspertrigger" in found:
            positive(
                "read_sqlite", "maxRowsPerTrigger", found["maxrowspertrigger"], context.location
            )
        hints = Schema.from_ddl(found.get("schemahints", ""))
        return SqliteSource(found["path"], found["table"], found["cursor"], hints, context)


class SqliteSource:
    """One opened table."""

    group: Group | None = None

    def __init__(
        self, path: str, table: str, cursor: str, hints: Schema, context: SourceContext
    ) -> None:
        self._path = path
        self._name = table
        self._table = _quoted(table)
        self._context = context
        with self._reading() as connection:
            columns = self._columns(connection)
        self._row_id = self._row_id_of([name for name, _ in columns])
        self._schema = Schema(
            tuple(Field(name, declared_type(declared)) for name, declared in columns)
        )
        self._take_hints(hints)
        self._as_text = {hint.name.lower() for hint in hints if hint.type == STRING}
        found = self._schema.find(cursor)
        if found is None:
            raise ConfigurationError(
                f"The table {table} has no column {cursor}.",
                location=context.location,
                hint=nearest(cursor, self._schema.names) or None,
            )
        self._by = found.name
        self._cursor = _quoted(found.name)

    def schema(self) -> Schema:
        """The table's columns, by their declared types and the user's hints."""
        return self._schema

    def horizon(self) -> Position | None:
        """The highest position there is now.

        Raises:
            DataError: Rows have no cursor value, so they would never be read.
        """
        with self._reading() as connection:
            [(missing,)] = connection.execute(
                f"SELECT count(*) FROM {self._table} WHERE {self._cursor} IS NULL"
            )
            if missing:
                raise DataError(
                    f"{missing} row(s) of {self._name} have no {self._by}, so they would never be "
                    "read.",
                    location=self._context.location,
                    hint="Give them one, or use a cursor that is never NULL.",
                )
            last = connection.execute(
                f"SELECT {self._cursor}, {self._row_id} FROM {self._table} "
                f"ORDER BY {self._cursor} DESC, {self._row_id} DESC LIMIT 1"
            ).fetchone()
            if last is None:
                return None
            [(rows,)] = connection.execute(f"SELECT max({self._row_id}) FROM {self._table}")
        return self._position(last, rows)

    def latest(self, start: Position | None, limit: Limit, upto: Position) -> Position:
        """The end of the next batch: rows inserted late first, then on by the cursor.

        Raises:
            SourceError: The highest cursor is lower than it was.
        """
        self._check_cursor(start)
        with self._reading() as connection:
            if start is not None and self._went_back(connection, start):
                upto = {**start, "rows": upto["rows"]}
            if limit.max_rows is None:
                return upto
            wanted = limit.max_rows
            if start is not None:
                late = connection.execute(
                    f"SELECT {self._row_id} FROM {self._table} WHERE {self._up_to()} "
                    f"AND {self._row_id} > ? AND {self._row_id} <= ? "
                    f"ORDER BY {self._row_id} LIMIT ?",
                    (start["value"], start["row"], start["rows"], upto["rows"], wanted),
                ).fetchall()
                if len(late) == wanted:
                    return {**start, "rows": late[-1][0]}
                wanted -= len(late)
            above = "1" if start is None else f"NOT {self._up_to()}"
            values = () if start is None else (start["value"], start["row"])
            last = connection.execute(
                f"SELECT {self._cursor}, {self._row_id} FROM {self._table} "
                f"WHERE {above} AND {self._up_to()} AND {self._row_id} <= ? "
                f"ORDER BY {self._cursor}, {self._row_id} LIMIT 1 OFFSET ?",
                (*values, upto["value"], upto["row"], upto["rows"], wanted - 1),
            ).fetchone()
        return upto if last is None else self._position(last, upto["rows"])

    def read(self, start: Position | None, end: Position) -> ArrowScan:
        """The rows of a range."""
        self._check_cursor(start)
        self._check_cursor(end)
        return ArrowScan(lambda: self._reader(start, end))

    def earliest(self, ends: Sequence[Position]) -> Position:
        """The lowest position; SQLite has numbers before texts, in one column too."""
        return min(ends, key=lambda end: (isinstance(end["value"], str), end["value"], end["row"]))

    def commit(self, end: Position) -> None:
        """A table needs no acknowledgement."""

    def close(self) -> None:
        """Each read has a connection of its own."""

    def _columns(self, connection: sqlite3.Connection) -> list[tuple[str, str]]:
        """Names and declared types, generated columns included.

        Raises:
            SourceError: There is no such table, or none with row ids.
        """
        kind = connection.execute(
            "SELECT type, wr FROM pragma_table_list WHERE schema = 'main' AND name = ? "
            "COLLATE NOCASE",
            (self._name,),
        ).fetchone()
        if kind is None:
            names = connection.execute(
                "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'"
            )
            raise SourceError(
                f"There is no table {self._name} in {self._path}.",
                location=self._context.location,
                hint=nearest(self._name, [name for (name,) in names]) or None,
            )
        if kind != ("table", 0):
            what = f"a {kind[0]}" if kind[0] != "table" else "a table WITHOUT ROWID"
            raise SourceError(
                f"{self._name} is {what}: its rows have no row ids, so those with equal cursors "
                "could not be told apart.",
                location=self._context.location,
                hint="Read the tables below it, and join them in the pipeline.",
            )
        rows = connection.execute(
            "SELECT name, type FROM pragma_table_xinfo(?) WHERE hidden IN (0, 2, 3)", (self._name,)
        )
        return [(name, declared) for name, declared in rows]

    def _row_id_of(self, columns: Sequence[str]) -> str:
        """A name of the row id that no column of the user's has taken."""
        taken = {name.lower() for name in columns}
        for name in ("rowid", "_rowid_", "oid"):
            if name not in taken:
                return name
        raise SourceError(
            f"{self._name} has columns named rowid, _rowid_ and oid: its row ids have no name.",
            location=self._context.location,
        )

    def _take_hints(self, hints: Schema) -> None:
        for hint in hints:
            column = self._schema.find(hint.name)
            if column is None or not readable(hint.type):
                said = "has no column" if column is None else f"cannot be read as {hint.type} in"
                raise ConfigurationError(
                    f"schemaHints: {self._name} {said} {hint.name}.",
                    location=self._context.location,
                    hint=nearest(hint.name, self._schema.names) or None,
                )
            self._schema = Schema(
                tuple(Field(f.name, hint.type) if f is column else f for f in self._schema)
            )

    def _check_cursor(self, position: Position | None) -> None:
        if position is not None and position["by"] != self._by:
            raise StateError(
                f"{self._name} was read by {position['by']} so far, and is to be read by "
                f"{self._by} now.",
                location=self._context.location,
                hint=f"Give cursor => '{position['by']}' again, or rebuild what reads it with "
                "--full-refresh.",
            )

    def _position(self, last: tuple[Any, int], rows: int) -> Position:
        value, row = last
        if isinstance(value, bytes):
            raise DataError(
                f"Column {self._by} of {self._name} is the cursor; row {row} holds a blob.",
                location=self._context.location,
            )
        return {"by": self._by, "value": value, "row": row, "rows": rows}

    def _went_back(self, connection: sqlite3.Connection, start: Position) -> bool:
        """Whether nothing is above a position, since the rows it names were deleted perhaps."""
        values = (start["value"], start["row"])
        query = f"SELECT EXISTS (SELECT 1 FROM {self._table} WHERE "
        [(above,)] = connection.execute(f"{query} NOT {self._up_to()})", values)
        if above:
            return False
        [(level,)] = connection.execute(f"{query} {self._cursor} >= ?)", values[:1])
        if not level:
            raise SourceError(
                f"The highest {self._by} of {self._name} is lower than {start['value']!r}, which "
                "was read before: the table was made again or restored, or its newest rows were "
                "deleted.",
                location=self._context.location,
                hint="If it was made again, rebuild what reads it with --full-refresh; if rows "
                f"were deleted, reading goes on with the next row of at least that {self._by}.",
            )
        return True

    def _up_to(self) -> str:
        """The condition of the rows up to a cursor value and, with that value, a row id."""
        return f"({self._cursor}, {self._row_id}) <= (?, ?)"

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """One view of the database, that no writer changes."""
        address = f"{Path(self._path).absolute().as_uri()}?mode=ro"
        try:
            with closing(
                sqlite3.connect(
                    address,
                    uri=True,
                    timeout=BUSY_SECONDS,
                    isolation_level=None,
                    # DuckDB's threads take turns.
                    check_same_thread=False,
                )
            ) as connection:
                connection.execute("BEGIN")
                yield connection
        except sqlite3.Error as error:
            locked = "locked" in str(error)
            raise SourceError(
                f"{self._name} of {self._path} cannot be read: {error}.",
                location=self._context.location,
                hint=f"Another program has written for over {BUSY_SECONDS:g} s; run once more "
                "when it is done."
                if locked
                else None,
            ) from error

    def _reader(self, start: Position | None, end: Position) -> pa.RecordBatchReader:
        import pyarrow as pa

        schema = arrow_schema(self._schema)
        return pa.RecordBatchReader.from_batches(schema, self._batches(start, end, schema))

    def _batches(
        self, start: Position | None, end: Position, schema: pa.Schema
    ) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        where = f"{self._up_to()} AND {self._row_id} <= ?"
        values = [end["value"], end["row"], end["rows"]]
        if start is not None:
            where += f" AND (NOT {self._up_to()} OR {self._row_id} > ?)"
            values += [start["value"], start["row"], start["rows"]]
        names = ", ".join(map(_quoted, self._schema.names))
        with self._reading() as connection:
            rows = connection.execute(
                f"SELECT {self._row_id}, {names} FROM {self._table} WHERE {where} "
                f"ORDER BY {self._cursor}, {self._row_id}",
                values,
            )
            while batch := rows.fetchmany(BATCH_ROWS):
                ids, *columns = zip(*batch, strict=True)
                arrays = [
                    pa.array(self._checked(field, column, ids), kind)
                    for field, column, kind in zip(self._schema, columns, schema.types, strict=True)
                ]
                yield pa.record_batch(arrays, schema=schema)

    def _checked(self, field: Field, column: Sequence[Any], ids: Sequence[int]) -> list[Any]:
        if field.name.lower() in self._as_text:
            column = [str(v) if isinstance(v, int | float) else v for v in column]
        try:
            return read_column(field.type, column)
        except Misfit as misfit:
            raise DataError(
                f"Column {field.name} of {self._name} is {field.type}; row {ids[misfit.number]} "
                f"holds {misfit.value!r}.",
                condition="CAST_INVALID_INPUT",
                location=self._context.location,
                hint="Mend the row: a blob goes with blobs only."
                if isinstance(misfit.value, bytes)
                else "Mend the row, or read the column as another type: "
                f"schemaHints => '{quote(field.name)} STRING'; a table that has rows already is "
                "rebuilt with --full-refresh.",
            ) from misfit


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
