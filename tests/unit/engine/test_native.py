"""Query functions over Polars frames, Arrow data and DuckDB relations."""

from __future__ import annotations

import pytest

from lakeflow.core.settings import Settings
from lakeflow.engine.session import Session

SILVER = {
    "polars": "bronze: pl.LazyFrame):\n    return bronze.filter(pl.col('amount') != 0)",
    "frame": "bronze: pl.DataFrame):\n    return bronze.lazy().filter(pl.col('amount') != 0)",
    "duckdb": "bronze: duckdb.DuckDBPyRelation):\n    return bronze.filter('amount != 0')",
    "unnamed": "bronze):\n    return bronze.filter('amount != 0')",
    "reader": "bronze: pa.RecordBatchReader):\n"
    "    for batch in bronze:\n        yield batch.filter(pc.field('amount') != 0)",
    "arrow": "bronze: pa.Table):\n    return bronze.filter(pc.field('amount') != 0).to_reader()",
    "inside": "):\n    rows = dp.read_stream('bronze', pl.LazyFrame)\n"
    "    return rows.filter(pl.col('amount') != 0)",
    "default": "rows: pl.LazyFrame = dp.read_stream('bronze')):\n"
    "    return rows.filter(pl.col('amount') != 0)",
    "query": "rows: pl.LazyFrame = dp.sql('SELECT * FROM STREAM bronze WHERE amount <> 0')):\n"
    "    return rows",
    "sql": "):\n    return dp.sql('SELECT * FROM STREAM bronze WHERE amount <> 0')",
}

PIPELINE = """\
from __future__ import annotations
import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from lakeflow import pipelines as dp

@dp.table
def bronze():
    return dp.sql('''
        SELECT CAST(id AS BIGINT) AS id, CAST(amount AS DOUBLE) AS amount
        FROM STREAM read_files('in', format => 'csv', header => true)''')

@dp.table
@dp.expect_or_quarantine("positive", "amount > 0")
@dp.expect("small", "id < 3")
def silver({silver}
"""


@pytest.fixture
def session(tmp_path):
    return Session(Settings.load({}, lakehouse=tmp_path / "lakehouse"))


def drop(tmp_path, name, *rows):
    (tmp_path / "in").mkdir(exist_ok=True)
    lines = "".join(f"{a},{b}\n" for a, b in rows)
    (tmp_path / "in" / f"{name}.csv").write_text(f"id,amount\n{lines}")


def rows(session, table):
    found = session.query(f"SELECT id, amount FROM {table}").read_all().to_pylist()
    return sorted((row["id"], row["amount"]) for row in found)


@pytest.mark.parametrize("kind", SILVER)
def test_every_kind_of_function_gives_the_same_rows_and_counts(tmp_path, session, kind):
    file = tmp_path / "pipe.py"
    file.write_text(PIPELINE.format(silver=SILVER[kind]))
    drop(tmp_path, "a", (1, 2.5), (2, -1), (4, 0), (3, 3.5))
    first = {flow.name: flow for flow in session.run(file).flows}["silver"]
    assert (first.rows, first.quarantined) == (2, 1)
    assert {(e.name, e.passed, e.failed) for e in first.expectations} == {
        ("positive", 2, 1),
        ("small", 2, 1),
    }
    drop(tmp_path, "b", (5, 5.5))
    second = {flow.name: flow for flow in session.run(file).flows}["silver"]
    assert second.rows == 1, "only the new rows are read"
    assert rows(session, "silver") == [(1, 2.5), (3, 3.5), (5, 5.5)]
    assert rows(session, "silver_quarantine") == [(2, -1.0)]
