"""`jobs.db`: SQLite in WAL mode, written by the one server of a home and read by anybody.

A row is a frozen value of `rows.py`; its fields are the columns. What a transaction has written
outlasts the process at once, and a failure of the power once `make_durable` has returned.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self, TypeVar, get_type_hints

from lakeflow.core.errors import StorageError
from lakeflow.jobs.formats import copy_to, format_of, upgrade
from lakeflow.jobs.model import Result
from lakeflow.jobs.rows import (
    AttemptRow,
    DestinationRow,
    DocumentRow,
    JobEvent,
    JobRow,
    NoticeRow,
    RepairRow,
    RunRow,
    TickRow,
    TriggerRow,
)

AnyRow = (
    JobRow
    | RunRow
    | AttemptRow
    | RepairRow
    | TriggerRow
    | TickRow
    | JobEvent
    | NoticeRow
    | DestinationRow
    | DocumentRow
)


_HALVES = re.compile("[\ud800-\udfff]")


def writable(text: str, backslash: str = "\\") -> str:
    r"""A text that the database takes: halves of characters, as names of files may have, escaped.

    Args:
        text: Any text.
        backslash: What stands for one; in JSON it is two.

    Example:
        >>> print(writable("caf\udce9"))
        caf\udce9
    """
    return _HALVES.sub(lambda half: f"{backslash}u{ord(half[0]):x}", text)


Row = TypeVar(
    "Row",
    JobRow,
    RunRow,
    AttemptRow,
    RepairRow,
    TriggerRow,
    TickRow,
    JobEvent,
    NoticeRow,
    DestinationRow,
    DocumentRow,
)


@dataclass(frozen=True, slots=True)
class _Table:
    """How a kind of row is written.

    Args:
        name: Of the table.
        key: Its primary key.
        columns: Its columns, in the order of the fields.
        json: Those that hold JSON text.
        tuples: Those of them that are tuples in Python.
        results: Those that hold a result.
        flags: Those that hold a truth value.
    """

    name: str
    key: str
    columns: tuple[str, ...]
    json: frozenset[str]
    tuples: frozenset[str]
    results: frozenset[str]
    flags: frozenset[str]

    @classmethod
    def of(cls, row: type[Any], name: str, key: str) -> Self:
        hints = {field: str(hint) for field, hint in get_type_hints(row).items()}
        tuples = frozenset(field for field, hint in hints.items() if hint.startswith("tuple"))
        return cls(
            name,
            key,
            tuple(field.name for field in fields(row)),
            frozenset(field for field, hint in hints.items() if "Mapping" in hint) | tuples,
            tuples,
            frozenset(field for field, hint in hints.items() if "Result" in hint),
            frozenset(field for field, hint in hints.items() if hint == "<class 'bool'>"),
        )

    def write(self, column: str, value: Any) -> Any:
        if column in self.json and value is not None:
            text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
            return writable(text, r"\\")
        return writable(value) if isinstance(value, str) else value

    def read(self, column: str, value: Any) -> Any:
        if value is None:
            return None
        if column in self.json:
            found = json.loads(value)
            return tuple(found) if column in self.tuples else found
        if column in self.results:
            return Result(value)
        return bool(value) if column in self.flags else value


_OF: Mapping[type[Any], _Table] = {
    JobRow: _Table.of(JobRow, "jobs", "job_id"),
    RunRow: _Table.of(RunRow, "runs", "run_id"),
    AttemptRow: _Table.of(AttemptRow, "attempts", "attempt"),
    RepairRow: _Table.of(RepairRow, "repairs", "repair_id"),
    TriggerRow: _Table.of(TriggerRow, "triggers", "trigger_id"),
    TickRow: _Table.of(TickRow, "ticks", "tick_id"),
    JobEvent: _Table.of(JobEvent, "events", "sequence"),
    NoticeRow: _Table.of(NoticeRow, "outbox", "sequence"),
    DestinationRow: _Table.of(DestinationRow, "destinations", "destination_id"),
    DocumentRow: _Table.of(DocumentRow, "documents", "key"),
}


class Reader:
    """Reads `jobs.db`, also while a server is at work.

    Args:
        path: The database.

    Raises:
        StateError: It was written by a newer Lakeflow.
        CorruptStateError: It is no such database.
    """

    def __init__(self, path: Path) -> None:
        self._connection = self._connect(path)
        format_of(self._connection, path)

    def _connect(self, path: Path) -> sqlite3.Connection:
        return sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)

    def close(self) -> None:
        """Closes the database."""
        self._connection.close()

    def find(self, row: type[Row], key: int | str) -> Row | None:
        """The row with this key, if there is one."""
        table = _OF[row]
        return next(iter(self.select(row, f"{table.key} = ?", (key,))), None)

    def select(self, row: type[Row], where: str = "1", values: Sequence[Any] = ()) -> list[Row]:
        """Rows for which a condition holds.

        Args:
            row: The kind of row.
            where: A condition in SQL, ORDER BY and LIMIT with it.
            values: Of its question marks.
        """
        table = _OF[row]
        names = ", ".join(f'"{column}"' for column in table.columns)
        found = self._connection.execute(
            f"SELECT {names} FROM {table.name} WHERE {where}", values
        ).fetchall()
        return [
            row(**{c: table.read(c, value) for c, value in zip(table.columns, each, strict=True)})
            for each in found
        ]

    def count(self, row: type[Any], where: str = "1", values: Sequence[Any] = ()) -> int:
        """How many rows there are for which a condition holds."""
        text = f"SELECT count(*) FROM {_OF[row].name} WHERE {where}"
        (found,) = self._connection.execute(text, values).fetchone()
        return int(found)

    @property
    def home(self) -> int:
        """The number by which what is published is known to be of this database."""
        (found,) = self._connection.execute("SELECT home FROM ids").fetchone()
        return int(found)

    def numbered(self) -> tuple[int, int]:
        """The highest sequence of an event, and id of a job, run or attempt, that was given."""
        text = (
            "SELECT (SELECT ifnull(max(seq), 0) FROM sqlite_sequence WHERE name = 'events'), next"
            " FROM ids"
        )
        sequence, following = self._connection.execute(text).fetchone()
        return int(sequence), int(following) - 1

    def fault(self) -> str:
        """What is wrong with the file; nothing if all of it can be read."""
        try:
            ((found,), *_) = self._connection.execute("PRAGMA integrity_check(1)").fetchall()
        except sqlite3.DatabaseError as error:
            return str(error)
        return "" if found == "ok" else str(found)

    def copy_to(self, path: Path) -> None:
        """Writes a copy of the database, while it is in use."""
        copy_to(self._connection, path)

    def totals(self, table: str) -> list[tuple[str, str | None, int]]:
        """How many rows of `runs` or `attempts` have which state and result."""
        assert table in ("runs", "attempts")
        text = f"SELECT state, result, count(*) FROM {table} GROUP BY 1, 2 ORDER BY 1, 2"
        return list(self._connection.execute(text))

    def settings_of(self, job_id: int, version: int) -> dict[str, Any] | None:
        """What a job was in an earlier version."""
        found = self._connection.execute(
            "SELECT settings FROM job_versions WHERE job_id = ? AND version = ?", (job_id, version)
        ).fetchone()
        return None if found is None else dict(json.loads(found[0]))


class Store(Reader):
    """Writes `jobs.db`; there is one in the server that holds the home's lock.

    Args:
        path: The database; made if it is not there, brought to this format if it is older.
    """

    def __init__(self, path: Path) -> None:
        self._next = self._kept = 0
        super().__init__(path)
        upgrade(self._connection, path)
        (self._next,) = self._connection.execute("SELECT next FROM ids").fetchone()
        self._kept = self._next

    def _connect(self, path: Path) -> sqlite3.Connection:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.DatabaseError:
            return connection  # the reader's constructor says what is wrong with it
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything that is written inside is there afterwards, or nothing of it."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            if self._next != self._kept:
                self._connection.execute("UPDATE ids SET next = ?", (self._next,))
            self._connection.execute("COMMIT")
        except BaseException as error:
            if self._connection.in_transaction:  # a full disk has ended it already
                self._connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError):
                raise StorageError(
                    f"The database of jobs could not be written: {error}.",
                    hint="Mend that, such as a full disk, and start the server again: it goes on.",
                ) from error
            raise
        self._kept = self._next

    @contextmanager
    def part(self) -> Iterator[None]:
        """A part of a transaction, of which nothing stays if it fails."""
        self._connection.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK TO part")
                self._connection.execute("RELEASE part")
            raise
        self._connection.execute("RELEASE part")

    def make_durable(self) -> None:
        """Waits until all transactions so far are on the disk."""
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("UPDATE ids SET next = next")
        self._connection.execute("PRAGMA synchronous = NORMAL")

    def new_id(self) -> int:
        """An id that no job, run or attempt has; kept by the transaction around it."""
        self._next += 1
        return int(self._next - 1)

    def insert(self, row: AnyRow) -> int:
        """Adds a row.

        Returns:
            Its key.
        """
        return int(self._insert("INSERT", row).lastrowid or 0)

    def insert_new(self, row: AnyRow) -> int | None:
        """Adds a row unless one of the same kind is there that must be the only one.

        Returns:
            Its key; None if it was there.
        """
        found = self._insert("INSERT OR IGNORE", row)
        return int(found.lastrowid or 0) if found.rowcount else None

    def put(self, row: AnyRow) -> None:
        """Adds a row, or writes it in the place of the one with its key."""
        self._insert("INSERT OR REPLACE", row)

    def _insert(self, verb: str, row: AnyRow) -> sqlite3.Cursor:
        table = _OF[type(row)]
        columns = [c for c in table.columns if c not in ("sequence", "tick_id")]
        names = ", ".join(f'"{column}"' for column in columns)
        marks = ", ".join("?" for _ in columns)
        values = [table.write(column, getattr(row, column)) for column in columns]
        return self._connection.execute(
            f"{verb} INTO {table.name} ({names}) VALUES ({marks})", values
        )

    def seen_files(self, trigger_id: str) -> set[str]:
        """Names of files that have begun a run, or were there before the trigger was."""
        text = "SELECT name FROM seen_files WHERE trigger_id = ?"
        return {name for (name,) in self._connection.execute(text, (trigger_id,))}

    def see_files(self, trigger_id: str, names: Sequence[str]) -> None:
        """Remembers names of files."""
        self._connection.executemany(
            "INSERT OR IGNORE INTO seen_files VALUES (?, ?)",
            [(trigger_id, writable(n)) for n in names],
        )

    def forget_files(self, trigger_id: str) -> None:
        """Forgets the files of a trigger that is no more."""
        self._connection.execute("DELETE FROM seen_files WHERE trigger_id = ?", (trigger_id,))

    def update(self, row: type[Any], key: int, **changes: Any) -> None:
        """Changes columns of a row."""
        table = _OF[row]
        sets = ", ".join(f'"{column}" = ?' for column in changes)
        values = [table.write(column, value) for column, value in changes.items()]
        self._connection.execute(
            f"UPDATE {table.name} SET {sets} WHERE {table.key} = ?", [*values, key]
        )

    def replace(self, row: JobRow | RunRow | AttemptRow | RepairRow) -> None:
        """Writes all columns of a row that is there."""
        key = _OF[type(row)].key
        changes = {name: getattr(row, name) for name in row.__slots__ if name != key}
        self.update(type(row), getattr(row, key), **changes)

    def delete(self, row: type[Any], where: str, values: Sequence[Any]) -> None:
        """Removes rows for which a condition holds."""
        self._connection.execute(f"DELETE FROM {_OF[row].name} WHERE {where}", values)

    def keep_version(self, job: JobRow, changed: int) -> None:
        """Remembers what a job is in its present version."""
        self._connection.execute(
            "INSERT INTO job_versions VALUES (?, ?, ?, ?)",
            (job.job_id, job.version, json.dumps(job.settings), changed),
        )

    def begin_after(self, sequence: int, key: int) -> None:
        """Gives new events, jobs, runs and attempts numbers above those that others have seen.

        Args:
            sequence: Of an event.
            key: Id of a job, run or attempt.
        """
        changed = self._connection.execute(
            "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'events'", (sequence,)
        )
        if not changed.rowcount:
            self._connection.execute(
                "INSERT INTO sqlite_sequence VALUES ('events', ?)", (sequence,)
            )
        self._next = max(self._next, key + 1)
