"""A server without its HTTP: the scheduler, what it runs, and the lock on its folder."""

from __future__ import annotations

import getpass
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from lakeflow.core.clock import Clock, SystemClock
from lakeflow.core.errors import LakeflowError
from lakeflow.core.settings import Settings
from lakeflow.jobs.home import Home, HomeLock
from lakeflow.jobs.rows import JobEvent
from lakeflow.jobs.scheduler import SLOTS, Scheduler
from lakeflow.jobs.store import Reader, Store
from lakeflow.jobs.turn import Turn
from lakeflow.jobs.workers.pool import Workers
from lakeflow.jobs.workers.tasks.context import Given
from lakeflow.server.alerts import AlertTask
from lakeflow.server.delivery import Delivery
from lakeflow.server.freshness import Freshness
from lakeflow.server.inline import Dispatch, InlineRunner, Task
from lakeflow.server.localise import localised, saved_query
from lakeflow.server.publisher import SECONDS, Publication, Publisher
from lakeflow.server.senders import Mail, send_webhook
from lakeflow.server.senses import Senses
from lakeflow.server.tasks import SqlTask

Answer = TypeVar("Answer")

_GIVEN = Given(
    {"pipeline_task": "lakeflow.server.tasks:run_pipeline"},
    engine="lakeflow.server.notebooks:open_engine",
)


def _quick(settings: Settings) -> dict[str, Callable[[], Task]]:
    """What runs on threads of the server, by type of task."""
    return {
        "sql_task": partial(SqlTask, settings),
        "alert_task": partial(AlertTask, settings),
    }


class Server:
    """Runs jobs in this process, until it is closed.

    Args:
        folder: Its home.
        settings: Of the lakehouse that its tasks read and write.
        address: Where its API is, for those who meet its lock.
        listeners: Told of every event, on the thread of the scheduler.
        clock: What time it is.
        slots: Tasks that run at the same time.
        triggers: Whether schedules and the like begin runs.
        publish_seconds: How long an event waits until it is in the tables of the history.

    Raises:
        ConflictError: Another server is at work in this home.
    """

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        *,
        address: str = "",
        listeners: Sequence[Callable[[JobEvent], None]] = (),
        clock: Clock | None = None,
        slots: int = SLOTS,
        triggers: bool = True,
        publish_seconds: float = SECONDS,
    ) -> None:
        self.home = Home(folder.absolute())
        self.settings = settings
        self._lock = HomeLock(self.home, {"address": address})
        clock = clock or SystemClock()
        mail = Mail(settings.smtp_url, settings.mail_from)
        self._delivery = Delivery(
            self.reader,
            self.ask,
            clock,
            {"webhook": send_webhook, "email": mail},
            lambda: address,
        )
        self._workers = Workers(str(self.home.database), _GIVEN, at_most=slots)
        quick = _quick(settings)
        inline, types = InlineRunner(quick, slots), frozenset(quick)
        localise = partial(localised, self.home)
        self._runner = Dispatch(inline, types, self._workers, settings.environment(), localise)
        self.publisher: Publisher | None = None
        try:
            self._store = Store(self.home.database)
            self.scheduler = Scheduler(
                self._store,
                self._runner,
                self.home,
                clock,
                slots=slots,
                listeners=[self._publish, *listeners],
                triggers=triggers,
                posted=self._delivery.wake,
            )
            self.scheduler.recover()
        except BaseException:
            self._runner.close()
            self._lock.release()
            raise
        self.publisher = Publisher(Publication(self.home, settings, clock), publish_seconds)
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._serve, name="scheduler", daemon=True)
        self._thread.start()
        self._delivery.start()
        saved = partial(saved_query, self.home)
        self._senses = Senses(self.scheduler, settings, saved) if triggers else None
        self._freshness = Freshness(self.scheduler, self.home, settings) if triggers else None

    def _publish(self, event: JobEvent) -> None:
        if self.publisher is not None:
            self.publisher.heard(event)

    def _serve(self) -> None:
        try:
            self.scheduler.serve()
        except BaseException as error:
            # What is in memory may no longer be what is on disk; the next server begins from that.
            self.failure = error
            self.scheduler.give_up(error)

    def ask(self, call: Callable[[Turn], Answer]) -> Answer:
        """Has something done by the scheduler; returns once it is durable.

        Raises:
            LakeflowError: The scheduler had to stop.
        """
        if self.failure is not None:
            raise LakeflowError(f"The server has stopped: {self.failure}.") from self.failure
        return self.scheduler.ask(call).result()

    @property
    def user(self) -> str:
        """Who works here: there is one user, whoever started the server."""
        try:
            return getpass.getuser()
        except (KeyError, OSError):  # a user id without a name, as in containers
            return "me"

    def reader(self) -> Reader:
        """Reads what it knows; one for each thread, closed by whoever asked for it."""
        return Reader(self.home.database)

    def end_cluster(self, name: str) -> None:
        """Ends a process that tasks share, once those that it was given have ended."""
        self._runner.end_cluster(name)

    def wait(self) -> None:
        """Waits until the scheduler has ended, by itself or because it was closed."""
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stops every task, without an end to its run; the next server goes on with them.

        What somebody is to be told now is waited for, some seconds at most.
        """
        for looking in (self._senses, self._freshness):
            if looking is not None:
                looking.close()
        self._delivery.close()
        self.scheduler.close()
        self._thread.join()
        self._runner.close()
        if self.publisher is not None:
            self.publisher.close()
        self._store.close()
        self._lock.release()
