"""What our writer commits, read by deltalake, Polars and DuckDB: the same rows, and none skipped.

Wrong statistics make a reader pass over files, so every predicate is asked of two readers that
prune by them and of DuckDB over rows that have none.
"""

from __future__ import annotations

import math
from decimal import Decimal
from itertools import pairwise

import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable, QueryBuilder, write_deltalake

from lakeflow.backends.duckdb import relation_sql
from lakeflow.core.errors import DataError
from lakeflow.core.schema import Schema
from lakeflow.dialect.types import duckdb_type
from lakeflow.engine.inputs import whole_table

TYPES = {
    "BOOLEAN": ["true", "false"],
    "TINYINT": ["(-128)::TINYINT", "127::TINYINT"],
    "SMALLINT": ["(-32768)::SMALLINT", "32767::SMALLINT"],
    "INT": ["(-2147483648)::INT", "2147483647::INT"],
    "BIGINT": ["(-9223372036854775808)::BIGINT", "9223372036854775807::BIGINT"],
    "FLOAT": ["'NaN'::FLOAT", "'-inf'::FLOAT", "1e-45::FLOAT", "3.4e38::FLOAT"],
    "DOUBLE": ["'NaN'::DOUBLE", "'inf'::DOUBLE", "5e-324::DOUBLE", "1.7e308::DOUBLE", "-0.0"],
    "DECIMAL(38, 18)": ["-99999999999999999999.999999999999999999", "0.000000000000000001"],
    "DECIMAL(4, 4)": ["-0.0001::DECIMAL(4,4)", "0.9999::DECIMAL(4,4)"],
    "STRING": ["''", "'\U0001f600 ünï\\\"''%/'", "'NULL'", "chr(1) || 'a' || chr(10)"],
    "BINARY": ["'\\x00\\xFF'::BLOB", "''::BLOB"],
    "DATE": ["DATE '0001-01-01'", "DATE '9999-12-31'", "DATE '1582-10-10'"],
    "TIMESTAMP": [
        "TIMESTAMPTZ '0001-01-01 00:00:00+00'",
        "TIMESTAMPTZ '9999-12-31 23:59:59.999999+00'",
        "TIMESTAMPTZ '1969-12-31 23:59:59.999999+00'",
    ],
    "TIMESTAMP_NTZ": ["TIMESTAMP '0001-01-01'", "TIMESTAMP '9999-12-31 23:59:59.999999'"],
    "ARRAY<STRING>": ["['a', NULL]", "[]::VARCHAR[]"],
    "ARRAY<ARRAY<INT>>": ["[[1::INT], NULL, []]"],
    "MAP<STRING, STRUCT<a: INT, b: ARRAY<DOUBLE>>>": [
        "MAP {'k': {'a': 1::INT, 'b': [1.5::DOUBLE, NULL]}}"
    ],
    "STRUCT<a: INT, `odd name`: STRUCT<c: STRING>>": [
        "{'a': NULL::INT, 'odd name': {'c': 'x'}}",
        "{'a': 1::INT, 'odd name': NULL::STRUCT(c VARCHAR)}",
    ],
}


def typed(kind, values):
    """Values of exactly a column's type, as those are that the engine has fitted."""
    (field,) = Schema.from_ddl(f"v {kind}").fields
    return [f"CAST({value} AS {duckdb_type(field.type)})" for value in values]


def by_deltalake(table, columns="*", where="true"):
    handle = DeltaTable(table.store.url(table.place))
    found = QueryBuilder().register("t", handle).execute(f"SELECT {columns} FROM t WHERE {where}")
    return pa.table(found.read_all()).to_pylist()


def by_polars(table):
    return pl.scan_delta(table.store.url(table.place)).collect().to_arrow().to_pylist()


def by_duckdb(table, connection):
    snapshot = table.snapshot()
    relation = whole_table(table, snapshot.schema, snapshot.version)
    return connection.sql(relation_sql(relation)).to_arrow_table().to_pylist()


def comparable(rows):
    """Rows in an order, maps as their pairs, NaN equal to itself."""

    def plain(value):
        if isinstance(value, float) and math.isnan(value):
            return "NaN"
        if isinstance(value, dict):
            return tuple(sorted((k, plain(v)) for k, v in value.items()))
        if isinstance(value, (list, tuple)):
            return tuple(map(plain, value))
        if hasattr(value, "utcoffset") and value.utcoffset() is not None:
            return ("instant", value.timestamp(), value.microsecond)
        return value

    return sorted((plain(row) for row in rows), key=repr)


@pytest.mark.parametrize("kind", TYPES)
def test_every_reader_sees_every_value(write, connection, kind):
    values = typed(kind, [*TYPES[kind], "NULL"])
    queries = [f'SELECT {n} AS n, {value} AS "v a.l\'ü"' for n, value in enumerate(values)]
    table = write(f"n INT, `v a.l'ü` {kind}", queries)
    expected = []
    for query in queries:
        expected += connection.sql(query).to_arrow_table().to_pylist()
    assert comparable(by_deltalake(table)) == comparable(expected)
    assert comparable(by_polars(table)) == comparable(expected)
    assert comparable(by_duckdb(table, connection)) == comparable(expected)


ORDERED = {
    "BIGINT": ["-5", "0", "7", "9007199254740993", "NULL"],
    "DOUBLE": [
        "'NaN'::DOUBLE",
        "'inf'::DOUBLE",
        "-0.0::DOUBLE",
        "0.0::DOUBLE",
        "2.5::DOUBLE",
        "'-inf'::DOUBLE",
        "NULL",
    ],
    "DECIMAL(20, 3)": ["-12345678901234567.891", "0.000", "12345678901234567.891", "NULL"],
    "STRING": [
        "''",
        "'a'",
        "repeat('a', 31)",
        "repeat('a', 32)",
        "repeat('a', 33)",
        "repeat('a', 32) || chr(1114111) || 'z'",
        "repeat('\U0001f600', 40)",
        "repeat('z', 100)",
        "repeat(chr(1114111), 40)",
        "NULL",
    ],
    "DATE": ["DATE '0001-01-01'", "DATE '2020-02-29'", "DATE '9999-12-31'", "NULL"],
    "TIMESTAMP": [
        "TIMESTAMPTZ '2020-01-01 00:00:00.000001+00'",
        "TIMESTAMPTZ '2020-01-01 00:00:00+00'",
        "TIMESTAMPTZ '2020-01-01 00:00:00.999999+00'",
        "NULL",
    ],
    "TIMESTAMP_NTZ": ["TIMESTAMP '2020-01-01 00:00:00.000001'", "TIMESTAMP '1500-01-01'", "NULL"],
}


@pytest.mark.parametrize("kind", ORDERED)
def test_no_reader_skips_a_row_by_statistics(write, connection, tmp_path, kind):
    values = typed(kind, ORDERED[kind])
    queries = [f"SELECT {value} AS v" for value in values]
    queries += [f"SELECT {one} AS v UNION ALL SELECT {other}" for one, other in pairwise(values)]
    table = write(f"v {kind}", queries)
    rows = connection.sql(" UNION ALL ".join(queries)).to_arrow_table()
    frame = pl.from_arrow(rows)
    unskipped = QueryBuilder().register("t", without_statistics(rows, tmp_path))
    lazy = pl.scan_delta(table.store.url(table.place))
    for value in {repr(v): v for v in rows["v"].to_pylist() if v is not None}.values():
        for operator in ("=", "<", ">", "<=", ">=", "<>"):
            condition = {
                "=": pl.col("v") == value,
                "<": pl.col("v") < value,
                ">": pl.col("v") > value,
                "<=": pl.col("v") <= value,
                ">=": pl.col("v") >= value,
                "<>": pl.col("v") != value,
            }[operator]
            found = lazy.filter(condition).collect().height
            assert found == frame.filter(condition).height, (operator, value)
            if not (isinstance(value, float) and not math.isfinite(value)):
                literal = spelled(value, kind)
                wanted = matching(unskipped, f"v {operator} {literal}")
                assert len(by_deltalake(table, "v", f"v {operator} {literal}")) == wanted
    for condition in ("v IS NULL", "v IS NOT NULL"):
        wanted = matching(unskipped, condition)
        assert len(by_deltalake(table, "v", condition)) == wanted


def without_statistics(rows, folder):
    """A table of the same engine in which no file can be skipped."""
    nothing = {"delta.dataSkippingNumIndexedCols": "0"}
    write_deltalake(folder / "unskipped", rows, configuration=nothing)
    return DeltaTable(folder / "unskipped")


def matching(builder, where):
    return pa.table(builder.execute(f"SELECT v FROM t WHERE {where}").read_all()).num_rows


def spelled(value, kind):
    if kind == "DATE":
        return f"DATE '{value.isoformat()}'"
    if kind.startswith("TIMESTAMP"):
        zone = '"UTC"' if kind == "TIMESTAMP" else ""
        unit = f"Timestamp(Microsecond, {f'Some({zone})' if zone else 'None'})"
        return f"arrow_cast('{value.isoformat()}', '{unit}')"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, Decimal):
        return format(value, "f")
    return repr(value)


PARTITIONS = {
    "BOOLEAN": ["true", "false"],
    "INT": ["(-1)::INT"],
    "DOUBLE": ["'NaN'::DOUBLE", "'inf'::DOUBLE", "-0.0::DOUBLE", "1e300::DOUBLE"],
    "DECIMAL(10, 7)": ["-0.0000001::DECIMAL(10,7)", "12.5::DECIMAL(10,7)"],
    "STRING": [
        "'/'",
        "'%'",
        "'%2F'",
        "'a=b'",
        "'*'",
        "'[x]'",
        "'?'",
        "'..'",
        "' '",
        "'ü\U0001f600'",
        "chr(10)",
        "'q\"''r'",
        "'x y'",
        "'a+b'",
        "'#'",
    ],
    "DATE": ["DATE '0001-01-01'", "DATE '2020-01-01'"],
    "TIMESTAMP": [
        "TIMESTAMPTZ '2020-01-02 03:04:05.000006+00'",
        "TIMESTAMPTZ '1900-01-01 00:00:00+00'",
    ],
    "TIMESTAMP_NTZ": ["TIMESTAMP '2020-01-02 03:04:05.5'", "TIMESTAMP '1900-01-01'"],
}


@pytest.mark.parametrize("kind", PARTITIONS)
def test_every_reader_sees_every_partition(write, connection, kind):
    values = typed(kind, [*PARTITIONS[kind], "NULL"])
    queries = [f"SELECT {value} AS p, {n}::INT AS n" for n, value in enumerate(values)]
    table = write(f"p {kind}, n INT", queries, ("p",))
    expected = []
    for query in queries:
        expected += connection.sql(query).to_arrow_table().to_pylist()
    assert comparable(by_deltalake(table)) == comparable(expected)
    assert comparable(by_polars(table)) == comparable(expected)
    assert comparable(by_duckdb(table, connection)) == comparable(expected)
    log = [
        action["add"]["partitionValues"]["p"]
        for _, actions in table.commits(1, len(values))
        for action in actions
        if "add" in action
    ]
    again = [file.partition["p"] for file in table.snapshot().files]
    assert sorted(map(str, again)) == sorted(map(str, log))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("STRING", "''"),
        ("STRING", "'__HIVE_DEFAULT_PARTITION__'"),
        ("TIMESTAMP", "TIMESTAMPTZ '20000-01-01 00:00:00+00'"),
    ],
)
def test_a_partition_that_the_log_cannot_spell_is_refused(write, kind, value):
    with pytest.raises(DataError, match="which a partition column cannot hold"):
        write(f"p {kind}, n INT", [f"SELECT {value} AS p, 1::INT AS n"], ("p",))
