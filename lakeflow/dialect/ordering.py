"""ORDER BY, LIMIT and OFFSET."""

from __future__ import annotations

from sqlglot import exp

from lakeflow.core.schema import INT
from lakeflow.dialect.expressions import Expressions
from lakeflow.dialect.nodes import name_parts
from lakeflow.dialect.typed import Typed
from lakeflow.dialect.types import is_orderable
from lakeflow.dialect.windows import direction, sort_key


def order_by(
    here: Expressions, order: exp.Expr | None, outputs: list[Typed], names: list[str]
) -> str:
    """ORDER BY: positions and output names first, then expressions."""
    if order is None:
        return ""
    here.analysis.only(order, "expressions")
    if here.streaming:
        here.analysis.keeps_state("ORDER BY over a stream")
    pieces = []
    for item in order.expressions:
        if isinstance(item.this, exp.Column) and item.this.name.upper() == "ALL":
            way = direction(item)
            pieces += [f"{position + 1} {way}" for position in range(len(outputs))]
            continue
        position = _output_position(here, item.this, outputs, names)
        if position is not None:
            if not is_orderable(outputs[position].type):
                raise here.analysis.error(
                    item,
                    "DATATYPE_MISMATCH.INVALID_ORDERING_TYPE",
                    f"ORDER BY cannot compare {outputs[position].type}.",
                )
            key = sort_key(outputs[position])
            place = str(position + 1) if key is outputs[position] else key.sql
            pieces.append(f"{place} {direction(item)}")
            continue
        value, way = _ordered(here, item)
        pieces.append(f"{value.sql} {way}")
    return " ORDER BY " + ", ".join(pieces)


def _ordered(here: Expressions, item: exp.Expr) -> tuple[Typed, str]:
    value = here.lower(item.this)
    if not is_orderable(value.type):
        raise here.analysis.error(
            item,
            "DATATYPE_MISMATCH.INVALID_ORDERING_TYPE",
            f"ORDER BY cannot compare {value.type}.",
        )
    return sort_key(value), direction(item)


def _output_position(
    here: Expressions, node: exp.Expr, outputs: list[Typed], names: list[str]
) -> int | None:
    if isinstance(node, exp.Literal) and not node.args.get("is_string"):
        written = str(node.this)
        if written.isdigit():
            position = int(written) - 1
            if not 0 <= position < len(outputs):
                raise here.analysis.error(
                    node,
                    "ORDER_BY_POS_OUT_OF_RANGE",
                    f"ORDER BY {written}: the SELECT list has {len(outputs)} columns.",
                )
            return position
    if isinstance(node, exp.Column) and len(name_parts(node)) == 1:
        lowered = [name.lower() for name in names]
        if lowered.count(node.name.lower()) == 1:
            return lowered.index(node.name.lower())
    return None


def limit(here: Expressions, node: exp.Expr, *, streaming: bool) -> str:
    """LIMIT and OFFSET of constants."""
    sql = ""
    for name, word in (("limit", "LIMIT"), ("offset", "OFFSET")):
        clause = node.args.get(name)
        if clause is None:
            continue
        if streaming:
            here.analysis.keeps_state(f"{word} over a stream")
        here.analysis.only(clause, "expression")
        expression = clause.expression
        if isinstance(expression, exp.Column) and expression.name.upper() == "ALL":
            continue
        value = here.lower(expression)
        if not isinstance(value.constant, int) or value.type != INT:
            raise here.analysis.unsupported(clause, f"{word} of something other than a number")
        if value.constant < 0:
            raise here.analysis.error(
                clause, "INVALID_LIMIT_LIKE_EXPRESSION.IS_NEGATIVE", f"{word} is negative."
            )
        sql += f" {word} {value.constant}"
    return sql
