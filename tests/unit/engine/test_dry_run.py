"""A dry run finds what only the backend would refuse."""

from __future__ import annotations

from contextlib import closing

import pytest

from lakeflow.backends.duckdb import DuckDBBackend
from lakeflow.core.clock import SystemClock
from lakeflow.core.errors import DefinitionErrors
from lakeflow.core.settings import Settings
from lakeflow.engine.dry_run import check_binding
from lakeflow.engine.pipeline import Pipeline, PreparedPipeline
from lakeflow.engine.state import PipelineState
from lakeflow.tables.store import LocalStore

PIPELINE = """\
CREATE TEMPORARY VIEW prices AS SELECT CAST(x AS DECIMAL(10, 2)) AS x FROM VALUES (1), (2) AS t(x);
CREATE MATERIALIZED VIEW plain AS SELECT sum(x) AS x FROM prices;
CREATE MATERIALIZED VIEW mean (CONSTRAINT some EXPECT (x / 3 > 0)) AS
SELECT avg(x) AS x FROM prices;
"""


def test_a_backend_without_what_lowered_queries_need_is_found_before_the_run(tmp_path):
    (tmp_path / "p.sql").write_text(PIPELINE)
    store = LocalStore(tmp_path / "lakehouse")
    pipeline = Pipeline.at(tmp_path / "p.sql")
    prepared = PreparedPipeline.load(
        pipeline,
        Settings.load({}),
        store,
        PipelineState(store, pipeline.name),
        SystemClock(),
        tmp_path,
    )
    with closing(prepared):
        flows = prepared.analyse(frozenset())
        check_binding(prepared.backend, flows)
        bare = DuckDBBackend(memory_limit=1 << 30, threads=1, time_zone="UTC", temporary=tmp_path)
        with closing(bare), pytest.raises(DefinitionErrors) as raised:
            check_binding(bare, flows)
    assert [error.location.line for error in raised.value.errors] == [3]
