"""Rows that lie in Parquet files, as every backend reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Self

from lakeflow.core.schema import Schema
from lakeflow.tables.log import DataFile
from lakeflow.tables.partitions import castable_text


@dataclass(frozen=True, slots=True)
class ParquetFiles:
    """Rows that lie in Parquet files.

    Args:
        paths: Absolute; there may be none.
        schema: The columns; a file may lack some, which are NULL there, or have more.
        partitions: Of a partitioned table, the values of its partition columns for each path, as
            text; files of other writers do not hold these columns.
    """

    paths: tuple[str, ...]
    schema: Schema
    partitions: tuple[Mapping[str, str | None], ...] = ()

    @classmethod
    def of(cls, folder: str, files: Iterable[DataFile], schema: Schema) -> Self:
        """Files of a table that lies in a folder."""
        found = tuple(files)
        partitions = tuple(_values(file, schema) for file in found if file.partition)
        return cls(tuple(f"{folder}/{file.path}" for file in found), schema, partitions)

    @property
    def partition_columns(self) -> tuple[str, ...]:
        """Columns whose values are not read from the files."""
        return tuple(self.partitions[0]) if self.partitions else ()

    @property
    def stored(self) -> Schema:
        """The columns that are read from the files."""
        names = self.partition_columns
        return Schema(tuple(field for field in self.schema if field.name not in names))

    def by_partition(self) -> Iterator[tuple[Self, Mapping[str, str | None]]]:
        """The files of each partition without its columns, and their values."""
        groups: dict[tuple[str | None, ...], list[str]] = {}
        for path, values in zip(self.paths, self.partitions, strict=True):
            groups.setdefault(tuple(values.values()), []).append(path)
        for key, paths in groups.items():
            files = replace(self, paths=tuple(paths), schema=self.stored, partitions=())
            yield files, dict(zip(self.partition_columns, key, strict=True))


Relation = str | ParquetFiles
"""Rows that a query reads: a SELECT, or files that any backend can read by itself."""


def _values(file: DataFile, schema: Schema) -> dict[str, str | None]:
    known = {field.name: field.type for field in schema if field.name in file.partition}
    return {
        name: None if (text := file.partition[name]) is None else castable_text(kind, text)
        for name, kind in known.items()
    }
