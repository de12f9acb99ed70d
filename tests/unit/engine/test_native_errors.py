"""What query functions do wrong is told with file, line, type and what to do."""

from __future__ import annotations

import pytest

from lakeflow.core.errors import DefinitionErrors

FRAME = "bronze: pl.LazyFrame"
WRONG = {
    "nothing": (FRAME, "pass", "returns nothing (None)", "Return a pl.LazyFrame"),
    "list": (FRAME, "return [{'id': 1}]", "returns a builtins.list", "pa.Table"),
    "text of another": (FRAME, "return dp.sql('SELECT 1 AS x')", "SqlQuery", "pl.LazyFrame"),
    "eager": (FRAME, "return bronze.collect()", "whole in memory", "pl.LazyFrame"),
    "eager arrow": ("bronze: pa.Table", "return bronze", "whole in memory", "generator"),
    "other connection": (
        "bronze: duckdb.DuckDBPyRelation",
        "return duckdb.connect().sql('SELECT 1 AS x FROM range(1)')",
        "a relation of another connection",
        "from the function's parameters",
    ),
    "relation of a frame": (
        FRAME,
        "return duckdb.sql('SELECT 1 AS x')",
        "a DuckDB relation of another connection",
        "duckdb.DuckDBPyRelation",
    ),
    "frame of a relation": (
        "bronze: duckdb.DuckDBPyRelation",
        "return pl.LazyFrame({'x': [1]})",
        "returns a polars.LazyFrame",
        "relation built from its parameters",
    ),
    "null column": (
        FRAME,
        "return bronze.with_columns(pl.lit(None).alias('none'))",
        "Column none of wrong is NULL without a type",
        "pl.lit(None, dtype=pl.String)",
    ),
    "null column in DuckDB": (
        "bronze",
        "return bronze.project('id, NULL AS none')",
        "Column none of wrong is NULL without a type",
        "CAST(NULL AS",
    ),
    "null in a list": (
        FRAME,
        "return bronze.with_columns(pl.lit([None]).alias('none'))",
        "Column none of wrong is NULL without a type",
        "Give it one",
    ),
    "nanoseconds": (
        FRAME,
        "return bronze.with_columns(at=pl.from_epoch('id').cast(pl.Datetime('ns')))",
        "Column at of wrong has the type timestamp[ns]",
        "microseconds",
    ),
    "time of day": (
        FRAME,
        "return bronze.with_columns(at=pl.lit('10:00').str.to_time('%H:%M'))",
        "Column at of wrong has the type time",
        "to an integer or to text",
    ),
    "unsigned": (
        FRAME,
        "return bronze.with_columns(n=pl.col('id').cast(pl.UInt64))",
        "Column n of wrong has the type uint64",
        "64-bit integer",
    ),
    "case": (
        FRAME,
        "return bronze.with_columns(ID=pl.col('id'))",
        "two columns named id and ID",
        "Rename one",
    ),
    "no batch": (
        "bronze: pa.RecordBatchReader",
        "yield from ()",
        "yields no batch",
        "be it without rows",
    ),
    "yields something else": (
        "bronze: pa.RecordBatchReader",
        "yield {'id': 1}",
        "yields a dict",
        "pyarrow.RecordBatch",
    ),
    "raises": (FRAME, "raise ValueError('too bad')", "raised ValueError: too bad", None),
    "raises lazily": (FRAME, "return bronze.select('nope')", "ColumnNotFoundError", None),
    "exits": (FRAME, "raise SystemExit(3)", "raised SystemExit: 3", None),
    "mixed": (
        "bronze: pl.LazyFrame, other: duckdb.DuckDBPyRelation = dp.read('bronze')",
        "return bronze",
        "asks for duckdb.DuckDBPyRelation and polars.LazyFrame",
        "one kind",
    ),
    "text is no frame": (
        "",
        "return dp.read_stream('bronze').filter('id > 1')",
        "A query as text has no 'filter'",
        None,
    ),
    "unseen read": (
        FRAME,
        "name = 'bron' + 'ze'\n    return dp.read(name, pl.LazyFrame)",
        "cannot be known before the function is called",
        "literal",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_functions(python_pipeline, case):
    parameters, body, message, hint = WRONG[case]
    python_pipeline.drop("a", (1, 1))
    python_pipeline.write(f"@dp.table\ndef wrong({parameters}):\n    {body}\n")
    with pytest.raises(DefinitionErrors) as raised:
        python_pipeline.plan()
    (error,) = raised.value.errors
    assert message in error.message
    assert hint is None or hint in error.hint
    assert error.location.file == str(python_pipeline.file)
    assert python_pipeline.line("def wrong") - 1 <= error.location.line


def test_the_line_that_raised_is_told(python_pipeline):
    python_pipeline.drop("a", (1, 1))
    python_pipeline.write(
        "@dp.table\ndef wrong(bronze: pl.LazyFrame):\n    x = {}\n    x['key']\n    return bronze\n"
    )
    with pytest.raises(DefinitionErrors) as raised:
        python_pipeline.plan()
    (error,) = raised.value.errors
    assert error.location.line == python_pipeline.line("x['key']")


@pytest.mark.parametrize(
    ("annotation", "said"),
    [
        ("list[dict]", "list[dict]"),
        ("int", "builtins.int"),
        ("'pandas.DataFrame'", "pandas.DataFrame"),
        ("pl.Series", "polars.Series"),
    ],
)
def test_a_type_that_nobody_can_give_is_refused_by_name(python_pipeline, annotation, said):
    python_pipeline.write(f"@dp.table\ndef wrong(bronze: {annotation}):\n    return bronze\n")
    with pytest.raises(DefinitionErrors) as raised:
        python_pipeline.plan()
    told = [error for error in raised.value.errors if "The parameter bronze" in error.message]
    assert len(told) == 1
    assert said.split(".")[-1] in told[0].message
    assert "polars.LazyFrame" in told[0].hint


def test_other_columns_for_rows_than_for_none(python_pipeline):
    python_pipeline.drop("a", (1, 1))
    python_pipeline.write(
        "@dp.table\ndef wrong(bronze: pl.DataFrame):\n"
        "    if len(bronze):\n"
        "        return bronze.select(pl.col('id').cast(pl.String), x=1).lazy()\n"
        "    return bronze.lazy()\n"
    )
    error = python_pipeline.run()["wrong"].error
    assert error.condition == "QUERY_FUNCTION_SCHEMA_CHANGED"
    assert "x INT is new; amount is missing; id is STRING, was BIGINT" in error.message
    assert error.location.line == python_pipeline.line("def wrong") - 1


def test_what_a_function_raises_over_rows_fails_its_flow_with_the_line(python_pipeline):
    python_pipeline.drop("a", (1, 1))
    python_pipeline.write(
        "@dp.table\ndef wrong(bronze: pl.LazyFrame):\n"
        "    return bronze.with_columns(\n"
        "        t=pl.col('amount').map_elements(lambda x: 1 // 0, return_dtype=pl.Int64))\n\n"
        "@dp.table\ndef cast(bronze: pl.LazyFrame):\n"
        "    return bronze.select(pl.col('amount').cast(pl.String).cast(pl.Int64))\n"
    )
    results = python_pipeline.run()
    assert "ZeroDivisionError" in results["wrong"].error.message
    assert results["cast"].error.location.file == str(python_pipeline.file)
    assert python_pipeline.run()["bronze"].state == "IDLE"


def test_a_file_that_declares_something_else_the_second_time(python_pipeline, tmp_path):
    python_pipeline.drop("a", (1, 1))
    marker = str(tmp_path / "marker")
    python_pipeline.write(
        f"name = 'second' if os.path.exists({marker!r}) else 'first'\n"
        f"open({marker!r}, 'w').close()\n"
        "@dp.table(name=name)\ndef wrong(bronze: pl.LazyFrame):\n    return bronze\n"
    )
    error = python_pipeline.run()["first"].error
    assert "declares no flow first any more" in error.message
