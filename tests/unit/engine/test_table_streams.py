"""A table is read as a stream while rows are only appended to it; otherwise there is a way out."""

from __future__ import annotations

import shutil

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from lakeflow.core.errors import LakeflowError, StateError
from lakeflow.core.settings import Settings
from lakeflow.engine.session import Session

READER = "CREATE STREAMING TABLE reader AS SELECT n FROM STREAM foreign_table;"
CHAIN = """
CREATE STREAMING TABLE first AS
SELECT n FROM STREAM read_files('drop', format => 'csv', header => true);
CREATE STREAMING TABLE second AS SELECT n FROM STREAM first;
CREATE STREAMING TABLE third AS SELECT n FROM STREAM second;
"""


@pytest.fixture
def session(tmp_path):
    return Session(Settings.load({}, lakehouse=tmp_path / "lake"))


@pytest.fixture
def run(session, tmp_path):
    def run(text, **options):
        (tmp_path / "pipeline.sql").write_text(text)
        return session.run(tmp_path / "pipeline.sql", **options)

    return run


@pytest.fixture
def foreign(tmp_path):
    """A Delta table of another program in the lakehouse, to which it writes rows."""
    place = str(tmp_path / "lake/main/default/foreign_table")

    def write(*rows, **options):
        write_deltalake(place, pa.table({"n": pa.array(rows, pa.int64())}), **options)
        return place

    return write


def rows(session, name):
    return sorted(session.query(f"SELECT n FROM {name}").read_all()["n"].to_pylist())


def the_error(result, name):
    (found,) = [flow.error for flow in result.flows if flow.name == name]
    assert isinstance(found, LakeflowError)
    return found


def test_appended_rows_are_read_once(session, run, foreign):
    foreign(1, 2)
    run(READER)
    foreign(3, mode="append")
    foreign(4, mode="append")
    run(READER)
    assert rows(session, "reader") == [1, 2, 3, 4]
    assert run(READER).flows[0].state == "IDLE"


def test_files_that_are_only_rewritten_are_no_change(session, run, foreign):
    foreign(1)
    run(READER)
    place = foreign(2, mode="append")
    DeltaTable(place).optimize.compact()
    foreign(3, mode="append")
    run(READER)
    assert rows(session, "reader") == [1, 2, 3]


def delete(place):
    DeltaTable(place).delete("n = 1")


def update(place):
    DeltaTable(place).update({"n": "7"}, predicate="n = 1")


def overwrite(place):
    write_deltalake(place, pa.table({"n": pa.array([8], pa.int64())}), mode="overwrite")


@pytest.mark.parametrize("change", [delete, update, overwrite])
def test_changed_rows_are_refused_with_the_way_out(session, run, foreign, change):
    place = foreign(1, 2)
    run(READER)
    change(place)
    foreign(9, mode="append")
    error = the_error(run(READER), "reader")
    assert error.condition == "DELTA_SOURCE_TABLE_IGNORE_CHANGES"
    assert "reader" in error.message
    assert "foreign_table" in error.message
    assert error.location.line == 1
    assert "--full-refresh" in error.hint
    assert rows(session, "reader") == [1, 2]
    assert run(READER, full_refresh=["reader"]).state == "COMPLETED"
    assert rows(session, "reader") == rows(session, "foreign_table")
    foreign(10, mode="append")
    run(READER)
    assert rows(session, "reader") == rows(session, "foreign_table")


def test_rows_changed_before_the_first_update_are_no_matter(session, run, foreign):
    delete(foreign(1, 2))
    run(READER)
    assert rows(session, "reader") == [2]


def test_a_table_that_was_made_again_is_refused(session, run, foreign):
    place = foreign(1, 2, 3)
    run(READER)
    shutil.rmtree(place)
    foreign(1)
    foreign(4, mode="append")
    foreign(5, mode="append")
    error = the_error(run(READER), "reader")
    assert isinstance(error, StateError)
    assert "made again" in error.message
    assert rows(session, "reader") == [1, 2, 3]
    run(READER, full_refresh=["reader"])
    assert rows(session, "reader") == [1, 4, 5]


@pytest.fixture
def drop(tmp_path):
    folder = tmp_path / "drop"
    folder.mkdir()

    def drop(*numbers):
        for number in numbers:
            (folder / f"{number}.csv").write_text(f"n\n{number}\n")

    return drop


def test_a_refreshed_upstream_is_refused_where_its_reader_is_not_selected(session, run, drop):
    drop(1, 2)
    run(CHAIN)
    drop(3)
    result = run(CHAIN, full_refresh=["first"])
    error = the_error(result, "second")
    assert "first was refreshed in full" in error.message
    assert "second" in error.hint
    assert {flow.name: flow.state for flow in result.flows} == {
        "first": "COMPLETED",
        "second": "FAILED",
        "third": "SKIPPED",
    }
    assert rows(session, "second") == rows(session, "third") == [1, 2]
    # Until it is refreshed too, and then its own reader, the same is said again.
    assert "first was refreshed in full" in the_error(run(CHAIN), "second").message
    drop(4)
    assert "second was refreshed" in the_error(run(CHAIN, full_refresh=["second"]), "third").message
    assert run(CHAIN, full_refresh=["third"]).state == "COMPLETED"
    assert rows(session, "third") == [1, 2, 3, 4]


@pytest.mark.parametrize("selected", [["first", "second", "third"], "all"])
def test_readers_that_are_selected_too_are_reset_in_the_same_update(session, run, drop, selected):
    drop(1, 2)
    run(CHAIN)
    drop(3)
    assert run(CHAIN, full_refresh=selected).state == "COMPLETED"
    for name in ("first", "second", "third"):
        assert rows(session, name) == [1, 2, 3]
    drop(4)
    run(CHAIN)
    assert rows(session, "third") == [1, 2, 3, 4]
