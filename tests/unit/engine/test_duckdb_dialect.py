"""Flows in DuckDB's own SQL."""

from __future__ import annotations

import pytest

from lakeflow.core.errors import LakeflowError
from lakeflow.core.settings import Settings
from lakeflow.engine.session import Session

SQL = """\
CREATE MATERIALIZED VIEW numbers AS SELECT id FROM range(5);
SET lakeflow.dialect = duckdb;
CREATE MATERIALIZED VIEW squares AS FROM numbers SELECT id, id ** 2 AS square;
SET lakeflow.dialect = spark;
CREATE MATERIALIZED VIEW halves AS SELECT square / 2 AS half FROM squares;
"""
PYTHON = """\
from lakeflow import pipelines as dp

@dp.table
def numbers():
    return dp.sql("SELECT id FROM range(5)")

@dp.table
def squares():
    return dp.sql("FROM n SELECT id, id ** 2 AS square", dialect="duckdb", n="numbers")
"""


@pytest.fixture
def session(tmp_path):
    return Session(Settings.load({}, lakehouse=tmp_path / "lakehouse"))


@pytest.mark.parametrize(("name", "text"), [("p.sql", SQL), ("p.py", PYTHON)])
def test_duckdb_sql_runs_and_is_marked(tmp_path, session, name, text):
    (tmp_path / name).write_text(text)
    plan = session.plan(tmp_path / name)
    notes = {flow.name: flow.notes for flow in plan.flows}
    assert notes["squares"] == ("DuckDB's SQL: not portable to Spark",)
    assert notes["numbers"] == ()
    session.run(tmp_path / name)
    found = session.query("SELECT id, square FROM squares ORDER BY id").read_all().to_pylist()
    assert [row["square"] for row in found] == [0, 1, 4, 9, 16]


def test_a_mistake_in_duckdb_sql_names_the_place(tmp_path, session):
    (tmp_path / "p.sql").write_text(SQL.replace("id ** 2", "ide ** 2"))
    with pytest.raises(LakeflowError) as raised:
        session.run(tmp_path / "p.sql")
    [error, *_] = raised.value.errors
    assert error.location.line == 3
    assert "ide" in error.message


STREAM = """\
from lakeflow import pipelines as dp

@dp.table
def bronze():
    return dp.sql("SELECT * FROM STREAM read_files('in', format => 'csv', header => true)")

@dp.table
def silver():
    return dp.sql("FROM b SELECT {select}", dialect="duckdb", b=dp.read_stream("bronze"))

@dp.materialized_view
def total():
    return dp.sql("SELECT count(*) AS n FROM silver", dialect="duckdb")
"""


def test_duckdb_sql_takes_a_stream_row_by_row(tmp_path, session):
    (tmp_path / "p.py").write_text(STREAM.format(select="CAST(id AS BIGINT) AS id"))
    (tmp_path / "in").mkdir()
    for number in (1, 2):
        (tmp_path / "in" / f"{number}.csv").write_text(f"id\n{number}\n")
        session.run(tmp_path / "p.py")
    found = session.query("SELECT id FROM silver ORDER BY id").read_all().to_pylist()
    assert [row["id"] for row in found] == [1, 2]
    assert session.query("SELECT n FROM total").read_all().to_pylist() == [{"n": 2}]


def test_duckdb_sql_that_gathers_a_stream_is_refused(tmp_path, session):
    (tmp_path / "p.py").write_text(STREAM.format(select="count(*) AS id"))
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.csv").write_text("id\n1\n")
    with pytest.raises(LakeflowError) as raised:
        session.run(tmp_path / "p.py")
    assert any("the aggregate count over a stream" in str(error) for error in raised.value.errors)
