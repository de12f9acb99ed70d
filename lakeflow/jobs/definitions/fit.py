"""Holds what a file says against a table of fields."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lakeflow.core.errors import ConfigurationError
from lakeflow.core.location import Location
from lakeflow.core.names import nearest
from lakeflow.jobs.definitions.tree import Node, Path, write_path

Objects = Mapping[str, Mapping[str, str]]
"""Fields and their shapes, by kind of object.

Shapes are those of `lakeflow.jobs.settings.fields`, and `list`, `object` (of anything) and a name
with `{}` for a mapping of keys to such objects; all others let a value pass as it is.
"""

Unknown = Callable[[str, Location, str], None]
"""Told message, place and hint for a field that no table has."""


def refuse(message: str, location: Location, hint: str) -> None:
    """What to do about unknown fields in files of our own."""
    raise ConfigurationError(message, location=location, hint=hint)


@dataclass(frozen=True, slots=True)
class Fit:
    """Gives values the types that their fields have, as Databricks' own reader does.

    A number in the place of a text becomes the text that was written, and the other way round,
    so that variables from a command line can stand anywhere. Empty fields are left out.

    Args:
        objects: The table.
        unknown: Told of fields that are not in it; they are kept.
    """

    objects: Objects
    unknown: Unknown = refuse

    def fit(self, node: Node, shape: str, path: Path = ()) -> Node:
        """A value in the shape of its field.

        Raises:
            ConfigurationError: It is a mapping, a list or a scalar where another is wanted.
        """
        if isinstance(node.value, str) and "${" in node.value:
            return node
        if shape.endswith("[]") or shape in ("texts", "list"):
            item = {"texts": "text", "list": "any"}.get(shape, shape.removesuffix("[]"))
            self._expect(node, tuple, path)
            items = enumerate(node.items)
            fitted = (self.fit(below, item, (*path, number)) for number, below in items)
            return Node(tuple(fitted), node.location)
        if shape.endswith("{}") or shape in ("mapping", "object"):
            item = {"mapping": "text", "object": "any"}.get(shape, shape.removesuffix("{}"))
            self._expect(node, Mapping, path)
            return Node(
                {
                    key: self.fit(below, item, (*path, key))
                    for key, below in node.mapping.items()
                    if below.value is not None or item == "text"
                },
                node.location,
            )
        if shape in self.objects:
            return self._object(node, shape, path)
        return _scalar(node, shape, path)

    def _object(self, node: Node, kind: str, path: Path) -> Node:
        self._expect(node, Mapping, path)
        fields = self.objects[kind]
        entries: dict[str, Node] = {}
        for key, below in node.mapping.items():
            if key not in fields:
                self.unknown(
                    f"{write_path((*path, key))}: {key} is not a known key.",
                    below.location,
                    nearest(key, fields) or f"Keys are {', '.join(fields)}.",
                )
                entries[key] = below
            elif below.value is not None:
                entries[key] = self.fit(below, fields[key], (*path, key))
        return Node(entries, node.location)

    def _expect(self, node: Node, kind: type, path: Path) -> None:
        if not isinstance(node.value, kind):
            wanted = "a list" if kind is tuple else "a mapping of keys to values"
            raise ConfigurationError(
                f"{write_path(path) or 'The file'} is not {wanted}.", location=node.location
            )


_WHOLE = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_TYPES: Mapping[str, tuple[type, str]] = {
    "text": (str, "a text"),
    "number": (int, "a whole number"),
    "flag": (bool, "true or false"),
}


def _scalar(node: Node, shape: str, path: Path) -> Node:
    value = node.value
    if shape in ("text", "scalar") and not isinstance(value, str) and node.text is not None:
        return Node(node.text, node.location)
    if shape == "number" and isinstance(value, str) and _WHOLE.fullmatch(value):
        return Node(int(value), node.location)
    if shape == "flag" and value in ("true", "false"):
        return Node(value == "true", node.location)
    kind, wanted = _TYPES.get(shape, (object, ""))
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ConfigurationError(
            f"{write_path(path)} is not {wanted}.",
            location=node.location,
            hint="Write true or false." if kind is bool else None,
        )
    return node
