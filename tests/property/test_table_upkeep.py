"""Upkeep beside writers and readers, cut off anywhere: what is still needed stays as it was."""

from __future__ import annotations

import contextlib
import os
import random
import tempfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakeflow.core.clock import FixedClock
from lakeflow.core.schema import Schema
from lakeflow.tables import upkeep
from lakeflow.tables.feed import FeedPosition, appended
from lakeflow.tables.log import Commit, DataFile, TableMetadata, log_files
from lakeflow.tables.store import LocalStore
from lakeflow.tables.table import Decision, Table

SCHEMA = Schema.from_ddl("x BIGINT")
LOG_DAYS, FILE_DAYS = 5, 3
NOBODY = 10**9
DAY = 86400


class Killed(BaseException):
    """The process is gone."""


class MortalStore(LocalStore):
    """A store whose process dies at one of its calls."""

    left: int | None = None

    def _live(self):
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Killed

    def put_if_absent(self, path, data, step=None):
        self._live()
        done = super().put_if_absent(path, data, step)
        self._live()
        return done

    def read(self, path):
        self._live()
        return super().read(path)

    def delete(self, path):
        self._live()
        super().delete(path)
        self._live()

    def make_durable(self, paths):
        self._live()
        super().make_durable(paths)


class World:
    """A table, what it must hold at each version, and those who use it."""

    def __init__(self, folder: Path) -> None:
        self.store = MortalStore(folder)
        self.clock = FixedClock(datetime.now(UTC))
        self.table = Table(self.store, "t")
        metadata = TableMetadata("id", SCHEMA, (), {}, 0)
        self.table.create(Commit("CREATE TABLE", metadata=metadata), self.now)
        self.made = 0
        self.pending: tuple[int, DataFile] | None = None
        self.versions: dict[int, Counter[int]] = {0: Counter()}
        self.times = {0: self.now}
        self.read = Counter()
        self.position: FeedPosition | None = None
        self.pins: list[int] = []

    @property
    def now(self) -> datetime:
        return self.clock.now()

    # What happens

    def append(self, _: int) -> None:
        """One file more; one that a crash has left undecided comes first."""
        self._stage()
        self._commit(lambda: None)

    def slow_append(self, number: int) -> None:
        """A writer that sleeps between its look at the table and its commit."""
        self._stage()
        other = World.__new__(World)
        other.__dict__ = {**self.__dict__, "table": Table(self.store, "t")}

        def meanwhile() -> None:
            other._commit(lambda: None, transaction="other")
            other.compact(number)
            other.checkpoint(number)
            self.clock.sleep(20 * DAY)
            other.clean(number)

        self._commit(meanwhile)

    def slow_compact(self, number: int) -> None:
        """A compaction that sleeps before its commit, while somebody else cleans up."""

        def rewrite(files, folder):
            made = self._rewrite(files, folder)
            self.clock.sleep(20 * DAY)
            self.vacuum(number)
            return made

        self.compact(number, rewrite)

    def compact(self, _: int, rewrite=None) -> None:
        before = self.table.snapshot().version
        rule = upkeep.Compaction(fewest=2)
        version = upkeep.compact(
            self.table, rule, rewrite or self._rewrite, lambda _: None, self.clock
        )
        if version is not None:
            assert version == before + 1
            self._happened(version, self.versions[before])

    def forget(self, _: int) -> None:
        upkeep.forget_compactions(self.store, "t")

    def checkpoint(self, _: int) -> None:
        upkeep.checkpoint(self.table)

    def clean(self, _: int) -> None:
        before = self.now - timedelta(days=LOG_DAYS)
        upkeep.clean_log(self.table, self._needed_by_readers(), before)

    def vacuum(self, _: int) -> None:
        before = self.now - timedelta(days=FILE_DAYS)
        upkeep.remove_files(self.table, self._needed_by_readers(), before, self._promised)

    def follow(self, number: int) -> None:
        """A streaming reader takes some files more."""
        newest = self.table.snapshot().version
        first = newest if self.position is None else self.position.first
        for version, count, file, is_last in appended(self.table, self.position, first, newest):
            self.read.update(self._rows(file))
            self.position = FeedPosition("id", None, first, version, None if is_last else count)
            number -= 1
            if number <= 0:
                return
        self.position = FeedPosition("id", None, first, newest)

    def pin(self, _: int) -> None:
        self.pins.append(self.table.snapshot().version)

    def release(self, _: int) -> None:
        self.pins = self.pins[1:]

    def wait(self, number: int) -> None:
        self.clock.sleep(number * DAY)

    # What must hold

    def check(self) -> None:
        fresh = Table(self.store, "t")
        newest = fresh.snapshot()
        committed = newest.transaction("writer") or 0
        if newest.version not in self.versions:  # The dead process had committed.
            last = max(self.versions)
            assert newest.version == last + 1
            rows = self.versions[last]
            if self.pending is not None and committed == self.pending[0]:
                rows = rows + Counter([committed])
            self._happened(newest.version, rows)
        if self.pending is not None and committed >= self.pending[0]:
            self.pending = None
        horizon = self.now - timedelta(days=FILE_DAYS)
        young = [version for version, time in self.times.items() if time >= horizon]
        at_horizon = max(min(young, default=max(self.versions) + 1) - 1, 0)
        oldest = min(at_horizon, self._needed_by_readers(), newest.version)
        for version in {oldest, (oldest + newest.version) // 2, newest.version, *self.pins}:
            found = Counter()
            for file in fresh.at(version).files:
                found.update(self._rows(file))
            assert found == self.versions[version], version
        if self.position is not None and self.position.files is None:
            assert self.read == self.versions[self.position.version]
        assert not self.read - self.versions[newest.version]
        assert set(range(oldest, newest.version + 1)) <= set(log_files(self.store, "t").commits)

    def revive(self) -> None:
        self.store.left = None
        self.table = Table(self.store, "t")

    # How

    def _stage(self) -> None:
        if self.pending is None:
            self.made += 1
            self.pending = (self.made, self._write(f"{self.made}.parquet", [self.made]))

    def _commit(self, meanwhile, transaction: str = "writer") -> None:
        batch, file = self.pending
        now = self.now
        asked = []

        def decide(snapshot):
            if (snapshot.transaction(transaction) or 0) >= batch:
                return Decision(None)
            if not asked:
                asked.append(True)
                meanwhile()
            adds = (file,) if transaction == "writer" else ()
            return Decision(Commit("WRITE", adds=adds, transactions={transaction: batch}))

        version, commit = self.table.commit(decide, now)
        if commit is not None:
            before = self.versions[version - 1]
            rows = before + Counter([batch] if transaction == "writer" else [])
            self._happened(version, rows, now)
        if transaction == "writer":
            self.pending = None

    def _happened(self, version: int, rows: Counter[int], now: datetime | None = None) -> None:
        self.versions[version] = rows
        self.times[version] = now or self.now

    def _write(self, name: str, rows: list[int]) -> DataFile:
        path = self.store.root / "t" / name
        path.parent.mkdir(exist_ok=True)
        pq.write_table(pa.table({"x": rows}), path)
        os.utime(path, (self.now.timestamp(),) * 2)
        return DataFile(name, path.stat().st_size, 0, len(rows), f'{{"numRecords":{len(rows)}}}')

    def _rewrite(self, files, folder):
        rows = [row for file in files for row in self._rows(file)]
        return [self._write(f"{folder}/{len(rows)}-{rows[0]}.parquet", rows)]

    def _rows(self, file: DataFile) -> list[int]:
        return pq.read_table(self.store.root / "t" / file.path)["x"].to_pylist()

    def _needed_by_readers(self) -> int:
        needed = [NOBODY, *self.pins]
        if self.position is not None:
            needed.append(self.position.version + (self.position.files is None))
        return min(needed)

    def _promised(self) -> frozenset[str]:
        staged = frozenset() if self.pending is None else {f"t/{self.pending[1].path}"}
        return upkeep.compacting(self.store, "t") | staged


ACTIONS = (
    "append append append follow compact checkpoint clean vacuum wait pin release forget "
    "slow_append slow_compact"
).split()


def live(seed: int) -> None:
    print(f"seed {seed}")
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        for _ in range(40):
            action = chance.choice(ACTIONS)
            world.clock.sleep(3600)
            # A reader's own crash is its pipeline's business: its position is what it committed.
            mortal = action not in ("follow", "slow_append") and chance.random() < 0.3
            world.store.left = chance.randrange(12) if mortal else None
            with contextlib.suppress(Killed):
                getattr(world, action)(chance.randrange(7))
            world.revive()
            world.check()
        world.follow(NOBODY)
        assert world.read == world.versions[max(world.versions)]


@pytest.mark.parametrize("seed", range(12))
def test_what_is_needed_stays(seed):
    live(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1000, 1300))
def test_what_is_needed_stays_in_many_lives(seed):
    live(seed)
