"""Which columns a name can mean at one place of a query."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lakeflow.core.schema import Field, Schema
from lakeflow.dialect.typed import Typed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlglot import exp

    from lakeflow.core.schema import Struct
    from lakeflow.dialect.references import Reads


@dataclass(frozen=True, slots=True)
class Column:
    """A column that a FROM clause offers.

    Args:
        name: As declared.
        value: How to refer to it.
        qualifier: Parts of the name of its relation, the last being the alias.
        hidden: Whether `*` leaves it out.
        shadowed: Whether a bare name means the merged column of USING instead.
        reference: Key of the reference whose `_metadata` it is.
    """

    name: str
    value: Typed
    qualifier: tuple[str, ...]
    hidden: bool = False
    shadowed: bool = False
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Relation:
    """A lowered query or source.

    Args:
        sql: A SELECT.
        fields: Names and types of its columns for who reads it.
        exported: The same columns' names in the SQL, which never differ by case alone.
        streaming: Whether a STREAM feeds it.
    """

    sql: str
    fields: tuple[Field, ...]
    exported: tuple[str, ...]
    streaming: bool


@dataclass(frozen=True, slots=True)
class Source:
    """A lowered FROM clause: its SQL, the columns it offers, whether a STREAM feeds it."""

    sql: str
    columns: tuple[Column, ...]
    streaming: bool


@dataclass
class Analysis:
    """What the lowering of one query gathers.

    Args:
        reads: The tree and what it reads.
        inputs: Columns of each reference.
        hidden: Type of the `_metadata` of those references that have one.
        time_zone: The session's time zone.
        streams: References that a stream feeds though they are not read with STREAM.
    """

    reads: Reads
    inputs: Mapping[str, Schema]
    hidden: Mapping[str, Struct]
    time_zone: str
    streams: frozenset[str] = frozenset()
    deterministic: bool = True
    stateful: list[str] = field(default_factory=list)
    metadata: set[str] = field(default_factory=set)
    aliases: set[str] = field(default_factory=set)

    def alias(self, wish: str) -> str:
        """A relation's name that nothing else in the SQL has."""
        name, number = wish, 1
        while name.lower() in self.aliases:
            number += 1
            name = f"{wish}_{number}"
        self.aliases.add(name.lower())
        return name

    def keeps_state(self, reason: str) -> None:
        """Notes why the query cannot run batch by batch."""
        if reason not in self.stateful:
            self.stateful.append(reason)

    def error(
        self, node: exp.Expr, condition: str, message: str, hint: str | None = None
    ) -> Exception:
        """An error of the user's at a node."""
        return self.reads.tree.error(node, condition, message, hint)

    def unsupported(self, node: exp.Expr, what: str, hint: str | None = None) -> Exception:
        """The refusal of something that Spark knows and we do not."""
        return self.reads.tree.unsupported(node, what, hint)

    def only(self, node: exp.Expr, *known: str) -> None:
        """Refuses parts of a node of which the caller does not know."""
        self.reads.tree.only(node, *known)


def unique(names: list[str]) -> tuple[str, ...]:
    """The names, those that repeat another whatever the case with a number behind."""
    taken: set[str] = set()
    found = []
    for name in names:
        wish, number = name, 1
        while wish.lower() in taken:
            number += 1
            wish = f"{name}_{number}"
        taken.add(wish.lower())
        found.append(wish)
    return tuple(found)


def matching(columns: tuple[Column, ...], parts: tuple[str, ...]) -> tuple[list[Column], int]:
    """The columns that a dotted name means and how many of its parts name them.

    A qualified reading wins over a column whose fields the later parts would be.
    """
    lowered = tuple(part.lower() for part in parts)
    for used in range(min(len(parts), 4), 1, -1):
        qualifier, name = lowered[: used - 1], lowered[used - 1]
        found = [
            column
            for column in columns
            if column.name.lower() == name and _ends_with(column.qualifier, qualifier)
        ]
        if found:
            return found, used
    return [c for c in columns if c.name.lower() == lowered[0] and not c.shadowed], 1


def _ends_with(whole: tuple[str, ...], ending: tuple[str, ...]) -> bool:
    if len(ending) > len(whole):
        return False
    return tuple(part.lower() for part in whole[len(whole) - len(ending) :]) == ending
