"""Every type that a table can have, with NULLs, empty values and extremes."""

import duckdb

from lakeflow import pipelines as dp


@dp.materialized_view
def seed():
    return dp.sql("SELECT 1 AS id UNION ALL SELECT 2 UNION ALL SELECT 3")


@dp.materialized_view
def types(seed: duckdb.DuckDBPyRelation):
    return seed.project(r"""
        id,
        CASE WHEN id = 1 THEN true END AS a_boolean,
        CASE WHEN id = 1 THEN (-128)::TINYINT END AS a_tinyint,
        CASE WHEN id = 1 THEN (-32768)::SMALLINT END AS a_smallint,
        CASE WHEN id = 1 THEN (-2147483648)::INTEGER END AS an_int,
        CASE WHEN id = 1 THEN (-9223372036854775808)::BIGINT END AS a_bigint,
        CASE WHEN id = 1 THEN 0.5::FLOAT END AS a_float,
        CASE WHEN id = 1 THEN '-1.7976931348623157E308'::DOUBLE END AS a_double,
        CASE WHEN id = 1 THEN 'NaN'::DOUBLE END AS not_a_number,
        CASE WHEN id = 1 THEN '-12345678.90'::DECIMAL(10, 2) END AS a_decimal,
        CASE WHEN id = 1 THEN '12345678901234567890123456789.123456789'::DECIMAL(38, 9) END
            AS a_wide_decimal,
        CASE id WHEN 1 THEN 'Žluťoučký 🐎 "quoted",' || chr(10) || 'line' WHEN 3 THEN '' END
            AS a_string,
        CASE id WHEN 1 THEN '\x00\xFFx'::BLOB WHEN 3 THEN ''::BLOB END AS a_binary,
        CASE WHEN id = 1 THEN DATE '1872-11-30' END AS a_date,
        CASE WHEN id = 1 THEN '2024-02-29 23:59:59.999999+02:00'::TIMESTAMPTZ END AS a_timestamp,
        CASE WHEN id = 1 THEN TIMESTAMP '1969-12-31 23:59:59.000001' END AS a_timestamp_ntz,
        CASE id WHEN 1 THEN [1, NULL, 3] WHEN 3 THEN [] END AS an_array,
        CASE id WHEN 1 THEN MAP {'a': 1.5, 'b': NULL} WHEN 3 THEN MAP {} END AS a_map,
        CASE id WHEN 1 THEN {'x': 1, 'y': ['p', NULL]} WHEN 3 THEN {'x': NULL, 'y': NULL} END
            AS a_struct
    """)


@dp.materialized_view(partition_cols=["flag", "n", "share", "price", "name", "at", "local"])
def partitions(seed: duckdb.DuckDBPyRelation):
    return seed.project("""
        id,
        CASE id WHEN 1 THEN true WHEN 3 THEN false END AS flag,
        CASE WHEN id = 1 THEN -5 END AS n,
        CASE id WHEN 1 THEN 0.1::DOUBLE WHEN 3 THEN '-inf'::DOUBLE END AS share,
        CASE WHEN id = 1 THEN 12.50::DECIMAL(10, 2) END AS price,
        CASE id WHEN 1 THEN 'x y/é:%' WHEN 3 THEN ' ' END AS name,
        CASE id WHEN 1 THEN '2024-02-29 23:59:59.999999+02:00'::TIMESTAMPTZ
                WHEN 3 THEN '2024-03-01 00:00:00+00:00'::TIMESTAMPTZ END AS at,
        CASE WHEN id = 1 THEN TIMESTAMP '1969-12-31 23:59:59.000001' END AS local
    """)
