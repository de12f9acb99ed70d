"""Functions over arrays."""

from __future__ import annotations

from lakeflow.core.schema import (
    BIGINT,
    BOOLEAN,
    DATE,
    INT,
    NTZ,
    STRING,
    TIMESTAMP,
    VOID,
    Array,
    DataType,
    Map,
    Struct,
)
from lakeflow.dialect.casts import cast
from lakeflow.dialect.functions.table import Call, filled, function
from lakeflow.dialect.nested import map_value, size
from lakeflow.dialect.operators import unify
from lakeflow.dialect.typed import Problem, Typed, cast_sql, raising, refused
from lakeflow.dialect.types import (
    DAY,
    INTEGRAL,
    INTERVALS,
    YEAR_MONTH,
    common_type,
    is_numeric,
    is_orderable,
)


@function("array", arity=(0, None))
def _array(call: Call) -> Typed:
    if not call.nodes:
        return Typed(cast_sql("[]", Array(VOID)), Array(VOID))
    values = unify(call.all, call.zone, "array(..)")
    kind = Array(values[0].type)
    items = ", ".join(value.sql for value in values)
    volatile = any(value.volatile for value in values)
    return Typed(cast_sql(f"[{items}]", kind), kind, volatile=volatile)


def _of(call: Call, index: int = 0) -> tuple[Typed, DataType]:
    """An argument that is an array, and the type of its elements."""
    value = call.raw(index)
    if not isinstance(value.type, Array):
        raise call.wrong_type(index, "an ARRAY")
    return value, value.type.element


def _atomic(call: Call, element: DataType) -> None:
    """Refuses elements that DuckDB compares otherwise where NULL is within them."""
    if isinstance(element, Array | Struct | Map):
        raise refused(f"{call.name}(..) of arrays of {element}")


def _with_element(call: Call, array: int, item: int) -> tuple[Typed, Typed]:
    """An array and a value brought to one type."""
    value, element = _of(call, array)
    other = call.raw(item)
    kind = common_type(element, other.type)
    if kind is None or (
        (other.type == STRING) != (element == STRING)
        and VOID
        not in (
            other.type,
            element,
        )
    ):
        raise Problem(
            "DATATYPE_MISMATCH.ARRAY_FUNCTION_DIFF_TYPES",
            f"{call.name}(..) takes an array of {other.type}, not {value.type}.",
        )
    return cast(value, Array(kind), call.zone), cast(other, kind, call.zone)


def _two(call: Call) -> tuple[Typed, Typed, Array]:
    """Two arrays of one type."""
    a, b = call.raw(0), call.raw(1)
    kind = common_type(a.type, b.type)
    mixed = isinstance(a.type, Array) and isinstance(b.type, Array)
    if not mixed or not isinstance(kind, Array) or len({_text(a.type), _text(b.type)} - {None}) > 1:
        raise Problem(
            "DATATYPE_MISMATCH.BINARY_ARRAY_DIFF_TYPES",
            f"{call.name}(..) takes two arrays of one type, not {a.type} and {b.type}.",
        )
    return cast(a, kind, call.zone), cast(b, kind, call.zone), kind


def _text(kind: DataType) -> bool | None:
    element = kind.element if isinstance(kind, Array) else kind
    return None if element == VOID else element == STRING


@function("size", "cardinality")
def _size(call: Call) -> Typed:
    value = call.raw(0)
    if not isinstance(value.type, Array | Map):
        raise call.wrong_type(0, "an ARRAY or a MAP")
    return size(value)


@function("array_size")
def _array_size(call: Call) -> Typed:
    if call.raw(0).type == VOID:
        return cast(call.raw(0), INT, call.zone)
    return size(_of(call)[0])


def _sought(call: Call) -> tuple[Typed, Typed]:
    """An array, and the value that is looked for in it as one of its elements."""
    if VOID in (call.raw(0).type, call.raw(1).type):
        raise Problem("DATATYPE_MISMATCH.NULL_TYPE", f"{call.name}(..) of NULL without a type.")
    value, item = _with_element(call, 0, 1)
    _atomic(call, item.type)
    return value, item


@function("array_contains", arity=2)
def _contains(call: Call) -> Typed:
    value, item = _sought(call)
    sql = (
        "CASE WHEN {0} IS NULL OR {1} IS NULL THEN NULL WHEN list_contains({0}, {1}) THEN true "
        "WHEN len(list_filter({0}, lambda e: e IS NULL)) > 0 THEN NULL ELSE false END"
    )
    return filled(sql, BOOLEAN, value, item)


@function("array_position", arity=2)
def _position(call: Call) -> Typed:
    value, item = _sought(call)
    sql = (
        "CASE WHEN {0} IS NOT NULL AND {1} IS NOT NULL "
        "THEN coalesce(CAST(list_position({0}, {1}) AS BIGINT), 0) END"
    )
    return filled(sql, BIGINT, value, item)


@function("array_remove", arity=2)
def _remove(call: Call) -> Typed:
    value, item = _with_element(call, 0, 1)
    _atomic(call, item.type)
    sql = "CASE WHEN {1} IS NOT NULL THEN list_filter({0}, lambda e: e IS NULL OR e <> {1}) END"
    return filled(sql, value.type, value, item)


@function("array_append", arity=2)
def _append(call: Call) -> Typed:
    value, item = _with_element(call, 0, 1)
    sql = "CASE WHEN {0} IS NOT NULL THEN list_append({0}, {1}) END"
    return filled(sql, value.type, value, item)


@function("array_prepend", arity=2)
def _prepend(call: Call) -> Typed:
    value, item = _with_element(call, 0, 1)
    sql = "CASE WHEN {0} IS NOT NULL THEN list_prepend({1}, {0}) END"
    return filled(sql, value.type, value, item)


@function("array_repeat", arity=2)
def _repeat(call: Call) -> Typed:
    item, count = call.raw(0), call.take(1, INT)
    made = "list_transform(range(greatest({1}, 0)), lambda n: {0})"
    kind = Array(item.type)
    return filled(f"CASE WHEN {{1}} IS NOT NULL THEN {cast_sql(made, kind)} END", kind, item, count)


@function("array_compact")
def _compact(call: Call) -> Typed:
    if call.raw(0).type == VOID:
        raise refused("array_compact(NULL)")
    value, _ = _of(call)
    return filled("list_filter({0}, lambda e: e IS NOT NULL)", value.type, value)


@function("array_min", "array_max")
def _extreme(call: Call) -> Typed:
    value, element = _of(call)
    _atomic(call, element)
    name = "list_min" if call.name == "array_min" else "list_max"
    return filled(f"{name}({{0}})", element, value)


@function("sort_array", arity=(1, 2))
def _sort(call: Call) -> Typed:
    value, element = _of(call)
    if not is_orderable(element):
        raise Problem(
            "DATATYPE_MISMATCH.INVALID_ORDERING_TYPE", f"sort_array(..) cannot compare {element}."
        )
    _atomic(call, element)
    ascending = call.raw(1).constant if len(call) > 1 else True
    if not isinstance(ascending, bool):
        raise refused("sort_array(..) with a direction that is not a constant")
    way = "'ASC', 'NULLS FIRST'" if ascending else "'DESC', 'NULLS LAST'"
    return filled(f"list_sort({{0}}, {way})", value.type, value)


def _distinct(sql: str) -> str:
    """Each element once, at its first place; NULL is one of them."""
    return (
        f"list_transform([{sql}], lambda a: list_filter(a, lambda e, n: "
        "CASE WHEN e IS NULL THEN len(list_filter(a[:n - 1], lambda o: o IS NULL)) = 0 "
        "ELSE list_position(a, e) = n END))[1]"
    )


@function("array_distinct")
def _array_distinct(call: Call) -> Typed:
    value, element = _of(call)
    _atomic(call, element)
    return filled(_distinct("{0}"), value.type, value)


@function("array_union", arity=2)
def _union(call: Call) -> Typed:
    a, b, kind = _two(call)
    _atomic(call, kind.element)
    sql = _distinct("list_concat({0}, {1})")
    return filled(f"CASE WHEN {{0}} IS NOT NULL AND {{1}} IS NOT NULL THEN {sql} END", kind, a, b)


@function("array_intersect", "array_except", arity=2)
def _common(call: Call) -> Typed:
    a, b, kind = _two(call)
    _atomic(call, kind.element)
    within = (
        "CASE WHEN e IS NULL THEN len(list_filter({1}, lambda o: o IS NULL)) > 0 "
        "ELSE list_contains({1}, e) END"
    )
    test = within if call.name == "array_intersect" else f"NOT ({within})"
    sql = _distinct(f"list_filter({{0}}, lambda e: {test})")
    return filled(f"CASE WHEN {{0}} IS NOT NULL AND {{1}} IS NOT NULL THEN {sql} END", kind, a, b)


@function("arrays_overlap", arity=2)
def _overlap(call: Call) -> Typed:
    a, b, kind = _two(call)
    _atomic(call, kind.element)
    nulls = "len(list_filter({%s}, lambda e: e IS NULL)) > 0"
    sql = (
        "CASE WHEN {0} IS NULL OR {1} IS NULL THEN NULL "
        "WHEN len(list_filter({0}, lambda e: e IS NOT NULL AND list_contains({1}, e))) > 0 "
        "THEN true WHEN len({0}) > 0 AND len({1}) > 0 AND ("
        + nulls.replace("%s", "0")
        + " OR "
        + nulls.replace("%s", "1")
        + ") THEN NULL ELSE false END"
    )
    return filled(sql, BOOLEAN, a, b)


@function("array_join", arity=(2, 3))
def _join(call: Call) -> Typed:
    value, separator = call.take(0, Array(STRING)), call.take(1, STRING)
    if len(call) == 3:
        instead = call.take(2, STRING)
        items = "list_transform({0}, lambda e: coalesce(e, {2}))"
        sql = (
            "CASE WHEN {0} IS NOT NULL AND {1} IS NOT NULL AND {2} IS NOT NULL THEN "
            f"coalesce(array_to_string({items}, {{1}}), '') END"
        )
        return filled(sql, STRING, value, separator, instead)
    items = "list_filter({0}, lambda e: e IS NOT NULL)"
    sql = (
        "CASE WHEN {0} IS NOT NULL AND {1} IS NOT NULL THEN "
        f"coalesce(array_to_string({items}, {{1}}), '') END"
    )
    return filled(sql, STRING, value, separator)


@function("slice", arity=3)
def _slice(call: Call) -> Typed:
    if call.raw(0).type == VOID:
        return Typed(cast_sql("NULL", Array(VOID)), Array(VOID))
    value, _ = _of(call)
    start, count = call.take(1, INT), call.take(2, INT)
    zero = raising("INVALID_PARAMETER_VALUE.START", "'slice(..) begins at 1.'", value.type)
    negative = raising(
        "INVALID_PARAMETER_VALUE.LENGTH", "'slice(..) has no length below 0.'", value.type
    )
    nothing = cast_sql("[]", value.type)
    sql = (
        f"CASE WHEN {{0}} IS NULL OR {{1}} IS NULL OR {{2}} IS NULL THEN NULL "
        f"WHEN {{1}} = 0 THEN {zero} WHEN {{2}} < 0 THEN {negative} "
        f"WHEN {{2}} = 0 OR {{1}} > len({{0}}) OR -{{1}} > len({{0}}) THEN {nothing} "
        "WHEN {1} > 0 THEN list_slice({0}, CAST({1} AS BIGINT), CAST({1} AS BIGINT) + {2} - 1) "
        "ELSE list_slice({0}, len({0}) + {1} + 1, len({0}) + {1} + CAST({2} AS BIGINT)) END"
    )
    return filled(sql, value.type, value, start, count)


@function("flatten")
def _flatten(call: Call) -> Typed:
    value, element = _of(call)
    if not isinstance(element, Array):
        raise call.wrong_type(0, "an ARRAY of ARRAY")
    sql = (
        "CASE WHEN len(list_filter({0}, lambda e: e IS NULL)) = 0 "
        f"THEN coalesce(flatten({{0}}), {cast_sql('[]', element)}) END"
    )
    return filled(sql, element, value)


@function("get", arity=2)
def _get(call: Call) -> Typed:
    value, element = _of(call)
    index = call.take(1, INT)
    sql = "CASE WHEN {1} >= 0 THEN list_extract({0}, CAST({1} AS BIGINT) + 1) END"
    return filled(sql, element, value, index)


@function("element_at", "try_element_at", arity=2)
def _element_at(call: Call) -> Typed:
    value = call.raw(0)
    if isinstance(value.type, Map):
        key = call.raw(1)
        if common_type(key.type, value.type.key) != value.type.key or key.type == VOID:
            raise call.wrong_type(1, str(value.type.key))
        return map_value(value, cast(key, value.type.key, call.zone).sql, value.type)
    value, element = _of(call)
    index = call.raw(1)
    if index.type not in INTEGRAL[:3]:
        raise call.wrong_type(1, "INT")
    zero = raising("INVALID_INDEX_OF_ZERO", "'The index 0 is invalid: it begins with 1.'", element)
    outside = "NULL"
    if call.name == "element_at":
        message = "'The index ' || CAST({1} AS VARCHAR) || ' is out of bounds.'"
        outside = raising("INVALID_ARRAY_INDEX_IN_ELEMENT_AT", message, element)
    sql = (
        f"CASE WHEN {{1}} = 0 AND {{0}} IS NOT NULL THEN {zero} "
        f"WHEN abs({{1}}) > len({{0}}) THEN {outside} ELSE list_extract({{0}}, {{1}}) END"
    )
    return filled(sql, element, value, cast(index, INT, call.zone))


@function("sequence", arity=(2, 3))
def _sequence(call: Call) -> Typed:
    first, last = call.raw(0), call.raw(1)
    if first.type in (DATE, TIMESTAMP, NTZ) or last.type in (DATE, TIMESTAMP, NTZ):
        return _sequence_of_days(call, first, last)
    kind = common_type(first.type, last.type)
    if kind is None or kind not in (*INTEGRAL, VOID):
        raise Problem(
            "DATATYPE_MISMATCH.SEQUENCE_WRONG_INPUT_TYPES",
            f"sequence(..) goes from a number or date to another, not {first.type} to {last.type}.",
        )
    if len(call) > 2:
        given = call.raw(2)
        kind = common_type(kind, given.type)
        if kind not in INTEGRAL:
            raise call.wrong_type(2, "an integer")
        step = cast(given, kind, call.zone)
    else:
        kind = INT if kind == VOID else kind
        step = Typed(f"CASE WHEN {first.sql} <= {last.sql} THEN 1 ELSE -1 END", kind)
    a, b = cast(first, kind, call.zone), cast(last, kind, call.zone)
    failing = raising("INVALID_SEQUENCE", "'sequence(..) never arrives.'", Array(kind))
    steps = ", ".join(f"CAST({{{n}}} AS BIGINT)" for n in range(3))
    made = cast_sql(f"generate_series({steps})", Array(kind))
    sql = (
        "CASE WHEN {0} IS NULL OR {1} IS NULL OR {2} IS NULL THEN NULL "
        f"WHEN {{0}} = {{1}} AND {{2}} = 0 THEN {cast_sql('[{0}]', Array(kind))} "
        f"WHEN {{2}} = 0 OR ({{1}} > {{0}}) <> ({{2}} > 0) AND {{0}} <> {{1}} THEN {failing} "
        f"ELSE {made} END"
    )
    return filled(sql, Array(kind), a, b, step)


def _sequence_of_days(call: Call, first: Typed, last: Typed) -> Typed:
    """Dates step by days or months, timestamps by whole days."""
    if STRING in (first.type, last.type) or is_numeric(first.type) or is_numeric(last.type):
        raise Problem(
            "DATATYPE_MISMATCH.SEQUENCE_WRONG_INPUT_TYPES",
            f"sequence(..) does not go from {first.type} to {last.type}.",
        )
    kind = common_type(first.type, last.type)
    step = call.raw(2) if len(call) > 2 else None
    if step is not None and step.type not in INTERVALS:
        raise call.wrong_type(2, "an INTERVAL")
    if kind == TIMESTAMP and call.zone != "UTC":
        raise refused("sequence(..) of TIMESTAMP in another time zone than UTC")
    assert kind is not None
    if step is not None and step.type not in (DAY, YEAR_MONTH) and kind == DATE:
        raise refused("sequence(..) of dates by less than days")
    moves = (
        step.sql
        if step is not None
        else "CASE WHEN {0} <= {1} THEN to_days(1) ELSE to_days(-1) END"
    )
    a, b = cast(first, kind, call.zone), cast(last, kind, call.zone)
    clocks = (cast(a, NTZ, call.zone), cast(b, NTZ, call.zone))
    steps = "generate_series({0}, {1}, " + moves + ")"
    if step is not None and step.type == YEAR_MONTH:
        # Each step counts from the beginning, so the end of a month is found again.
        raise refused("sequence(..) by months", "Use add_months(first, n) over sequence(0, n).")
    made = filled(steps, Array(NTZ), *clocks)
    return cast(made, Array(kind), call.zone)
