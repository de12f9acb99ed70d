"""What a task has given: its output, and the end of what it has printed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lakeflow.jobs.home import Home
from lakeflow.jobs.model import Result
from lakeflow.jobs.rows import AttemptRow
from lakeflow.server.run_view import RunView

MOST_LOGS = 5 * 2**20
"""Bytes of what a task has printed that are shown: the last ones."""

_SHOWN = ("notebook_output", "sql_output", "dbt_output", "run_job_output", "alert_output")
_PRINTING = frozenset(
    "spark_python_task python_wheel_task python_operator_task spark_jar_task shell_task "
    "scala_task r_task dbt_task pipeline_task notebook_task".split()
)


def output_of(home: Home, view: RunView, attempt: AttemptRow) -> dict[str, Any]:
    """The output of one attempt.

    Args:
        home: Where it left its files.
        view: Its run.
        attempt: The attempt.
    """
    task = view.one_task(attempt, ())
    found: dict[str, Any] = {"metadata": task}
    found |= {name: attempt.output[name] for name in _SHOWN if name in attempt.output}
    if sql := found.get("sql_output"):
        query = dict(sql.get("query_output") or {})
        query.setdefault("output_link", f"{view.origin}/sql/runs/{attempt.attempt}")
        found["sql_output"] = {**sql, "query_output": query}
    if _PRINTING & task["tasks"][0].keys():
        path = home.attempt(attempt.run_id, attempt.attempt) / "stdout"
        found["logs"], found["logs_truncated"] = last_text(path)
    if attempt.result is not None and attempt.result is not Result.SUCCESS:
        found["error"] = attempt.message or attempt.reason
        if attempt.trace:
            found["error_trace"] = attempt.trace
    info = {"exit_code": attempt.exit_code, "cpu_seconds": attempt.cpu_seconds}
    info["peak_memory"] = attempt.peak_memory
    found["info"] = ", ".join(f"{name}: {value}" for name, value in info.items() if value)
    return found


def last_text(path: Path, most: int = MOST_LOGS) -> tuple[str, bool]:
    """The end of a file, and whether something before it is left out."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(size - most, 0))
            text = file.read(most).decode(errors="replace")
    except FileNotFoundError:
        return "", False
    return text, size > most
