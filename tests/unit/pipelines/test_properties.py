"""No property and no setting is passed over in silence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lakeflow.core.errors import ConfigurationError, LakeflowError
from lakeflow.core.settings import Settings
from lakeflow.engine.session import Session
from lakeflow.pipelines.properties import PROPERTIES, SETTINGS

PAGE = (Path(__file__).parents[3] / "docs" / "sql.md").read_text()
STREAM = "STREAM read_files('in', format => 'csv', header => true, schema => 'x BIGINT')"
RESET = "TBLPROPERTIES ('pipelines.reset.allowed' = 'false')"


@pytest.fixture
def project(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.csv").write_text("x\n1\n")
    return tmp_path


@pytest.fixture
def session(tmp_path):
    return Session(Settings.load({}, lakehouse=tmp_path / "lakehouse"))


def write(project, text):
    (project / "p.sql").write_text(text)
    return project / "p.sql"


def test_the_page_lists_every_key_with_its_status():
    rows = re.findall(
        r"^\| `((?:spark|pipelines|delta|lakeflow)\.[\w.*]+)` \| (\w+) \| (.*) \|$",
        PAGE,
        re.MULTILINE,
    )
    told = [
        (
            key.name,
            key.status,
            key.meaning + (f" Only `{'`, `'.join(key.only)}`." if key.only else ""),
        )
        for key in (*PROPERTIES, *SETTINGS)
    ]
    assert rows == told


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("delta.enableDeletionVectors", "true", "delta.enableDeletionVectors is false here"),
        ("delta.enableDeletionVector", "true", "not a table property"),
        ("delta.feature.rowTracking", "supported", "not supported"),
        ("pipelines.reset.allowed", "maybe", "true or false"),
        ("pipelines.reset.allow", "false", "not a table property"),
    ],
)
def test_a_property_that_would_not_hold_is_refused(project, session, key, value, said):
    text = f"\nCREATE MATERIALIZED VIEW t TBLPROPERTIES ('{key}' = '{value}') AS SELECT 1 AS x"
    with pytest.raises(LakeflowError, match=said) as raised:
        session.plan(write(project, text))
    assert "p.sql:2" in str(raised.value)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("spark.sql.ansi.enabled = false", "spark.sql.ansi.enabled is true here"),
        ("spark.sql.legacy.timeParserPolicy = LEGACY", "not supported"),
        ("spark.sql.session.timeZone = Mars/Olympus", "not the name of a time zone"),
        ("spark.sql.session.timeZone = Europe/Vienna", "and UTC for the pipeline"),
        ("pipelines.trigger.intervall = 5 seconds", "not a setting"),
    ],
)
def test_a_setting_that_would_change_the_rows_is_refused(project, session, setting, said):
    text = f"SET {setting};\nCREATE MATERIALIZED VIEW t AS SELECT 1 AS x"
    with pytest.raises(LakeflowError, match=said):
        session.plan(write(project, text))


def test_settings_of_a_cluster_and_own_names_are_taken(project, session):
    text = (
        "SET spark.executor.memory = 4g; SET spark.sql.shuffle.partitions = 8; SET n = 3;\n"
        "CREATE MATERIALIZED VIEW t TBLPROPERTIES ('quality' = 'gold', 'delta.appendOnly' = false)"
        " AS SELECT ${n} AS x"
    )
    session.run(write(project, text))
    assert session.show("t").rows == ((3,),)


def test_the_zone_of_the_project_holds_for_every_flow(project, session):
    write(project, "CREATE MATERIALIZED VIEW t AS SELECT TIMESTAMP '2024-07-01 12:00:00' AS x")
    spec = project / "pipeline.yml"
    zone = "spark.sql.session.timeZone"
    spec.write_text(f"name: zones\nconfiguration:\n  {zone}: Europe/Vienna\n")
    session.run(spec)
    [row] = session.query("SELECT CAST(x AS STRING) AS x FROM t").read_all().to_pylist()
    assert row["x"] == "2024-07-01 10:00:00"

    spec.write_text(f"name: zones\nconfiguration:\n  {zone}: Nowhere\n")
    with pytest.raises((ConfigurationError, LakeflowError), match="Nowhere") as raised:
        session.run(spec)
    assert "pipeline.yml:3" in str(raised.value)


def test_a_table_that_forbids_it_is_not_refreshed_in_full(project, session):
    text = (
        f"CREATE STREAMING TABLE kept {RESET} AS SELECT x FROM {STREAM};\n"
        f"CREATE STREAMING TABLE other AS SELECT x FROM {STREAM};\n"
    )
    file = write(project, text)
    session.run(file)
    (project / "in" / "1.csv").unlink()
    (project / "in" / "2.csv").write_text("x\n2\n")
    session.run(file, full_refresh="all")
    assert sorted(session.show("kept").rows) == [(1,), (2,)]
    assert session.show("other").rows == ((2,),)
    with pytest.raises(LakeflowError, match="kept is not refreshed in full"):
        session.run(file, full_refresh=["kept"])


def test_a_table_that_keeps_its_rows_reads_no_stream_that_may_be_emptied(project, session):
    text = (
        f"CREATE STREAMING TABLE a {{}} AS SELECT x FROM {STREAM};\n"
        f"CREATE STREAMING TABLE b {RESET} AS SELECT x FROM STREAM a;\n"
    )
    with pytest.raises(LakeflowError, match="never refreshed in full") as raised:
        session.plan(write(project, text.format("")))
    assert "INVALID_RESETTABLE_DEPENDENCY" in str(raised.value)
    session.plan(write(project, text.format(RESET)))
