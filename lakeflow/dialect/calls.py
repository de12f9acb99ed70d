"""Calls of functions: which table a name is in, and what its call becomes."""

from __future__ import annotations

from sqlglot import exp

from lakeflow.core.names import nearest
from lakeflow.dialect.aggregation import aggregate_parts
from lakeflow.dialect.expressions import BARE, EXPECTATION, Expressions, handler
from lakeflow.dialect.functions.aggregates import AGGREGATES
from lakeflow.dialect.functions.generators import GENERATORS
from lakeflow.dialect.functions.known import INSTEAD, KNOWN
from lakeflow.dialect.functions.table import FUNCTIONS, Call, check_arity
from lakeflow.dialect.functions.windows import WINDOWS
from lakeflow.dialect.typed import Problem, Typed, refused


def call_function(here: Expressions, name: str, nodes: list[exp.Expr], node: exp.Expr) -> Typed:
    """Lowers a call of a scalar function.

    Raises:
        Problem: There is no such function, or it is called wrongly.
    """
    found = FUNCTIONS.get(name)
    if found is None:
        raise unknown(name)
    check_arity(name, len(nodes), found.minimum, found.maximum)
    if not found.deterministic:
        here.analysis.deterministic = False
    value = found.build(Call(here, name, nodes, node))
    if not found.deterministic and name in ("rand", "random", "randn", "uuid"):
        if here.clause == EXPECTATION:
            raise refused(
                f"{name}(..) in an expectation",
                "Whether a row is kept is asked more than once; compute the value in the query.",
            )
        return Typed(value.sql, value.type, volatile=True)
    return value


def unknown(name: str) -> Problem:
    """The error of a name that no table has."""
    hint = INSTEAD.get(name) or nearest(name, [*FUNCTIONS, *AGGREGATES, *WINDOWS, *GENERATORS])
    if name in KNOWN:
        return refused(f"Spark's function {name}(..)", hint or None)
    return Problem(
        "UNRESOLVED_ROUTINE",
        f"There is no function {name}(..), neither here nor in Spark.",
        hint or nearest(name, KNOWN) or None,
    )


@handler(exp.Anonymous)
def _call(here: Expressions, node: exp.Expr) -> Typed:
    here.analysis.only(node, "this", "expressions")
    name = str(node.this).lower()
    nodes = list(node.expressions)
    if name in AGGREGATES:
        return _aggregate(here, node)
    if name in WINDOWS:
        raise Problem("WINDOW_FUNCTION_WITHOUT_OVER_CLAUSE", f"{name}(..) needs an OVER clause.")
    if name in GENERATORS:
        raise Problem(
            "UNSUPPORTED_GENERATOR.NESTED_IN_EXPRESSIONS",
            f"{name}(..) stands alone in a SELECT list or in LATERAL VIEW.",
            "Select it alone, under a name, in a subquery.",
        )
    return call_function(here, name, nodes, node)


@handler(exp.Filter, exp.IgnoreNulls, exp.RespectNulls, exp.WithinGroup)
def _modified(here: Expressions, node: exp.Expr) -> Typed:
    parts = aggregate_parts(node)
    if parts.name not in AGGREGATES:
        raise refused(f"FILTER, IGNORE NULLS or WITHIN GROUP of {parts.name}(..)")
    return _aggregate(here, node)


def _aggregate(here: Expressions, node: exp.Expr) -> Typed:
    if here.grouping is None:
        condition = "INVALID_WHERE_CONDITION" if here.clause == "WHERE" else "GROUP_BY_AGGREGATE"
        name = aggregate_parts(node).name
        raise Problem(
            condition, f"The aggregate function {name}(..) cannot stand in {here.clause}."
        )
    return here.grouping.aggregate(node)


@handler(exp.Trim)
def _trim(here: Expressions, node: exp.Expr) -> Typed:
    here.analysis.only(node, "this", "expression", "position")
    side = str(node.args.get("position") or "BOTH").upper()
    name = {"BOTH": "btrim", "LEADING": "ltrim", "TRAILING": "rtrim"}[side]
    characters = node.args.get("expression")
    if characters is None:
        return call_function(here, name, [node.this], node)
    if name == "btrim":
        return call_function(here, name, [node.this, characters], node)
    return call_function(here, name, [characters, node.this], node)


@handler(exp.Substring)
def _substring(here: Expressions, node: exp.Expr) -> Typed:
    here.analysis.only(node, "this", "start", "length")
    parts = [node.this, node.args.get("start"), node.args.get("length")]
    return call_function(here, "substring", [part for part in parts if part is not None], node)


@handler(exp.StrPosition)
def _position(here: Expressions, node: exp.Expr) -> Typed:
    here.analysis.only(node, "this", "substr", "position")
    parts = [node.args["substr"], node.this, node.args.get("position")]
    return call_function(here, "locate", [part for part in parts if part is not None], node)


@handler(exp.Overlay)
def _overlay(here: Expressions, node: exp.Expr) -> Typed:
    here.analysis.only(node, "this", "expression", "from_", "for_")
    parts = [node.this, node.expression, node.args.get("from_"), node.args.get("for_")]
    return call_function(here, "overlay", [part for part in parts if part is not None], node)


@handler(exp.Extract)
def _extract(here: Expressions, node: exp.Expr) -> Typed:
    here.analysis.only(node, "this", "expression")
    unit = exp.Literal.string(node.this.name)
    return call_function(here, "date_part", [unit, node.expression], node)


@handler(exp.DPipe)
def _pipes(here: Expressions, node: exp.Expr) -> Typed:
    return call_function(here, "concat", [node.this, node.expression], node)


@handler(exp.Like, exp.ILike, exp.Escape)
def _like(here: Expressions, node: exp.Expr) -> Typed:
    escape = "\\"
    if isinstance(node, exp.Escape):
        escape = str(node.expression.this)
        node = node.this
    here.analysis.only(node, "this", "expression", "negate")
    if not isinstance(node, exp.Like | exp.ILike):
        raise refused("ESCAPE of something other than LIKE")
    if isinstance(node.expression, exp.Any | exp.All | exp.Tuple):
        raise refused("LIKE ANY and LIKE ALL", "Join several LIKE by OR.")
    name = "like" if isinstance(node, exp.Like) else "ilike"
    nodes = [node.this, node.expression, exp.Literal.string(escape)]
    found = call_function(here, name, nodes, node)
    if node.args.get("negate"):
        return found.with_sql(f"(NOT {found.sql})", found.type)
    return found


@handler(exp.RegexpLike)
def _rlike(here: Expressions, node: exp.Expr) -> Typed:
    here.analysis.only(node, "this", "expression")
    return call_function(here, "rlike", [node.this, node.expression], node)


def _bare(name: str) -> None:
    def call(here: Expressions, node: exp.Expr) -> Typed:
        return call_function(here, name, [], node)

    BARE[name] = call


for _name in ("current_timestamp", "current_date"):
    _bare(_name)


_BITS = {
    exp.BitwiseAnd: "&",
    exp.BitwiseOr: "|",
    exp.BitwiseXor: "^",
    exp.BitwiseNot: "~",
    exp.BitwiseLeftShift: "shiftleft",
    exp.BitwiseRightShift: "shiftright",
}


@handler(*_BITS)
def _bits(here: Expressions, node: exp.Expr) -> Typed:
    nodes = [part for part in (node.this, node.args.get("expression")) if part is not None]
    return call_function(here, _BITS[type(node)], nodes, node)
