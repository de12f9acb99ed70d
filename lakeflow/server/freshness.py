"""Tells when a table is older than its project allows, and when it is new again."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from lakeflow.core.errors import LakeflowError
from lakeflow.core.names import TableName
from lakeflow.core.settings import Settings
from lakeflow.jobs.freshness import KIND, freshness
from lakeflow.jobs.home import Home
from lakeflow.jobs.model import JsonValue
from lakeflow.jobs.rows import DocumentRow
from lakeflow.jobs.scheduler import Scheduler
from lakeflow.jobs.store import Reader
from lakeflow.jobs.turn import Turn

SECONDS = 60.0
"""Between two looks."""


def expect(turn: Turn, source: str, settings: Mapping[str, JsonValue]) -> str:
    """Has a table be looked at from now on.

    Args:
        turn: The transaction.
        source: The project that says so.
        settings: The table, and how old it may be.

    Returns:
        What that is known by.

    Raises:
        ConfigurationError: The settings are not valid.
    """
    read = freshness(str(settings.get("table", "")), str(settings.get("age", "")))
    key = f"{KIND}/{source}/{read['table']}"
    found = turn.store.find(DocumentRow, key)
    if found is None or found.value["seconds"] != read["seconds"]:
        turn.store.put(DocumentRow(key, KIND, {**read, "stale": False}, turn.now))
    return key


def forget(turn: Turn, key: str) -> None:
    """Has a table be looked at no more."""
    turn.store.delete(DocumentRow, "key = ?", (key,))


def judge(turn: Turn, key: str, written: datetime | None) -> None:
    """Tells of a table that has become stale, or fresh again.

    Args:
        turn: The transaction.
        key: What `expect` has returned.
        written: When its rows have changed last; None if there is no table.
    """
    found = turn.store.find(DocumentRow, key)
    if found is None:
        return
    table, age = found.value["table"], found.value["age"]
    then = None if written is None else int(written.timestamp() * 1000)
    stale = then is None or turn.now - then > found.value["seconds"] * 1000
    if stale == found.value["stale"]:
        return
    turn.store.put(DocumentRow(key, KIND, {**found.value, "stale": stale}, turn.now))
    said = "is not there" if written is None else f"has its last change from {written:%F %T} UTC"
    end = f", and must not be older than {age}." if stale else f": it is newer than {age} again."
    about = {"table": table, "seconds": found.value["seconds"], "written": then}
    turn.tell("table.stale" if stale else "table.fresh", f"{table} {said}{end}", details=about)


class Freshness:
    """A thread that looks at the tables every minute, if a project expects something of them.

    Args:
        scheduler: Is told what was found.
        home: Whose projects.
        settings: Which lakehouse.
        seconds: Between two looks.
    """

    def __init__(
        self, scheduler: Scheduler, home: Home, settings: Settings, seconds: float = SECONDS
    ) -> None:
        self._scheduler = scheduler
        self._home = home
        self._settings = settings
        self._seconds = seconds
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="freshness", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._closed.wait(self._seconds):
            self.look()

    def look(self) -> None:
        """Looks once at each table that something is expected of."""
        with closing(Reader(self._home.database)) as reader:
            expected = reader.select(DocumentRow, "kind = ? ORDER BY key", (KIND,))
        for each in expected:
            try:
                written = last_change(self._settings, TableName.parse(each.value["table"]))
            except (LakeflowError, OSError):
                continue  # what cannot be read now is neither new nor old
            self._tell(each.key, written)

    def _tell(self, key: str, written: datetime | None) -> None:
        try:
            self._scheduler.ask(lambda turn: judge(turn, key, written)).result()
        except LakeflowError:
            return  # the server is closing

    def close(self) -> None:
        """Looks no more."""
        self._closed.set()
        self._thread.join()


def last_change(settings: Settings, name: TableName) -> datetime | None:
    """When the rows of a table have changed last; None if there is no table.

    Commits that only move rows, or change how a table is described, do not count. Where the log
    no longer holds one that does, it is the oldest one that it holds.
    """
    from lakeflow.catalog.places import place_of
    from lakeflow.tables.log import log_files, read_commit
    from lakeflow.tables.store import LocalStore

    store, place = LocalStore(settings.lakehouse), place_of(name)
    instant: datetime | None = None
    for version in reversed(log_files(store, place).commits):
        actions = list(read_commit(store, place, version))
        instant = _committed(actions) or instant
        if any(_changes_rows(action) for action in actions):
            break
    return instant


def _changes_rows(action: Mapping[str, Any]) -> bool:
    changed = action.get("add") or action.get("remove")
    return changed is not None and changed.get("dataChange", True)


def _committed(actions: list[dict[str, Any]]) -> datetime | None:
    for action in actions:
        if (instant := action.get("commitInfo", {}).get("timestamp")) is not None:
            return datetime.fromtimestamp(int(instant) / 1000, UTC)
    return None
