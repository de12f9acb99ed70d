"""Where a run or a task stands, in the words of both generations of the Jobs API.

Clients read `state` or `status`; some wait for one life cycle, some for one result. The table
gives both, so that each of them sees a failure as one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lakeflow.jobs.model import Result

_WAITING = {"WAITING_FOR_RETRY": "WAITING"}
_OWN_FAULT = frozenset(
    "RUN_EXECUTION_ERROR USER_CANCELED CANCELED SKIPPED DISABLED MAX_CONCURRENT_RUNS_EXCEEDED "
    "INVALID_RUN_CONFIGURATION INVALID_CLUSTER_REQUEST RESOURCE_NOT_FOUND FEATURE_DISABLED "
    "LIBRARY_INSTALLATION_ERROR REPOSITORY_CHECKOUT_FAILED UNAUTHORIZED_ERROR".split()
)
"""Termination codes of what the user can mend."""

_SUCCEEDED = frozenset(
    {Result.SUCCESS, Result.SUCCESS_WITH_FAILURES, Result.EXCLUDED, Result.DISABLED}
)


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a run or a task.

    Args:
        state: `QUEUED`, `BLOCKED`, `PENDING`, `RUNNING`, `WAITING_FOR_RETRY`, `TERMINATING` or
            `TERMINATED`.
        result: What it came to.
        code: Termination code.
        message: Why, in one sentence.
        whole: Whether it is a run; else it is a task of one.
        limit: Runs of its job that may be active at the same time.
    """

    state: str
    result: Result | None = None
    code: str = ""
    message: str = ""
    whole: bool = False
    limit: int = 1


def state_and_status(standing: Standing) -> dict[str, Any]:
    """The fields `state` and `status`."""
    return {"state": _state(standing), "status": _status(standing)}


def _state(standing: Standing) -> dict[str, Any]:
    old: dict[str, Any] = {
        "life_cycle_state": _life_cycle(standing),
        "state_message": standing.message,
        "user_cancelled_or_timedout": standing.result in (Result.CANCELED, Result.TIMEDOUT),
    }
    if standing.result is not None:
        old["result_state"] = str(standing.result)
    if standing.state == "QUEUED":
        old["queue_reason"] = _queued(standing)
    return old


def _life_cycle(standing: Standing) -> str:
    if standing.result is None or standing.state != "TERMINATED":
        return standing.state
    if standing.result is Result.MAXIMUM_CONCURRENT_RUNS_REACHED:
        return "SKIPPED"
    # A client that waits for a run raises on INTERNAL_ERROR only, whatever the result is.
    failed = standing.result is Result.FAILED
    if failed and (standing.whole or standing.code != "RUN_EXECUTION_ERROR"):
        return "INTERNAL_ERROR"
    return "TERMINATED"


def _status(standing: Standing) -> dict[str, Any]:
    new: dict[str, Any] = {"state": _WAITING.get(standing.state, standing.state)}
    if standing.state == "QUEUED":
        new["queue_details"] = {
            "code": "MAX_CONCURRENT_RUNS_REACHED",
            "message": _queued(standing),
        }
    if standing.result is not None and standing.state == "TERMINATED":
        new["termination_details"] = {
            "code": standing.code,
            "type": _type(standing.result, standing.code),
            "message": standing.message,
        }
    return new


def _queued(standing: Standing) -> str:
    return f"{standing.limit} of its job's runs are active; it begins when one of them has ended."


def _type(result: Result, code: str) -> str:
    if result in _SUCCEEDED:
        return "SUCCESS"
    if code in _OWN_FAULT:
        return "CLIENT_ERROR"
    return "CLOUD_FAILURE" if code == "CLOUD_FAILURE" else "INTERNAL_ERROR"


def failure_message(failed: Mapping[str, str], otherwise: str) -> str:
    """What a run says of the tasks that failed.

    Args:
        failed: What each of them says, by key.
        otherwise: What is said if there is none.
    """
    said = [f"Task {key} failed with message: {text}" for key, text in failed.items()]
    return " ".join(each if each.endswith(".") else f"{each}." for each in said) or otherwise
