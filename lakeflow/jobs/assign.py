"""Makes of an attempt what is handed to whoever runs it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lakeflow.core.settings import read_bytes
from lakeflow.jobs.active import ActiveRun
from lakeflow.jobs.checkout import uses_git
from lakeflow.jobs.home import Home
from lakeflow.jobs.model import ForEach, Task, Work
from lakeflow.jobs.rows import AttemptRow, RunRow
from lakeflow.jobs.work import Assignment


def assignment(home: Home, run: ActiveRun, attempt: AttemptRow) -> Assignment:
    """What is handed out for an attempt.

    Args:
        home: Where its files go.
        run: Its run.
        attempt: The attempt, with its settings resolved.
    """
    whole = run.job.tasks[attempt.task_key]
    task = whole.action.task if isinstance(whole.action, ForEach) else whole
    assert isinstance(task.action, Work)
    settings = run.job.settings
    cluster = _cluster(run, task)
    root, libraries = Path(run.row.root), _libraries(settings, task)
    if uses_git(settings, attempt.settings):
        libraries = tuple(_anchored(each, root) for each in libraries)
        root = home.checkouts / run.row.checkout
    return Assignment(
        attempt.attempt,
        attempt.epoch,
        task.action.type,
        attempt.settings,
        home.attempt(attempt.run_id, attempt.attempt),
        root,
        run.row.parameters,
        dict(run.values),
        {
            "job_id": run.row.job_id,
            "job_name": run.row.name,
            "run_id": run.row.run_id,
            "task_key": attempt.task_key,
            "task_run_id": attempt.attempt,
            "iteration": attempt.iteration,
            "attempt_number": attempt.number,
            "trigger": run.row.trigger,
        },
        _variables(settings, task),
        cluster,
        settings.get("performance_target") != "STANDARD" and cluster is None,
        libraries,
        _memory(settings, task),
    )


def clusters_of(row: RunRow) -> list[str]:
    """The shared processes that end with a run."""
    return [
        f"{row.run_id}/{each['job_cluster_key']}" for each in row.settings.get("job_clusters") or ()
    ]


def _cluster(run: ActiveRun, task: Task) -> str | None:
    if key := task.settings.get("job_cluster_key"):
        return f"{run.row.run_id}/{key}"
    found = task.settings.get("existing_cluster_id")
    return None if found is None else str(found)


def _variables(settings: Mapping[str, Any], task: Task) -> dict[str, str]:
    """Variables that the task's key names; those of its cluster go before."""
    found: dict[str, str] = {}
    for cluster in _clusters(settings, task):
        found.update({name: str(v) for name, v in cluster.get("spark_env_vars", {}).items()})
    key = task.settings.get("environment_variables_key")
    for each in settings.get("environment_variables") or ():
        if key is not None and each.get("environment_variables_key") == key:
            variables = (each.get("spec") or {}).get("variables") or {}
            found.update({name: str(value) for name, value in variables.items()})
    return found


def _clusters(settings: Mapping[str, Any], task: Task) -> list[Mapping[str, Any]]:
    key = task.settings.get("job_cluster_key")
    shared = [
        each.get("new_cluster") or {}
        for each in settings.get("job_clusters") or ()
        if key is not None and each.get("job_cluster_key") == key
    ]
    return [*shared, task.settings.get("new_cluster") or {}]


def _libraries(settings: Mapping[str, Any], task: Task) -> tuple[Mapping[str, Any], ...]:
    key = task.settings.get("environment_key")
    listed = [
        {"dependencies": dependencies}
        for each in settings.get("environments") or ()
        if key is not None and each.get("environment_key") == key
        if (dependencies := (each.get("spec") or {}).get("dependencies"))
    ]
    return (*(task.settings.get("libraries") or ()), *listed)


def _anchored(library: Mapping[str, Any], root: Path) -> Mapping[str, Any]:
    """A library whose files are those of the project, wherever its task runs."""

    def line(text: str) -> str:
        option, space, rest = text.rpartition(" ")
        if option in ("-r", "-e", "--requirement", "--editable") or re.match(r"\.\.?/", rest):
            return f"{option}{space}{root / rest}"
        return str(root / text) if text.endswith(".whl") and ":" not in text else text

    return {
        kind: [line(str(each)) for each in said]
        if kind == "dependencies"
        else str(root / str(said).removeprefix("file:"))
        if kind in ("jar", "requirements", "whl")
        else said
        for kind, said in library.items()
    }


def _memory(settings: Mapping[str, Any], task: Task) -> int:
    limits = [each["memory_limit"] for each in _clusters(settings, task) if "memory_limit" in each]
    return read_bytes(str(limits[-1])) if limits else 0
