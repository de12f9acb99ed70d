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


def test_the_plan_says_where_functions_run_and_what_is_held_in_memory(python_pipeline):
    python_pipeline.settings["memory_limit"] = 1 << 30
    python_pipeline.write(
        "@dp.temporary_view\ndef view(bronze: pl.LazyFrame):\n    return bronze\n\n"
        "@dp.materialized_view\ndef whole(bronze: pl.DataFrame):\n    return bronze\n\n"
        "@dp.materialized_view\ndef here(bronze):\n    return bronze\n\n"
        "@dp.table\ndef over_a_view():\n    return dp.sql('SELECT id FROM STREAM view')\n"
    ).drop("a", (1, 1))
    notes = {name: flow.notes for name, flow in python_pipeline.plan().items()}
    child = "a Polars function in a child process of at most 1024 MiB: not portable to Spark"
    assert notes == {
        "bronze": (),
        "whole": (child, "held in memory as a whole, up to that limit: bronze, its result"),
        "here": ("a DuckDB function: not portable to Spark",),
        "over_a_view": (child,),
    }
    kinds = {name: flow.kind for name, flow in python_pipeline.plan().items()}
    assert kinds["over_a_view"] == "streaming_table"


def test_types_come_through_every_library_as_they_are(python_pipeline):
    python_pipeline.drop("a", (1, 1)).write(
        "from decimal import Decimal\n"
        "@dp.materialized_view\n"
        "def polars_types(bronze: pl.LazyFrame):\n"
        "    return bronze.select(\n"
        "        tiny=pl.col('id').cast(pl.Int8), wide=pl.col('id').cast(pl.UInt32),\n"
        "        real=pl.col('amount').cast(pl.Float32), exact=pl.lit(Decimal('1.50')),\n"
        "        day=pl.date(2020, 1, 2), local=pl.datetime(2020, 1, 2),\n"
        "        at=pl.datetime(2020, 1, 2, time_zone='Europe/Berlin'),\n"
        "        kind=pl.lit('a').cast(pl.Categorical), many=pl.concat_list('id'),\n"
        "        both=pl.struct('id', pl.lit(True).alias('yes')), raw=pl.lit(b'x'))\n\n"
        "@dp.materialized_view\n"
        "def arrow_types(polars_types: pa.Table):\n"
        "    return polars_types\n\n"
        "@dp.materialized_view\n"
        "def duckdb_types(arrow_types):\n"
        "    return arrow_types\n"
    ).run()
    session = python_pipeline.session()
    found = {name: session.show(f"{name}_types") for name in ("polars", "arrow", "duckdb")}
    columns = [f"{f.name} {f.type}" for f in found["polars"].schema]
    assert columns == [
        "tiny TINYINT",
        "wide BIGINT",
        "real FLOAT",
        "exact DECIMAL(38,2)",
        "day DATE",
        "local TIMESTAMP_NTZ",
        "at TIMESTAMP",
        "kind STRING",
        "many ARRAY<BIGINT>",
        "both STRUCT<id: BIGINT, yes: BOOLEAN>",
        "raw BINARY",
    ]
    assert str(found["arrow"].schema) == str(found["duckdb"].schema) == str(found["polars"].schema)
    assert found["arrow"].rows == found["duckdb"].rows == found["polars"].rows
    (row,) = python_pipeline.rows("duckdb_types")
    assert row["at"].isoformat() == "2020-01-01T23:00:00+00:00"


def test_functions_of_a_loop_and_imports_from_beside_the_file(python_pipeline, tmp_path):
    (tmp_path / "beside_the_pipeline.py").write_text("def twice(frame): return frame * 2\n")
    python_pipeline.drop("a", (1, 1), (2, 2), (3, 3)).write(
        "for limit in (1, 2):\n"
        "    @dp.table(name=f'upto_{limit}')\n"
        "    def upto(bronze: pl.LazyFrame, limit=limit):\n"
        "        from beside_the_pipeline import twice\n"
        "        return bronze.filter(pl.col('id') <= limit).select(twice(pl.col('id')))\n"
    ).run()
    assert python_pipeline.rows("upto_1") == [{"id": 2}]
    assert python_pipeline.rows("upto_2") == [{"id": 2}, {"id": 4}]
