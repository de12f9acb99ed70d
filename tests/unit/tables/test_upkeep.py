"""Writers that slept while others kept the table up, and what a log still tells."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from lakeflow.core.clock import FixedClock
from lakeflow.core.errors import StateError
from lakeflow.core.schema import Schema
from lakeflow.tables import upkeep
from lakeflow.tables.log import Commit, DataFile, TableMetadata, log_files, write_commit
from lakeflow.tables.store import LocalStore
from lakeflow.tables.table import Decision, Table

NOW = datetime.now(UTC)
LATER = NOW + timedelta(days=365)


class Writer:
    """A process with a handle of its own."""

    def __init__(self, store):
        self.store = store
        self.table = Table(store, "t")

    def append(self, number, meanwhile=lambda: None):
        name = f"{number}.parquet"
        path = self.store.root / "t" / name
        pq.write_table(pa.table({"x": [number]}), path)
        file = DataFile(name, path.stat().st_size, 0, 1, '{"numRecords":1}')
        asked = []

        def decide(snapshot):
            if not asked:
                asked.append(True)
                meanwhile()
            return Decision(Commit("WRITE", adds=(file,), transactions={"w": number}))

        return self.table.commit(decide, NOW)[0]

    def sum_up(self):
        upkeep.checkpoint(self.table)
        upkeep.clean_log(self.table, 10**9, LATER)


@pytest.fixture
def writer(tmp_path):
    store = LocalStore(tmp_path)
    metadata = TableMetadata("id", Schema.from_ddl("x BIGINT"), (), {}, 0)
    Table(store, "t").create(Commit("CREATE TABLE", metadata=metadata), NOW)
    return Writer(store)


def rows(writer):
    handle = DeltaTable(str(writer.store.root / "t"))
    return sorted(handle.to_pyarrow_table()["x"].to_pylist())


def test_a_writer_that_slept_before_its_commit_does_not_write_below_the_checkpoint(writer):
    other = Writer(writer.store)

    def meanwhile():
        for number in range(1, 6):
            other.append(number)
        other.sum_up()

    assert writer.append(9, meanwhile) == 6
    assert rows(writer) == [1, 2, 3, 4, 5, 9]


def test_a_process_that_slept_finds_the_newest_version_of_a_cleaned_log(writer):
    writer.append(1)
    other = Writer(writer.store)
    for number in range(2, 6):
        other.append(number)
    other.sum_up()
    assert writer.table.snapshot().version == 5
    assert writer.append(6) == 6
    assert rows(writer) == [1, 2, 3, 4, 5, 6]


def test_a_table_is_not_created_below_its_checkpoint(writer):
    for number in range(1, 4):
        writer.append(number)
    writer.sum_up()
    metadata = TableMetadata("another", Schema.from_ddl("y STRING"), (), {}, 0)
    assert not write_commit(writer.store, "t", 0, Commit("CREATE", metadata=metadata), NOW)
    assert DeltaTable(str(writer.store.root / "t")).metadata().id == "id"
    assert rows(writer) == [1, 2, 3]


def test_a_log_that_has_lost_a_commit_is_refused(writer):
    writer.append(1)
    writer.append(2)
    log = writer.store.root / "t/_delta_log"
    asked = []

    def lose():
        if not asked:
            (log / f"{2:020d}.json").unlink()
        asked.append(True)

    with pytest.raises(StateError, match="found gap"):
        writer.append(3, lose)


def test_versions_that_are_gone_are_said_to_be_gone(writer):
    for number in range(1, 4):
        writer.append(number)
    writer.sum_up()
    with pytest.raises(StateError, match=r"Version 1 of the table in .* is no longer in its log"):
        Table(writer.store, "t").at(1)
    with pytest.raises(StateError, match="Version 2 of the table"):
        writer.table.commits(2, 3)


def test_nothing_is_cleaned_on_a_checkpoint_that_cannot_be_read(writer):
    for number in range(1, 4):
        writer.append(number)
    upkeep.checkpoint(writer.table)
    path = writer.store.root / f"t/_delta_log/{3:020d}.checkpoint.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(StateError, match="checkpoint 3"):
        upkeep.clean_log(writer.table, 10**9, LATER)
    assert log_files(writer.store, "t").commits == (0, 1, 2, 3)


def test_transactions_and_statistics_survive_a_checkpoint(writer):
    for number in range(1, 4):
        writer.append(number)
    before = Table(writer.store, "t").snapshot()
    writer.sum_up()
    after = Table(writer.store, "t").snapshot()
    assert after.transaction("w") == 3
    assert after.files == before.files
    assert [file.rows for file in after.files] == [1, 1, 1]


def test_a_hint_that_another_writer_left_goes_before_what_it_names(writer):
    for number in range(1, 4):
        writer.append(number)
    DeltaTable(str(writer.store.root / "t")).create_checkpoint()
    hint = writer.store.root / "t/_delta_log/_last_checkpoint"
    assert json.loads(hint.read_text())["version"] == 3
    for number in range(4, 7):
        writer.append(number)
    writer.sum_up()
    assert log_files(writer.store, "t").commits == (6,)
    assert rows(writer) == [1, 2, 3, 4, 5, 6]


def test_a_compaction_gives_way_to_whoever_took_its_files(writer):
    for number in range(1, 5):
        writer.append(number)
    other = Table(writer.store, "t")

    def rewrite(files, folder):
        found = other.snapshot().files
        other.commit(lambda _: Decision(Commit("DELETE", removes=(found[0],))), NOW)
        name = f"{folder}.parquet"
        pq.write_table(pa.table({"x": [1, 2, 3, 4]}), writer.store.root / "t" / name)
        size = writer.store.size(f"t/{name}")
        return [DataFile(name, size, 0, 4, '{"numRecords":4}')]

    rule = upkeep.Compaction(fewest=2)
    done = upkeep.compact(writer.table, rule, rewrite, lambda _: None, FixedClock(NOW))
    assert done is None
    assert rows(writer) == [2, 3, 4]


def test_a_compaction_that_would_lose_rows_is_not_committed(writer):
    for number in range(1, 5):
        writer.append(number)

    def rewrite(files, folder):
        return [replace(files[0], path=files[0].path)]

    rule = upkeep.Compaction(fewest=2)
    with pytest.raises(StateError, match="would have changed rows"):
        upkeep.compact(writer.table, rule, rewrite, lambda _: None, FixedClock(NOW))
    assert rows(writer) == [1, 2, 3, 4]


@pytest.mark.parametrize("deletions", range(1, 6))
def test_a_clean_up_that_was_cut_off_leaves_no_gap(writer, monkeypatch, deletions):
    """And a writer that slept meanwhile finds that its number is no longer free."""
    sleeper = Writer(writer.store)

    def meanwhile():
        for number in range(1, 7):
            writer.append(number)
        upkeep.checkpoint(writer.table)
        left = [deletions]
        delete = LocalStore.delete

        def dying(store, path):
            if left[0] == 0:
                raise KeyboardInterrupt
            left[0] -= 1
            delete(store, path)

        with monkeypatch.context() as patch:
            patch.setattr(LocalStore, "delete", dying)
            with pytest.raises(KeyboardInterrupt):
                upkeep.clean_log(writer.table, 10**9, LATER)
        commits = log_files(writer.store, "t").commits
        assert commits == tuple(range(commits[0], 7))

    assert sleeper.append(9, meanwhile) == 7
    assert rows(writer) == [1, 2, 3, 4, 5, 6, 9]


@pytest.mark.slow
def test_ten_thousand_commits_open_quickly(writer):
    """With a checkpoint every 100 commits, and no slower once the log was cleaned."""
    folder = writer.store.root / "t"

    def commit(version):
        file = DataFile(f"{version}.parquet", 100, 0, 1, '{"numRecords":1}')
        data = Commit("WRITE", adds=(file,), transactions={"w": version}).to_bytes(NOW)
        (folder / "_delta_log" / f"{version:020d}.json").write_bytes(data)

    for version in range(1, 9_951):
        commit(version)
    upkeep.checkpoint(writer.table)
    for version in range(9_951, 10_001):
        commit(version)
    before = seconds_to_open(writer.store)
    writer.sum_up()
    after = seconds_to_open(writer.store)
    print(f"CPU seconds to open: {before:.3f} before clean-up, {after:.3f} after")
    assert before < 0.5
    assert after < 0.25


def seconds_to_open(store):
    began = time.process_time()
    table = Table(store, "t")
    assert table.snapshot().version == table.snapshot().transaction("w") == 10_000
    return time.process_time() - began
