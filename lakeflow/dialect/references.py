"""What a query reads: the tables and read functions of its FROM clauses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from sqlglot import exp

from lakeflow.core.location import Location
from lakeflow.dialect.query import Reference
from lakeflow.dialect.tree import Tree, parse


@dataclass(frozen=True)
class Reads:
    """The references of a tree.

    Args:
        tree: The tree.
        references: In order of first appearance.
        keys: From the identity of a table's node to the key of its reference.
    """

    tree: Tree
    references: tuple[Reference, ...]
    keys: Mapping[int, str]


@lru_cache(maxsize=2048)
def find_reads(text: str, location: Location) -> Reads:
    """Finds what the query of a text reads.

    Raises:
        DefinitionError: The text is no query.
        UnsupportedError: A read function has an argument that is not a constant.
    """
    tree = parse(text, location)
    found: dict[tuple[object, ...], Reference] = {}
    keys: dict[int, str] = {}
    for node in _tables(tree.root):
        name, function, arguments = _what(tree, node)
        if not function and (not name or visible_cte(node) is not None):
            continue
        streaming = stream_of(node) is not None
        if (streaming and name[:1] and name[0].lower() == "live" and len(name) > 1) or (
            len(name) > 1 and name[0].lower() == "live"
        ):
            name = name[1:]
        identity = (tuple(part.lower() for part in name), function, arguments, streaming)
        if identity not in found:
            key = f"lakeflow_input_{len(found)}"
            found[identity] = Reference(key, name, function, arguments, streaming, tree.place(node))
        keys[id(node)] = found[identity].key
    return Reads(tree, tuple(found.values()), keys)


def _tables(root: exp.Expr) -> Iterator[exp.Table]:
    nodes = [node for node in root.walk() if isinstance(node, exp.Table)]
    starts = {id(n): min(c.meta["start"] for c in n.walk() if "start" in c.meta) for n in nodes}
    yield from sorted(nodes, key=lambda n: starts[id(n)])


def is_read_function(name: str) -> bool:
    """Whether a table function reads files or a system, so that the engine answers it."""
    return name.lower().startswith("read_") or name.lower() == "cloud_files"


def table_parts(node: exp.Table) -> tuple[str, ...]:
    """The parts of a table's name as the user wrote them; none for a table function."""
    parts: list[str] = []
    for name in ("catalog", "db", "this"):
        part = node.args.get(name)
        while isinstance(part, exp.Dot):
            parts.append(part.this.name)
            part = part.expression
        if isinstance(part, exp.Identifier):
            parts.append(part.this)
    return tuple(parts)


def _what(
    tree: Tree, node: exp.Table
) -> tuple[tuple[str, ...], str | None, tuple[tuple[str | None, str], ...]]:
    call = node.this
    if not isinstance(call, exp.Anonymous):
        return table_parts(node), None, ()
    name = str(call.this)
    if not is_read_function(name):
        return (), None, ()
    arguments: list[tuple[str | None, str]] = []
    for argument in call.expressions:
        arguments.extend(_arguments(tree, argument))
    return (), name.lower(), tuple(arguments)


def _arguments(tree: Tree, node: exp.Expr) -> Iterator[tuple[str | None, str]]:
    if isinstance(node, exp.Kwarg):
        yield node.this.name, constant_text(tree, node.expression)
    elif isinstance(node, exp.Anonymous) and str(node.this).lower() == "map":
        pairs = node.expressions
        for key, value in zip(pairs[::2], pairs[1::2], strict=False):
            yield constant_text(tree, key), constant_text(tree, value)
    else:
        yield None, constant_text(tree, node)


def constant_text(tree: Tree, node: exp.Expr) -> str:
    """The text of a constant argument.

    Raises:
        UnsupportedError: It is not a constant.
    """
    match node:
        case exp.Literal() | exp.RawString():
            return str(node.this)
        case exp.Boolean():
            return "true" if node.this else "false"
        case exp.Concat():
            return "".join(constant_text(tree, part) for part in node.expressions)
        case exp.Neg():
            return "-" + constant_text(tree, node.this)
        case exp.Cast(this=exp.Literal() as literal):
            return str(literal.this)
    raise tree.unsupported(
        node,
        f"The argument {node.sql(dialect='databricks')}",
        "Arguments of read functions are constants.",
    )


def stream_of(node: exp.Table) -> exp.Stream | None:
    """The STREAM around a table, if there is one."""
    parent = node.parent
    if isinstance(parent, exp.Subquery):
        parent = parent.parent
    return parent if isinstance(parent, exp.Stream) else None


def visible_cte(node: exp.Table) -> exp.CTE | None:
    """The common table expression that a table's name means at its place, if any.

    A body sees the expressions before its own in the same WITH, never itself: in
    `WITH a AS (SELECT * FROM a)` the inner `a` is a table.
    """
    parts = table_parts(node)
    if len(parts) != 1:
        return None
    name = parts[0].lower()
    below: exp.Expr = node
    above = node.parent
    inside: exp.CTE | None = None
    while above is not None:
        if isinstance(above, exp.CTE):
            inside = above
        clause = above.args.get("with_") if not isinstance(above, exp.With) else None
        if isinstance(clause, exp.With) and below is not clause:
            found = _named(clause.expressions, name)
            if found is not None:
                return found
        if isinstance(above, exp.With):
            position = next(i for i, c in enumerate(above.expressions) if c is inside)
            found = _named(above.expressions[:position], name)
            if found is not None:
                return found
            # The query that owns this WITH has nothing else to offer to its bodies.
            below, above = above.parent or above, above.parent.parent if above.parent else None
            continue
        below, above = above, above.parent
    return None


def _named(candidates: list[exp.Expr], name: str) -> exp.CTE | None:
    for cte in reversed(candidates):
        if isinstance(cte, exp.CTE) and cte.alias.lower() == name:
            return cte
    return None
