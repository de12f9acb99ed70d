"""Tasks that need the engine: SQL on a thread of the server, pipelines in a worker."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakeflow.core.errors import LakeflowError, TaskError
from lakeflow.core.events import Event
from lakeflow.core.settings import Settings
from lakeflow.jobs.work import Assignment
from lakeflow.server.question import Question, json_rows

if TYPE_CHECKING:
    from lakeflow.engine.pipeline import Pipeline
    from lakeflow.engine.update import UpdateResult
    from lakeflow.jobs.workers.tasks.context import Context

MOST_ROWS = 10_000
"""Rows of a query that are kept as the output of its task."""


class SqlTask:
    """A file or a text of SQL, run over the tables.

    Args:
        settings: Which lakehouse, and how.
    """

    def __init__(self, settings: Settings) -> None:
        self._question = Question(settings)

    def cancel(self) -> None:
        """Has the query end."""
        self._question.cancel()

    def run(self, assignment: Assignment) -> Mapping[str, Any]:
        """Runs the statement.

        Returns:
            Its text and its rows, by column; at most `MOST_ROWS` of them.

        Raises:
            TaskError: The task does not say what to run.
        """
        text = _statement(assignment)
        found = self._question.ask(text, assignment.settings.get("parameters"))
        names = [str(name) for name in found.schema.names]
        rows: list[dict[str, Any]] = []
        count = 0
        for batch in found:
            count += batch.num_rows
            if len(rows) < MOST_ROWS:
                rows += (dict(zip(names, row, strict=True)) for row in json_rows(batch))
        return {
            "sql_output": {"query_output": {"query_text": text, "warehouse_id": "local"}},
            "rows": rows[:MOST_ROWS],
            "row_count": count,
        }


def _statement(assignment: Assignment) -> str:
    settings = assignment.settings
    kinds = ("query", "file", "statement", "alert", "dashboard")
    given = [name for name in kinds if name in settings]
    match given:
        case ["statement"]:
            return str(settings["statement"])
        case ["file"]:
            path = assignment.root / str(settings["file"]["path"])
            if not path.is_file():
                raise TaskError(
                    f"sql_task.file.path: there is no file {path}.",
                    "RESOURCE_NOT_FOUND",
                    hint=f"Relative paths are taken against {assignment.root}.",
                )
            return path.read_text(encoding="utf-8")
    raise TaskError(
        f"A sql_task of {' and '.join(given) or 'nothing'} cannot run here.",
        "INVALID_RUN_CONFIGURATION",
        hint="Give it file.path or statement.",
    )


def run_pipeline(settings: Mapping[str, Any], context: Context) -> Mapping[str, Any]:
    """One update of a pipeline, in a worker.

    Args:
        settings: Of the task, as `localise` has left them.
        context: Of the task; is told the counts of the update as task values.

    Returns:
        Id, state and flows of the update.

    Raises:
        TaskError: There is no such pipeline, or a flow failed.
    """
    from lakeflow.engine.session import Session

    update_id = str(settings["update_id"])
    session = Session(Settings.load(), listeners=[_say], new_id=lambda: update_id)
    signal.signal(signal.SIGTERM, lambda *_: session.stop())
    selection = settings.get("full_refresh_selection") or ()
    full_refresh = "all" if settings.get("full_refresh") else selection
    try:
        pipeline = _pipeline(settings, context)
        if settings.get("validate_only"):
            session.plan(pipeline, full_refresh=full_refresh)
            return {}
        result = session.run(pipeline, full_refresh=full_refresh, begun_by=settings["begun_by"])
    except TaskError:
        raise
    except LakeflowError as error:
        code = "INVALID_RUN_CONFIGURATION" if error.exit_code == 2 else "RUN_EXECUTION_ERROR"
        raise TaskError(str(error), code) from error
    return _told(result, context)


def _pipeline(settings: Mapping[str, Any], context: Context) -> Pipeline:
    """The pipeline that a task updates: one of the API, or one that lies at a path."""
    from lakeflow.engine.pipeline import Pipeline
    from lakeflow.server.pipeline_project import project_of

    if "saved" in settings:
        project = project_of(settings["saved"], Path(settings["workspace"]))
    else:
        path = context.assignment.root / str(context.required("pipeline_id"))
        if not path.exists():
            raise TaskError(
                f"pipeline_task.pipeline_id: there is no pipeline {path}.",
                "RESOURCE_NOT_FOUND",
                hint=f"Relative paths are taken against {context.assignment.root}.",
            )
        project = Pipeline.at(path).project
    configuration = {**project.configuration, **(settings.get("parameters") or {})}
    return Pipeline(project.name, replace(project, configuration=configuration))


def _told(result: UpdateResult, context: Context) -> Mapping[str, Any]:
    """Puts the counts of an update where later tasks find them."""
    checked = {
        f"{flow.name}.{each.name}": each for flow in result.flows for each in flow.expectations
    }
    context.values.update(
        update_id=result.update_id,
        rows=sum(flow.rows for flow in result.flows),
        dropped=sum(flow.dropped for flow in result.flows),
        quarantined=sum(flow.quarantined for flow in result.flows),
        violations=sum(each.failed for each in checked.values()),
        **{f"{name}.violations": each.failed for name, each in checked.items()},
    )
    if result.state != "COMPLETED":
        failed = [f"{flow.name}: {flow.error}" for flow in result.flows if flow.error is not None]
        raise TaskError(
            f"The update {result.update_id} is {result.state}. {' '.join(failed)}".strip(),
            "RUN_EXECUTION_ERROR",
        )
    return {
        "pipeline_output": {
            "update_id": result.update_id,
            "state": result.state,
            "lease_epoch": result.epoch,
            "flows": [
                {"name": flow.name, "state": flow.state, "rows": flow.rows} for flow in result.flows
            ],
        }
    }


def _say(event: Event) -> None:
    print(f"{event.timestamp:%H:%M:%S} {event.level:<5} {event.message}", flush=True)  # noqa: T201
