"""Who may write a pipeline's tables now.

Every taking of a lease takes the next epoch, a number that only grows. The lock ends with the
process that holds it, so nothing of an earlier epoch can still be writing. The expiring lease is
for places without locks: its holder renews it, and whoever takes it over must fence every table
before reading any record (`lakeflow.engine.batch`).
"""

from __future__ import annotations

import fcntl
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from lakeflow.core.clock import Clock
from lakeflow.core.errors import LeaseHeld, LeaseLost
from lakeflow.core.failpoints import failpoint
from lakeflow.engine.records import decode_state, encode_state
from lakeflow.tables.store import LocalStore, Store


class Lease(Protocol):
    """The right to write, under an epoch."""

    epoch: int
    needs_fence: bool
    """Whether an earlier holder might still be writing."""

    def check(self) -> None:
        """Raises `LeaseLost` if it is known to be over."""

    def release(self) -> None:
        """Gives it up."""


def _take_epoch(store: Store, folder: str) -> int:
    """Writes the record of the next epoch; the newest one is kept."""
    while True:
        names = store.list_from(folder)
        epochs = [int(name.split(".")[0]) for name in names]
        epoch = max(epochs, default=0) + 1
        if store.put_if_absent(f"{folder}/{epoch:012d}.json", encode_state(_holder())):
            for name, number in zip(names, epochs, strict=True):
                if number < epoch - 1:
                    store.delete(f"{folder}/{name}")
            return epoch


def _holder() -> dict[str, str | int]:
    return {"host": socket.gethostname(), "process": os.getpid()}


class NoLease:
    """The lease of one who only looks."""

    epoch = 0
    needs_fence = False

    def check(self) -> None:
        """Whoever only looks may always look."""

    def release(self) -> None:
        """There is nothing to give up."""


class LockLease:
    """A lock of the operating system.

    Args:
        store: Where the pipeline's state lies.
        folder: The pipeline's folder.

    Raises:
        LeaseHeld: Another process holds it.
    """

    needs_fence = False

    def __init__(self, store: LocalStore, folder: str) -> None:
        path = Path(store.url(folder)) / "lock"
        store.make_folder(path.parent)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            self._lock()
            self.epoch = _take_epoch(store, f"{folder}/epochs")
        except BaseException:  # or this process would go on holding what it could not take
            os.close(self._descriptor)
            raise
        failpoint("lease.acquired")

    def _lock(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(self._descriptor, 100).decode(errors="replace")
            raise LeaseHeld(
                f"Another update of this pipeline is running (process {holder or 'unknown'}).",
                hint="Wait for it to end, or stop it.",
            ) from error
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, str(os.getpid()).encode(), 0)

    def check(self) -> None:
        """A lock lasts as long as its process."""

    def release(self) -> None:
        """Lets the next one in."""
        os.close(self._descriptor)


class ExpiringLease:
    """A record that is renewed; a holder that stops renewing it is taken to be gone.

    The one who waits measures with its own clock for how long the newest record has not changed,
    so that clocks of two machines need not agree.

    Args:
        store: Where the pipeline's state lies.
        folder: The pipeline's folder.
        clock: Measures.
        seconds: How long a record counts.
        check_stopped: Raises if nobody wants it any more.

    Raises:
        LeaseHeld: Another process holds it, and renews it.
    """

    needs_fence = True

    def __init__(
        self,
        store: Store,
        folder: str,
        clock: Clock,
        seconds: float,
        check_stopped: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._folder = f"{folder}/lease"
        self._clock = clock
        self._seconds = seconds
        self._renewals = 0
        self._ended = threading.Event()
        self._wait_for_holder(check_stopped)
        self.epoch = _take_epoch(store, f"{folder}/epochs")
        self._deadline = clock.monotonic() + seconds  # not later than a waiter would count
        self._write(released=False)
        failpoint("lease.acquired")
        self._thread = threading.Thread(target=self._keep_renewing, name="lease", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raises `LeaseLost` when it has run out or another epoch has begun."""
        if self._is_over():
            raise LeaseLost(f"Epoch {self.epoch} of this pipeline's lease is over.")
        if self._clock.monotonic() > self._deadline:
            raise LeaseLost(f"The lease of epoch {self.epoch} was not renewed in time.")

    def release(self) -> None:
        """Says that it need not be waited for."""
        self._ended.set()
        self._thread.join()
        self._write(released=True)

    def _newest(self) -> str | None:
        names = self._store.list_from(self._folder)
        return names[-1] if names else None

    def _wait_for_holder(self, check_stopped: Callable[[], None]) -> None:
        seen = self._newest()
        since = self._clock.monotonic()
        while seen is not None:
            path = f"{self._folder}/{seen}"
            try:
                record = decode_state(self._store.read(path), path)
            except FileNotFoundError:
                record = {"released": False, "seconds": self._seconds}
            if record["released"] or self._clock.monotonic() - since > record["seconds"]:
                return
            check_stopped()
            self._clock.sleep(min(0.05, record["seconds"] / 10))
            newest = self._newest()
            if newest != seen:
                if newest is not None and newest.split(".")[0] == seen.split(".")[0]:
                    raise LeaseHeld(
                        "Another update of this pipeline is running.",
                        hint="Wait for it to end, or stop it.",
                    )
                seen, since = newest, self._clock.monotonic()

    def renew(self) -> bool:
        """Makes it last longer; False if it is over."""
        before = self._clock.monotonic()
        if self._is_over() or before > self._deadline:
            return False
        self._write(released=False)
        self._deadline = before + self._seconds
        return True

    def _keep_renewing(self) -> None:
        going_on = True
        while going_on and not self._ended.wait(self._seconds / 3):
            try:
                going_on = self.renew()
            except OSError:  # What fails now may work at the next turn; the deadline decides.
                going_on = self._clock.monotonic() <= self._deadline

    def _is_over(self) -> bool:
        newest = self._newest()
        return newest is not None and int(newest.split(".")[0]) > self.epoch

    def _write(self, *, released: bool) -> None:
        self._renewals += 1
        names = self._store.list_from(self._folder)
        record = encode_state({**_holder(), "seconds": self._seconds, "released": released})
        self._store.put_if_absent(
            f"{self._folder}/{self.epoch:012d}.{self._renewals:09d}.json", record
        )
        for name in names:
            if int(name.split(".")[0]) <= self.epoch:
                self._store.delete(f"{self._folder}/{name}")
