"""Saved queries, which tasks and triggers name by their ids."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lakeflow.server import paging
from lakeflow.server.answers import Refused, invalid
from lakeflow.server.routes import Request, Routes

if TYPE_CHECKING:
    from lakeflow.server.api import Api

ROUTES = Routes()
KIND = "queries"
_TAKEN = (
    "display_name description query_text warehouse_id catalog schema parameters tags run_as_mode "
    "parent_path apply_auto_limit"
).split()
_FILTERED = "auto_resolve_display_name  flag  Whether a name that is taken is changed."


@ROUTES.add("POST", "sql/queries", f"query* object Its fields.\n{_FILTERED}")
def create(api: Api, request: Request) -> Any:
    """Saves a query."""
    given = _fields(request)
    if not isinstance(given.get("query_text"), str):
        raise invalid("query.query_text is missing.")
    given["display_name"] = _free_name(api, request, given.get("display_name") or "Untitled")
    made = _time(api)
    known = {
        "id": str(uuid.uuid4()),
        "create_time": made,
        "update_time": made,
        "owner_user_name": api.user,
        "last_modifier_user_name": api.user,
        "lifecycle_state": "ACTIVE",
        **given,
    }
    api.save(KIND, known["id"], known)
    return known


@ROUTES.add(
    "GET",
    "sql/queries",
    """
    page_size   number  Queries in one answer, at most 100; 20 if left out.
    page_token  text    From the answer before.
    """,
)
def list_queries(api: Api, request: Request) -> Any:
    """The saved queries."""
    found = sorted(api.documents(KIND).values(), key=lambda each: each["create_time"])
    start = paging.read(request.get("page_token"), "start")
    return paging.sliced(found, "results", start, request.limit(20, 100, "page_size"))


@ROUTES.add("GET", "sql/queries/{id}")
def get(api: Api, request: Request) -> Any:
    """A saved query."""
    return _of(api, request)


@ROUTES.add(
    "PATCH",
    "sql/queries/{id}",
    f"""
    query*       object  Its fields.
    update_mask  text    Names of those that change, with commas; * for all that are given.
    {_FILTERED}
    """,
)
def update(api: Api, request: Request) -> Any:
    """Changes a saved query."""
    before = _of(api, request)
    given = _fields(request)
    mask = str(request.get("update_mask") or "*")
    if mask != "*":
        names = [name.strip() for name in mask.split(",")]
        if unknown := [name for name in names if name not in _TAKEN]:
            raise invalid(f"update_mask: {unknown[0]!r} is not a field of a query.")
        before = {name: value for name, value in before.items() if name not in names}
        given = {name: value for name, value in given.items() if name in names}
    if given.get("display_name") not in (None, _of(api, request).get("display_name")):
        given["display_name"] = _free_name(api, request, given["display_name"])
    known = {**before, **given, "update_time": _time(api)}
    if not isinstance(known.get("query_text"), str):
        raise invalid("query.query_text is missing.")
    api.save(KIND, known["id"], known)
    return known


@ROUTES.add("DELETE", "sql/queries/{id}")
def delete(api: Api, request: Request) -> Any:
    """Removes a saved query."""
    _of(api, request)
    api.forget(KIND, request["id"])
    return {}


def _of(api: Api, request: Request) -> dict[str, Any]:
    return api.document(KIND, request["id"], "Query")


def _fields(request: Request) -> dict[str, Any]:
    given: Mapping[str, Any] = request["query"]
    request.warnings.extend(
        f"query.{name} is not a field of a query." for name in given if name not in _TAKEN
    )
    for name in ("display_name", "query_text", "description"):
        if given.get(name) is not None and not isinstance(given[name], str):
            raise invalid(f"query.{name} is a text, not {given[name]!r}.")
    return {name: given[name] for name in _TAKEN if given.get(name) is not None}


def _free_name(api: Api, request: Request, name: str) -> str:
    taken = {each.get("display_name") for each in api.documents(KIND).values()}
    if name not in taken:
        return name
    if not request.get("auto_resolve_display_name"):
        raise Refused(409, "RESOURCE_ALREADY_EXISTS", f"There is a query {name!r} already.")
    number = next(n for n in range(1, len(taken) + 2) if f"{name} ({n})" not in taken)
    return f"{name} ({number})"


def _time(api: Api) -> str:
    return datetime.fromtimestamp(api.now() / 1000, UTC).isoformat().replace("+00:00", "Z")
