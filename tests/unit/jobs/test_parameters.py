"""Whose value wins, which tasks get it, and what a run-now request may say."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest

from lakeflow.core.errors import ConfigurationError
from lakeflow.jobs.model import Work
from lakeflow.jobs.settings.parameters import (
    LEGACY,
    MOST_LEGACY_BYTES,
    PUSHED,
    RunParameters,
    for_child,
    for_run,
    for_task,
    pushed_down,
)
from lakeflow.jobs.settings.scope import CurrentTask, Scope

SCOPE = Scope(
    7,
    "nightly",
    70,
    datetime(2026, 1, 1, tzinfo=UTC),
    parameters={"x": "job"},
    task=CurrentTask("t", 71),
)


@pytest.mark.parametrize("task_type", PUSHED)
def test_a_value_given_at_run_now_beats_the_default_and_both_beat_the_task(task_type):
    """Every combination of places where a value may stand, against the order in words."""
    for default, asked, own in itertools.product([None, "default"], [None, "asked"], [None, "own"]):
        declared = {"x": default} if default else {}
        run = for_run(declared, {"job_parameters": {"x": asked} if asked and default else {}})
        work = Work(task_type, {PUSHED[task_type]: {"x": own, "y": "y"} if own else {}})
        found = for_task(work, run, SCOPE)[PUSHED[task_type]]
        first = [each for each in ((asked if default else None), default, own) if each][:1]
        if task_type != "run_job_task":  # its child says which names go down
            assert found.get("x") == (first[0] if first else None)
        assert found.get("y") == ("y" if own else None)


@pytest.mark.parametrize(
    ("task_type", "settings"),
    [
        ("spark_python_task", {"python_file": "a.py", "parameters": ["a"]}),
        ("spark_jar_task", {"parameters": ["a"]}),
        ("python_wheel_task", {"parameters": ["a"]}),
        ("python_wheel_task", {"package_name": "p"}),
        ("python_operator_task", {"main": "a.b"}),
        ("dbt_task", {"commands": ["dbt run"]}),
        ("unheard_of_task", {}),
    ],
)
def test_lists_of_arguments_get_nothing_pushed(task_type, settings):
    run = for_run({"x": "job"}, {})
    assert for_task(Work(task_type, settings), run, SCOPE) == settings
    assert pushed_down(task_type, settings, run.values) == {}


def test_lists_get_what_they_refer_to():
    work = Work("spark_python_task", {"parameters": ["--x", "{{job.parameters.x}}"]})
    assert for_task(work, for_run({"x": "job"}, {}), SCOPE)["parameters"] == ["--x", "job"]


def test_what_is_pushed_is_not_resolved_again():
    run = RunParameters({"x": "{{job.id}}"})
    found = for_task(Work("notebook_task", {"base_parameters": {"y": "{{job.id}}"}}), run, SCOPE)
    assert found["base_parameters"] == {"x": "{{job.id}}", "y": "7"}
    assert for_task(Work("notebook_task", {}), run, SCOPE) == {"base_parameters": run.values}


LEGACY_CASES = {
    "notebook_params": (
        {"a": "1"},
        [
            (
                "notebook_task",
                {"base_parameters": {"a": "0", "b": "0"}},
                {"base_parameters": {"a": "1", "b": "0"}},
            )
        ],
    ),
    "jar_params": (["1"], [("spark_jar_task", {"parameters": ["0", "0"]}, {"parameters": ["1"]})]),
    "python_params": (
        ["1"],
        [
            ("spark_python_task", {"parameters": ["0"]}, {"parameters": ["1"]}),
            ("python_wheel_task", {"parameters": ["0"]}, {"parameters": ["1"]}),
            (
                "python_wheel_task",
                {"named_parameters": {"a": "0"}},
                {"named_parameters": {"a": "0"}},
            ),
        ],
    ),
    "python_named_params": (
        {"a": "1"},
        [
            (
                "python_wheel_task",
                {"named_parameters": {"b": "0"}},
                {"named_parameters": {"a": "1", "b": "0"}},
            ),
            ("python_wheel_task", {"parameters": ["0"]}, {"parameters": ["0"]}),
        ],
    ),
    "sql_params": ({"a": "1"}, [("sql_task", {}, {"parameters": {"a": "1"}})]),
    "dbt_commands": (
        ["dbt seed"],
        [("dbt_task", {"commands": ["dbt run"]}, {"commands": ["dbt seed"]})],
    ),
    "spark_submit_params": (["1"], [("spark_submit_task", {}, {"parameters": ["1"]})]),
    "pipeline_params": (
        {"full_refresh": True},
        [("pipeline_task", {"pipeline_id": "p"}, {"pipeline_id": "p", "full_refresh": True})],
    ),
}


def test_every_older_field_has_a_case():
    assert LEGACY_CASES.keys() == LEGACY.keys()


@pytest.mark.parametrize("name", LEGACY)
def test_older_fields_go_to_their_tasks_and_to_no_others(name):
    value, cases = LEGACY_CASES[name]
    run = for_run({}, {name: value})
    assert run == RunParameters({}, {name: value})
    for task_type, settings, expected in cases:
        assert for_task(Work(task_type, settings), run, SCOPE) == expected
    assert for_task(Work("alert_task", {"a": "b"}), run, SCOPE) == {"a": "b"}


def test_references_in_older_fields_are_resolved():
    run = for_run({}, {"notebook_params": {"run": "{{job.run_id}}"}})
    assert for_task(Work("notebook_task", {}), run, SCOPE) == {"base_parameters": {"run": "70"}}


def test_an_older_value_with_the_name_of_a_job_parameter_is_meant_for_it():
    run = for_run({"day": "today"}, {"notebook_params": {"day": "monday", "other": "1"}})
    assert run.values == {"day": "monday"}
    found = for_task(Work("notebook_task", {"base_parameters": {"day": "own"}}), run, SCOPE)
    assert found["base_parameters"] == {"day": "monday", "other": "1"}
    both = {"notebook_params": {"day": "monday"}, "job_parameters": {"day": "tuesday"}}
    assert for_run({"day": "today"}, both).values == {"day": "tuesday"}


@pytest.mark.parametrize("name", [each for each in LEGACY if each != "pipeline_params"])
def test_older_fields_may_take_ten_thousand_bytes(name):
    listed = LEGACY[name].kind is list
    empty = len(f'{{"{name}":[""]}}' if listed else f'{{"{name}":{{"a":""}}}}')
    text = "x" * (MOST_LEGACY_BYTES - empty)
    assert for_run({}, {name: [text] if listed else {"a": text}}).legacy
    with pytest.raises(ConfigurationError, match="takes 10,001 bytes as JSON; it may take 10,000"):
        for_run({}, {name: [text + "x"] if listed else {"a": text + "x"}})


@pytest.mark.parametrize(
    ("request_", "message", "hint"),
    [
        (
            {"job_parameters": {"dya": "1"}},
            "the job has no parameter 'dya'.",
            "Did you mean 'day'?",
        ),
        ({"job_parameters": {"zzzzz": "1"}}, "no parameter 'zzzzz'", "It has day."),
        ({"job_parameters": {"day": 1}}, "job_parameters is a mapping of names to texts", '"1"'),
        ({"job_parameters": ["day"]}, "job_parameters is a mapping", ""),
        (
            {"job_parameters": {"day": "{{job.naem}}"}},
            "job_parameters[day]: There is no",
            "job.name",
        ),
        (
            {"job_parameters": {"day": "{{task.name}}"}},
            "job_parameters[day]: {{task.name}}",
            "task",
        ),
        ({"jar_params": ["a"], "notebook_params": {"a": "b"}}, "cannot be given together", "job_p"),
        ({"jar_params": {"a": "b"}}, "jar_params is a list of texts", ""),
        ({"jar_params": "ab"}, "jar_params is a list of texts", ""),
        ({"python_params": [1]}, "python_params is a list of texts", ""),
        ({"python_params": ["ä"]}, "outside of ASCII", "job_parameters"),
        ({"sql_params": {"a": None}}, "sql_params is a mapping", ""),
        ({"pipeline_params": {"full_refersh": True}}, "no field 'full_refersh'", "'full_refresh'"),
        ({"pipeline_params": ["a"]}, "pipeline_params is a mapping", ""),
        (
            {"sql_params": {"day": "1"}, "notebook_params": {"day": "2"}},
            "parameter 'day' has another value in another field",
            "job_parameters",
        ),
    ],
)
def test_what_a_request_may_not_say(request_, message, hint):
    with pytest.raises(ConfigurationError) as caught:
        for_run({"day": "today"}, request_)
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


def test_a_job_without_parameters_says_how_to_have_some():
    with pytest.raises(ConfigurationError, match="Declare it in the job's parameters"):
        for_run({}, {"job_parameters": {"a": "1"}})


def test_a_child_gets_what_its_task_gives_and_what_it_knows_of_its_parent():
    declared = {"day": "today", "shop": "all", "own": "kept"}
    task = {"job_id": 5, "job_parameters": {"shop": "north", "day": "given"}}
    run = for_child(declared, task, {"day": "monday", "unknown": "1"})
    assert run.values == {"day": "monday", "shop": "north", "own": "kept"}
    with pytest.raises(ConfigurationError, match="Did you mean 'shop'"):
        for_child(declared, {"job_parameters": {"shpo": "1"}}, {})
    older = for_child(declared, {"notebook_params": {"a": "1"}}, {})
    assert older.legacy == {"notebook_params": {"a": "1"}}


def test_what_was_resolved_in_the_parent_or_in_the_run_before_is_not_resolved_again():
    odd, task = "{{job.id}}", {"job_parameters": {"shop": "{{job.naem}}"}}
    child = for_child({"day": "x", "shop": "y", "own": "{{job.id}}"}, task, {"day": odd})
    assert child.resolved(SCOPE) == {"day": odd, "shop": "{{job.naem}}", "own": "7"}
    again = for_run(
        {"day": "x", "shop": "y", "own": "{{job.id}}"},
        {"job_parameters": {"shop": "{{job.run_id}}"}},
        before={"day": odd, "shop": "z", "gone": "1"},
    )
    assert again.resolved(SCOPE) == {"day": odd, "shop": "70", "own": "7"}
