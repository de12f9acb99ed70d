"""Project files for pipelines that are declared elsewhere: in `lakeflow.yml` or through the API."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lakeflow.core.errors import UnsupportedError
from lakeflow.jobs.declared import Resource

_KEPT = ("catalog", "schema", "database", "configuration")


def project_file(folder: Path, resource: Resource, root: Path) -> Path:
    """What the engine runs for a pipeline: its own path, or a project file that is written for it.

    Args:
        folder: Where the file is written.
        resource: The pipeline as it is declared.
        root: Folder against which its paths are taken.

    Raises:
        UnsupportedError: A library of it cannot be run.
    """
    import yaml

    settings = resource.settings
    if "path" in settings:
        return (root / str(settings["path"])).absolute()
    name = str(settings.get("name") or resource.key)
    text: dict[str, Any] = {"name": name}
    text |= {field: settings[field] for field in _KEPT if settings.get(field)}
    if "target" in settings:
        text["schema"] = settings["target"]
    text["libraries"] = [_library(each, root, resource) for each in settings.get("libraries") or ()]
    path = folder / f"{resource.key}.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(text, sort_keys=False), encoding="utf-8")
    return path


def _library(library: Mapping[str, Any], root: Path, resource: Resource) -> dict[str, Any]:
    """A library with its path made absolute."""
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
