"""Reads a bundle: files, target, variables, references, mode, paths, in this order."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from lakeflow.core.errors import ConfigurationError
from lakeflow.core.location import Location
from lakeflow.core.names import nearest
from lakeflow.jobs.definitions.assemble import assemble, sections
from lakeflow.jobs.definitions.bundle.git import read_checkout
from lakeflow.jobs.definitions.bundle.mode import apply_mode, check_branch
from lakeflow.jobs.definitions.bundle.surroundings import with_surroundings
from lakeflow.jobs.definitions.bundle.target import choose_target
from lakeflow.jobs.definitions.bundle.values import collect
from lakeflow.jobs.definitions.declared import Declared, Lookup, Notice
from lakeflow.jobs.definitions.fit import Fit
from lakeflow.jobs.definitions.include import Files, read_files
from lakeflow.jobs.definitions.paths import Paths
from lakeflow.jobs.definitions.shapes import BUNDLE
from lakeflow.jobs.definitions.substitution import REFERENCE, Resolver, references
from lakeflow.jobs.definitions.tree import Node, check_size, plain, write_path
from lakeflow.jobs.definitions.variables import Values
from lakeflow.jobs.model import JsonValue

BUNDLE_FILES = ("databricks.yml", "databricks.yaml")

ROOTS = frozenset(("artifacts", "bundle", "sync", "var", "variables", "workspace"))
"""First parts of references that a bundle's own values answer; `resources` come last."""

NONE: Mapping[str, str] = MappingProxyType({})


@dataclass
class _Notices:
    found: dict[Notice, None] = field(default_factory=dict)
    """Each once, in the order in which they came up."""

    def tell(self, message: str, location: Location, hint: str) -> None:
        self.found[Notice(message, location, hint)] = None


def load_bundle(
    path: Path,
    target: str | None = None,
    variables: Mapping[str, str] = NONE,
    environment: Mapping[str, str] | None = None,
) -> Declared:
    """What a bundle declares for one of its targets.

    Args:
        path: `databricks.yml`, or the folder that holds it.
        target: Name of the target; the default one if omitted.
        variables: Values of variables, as `--var` gives them.
        environment: Variables of the environment; those of this process if omitted.

    Raises:
        ConfigurationError: Something in the files is not valid; its place is told.
    """
    environment = os.environ if environment is None else environment
    path = _file(path)
    notices = _Notices()
    files = read_files(path, notices.tell)
    chosen = choose_target(files.root, target, notices.tell)
    values = collect(path.parent, chosen, variables, environment, notices.tell)
    checkout = read_checkout(path.parent)
    _check_name(chosen.root)
    root = with_surroundings(chosen.root, chosen.name, checkout, environment)
    resolver = _resolver(root, values)
    expected = chosen.root.get("bundle", "git", "branch")
    if chosen.mode == "production" and expected is not None:
        check_branch(resolver.resolve(expected), checkout.branch, notices.tell)
    root = resolver.resolve(root.without("variables"))
    check_size(root)
    root = Fit(BUNDLE, notices.tell).fit(root, "file")
    _tell_of_strangers(root, notices)
    root = apply_mode(root, chosen.mode, notices.tell)
    root = _with_paths(root, path.parent, files, notices)
    found = assemble(root)
    lookups = {key: _lookup(resolver.resolve(node)) for key, node in values.lookups.items()}
    return Declared(
        str(_section(root, "bundle").get("name")),
        path.parent.absolute(),
        found.get("jobs", {}),
        found.get("pipelines", {}),
        sections(found),
        chosen.name,
        chosen.mode,
        lookups,
        _section(root, "workspace"),
        _section(root, "artifacts"),
        _section(root, "sync"),
        tuple(notices.found),
    )


def _section(root: Node, key: str) -> Mapping[str, JsonValue]:
    node = root.get(key)
    return {} if node is None else plain(node)


def _file(path: Path) -> Path:
    if not path.is_dir():
        return path
    found = [path / name for name in BUNDLE_FILES if (path / name).is_file()]
    if len(found) != 1:
        raise ConfigurationError(
            f"{path} has two bundles, {' and '.join(each.name for each in found)}."
            if found
            else f"{path} holds no {BUNDLE_FILES[0]}.",
            location=Location(str(path / BUNDLE_FILES[0]), 1),
            hint="Remove one of them." if found else "Begin one with bundle: {name: ...}.",
        )
    return found[0]


def _resolver(root: Node, values: Values) -> Resolver:
    place = root.location
    declared = {
        name: Node({"value": node, "default": node}, place) for name, node in values.known.items()
    }
    known = {"var": Node(values.known, place), "variables": Node(declared, place)}

    def stays(path: tuple[str | int, ...]) -> bool:
        return path[0] == "var" and len(path) > 1 and path[1] in values.lookups

    return Resolver(root.with_entries(known), ROOTS, stays)


def _check_name(root: Node) -> None:
    name = root.get("bundle", "name")
    if name is None or not name.text:
        raise ConfigurationError(
            "The bundle has no name.",
            location=root.location,
            hint="Begin the file with bundle: {name: ...}.",
        )


def _tell_of_strangers(root: Node, notices: _Notices) -> None:
    """Tells of `${...}` that is no reference of a bundle; a script may hold such text."""
    known = ROOTS | {"resources"}
    for path, location in references(root):
        if path[0] not in known:
            notices.tell(
                f"${{{write_path(path)}}} is not a reference of a bundle; it stays as it is.",
                location,
                nearest(str(path[0]), known),
            )
    for key in ("python", "experimental"):
        node = root.get(key) if key == "python" else root.get(key, "python")
        if node is not None:
            notices.tell(
                "Resources that Python code declares are not read.",
                node.location,
                "Declare them in YAML.",
            )


def _with_paths(root: Node, folder: Path, files: Files, notices: _Notices) -> Node:
    deployed = root.get("workspace", "file_path")
    paths = Paths(
        folder, files.names, notices.tell, "" if deployed is None else deployed.text or ""
    )
    entries: dict[str, Node] = {}
    resources = root.get("resources")
    if resources is not None:
        kinds = {
            kind: Node(
                {key: paths.rewrite(node, kind) for key, node in section.mapping.items()},
                section.location,
            )
            for kind, section in resources.mapping.items()
        }
        entries["resources"] = Node(kinds, resources.location)
    artifacts, sync = root.get("artifacts"), root.get("sync")
    if artifacts is not None:
        found = {key: paths.rewrite(node, "artifacts") for key, node in artifacts.mapping.items()}
        entries["artifacts"] = Node(found, artifacts.location)
    if sync is not None:
        entries["sync"] = paths.rewrite(sync, "sync")
    return root.with_entries(entries)


def _lookup(node: Node) -> Lookup:
    ((kind, name),) = node.mapping.items()
    if not isinstance(name.value, str) or REFERENCE.search(name.value):
        raise ConfigurationError(
            f"The name of a {kind} to look up is a text.", location=name.location
        )
    return Lookup(kind, name.value, name.location)
