"""A query in Spark SQL: parsed into what it reads, lowered into DuckDB's SQL with a schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lakeflow.core.location import Location
from lakeflow.core.schema import DataType, Schema, Struct


@dataclass(frozen=True, slots=True)
class Reference:
    """Something that a query reads in FROM.

    Args:
        key: Its name in lowered SQL; equal reads of one query share it.
        name: Parts of a table's name; empty for a function.
        function: A table function that reads, such as `read_files`, in lower case.
        arguments: Name, or None by position, and the constant as text; a map argument is
            flattened.
        streaming: Whether it is read with STREAM.
        location: Where it first appears.
    """

    key: str
    name: tuple[str, ...]
    function: str | None
    arguments: tuple[tuple[str | None, str], ...]
    streaming: bool
    location: Location


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query.

    Args:
        text: The query.
        location: Where its first character stands.
        references: What it reads, in order of appearance.
    """

    text: str
    location: Location
    references: tuple[Reference, ...]


@dataclass(frozen=True, slots=True)
class Lowered:
    """A query as DuckDB runs it.

    Args:
        sql: A SELECT in which each reference is the quoted identifier of its key.
        schema: Its columns; DuckDB returns exactly these types.
        deterministic: Whether the same inputs give the same rows at any time.
        stateful: Why it cannot run batch by batch with its rows appended; empty if it can.
        reads_metadata: Keys of the references whose `_metadata` is used.
        steady: Whether the same inputs give the same rows each time it runs, in whatever order
            they come: nothing breaks ties, takes some rows of many or adds up floats.
    """

    sql: str
    schema: Schema
    deterministic: bool
    stateful: tuple[str, ...]
    reads_metadata: frozenset[str]
    steady: bool


@dataclass(frozen=True, slots=True)
class Predicate:
    """A condition as DuckDB's SQL.

    Args:
        sql: The condition.
        deterministic: Whether a row meets it at any time that meets it once.
    """

    sql: str
    deterministic: bool


def parse_query(text: str, location: Location) -> Query:
    """Parses a query.

    Args:
        text: One SELECT, without the statement around it.
        location: Where its first character stands.

    Raises:
        DefinitionError: PARSE_SYNTAX_ERROR at the offending token.
        UnsupportedError: It is not a query, or a read function has an argument that is not
            a constant.

    Example:
        >>> query = parse_query("SELECT id FROM STREAM(orders)", Location("a.sql", 1))
        >>> [(r.key, r.name, r.streaming) for r in query.references]
        [('lakeflow_input_0', ('orders',), True)]
    """
    from lakeflow.dialect.references import find_reads

    return Query(text, location, find_reads(text, location).references)


def lower(
    query: Query,
    inputs: Mapping[str, Schema],
    *,
    hidden: Mapping[str, Struct] | None = None,
    time_zone: str = "UTC",
    streams: frozenset[str] = frozenset(),
    names_repeat: bool = False,
) -> Lowered:
    """Turns a query into DuckDB's SQL.

    Args:
        query: What to lower.
        inputs: The columns of each reference, by key.
        hidden: For each key that has one, the type of its `_metadata` column, which is not
            part of `*`; the relation must then have that column besides those of `inputs`.
        time_zone: The session's time zone.
        streams: Keys of references that a stream feeds though they are not read with STREAM,
            such as views.
        names_repeat: Whether two columns may have one name, as those that are only shown.

    Raises:
        DefinitionError: The query is wrong: Spark's condition, at the offending token.
        UnsupportedError: It uses what is not supported, which is named.

    Example:
        >>> query = parse_query("SELECT sum(n) AS n FROM t", Location("a.sql", 1))
        >>> str(lower(query, {"lakeflow_input_0": Schema.from_ddl("n INT")}).schema)
        'n BIGINT'
    """
    from lakeflow.dialect.lower import lower_query

    return lower_query(query, inputs, hidden or {}, time_zone, streams, names_repeat)


def lower_predicate(
    text: str, schema: Schema, location: Location, *, time_zone: str = "UTC"
) -> Predicate:
    """Turns a condition over the columns of one table into DuckDB's SQL.

    Args:
        text: The condition.
        schema: The columns, which the SQL names without a qualifier.
        location: Where its first character stands.
        time_zone: The session's time zone.

    Raises:
        DefinitionError: It is wrong, is not boolean, or holds an aggregate, a window or a
            subquery.
        UnsupportedError: It uses what is not supported, which is named.

    Example:
        >>> lower_predicate("n > 0", Schema.from_ddl("n INT"), Location("a.sql", 1)).sql
        '("n" > CAST(0 AS INTEGER))'
    """
    from lakeflow.dialect.lower import lower_condition

    return lower_condition(text, schema, location, time_zone)


def duckdb_type(kind: DataType) -> str:
    """DuckDB's name of a Spark type."""
    from lakeflow.dialect.types import duckdb_type as name

    return name(kind)
