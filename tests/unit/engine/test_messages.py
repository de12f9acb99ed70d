"""Errors that a newcomer meets name the file, the line and the way out."""

from __future__ import annotations

import pytest

from lakeflow.core.errors import LakeflowError
from lakeflow.core.settings import Settings
from lakeflow.engine.session import Session

FROM = "FROM STREAM read_files('in', format => 'csv')"
SQL = [
    (
        f"CREATE STREAMING TABLE t AS SELECT * {FROM[:-1]}, schema => 'id INTT');",
        ":2: [UNSUPPORTED_DATATYPE] INTT is not a type",
    ),
    (
        f"CREATE STREAMING TABLE t AS SELECT x, count(*) AS n {FROM} GROUP BY x;",
        "batch by batch: an aggregate over a stream needs rows",
    ),
    ("", "[RUN_EMPTY_PIPELINE] The pipeline declares no table.\n  Declare one"),
    (
        "CREATE MATERIALIZED VIEW `a/b` AS SELECT 1 AS x;",
        ":2: [INVALID_IDENTIFIER] '`a/b`' is not a name: it has a '/'",
    ),
    ("CREATE MATERIALIZED VIEW v AS SELECT x FROM `a/b`;", ":2: '`a/b`' is not a name"),
    (
        "CREATE STREAMING TABLE t AS SELECT * FROM STREAM read_files('in');",
        "in is not said.\n  Give format",
    ),
    (
        "CREATE MATERIALIZED VIEW v AS SELECT * FROM read_files('array', format => 'json');",
        "multiLine => true",
    ),
    ("CREATE MATERIALIZED VIEW v AS SELECT x FROM t WEHRE x;", "Did you mean 'WHERE'?"),
]
PYTHON = [
    ("@dp.tabel\ndef t(): pass", ":2: AttributeError", "Did you mean 'table'?"),
    (
        "@dp.table(schema='id INTT')\ndef t(): return dp.sql('SELECT 1 AS id')",
        ":2: [UNSUPPORTED_DATATYPE]",
        "Did you mean 'int'?",
    ),
]


@pytest.fixture
def project(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("x\n1\n")
    (tmp_path / "array").mkdir()
    (tmp_path / "array" / "a.json").write_text('[{"x": 1},\n {"x": 2}]\n')
    return tmp_path


def refusal(project, file):
    with pytest.raises(LakeflowError) as raised:
        Session(Settings.load({}, lakehouse=project / "lake")).run(project / file)
    return str(raised.value)


@pytest.mark.parametrize(("sql", "said"), SQL)
def test_of_sql(project, sql, said):
    (project / "p.sql").write_text("\n" + sql)
    assert said in refusal(project, "p.sql")


@pytest.mark.parametrize(("body", "said", "hint"), PYTHON)
def test_of_python(project, body, said, hint):
    (project / "p.py").write_text(f"from lakeflow import pipelines as dp\n{body}\n")
    found = refusal(project, "p.py")
    assert f"p.py{said}" in found
    assert hint in found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"name: x\nlibraries: [a\n", "pipeline.yml:3: It is not valid YAML: expected"),
        (b"name: M\xfcller\n", "pipeline.yml:1: It cannot be read"),
        (b"- name\n", "Begin it with name: "),
    ],
)
def test_of_project_files(project, text, said):
    (project / "pipeline.yml").write_bytes(text)
    assert said in refusal(project, "pipeline.yml")


@pytest.mark.parametrize(
    "value", ["NULL", "array()", "array(NULL)", "map('k', NULL)", "named_struct('a', array())"]
)
def test_a_column_without_a_type_is_refused_and_nothing_is_spoilt(project, value):
    lines = "CREATE MATERIALIZED VIEW v AS\nSELECT {} AS x;"
    (project / "p.sql").write_text(lines.format(value))
    said = refusal(project, "p.sql")
    assert "p.sql:1: [UNSUPPORTED_DATATYPE] Column x of v is " in said
    assert "CAST(NULL AS STRING)" in said
    assert refusal(project, "p.sql") == said

    (project / "p.sql").write_text(lines.format("1"))
    session = Session(Settings.load({}, lakehouse=project / "lake"))
    assert session.run(project / "p.sql").state == "COMPLETED"
    assert session.show("v").rows == ((1,),)


def test_null_takes_the_type_that_is_declared_or_known(project):
    (project / "p.sql").write_text(
        "CREATE MATERIALIZED VIEW v (x STRING) AS SELECT NULL AS x;"
        "CREATE MATERIALIZED VIEW w AS SELECT x FROM v;"
        f"CREATE STREAMING TABLE t; CREATE FLOW a AS INSERT INTO t BY NAME SELECT x {FROM};"
        f"CREATE FLOW b AS INSERT INTO t BY NAME SELECT NULL AS x {FROM};"
    )
    session = Session(Settings.load({}, lakehouse=project / "lake"))
    for _ in range(2):
        result = session.run(project / "p.sql")
        assert [flow.error for flow in result.flows] == [None] * 4
    assert str(session.show("w").schema.fields[0].type) == "STRING"
    assert sorted(session.show("t").rows, key=str) == [(1,), (None,)]


@pytest.mark.parametrize("value", ["array(INTERVAL 1 DAY)", "named_struct('a', INTERVAL 1 DAY)"])
def test_an_interval_within_a_column_is_refused(project, value):
    (project / "p.sql").write_text(f"CREATE MATERIALIZED VIEW v AS SELECT {value} AS x;")
    assert ":1: [UNSUPPORTED_DATATYPE] The column x holds an INTERVAL" in refusal(project, "p.sql")


def test_what_reads_a_refreshed_table_is_told_the_command(project):
    (project / "p.sql").write_text(
        f"CREATE STREAMING TABLE t AS SELECT * {FROM};"
        "CREATE STREAMING TABLE after; CREATE FLOW f AS INSERT INTO after BY NAME "
        "SELECT * FROM STREAM t;"
    )
    session = Session(Settings.load({}, lakehouse=project / "lake"))
    session.run(project / "p.sql")
    result = session.run(project / "p.sql", full_refresh=["t"])
    assert "lakeflow run --full-refresh after." in str(result.flows[1].error)
