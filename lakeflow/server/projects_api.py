"""Calls of our own: a project is deployed, a range of time is run again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakeflow.core.location import Location
from lakeflow.jobs.control import backfill_job
from lakeflow.jobs.definitions.declared import Declared, Resource
from lakeflow.jobs.definitions.deploy import Plan
from lakeflow.jobs.rows import JobRow
from lakeflow.jobs.timing.backfill import MOST_WINDOWS, backfill
from lakeflow.jobs.timing.triggers import Periodic, Schedule, read_triggers
from lakeflow.server.answers import invalid, missing
from lakeflow.server.deploy import deploy, plan_of, source_of
from lakeflow.server.routes import Request, Routes

if TYPE_CHECKING:
    from lakeflow.server.api import Api

ROUTES = Routes()


@ROUTES.add(
    "POST",
    "/api/lakeflow/deploy",
    """
    name*       text   Of the project.
    folder*     text   Against which its relative paths are taken.
    target      text   That was chosen in it.
    resources*  list   Each with kind, key, settings, references, permissions, lifecycle.
    only        texts  Keys of jobs; of all else only what they speak of is deployed.
    dry_run     flag   Whether nothing is changed.
    """,
)
def deploy_project(api: Api, request: Request) -> Any:
    """Creates, changes and removes jobs and pipelines so that they are as a project declares."""
    declared = _declared(request)
    if request.get("dry_run"):
        plan = plan_of(api.home.folder, declared)
    else:
        plan = deploy(api.server, declared, request.get("only") or ())
    jobs = api.read(lambda reader: reader.select(JobRow, "source = ?", (source_of(declared),)))
    return {"plan": plan_json(plan), "jobs": {row.key: row.job_id for row in jobs}}


_EVERY = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}


@ROUTES.add(
    "POST",
    "/api/lakeflow/backfill",
    """
    job_id*         number  The job.
    start*          text    Beginning of the range, as ISO 8601 with a zone.
    end*            text    Its end, which is not in it.
    every           text    hour, day or week; windows begin at ticks of its schedule if left out.
    most            number  How many runs there may be; 100 if left out.
    job_parameters  object  May refer to the window, as {{backfill.iso_date}}.
    """,
)
def backfill_range(api: Api, request: Request) -> Any:
    """Runs a job once for each window of a range of time."""
    job = api.read(lambda reader: reader.find(JobRow, request["job_id"]))
    if job is None:
        raise missing(f"Job {request['job_id']} does not exist.")
    windows = backfill(
        _instant(request["start"]),
        _instant(request["end"]),
        _rule(job, request.get("every")),
        most=request.get("most") or MOST_WINDOWS,
    )
    given = {"job_parameters": request.get("job_parameters") or {}}
    scheduler = api.server.scheduler
    runs = api.server.ask(lambda turn: backfill_job(scheduler, turn, job.job_id, windows, given))
    return {
        "runs": [
            {"run_id": run, "window_start": w.start.isoformat(), "window_end": w.end.isoformat()}
            for run, w in zip(runs, windows, strict=True)
        ]
    }


def _instant(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise invalid(f"{text!r} is not a time.", "Write it like 2026-01-31T00:00:00Z.") from None


def _rule(job: JobRow, every: str | None) -> timedelta | Schedule:
    if every is not None:
        if every not in _EVERY:
            raise invalid(f"every is {', '.join(_EVERY)}, not {every!r}.")
        return _EVERY[every]
    triggers, _ = read_triggers(job.settings, strict=False)
    for trigger in triggers:
        if isinstance(trigger.rule, Schedule):
            return trigger.rule
        if isinstance(trigger.rule, Periodic):
            return trigger.rule.interval
    raise invalid("The job has no schedule.", "Say how long a window is: every.")


def _declared(request: Request) -> Declared:
    kinds: dict[str, dict[str, Resource]] = {"jobs": {}, "pipelines": {}}
    for each in request["resources"]:
        if not isinstance(each, Mapping) or not each.get("kind") or not each.get("key"):
            raise invalid("A resource has a kind and a key.")
        resource = Resource(
            str(each["kind"]),
            str(each["key"]),
            each.get("settings") or {},
            {(): Location(request["name"], 1)},
            frozenset((str(kind), str(key)) for kind, key in each.get("references") or ()),
            each.get("permissions") or (),
            each.get("lifecycle") or {},
        )
        kinds.setdefault(resource.kind, {})[resource.key] = resource
    jobs, pipelines = kinds.pop("jobs"), kinds.pop("pipelines")
    folder = Path(request["folder"])
    target = request.get("target") or ""
    return Declared(request["name"], folder, jobs, pipelines, kinds, target)


def declared_json(declared: Declared) -> dict[str, Any]:
    """A project as this call takes it."""
    return {
        "name": declared.name,
        "folder": str(declared.folder.absolute()),
        "target": declared.target,
        "resources": [
            {
                "kind": each.kind,
                "key": each.key,
                "settings": each.settings,
                "references": sorted(each.references),
                "permissions": list(each.permissions),
                "lifecycle": dict(each.lifecycle),
            }
            for each in declared.resources.values()
        ],
    }


def plan_json(plan: Plan) -> list[dict[str, Any]]:
    """What happens to each resource, and the fields that differ."""
    return [
        {
            "action": str(step.action),
            "kind": step.name[0],
            "key": step.name[1],
            "changes": [{"field": c.path, "old": c.old, "new": c.new} for c in step.changes],
        }
        for step in plan.steps
    ]
