"""A file of a table that is gone fails the flows that need it, by name; its way out works."""

from __future__ import annotations

import json
import re
import shutil

import pytest

from lakeflow.core.errors import DefinitionErrors, LakeflowError
from lakeflow.core.settings import Settings
from lakeflow.engine.session import Session

PIPELINE = """\
CREATE STREAMING TABLE a AS SELECT n FROM STREAM read_files('in', format => 'csv');
CREATE MATERIALIZED VIEW sums AS SELECT sum(n) AS s FROM a;
CREATE STREAMING TABLE copy AS SELECT n FROM STREAM a;
CREATE STREAMING TABLE other AS SELECT n FROM STREAM read_files('in', format => 'csv');
"""
OTHER = "CREATE MATERIALIZED VIEW v AS SELECT sum(n) AS s FROM a;\n"
NATIVE = """
@dp.table
def doubled(bronze: pl.LazyFrame) -> pl.LazyFrame:
    return bronze.select(pl.col("id") * 2)

@dp.materialized_view
def total(bronze: pl.LazyFrame) -> pl.LazyFrame:
    return bronze.select(pl.col("id").sum())

@dp.materialized_view
def count(bronze: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    return bronze.aggregate("count(*) AS n")
"""


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


class Project:
    def __init__(self, folder):
        self.folder = folder
        (folder / "in").mkdir()

    @property
    def session(self):
        """As of a new process: what one remembers of folders is gone with it."""
        return Session(Settings.load({}, lakehouse=self.folder / "lake"))

    def drop(self, number):
        (self.folder / "in" / f"{number}.csv").write_text(f"n\n{number}\n")

    def run(self, name="p.sql", text=PIPELINE, **options):
        (self.folder / name).write_text(text)
        return {flow.name: flow for flow in self.session.run(self.folder / name, **options).flows}

    def files(self):
        return list((self.folder / "lake/main/default/a").glob("*.parquet"))

    def remove(self, version):
        """The data file that a version of `a` has added, taken away."""
        table = self.folder / "lake/main/default/a"
        lines = (table / f"_delta_log/{version:020d}.json").read_text().splitlines()
        [name] = [json.loads(line)["add"]["path"] for line in lines if '"add"' in line]
        (table / name).unlink()
        return table / name

    def values(self, table):
        rows = self.session.query(f"SELECT * FROM {table}").read_all().to_pylist()
        return sorted(value for row in rows for value in row.values())


def states(flows):
    return {name: flow.state for name, flow in flows.items()}


def test_a_missing_file_of_the_newest_version(project):
    project.drop(1)
    project.run()
    path = project.remove(1)
    project.drop(2)
    found = project.run()
    assert states(found) == {
        "a": "FAILED",
        "sums": "SKIPPED",
        "copy": "SKIPPED",
        "other": "COMPLETED",
    }
    error = str(found["a"].error)
    assert f"{project.folder}/p.sql:1" in error
    assert f"The file {path} of the table a is missing" in error
    [table] = re.findall(r"--full-refresh (\w+)", error)
    again = project.run(full_refresh=[table])
    assert again["a"].state == again["sums"].state == "COMPLETED"
    [table] = re.findall(r"--full-refresh (\w+)", str(again["copy"].error))
    assert project.run(full_refresh=[table])["copy"].state == "COMPLETED"
    assert project.values("a") == project.values("copy") == project.values("other") == [1, 2]
    assert set(states(project.run()).values()) == {"IDLE"}


def test_a_file_that_is_put_back(project):
    project.drop(1)
    project.run()
    content = {path: path.read_bytes() for path in project.files()}
    path = project.remove(1)
    assert project.run()["a"].state == "FAILED"
    path.write_bytes(content[path])
    project.drop(2)
    assert set(states(project.run()).values()) == {"COMPLETED"}
    assert project.values("sums") == [3]


def test_a_missing_file_of_an_older_version(project):
    project.drop(1)
    project.run()
    project.drop(2)
    project.run()
    path = project.remove(1)
    project.drop(3)
    found = project.run()
    assert states(found) == {
        "a": "COMPLETED",
        "sums": "FAILED",
        "copy": "COMPLETED",
        "other": "COMPLETED",
    }
    error = str(found["sums"].error)
    assert f"{project.folder}/p.sql:2" in error
    assert f"The file {path} of the table a is missing" in error
    assert "--full-refresh a" in error
    assert project.run(full_refresh=["a"])["sums"].state == "COMPLETED"
    assert project.values("sums") == [6]


def test_a_missing_file_of_another_pipeline_s_table(project):
    project.drop(1)
    project.run()
    project.run("reader.sql", OTHER)
    path = project.remove(1)
    assert states(project.run("reader.sql", OTHER)) == {"v": "IDLE"}
    found = project.run("reader.sql", OTHER, full_refresh=["v"])
    error = str(found["v"].error)
    assert f"The file {path} of the table a is missing" in error
    assert "the pipeline that writes it and --full-refresh a" in error


def test_a_dry_run_tells_every_lost_table_and_the_way_out(project):
    project.drop(1)
    project.run()
    for name in ("a", "sums"):
        shutil.rmtree(project.folder / "lake/main/default" / name)
    with pytest.raises(DefinitionErrors) as raised:
        project.session.plan(project.folder / "p.sql")
    told = [
        (e.location.line, re.findall(r"--full-refresh (\w+)", e.hint)) for e in raised.value.errors
    ]
    assert told == [(1, ["a"]), (2, ["sums"])]
    with pytest.raises(DefinitionErrors, match="sums was made by this pipeline and is gone"):
        project.session.plan(project.folder / "p.sql", full_refresh=["a"])
    plan = project.session.plan(project.folder / "p.sql", full_refresh=["a", "sums"])
    assert [flow.technique for flow in plan.flows][:2] == ["FULL_REFRESH"] * 2
    again = project.run(full_refresh=["a", "sums"])
    assert again["a"].state == again["sums"].state == "COMPLETED"


@pytest.mark.parametrize("damage", ["gone", "cut off"])
def test_the_way_out_of_a_damaged_log(project, damage):
    for number in (1, 2):
        project.drop(number)
        project.run()
    table = project.folder / "lake/main/default/a"
    commit = table / f"_delta_log/{1:020d}.json"
    if damage == "gone":
        commit.unlink()
    else:
        commit.write_text('{"add')
    with pytest.raises(LakeflowError) as raised:
        project.run()
    assert f"The table in {table} cannot be read" in str(raised.value)
    assert "take the folder away and make the table anew with --full-refresh" in str(raised.value)
    shutil.rmtree(table)
    assert project.run(full_refresh=["a", "copy"])["a"].state == "COMPLETED"
    assert project.values("a") == project.values("copy") == [1, 2]


def test_a_plan_knows_that_a_refreshed_input_changes(project):
    project.drop(1)
    project.run()

    def technique(**options):
        flows = project.session.plan(project.folder / "p.sql", **options).flows
        return next(flow.technique for flow in flows if flow.name == "sums")

    assert technique() == "NO_OP"
    assert technique(full_refresh=["a"]) == "COMPLETE_RECOMPUTE"


def test_functions_say_the_same(python_pipeline):
    python_pipeline.write(NATIVE).drop("1", (1, 1.0))
    assert python_pipeline.run()["total"].state == "COMPLETED"
    python_pipeline.drop("2", (2, 1.0))
    for name in ("bronze", "doubled", "total", "count"):
        assert python_pipeline.run()[name].state in ("COMPLETED", "IDLE")
    table = python_pipeline.folder / "lakehouse/main/default/bronze"
    oldest = min(table.glob("*.parquet"), key=lambda path: path.stat().st_mtime_ns)
    oldest.unlink()
    python_pipeline.drop("3", (3, 1.0))
    found = python_pipeline.run()
    assert found["doubled"].state == "COMPLETED"
    for name in ("total", "count"):
        assert f"The file {oldest} of the table bronze is missing" in str(found[name].error)
