"""SQL alerts as tasks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lakeflow.core.errors import TaskError
from lakeflow.core.settings import Settings
from lakeflow.jobs.work import Assignment
from lakeflow.server.alerts import AlertTask

ROWS = "SELECT * FROM VALUES (1, 'a'), (5, 'b'), (NULL, 'c') AS t(late, name) WHERE name <> :skip"


def state(folder: Path, evaluation: dict, query: str = ROWS, skip: str = "") -> str:
    (folder / "late.json").write_text(json.dumps({"query_text": query, "evaluation": evaluation}))
    settings = {"workspace_path": "late.json", "parameters": {"skip": skip}}
    assignment = Assignment(1, 1, "alert_task", settings, folder, folder)
    task = AlertTask(Settings.load({}, lakehouse=folder / "lakehouse"))
    return task.run(assignment)["alert_output"]["alert_state"]


def over(threshold: object, operator: str = "GREATER_THAN", **source: str) -> dict:
    kind = "string_value" if isinstance(threshold, str) else "double_value"
    return {
        "source": {"name": "late", **source},
        "comparison_operator": operator,
        "threshold": {"value": {kind: threshold}},
    }


@pytest.mark.parametrize(
    ("evaluation", "expected"),
    [
        (over(4, aggregation="MAX"), "TRIGGERED"),
        (over(5, aggregation="MAX"), "OK"),
        (over(5, "GREATER_THAN_OR_EQUAL", aggregation="MAX"), "TRIGGERED"),
        (over(6, "EQUAL", aggregation="SUM"), "TRIGGERED"),
        (over(2, "EQUAL", aggregation="COUNT"), "TRIGGERED"),
        (over(1, "LESS_THAN", aggregation="MIN"), "OK"),
        (over("a", "EQUAL", name="name"), "TRIGGERED"),
        ({"source": {"name": "late"}, "comparison_operator": "IS_NOT_NULL"}, "TRIGGERED"),
    ],
)
def test_what_an_alert_comes_to(tmp_path, evaluation, expected):
    assert state(tmp_path, evaluation) == expected


def test_no_rows_and_no_value_are_unknown_unless_said_otherwise(tmp_path):
    nothing = f"{ROWS} AND false"
    assert state(tmp_path, over(1), nothing) == "UNKNOWN"
    assert state(tmp_path, {**over(1), "empty_result_state": "OK"}, nothing) == "OK"
    assert state(tmp_path, over(1, aggregation="MAX"), nothing) == "UNKNOWN"


@pytest.mark.parametrize(
    ("evaluation", "said"),
    [
        ({}, "evaluation.source.name"),
        (over(1, "GREATER"), "GREATER_THAN"),
        (over(1, aggregation="MAXIMUM"), "MAX"),
        ({"source": {"name": "late"}, "comparison_operator": "EQUAL"}, "threshold"),
        ({**over(1), "empty_result_state": "FINE"}, "UNKNOWN"),
    ],
)
def test_an_alert_that_is_not_valid_is_refused(tmp_path, evaluation, said):
    with pytest.raises(TaskError) as caught:
        state(tmp_path, evaluation)
    assert said in str(caught.value)
