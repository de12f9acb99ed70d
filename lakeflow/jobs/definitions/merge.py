"""Lays one tree over another: a target over the whole, an included file over the rest.

Mappings merge key by key. In lists of named things those of the same name merge and new ones
come after; what is in other lists comes after what is there. Everything else is replaced; an
empty value replaces nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lakeflow.jobs.definitions.tree import Node, Path

NAMED: Mapping[tuple[str, ...], str] = {
    ("resources", "jobs", "*", "tasks"): "task_key",
    ("resources", "jobs", "*", "job_clusters"): "job_cluster_key",
    ("resources", "jobs", "*", "environments"): "environment_key",
    ("resources", "jobs", "*", "parameters"): "name",
    ("resources", "pipelines", "*", "clusters"): "label",
}
"""Lists of named things, and the field that names them."""

UNNAMED = {"label": "default"}
"""What a thing is called that does not say its name."""

REPLACED = (("run_as",), ("resources", "*", "*", "run_as"))
"""Mappings of which only one entry may be set, so that they do not merge."""

Replaced = Callable[[Path, Node, Node], None]
"""Told path, older and newer value where one replaces the other."""


def merge(base: Node, over: Node, replaced: Replaced = lambda *_: None, path: Path = ()) -> Node:
    """One tree with another laid over it.

    Args:
        base: What is there.
        over: What changes it.
        replaced: Told of scalars, and of mappings and lists, that something else replaces.
        path: Where the two stand.
    """
    if over.value is None:
        return base
    if base.value is None:
        return over
    if isinstance(base.value, Mapping) and isinstance(over.value, Mapping):
        if not any(_fits(path, pattern) for pattern in REPLACED):
            return Node(
                {**base.value, **_merged_entries(base.value, over.value, replaced, path)},
                base.location,
            )
    elif isinstance(base.value, tuple) and isinstance(over.value, tuple):
        name = next((name for pattern, name in NAMED.items() if _fits(path, pattern)), None)
        if name is None:
            return Node((*base.value, *over.value), base.location)
        return Node(_merged_things(base.value, over.value, name, replaced, path), base.location)
    if base.value != over.value:
        replaced(path, base, over)
    return over


def _merged_entries(
    base: Mapping[str, Node], over: Mapping[str, Node], replaced: Replaced, path: Path
) -> dict[str, Node]:
    return {
        key: merge(base[key], node, replaced, (*path, key)) if key in base else node
        for key, node in over.items()
    }


def _merged_things(
    base: tuple[Node, ...], over: tuple[Node, ...], field: str, replaced: Replaced, path: Path
) -> tuple[Node, ...]:
    found = list(base)
    places: dict[str | None, int] = {}
    for number, node in enumerate(base):
        places.setdefault(_name(node, field), number)
    for node in over:
        name = _name(node, field)
        if name is not None and name in places:
            number = places[name]
            found[number] = merge(found[number], node, replaced, (*path, number))
        else:
            places.setdefault(name, len(found))
            found.append(node)
    return tuple(found)


def _name(node: Node, field: str) -> str | None:
    named = node.mapping.get(field)
    return UNNAMED.get(field) if named is None else named.text


def _fits(path: Path, pattern: tuple[str, ...]) -> bool:
    return len(path) == len(pattern) and all(
        wanted in ("*", part) for part, wanted in zip(path, pattern, strict=True)
    )
