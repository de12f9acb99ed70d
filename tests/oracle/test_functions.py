"""Every function gives Spark's stored answer, raises where Spark raises, or is refused by name."""

from __future__ import annotations

import datetime as dt
import decimal
import json
from collections import Counter
from pathlib import Path

import duckdb

from lakeflow.core.errors import LakeflowError, UnsupportedError
from lakeflow.core.location import Location
from lakeflow.core.schema import Field, Schema
from lakeflow.dialect.query import lower, parse_query
from lakeflow.dialect.setup import SETUP
from lakeflow.dialect.types import from_duckdb_type

FOLDER = Path(__file__).parent / "functions"

KNOWN = {
    "cast": 12,
    "try_cast": 7,
    "corr": 3,
    "avg": 2,
    "approx_count_distinct": 1,
    "covar_pop": 1,
    "covar_samp": 1,
    "percentile_approx": 1,
    "interval_arith": 1,
    "explode_outer": 1,
    "map": 1,
    "%": 1,
    "+": 1,
    "-": 1,
    "select_forms": 1,
}
"""How many vectors still differ; each is a defect, or a form that this comparison cannot read."""

SAME_AT_LEAST = 1300


def test_no_function_answers_something_else():
    counts, wrong = judge()
    print(dict(counts), dict(wrong))
    assert {name: n for name, n in wrong.items() if n > KNOWN.get(name, 0)} == {}
    assert counts["same"] >= SAME_AT_LEAST


def judge() -> tuple[Counter[str], Counter[str]]:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for statement in SETUP:
        connection.execute(statement)
    schemas = {}
    for name in "txg":
        connection.execute(f"CREATE VIEW {name} AS SELECT * FROM '{FOLDER}/{name}.parquet'")
        columns = connection.execute(f"DESCRIBE {name}").fetchall()
        schemas[name] = Schema(tuple(Field(c[0], from_duckdb_type(c[1])) for c in columns))
    counts: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for line in (FOLDER / "spark_functions.jsonl").read_text().splitlines():
        vector = json.loads(line)
        if "time_zone" in vector:
            continue
        outcome = judged(connection, schemas, vector)
        counts[outcome] += 1
        if outcome == "wrong":
            wrong[vector["function"]] += 1
    return counts, wrong


def judged(connection, schemas, vector) -> str:
    try:
        query = parse_query(vector["sql"], Location("vector", 1))
        inputs = {r.key: schemas[r.name[0].lower()] for r in query.references if r.name}
        lowered = lower(query, inputs)
    except UnsupportedError:
        return "refused"
    except LakeflowError:
        return "raises" if "error_class" in vector else "raises where Spark answers"
    reads = ", ".join(f'"{r.key}" AS (SELECT * FROM {r.name[0]})' for r in query.references)
    text = f"WITH {reads} SELECT * FROM ({lowered.sql})" if reads else lowered.sql
    try:
        rows = connection.execute(text).fetchall()
    except duckdb.Error:
        return "raises" if "error_class" in vector else "raises where Spark answers"
    if "error_class" in vector:
        return "wrong"
    found = Counter(json.dumps([plain(value) for value in row]) for row in rows)
    wanted = Counter(json.dumps([plain(value) for value in row]) for row in vector["rows"])
    return "same" if found == wanted else "wrong"


def plain(value):
    if isinstance(value, float):
        if value != value:
            return "NaN"
        if value in (float("inf"), float("-inf")):
            return "Infinity" if value > 0 else "-Infinity"
        return float(f"{value:.11g}")
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, dt.datetime):
        if value.tzinfo is None:
            return value.strftime("%Y-%m-%dT%H:%M:%S.%f")
        return value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value if isinstance(value, (bool, int, str, type(None))) else str(value)
