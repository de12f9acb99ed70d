"""The names that Spark gives to columns without an alias."""

from __future__ import annotations

from sqlglot import exp

_OPERATORS = {
    exp.Add: "+",
    exp.Sub: "-",
    exp.Mul: "*",
    exp.Div: "/",
    exp.Mod: "%",
    exp.EQ: "=",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.And: "AND",
    exp.Or: "OR",
    exp.IntDiv: "div",
}


def output_name(node: exp.Expr) -> str:
    """The name of an expression's column."""
    match node:
        case exp.Column():
            return node.name
        case exp.Dot(expression=exp.Identifier() as last):
            return str(last.this)
        case exp.Paren():
            return output_name(node.this)
        case exp.Literal():
            return str(node.this)
        case exp.Anonymous():
            inner = ", ".join(
                "1" if isinstance(part, exp.Star) else output_name(part)
                for part in node.expressions
            )
            return f"{str(node.this).lower()}({inner})"
        case exp.Distinct():
            return "DISTINCT " + ", ".join(output_name(part) for part in node.expressions)
        case exp.Cast():
            return f"CAST({output_name(node.this)} AS {node.args['to'].sql(dialect='spark')})"
    if type(node) in _OPERATORS:
        left, right = output_name(node.this), output_name(node.expression)
        return f"({left} {_OPERATORS[type(node)]} {right})"
    return node.sql(dialect="spark")
