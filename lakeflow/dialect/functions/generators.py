"""Functions that make rows of one row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lakeflow.core.schema import INT, Array, DataType, Map, Struct
from lakeflow.dialect.functions.table import Call
from lakeflow.dialect.typed import Typed, text
from lakeflow.dialect.types import identifier


@dataclass(frozen=True)
class Generated:
    """What a generator makes.

    Args:
        names: Spark's names of its columns.
        types: Their types.
        list: The array of what is made, in DuckDB's SQL.
        items: Each column over `e`, one element, and `p`, its position from 0.
        positioned: Whether a column is the position.
    """

    names: tuple[str, ...]
    types: tuple[DataType, ...]
    list: str
    items: tuple[str, ...]
    positioned: bool = False

    def select(self, exported: tuple[str, ...]) -> str:
        """The SELECT that makes the rows, without the word itself."""
        inner = f"SELECT unnest({self.list}) AS e"
        if self.positioned:
            inner += f", generate_subscripts({self.list}, 1) - 1 AS p"
        listed = ", ".join(
            f"{item} AS {identifier(name)}" for item, name in zip(self.items, exported, strict=True)
        )
        return f"{listed} FROM ({inner})"


@dataclass(frozen=True)
class Entry:
    """A generator of the table: its arguments, and whether it keeps a row it makes nothing of."""

    minimum: int
    maximum: int
    build: Callable[[Call], Generated]
    outer: bool = False


def _explode(call: Call) -> Generated:
    value = call.raw(0)
    if isinstance(value.type, Array):
        return Generated(("col",), (value.type.element,), value.sql, ("e",))
    if isinstance(value.type, Map):
        return _entries(value, value.type)
    raise call.wrong_type(0, "an ARRAY or a MAP")


def _entries(value: Typed, kind: Map) -> Generated:
    items = ("(e).key", "(e).value")
    return Generated(("key", "value"), (kind.key, kind.value), f"map_entries({value.sql})", items)


def _posexplode(call: Call) -> Generated:
    made = _explode(call)
    return Generated(
        ("pos", *made.names),
        (INT, *made.types),
        made.list,
        ("CAST(p AS INTEGER)", *made.items),
        positioned=True,
    )


def _inline(call: Call) -> Generated:
    value = call.raw(0)
    if not isinstance(value.type, Array) or not isinstance(value.type.element, Struct):
        raise call.wrong_type(0, "an ARRAY of STRUCT")
    fields = value.type.element.fields
    return Generated(
        tuple(field.name for field in fields),
        tuple(field.type for field in fields),
        value.sql,
        tuple(f"struct_extract(e, {text(field.name)})" for field in fields),
    )


GENERATORS: dict[str, Entry] = {
    "explode": Entry(1, 1, _explode),
    "explode_outer": Entry(1, 1, _explode, outer=True),
    "posexplode": Entry(1, 1, _posexplode),
    "posexplode_outer": Entry(1, 1, _posexplode, outer=True),
    "inline": Entry(1, 1, _inline),
    "inline_outer": Entry(1, 1, _inline, outer=True),
}
