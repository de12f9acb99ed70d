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
