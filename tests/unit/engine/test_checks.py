"""Rows are judged on their way: counts and rows against a query that looks at each on its own."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from lakeflow.backends.duckdb import DuckDBBackend, DuckDBSession, parquet_relation
from lakeflow.core.errors import ExpectationFailed
from lakeflow.core.location import Location
from lakeflow.core.schema import Schema
from lakeflow.engine.checks import VIOLATIONS_COLUMN, Check, Destination, Staged, stage
from lakeflow.pipelines.elements import Expectation

HERE = Location("pipeline.sql", 3)
SCHEMA = Schema.from_ddl("a BIGINT, b BIGINT, c BIGINT")
CONDITIONS = {"small": "a > 5", "third": "b % 3 <> 0", "low": "c < 500"}

QUERIES = {
    "rows": "SELECT a, b, c FROM t",
    "nulls": "SELECT nullif(a, 7) AS a, b, nullif(c, 3) AS c FROM t",
    "groups": "SELECT a, count(*) AS b, max(c) AS c FROM t GROUP BY a",
    "grouping sets": "SELECT a, count(*) AS b, c FROM t GROUP BY GROUPING SETS ((a, c), (a), ())",
    "distinct": "SELECT DISTINCT a, c AS b, c FROM t",
    "join": "SELECT t.a, b, d AS c FROM t JOIN u USING (a)",
    "left join": "SELECT t.a, b, d AS c FROM t LEFT JOIN u ON t.a = u.a AND u.d = 1",
    "semi-join": "SELECT a, b, c FROM t WHERE a IN (SELECT a FROM u WHERE d = 2)",
    "window": "SELECT a, row_number() OVER (PARTITION BY a ORDER BY b) AS b, c FROM t",
    "union": "SELECT a, b, c FROM t UNION ALL SELECT a, c, b FROM t",
    "except": "SELECT a, b, c FROM t EXCEPT SELECT a, b, c FROM t WHERE a = 3",
    "limit": "SELECT a, b, c FROM t ORDER BY b LIMIT 1000",
    "lists": "SELECT a, unnest([b, b + 1]) AS b, c FROM t",
    "shared": "WITH x AS (SELECT * FROM t) SELECT x.a, x.b, y.c FROM x JOIN x AS y ON x.b = y.b",
}


@pytest.fixture
def session(tmp_path: Path):
    backend = DuckDBBackend(
        memory_limit=1 << 30, threads=2, time_zone="UTC", temporary=tmp_path / "spilled"
    )
    found = backend.session()
    found.rows(
        "CREATE TABLE t AS SELECT i % 97 AS a, i AS b, (i * 7919) % 1000 AS c FROM range(4000) r(i)"
    )
    found.rows("CREATE TABLE u AS SELECT i AS a, i % 5 AS d FROM range(97) r(i)")
    yield found
    backend.close()


def expect(*violations: str) -> list[Check]:
    return [
        Check(Expectation(name, condition, violation, HERE), condition)
        for (name, condition), violation in zip(CONDITIONS.items(), violations, strict=True)
    ]


def staged(
    session: DuckDBSession, sql: str, checks: list[Check], folder: Path, *, repeatable: bool = True
) -> Staged:
    to = Destination(str(folder / "main"), str(folder / "aside"))
    return stage(
        session, sql, SCHEMA, checks, to, dataset="t", repeatable=repeatable, location=HERE
    )


def read(session: DuckDBSession, relation: str) -> Counter[tuple[object, ...]]:
    return Counter(session.rows(relation))


@pytest.mark.parametrize("repeatable", [True, False])
@pytest.mark.parametrize("name", QUERIES)
def test_each_row_is_counted_once_and_goes_to_one_place(session, tmp_path, name, repeatable):
    checks = expect("warn", "drop", "quarantine")
    found = staged(session, QUERIES[name], checks, tmp_path, repeatable=repeatable)
    rows = session.rows(
        f"SELECT a, b, c, {', '.join(f'coalesce({c}, false)' for c in CONDITIONS.values())} "
        f"FROM ({QUERIES[name]})"
    )
    assert rows
    for n, expectation in enumerate(CONDITIONS, 3):
        failed = sum(not row[n] for row in rows)
        assert found.counts.expectations[expectation] == (len(rows) - failed, failed)
    aside = [row for row in rows if not row[5]]
    assert found.counts.quarantined == len(aside)
    assert found.counts.dropped == sum(row[5] and not row[4] for row in rows)
    main = parquet_relation([file.path for file in found.main], SCHEMA)
    assert read(session, main) == Counter(row[:3] for row in rows if row[4] and row[5])
    names = list(CONDITIONS)
    violated = [
        (
            *row[:3],
            " ".join(sorted(name for name, ok in zip(names, row[3:], strict=True) if not ok)),
        )
        for row in aside
    ]
    assert kept_aside(session, found) == Counter(violated)


def kept_aside(session: DuckDBSession, found: Staged) -> Counter[tuple[object, ...]]:
    if not found.quarantine:
        return Counter()
    files = "', '".join(file.path for file in found.quarantine)
    names = f"array_to_string(list_sort({VIOLATIONS_COLUMN}), ' ')"
    return read(session, f"SELECT a, b, c, {names} FROM read_parquet(['{files}'])")


@pytest.mark.parametrize("violations", [("warn", "warn", "drop"), ("warn", "warn", "warn")])
def test_random_rows_are_counted_as_they_were_written(session, tmp_path, violations):
    sql = "SELECT a, b, CAST(floor(random() * 1000) AS BIGINT) AS c FROM t"
    found = staged(session, sql, expect(*violations), tmp_path, repeatable=False)
    main = parquet_relation([file.path for file in found.main], SCHEMA)
    [(rows, low)] = session.rows(f"SELECT count(*), count(*) FILTER (c < 500) FROM ({main})")
    assert found.counts.expectations["low"] == (low, 4000 - low)
    assert rows == (low if "drop" in violations else 4000)


@pytest.mark.parametrize("others", ["warn", "drop", "quarantine"])
@pytest.mark.parametrize("repeatable", [True, False])
def test_a_row_that_fails_the_update_is_shown_whatever_else_it_violates(
    session, tmp_path, others, repeatable
):
    checks = expect("fail", others, others)
    sql = "SELECT a, b, c FROM t WHERE b BETWEEN 97 AND 100"  # 97 has a = 0; 99 violates `third`
    with pytest.raises(ExpectationFailed) as raised:
        staged(session, sql, checks, tmp_path, repeatable=repeatable)
    assert "4 rows violate" in str(raised.value)
    assert all(f"b={b}" in str(raised.value) for b in (97, 98, 99, 100))
    assert not [path for path in tmp_path.rglob("*.parquet") if path.is_file()]


def test_all_rows_refused_leaves_no_file(session, tmp_path):
    checks = expect("warn", "warn", "drop")
    found = staged(session, "SELECT a, b, c + 500 AS c FROM t", checks, tmp_path)
    assert found.main == ()
    assert found.counts.dropped == 4000


def test_no_rows_count_nothing(session, tmp_path):
    found = staged(
        session, "SELECT a, b, c FROM t LIMIT 0", expect("warn", "drop", "fail"), tmp_path
    )
    assert found.counts.expectations == dict.fromkeys(CONDITIONS, (0, 0))


def test_batches_of_one_session_and_of_two_at_once_count_apart(session, tmp_path):
    other = session._backend.session()
    checks = expect("warn", "warn", "drop")
    for number, found in enumerate([session, other, session]):
        counts = staged(found, QUERIES["rows"], checks, tmp_path / str(number)).counts
        assert counts.dropped == 2000
