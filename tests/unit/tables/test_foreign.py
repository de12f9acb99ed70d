"""Tables that others write: read rightly, or refused by the name of what they need."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from lakeflow.core.errors import StateError, UnsupportedError
from lakeflow.core.settings import Settings
from lakeflow.engine.session import Session
from lakeflow.tables.store import LocalStore
from lakeflow.tables.table import Table


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "main" / "default" / "foreign"


@pytest.fixture
def session(tmp_path):
    return Session(Settings.load({}, lakehouse=tmp_path, session_time_zone="Europe/Berlin"))


def edit(folder, change):
    """Rewrites the actions of version 0."""
    path = folder / "_delta_log" / f"{0:020d}.json"
    actions = [json.loads(line) for line in path.read_text().splitlines()]
    for action in actions:
        change(action)
    path.write_text("".join(json.dumps(action) + "\n" for action in actions))


def needing(reader, features=None):
    def change(action):
        if "protocol" in action:
            found = action["protocol"]
            found["minReaderVersion"] = reader
            found["minWriterVersion"] = 7 if features else 5
            if features:
                found["readerFeatures"] = found["writerFeatures"] = features

    return change


@pytest.mark.parametrize(
    "feature", ["deletionVectors", "columnMapping", "v2Checkpoint", "typeWidening", "variantType"]
)
def test_what_a_table_needs_and_we_lack_is_named(session, folder, feature):
    write_deltalake(folder, pa.table({"x": [1]}))
    edit(folder, needing(3, [feature]))
    for ask in (lambda: session.show("foreign"), lambda: session.query("SELECT * FROM foreign")):
        with pytest.raises(UnsupportedError, match=feature) as raised:
            ask()
        assert raised.value.hint


def test_the_reader_version_of_column_mapping_is_named(session, folder):
    write_deltalake(folder, pa.table({"x": [1]}))
    edit(folder, needing(2))
    with pytest.raises(UnsupportedError, match="columnMapping"):
        session.show("foreign")


@pytest.mark.parametrize("feature", ["rowTracking", "inCommitTimestamp", "clustering"])
def test_what_only_writers_need_to_know_is_read(session, folder, feature):
    write_deltalake(folder, pa.table({"x": [1]}))

    def change(action):
        if "protocol" in action:
            action["protocol"] = {
                "minReaderVersion": 1,
                "minWriterVersion": 7,
                "writerFeatures": [feature],
            }

    edit(folder, change)
    assert session.query("SELECT x FROM foreign").read_all().to_pylist() == [{"x": 1}]


@pytest.mark.parametrize(
    "path",
    [
        "../secret.parquet",
        "/etc/passwd",
        "a/../../b.parquet",
        "s3://bucket/x.parquet",
        "file:///etc/passwd",
        "%2E%2E/secret.parquet",
    ],
)
def test_a_file_outside_the_table_is_never_opened(session, folder, path):
    write_deltalake(folder, pa.table({"x": [1]}))

    def change(action):
        if "add" in action:
            action["add"]["path"] = path

    edit(folder, change)
    with pytest.raises((UnsupportedError, StateError), match=r"outside|cannot be read"):
        session.query("SELECT * FROM foreign").read_all()


def test_partition_columns_come_from_the_log(session, folder):
    utc = dt.UTC
    rows = pa.table(
        {
            "text": ["a/b*[x]%", None, "é"],
            "day": [dt.date(2020, 1, 1), None, dt.date(1, 1, 1)],
            "at": pa.array(
                [
                    dt.datetime(2020, 7, 1, 2, 3, 4, 5, tzinfo=utc),
                    None,
                    dt.datetime(1999, 1, 1, tzinfo=utc),
                ],
                pa.timestamp("us", "UTC"),
            ),
            "price": pa.array([Decimal("1.50"), None, Decimal("0.01")], pa.decimal128(10, 2)),
            "yes": [True, None, False],
            "n": [1, 2, 3],
        }
    )
    write_deltalake(folder, rows, partition_by=["text", "day", "at", "price", "yes"])
    found = session.query("SELECT * FROM foreign ORDER BY n").read_all()
    assert [row["at"] and row["at"].astimezone(utc) for row in found.to_pylist()] == (
        rows["at"].to_pylist()
    )
    others = [name for name in rows.column_names if name != "at"]
    assert found.select(others).to_pylist() == rows.select(others).to_pylist()
    count = session.query("SELECT count(*) AS n FROM foreign WHERE day IS NULL").read_all()
    assert count.to_pylist() == [{"n": 1}]


def test_a_table_of_partition_columns_only(session, folder):
    rows = pa.table({"a": [1, 1, 2], "b": ["x", "x", "y"]})
    write_deltalake(folder, rows.append_column("c", pa.array([1, 2, 3])), partition_by=["a", "b"])
    found = session.query("SELECT a, count(*) AS n FROM foreign GROUP BY a ORDER BY a").read_all()
    assert found.to_pylist() == [{"a": 1, "n": 2}, {"a": 2, "n": 1}]


def test_deleted_rows_and_new_columns_of_another_writer(session, folder):
    write_deltalake(folder, pa.table({"x": [1, 2, 3]}))
    write_deltalake(folder, pa.table({"x": [4], "y": ["new"]}), mode="append", schema_mode="merge")
    DeltaTable(folder).delete("x = 2")
    found = session.query("SELECT x, y FROM foreign ORDER BY x").read_all().to_pylist()
    assert found == [{"x": 1, "y": None}, {"x": 3, "y": None}, {"x": 4, "y": "new"}]


def test_a_folder_that_is_no_table(tmp_path):
    (tmp_path / "t").mkdir()
    with pytest.raises(StateError, match="There is no table"):
        Table(LocalStore(tmp_path), "t").snapshot()
