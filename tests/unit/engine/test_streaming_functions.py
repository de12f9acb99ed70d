"""What a function over relations would get wrong batch by batch is refused, as in SQL."""

from __future__ import annotations

import pytest

from lakeflow.core.errors import DefinitionErrors

TABLES = """\
@dp.materialized_view
def known():
    return dp.sql("SELECT CAST(1 AS BIGINT) AS id, 'one' AS name")

@dp.temporary_view
def through(bronze: duckdb.DuckDBPyRelation):
    return bronze.filter("id > 0")

"""
SILVER = TABLES + "@dp.table\ndef silver(bronze, through, known):\n    return {}\n"

ROW_BY_ROW = {
    "project": "bronze.project('id + 1 AS id, amount').filter('amount > 0')",
    "cast": "bronze.select(duckdb.ColumnExpression('id').cast('VARCHAR').alias('id'))",
    "join": "bronze.join(known, 'id')",
    "left join": "bronze.join(known, 'id', how='left')",
    "right join": "known.join(bronze, 'id', how='right')",
    "semi join": "bronze.join(known, 'id', how='semi')",
    "cross": "bronze.project('amount').cross(known)",
    "asof": "bronze.query('b', 'FROM b ASOF JOIN (SELECT 1 AS n) k ON b.id >= k.n')",
    "unnest": "bronze.project('id, unnest([1, 2]) AS n')",
    "lateral": "bronze.query('b', 'SELECT b.id, n FROM b, unnest([b.id]) AS u(n)')",
    "in list": "bronze.project('id, list_max([x + 1 FOR x IN [id]]) AS n')",
    "known in": "bronze.query('b', 'FROM b WHERE id IN (SELECT 1)')",
    "gathered first": "bronze.join(known.aggregate('id, count(*) AS n'), 'id')",
    "union": "bronze.union(through)",
    "union of one": "bronze.union(bronze)",
    "unpivot": "bronze.query('b', 'UNPIVOT b ON id INTO NAME n VALUE v')",
}
AMOUNTS = [{"amount": 5.0}, {"amount": 6.0}]
NEEDS_EARLIER = {
    "aggregate": ("bronze.aggregate('id, sum(amount) AS n')", "the aggregate sum over a stream"),
    "groups": ("bronze.aggregate('id', 'id')", "GROUP BY over a stream"),
    "count": ("bronze.count('id')", "the aggregate count over a stream"),
    "distinct": ("bronze.distinct()", "DISTINCT over a stream"),
    "unique": ("bronze.unique('id')", "DISTINCT over a stream"),
    "window": (
        "bronze.project('id, row_number() OVER (ORDER BY id) AS n')",
        "a window function over a stream",
    ),
    "order": ("bronze.order('id')", "ORDER BY over a stream"),
    "limit": ("bronze.limit(3)", "LIMIT over a stream"),
    "sample": ("bronze.query('b', 'FROM b USING SAMPLE 3')", "SAMPLE over a stream"),
    "of a view": ("through.aggregate('count(*) AS n')", "the aggregate count over a stream"),
    "text": ("bronze.query('b', 'SELECT max(id) AS id FROM b')", "the aggregate max"),
    "two streams": ("bronze.join(through.project('id'), 'id')", "a join of two streams"),
    "full join": ("bronze.join(known, 'id', how='outer')", "without a match in a stream"),
    "left of a stream": ("known.join(bronze, 'id', how='left')", "without a match in a stream"),
    "anti join": ("known.join(bronze, 'id', how='anti')", "without a match in a stream"),
    "positional": ("bronze.query('b', 'FROM b POSITIONAL JOIN (SELECT 1 AS n)')", "POSITIONAL"),
    "union": ("bronze.project('id').union(known.project('id'))", "rows that are read whole"),
    "except": ("bronze.except_(through)", "EXCEPT over a stream"),
    "subquery": (
        "bronze.query('b', 'FROM b WHERE id = (SELECT max(id) FROM b)')",
        "a subquery over a stream",
    ),
    "aggregate of the outer rows": (
        "bronze.query('b', 'SELECT (SELECT max(b.id)) AS n FROM b')",
        "the aggregate max in a subquery beside a stream",
    ),
    "recursive": (
        "bronze.query('b', 'WITH RECURSIVE r AS (FROM b UNION ALL FROM r WHERE false) FROM r')",
        "RECURSIVE CTE over a stream",
    ),
    "summary": ("bronze.query('b', 'FROM (SUMMARIZE b)')", "SHOW over a stream"),
    "by name": ("bronze.query('b', 'FROM query_table(''b'')')", "query_table"),
    "nothing of it": ("known", "rows that are read whole"),
    "kept": ("bronze.materialize()", "a relation that is not built from the inputs"),
    "a view of its own": (
        "(bronze.create_view('own'), bronze.query('b', 'FROM own'))[1]",
        "own that is not built from the inputs",
    ),
}


@pytest.mark.parametrize("case", ROW_BY_ROW)
def test_what_takes_rows_one_by_one_gives_the_same_in_batches_and_at_once(python_pipeline, case):
    python_pipeline.write(SILVER.format(ROW_BY_ROW[case]))
    python_pipeline.drop("a", (1, 1)).run()
    python_pipeline.drop("b", (2, 5)).run()
    in_batches = python_pipeline.rows("silver")
    python_pipeline.session().run(python_pipeline.file, full_refresh="all")
    assert in_batches
    assert python_pipeline.rows("silver") == in_batches


@pytest.mark.parametrize("case", NEEDS_EARLIER)
def test_what_needs_earlier_batches_is_refused(python_pipeline, case):
    body, reason = NEEDS_EARLIER[case]
    python_pipeline.drop("a", (1, 1)).write(SILVER.format(body))
    with pytest.raises(DefinitionErrors) as raised:
        python_pipeline.plan()
    (error,) = raised.value.errors
    assert error.condition == "STREAMING_OUTPUT_MODE.UNSUPPORTED_OPERATION"
    assert reason in error.message
    assert error.location.line == python_pipeline.line("def silver") - 1
    assert error.hint == "Make it a materialized view."


def test_a_view_that_gathers_is_refused_where_a_streaming_table_reads_it(python_pipeline):
    python_pipeline.drop("a", (1, 1)).write(
        "@dp.temporary_view\ndef counted(bronze):\n    return bronze.aggregate('count(*) AS n')\n"
        "@dp.table\ndef silver(counted: pl.LazyFrame):\n    return counted\n"
    )
    with pytest.raises(DefinitionErrors, match="the aggregate count over a stream"):
        python_pipeline.plan()


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("bronze.aggregate('count(*) AS n')", [{"n": 2}]),
        ("bronze.aggregate('count(*) AS n').materialize()", [{"n": 2}]),
        ("bronze.query('b', 'PIVOT b ON id USING count(*)').project('amount')", AMOUNTS),
    ],
)
def test_a_materialized_view_may_gather(python_pipeline, body, wanted):
    python_pipeline.drop("a", (1, 5), (2, 6)).write(
        f"@dp.materialized_view\ndef total(bronze):\n    return {body}\n"
    )
    python_pipeline.run()
    assert python_pipeline.rows("total") == wanted
