"""A table computed from given rows; docs/python.md is tested beside the decorators."""

from __future__ import annotations

import polars as pl
import pytest

from lakeflow.core.errors import DefinitionError, ExpectationFailed
from lakeflow.testing import open_pipeline

PIPELINE = """\
CREATE STREAMING TABLE bronze AS SELECT * FROM STREAM read_files('nowhere', format => 'csv');
CREATE TEMPORARY VIEW valid AS SELECT * FROM STREAM bronze WHERE amount IS NOT NULL;
CREATE STREAMING TABLE silver (CONSTRAINT positive EXPECT (amount > 0) ON VIOLATION DROP ROW)
AS SELECT id, amount FROM STREAM valid;
CREATE MATERIALIZED VIEW rates AS SELECT * FROM read_files('nowhere', format => 'json');
CREATE MATERIALIZED VIEW gold (CONSTRAINT known EXPECT (rate > 0) ON VIOLATION FAIL UPDATE)
AS SELECT id, amount, rate FROM silver LEFT JOIN rates USING (id);
"""


@pytest.fixture
def pipeline(tmp_path):
    (tmp_path / "pipeline.sql").write_text(PIPELINE)
    with open_pipeline(tmp_path / "pipeline.sql") as found:
        yield found


def test_rows_go_through_everything_that_lies_between(pipeline):
    pipeline.give("bronze", [{"id": 1, "amount": 2}, {"id": 2, "amount": None}])
    pipeline.give("bronze", [{"id": 3, "amount": -2}])
    found = pipeline.run("silver")
    assert found.rows == [{"id": 1, "amount": 2}]
    assert found.expectations == {"positive": (1, 1)}
    assert found.quarantine == []


def test_a_view_and_a_table_in_the_middle_can_be_given(pipeline):
    pipeline.give("valid", pl.DataFrame({"id": [1, 2], "amount": [5, 6]}))
    pipeline.give("rates", [], schema="id BIGINT, rate DOUBLE")
    assert len(pipeline.run("silver").rows) == 2
    with pytest.raises(ExpectationFailed, match="2 rows violate the expectation 'known'"):
        pipeline.run("gold")


def test_only_what_is_needed_is_computed_and_unknown_names_are_told(pipeline):
    with pytest.raises(DefinitionError, match="declares no dataset slver") as raised:
        pipeline.run("slver")
    assert raised.value.hint == "Did you mean 'silver'?"
    with pytest.raises(DefinitionError):
        pipeline.run("gold")
    pipeline.give("silver", [{"id": 1, "amount": 2}])
    pipeline.give("rates", [{"id": 1, "rate": 0.5}])
    assert pipeline.run("gold").rows == [{"id": 1, "amount": 2, "rate": 0.5}]
    assert not (pipeline.folder / "lakehouse" / "main" / "default" / "bronze").exists()


def test_rows_without_columns_and_views_are_refused(pipeline):
    with pytest.raises(DefinitionError, match="given to bronze have no columns") as raised:
        pipeline.give("bronze", [])
    assert "schema=" in str(raised.value.hint)
    pipeline.give("bronze", [{"id": 1, "amount": 2}])
    with pytest.raises(DefinitionError, match="valid is a view"):
        pipeline.run("valid")
