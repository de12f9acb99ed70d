"""What is kept of parsed and lowered queries is what would be computed, or is not used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lakeflow.core.errors import DefinitionError
from lakeflow.core.location import Location
from lakeflow.core.schema import Schema, Struct
from lakeflow.dialect.query import Lowered, Query, lower, lower_predicate, parse_query
from lakeflow.engine import lowerings
from lakeflow.engine.lowerings import Lowerings
from lakeflow.tables.store import LocalStore

HERE = Location("pipeline.sql", 3, 7)
INPUTS = {"lakeflow_input_0": Schema.from_ddl("id BIGINT, at TIMESTAMP, tags MAP<STRING, INT>")}
TEXTS = (
    "SELECT id, at FROM STREAM(orders)",
    "SELECT count(*) AS n, max(at) AS newest FROM orders",
    "SELECT id, current_timestamp() AS now, tags FROM orders",
    "SELECT id, NULL AS nothing FROM orders",
    "SELECT * FROM read_files('in/*.csv', format => 'csv', header => true)",
)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path)


def everything(found: Lowerings) -> list[tuple[Query, Lowered, str]]:
    results = []
    for text in TEXTS:
        query = found.parse(text, HERE)
        lowered = found.lower(query, INPUTS, hidden={}, time_zone="UTC")
        schema = INPUTS["lakeflow_input_0"]
        results.append((query, lowered, found.predicate("id > 0", schema, HERE, time_zone="UTC")))
    return results


def computed() -> list[tuple[Query, Lowered, str]]:
    schema = INPUTS["lakeflow_input_0"]
    queries = [parse_query(text, HERE) for text in TEXTS]
    return [(q, lower(q, INPUTS), lower_predicate("id > 0", schema, HERE)) for q in queries]


def no_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the parser was asked")

    for name in ("parse_query", "lower", "lower_predicate"):
        monkeypatch.setattr(lowerings, name, refuse)


def kept_file(store: LocalStore) -> Path:
    [name] = store.list_from("kept")
    return store.root / "kept" / name


def test_what_was_kept_is_what_is_computed(store, monkeypatch):
    first = Lowerings(store, "kept")
    assert everything(first) == computed()
    first.save()
    again = Lowerings(store, "kept")
    assert everything(again) == computed()
    before = kept_file(store)
    again.save()
    assert kept_file(store) == before
    no_parser(monkeypatch)
    query = Lowerings(store, "kept").parse(TEXTS[0], HERE)
    assert query.references[0].location == Location("pipeline.sql", 3, 33)


@pytest.mark.parametrize("change", ["text", "file", "line", "column", "schema", "hidden", "zone"])
def test_whatever_changes_is_computed_anew(store, monkeypatch, change):
    text, place, inputs = TEXTS[1], HERE, INPUTS
    hidden: dict[str, Struct] = {}
    zone = "UTC"
    first = Lowerings(store, "kept")
    first.lower(first.parse(text, place), inputs, hidden=hidden, time_zone=zone)
    first.save()
    match change:
        case "text":
            text += " WHERE id > 1"
        case "file":
            place = Location("other.sql", 3, 7)
        case "line":
            place = Location("pipeline.sql", 4, 7)
        case "column":
            place = Location("pipeline.sql", 3, 8)
        case "schema":
            inputs = {"lakeflow_input_0": Schema.from_ddl("id INT, at TIMESTAMP, tags STRING")}
        case "hidden":
            kind = Schema.from_ddl("m STRUCT<size: INT>").fields[0].type
            assert isinstance(kind, Struct)
            hidden = {"lakeflow_input_0": kind}
        case "zone":
            zone = "Europe/Berlin"
    query = parse_query(text, place)
    no_parser(monkeypatch)
    with pytest.raises(AssertionError, match="asked"):
        Lowerings(store, "kept").lower(query, inputs, hidden=hidden, time_zone=zone)


@pytest.mark.parametrize("damage", ["empty", "half", "flipped", "foreign", "other version"])
def test_a_file_that_is_not_as_it_was_written_is_not_used(store, monkeypatch, damage):
    first = Lowerings(store, "kept")
    everything(first)
    first.save()
    file = kept_file(store)
    data = file.read_bytes()
    match damage:
        case "empty":
            file.write_bytes(b"")
        case "half":
            file.write_bytes(data[: len(data) // 2])
        case "flipped":
            file.write_bytes(data.replace(b"SELECT", b"SELECU", 1))
        case "foreign":
            file.with_name("notes.json").write_bytes(data)
            file.unlink()
        case "other version":
            monkeypatch.setattr(lowerings, "_fingerprint", lambda: "another")
    assert Lowerings(store, "kept")._load() == {}
    again = Lowerings(store, "kept")
    assert everything(again) == computed()
    again.save()
    assert json.loads(kept_file(store).read_bytes())["entries"]


def test_only_what_the_last_update_used_is_kept(store):
    first = Lowerings(store, "kept")
    everything(first)
    first.save()
    many = len(json.loads(kept_file(store).read_bytes())["entries"])
    second = Lowerings(store, "kept")
    second.parse(TEXTS[0], HERE)
    second.save()
    assert len(json.loads(kept_file(store).read_bytes())["entries"]) == 1 < many


def test_a_mistake_is_told_again(store):
    for _ in range(2):
        found = Lowerings(store, "kept")
        with pytest.raises(DefinitionError):
            found.parse("SELECT FROM WHERE", HERE)
        found.save()


def test_an_update_that_finds_nothing_new_loads_neither_parser_nor_engine(tmp_path):
    (tmp_path / "drop").mkdir()
    (tmp_path / "drop" / "one.csv").write_text("id,price\n1,2.50\n")
    (tmp_path / "pipe.sql").write_text(
        "CREATE STREAMING TABLE bronze (CONSTRAINT p EXPECT (price > 0)) AS SELECT * FROM STREAM "
        "read_files('drop', format => 'csv', header => true, schema => 'id INT, price DOUBLE');\n"
        "CREATE MATERIALIZED VIEW gold AS SELECT count(*) AS n FROM bronze;\n"
    )
    code = (
        "import sys\nfrom lakeflow.cli.main import run_command\n"
        "from lakeflow.cli.session import open_session\n"
        "assert run_command(['run', 'pipe.sql'], open_session) == 0\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    loaded = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env={k: v for k, v in os.environ.items() if not k.startswith("LAKEFLOW_")},
            capture_output=True,
            text=True,
            check=True,
        )
        loaded.append(set(done.stderr.split()))
    assert {"sqlglot", "duckdb"} <= loaded[0]
    assert loaded[1].isdisjoint({"sqlglot", "duckdb", "polars", "yaml", "rich"})
