"""Files, secrets, queries and compute, by the client that Databricks ships, unmodified."""

from __future__ import annotations

import base64
import io
import stat

import pytest
from databricks.sdk.errors import (
    BadRequest,
    DatabricksError,
    InvalidParameterValue,
    NotFound,
    ResourceAlreadyExists,
    ResourceDoesNotExist,
)
from databricks.sdk.errors import (
    NotImplemented as NotSupported,
)
from databricks.sdk.service import compute, iam, jobs, sql, workspace
from databricks.sdk.service.workspace import ExportFormat, ImportFormat, Language, ObjectType


def test_files_are_written_read_listed_and_removed(client):
    files = client.workspace
    files.mkdirs("/Shared/files/deep/er")
    files.upload("/Shared/files/a.txt", b"\x00one", format=ImportFormat.AUTO)
    assert files.download("/Shared/files/a.txt").read() == b"\x00one"
    with pytest.raises(ResourceAlreadyExists):
        files.upload("/Shared/files/a.txt", b"two", format=ImportFormat.RAW)
    files.upload(
        "/Workspace/Shared/files/a.txt", io.BytesIO(b"two"), format=ImportFormat.RAW, overwrite=True
    )
    assert base64.b64decode(files.export("/Shared/files/a.txt").content) == b"two"
    found = {each.path: each.object_type for each in files.list("/Shared/files")}
    assert found == {
        "/Shared/files/a.txt": ObjectType.FILE,
        "/Shared/files/deep": ObjectType.DIRECTORY,
    }
    assert [each.path for each in files.list("/Shared/files", recursive=True)] == [
        "/Shared/files/a.txt"
    ]
    status = files.get_status("/Shared/files/a.txt")
    assert (status.path, status.size) == ("/Shared/files/a.txt", 3)
    with pytest.raises(BadRequest, match="not empty"):
        files.delete("/Shared/files")
    files.delete("/Shared/files", recursive=True)
    for call in (files.get_status, files.export, files.delete, lambda path: [*files.list(path)]):
        with pytest.raises(ResourceDoesNotExist):
            call("/Shared/files/a.txt")
    with pytest.raises(ResourceDoesNotExist, match="parent folder"):
        files.upload("/Shared/files/a.txt", b"x", format=ImportFormat.AUTO)


def test_notebooks_have_no_ending(client):
    client.workspace.mkdirs("/Shared/books")
    client.workspace.import_(
        "/Shared/books/one",
        content=base64.b64encode(b"print(1)").decode(),
        format=ImportFormat.SOURCE,
        language=Language.PYTHON,
    )
    (found,) = client.workspace.list("/Shared/books")
    assert (found.path, found.object_type, found.language) == (
        "/Shared/books/one",
        ObjectType.NOTEBOOK,
        Language.PYTHON,
    )
    text = client.workspace.download("/Shared/books/one", format=ExportFormat.SOURCE).read()
    assert text == b"# Databricks notebook source\nprint(1)"
    with pytest.raises(NotSupported, match="DBC"):
        client.workspace.export("/Shared/books/one", format=ExportFormat.DBC)
    client.workspace.delete("/Shared/books/one")
    assert list(client.workspace.list("/Shared/books")) == []


def test_no_path_leads_out_of_the_workspace(client, served):
    (served.home / "workspace" / "out").symlink_to(served.home)
    for path in ("/../token", "/a/../../token", "/./x", "relative", "/out/token", "/x\0y"):
        with pytest.raises(DatabricksError) as raised:  # it wraps the error that it was told
            client.workspace.upload(path, b"x", format=ImportFormat.RAW)
        assert raised.value.error_code == "INVALID_PARAMETER_VALUE"
        with pytest.raises((InvalidParameterValue, ResourceDoesNotExist)):
            client.workspace.download(path)
        with pytest.raises((InvalidParameterValue, ResourceDoesNotExist)):
            client.workspace.delete(path, recursive=True)
    with pytest.raises(InvalidParameterValue):
        client.workspace.delete("/", recursive=True)
    assert (served.home / "jobs.db").exists()


def test_a_task_runs_what_was_put_into_the_workspace(client):
    client.workspace.mkdirs("/Shared/tasks")
    client.workspace.upload("/Shared/tasks/say.py", b"print('said')", format=ImportFormat.AUTO)
    for path in ("/Shared/tasks/say.py", "/Workspace/Shared/tasks/say.py"):
        task = jobs.SubmitTask(
            task_key="t", spark_python_task=jobs.SparkPythonTask(python_file=path)
        )
        run = client.ended(client.jobs.submit(run_name="say", tasks=[task]).run_id)
        assert client.jobs.get_run_output(run.tasks[0].run_id).logs == "said\n"


def test_a_notebook_of_the_workspace_runs_and_is_exported(client):
    client.workspace.mkdirs("/Shared/nb")
    text = b"dbutils.widgets.text('who', 'x')\nprint('1 < 2', dbutils.widgets.get('who'))\n"
    text += b"# COMMAND ----------\ndbutils.notebook.exit('all done')"
    client.workspace.import_(
        "/Shared/nb/report",
        content=base64.b64encode(text).decode(),
        format=ImportFormat.SOURCE,
        language=Language.PYTHON,
    )
    made = client.jobs.create(
        name="report",
        tasks=[
            jobs.Task(
                task_key="t",
                notebook_task=jobs.NotebookTask(notebook_path="/Shared/nb/report"),
            )
        ],
    )
    run = client.ended(client.jobs.run_now(made.job_id, notebook_params={"who": "you"}).run_id)
    assert run.overriding_parameters.notebook_params == {"who": "you"}
    output = client.jobs.get_run_output(run.run_id)
    assert (output.notebook_output.result, output.notebook_output.truncated) == ("all done", False)
    (view,) = client.jobs.export_run(run.tasks[0].run_id).views
    assert (view.name, view.type) == ("report", jobs.ViewType.NOTEBOOK)
    assert "1 &lt; 2 you" in view.content


def test_secrets_are_kept_from_everybody_else(client, served):
    canary = "canary-5f2c9a"
    client.secrets.create_scope("vault")
    with pytest.raises(ResourceAlreadyExists):
        client.secrets.create_scope("vault")
    client.secrets.put_secret("vault", "password", string_value=canary)
    raw = base64.b64encode(b"\x00\xff").decode()
    client.secrets.put_secret("vault", "raw", bytes_value=raw)
    assert [each.key for each in client.secrets.list_secrets("vault")] == ["password", "raw"]
    assert base64.b64decode(client.secrets.get_secret("vault", "password").value) == canary.encode()
    assert client.secrets.get_secret("vault", "raw").value == raw
    assert "vault" in [each.name for each in client.secrets.list_scopes()]
    client.secrets.put_acl("vault", "g", workspace.AclPermission.READ)
    assert client.secrets.get_acl("vault", "g").permission is workspace.AclPermission.READ
    assert {each.principal for each in client.secrets.list_acls("vault")} >= {"g"}
    client.secrets.delete_acl("vault", "g")
    with pytest.raises(InvalidParameterValue) as raised:
        client.api_client.do(
            "POST",
            "/api/2.0/secrets/put",
            body={"scope": "vault", "key": "x", "string_value": [canary]},
        )
    assert canary not in str(raised.value)

    script = served.home.parent / "secret.py"
    script.write_text("import os; print(len(os.environ['PASSWORD']))")
    cluster = compute.ClusterSpec(
        num_workers=0, spark_env_vars={"PASSWORD": "{{secrets/vault/password}}"}
    )
    task = jobs.SubmitTask(
        task_key="t",
        new_cluster=cluster,
        spark_python_task=jobs.SparkPythonTask(python_file=str(script)),
    )
    run = client.ended(client.jobs.submit(run_name="s", tasks=[task]).run_id)
    assert client.jobs.get_run_output(run.tasks[0].run_id).logs == f"{len(canary)}\n"
    # Nothing that the server has written holds it, but the one file that only its owner reads.
    encoded = base64.b64encode(canary.encode())
    holding = [
        path.name
        for path in served.home.rglob("*")
        if path.is_file() and any(text in path.read_bytes() for text in (canary.encode(), encoded))
    ]
    assert holding == ["secrets.json"]
    assert stat.S_IMODE((served.home / "secrets.json").stat().st_mode) == 0o600

    client.secrets.delete_secret("vault", "password")
    for call in (client.secrets.get_secret, client.secrets.delete_secret):
        with pytest.raises(ResourceDoesNotExist):
            call("vault", "password")
    run = client.ended(client.jobs.submit(run_name="s", tasks=[task]).run_id)
    assert "There is no secret password" in run.state.state_message
    client.secrets.delete_scope("vault")
    with pytest.raises(ResourceDoesNotExist):
        list(client.secrets.list_secrets("vault"))


def test_queries_are_saved(client):
    made = client.queries.create(
        query=sql.CreateQueryRequestQuery(display_name="q", query_text="SELECT 1")
    )
    assert client.queries.get(made.id).query_text == "SELECT 1"
    changed = client.queries.update(
        made.id, update_mask="query_text", query=sql.UpdateQueryRequestQuery(query_text="SELECT 2")
    )
    assert (changed.display_name, changed.query_text) == ("q", "SELECT 2")
    more = [
        client.queries.create(
            query=sql.CreateQueryRequestQuery(display_name=f"q{n}", query_text="x")
        )
        for n in range(3)
    ]
    listed = {each.id for each in client.queries.list(page_size=2)}
    assert listed >= {made.id, *(each.id for each in more)}
    client.queries.delete(made.id)
    with pytest.raises(ResourceDoesNotExist):
        client.queries.get(made.id)


def test_compute_is_this_machine(client):
    (house,) = client.warehouses.list()
    assert (house.id, house.state) == ("local", sql.State.RUNNING)
    assert client.warehouses.get("local").odbc_params.protocol == "http"
    client.warehouses.start("local")
    with pytest.raises(ResourceDoesNotExist):
        client.warehouses.get("other")
    (cluster,) = client.clusters.list()
    assert cluster.state is compute.State.RUNNING
    client.clusters.ensure_cluster_is_running("local")
    assert client.clusters.spark_versions().versions
    assert client.clusters.list_node_types().node_types[0].node_type_id == "local"
    with pytest.raises(ResourceDoesNotExist):
        client.clusters.get("other")
    with pytest.raises(NotSupported):
        client.clusters.create(spark_version="x")
    assert [*client.libraries.cluster_status("local")] == []


def test_what_is_not_there_says_so(client):
    for call in (
        lambda: list(client.repos.list()),
        lambda: client.apps.get("x"),
        lambda: client.serving_endpoints.get("x"),
        lambda: client.git_credentials.get(1),
    ):
        with pytest.raises(NotFound, match="is not supported here"):
            call()


def test_permissions_of_other_objects(client):
    levels = client.permissions.get_permission_levels("clusters", "local").permission_levels
    assert iam.PermissionLevel.CAN_RESTART in [each.permission_level for each in levels]
    assert client.permissions.get("warehouses", "local").object_id == "/warehouses/local"
    with pytest.raises(InvalidParameterValue, match="is no permission_level"):
        client.permissions.set(
            "clusters",
            "local",
            access_control_list=[
                iam.AccessControlRequest(
                    user_name="u", permission_level=iam.PermissionLevel.CAN_READ
                )
            ],
        )
