"""Publishes what has happened as tables, in batches, each event once."""

from __future__ import annotations

import logging
import threading
from contextlib import closing
from typing import TYPE_CHECKING

from lakeflow.core.clock import Clock
from lakeflow.core.errors import LakeflowError, StateError
from lakeflow.core.failpoints import failpoint
from lakeflow.core.settings import Settings
from lakeflow.jobs.home import Home
from lakeflow.jobs.rows import JobEvent
from lakeflow.jobs.store import Reader
from lakeflow.server.history import TYPES, Row, rows_of

if TYPE_CHECKING:
    from lakeflow.engine.history import History

_LOG = logging.getLogger(__name__)

SECONDS = 15.0
"""How long an event waits for others at most."""

ENOUGH = 1_000
"""Events that do not wait for more."""

AT_ONCE = 10_000
"""Events of one batch."""

_WAITS = 16
"""How many times as long it waits after failures, at most."""


class Publication:
    """What has been published of a home's events, and how the rest of them is.

    Args:
        home: Whose events.
        settings: Of which lakehouse.
        clock: The time that commits carry.
    """

    def __init__(self, home: Home, settings: Settings, clock: Clock) -> None:
        self._home = home
        self._settings = settings
        self._clock = clock
        self._history: History | None = None
        self._published: dict[str, int] = {}

    def publish(self) -> None:
        """Publishes all events that are durable.

        Raises:
            StateError: More is published than has happened.
            StorageError: The lakehouse cannot be written.
        """
        with closing(Reader(self._home.database)) as reader:
            history = self._history or self._opened(reader)
            self._history = None  # unless all goes well: how far each table is has to be asked
            while self._publish_some(reader, history):
                pass
        history.follow_updates()
        self._history = history
        try:
            history.keep_up()
        except (LakeflowError, OSError) as error:
            _LOG.warning("The upkeep of the history failed and is tried again: %s", error)

    def _opened(self, reader: Reader) -> History:
        from lakeflow.engine.history import History
        from lakeflow.tables.store import LocalStore

        settings = self._settings
        seconds = settings.lease_seconds if settings.lease == "expiring" else None
        history = History(LocalStore(settings.lakehouse), self._clock, reader.home, seconds)
        self._published = history.published()
        newest, _ = reader.numbered()
        if (furthest := max(self._published.values())) > newest:
            raise StateError(
                f"{self._settings.lakehouse} has the history of {furthest} events of this home, "
                f"which knows {newest}.",
                hint="Stop the server and put the copy in its place with lakeflow jobs restore, "
                "which lets new events follow on those that are published.",
            )
        return history

    def _publish_some(self, reader: Reader, history: History) -> bool:
        """Publishes a batch; False if there was none."""
        marks = ", ".join("?" for _ in TYPES)
        where = f"sequence > ? AND type IN ({marks}) ORDER BY sequence LIMIT ?"
        after = min(self._published.values())
        events = reader.select(JobEvent, where, (after, *TYPES, AT_ONCE))
        if not events:
            return False
        failpoint("jobs.history.read")
        rows: dict[str, list[Row]] = {name: [] for name in self._published}
        for event in events:
            for table, row in rows_of(event, reader.home, reader.settings_of):
                if event.sequence > self._published[table]:
                    rows[table].append(row)
        last = events[-1].sequence
        history.append(last, rows)
        self._published = dict.fromkeys(self._published, last)
        return True


class Publisher:
    """A thread that publishes until it is closed.

    Args:
        publication: What it does.
        seconds: How long an event waits for others at most.

    Attributes:
        failure: Why nothing could be published lately.
    """

    def __init__(self, publication: Publication, seconds: float = SECONDS) -> None:
        self._publication = publication
        self._seconds = seconds
        self._waiting = 1  # of an earlier server there may be some
        self._closing = False
        self._woken = threading.Condition()
        self.failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self._thread.start()

    def heard(self, event: JobEvent) -> None:
        """Takes note that there is an event."""
        if event.type in TYPES:
            with self._woken:
                self._waiting += 1
                if self._waiting in (1, ENOUGH):
                    self._woken.notify()

    def close(self) -> None:
        """Publishes what is left, and ends."""
        with self._woken:
            self._closing = True
            self._woken.notify()
        self._thread.join()

    def _run(self) -> None:
        wait = self._seconds
        while self._batch_is_due(wait):
            try:
                self._publication.publish()
            except Exception as error:
                # The server goes on without it; whatever it was, it is tried again.
                if self.failure is None:
                    _LOG.warning("The history of jobs could not be published: %s", error)
                self.failure = error
                wait = min(2 * wait, _WAITS * self._seconds)
                with self._woken:
                    self._waiting = max(self._waiting, 1)
                    if self._closing:
                        return
            else:
                self.failure = None
                wait = self._seconds

    def _batch_is_due(self, seconds: float) -> bool:
        """Waits until something is to be published; False once there never will be."""
        with self._woken:
            self._woken.wait_for(lambda: self._waiting or self._closing)
            if not self._closing and self._waiting < ENOUGH:
                self._woken.wait_for(lambda: self._waiting >= ENOUGH or self._closing, seconds)
            due = self._waiting > 0
            self._waiting = 0
            return due
