"""Functions that choose between values."""

from __future__ import annotations

from lakeflow.core.schema import (
    BIGINT,
    BINARY,
    BOOLEAN,
    DATE,
    DOUBLE,
    FLOAT,
    INT,
    SMALLINT,
    STRING,
    TIMESTAMP,
    TINYINT,
    VOID,
    Array,
    DataType,
    Decimal,
    Map,
    Struct,
)
from lakeflow.dialect.casts import cast
from lakeflow.dialect.functions.table import Call, filled, function
from lakeflow.dialect.nodes import string
from lakeflow.dialect.operators import comparison, condition, unify
from lakeflow.dialect.typed import NULL, Typed, refused
from lakeflow.dialect.types import INTERVALS, common_type


def _same(call: Call, *indexes: int) -> list[Typed]:
    """Arguments brought to the one type that holds all of them."""
    values = [call.raw(index) for index in indexes]
    kind = values[0].type
    for value in values[1:]:
        found = common_type(kind, value.type)
        if found is None:
            raise call.wrong_type(indexes[-1], str(kind))
        kind = found
    return [cast(value, kind, call.zone) for value in values]


@function("coalesce", arity=(1, None))
def _coalesce(call: Call) -> Typed:
    values = _same(call, *range(len(call)))
    slots = ", ".join("{" + str(n) + "}" for n in range(len(values)))
    return filled(f"coalesce({slots})", values[0].type, *values)


@function("ifnull", "nvl", arity=2)
def _ifnull(call: Call) -> Typed:
    values = _same(call, 0, 1)
    return filled("coalesce({0}, {1})", values[0].type, *values)


@function("nullif", arity=2)
def _nullif(call: Call) -> Typed:
    value = call.raw(0)
    test = comparison("=", value, call.raw(1), call.zone)
    return filled("CASE WHEN {0} THEN NULL ELSE {1} END", value.type, test, value)


@function("if", arity=3)
def _if(call: Call) -> Typed:
    chosen = condition(call.raw(0), "if(..)", call.zone)
    values = _same(call, 1, 2)
    return filled("CASE WHEN {0} THEN {1} ELSE {2} END", values[0].type, chosen, *values)


@function("greatest", arity=(2, None))
def _greatest(call: Call) -> Typed:
    return _extreme(call, "greatest")


@function("least", arity=(2, None))
def _least(call: Call) -> Typed:
    return _extreme(call, "least")


def _extreme(call: Call, name: str) -> Typed:
    mixed = {value.type == STRING for value in call.all if value.type != VOID}
    if len(mixed) > 1:
        raise call.wrong_type(1, str(call.raw(0).type))
    values = _same(call, *range(len(call)))
    slots = ", ".join("{" + str(n) + "}" for n in range(len(values)))
    return filled(f"{name}({slots})", values[0].type, *values)


def decoded(call: Call) -> Typed:
    """decode(value, key, result, .., default): the result of the first key that is the value."""
    value = call.raw(0)
    pairs = range(1, len(call) - 1, 2)
    tests = [comparison("<=>", value, call.raw(index), call.zone) for index in pairs]
    results = [call.raw(index + 1) for index in pairs]
    default = call.raw(len(call) - 1) if len(call) % 2 == 0 else NULL
    *results, default = unify([*results, default], call.zone, "decode(..)")
    branches = " ".join(
        f"WHEN {test.sql} THEN {result.sql}" for test, result in zip(tests, results, strict=True)
    )
    volatile = any(value.volatile for value in call.all)
    return Typed(f"CASE {branches} ELSE {default.sql} END", default.type, volatile=volatile)


@function("isnull")
def _isnull(call: Call) -> Typed:
    return filled("({0} IS NULL)", BOOLEAN, call.raw(0))


@function("isnotnull")
def _isnotnull(call: Call) -> Typed:
    return filled("({0} IS NOT NULL)", BOOLEAN, call.raw(0))


@function("nvl2", arity=3)
def _nvl2(call: Call) -> Typed:
    values = _same(call, 1, 2)
    sql = "CASE WHEN {0} IS NOT NULL THEN {1} ELSE {2} END"
    return filled(sql, values[0].type, call.raw(0), *values)


@function("equal_null", arity=2)
def _equal_null(call: Call) -> Typed:
    return comparison("<=>", call.raw(0), call.raw(1), call.zone)


@function("typeof")
def _typeof(call: Call) -> Typed:
    if call.raw(0).type in INTERVALS:
        raise refused(f"typeof(..) of {call.raw(0).type}")
    return string(spelled(call.raw(0).type))


def spelled(kind: DataType) -> str:
    """A type as Spark writes it in small letters."""
    match kind:
        case Array(element):
            return f"array<{spelled(element)}>"
        case Map(key, value):
            return f"map<{spelled(key)},{spelled(value)}>"
        case Struct(fields):
            inner = ",".join(f"{field.name}:{spelled(field.type)}" for field in fields)
            return f"struct<{inner}>"
    return str(kind).lower()


_CASTS: dict[str, DataType] = {
    "boolean": BOOLEAN,
    "tinyint": TINYINT,
    "smallint": SMALLINT,
    "int": INT,
    "bigint": BIGINT,
    "float": FLOAT,
    "double": DOUBLE,
    "string": STRING,
    "binary": BINARY,
    "date": DATE,
    "timestamp": TIMESTAMP,
    "decimal": Decimal(10, 0),
}


@function(*_CASTS)
def _cast(call: Call) -> Typed:
    return cast(call.raw(0), _CASTS[call.name], call.zone)
