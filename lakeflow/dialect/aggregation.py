"""GROUP BY and aggregate functions: one relation of keys and aggregates below the SELECT list."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlglot import exp

from lakeflow.core.schema import BIGINT, TINYINT
from lakeflow.dialect.expressions import Expressions, column_sql
from lakeflow.dialect.functions.aggregates import AGGREGATES, Aggregate
from lakeflow.dialect.functions.table import Call, check_arity
from lakeflow.dialect.operators import condition
from lakeflow.dialect.typed import Problem, Typed, keyed, refused, unnamed
from lakeflow.dialect.types import identifier

if TYPE_CHECKING:
    from lakeflow.dialect.scope import Analysis


@dataclass(frozen=True)
class AggregateParts:
    """An aggregate call taken apart.

    Args:
        name: The function, in lower case.
        call: The call itself.
        nodes: Its arguments.
        distinct: Whether DISTINCT stands before them.
        filter: The condition of FILTER.
        ignore_nulls: Whether IGNORE NULLS stands behind.
        within: The ORDER BY of WITHIN GROUP.
    """

    name: str
    call: exp.Expr
    nodes: list[exp.Expr]
    distinct: bool = False
    filter: exp.Expr | None = None
    ignore_nulls: bool = False
    within: exp.Order | None = None


def aggregate_parts(node: exp.Expr) -> AggregateParts:
    """Takes an aggregate call apart.

    Raises:
        Problem: It has a form that we do not know.
    """
    condition_node, ignore, within = None, False, None
    while not isinstance(node, exp.Anonymous):
        match node:
            case exp.Filter():
                condition_node = node.expression.this
            case exp.IgnoreNulls():
                ignore = True
            case exp.RespectNulls():
                pass
            case exp.WithinGroup():
                within = node.expression
            case _:
                raise refused(f"{type(node).__name__} around an aggregate function")
        node = node.this
    nodes = list(node.expressions)
    distinct = len(nodes) == 1 and isinstance(nodes[0], exp.Distinct)
    if distinct:
        nodes = list(nodes[0].expressions)
    return AggregateParts(
        str(node.this).lower(), node, nodes, distinct, condition_node, ignore, within
    )


def lower_aggregate(here: Expressions, parts: AggregateParts) -> tuple[Aggregate, str]:
    """Lowers the arguments of an aggregate call at a place.

    Returns:
        The aggregate and the FILTER clause, empty if there is none.
    """
    entry = AGGREGATES[parts.name]
    if parts.within is not None:
        raise refused(f"WITHIN GROUP of {parts.name}(..)")
    check_arity(parts.name, len(parts.nodes), entry.minimum, entry.maximum)
    call = Call(here, parts.name, parts.nodes, parts.call)
    aggregate = entry.build(call, parts.distinct, parts.ignore_nulls)
    clause = ""
    if parts.filter is not None:
        test = condition(here.lower(parts.filter), "FILTER", here.zone)
        clause = f" FILTER (WHERE {test.sql})"
    return aggregate, clause


@dataclass
class Grouping:
    """The keys and aggregates of one SELECT.

    Args:
        inner: Lowers below the aggregation.
        relation: Alias of the aggregated relation.
    """

    inner: Expressions
    relation: str
    keys: list[Typed] = field(default_factory=list)
    aggregates: list[str] = field(default_factory=list)
    sets: str = ""
    window: int | None = None

    @property
    def analysis(self) -> Analysis:
        """What the whole query shares."""
        return self.inner.analysis

    def key_of(self, node: exp.Expr) -> Typed | None:
        """The key that an expression is, if it is one."""
        if not self.keys or isinstance(node, exp.Literal | exp.Star) or _has_query(node):
            return None
        if contains_aggregate(node):
            return None
        value = self.inner.attempt(node)
        if value is None:
            return None
        for position, key in enumerate(self.keys):
            if unnamed(key.sql) == unnamed(value.sql):
                return Typed(column_sql(self.relation, f"k{position}"), key.type)
        return None

    def windowed(self) -> Typed | None:
        """The key that is a window of time, which is called `window`."""
        if self.window is None:
            return None
        key = self.keys[self.window]
        return Typed(column_sql(self.relation, f"k{self.window}"), key.type)

    def aggregate(self, node: exp.Expr) -> Typed:
        """Adds an aggregate and gives the expression over it."""
        parts = aggregate_parts(node)
        if parts.name in ("grouping", "grouping_id"):
            return self._grouping(parts)
        for below in parts.nodes:
            if contains_aggregate(below):
                raise Problem(
                    "NESTED_AGGREGATE_FUNCTION",
                    f"{parts.name}(..) holds another aggregate function.",
                    "Aggregate in a subquery first.",
                )
        aggregate, clause = lower_aggregate(self.inner, parts)
        columns = [self._add(f"{call}{clause}") for call in aggregate.calls]
        return Typed(aggregate.pattern.format(*columns), aggregate.type)

    def _add(self, sql: str) -> str:
        if sql not in self.aggregates:
            self.aggregates.append(sql)
        return column_sql(self.relation, f"a{self.aggregates.index(sql)}")

    def _grouping(self, parts: AggregateParts) -> Typed:
        """Which keys a row gathers over, as bits; the last key is the lowest."""
        if not self.sets:
            raise Problem(
                "UNSUPPORTED_GROUPING_EXPRESSION",
                f"{parts.name}(..) needs GROUP BY with ROLLUP, CUBE or GROUPING SETS.",
            )
        known = [key.sql for key in self.keys]
        chosen = [self.inner.lower(node).sql for node in parts.nodes] or known
        if any(sql not in known for sql in chosen) or (parts.name, len(chosen)) == ("grouping", 0):
            raise Problem(
                "GROUPING_COLUMN_MISMATCH", f"{parts.name}(..) takes columns of GROUP BY."
            )
        bits = self._add(f"grouping({', '.join(chosen)})")
        if parts.name == "grouping":
            return Typed(f"CAST({bits} AS TINYINT)", TINYINT)
        return Typed(f"CAST({bits} AS BIGINT)", BIGINT)

    def sql(self, source: str, where: str) -> str:
        """The aggregated relation."""
        items = [f'{keyed(key).sql} AS "k{i}"' for i, key in enumerate(self.keys)]
        items += [f'{call} AS "a{i}"' for i, call in enumerate(self.aggregates)]
        if not items:
            items = ['count(*) AS "a0"']
        grouped = ""
        if self.sets:
            grouped = f" GROUP BY {self.sets}"
        elif self.keys:
            grouped = " GROUP BY " + ", ".join(str(i + 1) for i in range(len(self.keys)))
        inner = f"SELECT {', '.join(items)}{source}{where}{grouped}"
        return f" FROM ({inner}) AS {identifier(self.relation)}"


def _has_query(node: exp.Expr) -> bool:
    return node.find(exp.Query, exp.Exists) is not None


def contains_aggregate(node: exp.Expr) -> bool:
    """Whether an aggregate function of this SELECT is called in an expression."""
    if isinstance(node, exp.Query):
        return False
    if isinstance(node, exp.Window):
        function = node.this
        while not isinstance(function, exp.Anonymous) and function is not None:
            function = function.this
        inside = list(function.expressions) if function is not None else []
        parts = [*inside, *node.args.get("partition_by", [])]
        order = node.args.get("order")
        if order is not None:
            parts.append(order)
        return any(contains_aggregate(part) for part in parts)
    if isinstance(node, exp.Anonymous) and str(node.this).lower() in AGGREGATES:
        return True
    return any(contains_aggregate(child) for child in node.iter_expressions())
