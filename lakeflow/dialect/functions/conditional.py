"""Functions that choose between values."""

from __future__ import annotations

from lakeflow.core.schema import STRING, VOID
from lakeflow.dialect.functions.table import Call, filled, function
from lakeflow.dialect.operators import comparison, condition
from lakeflow.dialect.typed import Typed


def _same(call: Call, *indexes: int) -> list[Typed]:
    """Arguments brought to the one type that holds all of them."""
    from lakeflow.dialect.casts import cast
    from lakeflow.dialect.types import common_type

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
