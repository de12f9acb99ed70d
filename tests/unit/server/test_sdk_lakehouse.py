"""Pipelines and statements, by the client that Databricks ships, unmodified."""

from __future__ import annotations

import csv
import io
import urllib.error
import urllib.request

import pyarrow as pa
import pytest
from databricks.sdk.errors import (
    InvalidParameterValue,
    NotFound,
    ResourceConflict,
    ResourceDoesNotExist,
)
from databricks.sdk.errors import (
    NotImplemented as NotSupported,
)
from databricks.sdk.service import jobs, pipelines, sql, workspace
from databricks.sdk.service.sql import Disposition, Format, StatementState

NUMBERS = """
CREATE OR REFRESH MATERIALIZED VIEW {name} AS
SELECT id, CAST(id AS STRING) AS name FROM RANGE(0, ${{rows}}) AS t(id);
"""


@pytest.fixture
def pipeline(client):
    """Makes a pipeline with one table of so many rows, and returns its id."""

    def pipeline(name: str, rows: str = "1000", text: str = NUMBERS, **said) -> str:
        client.workspace.mkdirs(f"/Shared/{name}/sql")
        client.workspace.upload(
            f"/Shared/{name}/sql/tables.sql",
            text.format(name=name).encode(),
            format=workspace.ImportFormat.AUTO,
            overwrite=True,
        )
        glob = pipelines.PathPattern(include=f"/Shared/{name}/sql/**")
        made = client.pipelines.create(
            name=name,
            libraries=[pipelines.PipelineLibrary(glob=glob)],
            configuration={"rows": rows},
            **said,
        )
        return made.pipeline_id

    return pipeline


def update(client, pipeline_id: str, **said) -> pipelines.UpdateInfo:
    """An update that is over."""
    found = client.pipelines.start_update(pipeline_id, **said)
    (run,) = [
        each
        for each in client.jobs.list_runs(run_type=jobs.RunType.SUBMIT_RUN, limit=1)
        if each.run_name.startswith("Update of ")
    ][:1]
    client.ended(run.run_id)
    return client.pipelines.get_update(pipeline_id, found.update_id).update


def test_a_pipeline_is_made_updated_and_asked(client, pipeline):
    pipeline_id = pipeline("first", rows="3")
    done = update(client, pipeline_id)
    assert (done.state, done.cause) == (
        pipelines.UpdateInfoState.COMPLETED,
        pipelines.UpdateInfoCause.API_CALL,
    )
    found = client.pipelines.get(pipeline_id)
    assert (found.state, found.name) == (pipelines.PipelineState.IDLE, "first")
    assert found.latest_updates[0].update_id == done.update_id
    answer = client.statement_execution.execute_statement("SELECT * FROM first", "local")
    assert sorted(answer.result.data_array) == [["0", "0"], ["1", "1"], ["2", "2"]]
    again = update(client, pipeline_id, full_refresh=True)
    assert again.full_refresh is True
    listed = client.pipelines.list_updates(pipeline_id).updates
    assert [each.update_id for each in listed] == [again.update_id, done.update_id]
    events = list(client.pipelines.list_pipeline_events(pipeline_id, max_results=5))
    assert [each.timestamp for each in events] == sorted(
        (e.timestamp for e in events), reverse=True
    )
    assert {each.origin.update_id for each in events} == {again.update_id, done.update_id}
    assert {each.origin.pipeline_id for each in events} == {pipeline_id}
    only = client.pipelines.list_pipeline_events(
        pipeline_id, filter="level in ('ERROR', 'WARN') AND timestamp > '2020-01-01'"
    )
    assert list(only) == []
    with pytest.raises(InvalidParameterValue, match="filter"):
        list(client.pipelines.list_pipeline_events(pipeline_id, filter="1 = 1 OR true"))


def test_an_update_that_failed_says_so(client, pipeline):
    broken = "CREATE OR REFRESH MATERIALIZED VIEW {name} AS SELECT * FROM nowhere;"
    pipeline_id = pipeline("broken", text=broken)
    assert update(client, pipeline_id).state is pipelines.UpdateInfoState.FAILED
    found = client.pipelines.get(pipeline_id)
    assert found.health is pipelines.GetPipelineResponseHealth.UNHEALTHY
    assert found.state is pipelines.PipelineState.IDLE
    errors = client.pipelines.list_pipeline_events(pipeline_id, filter="level = 'ERROR'")
    assert any("nowhere" in each.message for each in errors)
    validated = update(client, pipeline_id, validate_only=True)
    assert validated.state is pipelines.UpdateInfoState.FAILED


def test_one_update_at_a_time_until_it_is_stopped(client, pipeline):
    pipeline_id = pipeline("long", rows="400000000")
    found = client.pipelines.start_update(pipeline_id)
    with pytest.raises(ResourceConflict, match=found.update_id):
        client.pipelines.start_update(pipeline_id)
    assert client.pipelines.get(pipeline_id).state is pipelines.PipelineState.RUNNING
    client.pipelines.stop_and_wait(pipeline_id)
    done = client.pipelines.get_update(pipeline_id, found.update_id).update
    assert done.state is pipelines.UpdateInfoState.CANCELED
    client.pipelines.stop(pipeline_id)


def test_a_job_updates_a_pipeline(client, pipeline):
    pipeline_id = pipeline("nightly", rows="5")
    query = client.queries.create(
        query=sql.CreateQueryRequestQuery(
            display_name="count", query_text="SELECT count(*) AS n FROM nightly WHERE id >= :least"
        )
    )
    made = client.jobs.create(
        name="nightly",
        tasks=[
            jobs.Task(task_key="update", pipeline_task=jobs.PipelineTask(pipeline_id=pipeline_id)),
            jobs.Task(
                task_key="count",
                depends_on=[jobs.TaskDependency("update")],
                sql_task=jobs.SqlTask(
                    warehouse_id="local",
                    query=jobs.SqlTaskQuery(query.id),
                    parameters={"least": "2"},
                ),
            ),
            jobs.Task(
                task_key="right",
                depends_on=[jobs.TaskDependency("count")],
                condition_task=jobs.ConditionTask(
                    jobs.ConditionTaskOp.EQUAL_TO, "{{tasks.count.output.first_row.n}}", "3"
                ),
            ),
        ],
    )
    run = client.ended(client.jobs.run_now(made.job_id).run_id)
    assert run.state.result_state is jobs.RunResultState.SUCCESS
    assert run.tasks[2].condition_task.outcome == "true"
    (listed,) = client.pipelines.list_updates(pipeline_id).updates
    assert listed.cause is pipelines.UpdateInfoCause.JOB_TASK
    output = client.jobs.get_run_output(run.tasks[1].run_id)
    assert output.sql_output.query_output.query_text.startswith("SELECT count(*)")


def test_pipelines_are_kept_listed_changed_and_deleted(client, pipeline):
    ids = [pipeline(f"kept_{n}") for n in range(3)]
    found = list(client.pipelines.list_pipelines(filter="name LIKE 'kept_%'", max_results=2))
    assert [each.pipeline_id for each in found] == ids
    with pytest.raises(ResourceConflict, match="already"):
        client.pipelines.create(name="kept_0")
    shown = client.pipelines.create(name="dry", dry_run=True)
    assert shown.effective_settings.name == "dry"
    before = client.pipelines.get(ids[0])
    client.pipelines.update(
        ids[0], name="kept_0", catalog="main", expected_last_modified=before.last_modified
    )
    assert client.pipelines.get(ids[0]).spec.catalog == "main"
    with pytest.raises(ResourceConflict, match="changed meanwhile"):
        client.pipelines.update(ids[0], name="kept_0", expected_last_modified=before.last_modified)
    level = pipelines.PipelinePermissionLevel.CAN_RUN
    granted = client.pipelines.set_permissions(
        ids[0],
        access_control_list=[
            pipelines.PipelineAccessControlRequest(user_name="u", permission_level=level)
        ],
    )
    assert granted.object_id == f"/pipelines/{ids[0]}"
    client.pipelines.delete(ids[0])
    for call in (client.pipelines.get, client.pipelines.delete, client.pipelines.start_update):
        with pytest.raises(ResourceDoesNotExist):
            call(ids[0])
    with pytest.raises(NotSupported, match="refresh_selection"):
        client.pipelines.start_update(ids[1], refresh_selection=["kept_1"])


def test_values_are_texts_and_parameters_are_values(client):
    named = sql.StatementParameterListItem
    answer = client.statement_execution.execute_statement(
        "SELECT :n + 1 AS n, :text AS text, :missing IS NULL AS missing, DATE '2026-01-02' AS day, "
        "TIMESTAMP '2026-01-02 03:04:05' AS at, ARRAY(1, NULL) AS list, CAST(1.50 AS DECIMAL(9,2)) "
        "AS price, X'00FF' AS raw",
        "local",
        parameters=[
            named(name="n", value="41", type="INT"),
            named(name="text", value="it's; DROP \\ "),
            named(name="missing"),
        ],
    )
    assert answer.status.state is StatementState.SUCCEEDED, answer.status
    assert answer.result.data_array == [
        [
            *("42", "it's; DROP \\ ", "true", "2026-01-02", "2026-01-02T03:04:05.000Z"),
            *("[1,null]", "1.50", "AP8="),
        ]
    ]
    names = [each.type_name.value for each in answer.manifest.schema.columns]
    assert names == "INT STRING BOOLEAN DATE TIMESTAMP ARRAY DECIMAL BINARY".split()
    price = answer.manifest.schema.columns[6]
    assert (price.type_text, price.type_precision, price.type_scale) == ("DECIMAL(9,2)", 9, 2)


def test_a_statement_that_fails_is_answered_with_its_error(client):
    found = client.statement_execution.execute_statement("SELECT * FROM nowhere", "local")
    assert found.status.state is StatementState.FAILED
    assert "TABLE_OR_VIEW_NOT_FOUND" in found.status.error.message
    for text in ("SELEC 1", "SELECT :x", "DROP TABLE first"):
        found = client.statement_execution.execute_statement(text, "local")
        assert found.status.state is StatementState.FAILED


def test_what_cannot_be_asked_is_refused(client):
    run = client.statement_execution.execute_statement
    with pytest.raises(InvalidParameterValue, match="needs the disposition EXTERNAL_LINKS"):
        run("SELECT 1", "local", format=Format.CSV)
    with pytest.raises(InvalidParameterValue, match="wait_timeout"):
        run("SELECT 1", "local", wait_timeout="3s")
    item = sql.StatementParameterListItem(name="x", value="1", type="INT) FROM t --")
    with pytest.raises(InvalidParameterValue, match="type is a type of SQL"):
        run("SELECT :x", "local", parameters=[item])
    with pytest.raises(NotFound, match="There is one, local"):
        run("SELECT 1", "elsewhere")
    with pytest.raises(NotFound):
        client.statement_execution.get_statement("nothing")


def test_a_long_result_is_read_part_by_part(client, pipeline):
    update(client, pipeline("wide", rows="90000"))
    run = client.statement_execution
    found = run.execute_statement(
        "SELECT id, repeat('x', 60) AS x FROM wide", "local", wait_timeout="50s"
    )
    assert found.manifest.total_row_count == 90_000
    assert found.manifest.total_chunk_count > 1
    rows, part = [], found.result
    while True:
        assert part.row_offset == len(rows)
        rows += part.data_array
        if part.next_chunk_index is None:
            break
        part = run.get_statement_result_chunk_n(found.statement_id, part.next_chunk_index)
    assert sorted(int(row[0]) for row in rows) == list(range(90_000))
    limited = run.execute_statement("SELECT id FROM wide", "local", row_limit=10)
    assert (limited.manifest.truncated, len(limited.result.data_array)) == (True, 10)
    limited = run.execute_statement("SELECT id FROM wide", "local", byte_limit=1000)
    assert limited.manifest.truncated is True
    assert 0 < limited.manifest.total_byte_count <= 1100


@pytest.mark.parametrize("form", [Format.JSON_ARRAY, Format.ARROW_STREAM, Format.CSV])
def test_results_by_address_are_read_without_a_token(client, form):
    found = client.statement_execution.execute_statement(
        "SELECT id, IF(id = 1, NULL, 'a,b') AS x FROM RANGE(3) AS t(id)",
        "local",
        disposition=Disposition.EXTERNAL_LINKS,
        format=form,
    )
    (link,) = found.result.external_links
    with urllib.request.urlopen(link.external_link, timeout=30) as answer:
        content = answer.read()
    assert len(content) == link.byte_count
    if form is Format.ARROW_STREAM:
        table = pa.ipc.open_stream(content).read_all()
        assert table.to_pydict() == {"id": [0, 1, 2], "x": ["a,b", None, "a,b"]}
    elif form is Format.CSV:
        rows = list(csv.reader(io.StringIO(content.decode())))
        assert rows == [["id", "x"], ["0", "a,b"], ["1", "null"], ["2", "a,b"]]
    else:
        assert content == b'[["0","a,b"],["1",null],["2","a,b"]]'
    for before, after in (("signature=", "signature=0"), ("expires=", "expires=9"), ("/0?", "/1?")):
        with pytest.raises(urllib.error.HTTPError) as raised:
            urllib.request.urlopen(link.external_link.replace(before, after), timeout=30)
        assert raised.value.code == 403
        raised.value.close()


def test_a_statement_goes_on_beside_its_call_and_is_cancelled(client):
    run = client.statement_execution
    slow = "SELECT count(*) FROM RANGE(200000) a CROSS JOIN RANGE(200000) b WHERE a.id * b.id = 7"
    found = run.execute_statement(slow, "local", wait_timeout="0s")
    assert found.status.state in (StatementState.PENDING, StatementState.RUNNING)
    run.cancel_execution(found.statement_id)
    states = (run.get_statement(found.statement_id).status.state for _ in range(5000))
    assert StatementState.CANCELED in states
    quick = run.execute_statement("SELECT 1", "local", wait_timeout="50s")
    assert quick.status.state is StatementState.SUCCEEDED
    give_up = sql.ExecuteStatementRequestOnWaitTimeout.CANCEL
    cut = run.execute_statement(slow, "local", wait_timeout="5s", on_wait_timeout=give_up)
    assert cut.status.state is StatementState.CANCELED


def test_names_are_completed_by_catalog_and_schema(client, pipeline):
    update(client, pipeline("placed", rows="2", schema="silver"))
    run = client.statement_execution.execute_statement
    assert run("SELECT * FROM placed", "local").status.state is StatementState.FAILED
    found = run("SELECT count(*) FROM placed", "local", catalog="main", schema="silver")
    assert found.result.data_array == [["2"]]
