"""Functions over strings."""

from __future__ import annotations

from lakeflow.core.schema import BOOLEAN, INT, STRING
from lakeflow.dialect.functions.table import Call, filled, function, simple
from lakeflow.dialect.typed import Typed

simple("length len char_length character_length", [STRING], INT, "CAST(length({0}) AS INTEGER)")
simple("startswith", [STRING, STRING], BOOLEAN, "starts_with({0}, {1})")
simple("endswith", [STRING, STRING], BOOLEAN, "ends_with({0}, {1})")
simple("contains", [STRING, STRING], BOOLEAN, "contains({0}, {1})")


@function("trim", "ltrim", "rtrim")
def _trim(call: Call) -> Typed:
    return filled(f"{call.name}({{0}}, ' ')", STRING, call.take(0, STRING))


@function("concat", arity=(1, None))
def _concat(call: Call) -> Typed:
    values = [call.take(index, STRING) for index in range(len(call))]
    slots = " || ".join("{" + str(n) + "}" for n in range(len(values)))
    return filled(f"({slots})", STRING, *values)
