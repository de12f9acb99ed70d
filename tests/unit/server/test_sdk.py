"""The client that Databricks ships, unmodified, against a server in a process of its own."""

from __future__ import annotations

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import OperationFailed, ResourceDoesNotExist
from databricks.sdk.service import jobs
from databricks.sdk.service.jobs import RunLifeCycleState, RunResultState


@pytest.fixture(scope="module")
def client(served) -> WorkspaceClient:
    return WorkspaceClient(host=served.address, token=served.token)


def shell(key: str, command: str, *after: str, **said) -> dict:
    """A task that Databricks does not have; it goes as it is."""
    return {
        "task_key": key,
        "shell_task": {"command": command},
        "depends_on": [{"task_key": each} for each in after],
        **said,
    }


def script(folder, key: str, text: str, *after: str, **said) -> jobs.Task:
    path = folder / f"{key}.py"
    path.write_text(text)
    return jobs.Task(
        task_key=key,
        spark_python_task=jobs.SparkPythonTask(python_file=str(path)),
        depends_on=[jobs.TaskDependency(each) for each in after],
        **said,
    )


def test_a_job_is_made_run_and_waited_for(client, tmp_path):
    made = client.jobs.create(
        name="nightly",
        tasks=[
            script(tmp_path, "load", "print('loaded')"),
            script(tmp_path, "check", "print('checked')", "load"),
        ],
    )
    assert client.jobs.get(made.job_id).settings.name == "nightly"
    assert made.job_id in [each.job_id for each in client.jobs.list()]
    run = client.jobs.run_now(made.job_id).result()
    assert run.state.life_cycle_state is RunLifeCycleState.TERMINATED
    assert run.state.result_state is RunResultState.SUCCESS
    outputs = [client.jobs.get_run_output(each.run_id) for each in run.tasks]
    assert [each.logs for each in outputs] == ["loaded\n", "checked\n"]


def test_a_failed_run_raises_in_the_waiter(client, tmp_path):
    made = client.jobs.create(name="bad", tasks=[script(tmp_path, "boom", "raise ValueError(7)")])
    with pytest.raises(OperationFailed, match="Task boom failed with message: ValueError: 7"):
        client.jobs.run_now(made.job_id).result()


def test_what_is_not_there_is_told_by_its_class(client):
    with pytest.raises(ResourceDoesNotExist, match="Job 999999 does not exist"):
        client.jobs.get(999_999)
