"""A resolved query and the relations of its inputs become one SQL text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lakeflow.dialect.types import identifier
from lakeflow.engine.resolve import ResolvedQuery
from lakeflow.pipelines.elements import NativeQuery

if TYPE_CHECKING:
    from lakeflow.backends.duckdb import DuckDBSession
    from lakeflow.engine.native import Natives


def bound_sql(
    query: ResolvedQuery,
    relations: Mapping[str, str],
    natives: Natives,
    session: DuckDBSession,
) -> str:
    """The SQL of a query over relations.

    Views are inlined as common table expressions, each with a scope of its own.

    Args:
        query: What to run.
        relations: Leaf id -> SELECT; a view that was computed apart is there under its name.
        natives: Runs query functions.
        session: Whose relations they get.
    """
    bound: dict[str, str] = {}
    for key, found in query.inputs.items():
        if not isinstance(found, ResolvedQuery):
            bound[key] = relations[found.id]
            continue
        name = f"view:{found.dataset.name}"
        bound[key] = relations.get(name) or bound_sql(found, relations, natives, session)
    if query.lowered is None:
        assert isinstance(query.flow.query, NativeQuery)
        return natives.relation(query.flow.query, bound, session)
    if not bound:
        return query.lowered.sql
    parts = [f"{identifier(key)} AS ({sql})" for key, sql in bound.items()]
    return f"WITH {', '.join(parts)} SELECT * FROM ({query.lowered.sql})"
