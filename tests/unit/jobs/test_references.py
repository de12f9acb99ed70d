"""Every reference there is, what it gives, and how wrong ones are told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from lakeflow.core.errors import ConfigurationError
from lakeflow.jobs.model import Result
from lakeflow.jobs.settings.known_references import KNOWN, TIME_ARGUMENTS, MissingValue
from lakeflow.jobs.settings.references import Reference, check, parse, resolve
from lakeflow.jobs.settings.scope import (
    CurrentTask,
    FinishedTask,
    Scope,
    TableUpdate,
    Trigger,
    as_text,
    milliseconds,
)

SATURDAY = datetime(2026, 2, 7, 23, 5, 9, 123456, UTC)
SCOPE = Scope(
    job_id=7,
    job_name="nightly",
    job_run_id=70,
    start_time=SATURDAY,
    repair_count=2,
    trigger=Trigger(
        "FILE_ARRIVAL",
        SATURDAY - timedelta(days=1),
        "/landing",
        ["a.csv", "b.csv"],
        {"main.shop.orders": TableUpdate(12, SATURDAY)},
    ),
    parameters={"day": "2026-02-07", "a b": "c"},
    task=CurrentTask("report", 71, 3, "report.ipynb"),
    tasks={
        "load": FinishedTask(
            72,
            Result.SUCCESS,
            execution_count=4,
            notebook_path="load.ipynb",
            values={"count": 12, "ok": True, "names": ["ä", "b"], "nothing": None, "text": "1.0"},
            rows=[{"id": 1, "total amount": "2.50"}, {"id": 2, "total amount": None}],
        ),
        "wrong": FinishedTask(73, Result.FAILED, "RUN_EXECUTION_ERROR", rows=[]),
        "watch": FinishedTask(74, Result.SUCCESS, alert_state="TRIGGERED"),
    },
    input={"shop": {"name": "north", "id": 5}, "a.b": "dotted"},
    backfill=datetime(2025, 12, 31, 1, 2, 3, tzinfo=UTC),
    workspace_id=9,
    workspace_url="http://127.0.0.1:8080",
)

VALUES = {
    "job.id": [("job.id", "7")],
    "job.name": [("job.name", "nightly")],
    "job.run_id": [("job.run_id", "70")],
    "job.repair_count": [("job.repair_count", "2")],
    "job.start_time.<time>": [
        ("job.start_time.iso_date", "2026-02-07"),
        ("job.start_time.iso_datetime", "2026-02-07T23:05:09Z"),
        ("job.start_time.iso_weekday", "6"),
        ("job.start_time.is_weekday", "false"),
        ("job.start_time.year", "2026"),
        ("job.start_time.month", "2"),
        ("job.start_time.day", "7"),
        ("job.start_time.hour", "23"),
        ("job.start_time.minute", "5"),
        ("job.start_time.second", "9"),
        ("job.start_time.timestamp_ms", "1770505509123"),
        ("job.start_time.[iso_date]", "2026-02-07"),
    ],
    "job.trigger.time.<time>": [
        ("job.trigger.time.iso_date", "2026-02-06"),
        ("job.trigger.time.is_weekday", "true"),
    ],
    "job.trigger.type": [("job.trigger.type", "file_arrival")],
    "job.trigger.file_arrival.location": [("job.trigger.file_arrival.location", "/landing")],
    "job.trigger.file_arrival.files": [("job.trigger.file_arrival.files", '["a.csv","b.csv"]')],
    "job.trigger.table_update.updated_tables": [
        ("job.trigger.table_update.updated_tables", '["main.shop.orders"]')
    ],
    "job.trigger.table_update.<table>.version": [
        ("job.trigger.table_update.main.shop.orders.version", "12"),
        ("job.trigger.table_update.`main.shop.Orders`.version", "12"),
        ("job.trigger.table_update.main.shop.other.version", ""),
    ],
    "job.trigger.table_update.<table>.commit_timestamp.<time>": [
        ("job.trigger.table_update.main.shop.orders.commit_timestamp.hour", "23"),
        ("job.trigger.table_update.main.shop.other.commit_timestamp.hour", ""),
    ],
    "job.parameters.<parameter>": [
        ("job.parameters.day", "2026-02-07"),
        ("job.parameters.`a b`", "c"),
    ],
    "task.name": [("task.name", "report")],
    "task.run_id": [("task.run_id", "71")],
    "task.execution_count": [("task.execution_count", "3")],
    "task.notebook_path": [("task.notebook_path", "report.ipynb")],
    "tasks.<task>.run_id": [("tasks.load.run_id", "72")],
    "tasks.<task>.result_state": [
        ("tasks.load.result_state", "success"),
        ("tasks.wrong.result_state", "failed"),
    ],
    "tasks.<task>.error_code": [
        ("tasks.load.error_code", ""),
        ("tasks.wrong.error_code", "RunExecutionError"),
    ],
    "tasks.<task>.execution_count": [("tasks.load.execution_count", "4")],
    "tasks.<task>.notebook_path": [("tasks.load.notebook_path", "load.ipynb")],
    "tasks.<task>.values.<key>": [
        ("tasks.load.values.count", "12"),
        ("tasks.load.values.ok", "true"),
        ("tasks.load.values.names", '["ä","b"]'),
        ("tasks.load.values.nothing", "null"),
        ("tasks.load.values.text", "1.0"),
    ],
    "tasks.<task>.output.rows": [
        (
            "tasks.load.output.rows",
            '[{"id":1,"total amount":"2.50"},{"id":2,"total amount":null}]',
        ),
        ("tasks.wrong.output.rows", "[]"),
    ],
    "tasks.<task>.output.first_row": [
        ("tasks.load.output.first_row", '{"id":1,"total amount":"2.50"}')
    ],
    "tasks.<task>.output.first_row.<column>": [
        ("tasks.load.output.first_row.id", "1"),
        ("tasks.load.output.first_row.`total amount`", "2.50"),
    ],
    "tasks.<task>.output.alert_state": [("tasks.watch.output.alert_state", "TRIGGERED")],
    "input": [("input", '{"shop":{"name":"north","id":5},"a.b":"dotted"}')],
    "input.<field>": [
        ("input.shop", '{"name":"north","id":5}'),
        ("input.shop.name", "north"),
        ("input.shop.id", "5"),
        ("input.`a.b`", "dotted"),
    ],
    "backfill.<time>": [
        ("backfill.iso_date", "2025-12-31"),
        ("backfill.iso_datetime", "2025-12-31T01:02:03Z"),
        ("backfill.timestamp_ms", "1767142923000"),
        ("backfill.year", "2025"),
        ("backfill.month", "12"),
        ("backfill.day", "31"),
    ],
    "workspace.id": [("workspace.id", "9")],
    "workspace.url": [("workspace.url", "http://127.0.0.1:8080")],
    "job_id": [("job_id", "7")],
    "run_id": [("run_id", "71")],
    "parent_run_id": [("parent_run_id", "70")],
    "task_key": [("task_key", "report")],
    "task_retry_count": [("task_retry_count", "2")],
    "start_date": [("start_date", "2026-02-07")],
    "start_time": [("start_time", "1770505509123")],
}
"""What each reference of the table gives in the scope above."""


def test_the_table_of_expected_values_is_that_of_the_references():
    assert list(VALUES) == [known.spelling for known in KNOWN]
    written = [path.rpartition(".")[2] for path, _ in VALUES["job.start_time.<time>"]]
    assert written[:-1] == list(TIME_ARGUMENTS)


@pytest.mark.parametrize(("path", "value"), [pair for pairs in VALUES.values() for pair in pairs])
def test_what_each_gives(path, value):
    assert resolve(f"{{{{{path}}}}}", SCOPE) == value
    assert resolve(f"<{{{{ {path} }}}}>", SCOPE) == f"<{value}>"


def test_references_inside_of_texts_lists_and_mappings_but_not_in_keys():
    settings = {
        "{{job.id}}": ["a{{job.id}}b{{job.run_id}}", 1, None, True, {"x": "{{input.shop.id}}"}]
    }
    assert resolve(settings, SCOPE) == {"{{job.id}}": ["a7b70", 1, None, True, {"x": "5"}]}


@pytest.mark.parametrize(
    "text",
    [
        "{{my.value}",
        "{job.id}",
        "{{}}",
        "{{ }}",
        "{{job..id}}",
        "{{job.id.}}",
        "{{job id}}",
        "{{job.parameters.a-b}}",
        "{{job.parameters.``}}",
        "{{tasks.`load.values.count}}",
        "{{jobs.id}}",
        "{{var('x')}}",
        "{{other}}",
        "{% job.id %}",
        "{{job.id\n}}",
        "${{jobs}}",
    ],
)
def test_what_is_malformed_or_begins_with_an_unknown_word_stays_text(text):
    assert resolve(text, SCOPE) == text
    assert check({"tasks": [{"task_key": "a", "x_task": {"y": text}}]}) == []


def test_braces_around_a_reference_stay():
    assert resolve('{"a":{{job.id}}} {{{job.id}}} {{a{{job.id}}', SCOPE) == '{"a":7} {7} {{a7'


def test_what_a_value_holds_is_not_resolved_again():
    scope = Scope(1, "{{job.id}}", 2, SATURDAY)
    assert resolve("{{job.name}}", scope) == "{{job.id}}"


def test_other_time_zones_are_told_in_utc():
    scope = Scope(1, "a", 2, SATURDAY.astimezone(timezone(timedelta(hours=9))))
    assert resolve("{{job.start_time.iso_date}} {{start_date}}", scope) == "2026-02-07 2026-02-07"


def test_a_run_without_a_due_time_and_without_events():
    scope = Scope(1, "a", 2, SATURDAY)
    said = (
        "{{job.trigger.type}} {{job.trigger.time.iso_date}} {{job.trigger.file_arrival.location}}"
    )
    assert resolve(said, scope) == "one_time 2026-02-07 "
    assert resolve("{{job.trigger.table_update.updated_tables}}", scope) == "[]"


def test_milliseconds_are_exact():
    instant = datetime(2026, 1, 1, 0, 0, 0, 999000, UTC)
    assert milliseconds(instant) == 1767225600999
    assert milliseconds(datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)) == -1000


def test_parse_gives_texts_and_references_and_prints_back():
    assert parse("a {{ job.`x y` }} b") == ("a ", Reference.to("job", "x y"), " b")
    assert "".join(map(str, parse("a {{ job.`x y` }} b"))) == "a {{ job.`x y` }} b"
    assert parse("") == ()
    assert parse(str(Reference.to("job", "back`tick", "1"))) == (
        Reference.to("job", "back`tick", "1"),
    )


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("{{tasks.load.values.coutn}}", "task 'load' has set no value 'coutn'.", "'count'"),
        ("{{tasks.load.values.zzz}}", "has set no value", "taskValues.set('zzz', ...)"),
        ("{{tasks.other.run_id}}", "task 'other' has not run.", "depend on it"),
        ("{{tasks.wrong.output.first_row}}", "the query of task 'wrong' gave no rows.", ""),
        ("{{tasks.watch.output.rows}}", "task 'watch' has left no rows.", "Only queries"),
        ("{{tasks.load.output.first_row.idd}}", "no column 'idd'", "'id'"),
        ("{{tasks.load.output.alert_state}}", "task 'load' is no alert.", ""),
        ("{{tasks.watch.notebook_path}}", "the task runs no notebook.", ""),
        ("{{job.parameters.dya}}", "the job has no parameter 'dya'.", "'day'"),
        ("{{input.shop.nam}}", "the input has no field 'nam'.", "'name'"),
        ("{{input.shop.id.x}}", "the input has no field 'x': it is 5.", ""),
    ],
)
def test_a_value_that_is_not_there_is_told_with_its_reference(text, message, hint):
    with pytest.raises(MissingValue) as caught:
        resolve(f"x{text}", SCOPE)
    assert caught.value.message.startswith(f"{text}: ")
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize("text", ["{{task.name}}", "{{run_id}}", "{{input}}", "{{backfill.day}}"])
def test_what_a_run_alone_does_not_have(text):
    with pytest.raises(MissingValue, match=r"\{\{"):
        resolve(text, Scope(1, "a", 2, SATURDAY))


def test_an_unknown_name_in_a_known_namespace_is_an_error_when_it_is_resolved():
    with pytest.raises(ConfigurationError, match=r"no reference \{\{job.naem\}\}") as caught:
        resolve("{{job.naem}}", SCOPE)
    assert caught.value.hint == "Did you mean 'job.name'?"


def task(key, *before, **fields):
    return {"task_key": key, "depends_on": [{"task_key": each} for each in before], **fields}


def text_task(key, text, *before):
    return task(key, *before, notebook_task={"base_parameters": {"x": [text]}})


@pytest.mark.parametrize(
    ("reference", "message", "hint"),
    [
        ("job.naem", "There is no reference {{job.naem}}.", "Did you mean 'job.name'?"),
        ("job", "There is no reference {{job}}.", "Did you mean 'job.id'?"),
        (
            "job.start_time.iso_dat",
            "There is no reference {{job.start_time.iso_dat}}.",
            "Did you mean 'job.start_time.iso_date'?",
        ),
        (
            "tasks.a.value.count",
            "There is no reference {{tasks.a.value.count}}.",
            "Did you mean 'tasks.a.values.count'?",
        ),
        (
            "job.parameters.dya",
            "{{job.parameters.dya}}: the job has no parameter 'dya'.",
            "Did you mean 'day'?",
        ),
        (
            "job.parameters.zzzzz",
            "{{job.parameters.zzzzz}}: the job has no parameter 'zzzzz'.",
            "Declare it in the job's parameters.",
        ),
        ("tasks.aa.run_id", "{{tasks.aa.run_id}}: the job has no task 'aa'.", "Did you mean 'a'?"),
        (
            "tasks.later.run_id",
            "{{tasks.later.run_id}}: task 'later' need not have run before this one.",
            "Add 'later' to depends_on.",
        ),
        (
            "tasks.c.run_id",
            "{{tasks.c.run_id}}: task 'c' need not have run before this one.",
            "Add 'c' to depends_on.",
        ),
        (
            "input",
            "{{input}} has no value here.",
            "There is an input in the task of a for-each task only.",
        ),
    ],
)
def test_check_names_the_field_and_the_way_out(reference, message, hint):
    settings = {
        "parameters": [{"name": "day", "default": "{{job.start_time.iso_date}}"}],
        "tasks": [
            task("a"),
            task("b", "a"),
            text_task("c", f"x {{{{{reference}}}}}", "b"),
            task("later", "c"),
        ],
    }
    (error,) = check(settings)
    assert error.message == f"tasks[c].notebook_task.base_parameters.x[0]: {message}"
    assert error.hint == hint


def test_check_lets_pass_what_is_right():
    inner = text_task("inner", "{{input.x}} {{task.run_id}} {{tasks.a.values.anything}}")
    settings = {
        "description": "{{job.naem}}",
        "parameters": [{"name": "day", "default": "{{backfill.iso_date}}"}],
        "tasks": [
            text_task("a", "{{job.parameters.day}} {{run_id}}"),
            text_task("b", "{{tasks.a.output.first_row.x}}", "a"),
            task("c", "b", for_each_task={"inputs": "{{tasks.a.output.rows}}", "task": inner}),
            {"task_key": "{{job.naem}}", "description": "{{job.naem}}"},
        ],
    }
    assert check(settings) == []


def test_check_tells_all_errors_and_looks_into_for_each_tasks():
    inner = text_task("inner", "{{inputs}} {{input}} {{tasks.inner.run_id}}")
    settings = {
        "parameters": [
            {"name": "a", "default": "{{job.parameters.b}}"},
            {"name": "b", "default": "{{task.run_id}} {{tasks.x.run_id}}"},
        ],
        "tasks": [
            task("x", "y", for_each_task={"inputs": "{{input}}", "task": inner}),
            task("y", "x", condition_task={"op": "EQUAL_TO", "left": "{{job.x}}", "right": "1"}),
        ],
    }
    assert [error.message.partition(": ")[0] for error in check(settings)] == [
        "parameters[a]",
        "parameters[b]",
        "parameters[b]",
        "tasks[x].for_each_task.inputs",
        "tasks[x].for_each_task.task.notebook_task.base_parameters.x[0]",
        "tasks[y].condition_task.left",
    ]


@pytest.mark.parametrize("settings", [{}, {"tasks": None}, {"tasks": [1]}, {"parameters": "x"}])
def test_check_of_settings_that_are_no_job_finds_nothing(settings):
    assert check(settings) == []


def test_how_values_become_text():
    assert [as_text(value) for value in ("1.0", 1.0, 2**70, False, None, {"ü": []})] == [
        "1.0",
        "1.0",
        str(2**70),
        "false",
        "null",
        '{"ü":[]}',
    ]


@pytest.mark.parametrize(
    "text",
    ["{{tasks.my-task.run_id}}", "{{ job.id }", "a {{job.start time.day}} b", "{{input.x y}}"],
)
def test_what_nearly_is_a_reference_is_wrong_where_nobody_else_wrote_it(text):
    settings = {"tasks": [text_task("a", text)]}
    assert check(settings) == []
    (error,) = check(settings, strict=True)
    assert "is no reference and would stay as it is" in error.message
    assert "back-ticks" in error.hint
    assert len(check({"parameters": [{"name": "p", "default": text}]}, strict=True)) == 1


@pytest.mark.parametrize("text", ["{{jobs.id}}", "{{ var('x') }}", "{{x-y}}", "{job.id}", "job.id"])
def test_what_begins_otherwise_is_nobodys_reference(text):
    assert check({"tasks": [text_task("a", text)]}, strict=True) == []
