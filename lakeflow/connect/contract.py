"""The tests that every connector passes, for its author to run.

A subclass in a test file gives them to pytest; its fixture `subject` is a system with nothing in
it yet:

    class TestQueue(ConnectorContract):
        @pytest.fixture
        def subject(self, tmp_path):
            return QueueSubject(tmp_path)
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Protocol

from lakeflow.connect.ledger import Ledger
from lakeflow.connect.memory import MemoryRecordStore
from lakeflow.connect.source import (
    ArrowScan,
    Connector,
    FileScan,
    Limit,
    Offset,
    Source,
    SourceContext,
)
from lakeflow.core.arrow import arrow_schema
from lakeflow.core.clock import SystemClock
from lakeflow.core.errors import ConfigurationError
from lakeflow.core.location import Location

Items = Counter[str]
"""What a range holds, each row or file as text; their order is no promise."""

LARGEST_OFFSET = 10_000
"""Characters of a position: it is in the record of each batch."""


class Subject(Protocol):
    """A system to read, as the suite needs it."""

    connector: Connector
    options: Mapping[str, str]
    """With which the connector reads the system, as a user would write them."""
    secrets: Sequence[str]
    """Values among the options that nobody may see."""

    def add(self, count: int) -> None:
        """Puts so many new rows or files there, each unlike all others."""

    def limit(self, count: int) -> Limit:
        """The limit of a batch to so many of what `add` adds."""


class Examined:
    """A subject and what an engine would remember of it.

    Args:
        subject: The system.
    """

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self._records = MemoryRecordStore()

    @contextmanager
    def opened(self, **options: str) -> Iterator[Source]:
        """The source, as a process that has just started opens it."""
        context = SourceContext(
            Ledger(self._records), SystemClock(), Location("contract_suite.sql", 1)
        )
        given = {**self.subject.options, **options}
        with closing(self.subject.connector.source(given, context)) as source:
            yield source

    def items(self, start: Offset | None, end: Offset) -> Items:
        """What a range holds, read by a source that is opened for it."""
        with self.opened() as source:
            return items(source, start, end)

    def horizon(self) -> Offset | None:
        """Where a run that starts now would end."""
        with self.opened() as source:
            return stored(source.horizon())

    def ends(self, limits: Iterator[Limit], upto: Offset) -> list[Offset]:
        """The ends of all batches up to a horizon, each asked of a source opened for it."""
        found: list[Offset] = []
        start: Offset | None = None
        for limit in limits:
            with self.opened() as source:
                end = stored(source.latest(start, limit, upto))
            if end == start:
                return found
            assert end not in found, f"latest() came back to {end!r}: {found!r}"
            found.append(end)
            start = end
        raise AssertionError("unreachable: limits go on for ever")


class ConnectorContract:
    """What every source promises, as tests."""

    def test_an_empty_system_has_no_horizon(self, subject: Subject) -> None:
        """`None` says that there is nothing, and that is no error."""
        assert Examined(subject).horizon() is None, "horizon() of an empty system is not None"

    def test_the_schema_is_stable(self, subject: Subject) -> None:
        """More of the same does not change the columns, nor does opening once more."""
        examined = Examined(subject)
        subject.add(2)
        with examined.opened() as source:
            first = source.schema()
            assert source.schema() == first, "schema() differs at the second call"
        subject.add(2)
        with examined.opened() as source:
            assert source.schema() == first, "schema() differs for a source opened later"

    def test_rows_have_the_columns_of_the_schema(self, subject: Subject) -> None:
        """Names, order and types, as `arrow_schema` gives them."""
        examined = Examined(subject)
        subject.add(3)
        with examined.opened() as source:
            scan = source.read(None, source.horizon())
            schema = source.schema()
            if isinstance(scan, FileScan):
                return
            assert schema is not None, "schema() is None, and rows are not read from files"
            found = [(f.name, f.type) for f in scan.open().schema]
        wanted = [(f.name, f.type) for f in arrow_schema(schema)]
        assert found == wanted, f"read() gives the columns {found}, schema() promised {wanted}"

    def test_the_horizon_is_fixed(self, subject: Subject) -> None:
        """A run ends at what was there when it began, whatever comes meanwhile."""
        examined = Examined(subject)
        subject.add(4)
        with examined.opened() as source:
            upto = source.horizon()
            before = items(source, None, upto)
            assert before.total() == 4, f"4 were added, {before.total()} are below the horizon"
            subject.add(3)
            end = source.latest(None, Limit(), upto)
            assert items(source, None, end) == before, "latest() went beyond the horizon"
        later = examined.horizon()
        assert examined.items(None, later).total() == 7, "the next horizon is not all there is"

    def test_batches_advance_and_obey_their_limit(self, subject: Subject) -> None:
        """A limit admits at least something, and no more than it says."""
        examined = Examined(subject)
        subject.add(7)
        upto = examined.horizon()
        for count in (1, 2, 3, 7, 100):
            start: Offset | None = None
            sizes = []
            for end in examined.ends(_always(subject.limit(count)), upto):
                sizes.append(examined.items(start, end).total())
                start = end
            assert sum(sizes) == 7, f"7 were added, batches of {count} hold {sizes}"
            assert all(0 < size <= count for size in sizes), f"batches of {count} hold {sizes}"

    def test_nothing_new_is_no_batch(self, subject: Subject) -> None:
        """At the end, `latest` gives the start back, also to a process that has just started."""
        examined = Examined(subject)
        subject.add(3)
        [end] = examined.ends(_always(Limit()), examined.horizon())
        for _ in range(2):
            upto = examined.horizon()
            with examined.opened() as source:
                found = stored(source.latest(end, subject.limit(2), upto))
            assert found == end, f"nothing is new, and latest() gives {found!r} after {end!r}"

    def test_a_range_can_be_read_again(self, subject: Subject) -> None:
        """The same rows: at once, by another process, and after more has come."""
        examined = Examined(subject)
        subject.add(6)
        first, *_, last = examined.ends(_always(subject.limit(2)), examined.horizon())
        for start, end in ((None, first), (first, last), (None, last)):
            with examined.opened() as source:
                wanted = items(source, start, end)
                assert items(source, start, end) == wanted, "a second read() gives other rows"
            assert examined.items(start, end) == wanted, "another process reads other rows"
        subject.add(4)
        examined.horizon()
        assert examined.items(first, last) == wanted - examined.items(None, first), (
            "a range that was read before gives other rows after more has come"
        )

    def test_a_scan_can_be_opened_twice(self, subject: Subject) -> None:
        """A query that reads its source twice gets all rows both times."""
        examined = Examined(subject)
        subject.add(3)
        with examined.opened() as source:
            scan = source.read(None, source.horizon())
            if isinstance(scan, ArrowScan):
                assert _rows(scan) == _rows(scan), "open() gives other rows at the second call"

    def test_ranges_join_without_loss_or_doubling(self, subject: Subject) -> None:
        """However the batches are cut, and whichever of them are read as one."""
        examined = Examined(subject)
        subject.add(9)
        upto = examined.horizon()
        whole = examined.items(None, upto)
        assert max(whole.values()) == 1, f"rows are doubled: {whole - Counter(set(whole))}"
        for seed in range(8):
            ends = examined.ends(_at_random(subject, seed), upto)
            bounds = [None, *ends]
            parts = [examined.items(*pair) for pair in zip(bounds, ends, strict=False)]
            assert sum(parts, Counter()) == whole, f"limits of seed {seed} lose or double rows"
            middle = len(ends) // 2
            joined = examined.items(bounds[middle], ends[-1])
            assert joined == sum(parts[middle:], Counter()), (
                f"one range over several batches holds other rows than they do (seed {seed})"
            )

    def test_what_comes_between_two_runs_is_read_once(self, subject: Subject) -> None:
        """Each run begins where the last one ended."""
        examined = Examined(subject)
        start: Offset | None = None
        found: Items = Counter()
        total = 0
        for count in (3, 1, 4, 2):
            subject.add(count)
            total += count
            upto = examined.horizon()
            while True:
                with examined.opened() as source:
                    end = stored(source.latest(start, subject.limit(2), upto))
                if end == start:
                    break
                found += examined.items(start, end)
                start = end
        assert found.total() == total, f"{total} were added, {found.total()} were read"
        assert max(found.values()) == 1, "rows were read twice"

    def test_positions_are_small_json_values(self, subject: Subject) -> None:
        """They go through records: what comes back must be what was written."""
        examined = Examined(subject)
        subject.add(4)
        with examined.opened() as source:
            upto = source.horizon()
            found = [upto, source.latest(None, subject.limit(1), upto)]
        for position in found:
            text = json.dumps(position)
            assert json.loads(text) == position, f"{position!r} is {text} in JSON"
            assert len(text) < LARGEST_OFFSET, f"a position has {len(text)} characters"

    def test_the_earliest_of_several_positions(self, subject: Subject) -> None:
        """A source is told the position up to which all of its flows have come."""
        examined = Examined(subject)
        subject.add(5)
        ends = examined.ends(_always(subject.limit(2)), examined.horizon())
        for found in (ends, ends[::-1], [ends[1], ends[0], ends[1]]):
            with examined.opened() as source:
                assert stored(source.earliest(found)) == ends[0], (
                    f"the earliest of {found!r} is {ends[0]!r}"
                )

    def test_commit_may_come_again(self, subject: Subject) -> None:
        """After a crash the same position is sent once more; what follows it stays readable."""
        examined = Examined(subject)
        subject.add(6)
        first, *_, last = examined.ends(_always(subject.limit(2)), examined.horizon())
        wanted = examined.items(first, last)
        for _ in range(2):
            with examined.opened() as source:
                source.commit(first)
                source.commit(first)
            assert examined.items(first, last) == wanted, "commit() lost what comes after it"
        with examined.opened() as source:
            source.commit(last)
            assert stored(source.latest(last, Limit(), examined.horizon())) == last

    def test_secrets_are_told_to_nobody(self, subject: Subject) -> None:
        """Not by what is printed of a source, its scans and positions, nor by an error."""
        examined = Examined(subject)
        subject.add(2)
        with examined.opened() as source:
            upto = source.horizon()
            told = [repr(subject.connector), repr(source), repr(source.read(None, upto))]
            told += [str(source.group), json.dumps(upto)]
        for wrong in ({"no_such_option": "x"}, dict.fromkeys(subject.options, "")):
            try:
                with examined.opened(**wrong) as source:
                    source.horizon()
            except Exception as error:  # whatever it is, it may not tell
                told += [str(error), repr(error)]
        hidden = {name.lower() for name in subject.connector.secret}
        for name, value in subject.options.items():
            assert (name.lower() in hidden) == (value in subject.secrets), (
                f"{name} is a secret, or the connector says so, and not both"
            )
        for secret in subject.secrets:
            for text in told:
                assert secret not in text, f"a secret is told: {text.replace(secret, '(secret)')}"

    def test_unknown_options_are_refused(self, subject: Subject) -> None:
        """With the place where the user wrote them, and the nearest option that there is."""
        examined = Examined(subject)
        for known in subject.options:
            error = self._refused(examined, **{f"{known}s": "x"})
            assert error.location is not None, "the error does not say where the read stands"
            assert known.lower() in (error.hint or "").lower(), (
                f"{known}s is unknown, and the hint does not name {known}: {error.hint}"
            )

    def test_an_option_s_case_does_not_matter(self, subject: Subject) -> None:
        """Options are Spark's in this."""
        examined = Examined(subject)
        subject.add(2)
        wanted = examined.items(None, examined.horizon())
        shouted = {name.upper(): value for name, value in subject.options.items()}
        context = SourceContext(Ledger(MemoryRecordStore()), SystemClock(), Location("x.sql", 1))
        with closing(subject.connector.source(shouted, context)) as source:
            assert items(source, None, source.horizon()) == wanted

    def test_closing_twice_is_no_error(self, subject: Subject) -> None:
        """Whoever ends a run in a hurry need not know what is closed already."""
        with Examined(subject).opened() as source:
            source.close()

    def _refused(self, examined: Examined, **options: str) -> ConfigurationError:
        try:
            with examined.opened(**options):
                pass
        except ConfigurationError as error:
            return error
        raise AssertionError(f"{', '.join(options)} was not refused")


def items(source: Source, start: Offset | None, end: Offset) -> Items:
    """What a range holds: the rows, or the files that the engine is to read."""
    scan = source.read(start, end)
    if isinstance(scan, FileScan):
        return Counter(file.path for file in scan.files)
    return _rows(scan)


def stored(position: Offset | None) -> Offset | None:
    """A position as it comes back from the record of a batch."""
    return json.loads(json.dumps(position))


def _rows(scan: ArrowScan) -> Items:
    return Counter(repr(row) for row in scan.open().read_all().to_pylist())


def _always(limit: Limit) -> Iterator[Limit]:
    while True:
        yield limit


def _at_random(subject: Subject, seed: int) -> Iterator[Limit]:
    chance = random.Random(seed)
    while True:
        yield subject.limit(chance.randint(1, 4))


__all__ = ["ConnectorContract", "Subject"]
