"""Upkeep of a pipeline's tables: what readers and records still need stays."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from datetime import timedelta

import pytest
from deltalake import DeltaTable

from lakeflow.backends.duckdb import DuckDBBackend
from lakeflow.core.clock import SystemClock
from lakeflow.core.settings import Settings
from lakeflow.engine.consumers import NOBODY, first_needed, promised
from lakeflow.engine.eventlog import EventLog
from lakeflow.engine.lease import LockLease
from lakeflow.engine.session import Session
from lakeflow.engine.state import PipelineState
from lakeflow.engine.targets import Targets
from lakeflow.engine.upkeep import Upkeep
from lakeflow.tables.log import Commit, log_files
from lakeflow.tables.table import Decision, Table
from lakeflow.tables.upkeep import Compaction

BRONZE = """
CREATE STREAMING TABLE bronze TBLPROPERTIES (
  'delta.checkpointInterval' = '3', 'delta.logRetentionDuration' = 'interval 0 seconds',
  'delta.deletedFileRetentionDuration' = '0 seconds'
) AS SELECT id FROM STREAM read_files(
  'drop', format => 'csv', header => true, schema => 'id INT', maxFilesPerTrigger => 1);
"""
READER = "CREATE STREAMING TABLE silver AS SELECT id FROM STREAM bronze;\n"
VIEW = "CREATE MATERIALIZED VIEW gold AS SELECT count(*) AS n FROM bronze;\n"


class World:
    def __init__(self, folder):
        self.folder = folder
        (folder / "drop").mkdir()
        self.dropped = 0
        self.session = Session(Settings.load({}, lakehouse=folder / "lakehouse"))

    def drop(self, count=1):
        for _ in range(count):
            self.dropped += 1
            (self.folder / "drop" / f"{self.dropped}.csv").write_text(f"id\n{self.dropped}\n")

    def run(self, name, text):
        (self.folder / f"{name}.sql").write_text(text)
        result = self.session.run(self.folder / f"{name}.sql")
        assert result.state == "COMPLETED", result
        return {flow.name: flow for flow in result.flows}

    def rows(self, table):
        return sorted(
            r["id"] for r in self.session.query(f"SELECT id FROM {table}").read_all().to_pylist()
        )

    def table(self, name):
        return Table(self.session.store, f"main/default/{name}")

    def versions(self, name):
        return log_files(self.session.store, f"main/default/{name}")

    def maintain(self, pipeline):
        """Everything, as under the lease of a pipeline."""
        store = self.session.store
        state = PipelineState(store, pipeline)
        lease = LockLease(store, state.folder)
        clock = SystemClock()
        backend = DuckDBBackend(
            memory_limit=1 << 28, threads=1, time_zone="UTC", temporary=self.folder / "spill"
        )
        try:
            log = EventLog(store, state, clock)
            keeper = Upkeep(store, state, Targets(store, state, clock, lease), lease, clock, log)
            return keeper.everything(backend, Compaction(fewest=2))
        finally:
            backend.close()
            lease.release()

    def parquet(self, name):
        folder = self.folder / "lakehouse" / "main" / "default" / name
        return [p for p in folder.rglob("*.parquet") if "_delta_log" not in p.parts]


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_logs_that_have_grown_are_summed_up_and_cleaned_after_an_update(world):
    world.drop(5)
    world.run("writer", BRONZE)
    found = world.versions("bronze")
    assert found.checkpoints == (5,)
    assert found.commits == (5,)
    assert world.rows("bronze") == [1, 2, 3, 4, 5]
    world.drop()
    world.run("writer", BRONZE)
    assert world.versions("bronze").commits == (5, 6)
    assert DeltaTable(str(world.folder / "lakehouse/main/default/bronze")).version() == 6


@pytest.mark.parametrize("reader", [READER, VIEW])
def test_what_one_reader_of_another_pipeline_needs(world, reader):
    world.drop(2)
    world.run("writer", BRONZE)
    world.run("reader", reader)
    seen = world.table("bronze").snapshot().version
    world.drop(8)
    world.run("writer", BRONZE)
    assert first_needed(world.table("bronze")) == seen + 1
    found = world.versions("bronze")
    assert set(range(seen + 1, found.newest + 1)) <= set(found.commits)


def test_a_reader_of_another_pipeline_finds_every_commit_that_it_has_not_passed(world):
    world.drop(2)
    world.run("writer", BRONZE)
    reader = READER + VIEW
    world.run("reader", reader)
    seen = world.table("bronze").snapshot().version
    world.drop(8)
    world.run("writer", BRONZE)
    assert first_needed(world.table("bronze")) == seen + 1
    assert world.maintain("writer") == []
    found = world.versions("bronze")
    assert set(range(seen + 1, found.newest + 1)) <= set(found.commits)
    assert found.newest - seen > 8, "the compaction is a version, too"
    flows = world.run("reader", reader)
    assert flows["silver"].rows == 8
    assert world.rows("silver") == world.rows("bronze") == list(range(1, 11))
    world.maintain("writer")
    assert len(world.versions("bronze").commits) == 1, "everybody has passed them"
    flows = world.run("reader", reader)
    assert [flow.state for flow in flows.values()] == ["IDLE", "IDLE"]


def test_a_compaction_is_no_change_for_readers(world):
    world.drop(6)
    world.run("writer", BRONZE + READER + VIEW)
    assert len(world.table("bronze").snapshot().files) == 6
    world.maintain("writer")
    assert len(world.table("bronze").snapshot().files) == 1
    assert len(world.parquet("bronze")) == 1, "the small files are nobody's any more"
    flows = world.run("writer", BRONZE + READER + VIEW)
    assert {flow.state for flow in flows.values()} == {"IDLE"}
    world.drop()
    world.run("writer", BRONZE + READER + VIEW)
    assert world.rows("silver") == world.rows("bronze") == list(range(1, 8))


def test_files_are_removed_unless_a_record_promises_them(world, monkeypatch):
    from lakeflow.core import failpoints

    world.drop(2)
    world.run("writer", BRONZE)
    orphan = world.parquet("bronze")[0].with_name("part-orphan.parquet")
    orphan.write_bytes(b"left by a crash")
    world.drop()
    failpoints.arm("prepared.synced:1:raise")
    try:
        (world.folder / "writer.sql").write_text(BRONZE)
        assert world.session.run(world.folder / "writer.sql").state == "FAILED"
    finally:
        failpoints.arm("")
    (staged,) = (
        {p.name for p in world.parquet("bronze")}
        - {file.path for file in world.table("bronze").snapshot().files}
        - {orphan.name}
    )
    assert promised(world.table("bronze")) >= {f"main/default/bronze/{staged}"}
    for path in world.parquet("bronze"):
        os.utime(path, (time.time() - 10,) * 2)
    assert world.maintain("writer") == []
    assert not orphan.exists()
    assert staged in {p.name for p in world.parquet("bronze")}
    world.run("writer", BRONZE)
    assert world.rows("bronze") == [1, 2, 3]


def test_upkeep_that_fails_does_not_fail_the_update(world):
    told = []
    world.session.listeners = (told.append,)
    text = BRONZE.replace("interval 0 seconds", "a while")
    world.drop(4)
    world.run("writer", text)
    (warning,) = [e for e in told if e.event_type == "maintenance_progress"]
    assert warning.level == "WARN"
    assert "delta.logRetentionDuration is 'a while'" in warning.message
    assert world.rows("bronze") == [1, 2, 3, 4]


def test_counts_of_expectations_outlive_the_commits_that_said_them(world):
    text = BRONZE.replace("bronze TBL", "bronze (CONSTRAINT small EXPECT (id < 4)) TBL")
    world.drop(5)
    world.run("writer", text)
    assert world.versions("bronze").commits == (5,), "four batches are gone from the log"
    (small,) = world.session.show("bronze").expectations
    assert (small.passed, small.failed) == (3, 2)


def test_nobody_needs_a_table_without_readers(world):
    world.drop()
    world.run("writer", BRONZE)
    assert first_needed(world.table("bronze")) == NOBODY


def test_the_event_log_stays_small(world):
    store = world.session.store
    state = PipelineState(store, "writer")
    world.drop()
    world.run("writer", BRONZE)
    log = EventLog(store, state, SystemClock())
    before = {event.id for event in log.read()}
    first = log.read()[0].details["update_id"]

    def sooner(snapshot):
        properties = {**snapshot.metadata.configuration, "delta.checkpointInterval": "4"}
        return Decision(
            Commit("SET", metadata=replace(snapshot.metadata, configuration=properties))
        )

    log.table.commit(sooner, SystemClock().now())
    for _ in range(9):
        world.run("writer", BRONZE)
    assert len(log.table.snapshot().files) < 5
    found = log_files(store, log.table.place)
    assert len(found.checkpoints) == 2
    assert found.commits[0] == 0, "commits of the last day stay"
    assert {event.id for event in log.read(first)} == before


def test_a_rule_is_read_from_the_properties(world):
    from lakeflow.engine.upkeep import Rule

    world.drop()
    world.run("writer", BRONZE)
    rule = Rule.of(world.table("bronze").snapshot())
    assert (rule.checkpoint, rule.log, rule.files) == (3, timedelta(0), timedelta(0))
