"""Columns that the folders of files say, such as `year=2024`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from urllib.parse import unquote

from lakeflow.connect.source import FileScan
from lakeflow.core.schema import STRING, Field
from lakeflow.engine.files.disk import local
from lakeflow.engine.files.options import ReadOptions

NULL_FOLDER = "__HIVE_DEFAULT_PARTITION__"
"""The folder name that stands for NULL."""


def partition_values(
    scan: FileScan, options: ReadOptions
) -> Mapping[str, tuple[Field, tuple[str | None, ...]]]:
    """The columns of a scan's folders by their names in lower case, with a text for each file.

    A file outside such a folder has NULL there.
    """
    found: dict[str, tuple[Field, list[str | None]]] = {}
    if not scan.root or options.partition_columns == ():
        return {}
    for position, file in enumerate(scan.files):
        folders = PurePath(local(file.path)).relative_to(scan.root).parts[:-1]
        for folder in folders:
            name, equals, value = folder.partition("=")
            name = unquote(name)
            if not (name and equals) or not _wanted(name, options):
                continue
            _, values = found.setdefault(
                name.lower(), (Field(name, STRING), [None] * len(scan.files))
            )
            values[position] = None if value == NULL_FOLDER else unquote(value)
    return {name: (field, tuple(values)) for name, (field, values) in found.items()}


def _wanted(name: str, options: ReadOptions) -> bool:
    return options.partition_columns is None or name.lower() in options.partition_columns
