"""The two leases; the one that expires by a clock that moves only when somebody waits."""

from __future__ import annotations

import errno
import threading
from datetime import UTC, datetime

import pytest

from lakeflow.core.clock import FixedClock
from lakeflow.core.errors import Interrupted, LeaseHeld, LeaseLost
from lakeflow.engine.lease import ExpiringLease, LockLease
from lakeflow.tables.store import LocalStore

SECONDS = 30.0


class Observed(FixedClock):
    """Does something at its first sleep."""

    then = staticmethod(lambda: None)

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        action, self.then = self.then, lambda: None
        action()


@pytest.fixture
def clock() -> Observed:
    return Observed(datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
def store(tmp_path) -> LocalStore:
    return LocalStore(tmp_path)


def lease(store: LocalStore, clock: FixedClock) -> ExpiringLease:
    return ExpiringLease(store, "pipeline", clock, SECONDS)


def test_it_is_taken_over_when_it_has_expired(store, clock):
    first = lease(store, FixedClock(clock.now()))
    began = clock.monotonic()
    second = lease(store, clock)
    assert SECONDS < clock.monotonic() - began < SECONDS + 1
    assert (first.epoch, second.epoch) == (1, 2)
    second.check()
    with pytest.raises(LeaseLost, match="Epoch 1"):
        first.check()
    assert not first.renew()


class Unsteady(LocalStore):
    """Fails at the third write, the first after it was taken, and tells of the fourth."""

    def __init__(self, root):
        super().__init__(root)
        self.writes = 0
        self.fourth = threading.Event()

    def put_if_absent(self, path, data, step=None):
        self.writes += 1
        if self.writes == 3:
            raise OSError(errno.EIO, "the disk is away")
        written = super().put_if_absent(path, data, step)
        if self.writes == 4:
            self.fourth.set()
        return written


def test_a_renewal_that_fails_is_tried_again(tmp_path, clock):
    store = Unsteady(tmp_path)
    held = ExpiringLease(store, "pipeline", clock, 0.03)
    assert store.fourth.wait(60)
    held.check()
    held.release()


def test_whoever_waits_for_it_can_be_stopped(store, clock):
    lease(store, FixedClock(clock.now()))
    began = clock.monotonic()

    def stop():
        raise Interrupted

    with pytest.raises(Interrupted):
        ExpiringLease(store, "pipeline", clock, SECONDS, stop)
    assert clock.monotonic() - began < 1


def test_whoever_renews_it_keeps_it(store, clock):
    first = lease(store, FixedClock(clock.now()))
    clock.then = first.renew
    with pytest.raises(LeaseHeld, match="Another update"):
        lease(store, clock)
    first.check()


def test_one_that_was_given_up_is_free_at_once(store, clock):
    lease(store, FixedClock(clock.now())).release()
    began = clock.monotonic()
    assert lease(store, clock).epoch == 2
    assert clock.monotonic() == began


def test_it_ends_for_its_holder_when_it_was_not_renewed(store, clock):
    held = lease(store, clock)
    clock.sleep(SECONDS - 1)
    held.check()
    assert held.renew()
    clock.sleep(SECONDS - 1)
    held.check()
    clock.sleep(2)
    with pytest.raises(LeaseLost, match="not renewed"):
        held.check()
    assert not held.renew()


def test_two_that_wait_get_epochs_of_their_own(store, clock):
    lease(store, FixedClock(clock.now()))
    others = []
    clock.then = lambda: others.append(lease(store, Observed(clock.now())))
    late = lease(store, clock)
    assert (others[0].epoch, late.epoch) == (2, 3)
    with pytest.raises(LeaseLost):
        others[0].check()


def test_a_lock_that_could_not_be_recorded_is_given_back(store, tmp_path):
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "epochs").write_text("in the way of a folder")
    with pytest.raises(FileExistsError):
        LockLease(store, "pipeline")
    (tmp_path / "pipeline" / "epochs").unlink()
    held = LockLease(store, "pipeline")
    with pytest.raises(LeaseHeld, match="Another update"):
        LockLease(store, "pipeline")
    held.release()
    LockLease(store, "pipeline").release()
