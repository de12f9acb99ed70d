"""The variables of a project: what they are declared to be, and who may set them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from lakeflow.core.errors import ConfigurationError
from lakeflow.core.location import Location
from lakeflow.core.names import nearest
from lakeflow.jobs.definitions.document import parse_document
from lakeflow.jobs.definitions.fit import Unknown, refuse
from lakeflow.jobs.definitions.tree import Node

PREFIX = "BUNDLE_VAR_"
"""Variables of the environment that set one are named so."""

KEYS = ("default", "description", "lookup", "type")
LOOKUPS = (
    "alert cluster cluster_policy dashboard instance_pool job metastore notification_destination "
    "pipeline query service_principal warehouse"
).split()


@dataclass(frozen=True, slots=True)
class Values:
    """What the variables have come to; values may still hold references.

    Args:
        known: Values, by name.
        lookups: A mapping of one kind to one name, by name of the variable.
    """

    known: Mapping[str, Node]
    lookups: Mapping[str, Node]


@dataclass
class _Declared:
    location: Location
    default: Node | None = None
    lookup: Node | None = None
    complex: bool = False

    def take(self, node: Node) -> None:
        """Sets what a target says: a value, or parts of a declaration."""
        if node.mapping and set(node.mapping) <= set(KEYS):
            self.declare(node.mapping)
        else:
            self.default, self.lookup = node, None

    def declare(self, entries: Mapping[str, Node]) -> None:
        """Sets what a declaration says."""
        if "type" in entries:
            kind = entries["type"]
            if kind.value not in ("complex", "string"):
                raise ConfigurationError(
                    f"{kind.text or 'That'!r} is no type of a variable.",
                    location=kind.location,
                    hint="Leave it out for a scalar, or write complex for a mapping or a list.",
                )
            self.complex = kind.value == "complex"
        if "default" in entries:
            self.default, self.lookup = entries["default"], None
        if "lookup" in entries:
            self.lookup = _lookup(entries["lookup"])
            self.default = None


def _lookup(node: Node) -> Node:
    if len(node.mapping) != 1:
        raise ConfigurationError(
            "A lookup names one thing.",
            location=node.location,
            hint="Write lookup: {warehouse: its name}.",
        )
    (kind,) = node.mapping
    if kind not in LOOKUPS:
        raise ConfigurationError(
            f"{kind} cannot be looked up.",
            location=node.mapping[kind].location,
            hint=nearest(kind, LOOKUPS) or f"Kinds are {', '.join(LOOKUPS)}.",
        )
    return node


@dataclass
class Variables:
    """Collects values from the weakest source to the strongest.

    Args:
        declared: The `variables` of the files.
        unknown: Told of keys that no declaration has.
    """

    declared: Node
    unknown: Unknown = refuse
    _found: dict[str, _Declared] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        for name, node in self.declared.mapping.items():
            if not re.fullmatch(r"[A-Za-z_][\w-]*", name, re.ASCII):
                raise ConfigurationError(
                    f"{name!r} cannot name a variable.",
                    location=node.location,
                    hint="It begins with a letter; digits, - and _ may follow.",
                )
            self._found[name] = _Declared(node.location)
            if not isinstance(node.value, Mapping):
                self._found[name].default = None if node.value is None else node
                continue
            self._found[name].declare(node.value)
            for key in node.value.keys() - set(KEYS):
                hint = nearest(key, KEYS) or f"Keys are {', '.join(KEYS)}."
                message = f"variables.{name}.{key}: {key} is not a known key."
                self.unknown(message, node.value[key].location, hint)

    def _of(self, name: str, location: Location) -> _Declared:
        if name not in self._found:
            raise ConfigurationError(
                f"There is no variable {name}.",
                location=location,
                hint=nearest(name, self._found) or "Declare it under variables:.",
            )
        return self._found[name]

    def target(self, node: Node) -> None:
        """Takes the `variables` of a target: values, or parts of declarations."""
        for name, value in node.mapping.items():
            self._of(name, value.location).take(value)

    def file(self, node: Node) -> None:
        """Takes the values of a file of overrides."""
        for name, value in node.mapping.items():
            variable = self._of(name, value.location)
            variable.default, variable.lookup = value, None

    def environment(self, environment: Mapping[str, str]) -> None:
        """Takes values from variables of the environment; those for other projects stay."""
        for name in self._found:
            if PREFIX + name in environment:
                self._text(name, environment[PREFIX + name], PREFIX + name)

    def given(self, values: Mapping[str, str]) -> None:
        """Takes values from the command line."""
        for name, text in values.items():
            self._text(name, text, f"--var {name}")

    def _text(self, name: str, text: str, source: str) -> None:
        location = Location(source, 1)
        variable = self._of(name, location)
        before = None if variable.default is None else variable.default.value
        node = Node(text, location)
        if variable.complex or isinstance(before, Mapping | tuple):
            node = parse_document(text, source).root
            if not isinstance(node.value, Mapping | tuple):
                raise ConfigurationError(
                    f"The variable {name} is a mapping or a list, and {text!r} is none.",
                    location=location,
                    hint="Give it as JSON.",
                )
        elif isinstance(before, bool | int | float):
            read = parse_document(text, source).root
            if isinstance(read.value, bool) == isinstance(before, bool) and isinstance(
                read.value, bool | int | float
            ):
                node = read
        variable.default, variable.lookup = node, None

    def values(self) -> Values:
        """What all of them have come to.

        Raises:
            ConfigurationError: One has no value.
        """
        for name, variable in self._found.items():
            if variable.default is None and variable.lookup is None:
                raise ConfigurationError(
                    f"The variable {name} has no value.",
                    location=variable.location,
                    hint=f"Give it a default, --var {name}=..., or set {PREFIX}{name}.",
                )
        found = self._found.items()
        return Values(
            {name: each.default for name, each in found if each.default is not None},
            {name: each.lookup for name, each in found if each.lookup is not None},
        )
