"""Handlers of the nodes that are syntax rather than functions."""

from __future__ import annotations

import re
from decimal import Decimal as Number
from typing import TYPE_CHECKING

from sqlglot import exp

from lakeflow.core.errors import DefinitionError
from lakeflow.core.schema import (
    BIGINT,
    BINARY,
    BOOLEAN,
    DOUBLE,
    INT,
    NTZ,
    STRING,
    TIMESTAMP,
    Array,
    DataType,
    Decimal,
    Map,
    Struct,
    parse_type,
)
from lakeflow.dialect.casts import cast
from lakeflow.dialect.expressions import Expressions, extracted, handler
from lakeflow.dialect.intervals import interval
from lakeflow.dialect.nested import element, map_value
from lakeflow.dialect.operators import arithmetic, comparable, comparison, condition, unify
from lakeflow.dialect.typed import NULL, Problem, Typed, named, refused, text
from lakeflow.dialect.types import INTEGRAL, is_numeric

if TYPE_CHECKING:
    from lakeflow.dialect.queries import Queries


@handler(exp.Column)
def _column(here: Expressions, node: exp.Expr) -> Typed:
    return here.name(node, name_parts(node))


@handler(exp.Identifier)
def _identifier(here: Expressions, node: exp.Expr) -> Typed:
    return here.name(node, (node.name,))


def name_parts(node: exp.Expr) -> tuple[str, ...]:
    """The parts of a column's dotted name."""
    parts = [node.args.get(part) for part in ("catalog", "db", "table", "this")]
    return tuple(part.name for part in parts if part is not None)


@handler(exp.Dot)
def _dot(here: Expressions, node: exp.Expr) -> Typed:
    parts: list[str] = []
    base = node
    while isinstance(base, exp.Dot):
        if not isinstance(base.expression, exp.Identifier):
            raise refused(f"{base.sql(dialect='databricks')}")
        parts.insert(0, base.expression.name)
        base = base.this
    if isinstance(base, exp.Column):
        return here.name(base, (*name_parts(base), *parts))
    return extracted(here.lower(base), tuple(parts))


@handler(exp.Literal)
def _literal(_: Expressions, node: exp.Expr) -> Typed:
    written = str(node.this)
    if node.args.get("is_string"):
        return string(written)
    return number(written)


def string(value: str) -> Typed:
    """A constant STRING."""
    return Typed(text(value), STRING, value)


def number(written: str) -> Typed:
    """A constant number: INT, BIGINT or DECIMAL by its size, DOUBLE with an exponent."""
    if re.fullmatch(r"[0-9]+", written):
        value = int(written)
        if value < 2**31:
            return Typed(f"CAST({value} AS INTEGER)", INT, value)
        if value < 2**63:
            return Typed(f"CAST({value} AS BIGINT)", BIGINT, value)
    if "e" in written.lower():
        return Typed(f"CAST('{written}' AS DOUBLE)", DOUBLE, float(written))
    return _exact(Number(written))


def _exact(value: Number) -> Typed:
    _, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    scale = max(0, -exponent)
    precision = max(len(digits) + max(0, exponent), scale)
    if precision > 38:
        raise Problem(
            "DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION", f"{value} has more than 38 digits."
        )
    return Typed(
        f"CAST('{value:f}' AS DECIMAL({precision},{scale}))", Decimal(precision, scale), value
    )


@handler(exp.RawString)
def _raw(_: Expressions, node: exp.Expr) -> Typed:
    return string(str(node.this))


@handler(exp.HexString)
def _hexadecimal(_: Expressions, node: exp.Expr) -> Typed:
    digits = str(node.this)
    return Typed(f"unhex('{'0' * (len(digits) % 2)}{digits}')", BINARY)


@handler(exp.Boolean)
def _boolean(_: Expressions, node: exp.Expr) -> Typed:
    return Typed("true" if node.this else "false", BOOLEAN, bool(node.this))


@handler(exp.Null)
def _null(_: Expressions, __: exp.Expr) -> Typed:
    return NULL


@handler(exp.Concat)
def _adjacent(here: Expressions, node: exp.Expr) -> Typed:
    """Strings written side by side; `concat(..)` itself is a function."""
    parts = [here.lower(part) for part in node.expressions]
    return string("".join(str(part.constant) for part in parts))


@handler(exp.Paren)
def _paren(here: Expressions, node: exp.Expr) -> Typed:
    here.analysis.only(node, "this")
    return here.lower(node.this)


@handler(exp.Interval)
def _interval(here: Expressions, node: exp.Expr) -> Typed:  # noqa: ARG001
    return interval(node)


@handler(exp.Cast, exp.TryCast)
def _cast(here: Expressions, node: exp.Expr) -> Typed:
    here.analysis.only(node, "this", "to", "safe")
    inner = node.this
    attempt = isinstance(node, exp.TryCast)
    to = type_of(here, node.args["to"])
    value = here.lower(inner)
    if isinstance(value.constant, str) and to in (TIMESTAMP, NTZ) and _typed_literal(node):
        # A typed literal and CAST differ only in the error they raise.
        return cast(value, to, here.zone, attempt=False)
    if isinstance(to, Decimal) and re.fullmatch(r"-?[0-9.]+[eE][+-]?[0-9]+", str(inner.this)):
        # 1e-10BD, which sqlglot reads as a cast of text
        value = _exact(Number(str(inner.this)))
    return cast(value, to, here.zone, attempt=attempt)


def _typed_literal(node: exp.Expr) -> bool:
    return isinstance(node.this, exp.Literal) and not isinstance(node, exp.TryCast)


def type_of(here: Expressions, node: exp.Expr) -> DataType:
    """The type that a cast names."""
    written = node.sql(dialect="spark") if not isinstance(node, exp.DataType) else spelled(node)
    try:
        return parse_type(written)
    except DefinitionError as problem:
        raise here.analysis.unsupported(node, f"The type {written}", problem.message) from None


_SPELLED = {
    "TEXT": "string",
    "TIMESTAMPTZ": "timestamp",
    "TIMESTAMPLTZ": "timestamp",
    "TIMESTAMP": "timestamp",
    "TIMESTAMPNTZ": "timestamp_ntz",
    "INT": "int",
    "BIGINT": "bigint",
    "SMALLINT": "smallint",
    "TINYINT": "tinyint",
    "FLOAT": "float",
    "DOUBLE": "double",
    "BOOLEAN": "boolean",
    "DATE": "date",
    "BINARY": "binary",
    "VARBINARY": "binary",
}


def spelled(node: exp.DataType) -> str:
    """A type's node in Spark's DDL."""
    kind = node.this.name if hasattr(node.this, "name") else str(node.this)
    if kind == "DECIMAL":
        inner = ", ".join(str(p.this.this) for p in node.expressions)
        return f"decimal({inner})" if inner else "decimal(10, 0)"
    if kind == "ARRAY" and len(node.expressions) == 1:
        return f"array<{spelled(node.expressions[0])}>"
    if kind == "MAP" and len(node.expressions) == 2:
        return f"map<{spelled(node.expressions[0])}, {spelled(node.expressions[1])}>"
    if kind == "STRUCT":
        fields = ", ".join(f"`{f.this.name}`: {spelled(f.args['kind'])}" for f in node.expressions)
        return f"struct<{fields}>"
    if node.expressions:
        return node.sql(dialect="spark")
    return _SPELLED.get(kind, kind)


_ARITHMETIC = {
    exp.Add: "+",
    exp.Sub: "-",
    exp.Mul: "*",
    exp.Div: "/",
    exp.Mod: "%",
    exp.IntDiv: "div",
}


@handler(*_ARITHMETIC)
def _arithmetic(here: Expressions, node: exp.Expr) -> Typed:
    here.analysis.only(node, "this", "expression", "typed", "safe")
    a, b = here.lower(node.this), here.lower(node.expression)
    return arithmetic(_ARITHMETIC[type(node)], a, b, here.zone)


_COMPARISON = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.NullSafeEQ: "<=>",
}


@handler(*_COMPARISON)
def _comparison(here: Expressions, node: exp.Expr) -> Typed:
    here.analysis.only(node, "this", "expression")
    a, b = here.lower(node.this), here.lower(node.expression)
    return comparison(_COMPARISON[type(node)], a, b, here.zone)


@handler(exp.NullSafeNEQ)
def _distinct_from(here: Expressions, node: exp.Expr) -> Typed:
    a, b = here.lower(node.this), here.lower(node.expression)
    return named(comparison("<=>", a, b, here.zone), "(NOT {0})", BOOLEAN)


@handler(exp.And, exp.Or)
def _logic(here: Expressions, node: exp.Expr) -> Typed:
    word = "AND" if isinstance(node, exp.And) else "OR"
    a = condition(here.lower(node.this), word, here.zone)
    b = condition(here.lower(node.expression), word, here.zone)
    return named(a, f"({{0}} {word} {{1}})", BOOLEAN, b)


@handler(exp.Not)
def _not(here: Expressions, node: exp.Expr) -> Typed:
    inner = node.this.unnest()
    if isinstance(inner, exp.In) and inner.args.get("query") is not None:
        here.analysis.only(inner, "this", "query")
        return _in_subquery(here, inner, "(NOT {0})")
    return named(condition(here.lower(node.this), "NOT", here.zone), "(NOT {0})", BOOLEAN)


@handler(exp.Neg)
def _negative(here: Expressions, node: exp.Expr) -> Typed:
    value = here.lower(node.this)
    return negated(value, here.zone)


def negated(value: Typed, zone: str) -> Typed:
    """The number with the other sign; raises where it does not fit."""
    if value.is_constant and isinstance(value.constant, int) and value.type in INTEGRAL:
        return _negative_constant(value)
    if value.is_constant and value.constant == 2**63 and isinstance(value.constant, Number):
        return Typed("CAST('-9223372036854775808' AS BIGINT)", BIGINT, -(2**63))
    if value.is_constant and isinstance(value.constant, Number):
        negative = value.sql.startswith("CAST('-")
        before, after = ("CAST('-", "CAST('") if negative else ("CAST('", "CAST('-")
        return Typed(value.sql.replace(before, after, 1), value.type, -value.constant)
    if value.type == STRING:
        value = cast(value, DOUBLE, zone)
    if not is_numeric(value.type):
        if str(value.type).startswith("INTERVAL"):
            return value.with_sql(f"(-{value.sql})", value.type)
        raise Problem("DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE", f"- does not take {value.type}.")
    zero = cast(Typed("CAST(0 AS INTEGER)", INT, 0), value.type, zone)
    if value.type in INTEGRAL:
        return named(zero, "({0} - {1})", value.type, value)
    return named(value, "(-{0})", value.type)


def _negative_constant(value: Typed) -> Typed:
    """A constant's sign belongs to it: -2147483648 is an INT although 2147483648 is none."""
    assert isinstance(value.constant, int)
    result = -value.constant
    kind: DataType = value.type
    if value.sql == "CAST(2147483648 AS BIGINT)":
        kind = INT
    name = {"INT": "INTEGER"}.get(str(kind), str(kind))
    return Typed(f"CAST({result} AS {name})", kind, result)


@handler(exp.Is)
def _is(here: Expressions, node: exp.Expr) -> Typed:
    here.analysis.only(node, "this", "expression")
    value, test = here.lower(node.this), node.expression
    if isinstance(test, exp.Null):
        return named(value, "({0} IS NULL)", BOOLEAN)
    if isinstance(test, exp.Boolean):
        truth = "true" if test.this else "false"
        value = condition(value, "IS", here.zone)
        return named(value, f"({{0}} IS NOT DISTINCT FROM {truth})", BOOLEAN)
    raise refused(f"IS {test.sql(dialect='databricks')}")


@handler(exp.Between)
def _between(here: Expressions, node: exp.Expr) -> Typed:
    here.analysis.only(node, "this", "low", "high")
    value = here.lower(node.this)
    low = comparison(">=", value, here.lower(node.args["low"]), here.zone)
    high = comparison("<=", value, here.lower(node.args["high"]), here.zone)
    return named(low, "({0} AND {1})", BOOLEAN, high)


@handler(exp.In)
def _in(here: Expressions, node: exp.Expr) -> Typed:
    here.analysis.only(node, "this", "expressions", "query")
    if node.args.get("query") is not None:
        return _in_subquery(here, node, "{0}")
    if isinstance(node.this, exp.Tuple):
        raise refused("IN of a row of values")
    values = unify(
        [here.lower(node.this), *(here.lower(item) for item in node.expressions)],
        here.zone,
        "IN",
    )
    comparable("=", values[0], values[0], here.zone)
    items = ", ".join(value.sql for value in values[1:])
    volatile = any(value.volatile for value in values)
    return Typed(f"({values[0].sql} IN ({items}))", BOOLEAN, volatile=volatile)


def _in_subquery(here: Expressions, node: exp.Expr, template: str) -> Typed:
    """IN or NOT IN over a subquery; as a value Spark has FALSE for what is not known."""
    found = _subqueries(here).contains(here, node.this, node.args["query"])
    around = node.parent
    while isinstance(around, exp.Paren | exp.Not):
        around = around.parent
    if here.clause == "SELECT" or not isinstance(around, exp.Where | exp.And | exp.Or):
        template = f"coalesce({template}, false)"
    return named(found, template, BOOLEAN)


def _subqueries(here: Expressions) -> Queries:
    if here.queries is None:
        raise Problem(
            "UNSUPPORTED_SUBQUERY_EXPRESSION_CATEGORY",
            f"A subquery cannot stand in {here.clause}.",
        )
    return here.queries


@handler(exp.Exists)
def _exists(here: Expressions, node: exp.Expr) -> Typed:
    return _subqueries(here).exists(here, node.this)


@handler(exp.Subquery)
def _scalar(here: Expressions, node: exp.Expr) -> Typed:
    here.analysis.only(node, "this")
    return _subqueries(here).scalar(here, node.this)


@handler(exp.If)
def _if(here: Expressions, node: exp.Expr) -> Typed:
    test = condition(here.lower(node.this), "IF", here.zone)
    no = node.args.get("false")
    if no is None:
        raise Problem("WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "if(..) takes three arguments.")
    yes, other = unify([here.lower(node.args["true"]), here.lower(no)], here.zone, "IF")
    return chosen([(test, yes)], other)


@handler(exp.Case)
def _case(here: Expressions, node: exp.Expr) -> Typed:
    here.analysis.only(node, "this", "ifs", "default")
    base = here.lower(node.this) if node.this is not None else None
    tests = []
    for branch in node.args["ifs"]:
        test = here.lower(branch.this)
        if base is not None:
            tests.append(comparison("=", base, test, here.zone))
        else:
            tests.append(condition(test, "CASE WHEN", here.zone))
    default = node.args.get("default")
    results = [here.lower(branch.args["true"]) for branch in node.args["ifs"]]
    results = unify(
        [*results, here.lower(default) if default is not None else NULL], here.zone, "CASE"
    )
    return chosen(list(zip(tests, results, strict=False)), results[-1])


def chosen(branches: list[tuple[Typed, Typed]], default: Typed) -> Typed:
    """CASE over branches of one type."""
    sql = " ".join(f"WHEN {test.sql} THEN {value.sql}" for test, value in branches)
    volatile = default.volatile or any(t.volatile or v.volatile for t, v in branches)
    return Typed(f"CASE {sql} ELSE {default.sql} END", default.type, volatile=volatile)


@handler(exp.Bracket)
def _bracket(here: Expressions, node: exp.Expr) -> Typed:
    here.analysis.only(node, "this", "expressions", "offset")
    if len(node.expressions) != 1:
        raise refused("A subscript of several values")
    value, index = here.lower(node.this), here.lower(node.expressions[0])
    if isinstance(value.type, Struct):
        if not isinstance(index.constant, str):
            raise refused("A subscript of a struct that is not a constant name")
        return extracted(value, (index.constant,))
    if isinstance(value.type, Map):
        key = cast(index, value.type.key, here.zone)
        return map_value(value, key.sql, value.type)
    if isinstance(value.type, Array):
        return element(value, index, here.zone)
    raise Problem("INVALID_EXTRACT_BASE_FIELD_TYPE", f"{value.type} has no elements.", None)
