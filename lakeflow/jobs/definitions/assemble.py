"""The last step of reading: resources that speak of each other become values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lakeflow.core.errors import ConfigurationError
from lakeflow.jobs.definitions.declared import Name, Resource
from lakeflow.jobs.definitions.substitution import Resolver, references
from lakeflow.jobs.definitions.tree import (
    Node,
    Path,
    check_size,
    locations,
    plain,
    walk,
    write_path,
)

LATER = frozenset(
    "client_id cluster_id endpoint_id experiment_id full_name id service_principal_client_id "
    "service_principal_id url volume_path".split()
)
"""Fields that a resource has once it is deployed."""

_BY_KEY = {"job_id": "jobs", "pipeline_id": "pipelines"}
"""Fields in which the key of a resource may stand for its id."""


def assemble(root: Node) -> dict[str, dict[str, Resource]]:
    """The resources below `resources`, by kind and key.

    References to what a resource says are replaced; those to what only its deployment tells,
    such as `${resources.jobs.nightly.id}`, stay.

    Args:
        root: A tree in which all other references are replaced.

    Raises:
        ConfigurationError: A reference leads nowhere or back to itself.
    """

    def stays(path: Path) -> bool:
        return len(path) > 3 and path[3] in LATER and root.get(*path[:3]) is not None

    resources = root.get("resources") or Node({}, root.location)
    resolved = Resolver(root, frozenset({"resources"}), stays).resolve(resources)
    check_size(resolved)
    for path, node in _mappings(resolved):
        if not isinstance(node.value, Mapping):
            raise ConfigurationError(
                f"{write_path(('resources', *path))} is not a mapping of keys to values.",
                location=node.location,
            )
    return {
        kind: {
            key: _resource(kind, key, node, resources.mapping[kind].mapping[key], resources)
            for key, node in section.mapping.items()
        }
        for kind, section in resolved.mapping.items()
    }


def _mappings(resources: Node) -> Iterator[tuple[Path, Node]]:
    yield (), resources
    for kind, section in resources.mapping.items():
        yield (kind,), section
        yield from (((kind, key), node) for key, node in section.mapping.items())


def _resource(kind: str, key: str, node: Node, written: Node, resources: Node) -> Resource:
    settings = node.without("permissions", "lifecycle")
    permissions, lifecycle = node.get("permissions"), node.get("lifecycle")
    named = {*_named(written, resources), *_named(settings, resources)}
    if not _runs_itself(kind, key, settings):
        named.discard((kind, key))
    return Resource(
        kind,
        key,
        plain(settings),
        locations(settings),
        frozenset(named),
        () if permissions is None else tuple(plain(each) for each in permissions.items),
        {} if lifecycle is None else plain(lifecycle) or {},
    )


def _runs_itself(kind: str, key: str, settings: Node) -> bool:
    itself = (key, f"${{resources.jobs.{key}.id}}")
    return kind == "jobs" and any(
        path[-2:] == ("run_job_task", "job_id") and node.value in itself
        for path, node in walk(settings)
    )


def _named(node: Node, resources: Node) -> set[Name]:
    found = {
        (str(path[1]), str(path[2]))
        for path, _ in references(node)
        if path[0] == "resources" and len(path) > 2
    }
    for path, below in walk(node):
        kind = _BY_KEY.get(str(path[-1])) if path else None
        if kind and isinstance(below.value, str) and resources.get(kind, below.value):
            found.add((kind, below.value))
    return found


def sections(found: Mapping[str, Mapping[str, Resource]]) -> dict[str, Mapping[str, Resource]]:
    """Resources that are neither jobs nor pipelines, by kind."""
    return {kind: section for kind, section in found.items() if kind not in ("jobs", "pipelines")}
