"""The calls on pipelines and their updates.

A pipeline is what a client has saved; an update of it is an attempt of a pipeline task, be it of a
job or of a run that was submitted for it alone. So nothing of an update is kept twice.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lakeflow.jobs import control
from lakeflow.jobs.rows import AttemptRow, DocumentRow
from lakeflow.jobs.store import Reader
from lakeflow.jobs.turn import Turn
from lakeflow.server import paging
from lakeflow.server.answers import Refused, invalid, missing, unsupported
from lakeflow.server.localise import update_id_of
from lakeflow.server.permissions import grant
from lakeflow.server.pipeline_project import engine_name
from lakeflow.server.routes import Request, Routes
from lakeflow.server.updates import NEWEST, Update, updates_of

if TYPE_CHECKING:
    from lakeflow.server.api import Api

ROUTES = Routes()
KIND = "pipelines"
_SPEC = """
    name*                  text    Unique in this server.
    libraries              list    Its files, as file.path, glob.include or notebook.path.
    root_path              text    Folder from which relative paths are taken.
    catalog                text    Of tables that do not say one.
    schema                 text    Of tables that do not say one.
    target                 text    Older than schema.
    configuration          object  Values of its SQL.
    continuous             flag    Kept; a job with continuous runs it again and again.
    development            flag    Kept.
    allow_duplicate_names  flag    Refused where there is another one: tables are kept by name.
    dry_run                flag    Whether it is only looked at.
"""
_KEPT = """
    storage clusters serverless photon edition channel notifications event_log environment filters
    ingestion_definition gateway_definition restart_window tags trigger budget_policy_id
    usage_policy_id parent_path deployment run_as id parameters access_control_list
    expected_last_modified
""".split()
_FIELDS = _SPEC + "\n".join(f"    {name}  any  Kept." for name in _KEPT)
_NOT_SPEC = (
    "pipeline_id allow_duplicate_names dry_run access_control_list expected_last_modified".split()
)
_LATEST = 5


@ROUTES.add("POST", "pipelines", _FIELDS)
def create(api: Api, request: Request) -> Any:
    """Saves a pipeline."""
    spec = _spec(request)
    if request.get("dry_run"):
        return {"effective_settings": spec}
    pipeline_id = str(uuid.uuid4())
    spec["id"] = pipeline_id

    def save(turn: Turn) -> None:
        _refuse_double(turn.store, spec["name"])
        value = {
            "spec": spec,
            "engine_name": engine_name(spec["name"]),
            "created": turn.now,
            "creator": api.user,
        }
        turn.store.put(DocumentRow(f"{KIND}/{pipeline_id}", KIND, value, turn.now))

    api.server.ask(save)
    grant(api, KIND, pipeline_id, request.get("access_control_list"))
    return {"pipeline_id": pipeline_id}


@ROUTES.add("PUT", "pipelines/{pipeline_id}", _FIELDS)
def replace(api: Api, request: Request) -> Any:
    """Gives a pipeline other settings; the lakehouse knows it by the name it had first."""
    spec = _spec(request) | {"id": request["pipeline_id"]}

    def save(turn: Turn) -> None:
        row = _row(turn.store, request["pipeline_id"])
        expected = request.get("expected_last_modified")
        if expected is not None and str(expected) != str(row.changed):
            raise Refused(409, "RESOURCE_CONFLICT", "The pipeline was changed meanwhile.")
        if spec["name"] != row.value["spec"]["name"]:
            _refuse_double(turn.store, spec["name"], row.key)
        value = {**row.value, "spec": spec}
        turn.store.put(DocumentRow(row.key, KIND, value, max(turn.now, row.changed + 1)))

    api.server.ask(save)
    return {}


@ROUTES.add("GET", "pipelines/{pipeline_id}")
def get(api: Api, request: Request) -> Any:
    """A pipeline, with its latest updates."""

    def read(reader: Reader) -> Any:
        row = _row(reader, request["pipeline_id"])
        return _shown(api, reader, row) | {
            "spec": row.value["spec"],
            "effective_settings": row.value["spec"],
            "last_modified": row.changed,
        }

    return api.read(read)


@ROUTES.add(
    "GET",
    "pipelines",
    """
    filter       text    name LIKE '%part%' or notebook='/path'.
    max_results  number  Pipelines in one answer, at most 100; 25 if left out.
    page_token   text    From the answer before.
    order_by     any     name asc, name desc, id asc or id desc.
    """,
)
def list_pipelines(api: Api, request: Request) -> Any:
    """The pipelines."""
    limit = request.limit(25, 100, "max_results")
    start = paging.read(request.get("page_token"), "start")
    wanted = _filter(request.get("filter") or "")
    order = request.get("order_by") or ["name asc"]
    word, _, way = str(order[0] if isinstance(order, list) else order).partition(" ")
    if word not in ("name", "id") or way.lower() not in ("", "asc", "desc"):
        raise invalid(f"order_by {order!r} is no order.", "Write name asc, or id desc.")

    def read(reader: Reader) -> Any:
        rows = [
            r for r in reader.select(DocumentRow, "kind = ?", (KIND,)) if wanted(r.value["spec"])
        ]
        rows.sort(key=lambda row: row.value["spec"][word], reverse=way.lower() == "desc")
        page = paging.sliced([{"row": row} for row in rows], "statuses", start, limit)
        page["statuses"] = [_shown(api, reader, each["row"]) for each in page["statuses"]]
        return page

    return api.read(read)


@ROUTES.add("DELETE", "pipelines/{pipeline_id}", "force flag Kept.\ncascade flag Kept.")
def delete(api: Api, request: Request) -> Any:
    """Removes a pipeline and stops its update; its tables stay."""

    def remove(turn: Turn) -> None:
        row = _row(turn.store, request["pipeline_id"])
        _stop(api, turn, request["pipeline_id"], "Its pipeline was deleted.")
        turn.store.delete(DocumentRow, "key = ?", (row.key,))

    api.server.ask(remove)
    return {}


@ROUTES.add(
    "POST",
    "pipelines/{pipeline_id}/updates",
    """
    full_refresh                flag    Computes all its tables anew.
    full_refresh_selection      texts   Computes these tables anew.
    validate_only               flag    Checks the definitions only.
    parameters                  object  Values of its SQL for this update.
    cause                       text    Who wants it; API_CALL if left out.
    development                 flag    Kept.
    refresh_selection           texts   Refused.
    reset_checkpoint_selection  texts   Refused.
    refresh_flow_selection      texts   Refused.
    replace_where_overrides     list    Refused.
    rewind_spec                 any     Refused.
    """,
)
def start_update(api: Api, request: Request) -> Any:
    """Begins an update."""
    for name in (
        "refresh_selection reset_checkpoint_selection refresh_flow_selection "
        "replace_where_overrides rewind_spec"
    ).split():
        if request.get(name):
            raise unsupported(f"{name} of an update", "Leave it out: what is new is found.")
    pipeline_id = request["pipeline_id"]
    taken = ("full_refresh", "full_refresh_selection", "validate_only", "parameters")
    task = {name: request[name] for name in taken if request.get(name)}
    task["pipeline_id"] = pipeline_id

    def begin(turn: Turn) -> str:
        row = _row(turn.store, pipeline_id)
        active = next((u for u in updates_of(turn.store, pipeline_id, NEWEST) if u.active), None)
        if active is not None:
            raise Refused(
                409,
                "RESOURCE_CONFLICT",
                f"Update {active.update_id} of this pipeline is active.",
                hint="Wait for it, or stop the pipeline.",
            )
        settings = {
            "name": f"Update of {row.value['spec']['name']}",
            "tasks": [{"task_key": "update", "pipeline_task": task}],
        }
        run_id = control.submit(
            api.server.scheduler,
            turn,
            settings,
            root=str(api.home.workspace),
            creator=api.user,
        )
        (attempt,) = turn.store.select(AttemptRow, "run_id = ?", (run_id,))
        turn.store.update(AttemptRow, attempt.attempt, settings=task)  # found by it from now on
        return update_id_of(attempt)

    return {"update_id": api.server.ask(begin)}


@ROUTES.add(
    "GET",
    "pipelines/{pipeline_id}/updates",
    """
    max_results      number  Updates in one answer, at most 100; 25 if left out.
    page_token       text    From the answer before.
    until_update_id  text    Only this update and those before it.
    """,
)
def list_updates(api: Api, request: Request) -> Any:
    """The updates of a pipeline, the newest first."""

    def read(reader: Reader) -> list[Update]:
        _row(reader, request["pipeline_id"])
        return updates_of(reader, request["pipeline_id"])

    found = api.read(read)
    if until := request.get("until_update_id"):
        place = next((n for n, each in enumerate(found) if until in each.ids), len(found))
        found = found[place:]
    start = paging.read(request.get("page_token"), "start")
    shown = [each.json() for each in found]
    return paging.sliced(shown, "updates", start, request.limit(25, 100, "max_results"))


@ROUTES.add("GET", "pipelines/{pipeline_id}/updates/{update_id}")
def get_update(api: Api, request: Request) -> Any:
    """An update of a pipeline."""

    def read(reader: Reader) -> Any:
        row = _row(reader, request["pipeline_id"])
        for each in updates_of(reader, request["pipeline_id"]):
            if request["update_id"] in each.ids:
                return {"update": each.json() | {"config": row.value["spec"]}}
        raise missing(f"Update {request['update_id']} does not exist.")

    return api.read(read)


@ROUTES.add("POST", "pipelines/{pipeline_id}/stop")
def stop(api: Api, request: Request) -> Any:
    """Stops the active update; it is over some time after the answer."""

    def end(turn: Turn) -> None:
        _row(turn.store, request["pipeline_id"])
        _stop(api, turn, request["pipeline_id"], "Its pipeline was stopped.")

    api.server.ask(end)
    return {}


@ROUTES.add(
    "GET",
    "pipelines/{pipeline_id}/events",
    """
    filter       text    Such as level in ('ERROR', 'WARN') AND timestamp > '2026-01-01'.
    order_by     any     timestamp desc, or timestamp asc.
    max_results  number  Events in one answer, at most 250; 25 if left out.
    page_token   text    From the answer before.
    """,
)
def list_events(api: Api, request: Request) -> Any:
    """The events of the updates that have ended, the newest first."""
    from lakeflow.server.pipeline_events import events_of

    row = api.read(lambda reader: _row(reader, request["pipeline_id"]))
    return events_of(
        api.server.settings,
        row.value["engine_name"],
        request["pipeline_id"],
        condition=request.get("filter") or "",
        order=request.get("order_by"),
        limit=request.limit(25, 250, "max_results"),
        start=paging.read(request.get("page_token"), "start"),
    )


def _spec(request: Request) -> dict[str, Any]:
    spec = {name: value for name, value in request.values.items() if name not in _NOT_SPEC}
    if not spec["name"].strip():
        raise invalid("A pipeline has a name.")
    for number, each in enumerate(spec.get("libraries") or ()):
        if not isinstance(each, Mapping):
            raise invalid(f"libraries[{number}] is an object, not {each!r}.")
    return spec


def _row(reader: Reader, pipeline_id: str) -> DocumentRow:
    row = reader.find(DocumentRow, f"{KIND}/{pipeline_id}")
    if row is None:
        raise missing(f"The specified pipeline {pipeline_id} was not found.")
    return row


def _refuse_double(reader: Reader, name: str, own: str = "") -> None:
    mine = engine_name(name)
    for row in reader.select(DocumentRow, "kind = ?", (KIND,)):
        if row.key != own and mine.lower() == str(row.value["engine_name"]).lower():
            raise Refused(
                409,
                "RESOURCE_CONFLICT",
                f"There is a pipeline {row.value['spec']['name']!r} already.",
                hint="Tables and their state are kept by the pipeline's name: choose another.",
            )


def _shown(api: Api, reader: Reader, row: DocumentRow) -> dict[str, Any]:
    pipeline_id = row.key.partition("/")[2]
    updates = updates_of(reader, pipeline_id, NEWEST)
    running = any(each.active for each in updates)
    failed = bool(updates) and updates[0].state == "FAILED"
    return {
        "pipeline_id": pipeline_id,
        "name": row.value["spec"]["name"],
        "state": "RUNNING" if running else "IDLE",
        "health": "UNHEALTHY" if failed else "HEALTHY",
        "cluster_id": "local",
        "creator_user_name": row.value["creator"],
        "run_as_user_name": api.user,
        "latest_updates": [each.brief() for each in updates[:_LATEST]],
    }


def _stop(api: Api, turn: Turn, pipeline_id: str, reason: str) -> None:
    for each in updates_of(turn.store, pipeline_id, NEWEST):
        if each.active:
            control.cancel(api.server.scheduler, turn, each.newest.attempt, reason)


def _filter(text: str) -> Any:
    """What a filter of pipelines asks of a spec."""
    if not text.strip():
        return lambda _: True
    match = re.fullmatch(r"\s*(name\s+like|notebook\s*=)\s*'([^']*)'\s*", text, re.IGNORECASE)
    if match is None:
        raise invalid(f"The filter {text!r} is none.", "Write name LIKE '%part%'.")
    if match[1].lower().startswith("notebook"):
        return lambda spec: any(
            (each.get("notebook") or {}).get("path") == match[2]
            for each in spec.get("libraries") or ()
        )
    pattern = re.compile(".*".join(re.escape(part) for part in match[2].split("%")), re.IGNORECASE)
    return lambda spec: pattern.fullmatch(spec["name"])
