"""Queries: SELECT, set operations, WITH and VALUES, from the inside out."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from lakeflow.core.schema import BOOLEAN, INT, VOID, DataType, Field
from lakeflow.dialect.aggregation import Grouping, contains_aggregate
from lakeflow.dialect.casts import cast
from lakeflow.dialect.expressions import Expressions, column_sql
from lakeflow.dialect.functions.generators import GENERATORS
from lakeflow.dialect.naming import output_name
from lakeflow.dialect.nodes import name_parts
from lakeflow.dialect.operators import condition, unify
from lakeflow.dialect.relations import Relations
from lakeflow.dialect.scope import Analysis, Column, Relation, Source, unique
from lakeflow.dialect.tree import statement
from lakeflow.dialect.typed import Problem, Typed
from lakeflow.dialect.types import common_type, identifier, is_orderable
from lakeflow.dialect.windows import direction, sort_key


@dataclass(frozen=True)
class Item:
    """One column of a SELECT list before it is lowered: a node, or a column that `*` gave."""

    name: str
    node: exp.Expr
    column: Column | None = None
    named: bool = False


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
                found = _Select(self, node, outer).lower()
            case exp.SetOperation():
                found = self._set_operation(node, outer)
            case exp.Subquery():
                self.analysis.only(node, "this", "with_", "order", "limit", "offset", "alias")
                inner = self.query(node.this, outer)
                found = self._tail(inner, node, outer)
            case exp.Values():
                found = self.values(node, outer)
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
        if streaming and (distinct or word != "UNION"):
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
            self._side(left, list(range(len(kinds))), kinds),
            self._side(right, order, kinds),
        )
        sql = f"{sides[0]} {word}{'' if distinct else ' ALL'} {sides[1]}"
        fields = tuple(
            Field(field.name, kind) for field, kind in zip(left.fields, kinds, strict=True)
        )
        exported = unique([field.name for field in fields])
        return self._tail(Relation(sql, fields, exported, streaming), node, outer)

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

    def _side(self, relation: Relation, order: list[int], kinds: list[DataType]) -> str:
        alias = self.analysis.alias("side")
        names = unique([relation.fields[i].name for i in order])
        items = []
        for position, other in enumerate(order):
            value = Typed(column_sql(alias, relation.exported[other]), relation.fields[other].type)
            sql = cast(value, kinds[position], self.analysis.time_zone).sql
            items.append(f"{sql} AS {identifier(names[position])}")
        return f"(SELECT {', '.join(items)} FROM ({relation.sql}) AS {identifier(alias)})"

    def _tail(self, relation: Relation, node: exp.Expr, outer: Expressions | None) -> Relation:
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
            f"({', '.join(_stored(column[row]) for column in columns)})" for row in range(len(rows))
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


def _stored(value: Typed) -> str:
    return "CAST(NULL AS INTEGER)" if value.type == VOID else value.sql


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


_CLAUSES = (
    "expressions from_ joins laterals where group having qualify distinct order limit offset "
    "windows with_ hint"
).split()


class _Select:
    """Lowers one SELECT."""

    def __init__(self, queries: Queries, node: exp.Select, outer: Expressions | None) -> None:
        self.queries = queries
        self.analysis = queries.analysis
        self.node = node
        self.outer = outer
        self.relations = Relations(queries, outer)

    def lower(self) -> Relation:
        """The SELECT as a relation."""
        node = self.node
        self.analysis.only(node, *_CLAUSES)
        source = self.relations.source(node)
        if not node.expressions:
            raise self.analysis.error(node, "PARSE_SYNTAX_ERROR", "The SELECT list is empty.")
        source, items = self._generate(source)
        inner = self._place(source, "SELECT")
        where = self._where(source)
        items = [found for item in items for found in self._expanded(item, source)]
        here, body = self._grouped(inner, source, items, where)
        here.streaming = source.streaming
        here.windows = self._windows()
        outputs = self._outputs(here, items)
        return self._assembled(here, body, outputs, [item.name for item in items], source)

    def _place(self, source: Source, clause: str) -> Expressions:
        return Expressions(
            self.analysis, source.columns, clause, queries=self.queries, outer=self.outer
        )

    def _windows(self) -> dict[str, exp.Window]:
        return {window.this.name.lower(): window for window in self.node.args.get("windows") or []}

    def _where(self, source: Source) -> str:
        clause = self.node.args.get("where")
        here = self._place(source, "WHERE")
        # An instant that is NULL lies in no window, so Spark drops its row.
        tests = [f"{here.lower(call.expressions[0]).sql} IS NOT NULL" for call in self._timed()]
        if clause is not None:
            value = here.lower(clause.this)
            try:
                tests.insert(0, condition(value, "WHERE", here.zone).sql)
            except Problem as problem:
                raise here.located(clause.this, problem) from None
        return f" WHERE {' AND '.join(dict.fromkeys(tests))}" if tests else ""

    def _timed(self) -> list[exp.Anonymous]:
        """The calls of `window(..)` in this SELECT."""
        parts = [*self.node.expressions, self.node.args.get("group"), self.node.args.get("having")]
        return [
            call
            for part in parts
            if part is not None
            for call in part.find_all(exp.Anonymous)
            if str(call.this).lower() == "window"
            and call.expressions
            and call.find_ancestor(exp.Select) is self.node
        ]

    def _generate(self, source: Source) -> tuple[Source, list[Item]]:
        """Turns a generator in the SELECT list into a join."""
        items: list[Item] = []
        seen = False
        for node in self.node.expressions:
            call = node.this if isinstance(node, exp.Alias | exp.Aliases) else node
            name = str(call.this).lower() if isinstance(call, exp.Anonymous) else ""
            if name not in GENERATORS:
                items.append(Item("", node))
                continue
            if seen:
                raise self.analysis.error(
                    node,
                    "UNSUPPORTED_GENERATOR.MULTI_GENERATOR",
                    "A SELECT list can hold one generator.",
                    "Use LATERAL VIEW.",
                )
            seen = True
            if self.node.args.get("group") or any(
                contains_aggregate(other) for other in self.node.expressions
            ):
                raise self.analysis.unsupported(node, "A generator beside aggregates")
            before = len(source.columns)
            source = self.relations.generate(source, call, None, keep=False)
            made = source.columns[before:]
            names = _given_names(node)
            if names and len(names) != len(made):
                raise self.analysis.error(
                    node,
                    "UDTF_ALIAS_NUMBER_MISMATCH",
                    f"{name}(..) makes {len(made)} columns, the alias names {len(names)}.",
                )
            for position, column in enumerate(made):
                given = names[position] if names else column.name
                items.append(Item(given, node, column, named=True))
            hidden = tuple(Column(c.name, c.value, ("",), True, True) for c in made)
            source = Source(source.sql, source.columns[:before] + hidden, source.streaming)
        return source, items

    def _expanded(self, item: Item, source: Source) -> list[Item]:
        """`*` and `t.*` as the columns they mean."""
        if item.column is not None:
            return [item]
        node = item.node
        if isinstance(node, exp.Star):
            self.analysis.only(node, "except_")
            return self._starred(node, node, source, ())
        if isinstance(node, exp.Column) and isinstance(node.this, exp.Star):
            parts = name_parts(node)[:-1]
            return self._starred(node, node.this, source, parts)
        if isinstance(node, exp.Dot) and isinstance(node.expression, exp.Star):
            raise self.analysis.unsupported(node, f"{node.sql(dialect='databricks')}")
        if isinstance(node, exp.Alias):
            return [Item(node.alias, node.this, named=True)]
        return [Item(output_name(node), node)]

    def _starred(
        self, node: exp.Expr, star: exp.Expr, source: Source, parts: tuple[str, ...]
    ) -> list[Item]:
        self.analysis.only(star, "except_")
        lowered = tuple(part.lower() for part in parts)
        found = [
            column
            for column in source.columns
            if (not column.hidden or (parts and column.shadowed))
            and tuple(q.lower() for q in column.qualifier)[-len(lowered) or 99 :] == lowered
        ]
        if parts and not found:
            return self._struct_star(node, source, parts)
        if not found:
            raise self.analysis.error(node, "PARSE_SYNTAX_ERROR", "There is nothing for * to name.")
        for excepted in star.args.get("except_") or []:
            names = name_parts(excepted)
            gone = [c for c in found if c.name.lower() == names[-1].lower()]
            if not gone:
                raise self.analysis.error(
                    excepted,
                    "UNRESOLVED_COLUMN.WITH_SUGGESTION",
                    f"EXCEPT names the column {names[-1]}, which * does not have.",
                )
            found = [column for column in found if column not in gone]
        return [Item(column.name, node, column) for column in found]

    def _struct_star(self, node: exp.Expr, source: Source, parts: tuple[str, ...]) -> list[Item]:
        from lakeflow.core.schema import Struct
        from lakeflow.dialect.expressions import extracted

        here = self._place(source, "SELECT")
        value = here.name(node, parts)
        if not isinstance(value.type, Struct):
            raise self.analysis.error(
                node, "CANNOT_RESOLVE_STAR_EXPAND", f"{'.'.join(parts)}.* names no relation."
            )
        return [
            Item(field.name, node, Column(field.name, extracted(value, (field.name,)), ()))
            for field in value.type.fields
        ]

    def _grouped(
        self, inner: Expressions, source: Source, items: list[Item], where: str
    ) -> tuple[Expressions, str]:
        """The place of the SELECT list, above the aggregation if there is one."""
        node = self.node
        start = f" FROM {source.sql}" if source.sql else ""
        group = node.args.get("group")
        later = [node.args.get(part) for part in ("having", "qualify", "order")]
        used = [item.node for item in items if item.column is None] + [n for n in later if n]
        if group is None and not any(contains_aggregate(each) for each in used):
            if node.args.get("having") is not None:
                raise self.analysis.error(
                    node.args["having"], "MISSING_GROUP_BY", "HAVING needs GROUP BY."
                )
            return inner, start + where
        if source.streaming:
            self.analysis.keeps_state("an aggregate over a stream")
        grouping = Grouping(inner, self.analysis.alias("grouped"))
        if group is not None:
            from lakeflow.dialect.grouping import group_keys

            group_keys(grouping, group, items)
        here = self._place(source, "an aggregated SELECT")
        here.grouping = grouping
        self._pending = (grouping, start, where)
        return here, ""

    def _outputs(self, here: Expressions, items: list[Item]) -> list[Typed]:
        outputs = []
        for item in items:
            if item.column is not None:
                value = self._starred_value(here, item)
            else:
                value = here.lower(item.node)
            outputs.append(value)
            if item.named and item.column is None:
                here.aliases.setdefault(item.name.lower(), value)
        return outputs

    def _starred_value(self, here: Expressions, item: Item) -> Typed:
        assert item.column is not None
        if item.column.reference is not None:
            self.analysis.metadata.add(item.column.reference)
        if here.grouping is None:
            return item.column.value
        for position, key in enumerate(here.grouping.keys):
            if key.sql == item.column.value.sql:
                return Typed(column_sql(here.grouping.relation, f"k{position}"), key.type)
        raise self.analysis.error(
            item.node,
            "MISSING_AGGREGATION",
            f"{item.name}, which * names, is not in GROUP BY.",
            "Name the columns of the SELECT list.",
        )

    def _assembled(
        self,
        here: Expressions,
        body: str,
        outputs: list[Typed],
        names: list[str],
        source: Source,
    ) -> Relation:
        node = self.node
        exported = unique(names)
        tail = self._filters(here)
        distinct = node.args.get("distinct")
        if distinct is not None:
            self.analysis.only(distinct)
            if source.streaming:
                self.analysis.keeps_state("DISTINCT over a stream")
        order, cut = "", ""
        if distinct is None:
            here.clause = "ORDER BY"
            for name, value in zip(names, outputs, strict=True):
                if [n.lower() for n in names].count(name.lower()) == 1:
                    here.preferred[name.lower()] = value
            order = order_by(here, node.args.get("order"), outputs, names)
            cut = limit(here, node, streaming=source.streaming)
        if here.grouping is not None:
            grouping, start, where = self._pending
            body = grouping.sql(start, where)
        listed = ", ".join(
            f"{_stored(value)} AS {identifier(name)}"
            for value, name in zip(outputs, exported, strict=True)
        )
        word = "SELECT DISTINCT" if distinct is not None else "SELECT"
        sql = f"{word} {listed}{body}{tail}{order}{cut}"
        fields = tuple(Field(name, value.type) for name, value in zip(names, outputs, strict=True))
        relation = Relation(sql, fields, exported, source.streaming)
        if distinct is not None:
            return self.queries._tail(relation, node, self.outer)
        return relation

    def _filters(self, here: Expressions) -> str:
        """HAVING, which filters the aggregated relation, and QUALIFY."""
        tail = ""
        for name, word in (("having", "WHERE"), ("qualify", "QUALIFY")):
            clause = self.node.args.get(name)
            if clause is None:
                continue
            here.clause = name.upper()
            windows = here.windows
            if name == "having":
                here.windows = None
            value = here.lower(clause.this)
            here.windows = windows
            try:
                tail += f" {word} {condition(value, name.upper(), here.zone).sql}"
            except Problem as problem:
                raise here.located(clause.this, problem) from None
        return tail


def _given_names(node: exp.Expr) -> list[str]:
    if isinstance(node, exp.Alias):
        return [node.alias]
    if isinstance(node, exp.Aliases):
        return [part.name for part in node.expressions]
    return []
