"""Turns what an attempt names by its address on a server into what lies on this machine."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any

from lakeflow.core.errors import TaskError
from lakeflow.jobs.home import Home
from lakeflow.jobs.rows import AttemptRow, DocumentRow, RunRow
from lakeflow.jobs.store import Reader
from lakeflow.jobs.work import Assignment
from lakeflow.server.secret_scopes import Secrets
from lakeflow.server.workspace import Workspace

_PATHS: Mapping[str, tuple[str, ...]] = {
    "notebook_task": ("notebook_path",),
    "spark_python_task": ("python_file",),
    "dbt_task": ("project_directory", "profiles_directory"),
    "scala_task": ("file",),
    "r_task": ("file",),
    "pipeline_task": ("pipeline_id",),
}


def localised(home: Home, assignment: Assignment) -> Assignment:
    """The attempt with files of the workspace, saved queries and pipelines, and secrets.

    Args:
        home: Where all of that lies.
        assignment: The attempt.

    Raises:
        TaskError: It names a query or a secret that is not there.
    """
    settings = dict(assignment.settings)
    workspace = Workspace(home.workspace)
    for name in _PATHS.get(assignment.type, ()):
        if (found := _local(workspace, settings.get(name))) is not None:
            settings[name] = found
    if assignment.type == "sql_task":
        settings = _sql(home, workspace, settings)
    if assignment.type == "pipeline_task":
        settings |= _pipeline(home, assignment)
    environment = Secrets(home.folder).resolved(assignment.environment)
    return replace(assignment, settings=settings, environment=environment)


def update_id_of(attempt: AttemptRow) -> str:
    """The id of the update that an attempt of a pipeline task makes; no two homes have the same."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{attempt.attempt}/{attempt.created}"))


def _pipeline(home: Home, assignment: Assignment) -> dict[str, Any]:
    with closing(Reader(home.database)) as reader:
        attempt = reader.find(AttemptRow, assignment.attempt)
        found = reader.find(DocumentRow, f"pipelines/{assignment.settings.get('pipeline_id')}")
        assert attempt is not None
        run = reader.find(RunRow, attempt.run_id)
        assert run is not None
        begun_by = {
            "cause": "API_CALL" if run.type == "SUBMIT_RUN" else "JOB_TASK",
            "workspace_id": reader.home,
            "job_id": run.job_id,
            "run_id": run.run_id,
            "task_run_id": attempt.attempt,
        }
    settings = {"update_id": update_id_of(attempt), "begun_by": begun_by}
    if found is None:
        return settings
    return {**settings, "saved": found.value, "workspace": str(home.workspace)}


def saved(home: Home, kind: str, name: str) -> Mapping[str, Any] | None:
    """What a client has saved under an id, if there is such a thing."""
    with closing(Reader(home.database)) as reader:
        found = reader.find(DocumentRow, f"{kind}/{name}")
    return None if found is None else found.value


def saved_query(home: Home, query_id: str) -> str | None:
    """The text of a saved query."""
    found = saved(home, "queries", query_id)
    return None if found is None else str(found["query_text"])


def _sql(home: Home, workspace: Workspace, settings: dict[str, Any]) -> dict[str, Any]:
    match settings:
        case {"file": {"path": path}}:
            if (found := _local(workspace, path)) is not None:
                return {**settings, "file": {**settings["file"], "path": found}}
        case {"query": {"query_id": query_id}}:
            text = saved_query(home, str(query_id))
            if text is None:
                raise TaskError(
                    f"sql_task.query.query_id: there is no query {query_id}.",
                    "RESOURCE_NOT_FOUND",
                    hint="GET /api/2.0/sql/queries lists those that are saved.",
                )
            rest = {name: value for name, value in settings.items() if name != "query"}
            return {**rest, "statement": text}
    return settings


def _local(workspace: Workspace, path: Any) -> str | None:
    found = workspace.local(path) if isinstance(path, str) else None
    return None if found is None else str(found)
