"""Permissions: kept and shown. There is one user, who may do everything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lakeflow.jobs.rows import DocumentRow, JobRow
from lakeflow.jobs.turn import Turn
from lakeflow.server.answers import invalid, missing
from lakeflow.server.routes import Request, Routes

if TYPE_CHECKING:
    from lakeflow.server.api import Api

ROUTES = Routes()

_LEVELS: Mapping[str, Mapping[str, str]] = {
    "jobs": {
        "CAN_VIEW": "Can view the job and its runs.",
        "CAN_MANAGE_RUN": "Can also run it and cancel its runs.",
        "CAN_MANAGE": "Can also change it.",
        "IS_OWNER": "Its owner.",
    },
    "pipelines": {
        "CAN_VIEW": "Can view the pipeline.",
        "CAN_RUN": "Can also start and stop updates.",
        "CAN_MANAGE": "Can also change it.",
        "IS_OWNER": "Its owner.",
    },
    "warehouses": {
        "CAN_USE": "Can run statements.",
        "CAN_MONITOR": "Can also watch them.",
        "CAN_MANAGE": "Can also change it.",
        "IS_OWNER": "Its owner.",
    },
    "clusters": {
        "CAN_ATTACH_TO": "Can run tasks on it.",
        "CAN_RESTART": "Can also restart it.",
        "CAN_MANAGE": "Can also change it.",
    },
    "queries": {
        "CAN_VIEW": "Can view the query.",
        "CAN_RUN": "Can also run it.",
        "CAN_EDIT": "Can also change it.",
        "CAN_MANAGE": "Can also delete it.",
    },
}
"""Levels of each kind of object, the weakest first."""

_WHOM = ("user_name", "group_name", "service_principal_name")
_PATH = "permissions/{kind}/{id}"
_ENTRIES = "access_control_list* list Entries of user_name or group_name, and permission_level."


@ROUTES.add("GET", f"{_PATH}/permissionLevels")
def levels(api: Api, request: Request) -> Any:
    """The levels that there are."""
    known = _known(api, request)
    return {
        "permission_levels": [
            {"permission_level": level, "description": said} for level, said in known.items()
        ]
    }


@ROUTES.add("GET", _PATH)
def get(api: Api, request: Request) -> Any:
    """Who may do what with an object."""
    _known(api, request)
    return _shown(api, request["kind"], request["id"])


@ROUTES.add("PUT", _PATH, _ENTRIES, status="recorded")
def replace(api: Api, request: Request) -> Any:
    """Takes the place of all entries; kept and shown, for there is one user."""
    known = _known(api, request)
    entries = _checked(request["access_control_list"], known)
    api.save("permissions", f"{request['kind']}/{request['id']}", {"entries": entries})
    return _shown(api, request["kind"], request["id"])


@ROUTES.add("PATCH", _PATH, _ENTRIES, status="recorded")
def change(api: Api, request: Request) -> Any:
    """Adds entries, or changes those of the same user or group; kept and shown."""
    known = _known(api, request)
    _add(api, request["kind"], request["id"], _checked(request["access_control_list"], known))
    return _shown(api, request["kind"], request["id"])


def grant(api: Api, kind: str, name: str, entries: Any) -> None:
    """Keeps the entries of a request that makes an object."""
    if entries:
        _add(api, kind, name, _checked(entries, _LEVELS[kind]))


def _add(api: Api, kind: str, name: str, entries: Sequence[Mapping[str, Any]]) -> None:
    key = f"permissions/{kind}/{name}"

    def add(turn: Turn) -> None:
        row = turn.store.find(DocumentRow, key)
        before = [] if row is None else row.value["entries"]
        kept = {_whom(each): each for each in (*before, *entries)}
        value = {"entries": list(kept.values())}
        turn.store.put(DocumentRow(key, "permissions", value, turn.now))

    api.server.ask(add)


def _known(api: Api, request: Request) -> Mapping[str, str]:
    kind, name = request["kind"], request["id"]
    if kind not in _LEVELS:
        raise missing(f"There are no permissions of {kind}.")
    if kind == "jobs":
        number = int(name) if name.isascii() and name.isdigit() and len(name) < 19 else -1
        there = api.read(lambda reader: reader.find(JobRow, number)) is not None
    elif kind in ("pipelines", "queries"):
        key = f"{kind}/{name}"
        there = api.read(lambda reader: reader.find(DocumentRow, key)) is not None
    else:
        there = True
    if not there:
        raise missing(f"{kind.removesuffix('s').capitalize()} {name} does not exist.")
    return _LEVELS[kind]


def _checked(entries: Sequence[Any], known: Mapping[str, str]) -> list[dict[str, Any]]:
    found = []
    for each in entries:
        if not isinstance(each, Mapping) or not isinstance(_whom(each), str):
            raise invalid(f"An entry has one of {', '.join(_WHOM)}, not {each!r}.")
        if each.get("permission_level") not in known:
            raise invalid(
                f"{each.get('permission_level')!r} is no permission_level.",
                f"Levels are {', '.join(known)}.",
            )
        found.append(dict(each))
    return found


def _whom(entry: Mapping[str, Any]) -> Any:
    return next((entry[name] for name in _WHOM if name in entry), None)


def _entries(api: Api, kind: str, name: str) -> list[dict[str, Any]]:
    key = f"permissions/{kind}/{name}"
    found = api.read(lambda reader: reader.find(DocumentRow, key))
    return [] if found is None else list(found.value["entries"])


def _shown(api: Api, kind: str, name: str) -> dict[str, Any]:
    owner = {"user_name": api.user, "permission_level": "IS_OWNER"}
    entries = _entries(api, kind, name)
    if not any(each["permission_level"] == "IS_OWNER" for each in entries):
        entries = [owner, *entries]
    return {
        "object_id": f"/{kind}/{name}",
        "object_type": kind.removesuffix("s"),
        "access_control_list": [
            {
                **{whom: each[whom] for whom in _WHOM if whom in each},
                "display_name": _whom(each),
                "all_permissions": [
                    {"permission_level": each["permission_level"], "inherited": False}
                ],
            }
            for each in entries
        ],
    }
