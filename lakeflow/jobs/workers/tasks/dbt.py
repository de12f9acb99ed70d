"""`dbt_task`: commands of dbt, run by the `dbt` of the task's environment."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

from lakeflow.core.errors import TaskError
from lakeflow.jobs.workers.tasks import program
from lakeflow.jobs.workers.tasks.context import Context, Done

MOST_COMMANDS = 10
_ARTIFACTS = ("manifest.json", "run_results.json", "catalog.json", "sources.json")


def run(context: Context) -> Done:
    """Runs the commands until one fails, and keeps dbt's artifacts."""
    commands = [_words(each) for each in context.required("commands")]
    if len(commands) > MOST_COMMANDS:
        raise TaskError(
            f"dbt_task has {len(commands)} commands; {MOST_COMMANDS} are allowed.",
            "INVALID_RUN_CONFIGURATION",
        )
    project = context.assignment.root / str(context.settings.get("project_directory") or ".")
    if not (project / "dbt_project.yml").is_file():
        raise TaskError(f"There is no file {project}/dbt_project.yml.", "RESOURCE_NOT_FOUND")
    dbt = _dbt()
    environment = {**os.environ, **_profiles(context, project)}
    done = Done()
    for words in commands:
        done = program.run([dbt, *words[1:]], project, environment)
        if done.exit_code:
            message = f"{shlex.join(words)} ended with exit code {done.exit_code}."
            return Done(_kept(context, project), done.exit_code, message)
    return Done(_kept(context, project), done.exit_code)


def _words(command: Any) -> list[str]:
    words = shlex.split(str(command))
    if not words or words[0] != "dbt":
        raise TaskError(
            f"dbt_task: the command {command!r} does not begin with dbt.",
            "INVALID_RUN_CONFIGURATION",
        )
    return words


def _dbt() -> str:
    beside = Path(sys.executable).with_name("dbt")
    if beside.is_file():
        return str(beside)
    how = "Name it in the task's libraries or environment, such as dbt-duckdb; it brings dbt along."
    return program.find("dbt", how)


def _profiles(context: Context, project: Path) -> dict[str, str]:
    """Variables that lead dbt to its profile.

    On Databricks a task with a warehouse gets a profile made for it; here one for DuckDB, with a
    database file beside the project.
    """
    settings = context.settings
    if folder := settings.get("profiles_directory"):
        return {"DBT_PROFILES_DIR": str(context.assignment.root / str(folder))}
    if not settings.get("warehouse_id"):
        return {}
    import yaml

    said = yaml.safe_load((project / "dbt_project.yml").read_text(encoding="utf-8")) or {}
    name = said.get("profile") or said.get("name")
    path = project / f"{settings.get('catalog') or 'dbt'}.duckdb"
    output = {"type": "duckdb", "path": str(path), "schema": settings.get("schema") or "default"}
    profile = {name: {"target": "local", "outputs": {"local": output}}}
    file = context.assignment.folder / "profiles.yml"
    file.write_text(json.dumps(profile, indent=1), encoding="utf-8")  # which is YAML as well
    sys.stderr.write(f"A profile was made for the warehouse: {file}, with the database {path}.\n")
    return {"DBT_PROFILES_DIR": str(file.parent)}


def _kept(context: Context, project: Path) -> dict[str, Any]:
    """Copies the artifacts to the attempt, for the next run of dbt replaces them."""
    folder = context.assignment.folder / "artifacts"
    found = [path for name in _ARTIFACTS if (path := project / "target" / name).is_file()]
    if found:
        folder.mkdir(exist_ok=True)
    for path in found:
        shutil.copy2(path, folder)
    return {"dbt_output": {"artifacts": [str(folder / path.name) for path in found]}}
