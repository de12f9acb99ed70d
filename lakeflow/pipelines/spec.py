"""What `lakeflow run` is pointed at: a file, a folder, or a project file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lakeflow.core.errors import ConfigurationError
from lakeflow.core.location import Location
from lakeflow.core.names import DEFAULT_CATALOG, DEFAULT_SCHEMA, nearest
from lakeflow.pipelines.properties import is_setting, setting_error

PROJECT_FILES = ("pipeline.yml", "pipeline.yaml", "spark-pipeline.yml", "spark-pipeline.yaml")
KEYS = ("name", "storage", "catalog", "database", "schema", "configuration", "libraries")


@dataclass(frozen=True, slots=True)
class Project:
    """A pipeline's files and settings.

    Args:
        name: The pipeline's name.
        folder: From which relative paths are taken.
        files: Definition files, in the order in which they are loaded.
        catalog: Catalog of names that do not say one.
        schema: Schema of names that do not say one.
        configuration: Values of `${name}` in SQL.
    """

    name: str
    folder: Path
    files: tuple[Path, ...]
    catalog: str = DEFAULT_CATALOG
    schema: str = DEFAULT_SCHEMA
    configuration: Mapping[str, str] = field(default_factory=dict)


def find_project(path: Path) -> Project:
    """The project at a path.

    Args:
        path: A .py or .sql file, a folder, or a project file.

    Raises:
        ConfigurationError: There is nothing to run, or the project file is not valid.
    """
    path = path.absolute()
    if path.is_dir():
        found = [path / name for name in PROJECT_FILES if (path / name).is_file()]
        if len(found) > 1:
            raise ConfigurationError(
                f"{path} has two project files, {found[0].name} and {found[1].name}.",
                condition="MULTIPLE_PIPELINE_SPEC_FILES_FOUND",
                hint="Remove one of them.",
            )
        return _read(found[0]) if found else Project(path.name, path, _definitions(path))
    if path.suffix in (".yml", ".yaml"):
        return _read(path)
    if path.suffix not in (".py", ".sql"):
        raise ConfigurationError(
            f"{path} is not a definition file.",
            condition="PIPELINE_UNSUPPORTED_DEFINITIONS_FILE_EXTENSION",
            hint="A pipeline is written in .py and .sql files.",
        )
    if not path.is_file():
        raise ConfigurationError(f"There is no file {path}.")
    return Project(path.stem, path.parent, (path,))


def _definitions(folder: Path) -> tuple[Path, ...]:
    files = tuple(
        sorted(
            file
            for file in folder.rglob("*")
            if file.suffix in (".py", ".sql") and "__pycache__" not in file.parts
        )
    )
    if not files:
        raise ConfigurationError(f"{folder} holds no .py or .sql file.")
    return files


def _read(path: Path) -> Project:
    import yaml

    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"It cannot be read: {error}.",
            location=Location(str(path), 1),
            hint="Project files are UTF-8 text.",
        ) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ConfigurationError(
            f"It is not valid YAML: {getattr(error, 'problem', None) or error}.",
            location=Location(str(path), 1 if mark is None else mark.line + 1),
        ) from error
    if not isinstance(value, dict):
        raise ConfigurationError(
            f"{path} is not a mapping of keys to values.",
            hint="Begin it with name: ...",
        )
    for key in value:
        if key not in KEYS:
            raise ConfigurationError(
                f"{key} is not a key of a project file.",
                condition="PIPELINE_SPEC_UNEXPECTED_FIELD",
                location=Location(str(path), _line_of(path, str(key))),
                hint=nearest(str(key), KEYS) or f"Keys are {', '.join(KEYS)}.",
            )
    if not isinstance(value.get("name"), str):
        raise ConfigurationError(
            f"{path} does not name the pipeline.",
            condition="PIPELINE_SPEC_MISSING_REQUIRED_FIELD",
            hint="Add a line such as name: orders.",
        )
    return Project(
        value["name"],
        path.parent,
        _libraries(path, value.get("libraries")),
        value.get("catalog") or DEFAULT_CATALOG,
        value.get("database") or value.get("schema") or DEFAULT_SCHEMA,
        _configuration(path, value.get("configuration") or {}),
    )


def _configuration(path: Path, value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ConfigurationError(
            f"configuration in {path} is not a mapping.", condition="PIPELINE_SPEC_FIELD_NOT_DICT"
        )
    for key, found in value.items():
        if not isinstance(key, str) or not isinstance(found, str):
            raise ConfigurationError(
                f"configuration.{key} in {path} is not text.",
                condition="PIPELINE_SPEC_DICT_VALUE_NOT_STRING",
                location=Location(str(path), _line_of(path, str(key))),
                hint="Put the value in quotes.",
            )
    for key, found in value.items():
        location = Location(str(path), _line_of(path, key))
        error = setting_error(key, found, location) if is_setting(key) else None
        if error is not None:
            raise error
    return dict(value)


def _libraries(path: Path, value: Any) -> tuple[Path, ...]:
    if value is None:
        return _definitions(path.parent)
    location = Location(str(path), _line_of(path, "libraries"))
    if not isinstance(value, list):
        raise ConfigurationError(
            "libraries is not a list.",
            condition="PIPELINE_SPEC_INVALID_GLOB_PATTERN",
            location=location,
            hint="Write a line such as - glob: {include: transformations/**} for each.",
        )
    return tuple(
        file for library in value for file in library_files(path.parent, library, location)
    )


def library_files(folder: Path, library: Any, location: Location) -> tuple[Path, ...]:
    """The definition files that one entry of `libraries` names.

    Args:
        folder: From which relative paths are taken.
        library: The entry.
        location: Where it was written.

    Raises:
        ConfigurationError: It is no such entry, or there is no such file.
    """
    match library:
        case {"glob": {"include": str(include)}} | {"file": {"path": str(include)}}:
            pass
        case {"notebook": _} | {"jar": _} | {"whl": _} | {"maven": _}:
            raise ConfigurationError(
                f"A library of the kind {next(iter(library))} is not supported.",
                location=location,
                hint="Name .py and .sql files; packages are installed beside Lakeflow.",
            )
        case _:
            raise ConfigurationError(
                f"The library {library!r} names neither glob.include nor file.path.",
                condition="PIPELINE_SPEC_INVALID_GLOB_PATTERN",
                location=location,
            )
    if include.endswith("/**"):
        return _definitions(folder / include.removesuffix("/**"))
    file = folder / include
    if "*" in include or not file.is_file():
        raise ConfigurationError(
            f"There is no file {include} in {folder}.",
            condition="PIPELINE_SPEC_INVALID_GLOB_PATTERN",
            location=location,
            hint="A library is a file, or folder/** for all files of a folder and below it.",
        )
    if file.suffix not in (".py", ".sql"):
        raise ConfigurationError(
            f"{include} is not a definition file.",
            condition="PIPELINE_UNSUPPORTED_DEFINITIONS_FILE_EXTENSION",
            location=location,
            hint="A pipeline is written in .py and .sql files.",
        )
    return (file,)


def _line_of(path: Path, key: str) -> int:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.strip().startswith((f"{key}:", f'"{key}":', f"'{key}':")):
            return number
    return 1
