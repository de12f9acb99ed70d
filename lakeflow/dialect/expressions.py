"""Expressions: each node of the tree becomes DuckDB's SQL with Spark's type.

A node whose class has no handler here is refused by name, and so is a part of a node that its
handler does not know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from sqlglot import exp

from lakeflow.core.errors import LakeflowError
from lakeflow.core.names import nearest
from lakeflow.core.schema import Array, Field, Map, Struct
from lakeflow.dialect.scope import Analysis, Column, matching
from lakeflow.dialect.typed import Problem, Typed, text
from lakeflow.dialect.types import identifier

if TYPE_CHECKING:
    from lakeflow.dialect.aggregation import Grouping
    from lakeflow.dialect.queries import Queries

Handler = Callable[["Expressions", exp.Expr], Typed]

HANDLERS: dict[type[exp.Expr], Handler] = {}
"""How each class of node is lowered; filled by the modules that know them."""


BARE: dict[str, Callable[[Expressions, exp.Expr], Typed]] = {}
"""Functions that are called without parentheses where no column has their name."""

EXPECTATION = "an expectation"
"""What the place of an expectation's condition is called."""


class Expressions:
    """Lowers expressions at one place of a query.

    Args:
        analysis: What the whole query shares.
        columns: What names can mean here.
        clause: What the place is called in messages, such as `WHERE`.
        queries: Lowers subqueries; None where none may stand.
        outer: The place around a subquery, whose columns it may use too.
    """

    def __init__(
        self,
        analysis: Analysis,
        columns: tuple[Column, ...],
        clause: str,
        *,
        queries: Queries | None = None,
        outer: Expressions | None = None,
    ) -> None:
        self.analysis = analysis
        self.columns = columns
        self.clause = clause
        self.queries = queries
        self.outer = outer
        self.aliases: dict[str, Typed] = {}
        self.preferred: dict[str, Typed] = {}
        self.grouping: Grouping | None = None
        self.windows: Mapping[str, exp.Window] | None = None
        self.lambdas: list[dict[str, Typed]] = []
        self.streaming = False

    @property
    def zone(self) -> str:
        """The session's time zone."""
        return self.analysis.time_zone

    def lower(self, node: exp.Expr) -> Typed:
        """Lowers one expression.

        Raises:
            DefinitionError: It is wrong.
            UnsupportedError: It holds what is not supported.
        """
        if self.grouping is not None:
            key = self.grouping.key_of(node)
            if key is not None:
                return key
        handler = HANDLERS.get(type(node))
        if handler is None:
            raise self.analysis.unsupported(node, f"The expression {_spoken(node)}")
        try:
            return handler(self, node)
        except Problem as problem:
            raise self.located(node, problem) from None

    def located(self, node: exp.Expr, problem: Problem) -> Exception:
        """A problem as an error with its place."""
        if not problem.condition:
            return self.analysis.unsupported(node, problem.message, problem.hint)
        return self.analysis.error(node, problem.condition, problem.message, problem.hint)

    def attempt(self, node: exp.Expr) -> Typed | None:
        """Lowers an expression, or gives None where it cannot stand here."""
        try:
            return self.lower(node)
        except LakeflowError:
            return None

    def name(self, node: exp.Expr, parts: tuple[str, ...]) -> Typed:
        """What a dotted name means here."""
        first = parts[0].lower()
        for names in reversed(self.lambdas):
            if first in names:
                return extracted(names[first], parts[1:])
        if first in self.preferred and len(parts) == 1:
            return self.preferred[first]
        if first == "window" and self.grouping is not None:
            window = self.grouping.windowed()
            if window is not None:
                return extracted(window, parts[1:])
        found = self._column(node, parts)
        if found is not None:
            return found
        if first in self.aliases:
            value = self.aliases[first]
            if value.volatile:
                raise self.analysis.unsupported(
                    node, f"A second use of {parts[0]}, which is not deterministic,"
                )
            return extracted(value, parts[1:])
        if self.outer is not None:
            return self.outer.name(node, parts)
        if first in BARE and len(parts) == 1:
            return BARE[first](self, node)
        written = ".".join(f"`{part}`" for part in parts)
        raise self.analysis.error(
            node,
            "UNRESOLVED_COLUMN.WITH_SUGGESTION",
            f"A column named {written} does not exist here.",
            nearest(parts[-1], self.known_names()),
        )

    def known_names(self) -> list[str]:
        """The columns' names, for suggestions."""
        names = [column.name for column in self.columns] + list(self.aliases)
        return names + (self.outer.known_names() if self.outer is not None else [])

    def _column(self, node: exp.Expr, parts: tuple[str, ...]) -> Typed | None:
        found, used = matching(self.columns, parts)
        if not found:
            return None
        if len({column.value.sql for column in found}) > 1:
            candidates = ", ".join(".".join((*column.qualifier, column.name)) for column in found)
            raise self.analysis.error(
                node,
                "AMBIGUOUS_REFERENCE",
                f"{'.'.join(parts[:used])} can mean {candidates}.",
                "Put the name of the table in front.",
            )
        column = found[0]
        if self.grouping is not None:
            raise self.analysis.error(
                node,
                "MISSING_AGGREGATION",
                f"{'.'.join(parts)} is neither in GROUP BY nor inside an aggregate function.",
                f"Add it to GROUP BY, or use any_value({'.'.join(parts)}).",
            )
        if column.reference is not None:
            self.analysis.metadata.add(column.reference)
        return extracted(column.value, parts[used:])


def extracted(value: Typed, parts: tuple[str, ...]) -> Typed:
    """Fields of a struct, one inside the other; of an array of structs, an array of them.

    Raises:
        Problem: There is no such field.
    """
    for part in parts:
        value = _field(value, part)
    return value


def _field(value: Typed, part: str) -> Typed:
    kind = value.type
    if isinstance(kind, Struct):
        field = _find(kind, part)
        return value.with_sql(f"struct_extract({value.sql}, {text(field.name)})", field.type)
    if isinstance(kind, Array) and isinstance(kind.element, Struct):
        field = _find(kind.element, part)
        sql = f"list_transform({value.sql}, lambda e: struct_extract(e, {text(field.name)}))"
        return value.with_sql(sql, Array(field.type))
    if isinstance(kind, Map):
        from lakeflow.dialect.nested import map_value

        return map_value(value, text(part), kind)
    raise Problem(
        "INVALID_EXTRACT_BASE_FIELD_TYPE", f"{part!r} is asked of a {kind}, which has no fields."
    )


def _find(kind: Struct, part: str) -> Field:
    found = [field for field in kind.fields if field.name.lower() == part.lower()]
    if len(found) > 1:
        raise Problem("AMBIGUOUS_REFERENCE_TO_FIELDS", f"The field {part} occurs twice.")
    if not found:
        names = [field.name for field in kind.fields]
        raise Problem(
            "FIELD_NOT_FOUND",
            f"No field named {part} in {kind}.",
            nearest(part, names) or f"It has: {', '.join(names)}.",
        )
    return found[0]


def column_sql(relation: str, name: str) -> str:
    """A column of a relation in DuckDB's SQL."""
    return f"{identifier(relation)}.{identifier(name)}"


def handler(*kinds: type[exp.Expr]) -> Callable[[Handler], Handler]:
    """Registers how a class of node is lowered."""

    def register(function: Handler) -> Handler:
        for kind in kinds:
            HANDLERS[kind] = function
        return function

    return register


def _spoken(node: exp.Expr) -> str:
    written = node.sql(dialect="databricks")
    return f"{type(node).__name__} ({written if len(written) <= 60 else written[:57] + '...'})"
