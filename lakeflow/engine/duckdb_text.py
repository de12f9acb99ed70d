"""Types a query in DuckDB's SQL by asking DuckDB."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing

from lakeflow.backends.duckdb import DuckDBBackend, empty_relation
from lakeflow.core.errors import DataError, DefinitionError
from lakeflow.core.schema import Field, Schema
from lakeflow.dialect.portable import bound, gathers, is_deterministic, parse_duckdb
from lakeflow.dialect.query import Lowered
from lakeflow.dialect.types import from_duckdb_type
from lakeflow.pipelines.elements import SqlQuery


def lower_duckdb(query: SqlQuery, schemas: Mapping[str, Schema], backend: DuckDBBackend) -> Lowered:
    """The query as it is, with the columns that DuckDB says it has.

    Raises:
        DefinitionError: DuckDB does not take it.
        UnsupportedError: A column has a type that no table can hold.
    """
    parsed = parse_duckdb(query.text, query.location)
    empty = {key: empty_relation(schema) for key, schema in schemas.items()}
    with closing(backend.session()) as session:
        try:
            described = session.rows(f"DESCRIBE {bound(parsed, empty)}", query.location)
        except DataError as error:
            raise DefinitionError(error.message, location=query.location) from error
    fields = tuple(Field(row[0], from_duckdb_type(row[1])) for row in described)
    word = gathers(parsed)
    stateful = () if word is None else (f"{word.upper()} in DuckDB's SQL over a stream",)
    return Lowered(bound(parsed), Schema(fields), is_deterministic(parsed), stateful, frozenset())
