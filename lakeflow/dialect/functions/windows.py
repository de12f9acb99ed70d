"""Functions that exist only over a window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lakeflow.core.schema import DOUBLE, INT, VOID
from lakeflow.dialect.functions.aggregates import Aggregate
from lakeflow.dialect.functions.table import Call
from lakeflow.dialect.operators import unify
from lakeflow.dialect.typed import refused

Build = Callable[[Call, bool], Aggregate]


@dataclass(frozen=True)
class Entry:
    """A window function of the table.

    Args:
        minimum: Fewest arguments.
        maximum: Most arguments.
        build: Lowers a call, given whether IGNORE NULLS is written.
        needs_order: Whether Spark demands ORDER BY.
        takes_frame: Whether a frame means anything.
    """

    minimum: int
    maximum: int
    build: Build
    needs_order: bool = True
    takes_frame: bool = False


def _rank(name: str, integer: bool) -> Build:
    def build(call: Call, ignore: bool) -> Aggregate:
        if ignore:
            raise refused(f"IGNORE NULLS of {call.name}(..)")
        pattern = "CAST({0} AS INTEGER)" if integer else "{0}"
        return Aggregate((f"{name}()",), pattern, INT if integer else DOUBLE)

    return build


def _ntile(call: Call, ignore: bool) -> Aggregate:
    count = call.whole(0) if len(call) else 1
    if ignore or count < 1:
        raise refused(f"ntile({count})")
    return Aggregate((f"ntile({count})",), "CAST({0} AS INTEGER)", INT)


def _neighbour(call: Call, ignore: bool) -> Aggregate:
    value = call.raw(0)
    if value.type == VOID:
        raise refused(f"{call.name}(NULL)")
    offset = call.whole(1) if len(call) > 1 else 1
    nulls = " IGNORE NULLS" if ignore else ""
    default = ""
    if len(call) > 2:
        value, other = unify([value, call.raw(2)], call.zone, call.name)
        if call.raw(2).type != VOID:
            default = f", {other.sql}"
    return Aggregate((f"{call.name}({value.sql}, {offset}{default}{nulls})",), "{0}", value.type)


def _nth(call: Call, ignore: bool) -> Aggregate:
    value, position = call.raw(0), call.whole(1)
    nulls = " IGNORE NULLS" if ignore else ""
    return Aggregate((f"nth_value({value.sql}, {position}{nulls})",), "{0}", value.type)


WINDOWS: dict[str, Entry] = {
    "row_number": Entry(0, 0, _rank("row_number", True)),
    "rank": Entry(0, 0, _rank("rank", True)),
    "dense_rank": Entry(0, 0, _rank("dense_rank", True)),
    "percent_rank": Entry(0, 0, _rank("percent_rank", False)),
    "cume_dist": Entry(0, 0, _rank("cume_dist", False)),
    "ntile": Entry(0, 1, _ntile),
    "lag": Entry(1, 3, _neighbour),
    "lead": Entry(1, 3, _neighbour),
    "nth_value": Entry(2, 2, _nth, takes_frame=True),
}
