"""Brings a server's jobs to what a project declares."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from lakeflow.core.errors import ConfigurationError
from lakeflow.core.location import Location
from lakeflow.core.names import nearest
from lakeflow.jobs.checkout import check_git_source
from lakeflow.jobs.control import change_job, create_job, delete_job
from lakeflow.jobs.definitions import tree
from lakeflow.jobs.definitions.declared import Declared, Name, Resource
from lakeflow.jobs.definitions.deploy import (
    Action,
    Deployed,
    Plan,
    State,
    content,
    fill,
    make_plan,
    read_state,
    write_state,
)
from lakeflow.jobs.model import JsonValue
from lakeflow.jobs.rows import DocumentRow, JobRow
from lakeflow.jobs.settings.notices import check_notices
from lakeflow.jobs.settings.reading import read_job
from lakeflow.jobs.settings.references import check
from lakeflow.jobs.turn import Turn
from lakeflow.server.compose import Server
from lakeflow.server.freshness import expect, forget
from lakeflow.server.projects import pipeline_id, saved_pipeline


def source_of(declared: Declared) -> str:
    """How the jobs of a project are known, wherever it lies: by its name and target."""
    return f"{declared.name}:{declared.target}" if declared.target else declared.name


def state_file(home: Path, declared: Declared) -> Path:
    """Where a server keeps what was deployed of a project."""
    name = re.sub(r"[^\w.-]", "_", source_of(declared))
    return home / "deployments" / f"{name}.json"


def plan_of(home: Path, declared: Declared) -> Plan:
    """What a deployment would do."""
    check_jobs(declared)
    return make_plan(read_state(state_file(home, declared)), declared)


def deploy(server: Server, declared: Declared, only: Collection[str] = ()) -> Plan:
    """Creates, changes and removes jobs and pipelines, all of them or none.

    Args:
        server: Whose jobs they become.
        declared: What the project says.
        only: Keys of jobs; of all else only what they speak of is deployed, and nothing removed.

    Returns:
        What was done.

    Raises:
        ConfigurationError: A job is not valid; its file and line are told.
    """
    home = server.home.folder
    state = read_state(state_file(home, declared))
    plan = plan_of(home, declared)
    if only:
        wanted = set(_spoken_of(declared, only))
        kept = tuple(s for s in plan.steps if s.name in wanted and s.action is not Action.DELETE)
        plan = replace(plan, steps=kept)
    after = server.ask(lambda turn: _Deployment(server, turn, declared, state).carry_out(plan))
    write_state(state_file(home, declared), after)
    return plan


def check_jobs(declared: Declared, only: Collection[str] = ()) -> None:
    """Refuses jobs that could not be saved.

    Args:
        declared: What the project says.
        only: Keys of the jobs that matter; all if empty.

    Raises:
        ConfigurationError: It names the file and line.
    """
    names = set(_spoken_of(declared, only)) if only else declared.resources.keys()
    for job in declared.jobs.values():
        if job.name not in names:
            continue
        read_job(job.settings, strict=False, locate=partial(_place, job))
        notices = check_notices(job.settings, strict=False)
        for error in (*check(job.settings), *notices, *check_git_source(job.settings)):
            error.location = error.location or job.locate()
            raise error


def _place(job: Resource, path: tree.Path) -> Location:
    return job.locate(*path)


def _spoken_of(declared: Declared, keys: Collection[str]) -> Iterator[Name]:
    """Jobs, and everything that they speak of."""
    resources = declared.resources
    waiting: list[Name] = []
    for key in keys:
        if key not in declared.jobs:
            raise ConfigurationError(
                f"{declared.name} declares no job {key!r}.",
                hint=nearest(key, declared.jobs) or f"Jobs are {', '.join(declared.jobs)}.",
            )
        waiting.append(("jobs", key))
    while waiting:
        name = waiting.pop()
        yield name
        waiting += [each for each in resources[name].references if each in resources]


class _Deployment:
    """The steps of a plan, taken within one transaction of the scheduler."""

    def __init__(self, server: Server, turn: Turn, declared: Declared, state: State) -> None:
        self._server = server
        self._turn = turn
        self._declared = declared
        self._deployed = dict(state.resources)
        self._root = str(declared.folder.absolute())

    def carry_out(self, plan: Plan) -> State:
        resources = self._declared.resources
        for step in plan.steps:
            kind, key = step.name
            if step.action is Action.DELETE:
                if kind == "jobs" and self._turn.store.find(JobRow, int(step.id)) is not None:
                    delete_job(self._server.scheduler, self._turn, int(step.id))
                elif kind == "pipelines":
                    self._turn.store.delete(DocumentRow, "key = ?", (f"pipelines/{step.id}",))
                elif kind == "freshness":
                    forget(self._turn, str(step.id))
                del self._deployed[step.name]
                continue
            resource = resources[step.name]
            match kind:
                case "jobs":
                    made: JsonValue = self._job(key, resource)
                case "pipelines":
                    made = self._pipeline(key, resource)
                case "freshness":
                    made = expect(self._turn, source_of(self._declared), resource.settings)
                case _:
                    made = f"{kind}.{key}"
            self._deployed[step.name] = Deployed(made, content(resource), resource.references)
        return State(self._deployed)

    def _job(self, key: str, resource: Resource) -> int:
        settings = self._settings(resource)
        source = source_of(self._declared)
        found = self._turn.store.select(JobRow, "source = ? AND key = ?", (source, key))
        if found:
            change_job(self._turn, found[0].job_id, settings, root=self._root)
            return found[0].job_id
        return create_job(
            self._turn,
            settings,
            root=self._root,
            creator=self._server.user,
            key=key,
            source=source,
        )

    def _pipeline(self, key: str, resource: Resource) -> str:
        made = pipeline_id(source_of(self._declared), key)
        name = f"pipelines/{made}"
        before = self._turn.store.find(DocumentRow, name)
        value = saved_pipeline(resource, self._declared.folder)
        value["spec"]["id"] = made
        if before is None:
            value |= {"created": self._turn.now, "creator": self._server.user}
        else:
            value = {**before.value, **value}
        self._turn.store.put(DocumentRow(name, "pipelines", value, self._turn.now))
        return made

    def _settings(self, resource: Resource) -> Mapping[str, JsonValue]:
        """Settings in which other resources have their ids."""
        ids = {f"resources.{kind}.{key}.id": d.id for (kind, key), d in self._deployed.items()}
        settings: dict[str, Any] = fill(dict(resource.settings), ids)
        for task in _tasks(settings):
            for field, name, kind in (
                ("pipeline_task", "pipeline_id", "pipelines"),
                ("run_job_task", "job_id", "jobs"),
            ):
                said = task.get(field)
                if said and (found := self._deployed.get((kind, str(said.get(name))))):
                    task[field] = {**said, name: found.id}
        return settings


def _tasks(settings: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for task in settings.get("tasks") or ():
        yield task
        inner = (task.get("for_each_task") or {}).get("task")
        if inner:
            yield inner
