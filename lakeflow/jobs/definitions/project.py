"""`lakeflow.yml`, and how the file that declares jobs is found."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from lakeflow.core.errors import ConfigurationError
from lakeflow.core.names import nearest
from lakeflow.jobs.definitions.assemble import assemble
from lakeflow.jobs.definitions.bundle.load import BUNDLE_FILES, load_bundle
from lakeflow.jobs.definitions.declared import Declared
from lakeflow.jobs.definitions.fit import Fit, refuse
from lakeflow.jobs.definitions.include import read_files
from lakeflow.jobs.definitions.paths import Paths
from lakeflow.jobs.definitions.shapes import PROJECT
from lakeflow.jobs.definitions.substitution import Resolver, references
from lakeflow.jobs.definitions.tree import Node, check_size, write_path
from lakeflow.jobs.definitions.variables import Values, Variables
from lakeflow.jobs.freshness import KIND, read_freshness

PROJECT_FILES = ("lakeflow.yml", "lakeflow.yaml")

ROOTS = ("resources", "var")
"""First parts of references in `lakeflow.yml`."""

NONE: Mapping[str, str] = MappingProxyType({})


def find_jobs(
    path: Path | None = None,
    *,
    target: str | None = None,
    variables: Mapping[str, str] = NONE,
    environment: Mapping[str, str] | None = None,
) -> Declared:
    """What the project at a path declares.

    Args:
        path: `lakeflow.yml`, `databricks.yml` or the folder of one; if omitted, the nearest
            folder above the current one, or this, that has one.
        target: Target of a bundle; `lakeflow.yml` has none.
        variables: Values of variables, by name.
        environment: Variables of the environment; those of this process if omitted.

    Raises:
        ConfigurationError: There is no such file, or something in it is not valid.
    """
    file = _nearest(Path.cwd()) if path is None else _file(path)
    if file.name in BUNDLE_FILES:
        return load_bundle(file, target, variables, environment)
    if target is not None:
        raise ConfigurationError(
            f"{file.name} has no targets, so {target} cannot be chosen.",
            hint="Set variables in its place, or use databricks.yml.",
        )
    return load_project(file, variables, environment)


def _file(path: Path) -> Path:
    if path.is_dir():
        found = _in(path)
        if found is None:
            raise ConfigurationError(
                f"{path} holds neither {PROJECT_FILES[0]} nor {BUNDLE_FILES[0]}.",
                hint=f"Write a {PROJECT_FILES[0]} that begins with name: ...",
            )
        return found
    if path.suffix not in (".yml", ".yaml"):
        raise ConfigurationError(
            f"{path} is not a file that declares jobs.",
            hint=f"Name a folder, {PROJECT_FILES[0]} or {BUNDLE_FILES[0]}.",
        )
    return path


def _in(folder: Path) -> Path | None:
    found = [folder / name for name in (*PROJECT_FILES, *BUNDLE_FILES) if (folder / name).is_file()]
    if len(found) > 1:
        raise ConfigurationError(
            f"{folder} has two project files, {found[0].name} and {found[1].name}.",
            hint="Name the one that you mean.",
        )
    return found[0] if found else None


def _nearest(folder: Path) -> Path:
    for around in (folder, *folder.parents):
        found = _in(around)
        if found is not None:
            return found
    raise ConfigurationError(
        f"Neither {folder} nor a folder above it has a {PROJECT_FILES[0]} or {BUNDLE_FILES[0]}.",
        hint="Name the project's folder.",
    )


def load_project(
    path: Path,
    variables: Mapping[str, str] = NONE,
    environment: Mapping[str, str] | None = None,
) -> Declared:
    """What a `lakeflow.yml` declares. Whatever is not known in it is refused.

    Args:
        path: The file.
        variables: Values of variables, by name.
        environment: Variables of the environment; those of this process if omitted.

    Raises:
        ConfigurationError: Something in the files is not valid; its place is told.
    """
    environment = os.environ if environment is None else environment
    files = read_files(path, refuse, (("jobs",), ("pipelines",), ("variables",), (KIND,)))
    root = files.root
    declared = Variables(root.get("variables") or Node({}, root.location))
    declared.environment(environment)
    declared.given(variables)
    values = declared.values()
    _check_references(root, values)
    resolver = Resolver(
        Node({"var": Node(values.known, root.location)}, root.location), frozenset({"var"})
    )
    root = resolver.resolve(root.without("variables"))
    check_size(root)
    root = Fit(PROJECT).fit(root, "file")
    name = root.get("name")
    if name is None or not name.text:
        raise ConfigurationError(
            "The project has no name.",
            location=root.location,
            hint="Add a line such as name: orders.",
        )
    paths = Paths(path.parent, files.names, refuse)
    kinds = {kind: _section(root, kind, paths) for kind in ("jobs", "pipelines")}
    found = assemble(Node({"resources": Node(kinds, root.location)}, root.location))
    expected = read_freshness(root.get(KIND) or Node({}, root.location))
    return Declared(
        name.text,
        path.parent.absolute(),
        found["jobs"],
        found["pipelines"],
        {KIND: expected} if expected else {},
    )


def _section(root: Node, kind: str, paths: Paths) -> Node:
    """The jobs or pipelines of a project, each with a name and with its paths rewritten."""
    section = root.get(kind) or Node({}, root.location)
    found = {}
    for key, node in section.mapping.items():
        named = node
        if isinstance(node.value, Mapping) and "name" not in node.value:
            named = node.with_entries({"name": Node(key, node.location)})
        found[key] = paths.rewrite(named, kind)
    return Node(found, section.location)


def _check_references(root: Node, values: Values) -> None:
    if values.lookups:
        raise ConfigurationError(
            "Nothing can be looked up from this file.",
            location=next(iter(values.lookups.values())).location,
            hint="Write the value, or ${resources.jobs.KEY.id}.",
        )
    for path, location in references(root):
        if path[0] not in ROOTS:
            raise ConfigurationError(
                f"${{{write_path(path)}}} is not a reference.",
                location=location,
                hint=nearest(str(path[0]), ROOTS)
                or "There are ${var.NAME} and ${resources.jobs.KEY.id}; a shell's own variables"
                " are written $NAME.",
            )
