"""Delivers what is in the outbox, one notice at a time to each recipient."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from lakeflow.core.clock import Clock
from lakeflow.core.failpoints import failpoint
from lakeflow.jobs.outbox import delivered, destination_of, due_notices, failed, next_due
from lakeflow.jobs.rows import NoticeRow
from lakeflow.jobs.store import Reader
from lakeflow.jobs.turn import Turn
from lakeflow.server.senders import Message, NotSent, Sender

Ask = Callable[[Callable[[Turn], None]], None]
"""Has something done by the scheduler; returns once it is durable."""

AT_ONCE = 8
"""Recipients that are told something at the same time."""

PATIENCE = 3.0
"""Seconds that a server that ends waits for what is on its way."""


class Delivery:
    """A thread that looks into the outbox when it is woken, and when a notice is due again.

    Args:
        open_reader: Opens what reads the outbox.
        ask: Records what has become of a notice.
        clock: What time it is.
        senders: What delivers each kind of notice.
        address: Tells where people see runs; empty if nowhere.
    """

    def __init__(
        self,
        open_reader: Callable[[], Reader],
        ask: Ask,
        clock: Clock,
        senders: Mapping[str, Sender],
        address: Callable[[], str] = lambda: "",
    ) -> None:
        self._open_reader = open_reader
        self._ask = ask
        self._clock = clock
        self._senders = senders
        self._address = address
        self._underway: set[tuple[str, str]] = set()
        self._changed = threading.Condition()
        self._woken = True
        self._closing = self._over = False
        self._thread = threading.Thread(target=self._run, name="delivery", daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def wake(self) -> None:
        """Has it look; called from any thread."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def close(self, patience: float = PATIENCE) -> None:
        """Ends once everything that is due is told, or after some seconds.

        What is left is told by the next server.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(patience)
        with self._changed:
            self._over = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        with closing(self._open_reader()) as reader:
            while not self._over:
                with self._changed:
                    self._woken = False
                wait = self.look(reader)
                with self._changed:
                    if self._woken:
                        continue
                    if self._closing and not self._underway:
                        return
                    if not self._over:
                        self._changed.wait(wait)

    def look(self, reader: Reader) -> float | None:
        """Begins to deliver what is due.

        Returns:
            Seconds until something else will be.
        """
        # Before the outbox is read: what ends meanwhile is read as it has ended.
        with self._changed:
            busy = set(self._underway)
        now = int(self._clock.now().timestamp() * 1000)
        for notice in due_notices(reader, now):
            who = notice.kind, notice.recipient
            if who in busy:
                continue
            if len(busy) == AT_ONCE:
                break
            busy.add(who)
            with self._changed:
                self._underway.add(who)
            message = Message(
                notice,
                self._said(notice),
                destination_of(reader, notice) if notice.kind == "webhook" else None,
            )
            # Of its own, for one that hangs must not keep the process from ending.
            name = f"notice-{notice.sequence}"
            threading.Thread(target=self._deliver, args=[message], name=name, daemon=True).start()
        due = next_due(reader, now)
        return None if due is None else max(due - now, 0) / 1000

    def _said(self, notice: NoticeRow) -> dict[str, Any]:
        """The notice as it is sent: its id first, by which a receiver knows it again."""
        created = datetime.fromtimestamp(notice.created / 1000, UTC)
        said = {"notice_id": notice.notice_id, "timestamp": created.isoformat(), **notice.body}
        if address := self._address():
            run = notice.attempt or notice.run_id
            said["run_page_url"] = f"{address}/#job/{notice.job_id}/run/{run}"
        return said

    def _deliver(self, message: Message) -> None:
        notice = message.notice
        failure = self._failure(message)
        failpoint("jobs.notice.sent")
        known = True
        try:
            if failure is None:
                self._ask(lambda turn: delivered(turn, notice))
            else:
                why, for_good = failure.message, failure.for_good
                self._ask(lambda turn: failed(turn, notice, why, for_good=for_good))
        except Exception:
            known = False  # The scheduler has ended; the next one tries again.
        with self._changed:
            self._underway.discard((notice.kind, notice.recipient))
            self._over |= not known
            self._woken = True
            self._changed.notify_all()

    def _failure(self, message: Message) -> NotSent | None:
        try:
            self._senders[message.notice.kind](message)
        except NotSent as error:
            return error
        except Exception as error:
            return NotSent(f"{type(error).__name__} was raised here.")
        return None
