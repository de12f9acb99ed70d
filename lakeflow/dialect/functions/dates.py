"""Functions over dates and instants."""

from __future__ import annotations

from lakeflow.core.schema import DATE, INT, TIMESTAMP
from lakeflow.dialect.functions.table import Call, function, simple
from lakeflow.dialect.typed import Typed

for _name, _part in (
    ("year", "year"),
    ("month", "month"),
    ("day dayofmonth", "day"),
    ("quarter", "quarter"),
    ("dayofyear", "dayofyear"),
    ("weekofyear", "week"),
):
    simple(_name, [DATE], INT, f"CAST({_part}({{0}}) AS INTEGER)")
simple("dayofweek", [DATE], INT, "CAST(dayofweek({0}) + 1 AS INTEGER)")
simple("datediff date_diff", [DATE, DATE], INT, "CAST({0} - {1} AS INTEGER)")


@function("current_timestamp", "now", arity=0, deterministic=False)
def _now(call: Call) -> Typed:  # noqa: ARG001 - every entry of the table is built alike
    sql = "coalesce(CAST(getvariable('lakeflow_now') AS TIMESTAMPTZ), now())"
    return Typed(sql, TIMESTAMP, volatile=True)
