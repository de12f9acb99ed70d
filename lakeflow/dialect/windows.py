"""OVER: window functions and aggregates over frames."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from lakeflow.core.schema import DATE, INT, NTZ, TIMESTAMP, Array, DataType, Struct
from lakeflow.dialect.aggregation import aggregate_parts, lower_aggregate
from lakeflow.dialect.calls import unknown
from lakeflow.dialect.expressions import Expressions, handler
from lakeflow.dialect.functions.aggregates import AGGREGATES
from lakeflow.dialect.functions.table import Call, check_arity
from lakeflow.dialect.functions.windows import WINDOWS
from lakeflow.dialect.typed import Problem, Typed, refused, text
from lakeflow.dialect.types import INTERVALS, is_numeric, is_orderable


@handler(exp.Window)
def _window(here: Expressions, node: exp.Expr) -> Typed:
    if here.windows is None:
        raise Problem(
            "INVALID_WINDOW_SPEC_FOR_AGGREGATION_FUNC",
            f"A window function cannot stand in {here.clause}.",
            "Compute it in a subquery.",
        )
    here.analysis.only(node, "this", "partition_by", "order", "spec", "over", "alias", "first")
    if here.streaming:
        here.analysis.keeps_state("a window function over a stream")
    parts = aggregate_parts(node.this)
    specification = _specification(here, node)
    order = ordering(here, specification.args.get("order"))
    if parts.name in WINDOWS:
        return _ranking(here, node, parts.name, parts, specification, order)
    if parts.name not in AGGREGATES:
        raise unknown(parts.name)
    if parts.distinct:
        raise Problem(
            "DISTINCT_WINDOW_FUNCTION_UNSUPPORTED",
            f"{parts.name}(DISTINCT ..) cannot be used over a window.",
        )
    aggregate, clause = lower_aggregate(here, parts)
    over = _over(here, specification, order, frame=True)
    calls = [f"{call}{clause} OVER ({over})" for call in aggregate.calls]
    return Typed(aggregate.pattern.format(*calls), aggregate.type)


def _ranking(
    here: Expressions,
    node: exp.Expr,
    name: str,
    parts: Any,
    specification: exp.Expr,
    order: Any,
) -> Typed:
    entry = WINDOWS[name]
    if parts.distinct or parts.filter is not None or parts.within is not None:
        raise refused(f"DISTINCT, FILTER or WITHIN GROUP of {name}(..)")
    if not order and entry.needs_order:
        raise Problem("MISSING_WINDOW_ORDER", f"{name}(..) needs ORDER BY in its window.")
    check_arity(name, len(parts.nodes), entry.minimum, entry.maximum)
    built = entry.build(Call(here, name, parts.nodes, node), parts.ignore_nulls)
    frame = None if entry.takes_frame else specification.args.get("spec")
    if frame is not None and not _default_frame(frame):
        raise refused(f"A frame of {name}(..)")
    over = _over(here, specification, order, frame=entry.takes_frame)
    return Typed(built.pattern.format(f"{built.calls[0]} OVER ({over})"), built.type)


def _default_frame(spec: exp.Expr) -> bool:
    return (
        str(spec.args.get("kind")).upper() == "ROWS"
        and str(spec.args.get("start")).upper() == "UNBOUNDED"
        and str(spec.args.get("end")).upper() == "CURRENT ROW"
    )


def _specification(here: Expressions, node: exp.Expr) -> exp.Expr:
    """The window's own specification, or the named one that it means."""
    alias = node.args.get("alias")
    if alias is None:
        return node
    assert here.windows is not None
    found = here.windows.get(alias.name.lower())
    if found is None:
        raise Problem("MISSING_WINDOW_SPECIFICATION", f"There is no window {alias.name}.")
    if any(node.args.get(part) for part in ("partition_by", "order", "spec")):
        raise refused("A window that adds to a named one")
    return found


def ordering(here: Expressions, order: exp.Expr | None) -> list[tuple[Typed, str]]:
    """Lowers ORDER BY: each expression with its direction, Spark's nulls written out."""
    found = []
    for item in order.expressions if order is not None else []:
        here.analysis.only(item, "this", "desc", "nulls_first")
        value = here.lower(item.this)
        if not is_orderable(value.type):
            raise here.located(
                item,
                Problem(
                    "DATATYPE_MISMATCH.INVALID_ORDERING_TYPE",
                    f"ORDER BY cannot compare {value.type}.",
                ),
            )
        found.append((sort_key(value), direction(item)))
    return found


def sort_key(value: Typed) -> Typed:
    """What DuckDB sorts as Spark sorts the value: NULL within arrays and structs comes first."""
    inner = _nulls_first(value.sql, value.type)
    return value if inner == value.sql else value.with_sql(inner, value.type)


def _nulls_first(sql: str, kind: DataType) -> str:
    match kind:
        case Array(element):
            key = _nulls_first("e", element)
            member = f"struct_pack(here := e IS NOT NULL, key := {key})"
            return f"list_transform({sql}, lambda e: {member})"
        case Struct(fields):
            pieces = []
            for position, field in enumerate(fields):
                part = f"struct_extract({sql}, {text(field.name)})"
                pieces.append(f"h{position} := {part} IS NOT NULL")
                pieces.append(f"k{position} := {_nulls_first(part, field.type)}")
            return f"CASE WHEN {sql} IS NOT NULL THEN struct_pack({', '.join(pieces)}) END"
    return sql


def direction(item: exp.Expr) -> str:
    """ASC or DESC with the place of nulls: first in ascending order unless said otherwise."""
    way = "DESC" if item.args.get("desc") else "ASC"
    return f"{way} NULLS {'FIRST' if item.args.get('nulls_first') else 'LAST'}"


def _over(here: Expressions, node: exp.Expr, order: list[tuple[Typed, str]], *, frame: bool) -> str:
    pieces = []
    partitions = [here.lower(part).sql for part in node.args.get("partition_by") or []]
    if partitions:
        pieces.append(f"PARTITION BY {', '.join(partitions)}")
    if order:
        pieces.append("ORDER BY " + ", ".join(f"{value.sql} {way}" for value, way in order))
    spec = node.args.get("spec")
    if spec is not None and frame:
        pieces.append(_frame(here, spec, order))
    return " ".join(pieces)


def _frame(here: Expressions, spec: exp.Expr, order: list[tuple[Typed, str]]) -> str:
    here.analysis.only(spec, "kind", "start", "start_side", "end", "end_side")
    kind = str(spec.args["kind"]).upper()
    start = _bound(here, spec, "start", kind, order)
    end = _bound(here, spec, "end", kind, order) if spec.args.get("end") else "CURRENT ROW"
    return f"{kind} BETWEEN {start} AND {end}"


def _bound(
    here: Expressions, spec: exp.Expr, name: str, kind: str, order: list[tuple[Typed, str]]
) -> str:
    value, side = spec.args.get(name), str(spec.args.get(f"{name}_side") or "").upper()
    if isinstance(value, str):
        return f"{value.upper()} {side}".strip()
    assert value is not None
    if kind not in ("ROWS", "RANGE"):
        raise refused(f"A frame in {kind}")
    bound = here.lower(value)
    if kind == "ROWS":
        if bound.type != INT or not isinstance(bound.constant, int):
            raise refused("A bound of ROWS that is not a constant integer")
        if bound.constant < 0:
            side = "FOLLOWING" if side == "PRECEDING" else "PRECEDING"
        return f"{abs(bound.constant)} {side}"
    if len(order) != 1:
        raise Problem(
            "DATATYPE_MISMATCH.RANGE_FRAME_MULTI_ORDER",
            "A RANGE frame with a value needs exactly one ORDER BY expression.",
        )
    by = order[0][0].type
    fits = (by in (DATE, TIMESTAMP, NTZ) and bound.type in INTERVALS) or (
        is_numeric(by) and is_numeric(bound.type)
    )
    if not fits:
        raise refused(f"A RANGE of {bound.type} over {by}")
    return f"{bound.sql} {side}"
