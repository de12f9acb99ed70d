"""What Python declares is the JSON that somebody would write by hand."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import get_type_hints

import pytest

from lakeflow import jobs
from lakeflow.core.errors import ConfigurationError
from lakeflow.jobs.model import RunIf
from lakeflow.jobs.python.actions import _OPERATORS
from lakeflow.jobs.python.declarations import declarations
from lakeflow.jobs.python.options import (
    EmailNotifications,
    HealthRule,
    JobOptions,
    RunIfName,
    TaskOptions,
    WebhookNotifications,
)
from lakeflow.jobs.settings.conditions import OPERATORS
from lakeflow.jobs.settings.fields import ELSEWHERE, OBJECTS, TASK_TYPES
from lakeflow.jobs.settings.notices import EVENTS, METRICS
from lakeflow.jobs.settings.reading import read_job


def greet(day, shop="north"):
    return f"{day} {shop}"


def through_json(value):
    return json.loads(json.dumps(value))


ACTIONS = [
    (jobs.pipeline("p"), "pipeline_task", {"pipeline_id": "p"}),
    (
        jobs.pipeline("p", full_refresh=True, parameters={"a": 1}),
        "pipeline_task",
        {"pipeline_id": "p", "full_refresh": True, "parameters": {"a": "1"}},
    ),
    (
        jobs.pipeline("p", full_refresh=["a"]),
        "pipeline_task",
        {"pipeline_id": "p", "full_refresh_selection": ["a"]},
    ),
    (
        jobs.sql("q.sql", parameters={"ok": True}),
        "sql_task",
        {"warehouse_id": "local", "file": {"path": "q.sql"}, "parameters": {"ok": "true"}},
    ),
    (
        jobs.sql(statement="SELECT 1"),
        "sql_task",
        {"warehouse_id": "local", "statement": "SELECT 1"},
    ),
    (jobs.notebook("n.ipynb"), "notebook_task", {"notebook_path": "n.ipynb"}),
    (
        jobs.notebook("n", parameters={"x": "{{job.id}}"}),
        "notebook_task",
        {"notebook_path": "n", "base_parameters": {"x": "{{job.id}}"}},
    ),
    (jobs.script("s.py"), "spark_python_task", {"python_file": "s.py"}),
    (
        jobs.script("s.py", "--n", 2.5),
        "spark_python_task",
        {"python_file": "s.py", "parameters": ["--n", "2.5"]},
    ),
    (
        jobs.wheel("p", "main", "a"),
        "python_wheel_task",
        {"package_name": "p", "entry_point": "main", "parameters": ["a"]},
    ),
    (
        jobs.wheel("p", "main", parameters={"n": 2}),
        "python_wheel_task",
        {"package_name": "p", "entry_point": "main", "named_parameters": {"n": "2"}},
    ),
    (
        jobs.function(greet, day="monday"),
        "python_operator_task",
        {"main": f"{__name__}.greet", "parameters": [{"name": "day", "value": "monday"}]},
    ),
    (
        jobs.dbt("dbt deps", "dbt run", project="d", schema="s"),
        "dbt_task",
        {"commands": ["dbt deps", "dbt run"], "project_directory": "d", "schema": "s"},
    ),
    (
        jobs.jar("org.Main", "a"),
        "spark_jar_task",
        {"main_class_name": "org.Main", "parameters": ["a"]},
    ),
    (
        jobs.run_job("other", parameters={"a": "b"}),
        "run_job_task",
        {"job_id": "other", "job_parameters": {"a": "b"}},
    ),
    (
        jobs.condition("{{job.id}}", ">=", 5),
        "condition_task",
        {"op": "GREATER_THAN_OR_EQUAL", "left": "{{job.id}}", "right": "5"},
    ),
    (
        jobs.for_each(["a", {"b": "ü"}], jobs.task("i", jobs.script("s.py")), concurrency=3),
        "for_each_task",
        {
            "inputs": '["a", {"b": "ü"}]',
            "concurrency": 3,
            "task": {"task_key": "i", "spark_python_task": {"python_file": "s.py"}},
        },
    ),
    (jobs.other("power_bi_task", {"tables": []}), "power_bi_task", {"tables": []}),
    (
        jobs.alert("late.sql", parameters={"n": 1}),
        "alert_task",
        {"workspace_path": "late.sql", "parameters": {"n": "1"}},
    ),
    (jobs.shell("ls $1", "a"), "shell_task", {"command": "ls $1", "parameters": ["a"]}),
    (jobs.shell(["ls", "-l"]), "shell_task", {"command": ["ls", "-l"]}),
    (jobs.scala("s.scala", 1), "scala_task", {"file": "s.scala", "parameters": ["1"]}),
    (jobs.r("s.R"), "r_task", {"file": "s.R"}),
]


@pytest.mark.parametrize(("action", "type_", "settings"), ACTIONS)
def test_actions(action, type_, settings):
    declared = jobs.task("t", action)
    assert through_json(declared.settings) == {"task_key": "t", type_: settings}
    assert read_job({"tasks": [declared.settings]}, strict=True).warnings == ()


def test_every_type_of_task_has_a_case():
    assert {type_ for _, type_, _ in ACTIONS} == {*TASK_TYPES, "power_bi_task"}


SAID_OTHERWISE = {
    "task": {"task_key", "depends_on", *TASK_TYPES, *ELSEWHERE},
    "job": {"name", "tasks", "parameters", "schedule", "trigger", "continuous", "triggers"},
}
LEFT_OUT = {
    "task": {"compute"},
    "job": {"access_control_list", "deployment", "duration_target", "edit_mode", "format"},
}


@pytest.mark.parametrize(("of", "options"), [("task", TaskOptions), ("job", JobOptions)])
def test_options_are_the_fields_of_the_api(of, options):
    fields = {field.name for field in OBJECTS[of]}
    assert set(get_type_hints(options)) == fields - SAID_OTHERWISE[of] - LEFT_OUT[of]


TRIGGERS = [
    (
        jobs.cron("0 0 2 * * ?", "Europe/Berlin"),
        {"schedule": {"quartz_cron_expression": "0 0 2 * * ?", "timezone_id": "Europe/Berlin"}},
    ),
    (
        jobs.cron("0 0 2 * * ?", paused=True),
        {
            "schedule": {
                "quartz_cron_expression": "0 0 2 * * ?",
                "timezone_id": "UTC",
                "pause_status": "PAUSED",
            }
        },
    ),
    (jobs.every(5, "HOURS"), {"trigger": {"periodic": {"interval": 5, "unit": "HOURS"}}}),
    (
        jobs.files("landing", quiet_seconds=60, apart_seconds=90, paused=True),
        {
            "trigger": {
                "file_arrival": {
                    "url": "landing",
                    "wait_after_last_change_seconds": 60,
                    "min_time_between_triggers_seconds": 90,
                },
                "pause_status": "PAUSED",
            }
        },
    ),
    (
        jobs.tables("a.b", "c", condition="ALL_UPDATED"),
        {"trigger": {"table_update": {"table_names": ["a.b", "c"], "condition": "ALL_UPDATED"}}},
    ),
    (jobs.continuous(), {"continuous": {"task_retry_mode": "NEVER"}}),
    (
        [jobs.cron("0 0 2 * * ?"), jobs.files("landing", paused=True)],
        {
            "triggers": [
                {"schedule": {"quartz_cron_expression": "0 0 2 * * ?", "timezone_id": "UTC"}},
                {"file_arrival": {"url": "landing"}, "pause_status": "PAUSED"},
            ]
        },
    ),
    ([], {}),
]


@pytest.mark.parametrize(("trigger", "expected"), TRIGGERS)
def test_triggers(trigger, expected):
    settings = through_json(jobs.job("j", tasks=[], trigger=trigger).settings)
    assert settings == {"name": "j", **expected, "tasks": []}


def nightly():
    load = jobs.task("load", jobs.pipeline("shop"), max_retries=2)
    count = jobs.task("count", jobs.sql("count.sql"), after=load)
    enough = jobs.task("enough", jobs.condition(count.first_row("n"), ">", 0), after="count")
    each = jobs.task(
        "each",
        jobs.for_each(count.rows, jobs.task("one", jobs.script("one.py", "{{input.shop}}"))),
        after=enough.when(True),
    )
    alarm = jobs.task(
        "alarm",
        jobs.script("alarm.py", load.value("row count"), load.result),
        after=[enough.when(False), load],
        run_if="AT_LEAST_ONE_SUCCESS",
    )
    return jobs.job(
        "nightly",
        tasks=[load, count, enough, each, alarm],
        trigger=jobs.cron("0 0 2 * * ?"),
        parameters={"day": "{{job.start_time.iso_date}}", "limit": 5},
        tags={"team": "sales"},
        email_notifications={"on_failure": ["a@x"]},
        health={"rules": [{"metric": "RUN_DURATION_SECONDS", "op": "GREATER_THAN", "value": 60}]},
    )


BY_HAND = """{
  "name": "nightly",
  "tags": {"team": "sales"},
  "email_notifications": {"on_failure": ["a@x"]},
  "health": {"rules": [{"metric": "RUN_DURATION_SECONDS", "op": "GREATER_THAN", "value": 60}]},
  "parameters": [
    {"name": "day", "default": "{{job.start_time.iso_date}}"},
    {"name": "limit", "default": "5"}
  ],
  "schedule": {"quartz_cron_expression": "0 0 2 * * ?", "timezone_id": "UTC"},
  "tasks": [
    {"task_key": "load", "max_retries": 2, "pipeline_task": {"pipeline_id": "shop"}},
    {
      "task_key": "count",
      "depends_on": [{"task_key": "load"}],
      "sql_task": {"warehouse_id": "local", "file": {"path": "count.sql"}}
    },
    {
      "task_key": "enough",
      "depends_on": [{"task_key": "count"}],
      "condition_task": {
        "op": "GREATER_THAN", "left": "{{tasks.count.output.first_row.n}}", "right": "0"
      }
    },
    {
      "task_key": "each",
      "depends_on": [{"task_key": "enough", "outcome": "true"}],
      "for_each_task": {
        "inputs": "{{tasks.count.output.rows}}",
        "concurrency": 1,
        "task": {
          "task_key": "one",
          "spark_python_task": {"python_file": "one.py", "parameters": ["{{input.shop}}"]}
        }
      }
    },
    {
      "task_key": "alarm",
      "depends_on": [{"task_key": "enough", "outcome": "false"}, {"task_key": "load"}],
      "run_if": "AT_LEAST_ONE_SUCCESS",
      "spark_python_task": {
        "python_file": "alarm.py",
        "parameters": ["{{tasks.load.values.`row count`}}", "{{tasks.load.result_state}}"]
      }
    }
  ]
}"""


def test_a_whole_job_is_what_is_written_by_hand():
    assert through_json(nightly().settings) == json.loads(BY_HAND)


def test_every_declaration_knows_its_place():
    declared = jobs.task("a", jobs.script("a.py"))
    job = jobs.job("j", tasks=[declared])
    line = test_every_declaration_knows_its_place.__code__.co_firstlineno
    assert [str(each.location) for each in (declared, job)] == [
        f"{__file__}:{line + 1}",
        f"{__file__}:{line + 2}",
    ]


def wrong_job(*tasks, **options):
    return jobs.job("j", tasks=tasks, **options)


def some_task(key="a", **options):
    return jobs.task(key, jobs.script("a.py"), **options)


@pytest.mark.parametrize(
    ("declare", "message", "hint"),
    [
        (
            lambda: wrong_job(trigger=jobs.cron("0 0 25 * * ?")),
            "schedule.quartz_cron_expression",
            "",
        ),
        (
            lambda: wrong_job(trigger=jobs.cron("0 0 2 * * ?", "Europe/Belrin")),
            "Europe/Belrin",
            "Europe/Berlin",
        ),
        (lambda: wrong_job(trigger=[jobs.files("a", quiet_seconds=5)]), "wait_after", "60"),
        (lambda: some_task(max_retires=2), "A task has no option 'max_retires'.", "'max_retries'"),
        (lambda: some_task(zzz=2), "A task has no option 'zzz'.", "It has description, "),
        (lambda: wrong_job(tasg={}), "A job has no option 'tasg'.", "'tags'"),
        (lambda: wrong_job(some_task(), some_task()), "Two tasks are named 'a'.", ""),
        (
            lambda: wrong_job(some_task("load"), some_task("b", after="laod")),
            "There is no task 'laod'.",
            "Did you mean 'load'?",
        ),
        (
            lambda: wrong_job(some_task("b", after=some_task("zzz"))),
            "There is no task 'zzz'.",
            "Tasks are b.",
        ),
        (
            lambda: wrong_job(jobs.task("a", jobs.script("{{job.naem}}"))),
            "tasks[a].spark_python_task.python_file: There is no reference {{job.naem}}.",
            "Did you mean 'job.name'?",
        ),
        (
            lambda: wrong_job(parameters={"x": "{{job.naem}}"}),
            "parameters[x]: There is no reference",
            "'job.name'",
        ),
        (
            lambda: wrong_job(email_notifications={"on_failur": []}),
            "on_failur is not a field of emails.",
            "'on_failure'",
        ),
        (lambda: jobs.condition("a", "=", "b"), "cannot compare by '='", "It can by ==, !="),
        (lambda: jobs.wheel("p", "m", "a", parameters={"b": "c"}), "arguments or parameters", ""),
        (lambda: jobs.function(greet, dya="a", day="b"), "greet has no parameter 'dya'.", "'day'"),
        (lambda: jobs.function(greet), "greet needs a value for 'day'.", "function(...)"),
        (lambda: jobs.function(lambda: 1), "cannot be imported", "top of a file"),
        (
            lambda: jobs.for_each([], some_task("in", after="a")),
            "Task 'in' is repeated and cannot come after another one.",
            "Give `after` to the for-each task.",
        ),
        (
            lambda: wrong_job(
                jobs.task("a", jobs.for_each([], jobs.task("b", jobs.for_each([], some_task()))))
            ),
            "A for-each has no for-each within it.",
            "",
        ),
        (
            lambda: wrong_job(some_task("a", after="b"), some_task("b", after="a")),
            "Tasks wait for each other: a -> b -> a.",
            "",
        ),
        (lambda: wrong_job(some_task(max_retries=-2)), "It is at least -1, not -2.", ""),
        (lambda: jobs.sql(), "An SQL task has a file or a statement.", "sql("),
        (lambda: jobs.sql("a.sql", statement="SELECT 1"), "has a file or a statement.", ""),
    ],
)
def test_what_is_wrong_is_told_with_its_line_and_the_way_out(declare, message, hint):
    with pytest.raises(ConfigurationError) as caught:
        declare()
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")
    assert caught.value.location.file == __file__


def test_errors_of_a_task_stand_at_the_task():
    with declarations() as found:
        right = some_task("a")
        wrong = jobs.task("b", jobs.script("x", right.result, "{{tasks.zz.run_id}}"))
        jobs.job("j", tasks=[right, wrong], parameters={"p": "{{input}}"})
    assert [error.location for error in found.errors] == [
        found.jobs[0].location,
        wrong.location,
        wrong.location,
    ]


def test_a_function_of_the_program_itself_cannot_be_imported(monkeypatch):
    monkeypatch.setattr(greet, "__module__", "__main__")
    with pytest.raises(ConfigurationError, match="in the file that is being run"):
        jobs.function(greet, day="a")


def test_a_function_with_any_names_takes_any():
    assert jobs.function(print_all, a=1).settings["parameters"] == [{"name": "a", "value": "1"}]


def print_all(**names): ...


def test_the_typed_words_are_those_of_the_api():
    assert set(_OPERATORS.values()) == set(OPERATORS)
    assert set(RunIfName.__args__) == set(RunIf)
    assert set(WebhookNotifications.__annotations__) == set(EVENTS)
    assert set(EmailNotifications.__annotations__) == {*EVENTS, "no_alert_for_skipped_runs"}
    hints = HealthRule.__annotations__["metric"].__forward_arg__
    assert [metric for metric in METRICS if metric not in hints] == []


def test_unknown_names_of_the_package_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'pipelnie'"):
        jobs.pipelnie  # noqa: B018
    assert {*TaskOptions.__annotations__, *JobOptions.__annotations__}.isdisjoint(jobs.__all__)


TYPED = """\
from lakeflow import jobs

load = jobs.task("load", jobs.pipeline("shop"), max_retries=2, run_if="ALL_DONE")
gate = jobs.task("gate", jobs.condition(load.value("n"), ">", 0), after=load)
both = jobs.task("both", jobs.script("a.py", 1), after=[load, "x", gate.when(True)])
jobs.job("n", tasks=[load, gate], trigger=[jobs.cron("0 0 2 * * ?"), jobs.every(5, "HOURS")])
jobs.task("load", jobs.pipeline("shop"), max_retires=2)  # wrong
jobs.task("load", jobs.pipeline("shop"), max_retries="2")  # wrong
jobs.task("load", "pipeline")  # wrong
jobs.task("load", jobs.pipeline("shop"), run_if="ALL_DOEN")  # wrong
jobs.condition("a", "=", "b")  # wrong
jobs.every(5, "YEARS")  # wrong
jobs.job("n", tasks=[1])  # wrong
jobs.job("n", tasks=[], email_notifications={"on_failur": ["a@x"]})  # wrong
jobs.pipelnie("shop")  # wrong
"""


def test_a_type_checker_sees_what_is_wrong(tmp_path, root_of_project):
    file = tmp_path / "typed.py"
    file.write_text(TYPED)
    command = ["-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), str(file)]
    done = subprocess.run(
        [sys.executable, *command], cwd=root_of_project, capture_output=True, text=True, check=False
    )
    told = {int(number) for number in re.findall(r"typed\.py:(\d+): error", done.stdout)}
    lines = TYPED.splitlines()
    assert told == {n for n, line in enumerate(lines, 1) if line.endswith("# wrong")}, done.stdout


@pytest.fixture
def root_of_project():
    return Path(__file__).parents[3]
