"""Both generations of states, row by row."""

from __future__ import annotations

import pytest

from lakeflow.jobs.model import Result
from lakeflow.server.states import Standing, failure_message, state_and_status

RUN, TASK = True, False

# state, result, code, whole -> life cycle, status, termination type
ROWS = [
    ("QUEUED", None, "", RUN, "QUEUED", "QUEUED", None),
    ("PENDING", None, "", TASK, "PENDING", "PENDING", None),
    ("BLOCKED", None, "", TASK, "BLOCKED", "BLOCKED", None),
    ("RUNNING", None, "", RUN, "RUNNING", "RUNNING", None),
    ("RUNNING", None, "", TASK, "RUNNING", "RUNNING", None),
    ("WAITING_FOR_RETRY", None, "", TASK, "WAITING_FOR_RETRY", "WAITING", None),
    ("TERMINATING", None, "", RUN, "TERMINATING", "TERMINATING", None),
    ("TERMINATED", Result.SUCCESS, "SUCCESS", RUN, "TERMINATED", "TERMINATED", "SUCCESS"),
    ("TERMINATED", Result.SUCCESS, "SUCCESS", TASK, "TERMINATED", "TERMINATED", "SUCCESS"),
    *(
        ("TERMINATED", result, str(result), RUN, "TERMINATED", "TERMINATED", "SUCCESS")
        for result in (Result.SUCCESS_WITH_FAILURES,)
    ),
    (
        *("TERMINATED", Result.FAILED, "RUN_EXECUTION_ERROR", TASK),
        *("TERMINATED", "TERMINATED", "CLIENT_ERROR"),
    ),
    (
        *("TERMINATED", Result.FAILED, "RUN_EXECUTION_ERROR", RUN),
        *("INTERNAL_ERROR", "TERMINATED", "CLIENT_ERROR"),
    ),
    *(
        ("TERMINATED", Result.FAILED, code, TASK, "INTERNAL_ERROR", "TERMINATED", kind)
        for code, kind in {
            "INTERNAL_ERROR": "INTERNAL_ERROR",
            "DRIVER_ERROR": "INTERNAL_ERROR",
            "CLUSTER_ERROR": "INTERNAL_ERROR",
            "STORAGE_ACCESS_ERROR": "INTERNAL_ERROR",
            "CLOUD_FAILURE": "CLOUD_FAILURE",
            "INVALID_RUN_CONFIGURATION": "CLIENT_ERROR",
            "RESOURCE_NOT_FOUND": "CLIENT_ERROR",
            "LIBRARY_INSTALLATION_ERROR": "CLIENT_ERROR",
            "REPOSITORY_CHECKOUT_FAILED": "CLIENT_ERROR",
        }.items()
    ),
    *(
        ("TERMINATED", Result.TIMEDOUT, "CANCELED", whole, "TERMINATED", "TERMINATED", kind)
        for whole, kind in ((RUN, "CLIENT_ERROR"), (TASK, "CLIENT_ERROR"))
    ),
    *(
        ("TERMINATED", Result.CANCELED, "USER_CANCELED", whole, "TERMINATED", "TERMINATED", kind)
        for whole, kind in ((RUN, "CLIENT_ERROR"), (TASK, "CLIENT_ERROR"))
    ),
    *(
        ("TERMINATED", result, "SKIPPED", TASK, "TERMINATED", "TERMINATED", "CLIENT_ERROR")
        for result in (Result.UPSTREAM_FAILED, Result.UPSTREAM_CANCELED)
    ),
    ("TERMINATED", Result.EXCLUDED, "SKIPPED", TASK, "TERMINATED", "TERMINATED", "SUCCESS"),
    ("TERMINATED", Result.DISABLED, "DISABLED", TASK, "TERMINATED", "TERMINATED", "SUCCESS"),
    (
        *("TERMINATED", Result.MAXIMUM_CONCURRENT_RUNS_REACHED, "MAX_CONCURRENT_RUNS_EXCEEDED"),
        *(RUN, "SKIPPED", "TERMINATED", "CLIENT_ERROR"),
    ),
]


@pytest.mark.parametrize(("state", "result", "code", "whole", "cycle", "status", "kind"), ROWS)
def test_each_moment_is_told_in_both_generations(state, result, code, whole, cycle, status, kind):
    found = state_and_status(Standing(state, result, code, "why", whole=whole, limit=3))
    assert found["state"]["life_cycle_state"] == cycle
    assert found["state"].get("result_state") == (None if result is None else str(result))
    assert found["state"]["state_message"] == "why"
    stopped = result in (Result.CANCELED, Result.TIMEDOUT)
    assert found["state"]["user_cancelled_or_timedout"] is stopped
    assert found["status"]["state"] == status
    told = found["status"].get("termination_details")
    assert told == (None if kind is None else {"code": code, "type": kind, "message": "why"})
    queued = state == "QUEUED"
    assert ("queue_reason" in found["state"]) is queued
    assert ("queue_details" in found["status"]) is queued


def test_every_result_is_in_the_table():
    assert {row[1] for row in ROWS} == {None, *Result}


def test_airflow_and_the_sdk_know_every_word():
    jobs = pytest.importorskip("databricks.sdk.service.jobs")
    for row in ROWS:
        assert row[4] in jobs.RunLifeCycleState.__members__
        assert row[5] in jobs.RunLifecycleStateV2State.__members__
        if row[1] is not None:
            assert str(row[1]) in jobs.RunResultState.__members__
            assert row[2] in jobs.TerminationCodeCode.__members__
            assert row[6] in jobs.TerminationTypeType.__members__


def test_a_failed_run_names_its_tasks():
    assert failure_message({"a": "bad day", "b": "Late."}, "x") == (
        "Task a failed with message: bad day. Task b failed with message: Late."
    )
    assert failure_message({}, "All is well.") == "All is well."
