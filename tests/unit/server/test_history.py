"""What jobs have done is in tables, each end once: the oracle is jobs.db."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

import duckdb
import polars as pl
import pytest
from deltalake import DeltaTable

from lakeflow.catalog.places import place_of
from lakeflow.core import failpoints
from lakeflow.core.clock import FixedClock
from lakeflow.core.errors import DefinitionErrors, StateError
from lakeflow.core.settings import Settings
from lakeflow.engine.history import JOB_TABLES, History, system_table
from lakeflow.engine.session import Session
from lakeflow.jobs.control import (
    cancel,
    change_job,
    create_job,
    delete_job,
    delete_run,
    repair,
    run_now,
)
from lakeflow.jobs.home import Home
from lakeflow.jobs.model import Result
from lakeflow.jobs.rows import AttemptRow, RunRow
from lakeflow.server import publisher
from lakeflow.server.compose import Server
from lakeflow.server.publisher import Publication
from lakeflow.tables.log import Commit
from lakeflow.tables.store import LocalStore
from lakeflow.tables.table import Decision
from tests.unit.jobs.scripted import World, script

WAYS = {
    "name": "ways",
    "max_concurrent_runs": 5,
    "parameters": [{"name": "day", "default": "monday"}],
    "tasks": [
        script("flaky", max_retries=1),
        script("gate", condition_task={"op": "EQUAL_TO", "left": "1", "right": "1"}),
        script("never", "gate:false"),
        script("fan", for_each_task={"inputs": "[1, 2]", "task": script("one")}),
        script("last", "flaky", "never"),
    ],
}


class Told:
    """A home whose events are published into a lakehouse."""

    def __init__(self, folder, lakehouse, **more):
        self.world = World(folder, **more)
        self.lakehouse = lakehouse
        self.settings = Settings.load({}, lakehouse=lakehouse)
        self.reopen()

    def reopen(self):
        """Another process goes on: nothing is remembered."""
        home = Home(self.world.folder)
        self.publication = Publication(home, self.settings, self.world.clock)

    def publish(self):
        self.publication.publish()

    def rows(self, name):
        path = self.lakehouse / place_of(system_table(name))
        if not path.exists():
            return []
        workspace = str(self.world.store.home)
        rows = DeltaTable(path).to_pyarrow_table().to_pylist()
        return [row for row in rows if row["workspace_id"] == workspace]

    def check(self):
        """Everything that has ended is told, and nothing twice."""
        runs, attempts = self.world.store.select(RunRow), self.world.store.select(AttemptRow)
        ends = Counter(
            {r.run_id: r.repairs + (r.state == "TERMINATED") for r in runs if r.repairs or r.result}
        )
        told = self.rows("job_run_timeline")
        kept = {row.run_id for row in runs}
        assert Counter(int(t["run_id"]) for t in told if int(t["run_id"]) in kept) == +ends
        of = {row.attempt: row for row in attempts if row.state == "TERMINATED"}
        tasks = self.rows("job_task_run_timeline")
        assert max(Counter(task["run_id"] for task in tasks).values(), default=1) == 1
        tasks = [task for task in tasks if int(task["job_run_id"]) in kept]
        assert {int(task["run_id"]) for task in tasks} == of.keys()
        for task in tasks:
            row = of[int(task["run_id"])]
            assert task["task_key"] == row.task_key
            assert task["iteration"] == row.iteration
            assert task["attempt_number"] == row.number
            assert task["termination_code"] == row.code
            assert task["message"] == row.message
            assert task["period_end_time"] == instant(row.ended)


def instant(milliseconds):
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


@pytest.fixture
def told(tmp_path):
    (tmp_path / "home").mkdir()
    found = Told(tmp_path / "home", tmp_path / "lake")
    yield found
    failpoints.arm("")
    found.world.store.close()


def run_once(world, job, **given):
    """One run in which all kinds of things happen; it fails and is repaired."""
    run = world.run(job, **given)
    world.end("flaky", Result.FAILED, message="once")
    world.end("flaky", Result.FAILED, message="twice")
    world.end("fan[0]")
    world.end("fan[1]")
    assert world.row(run).result is Result.FAILED
    world.sleep(60)
    world.ask(lambda turn: repair(world.scheduler, turn, run, all_failed=True))
    world.end("flaky")
    world.sleep(5)
    world.end("last")
    assert world.row(run).result is Result.SUCCESS
    return run


def test_every_end_is_told_once(told):
    world = told.world
    job, began = world.job(WAYS), world.clock.now()
    run = run_once(world, job)
    told.publish()
    told.check()
    first, second = told.rows("job_run_timeline")
    assert (first["result_state"], second["result_state"]) == ("FAILED", "SUCCEEDED")
    assert (first["repair"], second["repair"]) == (0, 1)
    assert first["trigger_type"] == "ONETIME"
    assert dict(first["job_parameters"]) == {"day": "monday"}
    assert first["period_start_time"] == began
    assert second["period_start_time"] == instant(world.row(run).started)
    assert (second["period_start_time"] - first["period_end_time"]).total_seconds() == 60
    assert second["run_duration_seconds"] == 5
    skipped = [t for t in told.rows("job_task_run_timeline") if t["result_state"] == "SKIPPED"]
    assert {task["task_key"] for task in skipped} == {"never", "last"}
    told.publish()
    told.reopen()
    told.publish()
    told.check()


def test_a_run_that_was_deleted_before_it_was_published_is_told(told):
    world = told.world
    run = run_once(world, world.job(WAYS))
    world.ask(lambda turn: delete_run(turn, run))
    assert world.store.find(RunRow, run) is None
    told.publish()
    assert len(told.rows("job_run_timeline")) == 2
    assert len({row["run_id"] for row in told.rows("job_task_run_timeline")}) == 10
    run_once(world, world.job(WAYS))
    told.publish()
    told.check()


def test_runs_that_do_not_begin_or_are_begun_by_tasks(told):
    world = told.world
    single = world.job({"name": "single", "queue": {"enabled": False}, "tasks": [script("only")]})
    inner = script("inner", run_job_task={"job_id": single})
    outer = world.job({"name": "outer", "tasks": [inner]})
    begun = world.run(outer)
    skipped = world.run(single)
    world.end("only")
    assert world.row(begun).result is Result.SUCCESS
    third = world.run(outer)
    world.ask(lambda turn: cancel(world.scheduler, turn, third, "enough"))
    world.end("only", Result.CANCELED)
    told.publish()
    told.check()
    runs = {int(row["run_id"]): row for row in told.rows("job_run_timeline")}
    assert runs[skipped]["result_state"] == "SKIPPED"
    assert runs[skipped]["termination_code"] == "MAX_CONCURRENT_RUNS_EXCEEDED"
    assert runs[third]["result_state"] == "CANCELLED"
    for parent in (begun, third):
        (task,) = world.attempts(parent)
        (child,) = (r for r in runs.values() if r["source_task_run_id"] == str(task.attempt))
        assert child["trigger_type"] == "RUN_JOB_TASK"
        assert child["root_task_run_id"] == str(task.attempt)


def test_changes_of_jobs_are_rows_of_their_own(told):
    world = told.world
    schedule = {"quartz_cron_expression": "0 0 1 * * ?", "timezone_id": "UTC"}
    job = world.job({**WAYS, "schedule": schedule, "tags": {"team": "a"}})
    told.publish()
    world.sleep(1)
    paused = {**schedule, "pause_status": "PAUSED"}
    tasks = [dict(task) for task in WAYS["tasks"] if task["task_key"] != "fan"]
    tasks[0]["timeout_seconds"] = 9
    changed = {**WAYS, "name": "new ways", "schedule": paused, "tasks": tasks}
    world.ask(lambda turn: change_job(turn, job, changed))
    world.sleep(1)
    world.ask(lambda turn: delete_job(world.scheduler, turn, job))
    told.publish()
    told.reopen()
    told.publish()
    created, second, deleted = sorted(told.rows("jobs"), key=lambda row: row["change_time"])
    assert (created["name"], second["name"], deleted["name"]) == ("ways", "new ways", "new ways")
    assert (created["trigger_type"], created["paused"], second["paused"]) == ("CRON", False, True)
    assert dict(created["tags"]) == {"team": "a"}
    assert (created["delete_time"], second["delete_time"]) == (None, None)
    assert deleted["delete_time"] == deleted["change_time"] > second["change_time"]
    found = sorted(told.rows("job_tasks"), key=lambda row: (row["change_time"], row["task_key"]))
    keys = [(row["task_key"], row["delete_time"] is not None) for row in found]
    first = sorted((task["task_key"], False) for task in WAYS["tasks"])
    assert keys[:5] == first
    assert keys[5:7] == [("fan", True), ("flaky", False)], "only what has changed"
    assert keys[7:] == sorted((task["task_key"], True) for task in tasks)
    assert found[6]["timeout_seconds"] == 9
    types = {row["task_key"]: row["task_type"] for row in found}
    assert types["gate"] == "condition_task"


@pytest.mark.parametrize("point", ["read", "staged", "committed"])
@pytest.mark.parametrize("nth", [1, 2, 3, 4])
def test_whatever_fails_in_between_nothing_is_lost_or_doubled(told, point, nth):
    world = told.world
    job = world.job(WAYS)
    run_once(world, job)
    failpoints.arm(f"jobs.history.{point}:{nth}:raise")
    if (point, nth > 1) != ("read", True):
        with pytest.raises(OSError, match="failpoint"):
            told.publish()
    run_once(world, job)
    told.publish()
    told.check()
    assert Counter(row["job_id"] for row in told.rows("jobs")) == {str(job): 1}


def test_events_are_published_in_batches(told, monkeypatch):
    monkeypatch.setattr(publisher, "AT_ONCE", 3)
    world = told.world
    run_once(world, world.job(WAYS))
    told.publish()
    told.check()
    path = told.lakehouse / place_of(system_table("job_task_run_timeline"))
    assert DeltaTable(path).version() > 2


def test_others_can_read_it_and_so_can_a_query_without_a_server(told):
    run_once(told.world, told.world.job(WAYS))
    told.publish()
    paths = {name: str(told.lakehouse / place_of(system_table(name))) for name in JOB_TABLES}
    states = {name: pl.read_delta(path).height for name, path in paths.items()}
    assert states == {
        "jobs": 1,
        "job_tasks": 5,
        "job_run_timeline": 2,
        "job_task_run_timeline": 10,
    }
    files = DeltaTable(paths["job_run_timeline"]).file_uris()
    with closing(duckdb.connect()) as connection:
        text = "SELECT result_state FROM read_parquet(?) ORDER BY period_end_time"
        assert connection.execute(text, [files]).fetchall() == [("FAILED",), ("SUCCEEDED",)]
    found = Session(told.settings).query(
        "SELECT j.name, count(*) AS tries FROM system.lakeflow.job_task_run_timeline t "
        "JOIN system.lakeflow.jobs j USING (workspace_id, job_id) "
        "WHERE t.task_key = 'flaky' GROUP BY j.name"
    )
    assert found.read_all().to_pylist() == [{"name": "ways", "tries": 3}]


def test_two_homes_share_a_lakehouse(tmp_path, told):
    (tmp_path / "other").mkdir()
    other = Told(tmp_path / "other", told.lakehouse)
    for each in (told, other):
        run_once(each.world, each.world.job(WAYS))
        each.publish()
    run_once(told.world, told.world.job(WAYS))
    told.publish()
    told.check()
    other.check()
    other.world.store.close()


def test_what_is_published_of_a_later_state_is_not_overlooked(tmp_path, told):
    world = told.world
    job = world.job(WAYS)
    world.store.copy_to(tmp_path / "copy.db")
    run_once(world, job)
    told.publish()
    world.store.close()
    for path in world.folder.glob("jobs.db*"):
        path.unlink()
    (tmp_path / "copy.db").rename(world.folder / "jobs.db")
    world.open()
    told.reopen()
    with pytest.raises(StateError, match=r"has the history of \d+ events of this home"):
        told.publish()


@pytest.mark.parametrize("lease", ["lock", "expiring"])
def test_small_files_are_put_together_and_logs_kept_short(told, lease):
    told.settings = replace(told.settings, lease=lease)
    told.reopen()
    world = told.world
    job = world.job(WAYS)
    home = world.store.home
    run_once(world, job)
    told.publish()
    history = History(LocalStore(told.lakehouse), FixedClock(world.clock.now()), home)
    table = history._tables["job_run_timeline"].table

    def often(snapshot):
        found = {**snapshot.metadata.configuration, "delta.checkpointInterval": "3"}
        return Decision(Commit("SET", metadata=replace(snapshot.metadata, configuration=found)))

    table.commit(often, world.clock.now())
    for _ in range(7):
        world.sleep(3 * 86400)
        run_once(world, job)
        told.publish()
    told.check()
    path = told.lakehouse / place_of(system_table("job_run_timeline"))
    assert len(DeltaTable(path).file_uris()) <= 4
    assert min(int(each.stem) for each in (path / "_delta_log").glob("*.json")) > 2
    assert list((path / "_delta_log").glob("*.checkpoint.parquet"))
    told.reopen()
    told.publish()
    told.check()


def test_somebody_elses_table_is_left_alone(tmp_path, told):
    (tmp_path / "pipe.sql").write_text(
        "CREATE MATERIALIZED VIEW system.lakeflow.jobs AS SELECT 1 AS one;\n"
    )
    Session(told.settings).run(tmp_path / "pipe.sql")
    told.world.job(WAYS)
    with pytest.raises(StateError, match="somebody else's table"):
        told.publish()
    found = Session(told.settings).query("SELECT * FROM system.lakeflow.jobs")
    assert found.read_all().to_pylist() == [{"one": 1}]


def test_a_pipeline_cannot_write_the_history(tmp_path, told):
    run_once(told.world, told.world.job(WAYS))
    told.publish()
    (tmp_path / "pipe.sql").write_text(
        "CREATE MATERIALIZED VIEW system.lakeflow.jobs AS SELECT 1 AS one;\n"
    )
    with pytest.raises(DefinitionErrors, match="is written by another pipeline"):
        Session(told.settings).run(tmp_path / "pipe.sql")
    told.check()


PIPELINE = "CREATE MATERIALIZED VIEW ones AS SELECT 1 AS one;\n"


@pytest.mark.parametrize("failing", ["", "staged", "followed"])
def test_updates_of_pipelines_are_told_once(tmp_path, told, failing):
    pipeline = tmp_path / "pipe.sql"
    pipeline.write_text(PIPELINE)
    session = Session(told.settings)
    first = session.run(pipeline)
    told.world.job(WAYS)
    told.publish()
    by_job = {"cause": "JOB_TASK", "job_id": 7, "run_id": 8, "task_run_id": 9}
    second = session.run(pipeline, full_refresh="all", begun_by=by_job)
    if failing:
        failpoints.arm(f"jobs.history.{failing}:1:raise")
        with pytest.raises(OSError, match="failpoint"):
            told.publish()
        told.reopen()
    told.publish()
    told.publish()
    (known,) = told.rows("pipelines")
    assert known["name"] == "pipe"
    updates = sorted(told.rows("pipeline_update_timeline"), key=lambda u: u["period_start_time"])
    assert [row["update_id"] for row in updates] == [first.update_id, second.update_id]
    assert [row["update_type"] for row in updates] == ["REFRESH", "FULL_REFRESH"]
    assert [row["trigger_type"] for row in updates] == ["USER_ACTION", "JOB_TASK"]
    assert updates[1]["trigger_details"]["job_task"]["job_task_run_id"] == "9"
    assert {row["result_state"] for row in updates} == {"COMPLETED"}
    assert {row["pipeline_id"] for row in updates} == {known["pipeline_id"]}
    joined = session.query(
        "SELECT u.update_id, count(*) AS events FROM system.lakeflow.pipeline_update_timeline u "
        "JOIN event_log_pipe e ON e.origin.update_id = u.update_id GROUP BY u.update_id"
    )
    assert {row["update_id"] for row in joined.read_all().to_pylist()} == {
        first.update_id,
        second.update_id,
    }


def test_the_update_of_a_task_is_joined_with_it(tmp_path):
    (tmp_path / "pipe.sql").write_text(PIPELINE)
    settings = Settings.load({}, lakehouse=tmp_path / "lake")
    task = {"task_key": "refresh", "pipeline_task": {"pipeline_id": "pipe.sql"}}
    job = {"name": "refresh", "tasks": [task]}
    over = threading.Event()

    def listen(event):
        if event.type == "run.ended":
            over.set()

    with Server(tmp_path / "home", settings, listeners=[listen], triggers=False) as server:
        number = server.ask(lambda turn: create_job(turn, job, root=str(tmp_path), creator="me"))
        server.ask(lambda turn: run_now(server.scheduler, turn, number))
        assert over.wait(60)
    session = Session(settings)
    found = session.query(
        "SELECT t.task_key, u.result_state, u.trigger_type, p.name "
        "FROM system.lakeflow.pipeline_update_timeline u "
        "JOIN system.lakeflow.job_task_run_timeline t ON u.workspace_id = t.workspace_id "
        "AND u.trigger_details.job_task.job_task_run_id = t.run_id "
        "JOIN system.lakeflow.pipelines p ON p.pipeline_id = u.pipeline_id"
    )
    assert found.read_all().to_pylist() == [
        {
            "task_key": "refresh",
            "result_state": "COMPLETED",
            "trigger_type": "JOB_TASK",
            "name": "pipe",
        }
    ]


def test_a_server_publishes_when_it_closes_and_goes_on_without_its_lakehouse(tmp_path):
    lakehouse = tmp_path / "lake"
    lakehouse.write_text("no folder")
    settings = Settings.load({}, lakehouse=lakehouse)

    def one_run():
        gate = {"op": "EQUAL_TO", "left": "1", "right": "1"}
        job = {"name": "gate", "tasks": [{"task_key": "gate", "condition_task": gate}]}
        with Server(tmp_path / "home", settings, triggers=False) as server:
            number = server.ask(lambda turn: create_job(turn, job, root="/", creator="me"))
            run = server.ask(lambda turn: run_now(server.scheduler, turn, number))
            server.ask(lambda turn: None)
            with closing(server.reader()) as reader:
                assert reader.find(RunRow, run).result is Result.SUCCESS
        return server

    assert one_run().publisher.failure is not None
    lakehouse.unlink()
    assert one_run().publisher.failure is None
    rows = Session(settings).query("SELECT run_name FROM system.lakeflow.job_run_timeline")
    assert rows.read_all().num_rows == 2
