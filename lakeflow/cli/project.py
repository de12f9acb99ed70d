"""Where a command finds its project, from the folder in which it is given."""

from __future__ import annotations

from pathlib import Path

from lakeflow.core.errors import ConfigurationError

PROJECT_FILES = ("pipeline.yml", "pipeline.yaml", "spark-pipeline.yml", "spark-pipeline.yaml")
"""Names of a project file, which `lakeflow run` takes if no path is given."""


def find_project_file(folder: Path) -> Path:
    """The project file of a folder, or of the nearest one above it that has one.

    Raises:
        ConfigurationError: There is none, or one folder has two.
    """
    for place in (folder, *folder.parents):
        found = [place / name for name in PROJECT_FILES if (place / name).is_file()]
        if len(found) > 1:
            raise ConfigurationError(
                f"{place} has two project files, {found[0].name} and {found[1].name}.",
                condition="MULTIPLE_PIPELINE_SPEC_FILES_FOUND",
                hint="Remove one of them, or name the one to run: lakeflow run PATH.",
            )
        if found:
            return found[0]
    raise ConfigurationError(
        f"There is no project file in {folder} or above it.",
        condition="PIPELINE_SPEC_FILE_NOT_FOUND",
        hint=f"Name what to run (lakeflow run PATH), or write a {PROJECT_FILES[0]}.",
    )


def default_lakehouse(folder: Path) -> Path:
    """The lakehouse if none is named: below the project's folder, so that each folder of it agrees.

    Args:
        folder: Where the command is given.
    """
    return _data(folder) / "lakehouse"


def default_home(folder: Path) -> Path:
    """The folder of the server if none is named; it lies beside the lakehouse.

    Args:
        folder: Where the command is given.
    """
    return _data(folder) / "home"


def _data(folder: Path) -> Path:
    for place in (folder, *folder.parents):
        if any((place / name).is_file() for name in PROJECT_FILES):
            return (Path() if place == folder else place) / "data"
    return Path("data")
