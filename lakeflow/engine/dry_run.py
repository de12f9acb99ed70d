"""A dry run's last check: the backend itself accepts every query, over empty inputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing

from lakeflow.backends.duckdb import DuckDBBackend, DuckDBSession, empty_relation
from lakeflow.core.errors import DefinitionError, DefinitionErrors, LakeflowError
from lakeflow.dialect.types import from_duckdb_type
from lakeflow.engine.bind import bound_sql
from lakeflow.engine.resolve import ResolvedFlow, ResolvedQuery, SourceRead


def check_binding(backend: DuckDBBackend, flows: Sequence[ResolvedFlow]) -> None:
    """Lets the backend bind every query in SQL, and compares its columns with the analysis.

    Args:
        backend: Runs queries.
        flows: Analysed; query functions were called by the analysis itself.

    Raises:
        DefinitionErrors: Every query that would fail, or give other columns, when it runs.
    """
    errors: list[LakeflowError] = []
    with closing(backend.session()) as session:
        session.set_clock("1970-01-01T00:00:00+00:00")
        for flow in flows:
            if all(query.lowered is not None for query in _queries(flow.query)):
                try:
                    _bind(session, flow.query)
                except LakeflowError as error:
                    errors.append(error)
    if errors:
        raise DefinitionErrors(errors)


def _bind(session: DuckDBSession, query: ResolvedQuery) -> None:
    location = query.flow.location
    relations = {
        leaf.id: empty_relation(
            leaf.relation_schema if isinstance(leaf, SourceRead) else leaf.schema
        )
        for leaf in query.leaves()
    }
    sql = bound_sql(query, relations)
    found = {
        name: from_duckdb_type(kind) for name, kind, *_ in session.rows(f"DESCRIBE {sql}", location)
    }
    for field in query.schema:
        if found.get(field.name) != field.type:
            raise DefinitionError(
                f"The column {field.name} of {query.dataset.name.short} is {field.type} by its "
                f"query and {found.get(field.name)} when it runs.",
                location=location,
                hint="This is a defect of Lakeflow; an explicit CAST in the query goes round it.",
            )
    for check in query.checks:
        session.rows(f"DESCRIBE SELECT {check.sql} FROM ({sql})", check.expectation.location)


def _queries(query: ResolvedQuery) -> Iterator[ResolvedQuery]:
    yield query
    for found in query.inputs.values():
        if isinstance(found, ResolvedQuery):
            yield from _queries(found)
