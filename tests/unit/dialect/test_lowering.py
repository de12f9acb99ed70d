"""What lowered SQL does beyond the stored vectors: names of the user's, refusals, DuckDB's SQL."""

from __future__ import annotations

import duckdb
import pytest

from lakeflow.core.errors import DefinitionError, UnsupportedError
from lakeflow.core.location import Location
from lakeflow.core.schema import Schema
from lakeflow.dialect.batchwise import needs_earlier_batches
from lakeflow.dialect.portable import bound, is_deterministic, parse_duckdb
from lakeflow.dialect.query import lower, parse_query
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


def test_words_within_strings_of_duckdb_sql_say_nothing():
    query = parse_duckdb("SELECT 'now() over' AS x, \"limit\" FROM t -- distinct", HERE)
    assert is_deterministic(query)
    assert reasons(query.text) == ()
    assert not is_deterministic(parse_duckdb("SELECT now() AS x FROM t", HERE))


def reasons(text):
    with duckdb.connect() as connection:
        return needs_earlier_batches(
            text, ["t"], ["u"], lambda sql: connection.execute(sql).fetchall()
        )


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("SELECT x + 1 AS y FROM t WHERE y > 0", None),
        ("SELECT count, list_sum(l) AS s, [e FOR e IN l] AS m FROM t", None),
        ("SELECT e FROM t, unnest(t.l) AS u(e)", None),
        ("SELECT x FROM t WHERE x IN (FROM u SELECT x)", None),
        ("SELECT t.x, (SELECT count(*) FROM u) AS n FROM t", None),
        ("SELECT t.x FROM t, u", None),
        ("SELECT x FROM t ASOF JOIN u USING (x)", None),
        ("FROM t UNION ALL FROM t", None),
        ("WITH a AS (FROM t) SELECT x FROM a UNION ALL BY NAME FROM T", None),
        ("SELECT x FROM u ASOF JOIN t USING (x)", "ASOF"),
        ("WITH a AS (FROM t) SELECT x FROM a UNION ALL SELECT 7", "rows that are read whole"),
        ("FROM u", "rows that are read whole"),
        ("SELECT string_agg(x, ',') AS s FROM t", "string_agg"),
        ("SELECT sum(x) AS x FROM t", "the aggregate sum"),
        ('SELECT "median"(x) AS s FROM t', "median"),
        ("SELECT wavg(x, y) AS s FROM t", "wavg"),
        ("SELECT x, y.sum() AS s FROM t GROUP BY ALL", "GROUP BY"),
        ("SELECT x FROM t GROUP BY x", "GROUP BY"),
        ("SELECT x FROM t WHERE x IN (FROM t SELECT x)", "a subquery over a stream"),
        ("SELECT (SELECT sum(t.x) FROM u) AS n FROM t", "the aggregate sum in a subquery"),
        ("FROM (FROM t SELECT x) a SEMI JOIN T USING (x)", "a join of two streams"),
        ("FROM t FULL JOIN u USING (x)", "without a match in a stream"),
        ("FROM u SEMI JOIN t USING (x)", "without a match in a stream"),
        ("FROM t POSITIONAL JOIN u", "POSITIONAL"),
        ("FROM t UNION FROM u", "UNION over a stream"),
        ("FROM u EXCEPT ALL FROM t", "EXCEPT over a stream"),
        ("FROM (FROM t UNION ALL FROM t LIMIT 3)", "LIMIT"),
        ("FROM t USING SAMPLE 10%", "SAMPLE"),
        ("FROM t TABLESAMPLE 10%", "SAMPLE"),
        ("SELECT DISTINCT x FROM t", "DISTINCT"),
        ("FROM t LIMIT 1", "LIMIT"),
        ("SELECT lag(x) OVER (ORDER BY x) AS y FROM t", "a window function"),
        ("SELECT x FROM t QUALIFY rank() OVER (ORDER BY x) = 1", "a window function"),
        ("PIVOT t ON x USING sum(y)", "PIVOT"),
        ("FROM (SUMMARIZE t)", "SHOW"),
        ("FROM t, (FROM query('FROM t'))", "query beside a stream"),
        ("FROM v", "v that is not built from the inputs"),
        ("WITH RECURSIVE r AS (FROM u UNION ALL FROM r) FROM t, r", None),
    ],
)
def test_duckdb_tells_what_needs_earlier_batches(text, word):
    found = reasons(text)
    assert found == () if word is None else any(word in reason for reason in found)


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
