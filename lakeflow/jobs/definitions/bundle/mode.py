"""What a target's mode and presets make of the resources.

A resource's own setting wins over a preset, and a preset over what the mode does.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from lakeflow.core.errors import ConfigurationError
from lakeflow.core.location import Location
from lakeflow.jobs.definitions.tree import Node, placed

CONCURRENT = 4
"""Runs of a job at the same time in development."""

TITLES = {
    **dict.fromkeys(
        "clusters experiments jobs models pipelines quality_monitors sql_warehouses".split(), "name"
    ),
    **dict.fromkeys("alerts dashboards".split(), "display_name"),
}
"""Kinds whose names are for people, and the field with the name."""

IDENTIFIERS = ("model_serving_endpoints", "registered_models", "schemas")
"""Kinds whose names have letters, digits and underscores only."""

GRANTED = ("catalogs", "external_locations", "registered_models", "schemas", "volumes")
"""Kinds with grants in the place of permissions."""

TRIGGERS = ("continuous", "schedule", "trigger")

Told = Callable[[str, Location, str], None]


@dataclass(frozen=True, slots=True)
class _Presets:
    prefix: str
    pause: str
    concurrent: Node | None
    development: Node | None
    tags: Node
    cluster: Node | None


def apply_mode(root: Node, mode: str, told: Told) -> Node:
    """A bundle whose resources follow its mode, presets, `run_as` and `permissions`.

    Args:
        root: The bundle, its references replaced but for those to resources.
        mode: `development`, `production` or empty.
        told: Told of what is odd.

    Raises:
        ConfigurationError: Production and the bundle do not go together.
    """
    resources = root.get("resources")
    if resources is None:
        return root
    presets = _presets(root, mode, told)
    kinds: dict[str, Node] = {}
    for kind, section in resources.mapping.items():
        found = {key: _preset(node, kind, presets) for key, node in section.mapping.items()}
        kinds[kind] = Node(
            {key: _owned(node, kind, root) for key, node in found.items()}, section.location
        )
    root = root.with_entries({"resources": Node(kinds, resources.location)})
    if mode == "production":
        _check_production(root, told)
    return root


def check_branch(expected: Node, branch: str, told: Told) -> None:
    """Refuses to take production from another branch than its target names.

    Raises:
        ConfigurationError: Another branch is checked out.
    """
    if not expected.value or expected.value == branch:
        return
    if not branch:
        told(
            f"No branch is checked out here, so it may not be {expected.value}.",
            expected.location,
            "",
        )
        return
    raise ConfigurationError(
        f"Production comes from the branch {expected.value}, and {branch} is checked out.",
        location=expected.location,
        hint=f"Check out {expected.value}, or take git.branch out of the target.",
    )


def _presets(root: Node, mode: str, told: Told) -> _Presets:
    presets = root.get("presets") or Node({}, root.location)
    user = root.get("workspace", "current_user", "short_name")
    short = user.text if user is not None and user.text else "local"
    development = mode == "development"
    prefix, pause = presets.get("name_prefix"), presets.get("trigger_pause_status")
    if pause is not None and pause.value not in ("PAUSED", "UNPAUSED"):
        raise ConfigurationError(
            f"{pause.text!r} is neither PAUSED nor UNPAUSED.", location=pause.location
        )
    tags = presets.get("tags") or Node({}, presets.location)
    if development:
        tags = Node({"dev": Node(short, tags.location), **tags.mapping}, tags.location)
    cluster = root.get("bundle", "compute_id") or root.get("bundle", "cluster_id")
    if cluster is not None and not development:
        told("A cluster for the whole bundle is for development only.", cluster.location, "")
        cluster = None
    default = presets.location
    return _Presets(
        (prefix.text or "") if prefix is not None else f"[dev {short}] " if development else "",
        str(pause.value) if pause is not None else "PAUSED" if development else "",
        presets.get("jobs_max_concurrent_runs")
        or (Node(CONCURRENT, default) if development else None),
        presets.get("pipelines_development") or (Node(True, default) if development else None),
        tags,
        cluster,
    )


def _preset(node: Node, kind: str, presets: _Presets) -> Node:
    node = _prefixed(node, kind, presets.prefix)
    if kind in ("jobs", "pipelines") and presets.tags.mapping:
        own = node.get("tags") or Node({}, node.location)
        tags = {**presets.tags.mapping, **own.mapping}
        node = node.with_entries({"tags": Node(tags, own.location)})
    if kind == "pipelines" and presets.development and "development" not in node.mapping:
        node = node.with_entries({"development": presets.development})
    if kind == "jobs":
        if presets.concurrent and "max_concurrent_runs" not in node.mapping:
            node = node.with_entries({"max_concurrent_runs": presets.concurrent})
        if presets.pause:
            node = _paused(node, presets.pause)
        if presets.cluster:
            node = _on_cluster(node, presets.cluster).without("job_clusters")
    return node


def _prefixed(node: Node, kind: str, prefix: str) -> Node:
    field = "name" if kind in IDENTIFIERS else TITLES.get(kind)
    name = None if field is None else node.get(field)
    if field is None or name is None or not isinstance(name.value, str) or not prefix:
        return node
    if kind in IDENTIFIERS:
        prefix = re.sub(r"[^A-Za-z0-9]+", "_", prefix).strip("_") + "_"
    around, slash, last = name.value.rpartition("/") if kind == "experiments" else ("", "", "")
    text = f"{around}{slash}{prefix}{last}" if kind == "experiments" else f"{prefix}{name.value}"
    return node.with_entries({field: Node(text, name.location)})


def _paused(job: Node, status: str) -> Node:
    def paused(trigger: Node) -> Node:
        if not isinstance(trigger.value, dict) or "pause_status" in trigger.mapping:
            return trigger
        return trigger.with_entries({"pause_status": Node(status, trigger.location)})

    found = {key: paused(job.mapping[key]) for key in TRIGGERS if key in job.mapping}
    several = job.get("triggers")
    if several is not None and several.items:
        # The status may stand beside the trigger or in it.
        items = tuple(
            each if any("pause_status" in below.mapping for below in each.mapping.values())
            else paused(each)
            for each in several.items
        )  # fmt: skip
        found["triggers"] = Node(items, several.location)
    return job.with_entries(found)


def _on_cluster(node: Node, cluster: Node) -> Node:
    """A job or a for-each whose tasks all run on one cluster."""
    tasks = node.get("tasks")
    if tasks is not None:
        items = tuple(_on_cluster(each, cluster) for each in tasks.items)
        return node.with_entries({"tasks": Node(items, tasks.location)})
    inner = node.get("for_each_task", "task")
    if inner is not None:
        each = node.mapping["for_each_task"].with_entries({"task": _on_cluster(inner, cluster)})
        node = node.with_entries({"for_each_task": each})
    computes = ("new_cluster", "job_cluster_key", "existing_cluster_id")
    if any(key in node.mapping for key in computes):
        node = node.without(*computes).with_entries({"existing_cluster_id": cluster})
    return node


def _owned(node: Node, kind: str, root: Node) -> Node:
    """A resource with the bundle's `run_as` and `permissions`."""
    run_as, permissions = root.get("run_as"), root.get("permissions")
    if run_as is not None and kind in ("jobs", "pipelines") and "run_as" not in node.mapping:
        node = node.with_entries({"run_as": run_as})
    if permissions is None or not permissions.items or kind in GRANTED:
        return node
    own = node.get("permissions")
    common = tuple(_of_job(each) if kind == "jobs" else each for each in permissions.items)
    items = common if own is None else (*own.items, *common)
    return node.with_entries({"permissions": Node(items, permissions.location)})


def _of_job(permission: Node) -> Node:
    level = permission.get("level")
    if level is None or level.value != "CAN_RUN":
        return permission
    return permission.with_entries({"level": placed("CAN_MANAGE_RUN", level.location)})


def _check_production(root: Node, told: Told) -> None:
    pipelines = root.get("resources", "pipelines")
    for key, node in ({} if pipelines is None else pipelines.mapping).items():
        development = node.get("development")
        if development is not None and development.value is True:
            raise ConfigurationError(
                f"The pipeline {key} is in development and its target in production.",
                location=development.location,
                hint="Take development: true out, or set it in another target.",
            )
    if root.get("run_as") is None:
        told(
            "Production does not say as whom it runs.",
            root.location,
            "Write run_as: into the target.",
        )
