"""Reading the tables of a lakehouse: `lakeflow show` and `lakeflow query`."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakeflow.backends.duckdb import DuckDBBackend, DuckDBSession, relation_sql
from lakeflow.backends.messages import translated
from lakeflow.core.errors import LakeflowError, UnsupportedError
from lakeflow.core.location import Location
from lakeflow.core.schema import Schema
from lakeflow.core.settings import Settings
from lakeflow.dialect.query import lower, parse_query
from lakeflow.dialect.setup import macros_of
from lakeflow.dialect.types import identifier
from lakeflow.engine.inputs import whole_table
from lakeflow.tables.table import Snapshot, Table

if TYPE_CHECKING:
    import pyarrow as pa


def first_rows(
    settings: Settings, table: Table, limit: int
) -> tuple[tuple[tuple[Any, ...], ...], int]:
    """The first rows of a table, and how many it has."""
    snapshot = table.snapshot()
    relation = relation_sql(whole_table(table, snapshot.schema, snapshot.version))
    with tempfile.TemporaryDirectory(prefix="lakeflow-") as folder:
        backend = _backend(settings, Path(folder))
        with closing(backend), closing(backend.session()) as session:
            session.confine(data_paths(table, snapshot))
            text = f"SELECT * FROM ({relation}) LIMIT {int(limit)}"
            reader = _rows(session, text, None)
            found = _told(reader, reader.schema.names, None, ExitStack()).read_all()
            rows = tuple(zip(*(column.to_pylist() for column in found.columns), strict=True))
            [(count,)] = session.rows(f"SELECT count(*) FROM ({relation})")
    return rows, int(count)


class Cancellation:
    """Ends a query from another thread, now or as soon as it begins."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._backend: DuckDBBackend | None = None
        self._asked = False

    def cancel(self) -> None:
        """Has the query raise `Interrupted`."""
        with self._lock:
            self._asked = True
            if self._backend is not None:
                self._backend.cancel()

    def watch(self, backend: DuckDBBackend) -> None:
        """Ends what this backend runs when somebody asks for it."""
        with self._lock:
            self._backend = backend
            if self._asked:
                backend.cancel()


def answer(
    settings: Settings,
    sql: str,
    existing: Callable[[str], Table],
    cancellation: Cancellation | None = None,
) -> pa.RecordBatchReader:
    """Runs a SELECT over tables; what it returns is read while it is iterated.

    Args:
        settings: How to run.
        sql: A query in Spark SQL.
        existing: Finds a table by its name, or raises.
        cancellation: Ends it from elsewhere.
    """
    location = Location("<query>", 1)
    query = parse_query(sql, location)
    relations: dict[str, str] = {}
    schemas: dict[str, Schema] = {}
    paths: list[str] = []
    for reference in query.references:
        if reference.function is not None or reference.streaming:
            raise UnsupportedError(
                "A query reads tables only; "
                + ("STREAM is" if reference.streaming else f"{reference.function} is")
                + " for pipelines.",
                location=reference.location,
            )
        try:
            table = existing(".".join(f"`{part}`" for part in reference.name))
        except LakeflowError as error:
            error.location = reference.location
            raise
        snapshot = table.snapshot()
        paths += data_paths(table, snapshot)
        schemas[reference.key] = snapshot.schema
        relations[reference.key] = relation_sql(
            whole_table(table, snapshot.schema, snapshot.version)
        )
    zone = settings.session_time_zone
    lowered = lower(query, schemas, time_zone=zone, names_repeat=True)
    with_inputs = ", ".join(f"{identifier(key)} AS ({text})" for key, text in relations.items())
    text = f"WITH {with_inputs} SELECT * FROM ({lowered.sql})" if relations else lowered.sql
    with ExitStack() as opened:
        backend = opened.enter_context(closing(_backend(settings, Path(tempfile.gettempdir()))))
        if cancellation is not None:
            cancellation.watch(backend)
        session = backend.session()
        session.connection.execute("SET preserve_insertion_order = true")
        session.set_clock(_now())
        session.confine(paths)
        rows = _rows(session, text, location)
        return _told(rows, lowered.schema.names, location, opened.pop_all())


def _rows(session: DuckDBSession, text: str, location: Location | None) -> pa.RecordBatchReader:
    import duckdb

    try:
        return session.relation(text, location).to_arrow_reader()
    except duckdb.Error as error:
        raise translated(error, location) from error


def _told(
    reader: pa.RecordBatchReader,
    names: Sequence[str],
    location: Location | None,
    opened: ExitStack,
) -> pa.RecordBatchReader:
    """The same batches; what goes wrong in one of them is told like any error of the query.

    What was opened for them is closed after the last.
    """
    import pyarrow as pa

    fields = zip(names, reader.schema, strict=True)
    schema = pa.schema([field.with_name(name) for name, field in fields])

    def batches() -> Iterator[pa.RecordBatch]:
        with opened:
            try:
                for batch in reader:
                    yield pa.RecordBatch.from_arrays(batch.columns, schema=schema)
            except (OSError, pa.ArrowException) as error:
                raise translated(error, location) from error

    return pa.RecordBatchReader.from_batches(schema, batches())


def data_paths(table: Table, snapshot: Snapshot) -> list[str]:
    """The files that a query over a table may open."""
    return [f"{table.store.url(table.place)}/{file.path}" for file in snapshot.files]


def _now() -> str:
    from lakeflow.core.clock import SystemClock

    return SystemClock().now().isoformat()


def _backend(settings: Settings, temporary: Path) -> DuckDBBackend:
    return DuckDBBackend(
        memory_limit=settings.effective_memory_limit() * 4 // 5,
        threads=settings.effective_threads(),
        time_zone=settings.session_time_zone,
        temporary=temporary,
        macros=macros_of,
    )
