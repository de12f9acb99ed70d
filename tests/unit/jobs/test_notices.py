"""Who is told what: every outcome under every setting, against the rules in words."""

from __future__ import annotations

import itertools
import json

import pytest

from lakeflow.jobs.model import Result
from lakeflow.jobs.settings.notices import (
    BACKLOG_WARNING,
    DURATION_WARNING,
    EVENTS,
    Notice,
    Subject,
    at_end,
    at_start,
    at_warning,
    check_notices,
    unwatched,
    warning_at,
)

RUN = Subject(7, "nightly", 70, url="http://here/run/70", workspace_id=9)
ATTEMPT = Subject(7, "nightly", 71, "load", 70, workspace_id=9)
FLAGS = ("no_alert_for_skipped_runs", "no_alert_for_canceled_runs", "alert_on_last_attempt")
NOW = 1_767_225_600_000


def settings(**flags):
    return {
        "email_notifications": {event: [f"{event}@x"] for event in EVENTS},
        "webhook_notifications": {event: [{"id": f"{event}-hook"}] for event in EVENTS},
        "notification_settings": flags,
    }


def events(notices):
    assert [notice.kind for notice in notices] == ["email", "webhook"] * (len(notices) // 2)
    assert all(notice.to in (f"{notice.event}@x", f"{notice.event}-hook") for notice in notices)
    return sorted({notice.event for notice in notices})


EXPECTED = {
    Result.SUCCESS: ("on_success", ()),
    Result.SUCCESS_WITH_FAILURES: ("on_success", ()),
    Result.FAILED: ("on_failure", ()),
    Result.TIMEDOUT: ("on_failure", ()),
    Result.CANCELED: ("on_failure", ("no_alert_for_canceled_runs",)),
    Result.UPSTREAM_FAILED: ("on_failure", ("no_alert_for_skipped_runs",)),
    Result.UPSTREAM_CANCELED: ("on_failure", FLAGS[:2]),
    Result.MAXIMUM_CONCURRENT_RUNS_REACHED: ("on_failure", ("no_alert_for_skipped_runs",)),
    Result.EXCLUDED: (None, ()),
    Result.DISABLED: (None, ()),
}
"""Which event an outcome is, and which settings silence it."""


def test_every_result_has_a_rule():
    assert set(EXPECTED) == set(Result)


@pytest.mark.parametrize("result", Result)
def test_ends_under_every_combination_of_settings(result):
    event, silenced_by = EXPECTED[result]
    for *values, last in itertools.product([True, False], repeat=4):
        flags = dict(zip(FLAGS, values, strict=True))
        silent = any(flags[name] for name in silenced_by)
        waits = event == "on_failure" and flags["alert_on_last_attempt"] and not last
        told = event if event and not silent and not waits else None
        found = at_end(settings(**flags), ATTEMPT, result, last=last)
        assert events(found) == ([told] if told else [])
        assert all(notice.body["result_state"] == result for notice in found)


def test_a_start_is_told_for_every_attempt_or_for_the_first():
    for retry in (False, True):
        assert events(at_start(settings(), ATTEMPT, retry=retry)) == ["on_start"]
    quiet = settings(alert_on_last_attempt=True)
    assert events(at_start(quiet, ATTEMPT)) == ["on_start"]
    assert at_start(quiet, ATTEMPT, retry=True) == []


@pytest.mark.parametrize("event", [DURATION_WARNING, BACKLOG_WARNING])
def test_warnings(event):
    assert events(at_warning(settings(), RUN, event)) == [event]


def test_the_older_place_of_no_alert_for_skipped_runs_is_for_emails():
    said = settings()
    said["email_notifications"]["no_alert_for_skipped_runs"] = True
    found = at_end(said, RUN, Result.MAXIMUM_CONCURRENT_RUNS_REACHED)
    assert [notice.kind for notice in found] == ["webhook"]
    assert len(at_end(said, RUN, Result.FAILED)) == 2


def test_nobody_is_told_twice_and_condition_tasks_tell_nothing():
    said = {
        "email_notifications": {"on_start": ["a@x", "b@x", "a@x"], "on_failure": None},
        "webhook_notifications": {"on_start": [{"id": "1"}, {"id": "1"}]},
    }
    assert [notice.to for notice in at_start(said, RUN)] == ["a@x", "b@x", "1"]
    assert at_end(said, RUN, Result.FAILED) == []
    assert at_start({}, RUN) == []
    assert at_start({**said, "condition_task": {}}, ATTEMPT) == []


def test_what_is_said():
    (email, webhook) = at_end(settings(), RUN, Result.FAILED)
    body = {
        "event_type": "jobs.on_failure",
        "workspace_id": "9",
        "run": {"run_id": "70"},
        "job": {"job_id": "7", "name": "nightly"},
        "run_page_url": "http://here/run/70",
        "result_state": "FAILED",
    }
    assert email == Notice("on_failure", "email", "on_failure@x", body)
    assert webhook == Notice("on_failure", "webhook", "on_failure-hook", body)
    (email, _) = at_start(settings(), ATTEMPT)
    assert email.body == {
        "event_type": "jobs.on_start",
        "workspace_id": "9",
        "run": {"run_id": "71", "parent_run_id": "70"},
        "job": {"job_id": "7", "name": "nightly"},
        "task": {"task_key": "load"},
    }


def test_nothing_of_the_settings_is_said():
    said = settings()
    said |= {"notebook_task": {"base_parameters": {"p": "hush"}}, "tags": {"a": "hush"}}
    said["parameters"] = [{"name": "p", "default": "hush"}]
    for notice in at_start(said, RUN) + at_end(said, RUN, Result.FAILED) + at_warning(said, RUN):
        assert "hush" not in json.dumps(notice.body)


def health(*values, metric="RUN_DURATION_SECONDS"):
    rules = [{"metric": metric, "op": "GREATER_THAN", "value": value} for value in values]
    return {"health": {"rules": rules}}


def test_a_run_is_too_long_when_it_takes_longer_than_its_shortest_rule():
    assert warning_at(health(90, 60), NOW) == NOW + 60_001
    for without in ({}, {"health": None}, health(), health(60, metric="STREAMING_BACKLOG_FILES")):
        assert warning_at(without, NOW) is None


def test_rules_that_nobody_watches_are_told():
    said = {"tasks": [{"task_key": "a", **health(1, metric="STREAMING_BACKLOG_FILES")}]}
    (told,) = unwatched({**said, **health(1)})
    assert told.startswith("tasks[a].health.rules[0]: STREAMING_BACKLOG_FILES is kept")


def test_an_event_that_nobody_knows_is_let_through_where_it_was_warned_of():
    said = {"email_notifications": {"on_failur": []}, **health("1")}
    assert len(check_notices(said)) == 2
    (error,) = check_notices(said, strict=False)
    assert "health.rules[0]" in error.message


def test_right_settings_have_no_errors():
    inner = {"task_key": "inner", **settings(), **health(1)}
    job = {
        **settings(),
        **health(5),
        "tasks": [{"task_key": "a", "for_each_task": {"task": inner}}],
    }
    job["email_notifications"] |= {"no_alert_for_skipped_runs": True, "on_maintenance_start": []}
    assert check_notices(job) == []
    assert check_notices({"tasks": None, "email_notifications": None, "health": {}}) == []


@pytest.mark.parametrize(
    ("part", "message", "hint"),
    [
        (
            {"email_notifications": {"on_failur": []}},
            "there is no event 'on_failur'",
            "'on_failure'",
        ),
        ({"webhook_notifications": {"zzz": []}}, "there is no event 'zzz'", "There are on_start"),
        ({"email_notifications": {"on_start": "a@x"}}, "is a list of addresses", ""),
        ({"email_notifications": {"on_start": [1]}}, "is a list of addresses", ""),
        ({"webhook_notifications": {"on_start": ["a"]}}, "mappings with an id", ""),
        ({"webhook_notifications": {"on_start": [{"url": "a"}]}}, "mappings with an id", ""),
        (
            {"webhook_notifications": {"on_start": [{"id": str(n)} for n in range(4)]}},
            "webhook_notifications.on_start has 4 destinations; it may have 3.",
            "pass it on",
        ),
        (
            health(1, metric="RUN_DURATION"),
            "there is no metric 'RUN_DURATION'",
            "RUN_DURATION_SECONDS",
        ),
        (health("1"), "health.rules[0] compares by GREATER_THAN with '1'", "whole number"),
        (health(True), "with True", ""),
        ({"health": {"rules": ["long"]}}, "is a list of mappings", ""),
        ({"health": {"rules": "long"}}, "is a list of mappings", ""),
        ({"health": {"rules": [{"metric": "RUN_DURATION_SECONDS", "value": 1}]}}, "by None", ""),
    ],
)
def test_wrong_settings_of_jobs_tasks_and_inner_tasks(part, message, hint):
    places = {
        "": part,
        "tasks[a].": {"tasks": [{"task_key": "a", **part}]},
        "tasks[a].for_each_task.task.": {
            "tasks": [{"task_key": "a", "for_each_task": {"task": part}}]
        },
    }
    for path, job in places.items():
        (error,) = check_notices(job)
        assert error.message.startswith(path + next(iter(part)))
        assert message in error.message
        assert hint in (error.hint or "")
