"""`alert_task`: asks a query whether something is wrong; the fields are those of an alert file."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lakeflow.core.errors import TaskError
from lakeflow.core.names import nearest, quote
from lakeflow.core.settings import Settings
from lakeflow.jobs.work import Assignment
from lakeflow.server.question import Question

AGGREGATIONS = {
    "SUM": "sum",
    "COUNT": "count",
    "AVG": "avg",
    "MEDIAN": "median",
    "MIN": "min",
    "MAX": "max",
    "STDDEV": "stddev",
}
_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "GREATER_THAN": operator.gt,
    "GREATER_THAN_OR_EQUAL": operator.ge,
    "LESS_THAN": operator.lt,
    "LESS_THAN_OR_EQUAL": operator.le,
    "EQUAL": operator.eq,
    "NOT_EQUAL": operator.ne,
}
_OF_NULL = {"IS_NULL": True, "IS_NOT_NULL": False}
OPERATORS = (*_COMPARISONS, *_OF_NULL)
STATES = ("OK", "TRIGGERED", "UNKNOWN")


class AlertTask:
    """A query whose answer is compared with a threshold; a `Task`.

    Args:
        settings: Which lakehouse, and how.
    """

    def __init__(self, settings: Settings) -> None:
        self._question = Question(settings)

    def cancel(self) -> None:
        """Has the query end."""
        self._question.cancel()

    def run(self, assignment: Assignment) -> Mapping[str, Any]:
        """Asks the query.

        Returns:
            The state of the alert, and what was compared.

        Raises:
            TaskError: The alert is not valid.
        """
        alert = read_alert(assignment)
        asked = self._question.ask(query_of(alert), assignment.settings.get("parameters"))
        rows = asked.read_all()
        found = rows.column(0)[0].as_py() if rows.num_rows else None
        state = state_of(alert, found, empty=not rows.num_rows)
        return {
            "alert_output": {"alert_state": state, "value": None if found is None else str(found)}
        }


def read_alert(assignment: Assignment) -> Mapping[str, Any]:
    """The alert that a task names.

    Raises:
        TaskError: There is none, or it says nothing that could be evaluated.
    """
    import yaml

    said = assignment.settings.get("workspace_path")
    if not said:
        raise _wrong("alert_id names a saved alert, and there are none here", "Use workspace_path.")
    path = assignment.root / str(said)
    if not path.is_file():
        raise TaskError(
            f"alert_task.workspace_path: there is no file {path}.",
            "RESOURCE_NOT_FOUND",
            hint=f"Relative paths are taken against {assignment.root}.",
        )
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise _wrong(f"{path} is neither YAML nor JSON: {error}") from error
    return _checked(found, path)


def _checked(found: Any, path: Path) -> Mapping[str, Any]:
    match found:
        case {"query_text": str(), "evaluation": {"source": {"name": str()}, **evaluation}}:
            pass
        case _:
            raise _wrong(
                f"{path} has no query_text or no evaluation.source.name",
                "An alert file has query_text, and evaluation with source, comparison_operator "
                "and threshold.",
            )
    known = evaluation.get("comparison_operator")
    if known not in OPERATORS:
        hint = nearest(str(known), OPERATORS) or f"There are {', '.join(OPERATORS)}."
        raise _wrong(f"{path}: comparison_operator is {known!r}", hint)
    aggregation = found["evaluation"]["source"].get("aggregation")
    if aggregation is not None and aggregation not in AGGREGATIONS:
        hint = nearest(str(aggregation), AGGREGATIONS) or f"There are {', '.join(AGGREGATIONS)}."
        raise _wrong(f"{path}: aggregation is {aggregation!r}", hint)
    if known in _COMPARISONS and _threshold(found) is None:
        raise _wrong(
            f"{path} has no evaluation.threshold.value", "Write double_value or string_value in it."
        )
    if found["evaluation"].get("empty_result_state", "UNKNOWN") not in STATES:
        raise _wrong(f"{path}: empty_result_state is none of {', '.join(STATES)}")
    return dict(found)


def query_of(alert: Mapping[str, Any]) -> str:
    """The query that gives the value which is compared."""
    source = alert["evaluation"]["source"]
    column = quote(source["name"])
    aggregation = source.get("aggregation")
    value = f"{AGGREGATIONS[aggregation]}({column})" if aggregation else column
    text = alert["query_text"].strip().removesuffix(";")
    return f"SELECT {value} AS value FROM (\n{text}\n)" + ("" if aggregation else " LIMIT 1")


def state_of(alert: Mapping[str, Any], found: Any, *, empty: bool) -> str:
    """What an alert comes to.

    Args:
        alert: The alert.
        found: The value of its query.
        empty: Whether the query gave no row.
    """
    evaluation = alert["evaluation"]
    if empty:
        return str(evaluation.get("empty_result_state", "UNKNOWN"))
    known = evaluation["comparison_operator"]
    if known in _OF_NULL:
        return "TRIGGERED" if (found is None) is _OF_NULL[known] else "OK"
    if found is None:
        return "UNKNOWN"
    threshold = _threshold(alert)
    if isinstance(threshold, str):
        left, right = str(found), threshold
    else:
        left, right = found, threshold
        if isinstance(found, str) or (isinstance(found, float) and math.isnan(found)):
            return "UNKNOWN"
    return "TRIGGERED" if _COMPARISONS[known](left, right) else "OK"


def _threshold(alert: Mapping[str, Any]) -> Any:
    value = (alert["evaluation"].get("threshold") or {}).get("value") or {}
    for name in ("double_value", "string_value", "bool_value"):
        if name in value:
            return value[name]
    return None


def _wrong(message: str, hint: str = "") -> TaskError:
    return TaskError(f"alert_task: {message}.", "INVALID_RUN_CONFIGURATION", hint=hint or None)
