"""DuckDB: runs queries in this process and writes Parquet; it commits nothing."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakeflow.backends.messages import translated
from lakeflow.backends.parquet import ParquetFiles, Relation
from lakeflow.core.errors import Interrupted, LakeflowError
from lakeflow.core.location import Location
from lakeflow.core.schema import DOUBLE, FLOAT, Schema, types_within
from lakeflow.dialect.types import duckdb_type, identifier

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

PATH = "__lakeflow_path"
"""Column that names the file of a row while a partitioned table is read."""


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
        macros: Statements that define what a query needs and is not among the known names.
    """

    def __init__(
        self,
        *,
        memory_limit: int,
        threads: int,
        time_zone: str,
        temporary: Path,
        macros: Callable[[str, set[str]], Sequence[str]] | None = None,
    ) -> None:
        self._memory_limit = memory_limit
        self._threads = threads
        self._time_zone = time_zone
        self._temporary = temporary
        self._macros = macros
        self._known: set[str] = set()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._sessions: list[DuckDBSession] = []
        self._lock = threading.RLock()  # a signal handler of the caller's may cancel
        # A COPY keeps some four threads busy and holds a row group for each; more of them at once
        # take more memory and no less time.
        self._writing = threading.BoundedSemaphore(max(1, threads // 4))
        self._cancelled = False
        self._closed = threading.Event()

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
                self._connection = connection
            cursor = self._connection.cursor()
            cursor.execute(f"SET TimeZone = '{self._time_zone}'")
            return cursor

    def prepare(self, sql: str) -> None:
        """Defines what a query needs, for all sessions; one has connected."""
        if self._macros is None:
            return
        with self._lock:
            assert self._connection is not None
            for statement in self._macros(sql, self._known):
                self._connection.execute(statement)

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled

    def cancel(self) -> None:
        """Interrupts what all sessions are running; they raise `Interrupted`."""
        with self._lock:
            if self._cancelled:
                return
            self._cancelled = True
        threading.Thread(target=self._interrupt, name="cancel", daemon=True).start()

    def _interrupt(self) -> None:
        """DuckDB forgets an interrupt that comes before its query has begun; so again and again."""
        while not self._closed.is_set():
            with self._lock:
                for session in self._sessions:
                    session.interrupt()
            self._closed.wait(0.05)  # seconds

    def close(self) -> None:
        """Ends the instance."""
        self._closed.set()
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
        self._streams: dict[str, RowStream] = {}
        self._relations: list[duckdb.DuckDBPyRelation] = []
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
        return self._run(sql, location)

    def stage(
        self,
        sql: str,
        folder: str,
        schema: Schema,
        partition_columns: Sequence[str] = (),
        location: Location | None = None,
    ) -> tuple[StagedFile, ...]:
        """Writes a query's rows as Parquet files into a folder; nothing for no rows.

        Args:
            sql: The query.
            folder: Absolute path; made if it is missing.
            schema: Its columns.
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
            f"PARQUET_VERSION {_parquet_version(schema)}",
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
                written = self._run(statement, location)
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

    def confine(self, paths: Sequence[str]) -> None:
        """Lets the instance read some files, and nothing else, for the rest of its life.

        Args:
            paths: Absolute; no other file can be read, and none written but those that hold what
                does not fit into memory.
        """
        files = ", ".join(map(literal, paths))
        self.connection.execute(f"SET allowed_paths = [{files}]")
        self.connection.execute("SET enable_external_access = false")
        self.connection.execute("SET lock_configuration = true")

    def register(self, name: str, stream: RowStream) -> None:
        """Gives a stream of rows a name in the session's queries, instead of an earlier one."""
        import duckdb

        self._streams[name] = stream
        try:
            self.connection.register(name, stream)
        except duckdb.Error as error:
            raise (stream.failed or translated(error, None)) from error

    def relation(self, sql: str, location: Location | None = None) -> duckdb.DuckDBPyRelation:
        """A query as a relation of this session's connection."""
        import duckdb

        connection = self.connection
        self._backend.prepare(sql)
        try:
            return connection.sql(sql)
        except duckdb.Error as error:
            raise translated(error, location) from error

    def owns(self, relation: duckdb.DuckDBPyRelation) -> bool:
        """Whether a relation was built on this session's connection."""
        import duckdb

        try:
            self.connection.sql("SELECT 1").cross(relation)
        except duckdb.InvalidInputException:
            return False
        return True

    def text_of(self, relation: duckdb.DuckDBPyRelation) -> str:
        """A relation as a query of this session.

        What it has computed already, as PIVOT has, lives no longer than the relation; so that is
        kept as long as the session.
        """
        self._relations.append(relation)
        text: str = relation.sql_query()
        return text

    def close(self) -> None:
        """Ends the session."""
        self._relations.clear()
        with self._backend._lock:
            if self in self._backend._sessions:
                self._backend._sessions.remove(self)
        self.disconnect()

    def _run(self, sql: str, location: Location | None) -> list[tuple[Any, ...]]:
        import duckdb

        if self._backend.cancelled:
            raise Interrupted
        connection = self.connection
        self._backend.prepare(sql)
        try:
            return connection.execute(sql).fetchall()
        except duckdb.InterruptException as error:
            raise Interrupted from error
        except duckdb.Error as error:
            raise (self._failure() or translated(error, location)) from error

    def _failure(self) -> LakeflowError | None:
        """Why one of the streams of rows could not be read; said once."""
        for stream in self._streams.values():
            if stream.failed is not None:
                failed, stream.failed = stream.failed, None
                return failed
        return None


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


@dataclass
class RowStream:
    """Rows that others produce, as something that DuckDB reads, from the first row each time.

    DuckDB tells only the text of an error in them, so it is kept.

    Args:
        open: Starts reading.
        guard: Around each call of it, turns whatever is raised into an error of ours.
        failed: Why reading has failed.
    """

    open: Callable[[], pa.RecordBatchReader]
    guard: Callable[[], AbstractContextManager[None]]
    failed: LakeflowError | None = None

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The rows by Arrow's own protocol."""
        import pyarrow as pa

        with self._kept():
            reader = self.open()
            kept = pa.RecordBatchReader.from_batches(reader.schema, self._batches(reader))
            return kept.__arrow_c_stream__(requested_schema)

    def _batches(self, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        with self._kept():
            yield from reader

    @contextmanager
    def _kept(self) -> Iterator[None]:
        try:
            with self.guard():
                yield
        except LakeflowError as error:
            self.failed = error
            raise


def _parquet_version(schema: Schema) -> str:
    """The version of Parquet's encodings in which rows are written.

    V2 makes smaller files in less time. Its encoding of floating numbers is one that Spark 4.0
    does not read.
    """
    within = (kind for field in schema for kind in types_within(field.type))
    return "V1" if any(kind in (FLOAT, DOUBLE) for kind in within) else "V2"


def parquet_relation(paths: Sequence[str], schema: Schema) -> str:
    """The SELECT of Parquet files that hold some or all of a schema's columns.

    Columns that a file lacks are NULL there; those it has beyond the schema are left out.

    Args:
        paths: Absolute paths; there may be none.
        schema: Columns of the result.
    """
    if not paths:
        return empty_relation(schema)
    names = ", ".join(identifier(field.name) for field in schema)
    return f"SELECT {names} FROM {_read_parquet(paths, schema)}"


def _read_parquet(paths: Sequence[str], schema: Schema, path_as: str | None = None) -> str:
    columns = ", ".join(
        f"{literal(field.name)}: {{name: {literal(field.name)}, "
        f"type: {literal(duckdb_type(field.type))}, default_value: NULL}}"
        for field in schema
    )
    files = ", ".join(map(literal, paths))
    arguments = [f"[{files}]"]
    if columns:
        arguments.append(f"schema = MAP {{{columns}}}")
    if path_as is not None:
        arguments.append(f"filename = {literal(path_as)}")
    return f"read_parquet({', '.join(arguments)}, hive_partitioning = false)"


def relation_sql(found: Relation) -> str:
    """The SELECT of rows, wherever they lie."""
    if isinstance(found, str):
        return found
    if not found.partitions:
        return parquet_relation(found.paths, found.schema)
    return _partitioned_relation(found)


def _partitioned_relation(files: ParquetFiles) -> str:
    """The SELECT of a partitioned table's files, with the values that its log gives them."""
    columns = files.partition_columns
    values = ", ".join(
        f"({', '.join('NULL' if text is None else literal(text) for text in (path, *found))})"
        for path, found in zip(
            files.paths, (values.values() for values in files.partitions), strict=True
        )
    )
    names = ", ".join(
        f"CAST(log_.v{columns.index(field.name)} AS {duckdb_type(field.type)}) "
        f"AS {identifier(field.name)}"
        if field.name in columns
        else f"file_.{identifier(field.name)}"
        for field in files.schema
    )
    numbered = ", ".join(f"v{number}" for number in range(len(columns)))
    return (
        f"SELECT {names} FROM {_read_parquet(files.paths, files.stored, path_as=PATH)} AS file_ "
        f"JOIN (VALUES {values}) AS log_(path, {numbered}) ON file_.{PATH} = log_.path"
    )


def empty_relation(schema: Schema) -> str:
    """The SELECT of no rows with a schema's columns."""
    columns = ", ".join(
        f"CAST(NULL AS {duckdb_type(field.type)}) AS {identifier(field.name)}" for field in schema
    )
    return f"SELECT {columns} WHERE false"


def literal(text: str) -> str:
    """A text, quoted for DuckDB."""
    return "'" + text.replace("'", "''") + "'"
