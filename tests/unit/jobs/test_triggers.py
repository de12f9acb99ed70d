"""Triggers as they are read from a job's settings."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from lakeflow.core.errors import ConfigurationError
from lakeflow.jobs.timing.triggers import (
    ConditionMode,
    Continuous,
    FileArrival,
    MissedRuns,
    Periodic,
    Recorded,
    Schedule,
    SqlCondition,
    TableCondition,
    TableUpdate,
    TaskRetryMode,
    Timers,
    Trigger,
    read_triggers,
)

MORNING = {"quartz_cron_expression": "0 30 6 * * ?", "timezone_id": "Europe/Vienna"}
CONDITION = {"sql_query_id": "q", "warehouse_id": "w"}


def only(settings):
    (trigger,), warnings = read_triggers(settings)
    assert warnings == ()
    return trigger


def test_the_examples_in_the_documents_are_read():
    text = (Path(__file__).parents[3] / "docs/triggers.md").read_text()
    examples = [yaml.safe_load(each) for each in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]
    assert [len(read_triggers(each)[0]) for each in examples] == [1, 2]


def test_a_job_without_triggers_has_none():
    assert read_triggers({"name": "n", "schedule": None, "triggers": []}) == ((), ())


def test_a_schedule():
    trigger = only({"schedule": {**MORNING, "pause_status": "PAUSED", "sql_condition": CONDITION}})
    assert isinstance(trigger.rule, Schedule)
    assert trigger.path == "schedule"
    assert trigger.rule.quartz.hours == (6,)
    assert str(trigger.rule.zone) == trigger.rule.zone_id == "Europe/Vienna"
    assert trigger.paused
    assert trigger.condition == SqlCondition("q", "w", ConditionMode.QUERY_RETURNS_ROWS)
    assert trigger.missed_runs is MissedRuns.RUN_ONCE


def test_the_kinds_of_trigger():
    given = {"periodic": {"interval": 2, "unit": "WEEKS"}, "missed_runs": "run_all"}
    expected = Trigger("trigger", Periodic(timedelta(weeks=2)), missed_runs=MissedRuns.RUN_ALL)
    assert only({"trigger": given}) == expected
    assert only({"trigger": {"file_arrival": {"url": "in/"}}}).rule == FileArrival("in/", Timers())


def test_several_triggers_keep_their_order_and_each_its_pause():
    timers = {"min_time_between_triggers_seconds": 60, "wait_after_last_change_seconds": 90}
    tables = {"table_names": ["Shop.Orders", "b", "shop.orders"], "condition": "ALL_UPDATED"}
    triggers, warnings = read_triggers(
        {
            "triggers": [
                {"schedule": MORNING, "max_missed_age_seconds": 3600, "missed_runs": "skip"},
                {"table_update": {**tables, **timers}, "pause_status": "PAUSED"},
                {"continuous": {"task_retry_mode": "ON_FAILURE"}},
                {"model": {"condition": "MODEL_CREATED"}},
                {"job_completion": {"jobs": [{"job_id": "1", "workspace_id": "2"}]}},
            ]
        }
    )
    schedule, update, continuous, model, completion = triggers
    assert schedule.path == "triggers[0]"
    assert (schedule.missed_runs, schedule.max_missed_age_seconds) == ("skip", 3600)
    assert update.rule == TableUpdate(
        ("main.shop.orders", "main.default.b"),
        TableCondition.ALL_UPDATED,
        Timers(timedelta(seconds=60), timedelta(seconds=90)),
    )
    assert [each.paused for each in triggers] == [False, True, False, False, False]
    assert continuous.rule == Continuous(TaskRetryMode.ON_FAILURE)
    assert model.rule == Recorded("model", {"condition": "MODEL_CREATED"})
    assert isinstance(completion.rule, Recorded)
    assert [text.split(" ")[0] for text in warnings] == [
        "triggers[3].model",
        "triggers[4].job_completion",
    ]


def test_a_maintenance_window_is_kept_and_said_to_have_no_effect():
    (trigger,), warnings = read_triggers({"continuous": {"maintenance_window": {"start_hour": 3}}})
    assert trigger.rule == Continuous(TaskRetryMode.NEVER)
    assert warnings == (
        "continuous.maintenance_window is kept without effect: nothing is maintained here.",
    )


@pytest.mark.parametrize(
    ("settings", "says", "hint"),
    [
        ({"schedule": MORNING, "triggers": []}, "both triggers and schedule", "Move schedule"),
        ({"schedule": MORNING, "continuous": {}}, "schedule and continuous", "list"),
        ({"triggers": {}}, "triggers is {}", None),
        ({"triggers": ["x"]}, "triggers[0] is 'x'; it must be an object", "schedule"),
        ({"triggers": [{}]}, "triggers[0] has no kind", "Kinds are schedule"),
        ({"trigger": {"pause_status": "PAUSED"}}, "trigger has no kind", "Kinds are periodic"),
        (
            {"trigger": {"periodic": {}, "file_arrival": {}}},
            "trigger has periodic and file_arrival",
            "Kinds are",
        ),
        ({"schedule": {}}, "schedule.quartz_cron_expression is missing", "0 30 6 * * ?"),
        ({"schedule": {**MORNING, "timezone_id": 1}}, "schedule.timezone_id is 1", "UTC"),
        (
            {"schedule": {**MORNING, "quartz_cron_expression": "0 6 * * *"}},
            "schedule.quartz_cron_expression is wrong: '0 6 * * *' has five fields",
            "Write: 0 0 6 * * ?",
        ),
        (
            {"schedule": {**MORNING, "timezone_id": "Europe/Vienn"}},
            "schedule.timezone_id is wrong: 'Europe/Vienn'",
            "Did you mean 'Europe/Vienna'?",
        ),
        (
            {"schedule": {**MORNING, "quartz_cron_expression": "0/5 * * * * ?"}},
            "fires 5 seconds after a tick; at least 10",
            "0/10",
        ),
        ({"schedule": {**MORNING, "paused": 1}}, "schedule.paused is not a field", "pause_status"),
        (
            {"schedule": {**MORNING, "pause_status": "paused"}},
            "schedule.pause_status is 'paused'",
            "PAUSED",
        ),
        ({"schedule": {**MORNING, "missed_runs": "all"}}, "missed_runs is 'all'", "run_all"),
        (
            {"schedule": {**MORNING, "max_missed_age_seconds": -1}},
            "schedule.max_missed_age_seconds is -1",
            "or leave it away",
        ),
        (
            {"schedule": {**MORNING, "sql_condition": {"sql_query_id": "q"}}},
            "schedule.sql_condition.warehouse_id is missing",
            "SQL warehouse",
        ),
        (
            {"trigger": {"periodic": {"interval": 0, "unit": "DAYS"}}},
            "trigger.periodic.interval is 0",
            "whole number from 1",
        ),
        (
            {"trigger": {"periodic": {"interval": True, "unit": "DAYS"}}},
            "trigger.periodic.interval is True",
            "whole number from 1",
        ),
        (
            {"trigger": {"periodic": {"interval": 10**12, "unit": "WEEKS"}}},
            "trigger.periodic.interval is 1000000000000",
            "to 100000",
        ),
        ({"trigger": {"periodic": {"unit": "DAYS"}}}, "trigger.periodic.interval is missing", "1"),
        (
            {"trigger": {"periodic": {"interval": 1, "unit": "DAY"}}},
            "trigger.periodic.unit is 'DAY'",
            "Did you mean 'DAYS'?",
        ),
        ({"trigger": {"periodic": {"interval": 1}}}, "periodic.unit is missing", "MINUTES"),
        (
            {"triggers": [{"schedule": MORNING}, {"file_arrival": {"url": ""}}]},
            "triggers[1].file_arrival.url is ''",
            "landing",
        ),
        (
            {"trigger": {"file_arrival": {"url": "in/*.csv"}}},
            "trigger.file_arrival.url is 'in/*.csv', which has a wildcard",
            "folder",
        ),
        (
            {"trigger": {"file_arrival": {"url": "in/", "wait_after_last_change_seconds": 59}}},
            "trigger.file_arrival.wait_after_last_change_seconds is 59",
            "from 60",
        ),
        (
            {"trigger": {"file_arrival": {"url": "in/"}, "missed_runs": "skip"}},
            "trigger.missed_runs is for schedule and periodic only",
            "miss no ticks",
        ),
        (
            {"trigger": {"table_update": {"table_names": []}}},
            "trigger.table_update.table_names names 0",
            "[main.shop.orders]",
        ),
        (
            {"trigger": {"table_update": {"table_names": "a.b.c"}}},
            "trigger.table_update.table_names is 'a.b.c'; it must be a list",
            "[main.shop.orders]",
        ),
        (
            {"trigger": {"table_update": {"table_names": ["a.b.c.d"]}}},
            "trigger.table_update.table_names is wrong: A table name has at most three parts",
            None,
        ),
        (
            {"trigger": {"table_updates": {"table_names": ["a"]}}},
            "trigger.table_updates is not a field",
            "Did you mean 'table_update'?",
        ),
        (
            {"continuous": {"task_retry_mode": "ALWAYS"}},
            "continuous.task_retry_mode is 'ALWAYS'",
            "NEVER",
        ),
        ({"continuous": {"sql_condition": CONDITION}}, "continuous.sql_condition is not", "Fields"),
    ],
)
def test_what_is_wrong_is_said_with_its_path(settings, says, hint):
    with pytest.raises(ConfigurationError) as raised:
        read_triggers(settings)
    assert says in raised.value.message
    assert hint is None or hint in (raised.value.hint or "")


def test_unknown_fields_of_foreign_files_are_warned_of():
    settings = {"schedule": {**MORNING, "time_zone_id": "UTC"}}
    (trigger,), warnings = read_triggers(settings, strict=False)
    assert isinstance(trigger.rule, Schedule)
    assert warnings == (
        "schedule.time_zone_id is not known here and without effect. Did you mean 'timezone_id'?",
    )


def test_wrong_values_of_foreign_files_are_refused_too():
    with pytest.raises(ConfigurationError):
        read_triggers({"schedule": {**MORNING, "pause_status": "X"}}, strict=False)


def test_identity_changes_with_what_fires_and_with_nothing_else():
    def identity(**more):
        return only({"schedule": {**MORNING, **more}}).rule.identity

    assert identity() == identity(pause_status="PAUSED", missed_runs="skip")
    assert identity() != identity(timezone_id="UTC")
    assert identity() != identity(quartz_cron_expression="0 31 6 * * ?")
