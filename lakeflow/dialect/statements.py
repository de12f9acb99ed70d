"""What a SQL file of a pipeline says, as frozen values; names stay as the user wrote them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from lakeflow.core.location import Location
from lakeflow.core.schema import DataType, Field, Schema
from lakeflow.dialect.text import QueryText

TableKind = Literal["streaming_table", "materialized_view"]
Violation = Literal["warn", "drop", "fail", "quarantine"]


@dataclass(frozen=True, slots=True)
class Expectation:
    """`CONSTRAINT name EXPECT (predicate) [ON VIOLATION ...]`.

    Args:
        name: Its name, without quotes.
        predicate: What stands between the parentheses.
        violation: What happens to a row that violates it; `warn` where nothing is said.
        location: Where its declaration begins.
    """

    name: str
    predicate: QueryText
    violation: Violation
    location: Location


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a column list; `type` is None where only the name is given."""

    name: str
    location: Location
    type: DataType | None = None
    nullable: bool = True
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class CreateTable:
    """`CREATE STREAMING TABLE` or `CREATE MATERIALIZED VIEW`.

    Args:
        name: Its name, one to three parts, with the user's back-ticks.
        kind: Which of the two.
        location: Where the statement begins.
        query: What stands after `AS`; None for a streaming table that only flows fill.
        columns: The column list: each with a type, or none of them.
        expectations: Rules of its rows.
        comment: What it is for.
        partition_columns: `PARTITIONED BY`.
        cluster_columns: `CLUSTER BY`.
        properties: `TBLPROPERTIES`.
    """

    name: str
    kind: TableKind
    location: Location
    query: QueryText | None = None
    columns: tuple[Column, ...] = ()
    expectations: tuple[Expectation, ...] = ()
    comment: str | None = None
    partition_columns: tuple[str, ...] = ()
    cluster_columns: tuple[str, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)

    @property
    def schema(self) -> Schema | None:
        """The declared columns, where the column list gives types."""
        fields = [
            Field(column.name, column.type, column.nullable, column.comment)
            for column in self.columns
            if column.type is not None
        ]
        return Schema(tuple(fields)) if fields else None


@dataclass(frozen=True, slots=True)
class CreateView:
    """`CREATE TEMPORARY VIEW` and the older `CREATE LIVE VIEW`; its columns have no types."""

    name: str
    location: Location
    query: QueryText
    columns: tuple[Column, ...] = ()
    expectations: tuple[Expectation, ...] = ()
    comment: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CreateFlow:
    """`CREATE FLOW name AS INSERT INTO target BY NAME query`."""

    name: str
    target: str
    location: Location
    query: QueryText
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class SetOption:
    """`SET name = value`: holds for the flows that follow in the same file.

    The value is the text after `=`, quotes included: `${name}` puts it in as it is.
    """

    name: str
    value: str
    location: Location


@dataclass(frozen=True, slots=True)
class UseName:
    """`USE` or `SET CATALOG`: completes the names that follow in the same file.

    Args:
        kind: Whether `name` is a catalog, or a schema with or without its catalog before it.
        name: The name, with the user's back-ticks. A new catalog forgets the schema in use.
        location: Where the statement begins.
    """

    kind: Literal["catalog", "schema"]
    name: str
    location: Location


Statement = CreateTable | CreateView | CreateFlow | SetOption | UseName
