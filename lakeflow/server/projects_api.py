"""The call that brings a server's jobs to what a project declares."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakeflow.core.location import Location
from lakeflow.jobs.declared import Declared, Resource
from lakeflow.jobs.deploy import Plan
from lakeflow.jobs.rows import JobRow
from lakeflow.server.answers import invalid
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
