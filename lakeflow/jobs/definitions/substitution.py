"""`${...}`: a reference to another value of the same files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from lakeflow.core.errors import ConfigurationError
from lakeflow.core.location import Location
from lakeflow.core.names import nearest
from lakeflow.jobs.definitions.tree import Node, Path, walk, write_path

LONGEST = 1_000_000
"""Characters that a text may come to once its references are replaced."""

LONGEST_CHAIN = 100
"""References that may lead to one another in a row."""

_PART = r"[A-Za-z0-9_-]+(?:\[\d+\])*"
REFERENCE = re.compile(rf"\$\{{([A-Za-z_][\w-]*(?:\[\d+\])*(?:\.{_PART})*)\}}", re.ASCII)


def read_reference(text: str) -> Path:
    """The path that a reference names.

    Example:
        >>> read_reference("var.clusters[0].node")
        ('var', 'clusters', 0, 'node')
    """
    parts = re.findall(r"\[(\d+)\]|([^.\[\]]+)", text)
    return tuple(word or int(position[:6]) for position, word in parts)


def references(node: Node) -> Iterator[tuple[Path, Location]]:
    """Every reference in a tree, with its place."""
    for _, below in walk(node):
        if isinstance(below.value, str):
            for match in REFERENCE.finditer(below.value):
                yield read_reference(match[1]), below.location


@dataclass
class Resolver:
    """Replaces references by what they lead to, in whatever order they need.

    A text that is one reference becomes the value itself, of whatever type. In a longer text
    the value has to be a scalar. A value that is reached is resolved as well.

    Args:
        root: The tree in which references lead.
        roots: First parts of the references that are replaced; others stay as they are.
        stays: Whether a reference that leads nowhere is kept for later.
    """

    root: Node
    roots: frozenset[str]
    stays: Callable[[Path], bool] = lambda _: False
    _known: dict[Path, Node | None] = field(default_factory=dict)
    _under_way: list[Path] = field(default_factory=list)

    def resolve(self, node: Node) -> Node:
        """A tree with its references replaced.

        Raises:
            ConfigurationError: A reference leads nowhere or back to itself, or does not fit.
        """
        if isinstance(node.value, Mapping):
            entries = {key: self.resolve(below) for key, below in node.value.items()}
            return Node(entries, node.location)
        if isinstance(node.value, tuple):
            return Node(tuple(map(self.resolve, node.value)), node.location)
        return self._text(node)

    def _text(self, node: Node) -> Node:
        if not isinstance(node.value, str) or "${" not in node.value:
            return node
        whole = REFERENCE.fullmatch(node.value)
        if whole:
            found = self._find(read_reference(whole[1]), node.location)
            return node if found is None else replace(found, location=node.location)
        text = REFERENCE.sub(lambda match: self._part(match, node.location), node.value)
        if len(text) > LONGEST:
            raise ConfigurationError(
                f"A text comes to more than {LONGEST} characters.", location=node.location
            )
        return Node(text, node.location)

    def _part(self, match: re.Match[str], location: Location) -> str:
        found = self._find(read_reference(match[1]), location)
        if found is None:
            return match[0]
        if found.text is None:
            raise ConfigurationError(
                f"{match[0]} is a {'list' if found.items else 'mapping'}, which cannot be part of "
                "a text.",
                location=location,
                hint="Let it be the whole value, or name one of its parts.",
            )
        return found.text

    def _find(self, path: Path, location: Location) -> Node | None:
        """What a reference leads to; None if it is to stay."""
        if path[0] not in self.roots:
            return None
        if path not in self._known:
            if path in self._under_way or len(self._under_way) == LONGEST_CHAIN:
                raise self._circle(path, location)
            self._under_way.append(path)
            self._known[path] = self._walk(path, location)
            self._under_way.pop()
        return self._known[path]

    def _walk(self, path: Path, location: Location) -> Node | None:
        node = self.root
        for depth, part in enumerate(path):
            if isinstance(node.value, str) and REFERENCE.fullmatch(node.value):
                before = node.value
                node = self._text(node)
                if node.value == before:
                    return None
            below = node.get(part)
            if below is None:
                if self.stays(path):
                    return None
                raise _nowhere(path, depth, node, location)
            node = below
        return self.resolve(node)

    def _circle(self, path: Path, location: Location) -> ConfigurationError:
        if path not in self._under_way:
            return ConfigurationError(
                f"More than {LONGEST_CHAIN} references lead to one another.", location=location
            )
        circle = [*self._under_way[self._under_way.index(path) :], path]
        return ConfigurationError(
            f"References lead back to themselves: {' -> '.join(map(write_path, circle))}.",
            location=location,
            hint="Write the value of one of them out.",
        )


def _nowhere(path: Path, depth: int, node: Node, location: Location) -> ConfigurationError:
    part = path[depth]
    around = write_path(path[:depth]) or "the project"
    if path[:depth] in (("var",), ("variables",)):
        message = f"There is no variable {part}."
        hint = nearest(str(part), node.mapping) or "Declare it under variables:."
    else:
        message = f"${{{write_path(path)}}} leads nowhere: {around} has no {part}."
        hint = nearest(str(part), node.mapping)
    return ConfigurationError(message, location=location, hint=hint or None)
