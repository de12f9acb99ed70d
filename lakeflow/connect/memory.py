"""Sources that live in this process: for tests of pipelines, and for trying the engine out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from lakeflow.connect.options import checked_options
from lakeflow.connect.source import ArrowScan, Group, Limit, SourceContext
from lakeflow.core.arrow import arrow_schema
from lakeflow.core.errors import ConfigurationError, SourceError
from lakeflow.core.names import nearest
from lakeflow.core.schema import Schema

if TYPE_CHECKING:
    import pyarrow as pa


class MemoryRecordStore:
    """A ledger's records in a dictionary: for looking at a source without writing."""

    def __init__(self) -> None:
        self._segments: dict[str, bytes] = {}

    def put_if_absent(self, name: str, data: bytes) -> bool:
        """Keeps a segment unless its name is taken."""
        if name in self._segments:
            return False
        self._segments[name] = data
        return True

    def read(self, name: str) -> bytes:
        """A segment."""
        return self._segments[name]

    def list(self) -> list[str]:
        """Names of the segments, sorted."""
        return sorted(self._segments)

    def make_durable(self) -> None:
        """Memory survives nothing."""


@dataclass
class MemoryFeed:
    """Rows in the order in which they came, under a name that `read_memory('name')` reads.

    Args:
        name: Its name in this process; a feed of the same name is replaced.
        schema: Its columns.
        group: Given, the feed is a slot: it forgets the rows that were acknowledged.
        acknowledged: Every position that it was told was taken, in order.

    Example:
        >>> feed = MemoryFeed("clicks", Schema.from_ddl("url STRING"))
        >>> feed.add(("/",), ("/news",))
        >>> feed.length
        2
    """

    name: str
    schema: Schema
    group: Group | None = None
    acknowledged: list[int] = field(default_factory=list)
    _rows: list[tuple[Any, ...]] = field(default_factory=list)

    named: ClassVar[dict[str, MemoryFeed]] = {}

    def __post_init__(self) -> None:
        MemoryFeed.named[self.name] = self

    @property
    def length(self) -> int:
        """How many rows have come, forgotten ones included."""
        return len(self._rows)

    @property
    def forgotten(self) -> int:
        """How many rows it no longer has."""
        return 0 if self.group is None else max(self.acknowledged, default=0)

    def add(self, *rows: tuple[Any, ...]) -> None:
        """Appends rows, each with a value per column."""
        self._rows.extend(rows)

    def rows(self, start: int, end: int) -> list[tuple[Any, ...]]:
        """The rows of a range.

        Raises:
            SourceError: Some of them are forgotten.
        """
        if start < self.forgotten:
            raise SourceError(
                f"{self.name} has forgotten its first {self.forgotten} rows; those after "
                f"{start} are asked for.",
                hint="Rebuild the table with --full-refresh; it will hold what is still there.",
            )
        return self._rows[start:end]


class MemoryConnector:
    """The feeds of this process."""

    name = "memory"
    positional = ("feed",)
    secret: tuple[str, ...] = ()

    def source(self, options: Mapping[str, str], context: SourceContext) -> MemorySource:
        """Opens a feed.

        Raises:
            ConfigurationError: An option is unknown, or there is no feed of the name.
        """
        found = checked_options(
            "read_memory",
            options,
            required=["feed"],
            optional=["maxRowsPerTrigger"],
            location=context.location,
        )
        feed = MemoryFeed.named.get(found["feed"])
        if feed is None:
            raise ConfigurationError(
                f"This process has no feed {found['feed']}.",
                location=context.location,
                hint=nearest(found["feed"], MemoryFeed.named) or None,
            )
        return MemorySource(feed)


class MemorySource:
    """One opened feed; a position is the number of rows before it."""

    def __init__(self, feed: MemoryFeed) -> None:
        self._feed = feed
        self.group = feed.group

    def schema(self) -> Schema:
        """The feed's columns."""
        return self._feed.schema

    def horizon(self) -> int | None:
        """How many rows there are now."""
        return self._feed.length or None

    def latest(self, start: int | None, limit: Limit, upto: int) -> int:
        """The end of the next batch."""
        begun = self._feed.forgotten if start is None else start
        end = upto if limit.max_rows is None else min(begun + limit.max_rows, upto)
        return max(begun, end)

    def read(self, start: int | None, end: int) -> ArrowScan:
        """The rows of a range; a slot begins with the first that it has not forgotten."""
        begun = self._feed.forgotten if start is None else start
        return ArrowScan(lambda: self._reader(begun, end))

    def earliest(self, ends: Sequence[int]) -> int:
        """The lowest position."""
        return min(ends)

    def commit(self, end: int) -> None:
        """Remembers what was acknowledged; a slot forgets the rows before it."""
        self._feed.acknowledged.append(end)

    def close(self) -> None:
        """There is nothing to let go of."""

    def _reader(self, start: int, end: int) -> pa.RecordBatchReader:
        import pyarrow as pa

        schema = arrow_schema(self._feed.schema)
        rows = self._feed.rows(start, end)
        columns = [pa.array([row[n] for row in rows], kind) for n, kind in enumerate(schema.types)]
        batch = pa.record_batch(columns, schema=schema)
        return pa.RecordBatchReader.from_batches(schema, [batch])
