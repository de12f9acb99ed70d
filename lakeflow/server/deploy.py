"""Brings a server's jobs to what a project declares."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from lakeflow.core.location import Location
from lakeflow.jobs.checkout import check_git_source
from lakeflow.jobs.control import change_job, create_job, delete_job
from lakeflow.jobs.definitions import tree
from lakeflow.jobs.definitions.declared import Declared, Name, Resource
from lakeflow.jobs.definitions.deploy import (
    Action,
    Change,
    Deployed,
    Plan,
    State,
    Step,
    content,
    differences,
    fill,
    in_order,
    make_plan,
    read_state,
    write_state,
)
from lakeflow.jobs.home import Home
from lakeflow.jobs.model import JsonValue
from lakeflow.jobs.rows import DocumentRow, JobRow
from lakeflow.jobs.settings.notices import check_notices
from lakeflow.jobs.settings.reading import read_job
from lakeflow.jobs.settings.references import check
from lakeflow.jobs.store import Reader
from lakeflow.jobs.turn import Turn
from lakeflow.server.compose import Server
from lakeflow.server.freshness import expect, forget
from lakeflow.server.projects import pipeline_id, saved_pipeline

LONGEST_NAME = 200
"""Bytes of a file's name; file systems take 255, and one beside it is written first."""


def source_of(declared: Declared) -> str:
    """How the jobs of a project are known, wherever it lies: by its name and target."""
    return f"{declared.name}:{declared.target}" if declared.target else declared.name


def state_file(home: Path, declared: Declared) -> Path:
    """Where a server keeps what was deployed of a project."""
    source = source_of(declared)
    name = re.sub(r"[^\w.-]", "_", source)
    if len(name.encode()) > LONGEST_NAME:
        name = sha256(source.encode("utf-8", "surrogatepass")).hexdigest()
    return home / "deployments" / f"{name}.json"


def plan_of(home: Path, declared: Declared) -> Plan:
    """What a deployment would do."""
    check_jobs(declared)
    database = Home(home).database
    if not database.exists():
        return make_plan(State(), declared)
    with closing(Reader(database)) as reader:
        return _plan(reader, read_state(state_file(home, declared)), declared)[0]


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
    check_jobs(declared)
    before = read_state(state_file(home, declared))

    def carry_out(turn: Turn) -> tuple[Plan, State]:
        plan, state = _plan(turn.store, before, declared, only)
        return plan, _Deployment(server, turn, declared, state).carry_out(plan)

    plan, after = server.ask(carry_out)
    write_state(state_file(home, declared), after)
    return plan


def _plan(
    reader: Reader, state: State, declared: Declared, only: Collection[str] = ()
) -> tuple[Plan, State]:
    """What is to be done, and what of the former state still holds."""
    rows = {row.key: row for row in reader.select(JobRow, "source = ?", (source_of(declared),))}

    def is_there(name: Name, deployed: Deployed) -> bool:
        row = rows.get(name[1])
        return name[0] != "jobs" or (row is not None and row.job_id == deployed.id)

    state = State({name: each for name, each in state.resources.items() if is_there(name, each)})
    steps = make_plan(state, declared).steps
    if only:
        wanted = set(_spoken_of(declared, only))
        steps = tuple(s for s in steps if s.name in wanted and s.action is not Action.DELETE)
    else:
        steps = tuple(_drifted(step, rows, state, declared) for step in steps)
    return Plan(steps), state


def _drifted(
    step: Step, rows: Mapping[str | None, JobRow], state: State, declared: Declared
) -> Step:
    """A step, with what others have changed in its job since it was deployed."""
    kind, key = step.name
    if kind != "jobs" or step.action is not Action.UNCHANGED:
        return step
    row, root = rows[key], _root(declared)
    wanted = _settings(declared.jobs[key], state.resources)
    changes = tuple(differences(row.settings, wanted))
    if row.root != root:
        changes += (Change("the folder of the project", row.root, root),)
    return replace(step, action=Action.UPDATE, changes=changes) if changes else step


def check_jobs(declared: Declared, only: Collection[str] = ()) -> None:
    """Refuses jobs that could not be saved.

    Args:
        declared: What the project says.
        only: Keys of the jobs that matter; all if empty.

    Raises:
        ConfigurationError: It names the file and line.
    """
    in_order(declared.resources)
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
    waiting = [declared.job(key).name for key in keys]
    seen: set[Name] = set()
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            yield name
            waiting += [each for each in resources[name].references if each in resources]


class _Deployment:
    """The steps of a plan, taken within one transaction of the scheduler."""

    def __init__(self, server: Server, turn: Turn, declared: Declared, state: State) -> None:
        self._server = server
        self._turn = turn
        self._declared = declared
        self._deployed = dict(state.resources)
        self._root = _root(declared)

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
                    made: JsonValue = self._job(key, resource, step)
                case "pipelines":
                    made = self._pipeline(key, resource)
                case "freshness":
                    made = expect(self._turn, source_of(self._declared), resource.settings)
                case _:
                    made = f"{kind}.{key}"
            self._deployed[step.name] = Deployed(made, content(resource), resource.references)
        return State(self._deployed)

    def _job(self, key: str, resource: Resource, step: Step) -> int:
        settings = _settings(resource, self._deployed)
        source = source_of(self._declared)
        found = self._turn.store.select(JobRow, "source = ? AND key = ?", (source, key))
        if found:
            if step.action is Action.UNCHANGED:
                # Somebody has changed it on purpose, for example paused it.
                settings = found[0].settings
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


def _root(declared: Declared) -> str:
    return str(declared.folder.absolute())


def _settings(resource: Resource, deployed: Mapping[Name, Deployed]) -> Mapping[str, JsonValue]:
    """Settings in which other resources have their ids."""
    ids = {f"resources.{kind}.{key}.id": each.id for (kind, key), each in deployed.items()}
    settings: dict[str, Any] = fill(dict(resource.settings), ids)
    for task in _tasks(settings):
        for field, name, kind in (
            ("pipeline_task", "pipeline_id", "pipelines"),
            ("run_job_task", "job_id", "jobs"),
        ):
            said = task.get(field)
            if said and (found := deployed.get((kind, str(said.get(name))))):
                task[field] = {**said, name: found.id}
    return settings


def _tasks(settings: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for task in settings.get("tasks") or ():
        yield task
        inner = (task.get("for_each_task") or {}).get("task")
        if inner:
            yield inner
