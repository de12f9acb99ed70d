"""Query functions written in Python: called for analysis with empty inputs, and once per batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from lakeflow.backends.duckdb import DuckDBBackend, DuckDBSession, empty_relation
from lakeflow.core.errors import DefinitionError, LakeflowError, UnsupportedError
from lakeflow.core.schema import Field, Schema
from lakeflow.dialect.query import Lowered
from lakeflow.dialect.types import from_duckdb_type
from lakeflow.engine.resolve import ResolvedQuery
from lakeflow.pipelines.elements import NativeQuery, SqlQuery

RELATION = "duckdb.DuckDBPyRelation"


@dataclass
class Natives:
    """Runs query functions.

    Functions over DuckDB relations compose a query, which runs in this process under its memory
    limit; functions without parameters return a query as text.

    Args:
        backend: Makes the relations.
    """

    backend: DuckDBBackend
    _texts: dict[int, SqlQuery] = field(default_factory=dict)

    def as_sql(self, query: SqlQuery | NativeQuery) -> SqlQuery | NativeQuery:
        """The text that a function without parameters returns; anything else as it is.

        Raises:
            DefinitionError: The function fails, or returns something else.
        """
        if isinstance(query, SqlQuery) or query.parameters:
            return query
        known = self._texts.get(id(query))
        if known is None:
            found = self._call(query, {})
            if not isinstance(found, SqlQuery):
                raise self._wrong_result(query, found)
            known = self._texts[id(query)] = found
        return known

    def names(self, query: NativeQuery) -> Sequence[tuple[str, bool | None]]:
        """The datasets that a function's parameters name; the graph decides how they are read."""
        for parameter in query.parameters:
            if parameter.annotation not in (None, RELATION):
                raise UnsupportedError(
                    f"The parameter {parameter.name} of {query.function.__name__} asks for a "
                    f"{parameter.annotation}.",
                    location=query.location,
                    hint=f"Ask for a {RELATION}.",
                )
        return [(parameter.name, None) for parameter in query.parameters]

    def schema(self, query: NativeQuery, inputs: Mapping[str, Schema]) -> Schema:
        """The columns that a function gives over empty inputs.

        Raises:
            DefinitionError: The function fails, or returns something else than a relation.
        """
        relations = {name: empty_relation(found) for name, found in inputs.items()}
        with closing(self.backend.session()) as session:
            text = self.relation(query, relations, session)
            described = session.rows(f"DESCRIBE {text}", query.location)
        return Schema(tuple(Field(row[0], from_duckdb_type(row[1])) for row in described))

    def relation(
        self, query: NativeQuery, relations: Mapping[str, str], session: DuckDBSession
    ) -> str:
        """The SELECT that a function composes over relations."""
        found = self._call(
            query, {name: session.relation(text) for name, text in relations.items()}
        )
        if type(found).__name__ != "DuckDBPyRelation":
            raise self._wrong_result(query, found)
        text: str = found.sql_query()
        try:
            session.rows(f"SELECT * FROM ({text}) LIMIT 0", query.location)
        except LakeflowError as error:
            raise DefinitionError(
                f"{query.function.__name__} returns a relation of another connection, or one that "
                f"cannot run: {error.message}",
                location=query.location,
                hint="Build the result from the function's parameters.",
            ) from error
        return text

    def lower_duckdb(self, query: SqlQuery, schemas: Mapping[str, Schema]) -> Lowered:
        """DuckDB's SQL is used as it is.

        Raises:
            UnsupportedError: It is not supported.
        """
        raise UnsupportedError(
            f"dialect={query.dialect!r} is not supported; {len(schemas)} inputs are given.",
            location=query.location,
            hint="Write Spark SQL, or a function over DuckDB relations.",
        )

    def notes(self, query: ResolvedQuery) -> tuple[str, ...]:
        """What a plan says of a flow beyond its technique."""
        if query.lowered is None:
            return ("a DuckDB function: not portable to Spark",)
        return ()

    def _call(self, query: NativeQuery, values: Mapping[str, Any]) -> Any:
        try:
            return query.function(**values)
        except LakeflowError:
            raise
        except Exception as error:
            raise DefinitionError(
                f"{query.function.__name__} raised {type(error).__name__}: {error}",
                location=query.location,
            ) from error

    def _wrong_result(self, query: NativeQuery, found: Any) -> DefinitionError:
        said = "nothing (None)" if found is None else f"a {type(found).__name__}"
        return DefinitionError(
            f"{query.function.__name__} returns {said}.",
            condition="QUERY_FUNCTION_RESULT_NOT_A_QUERY",
            location=query.location,
            hint="Return sql(...), read(...), read_stream(...), or a relation built from its "
            "parameters.",
        )
