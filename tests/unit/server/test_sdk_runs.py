"""Runs of jobs, by the client that Databricks ships, unmodified."""

from __future__ import annotations

import json

import pytest
from databricks.sdk.errors import (
    InvalidParameterValue,
    InvalidState,
    OperationFailed,
    ResourceDoesNotExist,
)
from databricks.sdk.service import jobs
from databricks.sdk.service.jobs import (
    RunLifeCycleState,
    RunLifecycleStateV2State,
    RunResultState,
    Task,
)


@pytest.fixture
def script(tmp_path):
    """A task that runs a script of this text."""

    def script(key: str, text: str, *after: str, **said) -> Task:
        path = tmp_path / f"{key}.py"
        path.write_text(text)
        return Task(
            task_key=key,
            spark_python_task=jobs.SparkPythonTask(
                python_file=str(path), parameters=said.pop("parameters", [])
            ),
            depends_on=[jobs.TaskDependency(each) for each in after],
            **said,
        )

    return script


def results(run) -> dict[str, str]:
    return {each.task_key: each.state.result_state.value for each in run.tasks}


def test_the_waiter_returns_what_went_well(client, script):
    made = client.jobs.create(
        name="nightly", tasks=[script("load", "print('loaded')"), script("ok", "", "load")]
    )
    run = client.jobs.run_now_and_wait(made.job_id)
    assert run.state.life_cycle_state is RunLifeCycleState.TERMINATED
    assert run.state.result_state is RunResultState.SUCCESS
    assert run.status.state is RunLifecycleStateV2State.TERMINATED
    assert run.run_page_url.startswith("http://127.0.0.1:")
    assert run.start_time <= run.end_time
    output = client.jobs.get_run_output(run.tasks[0].run_id)
    assert (output.logs, output.logs_truncated, output.error) == ("loaded\n", False, None)
    assert output.metadata.run_id == run.tasks[0].run_id


def test_the_waiter_raises_what_failed(client, script):
    made = client.jobs.create(name="bad", tasks=[script("boom", "raise ValueError(7)")])
    with pytest.raises(OperationFailed, match="Task boom failed with message: ValueError: 7"):
        client.jobs.run_now(made.job_id).result()
    (run,) = client.jobs.list_runs(job_id=made.job_id, expand_tasks=True)
    assert run.state.life_cycle_state is RunLifeCycleState.INTERNAL_ERROR
    assert run.tasks[0].state.life_cycle_state is RunLifeCycleState.TERMINATED
    assert run.tasks[0].state.result_state is RunResultState.FAILED
    output = client.jobs.get_run_output(run.run_id)
    assert "ValueError: 7" in output.error
    assert "raise ValueError(7)" in output.error_trace


def test_a_run_that_was_submitted(client, script):
    run = client.jobs.submit_and_wait(
        run_name="once",
        tasks=[
            jobs.SubmitTask(
                task_key="t", spark_python_task=script("t", "print(1)").spark_python_task
            )
        ],
    )
    assert (run.run_name, run.run_type) == ("once", jobs.RunType.SUBMIT_RUN)
    assert run.run_id in [e.run_id for e in client.jobs.list_runs(run_type=jobs.RunType.SUBMIT_RUN)]


def test_parameters_reach_their_tasks(client, script):
    text = "import sys; print(sys.argv[1:])"
    made = client.jobs.create(
        name="with parameters",
        parameters=[
            jobs.JobParameterDefinition(name="day", default="1"),
            jobs.JobParameterDefinition(name="place", default="here"),
        ],
        tasks=[
            script("t", text, parameters=["{{job.parameters.day}}", "{{job.parameters.place}}"])
        ],
    )
    run = client.ended(client.jobs.run_now(made.job_id, job_parameters={"day": "2"}).run_id)
    said = {each.name: (each.default, each.value) for each in run.job_parameters}
    assert said == {"day": ("1", "2"), "place": ("here", "here")}
    assert client.jobs.get_run_output(run.tasks[0].run_id).logs == "['2', 'here']\n"
    found = client.jobs.get_run(run.run_id, include_resolved_values=True)
    shown = found.tasks[0].resolved_values.spark_python_task.parameters
    assert shown == ["2", "here"]
    with pytest.raises(InvalidParameterValue, match="no parameter 'dya'"):
        client.jobs.run_now(made.job_id, job_parameters={"dya": "2"})
    older = client.jobs.run_now(made.job_id, python_params=["a", "b"])
    run = client.ended(older.run_id)
    assert client.jobs.get_run_output(run.tasks[0].run_id).logs == "['a', 'b']\n"


def test_a_second_request_with_the_same_token_is_the_same_run(client, script):
    made = client.jobs.create(name="once", tasks=[script("t", "")], max_concurrent_runs=5)
    first = client.jobs.run_now(made.job_id, idempotency_token="token-1")
    again = client.jobs.run_now(made.job_id, idempotency_token="token-1")
    assert first.run_id == again.run_id
    client.ended(first.run_id)
    client.jobs.delete_run(first.run_id)
    with pytest.raises(ResourceDoesNotExist):
        client.jobs.get_run(first.run_id)
    with pytest.raises(InvalidParameterValue, match="run that was deleted"):
        client.jobs.run_now(made.job_id, idempotency_token="token-1")
    with pytest.raises(InvalidParameterValue, match="at most 64"):
        client.jobs.run_now(made.job_id, idempotency_token="x" * 65)


def test_a_run_without_room_waits_or_is_skipped(client, script):
    made = client.jobs.create(name="one", tasks=[script("t", "import time; time.sleep(600)")])
    first = client.jobs.run_now(made.job_id)
    waiting = client.jobs.run_now(made.job_id)
    found = client.jobs.get_run(waiting.run_id)
    assert found.state.life_cycle_state is RunLifeCycleState.QUEUED
    assert found.status.queue_details.code.value == "MAX_CONCURRENT_RUNS_REACHED"
    skipped = client.jobs.run_now(made.job_id, queue=jobs.QueueSettings(enabled=False))
    found = skipped.result()
    assert found.state.life_cycle_state is RunLifeCycleState.SKIPPED
    assert found.state.result_state is RunResultState.MAXIMUM_CONCURRENT_RUNS_REACHED
    active = {each.run_id for each in client.jobs.list_runs(job_id=made.job_id, active_only=True)}
    assert active == {first.run_id, waiting.run_id}
    with pytest.raises(InvalidState, match="is not over yet"):
        client.jobs.delete_run(first.run_id)
    client.jobs.cancel_all_runs(job_id=made.job_id)
    for each in (first, waiting):
        assert client.ended(each.run_id).state.result_state is RunResultState.CANCELED
    over = [each.run_id for each in client.jobs.list_runs(job_id=made.job_id, completed_only=True)]
    assert over == [skipped.run_id, waiting.run_id, first.run_id]


def test_one_task_is_cancelled_and_one_run_waited_for(client, script):
    made = client.jobs.create(
        name="long",
        tasks=[
            script("slow", "import time; time.sleep(600)"),
            script("after", "print('after')", "slow", run_if=jobs.RunIf.ALL_DONE),
        ],
    )
    run_id = client.jobs.run_now(made.job_id).run_id
    task = client.jobs.get_run(run_id).tasks[0]
    client.jobs.cancel_run(task.run_id)
    run = client.ended(run_id)
    assert results(run) == {"slow": "CANCELED", "after": "SUCCESS"}
    alone = client.jobs.get_run(task.run_id)
    assert (alone.run_id, alone.tasks[0].task_key) == (task.run_id, "slow")
    assert alone.state.user_cancelled_or_timedout is True
    found = client.jobs.cancel_run_and_wait(run_id)
    assert found.state.result_state is run.state.result_state


def test_the_output_of_several_tasks_is_refused_as_elsewhere(client, script):
    made = client.jobs.create(name="two", tasks=[script("a", ""), script("b", "")])
    run = client.ended(client.jobs.run_now(made.job_id, only=["a"]).run_id)
    assert results(run) == {"a": "SUCCESS"}
    run = client.ended(client.jobs.run_now(made.job_id).run_id)
    with pytest.raises(InvalidParameterValue, match="multiple tasks is not supported"):
        client.jobs.get_run_output(run.run_id)


def test_repairs_go_on_from_what_failed(client, script, tmp_path):
    flag = tmp_path / "flag"
    fails = f"import pathlib; assert pathlib.Path({str(flag)!r}).exists(), 'no flag'"
    made = client.jobs.create(
        name="mended",
        tasks=[script("first", "print('first')"), script("second", fails, "first"),
               script("third", "", "second")],
    )  # fmt: skip
    run = client.ended(client.jobs.run_now(made.job_id).run_id)
    assert results(run) == {"first": "SUCCESS", "second": "FAILED", "third": "UPSTREAM_FAILED"}
    one = client.jobs.repair_run(run.run_id, rerun_all_failed_tasks=True)
    first = one.response.repair_id
    last = client.ended(run.run_id, times=2)
    assert results(last)["second"] == "FAILED"
    flag.touch()
    with pytest.raises(InvalidState, match="latest repair"):
        client.jobs.repair_run(run.run_id, rerun_tasks=["second"])
    two = client.jobs.repair_run(run.run_id, rerun_tasks=["second"], latest_repair_id=first)
    run = two.result()
    assert results(run) == {"first": "SUCCESS", "second": "SUCCESS", "third": "SUCCESS"}
    history = client.jobs.get_run(run.run_id, include_history=True).repair_history
    assert [each.type.value for each in history] == ["ORIGINAL", "REPAIR", "REPAIR"]
    assert [each.id for each in history[1:]] == [first, two.response.repair_id]
    assert [each.state.result_state.value for each in history] == ["FAILED", "FAILED", "SUCCESS"]
    assert [len(each.task_run_ids) for each in history] == [3, 2, 2]


def test_iterations_are_read_page_by_page(client):
    made = client.jobs.create(
        name="each",
        tasks=[
            Task(
                task_key="loop",
                for_each_task=jobs.ForEachTask(
                    inputs=json.dumps(list(range(103))),
                    concurrency=100,
                    task=Task(
                        task_key="one",
                        condition_task=jobs.ConditionTask(
                            jobs.ConditionTaskOp.LESS_THAN, "{{input}}", "50"
                        ),
                    ),
                ),
            )
        ],
    )
    run = client.ended(client.jobs.run_now(made.job_id).run_id)
    loop = client.jobs.get_run(run.tasks[0].run_id)
    assert len(loop.iterations) == 103
    stats = loop.tasks[0].for_each_task.stats.task_run_stats
    assert (stats.total_iterations, stats.succeeded_iterations) == (103, 103)
    one = client.jobs.get_run(loop.iterations[7].run_id)
    assert (one.original_attempt_run_id, one.job_run_id) == (one.run_id, run.run_id)
    outcomes = [each.condition_task.outcome for each in loop.iterations]
    assert outcomes == ["true"] * 50 + ["false"] * 53


def test_many_tasks_of_a_run_are_read_page_by_page(client):
    done = jobs.ConditionTask(jobs.ConditionTaskOp.EQUAL_TO, "1", "1")
    made = client.jobs.create(
        name="wide", tasks=[Task(task_key=f"t{n:03}", condition_task=done) for n in range(150)]
    )
    run = client.ended(client.jobs.run_now(made.job_id).run_id)
    assert [each.task_key for each in run.tasks] == [f"t{n:03}" for n in range(150)]
    (listed,) = client.jobs.list_runs(job_id=made.job_id, expand_tasks=True)
    assert len(listed.tasks) == 150


def test_runs_are_listed_newest_first_and_by_time(client):
    done = jobs.ConditionTask(jobs.ConditionTaskOp.EQUAL_TO, "1", "1")
    made = client.jobs.create(name="often", tasks=[Task(task_key="t", condition_task=done)])
    ids = []
    for _ in range(5):
        ids.append(client.jobs.run_now(made.job_id).run_id)
        client.ended(ids[-1])
    listed = list(client.jobs.list_runs(job_id=made.job_id, limit=2))
    assert [each.run_id for each in listed] == ids[::-1]
    middle = listed[2].start_time
    later = client.jobs.list_runs(job_id=made.job_id, start_time_from=middle)
    assert {each.run_id for each in later} >= {*ids[2:]}
    with pytest.raises(InvalidParameterValue):
        list(client.jobs.list_runs(active_only=True, completed_only=True))


def test_a_run_that_is_not_there(client):
    with pytest.raises(ResourceDoesNotExist, match="Run 987654321 does not exist"):
        client.jobs.get_run(987654321)
    for call in (client.jobs.cancel_run, client.jobs.delete_run, client.jobs.get_run_output):
        with pytest.raises(ResourceDoesNotExist):
            call(987654321)


def test_export_of_a_run_without_notebooks_is_empty(client, script):
    made = client.jobs.create(name="x", tasks=[script("t", "")])
    run = client.ended(client.jobs.run_now(made.job_id).run_id)
    assert client.jobs.export_run(run.tasks[0].run_id).views in (None, [])


def test_a_shorter_time_counts_for_runs_that_have_begun(client, script):
    made = client.jobs.create(name="long", tasks=[script("t", "import time; time.sleep(600)")])
    run_id = client.jobs.run_now(made.job_id).run_id
    client.jobs.update(made.job_id, new_settings=jobs.JobSettings(timeout_seconds=1))
    assert client.ended(run_id).state.result_state is RunResultState.TIMEDOUT
