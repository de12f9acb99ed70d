"""FROM: tables, subqueries, VALUES, joins and generators as one source of columns."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlglot import exp

from lakeflow.core.names import nearest
from lakeflow.core.schema import BIGINT, Field
from lakeflow.dialect.expressions import Expressions, column_sql
from lakeflow.dialect.functions.generators import GENERATORS, Generated
from lakeflow.dialect.functions.table import Call, check_arity
from lakeflow.dialect.operators import comparison, condition, unify
from lakeflow.dialect.references import is_read_function, table_parts, visible_cte
from lakeflow.dialect.scope import Column, Relation, Source, unique
from lakeflow.dialect.typed import Problem, Typed
from lakeflow.dialect.types import identifier

if TYPE_CHECKING:
    from lakeflow.dialect.queries import Queries

EMPTY = Source("", (), streaming=False)
_KINDS = {"": "JOIN", "INNER": "JOIN", "CROSS": "CROSS JOIN", "OUTER": "JOIN"}
_PARTIAL = ("SEMI", "ANTI")

_INSTEAD = {
    "event_log": "Each pipeline's events are a table, such as event_log_shop of the pipeline shop: "
    "SELECT * FROM event_log_shop.",
}
"""What to write for a table function that there is not."""


class Relations:
    """Lowers the FROM clauses of one place.

    Args:
        queries: Lowers subqueries and knows the common table expressions.
        outer: The place around a subquery.
    """

    def __init__(self, queries: Queries, outer: Expressions | None) -> None:
        self.queries = queries
        self.analysis = queries.analysis
        self.outer = outer

    def source(self, select: exp.Select) -> Source:
        """Everything that a SELECT reads."""
        clause = select.args.get("from_")
        if clause is None:
            found = EMPTY
        else:
            found = self.relation(clause.this)
            for join in clause.this.args.get("joins") or []:
                found = self.join(found, join)
        for join in select.args.get("joins") or []:
            found = self.join(found, join)
            for nested in join.this.args.get("joins") or []:
                found = self.join(found, nested)
        for lateral in select.args.get("laterals") or []:
            found = self.lateral(found, lateral, keep=bool(lateral.args.get("outer")))
        return found

    def relation(self, node: exp.Expr) -> Source:
        """One relation without its joins."""
        match node:
            case exp.Stream():
                inner = node.this
                if isinstance(inner, exp.Subquery):
                    alias = inner.args.get("alias")
                    self.analysis.only(inner, "this", "alias")
                    inner = inner.this
                    return self.table(inner, alias)
                return self.table(inner, None)
            case exp.Table():
                return self.table(node, None)
            case exp.Subquery():
                return self.subquery(node)
            case exp.Values():
                return self.aliased(self.queries.values(node, self.outer), node, "values")
        raise self.analysis.unsupported(node, f"{type(node).__name__} in FROM")

    def table(self, node: exp.Expr, outer_alias: exp.Expr | None) -> Source:
        """A table, a common table expression or a table function."""
        if not isinstance(node, exp.Table):
            raise self.analysis.unsupported(node, "STREAM of something other than a table")
        self.analysis.only(node, "this", "db", "catalog", "alias", "joins")
        alias = outer_alias or node.args.get("alias")
        call = node.this
        if isinstance(call, exp.Anonymous) and not is_read_function(str(call.this)):
            return self.function(node, call)
        parts = table_parts(node)
        cte = visible_cte(node)
        if cte is not None and id(node) not in self.analysis.reads.keys:
            if isinstance(node.parent, exp.Stream):
                raise self.analysis.unsupported(
                    node, f"STREAM of the common table expression {parts[0]}"
                )
            return self.cte(cte, node)
        key = self.analysis.reads.keys[id(node)]
        reference = next(r for r in self.analysis.reads.references if r.key == key)
        schema = self.analysis.inputs[key]
        names = alias_columns(alias)
        wish = alias.name if alias is not None and alias.name else _short(reference.name, key)
        relation = self.analysis.alias(wish)
        qualifier = (wish,) if alias is not None and alias.name else reference.name or (key,)
        fields = list(schema)
        if names:
            self._check_names(node, names, len(fields))
        columns = [
            Column(names[i] if names else f.name, _typed(relation, f), qualifier)
            for i, f in enumerate(fields)
        ]
        hidden = self.analysis.hidden.get(key)
        if hidden is not None and schema.find("_metadata") is None:
            value = Typed(column_sql(relation, "_metadata"), hidden)
            columns.append(Column("_metadata", value, qualifier, hidden=True, reference=key))
        sql = f"{identifier(key)} AS {identifier(relation)}"
        return Source(sql, tuple(columns), reference.streaming or key in self.analysis.streams)

    def _check_names(self, node: exp.Expr, names: list[str], count: int) -> None:
        if len(names) != count:
            raise self.analysis.error(
                node,
                "ASSIGNMENT_ARITY_MISMATCH",
                f"The alias names {len(names)} columns, the relation has {count}.",
            )

    def cte(self, cte: exp.CTE, node: exp.Table) -> Source:
        """A use of a common table expression."""
        relation, name = self.queries.bodies[id(cte)]
        alias = node.args.get("alias")
        wish = alias.name if alias is not None and alias.name else cte.alias
        return self._columns(relation, identifier(name), wish, alias_columns(alias), node)

    def subquery(self, node: exp.Subquery) -> Source:
        """`(SELECT ..) alias`, or a join in parentheses."""
        self.analysis.only(node, "this", "alias", "joins")
        if isinstance(node.this, exp.Table | exp.Stream):
            found = self.relation(node.this)
            for join in node.this.args.get("joins") or []:
                found = self.join(found, join)
            alias = node.args.get("alias")
            if alias is None:
                return replace(found, sql=f"({found.sql})")
            raise self.analysis.unsupported(node, "An alias of a table in parentheses")
        return self.aliased(self.queries.query(node.this, self.outer), node, "subquery")

    def aliased(self, relation: Relation, node: exp.Expr, wish: str) -> Source:
        """A lowered query as a source."""
        alias = node.args.get("alias")
        if alias is not None and alias.name:
            wish = alias.name
        return self._columns(relation, f"({relation.sql})", wish, alias_columns(alias), node)

    def _columns(
        self, relation: Relation, sql: str, wish: str, names: list[str], node: exp.Expr
    ) -> Source:
        name = self.analysis.alias(wish)
        if names:
            self._check_names(node, names, len(relation.fields))
        columns = tuple(
            Column(
                names[i] if names else field.name,
                Typed(column_sql(name, exported), field.type),
                (wish,),
            )
            for i, (field, exported) in enumerate(
                zip(relation.fields, relation.exported, strict=True)
            )
        )
        return Source(f"{sql} AS {identifier(name)}", columns, relation.streaming)

    def function(self, node: exp.Table, call: exp.Anonymous) -> Source:
        """A table function that is computed here: range or a generator."""
        name = str(call.this).lower()
        if name == "range":
            return self._range(node, call)
        if name not in GENERATORS:
            hint = _INSTEAD.get(name) or nearest(name, ["range", *GENERATORS])
            raise self.analysis.unsupported(call, f"The table function {name}(..)", hint)
        alias = node.args.get("alias")
        return self.generate(EMPTY, call, alias, keep=False)

    def _range(self, node: exp.Table, call: exp.Anonymous) -> Source:
        here = Expressions(self.analysis, (), "range(..)")
        if not 1 <= len(call.expressions) <= 3:
            raise self.analysis.unsupported(call, "range(..) with a number of partitions")
        bounds = []
        for argument in call.expressions:
            value = here.lower(argument)
            if not isinstance(value.constant, int):
                raise self.analysis.unsupported(argument, "A bound that is not a constant")
            bounds.append(str(value.constant))
        inner = f"SELECT range AS id FROM range({', '.join(bounds)})"
        relation = Relation(inner, (Field("id", BIGINT),), ("id",), streaming=False)
        return self.aliased(relation, node, "range")

    def lateral(self, left: Source, node: exp.Expr, *, keep: bool) -> Source:
        """LATERAL VIEW of a generator, or a LATERAL subquery.

        Args:
            left: What it is joined to.
            node: The LATERAL.
            keep: Whether a row of which it makes nothing stays.
        """
        self.analysis.only(node, "this", "view", "outer", "alias")
        inner = node.this
        if isinstance(inner, exp.Subquery):
            here = Expressions(
                self.analysis, left.columns, "LATERAL", queries=self.queries, outer=self.outer
            )
            relation = self.queries.query(inner.this, here)
            right = self.aliased(relation, node, "lateral")
            kind = "LEFT JOIN LATERAL" if keep else "CROSS JOIN LATERAL"
            on = " ON true" if keep else ""
            sql = f"{left.sql} {kind} {right.sql}{on}"
            streaming = left.streaming or right.streaming
            return Source(sql, left.columns + right.columns, streaming)
        return self.generate(left, inner, node.args.get("alias"), keep=keep)

    def generate(
        self, left: Source, call: exp.Expr, alias: exp.Expr | None, *, keep: bool
    ) -> Source:
        """Joins each row with the rows that a generator makes of it."""
        name = str(call.this).lower() if isinstance(call, exp.Anonymous) else ""
        if name not in GENERATORS:
            raise self.analysis.unsupported(call, f"LATERAL VIEW of {call.sql()}")
        here = Expressions(
            self.analysis, left.columns, "a generator", queries=self.queries, outer=self.outer
        )
        entry = GENERATORS[name]
        try:
            check_arity(name, len(call.expressions), entry.minimum, entry.maximum)
            made = entry.build(Call(here, name, list(call.expressions), call))
        except Problem as problem:
            raise here.located(call, problem) from None
        return self.generated(left, made, alias, call, keep=keep or entry.outer)

    def generated(
        self,
        left: Source,
        made: Generated,
        alias: exp.Expr | None,
        call: exp.Expr,
        *,
        keep: bool,
    ) -> Source:
        """Adds the columns of a generator to a source."""
        names = alias_columns(alias)
        wish = alias.name if alias is not None and alias.name else "generated"
        relation = self.analysis.alias(wish)
        given = names or list(made.names)
        self._check_names(call, given, len(made.names))
        exported = unique(list(made.names))
        columns = tuple(
            Column(given[i], Typed(column_sql(relation, exported[i]), kind), (wish,))
            for i, kind in enumerate(made.types)
        )
        right = f"(SELECT {made.select(exported)}) AS {identifier(relation)}"
        if not left.sql and keep:
            one = f"(SELECT 1) AS {identifier(self.analysis.alias('one'))}"
            return Source(f"{one} LEFT JOIN {right} ON true", columns, streaming=False)
        if not left.sql:
            return Source(right, columns, streaming=False)
        join = f"LEFT JOIN {right} ON true" if keep else f"CROSS JOIN {right}"
        return Source(f"{left.sql} {join}", left.columns + columns, left.streaming)

    def join(self, left: Source, join: exp.Expr) -> Source:
        """One join to the relation on its left."""
        self.analysis.only(join, "this", "kind", "side", "method", "on", "using")
        if isinstance(join.this, exp.Lateral):
            keep = str(join.args.get("side") or "").upper() == "LEFT"
            return self.lateral(left, join.this, keep=keep)
        right = self.relation(join.this)
        kind = str(join.args.get("kind") or "").upper()
        side = str(join.args.get("side") or "").upper()
        method = str(join.args.get("method") or "").upper()
        if kind not in (*_KINDS, *_PARTIAL) or method not in ("", "NATURAL"):
            raise self.analysis.unsupported(join, f"{method} {kind} JOIN".strip())
        self._note_state(left, right, side, kind)
        on, columns = self._on(left, right, join, side, kind, method)
        if kind in _PARTIAL:
            verb = f"{kind} JOIN"
            columns = left.columns
        elif on is None and not side:
            verb = "CROSS JOIN"
        else:
            verb = f"{side} JOIN".strip()
        if on is None and verb != "CROSS JOIN":
            on = "true"
        sql = f"{left.sql} {verb} {right.sql}" + (f" ON {on}" if on is not None else "")
        return Source(sql, columns, left.streaming or right.streaming)

    def _note_state(self, left: Source, right: Source, side: str, kind: str) -> None:
        if left.streaming and right.streaming:
            self.analysis.keeps_state("a join of two streams")
        elif (left.streaming and side in ("RIGHT", "FULL")) or (
            right.streaming and (side in ("LEFT", "FULL") or kind in _PARTIAL)
        ):
            self.analysis.keeps_state("an outer join that keeps rows without a match in a stream")

    def _on(
        self, left: Source, right: Source, join: exp.Expr, side: str, kind: str, method: str
    ) -> tuple[str | None, tuple[Column, ...]]:
        both = left.columns + right.columns
        using = [item.name for item in join.args.get("using") or []]
        if method == "NATURAL":
            there = {c.name.lower() for c in right.columns if not c.hidden}
            using = [
                c.name
                for c in left.columns
                if c.name.lower() in there and not c.hidden and not c.shadowed
            ]
        if using:
            return self._using(left, right, using, join, side if kind not in _PARTIAL else "")
        node = join.args.get("on")
        if node is None:
            return None, both
        here = Expressions(
            self.analysis, both, "a join condition", queries=self.queries, outer=self.outer
        )
        value = here.lower(node)
        try:
            return condition(value, "JOIN ON", here.zone).sql, both
        except Problem as problem:
            raise here.located(node, problem) from None

    def _using(
        self, left: Source, right: Source, names: list[str], join: exp.Expr, side: str
    ) -> tuple[str, tuple[Column, ...]]:
        tests, merged, gone = [], [], {name.lower() for name in names}
        zone = self.analysis.time_zone
        for name in names:
            a = self._one(left, name, join, "left")
            b = self._one(right, name, join, "right")
            try:
                tests.append(comparison("=", a.value, b.value, zone).sql)
                first, second = unify([a.value, b.value], zone, f"USING ({name})")
            except Problem as problem:
                here = Expressions(self.analysis, (), "USING")
                raise here.located(join, problem) from None
            value = {"RIGHT": second, "FULL": _either(first, second)}.get(side, first)
            merged.append(Column(a.name, value, ()))
        rest = [
            replace(column, hidden=True, shadowed=True)
            if column.name.lower() in gone and not column.hidden
            else column
            for column in (*left.columns, *right.columns)
        ]
        return " AND ".join(tests), (*merged, *rest)

    def _one(self, source: Source, name: str, node: exp.Expr, side: str) -> Column:
        found = [
            column
            for column in source.columns
            if column.name.lower() == name.lower() and not column.shadowed
        ]
        if len(found) == 1:
            return found[0]
        raise self.analysis.error(
            node,
            "AMBIGUOUS_REFERENCE" if found else "UNRESOLVED_USING_COLUMN_FOR_JOIN",
            f"USING ({name}): the {side} side has {len(found)} columns of this name.",
        )


def _either(a: Typed, b: Typed) -> Typed:
    return a.with_sql(f"coalesce({a.sql}, {b.sql})", a.type)


def _typed(relation: str, field: Field) -> Typed:
    return Typed(column_sql(relation, field.name), field.type)


def _short(name: tuple[str, ...], key: str) -> str:
    return name[-1] if name else key


def alias_columns(alias: exp.Expr | None) -> list[str]:
    """The column names of an alias such as `t(a, b)`."""
    if alias is None:
        return []
    return [column.name for column in alias.args.get("columns") or []]
