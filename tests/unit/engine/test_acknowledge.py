"""A source is told no more than what every flow that is attached to it has durably taken."""

from __future__ import annotations

import threading

import pytest

from lakeflow.connect.memory import MemoryFeed
from lakeflow.connect.source import Group
from lakeflow.core.errors import ConfigurationError, DefinitionErrors, SourceError, StateError
from lakeflow.core.failpoints import arm
from lakeflow.core.schema import Schema
from lakeflow.core.settings import Settings
from lakeflow.engine.session import Session

SCHEMA = Schema.from_ddl("n BIGINT")
READ = "STREAM read_memory('{}', maxRowsPerTrigger => {})"


def table(name, feed="slot", limit=2, where=""):
    return f"CREATE STREAMING TABLE {name} AS SELECT n FROM {READ.format(feed, limit)} {where};\n"


FAILING = "CREATE STREAMING TABLE {} (CONSTRAINT small EXPECT (n < {}) ON VIOLATION FAIL UPDATE)\n"


def failing(name, below, feed="slot", limit=2):
    """A table whose flow fails at the first batch with a value that is not below a number."""
    return FAILING.format(name, below) + f"AS SELECT n FROM {READ.format(feed, limit)};\n"


@pytest.fixture
def slot():
    return MemoryFeed("slot", SCHEMA, Group("shared slot"))


@pytest.fixture
def session(tmp_path):
    one_at_a_time = {"LAKEFLOW_MAX_CONCURRENT_FLOWS": "1"}
    return Session(Settings.load(one_at_a_time, lakehouse=tmp_path / "lakehouse"))


@pytest.fixture
def run(session, tmp_path):
    def run(text, name="pipeline", **options):
        path = tmp_path / f"{name}.sql"
        path.write_text(text)
        return session.run(path, **options)

    return run


def rows(session, name):
    found = session.query(f"SELECT n FROM {name}").read_all().column("n").to_pylist()
    return sorted(found)


def test_a_source_of_one_flow_is_told_after_each_commit_and_again_at_the_next_start(session, run):
    feed = MemoryFeed("plain", SCHEMA)
    feed.add((1,), (2,), (3,))
    run(table("one", "plain"))
    assert feed.acknowledged == [2, 3]
    run(table("one", "plain"))
    assert feed.acknowledged == [2, 3, 3]
    feed.add((4,))
    run(table("one", "plain"))
    assert feed.acknowledged == [2, 3, 3, 3, 4]
    assert rows(session, "one") == [1, 2, 3, 4]


def test_two_flows_share_a_slot_and_the_slower_one_holds_it_back(session, run, slot):
    slot.add(*((n,) for n in range(10)))
    text = table("fast", limit=100) + failing("slow", 4)
    assert run(text).state == "FAILED"
    assert rows(session, "slow") == [0, 1, 2, 3]
    assert rows(session, "fast") == list(range(10))
    assert max(slot.acknowledged) == 4
    run(table("fast", limit=100) + failing("slow", 100))
    assert max(slot.acknowledged) == 10
    assert rows(session, "slow") == list(range(10))
    assert slot.acknowledged == sorted(slot.acknowledged)


class HeldBack(list):
    """What a slot was told; the thread of one flow has to wait until another told it more."""

    def __init__(self, told):
        super().__init__(told)
        self.thread = None
        self.more = threading.Event()

    def append(self, position):
        if threading.get_ident() == self.thread:
            self.more.wait(0.5)  # all of it, unless the other flow gets past this one
        elif position > max(self):
            self.more.set()
        super().append(position)


def test_a_slot_is_never_told_less_than_before_by_a_flow_that_looked_earlier(
    session, run, slot, tmp_path
):
    slot.add(*((n,) for n in range(10)))
    run(table("fast", limit=100) + failing("slow", 4))
    told = slot.acknowledged = HeldBack(slot.acknowledged)

    def listen(event):
        if event.flow == "fast" and event.details.get("status") == "RUNNING":
            told.thread = threading.get_ident()

    both = Session(Settings.load({}, lakehouse=tmp_path / "lakehouse"), listeners=[listen])
    (tmp_path / "pipeline.sql").write_text(table("fast", limit=100) + failing("slow", 100))
    assert both.run(tmp_path / "pipeline.sql").state == "COMPLETED"
    assert told == sorted(told)
    assert max(told) == 10


def test_nothing_is_acknowledged_while_an_attached_flow_has_committed_nothing(run, slot):
    slot.add(*((n,) for n in range(10)))
    assert run(table("fast") + failing("slow", 0)).state == "FAILED"
    assert slot.acknowledged == []


def test_a_flow_that_is_gone_holds_the_slot_until_it_is_detached(session, run, slot):
    slot.add((0,), (1,))
    both = table("stays") + table("goes")
    run(both)
    slot.add((2,), (3,))
    run(table("stays"))
    assert max(slot.acknowledged) == 2
    session.detach("goes")
    run(table("stays"))
    assert max(slot.acknowledged) == 4
    # Coming back, it is attached again; what the slot has forgotten meanwhile is an error.
    slot.add((4,))
    result = run(both)
    (error,) = [found.error for found in result.flows if found.error]
    assert isinstance(error, SourceError)
    assert "forgotten" in error.message
    assert max(slot.acknowledged) == 4
    assert rows(session, "stays") == [0, 1, 2, 3, 4]
    assert rows(session, "goes") == [0, 1]


def test_detaching_a_flow_that_never_ran_names_the_nearest(session, run, slot):
    slot.add((0,))
    run(table("stays"))
    with pytest.raises(ConfigurationError, match="stays"):
        session.detach("stay")


def test_positions_are_looked_up_under_each_flows_own_key(session, run, slot):
    """The same slot under another name of the feed: another key, the same group."""
    other = MemoryFeed("alias", SCHEMA, Group("shared slot"))
    other._rows = slot._rows
    other.acknowledged = slot.acknowledged
    slot.add((0,), (1,), (2,), (3,))
    text = table("first") + failing("second", 2, "alias")
    run(text)
    assert max(slot.acknowledged) == 2
    run(table("first") + failing("second", 100, "alias"))
    assert max(slot.acknowledged) == 4


@pytest.mark.parametrize("point", ["refresh.staged_flow", "intent.linked"])
def test_what_a_full_refresh_reads_again_is_not_forgotten(session, run, slot, point):
    slot.add((0,), (1,), (2,), (3,))
    rebuilt = table("rebuilt", limit=100)
    run(failing("kept", 2) + rebuilt)
    assert max(slot.acknowledged) == 2
    arm(f"{point}:1:raise")
    try:
        broken = run(failing("kept", 2) + rebuilt, full_refresh=["rebuilt"])
        assert "failpoint" in str({flow.name: flow for flow in broken.flows}["rebuilt"].error)
    finally:
        arm("")
    # Of the old generation all is committed; the new one has begun to read at 2. `kept` comes
    # first now, and takes the rest.
    assert run(failing("kept", 100) + rebuilt).state == "COMPLETED"
    assert rows(session, "rebuilt") == [2, 3]
    assert rows(session, "kept") == [0, 1, 2, 3]
    run(failing("kept", 100) + rebuilt)
    assert max(slot.acknowledged) == 4


def test_an_exclusive_source_is_read_by_one_flow(session, run):
    queue = MemoryFeed("queue", SCHEMA, Group("the queue", exclusive=True))
    queue.add((1,))
    with pytest.raises(DefinitionErrors) as raised:
        run(table("first", "queue") + table("second", "queue"))
    (error,) = raised.value.errors
    assert error.location.line == 2
    assert "second" in error.message
    assert "first" in error.message
    run(table("first", "queue"))
    assert rows(session, "first") == [1]


def test_a_slot_belongs_to_one_pipeline_until_its_flows_are_detached(session, run, slot):
    slot.add((0,))
    run(table("mine"))
    with pytest.raises(StateError, match="Pipeline pipeline reads shared slot"):
        run(table("theirs"), name="another")
    session.detach("mine")
    slot.add((1,))
    run(table("theirs"), name="another")
    assert rows(session, "theirs") == [1]


def test_a_connector_that_raises_is_named_with_the_read(run, slot, monkeypatch):
    slot.add((0,))

    def broken(*_):
        raise ZeroDivisionError("no such luck")

    monkeypatch.setattr(MemoryFeed, "rows", broken)
    (flow,) = run("\n" + table("mine")).flows
    assert isinstance(flow.error, SourceError)
    assert "connector memory failed: ZeroDivisionError: no such luck" in flow.error.message
    assert flow.error.location.line == 2


def test_one_source_twice_in_a_query_is_read_from_its_first_row_both_times(session, run):
    feed = MemoryFeed("plain", SCHEMA)
    feed.add((1,), (2,))
    read = READ.format("plain", 1)
    run(
        f"CREATE STREAMING TABLE twice AS SELECT n FROM {read} UNION ALL SELECT n + 10 FROM {read};"
    )
    assert rows(session, "twice") == [1, 2, 11, 12]


def test_rows_that_do_not_have_the_promised_columns_are_refused(run, slot, monkeypatch):
    slot.add((0,))
    from lakeflow.connect.memory import MemorySource

    promised = Schema.from_ddl("n BIGINT, m STRING")
    monkeypatch.setattr(MemorySource, "schema", lambda _: promised)
    (flow,) = run(table("mine")).flows
    assert "promised the columns n int64, m string and gives n int64" in flow.error.message


@pytest.mark.parametrize("tables", [("first", "second"), ("second", "first")])
def test_a_flow_that_has_moved_is_detached_from_where_it_was(session, run, slot, tables):
    def moving(table):
        read = READ.format("slot", 100)
        return (
            f"CREATE STREAMING TABLE {table};\n"
            f"CREATE FLOW moving AS INSERT INTO {table} BY NAME SELECT n FROM {read};"
        )

    slot.add((1,))
    run(moving(tables[0]))
    slot.add((2,))
    run(moving(tables[1]))
    assert max(slot.acknowledged) == 1, "what the flow has written before holds the slot back"
    session.detach("moving")
    run(moving(tables[1]))
    assert max(slot.acknowledged) == 2
