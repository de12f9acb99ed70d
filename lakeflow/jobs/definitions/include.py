"""Reads a project file and the files that it includes, as one tree."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lakeflow.core.errors import ConfigurationError
from lakeflow.core.location import Location
from lakeflow.jobs.definitions import tree
from lakeflow.jobs.definitions.document import read_document
from lakeflow.jobs.definitions.merge import merge
from lakeflow.jobs.definitions.tree import Node, write_path

ENDINGS = (".yml", ".yaml", ".json")

UNIQUE = (("variables",), ("resources", "*"))

Told = Callable[[str, Location, str], None]
"""Told message, place and hint of something that stops nothing."""


@dataclass(frozen=True, slots=True)
class Files:
    """The files of a project.

    Args:
        root: All of them as one tree.
        names: Their paths, as locations give them.
    """

    root: Node
    names: frozenset[str]


def read_files(path: Path, told: Told, unique: tuple[tuple[str, ...], ...] = UNIQUE) -> Files:
    """Reads a project file and what it includes.

    Args:
        path: The file.
        told: Told of what is odd.
        unique: Sections whose keys only one file may declare; `*` is any key.

    Raises:
        ConfigurationError: A file is not valid, or two declare the same thing.
    """
    root = _mapping(read_document(path).root)
    names = {str(path)}
    for included in _included(path, root.mapping.get("include"), told):
        found = _mapping(read_document(included).root)
        names.add(str(included))
        if "include" in found.mapping:
            told(
                "include is read in the first file only.",
                found.mapping["include"].location,
                f"Put the pattern into {path.name}.",
            )
            found = found.without("include")
        _check_disjoint(root, found, unique)
        root = merge(root, found, _conflict(told))
    return Files(root, frozenset(names))


def _mapping(node: Node) -> Node:
    if node.value is None:
        return Node({}, node.location)
    if not isinstance(node.value, dict):
        raise ConfigurationError(
            "The file is not a mapping of keys to values.", location=node.location
        )
    return node


def _included(path: Path, include: Node | None, told: Told) -> Iterator[Path]:
    """The files that patterns lead to, each once, in the order of the patterns and then names."""
    if include is None or include.value is None:
        return
    if not isinstance(include.value, tuple):
        raise ConfigurationError(
            "include is not a list.",
            location=include.location,
            hint="Write a line such as - resources/*.yml for each pattern.",
        )
    seen = {path.absolute()}
    for pattern in include.items:
        found = sorted(_glob(path.parent, pattern))
        if not found:
            if not re.search(r"[*?\[]", str(pattern.value)):
                raise ConfigurationError(
                    f"There is no file {pattern.value}.", location=pattern.location
                )
            told(f"No file fits {pattern.value}.", pattern.location, "")
        for file in found:
            if file.suffix not in ENDINGS:
                told(
                    f"{file.name} is included but does not end in {' or '.join(ENDINGS)}; it is "
                    "passed over.",
                    pattern.location,
                    "Write the ending into the pattern.",
                )
            elif file.absolute() not in seen:
                seen.add(file.absolute())
                yield file


def _glob(folder: Path, pattern: Node) -> Iterator[Path]:
    text = pattern.value
    if not isinstance(text, str) or not text or "\0" in text:
        raise ConfigurationError("A pattern of include is a text.", location=pattern.location)
    if Path(text).is_absolute():
        raise ConfigurationError(
            f"{text} is not relative to the folder of the file.", location=pattern.location
        )
    try:
        yield from (found for found in folder.glob(text.removeprefix("./")) if found.is_file())
    except (ValueError, NotImplementedError, OSError) as error:
        raise ConfigurationError(
            f"{text} is no pattern: {error}.", location=pattern.location
        ) from error


def _check_disjoint(root: Node, found: Node, unique: tuple[tuple[str, ...], ...]) -> None:
    """Refuses what two files declare."""
    for section in unique:
        if section[-1] == "*":
            around = found.get(*section[:-1])
            parents = [(*section[:-1], kind) for kind in (around.mapping if around else ())]
        else:
            parents = [section]
        for path in parents:
            before, now = root.get(*path), found.get(*path)
            if before is None or now is None:
                continue
            for key in now.mapping.keys() & before.mapping.keys():
                raise ConfigurationError(
                    f"{write_path((*path, key))} is declared in two files.",
                    location=now.mapping[key].location,
                    hint=f"It is first in {before.mapping[key].location}; rename one of them.",
                )


def _conflict(told: Told) -> Callable[[tree.Path, Node, Node], None]:
    def replaced(path: tree.Path, before: Node, now: Node) -> None:
        told(
            f"{write_path(path)} takes the place of another value.",
            now.location,
            f"The other is in {before.location}.",
        )

    return replaced
