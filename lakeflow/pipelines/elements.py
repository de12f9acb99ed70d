"""What a pipeline is made of: datasets, flows into them, and the rules their rows must meet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lakeflow.core.location import Location
from lakeflow.core.names import TableName
from lakeflow.core.schema import Schema

DatasetKind = Literal["streaming_table", "materialized_view", "temporary_view"]
Violation = Literal["warn", "drop", "fail", "quarantine"]

QUARANTINE_SUFFIX = "quarantine"


@dataclass(frozen=True, slots=True)
class Expectation:
    """A rule that rows must meet; TRUE passes, FALSE and NULL violate.

    Args:
        name: Unique within its dataset.
        condition: A predicate in Spark SQL over the dataset's columns.
        violation: What happens to a row that violates it.
        location: Where the user wrote it.
    """

    name: str
    condition: str
    violation: Violation
    location: Location


@dataclass(frozen=True, slots=True)
class SqlQuery:
    """A query as text, in Spark SQL or, where `dialect` says so, in DuckDB's SQL.

    Args:
        text: The SELECT, without the statement around it.
        location: Where its first character stands.
        inputs: Names in the text that stand for other datasets or queries (`sql(text, a=...)`).
        dialect: `spark` or `duckdb`.
        dataset: What it reads and nothing else, if it is `read(...)` or `read_stream(...)`.
        streaming: Whether that is read as a stream.
        kind: The type that was asked for there, by its full name.
    """

    text: str
    location: Location
    inputs: Mapping[str, str | SqlQuery] = field(default_factory=dict)
    dialect: Literal["spark", "duckdb"] = "spark"
    dataset: str | None = None
    streaming: bool = False
    kind: str | None = None

    def __getattr__(self, name: str) -> Any:
        """A query is no frame: says how to get one."""
        if name.startswith("__"):
            raise AttributeError(name)
        what = self.dataset or "the query"
        raise AttributeError(
            f"A query as text has no {name!r}: ask for the rows of {what} as a parameter of the "
            "query function, or with a type, as in read(name, pl.LazyFrame)"
        )


@dataclass(frozen=True, slots=True)
class Parameter:
    """Something that a native function reads: a parameter, or a read inside.

    Args:
        name: The parameter, or the key of the read.
        annotation: The full name of the type it is to get; None if none is asked for.
        query: What it reads; None: the dataset that the parameter is named after.
    """

    name: str
    annotation: str | None
    query: SqlQuery | None = None


@dataclass(frozen=True, slots=True)
class Home:
    """The definition file that declares a function.

    Args:
        file: Its path.
        catalog: Of names in it that do not say one.
        schema: Likewise.
        content: Hash of what it held when it was loaded.
    """

    file: str
    catalog: str
    schema: str
    content: str


@dataclass(frozen=True, slots=True)
class NativeQuery:
    """A pure function over Polars, DuckDB or Arrow values.

    It is called with empty inputs for analysis and once per batch for real. What it returns
    decides its kind: a frame, a relation, Arrow data, or a `SqlQuery`.

    Args:
        function: The user's function, undecorated.
        parameters: Those that name what it reads, in order.
        location: Where it is defined.
        reads: What it reads inside.
        home: Where it can be loaded again; None outside of a definition file.
    """

    function: Callable[..., Any]
    parameters: tuple[Parameter, ...]
    location: Location
    reads: tuple[Parameter, ...] = ()
    home: Home | None = None

    @property
    def inputs(self) -> tuple[Parameter, ...]:
        """Everything that it reads."""
        return (*self.parameters, *self.reads)


@dataclass(frozen=True, slots=True)
class Flow:
    """A query whose rows go into a dataset.

    Args:
        name: Unique in the pipeline; a dataset's own flow has the dataset's name.
        target: The dataset it writes.
        query: What it computes.
        location: Where it is declared.
        comment: What it is for.
        options: Spark settings of this flow only.
    """

    name: str
    target: TableName
    query: SqlQuery | NativeQuery
    location: Location
    comment: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Dataset:
    """A streaming table, materialized view or temporary view, without its flows.

    Args:
        name: Its complete name; the catalog and schema of a temporary view mean nothing.
        kind: What it is; None where only the analysed query can tell (`@table`: a batch query
            makes a materialized view, a streaming one a streaming table).
        location: Where it is declared.
        schema: The columns the user declared.
        comment: What it is for.
        partition_columns: Columns by whose values its files are kept apart.
        cluster_columns: Columns by which it is to be clustered.
        properties: Table properties.
        expectations: Rules of its rows.
    """

    name: TableName
    kind: DatasetKind | None
    location: Location
    schema: Schema | None = None
    comment: str | None = None
    partition_columns: tuple[str, ...] = ()
    cluster_columns: tuple[str, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)
    expectations: tuple[Expectation, ...] = ()

    @property
    def has_quarantine(self) -> bool:
        """Whether refused rows are kept in a table beside this one."""
        return any(rule.violation == "quarantine" for rule in self.expectations)
