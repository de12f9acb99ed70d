"""The keys of GROUP BY: expressions, positions, aliases, ALL."""

from __future__ import annotations

from itertools import chain, combinations, product
from typing import TYPE_CHECKING

from sqlglot import exp

from lakeflow.core.schema import Map
from lakeflow.dialect.aggregation import Grouping, contains_aggregate
from lakeflow.dialect.nodes import name_parts
from lakeflow.dialect.scope import matching
from lakeflow.dialect.typed import Typed, unnamed

if TYPE_CHECKING:
    from lakeflow.dialect.select import Item


def group_keys(grouping: Grouping, group: exp.Expr, items: list[Item]) -> None:
    """Adds the keys of a GROUP BY clause."""
    analysis = grouping.analysis
    analysis.only(group, "expressions", "all", "rollup", "cube", "grouping_sets")
    if group.args.get("all"):
        for item in items:
            if item.column is not None:
                _add(grouping, item.column.value, group)
            elif not contains_aggregate(item.node):
                _add(grouping, grouping.inner.lower(item.node), item.node)
        return
    factors: list[list[tuple[int, ...]]] = []
    for node in group.expressions:
        if isinstance(node, exp.Rollup | exp.Cube | exp.GroupingSets):
            factors.append(_sets(grouping, node, items))
            continue
        factors.append([(_add(grouping, _key(grouping, node, items), node),)])
        if isinstance(node, exp.Anonymous) and str(node.this).lower() == "window":
            grouping.window = len(grouping.keys) - 1
    for name in ("rollup", "cube", "grouping_sets"):
        for node in group.args.get(name) or []:
            if name == "grouping_sets":
                factors = [_sets(grouping, node, items)]
            else:
                factors = [_combined(node, [position for [(position,)] in factors])]
    if any(len(factor) > 1 for factor in factors):
        whole = [tuple(chain(*each)) for each in product(*factors)]
        listed = (", ".join(grouping.keys[n].sql for n in dict.fromkeys(one)) for one in whole)
        grouping.sets = f"GROUPING SETS ({', '.join(f'({one})' for one in listed)})"


def _sets(grouping: Grouping, node: exp.Expr, items: list[Item]) -> list[tuple[int, ...]]:
    """The sets of keys that ROLLUP, CUBE or GROUPING SETS stands for."""

    def position(each: exp.Expr) -> int:
        if isinstance(each, exp.Rollup | exp.Cube | exp.GroupingSets):
            raise grouping.analysis.unsupported(
                each, f"{type(each).__name__.upper()} within another"
            )
        return _add(grouping, _key(grouping, each, items), each)

    if not isinstance(node, exp.GroupingSets):
        if any(isinstance(each, exp.Tuple) for each in node.expressions):
            raise grouping.analysis.unsupported(node, "Several columns as one in ROLLUP or CUBE")
        return _combined(node, [position(each) for each in node.expressions])
    sets = []
    for each in node.expressions:
        members = each.expressions if isinstance(each, exp.Tuple) else [each]
        sets.append(tuple(position(m.this if isinstance(m, exp.Paren) else m) for m in members))
    return sets


def _combined(node: exp.Expr, positions: list[int]) -> list[tuple[int, ...]]:
    if isinstance(node, exp.Rollup):
        return [tuple(positions[:count]) for count in range(len(positions), -1, -1)]
    sizes = range(len(positions), -1, -1)
    return [found for size in sizes for found in combinations(positions, size)]


def _add(grouping: Grouping, value: Typed, node: exp.Expr) -> int:
    """Adds a key unless it is there, and gives its position."""
    if isinstance(value.type, Map):
        raise grouping.analysis.error(
            node, "GROUP_EXPRESSION_TYPE_IS_NOT_ORDERABLE", "GROUP BY cannot compare a MAP."
        )
    known = [unnamed(key.sql) for key in grouping.keys]
    if unnamed(value.sql) in known:
        return known.index(unnamed(value.sql))
    grouping.keys.append(value)
    return len(known)


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
