"""Tables that others wrote are read as their log says, partition columns included."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from lakeflow.core.settings import Settings
from lakeflow.engine.session import Session

ROWS = [
    {"x": 1, "p": "a", "d": date(2024, 1, 1), "n": -5, "m": Decimal("1.50"), "b": True,
     "t": datetime(2024, 2, 29, 23, 59, 59, 999999, UTC)},
    {"x": 2, "p": "b/c d=%20'é", "d": date(1872, 11, 30), "n": 7, "m": Decimal("-3.00"),
     "b": False, "t": datetime(1969, 12, 31, 0, 0, 0, 0, UTC)},
    {"x": 3, "p": "a", "d": date(2024, 1, 1), "n": -5, "m": Decimal("1.50"), "b": True,
     "t": datetime(2024, 2, 29, 23, 59, 59, 999999, UTC)},
    {"x": 4, "p": None, "d": None, "n": None, "m": None, "b": None, "t": None},
]  # fmt: skip
SCHEMA = pa.schema(
    [
        ("p", pa.string()),
        ("x", pa.int64()),
        ("d", pa.date32()),
        ("n", pa.int32()),
        ("m", pa.decimal128(5, 2)),
        ("b", pa.bool_()),
        ("t", pa.timestamp("us", "UTC")),
    ]
)
PYTHON = """
import duckdb, polars as pl, pyarrow as pa
from lakeflow import pipelines as dp

@dp.materialized_view
def by_sql():
    return dp.sql("SELECT * FROM foreign")

@dp.materialized_view
def by_relation(foreign: duckdb.DuckDBPyRelation):
    return foreign.filter("true")

@dp.materialized_view
def by_frame(foreign: pl.LazyFrame):
    return foreign

@dp.materialized_view
def by_arrow(foreign: pa.Table):
    return foreign

@dp.table
def by_stream():
    return dp.sql("SELECT * FROM STREAM foreign")

@dp.table
def by_stream_of_frames(foreign: pl.LazyFrame):
    return foreign
"""
NAMES = "by_sql by_relation by_frame by_arrow by_stream by_stream_of_frames".split()


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """A partitioned table of deltalake, read as a whole and, in two updates, as a stream."""
    folder = tmp_path_factory.mktemp("foreign")
    place = folder / "lake" / "main" / "default" / "foreign"
    session = Session(Settings.load({}, lakehouse=folder / "lake"))
    (folder / "p.py").write_text(PYTHON)
    for rows in (ROWS[:2], ROWS[2:]):
        found = pa.Table.from_pylist(rows, SCHEMA)
        write_deltalake(place, found, partition_by=["d", "p", "n", "m", "b", "t"], mode="append")
        result = session.run(folder / "p.py")
        assert result.state == "COMPLETED", [flow.error for flow in result.flows if flow.error]
    return place.parent


@pytest.mark.parametrize("name", NAMES)
def test_partition_columns_are_read_from_the_log(lake, name):
    table = DeltaTable(lake / name).to_pyarrow_table()
    assert table.schema.names == SCHEMA.names
    found = sorted(table.to_pylist(), key=lambda row: row["x"])
    assert found == ROWS
