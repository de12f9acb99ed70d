"""The keys of GROUP BY: expressions, positions, aliases, ALL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from lakeflow.core.schema import Map
from lakeflow.dialect.aggregation import Grouping, contains_aggregate
from lakeflow.dialect.nodes import name_parts
from lakeflow.dialect.scope import matching
from lakeflow.dialect.typed import Typed

if TYPE_CHECKING:
    from lakeflow.dialect.select import Item


def group_keys(grouping: Grouping, group: exp.Expr, items: list[Item]) -> None:
    """Adds the keys of a GROUP BY clause."""
    analysis = grouping.analysis
    analysis.only(group, "expressions", "all")
    if group.args.get("all"):
        for item in items:
            if item.column is not None:
                _add(grouping, item.column.value, group)
            elif not contains_aggregate(item.node):
                _add(grouping, grouping.inner.lower(item.node), item.node)
        return
    for node in group.expressions:
        if isinstance(node, exp.Rollup | exp.Cube | exp.GroupingSets):
            raise analysis.unsupported(node, type(node).__name__.upper())
        _add(grouping, _key(grouping, node, items), node)
        if isinstance(node, exp.Anonymous) and str(node.this).lower() == "window":
            grouping.window = len(grouping.keys) - 1


def _add(grouping: Grouping, value: Typed, node: exp.Expr) -> None:
    if isinstance(value.type, Map):
        raise grouping.analysis.error(
            node, "GROUP_EXPRESSION_TYPE_IS_NOT_ORDERABLE", "GROUP BY cannot compare a MAP."
        )
    if all(key.sql != value.sql for key in grouping.keys):
        grouping.keys.append(value)


def _key(grouping: Grouping, node: exp.Expr, items: list[Item]) -> Typed:
    analysis, inner = grouping.analysis, grouping.inner
    chosen: Item | None = None
    if isinstance(node, exp.Literal) and not node.args.get("is_string"):
        written = str(node.this)
        if written.isdigit():
            if not 1 <= int(written) <= len(items):
                raise analysis.error(
                    node,
                    "GROUP_BY_POS_OUT_OF_RANGE",
                    f"GROUP BY {written}: the SELECT list has {len(items)} columns.",
                )
            chosen = items[int(written) - 1]
    elif isinstance(node, exp.Column):
        parts = name_parts(node)
        if len(parts) == 1 and not matching(inner.columns, parts)[0]:
            chosen = next(
                (i for i in items if i.named and i.name.lower() == parts[0].lower()), None
            )
    if chosen is None:
        return inner.lower(node)
    if chosen.column is not None:
        return chosen.column.value
    if contains_aggregate(chosen.node):
        raise analysis.error(
            node, "GROUP_BY_POS_AGGREGATE", "GROUP BY names a column that is an aggregate."
        )
    return inner.lower(chosen.node)
