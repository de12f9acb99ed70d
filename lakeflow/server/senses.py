"""Looks outside for triggers: at files that arrive, versions of tables, answers of queries."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lakeflow.core.errors import LakeflowError
from lakeflow.core.names import TableName
from lakeflow.core.settings import Settings
from lakeflow.jobs.event_triggers import TableVersion
from lakeflow.jobs.scheduler import Scheduler
from lakeflow.jobs.triggers import FileArrival, TableUpdate, Trigger
from lakeflow.jobs.watch import POLL, Sight


class Senses:
    """A thread that looks every few seconds, if there is a trigger that waits for more than time.

    Args:
        scheduler: Is told what was found.
        settings: Which lakehouse.
        seconds: Between two looks.
    """

    def __init__(
        self, scheduler: Scheduler, settings: Settings, seconds: float = POLL / 1000
    ) -> None:
        self._scheduler = scheduler
        self._settings = settings
        self._seconds = seconds
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="senses", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._closed.wait(self._seconds):
            self.look()

    def look(self) -> None:
        """Looks once for every trigger for which it is time."""
        watch = self._scheduler.watch
        wanted = self._scheduler.ask(lambda turn: watch.to_look_for(turn.now)).result()
        for name, trigger in wanted.items():
            sight = self._sight(trigger)
            self._scheduler.ask(lambda turn, n=name, s=sight: watch.saw(turn, n, s)).result()  # type: ignore[misc]

    def _sight(self, trigger: Trigger) -> Sight:
        rows: Sequence[Sequence[Any]] | None = None
        try:
            if trigger.condition is not None:
                rows = self._answer(trigger.condition.query_id)
            match trigger.rule:
                case FileArrival(url):
                    return Sight(files=files_in(url), rows=rows)
                case TableUpdate(tables):
                    return Sight(tables=self._versions(tables), rows=rows)
        except (LakeflowError, OSError) as error:
            return Sight(failure=str(error))
        return Sight(rows=rows)

    def _answer(self, query_id: str) -> list[list[Any]]:
        from lakeflow.core.arrow import from_arrow
        from lakeflow.core.values import json_value
        from lakeflow.engine.session import Session

        found = Session(self._settings).query(Path(query_id).read_text(encoding="utf-8"))
        kinds = [from_arrow(kind) for kind in found.schema.types]
        return [
            [json_value(value, kind) for value, kind in zip(row, kinds, strict=True)]
            for batch in found
            for row in zip(*(column.to_pylist() for column in batch.columns), strict=True)
        ]

    def _versions(self, tables: Sequence[str]) -> dict[str, TableVersion]:
        from lakeflow.catalog.places import place_of
        from lakeflow.tables.store import LocalStore
        from lakeflow.tables.table import Table

        store = LocalStore(self._settings.lakehouse)
        found: dict[str, TableVersion] = {}
        for name in tables:
            table = Table(store, place_of(TableName.parse(name)))
            if table.exists():
                version = table.snapshot().version
                found[name] = TableVersion(version, _committed(table.commits(version, version)))
        return found

    def close(self) -> None:
        """Looks no more."""
        self._closed.set()
        self._thread.join()


def files_in(url: str) -> Mapping[str, str]:
    """The files in a folder and below it, each with a mark that changes when it does.

    Raises:
        OSError: The folder cannot be read.
    """
    root = url.removeprefix("file:") or "/"
    root = "/" + root.lstrip("/") if root.startswith("//") else root
    found: dict[str, str] = {}
    waiting = [root]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir():
                    waiting.append(entry.path)
                elif entry.is_file():
                    about = entry.stat()
                    found[entry.path] = f"{about.st_size} {about.st_mtime_ns}"
    return found


def _committed(commits: Sequence[tuple[int, Sequence[Mapping[str, Any]]]]) -> datetime | None:
    for _, actions in commits:
        for action in actions:
            instant = action.get("commitInfo", {}).get("timestamp")
            if instant is not None:
                return datetime.fromtimestamp(int(instant) / 1000, UTC)
    return None
