"""What of a query in DuckDB's SQL needs rows of earlier batches, by DuckDB's own tree of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

WHOLE = "rows that are read whole"
_MACROS = frozenset(("geomean", "geometric_mean", "wavg", "weighted_avg"))
"""Macros around aggregates, which DuckDB does not list as such."""

_KEEPING_LEFT = ("LEFT", "SEMI", "ANTI")
_KEEPING_BOTH = ("FULL", "OUTER")
_OF_EQUAL_ROWS = ("REGULAR", "NATURAL", "CROSS", "DEPENDENT")
_MODIFIERS = {"ORDER_MODIFIER": "ORDER BY", "DISTINCT_MODIFIER": "DISTINCT"}


Ask = Callable[[str], Sequence[tuple[Any, ...]]]
"""Runs a query in DuckDB."""


def needs_earlier_batches(
    text: str, streams: Iterable[str], whole: Iterable[str], ask: Ask
) -> tuple[str, ...]:
    """Why the rows of a query cannot be appended batch by batch; empty if they can.

    Args:
        text: One SELECT.
        streams: Names of the relations in it that are streams.
        whole: Names of those that are read whole in each batch.
        ask: Asks DuckDB.

    Example:
        >>> import duckdb
        >>> def ask(sql):
        ...     return duckdb.sql(sql).fetchall()
        >>> needs_earlier_batches("SELECT id + 1 FROM new WHERE id > 0", ["new"], [], ask)
        ()
        >>> needs_earlier_batches("SELECT DISTINCT count(*) FROM new", ["new"], [], ask)
        ('the aggregate count over a stream', 'DISTINCT over a stream')
    """
    quoted = "'" + text.replace("'", "''") + "'"
    [(serialized,)] = ask(f"SELECT json_serialize_sql({quoted})")
    tree = json.loads(serialized)
    if tree["error"]:  # such as PIVOT, which is several statements
        return ("PIVOT over a stream",)
    known = {name.lower(): False for name in whole} | {name.lower(): True for name in streams}
    found = _Reasons(ask)
    [statement] = tree["statements"]
    if not found.query(statement["node"], known) and not found.reasons:
        return (WHOLE,)
    return tuple(found.reasons)


Known = Mapping[str, bool]
"""Name of a relation, in lower case -> whether it is a stream."""


@dataclass(frozen=True)
class _Reasons:
    """Walks a query; each step tells whether what it has seen is a stream."""

    ask: Ask
    reasons: dict[str, None] = field(default_factory=dict)

    @cached_property
    def aggregates(self) -> frozenset[str]:
        """Names of functions; DuckDB needs a while to tell them, and few queries call any."""
        names = self.ask(
            "SELECT DISTINCT lower(function_name) FROM duckdb_functions() "
            "WHERE function_type = 'aggregate'"
        )
        return frozenset(name for (name,) in names) | _MACROS

    def query(self, node: Any, known: Known) -> bool:
        """A SELECT or several that are set together."""
        known = dict(known)
        for entry in node["cte_map"]["map"]:
            name = entry["key"].lower()
            inner = self.query(entry["value"]["query_node"], known)
            known[name] = inner or known.get(name, False)
        match node["type"]:
            case "SELECT_NODE":
                return self._select(node, known)
            case "SET_OPERATION_NODE":
                return self._set_together(node, known)
        return self._as_a_whole(node, known, node["type"].removesuffix("_NODE").replace("_", " "))

    def _select(self, node: Any, known: Known) -> bool:
        streaming = self._table(node["from_table"], known)
        own = {part: found for part, found in node.items() if part not in ("from_table", "cte_map")}
        self._expressions(own, known, streaming)
        if not streaming:
            return False
        if node["group_sets"] or node["aggregate_handling"] != "STANDARD_HANDLING":
            self._note("GROUP BY over a stream")
        for part in ("having", "qualify", "sample"):
            if node[part]:
                self._note(f"{part.upper()} over a stream")
        self._modifiers(node)
        return True

    def _modifiers(self, node: Any) -> None:
        for found in node["modifiers"]:
            word = found["type"]
            self._note(f"{_MODIFIERS.get(word, word.removesuffix('_MODIFIER'))} over a stream")

    def _set_together(self, node: Any, known: Known) -> bool:
        sides = [self.query(side, known) for side in node["children"]]
        if not any(sides):
            return False
        word = node["setop_type"].replace("_", " ")
        self._modifiers(node)
        if not (node["setop_all"] and word.startswith("UNION")):
            self._note(f"{word} over a stream")
        elif not all(sides):
            self._note(f"UNION ALL with {WHOLE}")
        return True

    def _table(self, node: Any, known: Known) -> bool:
        streaming = self._relation(node, known)
        if streaming and node.get("sample"):
            self._note("SAMPLE over a stream")
        return streaming

    def _relation(self, node: Any, known: Known) -> bool:
        match node:
            case {"type": "EMPTY" | "EXPRESSION_LIST"}:
                return False
            case {"type": "BASE_TABLE", "table_name": name}:
                return self._named(name, known)
            case {"type": "SUBQUERY", "subquery": {"node": inner}}:
                return self.query(inner, known)
            case {"type": "JOIN"}:
                return self._join(node, known)
            case {"type": "PIVOT", "source": source, "unpivot_names": [_, *_]}:
                return self._table(source, known)
            case {"type": "TABLE_FUNCTION", "function": {"function_name": name}}:
                if name.lower() in ("query", "query_table"):  # their tables are known to none
                    self._note(f"{name} beside a stream")
                return self._as_a_whole(node, known, name)
        return self._as_a_whole(node, known, node["type"].removesuffix("_REF"))

    def _named(self, name: str, known: Known) -> bool:
        if name.lower() not in known:
            shown = "a relation" if name.startswith("__duckdb") else name
            self._note(f"{shown} that is not built from the inputs")
        return known.get(name.lower(), False)

    def _join(self, node: Any, known: Known) -> bool:
        left, right = self._table(node["left"], known), self._table(node["right"], known)
        own = {part: found for part, found in node.items() if part not in ("left", "right")}
        self._expressions(own, known, left or right)
        kind, how = node["join_type"], node["ref_type"]
        row_by_row = (
            left and kind in ("INNER", *_KEEPING_LEFT) and how in (*_OF_EQUAL_ROWS, "ASOF")
        ) or (right and kind in ("INNER", "RIGHT") and how in _OF_EQUAL_ROWS)
        if left and right:
            self._note("a join of two streams")
        elif (left and kind in ("RIGHT", *_KEEPING_BOTH)) or (
            right and kind in (*_KEEPING_LEFT, *_KEEPING_BOTH)
        ):
            self._note("an outer join that keeps rows without a match in a stream")
        elif (left or right) and not row_by_row:
            self._note(f"a join {how} {kind} of a stream")
        return left or right

    def _as_a_whole(self, node: Any, known: Known, word: str) -> bool:
        """What takes its relations whole."""
        parts = list(_dicts(node))
        inner = {str(part.get("cte_name") or part.get("key")).lower() for part in parts}
        names = {part["table_name"] for part in parts if part.get("type") == "BASE_TABLE"}
        streaming = any(self._named(name, known) for name in names if name.lower() not in inner)
        if streaming:
            self._note(f"{word} over a stream")
        return streaming

    def _expressions(self, node: Any, known: Known, streaming: bool) -> None:
        """Aggregates, windows and subqueries."""
        if isinstance(node, list):
            for inner in node:
                self._expressions(inner, known, streaming)
        if not isinstance(node, dict):
            return
        match node:
            case {"class": "SUBQUERY", "subquery": {"node": inner}, "child": child}:
                if self.query(inner, known):
                    self._note("a subquery over a stream")
                elif streaming and (name := self._of_outer_rows(inner)) is not None:
                    self._note(f"the aggregate {name} in a subquery beside a stream")
                node = {"child": child}
            case {"class": "WINDOW"} if streaming:
                self._note("a window function over a stream")
            case {"class": "FUNCTION", "function_name": name} if streaming:
                if not node.get("is_operator") and name.lower() in self.aggregates:
                    self._note(f"the aggregate {name.removesuffix('_star')} over a stream")
        for inner in node.values():
            self._expressions(inner, known, streaming)

    def _of_outer_rows(self, query: Any) -> str | None:
        """An aggregate in a subquery that may be one of the query around it.

        It is that if its columns are; which those are is not known here.
        """
        for found in _dicts(query):
            name = str(found.get("function_name", ""))
            has_columns = any(inner.get("class") == "COLUMN_REF" for inner in _dicts(found))
            if name and has_columns and name.lower() in self.aggregates:
                return name
        return None

    def _note(self, reason: str) -> None:
        self.reasons[reason] = None


def _dicts(node: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(node, dict):
        yield node
        for inner in node.values():
            yield from _dicts(inner)
    if isinstance(node, list):
        for inner in node:
            yield from _dicts(inner)
