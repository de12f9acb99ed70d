"""What a feed tells of a table, against the rows of each of its versions."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakeflow.core.clock import FixedClock
from lakeflow.core.schema import Schema
from lakeflow.tables import upkeep
from lakeflow.tables.feed import FeedPosition, NotAppendOnly, appended, changed_data
from lakeflow.tables.log import Commit, DataFile, TableMetadata
from lakeflow.tables.store import LocalStore
from lakeflow.tables.table import Decision, Table

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class History:
    """A table with a random past; what each version holds is known from reading it whole."""

    def __init__(self, folder, chance):
        self.chance = chance
        self.table = Table(LocalStore(folder), "t")
        metadata = TableMetadata("id", Schema.from_ddl("x BIGINT"), (), {}, 0)
        self.table.create(Commit("CREATE TABLE", metadata=metadata), NOW)
        self.written = 0
        self.removed: list[int] = []

    def file(self, rows):
        self.written += 1
        name = f"{self.written}.parquet"
        pq.write_table(pa.table({"x": rows}), self.table.store.root / "t" / name)
        size = self.table.store.size(f"t/{name}")
        return DataFile(name, size, 0, len(rows), f'{{"numRecords":{len(rows)}}}')

    def append(self):
        files = [
            self.file([self.chance.randrange(5) for _ in range(self.chance.randint(1, 3))])
            for _ in range(self.chance.randint(0, 3))
        ]
        self.commit(Commit("WRITE", adds=tuple(files)))

    def remove(self):
        files = self.table.snapshot().files
        if files:
            version = self.commit(Commit("DELETE", removes=(self.chance.choice(files),)))
            self.removed.append(version)

    def compact(self):
        def rewrite(files, _):
            return [self.file([x for file in files for x in self.rows_of(file)])]

        upkeep.compact(
            self.table, upkeep.Compaction(fewest=2), rewrite, lambda _: None, FixedClock(NOW)
        )

    def fence(self):
        self.commit(Commit("FENCE", transactions={"epoch": self.written}))

    def commit(self, commit):
        return self.table.commit(lambda _: Decision(commit), NOW)[0]

    def rows_of(self, file):
        path = self.table.store.root / "t" / file.path
        return pq.read_table(path)["x"].to_pylist()

    def rows(self, version):
        found = Counter()
        for file in self.table.at(version).files:
            found.update(self.rows_of(file))
        return found


@pytest.mark.parametrize("seed", range(15))
def test_between_any_two_versions(tmp_path, seed):
    chance = random.Random(seed)
    history = History(tmp_path, chance)
    actions = [history.append, history.append, history.compact, history.fence, history.remove]
    for _ in range(12):
        chance.choice(actions)()
    newest = history.table.snapshot().version
    rows = {version: history.rows(version) for version in range(newest + 1)}
    for after in range(newest + 1):
        for last in range(after, newest + 1):
            start = FeedPosition("id", None, after, after)
            removed = any(after < version <= last for version in history.removed)
            if removed:
                with pytest.raises(NotAppendOnly):
                    list(appended(history.table, start, after, last))
            else:
                found = Counter()
                for _, _, file, _ in appended(history.table, start, after, last):
                    found.update(history.rows_of(file))
                assert found == rows[last] - rows[after]
            changed = changed_data(history.table, after, history.table.at(last))
            assert changed or rows[last] == rows[after]
            if not removed and rows[last] != rows[after]:
                assert changed


@pytest.mark.parametrize("seed", range(10))
def test_a_reader_that_stops_at_every_file(tmp_path, seed):
    """Each row once, wherever a reader stops and whatever its first version was."""
    chance = random.Random(seed)
    history = History(tmp_path, chance)
    actions = [history.append, history.append, history.compact, history.fence]
    position, seen = None, Counter()
    for _ in range(20):
        chance.choice(actions)()
        newest = history.table.snapshot().version
        first = newest if position is None else position.first
        for version, number, file, is_last in appended(history.table, position, first, newest):
            seen.update(history.rows_of(file))
            position = FeedPosition("id", None, first, version, None if is_last else number)
            if chance.random() < 0.5:
                break
        position = position and FeedPosition.from_json(position.to_json())
    newest = history.table.snapshot().version
    first = newest if position is None else position.first
    for _, _, file, _ in appended(history.table, position, first, newest):
        seen.update(history.rows_of(file))
    assert seen == history.rows(newest)
