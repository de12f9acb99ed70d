"""The ledger: an entry is in it once, whoever appends, and is there before a batch refers to it."""

from __future__ import annotations

import json
import random
from collections import Counter

import pytest

from lakeflow.connect.ledger import Ledger
from lakeflow.connect.memory import MemoryRecordStore
from lakeflow.connect.source import FileEntry
from lakeflow.core.errors import CorruptStateError, StateError
from lakeflow.core.settings import Settings
from lakeflow.engine.session import Session
from lakeflow.engine.state import FolderRecords
from lakeflow.tables.store import LocalStore


def entries(*names):
    return [FileEntry(name, len(name), 7) for name in names]


@pytest.fixture(params=["memory", "folder"])
def records(request, tmp_path):
    if request.param == "memory":
        return MemoryRecordStore()
    return FolderRecords(LocalStore(tmp_path / "lake"), "ledger")


def test_what_was_appended_is_found_by_the_next_process(records):
    assert Ledger(records).append(entries("b", "a")) == 2
    assert Ledger(records).append(entries("a", "c")) == 3
    ledger = Ledger(records)
    assert ledger.length == 3
    assert ledger.new(["a", "b", "c", "d"]) == {"d"}
    assert ledger.entries(0, 3) == entries("b", "a", "c")
    assert ledger.entries(1, 2) == entries("a")


def test_after_a_lost_race_entries_are_compared_again(records):
    first, second = Ledger(records), Ledger(records)
    assert first.length == second.length == 0
    assert first.append(entries("a", "b")) == 2
    assert second.append(entries("b", "c")) == 3
    assert second.append(entries("a")) == 3
    assert first.append(entries("c", "d")) == 4
    assert Ledger(records).entries(0, 4) == entries("a", "b", "c", "d")


@pytest.mark.parametrize("seed", range(10))
def test_many_that_append_at_random_keep_every_entry_once(records, seed):
    chance = random.Random(seed)
    ledgers = [Ledger(records) for _ in range(4)]
    wanted = set()
    for _ in range(30):
        names = [str(chance.randrange(40)) for _ in range(chance.randrange(4))]
        wanted.update(names)
        chance.choice(ledgers).append(entries(*names))
    found = Ledger(records)
    assert Counter(e.path for e in found.entries(0, found.length)) == Counter(wanted)


def test_names_that_are_no_text_are_kept(records):
    odd = "caf\udce9 \n\u2028.csv"
    Ledger(records).append(entries(odd))
    assert Ledger(records).new([odd]) == set()


@pytest.mark.parametrize(
    ("damage", "error", "said"),
    [
        (b"", CorruptStateError, "damaged"),
        (b'{"format": 1, "start"', CorruptStateError, "damaged"),
        (b"{}", CorruptStateError, "damaged"),
        (
            b'{"format": 1, "paths": ["b"], "sizes": [], "modified": []}',
            CorruptStateError,
            "damaged",
        ),
        (b'{"format": 1}', CorruptStateError, "damaged"),
        (b'{"format": 2, "start": 1}', StateError, "format 2"),
    ],
)
def test_a_damaged_or_newer_segment_is_refused(damage, error, said):
    records = MemoryRecordStore()
    Ledger(records).append(entries("a"))
    records.put_if_absent("000000000000001.json", damage)
    with pytest.raises(error, match=said):
        Ledger(records).entries(0, 1)


def test_a_missing_segment_and_a_position_beyond_the_end_are_refused():
    records = MemoryRecordStore()
    Ledger(records).append(entries("a"))
    with pytest.raises(CorruptStateError, match="entry 2 of a ledger that has 1"):
        Ledger(records).entries(0, 2)
    records.put_if_absent("000000000000003.json", records.read("000000000000000.json"))
    with pytest.raises(CorruptStateError, match="a segment is missing"):
        Ledger(records).entries(0, 1)


def test_it_is_durable_before_an_intent_refers_to_it(tmp_path, recorder):
    (tmp_path / "lake").mkdir()
    (tmp_path / "drop").mkdir()
    recorded = recorder(tmp_path / "lake")
    for name in ("a", "b", "c"):
        (tmp_path / "drop" / f"{name}.csv").write_text("x\n1\n")
    pipeline = tmp_path / "pipeline.sql"
    pipeline.write_text(
        "CREATE STREAMING TABLE t AS SELECT * FROM STREAM read_files('drop', format => 'csv', "
        "header => true, maxFilesPerTrigger => 1)"
    )
    Session(Settings.load({}, lakehouse=tmp_path / "lake")).run(pipeline)
    (tmp_path / "drop" / "0.csv").write_text("x\n1\n")
    Session(Settings.load({}, lakehouse=tmp_path / "lake")).run(pipeline)
    durable, linked, intents, known = 0, {}, 0, set()
    for step, what, seen in recorded.steps():
        for path in seen.keys() - known:
            folder, _, name = path.rpartition("/")
            if folder.endswith("/ledger") and name.endswith(".json"):
                segment = json.loads((recorded.record / str(seen[path])).read_text())
                linked[folder] = segment["start"] + len(segment["paths"])
            elif "intent" in name and name.endswith(".json"):
                intent = json.loads((recorded.record / str(seen[path])).read_text())
                [found] = intent["sources"].values()
                assert found["end"] <= durable
                intents += 1
        known |= seen.keys()
        if step == "sync folder":
            durable = max(durable, linked.get(what, 0))
    assert (intents, durable) == (4, 4)
