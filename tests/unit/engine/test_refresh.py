"""Materialized views after an update that did not come to its end."""

from __future__ import annotations

import pytest

from lakeflow.core import failpoints
from lakeflow.core.settings import Settings
from lakeflow.engine.session import Session


@pytest.mark.parametrize("column", ["1", "current_timestamp()"])
def test_what_was_left_open_is_followed_by_what_has_come_since(tmp_path, column):
    (tmp_path / "in").mkdir()
    (tmp_path / "p.sql").write_text(
        "CREATE STREAMING TABLE bronze AS SELECT CAST(id AS BIGINT) AS id "
        "FROM STREAM read_files('in', format => 'csv', header => true);\n"
        f"CREATE MATERIALIZED VIEW v AS SELECT id, {column} AS x FROM bronze;"
    )
    session = Session(Settings.load({}, lakehouse=tmp_path / "lakehouse"))

    def run(name):
        (tmp_path / "in" / f"{name}.csv").write_text(f"id\n{name}\n")
        return session.run(tmp_path / "p.sql").state

    failpoints.arm("intent.synced:2:raise")
    try:
        assert run(1) == "FAILED"
    finally:
        failpoints.arm("")
    assert run(2) == "COMPLETED"
    found = session.query("SELECT id FROM v ORDER BY id").read_all().to_pylist()
    assert found == [{"id": 1}, {"id": 2}]
