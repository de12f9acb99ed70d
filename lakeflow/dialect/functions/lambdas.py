"""Functions that take functions: `x -> x + 1`."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from lakeflow.core.schema import BOOLEAN, INT, VOID, Array, DataType, Map, Struct
from lakeflow.dialect.functions.table import Call, function
from lakeflow.dialect.operators import condition
from lakeflow.dialect.typed import Problem, Typed, refused
from lakeflow.dialect.types import identifier


def _array(call: Call, index: int) -> tuple[Typed, DataType]:
    value = call.raw(index)
    if not isinstance(value.type, Array):
        raise call.wrong_type(index, "an ARRAY")
    return value, value.type.element


def _map(call: Call, index: int) -> tuple[Typed, Map]:
    value = call.raw(index)
    if not isinstance(value.type, Map):
        raise call.wrong_type(index, "a MAP")
    return value, value.type


def _applied(call: Call, index: int, arguments: Sequence[Typed]) -> Typed:
    """The body of a lambda over its arguments; those that it does not name are left out."""
    node = call.nodes[index]
    if not isinstance(node, exp.Lambda):
        raise Problem(
            "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
            f"argument {index + 1} of {call.name}(..) must be a function such as x -> x + 1.",
        )
    names = [parameter.name.lower() for parameter in node.expressions]
    if len(names) > len(arguments) or not names:
        raise Problem(
            "INVALID_LAMBDA_FUNCTION_CALL.NUM_ARGS_MISMATCH",
            f"The function in {call.name}(..) takes {len(names)} arguments, "
            f"not {len(arguments)} at most.",
        )
    if len(set(names)) < len(names):
        raise Problem(
            "INVALID_LAMBDA_FUNCTION_CALL.DUPLICATE_ARG_NAMES",
            f"The function in {call.name}(..) names an argument twice.",
        )
    call.here.lambdas.append(dict(zip(names, arguments, strict=False)))
    try:
        body = call.here.lower(node.this)
    finally:
        call.here.lambdas.pop()
    if body.volatile:
        raise refused(f"A function in {call.name}(..) that is not deterministic")
    return body


def _count(call: Call, index: int) -> int:
    node = call.nodes[index]
    return len(node.expressions) if isinstance(node, exp.Lambda) else 1


def _fresh(call: Call, kind: DataType, wish: str = "item") -> Typed:
    return Typed(identifier(call.here.analysis.alias(wish)), kind)


def _position(call: Call) -> tuple[Typed, Typed]:
    """DuckDB's position from 1, and Spark's from 0."""
    own = _fresh(call, INT, "position")
    return own, Typed(f"CAST({own.sql} - 1 AS INTEGER)", INT)


def _mapped(call: Call, name: str, value: Typed, element: DataType) -> tuple[str, Typed]:
    """The SQL of a list function, and the lambda's body."""
    item = _fresh(call, element)
    own, position = _position(call)
    body = _applied(call, 1, [item, position])
    names = item.sql if _count(call, 1) == 1 else f"{item.sql}, {own.sql}"
    return f"{name}({value.sql}, lambda {names}: %s)", body


@function("transform", arity=2)
def _transform(call: Call) -> Typed:
    value, element = _array(call, 0)
    sql, body = _mapped(call, "list_transform", value, element)
    return value.with_sql(sql.replace("%s", body.sql), Array(body.type))


@function("filter", arity=2)
def _filter(call: Call) -> Typed:
    value, element = _array(call, 0)
    sql, body = _mapped(call, "list_filter", value, element)
    test = condition(body, "filter(..)", call.zone)
    return value.with_sql(sql.replace("%s", test.sql), value.type)


@function("exists", arity=2)
def _exists(call: Call) -> Typed:
    return _quantified(call, certain="true")


@function("forall", arity=2)
def _forall(call: Call) -> Typed:
    return _quantified(call, certain="false")


def _quantified(call: Call, *, certain: str) -> Typed:
    """Three-valued: an element for which the test is NULL leaves the question open."""
    value, element = _array(call, 0)
    item = _fresh(call, element)
    test = condition(_applied(call, 1, [item]), f"{call.name}(..)", call.zone)
    tests = f"list_transform({value.sql}, lambda {item.sql}: {test.sql})"
    otherwise = "false" if certain == "true" else "true"
    sql = (
        f"CASE WHEN {value.sql} IS NULL THEN NULL WHEN list_contains({tests}, {certain}) "
        f"THEN {certain} WHEN len(list_filter({tests}, lambda e: e IS NULL)) > 0 THEN NULL "
        f"ELSE {otherwise} END"
    )
    return value.with_sql(sql, BOOLEAN)


@function("aggregate", "reduce", arity=(3, 4))
def _aggregate(call: Call) -> Typed:
    value, element = _array(call, 0)
    start = call.raw(1)
    if start.type == VOID:
        raise refused(f"{call.name}(..) that begins with NULL", "Cast it to a type.")
    total, item = _fresh(call, start.type, "total"), _fresh(call, element)
    body = _applied(call, 2, [total, item])
    if body.type != start.type:
        raise Problem(
            "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
            f"{call.name}(..) begins with {start.type} and goes on with {body.type}.",
            "Cast the beginning.",
        )
    # A list of structs, since DuckDB's first value must have the type of the elements.
    sql = (
        f"list_reduce({_boxed(value, item, start)}, "
        f"lambda a, b: struct_pack(total := {_renamed(body.sql, total, item)}, "
        f"item := (b).item), struct_pack(total := {start.sql}, item := NULL))"
    )
    result = Typed(
        f"CASE WHEN {value.sql} IS NOT NULL THEN ({sql}).total END",
        start.type,
        volatile=value.volatile or start.volatile,
    )
    if len(call) == 3:
        return result
    return _applied(call, 3, [result])


def _boxed(value: Typed, item: Typed, start: Typed) -> str:
    from lakeflow.dialect.typed import cast_sql

    nothing = cast_sql("NULL", start.type)
    packed = f"struct_pack(total := {nothing}, item := {item.sql})"
    return f"list_transform({value.sql}, lambda {item.sql}: {packed})"


def _renamed(sql: str, total: Typed, item: Typed) -> str:
    return sql.replace(total.sql, "(a).total").replace(item.sql, "(b).item")


@function("zip_with", arity=3)
def _zip_with(call: Call) -> Typed:
    (left, a), (right, b) = _array(call, 0), _array(call, 1)
    position = _fresh(call, INT, "position")
    first = Typed(f"list_extract({left.sql}, {position.sql})", a)
    second = Typed(f"list_extract({right.sql}, {position.sql})", b)
    body = _applied(call, 2, [first, second])
    positions = f"range(1, greatest(len({left.sql}), len({right.sql})) + 1)"
    sql = (
        f"CASE WHEN {left.sql} IS NOT NULL AND {right.sql} IS NOT NULL THEN "
        f"list_transform({positions}, lambda {position.sql}: {body.sql}) END"
    )
    return Typed(sql, Array(body.type), volatile=left.volatile or right.volatile)


def _entry(call: Call, kind: Map) -> tuple[Typed, Typed, Typed]:
    entry = _fresh(call, Struct(()), "entry")
    return entry, Typed(f"({entry.sql}).key", kind.key), Typed(f"({entry.sql}).value", kind.value)


@function("map_filter", arity=2)
def _map_filter(call: Call) -> Typed:
    value, kind = _map(call, 0)
    entry, key, inner = _entry(call, kind)
    test = condition(_applied(call, 1, [key, inner]), "map_filter(..)", call.zone)
    kept = f"list_filter(map_entries({value.sql}), lambda {entry.sql}: {test.sql})"
    sql = f"CASE WHEN {value.sql} IS NOT NULL THEN map_from_entries({kept}) END"
    return value.with_sql(sql, kind)


@function("transform_values", arity=2)
def _transform_values(call: Call) -> Typed:
    value, kind = _map(call, 0)
    entry, key, inner = _entry(call, kind)
    body = _applied(call, 1, [key, inner])
    made = (
        f"list_transform(map_entries({value.sql}), lambda {entry.sql}: "
        f"struct_pack(key := {key.sql}, value := {body.sql}))"
    )
    sql = f"CASE WHEN {value.sql} IS NOT NULL THEN map_from_entries({made}) END"
    return value.with_sql(sql, Map(kind.key, body.type))


@function("array_sort", arity=(1, 2))
def _array_sort(call: Call) -> Typed:
    if len(call) == 2:
        raise refused("array_sort(..) with a comparison", "Use sort_array(..).")
    value, element = _array(call, 0)
    if isinstance(element, Array | Struct | Map):
        raise refused(f"array_sort(..) of {value.type}")
    return value.with_sql(f"list_sort({value.sql}, 'ASC', 'NULLS LAST')", value.type)
