"""Runs as a client sees them: retries, timeouts, for-each, queues, repairs, and a server killed."""

from __future__ import annotations

import json

import pytest

from lakeflow.core.errors import ConfigurationError, ConflictError
from lakeflow.jobs.control import cancel, change_job, delete_job, delete_run, repair, submit
from lakeflow.jobs.model import Result
from lakeflow.jobs.rows import AttemptRow, JobEvent, RepairRow, RunRow
from tests.unit.jobs.scripted import World, script


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    yield world
    world.store.close()


def test_a_task_is_tried_again_after_its_interval(world):
    task = script("load", max_retries=2, min_retry_interval_millis=60_000)
    run = world.run(world.job({"name": "j", "tasks": [task]}))
    world.sleep(20)
    world.end("load", Result.FAILED, message="no luck")
    assert not world.running()
    assert world.results(run) == {"load": "WAITING_FOR_RETRY"}
    world.sleep(39)
    assert not world.running()
    world.sleep(1)  # a minute after the first attempt began
    world.end("load", Result.FAILED)
    world.sleep(60)
    world.end("load", Result.FAILED)
    world.sleep(600)
    assert world.row(run).result is Result.FAILED
    assert [each.number for each in world.attempts(run)] == [0, 1, 2]


def test_endless_retries_end_with_a_success(world):
    run = world.run(world.job({"name": "j", "tasks": [script("load", max_retries=-1)]}))
    for _ in range(25):
        world.end("load", Result.FAILED)
    world.end("load")
    assert world.row(run).result is Result.SUCCESS
    assert len(world.attempts(run)) == 26


@pytest.mark.parametrize("again", [True, False])
def test_an_attempt_that_takes_too_long_is_stopped(world, again):
    task = script("load", timeout_seconds=30, max_retries=1, retry_on_timeout=again)
    run = world.run(world.job({"name": "j", "tasks": [task, script("after", "load")]}))
    world.sleep(29)
    assert not world.runner.stopped
    world.sleep(1)
    assert world.runner.stopped == [world.running()["load"]]
    world.end("load", Result.FAILED, message="terminated")
    if again:
        world.end("load")
        world.end("after")
        assert world.row(run).result is Result.SUCCESS
    else:
        assert world.results(run) == {"load": "TIMEDOUT", "after": "UPSTREAM_FAILED"}
        assert world.row(run).result is Result.FAILED


def test_a_run_that_takes_too_long_is_stopped(world):
    tasks = [script("a"), script("b", "a", run_if="ALL_DONE")]
    run = world.run(world.job({"name": "j", "tasks": tasks, "timeout_seconds": 60}))
    world.sleep(60)
    world.end("a", Result.FAILED)
    assert world.results(run) == {"a": "CANCELED", "b": "CANCELED"}
    assert world.row(run).result is Result.TIMEDOUT


def test_a_cancelled_run_starts_nothing_more(world):
    tasks = [script("a", max_retries=5), script("b", "a", run_if="ALL_DONE")]
    run = world.run(world.job({"name": "j", "tasks": tasks}))
    world.ask(lambda turn: cancel(world.scheduler, turn, run))
    assert world.row(run).state == "TERMINATING"
    world.end("a", Result.FAILED)
    assert world.row(run).result is Result.CANCELED
    assert not world.running()


def test_a_cancelled_task_lets_those_run_that_handle_it(world):
    tasks = [script("a"), script("b", "a"), script("clean", "a", run_if="ALL_DONE")]
    run = world.run(world.job({"name": "j", "tasks": tasks}))
    world.ask(lambda turn: cancel(world.scheduler, turn, world.running()["a"]))
    world.end("a", Result.FAILED)
    world.end("clean")
    assert world.results(run) == {"a": "CANCELED", "b": "UPSTREAM_CANCELED", "clean": "SUCCESS"}


def test_slots_bound_what_runs_at_the_same_time(tmp_path):
    world = World(tmp_path, slots=2)
    run = world.run(world.job({"name": "j", "tasks": [script(f"t{n}") for n in range(5)]}))
    most = 0
    while running := world.running():
        most = max(most, len(running))
        world.end(min(running))
    assert most == 2
    assert world.row(run).result is Result.SUCCESS
    world.store.close()


def for_each(inputs, **more):
    inner = script("one", **more.pop("inner", {}))
    what = {"inputs": inputs, "task": inner, **more}
    return script("all", for_each_task=what)


def test_a_for_each_runs_as_many_at_once_as_it_may(world):
    task = for_each("[10, 20, 30, 40, 50]", concurrency=2)
    task["for_each_task"]["task"]["spark_python_task"]["parameters"] = ["{{input}}"]
    run = world.run(world.job({"name": "j", "tasks": [task]}))
    most = 0
    while running := world.running():
        most = max(most, len(running))
        world.end(min(running))
    given = [each.settings["parameters"] for each in world.runner.handed]
    assert most == 2
    assert given == [["10"], ["20"], ["30"], ["40"], ["50"]]
    assert world.row(run).result is Result.SUCCESS


def test_iterations_are_tried_again_and_one_that_fails_fails_the_whole(world):
    task = for_each([1, 2, 3], concurrency=3, inner={"max_retries": 1})
    run = world.run(world.job({"name": "j", "tasks": [task]}))
    world.end("all[0]")
    world.end("all[1]", Result.FAILED)
    world.end("all[1]")
    world.end("all[2]", Result.FAILED)
    world.end("all[2]", Result.FAILED)
    assert world.results(run) == {"all": "FAILED"}
    (whole,) = [each for each in world.attempts(run) if each.iteration is None]
    assert whole.message == "1 of 3 iterations failed."


def test_a_for_each_over_nothing_succeeds(world):
    run = world.run(world.job({"name": "j", "tasks": [for_each("[]")]}))
    assert world.row(run).result is Result.SUCCESS


def test_inputs_that_are_no_array_fail_the_task_and_say_so(world):
    run = world.run(world.job({"name": "j", "tasks": [for_each("oranges")]}))
    (whole,) = world.attempts(run)
    assert whole.result is Result.FAILED
    assert whole.code == "INVALID_RUN_CONFIGURATION"
    assert "oranges" in whole.message


def test_a_cancelled_for_each_ends_when_its_iterations_have(world):
    run = world.run(world.job({"name": "j", "tasks": [for_each("[1,2,3]", concurrency=2)]}))
    world.ask(lambda turn: cancel(world.scheduler, turn, run))
    assert len(world.runner.stopped) == 2
    world.end("all[0]", Result.FAILED)
    assert world.row(run).state == "TERMINATING"
    world.end("all[1]", Result.FAILED)
    assert world.row(run).result is Result.CANCELED
    assert not world.running()


def test_a_task_gets_what_those_before_it_left(world):
    after = script("b", "a", "c")
    after["spark_python_task"]["parameters"] = [
        "{{tasks.a.values.rows}}",
        "{{tasks.c.result_state}}",
        "{{job.parameters.day}} of {{job.name}}",
    ]
    settings = {
        "name": "nightly",
        "parameters": [{"name": "day", "default": "{{job.start_time.iso_date}}"}],
        "tasks": [script("a"), script("c"), after],
    }
    world.run(world.job(settings))
    world.end("a", values={"rows": 12})
    world.end("c")
    last = world.runner.handed[-1]
    assert last.settings["parameters"] == ["12", "success", "2026-11-01 of nightly"]
    assert last.values == {"a": {"rows": 12}}
    assert last.parameters == {"day": "2026-11-01"}


def test_a_task_value_that_nobody_set_fails_the_task(world):
    after = script("b", "a", max_retries=3)
    after["spark_python_task"]["parameters"] = ["{{tasks.a.values.rows}}"]
    run = world.run(world.job({"name": "j", "tasks": [script("a"), after]}))
    world.end("a")
    assert world.results(run) == {"a": "SUCCESS", "b": "FAILED"}
    assert "rows" in world.attempts(run)[-1].message


def test_a_job_runs_another_and_comes_to_what_it_comes_to(world):
    inner = {"name": "inner", "parameters": [{"name": "p", "default": "0"}], "tasks": [script("x")]}
    inner_id = world.job(inner)
    task = script("call", run_job_task={"job_id": inner_id, "job_parameters": {"p": "7"}})
    run = world.run(world.job({"name": "outer", "tasks": [task]}))
    (child,) = world.store.select(RunRow, "job_id = ?", (inner_id,))
    assert (child.trigger, dict(child.parameters)) == ("RUN_JOB_TASK", {"p": "7"})
    world.crash()
    world.end("x", Result.FAILED)
    assert world.row(child.run_id).result is Result.FAILED
    assert world.results(run) == {"call": "FAILED"}
    assert world.attempts(run)[0].output == {"run_job_output": {"run_id": child.run_id}}


def test_cancelling_the_outer_run_cancels_the_inner_one(world):
    inner_id = world.job({"name": "inner", "tasks": [script("x")]})
    task = script("call", run_job_task={"job_id": inner_id})
    run = world.run(world.job({"name": "outer", "tasks": [task]}))
    world.ask(lambda turn: cancel(world.scheduler, turn, run))
    world.end("x", Result.FAILED)
    (child,) = world.store.select(RunRow, "job_id = ?", (inner_id,))
    assert child.result is Result.CANCELED
    assert world.row(run).result is Result.CANCELED


def test_a_job_that_runs_itself_is_refused(world):
    me = world.job({"name": "me", "max_concurrent_runs": 9, "tasks": [script("x")]})
    again = {
        "name": "me",
        "max_concurrent_runs": 9,
        "tasks": [script("x", run_job_task={"job_id": me})],
    }
    world.ask(lambda turn: change_job(turn, me, again))
    run = world.run(me)
    assert world.row(run).result is Result.FAILED
    assert world.store.count(RunRow) == 1
    assert "within a run of its own" in world.attempts(run)[0].message


def test_runs_wait_for_their_turn_in_order(world):
    job = world.job({"name": "j", "tasks": [script("a")]})
    runs = [world.run(job) for _ in range(3)]
    assert [world.row(each).state for each in runs] == ["RUNNING", "QUEUED", "QUEUED"]
    world.crash()
    for each in runs:
        assert [r for r in runs if world.row(r).state == "RUNNING"] == [each]
        world.end("a")
    assert [world.row(each).result for each in runs] == [Result.SUCCESS] * 3


def test_without_a_queue_a_further_run_is_skipped_and_says_so(world):
    job = world.job({"name": "j", "queue": {"enabled": False}, "tasks": [script("a")]})
    world.run(job)
    second = world.row(world.run(job))
    assert (second.state, second.result) == (
        "TERMINATED",
        Result.MAXIMUM_CONCURRENT_RUNS_REACHED,
    )
    assert world.store.count(JobEvent, "type = 'run.skipped' AND run_id = ?", (second.run_id,)) == 1


def test_a_queued_run_can_be_cancelled(world):
    job = world.job({"name": "j", "tasks": [script("a")]})
    world.run(job)
    second = world.run(job)
    world.ask(lambda turn: cancel(world.scheduler, turn, second))
    assert world.row(second).result is Result.CANCELED
    world.end("a")
    assert not world.running()


def test_a_token_makes_one_run(world):
    job = world.job({"name": "j", "tasks": [script("a")], "max_concurrent_runs": 5})
    assert world.run(job, token="t") == world.run(job, token="t") != world.run(job, token="u")


def test_only_some_tasks(world):
    tasks = [script("a"), script("b", "a"), script("c", "b"), script("d", "c")]
    job = world.job({"name": "j", "tasks": tasks, "max_concurrent_runs": 5})
    run = world.run(job, only=["c"])
    assert set(world.running()) == {"c"}
    world.end("c")
    assert world.results(run) == {"c": "SUCCESS"}
    assert set(world.results(world.run(job, only=["+b"]))) == {"a", "b"}
    assert set(world.results(world.run(job, only=["b+"]))) == {"b", "c", "d"}
    with pytest.raises(ConfigurationError, match="no task 'e'"):
        world.run(job, only=["e"])


def test_repair_runs_what_failed_and_what_follows(world):
    tasks = [script("a"), script("b", "a"), script("c", "b"), script("other")]
    job = world.job({"name": "j", "tasks": tasks})
    run = world.run(job)
    world.end("other")
    world.end("a", values={"k": 1})
    world.end("b", Result.FAILED)
    assert world.row(run).result is Result.FAILED
    first = world.ask(lambda turn: repair(world.scheduler, turn, run, all_failed=True))
    assert set(world.running()) == {"b"}
    world.crash()
    world.end("b", Result.FAILED)
    with pytest.raises(ConflictError, match=str(first)):
        world.ask(lambda turn: repair(world.scheduler, turn, run, all_failed=True))
    second = world.ask(
        lambda turn: repair(world.scheduler, turn, run, all_failed=True, latest=first)
    )
    world.end("b")
    assert world.runner.handed[-1].values == {"a": {"k": 1}}
    world.end("c")
    row = world.row(run)
    assert (row.result, row.repairs) == (Result.SUCCESS, 2)
    repairs = world.store.select(RepairRow, "run_id = ? ORDER BY number", (run,))
    assert [(each.repair_id, each.result) for each in repairs] == [
        (first, Result.FAILED),
        (second, Result.SUCCESS),
    ]


def test_repair_of_a_for_each_runs_failed_iterations_only(world):
    run = world.run(world.job({"name": "j", "tasks": [for_each("[1,2,3,4]", concurrency=4)]}))
    for number in (0, 2):
        world.end(f"all[{number}]")
    for number in (1, 3):
        world.end(f"all[{number}]", Result.FAILED)
    first = world.ask(lambda turn: repair(world.scheduler, turn, run, all_failed=True))
    assert set(world.running()) == {"all[1]", "all[3]"}
    world.end("all[1]")
    world.crash()
    assert set(world.running()) == {"all[3]"}
    world.end("all[3]", Result.FAILED)
    world.ask(lambda turn: repair(world.scheduler, turn, run, all_failed=True, latest=first))
    assert set(world.running()) == {"all[3]"}
    world.end("all[3]")
    assert world.row(run).result is Result.SUCCESS


def test_a_killed_server_goes_on_with_what_ran(world):
    run = world.run(world.job({"name": "j", "tasks": [script("a", max_retries=0)]}))
    (first,) = world.runner.running
    world.crash()
    assert world.runner.swept[first].pid == 4711
    (second,) = world.runner.running
    assert second != first
    world.end("a")
    assert world.row(run).result is Result.SUCCESS


def test_a_result_of_an_earlier_server_is_dropped(world):
    run = world.run(world.job({"name": "j", "tasks": [script("a")]}))
    before = world.runner
    (late,) = before.running
    world.crash()
    assignment, _ = before.running[late]
    from lakeflow.jobs.work import Outcome

    world.scheduler._ended(late, assignment.epoch, Outcome(Result.FAILED))
    world.turn()
    world.end("a")
    assert world.row(run).result is Result.SUCCESS


def test_a_killed_server_keeps_the_time_that_passed(world):
    task = script("a", max_retries=1, min_retry_interval_millis=100_000)
    run = world.run(world.job({"name": "j", "tasks": [task], "timeout_seconds": 200}))
    world.end("a", Result.FAILED)
    world.sleep(50)
    world.crash()
    world.sleep(49)
    assert not world.running()
    world.sleep(1)
    assert set(world.running()) == {"a"}
    world.sleep(100)
    assert world.row(run).state == "TERMINATING"


def test_a_killed_server_goes_on_with_a_for_each(world):
    run = world.run(world.job({"name": "j", "tasks": [for_each("[1,2,3,4]", concurrency=2)]}))
    world.end("all[0]")
    world.crash()
    assert set(world.running()) == {"all[1]", "all[2]"}
    for number in (1, 2, 3):
        world.end(f"all[{number}]")
    assert world.row(run).result is Result.SUCCESS
    good = [each.iteration for each in world.attempts(run) if each.result is Result.SUCCESS]
    assert sorted(each for each in good if each is not None) == [0, 1, 2, 3]


def test_a_submitted_run_has_no_job(world):
    run = world.ask(
        lambda turn: submit(
            world.scheduler, turn, {"name": "once", "tasks": [script("a")]}, root="/", creator="me"
        )
    )
    world.crash()
    world.end("a")
    assert world.row(run).result is Result.SUCCESS
    assert world.row(run).type == "SUBMIT_RUN"


def test_a_deleted_job_cancels_its_runs_and_keeps_their_history(world):
    job = world.job({"name": "j", "tasks": [script("a")]})
    run = world.run(job)
    world.ask(lambda turn: delete_job(world.scheduler, turn, job))
    with pytest.raises(ConflictError):
        world.ask(lambda turn: delete_run(turn, run))
    world.end("a", Result.FAILED)
    assert world.row(run).result is Result.CANCELED
    world.ask(lambda turn: delete_run(turn, run))
    assert world.store.count(AttemptRow) == 0


def test_a_request_that_fails_leaves_nothing(world):
    job = world.job({"name": "j", "tasks": [script("a")]})
    with pytest.raises(ConfigurationError, match="parameter 'q'"):
        world.run(job, request={"job_parameters": {"q": "1"}})
    assert world.store.count(RunRow) == 0


def test_ids_are_never_used_twice(world):
    job = world.job({"name": "j", "tasks": [script("a")]})
    run = world.run(job)
    world.end("a")
    used = {job, run, *(each.attempt for each in world.attempts(run))}
    world.ask(lambda turn: delete_run(turn, run))
    world.crash()
    run = world.run(job)
    assert used.isdisjoint({run, *(each.attempt for each in world.attempts(run))})


def test_every_event_is_in_order_and_can_be_read_as_it_is(world):
    seen = []
    world.scheduler._listeners.append(seen.append)
    world.run(world.job({"name": "j", "tasks": [script("a")]}))
    world.end("a")
    kept = world.store.select(JobEvent, "1 ORDER BY sequence")
    assert kept == seen
    assert [each.type for each in kept] == [
        "job.created",
        "run.accepted",
        "run.started",
        "task.started",
        "task.ended",
        "run.ended",
    ]
    json.dumps([each.details for each in kept])
