"""Who is there: the one user of this server, and what clients ask before anything else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakeflow import __version__
from lakeflow.server.routes import Request, Routes

if TYPE_CHECKING:
    from lakeflow.server.api import Api

ROUTES = Routes()

WORKSPACE = "1"
"""Id of the workspace that this server is to its clients."""


@ROUTES.add("GET", "preview/scim/v2/Me")
def me(api: Api, _: Request) -> Any:
    """The user."""
    return {
        "id": "1",
        "userName": api.user,
        "displayName": api.user.partition("@")[0],
        "active": True,
        "emails": [{"value": api.user, "type": "work", "primary": True}],
        "groups": [],
        "entitlements": [],
    }


@ROUTES.add("GET", "/.well-known/databricks-config")
def configuration(_api: Api, _: Request) -> Any:
    """What clients are told before they say who they are."""
    return {"workspace_id": WORKSPACE, "account_id": "", "cloud": "AWS"}


@ROUTES.add("GET", "/health")
def health(_api: Api, _: Request) -> Any:
    """Whether the process answers."""
    return {"status": "ok", "version": __version__}
