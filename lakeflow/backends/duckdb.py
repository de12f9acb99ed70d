"""DuckDB: runs queries in this process and writes Parquet; it commits nothing."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakeflow.backends.parquet import Relation
from lakeflow.core.errors import DataError, Interrupted, LakeflowError
from lakeflow.core.location import Location
from lakeflow.core.schema import Schema
from lakeflow.dialect.types import duckdb_type, identifier

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A Parquet file that was written and is not part of any table yet.

    Args:
        path: Absolute.
        size: Bytes.
        rows: Exactly how many.
        columns: Statistics per quoted column name, as text.
        partition: Values of partition columns.
    """

    path: str
    size: int
    rows: int
    columns: Mapping[str, Mapping[str, str]]
    partition: Mapping[str, str | None] = field(default_factory=dict)


class DuckDBBackend:
    """One DuckDB instance; flows that run at the same time get a session each.

    Args:
        memory_limit: Bytes that all queries together may keep in memory.
        threads: Threads of all queries together.
        time_zone: Zone of timestamps without one.
        temporary: Folder for what does not fit into memory.
        setup: Statements that lowered queries need.
    """

    def __init__(
        self,
        *,
        memory_limit: int,
        threads: int,
        time_zone: str,
        temporary: Path,
        setup: Sequence[str] = (),
    ) -> None:
        self._memory_limit = memory_limit
        self._threads = threads
        self._time_zone = time_zone
        self._temporary = temporary
        self._setup = setup
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._sessions: list[DuckDBSession] = []
        self._lock = threading.Lock()
        # A COPY keeps some four threads busy and holds a row group for each; more of them at once
        # take more memory and no less time.
        self._writing = threading.BoundedSemaphore(max(1, threads // 4))
        self._cancelled = False

    def session(self) -> DuckDBSession:
        """A connection of its own to the one instance, opened when it is first used."""
        session = DuckDBSession(self)
        with self._lock:
            self._sessions.append(session)
        return session

    def connect(self) -> duckdb.DuckDBPyConnection:
        """A cursor of the instance, which the first one starts."""
        import duckdb

        with self._lock:
            if self._connection is None:
                connection = duckdb.connect(
                    config={
                        "memory_limit": f"{self._memory_limit}B",
                        "threads": self._threads,
                        "temp_directory": str(self._temporary),
                        "preserve_insertion_order": "false",
                        "autoinstall_known_extensions": "false",
                        "autoload_known_extensions": "false",
                        "python_enable_replacements": "false",
                    }
                )
                connection.execute(f"SET TimeZone = '{self._time_zone}'")
                for statement in self._setup:
                    connection.execute(statement)
                self._connection = connection
            cursor = self._connection.cursor()
            cursor.execute(f"SET TimeZone = '{self._time_zone}'")
            return cursor

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled

    def cancel(self) -> None:
        """Interrupts what all sessions are running; they raise `Interrupted`."""
        self._cancelled = True
        for session in list(self._sessions):
            session.interrupt()

    def close(self) -> None:
        """Ends the instance."""
        with self._lock:
            for session in self._sessions:
                session.disconnect()
            self._sessions.clear()
            if self._connection is not None:
                self._connection.close()
                self._connection = None


class DuckDBSession:
    """Runs the queries of one flow.

    Args:
        backend: Whose it is.
    """

    def __init__(self, backend: DuckDBBackend) -> None:
        self._backend = backend
        self._connection: duckdb.DuckDBPyConnection | None = None

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """A cursor of the instance. A flow that finds nothing new never asks for it."""
        if self._connection is None:
            self._connection = self._backend.connect()
        return self._connection

    def interrupt(self) -> None:
        """Ends the query that is running."""
        if self._connection is not None:
            self._connection.interrupt()

    def disconnect(self) -> None:
        """Gives the cursor back."""
        if self._connection is not None:
            self._connection.close()

    def rows(self, sql: str, location: Location | None = None) -> list[tuple[Any, ...]]:
        """The result of a query, as tuples."""
        return list(self._run(sql, location).fetchall())

    def stage(
        self,
        sql: str,
        folder: str,
        partition_columns: Sequence[str] = (),
        location: Location | None = None,
    ) -> tuple[StagedFile, ...]:
        """Writes a query's rows as Parquet files into a folder; nothing for no rows.

        Args:
            sql: The query; its columns are those of the table.
            folder: Absolute path; made if it is missing.
            partition_columns: One folder per combination of their values.
            location: What the user wrote, for errors.

        Raises:
            DataError: A value does not fit, as far as DuckDB tells.
            Interrupted: The backend was cancelled.
        """
        Path(folder).mkdir(parents=True, exist_ok=True)
        mark = f"part-{uuid.uuid4().hex[:12]}"
        options = [
            "FORMAT parquet",
            "COMPRESSION snappy",
            "RETURN_STATS",
            "OVERWRITE_OR_IGNORE",
            f"FILENAME_PATTERN '{mark}-{{uuid}}'",
        ]
        if partition_columns:
            options.append(f"PARTITION_BY ({', '.join(map(identifier, partition_columns))})")
            options.append("WRITE_PARTITION_COLUMNS true")
        else:
            options.append("PER_THREAD_OUTPUT")
        statement = f"COPY ({sql}) TO {literal(folder)} ({', '.join(options)})"
        try:
            with self._backend._writing:
                written = self._run(statement, location).fetchall()
        except Exception:
            for path in Path(folder).rglob(f"{mark}-*"):
                path.unlink()
            raise
        staged = []
        for path, rows, size, _, columns, partition, *_ in written:
            if rows == 0:
                Path(path).unlink()
                continue
            staged.append(StagedFile(path, size, rows, columns or {}, partition or {}))
        return tuple(staged)

    def counters(self, number: int) -> Counters:
        """Counters that a query of this session can advance, all at zero.

        They are sequences, which DuckDB advances once for each row for which `nextval` is
        evaluated; it neither moves nor repeats such an expression, for it is volatile.
        """
        names = tuple(f"lakeflow_counter_{n}" for n in range(number))
        for name in names:
            self.rows(f"CREATE OR REPLACE TEMPORARY SEQUENCE {name}")
        return Counters(self, names)

    def set_clock(self, instant: str) -> None:
        """Fixes what `current_timestamp()` tells, as ISO text."""
        self.connection.execute(
            f"SET VARIABLE lakeflow_now = CAST({literal(instant)} AS TIMESTAMPTZ)"
        )

    def relation(self, sql: str) -> duckdb.DuckDBPyRelation:
        """A query as a relation of this session's connection."""
        return self.connection.sql(sql)

    def close(self) -> None:
        """Ends the session."""
        if self in self._backend._sessions:
            self._backend._sessions.remove(self)
        self.disconnect()

    def _run(self, sql: str, location: Location | None) -> duckdb.DuckDBPyConnection:
        import duckdb

        if self._backend.cancelled:
            raise Interrupted
        try:
            return self.connection.execute(sql)
        except duckdb.InterruptException as error:
            raise Interrupted from error
        except duckdb.Error as error:
            raise translated(error, location) from error


@dataclass(frozen=True, slots=True)
class Counters:
    """Counters of a session; see `DuckDBSession.counters`."""

    session: DuckDBSession
    names: tuple[str, ...]

    def count(self, number: int) -> str:
        """The SQL that advances a counter by one; its value is positive."""
        return f"nextval('{self.names[number]}')"

    def values(self) -> tuple[int, ...]:
        """How often each was advanced."""
        found = dict(
            self.session.rows(
                "SELECT sequence_name, coalesce(last_value, 0) FROM duckdb_sequences() "
                "WHERE temporary"
            )
        )
        return tuple(int(found[name]) for name in self.names)


def translated(error: Exception, location: Location | None) -> LakeflowError:
    """A DuckDB error as one of ours, without the SQL that the user did not write."""
    message = str(error).split("\n\nLINE ")[0].split("\nLINE ")[0].strip()
    kind, _, rest = message.partition(": ")
    if "lakeflow:misfit:" in message:
        return DataError(message.split("lakeflow:misfit:", 1)[1].strip(), location=location)
    conditions = {
        "Conversion Error": "CAST_INVALID_INPUT",
        "Out of Range Error": "ARITHMETIC_OVERFLOW",
        "Out of Memory Error": "OUT_OF_MEMORY",
    }
    hint = None
    if kind == "Out of Memory Error":
        hint = "Raise the memory limit (--memory-limit, LAKEFLOW_MEMORY_LIMIT)."
    return DataError(rest or message, condition=conditions.get(kind), location=location, hint=hint)


def parquet_relation(paths: Sequence[str], schema: Schema) -> str:
    """The SELECT of Parquet files that hold some or all of a schema's columns.

    Columns that a file lacks are NULL there; those it has beyond the schema are left out.

    Args:
        paths: Absolute paths; there may be none.
        schema: Columns of the result.
    """
    if not paths:
        return empty_relation(schema)
    columns = ", ".join(
        f"{literal(field.name)}: {{name: {literal(field.name)}, "
        f"type: {literal(duckdb_type(field.type))}, default_value: NULL}}"
        for field in schema
    )
    names = ", ".join(identifier(field.name) for field in schema)
    files = ", ".join(map(literal, paths))
    return (
        f"SELECT {names} FROM read_parquet([{files}], schema = MAP {{{columns}}}, "
        "hive_partitioning = false)"
    )


def relation_sql(found: Relation) -> str:
    """The SELECT of rows, wherever they lie."""
    return found if isinstance(found, str) else parquet_relation(found.paths, found.schema)


def empty_relation(schema: Schema) -> str:
    """The SELECT of no rows with a schema's columns."""
    columns = ", ".join(
        f"CAST(NULL AS {duckdb_type(field.type)}) AS {identifier(field.name)}" for field in schema
    )
    return f"SELECT {columns} WHERE false"


def literal(text: str) -> str:
    """A text, quoted for DuckDB."""
    return "'" + text.replace("'", "''") + "'"
