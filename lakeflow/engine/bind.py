"""A resolved query and the relations of its inputs become one SQL text."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lakeflow.backends.duckdb import relation_sql
from lakeflow.backends.parquet import Relation
from lakeflow.dialect.types import identifier
from lakeflow.engine.resolve import ResolvedQuery

RunFunction = Callable[[ResolvedQuery, Mapping[str, Relation]], Relation]
"""Gives what a query function makes of its inputs."""


def bound_sql(
    query: ResolvedQuery,
    relations: Mapping[str, Relation],
    run_function: RunFunction | None = None,
) -> str:
    """The SQL of a query over relations.

    Views are inlined as common table expressions, each with a scope of its own.

    Args:
        query: What to run.
        relations: Leaf id -> its rows; a view that was computed apart is there under its name.
        run_function: Runs query functions; may be left out for queries without any.
    """
    bound: dict[str, Relation] = {}
    for key, found in query.inputs.items():
        if not isinstance(found, ResolvedQuery):
            bound[key] = relations[found.id]
            continue
        name = f"view:{found.dataset.name}"
        bound[key] = relations.get(name) or bound_sql(found, relations, run_function)
    if query.lowered is None:
        assert run_function is not None
        return relation_sql(run_function(query, bound))
    if not bound:
        return query.lowered.sql
    parts = [f"{identifier(key)} AS ({relation_sql(rows)})" for key, rows in bound.items()]
    return f"WITH {', '.join(parts)} SELECT * FROM ({query.lowered.sql})"
