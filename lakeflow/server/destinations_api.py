"""Notification destinations: where webhooks go that jobs know by an id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lakeflow.core.names import nearest
from lakeflow.jobs.destinations import (
    change_destination,
    create_destination,
    delete_destination,
    destination,
    list_destinations,
)
from lakeflow.jobs.rows import DestinationRow
from lakeflow.server import paging
from lakeflow.server.answers import invalid, unsupported
from lakeflow.server.routes import Request, Routes

if TYPE_CHECKING:
    from lakeflow.server.api import Api

ROUTES = Routes()

_KINDS = {"generic_webhook": "WEBHOOK", "slack": "SLACK"}
_ELSEWHERE = "databricks_app_slack databricks_app_teams email microsoft_teams pagerduty".split()
_FIELDS = {"generic_webhook": ("url", "username", "password"), "slack": ("url",)}


@ROUTES.add(
    "POST",
    "notification-destinations",
    """
    display_name*  text  For people.
    config*        any   generic_webhook with url, username and password, or slack with url.
    """,
)
def create(api: Api, request: Request) -> Any:
    """Saves a destination of webhooks."""
    name, (kind, fields) = request["display_name"], _config(request)
    url = fields.pop("url", "")
    made = api.server.ask(
        lambda turn: create_destination(turn, name, url, kind=_KINDS[kind], **fields)
    )
    return _shown(api.read(lambda reader: destination(reader, made)))


@ROUTES.add(
    "GET",
    "notification-destinations",
    """
    page_size   number  Destinations in one answer, at most 100; 20 if left out.
    page_token  text    From the answer before.
    """,
)
def list_all(api: Api, request: Request) -> Any:
    """The destinations, without their addresses."""
    found = [
        {"id": each.destination_id, "display_name": each.name, "destination_type": each.kind}
        for each in api.read(list_destinations)
    ]
    start = paging.read(request.get("page_token"), "start")
    return paging.sliced(found, "results", start, request.limit(20, 100, "page_size"))


@ROUTES.add("GET", "notification-destinations/{id}")
def get(api: Api, request: Request) -> Any:
    """A destination; it does not tell its address."""
    return _shown(api.read(lambda reader: destination(reader, request["id"])))


@ROUTES.add(
    "PATCH",
    "notification-destinations/{id}",
    """
    display_name  text  For people.
    config        any   What changes of it.
    """,
)
def update(api: Api, request: Request) -> Any:
    """Changes a destination."""
    changes: dict[str, Any] = {}
    if "display_name" in request.values:
        changes["name"] = request["display_name"]
    if "config" in request.values:
        kind, fields = _config(request)
        changes |= {"kind": _KINDS[kind], **fields}
    api.server.ask(lambda turn: change_destination(turn, request["id"], **changes))
    return get(api, request)


@ROUTES.add("DELETE", "notification-destinations/{id}")
def delete(api: Api, request: Request) -> Any:
    """Removes a destination."""
    api.server.ask(lambda turn: delete_destination(turn, request["id"]))
    return {}


def _config(request: Request) -> tuple[str, dict[str, str]]:
    """The kind of a destination and its fields; no error repeats them, for they are secrets."""
    config = request["config"]
    given = [name for name, value in config.items() if value] if _is_object(config) else []
    if len(given) != 1:
        raise invalid(f"config has one of {' and '.join(_KINDS)}.")
    (kind,) = given
    if kind in _ELSEWHERE:
        raise unsupported(f"config.{kind}", f"There are {' and '.join(_KINDS)}.")
    if kind not in _KINDS:
        raise invalid(f"config.{kind} is no kind of destination.", nearest(kind, _KINDS) or "")
    found = {}
    for name, value in config[kind].items() if _is_object(config[kind]) else ():
        if name not in _FIELDS[kind]:
            request.warnings.append(f"config.{kind}.{name} is not a field of a destination.")
        elif not isinstance(value, str) or "\0" in value:
            raise invalid(f"config.{kind}.{name} is a text.")
        else:
            found[name] = value
    return kind, found


def _is_object(value: Any) -> bool:
    return isinstance(value, Mapping)


def _shown(row: DestinationRow) -> dict[str, Any]:
    kind = next(name for name, each in _KINDS.items() if each == row.kind)
    known = {f"{name}_set": bool(getattr(row, name)) for name in _FIELDS[kind]}
    return {
        "id": row.destination_id,
        "display_name": row.name,
        "destination_type": row.kind,
        "config": {kind: known},
    }
