"""What a source is: something that says what is new and can read any part of it again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from lakeflow.core.clock import Clock
from lakeflow.core.location import Location
from lakeflow.core.schema import Schema

if TYPE_CHECKING:
    import pyarrow as pa

    from lakeflow.connect.ledger import Ledger

Offset = Any
"""A position in a source: a small JSON value. For sets it is a number into the ledger."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How much one micro-batch may take; None is no limit."""

    max_files: int | None = None
    max_bytes: int | None = None
    max_rows: int | None = None


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file as it was when it was discovered.

    Args:
        path: Absolute path or URL.
        size: Bytes.
        modified: Nanoseconds since 1970, UTC.
    """

    path: str
    size: int
    modified: int


@dataclass(frozen=True, slots=True)
class FileScan:
    """Files that the engine is to read.

    Args:
        files: Which.
        format: `csv`, `json` or `parquet`.
        options: How, by the names of Spark's reader options, in lower case.
        root: The folder below which folders such as `year=2024` are columns; empty if none are.
    """

    files: tuple[FileEntry, ...]
    format: str
    options: Mapping[str, str] = field(default_factory=dict)
    root: str = ""


@dataclass(frozen=True, slots=True)
class ArrowScan:
    """Rows that the connector reads itself, as Arrow batches.

    Args:
        open: Starts reading from the first row; called again by a query that reads twice. The
            batches have the columns of the source's schema, in its order.
    """

    open: Callable[[], pa.RecordBatchReader]


Scan = FileScan | ArrowScan


@dataclass(frozen=True, slots=True)
class SourceContext:
    """What the engine hands a connector when it opens a source.

    Args:
        ledger: The durable list of what this source was seen to hold, for sources that are sets.
        clock: What time it is.
        location: Where the user wrote the read, for errors.
    """

    ledger: Ledger
    clock: Clock
    location: Location


@dataclass(frozen=True, slots=True)
class Group:
    """What the sources of several flows share, and what forgets what it was told was taken.

    Args:
        name: Of a replication slot or a queue, say, unique in the whole lakehouse.
        exclusive: Whether only one flow may read it: what one has read, the next does not get.
    """

    name: str
    exclusive: bool = False


class Source(Protocol):
    """One opened source. `read(start, end)` gives the same rows whenever it is called."""

    group: Group | None
    """What it shares with other flows' sources; None if each flow has it to itself."""

    def schema(self) -> Schema | None:
        """Columns of the rows; None where the engine has to infer them from files."""

    def horizon(self) -> Offset | None:
        """The position up to which this run reads, fixed when it starts; None: nothing there."""

    def latest(self, start: Offset | None, limit: Limit, upto: Offset) -> Offset:
        """The end of the next batch: after `start`, within `limit`, not beyond `upto`.

        Equal to `start` when nothing is left, also if `upto` lies before it.
        """

    def read(self, start: Offset | None, end: Offset) -> Scan:
        """What lies after `start` up to and including `end`; `start` None is the beginning."""

    def earliest(self, ends: Sequence[Offset]) -> Offset:
        """The position up to which everything is taken if flows have come to each of these."""

    def commit(self, end: Offset) -> None:
        """All attached flows have durably taken everything up to `end`.

        The same position may come again, and comes again after a crash.
        """

    def close(self) -> None:
        """Lets go of what it holds."""


class Connector(Protocol):
    """A kind of source, found by its entry point in the group `lakeflow.connectors`.

    In SQL it is read by the table function `read_<name>(...)`.
    """

    name: str
    positional: tuple[str, ...]
    """Options that may be given by position, in order."""
    secret: tuple[str, ...]
    """Options whose values never reach a record, an event, an error or a plan."""

    def source(self, options: Mapping[str, str], context: SourceContext) -> Source:
        """Opens a source.

        Raises:
            ConfigurationError: An option is unknown, missing or not valid.
            SourceError: The source cannot be reached.
        """
