"""What a table can be partitioned by, and what values."""

from __future__ import annotations

import textwrap

import pytest
from deltalake import DeltaTable

from lakeflow.core.errors import DataError, DefinitionErrors
from lakeflow.core.settings import Settings
from lakeflow.engine.session import Session


@pytest.fixture
def run(tmp_path):
    session = Session(Settings.load({}, lakehouse=tmp_path / "lakehouse"))

    def run(clause, query):
        text = f"CREATE MATERIALIZED VIEW v {clause} AS {query};"
        (tmp_path / "p.sql").write_text(text)
        return session.run(tmp_path / "p.sql")

    return run


@pytest.mark.parametrize("name", ["''", "'__HIVE_DEFAULT_PARTITION__'"])
def test_a_text_that_readers_take_for_null_is_refused(run, tmp_path, name):
    query = f"SELECT 1 AS x, {name} AS name"
    result = run("PARTITIONED BY (name)", query)
    (flow,) = result.flows
    assert result.state == "FAILED"
    assert isinstance(flow.error, DataError)
    assert name.replace("'", "") in flow.error.message
    assert flow.error.location.line == 1
    assert list(tmp_path.rglob("v/**/*.parquet")) == []


@pytest.mark.parametrize(
    ("clause", "query", "condition"),
    [
        ("(b)", "SELECT 1 AS x, CAST('b' AS BINARY) AS b", "INVALID_PARTITION_COLUMN_DATA_TYPE"),
        ("(x, y)", "SELECT 1 AS x, 2 AS y", "ALL_PARTITION_COLUMNS_NOT_ALLOWED"),
        ("(z)", "SELECT 1 AS x, 2 AS y", "UNRESOLVED_COLUMN.WITH_SUGGESTION"),
    ],
)
def test_columns_that_cannot_partition_are_refused(run, clause, query, condition):
    with pytest.raises(DefinitionErrors) as caught:
        run(f"PARTITIONED BY {clause}", query)
    assert [error.condition for error in caught.value.errors] == [condition]


def test_a_column_may_be_spelled_in_another_case(run, tmp_path):
    assert run("PARTITIONED BY (NAME)", "SELECT 1 AS x, 'a' AS name").state == "COMPLETED"
    table = DeltaTable(next(tmp_path.rglob("v/_delta_log")).parent)
    assert table.metadata().partition_columns == ["name"]
    assert table.to_pyarrow_table().to_pylist() == [{"x": 1, "name": "a"}]


def test_a_column_named_twice_is_refused(tmp_path):
    (tmp_path / "p.py").write_text(
        "from lakeflow import pipelines as dp\n"
        "@dp.materialized_view(partition_cols=['a', 'A'])\n"
        "def v():\n"
        "    return dp.sql('SELECT 1 AS x, 2 AS a')\n"
    )
    session = Session(Settings.load({}, lakehouse=tmp_path / "lakehouse"))
    with pytest.raises(DefinitionErrors) as caught:
        session.run(tmp_path / "p.py")
    assert [error.condition for error in caught.value.errors] == ["COLUMN_ALREADY_EXISTS"]


def test_files_that_others_have_put_together_keep_their_partition(tmp_path):
    text = """
    import duckdb, polars as pl, pyarrow as pa
    from lakeflow import pipelines as dp


    @dp.table(partition_cols=["p"])
    def appended():
        return dp.sql("SELECT CAST(x AS INT) AS x, CAST(x AS INT) % 2 AS p FROM STREAM "
                      "read_files('in', format => 'csv', header => true)")

    @dp.table
    def by_sql():
        return dp.sql("SELECT * FROM STREAM appended")

    @dp.materialized_view
    def by_frame(appended: pl.LazyFrame):
        return appended

    @dp.materialized_view
    def by_relation(appended: duckdb.DuckDBPyRelation):
        return appended
    """
    (tmp_path / "in").mkdir()
    (tmp_path / "p.py").write_text(textwrap.dedent(text))
    session = Session(Settings.load({}, lakehouse=tmp_path / "lakehouse"))

    def run(*values, refreshed=()):
        lines = "".join(f"{value}\n" for value in values)
        (tmp_path / "in" / f"{values[0]}.csv").write_text(f"x\n{lines}")
        assert session.run(tmp_path / "p.py", full_refresh=refreshed).state == "COMPLETED"

    run(1, 2)
    run(3, 4)
    (table,) = [log.parent for log in tmp_path.rglob("_delta_log") if log.parent.name == "appended"]
    assert DeltaTable(table).optimize.compact()["numFilesAdded"] == 2
    run(5, 6, refreshed=["by_sql", "by_frame", "by_relation"])
    for reader in ("appended", "by_sql", "by_frame", "by_relation"):
        rows = session.query(f"SELECT x, p FROM {reader}").read_all().to_pylist()
        assert sorted((r["x"], r["p"]) for r in rows) == [(x, x % 2) for x in range(1, 7)]
