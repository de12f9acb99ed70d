"""Analysed flows: what each reads, what it computes, and the types of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lakeflow.connect.source import Group
from lakeflow.core.location import Location
from lakeflow.core.names import TableName
from lakeflow.core.schema import Schema
from lakeflow.dialect.query import Lowered
from lakeflow.engine.checks import Check
from lakeflow.engine.files.rows import METADATA
from lakeflow.pipelines.elements import Dataset, Flow


@dataclass(frozen=True, slots=True)
class TableRead:
    """A table that a query reads.

    Args:
        id: The same for equal reads within a flow; stable across runs.
        name: The table.
        streaming: Whether only new rows are read.
        schema: Its columns.
        location: Where the user wrote the read.
    """

    id: str
    name: TableName
    streaming: bool
    schema: Schema
    location: Location


@dataclass(frozen=True, slots=True)
class SourceRead:
    """A source that a query reads through a connector.

    Args:
        id: The same for equal reads within a flow; stable across runs and places.
        connector: The connector's name.
        options: As the user wrote them.
        streaming: Whether only new data are read.
        schema: Its columns.
        metadata: Whether the query names the hidden `_metadata` column.
        rescued: Name of the column for values that do not fit; None if there is none.
        location: Where the user wrote the read.
        group: What the source shares with other flows' sources.
    """

    id: str
    connector: str
    options: Mapping[str, str] = field(repr=False)
    streaming: bool
    schema: Schema
    metadata: bool
    rescued: str | None
    location: Location
    group: Group | None = None

    @property
    def relation_schema(self) -> Schema:
        """What a relation of it has: also the hidden column, where the query names it."""
        if not self.metadata:
            return self.schema
        return Schema((*self.schema.fields, METADATA))


Leaf = TableRead | SourceRead


@dataclass(frozen=True, slots=True)
class ResolvedQuery:
    """A query whose inputs are known.

    Args:
        dataset: The dataset it belongs to; for a view that is read, the view.
        flow: Its declaration.
        inputs: Key of a reference, or name of a parameter -> what it reads.
        lowered: The backend's SQL; None for a native function.
        schema: Columns of the result.
        checks: Expectations of the dataset.
    """

    dataset: Dataset
    flow: Flow
    inputs: Mapping[str, Leaf | ResolvedQuery]
    lowered: Lowered | None
    schema: Schema
    checks: tuple[Check, ...] = ()

    def leaves(self) -> Iterator[Leaf]:
        """Everything that is read from outside, through views."""
        for found in self.inputs.values():
            if isinstance(found, ResolvedQuery):
                yield from found.leaves()
            else:
                yield found

    def with_views(self) -> Iterator[ResolvedQuery]:
        """The queries of the views that are read, and this one last."""
        for found in self.inputs.values():
            if isinstance(found, ResolvedQuery):
                yield from found.with_views()
        yield self

    @property
    def deterministic(self) -> bool:
        """Whether the same inputs always give the same rows, as far as can be known."""
        # A function without inputs reads something, and nobody knows what.
        own = bool(self.inputs) if self.lowered is None else self.lowered.deterministic
        return (
            own
            and all(check.deterministic for check in self.checks)
            and all(
                found.deterministic
                for found in self.inputs.values()
                if isinstance(found, ResolvedQuery)
            )
        )

    @property
    def repeatable(self) -> bool:
        """Whether the same rows come again if it is run again, each computed on its own.

        Tables are read at pinned versions; a source may change, a function may do anything, and
        what looks at several rows at once may break ties another way.
        """
        return (
            self.lowered is not None
            and self.lowered.deterministic
            and self.lowered.steady
            and all(
                found.repeatable
                if isinstance(found, ResolvedQuery)
                else isinstance(found, TableRead)
                for found in self.inputs.values()
            )
        )


@dataclass(frozen=True, slots=True)
class ResolvedFlow:
    """A flow that is ready to be planned.

    Args:
        query: What it computes.
        kind: `streaming_table` or `materialized_view`, of its target.
        definition: Hash of everything that determines its rows, apart from its inputs.
    """

    query: ResolvedQuery
    kind: str
    definition: str

    @property
    def name(self) -> str:
        """The flow's name."""
        return self.query.flow.name

    def streams(self) -> list[Leaf]:
        """What it reads bit by bit, each once."""
        return list({leaf.id: leaf for leaf in self.query.leaves() if leaf.streaming}.values())

    def static(self) -> list[Leaf]:
        """What it reads whole, each once."""
        return list({leaf.id: leaf for leaf in self.query.leaves() if not leaf.streaming}.values())
