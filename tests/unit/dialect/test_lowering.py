"""What lowered SQL does beyond the stored vectors: names of the user's, refusals, DuckDB's SQL."""

from __future__ import annotations

import duckdb
import pytest

from lakeflow.core.errors import DefinitionError, UnsupportedError
from lakeflow.core.location import Location
from lakeflow.core.schema import Schema
from lakeflow.dialect.portable import bound, gathers, is_deterministic, parse_duckdb
from lakeflow.dialect.query import Query, lower, parse_query
from lakeflow.dialect.setup import macros_of

HERE = Location("a.sql", 7, 1)
TRAP = "e STRUCT<key: INT>, p STRUCT<y: INT>, a STRUCT<total: INT>, b STRUCT<item: INT>, x INT"
ROW = "{'key': 9}, {'y': 9}, {'total': 9}, {'item': 9}, 9"


def answer(text: str, columns: str = TRAP, row: str = ROW):
    query = parse_query(text, HERE)
    schema = Schema.from_ddl(columns)
    lowered = lower(query, {r.key: schema for r in query.references})
    names = ", ".join(schema.names)
    with duckdb.connect() as connection:
        for statement in macros_of(lowered.sql, set()):
            connection.execute(statement)
        relation = f"SELECT * FROM (VALUES ({row})) AS t({names})"
        reads = ", ".join(f'"{r.key}" AS ({relation})' for r in query.references)
        return connection.execute(f"WITH {reads} SELECT * FROM ({lowered.sql})").fetchall()[0][0]


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("map_keys(map_concat(map('k', 1), map('l', 2)))", ["k", "l"]),
        ("map_filter(map('k', 1), (k, v) -> v = 1)", {"k": 1}),
        ("aggregate(array(1, 2), 0, (a, b) -> a + b)", 3),
        ("aggregate(array(1, 2), 0, (s, i) -> s + i + x)", 21),
        ("transform(array(1, 2), x -> x + 1)", [2, 3]),
        ("transform(array(1, 2), i -> transform(array(i), j -> i + j + x))", [[11], [13]]),
        ("CAST(to_date('24.12.2023', 'dd.MM.yyyy') AS STRING)", "2023-12-24"),
        (
            "CAST(to_timestamp('2023-12-24 01:02', 'yyyy-MM-dd HH:mm') AS STRING)",
            "2023-12-24 01:02:00",
        ),
        ("CAST(map('1', 2) AS MAP<INT, STRING>)[1]", "2"),
        ("try_divide(x + 1, x - 9)", None),
        ("e.key + p.y", 18),
    ],
)
def test_a_column_may_have_any_name(expression, wanted):
    """DuckDB takes `e.key` within a lambda for a column where a column is called e."""
    assert answer(f"SELECT {expression} AS found FROM t") == wanted


def test_a_function_that_spark_has_is_refused_as_such():
    with pytest.raises(UnsupportedError) as raised:
        answer("SELECT\n  soundex('x') FROM t")
    assert "Spark's function soundex(..)" in raised.value.message
    assert raised.value.location.line == 8


def test_a_function_that_nobody_has_comes_with_the_nearest_name():
    with pytest.raises(DefinitionError) as raised:
        answer("SELECT datedif(x, x) FROM t")
    assert raised.value.condition == "UNRESOLVED_ROUTINE"
    assert "neither here nor in Spark" in raised.value.message
    assert "datediff" in raised.value.hint


@pytest.mark.parametrize(
    "pattern", [r"(?=a)b", r"\\bword", r"a*+", r"(a)\\1", r"[a&&b]", r"\\R", "(?m)^a$", "a{2000}"]
)
def test_a_pattern_that_duckdb_reads_otherwise_is_refused(pattern):
    with pytest.raises(UnsupportedError):
        answer(f"SELECT regexp_extract('x', '{pattern}', 0) FROM t")


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        (r"regexp_replace('a1\r\n', '[0-9]$', '#')", "a#\r\n"),
        (r"'one\n' rlike 'one$'", True),
        (r"'x\ry' rlike 'x.y'", False),
        (r"regexp_extract('Ünder', '(?i)ünd(E)R', 1)", ""),
        (r"regexp_replace('a.b', '\\.', '\\$')", "a$b"),
        (r"regexp_replace('ab', '(a)(b)', '$2$1')", "ba"),
    ],
)
def test_regular_expressions_are_javas(expression, wanted):
    assert answer(f"SELECT {expression} FROM t") == wanted


def test_duckdb_sql_is_used_as_it_is():
    query = parse_duckdb("FROM orders SELECT list_sum([id]) AS n;", HERE)
    assert [reference.name for reference in query.references] == [("orders",)]
    sql = bound(query, {"lakeflow_input_0": "SELECT 3 AS id"})
    assert duckdb.sql(sql).fetchall() == [(3,)]
    assert is_deterministic(query)
    assert gathers(query) is None


def test_words_within_strings_of_duckdb_sql_say_nothing():
    query = parse_duckdb("SELECT 'now() over' AS x, \"limit\" FROM t -- distinct", HERE)
    assert is_deterministic(query)
    assert gathers(query) is None
    assert not is_deterministic(parse_duckdb("SELECT now() AS x FROM t", HERE))
    assert gathers(parse_duckdb("SELECT sum(x) AS x FROM t", HERE)) == "sum"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("SELECT x + 1 AS y FROM t WHERE y > 0", None),
        ("SELECT count, list_sum(l) AS s, [e FOR e IN l] AS m FROM t", None),
        ("SELECT e FROM t, unnest(t.l) AS u(e)", None),
        ("WITH a AS (FROM t) SELECT x FROM a UNION ALL SELECT 7", "union"),
        ("SELECT string_agg(x, ',') AS s FROM t", "string_agg"),
        ('SELECT "median"(x) AS s FROM t', "median"),
        ("SELECT wavg(x, y) AS s FROM t", "wavg"),
        ("SELECT x, y.sum() AS s FROM t GROUP BY ALL", "group by"),
        ("SELECT x FROM t GROUP BY x", "group by"),
        ("SELECT x FROM t WHERE x IN (FROM u SELECT x)", "a subquery"),
        ("SELECT t.x FROM t, u", "join"),
        ("SELECT x FROM t ASOF JOIN u USING (x)", "join"),
        ("FROM (FROM t SELECT x) a SEMI JOIN T USING (x)", "join"),
        ("FROM t UNION FROM u", "union"),
        ("FROM t USING SAMPLE 10%", "sample"),
        ("FROM t TABLESAMPLE 10%", "sample"),
        ("SELECT DISTINCT x FROM t", "distinct"),
        ("FROM t LIMIT 1", "limit"),
        ("SELECT lag(x) OVER (ORDER BY x) AS y FROM t", "over"),
        ("PIVOT t ON x USING sum(y)", "pivot"),
        ("FROM (SUMMARIZE t)", "show"),
    ],
)
def test_duckdb_tells_what_gathers_rows(text, word):
    assert gathers(Query(text, HERE, ())) == word


def test_a_sample_is_another_one_each_time():
    assert not is_deterministic(parse_duckdb("SELECT x FROM t USING SAMPLE 10%", HERE))


def test_what_is_no_query_of_duckdb_is_an_error():
    with pytest.raises(DefinitionError, match="not one query"):
        parse_duckdb("DROP TABLE t", HERE)
    with pytest.raises(DefinitionError) as raised:
        parse_duckdb("SELECT FROM WHERE", HERE)
    assert raised.value.location == HERE
    with pytest.raises(UnsupportedError, match="several parts"):
        parse_duckdb("SELECT * FROM a.b", HERE)
