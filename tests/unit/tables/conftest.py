"""Tables written as a pipeline writes them, from any query."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from lakeflow.backends.duckdb import DuckDBBackend
from lakeflow.core.location import Location
from lakeflow.core.schema import Schema
from lakeflow.engine.staging import data_files
from lakeflow.tables.log import Commit, TableMetadata
from lakeflow.tables.partitions import partition_values
from lakeflow.tables.store import LocalStore
from lakeflow.tables.table import Decision, Table

PLACE = Location("pipeline.sql", 1)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def backend(tmp_path):
    backend = DuckDBBackend(
        memory_limit=1 << 28, threads=2, time_zone="UTC", temporary=tmp_path / "spill"
    )
    yield backend
    backend.close()


@pytest.fixture
def connection(backend):
    """DuckDB without any table of ours."""
    return backend.session().connection


@pytest.fixture
def write(tmp_path, backend):
    """Writes a table of a schema: the rows of each query in files and a commit of their own."""

    def write(ddl, queries, partitions=(), place="t"):
        store = LocalStore(tmp_path / "lakehouse")
        table = Table(store, place)
        schema = Schema.from_ddl(ddl)
        metadata = TableMetadata("id", schema, partitions, {"lakeflow.pipeline": "p"}, 0)
        table.create(Commit("CREATE TABLE", metadata=metadata), NOW)
        session = backend.session()
        for query in queries:
            staged = [
                replace(file, partition=partition_values(file.partition, schema, PLACE))
                for file in session.stage(query, store.url(place), schema, partitions)
            ]
            files = data_files(staged, store.url(place), schema, partitions)
            store.make_durable(f"{place}/{file.path}" for file in files)
            table.commit(lambda _, files=files: Decision(Commit("WRITE", adds=files)), NOW)
        session.close()
        return table

    return write
