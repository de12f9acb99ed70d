"""SQLite tables: each version of each row once, and no value in a column that it does not fit."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import random
import re
import sqlite3
from collections import Counter
from contextlib import closing
from decimal import Decimal

import pytest

import lakeflow_connectors.sqlite.connector as module
from lakeflow.connect.ledger import Ledger
from lakeflow.connect.memory import MemoryRecordStore
from lakeflow.connect.source import Limit, SourceContext
from lakeflow.core.clock import SystemClock
from lakeflow.core.errors import (
    ConfigurationError,
    DataError,
    DefinitionErrors,
    LakeflowError,
    SourceError,
)
from lakeflow.core.location import Location
from lakeflow.core.schema import Schema
from lakeflow.core.settings import Settings
from lakeflow.engine.session import Session
from lakeflow_connectors.sqlite import SqliteConnector

HERE = Location("pipeline.sql", 7)


class Database:
    """A database that is written by its own connections, as another program does."""

    def __init__(self, folder):
        self.path = folder / "source % 1?.db"

    def run(self, *statements):
        with closing(sqlite3.connect(self.path)) as connection, connection:
            for statement in statements:
                text, values = statement if isinstance(statement, tuple) else (statement, ())
                connection.execute(text, values)

    def rows(self, query):
        with closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(query).fetchall()

    def open(self, table="t", cursor="c", **options):
        given = {"path": str(self.path), "table": table, "cursor": cursor, **options}
        context = SourceContext(Ledger(MemoryRecordStore()), SystemClock(), HERE)
        return SqliteConnector().source(given, context)


@pytest.fixture
def database(tmp_path):
    return Database(tmp_path)


def read(source, start, end):
    table = source.read(start, end).open().read_all()
    return [tuple(row.values()) for row in table.to_pylist()]


def take(source, start, limit=None):
    """Everything new, batch by batch, through JSON as the engine does it."""
    found, upto = [], source.horizon()
    while upto is not None:
        end = source.latest(start, Limit(max_rows=limit), upto)
        if end == start:
            break
        batch = read(source, start, end)
        assert limit is None or len(batch) <= limit
        found += batch
        start = json.loads(json.dumps(end))
    return found, start


KINDS = {
    "INTEGER": lambda chance: chance.randrange(12),
    "REAL": lambda chance: chance.randrange(6) / 2 + chance.choice([0, 0.1]),
    "TEXT": lambda chance: chance.choice(["a", "B", "b", "é", "z", "aa"]),
    "TEXT COLLATE NOCASE": lambda chance: chance.choice(["a", "B", "b", "A"]),
    "DATE": lambda chance: f"2024-01-{chance.randrange(1, 9):02d}",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(12))
def test_each_version_of_each_row_is_read_once(database, kind, seed):
    """The oracle keeps all versions by hand; cursors tie, come late, and grow by updates."""
    chance = random.Random(f"{kind} {seed}")
    database.run(f"CREATE TABLE t (c {kind} NOT NULL, version INTEGER NOT NULL)")
    highest = {"DATE": "2024-02-{:02d}", "TEXT": "ü{:03d}", "TEXT COLLATE NOCASE": "ü{:03d}"}
    versions = itertools.count()
    wanted, found, start = Counter(), Counter(), None
    for update in range(8):
        with closing(sqlite3.connect(database.path)) as connection, connection:
            for _ in range(chance.randrange(6)):
                connection.execute(
                    "INSERT INTO t VALUES (?, ?)", (KINDS[kind](chance), next(versions))
                )
            known = [row for (row,) in connection.execute("SELECT rowid FROM t")]
            for row in chance.sample(known, min(len(known), chance.randrange(3))):
                # An update raises the cursor above all that was there.
                new = highest[kind].format(update + 1) if kind in highest else 100 + update
                connection.execute(
                    "UPDATE t SET c = ?, version = ? WHERE rowid = ?", (new, next(versions), row)
                )
        wanted.update(version for (version,) in database.rows("SELECT version FROM t"))
        batch, start = take(database.open(), start, chance.choice([None, 1, 2, 5]))
        found.update(version for _, version in batch)
    assert set(found) == set(wanted)
    assert set(found.values()) <= {1}


def test_a_range_is_the_same_however_often_and_by_whomever_it_is_read(database):
    database.run(
        "CREATE TABLE t (c INTEGER)", *(("INSERT INTO t VALUES (?)", (n % 4,)) for n in range(20))
    )
    source = database.open()
    first = source.latest(None, Limit(max_rows=7), source.horizon())
    second = source.latest(first, Limit(max_rows=7), source.horizon())
    wanted = read(source, first, second)
    database.run("INSERT INTO t VALUES (0)", "INSERT INTO t VALUES (9)")
    assert read(source, first, second) == wanted == read(database.open(), first, second)


def test_a_late_row_with_a_lower_cursor_is_read(database):
    database.run("CREATE TABLE t (c INTEGER)", "INSERT INTO t VALUES (5), (9)")
    _, start = take(database.open(), None)
    database.run("INSERT INTO t VALUES (1), (9), (5)")
    assert take(database.open(), start)[0] == [(1,), (5,), (9,)]


def test_reading_goes_on_after_the_newest_rows_were_deleted(database):
    database.run("CREATE TABLE t (c INTEGER)", "INSERT INTO t VALUES (5), (6), (9)")
    _, start = take(database.open(), None)
    database.run("DELETE FROM t WHERE c = 9")
    with pytest.raises(SourceError, match="highest c of t is lower than 9") as raised:
        take(database.open(), start)
    assert "--full-refresh" in raised.value.hint
    database.run("INSERT INTO t VALUES (10)")
    assert take(database.open(), start)[0] == [(10,)]


def test_a_row_that_takes_a_deleted_row_id_is_read(database):
    database.run("CREATE TABLE t (c INTEGER, x)", "INSERT INTO t VALUES (5, 'a'), (5, 'b')")
    _, start = take(database.open(), None)
    database.run("DELETE FROM t WHERE x = 'b'")
    nothing, start = take(database.open(), start)
    assert nothing == []
    database.run("INSERT INTO t VALUES (5, 'c')")
    assert database.rows("SELECT rowid FROM t WHERE x = 'c'") == [(2,)]
    assert take(database.open(), start)[0] == [(5, "c")]


def test_an_emptied_table_is_no_error(database):
    database.run("CREATE TABLE t (c INTEGER)", "INSERT INTO t VALUES (5)")
    _, start = take(database.open(), None)
    database.run("DELETE FROM t")
    assert take(database.open(), start) == ([], start)


def test_a_table_that_was_made_again_with_lower_cursors_is_refused(database):
    database.run("CREATE TABLE t (c INTEGER)", "INSERT INTO t VALUES (5), (6)")
    _, start = take(database.open(), None)
    database.run("DROP TABLE t", "CREATE TABLE t (c INTEGER)", "INSERT INTO t VALUES (1)")
    with pytest.raises(SourceError, match="made again or restored"):
        take(database.open(), start)
    database.run("DROP TABLE t")
    with pytest.raises(SourceError, match="There is no table t") as raised:
        database.open()
    assert raised.value.location == HERE


def test_null_cursors_are_refused(database):
    database.run("CREATE TABLE t (c INTEGER)", "INSERT INTO t VALUES (1), (NULL), (NULL)")
    with pytest.raises(DataError, match=r"2 row\(s\) of t have no c"):
        database.open().horizon()


def test_another_cursor_is_refused(database):
    database.run("CREATE TABLE t (c INTEGER, d INTEGER)", "INSERT INTO t VALUES (1, 2)")
    _, start = take(database.open(), None)
    with pytest.raises(LakeflowError, match="read by c so far, and is to be read by d now"):
        take(database.open(cursor="d"), start)


VALUES = [
    ("INTEGER", -(2**63), -(2**63)),
    ("INTEGER", 2**63 - 1, 2**63 - 1),
    ("INTEGER", "9", 9),  # SQLite's own affinity made it a number when it was stored
    ("TEXT", 9, "9"),
    ("TEXT", "nul\0, é, \U0001f600", "nul\0, é, \U0001f600"),
    ("VARCHAR(3)", "longer", "longer"),
    ("BLOB", b"\x00\xff", b"\x00\xff"),
    ("DOUBLE", 0.1, 0.1),
    ("DOUBLE", 3, 3.0),
    ("DOUBLE", float("inf"), float("inf")),
    ("BOOLEAN", 1, True),
    ("DATE", "2024-02-29", dt.date(2024, 2, 29)),
    ("DATETIME", "2024-02-29 12:30:00.25", dt.datetime(2024, 2, 29, 12, 30, 0, 250000)),  # noqa: DTZ001
    ("DATETIME", "2024-02-29T12:30", dt.datetime(2024, 2, 29, 12, 30)),  # noqa: DTZ001
    ("DECIMAL(10,2)", 12.34, Decimal("12.34")),
    ("DECIMAL(10,2)", 5, Decimal("5.00")),
    ("NUMERIC(38)", 2**62, Decimal(2**62)),
    ("UUID", "b5a7", "b5a7"),
    ("", "text", "text"),
]


@pytest.mark.parametrize(("kind", "stored", "wanted"), VALUES)
def test_values_are_read_exactly(database, kind, stored, wanted):
    database.run(
        f"CREATE TABLE t (c INTEGER, x {kind})",
        ("INSERT INTO t VALUES (1, ?)", (stored,)),
        "INSERT INTO t VALUES (2, NULL)",
    )
    found, _ = take(database.open(), None)
    assert found == [(1, wanted), (2, None)]
    assert type(found[0][1]) is type(wanted)


MISFITS = [
    ("INTEGER", "twelve"),
    ("INTEGER", 1.5),
    ("INTEGER", b"1"),
    ("TEXT", b"\xff"),
    ("BLOB", "text"),
    ("BLOB", 1),
    ("DOUBLE", "much"),
    ("DOUBLE", 2**53 + 1),
    ("BOOLEAN", 2),
    ("BOOLEAN", "true"),
    ("DATE", "29.2.2024"),
    ("DATE", "2023-02-29"),
    ("DATE", 20240229),
    ("DATETIME", "2024-02-29 12:30:00+02:00"),
    ("DATETIME", "2024-02-29 12:30:00.1234567"),
    ("DATETIME", 1709209800),
    ("DECIMAL(4,2)", 100.25),
    ("DECIMAL(4,2)", 1.255),
    ("DECIMAL(4,2)", "1,25"),
    ("DECIMAL(4,2)", float("inf")),
    ("", 5),
]


@pytest.mark.parametrize(("kind", "stored"), MISFITS)
def test_a_value_that_does_not_fit_is_refused_by_column_value_and_row(database, kind, stored):
    if kind == "DOUBLE" and isinstance(stored, int):
        # A column of REAL affinity would store it as a float; NUMERIC keeps the whole number.
        kind = "NUMERIC"
    database.run(
        f"CREATE TABLE t (c INTEGER, x {kind})",
        "INSERT INTO t VALUES (1, NULL)",
        ("INSERT INTO t VALUES (2, ?)", (stored,)),
    )
    with pytest.raises(DataError) as raised:
        take(database.open(), None)
    assert raised.value.location == HERE
    for said in ("Column x of t", "row 2", repr(stored)):
        assert said in raised.value.message


def test_hints_give_columns_other_types(database):
    database.run(
        "CREATE TABLE t (c INTEGER, x, at DATETIME, n INTEGER)",
        "INSERT INTO t VALUES (1, 5, '2024-02-29 12:30:00+02:00', 7)",
        "INSERT INTO t VALUES (2, 'five', '2024-02-29 12:30:00', 8)",
    )
    source = database.open(schemaHints="X STRING, at TIMESTAMP, n SMALLINT")
    assert str(source.schema()) == "c BIGINT, x STRING, at TIMESTAMP, n SMALLINT"
    found, _ = take(source, None)
    instants = [dt.datetime(2024, 2, 29, hour, 30, tzinfo=dt.UTC) for hour in (10, 12)]
    assert found == [(1, "5", instants[0], 7), (2, "five", instants[1], 8)]
    with pytest.raises(ConfigurationError, match="has no column at2"):
        database.open(schemaHints="at2 STRING")
    with pytest.raises(ConfigurationError, match="cannot be read as ARRAY<INT>"):
        database.open(schemaHints="n ARRAY<INT>")


def test_generated_columns_and_columns_called_rowid_are_read(database):
    database.run(
        "CREATE TABLE t (rowid TEXT, c INTEGER, twice INTEGER AS (c * 2) STORED)",
        "INSERT INTO t (rowid, c) VALUES ('x', 1), ('x', 1)",
    )
    assert take(database.open(), None, 1)[0] == [("x", 1, 2), ("x", 1, 2)]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("CREATE VIEW t AS SELECT 1 AS c", "a view"),
        ("CREATE TABLE t (c INTEGER PRIMARY KEY) WITHOUT ROWID", "WITHOUT ROWID"),
        ("CREATE TABLE t (c, rowid, oid, _rowid_)", "have no name"),
    ],
)
def test_what_has_no_row_ids_is_refused(database, statement, said):
    database.run(statement)
    with pytest.raises(SourceError, match=said):
        database.open()


def test_what_is_not_there_is_named(database, tmp_path):
    with pytest.raises(SourceError, match="cannot be read: unable to open"):
        database.open()
    database.run("CREATE TABLE orders (c INTEGER)")
    with pytest.raises(SourceError) as raised:
        database.open(table="order")
    assert raised.value.hint == "Did you mean 'orders'?"
    with pytest.raises(ConfigurationError, match="no column id"):
        database.open(table="orders", cursor="id")
    database.path.write_bytes(b"no database at all, and long enough to look at" * 100)
    with pytest.raises(SourceError, match="not a database"):
        database.open(table="orders")


def test_a_locked_database_is_waited_for_and_then_refused(database, monkeypatch):
    database.run("CREATE TABLE t (c INTEGER)", "INSERT INTO t VALUES (1)")
    source = database.open()
    with closing(sqlite3.connect(database.path)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        monkeypatch.setattr(module, "BUSY_SECONDS", 0.05)
        with pytest.raises(SourceError, match="database is locked") as raised:
            source.horizon()
        assert "run once more" in raised.value.hint
    assert source.horizon()["value"] == 1


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_a_writer_in_the_middle_of_a_transaction_is_not_seen(database, journal):
    database.run("CREATE TABLE t (c INTEGER)", "INSERT INTO t VALUES (1)")
    with closing(sqlite3.connect(database.path)) as writer:
        writer.execute(f"PRAGMA journal_mode = {journal}")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO t VALUES (2)")
        found, start = take(database.open(), None)
        assert found == [(1,)]
        writer.commit()
        assert take(database.open(), start)[0] == [(2,)]


PIPELINE = """
CREATE STREAMING TABLE orders AS
SELECT * FROM STREAM read_sqlite('source % 1?.db', table => 't', cursor => 'c'{});
"""


@pytest.fixture
def run(tmp_path):
    session = Session(Settings.load({}, lakehouse=tmp_path / "lakehouse"))

    def run(options=""):
        (tmp_path / "pipeline.sql").write_text(PIPELINE.format(options))
        (flow,) = session.run(tmp_path / "pipeline.sql").flows
        if flow.error is not None:
            raise flow.error
        return [
            tuple(row.values())
            for row in session.query("SELECT * FROM orders ORDER BY c").read_all().to_pylist()
        ]

    return run


def test_a_pipeline_reads_a_table_and_a_column_that_is_added(database, run):
    database.run("CREATE TABLE t (c INTEGER, x TEXT)", "INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    assert run() == [(1, "a"), (2, "b")]
    database.run("ALTER TABLE t ADD COLUMN y DATE", "INSERT INTO t VALUES (3, 'c', '2024-01-01')")
    new = (3, "c", dt.date(2024, 1, 1))
    assert run() == [(1, "a", None), (2, "b", None), new]
    database.run("ALTER TABLE t DROP COLUMN x", "INSERT INTO t VALUES (4, NULL)")
    assert run() == [(1, "a", None), (2, "b", None), new, (4, None, None)]


def test_a_pipeline_says_which_row_does_not_fit_and_goes_on_when_it_is_mended(database, run):
    database.run("CREATE TABLE t (c INTEGER, x INTEGER)", "INSERT INTO t VALUES (1, 1)")
    assert run(", maxRowsPerTrigger => 1") == [(1, 1)]
    database.run("INSERT INTO t VALUES (2, 2), (3, 'three'), (4, 4)")
    with pytest.raises(DataError, match="Column x of t is BIGINT; row 3 holds 'three'") as raised:
        run(", maxRowsPerTrigger => 1")
    assert raised.value.location.line == 3
    database.run("UPDATE t SET x = 3 WHERE c = 3")
    assert run(", maxRowsPerTrigger => 1") == [(1, 1), (2, 2), (3, 3), (4, 4)]


@pytest.mark.parametrize("column", ["x", "total price"])
@pytest.mark.parametrize("before", [False, True])
def test_the_ways_out_of_a_misfit_work_as_they_are_written(database, tmp_path, column, before):
    database.run(f'CREATE TABLE t (c INTEGER, "{column}" INTEGER)')
    if before:
        database.run("INSERT INTO t VALUES (1, 10)")
    session = Session(Settings.load({}, lakehouse=tmp_path / "lakehouse"))

    def run(options, **chosen):
        (tmp_path / "pipeline.sql").write_text(PIPELINE.format(options))
        (flow,) = session.run(tmp_path / "pipeline.sql", **chosen).flows
        return flow.error

    if before:
        assert run("") is None
    database.run("INSERT INTO t VALUES (2, 'ten')")
    hint = run("").hint
    [option] = re.findall(r"schemaHints => '[^']*'", hint)
    if before:
        with pytest.raises(DefinitionErrors, match="CANNOT_MERGE"):
            run(f", {option}")
        assert "--full-refresh" in hint
        assert run(f", {option}", full_refresh=["orders"]) is None
    else:
        assert session.plan(tmp_path / "pipeline.sql").flows
        assert run(f", {option}") is None
    found = session.query("SELECT * FROM orders ORDER BY c").read_all().to_pylist()
    assert [tuple(row.values()) for row in found] == ([(1, "10")] if before else []) + [(2, "ten")]
    assert run(f", {option}") is None


def test_refused_rows_of_a_retyped_table_go_to_its_quarantine(database, tmp_path):
    database.run("CREATE TABLE t (c INTEGER, x INTEGER)", "INSERT INTO t VALUES (1, 'ten')")
    session = Session(Settings.load({}, lakehouse=tmp_path / "lakehouse"))
    for options, state in (("", "FAILED"), (", schemaHints => 'x STRING'", "COMPLETED")):
        text = PIPELINE.format(options).replace(
            "orders AS", "orders (CONSTRAINT short EXPECT (c > 1) ON VIOLATION QUARANTINE) AS"
        )
        (tmp_path / "pipeline.sql").write_text(text)
        assert session.run(tmp_path / "pipeline.sql").state == state
    [row] = session.query("SELECT x FROM orders_quarantine").read_all().to_pylist()
    assert row == {"x": "ten"}


def test_a_pipeline_reads_a_table_whole(database, tmp_path):
    database.run("CREATE TABLE t (c INTEGER)", "INSERT INTO t VALUES (1), (2)")
    session = Session(Settings.load({}, lakehouse=tmp_path / "lakehouse"))
    (tmp_path / "pipeline.sql").write_text(
        "CREATE MATERIALIZED VIEW total AS SELECT sum(c) AS s FROM "
        "read_sqlite('source % 1?.db', table => 't', cursor => 'c');"
    )
    for wanted in (3, 8):
        assert session.run(tmp_path / "pipeline.sql").state == "COMPLETED"
        assert session.query("SELECT s FROM total").read_all().to_pylist() == [{"s": wanted}]
        database.run("INSERT INTO t VALUES (5)")


@pytest.mark.parametrize("number", ["0", "-1", "many", "1.5"])
def test_a_limit_is_a_number(database, run, number):
    database.run("CREATE TABLE t (c INTEGER)")
    with pytest.raises(LakeflowError, match="maxRowsPerTrigger of read_sqlite is"):
        run(f", maxRowsPerTrigger => '{number}'")


def test_the_schema_is_spark_s(database):
    database.run(
        "CREATE TABLE t (c INT, big BIGINT, flag BOOLEAN, price DECIMAL(10,2), n NUMERIC, "
        "day DATE, at TIMESTAMP, name NVARCHAR(10), raw BLOB, f FLOAT, other, json JSON)"
    )
    assert database.open().schema() == Schema.from_ddl(
        "c BIGINT, big BIGINT, flag BOOLEAN, price DECIMAL(10,2), n DOUBLE, day DATE, "
        "at TIMESTAMP_NTZ, name STRING, raw BINARY, f DOUBLE, other STRING, json STRING"
    )


def test_the_earliest_position_of_a_column_that_mixes_types(database):
    database.run("CREATE TABLE t (c, x)", "INSERT INTO t VALUES ('a', 1), (2, 2), (10, 3)")
    source = database.open(schemaHints="c STRING")
    ends = [{"value": value, "row": row} for value, row in (("a", 1), (10, 3), (2, 2))]
    in_order = [list(found) for found in database.rows("SELECT c, rowid FROM t ORDER BY c")]
    for left in range(3):
        assert [source.earliest(ends)[key] for key in ("value", "row")] == in_order[left]
        ends.remove(source.earliest(ends))
