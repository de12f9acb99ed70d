"""What the dialect makes of a pipeline's texts, kept from one update to the next.

Parsing and lowering give the same for the same text, schemas and dialect, so an entry's key is a
hash of all of these and is never stale: a changed query is another key. An update that finds
everything here does not load the parser at all. A file that is damaged, or was written by another
version of Lakeflow, sqlglot or Python, is as good as none.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from lakeflow import __version__, core, dialect
from lakeflow.connect.discovery import find_connector
from lakeflow.core.errors import ConfigurationError
from lakeflow.core.location import Location
from lakeflow.core.schema import VOID, Schema, Struct, types_within
from lakeflow.dialect.portable import parse_duckdb
from lakeflow.dialect.query import (
    Lowered,
    Predicate,
    Query,
    Reference,
    lower,
    lower_predicate,
    parse_query,
)
from lakeflow.engine.inputs import connector_of
from lakeflow.tables.store import Store


@dataclass
class Lowerings:
    """Parses and lowers, or remembers.

    Args:
        store: Where the results are kept.
        folder: In which folder, of this alone; at most one file stays there.
    """

    store: Store
    folder: str
    _kept: dict[str, Any] | None = None
    _used: dict[str, Any] = field(default_factory=dict)

    def parse(self, text: str, location: Location, dialect: str = "spark") -> Query:
        """As `parse_query` of the dialect, or `parse_duckdb` where a query is in DuckDB's SQL."""
        key = _key("parse", text, location, dialect)
        kept = self._find(key)
        if kept is not None:
            return Query(text, location, tuple(map(_reference, kept)))
        parse = parse_duckdb if dialect == "duckdb" else parse_query
        query = parse(text, location)
        if not any(map(_may_tell_a_secret, query.references)):
            self._used[key] = asdict(query)["references"]
        return query

    def lower(
        self,
        query: Query,
        inputs: Mapping[str, Schema],
        *,
        hidden: Mapping[str, Struct],
        time_zone: str,
        streams: frozenset[str] = frozenset(),
    ) -> Lowered:
        """As `lakeflow.dialect.query.lower`."""
        given = (sorted(inputs.items()), sorted(hidden.items()), time_zone, sorted(streams))
        key = _key("lower", query, *given)
        kept = self._find(key)
        if kept is not None:
            return _lowered(kept)
        lowered = lower(query, inputs, hidden=hidden, time_zone=time_zone, streams=streams)
        schema = lowered.schema.to_delta()
        # A column without a type has no place in a schema's text; its query is refused later on.
        if all(VOID not in types_within(field.type) for field in lowered.schema):
            self._used[key] = {
                "sql": lowered.sql,
                "schema": schema,
                "deterministic": lowered.deterministic,
                "stateful": list(lowered.stateful),
                "reads_metadata": sorted(lowered.reads_metadata),
                "steady": lowered.steady,
            }
        return lowered

    def predicate(
        self, text: str, schema: Schema, location: Location, *, time_zone: str
    ) -> Predicate:
        """As `lakeflow.dialect.query.lower_predicate`."""
        key = _key("predicate", text, schema, location, time_zone)
        kept = self._find(key)
        if kept is not None:
            return Predicate(**kept)
        found = lower_predicate(text, schema, location, time_zone=time_zone)
        self._used[key] = asdict(found)
        return found

    def save(self) -> None:
        """Keeps what was used, and nothing else, if that has changed."""
        if self._kept is not None and self._kept.keys() == self._used.keys():
            return
        data = json.dumps({"fingerprint": _fingerprint(), "entries": self._used}).encode()
        for name in self.store.list_from(self.folder):
            self.store.delete(f"{self.folder}/{name}")
        self.store.put_if_absent(f"{self.folder}/{_name(data)}", data)

    def _find(self, key: str) -> Any:
        if self._kept is None:
            self._kept = self._load()
        if key in self._kept:
            self._used[key] = self._kept[key]
        return self._used.get(key)

    def _load(self) -> dict[str, Any]:
        """The entries that an update has kept; none if anything is not as it should be."""
        for name in self.store.list_from(self.folder):
            try:
                data = self.store.read(f"{self.folder}/{name}")
            except FileNotFoundError:  # an update that runs meanwhile has kept others
                continue
            if name != _name(data):
                continue
            found = json.loads(data)
            if found["fingerprint"] == _fingerprint():
                entries: dict[str, Any] = found["entries"]
                return entries
        return {}


def _may_tell_a_secret(reference: Reference) -> bool:
    """Whether a reference has arguments that its connector keeps to itself, or may have."""
    if reference.function is None:
        return False
    try:
        return bool(find_connector(connector_of(reference.function)).secret)
    except ConfigurationError:
        return True


def _key(*inputs: object) -> str:
    # The parts are frozen values, whose `repr` tells everything about them.
    return hashlib.sha256(repr(inputs).encode()).hexdigest()


def _name(data: bytes) -> str:
    return f"{hashlib.sha256(data).hexdigest()}.json"


def _reference(value: Mapping[str, Any]) -> Reference:
    return Reference(
        value["key"],
        tuple(value["name"]),
        value["function"],
        tuple((name, text) for name, text in value["arguments"]),
        value["streaming"],
        Location(**value["location"]),
    )


def _lowered(value: Mapping[str, Any]) -> Lowered:
    return Lowered(
        value["sql"],
        Schema.from_delta(value["schema"]),
        value["deterministic"],
        tuple(value["stateful"]),
        frozenset(value["reads_metadata"]),
        value["steady"],
    )


@cache
def _fingerprint() -> str:
    """A hash of whatever could make the same text mean something else."""
    parser = importlib.util.find_spec("sqlglot")
    folders = [*dialect.__path__, *core.__path__]
    if parser is not None:
        folders.extend(parser.submodule_search_locations or ())
    files = [path for folder in folders for path in sorted(Path(folder).rglob("*.py"))]
    found = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return hashlib.sha256(repr((__version__, sys.version, found)).encode()).hexdigest()
