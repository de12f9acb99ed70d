"""Ctrl-C in the middle of a query: the update ends at once, says where it stands, and goes on."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from lakeflow.core.settings import Settings
from lakeflow.engine.session import Session

ENDLESS = (
    "SELECT count(*) AS n FROM quick CROSS JOIN s a CROSS JOIN s b CROSS JOIN s c CROSS JOIN s d "
    "WHERE a.x * b.x + c.x * d.x > 7 AND a.y + b.y + c.y + d.y <> 5"
)
PIPELINE = """\
CREATE STREAMING TABLE s AS SELECT x, y
FROM STREAM read_files('in', format => 'csv', header => true, schema => 'x BIGINT, y BIGINT');
CREATE MATERIALIZED VIEW quick AS SELECT count(*) AS n FROM s;
CREATE MATERIALIZED VIEW slow AS {};
CREATE MATERIALIZED VIEW after AS SELECT n + 1 AS n FROM slow;
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "in").mkdir()
    lines = "".join(f"{i},{i % 7}\n" for i in range(5000))
    (tmp_path / "in" / "a.csv").write_text(f"x,y\n{lines}")
    (tmp_path / "p.sql").write_text(PIPELINE.format(ENDLESS))
    return tmp_path


@pytest.fixture
def process(project):
    command = [sys.executable, "-m", "lakeflow", "run", "p.sql"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=project, **pipes) as started:
        yield started
        started.kill()


def wait_for(process, *states):
    """Reads what the update prints until it has said all of this."""
    missing = {" ".join(state.split()) for state in states}
    read = []
    for line in process.stdout:
        read.append(line)
        missing.discard(" ".join(line.split()[1:]))
        if not missing:
            return
    pytest.fail(f"never said {missing}: {read} {process.stderr.read()}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_update_ends_says_where_it_stands_and_goes_on(project, process, number):
    wait_for(process, "quick COMPLETED", "slow RUNNING")
    process.send_signal(number)
    out, err = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "Update CANCELED" in out
    assert "finished: s, quick\n" in err
    assert "not finished: slow, after\n" in err
    session = Session(Settings.load({}, lakehouse=project / "data" / "lakehouse"))
    ends = [
        event.details["state"]
        for event in session.events()
        if event.event_type == "update_progress" and event.details["state"] != "RUNNING"
    ]
    assert ends == ["CANCELED"]

    (project / "p.sql").write_text(PIPELINE.format("SELECT max(x) AS n FROM s"))
    result = session.run(project / "p.sql")
    assert [flow.state for flow in result.flows] == ["IDLE", "IDLE", "COMPLETED", "COMPLETED"]
    assert session.show("after").rows == ((5000,),)


def test_it_ends_when_nobody_reads_what_it_says(process):
    wait_for(process, "quick COMPLETED", "slow RUNNING")
    process.stdout.close()
    process.stderr.close()
    process.terminate()
    assert process.wait(timeout=60) == 130
