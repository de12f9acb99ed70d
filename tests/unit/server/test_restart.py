"""What a server has answered is there when the next one begins, however the first one ended."""

from __future__ import annotations

import signal
import time

import psutil
from databricks.sdk.service import jobs, pipelines, sql

from tests.unit.server.conftest import Client, start


def test_a_killed_server_loses_nothing(tmp_path):
    served = start(tmp_path)
    client = Client(served)
    flag, script = tmp_path / "flag", tmp_path / "wait.py"
    script.write_text(
        f"import pathlib, sys, time\nflag = pathlib.Path({str(flag)!r})\n"
        "while not flag.exists(): time.sleep(0.01)\nprint('done')\n"
    )
    task = jobs.SubmitTask(
        task_key="t", spark_python_task=jobs.SparkPythonTask(python_file=str(script))
    )
    run_id = client.jobs.submit(run_name="long", tasks=[task], idempotency_token="once").run_id
    with_events = client.events(run_id)
    next(each for each in with_events if each["type"] == "task.started")
    with_events.close()
    pipeline_id = client.pipelines.create(name="kept").pipeline_id
    query = client.queries.create(
        query=sql.CreateQueryRequestQuery(display_name="kept", query_text="SELECT 1")
    )
    client.secrets.create_scope("kept")
    client.secrets.put_secret("kept", "key", string_value="value")
    workers = psutil.Process(served.process.pid).children(recursive=True)
    served.stop(signal.SIGKILL)
    psutil.wait_procs(workers, timeout=20)
    assert [each for each in workers if each.is_running()] == []

    flag.touch()
    served = start(tmp_path)
    client = Client(served)
    assert client.jobs.submit(run_name="x", tasks=[task], idempotency_token="once").run_id == run_id
    run = client.ended(run_id)
    assert run.state.result_state is jobs.RunResultState.SUCCESS
    assert client.jobs.get_run_output(run.tasks[-1].run_id).logs == "done\n"
    history = client.jobs.get_run(run_id, include_history=True).tasks
    assert [each.status.termination_details.code.value for each in history] == [
        "DRIVER_ERROR",
        "SUCCESS",
    ]
    assert client.pipelines.get(pipeline_id).state is pipelines.PipelineState.IDLE
    assert client.queries.get(query.id).query_text == "SELECT 1"
    assert client.secrets.get_secret("kept", "key").value == "dmFsdWU="
    assert served.stop() == 0


def test_the_server_ends_while_somebody_watches(tmp_path):
    served = start(tmp_path)
    client = Client(served)
    done = jobs.ConditionTask(jobs.ConditionTaskOp.EQUAL_TO, "1", "1")
    task = jobs.SubmitTask(task_key="t", condition_task=done)
    run_id = client.jobs.submit(run_name="x", tasks=[task]).run_id
    watching = client.events(run_id)
    seen = [next(watching)["type"]]
    client.served.process.send_signal(signal.SIGINT)
    seen += [each["type"] for each in watching]  # ends, for the server lets go
    assert seen[-1] == "run.ended"
    served.process.communicate(timeout=30)
    assert served.process.returncode == 0


def test_the_end_of_the_server_waits_for_no_statement(tmp_path):
    served = start(tmp_path)
    run = Client(served).statement_execution.execute_statement
    slow = "SELECT count(*) FROM RANGE(200000) a CROSS JOIN RANGE(200000) b WHERE a.id * b.id = 7"
    for _ in range(6):
        assert run(slow, "local", wait_timeout="0s").status.error is None
    began = time.monotonic()
    assert served.stop() == 0
    assert time.monotonic() - began < 10
    assert not (tmp_path / "home" / "statements").exists()
