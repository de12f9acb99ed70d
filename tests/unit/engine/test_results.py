"""What an update says it has written is what it has committed, however a flow ended."""

from __future__ import annotations

import shutil
from contextlib import suppress

import pytest

from lakeflow.core.errors import Interrupted, StateError
from lakeflow.core.settings import Settings
from lakeflow.engine.session import Session


@pytest.fixture
def project(tmp_path):
    (tmp_path / "in").mkdir()
    return tmp_path


def declare(project, sql):
    (project / "p.sql").write_text(sql)


def drop(project, name, text):
    (project / "in" / f"{name}.csv").write_text(text)


def open_session(project, **options):
    return Session(Settings.load({}, lakehouse=project / "lake"), **options)


def test_a_flow_that_failed_in_its_second_batch_has_written_its_first(project):
    declare(
        project,
        "CREATE STREAMING TABLE t (CONSTRAINT low EXPECT (x < 9) ON VIOLATION FAIL UPDATE, "
        "CONSTRAINT odd EXPECT (x % 2 = 1) ON VIOLATION DROP ROW) AS SELECT * FROM STREAM "
        "read_files('in', format => 'csv', maxFilesPerTrigger => 1);",
    )
    drop(project, "a", "x\n1\n2\n3\n")
    drop(project, "b", "x\n9\n")
    session = open_session(project)
    (flow,) = session.run(project / "p.sql").flows
    assert flow.state == "FAILED"
    assert flow.rows == session.show("t").row_count == 2
    assert flow.dropped == 1


def test_a_flow_that_was_stopped_after_its_first_batch_has_written_it(project):
    declare(
        project,
        "CREATE STREAMING TABLE t AS SELECT * FROM STREAM "
        "read_files('in', format => 'csv', maxFilesPerTrigger => 1);",
    )
    for name in "abc":
        drop(project, name, "x\n1\n2\n")

    def stop(event):
        if event.details.get("metrics", {}).get("num_output_rows"):
            session.stop()

    session = open_session(project, listeners=[stop])
    result = session.run(project / "p.sql")
    assert (result.state, result.flows[0].state) == ("CANCELED", "STOPPED")
    assert result.flows[0].rows == session.show("t").row_count == 2


def test_a_session_that_was_stopped_runs_again(project):
    declare(
        project,
        "CREATE STREAMING TABLE t AS SELECT * FROM STREAM read_files('in', format => 'csv');",
    )
    drop(project, "a", "x\n1\n2\n")
    session = open_session(project)
    session.stop()
    with suppress(Interrupted):  # raised where the columns of the files are being looked for
        assert session.run(project / "p.sql").state == "CANCELED"
    assert session.run(project / "p.sql").state == "COMPLETED"
    assert session.show("t").row_count == 2


def test_batches_before_a_new_column_count(project):
    declare(
        project,
        "CREATE STREAMING TABLE t AS SELECT * FROM STREAM "
        "read_files('in', format => 'csv', maxFilesPerTrigger => 1);",
    )
    session = open_session(project)
    drop(project, "a", "x\n0\n")
    session.run(project / "p.sql")
    drop(project, "b", "x\n1\n2\n")
    drop(project, "c", "x,y\n3,4\n")
    (flow,) = session.run(project / "p.sql").flows
    assert flow.rows == session.show("t").row_count - 1 == 3


def test_a_full_refresh_that_failed_has_written_nothing(project):
    sql = (
        "CREATE STREAMING TABLE t (CONSTRAINT low EXPECT (x < 9) ON VIOLATION FAIL UPDATE) AS "
        "SELECT * FROM STREAM read_files('in', format => 'csv', maxFilesPerTrigger => 1);"
    )
    declare(project, sql)
    drop(project, "a", "x\n1\n2\n3\n")
    session = open_session(project)
    session.run(project / "p.sql")
    drop(project, "b", "x\n9\n")
    (flow,) = session.run(project / "p.sql", full_refresh=["t"]).flows
    assert (flow.state, flow.rows) == ("FAILED", 0)


def test_a_quarantine_that_is_gone_after_a_full_refresh_that_is_not_over_is_missed(project):
    declare(
        project,
        "CREATE STREAMING TABLE t (CONSTRAINT p EXPECT (x > 0) ON VIOLATION QUARANTINE) AS "
        "SELECT * FROM STREAM read_files('in', format => 'csv');"
        "CREATE STREAMING TABLE after AS SELECT * FROM STREAM t;"
        "CREATE MATERIALIZED VIEW last AS SELECT * FROM after;",
    )
    drop(project, "a", "x\n1\n-2\n")
    session = open_session(project)
    session.run(project / "p.sql")
    refreshed = session.run(project / "p.sql", full_refresh=["t", "last"])
    assert [flow.state for flow in refreshed.flows] == ["COMPLETED", "FAILED", "SKIPPED"]
    shutil.rmtree(project / "lake/main/default/t_quarantine")
    with pytest.raises(StateError, match="t_quarantine was made by this pipeline and is gone"):
        session.run(project / "p.sql")
    session = open_session(project)
    session.run(project / "p.sql", full_refresh=["t", "after", "last"])
    assert session.show("t_quarantine").rows[0][0] == -2
