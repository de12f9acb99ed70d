"""The listing is the truth: what was never seen is new, whatever its name and time."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections import Counter
from pathlib import Path

import pytest

from lakeflow.connect.ledger import Ledger
from lakeflow.connect.memory import MemoryRecordStore
from lakeflow.connect.source import Limit, SourceContext
from lakeflow.core.clock import SystemClock
from lakeflow.core.errors import SourceError
from lakeflow.core.location import Location
from lakeflow.core.settings import Settings
from lakeflow.engine.session import Session
from lakeflow.engine.state import FolderRecords
from lakeflow.tables.store import LocalStore
from lakeflow_connectors.files import FilesConnector
from lakeflow_connectors.files.connector import glob
from tests.rights import rights_hold


@pytest.fixture
def drop(tmp_path):
    (tmp_path / "drop").mkdir()
    return tmp_path / "drop"


def source(path, records, **options):
    context = SourceContext(Ledger(records), SystemClock(), Location("pipeline.sql", 3))
    return FilesConnector().source({"path": str(path), "format": "csv", **options}, context)


def names(path, **options):
    """Paths below `drop` that a first listing finds."""
    opened = source(path, MemoryRecordStore(), **options)
    end = opened.horizon()
    if end is None:
        return set()
    return {file.path.split("/drop/", 1)[-1] for file in opened.read(None, end).files}


def put(drop, *paths):
    for path in paths:
        (drop / path).parent.mkdir(parents=True, exist_ok=True)
        (drop / path).write_text("x\n1\n")


def test_files_in_all_folders_are_found_but_for_hidden_ones(drop):
    put(drop, "a.csv", "b/c.csv", "b/d/e.csv", ".f.csv", "_g.csv", "_h/i.csv", ".j/k.csv")
    put(drop, "b/_committed", "café\udce9.csv")
    assert names(drop) == {"a.csv", "b/c.csv", "b/d/e.csv", "café\udce9.csv"}
    assert names(drop, recursiveFileLookup="false") == {"a.csv", "café\udce9.csv"}
    assert names(drop / "a.csv") == {"a.csv"}


PATTERNS = [
    ("/drop/*.csv", {"a.csv", "2023/a.csv", "2023/b.csv", "2024/c.csv"}),
    ("/drop/2023", {"2023/a.csv", "2023/b.csv", "2023/c.json"}),
    ("/drop/20*/?.csv", {"2023/a.csv", "2023/b.csv", "2024/c.csv"}),
    ("/drop/{2024,2025}/*", {"2024/c.csv"}),
    ("/drop/*/[ab].csv", {"2023/a.csv", "2023/b.csv"}),
    ("/drop/*/[b-z].csv", {"2023/b.csv", "2024/c.csv"}),
    ("/drop/*/[^a].csv", {"2023/b.csv", "2024/c.csv"}),
    ("/drop/nothing*", set()),
]


@pytest.mark.parametrize(("pattern", "wanted"), PATTERNS)
def test_patterns_in_a_path(drop, pattern, wanted):
    put(drop, "a.csv", "2023/a.csv", "2023/b.csv", "2023/c.json", "2024/c.csv")
    assert names(f"{drop.parent}{pattern}") == wanted


def test_a_pattern_of_names(drop):
    put(drop, "a.csv", "b/a.csv", "b/ab.csv", "a.json")
    assert names(drop, pathGlobFilter="a.*") == {"a.csv", "b/a.csv", "a.json"}
    assert names(f"{drop}/b*", fileNamePattern="?.csv") == {"b/a.csv"}


def test_signs_of_patterns_in_the_names_of_folders_that_are_there(tmp_path):
    drop = tmp_path / "a[1]{2}" / "drop"
    put(drop, "x.csv", "y.json")
    assert names(drop) == {"x.csv", "y.json"}
    assert names(f"{drop}/*.csv") == {"x.csv"}


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("a.c", "abc", False),
        ("{a,b{c,d}}x", "bdx", True),
        ("{a,b{c,d}}x", "bx", False),
        ("a,b", "a,b", True),
        (r"\*", "*", True),
        (r"\*", "x", False),
        ("[!a]", "b", True),
        ("[!a]", "a", False),
        ("[", "[", True),
        ("[a-]", "-", True),
        ("[\\d]", "1", False),
        ("?", "/", False),
        ("a**b", "axyb", True),
        ("x\ny", "x\ny", True),
    ],
)
def test_glob(pattern, text, matches):
    assert bool(glob(pattern).fullmatch(text)) is matches


def test_links_are_followed_and_never_round_and_round(drop, tmp_path):
    put(drop, "a.csv", "b/c.csv")
    (tmp_path / "elsewhere").mkdir()
    put(tmp_path / "elsewhere", "d.csv")
    (drop / "loop").symlink_to(drop)
    (drop / "b" / "up").symlink_to(drop / "b")
    (drop / "other").symlink_to(tmp_path / "elsewhere")
    (drop / "gone.csv").symlink_to(tmp_path / "nowhere")
    assert names(drop) == {"a.csv", "b/c.csv", "other/d.csv"}


def test_pipes_are_no_files(drop):
    put(drop, "a.csv")
    os.mkfifo(drop / "pipe.csv")
    assert names(drop) == {"a.csv"}


def test_a_folder_that_is_not_there_or_may_not_be_read(drop):
    with pytest.raises(SourceError, match="There is no file or folder") as raised:
        names(drop / "missing")
    assert raised.value.condition == "PATH_NOT_FOUND"
    put(drop, "inner/a.csv")
    (drop / "inner").chmod(0)
    refused = pytest.raises(SourceError, match=r"inner cannot be read: there is no right to\.$")
    with rights_hold(), refused:
        names(drop)
    (drop / "inner").chmod(0o700)


def test_a_size_limit_is_passed_by_one_file_at_most(drop):
    for number, size in enumerate([10, 10, 50, 1, 1]):
        (drop / f"{number}.csv").write_bytes(b"x" * size)
    opened = source(drop, MemoryRecordStore())
    start, ends, upto = None, [], opened.horizon()
    while (end := opened.latest(start, Limit(max_bytes=15), upto)) != start:
        ends.append(end)
        start = end
    assert ends == [2, 3, 5]


class Counting:
    """A ledger's records that count what is asked of them."""

    def __init__(self, folder):
        self._records = FolderRecords(LocalStore(folder), "ledger")
        self.asked = Counter()

    def put_if_absent(self, name, data):
        self.asked["written"] += len(data)
        return self._records.put_if_absent(name, data)

    def read(self, name):
        data = self._records.read(name)
        self.asked["read"] += len(data)
        self.asked["segments"] += 1
        return data

    def list(self):
        return self._records.list()

    def make_durable(self):
        self._records.make_durable()


def fill(folder, count, start=0):
    for number in range(start, start + count):
        # Names do not grow with the time at which files come.
        os.close(os.open(folder / f"{number * 7919 % 1000003:07d}.csv", os.O_CREAT | os.O_WRONLY))


def test_files_that_were_seen_cost_one_look_at_their_names(drop, tmp_path, monkeypatch):
    (drop / "inner").mkdir()
    fill(drop, 15_000)
    fill(drop / "inner", 5_000)
    first = Counting(tmp_path / "lake")
    assert source(drop, first).horizon() == 20_000
    calls = Counter()
    scandir, stat = os.scandir, Path.stat

    def counted_scandir(path):
        calls["scandir"] += 1
        return scandir(path)

    def counted_stat(path, **options):
        calls["stat"] += path.suffix == ".csv"
        return stat(path, **options)

    records = Counting(tmp_path / "lake")
    monkeypatch.setattr(os, "scandir", counted_scandir)
    monkeypatch.setattr(Path, "stat", counted_stat)
    fill(drop, 3, start=15_000)
    assert source(drop, records).horizon() == 20_003
    # Two folders, and the ledger's own; only new files are looked at.
    assert calls == {"scandir": 3, "stat": 3}
    assert records.asked["segments"] == 1
    assert records.asked["read"] == first.asked["written"] < 20_000 * 80
    assert records.asked["written"] < 500


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_million_seen_files_and_nothing_new(tmp_path):
    """CPU seconds, since the machine may be busy; 2 s is what is promised, 1.4 s were measured."""
    shared = Path("/dev/shm")
    drop = (shared if shared.is_dir() else tmp_path) / f"lakeflow-million-{os.getpid()}"
    drop.mkdir()
    try:
        fill(drop, 1_000_000)
        assert source(drop, Counting(tmp_path / "lake")).horizon() == 1_000_000
        began = time.process_time()
        assert source(drop, Counting(tmp_path / "lake")).horizon() == 1_000_000
        assert time.process_time() - began < 4
    finally:
        shutil.rmtree(drop)


PIPELINE = """
CREATE STREAMING TABLE one AS
SELECT x FROM STREAM read_files('drop', format => 'csv', header => true, maxFilesPerTrigger => 2);
CREATE STREAMING TABLE other AS
SELECT x FROM STREAM read_files('drop', format => 'csv', header => true);
"""


@pytest.fixture
def run(tmp_path):
    session = Session(Settings.load({}, lakehouse=tmp_path / "lake"))
    (tmp_path / "pipeline.sql").write_text(PIPELINE)

    def run():
        result = session.run(tmp_path / "pipeline.sql")
        assert result.state == "COMPLETED"
        found = {}
        for table in ("one", "other"):
            rows = session.query(f"SELECT x FROM {table}").read_all()["x"].to_pylist()
            found[table] = sorted(rows)
        return found

    return run


def batches(tmp_path, table):
    log = (tmp_path / "lake/main/default" / table / "_delta_log").glob("*.json")
    actions = (json.loads(line) for path in log for line in path.read_text().splitlines())
    said = Counter(a["commitInfo"]["operation"] for a in actions if "commitInfo" in a)
    return said["STREAMING UPDATE"]


def test_two_flows_get_every_file_in_batches_of_their_own(drop, tmp_path, run):
    for number in range(5):
        (drop / f"{number}.csv").write_text(f"x\n{number}\n")
    assert run() == {"one": [0, 1, 2, 3, 4], "other": [0, 1, 2, 3, 4]}
    assert (batches(tmp_path, "one"), batches(tmp_path, "other")) == (3, 1)


def test_a_late_file_with_an_older_name_and_time_is_read(drop, run):
    (drop / "m.csv").write_text("x\n1\n")
    assert run()["one"] == [1]
    late = drop / "a" / "a.csv"
    late.parent.mkdir()
    late.write_text("x\n2\n")
    os.utime(late, (0, 0))
    assert run() == {"one": [1, 2], "other": [1, 2]}
    # Seen is seen: a file that changes afterwards is not read again, as in Auto Loader.
    late.write_text("x\n3\n")
    assert run()["one"] == [1, 2]
