"""Looks outside for triggers: at files that arrive, versions of tables, answers of queries."""

from __future__ import annotations

import errno
import logging
import os
import stat
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lakeflow.core.errors import LakeflowError
from lakeflow.core.names import TableName
from lakeflow.core.settings import Settings
from lakeflow.jobs.scheduler import Scheduler
from lakeflow.jobs.timing.event_triggers import TableVersion
from lakeflow.jobs.timing.triggers import FileArrival, SqlCondition, TableUpdate, Trigger
from lakeflow.jobs.watch import POLL, Sight
from lakeflow.server.question import Question, json_rows

_LOG = logging.getLogger(__name__)


class Senses:
    """A thread that looks every few seconds, if there is a trigger that waits for more than time.

    Args:
        scheduler: Is told what was found.
        settings: Which lakehouse.
        saved: The text of a saved query, by its id.
        seconds: Between two looks.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        settings: Settings,
        saved: Callable[[str], str | None] = lambda _: None,
        seconds: float = POLL / 1000,
    ) -> None:
        self._scheduler = scheduler
        self._settings = settings
        self._saved = saved
        self._seconds = seconds
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="senses", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._closed.wait(self._seconds):
            try:
                self.look()
            except Exception:
                # Without this thread no trigger would fire any more, and nobody would know.
                _LOG.exception("Nothing could be looked for; it is tried again.")

    def look(self) -> None:
        """Looks once for every trigger for which it is time."""
        watch = self._scheduler.watch
        wanted = self._scheduler.ask(lambda turn: watch.to_look_for(turn.now)).result()
        for name, trigger in wanted.items():
            try:
                self._look_for(name, trigger)
            except Exception:
                job, _, rule = name.partition("/")
                said = "Trigger %s of job %s could not be looked at; it is tried again."
                _LOG.exception(said, rule, job)

    def _look_for(self, name: str, trigger: Trigger) -> None:
        sight = self._sight(trigger)
        if self._tell(name, sight) and trigger.condition is not None:
            self._tell(name, self._asked(sight, trigger.condition))

    def _tell(self, name: str, sight: Sight) -> bool:
        watch = self._scheduler.watch
        return self._scheduler.ask(lambda turn: watch.saw(turn, name, sight)).result()

    def _sight(self, trigger: Trigger) -> Sight:
        try:
            match trigger.rule:
                case FileArrival(url):
                    return Sight(files=files_in(url))
                case TableUpdate(tables):
                    return Sight(tables=self._versions(tables))
        except (LakeflowError, OSError):
            return Sight(hidden=True)
        return Sight()

    def _asked(self, sight: Sight, condition: SqlCondition) -> Sight:
        try:
            return replace(sight, rows=self._answer(condition.query_id))
        except (LakeflowError, OSError) as error:
            return replace(sight, unanswered=str(error))

    def _answer(self, query_id: str) -> list[list[Any]]:
        text = self._saved(query_id) or Path(query_id).read_text(encoding="utf-8")
        return [row for batch in Question(self._settings).ask(text) for row in json_rows(batch)]

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
    r"""The files in a folder and below it, each with a mark that changes when it does.

    Links to files are followed, links to folders are not, since they may lead in a circle. Of a
    name that is no text, the bytes are written as `\xe9`. A folder that is not there is empty.

    Raises:
        OSError: The folder cannot be read.
    """
    root = url.removeprefix("file:") or "/"
    root = "/" + root.lstrip("/") if root.startswith("//") else root
    found: dict[str, str] = {}
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    elif mark := _mark(entry):
                        found[_text(entry.path)] = mark
        except FileNotFoundError:
            continue
        except OSError as error:
            if folder == root:
                raise
            _LOG.warning("Files in %s are not seen: %s.", _text(folder), error.strerror)
    return found


def _mark(entry: os.DirEntry[str]) -> str:
    """Size and time of a file; nothing if it is none, or no longer there."""
    try:
        about = entry.stat()
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ELOOP):
            _LOG.warning("The file %s is not seen: %s.", _text(entry.path), error.strerror)
        return ""
    return f"{about.st_size} {about.st_mtime_ns}" if stat.S_ISREG(about.st_mode) else ""


def _text(path: str) -> str:
    return os.fsencode(path).decode(errors="backslashreplace")


def _committed(commits: Sequence[tuple[int, Sequence[Mapping[str, Any]]]]) -> datetime | None:
    for _, actions in commits:
        for action in actions:
            instant = action.get("commitInfo", {}).get("timestamp")
            if instant is not None:
                return datetime.fromtimestamp(int(instant) / 1000, UTC)
    return None
