"""What is to be told is written with what it tells of, and tried until it is told or given up."""

from __future__ import annotations

import pytest

from lakeflow.core.errors import ConfigurationError
from lakeflow.jobs.control import NotFound, cancel, delete_run, repair
from lakeflow.jobs.destinations import (
    create_destination,
    delete_destination,
    list_destinations,
)
from lakeflow.jobs.model import Result
from lakeflow.jobs.outbox import WAITS, delivered, due_notices, failed, next_due
from lakeflow.jobs.rows import JobEvent, NoticeRow
from lakeflow.jobs.settings.notices import DURATION_WARNING, EVENTS
from tests.unit.jobs.scripted import World, script

SECRET = "https://user:hush@hooks.example.org/hush?token=hush"


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    yield world
    world.store.close()


def told(*names: str) -> dict:
    """Notifications by email, each to an address that is its event's name."""
    return {"email_notifications": {name: [f"{name}@x"] for name in names or EVENTS[:4]}}


def rule(seconds: int) -> dict:
    metric = {"metric": "RUN_DURATION_SECONDS", "op": "GREATER_THAN", "value": seconds}
    return {"health": {"rules": [metric]}}


def notices(world: World) -> list[tuple[str, str]]:
    """Who is told of what: the run, or a task."""
    return [(each.task_key or "run", each.event) for each in world.store.select(NoticeRow)]


def test_a_run_and_its_tasks_are_told_of(world):
    tasks = [script("a", **told(), max_retries=1), script("b", "a"), script("c", "b", **told())]
    world.run(world.job({"name": "j", **told(), "tasks": tasks}))
    world.end("a", Result.FAILED)
    world.end("a")
    world.end("b", Result.FAILED)
    assert notices(world) == [
        ("run", "on_start"),
        ("a", "on_start"),
        ("a", "on_failure"),
        ("a", "on_start"),
        ("a", "on_success"),
        ("c", "on_failure"),  # for b has failed
        ("run", "on_failure"),
    ]
    rows = world.store.select(NoticeRow)
    assert len({each.notice_id for each in rows}) == len(rows)
    assert {each.body["run"].get("parent_run_id") for each in rows} == {None, str(rows[0].run_id)}


def test_only_the_last_attempt_is_told_of_where_that_is_said(world):
    quiet = {"notification_settings": {"alert_on_last_attempt": True}}
    world.run(world.job({"name": "j", "tasks": [script("a", **told(), **quiet, max_retries=1)]}))
    world.end("a", Result.FAILED)
    world.end("a", Result.FAILED)
    assert notices(world) == [("a", "on_start"), ("a", "on_failure")]


def test_iterations_and_children_are_told_of(world):
    child = world.job({"name": "child", "tasks": [script("x")], **told("on_success")})
    each = {"inputs": [1, 2], "concurrency": 2, "task": script("one", **told("on_success"))}
    tasks = [
        script("fan", for_each_task=each, **told("on_start")),
        script("sub", run_job_task={"job_id": child}, **told("on_start")),
    ]
    world.run(world.job({"name": "j", "tasks": tasks}))
    for name in ("fan[0]", "fan[1]", "x"):
        world.end(name)
    rows = world.store.select(NoticeRow)
    assert {(row.task_key, row.iteration, row.event) for row in rows} == {
        (None, None, "on_success"),
        ("fan", None, "on_start"),
        ("fan", 0, "on_success"),
        ("fan", 1, "on_success"),
        ("sub", None, "on_start"),
    }
    assert len(rows) == 5


def test_a_skipped_and_a_cancelled_run_are_told_of(world):
    job = world.job({"name": "j", **told(), "tasks": [script("a")], "queue": {"enabled": False}})
    run = world.run(job)
    world.run(job)
    world.ask(lambda turn: cancel(world.scheduler, turn, run))
    world.end("a", Result.CANCELED)
    assert notices(world) == [("run", "on_start"), ("run", "on_failure"), ("run", "on_failure")]


@pytest.mark.parametrize("killed", [False, True])
def test_what_takes_too_long_is_told_once(world, killed):
    task = script("a", **rule(30), **told())
    run = world.run(world.job({"name": "j", "tasks": [task], **rule(60), **told()}))
    world.sleep(30)
    assert DURATION_WARNING not in dict(notices(world)).values()
    world.sleep(0.001)
    slow = [each for each in notices(world) if each[1] == DURATION_WARNING]
    assert slow == [("a", DURATION_WARNING)]
    if killed:
        world.crash()
    assert world.scheduler.turn() is not None, "there is a moment to wait for"
    for _ in range(20):
        world.sleep(10)
    # The attempt that was lost with the server is made anew, and takes too long by itself.
    expected = [("a", DURATION_WARNING)] * (1 + killed) + [("run", DURATION_WARNING)]
    slow = [each for each in notices(world) if each[1] == DURATION_WARNING]
    assert sorted(slow) == sorted(expected)
    types = [each.type for each in world.store.select(JobEvent, "type LIKE '%.slow'")]
    assert sorted(types) == ["run.slow", "task.slow", "task.slow"][: 2 + killed]
    world.end("a")
    assert world.row(run).result is Result.SUCCESS


def test_a_run_that_outlasts_a_stopped_server_is_told_of_at_the_next_start(world):
    world.run(world.job({"name": "j", "tasks": [script("a")], **rule(60), **told()}))
    world.clock.sleep(3600)
    world.crash()
    world.crash()
    assert notices(world) == [("run", "on_start"), ("run", DURATION_WARNING)]


def test_a_repaired_run_may_take_too_long_again(world):
    run = world.run(world.job({"name": "j", "tasks": [script("a")], **rule(60), **told()}))
    world.sleep(61)
    world.end("a", Result.FAILED)
    world.ask(lambda turn: repair(world.scheduler, turn, run, all_failed=True))
    world.sleep(61)
    world.end("a")
    slow = [event for _, event in notices(world) if event == DURATION_WARNING]
    assert len(slow) == 2


def test_a_killed_server_tells_nothing_twice(world):
    job = world.job({"name": "j", **told(), "tasks": [script("a")]})
    run = world.run(job)
    world.crash()
    world.end("a")
    assert world.row(run).result is Result.SUCCESS
    assert notices(world) == [("run", "on_start"), ("run", "on_success")]


@pytest.mark.parametrize(
    "part",
    [
        {"webhook_notifications": {"on_start": [{"url": "x"}]}},
        {"webhook_notifications": {"on_start": "x"}},
        {"email_notifications": {"on_start": "x"}},
        {"health": {"rules": [1]}},
    ],
)
def test_a_job_that_would_tell_nobody_is_not_saved(world, part):
    with pytest.raises(ConfigurationError, match=r"notifications|rules"):
        world.job({"name": "j", "tasks": [script("a")], **part})
    with pytest.raises(ConfigurationError, match=r"notifications|rules"):
        world.job({"name": "j", "tasks": [script("a", **part)]})


# Tries


def waiting(world: World, *to: str) -> list[NoticeRow]:
    world.run(
        world.job(
            {
                "name": "j",
                "tasks": [script("a")],
                "webhook_notifications": {"on_start": [{"id": each} for each in to]},
            }
        )
    )
    return due_notices(world.store, world.scheduler._now())


def test_a_notice_is_tried_with_growing_waits_and_then_given_up(world):
    (row,) = waiting(world, SECRET)
    for tries, wait in enumerate(WAITS):
        assert row.tries == tries
        world.ask(lambda turn, row=row: failed(turn, row, "It answered 500."))
        now = world.scheduler._now()
        assert due_notices(world.store, now + wait * 1000 - 1) == []
        assert next_due(world.store, now) == now + wait * 1000
        world.clock.sleep(wait)
        (row,) = due_notices(world.store, world.scheduler._now())
    assert world.store.select(JobEvent, "type LIKE 'notice.%'") == []
    world.ask(lambda turn: failed(turn, row, "It answered 500."))
    world.clock.sleep(10**6)
    assert due_notices(world.store, world.scheduler._now()) == []
    (row,) = world.store.select(NoticeRow)
    assert (row.state, row.tries, row.failure) == ("FAILED", len(WAITS) + 1, "It answered 500.")
    (event,) = world.store.select(JobEvent, "type LIKE 'notice.%'")
    assert event.message == (
        "https://hooks.example.org could not be told on_start after 7 tries: It answered 500."
    )
    assert event.details == {"notice_id": row.notice_id}
    assert list(WAITS) == sorted(WAITS)


def test_what_is_delivered_is_not_due_again(world):
    rows = waiting(world, "one", "two", "one")
    assert [row.recipient for row in rows] == ["one", "two"]
    world.ask(lambda turn: delivered(turn, rows[0]))
    world.ask(lambda turn: failed(turn, rows[1], "Unknown.", for_good=True))
    assert due_notices(world.store, world.scheduler._now() + 10**9) == []
    said = [each.message for each in world.store.select(JobEvent, "type LIKE 'notice.%'")]
    assert said == ["one was told on_start.", "two could not be told on_start: Unknown."]


def test_the_notices_of_one_recipient_come_one_after_the_other(world):
    for _ in range(3):
        rows = waiting(world, "one", "two")
    assert [row.recipient for row in rows] == ["one", "two"]
    order = []
    while rows := due_notices(world.store, world.scheduler._now()):
        order += [row.sequence for row in rows]
        for row in rows:
            world.ask(lambda turn, row=row: delivered(turn, row))
    assert order == sorted(order)
    assert len(order) == 6


def test_a_run_that_is_forgotten_is_still_told_of(world):
    (row,) = waiting(world, "one")
    world.end("a")
    world.ask(lambda turn: delete_run(turn, row.run_id))
    assert len(world.store.select(NoticeRow)) == 1
    (other,) = waiting(world, "one")[:1]
    world.ask(lambda turn: delivered(turn, other))
    world.ask(lambda turn: delivered(turn, due_notices(world.store, turn.now)[0]))
    world.end("a")
    runs = {each.run_id for each in world.store.select(NoticeRow)} - {row.run_id}
    world.ask(lambda turn: delete_run(turn, runs.pop()))
    assert {each.run_id for each in world.store.select(NoticeRow)} == {row.run_id}


# Destinations


def test_destinations_are_kept_until_they_are_deleted(world):
    first = world.ask(lambda turn: create_destination(turn, "ops", SECRET, password="hush"))
    world.clock.sleep(1)
    second = world.ask(lambda turn: create_destination(turn, "chat", "http://x", kind="SLACK"))
    found = list_destinations(world.store)
    assert [each.destination_id for each in found] == [first, second]
    assert (found[0].url, found[0].password, found[1].kind) == (SECRET, "hush", "SLACK")
    world.ask(lambda turn: delete_destination(turn, first))
    assert [each.destination_id for each in list_destinations(world.store)] == [second]
    with pytest.raises(NotFound, match=first):
        world.ask(lambda turn: delete_destination(turn, first))
    for event in world.store.select(JobEvent, "type LIKE 'destination.%'"):
        assert "hush" not in event.message


@pytest.mark.parametrize(
    "url", ["", "hooks.example.org", "ftp://hush@x", "http://", "http://x:hush", "http://x/hush\n"]
)
def test_a_destination_that_is_no_url_is_refused_without_its_secrets(world, url):
    with pytest.raises(ConfigurationError, match="not valid") as caught:
        world.ask(lambda turn: create_destination(turn, "ops", url))
    assert "hush" not in str(caught.value)


def test_a_kind_of_destination_that_is_not_there_is_refused(world):
    with pytest.raises(ConfigurationError, match="kind 'SLAK'") as caught:
        world.ask(lambda turn: create_destination(turn, "ops", SECRET, kind="SLAK"))
    assert "SLACK" in str(caught.value)
