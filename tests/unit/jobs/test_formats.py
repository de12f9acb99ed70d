"""Formats of jobs.db: an older one is brought up with its copy kept, a newer one is refused."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from lakeflow.core.errors import CorruptStateError, StateError
from lakeflow.jobs import formats
from lakeflow.jobs.formats import STEPS, upgrade
from lakeflow.jobs.rows import JobEvent, JobRow
from lakeflow.jobs.store import Reader, Store


def first(connection):
    connection.execute("CREATE TABLE names (name TEXT)")


def second(connection):
    connection.execute("ALTER TABLE names ADD COLUMN length INTEGER")
    connection.execute("UPDATE names SET length = length(name)")


def broken(connection):
    connection.execute("DELETE FROM names")
    connection.execute("a mistake")


def names_of(path):
    with closing(sqlite3.connect(path)) as found:
        (version,) = found.execute("PRAGMA user_version").fetchone()
        return version, found.execute("SELECT * FROM names").fetchall()


@pytest.fixture
def old(tmp_path):
    """A database of the first of two made-up formats, whose rows are in the log beside it."""
    path = tmp_path / "jobs.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    upgrade(connection, path, [first])
    connection.execute("INSERT INTO names VALUES ('abc')")
    yield path, connection
    connection.close()


def test_an_older_format_is_brought_up_and_its_copy_kept(old):
    path, connection = old
    upgrade(connection, path, [first, second])
    assert names_of(path) == (2, [("abc", 3)])
    assert names_of(path.with_name("jobs.format-1.db")) == (1, [("abc",)])
    kept = path.with_name("jobs.format-1.db").stat().st_mtime_ns
    upgrade(connection, path, [first, second])
    assert path.with_name("jobs.format-1.db").stat().st_mtime_ns == kept


def test_a_step_that_fails_changes_nothing_and_can_be_taken_again(old):
    path, connection = old
    with pytest.raises(sqlite3.OperationalError):
        upgrade(connection, path, [first, broken])
    assert names_of(path) == (1, [("abc",)])
    upgrade(connection, path, [first, second])
    assert names_of(path) == (2, [("abc", 3)])
    assert names_of(path.with_name("jobs.format-1.db")) == (1, [("abc",)])


def test_several_steps_at_once(tmp_path):
    path = tmp_path / "jobs.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        upgrade(connection, path, [first, second])
    assert names_of(path) == (2, [])
    assert [each.name for each in tmp_path.iterdir()] == ["jobs.db"], "nothing to keep a copy of"


def test_the_store_goes_up_when_a_step_is_added(tmp_path, monkeypatch):
    path = tmp_path / "jobs.db"
    store = Store(path)
    with store.transaction():
        store.insert(JobRow(store.new_id(), {"name": "kept"}, "/", 1, "me"))
    store.close()

    def changed(connection):
        connection.execute("ALTER TABLE jobs ADD COLUMN colour TEXT DEFAULT 'red'")

    monkeypatch.setattr(formats.upgrade, "__defaults__", ((*STEPS, changed),))
    monkeypatch.setattr(formats.format_of, "__defaults__", (len(STEPS) + 1,))
    store = Store(path)
    (job,) = store.select(JobRow)
    assert job.settings == {"name": "kept"}
    assert store._connection.execute("SELECT colour FROM jobs").fetchall() == [("red",)]
    store.close()
    with closing(sqlite3.connect(tmp_path / f"jobs.format-{len(STEPS)}.db")) as copy:
        assert copy.execute("SELECT count(*) FROM jobs").fetchone() == (1,)


@pytest.mark.parametrize("kind", [Reader, Store])
def test_a_newer_format_is_refused(tmp_path, kind):
    path = tmp_path / "jobs.db"
    Store(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {len(STEPS) + 1}")
    with pytest.raises(StateError, match=f"has format {len(STEPS) + 1}; .* knows {len(STEPS)}"):
        kind(path)


@pytest.mark.parametrize("kind", [Reader, Store])
def test_a_database_of_others_is_refused(tmp_path, kind):
    path = tmp_path / "jobs.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE letters (letter TEXT)")
    with pytest.raises(CorruptStateError, match="not one of jobs"):
        kind(path)
    (path).write_text("no database at all" * 100)
    with pytest.raises(CorruptStateError, match="not a database"):
        kind(path)


def test_numbers_follow_on_those_that_others_have_seen(tmp_path):
    store = Store(tmp_path / "jobs.db")
    assert store.numbered() == (0, 0)
    with store.transaction():
        store.begin_after(41, 7)
    with store.transaction():
        assert store.insert(JobEvent(1, "job.created", "")) == 42
        assert store.new_id() == 8
        store.begin_after(3, 3)
    assert store.numbered() == (42, 8)
    with store.transaction():
        assert store.insert(JobEvent(1, "job.created", "")) == 43
        assert store.new_id() == 9
    store.close()
