"""YAML to values with their places.

A file means what it means to Databricks' own tooling, which reads YAML 1.2 with `<<` from 1.1:
`yes`, `no`, `on`, `off` and dates are text. Numbers that readers of YAML disagree about (`0123`,
`1_000`, more than 64 bits) are refused rather than guessed, and so is what JSON cannot hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lakeflow.core.errors import ConfigurationError
from lakeflow.core.location import Location
from lakeflow.jobs.definitions import tree
from lakeflow.jobs.definitions.tree import Node, Scalar, check_size, locations, plain
from lakeflow.jobs.model import JsonValue

DEEPEST = 100
"""Mappings and lists that may lie in one another."""

_TAG = "tag:yaml.org,2002:"
_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_BOOLEAN = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]*)|0x[0-9a-fA-F]+|0o[0-7]+")
_FRACTION = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_DISPUTED = re.compile(r"[-+]?(0[0-9_]+|[0-9]+(_[0-9]+)+|0[xob][0-9a-fA-F_]*_[0-9a-fA-F_]*)")


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says.

    Args:
        root: Its value, each part with its place.
    """

    root: Node

    @property
    def value(self) -> JsonValue:
        """The whole as `json.loads` would give it."""
        return plain(self.root)

    @property
    def locations(self) -> dict[tree.Path, Location]:
        """Where each value is written, by its keys and positions."""
        return locations(self.root)


def read_document(path: Path, shown: str | None = None) -> Document:
    """Reads a YAML or JSON file.

    Args:
        path: The file.
        shown: How errors call it; its path if omitted.

    Raises:
        ConfigurationError: It cannot be read, or is not valid.
    """
    shown = str(path) if shown is None else shown
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"{shown} cannot be read: {error.strerror or error}.",
            location=Location(shown, 1),
        ) from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigurationError(
            f"The byte 0x{error.object[error.start]:02x} is not text.",
            location=Location(shown, line),
            hint="Save the file as UTF-8.",
        ) from error
    return parse_document(text, shown)


def parse_document(text: str, file: str) -> Document:
    """Reads the text of a YAML or JSON file.

    Args:
        text: What the file holds.
        file: How errors call it.

    Raises:
        ConfigurationError: It is not valid.
    """
    import yaml

    try:
        root = _Reader(file, text).document()
    except yaml.reader.ReaderError as error:
        raise _invalid("It holds a control character", file, _line(text, error.position)) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        said = " ".join(
            part
            for part in (getattr(error, "context", None), getattr(error, "problem", None))
            if part
        )
        line = 1 if mark is None else mark.line + 1
        raise _invalid(f"It is not valid YAML: {said or error}", file, line) from error
    except UnicodeEncodeError as error:
        line = _line(text, error.start)
        raise _invalid("It holds half a character", file, line) from error
    check_size(root)
    return Document(root)


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _invalid(message: str, file: str, line: int, hint: str | None = None) -> ConfigurationError:
    return ConfigurationError(f"{message}.", location=Location(file, line), hint=hint)


@dataclass
class _Reader:
    """Builds nodes from the parser's events, for only these tell where a key stands."""

    file: str
    text: str
    anchors: dict[str, Node | None] = field(default_factory=dict)
    """None while the value of an anchor is being read."""

    def document(self) -> Node:
        import yaml

        loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        self.events: Iterator[Any] = yaml.parse(self.text, Loader=loader)
        root = Node(None, Location(self.file, 1))
        documents = 0
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self.refusal("A second document begins here", event, "Remove it.")
                root = self.node(next(self.events), 0)
        return root

    def refusal(self, message: str, event: Any, hint: str | None = None) -> ConfigurationError:
        return _invalid(message, self.file, event.start_mark.line + 1, hint)

    def place(self, event: Any) -> Location:
        return Location(self.file, event.start_mark.line + 1, event.start_mark.column + 1)

    def node(self, event: Any, depth: int) -> Node:
        import yaml

        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self.anchors:
                raise self.refusal(f"There is no anchor &{event.anchor} above", event)
            known = self.anchors[event.anchor]
            if known is None:
                raise self.refusal(f"*{event.anchor} lies in the value that it stands for", event)
            return known
        if event.anchor:
            self.anchors[event.anchor] = None
        if isinstance(event, yaml.ScalarEvent):
            node = Node(self.scalar(event), self.place(event), event.value)
        else:
            if depth == DEEPEST:
                raise self.refusal(f"More than {DEEPEST} values lie in one another", event)
            node = self.collection(event, depth)
        if event.anchor:
            self.anchors[event.anchor] = node
        return node

    def collection(self, event: Any, depth: int) -> Node:
        import yaml

        mapping = isinstance(event, yaml.MappingStartEvent)
        if event.tag not in (None, "!", f"{_TAG}{'map' if mapping else 'seq'}"):
            raise self.refusal(f"The tag {event.tag} is not known", event, "Remove it.")
        if mapping:
            return Node(self.entries(depth), self.place(event))
        found = []
        for below in self.events:
            if isinstance(below, yaml.SequenceEndEvent):
                break
            found.append(self.node(below, depth + 1))
        return Node(tuple(found), self.place(event))

    def entries(self, depth: int) -> Mapping[str, Node]:
        import yaml

        own: dict[str, Node] = {}
        merged: list[Node] = []
        for event in self.events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = self.key(event)
            value = self.node(next(self.events), depth + 1)
            if key == "<<" and not event.style:
                merged += self.sources(value, event)
            elif key in own:
                raise self.refusal(
                    f"The key {key} is here twice",
                    event,
                    f"It is first in line {own[key].location.line}; remove one of them.",
                )
            else:
                own[key] = replace(value, location=self.place(event))
        found: dict[str, Node] = {}
        for source in merged:
            found = {**source.mapping, **found}
        return {**found, **own}

    def sources(self, value: Node, event: Any) -> tuple[Node, ...]:
        """The mappings that `<<` adds; the first of them that has a key wins."""
        found = value.items if isinstance(value.value, tuple) else (value,)
        if not all(isinstance(node.value, Mapping) for node in found):
            raise self.refusal(
                "<< adds something that is no mapping", event, "Give it an alias such as *base."
            )
        return found

    def key(self, event: Any) -> str:
        import yaml

        if isinstance(event, yaml.AliasEvent):
            known = self.anchors.get(event.anchor or "")
            if known is not None and isinstance(known.value, str):
                return known.value
        elif isinstance(event, yaml.ScalarEvent):
            if event.anchor:
                self.anchors[event.anchor] = Node(event.value, self.place(event))
            return str(event.value)
        raise self.refusal("A key is not text", event)

    def scalar(self, event: Any) -> Scalar:
        text: str = event.value
        tag = "" if event.tag is None else event.tag.removeprefix(_TAG)
        if tag in ("str", "timestamp", "!") or (tag == "" and event.style):
            return text
        value = self.plain(text, event)
        if tag == "float" and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        kinds = {"int": int, "float": float, "bool": bool, "null": type(None)}
        if tag == "" or (tag in kinds and type(value) is kinds[tag]):
            return value
        if tag in kinds:
            raise self.refusal(f"{text!r} is not of the type {tag}", event)
        raise self.refusal(f"The tag {event.tag} is not known", event, "Remove it.")

    def plain(self, text: str, event: Any) -> Scalar:
        if text in _NULL:
            return None
        if text in _BOOLEAN:
            return _BOOLEAN[text]
        quotes = f'If it is text, write "{text[:40]}".'
        if _WHOLE.fullmatch(text):
            number = int(text, 0) if len(text) < 25 else 2**64
            if not -(2**63) <= number < 2**64:
                raise self.refusal("A whole number has more than 64 bits", event, quotes)
            return number
        if _DISPUTED.fullmatch(text):
            raise self.refusal(f"Not everybody reads {text} as the same number", event, quotes)
        if _NOT_FINITE.fullmatch(text):
            raise self.refusal(f"{text} is no value of JSON", event, quotes)
        if _FRACTION.fullmatch(text):
            fraction = float(text)
            if fraction in (float("inf"), float("-inf")):
                raise self.refusal(f"{text[:40]} is too large a number", event, quotes)
            return fraction
        return text
