"""Every connector of the distribution keeps the contract, and the suite finds what breaks it."""

from __future__ import annotations

import sqlite3
import uuid
from contextlib import closing
from pathlib import Path

import pytest

from lakeflow.connect.contract import ConnectorContract
from lakeflow.connect.discovery import find_connector
from lakeflow.connect.memory import MemoryConnector, MemoryFeed, MemorySource
from lakeflow.connect.options import checked_options
from lakeflow.connect.source import ArrowScan, Group, Limit
from lakeflow.core.schema import Schema


class MemorySubject:
    """A feed of this process."""

    secrets = ()

    def __init__(self, group: Group | None = None) -> None:
        self.connector = find_connector("memory")
        self.feed = MemoryFeed(f"contract {uuid.uuid4()}", Schema.from_ddl("n BIGINT"), group)
        self.options = {"feed": self.feed.name}

    def add(self, count: int) -> None:
        self.feed.add(*((self.feed.length + n,) for n in range(count)))

    def limit(self, count: int) -> Limit:
        return Limit(max_rows=count)


class FilesSubject:
    """A folder into which files are dropped, their names going down."""

    secrets = ()

    def __init__(self, folder: Path) -> None:
        self.connector = find_connector("files")
        self.options = {"path": str(folder), "format": "csv", "header": "true"}
        self._folder = folder
        self._added = 0

    def add(self, count: int) -> None:
        for _ in range(count):
            self._added += 1
            (self._folder / f"{1000 - self._added}.csv").write_text(f"n\n{self._added}\n")

    def limit(self, count: int) -> Limit:
        return Limit(max_files=count)


class SqliteSubject:
    """A table whose cursors tie and come late."""

    secrets = ()

    def __init__(self, folder: Path) -> None:
        self.connector = find_connector("sqlite")
        self._path = folder / "source.db"
        self.options = {"path": str(self._path), "table": "t", "cursor": "c"}
        self._added = 0
        with closing(sqlite3.connect(self._path)) as connection, connection:
            connection.execute("CREATE TABLE t (c INTEGER, n INTEGER)")

    def add(self, count: int) -> None:
        with closing(sqlite3.connect(self._path)) as connection, connection:
            for _ in range(count):
                self._added += 1
                connection.execute(
                    "INSERT INTO t VALUES (?, ?)", (self._added * 7 % 4, self._added)
                )

    def limit(self, count: int) -> Limit:
        return Limit(max_rows=count)


class TestMemory(ConnectorContract):
    @pytest.fixture
    def subject(self):
        return MemorySubject()


class TestSlotInMemory(ConnectorContract):
    @pytest.fixture
    def subject(self):
        return MemorySubject(Group("a slot"))


class TestFiles(ConnectorContract):
    @pytest.fixture
    def subject(self, tmp_path):
        return FilesSubject(tmp_path)


class TestSqlite(ConnectorContract):
    @pytest.fixture
    def subject(self, tmp_path):
        return SqliteSubject(tmp_path)


class BrokenSource(MemorySource):
    """A feed that keeps all promises but the one that a test breaks."""


class NoHorizon(BrokenSource):
    def horizon(self):
        return self._feed.length


class MovingHorizon(BrokenSource):
    def latest(self, start, limit, upto):
        return super().latest(start, limit, self._feed.length)


class OtherSchemaLater(BrokenSource):
    def schema(self):
        return Schema.from_ddl("n BIGINT" if self._feed.length < 3 else "n BIGINT, m STRING")


class OtherColumns(BrokenSource):
    def schema(self):
        return Schema.from_ddl("n INT")


class NoLimit(BrokenSource):
    def latest(self, start, limit, upto):
        return upto


class NothingAdmitted(BrokenSource):
    def latest(self, start, limit, upto):
        return start if limit.max_rows == 1 else super().latest(start, limit, upto)


class AlwaysSomethingNew(BrokenSource):
    def latest(self, start, limit, upto):
        return super().latest(start, limit, upto + (start == upto))


class NextReadsOn(BrokenSource):
    """Reads on from where it was, as a client with a cursor of its own does."""

    def __init__(self, feed):
        super().__init__(feed)
        self._at = None

    def read(self, start, end):
        begun = self._at if self._at is not None else start
        self._at = end
        return super().read(begun, end)


class ReadsWhatIsThere(BrokenSource):
    def read(self, start, end):
        return super().read(start, self._feed.length)


class OnceOnly(BrokenSource):
    def read(self, start, end):
        reader = self._reader(start or 0, end)
        return ArrowScan(lambda: reader)


class BothEnds(BrokenSource):
    """The row at a border belongs to both ranges."""

    def read(self, start, end):
        return super().read(max((start or 0) - 1, 0), end)


class LosesAtTheBorder(BrokenSource):
    def read(self, start, end):
        return super().read(start if start is None else min(start + 1, end), end)


class TuplePositions(BrokenSource):
    def horizon(self):
        return (super().horizon(),) if self._feed.length else None

    def latest(self, start, limit, upto):
        found = super().latest(start and start[0], limit, upto[0])
        return (found,)

    def read(self, start, end):
        return super().read(start and start[0], end[0])


class TheLatest(BrokenSource):
    def earliest(self, ends):
        return max(ends)


class ForgetsTooMuch(BrokenSource):
    def commit(self, end):
        self._feed._rows[end : end + 1] = []


class SecondCommitFails(BrokenSource):
    def commit(self, end):
        if end in self._feed.acknowledged:
            raise ValueError(end)
        super().commit(end)


class TellsItsSecret(BrokenSource):
    def __repr__(self):
        return f"source({self._feed.name})"


class ClosedOnce(BrokenSource):
    closed = False

    def close(self):
        if self.closed:
            raise ValueError("it is closed")
        self.closed = True


class BrokenConnector(MemoryConnector):
    secret = ("feed",)

    def __init__(self, source):
        self._source = source

    def source(self, options, context):
        found = checked_options("read_memory", options, required=["feed"])
        return self._source(MemoryFeed.named[found["feed"]])


class TakesAnyOption(BrokenConnector):
    def source(self, options, context):
        return self._source(MemoryFeed.named[{k.lower(): v for k, v in options.items()}["feed"]])


class MindsTheCase(BrokenConnector):
    def source(self, options, context):
        return self._source(MemoryFeed.named[options["feed"]])


BROKEN = {
    "test_an_empty_system_has_no_horizon": [NoHorizon],
    "test_the_schema_is_stable": [OtherSchemaLater],
    "test_rows_have_the_columns_of_the_schema": [OtherColumns],
    "test_the_horizon_is_fixed": [MovingHorizon, ReadsWhatIsThere],
    "test_batches_advance_and_obey_their_limit": [NoLimit, NothingAdmitted],
    "test_nothing_new_is_no_batch": [AlwaysSomethingNew],
    "test_a_range_can_be_read_again": [NextReadsOn, ReadsWhatIsThere],
    "test_a_scan_can_be_opened_twice": [OnceOnly],
    "test_ranges_join_without_loss_or_doubling": [BothEnds, LosesAtTheBorder],
    "test_what_comes_between_two_runs_is_read_once": [BothEnds, LosesAtTheBorder],
    "test_positions_are_small_json_values": [TuplePositions],
    "test_the_earliest_of_several_positions": [TheLatest],
    "test_commit_may_come_again": [ForgetsTooMuch, SecondCommitFails],
    "test_secrets_are_told_to_nobody": [TellsItsSecret],
    "test_unknown_options_are_refused": [TakesAnyOption, BrokenConnector],
    "test_an_option_s_case_does_not_matter": [MindsTheCase],
    "test_closing_twice_is_no_error": [ClosedOnce],
}


def test_a_broken_connector_is_there_for_every_promise():
    assert set(BROKEN) == {name for name in vars(ConnectorContract) if name.startswith("test_")}


@pytest.mark.parametrize(
    ("name", "broken"), [(name, found) for name, all_ in BROKEN.items() for found in all_]
)
def test_the_suite_finds_what_is_broken(name, broken):
    subject = MemorySubject()
    subject.secrets = [subject.feed.name]
    is_connector = issubclass(broken, BrokenConnector)
    subject.connector = broken(BrokenSource) if is_connector else BrokenConnector(broken)
    # What a connector raises fails a test as well as what the suite finds.
    with pytest.raises((AssertionError, ValueError, KeyError)):
        getattr(ConnectorContract(), name)(subject)
