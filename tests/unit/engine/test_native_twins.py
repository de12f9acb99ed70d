"""One pipeline written four times gives four times the same tables, whatever the rows are."""

from __future__ import annotations

import datetime as dt
import decimal
import math
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakeflow.core.settings import Settings
from lakeflow.engine.session import Session

TWINS = ("sql", "polars", "duckdb", "arrow", "generator")

PIPELINE = """\
from __future__ import annotations
import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from lakeflow import pipelines as dp

@dp.table
def bronze():
    return dp.sql('''SELECT id, amount, price, name, day, at, local, data, tags, point
        FROM STREAM read_files('in', format => 'parquet', maxFilesPerTrigger => 2)''')

RULES = dict(positive="amount > 0", named="name <> ''")

def rules(function):
    return dp.expect("has id", "id IS NOT NULL")(dp.expect_all_or_quarantine(RULES)(
        dp.expect_or_drop("early", "day IS NULL OR day < DATE'2020-01-01'")(function)))

@dp.table(name="silver_sql")
@rules
def in_sql():
    return dp.sql("SELECT *, id + 1 AS next FROM STREAM bronze WHERE id IS NULL OR id <> 3")

@dp.table(name="silver_polars")
@rules
def in_polars(bronze: pl.LazyFrame):
    kept = bronze.filter(pl.col("id").is_null() | (pl.col("id") != 3))
    return kept.with_columns(next=pl.col("id") + 1)

@dp.table(name="silver_duckdb")
@rules
def in_duckdb(bronze: duckdb.DuckDBPyRelation):
    return bronze.filter("id IS NULL OR id <> 3").project("*, id + 1 AS next")

def in_batch(batch):
    kept = batch.filter(pc.fill_null(pc.not_equal(batch["id"], 3), True))
    return kept.append_column("next", pc.add(kept["id"], pa.scalar(1, pa.int64())))

@dp.table(name="silver_arrow")
@rules
def in_arrow(bronze: pa.Table):
    return in_batch(bronze).to_reader()

@dp.table(name="silver_generator")
@rules
def in_generator(bronze: pa.RecordBatchReader):
    for batch in bronze:
        yield in_batch(batch)
"""
GOLD = {
    "sql": "def gold_sql():\n    return dp.sql('SELECT name, count(*) AS n, max(price) AS top"
    " FROM silver_sql GROUP BY name')",
    "polars": "def gold_polars(rows: pl.LazyFrame = dp.read('silver_polars')):\n"
    "    return rows.group_by('name').agg(n=pl.len().cast(pl.Int64), top=pl.max('price'))",
    "duckdb": "def gold_duckdb(rows=dp.read('silver_duckdb')):\n"
    "    return rows.aggregate('name, count(*) AS n, max(price) AS top', 'name')",
    "arrow": "def gold_arrow(rows: pa.Table = dp.read('silver_arrow')):\n"
    "    found = rows.group_by('name').aggregate([([], 'count_all'), ('price', 'max')])\n"
    "    return found.rename_columns(['name', 'n', 'top'])",
}
PIPELINE += "".join(f"\n@dp.materialized_view\n{text}\n" for text in GOLD.values())

SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("amount", pa.float64()),
        ("price", pa.decimal128(12, 2)),
        ("name", pa.string()),
        ("day", pa.date32()),
        ("at", pa.timestamp("us", "UTC")),
        ("local", pa.timestamp("us")),
        ("data", pa.binary()),
        ("tags", pa.list_(pa.string())),
        ("point", pa.struct([("x", pa.int32()), ("y", pa.float32())])),
    ]
)
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=4)
MOMENT = st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2100, 1, 1))  # noqa: DTZ001


def column(values):
    return st.none() | values


ROW = st.fixed_dictionaries(
    {
        "id": column(st.integers(-5, 5) | st.integers(-(2**60), 2**60)),
        "amount": column(st.floats(allow_nan=False) | st.sampled_from([-1.0, 1.0])),
        "price": column(st.integers(-(10**11), 10**11).map(lambda n: decimal.Decimal(n) / 100)),
        "name": column(TEXT),
        "day": column(st.dates(dt.date(1950, 1, 1), dt.date(2060, 1, 1))),
        "at": column(MOMENT.map(lambda found: found.replace(tzinfo=dt.UTC))),
        "local": column(MOMENT),
        "data": column(st.binary(max_size=3)),
        "tags": column(st.lists(column(TEXT), max_size=2)),
        "point": column(
            st.fixed_dictionaries(
                {"x": column(st.integers(-(2**31), 2**31 - 1)), "y": column(st.floats(width=32))}
            )
        ),
    }
)
DROPS = st.lists(
    st.lists(st.lists(ROW, max_size=6), min_size=1, max_size=3), min_size=2, max_size=2
)


def expected(rows):
    """What the rules say, in plain Python."""
    kept, aside, missing = [], [], 0
    for found in rows:
        if found["id"] == 3:
            continue
        row = {**found, "next": None if found["id"] is None else found["id"] + 1}
        broken = [] if row["amount"] is not None and row["amount"] > 0 else ["positive"]
        broken += ["named"] if not row["name"] else []
        missing += row["id"] is None
        late = row["day"] is not None and row["day"] >= dt.date(2020, 1, 1)
        if broken:
            broken += ["early"] * late + ["has id"] * (row["id"] is None)
            aside.append({**row, "_violated_expectations": sorted(broken)})
        elif not late:
            kept.append(row)
    return kept, aside, missing


def plain(value):
    """A value that equals itself: NaN does not."""
    if isinstance(value, dict):
        return tuple((key, plain(inner)) for key, inner in value.items())
    if isinstance(value, list):
        return tuple(map(plain, value))
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    return value


def bag(rows):
    found = []
    for given_row in rows:
        row = dict(given_row)
        if "_violated_expectations" in row:
            row["_violated_expectations"] = sorted(row["_violated_expectations"])
        found.append(plain(row))
    return sorted(found, key=repr)


def table(session, name):
    return session.query(f"SELECT * FROM {name}").read_all().to_pylist()


def check(folder, drops):
    (folder / "pipe.py").write_text(PIPELINE)
    (folder / "in").mkdir()
    session = Session(Settings.load({}, lakehouse=folder / "lakehouse", threads=2))
    rows, failed = [], dict.fromkeys(TWINS, 0)
    for number, files in enumerate(drops):
        for other, found in enumerate(files):
            path = folder / "in" / f"{number}-{other}.parquet"
            pq.write_table(pa.Table.from_pylist(found, schema=SCHEMA), path)
            rows += pq.read_table(path).to_pylist()
        for flow in session.run(folder / "pipe.py").flows:
            assert flow.error is None, flow.error
            for expectation in flow.expectations:
                if expectation.name == "has id":
                    failed[flow.name.removeprefix("silver_")] += expectation.failed
    kept, aside, missing = expected(rows)
    assert failed == dict.fromkeys(TWINS, missing)
    for twin in TWINS:
        assert bag(table(session, f"silver_{twin}")) == bag(kept), twin
        assert bag(table(session, f"silver_{twin}_quarantine")) == bag(aside), twin
    golds = [bag(table(session, f"gold_{twin}")) for twin in GOLD]
    assert all(found == golds[0] for found in golds)
    assert sum(row["n"] for row in table(session, "gold_sql")) == len(kept)


@given(drops=DROPS)
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_twins(drops):
    with tempfile.TemporaryDirectory() as folder:
        check(Path(folder), drops)


@pytest.mark.slow
@pytest.mark.timeout(900)
@given(drops=DROPS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_twins_over_many_rows(drops):
    with tempfile.TemporaryDirectory() as folder:
        check(Path(folder), drops)
