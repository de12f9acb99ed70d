"""Results cut into parts, against the whole of them."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal as Number

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakeflow.core.schema import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    INT,
    NTZ,
    STRING,
    TIMESTAMP,
    Array,
    Decimal,
    Field,
    Map,
    Struct,
)
from lakeflow.server.results import Cut, Limits, as_text, columns_json, texts_of, type_name

COLUMNS = [Field("id", BIGINT), Field("name", STRING)]
ROWS = st.lists(st.tuples(st.none() | st.integers(-5, 5), st.none() | st.text(max_size=6)))


def batches(rows, size: int) -> list[pa.RecordBatch]:
    schema = pa.schema([("id", pa.int64()), ("name", pa.string())])
    pieces = [rows[n : n + size] for n in range(0, len(rows), size)]
    return [
        pa.RecordBatch.from_pylist([{"id": i, "name": n} for i, n in each], schema=schema)
        for each in pieces
    ]


def read(form: str, content: bytes) -> list[tuple]:
    if form == "ARROW_STREAM":
        table = pa.ipc.open_stream(content).read_all()
        assert table.schema.names == ["id", "name"]
        return [tuple(each.values()) for each in table.to_pylist()]
    if form == "JSON_ARRAY":
        return [(None if i is None else int(i), n) for i, n in json.loads(content)]
    header, *rows = csv.reader(io.StringIO(content.decode(), newline=""))
    assert header == ["id", "name"]
    return [(i, n) for i, n in rows]


@pytest.mark.parametrize("form", ["JSON_ARRAY", "ARROW_STREAM", "CSV"])
@given(
    rows=ROWS,
    size=st.integers(1, 7),
    most=st.none() | st.integers(1, 12),
    chunk=st.integers(1, 200),
)
@settings(max_examples=60, deadline=None)
def test_the_parts_are_the_beginning_of_the_whole(form, rows, size, most, chunk):
    cut = Cut(form, COLUMNS, Limits(rows=most, chunk=chunk))
    parts = list(cut.parts(batches(rows, size)))
    found = [row for part in parts for row in read(form, part.content)]
    wanted = rows if most is None else rows[:most]
    if form == "CSV":
        wanted = [tuple("null" if v is None else str(v) for v in row) for row in wanted]
    assert found == wanted
    assert sum(part.rows for part in parts) == len(found)
    assert cut.truncated is (len(rows) > len(wanted))
    assert len(parts) >= 1
    assert all(part.rows for part in parts[1:])


@pytest.mark.parametrize("form", ["JSON_ARRAY", "ARROW_STREAM", "CSV"])
@given(rows=ROWS, most=st.integers(1, 300))
@settings(max_examples=60, deadline=None)
def test_no_result_is_larger_than_it_may_be(form, rows, most):
    cut = Cut(form, COLUMNS, Limits(bytes=most, chunk=1000))
    parts = list(cut.parts(batches(rows, 3)))
    kept = sum(part.rows for part in parts)
    assert cut.truncated is (kept < len(rows))
    if form == "JSON_ARRAY":
        assert sum(len(part.content) for part in parts) <= most + 2 * len(parts)


def test_values_are_written_as_elsewhere():
    at = datetime(2026, 1, 2, 3, 4, 5, 600_700, UTC)
    for value, kind, text in (
        (None, INT, None),
        (True, BOOLEAN, "true"),
        (-3, BIGINT, "-3"),
        (0.1, DOUBLE, "0.1"),
        (float("nan"), DOUBLE, "NaN"),
        (Number("1.50"), Decimal(9, 2), "1.50"),
        (Number("1E-7"), Decimal(9, 7), "0.0000001"),
        (date(2026, 1, 2), DATE, "2026-01-02"),
        (at, TIMESTAMP, "2026-01-02T03:04:05.600700Z"),
        (at.replace(tzinfo=None), NTZ, "2026-01-02T03:04:05.600700"),
        ([("a", 1)], Map(STRING, INT), '{"a":1}'),
        ({"x": None}, Struct((Field("x", INT),)), '{"x":null}'),
        ("ü\n", STRING, "ü\n"),
    ):
        assert as_text(value, kind) == text


@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1)))
def test_arrow_writes_numbers_as_we_do(values):
    column = pa.array(values, pa.int64())
    assert texts_of(column, BIGINT) == [as_text(each, BIGINT) for each in values]


@given(st.lists(st.none() | st.dates() | st.just(date(1, 1, 1))))
def test_arrow_writes_days_as_we_do(values):
    column = pa.array(values, pa.date32())
    assert texts_of(column, DATE) == [as_text(each, DATE) for each in values]


def test_every_type_is_known_to_the_client():
    known = pytest.importorskip("databricks.sdk.service.sql").ColumnInfoTypeName.__members__
    kinds = [BIGINT, BOOLEAN, DATE, DOUBLE, INT, NTZ, STRING, TIMESTAMP]
    kinds += [Array(INT), Map(INT, INT), Struct(()), Decimal(3, 1)]
    assert {type_name(kind) for kind in kinds} <= set(known)
    (told,) = columns_json([Field("x", Array(Decimal(3, 1)))])
    assert told["type_text"] == "ARRAY<DECIMAL(3,1)>"
