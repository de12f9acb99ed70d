"""Functions over numbers."""

from __future__ import annotations

from lakeflow.core.schema import DOUBLE
from lakeflow.dialect.functions.table import Call, filled, function, simple
from lakeflow.dialect.typed import Typed
from lakeflow.dialect.types import is_numeric

simple("exp", [DOUBLE], DOUBLE, "exp({0})")


@function("abs")
def _abs(call: Call) -> Typed:
    value = call.raw(0)
    if not is_numeric(value.type):
        value = call.take(0, DOUBLE)
    return filled("abs({0})", value.type, value)
