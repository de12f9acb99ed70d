"""Rows that lie in Parquet files, as every backend reads them."""

from __future__ import annotations

from dataclasses import dataclass

from lakeflow.core.schema import Schema


@dataclass(frozen=True, slots=True)
class ParquetFiles:
    """Rows that lie in Parquet files.

    Args:
        paths: Absolute; there may be none.
        schema: The columns; a file may lack some, which are NULL there, or have more.
    """

    paths: tuple[str, ...]
    schema: Schema


Relation = str | ParquetFiles
"""Rows that a query reads: a SELECT, or files that any backend can read by itself."""
