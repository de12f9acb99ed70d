"""Values that no job may have are refused with their place, whatever they are."""

from __future__ import annotations

from typing import Any

import pytest

from lakeflow.core.errors import ConfigurationError
from lakeflow.jobs.settings.reading import LONGEST, read_job


def shell(**more: Any) -> dict[str, Any]:
    return {"tasks": [{"task_key": "a", "shell_task": {"command": "true"}, **more}]}


def runs(job_id: Any) -> dict[str, Any]:
    return {"tasks": [{"task_key": "a", "run_job_task": {"job_id": job_id}}]}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (shell(task_key=5), r"tasks\[0\].task_key: 5 is not the key"),
        (shell(task_key=True), r"tasks\[0\].task_key: True is not the key"),
        (shell(max_retries="²"), r"tasks\[0\].max_retries: It is a whole number"),
        (shell(max_retries="--1"), r"tasks\[0\].max_retries: It is a whole number"),
        (shell(timeout_seconds=LONGEST + 1), f"It is between 0 and {LONGEST}, not {LONGEST + 1}"),
        (shell(min_retry_interval_millis=10**17), "min_retry_interval_millis: It is between 0"),
        ({**shell(), "timeout_seconds": LONGEST + 1}, "timeout_seconds: It is between 0"),
        (runs("²"), r"tasks\[0\].run_job_task.job_id: '²' is not the id of a job"),
        (runs("1" * 30), r"tasks\[0\].run_job_task.job_id: '1+' is not the id of a job"),
        (runs(10**30), r"tasks\[0\].run_job_task.job_id: It is an id"),
    ],
)
def test_what_is_not_valid_is_refused_with_its_place(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        read_job(settings)


@pytest.mark.parametrize("job_id", [1, "2", "9" * 18, "child"])
def test_jobs_are_called_by_id_or_key(job_id: int | str) -> None:
    read_job(runs(job_id))


def test_ten_years_may_be_waited() -> None:
    read_job(shell(timeout_seconds=LONGEST, min_retry_interval_millis=LONGEST * 1000))
