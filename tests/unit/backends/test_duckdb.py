"""The one DuckDB instance of a process and its sessions."""

from __future__ import annotations

from contextlib import closing, nullcontext

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakeflow.backends.duckdb import DuckDBBackend, RowStream
from lakeflow.core.errors import Interrupted, LakeflowError, SourceError
from lakeflow.core.schema import Schema
from lakeflow.dialect.setup import macros_of


@pytest.fixture
def backend(tmp_path):
    found = DuckDBBackend(
        memory_limit=1 << 30, threads=2, time_zone="UTC", temporary=tmp_path, macros=macros_of
    )
    with closing(found):
        yield found


def test_every_session_knows_what_its_query_needs(backend):
    for _ in range(2):
        with closing(backend.session()) as session:
            assert session.rows("SELECT spark_initcap('ab cD')") == [("Ab Cd",)]


def test_a_query_without_macros_defines_none(backend):
    with closing(backend.session()) as session:
        session.rows("SELECT 1")
        counted = "SELECT count(*) FROM duckdb_functions() WHERE function_name LIKE 'spark%'"
        assert session.rows(counted) == [(0,)]
        session.rows("SELECT spark_positive(1)")
        assert session.rows(counted) == [(1,)]


def test_the_clock_of_one_session_is_not_that_of_another(backend):
    with closing(backend.session()) as first, closing(backend.session()) as second:
        first.set_clock("2024-01-01T00:00:00+00:00")
        second.set_clock("2025-01-01T00:00:00+00:00")
        for session, year in ((first, 2024), (second, 2025)):
            [(found,)] = session.rows("SELECT year(getvariable('lakeflow_now'))")
            assert found == year


def test_nothing_runs_after_cancel(backend):
    with closing(backend.session()) as session:
        backend.cancel()
        with pytest.raises(Interrupted):
            session.rows("SELECT 1")


def test_why_rows_could_not_be_read_is_told_once(backend):
    def rows():
        yield pa.record_batch({"x": [1]})
        raise SourceError("The cable is out.")

    def opened():
        return pa.RecordBatchReader.from_batches(pa.schema({"x": pa.int64()}), rows())

    with closing(backend.session()) as session:
        session.register("feed", RowStream(opened, nullcontext))
        with pytest.raises(SourceError, match="The cable is out"):
            session.rows("SELECT x FROM feed")
        with pytest.raises(LakeflowError, match="no_such_table"):
            session.rows("SELECT * FROM no_such_table")


@pytest.mark.parametrize("floating", ["FLOAT", "ARRAY<STRUCT<x: MAP<STRING, DOUBLE>>>"])
def test_floating_numbers_keep_what_spark_4_0_reads(backend, tmp_path, floating):
    def encodings(columns: str, query: str) -> set[str]:
        folder = tmp_path / columns
        with closing(backend.session()) as session:
            (file,) = session.stage(query, str(folder), Schema.from_ddl(columns))
        group = pq.ParquetFile(file.path).metadata.row_group(0)
        return {e for n in range(group.num_columns) for e in group.column(n).encodings}

    numbers = "SELECT hash(i)::VARCHAR AS s, i AS n"
    rows = "FROM range(100_000) AS t(i)"
    value = "i / 7" if floating == "FLOAT" else "[{'x': MAP {'k': i / 7}}]"
    assert "DELTA_BINARY_PACKED" in encodings("s STRING, n BIGINT", f"{numbers} {rows}")
    with_floating = encodings(
        f"s STRING, n BIGINT, f {floating}", f"{numbers}, {value} AS f {rows}"
    )
    assert with_floating <= {"PLAIN", "RLE", "RLE_DICTIONARY", "PLAIN_DICTIONARY"}
