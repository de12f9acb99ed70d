"""Functions over maps and structs."""

from __future__ import annotations

from sqlglot import exp

from lakeflow.core.schema import BOOLEAN, STRING, VOID, Array, DataType, Field, Map, Struct
from lakeflow.dialect.casts import cast
from lakeflow.dialect.functions.table import Call, filled, function
from lakeflow.dialect.naming import output_name
from lakeflow.dialect.operators import unify
from lakeflow.dialect.typed import Problem, Typed, cast_sql, raising, refused
from lakeflow.dialect.types import common_type, identifier


def checked_map(entries: str, kind: Map) -> str:
    """A map of entries, which raises where a key is NULL or occurs twice."""
    null_key = raising("NULL_MAP_KEY", "'A key of a map is NULL.'", kind)
    twice = raising("DUPLICATED_MAP_KEY", "'A key of a map occurs twice.'", kind)
    return (
        f"list_transform([{entries}], lambda a: CASE "
        f"WHEN len(list_filter(a, lambda e: (e).key IS NULL)) > 0 THEN {null_key} "
        f"WHEN len(list_distinct(list_transform(a, lambda e: (e).key))) < len(a) THEN {twice} "
        f"ELSE map_from_entries(a) END)[1]"
    )


@function("map", arity=(0, None))
def _map(call: Call) -> Typed:
    if len(call) % 2:
        raise Problem("WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "map(..) takes keys with values.")
    if not call.nodes:
        return Typed(cast_sql("MAP {}", Map(VOID, VOID)), Map(VOID, VOID))
    keys = unify([call.raw(n) for n in range(0, len(call), 2)], call.zone, "map(..)")
    values = unify([call.raw(n) for n in range(1, len(call), 2)], call.zone, "map(..)")
    kind = Map(keys[0].type, values[0].type)
    if isinstance(kind.key, Map):
        raise Problem("DATATYPE_MISMATCH.INVALID_MAP_KEY_TYPE", "A map cannot be a key.")
    pairs = ", ".join(
        f"struct_pack(key := {k.sql}, value := {v.sql})" for k, v in zip(keys, values, strict=True)
    )
    volatile = any(value.volatile for value in (*keys, *values))
    constants = [key.constant for key in keys]
    if all(key.is_constant and key.constant is not None for key in keys) and len(
        set(map(str, constants))
    ) == len(constants):
        return Typed(cast_sql(f"map_from_entries([{pairs}])", kind), kind, volatile=volatile)
    return Typed(cast_sql(checked_map(f"[{pairs}]", kind), kind), kind, volatile=volatile)


def _of(call: Call, index: int = 0) -> tuple[Typed, Map]:
    value = call.raw(index)
    if value.type == VOID:
        raise refused(f"{call.name}(NULL)")
    if not isinstance(value.type, Map):
        raise call.wrong_type(index, "a MAP")
    return value, value.type


@function("map_keys")
def _keys(call: Call) -> Typed:
    value, kind = _of(call)
    return filled("map_keys({0})", Array(kind.key), value)


@function("map_values")
def _values(call: Call) -> Typed:
    value, kind = _of(call)
    return filled("map_values({0})", Array(kind.value), value)


@function("map_entries")
def _entries(call: Call) -> Typed:
    value, kind = _of(call)
    fields = (Field("key", kind.key), Field("value", kind.value))
    return filled("map_entries({0})", Array(Struct(fields)), value)


@function("map_contains_key", arity=2)
def _contains_key(call: Call) -> Typed:
    value, kind = _of(call)
    key = call.raw(1)
    found = common_type(kind.key, key.type)
    if key.type == VOID:
        raise Problem("DATATYPE_MISMATCH.NULL_TYPE", "map_contains_key(..) of NULL.")
    if found != kind.key:
        raise Problem(
            "DATATYPE_MISMATCH.MAP_FUNCTION_DIFF_TYPES",
            f"map_contains_key(..) looks for {key.type} in {kind}.",
        )
    inner = cast(key, kind.key, call.zone)
    sql = "CASE WHEN {1} IS NOT NULL THEN list_contains(map_keys({0}), {1}) END"
    return filled(sql, BOOLEAN, value, inner)


@function("map_from_arrays", arity=2)
def _from_arrays(call: Call) -> Typed:
    keys, values = call.raw(0), call.raw(1)
    if not isinstance(keys.type, Array) or not isinstance(values.type, Array):
        raise refused(f"map_from_arrays(..) of {keys.type} and {values.type}")
    kind = Map(keys.type.element, values.type.element)
    uneven = raising("INVALID_MAP", "'There are not as many keys as values.'", kind)
    entries = (
        f"list_transform({keys.sql}, lambda k, n: struct_pack(key := k, "
        f"value := list_extract({values.sql}, n)))"
    )
    sql = (
        f"CASE WHEN len({keys.sql}) <> len({values.sql}) THEN {uneven} "
        f"WHEN {keys.sql} IS NOT NULL AND {values.sql} IS NOT NULL "
        f"THEN {checked_map(entries, kind)} END"
    )
    return Typed(cast_sql(sql, kind), kind, volatile=keys.volatile or values.volatile)


@function("map_from_entries")
def _from_entries(call: Call) -> Typed:
    value = call.raw(0)
    element = value.type.element if isinstance(value.type, Array) else None
    if not isinstance(element, Struct) or len(element.fields) != 2:
        raise call.wrong_type(0, "an ARRAY of STRUCT of two fields")
    kind = Map(element.fields[0].type, element.fields[1].type)
    parts = [f"struct_extract_at(e, {n})" for n in (1, 2)]
    entries = (
        f"list_transform({value.sql}, lambda e: "
        f"struct_pack(key := {parts[0]}, value := {parts[1]}))"
    )
    sql = (
        f"CASE WHEN len(list_filter({value.sql}, lambda e: e IS NULL)) = 0 "
        f"THEN {checked_map(entries, kind)} END"
    )
    return value.with_sql(cast_sql(sql, kind), kind)


@function("map_concat", arity=(0, None))
def _concat(call: Call) -> Typed:
    if not call.nodes:
        return Typed(cast_sql("MAP {}", Map(STRING, STRING)), Map(STRING, STRING))
    kind: DataType = call.raw(0).type
    for value in call.all:
        found = common_type(kind, value.type)
        if not isinstance(value.type, Map) or found is None:
            raise Problem(
                "DATATYPE_MISMATCH.MAP_CONCAT_DIFF_TYPES", "map_concat(..) takes maps of one type."
            )
        kind = found
    assert isinstance(kind, Map)
    values = [cast(value, kind, call.zone) for value in call.all]
    entries = f"map_entries({values[0].sql})"
    for value in values[1:]:
        entries = f"list_concat({entries}, map_entries({value.sql}))"
    present = " AND ".join(f"{value.sql} IS NOT NULL" for value in values)
    volatile = any(value.volatile for value in values)
    return Typed(
        f"CASE WHEN {present} THEN {checked_map(entries, kind)} END", kind, volatile=volatile
    )


def _packed(names: list[str], values: list[Typed]) -> Typed:
    lowered = [name.lower() for name in names]
    if len(set(lowered)) < len(lowered):
        raise refused("A struct in which a name occurs twice", "Name the fields differently.")
    kind = Struct(tuple(Field(n, v.type) for n, v in zip(names, values, strict=True)))
    items = ", ".join(
        f"{identifier(n)} := {cast_sql('NULL', VOID) if v.type == VOID else v.sql}"
        for n, v in zip(names, values, strict=True)
    )
    volatile = any(value.volatile for value in values)
    return Typed(f"struct_pack({items})", kind, volatile=volatile)


@function("named_struct", arity=(0, None))
def _named_struct(call: Call) -> Typed:
    if not call.nodes:
        raise refused("named_struct() without fields")
    if len(call) % 2:
        raise Problem(
            "WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "named_struct(..) takes names with values."
        )
    names = []
    for index in range(0, len(call), 2):
        name = call.raw(index).constant
        if not isinstance(name, str):
            raise Problem(
                "DATATYPE_MISMATCH.CREATE_NAMED_STRUCT_WITHOUT_FOLDABLE_STRING",
                "A name in named_struct(..) is a constant string.",
            )
        names.append(name)
    return _packed(names, [call.raw(index) for index in range(1, len(call), 2)])


@function("struct", arity=(0, None))
def _struct(call: Call) -> Typed:
    if not call.nodes:
        raise refused("struct() without fields")
    names, values = [], []
    for position, node in enumerate(call.nodes, 1):
        inner = node.this if isinstance(node, exp.Alias) else node
        if isinstance(node, exp.Star) or (
            isinstance(inner, exp.Column) and isinstance(inner.this, exp.Star)
        ):
            raise refused("struct(*)", "Name the columns.")
        if isinstance(node, exp.Alias):
            names.append(node.alias)
        elif isinstance(node, exp.PropertyEQ | exp.Kwarg):
            raise refused("A named argument of struct(..)", "Write struct(value AS name).")
        elif isinstance(inner, exp.Column | exp.Dot | exp.Identifier):
            names.append(output_name(inner))
        else:
            names.append(f"col{position}")
        values.append(call.here.lower(inner))
    return _packed(names, values)
