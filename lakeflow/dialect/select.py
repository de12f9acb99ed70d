"""One SELECT, from its FROM clause to its last column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlglot import exp

from lakeflow.core.schema import VOID, Field, Struct
from lakeflow.dialect.aggregation import Grouping, contains_aggregate
from lakeflow.dialect.expressions import Expressions, column_sql, extracted
from lakeflow.dialect.functions.generators import GENERATORS
from lakeflow.dialect.grouping import group_keys
from lakeflow.dialect.naming import output_name
from lakeflow.dialect.nodes import name_parts
from lakeflow.dialect.operators import condition
from lakeflow.dialect.ordering import limit, order_by
from lakeflow.dialect.relations import Relations
from lakeflow.dialect.scope import Column, Relation, Source, unique
from lakeflow.dialect.typed import Problem, Typed, keyed
from lakeflow.dialect.types import identifier

if TYPE_CHECKING:
    from lakeflow.dialect.queries import Queries


@dataclass(frozen=True)
class Item:
    """One column of a SELECT list before it is lowered: a node, or a column that `*` gave."""

    name: str
    node: exp.Expr
    column: Column | None = None
    named: bool = False


_CLAUSES = (
    "expressions from_ joins laterals where group having qualify distinct order limit offset "
    "windows with_ hint"
).split()


class Select:
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
        here = self._grouped(inner, source, items)
        here.streaming = source.streaming
        here.windows = self._windows()
        outputs = self._outputs(here, items)
        return self._assembled(here, where, outputs, [item.name for item in items], source)

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

    def _grouped(self, inner: Expressions, source: Source, items: list[Item]) -> Expressions:
        """The place of the SELECT list, above the aggregation if there is one."""
        node = self.node
        group = node.args.get("group")
        later = [node.args.get(part) for part in ("having", "qualify", "order")]
        used = [item.node for item in items if item.column is None] + [n for n in later if n]
        if group is None and not any(contains_aggregate(each) for each in used):
            if node.args.get("having") is not None:
                raise self.analysis.error(
                    node.args["having"], "MISSING_GROUP_BY", "HAVING needs GROUP BY."
                )
            return inner
        if source.streaming:
            self.analysis.keeps_state("an aggregate over a stream")
        grouping = Grouping(inner, self.analysis.alias("grouped"))
        if group is not None:
            group_keys(grouping, group, items)
        here = self._place(source, "an aggregated SELECT")
        here.grouping = grouping
        return here

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
        where: str,
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
        body = f" FROM {source.sql}" if source.sql else ""
        # Only now are all aggregates known: HAVING and ORDER BY may have added some.
        body = body + where if here.grouping is None else here.grouping.sql(body, where)
        listed = ", ".join(
            f"{stored(value if distinct is None else keyed(value))} AS {identifier(name)}"
            for value, name in zip(outputs, exported, strict=True)
        )
        word = "SELECT DISTINCT" if distinct is not None else "SELECT"
        sql = f"{word} {listed}{body}{tail}{order}{cut}"
        fields = tuple(Field(name, value.type) for name, value in zip(names, outputs, strict=True))
        relation = Relation(sql, fields, exported, source.streaming)
        if distinct is not None:
            return self.queries.tail(relation, node, self.outer)
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


def stored(value: Typed) -> str:
    """A value's SQL in a row, where even a bare NULL must have a type."""
    return "CAST(NULL AS INTEGER)" if value.type == VOID else value.sql
