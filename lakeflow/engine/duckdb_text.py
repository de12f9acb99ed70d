"""Types a query in DuckDB's SQL by asking DuckDB."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import closing

from lakeflow.backends.duckdb import DuckDBBackend, empty_relation
from lakeflow.core.errors import DataError, DefinitionError
from lakeflow.core.schema import Field, Schema
from lakeflow.dialect.batchwise import needs_earlier_batches
from lakeflow.dialect.portable import bound, is_deterministic, parse_duckdb
from lakeflow.dialect.query import Lowered
from lakeflow.dialect.types import from_duckdb_type
from lakeflow.pipelines.elements import SqlQuery


def lower_duckdb(
    query: SqlQuery,
    schemas: Mapping[str, Schema],
    streams: Collection[str],
    backend: DuckDBBackend,
) -> Lowered:
    """The query as it is, with the columns that DuckDB says it has.

    Args:
        query: A query in DuckDB's SQL.
        schemas: Columns of each reference.
        streams: References that are streams.
        backend: Is asked.

    Raises:
        DefinitionError: DuckDB does not take it.
        UnsupportedError: A column has a type that no table can hold.
    """
    parsed = parse_duckdb(query.text, query.location)
    empty = {key: empty_relation(schema) for key, schema in schemas.items()}
    names = {found.key: found.name[0] for found in parsed.references}
    with closing(backend.session()) as session:
        try:
            described = session.rows(f"DESCRIBE {bound(parsed, empty)}", query.location)
        except DataError as error:
            raise DefinitionError(error.message, location=query.location) from error
        gathers = needs_earlier_batches(query.text, names.values(), (), session.rows)
        new = [name for key, name in names.items() if key in streams]
        stateful = (
            needs_earlier_batches(query.text, new, names.values(), session.rows) if new else ()
        )
    fields = tuple(Field(row[0], from_duckdb_type(row[1])) for row in described)
    return Lowered(
        bound(parsed),
        Schema(fields),
        is_deterministic(parsed),
        stateful,
        frozenset(),
        steady=not gathers,
    )
