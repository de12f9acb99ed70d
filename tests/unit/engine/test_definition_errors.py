"""One run tells everything that is declared wrongly, each thing once, and writes nothing."""

from __future__ import annotations

import pytest

from lakeflow.core.errors import DefinitionErrors
from lakeflow.core.settings import Settings
from lakeflow.engine.session import Session

WRONG = """\
CREATE STREAMING TABLE a AS SELECT * FROM STREAM b;
CREATE STREAMING TABLE b AS SELECT * FROM STREAM a;
CREATE MATERIALIZED VIEW c AS SELECT x FROM missing;
CREATE MATERIALIZED VIEW c AS SELECT 1 AS x;
CREATE STREAMING TABLE d;
CREATE STREAMING TABLE e AS SELECT 1 AS x;
CREATE MATERIALIZED VIEW f AS SELECT foo(1) AS x;
CREATE MATERIALIZED VIEW g AS SELECT x FROM f;
CREATE MATERIALIZED VIEW h AS SELECT nope FROM good;
CREATE MATERIALIZED VIEW good AS SELECT 1 AS x;
CREATE MATERIALIZED VIEW i (CONSTRAINT k EXPECT (z > 0)) AS SELECT x FROM good;
CREATE MATERIALIZED VIEW j AS SELECT count(*) AS n FROM STREAM a;
"""

CONDITIONS = {
    1: "CIRCULAR_DEPENDENCY",
    3: "TABLE_OR_VIEW_NOT_FOUND",
    4: "PIPELINE_DUPLICATE_IDENTIFIERS.OUTPUT",
    5: "PIPELINE_DATASET_WITHOUT_FLOW",
    6: "INVALID_FLOW_QUERY_TYPE.BATCH_RELATION_FOR_STREAMING_TABLE",
    7: "UNRESOLVED_ROUTINE",
    9: "UNRESOLVED_COLUMN.WITH_SUGGESTION",
    11: "UNRESOLVED_COLUMN.WITH_SUGGESTION",
    12: "INVALID_FLOW_QUERY_TYPE.STREAMING_RELATION_FOR_MATERIALIZED_VIEW",
}
"""Line -> what is wrong there. Line 8 only reads what line 7 could not make."""


def told(tmp_path, text, **full_refresh):
    file = tmp_path / "pipeline.sql"
    file.write_text(text)
    session = Session(Settings.load({}, lakehouse=tmp_path / "lakehouse"))
    with pytest.raises(DefinitionErrors) as raised:
        session.run(file, **full_refresh)
    with pytest.raises(DefinitionErrors) as planned:
        session.plan(file, **full_refresh)
    assert str(planned.value) == str(raised.value)
    assert {error.location.file for error in raised.value.errors} == {str(file)}
    return [(error.location.line, error.condition) for error in raised.value.errors]


def test_everything_wrong_is_told_at_once(tmp_path):
    assert told(tmp_path, WRONG) == sorted(CONDITIONS.items())


def test_a_statement_that_cannot_be_read_hides_no_other_error_and_makes_none(tmp_path):
    broken = "CREATE MATERIALIZED VIEW missing AS SELECT (1 AS x;\nCREATE STREAMING TABEL d2;\n"
    found = told(tmp_path, WRONG + broken)
    # What the two may have declared is not called missing.
    unsure = {3, 5}
    assert [pair for pair in found if pair[0] <= 12] == [
        pair for pair in sorted(CONDITIONS.items()) if pair[0] not in unsure
    ]
    assert [line for line, _ in found if line > 12] == [13, 14]


def test_nothing_is_asked_for_or_written_when_definitions_are_wrong(tmp_path):
    good = "CREATE MATERIALIZED VIEW good AS SELECT 1 AS x;\n"
    file = tmp_path / "pipeline.sql"
    file.write_text(good)
    session = Session(Settings.load({}, lakehouse=tmp_path / "lakehouse"))
    session.run(file)
    version = session.show("good").version

    told(tmp_path, good + "CREATE MATERIALIZED VIEW bad AS SELECT y FROM good;", full_refresh="all")
    file.write_text(good)
    result = session.run(file)

    assert [flow.rows for flow in result.flows] == [0], "the refused full refresh is not made up"
    assert session.show("good").version == version


def test_dry_run_writes_nothing(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("x\n1\n")
    file = tmp_path / "pipeline.sql"
    source = "STREAM read_files('in', format => 'csv', header => true)"
    file.write_text(
        f"CREATE STREAMING TABLE s AS SELECT x FROM {source};\n"
        "CREATE MATERIALIZED VIEW m AS SELECT count(*) AS n FROM s;\n"
    )
    session = Session(Settings.load({}, lakehouse=tmp_path / "lakehouse"))
    session.plan(file)
    assert not (tmp_path / "lakehouse").exists()

    session.run(file)
    before = sorted(path for path in (tmp_path / "lakehouse").rglob("*"))
    file.write_text(
        f"{file.read_text()}CREATE MATERIALIZED VIEW n AS SELECT max(n) AS n FROM m;\n"
        f"CREATE FLOW more AS INSERT INTO s BY NAME SELECT x FROM {source};\n"
    )
    plan = session.plan(file)
    assert [flow.technique for flow in plan.flows] == [
        "APPEND_ONLY",
        "APPEND_ONLY",
        "NO_OP",
        "COMPLETE_RECOMPUTE",
    ]
    assert sorted(path for path in (tmp_path / "lakehouse").rglob("*")) == before
