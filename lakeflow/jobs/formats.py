"""Formats of `jobs.db`: the tables of the newest one, and how an older database becomes one.

The number of a format is that of the steps that led to it, and is kept in SQLite's user_version.
Tables change only by a new step; nobody edits one that has been released.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from lakeflow.core.errors import CorruptStateError, StateError

_TABLES = """
CREATE TABLE ids (next INTEGER NOT NULL, home INTEGER NOT NULL);
INSERT INTO ids VALUES (1, 1 + abs(random() % 9007199254740991));
CREATE TABLE jobs (
    job_id INTEGER PRIMARY KEY, settings TEXT NOT NULL, root TEXT NOT NULL,
    created INTEGER NOT NULL, creator TEXT NOT NULL, version INTEGER NOT NULL,
    key TEXT, source TEXT, UNIQUE (source, key)
);
CREATE TABLE job_versions (
    job_id INTEGER NOT NULL, version INTEGER NOT NULL, settings TEXT NOT NULL,
    changed INTEGER NOT NULL, PRIMARY KEY (job_id, version)
) WITHOUT ROWID;
CREATE TABLE runs (
    run_id INTEGER PRIMARY KEY, job_id INTEGER NOT NULL, type TEXT NOT NULL, name TEXT NOT NULL,
    settings TEXT NOT NULL, root TEXT NOT NULL, parameters TEXT NOT NULL,
    legacy TEXT NOT NULL, trigger TEXT NOT NULL,
    trigger_info TEXT NOT NULL, state TEXT NOT NULL, created INTEGER NOT NULL, result TEXT,
    code TEXT NOT NULL, message TEXT NOT NULL, started INTEGER, ended INTEGER, token TEXT UNIQUE,
    only TEXT NOT NULL, parent INTEGER, repairs INTEGER NOT NULL, stopping TEXT
);
CREATE INDEX runs_of_job ON runs (job_id, run_id);
CREATE INDEX runs_at_work ON runs (state) WHERE state != 'TERMINATED';
CREATE TABLE attempts (
    attempt INTEGER PRIMARY KEY, run_id INTEGER NOT NULL, task_key TEXT NOT NULL,
    iteration INTEGER, number INTEGER NOT NULL, repair INTEGER NOT NULL, state TEXT NOT NULL,
    created INTEGER NOT NULL, reason TEXT NOT NULL, epoch INTEGER NOT NULL, result TEXT,
    code TEXT NOT NULL, message TEXT NOT NULL, trace TEXT NOT NULL, outcome TEXT,
    settings TEXT NOT NULL, output TEXT NOT NULL, "values" TEXT NOT NULL, started INTEGER,
    ended INTEGER, pid INTEGER, pid_started REAL, exit_code INTEGER, cpu_seconds REAL NOT NULL,
    peak_memory INTEGER NOT NULL, counts INTEGER NOT NULL, stopping TEXT, inputs TEXT,
    parent INTEGER, due INTEGER
);
CREATE INDEX attempts_of_run ON attempts (run_id, attempt);
CREATE INDEX attempts_of_pipeline ON attempts (json_extract(settings, '$.pipeline_id'))
    WHERE json_extract(settings, '$.pipeline_id') IS NOT NULL;
CREATE TABLE repairs (
    repair_id INTEGER PRIMARY KEY, run_id INTEGER NOT NULL, number INTEGER NOT NULL,
    tasks TEXT NOT NULL, started INTEGER NOT NULL, ended INTEGER, result TEXT,
    UNIQUE (run_id, number)
);
CREATE TABLE triggers (
    trigger_id TEXT PRIMARY KEY, job_id INTEGER NOT NULL, state TEXT NOT NULL, wait_until INTEGER,
    reason TEXT NOT NULL
);
CREATE TABLE ticks (
    tick_id INTEGER PRIMARY KEY AUTOINCREMENT, trigger_id TEXT NOT NULL, job_id INTEGER NOT NULL,
    fire_time INTEGER NOT NULL, outcome TEXT NOT NULL, reason TEXT NOT NULL,
    count INTEGER NOT NULL, details TEXT NOT NULL, decided INTEGER NOT NULL, run_id INTEGER,
    UNIQUE (trigger_id, fire_time)
);
CREATE INDEX ticks_of_job ON ticks (job_id, tick_id);
CREATE TABLE seen_files (
    trigger_id TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (trigger_id, name)
) WITHOUT ROWID;
CREATE TABLE events (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, type TEXT NOT NULL,
    message TEXT NOT NULL, job_id INTEGER, run_id INTEGER, attempt INTEGER, task_key TEXT,
    iteration INTEGER, details TEXT NOT NULL
);
CREATE INDEX events_of_run ON events (run_id, sequence);
CREATE TABLE documents (
    key TEXT PRIMARY KEY, kind TEXT NOT NULL, value TEXT NOT NULL, changed INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX documents_of_kind ON documents (kind, key);
"""

_NOTICES = """
ALTER TABLE runs ADD COLUMN warned INTEGER;
ALTER TABLE runs ADD COLUMN used_commit TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN checkout TEXT NOT NULL DEFAULT '';
ALTER TABLE attempts ADD COLUMN warned INTEGER;
CREATE TABLE outbox (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, notice_id TEXT NOT NULL UNIQUE,
    event TEXT NOT NULL, kind TEXT NOT NULL, recipient TEXT NOT NULL, body TEXT NOT NULL,
    created INTEGER NOT NULL, due INTEGER NOT NULL, run_id INTEGER NOT NULL,
    job_id INTEGER NOT NULL, attempt INTEGER, task_key TEXT, iteration INTEGER,
    state TEXT NOT NULL, tries INTEGER NOT NULL, failure TEXT NOT NULL
);
CREATE INDEX notices_that_wait ON outbox (due) WHERE state = 'WAITING';
CREATE TABLE destinations (
    destination_id TEXT PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL, url TEXT NOT NULL,
    username TEXT NOT NULL, password TEXT NOT NULL, created INTEGER NOT NULL
);
"""

Step = Callable[[sqlite3.Connection], None]
"""Brings a database to the next format, within a transaction."""


def _create(connection: sqlite3.Connection) -> None:
    for statement in _TABLES.split(";\n"):
        connection.execute(statement)


def _add_notices(connection: sqlite3.Connection) -> None:
    for statement in _NOTICES.split(";\n"):
        connection.execute(statement)


STEPS: tuple[Step, ...] = (_create, _add_notices)
"""What leads to each format from the one before it."""


def format_of(connection: sqlite3.Connection, path: Path, newest: int = len(STEPS)) -> int:
    """The format of a database; 0 for an empty one.

    Args:
        connection: To the database.
        path: Its file, for the error.
        newest: The format that is known.

    Raises:
        StateError: It was written by a newer Lakeflow.
        CorruptStateError: It is no database of jobs.
    """
    try:
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError as error:
        raise CorruptStateError(
            f"{path} is not a database of jobs: {error}.", hint="Restore it from a copy."
        ) from error
    if found == 0 and tables:
        raise CorruptStateError(
            f"{path} is a database, but not one of jobs.", hint="Restore it from a copy."
        )
    if found > newest:
        raise StateError(
            f"{path} has format {found}; this Lakeflow knows {newest}.",
            hint="Install the Lakeflow that wrote it, or a newer one.",
        )
    return int(found)


def upgrade(connection: sqlite3.Connection, path: Path, steps: Sequence[Step] = STEPS) -> None:
    """Brings a database to the newest format, all at once; of an older one a copy is kept.

    Args:
        connection: To the database, in no transaction.
        path: Its file; the copy lies beside it and is named after its format.
        steps: What leads to each format.
    """
    found = format_of(connection, path, len(steps))
    if found == len(steps):
        return
    if found:
        copy_to(connection, path.with_suffix(f".format-{found}.db"))
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in steps[found:]:
            step(connection)
        connection.execute(f"PRAGMA user_version = {len(steps)}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def copy_to(connection: sqlite3.Connection, path: Path) -> None:
    """Writes a copy of a database while it is in use; it is there whole, or not at all."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.unlink(missing_ok=True)
    try:
        connection.execute("VACUUM INTO ?", (str(unfinished),))
        make_durable(unfinished)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    make_durable(path.parent)


def make_durable(path: Path) -> None:
    """Has the disk hold a file, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
