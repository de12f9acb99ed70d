"""Queries around a SELECT: WITH, set operations, VALUES, and subqueries as values."""

from __future__ import annotations

from sqlglot import exp

from lakeflow.core.schema import BOOLEAN, DataType, Field
from lakeflow.dialect.casts import cast
from lakeflow.dialect.expressions import Expressions, column_sql
from lakeflow.dialect.operators import unify
from lakeflow.dialect.ordering import limit, order_by
from lakeflow.dialect.scope import Analysis, Column, Relation, unique
from lakeflow.dialect.select import Select, stored
from lakeflow.dialect.tree import statement
from lakeflow.dialect.typed import Problem, Typed, keyed
from lakeflow.dialect.types import common_type, identifier


class Queries:
    """Lowers queries and the subqueries in their expressions."""

    def __init__(self, analysis: Analysis) -> None:
        self.analysis = analysis
        self.bodies: dict[int, tuple[Relation, str]] = {}

    def query(self, node: exp.Expr, outer: Expressions | None) -> Relation:
        """Lowers one query."""
        prefix = self._with(node, outer)
        match node:
            case exp.Select():
                found = Select(self, node, outer).lower()
            case exp.SetOperation():
                found = self._set_operation(node, outer)
            case exp.Subquery():
                self.analysis.only(node, "this", "with_", "order", "limit", "offset", "alias")
                inner = self.query(node.this, outer)
                found = self.tail(inner, node, outer)
            case exp.Values():
                found = self.values(node, outer)
            case exp.Condition():
                raise self.analysis.error(
                    node,
                    "PARSE_SYNTAX_ERROR",
                    "This is an expression; a query begins with SELECT, WITH or VALUES.",
                    "Write SELECT before it.",
                )
            case _:
                raise self.analysis.unsupported(node, f"{statement(node)} as a query")
        if prefix:
            return Relation(
                f"WITH {prefix} {found.sql}", found.fields, found.exported, found.streaming
            )
        return found

    def _with(self, node: exp.Expr, outer: Expressions | None) -> str:
        clause = node.args.get("with_")
        if clause is None:
            return ""
        if clause.args.get("recursive"):
            raise self.analysis.unsupported(clause, "WITH RECURSIVE")
        pieces = []
        for cte in clause.expressions:
            self.analysis.only(cte, "this", "alias")
            relation = self.query(cte.this, outer)
            names = [column.name for column in cte.args["alias"].args.get("columns") or []]
            if names:
                if len(names) != len(relation.fields):
                    raise self.analysis.error(
                        cte,
                        "ASSIGNMENT_ARITY_MISMATCH",
                        f"{cte.alias} names {len(names)} columns, its query has "
                        f"{len(relation.fields)}.",
                    )
                fields = tuple(
                    Field(name, field.type)
                    for name, field in zip(names, relation.fields, strict=True)
                )
                relation = Relation(relation.sql, fields, relation.exported, relation.streaming)
            name = self.analysis.alias(cte.alias)
            self.bodies[id(cte)] = (relation, name)
            pieces.append(f"{identifier(name)} AS ({relation.sql})")
        return ", ".join(pieces)

    def _set_operation(self, node: exp.SetOperation, outer: Expressions | None) -> Relation:
        self.analysis.only(
            node, "this", "expression", "distinct", "by_name", "with_", "order", "limit", "offset"
        )
        left, right = self.query(node.this, outer), self.query(node.expression, outer)
        streaming = left.streaming or right.streaming
        distinct = bool(node.args.get("distinct"))
        word = {exp.Union: "UNION", exp.Except: "EXCEPT", exp.Intersect: "INTERSECT"}[type(node)]
        compares = distinct or word != "UNION"
        if streaming and compares:
            self.analysis.keeps_state(f"{word}{'' if distinct else ' ALL'} over a stream")
        elif left.streaming != right.streaming:
            # Each batch would append those rows once more.
            self.analysis.keeps_state("UNION ALL with rows that are read whole")
        order = list(range(len(right.fields)))
        if node.args.get("by_name"):
            order = self._by_name(node, left, right)
        if len(left.fields) != len(right.fields):
            raise self.analysis.error(
                node,
                "NUM_COLUMNS_MISMATCH",
                f"{word} joins queries of {len(left.fields)} and {len(right.fields)} columns.",
            )
        kinds = []
        for position, other in enumerate(order):
            a, b = left.fields[position].type, right.fields[other].type
            kind = common_type(a, b)
            if kind is None:
                raise self.analysis.error(
                    node,
                    "INCOMPATIBLE_COLUMN_TYPE",
                    f"Column {position + 1} of {word} is {a} on one side and {b} on the other.",
                    "Cast one of them.",
                )
            kinds.append(kind)
        sides = (
            self._side(left, list(range(len(kinds))), kinds, compares),
            self._side(right, order, kinds, compares),
        )
        sql = f"{sides[0]} {word}{'' if distinct else ' ALL'} {sides[1]}"
        fields = tuple(
            Field(field.name, kind) for field, kind in zip(left.fields, kinds, strict=True)
        )
        exported = unique([field.name for field in fields])
        return self.tail(Relation(sql, fields, exported, streaming), node, outer)

    def _by_name(self, node: exp.Expr, left: Relation, right: Relation) -> list[int]:
        names = [field.name.lower() for field in right.fields]
        order = []
        for field in left.fields:
            if field.name.lower() not in names:
                raise self.analysis.error(
                    node,
                    "UNRESOLVED_COLUMN.WITH_SUGGESTION",
                    f"UNION BY NAME: the second query has no column {field.name}.",
                )
            order.append(names.index(field.name.lower()))
        return order

    def _side(
        self, relation: Relation, order: list[int], kinds: list[DataType], compares: bool
    ) -> str:
        alias = self.analysis.alias("side")
        names = unique([relation.fields[i].name for i in order])
        items = []
        for position, other in enumerate(order):
            value = Typed(column_sql(alias, relation.exported[other]), relation.fields[other].type)
            cell = cast(value, kinds[position], self.analysis.time_zone)
            sql = (keyed(cell) if compares else cell).sql
            items.append(f"{sql} AS {identifier(names[position])}")
        return f"(SELECT {', '.join(items)} FROM ({relation.sql}) AS {identifier(alias)})"

    def tail(self, relation: Relation, node: exp.Expr, outer: Expressions | None) -> Relation:
        """ORDER BY and LIMIT over a whole query."""
        if not any(node.args.get(part) for part in ("order", "limit", "offset")):
            return relation
        alias = self.analysis.alias("rows")
        columns = tuple(
            Column(field.name, Typed(column_sql(alias, exported), field.type), ())
            for field, exported in zip(relation.fields, relation.exported, strict=True)
        )
        here = Expressions(self.analysis, columns, "ORDER BY", queries=self, outer=outer)
        sql = f"SELECT * FROM ({relation.sql}) AS {identifier(alias)}"
        order = node.args.get("order")
        outputs = [column.value for column in columns]
        sql += order_by(here, order, outputs, [field.name for field in relation.fields])
        sql += limit(here, node, streaming=relation.streaming)
        return Relation(sql, relation.fields, relation.exported, relation.streaming)

    def values(self, node: exp.Values, outer: Expressions | None) -> Relation:
        """VALUES as a relation with columns col1, col2 and so on."""
        here = Expressions(self.analysis, (), "VALUES", queries=self, outer=outer)
        rows = [[here.lower(value) for value in _members(row)] for row in node.expressions]
        if len({len(row) for row in rows}) != 1:
            raise self.analysis.error(
                node,
                "INVALID_INLINE_TABLE.NUM_COLUMNS_MISMATCH",
                "Rows of VALUES differ in length.",
            )
        columns = []
        for position in range(len(rows[0])):
            try:
                cells = [row[position] for row in rows]
                columns.append(unify(cells, self.analysis.time_zone, "VALUES"))
            except Problem as problem:
                raise here.located(node, problem) from None
        names = tuple(f"col{position + 1}" for position in range(len(columns)))
        cells_sql = ", ".join(
            f"({', '.join(stored(column[row]) for column in columns)})" for row in range(len(rows))
        )
        listed = ", ".join(identifier(name) for name in names)
        sql = f'SELECT * FROM (VALUES {cells_sql}) AS "values"({listed})'
        fields = tuple(
            Field(name, column[0].type) for name, column in zip(names, columns, strict=True)
        )
        return Relation(sql, fields, names, streaming=False)

    def scalar(self, here: Expressions, node: exp.Expr) -> Typed:
        """A subquery that stands for one value."""
        relation = self.query(node, here)
        if len(relation.fields) != 1:
            raise Problem(
                "INVALID_SUBQUERY_EXPRESSION.SCALAR_SUBQUERY_RETURN_MORE_THAN_ONE_OUTPUT_COLUMN",
                f"A subquery that stands for a value has {len(relation.fields)} columns.",
            )
        self._note_stream(relation)
        return Typed(f"({relation.sql})", relation.fields[0].type)

    def exists(self, here: Expressions, node: exp.Expr) -> Typed:
        """Whether a subquery has any row, as a value."""
        relation = self.query(node, here)
        self._note_stream(relation)
        return Typed(f"EXISTS ({relation.sql})", BOOLEAN)

    def contains(self, here: Expressions, value: exp.Expr, node: exp.Expr) -> Typed:
        """IN over a subquery."""
        if isinstance(node, exp.Subquery):
            node = node.this
        relation = self.query(node, here)
        self._note_stream(relation)
        members = [here.lower(member) for member in _members(value)]
        if len(members) != len(relation.fields):
            raise Problem(
                "DATATYPE_MISMATCH.IN_SUBQUERY_LENGTH_MISMATCH",
                f"IN compares {len(members)} values with {len(relation.fields)} columns.",
            )
        alias = self.analysis.alias("members")
        left, right = [], []
        for member, field, exported in zip(
            members, relation.fields, relation.exported, strict=True
        ):
            column = Typed(column_sql(alias, exported), field.type)
            a, b = unify([member, column], self.analysis.time_zone, "IN")
            left.append(a.sql)
            right.append(b.sql)
        row = left[0] if len(left) == 1 else f"({', '.join(left)})"
        inner = f"SELECT {', '.join(right)} FROM ({relation.sql}) AS {identifier(alias)}"
        return Typed(f"({row} IN ({inner}))", BOOLEAN)

    def _note_stream(self, relation: Relation) -> None:
        if relation.streaming:
            self.analysis.keeps_state("a subquery over a stream")


def _members(node: exp.Expr) -> list[exp.Expr]:
    if isinstance(node, exp.Tuple):
        return list(node.expressions)
    if isinstance(node, exp.Paren):
        return [node.this]
    return [node]
