"""The event log: Databricks' columns, one commit per update, each event once through any kill."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from lakeflow.core import failpoints
from lakeflow.core.errors import ConfigurationError, LakeflowError
from lakeflow.core.settings import Settings
from lakeflow.engine.eventlog import SCHEMA
from lakeflow.engine.session import Session

PIPELINE = """
CREATE STREAMING TABLE bronze (
  CONSTRAINT positive EXPECT (amount > 0) ON VIOLATION DROP ROW,
  CONSTRAINT small EXPECT (amount < 5)
) AS SELECT * FROM STREAM read_files(
  'drop', format => 'csv', header => true, schema => 'id INT, amount INT', maxFilesPerTrigger => 1);
CREATE TEMPORARY VIEW doubled AS SELECT id, amount * 2 AS amount FROM bronze;
CREATE MATERIALIZED VIEW gold COMMENT 'by amount' AS
SELECT amount, count(*) AS n FROM doubled GROUP BY amount;
"""


class Project:
    def __init__(self, folder):
        self.folder = folder
        (folder / "drop").mkdir()
        (folder / "pipe.sql").write_text(PIPELINE)
        self.drops = 0
        self.session = Session(Settings.load({}, lakehouse=folder / "lake"))

    def drop(self, count=1):
        for _ in range(count):
            self.drops += 1
            text = "id,amount\n" + "".join(f"{n},{n - 2}\n" for n in range(10))
            (self.folder / "drop" / f"{self.drops}.csv").write_text(text)

    def run(self):
        return self.session.run(self.folder / "pipe.sql")

    def killed(self, failpoint):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("LAKEFLOW_")}
        environment |= {
            "LAKEFLOW_LAKEHOUSE": str(self.folder / "lake"),
            failpoints.VARIABLE: f"{failpoint}:kill",
        }
        command = [sys.executable, "-m", "lakeflow", "run", str(self.folder / "pipe.sql")]
        done = subprocess.run(
            command, check=False, env=environment, capture_output=True, timeout=100
        )
        assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr

    def log(self):
        return self.folder / "lake/main/default/event_log_pipe"

    def rows(self):
        """All rows of the log, by an independent reader."""
        found = []
        for uri in DeltaTable(str(self.log())).file_uris():
            found += pq.read_table(uri, partitioning=None).to_pylist()
        return found

    def check(self):
        """Each event once, one end per update, and the counts of every committed batch."""
        rows = self.rows()
        assert max(Counter(row["id"] for row in rows).values()) == 1
        ends = Counter()
        written = Counter()
        for row in rows:
            update = row["origin"]["update_id"]
            assert update is not None
            details = json.loads(row["details"])[row["event_type"]]
            ends[update] += details.get("state") in ("COMPLETED", "FAILED", "CANCELED")
            if row["level"] == "METRICS" and row["origin"]["flow_name"] == "bronze":
                written["rows"] += details["metrics"]["num_output_rows"]
                written["dropped"] += details["data_quality"]["dropped_records"]
                (small,) = [
                    e for e in details["data_quality"]["expectations"] if e["name"] == "small"
                ]
                written["small"] += small["failed_records"]
        assert set(ends.values()) == {1}
        assert written == {
            "rows": 7 * self.drops,
            "dropped": 3 * self.drops,
            "small": 3 * self.drops,
        }
        return ends


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


def test_its_columns_are_those_of_databricks(project):
    project.drop()
    project.run()
    schema = DeltaTable(str(project.log())).schema().to_arrow()
    names = {
        "id",
        "sequence",
        "origin",
        "timestamp",
        "message",
        "level",
        "maturity_level",
        "error",
        "details",
        "event_type",
    }
    assert {field.name for field in schema} == names
    types = {field.name: str(field.type) for field in schema}
    for column, inner in {
        "sequence": "data_plane_id instance seq_no control_plane_seq_no",
        "origin": "cloud region org_id user pipeline_id pipeline_type pipeline_name cluster_id "
        "update_id maintenance_id table_id dataset_name flow_id flow_name batch_id request_id "
        "uc_resource_id host materialization_name",
        "error": "exceptions class_name message stack fatal",
    }.items():
        for name in inner.split():
            assert f'"{name}": ' in types[column]


def test_one_commit_per_update_also_of_one_that_fails(project):
    project.drop(2)
    project.run()
    project.run()
    versions = DeltaTable(str(project.log())).version()
    assert versions == 2, "its creation and two updates"
    (project.folder / "pipe.sql").write_text(
        PIPELINE + "CREATE MATERIALIZED VIEW bad AS SELECT x FROM gone;"
    )
    with pytest.raises(Exception, match="gone"):
        project.run()
    assert DeltaTable(str(project.log())).version() == 3
    ends = project.check()
    assert len(ends) == 3
    last = project.session.events()[-1]
    assert last.details["state"] == "FAILED"
    assert "[TABLE_OR_VIEW_NOT_FOUND]" in last.error["message"]


def test_lineage(project):
    project.drop()
    project.run()
    found = {
        e.flow: e.details for e in project.session.events() if e.event_type == "flow_definition"
    }
    assert found["bronze"]["input_sources"] == ["files:drop"]
    assert found["bronze"]["input_datasets"] == []
    assert found["bronze"]["flow_type"] == "APPEND"
    assert found["gold"]["input_datasets"] == ["bronze"], "through the view"
    assert found["gold"]["output_dataset"] == "gold"
    assert [column["name"] for column in found["gold"]["schema"]] == ["amount", "n"]
    datasets = {
        e.dataset: e.details
        for e in project.session.events()
        if e.event_type == "dataset_definition"
    }
    assert datasets["gold"] == {
        "dataset_type": "MATERIALIZED_VIEW",
        "comment": "by amount",
        "partition_columns": [],
        "expectations": [],
    }
    assert [e["action"] for e in datasets["bronze"]["expectations"]] == ["DROP", "WARN"]


@pytest.mark.parametrize(
    "failpoint",
    ["commit.synced:2", "source.acknowledged:2", "event.written:2", "commit.linked:5"],
)
def test_after_a_kill_the_next_update_completes_it(project, failpoint):
    project.drop(3)
    project.killed(failpoint)
    project.drop()
    project.run()
    ends = project.check()
    assert len(ends) == 2
    killed, finished = (project.session.events(update) for update in ordered(project))
    assert killed[-1].details["state"] == "FAILED" or failpoint == "commit.linked:5"
    assert finished[-1].details["state"] == "COMPLETED"


def test_a_kill_after_its_commit_and_before_the_files_are_gone(project, tmp_path_factory):
    """What the log has is not written into it once more."""
    whole = Project(tmp_path_factory.mktemp("whole"))
    whole.drop(3)
    whole.run()
    commits = len(list((whole.folder / "lake").rglob("_delta_log/*.json")))
    project.drop(3)
    project.killed(f"commit.synced:{commits}")
    assert len(project.check()) == 1, "the log's commit was the last one"
    project.run()
    ends = project.check()
    assert len(ends) == 2
    states = [project.session.events(update)[-1].details["state"] for update in ordered(project)]
    assert states == ["COMPLETED", "COMPLETED"]


def ordered(project):
    epochs = {
        r["origin"]["update_id"]: r["sequence"]["control_plane_seq_no"] for r in project.rows()
    }
    return sorted(epochs, key=epochs.__getitem__)


@pytest.mark.parametrize("failpoint", ["source.acknowledged:1:raise", "event.written:1:enospc"])
def test_a_batch_that_was_committed_is_told_of_though_its_update_broke(project, failpoint):
    project.drop()
    failpoints.arm(failpoint)
    try:
        assert project.run().state == "FAILED"
    finally:
        failpoints.arm("")
    project.check()
    project.drop()
    project.run()
    project.check()


def test_a_log_with_older_columns_goes_on(project):
    """A log of an earlier Lakeflow gets the columns that it lacks."""
    from dataclasses import replace

    from lakeflow.core.schema import Schema
    from lakeflow.engine.eventlog import SCHEMA
    from lakeflow.tables.log import Commit
    from lakeflow.tables.table import Decision, Table

    project.drop()
    project.run()
    before = project.session.events()
    table = Table(project.session.store, "main/default/event_log_pipe")
    older = Schema(tuple(field for field in SCHEMA.fields if field.name != "maturity_level"))

    def forget(snapshot):
        return Decision(Commit("SET", metadata=replace(snapshot.metadata, schema=older)))

    table.commit(forget, project.session.clock.now())
    project.drop()
    project.run()
    assert Table(project.session.store, table.place).snapshot().schema == SCHEMA
    project.check()
    assert project.session.events(before[0].details["update_id"]) == before


def test_what_a_flow_of_another_name_has_written_is_told_of_its_table(project):
    (project.folder / "pipe.sql").write_text(
        "CREATE STREAMING TABLE bronze (CONSTRAINT positive EXPECT (amount > 0));\n"
        "CREATE FLOW north AS INSERT INTO bronze BY NAME SELECT * FROM STREAM read_files("
        "'drop', format => 'csv', header => true, schema => 'id INT, amount INT');"
    )
    project.drop()
    project.killed("commit.synced:2")  # the second commit of the log is the batch
    assert project.run().state == "COMPLETED"
    project.drop()
    assert project.run().state == "COMPLETED"
    batches = [e for u in ordered(project) for e in project.session.events(u) if e.batch]
    assert [(e.dataset, e.flow, e.batch) for e in batches] == [
        ("bronze", "north", 1),
        ("bronze", "north", 2),
    ]
    for event in batches:
        (found,) = event.details["data_quality"]["expectations"]
        assert (found["dataset"], found["failed_records"]) == ("bronze", 3)


def test_the_events_of_an_update_that_there_is_not_are_refused(tmp_path):
    session = Session(Settings.load({}, lakehouse=tmp_path / "lakehouse"))
    assert session.events() == []
    with pytest.raises(LakeflowError, match="No update nope has run"):
        session.events("nope")


PAGE = Path(__file__).parents[3] / "docs" / "cli.md"


def test_the_page_has_every_column_and_its_query_works(tmp_path):
    page = PAGE.read_text().split("## The event log")[1].split("\n## ")[0]
    columns = re.findall(r"^\| `(\w+)` \| `(\w+)` \|", page, re.MULTILINE)
    assert columns == [(f.name, str(f.type).split("<")[0]) for f in SCHEMA]
    (query,) = re.findall(r'lakeflow query "(.*?)"', page, re.DOTALL)
    (tmp_path / "shop.sql").write_text(
        "CREATE MATERIALIZED VIEW even (CONSTRAINT e EXPECT (id % 2 = 0) ON VIOLATION DROP ROW) "
        "AS SELECT id FROM range(5);"
    )
    session = Session(Settings.load({}, lakehouse=tmp_path / "lakehouse"))
    session.run(tmp_path / "shop.sql")
    (row,) = session.query(query.replace("\\\n", "\n")).read_all().to_pylist()
    assert (row["flow"], row["written"], row["dropped"]) == ("even", "3", "2")


@pytest.mark.parametrize("argument", ["'shop'", "TABLE(even)"])
def test_the_function_of_databricks_is_refused_with_the_table(tmp_path, argument):
    session = Session(Settings.load({}, lakehouse=tmp_path / "lakehouse"))
    with pytest.raises(LakeflowError) as raised:
        session.query(f"SELECT * FROM event_log({argument})")
    assert "event_log(..) is not supported" in raised.value.message
    assert "FROM event_log_shop" in raised.value.hint


def test_an_update_that_nobody_has_run_is_refused(project):
    assert project.session.events() == []
    project.drop()
    project.run()
    with pytest.raises(ConfigurationError, match="No update 123"):
        project.session.events("123")
