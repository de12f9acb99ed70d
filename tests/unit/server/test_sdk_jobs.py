"""Jobs, by the client that Databricks ships, unmodified."""

from __future__ import annotations

import dataclasses

import pytest
from databricks.sdk.errors import (
    InvalidParameterValue,
    NotFound,
    ResourceDoesNotExist,
    Unauthenticated,
)
from databricks.sdk.service import jobs
from databricks.sdk.service.jobs import JobSettings, Task

from lakeflow.jobs.settings.fields import OBJECTS
from lakeflow.server.identity import WORKSPACE


def script(key: str, *after: str, **said) -> Task:
    return Task(
        task_key=key,
        spark_python_task=jobs.SparkPythonTask(python_file="script.py"),
        depends_on=[jobs.TaskDependency(each) for each in after],
        **said,
    )


def keys(job) -> list[str]:
    return [each.task_key for each in job.settings.tasks]


def test_who_am_i(client):
    assert client.current_user.me().user_name.endswith("@local")
    assert str(client.get_workspace_id()) == WORKSPACE


def test_a_job_is_kept_as_it_was_given(client):
    made = client.jobs.create(
        name="nightly",
        description="Every night.",
        tags={"team": "data"},
        tasks=[script("load"), script("check", "load", run_if=jobs.RunIf.ALL_DONE)],
        parameters=[jobs.JobParameterDefinition(name="day", default="1")],
        job_clusters=[
            jobs.JobCluster(
                job_cluster_key="big", new_cluster=jobs.compute.ClusterSpec(num_workers=7)
            )
        ],
        timeout_seconds=60,
    )
    found = client.jobs.get(made.job_id)
    assert found.creator_user_name.endswith("@local")
    settings = found.settings
    assert (settings.name, settings.description, settings.tags) == (
        "nightly",
        "Every night.",
        {"team": "data"},
    )
    assert keys(found) == ["load", "check"]
    assert settings.tasks[1].depends_on[0].task_key == "load"
    assert settings.tasks[1].run_if is jobs.RunIf.ALL_DONE
    assert settings.parameters[0].default == "1"
    assert settings.job_clusters[0].new_cluster.num_workers == 7
    assert settings.format is jobs.Format.MULTI_TASK


def test_reset_takes_the_place_of_everything(client):
    made = client.jobs.create(name="a", tags={"x": "y"}, tasks=[script("one")])
    client.jobs.reset(made.job_id, JobSettings(name="b", tasks=[script("two")]))
    found = client.jobs.get(made.job_id)
    assert (found.settings.name, found.settings.tags, keys(found)) == ("b", None, ["two"])


def test_update_merges_by_key_and_removes_by_path(client):
    made = client.jobs.create(
        name="a",
        tags={"x": "y"},
        max_concurrent_runs=3,
        tasks=[script("one"), script("two"), script("three")],
        parameters=[jobs.JobParameterDefinition(name="p", default="1")],
    )
    client.jobs.update(
        made.job_id,
        new_settings=JobSettings(
            name="b", tasks=[script("two", timeout_seconds=9), script("four")]
        ),
        fields_to_remove=["tags", "tasks/one"],
    )
    found = client.jobs.get(made.job_id)
    assert keys(found) == ["two", "three", "four"]
    assert [each.timeout_seconds for each in found.settings.tasks] == [9, None, None]
    assert (found.settings.name, found.settings.tags) == ("b", None)
    assert found.settings.max_concurrent_runs == 3
    assert found.settings.parameters[0].name == "p"
    with pytest.raises(InvalidParameterValue, match="the job has no tasks/one"):
        client.jobs.update(made.job_id, fields_to_remove=["tasks/one"])


def test_long_arrays_are_read_page_by_page(client):
    made = client.jobs.create(
        name="wide",
        tasks=[script(f"t{n:03}") for n in range(205)],
        parameters=[jobs.JobParameterDefinition(name=f"p{n}", default="") for n in range(120)],
    )
    before = client.calls
    found = client.jobs.get(made.job_id)
    assert client.calls - before == 3
    assert keys(found) == [f"t{n:03}" for n in range(205)]
    assert len(found.settings.parameters) == 120
    older = client.api_client.do("GET", "/api/2.1/jobs/get", query={"job_id": made.job_id})
    assert len(older["settings"]["tasks"]) == 205  # its clients know of no pages
    assert "next_page_token" not in older
    (listed,) = client.jobs.list(name="WIDE", expand_tasks=True)
    assert len(listed.settings.tasks) == 205


def test_jobs_are_listed_newest_first_by_page_and_by_name(client):
    made = [client.jobs.create(name=f"listed {n % 2}", tasks=[script("x")]) for n in range(7)]
    ids = [each.job_id for each in reversed(made)]
    assert [each.job_id for each in client.jobs.list(limit=3)][:7] == ids
    odd = [each.job_id for each in client.jobs.list(name="Listed 1", limit=2)]
    assert odd == [each.job_id for n, each in reversed(list(enumerate(made))) if n % 2]
    (briefly, *_) = client.jobs.list(limit=1)
    assert not briefly.settings.tasks
    assert list(client.jobs.list(name="listed")) == []


def test_pages_lead_forward_and_back(client):
    for n in range(5):
        client.jobs.create(name=f"page {n}", tasks=[script("x")])
    path = "/api/2.2/jobs/list"
    first = client.api_client.do("GET", path, query={"limit": 2})
    assert first["has_more"] is True
    second = client.api_client.do(
        "GET", path, query={"limit": 2, "page_token": first["next_page_token"]}
    )
    back = client.api_client.do(
        "GET", path, query={"limit": 2, "page_token": second["prev_page_token"]}
    )
    assert back["jobs"] == first["jobs"]
    assert not {e["job_id"] for e in first["jobs"]} & {e["job_id"] for e in second["jobs"]}


def test_a_job_that_was_deleted_is_gone(client):
    made = client.jobs.create(name="short", tasks=[script("x")])
    client.jobs.delete(made.job_id)
    with pytest.raises(ResourceDoesNotExist, match=f"Job {made.job_id} does not exist"):
        client.jobs.get(made.job_id)
    for call in (
        lambda: client.jobs.delete(made.job_id),
        lambda: client.jobs.run_now(made.job_id),
        lambda: client.jobs.reset(made.job_id, JobSettings(name="x")),
        lambda: client.jobs.update(made.job_id, new_settings=JobSettings(name="x")),
    ):
        with pytest.raises(NotFound):
            call()


def test_what_is_wrong_with_a_job_is_told_by_its_class_and_place(client):
    with pytest.raises(InvalidParameterValue, match=r"depends_on\[0\].task_key: There is no task"):
        client.jobs.create(name="bad", tasks=[script("a", "nowhere")])
    with pytest.raises(InvalidParameterValue, match="wait for each other"):
        client.jobs.create(name="bad", tasks=[script("a", "b"), script("b", "a")])
    with pytest.raises(InvalidParameterValue, match="limit is between 1 and 100, not 101"):
        list(client.jobs.list(limit=101))
    with pytest.raises(InvalidParameterValue, match="page_token"):
        list(client.jobs.list(page_token="nonsense"))


def test_a_wrong_token_is_told_by_its_class(served):
    from databricks.sdk import WorkspaceClient

    with pytest.raises(Unauthenticated):
        WorkspaceClient(host=served.address, token="wrong").current_user.me()


def test_older_versions_and_older_shapes(client):
    made = client.api_client.do(
        "POST",
        "/api/2.0/jobs/create",
        body={"name": "old", "spark_python_task": {"python_file": "x.py"}, "max_retries": 2},
    )
    found = client.jobs.get(made["job_id"])
    assert keys(found) == ["task"]
    assert found.settings.tasks[0].max_retries == 2
    older = client.api_client.do("GET", "/api/2.1/jobs/get", query={"job_id": made["job_id"]})
    assert older["settings"]["name"] == "old"


def test_fields_that_nobody_knows_are_kept(client):
    made = client.api_client.do(
        "POST",
        "/api/2.2/jobs/create",
        body={"name": "odd", "colour": "blue", "tasks": []},
        response_headers=["X-Lakeflow-Warnings"],
    )
    assert "colour is not a field of a job" in made["X-Lakeflow-Warnings"]
    found = client.api_client.do("GET", "/api/2.2/jobs/get", query={"job_id": made["job_id"]})
    assert found["settings"]["colour"] == "blue"


def test_permissions_are_kept_and_shown(client):
    view, manage = jobs.JobPermissionLevel.CAN_VIEW, jobs.JobPermissionLevel.CAN_MANAGE
    made = client.jobs.create(
        name="guarded",
        tasks=[script("x")],
        access_control_list=[jobs.JobAccessControlRequest(group_name="g", permission_level=view)],
    )
    job_id = str(made.job_id)

    def levels() -> dict[str, str]:
        found = client.jobs.get_permissions(job_id)
        assert found.object_id == f"/jobs/{job_id}"
        return {
            each.group_name or each.user_name: each.all_permissions[0].permission_level.value
            for each in found.access_control_list
        }

    assert levels() == {client.current_user.me().user_name: "IS_OWNER", "g": "CAN_VIEW"}
    client.jobs.update_permissions(
        job_id,
        access_control_list=[
            jobs.JobAccessControlRequest(group_name="g", permission_level=manage),
            jobs.JobAccessControlRequest(user_name="u", permission_level=view),
        ],
    )
    assert {"g": "CAN_MANAGE", "u": "CAN_VIEW"}.items() <= levels().items()
    client.jobs.set_permissions(
        job_id,
        access_control_list=[jobs.JobAccessControlRequest(user_name="v", permission_level=view)],
    )
    assert {*levels()} == {client.current_user.me().user_name, "v"}
    known = client.jobs.get_permission_levels(job_id).permission_levels
    assert manage in [each.permission_level for each in known]
    with pytest.raises(NotFound):
        client.jobs.get_permissions("99999999")


def test_every_field_of_the_client_is_known():
    """A field that we do not know would be kept with a warning: here is what would tell us."""
    known = {kind: {field.name for field in OBJECTS[kind]} for kind in ("job", "task")}
    for kind, shape in (("job", JobSettings), ("task", Task), ("task", jobs.SubmitTask)):
        assert {field.name for field in dataclasses.fields(shape)} <= known[kind]
