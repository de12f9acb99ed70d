"""What a flow reads, opened: streams that know what is new, and tables that are read whole."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from lakeflow.backends.duckdb import DuckDBSession, RowStream
from lakeflow.backends.parquet import ParquetFiles, Relation
from lakeflow.connect.discovery import find_connector
from lakeflow.connect.source import ArrowScan, FileScan, Limit, Offset, Source
from lakeflow.core.arrow import arrow_schema
from lakeflow.core.errors import LakeflowError, SourceError, StateError
from lakeflow.core.names import TableName
from lakeflow.core.schema import Schema
from lakeflow.engine.batch import generation_of
from lakeflow.engine.resolve import SourceRead, TableRead
from lakeflow.tables.feed import FeedPosition, NotAppendOnly, appended
from lakeflow.tables.log import DataFile
from lakeflow.tables.table import Snapshot, Table

if TYPE_CHECKING:
    import pyarrow as pa

    from lakeflow.core.clock import Clock

CONNECTORS = {"read_files": "files", "cloud_files": "files"}
"""Table functions whose name does not tell their connector."""

FILES_PER_BATCH = 1000
"""Files of a table that one batch takes at most, as in Delta's own streaming source."""


class StreamInput(Protocol):
    """Something that is read bit by bit."""

    @property
    def id(self) -> str:
        """The key of its positions in records."""

    @property
    def shared(self) -> str:
        """What attachments are recorded under; flows that share it hold each other back."""

    def horizon(self) -> Offset | None:
        """Where this run ends; None if there is nothing at all."""

    def latest(self, start: Offset | None, upto: Offset) -> Offset:
        """The end of the next batch; equal to `start` if nothing is left."""

    def relation(self, start: Offset | None, end: Offset, session: DuckDBSession) -> Relation:
        """What lies after `start` up to `end`."""

    def commit(self, ends: Sequence[Offset]) -> None:
        """All that share it have taken everything up to the earliest of these positions."""

    def close(self) -> None:
        """Lets go of what it holds."""


class FileReader(Protocol):
    """Reads file scans; the engine's `files`."""

    def __call__(self, scan: FileScan, read: SourceRead, session: DuckDBSession) -> str:
        """The SELECT of the files' rows in the read's schema."""


@dataclass
class SourceStream:
    """A connector's source as the input of a flow.

    Args:
        read: What the user wrote.
        flow_id: Of the flow that reads.
        source: Opened.
        limit: Of one batch.
        files: Reads file scans.
    """

    read: SourceRead
    flow_id: str
    source: Source
    limit: Limit
    files: FileReader

    @property
    def id(self) -> str:
        """The key of its positions in records."""
        return self.read.id

    @property
    def shared(self) -> str:
        """What attachments to the source are recorded under."""
        return attachment(self.read, self.flow_id)

    def horizon(self) -> Offset | None:
        """Where this run ends."""
        with asking(self.read):
            return self.source.horizon()

    def latest(self, start: Offset | None, upto: Offset) -> Offset:
        """The end of the next batch; never one before `start`.

        A batch that another process has begun may lie beyond this run's horizon.
        """
        with asking(self.read):
            end = self.source.latest(start, self.limit, upto)
            forward = start is None or self.source.earliest([start, end]) == start
        return end if forward else start

    def relation(self, start: Offset | None, end: Offset, session: DuckDBSession) -> str:
        """The SELECT of what lies in the range."""
        with asking(self.read):
            scan = self.source.read(start, end)
        if isinstance(scan, ArrowScan):
            return scanned(session, scan, self.read)
        return self.files(scan, self.read, session)

    def commit(self, ends: Sequence[Offset]) -> None:
        """Lets the source forget what lies before the earliest of these positions."""
        with asking(self.read):
            self.source.commit(self.source.earliest(ends))

    def close(self) -> None:
        """Closes the source."""
        self.source.close()


@dataclass
class TableStream:
    """The appended rows of a table as the input of a flow.

    Args:
        read: What the user wrote.
        table: The table.
        flow: The flow that reads, for errors.
        target: The table that it fills, for errors.
        pinned: The version up to which an update reads a table that it does not write.
    """

    read: TableRead
    table: Table
    flow: str
    target: TableName
    pinned: int | None = None

    def __post_init__(self) -> None:
        self._snapshot: Snapshot | None = None

    @property
    def id(self) -> str:
        """The key of its positions in records."""
        return self.read.id

    @property
    def shared(self) -> str:
        """Each reader of a table has a position of its own."""
        return f"{self.flow}:{self.read.id}"

    def horizon(self) -> Offset | None:
        """The newest version, or the pinned one."""
        snapshot = self.table.snapshot() if self.pinned is None else self.table.at(self.pinned)
        self._snapshot = snapshot
        generation = generation_of(snapshot)
        return FeedPosition(
            snapshot.metadata.id,
            None if generation is None else str(generation),
            snapshot.version,
            snapshot.version,
        ).to_json()

    def latest(self, start: Offset | None, upto: Offset) -> Offset:
        """The end of the next batch, at most `FILES_PER_BATCH` files on."""
        limit = FeedPosition.from_json(upto)
        begun = None if start is None else FeedPosition.from_json(start)
        self._same_table(begun, limit)
        first = limit.version if begun is None else begun.first
        if begun is not None and begun.files is None and begun.version == limit.version:
            return start
        count = 0
        for version, number, _, is_last in self._files(begun, first, limit.version):
            count += 1
            if count == FILES_PER_BATCH and not (version == limit.version and is_last):
                return FeedPosition(
                    limit.table_id, limit.generation, first, version, None if is_last else number
                ).to_json()
        if count == 0:
            return start
        return FeedPosition(limit.table_id, limit.generation, first, limit.version).to_json()

    def relation(self, start: Offset | None, end: Offset, session: DuckDBSession) -> Relation:  # noqa: ARG002
        """The files in the range."""
        last = FeedPosition.from_json(end)
        begun = None if start is None else FeedPosition.from_json(start)
        self._same_table(begun, last)
        files = []
        for version, number, file, _ in self._files(begun, last.first, last.version):
            if version == last.version and last.files is not None and number > last.files:
                break
            files.append(file)
        return files_relation(self.table, files, self.read.schema)

    def commit(self, ends: Sequence[Offset]) -> None:
        """A table needs no acknowledgement."""

    def close(self) -> None:
        """There is nothing to let go of."""

    def _files(
        self, begun: FeedPosition | None, first: int, last: int
    ) -> Iterator[tuple[int, int, DataFile, bool]]:
        try:
            yield from appended(self.table, begun, first, last)
        except NotAppendOnly as error:
            raise NotAppendOnly(
                f"Flow {self.flow} reads {self.read.name.short} as a stream, but {error.message}",
                condition="DELTA_SOURCE_TABLE_IGNORE_CHANGES",
                location=self.read.location,
                hint=f"Read {self.read.name.short} whole in a materialized view, or start the "
                f"flow's table anew with --full-refresh.",
            ) from error

    def _same_table(self, begun: FeedPosition | None, now: FeedPosition) -> None:
        """The table must be the one, in the generation, that was read before."""
        snapshot = self._snapshot or self.table.snapshot()
        generation = generation_of(snapshot)
        found = (snapshot.metadata.id, None if generation is None else str(generation))
        for position in (begun, now):
            if position is not None and (position.table_id, position.generation) != found:
                raise StateError(
                    f"{self.read.name.short} was refreshed in full or made again since flow "
                    f"{self.flow} last read it.",
                    location=self.read.location,
                    hint="Refresh what reads it too: lakeflow run --full-refresh "
                    f"{self.target.short}.",
                )


@contextmanager
def asking(read: SourceRead) -> Iterator[None]:
    """Turns whatever a connector raises into an error that names it and its read.

    Raises:
        SourceError: In the place of an error that is not Lakeflow's.
    """
    try:
        yield
    except LakeflowError:
        raise
    except Exception as error:
        said = str(error)
        for name in read.options.keys() - told_options(read.connector, read.options).keys():
            said = said.replace(read.options[name], "(secret)")
        raise SourceError(
            f"The connector {read.connector} failed: {type(error).__name__}: {said}",
            location=read.location,
        ) from error


def scanned(session: DuckDBSession, scan: ArrowScan, read: SourceRead) -> str:
    """The SELECT of the rows that a connector reads itself.

    Raises:
        SourceError: They do not have the columns that the connector has promised.
    """

    def open_reader() -> pa.RecordBatchReader:
        reader = scan.open()
        promised = arrow_schema(read.schema)
        if [(f.name, f.type) for f in reader.schema] != [(f.name, f.type) for f in promised]:
            raise SourceError(
                f"The connector {read.connector} promised the columns {_columns(promised)} and "
                f"gives {_columns(reader.schema)}.",
                location=read.location,
                hint="Run once more if the source has just changed; otherwise the connector is "
                "wrong.",
            )
        return reader

    name = "lakeflow_scan_" + hashlib.sha256(read.id.encode()).hexdigest()[:12]
    session.register(name, RowStream(open_reader, lambda: asking(read)))
    return f'SELECT * FROM "{name}"'


def _columns(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} {field.type}" for field in schema)


def whole_table(table: Table, schema: Schema, version: int) -> Relation:
    """A table at a version."""
    return files_relation(table, table.at(version).files, schema)


def files_relation(table: Table, files: Sequence[DataFile], schema: Schema) -> Relation:
    """The rows of files of a table, with the values of partition columns that its log gives them.

    Our own files hold these columns, too; but others may have put them together since.
    """
    return ParquetFiles.of(table.store.url(table.place), files, schema)


def absolute_options(options: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Options whose relative `path` is taken from the project's folder."""
    found = dict(options)
    for name, value in options.items():
        if name.lower() == "path" and "://" not in value:
            found[name] = str(folder / value)
    return found


def connector_of(function: str) -> str:
    """The connector that a table function reads with."""
    return CONNECTORS.get(function, function.removeprefix("read_"))


def told_options(connector: str, options: Mapping[str, str]) -> dict[str, str]:
    """Options without those whose values nobody may see."""
    hidden = {name.lower() for name in find_connector(connector).secret}
    return {name: value for name, value in options.items() if name.lower() not in hidden}


def source_key(connector: str, options: Mapping[str, str]) -> str:
    """The identity of a source within a flow: what the user named, not how it is read."""
    named = {k.lower(): v for k, v in told_options(connector, options).items()}
    place = named.get("path") or ",".join(f"{k}={v}" for k, v in sorted(named.items()))
    table = named.get("table", "")
    return f"{connector}:{place}" + (f":{table}" if table else "")


def attachment(read: SourceRead, flow_id: str) -> str:
    """What a flow's attachment to a source is recorded under; flows of a group share it."""
    return f"{flow_id}:{read.id}" if read.group is None else read.group.name


def clock_text(clock: Clock) -> str:
    """The time a batch carries."""
    return clock.now().isoformat()
