"""A pipeline of the API as a project of the engine."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lakeflow.core.errors import ConfigurationError
from lakeflow.core.location import Location
from lakeflow.core.names import DEFAULT_CATALOG, DEFAULT_SCHEMA
from lakeflow.pipelines.spec import Project, find_project, library_files
from lakeflow.server.workspace import Workspace

KINDS = ("file", "glob", "notebook")
"""Libraries that are definitions; those of other kinds are refused when an update runs."""


def engine_name(name: str) -> str:
    """The name by which the lakehouse knows a pipeline.

    Example:
        >>> engine_name("Orders (daily)")
        'Orders_daily'
    """
    return re.sub(r"\W+", "_", name).strip("_") or "pipeline"


def project_of(saved: Mapping[str, Any], folder: Path) -> Project:
    """The files and settings of a pipeline.

    Args:
        saved: What the API keeps of it.
        folder: The workspace.

    Raises:
        ConfigurationError: It names no files, or some that are not there.
    """
    spec = saved["spec"]
    if "path" in spec:
        return find_project(Path(spec["path"]))
    workspace = Workspace(folder)
    root = _place(workspace, folder, str(spec.get("root_path") or "/"))
    files = tuple(_files(spec, workspace, root))
    if not files and spec.get("root_path"):
        files = find_project(root).files
    if not files:
        raise ConfigurationError(
            f"The pipeline {spec['name']!r} has no libraries.",
            hint="Name its .py and .sql files in libraries, or their folder as root_path.",
        )
    return Project(
        saved["engine_name"],
        root if spec.get("root_path") else files[0].parent,
        files,
        spec.get("catalog") or DEFAULT_CATALOG,
        spec.get("schema") or spec.get("target") or DEFAULT_SCHEMA,
        {str(name): str(value) for name, value in (spec.get("configuration") or {}).items()},
    )


def _files(spec: Mapping[str, Any], workspace: Workspace, root: Path) -> Iterator[Path]:
    for library in spec.get("libraries") or ():
        match library:
            case {"file": {"path": str(path)}} | {"notebook": {"path": str(path)}}:
                found = _place(workspace, root, path)
                library = {"file": {"path": str(found)}}  # noqa: PLW2901
            case {"glob": {"include": str(path)}}:
                deep = path.endswith("/**")
                found = _place(workspace, root, path.removesuffix("/**"))
                library = {"glob": {"include": f"{found}/**" if deep else str(found)}}  # noqa: PLW2901
        yield from library_files(root, library, Location(f"pipeline {spec['name']}", 1))


def _place(workspace: Workspace, root: Path, path: str) -> Path:
    """A path of the workspace, of this machine, or below the root of the pipeline."""
    return workspace.local(path) or root / path
