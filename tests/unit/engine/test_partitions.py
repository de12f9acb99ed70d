"""What a table can be partitioned by, and what values."""

from __future__ import annotations

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
