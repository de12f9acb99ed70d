"""A resolved query and the relations of its inputs become one SQL text."""

from __future__ import annotations

from collections.abc import Mapping

from lakeflow.dialect.types import identifier
from lakeflow.engine.resolve import ResolvedQuery


def bound_sql(query: ResolvedQuery, relations: Mapping[str, str]) -> str:
    """The SQL of a query over relations.

    Views are inlined as common table expressions, each with a scope of its own.

    Args:
        query: What to run; neither it nor a view in it is a native function.
        relations: Leaf id -> SELECT; a view that was computed apart is there under its name.
    """
    parts = []
    for key, found in query.inputs.items():
        if isinstance(found, ResolvedQuery):
            name = f"view:{found.dataset.name}"
            sql = relations[name] if name in relations else bound_sql(found, relations)
        else:
            sql = relations[found.id]
        parts.append(f"{identifier(key)} AS ({sql})")
    assert query.lowered is not None
    if not parts:
        return query.lowered.sql
    return f"WITH {', '.join(parts)} SELECT * FROM ({query.lowered.sql})"
