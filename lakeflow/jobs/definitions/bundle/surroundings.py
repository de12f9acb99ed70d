"""What a bundle may ask about where it is deployed: `${bundle...}` and `${workspace...}`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from lakeflow.core.errors import ConfigurationError
from lakeflow.jobs.definitions.bundle.git import Checkout
from lakeflow.jobs.definitions.tree import Node, placed

HOST = "http://127.0.0.1:8080"
"""Where our server listens, for bundles that leave their workspace to a profile."""

_PATHS = {
    "root_path": (
        "/Workspace/Users/${workspace.current_user.userName}/.bundle/${bundle.name}/"
        "${bundle.target}"
    ),
    "file_path": "${workspace.root_path}/files",
    "artifact_path": "${workspace.root_path}/artifacts",
    "resource_path": "${workspace.root_path}/resources",
    "state_path": "${workspace.root_path}/state",
}


def user_of(environment: Mapping[str, str]) -> str:
    """The name of the person, as the environment tells it."""
    names = ("DATABRICKS_USER", "USER", "LOGNAME", "USERNAME")
    return next((environment[name] for name in names if environment.get(name)), "local")


def short_name(user: str) -> str:
    """A name with letters, digits and underscores only.

    Example:
        >>> short_name("ada.lovelace@example.com")
        'ada_lovelace'
    """
    return re.sub(r"[^A-Za-z0-9]+", "_", user.partition("@")[0]).strip("_") or "local"


def with_surroundings(
    root: Node, target: str, checkout: Checkout, environment: Mapping[str, str]
) -> Node:
    """A bundle with the values that it may refer to and does not say itself.

    Args:
        root: The bundle.
        target: Name of the target.
        checkout: The Git checkout around it.
        environment: Tells the user and the host.
    """
    user = user_of(environment)
    short = short_name(user)
    bundle = _mapping(root, "bundle")
    workspace = _mapping(root, "workspace")
    git = _mapping(bundle, "git")
    known_git = {
        "branch": checkout.branch,
        "commit": checkout.commit,
        "origin_url": checkout.origin_url,
    }
    said = {
        "host": environment.get("DATABRICKS_HOST") or HOST,
        **_PATHS,
        "current_user": {
            "userName": user,
            "short_name": short,
            "domain_friendly_name": short.lower().replace("_", "-"),
        },
    }
    return root.with_entries(
        {
            "bundle": _completed(bundle, {"target": target, "environment": target}).with_entries(
                {"git": _completed(git, known_git)}
            ),
            "workspace": _completed(workspace, said),
        }
    )


def _mapping(node: Node, key: str) -> Node:
    below = node.get(key)
    if below is None or below.value is None:
        return Node({}, node.location)
    if not isinstance(below.value, Mapping):
        raise ConfigurationError(
            f"{key} is not a mapping of keys to values.", location=below.location
        )
    return below


def _completed(node: Node, values: Mapping[str, object]) -> Node:
    """A mapping with values for keys that it does not have or leaves empty."""
    missing = {
        key: placed(value, node.location)
        for key, value in values.items()
        if (below := node.get(key)) is None or below.value is None
    }
    return node.with_entries(missing)
