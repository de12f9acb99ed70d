"""Lowering as a whole: a query, or the condition of an expectation."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

import lakeflow.dialect.calls
import lakeflow.dialect.functions.arrays
import lakeflow.dialect.functions.conditional
import lakeflow.dialect.functions.dates
import lakeflow.dialect.functions.formats
import lakeflow.dialect.functions.formatting
import lakeflow.dialect.functions.hashes
import lakeflow.dialect.functions.json
import lakeflow.dialect.functions.lambdas
import lakeflow.dialect.functions.maps
import lakeflow.dialect.functions.matching
import lakeflow.dialect.functions.numbers
import lakeflow.dialect.functions.statistics
import lakeflow.dialect.functions.text
import lakeflow.dialect.nodes
import lakeflow.dialect.windows  # noqa: F401  # each registers what it knows
from lakeflow.core.errors import DefinitionError
from lakeflow.core.location import Location
from lakeflow.core.schema import Field, Schema, Struct, types_within
from lakeflow.dialect.expressions import EXPECTATION, Expressions
from lakeflow.dialect.functions.aggregates import AGGREGATES
from lakeflow.dialect.operators import condition
from lakeflow.dialect.queries import Queries
from lakeflow.dialect.query import Lowered, Predicate, Query
from lakeflow.dialect.references import Reads, find_reads
from lakeflow.dialect.scope import Analysis, Column, Relation
from lakeflow.dialect.tree import parse_expression
from lakeflow.dialect.typed import Problem, Typed
from lakeflow.dialect.types import INTERVALS, identifier

_STEADY = frozenset(("count", "count_if", "min", "max", "bool_and", "bool_or", "every", "some"))
"""Aggregates that give the same in whatever order the rows come."""


def lower_query(
    query: Query,
    inputs: Mapping[str, Schema],
    hidden: Mapping[str, Struct],
    time_zone: str,
    streams: frozenset[str],
    names_repeat: bool,
) -> Lowered:
    """Lowers a query; see `lakeflow.dialect.query.lower`."""
    reads = find_reads(query.text, query.location)
    analysis = Analysis(reads, inputs, hidden, time_zone, streams)
    analysis.aliases.update(reference.key for reference in reads.references)
    relation = Queries(analysis).query(reads.tree.root, None)
    schema = _schema(relation, query.location, names_repeat)
    return Lowered(
        relation.sql,
        schema,
        analysis.deterministic,
        tuple(analysis.stateful),
        frozenset(analysis.metadata),
        all(map(_is_steady, reads.tree.root.walk())),
    )


def _is_steady(node: exp.Expr) -> bool:
    """Whether a part of a query gives the same whatever the order of the rows that it sees."""
    match node:
        case exp.Limit() | exp.Offset() | exp.TableSample():
            return False
        case exp.Window():
            function = str(node.this.this).lower() if isinstance(node.this, exp.Func) else ""
            ranks = ("rank", "dense_rank")
            return function in (ranks if node.args.get("order") else _STEADY)
        case exp.Anonymous():
            return str(node.this).lower() not in AGGREGATES.keys() - _STEADY
    return True


def _schema(relation: Relation, location: Location, names_repeat: bool) -> Schema:
    fields: list[Field] = []
    for field in relation.fields:
        known = {before.name.lower() for before in fields}
        if field.name.lower() in known and not names_repeat:
            raise DefinitionError(
                f"The query has two columns named {field.name}.",
                condition="COLUMN_ALREADY_EXISTS",
                location=location,
                hint="Give one of them another name with AS.",
            )
        interval = next((t for t in types_within(field.type) if t in INTERVALS), None)
        if interval is not None:
            what = "is" if interval == field.type else "holds"
            raise DefinitionError(
                f"The column {field.name} {what} an {interval}, which no table can hold.",
                condition="UNSUPPORTED_DATATYPE",
                location=location,
                hint="Use timestampdiff(..) or cast the parts to BIGINT.",
            )
        fields.append(Field(field.name, field.type))
    return Schema(tuple(fields))


def lower_condition(text: str, schema: Schema, location: Location, time_zone: str) -> Predicate:
    """Lowers the condition of an expectation; see `lakeflow.dialect.query.lower_predicate`."""
    tree = parse_expression(text, location)
    analysis = Analysis(Reads(tree, (), {}), {}, {}, time_zone)
    columns = tuple(
        Column(field.name, Typed(identifier(field.name), field.type), ()) for field in schema
    )
    node: exp.Expr = tree.root
    here = Expressions(analysis, columns, EXPECTATION)
    value = here.lower(node)
    try:
        found = condition(value, "An expectation", time_zone)
    except Problem as problem:
        raise here.located(node, problem) from None
    return Predicate(found.sql, analysis.deterministic)
