"""What a deployment would do: the state that an earlier one left against what is declared.

Nothing is deployed here. The state is a file of its own per project and target, written whole or
not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from lakeflow.core.errors import ConfigurationError, CorruptStateError, StateError
from lakeflow.jobs.definitions.declared import Declared, Name, Resource
from lakeflow.jobs.definitions.substitution import REFERENCE
from lakeflow.jobs.definitions.tree import write_path
from lakeflow.jobs.model import JsonValue

FORMAT = 1
"""Version of the state file; a file with a higher one is left alone."""


@dataclass(frozen=True, slots=True)
class Deployed:
    """A resource as it was deployed.

    Args:
        id: What it is known by since then.
        settings: What was deployed, its permissions and lifecycle with it; see `content`.
        references: Resources that it spoke of.
    """

    id: JsonValue
    settings: Mapping[str, JsonValue]
    references: frozenset[Name] = frozenset()

    @property
    def hash(self) -> str:
        """The same for the same settings."""
        return hash_of(self.settings)


@dataclass(frozen=True, slots=True)
class State:
    """What earlier deployments have left, by kind and key."""

    resources: Mapping[Name, Deployed] = field(default_factory=dict)


class Action(StrEnum):
    """What happens to a resource."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Change:
    """A field that differs; None where it is not there.

    Args:
        path: The field.
        old: Its deployed value.
        new: Its declared value.
    """

    path: str
    old: JsonValue
    new: JsonValue

    def __str__(self) -> str:
        return f"{self.path}: {_shown(self.old)} -> {_shown(self.new)}"


@dataclass(frozen=True, slots=True)
class Step:
    """What happens to one resource.

    Args:
        action: What is done.
        name: Its kind and key.
        id: What it is known by; None before it is created.
        changes: Fields that differ.
    """

    action: Action
    name: Name
    id: JsonValue = None
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in an order in which each finds what it speaks of."""

    steps: tuple[Step, ...]

    @property
    def changes_nothing(self) -> bool:
        """Whether all is as it is declared."""
        return all(step.action is Action.UNCHANGED for step in self.steps)


def content(resource: Resource) -> dict[str, JsonValue]:
    """All of a resource that a deployment sets."""
    found = dict(resource.settings)
    if resource.permissions:
        found["permissions"] = list(resource.permissions)
    if resource.lifecycle:
        found["lifecycle"] = dict(resource.lifecycle)
    return found


def hash_of(settings: Mapping[str, JsonValue]) -> str:
    """A hash of settings, whatever the order of their keys."""
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def make_plan(state: State, declared: Declared) -> Plan:
    """What has to be done so that all is as it is declared.

    What is new or different comes first, each after the resources that it speaks of; then goes
    what is declared no more, each before the resources that it spoke of.

    Args:
        state: What earlier deployments left.
        declared: What is declared now.

    Raises:
        ConfigurationError: Resources speak of each other in a circle, or one that is declared no
            more may not be deleted.
    """
    resources = declared.resources
    steps: list[Step] = []
    created: set[Name] = set()
    for name in in_order(resources):
        step = _step(resources[name], state.resources.get(name), created)
        if step.action is Action.CREATE:
            created.add(name)
        steps.append(step)
    gone = {
        name: each.references for name, each in state.resources.items() if name not in resources
    }
    for name in reversed(_ordered(gone)):
        deployed = state.resources[name]
        lifecycle = deployed.settings.get("lifecycle")
        if isinstance(lifecycle, Mapping) and lifecycle.get("prevent_destroy") is True:
            raise ConfigurationError(
                f"{write_path(name)} is declared no more, and lifecycle.prevent_destroy keeps it.",
                hint="Declare it again, or deploy it once without prevent_destroy.",
            )
        steps.append(Step(Action.DELETE, name, deployed.id))
    return Plan(tuple(steps))


def _step(resource: Resource, deployed: Deployed | None, created: set[Name]) -> Step:
    if deployed is None:
        return Step(Action.CREATE, resource.name)
    settings = content(resource)
    changes = tuple(differences(deployed.settings, settings))
    # What it speaks of has another id from now on, though its own text is the same.
    changes += tuple(
        Change(f"${{resources.{kind}.{key}.id}}", "the former id", "a new id")
        for kind, key in sorted(resource.references & created)
    )
    action = Action.UPDATE if changes else Action.UNCHANGED
    return Step(action, resource.name, deployed.id, changes)


def in_order(resources: Mapping[Name, Resource]) -> list[Name]:
    """Names of resources, each after those that it speaks of.

    Raises:
        ConfigurationError: They speak of each other in a circle, or one of itself.
    """
    try:
        return _ordered({name: each.references for name, each in resources.items()})
    except CycleError as error:
        circle = error.args[1]
        said = " -> ".join(write_path(name) for name in circle)
        raise ConfigurationError(
            f"Resources speak of each other in a circle: {said}.",
            location=resources[circle[0]].locations.get(()),
            hint="Write the id of one of them out.",
        ) from error


def _ordered(references: Mapping[Name, frozenset[Name]]) -> list[Name]:
    """Names, each after those that it speaks of; in the given order where that is free."""
    sorter = TopologicalSorter(
        {name: [each for each in references if each in spoken_of]
         for name, spoken_of in references.items()}
    )  # fmt: skip
    return list(sorter.static_order())


def differences(
    old: JsonValue, new: JsonValue, path: tuple[str | int, ...] = ()
) -> Iterator[Change]:
    """The fields in which two values differ.

    Items of lists are told apart by their keys where they have one, such as `task_key`.

    Args:
        old: One value.
        new: The other.
        path: Where they stand.
    """
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from _difference(old, new, key, (*path, key))
    elif isinstance(old, list) and isinstance(new, list):
        ours, theirs = _by_key(old), _by_key(new)
        if ours is None or theirs is None:
            ours, theirs = dict(enumerate(old)), dict(enumerate(new))
        elif list(ours) != list(theirs) and set(ours) == set(theirs):
            yield Change(write_path(path) or ".", list(ours), list(theirs))
        for key in [*ours, *(key for key in theirs if key not in ours)]:
            part = (key,) if isinstance(key, int) else (f"[{key}]",)
            yield from _difference(ours, theirs, key, (*path, *part))
    elif old != new or type(old) is not type(new):
        yield Change(_written(path), old, new)


def _difference(
    old: Mapping[str | int, JsonValue],
    new: Mapping[str | int, JsonValue],
    key: str | int,
    path: tuple[str | int, ...],
) -> Iterator[Change]:
    if key in old and key in new:
        yield from differences(old[key], new[key], path)
    else:
        yield Change(_written(path), old.get(key), new.get(key))


def _written(path: tuple[str | int, ...]) -> str:
    return re.sub(r"\.\[", "[", write_path(path))


_KEYS = ("task_key", "job_cluster_key", "environment_key", "name", "label")


def _by_key(items: list[JsonValue]) -> dict[str | int, JsonValue] | None:
    """Items by the field that names them; None if they have none, or not each its own."""
    for key in _KEYS:
        found: dict[str | int, JsonValue] = {
            item[key]: item
            for item in items
            if isinstance(item, Mapping) and isinstance(item.get(key), str)
        }
        if found and len(found) == len(items):
            return found
    return None


def _shown(value: JsonValue) -> str:
    if value is None:
        return "(not set)"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:79]}…"


def fill(value: JsonValue, known: Mapping[str, JsonValue]) -> JsonValue:
    """Settings with the references replaced that only a deployment knows.

    Args:
        value: Settings, or a part of them.
        known: Values by reference, such as `resources.jobs.nightly.id` and `var.warehouse`.
    """
    if isinstance(value, Mapping):
        return {key: fill(below, known) for key, below in value.items()}
    if isinstance(value, list):
        return [fill(below, known) for below in value]
    if not isinstance(value, str):
        return value
    whole = REFERENCE.fullmatch(value)
    if whole:
        return known.get(whole[1], value)
    return REFERENCE.sub(lambda match: str(known.get(match[1], match[0])), value)


def read_state(path: Path) -> State:
    """The state in a file; an empty one if there is no file yet.

    Raises:
        StateError: A newer version has written it.
        CorruptStateError: It is damaged.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return State()
    except UnicodeDecodeError as error:
        raise _damaged(path) from error
    try:
        value = json.loads(text)
        version = value["format"]
        if isinstance(version, int) and version > FORMAT:
            raise StateError(
                f"{path} was written by a newer version, in the format {version}.",
                hint="Use that version, or deploy from a copy of the state that it kept.",
            )
        return State(dict(_read(each) for each in value["resources"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(path) from error


def _read(value: Mapping[str, JsonValue]) -> tuple[Name, Deployed]:
    settings = dict(value["settings"])
    if hash_of(settings) != value["hash"]:
        raise ValueError("its hash is another")
    references = frozenset((str(kind), str(key)) for kind, key in value["references"])
    deployed = Deployed(value["id"], settings, references)
    return (str(value["kind"]), str(value["key"])), deployed


def _damaged(path: Path) -> CorruptStateError:
    return CorruptStateError(
        f"The state of deployments in {path} is damaged.",
        hint="Restore it from a copy; without it everything would be created again.",
    )


def write_state(path: Path, state: State) -> None:
    """Writes the state so that a crash leaves the former file or this one, never a part.

    Args:
        path: The file; its folder is made if it is missing.
        state: What is written.
    """
    value = {
        "format": FORMAT,
        "resources": [
            {
                "kind": kind,
                "key": key,
                "id": deployed.id,
                "hash": deployed.hash,
                "references": sorted(map(list, deployed.references)),
                "settings": deployed.settings,
            }
            for (kind, key), deployed in sorted(state.resources.items())
        ],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(value, indent=1) + "\n"
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
