"""A view is computed again when anything that determines its rows has changed, and not else."""

from __future__ import annotations

import sys

import pytest

from lakeflow.core.settings import Settings
from lakeflow.engine.session import Session

DOUBLED = """
from amounts_of_the_test import FACTOR

@dp.materialized_view
def v(bronze: pl.LazyFrame):
    return bronze.select(pl.col("id") * FACTOR)
"""


@pytest.fixture
def amounts(python_pipeline):
    """Writes a module beside the definition file; nobody has imported it yet."""
    name = "amounts_of_the_test"

    def write(factor):
        (python_pipeline.folder / f"{name}.py").write_text(f"FACTOR = {factor}\n")
        sys.modules.pop(name, None)

    yield write
    sys.modules.pop(name, None)


def ids(pipeline):
    return [row["id"] for row in pipeline.rows("v")]


def test_what_lies_beside_a_definition_file_belongs_to_it(python_pipeline, amounts):
    python_pipeline.drop("a", (1, 1)).write(DOUBLED)
    amounts(2)
    python_pipeline.run()
    assert python_pipeline.run()["v"].state == "IDLE"
    (python_pipeline.folder / "nobody_imports_it.py").write_text("X = 1\n")
    assert python_pipeline.run()["v"].state == "IDLE"
    amounts(1000)
    assert python_pipeline.run()["v"].state == "COMPLETED"
    assert ids(python_pipeline) == [1000]


def test_a_file_that_is_changed_during_the_update_is_not_run(python_pipeline, amounts):
    python_pipeline.drop("a", (1, 1)).write(DOUBLED.replace("FACTOR)", "1 * FACTOR)"))
    amounts(2)
    text = python_pipeline.file.read_text()

    def edit(event):
        if event.flow == "v" and event.details.get("status") == "RUNNING":
            python_pipeline.change("1 * FACTOR", "50 * FACTOR")

    session = python_pipeline.session()
    session.listeners = [edit]
    (failed,) = [f for f in session.run(python_pipeline.file).flows if f.name == "v"]
    assert failed.state == "FAILED"
    assert "was changed during the update" in failed.error.message
    python_pipeline.file.write_text(text)
    assert python_pipeline.run()["v"].state == "COMPLETED"
    assert ids(python_pipeline) == [2]


def test_the_time_zone_belongs_to_the_definition(tmp_path):
    (tmp_path / "p.sql").write_text(
        "CREATE MATERIALIZED VIEW moments AS SELECT TIMESTAMP '2026-01-01T00:00:00Z' AS t;\n"
        "SET lakeflow.dialect = duckdb;\n"
        "CREATE MATERIALIZED VIEW v AS SELECT hour(t) AS h FROM moments;"
    )
    found = []
    for zone in ("UTC", "Asia/Tokyo"):
        settings = Settings.load({}, lakehouse=tmp_path / "lakehouse", session_time_zone=zone)
        session = Session(settings)
        assert session.run(tmp_path / "p.sql").state == "COMPLETED"
        found += session.query("SELECT h FROM v").read_all().to_pylist()
    assert found == [{"h": 0}, {"h": 9}]
