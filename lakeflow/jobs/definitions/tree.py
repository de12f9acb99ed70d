"""What a file says, and where it says each part of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lakeflow.core.errors import ConfigurationError
from lakeflow.core.location import Location
from lakeflow.jobs.model import JsonValue

Path = tuple[str | int, ...]
"""Keys and positions that lead to a value, such as `("tasks", 0, "task_key")`."""

Scalar = str | int | float | bool | None

LARGEST = 500_000
"""Values that a file may come to once its anchors, variables and references are written out."""


@dataclass(frozen=True, slots=True)
class Node:
    """A value of a file.

    Args:
        value: A mapping or list of further nodes, or a scalar of JSON.
        location: Of its key, or of the value itself where it has none.
        spelling: How a number or a truth value is written, for where a text is wanted.
    """

    value: Mapping[str, Node] | tuple[Node, ...] | Scalar
    location: Location
    spelling: str = field(default="", compare=False)

    @property
    def text(self) -> str | None:
        """A scalar as a text; None for a mapping or a list."""
        match self.value:
            case str() as value:
                return value
            case None:
                return ""
            case bool() | int() | float() as value:
                return self.spelling or json.dumps(value)
            case _:
                return None

    @property
    def mapping(self) -> Mapping[str, Node]:
        """Its entries; none if it is no mapping."""
        return self.value if isinstance(self.value, Mapping) else {}

    @property
    def items(self) -> tuple[Node, ...]:
        """Its items; none if it is no list."""
        return self.value if isinstance(self.value, tuple) else ()

    def get(self, *path: str | int) -> Node | None:
        """The node at a path below this one, or None."""
        node: Node | None = self
        for part in path:
            if node is None:
                return None
            if isinstance(part, int):
                node = node.items[part] if 0 <= part < len(node.items) else None
            else:
                node = node.mapping.get(part)
        return node

    def with_entries(self, entries: Mapping[str, Node]) -> Node:
        """The same mapping with some entries set."""
        return Node({**self.mapping, **entries}, self.location)

    def without(self, *keys: str) -> Node:
        """The same mapping without some keys."""
        kept = {key: node for key, node in self.mapping.items() if key not in keys}
        return Node(kept, self.location)


def plain(node: Node) -> JsonValue:
    """The value as `json.loads` would give it."""
    if isinstance(node.value, Mapping):
        return {key: plain(below) for key, below in node.value.items()}
    if isinstance(node.value, tuple):
        return [plain(below) for below in node.value]
    return node.value


def placed(value: JsonValue, location: Location) -> Node:
    """A value of JSON as nodes that all have one location."""
    if isinstance(value, Mapping):
        return Node({str(key): placed(below, location) for key, below in value.items()}, location)
    if isinstance(value, list | tuple):
        return Node(tuple(placed(below, location) for below in value), location)
    return Node(value, location)


def walk(node: Node, path: Path = ()) -> Iterator[tuple[Path, Node]]:
    """Every node with its path, each before those below it."""
    yield path, node
    if isinstance(node.value, Mapping):
        for key, below in node.value.items():
            yield from walk(below, (*path, key))
    elif isinstance(node.value, tuple):
        for position, below in enumerate(node.value):
            yield from walk(below, (*path, position))


def locations(node: Node) -> dict[Path, Location]:
    """Where each value below a node is written, by path."""
    return {path: found.location for path, found in walk(node)}


def write_path(path: Path) -> str:
    """A path as people write it.

    Example:
        >>> write_path(("tasks", 0, "task_key"))
        'tasks[0].task_key'
    """
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def check_size(node: Node) -> None:
    """Refuses a tree that would be huge once what it shares is written out.

    Raises:
        ConfigurationError: It would come to more than `LARGEST` values.
    """
    sizes: dict[int, int] = {}

    def size(of: Node) -> int:
        if id(of) not in sizes:
            below = of.mapping.values() if isinstance(of.value, Mapping) else of.items
            sizes[id(of)] = 1 + sum(map(size, below))
        return sizes[id(of)]

    if size(node) > LARGEST:
        raise ConfigurationError(
            f"It comes to more than {LARGEST} values once all that it repeats is written out.",
            location=node.location,
            hint="Repeat less with anchors and variables.",
        )
