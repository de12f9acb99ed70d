"""Pipelines that a project declares, as the Pipelines API keeps them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lakeflow.core.errors import UnsupportedError
from lakeflow.jobs.definitions.declared import Resource
from lakeflow.pipelines.spec import find_project
from lakeflow.server.pipeline_project import engine_name


def pipeline_id(source: str, key: str) -> str:
    """The id of a pipeline: the same in every deployment.

    Args:
        source: The project; see `deploy.source_of`.
        key: Of the pipeline in it.
    """
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{source}/{key}"))


def saved_pipeline(resource: Resource, root: Path) -> dict[str, Any]:
    """What is kept of a pipeline, with its paths made absolute.

    Args:
        resource: The pipeline as it is declared.
        root: Folder against which its paths are taken.

    Raises:
        ConfigurationError: There is nothing to run at its path.
        UnsupportedError: A library of it cannot be run.
    """
    spec: dict[str, Any] = {"name": resource.key, **resource.settings}
    if "path" in spec:
        spec["path"] = str((root / str(spec["path"])).absolute())
        return {"spec": spec, "engine_name": find_project(Path(spec["path"])).name}
    spec["libraries"] = [_library(each, root, resource) for each in spec.get("libraries") or ()]
    if "root_path" in spec:
        spec["root_path"] = str((root / str(spec["root_path"])).absolute())
    return {"spec": spec, "engine_name": engine_name(str(spec["name"]))}


def _library(library: Mapping[str, Any], root: Path, resource: Resource) -> dict[str, Any]:
    match library:
        case {"file": {"path": str(path)}} | {"notebook": {"path": str(path)}}:
            return {"file": {"path": str((root / path).absolute())}}
        case {"glob": {"include": str(include)}}:
            return {"glob": {"include": str((root / include).absolute())}}
    raise UnsupportedError(
        f"The library {library!r} of the pipeline {resource.key} is not supported.",
        location=resource.locate("libraries"),
        hint="Name .py and .sql files; packages are installed beside Lakeflow.",
    )
