"""What one run says or wants must not end the loop on which all others depend."""

from __future__ import annotations

import sqlite3
import threading

import pytest

from lakeflow.core.errors import LakeflowError, StorageError
from lakeflow.jobs.control import create_job, run_now
from lakeflow.jobs.model import Result
from lakeflow.jobs.rows import JobRow, RunRow
from tests.unit.jobs.scripted import World, script

HALF = "cannot read caf\udce9.csv"


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    yield world
    world.store.close()


def test_a_message_with_half_a_character_is_kept_escaped(world):
    run = world.run(world.job({"name": "j", "tasks": [script("a"), script("b")]}))
    world.end("a", Result.FAILED, message=HALF, trace=HALF)
    world.end("b", values={HALF: HALF})
    world.crash()
    assert world.row(run).result is Result.FAILED
    (failed, other) = world.attempts(run)
    assert failed.message == "cannot read caf\\udce9.csv"
    assert other.values == {r"cannot read caf\udce9.csv": r"cannot read caf\udce9.csv"}


def test_inputs_with_half_a_character_go_on(world):
    task = script("all", for_each_task={"inputs": '["\\ud800"]', "task": script("one")})
    run = world.run(world.job({"name": "j", "tasks": [task]}))
    world.end("all[0]")
    assert world.row(run).result is Result.SUCCESS


def test_an_outcome_that_cannot_be_kept_fails_its_attempt_alone(world):
    other = world.run(world.job({"name": "other", "tasks": [script("b")]}))
    run = world.run(world.job({"name": "j", "tasks": [script("a")]}))
    world.end("a", peak_memory=2**70)
    assert world.row(run).result is Result.FAILED
    (attempt,) = world.attempts(run)
    assert attempt.code == "INTERNAL_ERROR"
    world.end("b")
    assert world.row(other).result is Result.SUCCESS


def test_what_is_due_in_centuries_does_not_end_the_loop(world):
    world.job({"name": "j", "tasks": [script("a")]})
    world.scheduler._due.append((2**62, 1))
    served = threading.Thread(target=world.scheduler.serve)
    served.start()
    answer = world.scheduler.ask(lambda turn: turn.store.count(JobRow))
    assert answer.result(30) == 1
    world.scheduler.close()
    served.join(30)
    assert not served.is_alive()


@pytest.mark.parametrize("job_id", ["²", "9" * 30, "nobody"])
def test_a_job_that_cannot_be_is_not_run(world, job_id):
    task = script("call", run_job_task={"job_id": "{{job.parameters.which}}"})
    which = {"name": "which", "default": job_id}
    run = world.run(world.job({"name": "j", "parameters": [which], "tasks": [task]}))
    assert world.row(run).result is Result.FAILED
    assert "does not exist" in world.attempts(run)[0].message


def test_a_request_that_fails_halfway_leaves_nothing(world):
    job = {"name": "j", "tasks": [script("a")]}

    def halfway(turn):
        job_id = create_job(turn, job, root="/", creator="me")
        run_now(world.scheduler, turn, job_id)
        raise LakeflowError("No further.")

    with pytest.raises(LakeflowError, match="No further"):
        world.ask(halfway)
    assert world.store.count(JobRow) == world.store.count(RunRow) == 0
    assert not world.running()
    run = world.run(world.job(job))
    world.end("a")
    assert world.row(run).result is Result.SUCCESS


def test_whoever_waits_when_the_loop_breaks_is_told(world):
    def breaks(turn):
        turn.store._connection.execute("ROLLBACK")  # as a full disk does
        raise sqlite3.OperationalError("database or disk is full")

    answer = world.scheduler.ask(breaks)
    with pytest.raises((StorageError, sqlite3.Error)) as caught:
        world.scheduler.serve()
    world.scheduler.give_up(caught.value)
    with pytest.raises((StorageError, sqlite3.Error)):
        answer.result(0)
    with pytest.raises(LakeflowError):
        world.scheduler.ask(lambda turn: 1).result(0)


def test_a_run_with_which_the_loop_cannot_go_on_ends_alone(world, monkeypatch):
    other = world.run(world.job({"name": "other", "tasks": [script("b")]}))
    run = world.run(world.job({"name": "j", "tasks": [script("a"), script("c", "a")]}))
    going_on = world.scheduler._advance.until_quiet

    def breaks(turn, active):
        if active.row.run_id == run:
            raise ZeroDivisionError("never mind")
        going_on(turn, active)

    monkeypatch.setattr(
        type(world.scheduler._advance), "until_quiet", lambda _, *given: breaks(*given)
    )
    world.end("a")
    row = world.row(run)
    assert (row.state, row.result) == ("TERMINATED", Result.FAILED)
    assert "ZeroDivisionError" in row.message
    assert {each.state for each in world.attempts(run)} == {"TERMINATED"}
    world.end("b")
    assert world.row(other).result is Result.SUCCESS


def test_a_run_that_cannot_be_taken_up_ends_and_the_others_go_on(world):
    other = world.run(world.job({"name": "other", "tasks": [script("b")]}))
    run = world.run(world.job({"name": "j", "tasks": [script("a")]}))
    with world.store.transaction():
        world.store.update(RunRow, run, settings={"tasks": [{"task_key": "a"}]})
    world.crash()
    assert world.row(run).result is Result.FAILED
    assert set(world.running()) == {"b"}
    world.end("b")
    assert world.row(other).result is Result.SUCCESS
