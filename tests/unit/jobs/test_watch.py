"""Triggers begin runs: once for each tick, whatever happens to the server."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from lakeflow.jobs.control import change_job, delete_job
from lakeflow.jobs.model import Result
from lakeflow.jobs.rows import RunRow, TickRow, TriggerRow
from lakeflow.jobs.timing.event_triggers import TableVersion
from lakeflow.jobs.watch import Sight
from tests.unit.jobs.scripted import World, script

MINUTELY = {"quartz_cron_expression": "0 * * * * ?", "timezone_id": "UTC"}


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    yield world
    world.store.close()


def job(**more):
    return {"name": "j", "tasks": [script("a")], "max_concurrent_runs": 1000, **more}


def end_all(world):
    while running := world.running():
        world.end(min(running))


def runs(world):
    return world.store.select(RunRow, "1 ORDER BY run_id")


def test_a_schedule_begins_a_run_at_each_tick(world):
    world.job(job(schedule=MINUTELY))
    world.sleep(59)
    assert not runs(world)
    world.sleep(1)
    world.sleep(60)
    first, second = runs(world)
    assert (first.trigger, second.trigger) == ("PERIODIC", "PERIODIC")
    assert second.trigger_info["time"] - first.trigger_info["time"] == 60_000


def test_the_scheduler_says_when_the_next_tick_is_due(world):
    world.job(job(schedule=MINUTELY))
    due = world.turn()
    assert datetime.fromtimestamp(due / 1000, UTC) == world.clock.now() + timedelta(minutes=1)


def test_a_paused_schedule_begins_nothing_until_it_is_resumed(world):
    settings = job(schedule={**MINUTELY, "pause_status": "PAUSED"})
    job_id = world.job(settings)
    world.sleep(300)
    assert not runs(world)
    world.ask(lambda turn: change_job(turn, job_id, job(schedule=MINUTELY)))
    world.sleep(60)
    assert len(runs(world)) == 1
    outcomes = [tick.outcome for tick in world.store.select(TickRow)]
    assert outcomes == ["PAUSED"] * 5 + ["FIRED"]


def test_parameters_may_speak_of_the_tick(world):
    day = {"name": "day", "default": "{{job.trigger.time.iso_datetime}}"}
    world.job(job(schedule=MINUTELY, parameters=[day]))
    world.sleep(60)
    (run,) = runs(world)
    assert run.parameters["day"].startswith("2026-11-01T00:01:00")


@pytest.mark.parametrize("policy", ["run_all", "run_once", "skip"])
@pytest.mark.parametrize("seed", range(3))
def test_each_tick_is_decided_once_however_the_server_sleeps_and_dies(world, policy, seed):
    chance = random.Random(seed)
    start = world.clock.now()
    world.job(job(schedule={**MINUTELY, "missed_runs": policy}))
    for _ in range(40):
        world.clock.sleep(chance.choice([1, 7, 30, 61, 200, 900]))
        if chance.random() < 0.4:
            world.crash()
        else:
            world.turn()
    world.turn()
    minutes = int((world.clock.now() - start) / timedelta(minutes=1))
    ticks = world.store.select(TickRow, "1 ORDER BY fire_time")
    assert len({tick.fire_time for tick in ticks}) == len(ticks)
    assert sum(tick.count for tick in ticks) == minutes
    fired = [tick for tick in ticks if tick.outcome == "FIRED"]
    assert sorted(tick.run_id for tick in fired) == [run.run_id for run in runs(world)]
    if policy == "run_all":
        assert len(fired) == minutes
    else:
        assert 0 < len(fired) < minutes


def test_five_hundred_jobs_on_the_same_minute_are_begun_in_one_turn(world):
    for _ in range(500):
        world.job(job(schedule=MINUTELY))
    world.clock.sleep(60)
    world.scheduler.turn()
    assert len(runs(world)) == 500


def test_a_continuous_job_has_one_run_and_waits_longer_after_failures(world):
    world.job(job(continuous={"pause_status": "UNPAUSED"}))
    assert len(world.running()) == 1
    waits = []
    for _ in range(6):
        world.end("a", Result.FAILED)
        ended = world.clock.now()
        while not world.running():
            world.sleep(1)
        waits.append((world.clock.now() - ended).total_seconds())
        world.crash()
        assert len(world.running()) == 1
    assert waits == [5, 5, 30, 60, 120, 240]
    world.end("a")
    world.sleep(5)
    assert len(world.running()) == 1


def test_new_files_begin_a_run_that_is_told_their_names(world):
    watched = {"url": "/landing", "min_time_between_triggers_seconds": 60}
    settings = job(trigger={"file_arrival": watched})
    settings["tasks"][0]["spark_python_task"]["parameters"] = [
        "{{job.trigger.file_arrival.location}}"
    ]
    world.job(settings)
    (name,) = world.scheduler.watch.to_look_for(0)

    def saw(**files: str) -> None:
        world.ask(lambda turn: world.scheduler.watch.saw(turn, name, Sight(files=files)))

    saw(old="1")
    saw(old="2")
    assert not runs(world)
    saw(old="2", new="1")
    (run,) = runs(world)
    assert (run.trigger, run.trigger_info["files"]) == ("FILE_ARRIVAL", ["new"])
    assert world.runner.handed[-1].settings["parameters"] == ["/landing"]
    world.crash()
    saw(old="3", new="3")
    assert len(runs(world)) == 1
    saw(old="3", new="3", later="1")
    assert len(runs(world)) == 1
    world.sleep(60)
    saw(old="3", new="3", later="1")
    assert [run.trigger_info["files"] for run in runs(world)] == [["new"], ["later"]]


def test_new_versions_of_tables_begin_a_run(world):
    watched = {"table_names": ["a", "b"], "condition": "ALL_UPDATED"}
    world.job(job(trigger={"table_update": watched}))
    ((name, trigger),) = world.scheduler.watch.to_look_for(0).items()

    def saw(*versions: int) -> None:
        tables = dict(zip(trigger.rule.tables, map(TableVersion, versions), strict=True))
        sight = Sight(tables=tables)
        world.ask(lambda turn: world.scheduler.watch.saw(turn, name, sight))

    saw(1, 1)
    saw(2, 1)
    assert not runs(world)
    world.crash()
    saw(2, 2)
    (run,) = runs(world)
    assert [each["version"] for each in run.trigger_info["tables"].values()] == [2, 2]


def test_a_condition_turns_ticks_away(world):
    gate = {"sql_query_id": "q", "warehouse_id": "local"}
    world.job(job(triggers=[{"schedule": MINUTELY, "sql_condition": gate}]))
    (name,) = world.scheduler.watch.to_look_for(0)

    def saw(sight: Sight) -> bool:
        return world.ask(lambda turn: world.scheduler.watch.saw(turn, name, sight))

    def answer(*rows: list, failure: str = "") -> None:
        assert set(world.scheduler.watch.to_look_for(int(1e15))) == {name}
        assert saw(Sight())
        assert not saw(Sight(rows=None if failure else rows, unanswered=failure))

    assert not saw(Sight())
    for rows, failure in ([(), ""], [([1],), ""], [(), "There is no table t."]):
        world.sleep(60)
        answer(*rows, failure=failure)
    assert [tick.outcome for tick in world.store.select(TickRow)] == ["UNMET", "FIRED", "FAILED"]
    assert len(runs(world)) == 1


def test_a_tick_whose_run_cannot_begin_says_why(world):
    bad = {"name": "p", "default": "{{backfill.iso_date}}"}
    world.job(job(schedule=MINUTELY, parameters=[bad]))
    world.sleep(60)
    (tick,) = world.store.select(TickRow)
    assert tick.outcome == "FAILED"
    assert "backfill" in tick.reason
    assert not runs(world)


def test_a_deleted_job_leaves_no_trigger(world):
    job_id = world.job(job(schedule=MINUTELY))
    world.ask(lambda turn: delete_job(world.scheduler, turn, job_id))
    world.sleep(600)
    assert not runs(world)
    assert world.store.count(TriggerRow) == 0


def test_a_trigger_stays_the_same_when_another_is_put_before_it(world):
    job_id = world.job(job(triggers=[{"schedule": MINUTELY}]))
    hourly = {"quartz_cron_expression": "0 0 * * * ?", "timezone_id": "UTC"}
    world.clock.sleep(150)
    both = job(triggers=[{"schedule": hourly}, {"schedule": MINUTELY}])
    world.ask(lambda turn: change_job(turn, job_id, both))
    assert [tick.outcome for tick in world.store.select(TickRow)] == ["MISSED", "FIRED"]
