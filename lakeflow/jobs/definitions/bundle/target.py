"""Which target of a bundle is meant, and the bundle with it laid over."""

from __future__ import annotations

from dataclasses import dataclass

from lakeflow.core.errors import ConfigurationError
from lakeflow.core.names import nearest
from lakeflow.jobs.definitions.fit import Unknown
from lakeflow.jobs.definitions.merge import merge
from lakeflow.jobs.definitions.shapes import TARGET
from lakeflow.jobs.definitions.tree import Node

MODES = ("development", "production")

OVER = ("bundle", "workspace", "artifacts", "sync", "permissions", "run_as", "presets", "resources")
"""Keys of a target that lie over those of the same name."""


@dataclass(frozen=True, slots=True)
class Target:
    """A target, and what it makes of its bundle.

    Args:
        name: Its key.
        mode: One of `MODES`, or empty.
        root: The bundle with the target laid over.
        variables: Values that it gives to variables.
    """

    name: str
    mode: str
    root: Node
    variables: Node


def choose_target(root: Node, name: str | None, unknown: Unknown) -> Target:
    """The named target, else the one that is the default, else the only one.

    Args:
        root: The bundle.
        name: The target's, if a person gave one.
        unknown: Told of keys that no target has.

    Raises:
        ConfigurationError: There is none of that name, or none can be chosen.
    """
    targets = root.get("targets")
    found = {} if targets is None else dict(targets.mapping)
    if targets is not None and targets.value is not None and targets.value != found:
        raise ConfigurationError(
            "targets is not a mapping of keys to values.", location=targets.location
        )
    if not found and name in (None, "default"):
        return Target("default", "", root, Node({}, root.location))
    name = _default(root, found) if name is None else name
    if name not in found:
        raise ConfigurationError(
            f"There is no target {name}.",
            location=root.location if targets is None else targets.location,
            hint=nearest(name, found) or f"Targets are {', '.join(found)}.",
        )
    node = found[name]
    if node.value is not None and not isinstance(node.value, dict):
        raise ConfigurationError(
            f"targets.{name} is not a mapping of keys to values.", location=node.location
        )
    for key, below in node.mapping.items():
        if key not in TARGET:
            hint = nearest(key, TARGET) or f"Keys are {', '.join(TARGET)}."
            unknown(f"targets.{name}.{key}: {key} is not a known key.", below.location, hint)
    return Target(
        name,
        _mode(node),
        _laid_over(root, node),
        node.get("variables") or Node({}, node.location),
    )


def _default(root: Node, found: dict[str, Node]) -> str:
    chosen = [key for key, node in found.items() if _says(node, "default", True)]
    if len(chosen) == 1:
        return chosen[0]
    if not chosen and len(found) == 1:
        return next(iter(found))
    raise ConfigurationError(
        f"{' and '.join(chosen)} are both the default target."
        if chosen
        else "None of the targets is the default.",
        location=root.location if not chosen else found[chosen[1]].location,
        hint=f"Name one of {', '.join(found)}, or write default: true into one of them.",
    )


def _says(node: Node, key: str, value: object) -> bool:
    below = node.get(key)
    return below is not None and below.value is value


def _mode(node: Node) -> str:
    mode = node.get("mode")
    if mode is None or mode.value is None:
        return ""
    if mode.value not in MODES:
        raise ConfigurationError(
            f"{mode.text!r} is no mode.",
            location=mode.location,
            hint=nearest(mode.text or "", MODES) or f"Modes are {', '.join(MODES)}.",
        )
    return str(mode.value)


def _laid_over(root: Node, target: Node) -> Node:
    """The bundle with a target's parts; its Git branch and cluster go below `bundle`."""
    over = {key: target.mapping[key] for key in OVER if key in target.mapping}
    bundle = {
        key: target.mapping[key]
        for key in ("git", "cluster_id", "compute_id")
        if key in target.mapping
    }
    merged = merge(root.without("targets"), Node(over, target.location))
    return merge(merged, Node({"bundle": Node(bundle, target.location)}, target.location))
