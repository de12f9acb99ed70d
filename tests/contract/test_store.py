"""What every store promises: a file is there whole or not at all, and a name is taken once."""

from __future__ import annotations

import errno
import multiprocessing
import os
import shutil
from pathlib import Path

import pytest

import lakeflow.tables.store as module
from lakeflow.core.errors import StateError
from lakeflow.tables.exclusive import rename_exclusively
from lakeflow.tables.store import LocalStore, Store, StoredFile


class RenamingStore(LocalStore):
    """A file system without hard links."""

    def _probe(self):
        assert self._works(rename_exclusively)
        return rename_exclusively


STORES = {"hard link": LocalStore, "exclusive rename": RenamingStore}


@pytest.fixture(params=STORES)
def store(request, tmp_path) -> Store:
    return STORES[request.param](tmp_path / "store")


def test_a_name_is_taken_once(store):
    assert store.put_if_absent("a/b/one.json", b"first")
    assert not store.put_if_absent("a/b/one.json", b"second")
    assert store.read("a/b/one.json") == b"first"
    assert store.size("a/b/one.json") == 5
    assert store.exists("a/b/one.json")
    assert store.exists("a/b")
    assert not store.exists("a/b/two.json")


def test_what_is_not_there(store):
    with pytest.raises(FileNotFoundError):
        store.read("none")
    assert store.list_from("none") == []
    assert list(store.walk("none")) == []
    store.delete("none")
    store.delete_folder("none")
    store.make_folder_durable("none")


def test_names_are_listed_in_order_from_a_start(store):
    for name in ("b", "a", "c", "10", "9", "ü", "B"):
        store.put_if_absent(f"folder/{name}", b"")
    assert store.list_from("folder") == sorted(["b", "a", "c", "10", "9", "ü", "B"])
    assert store.list_from("folder", "b") == ["b", "c", "ü"]


@pytest.mark.parametrize(
    "name", ["with space", "%2F", "p=a%2Fb", "ü\U0001f600", "'quoted\"", "#?&", "new\nline", "*[x]"]
)
def test_any_name(store, name):
    assert store.put_if_absent(f"folder/{name}/{name}", b"data")
    assert store.list_from(f"folder/{name}") == [name]
    assert store.read(f"folder/{name}/{name}") == b"data"
    assert [file.path for file in store.walk("folder")] == [f"folder/{name}/{name}"]
    store.make_durable([f"folder/{name}/{name}"])
    store.delete(f"folder/{name}/{name}")
    assert not store.exists(f"folder/{name}/{name}")


def test_a_walk_tells_every_file_with_its_age(store):
    store.put_if_absent("t/a", b"")
    store.put_if_absent("t/x/y/b", b"")
    os.utime(store.url("t/a"), (1000, 1000))
    found = {file.path: file for file in store.walk("t")}
    assert set(found) == {"t/a", "t/x/y/b"}
    assert found["t/a"] == StoredFile("t/a", 1000)


def test_a_folder_goes_only_when_it_is_empty(store):
    store.put_if_absent("folder/a", b"")
    store.delete_folder("folder")
    assert store.exists("folder/a")
    store.delete("folder/a")
    store.delete_folder("folder")
    assert not store.exists("folder")
    assert store.put_if_absent("folder/a", b"again")


def test_a_folder_that_somebody_has_taken_away_is_made_again(tmp_path):
    local = LocalStore(tmp_path)
    local.put_if_absent("table/log/a", b"")
    shutil.rmtree(tmp_path / "table")
    assert local.put_if_absent("table/log/a", b"again")
    assert local.read("table/log/a") == b"again"


def test_nothing_of_a_write_that_failed_is_left(store, monkeypatch):
    store.put_if_absent("folder/before", b"")

    def full(_):
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        store.put_if_absent("folder/file", b"data")
    monkeypatch.undo()
    assert not store.exists("folder/file")
    assert [Path(file.path).name for file in store.walk("folder")] == ["before"]
    assert store.put_if_absent("folder/file", b"data")


NAMES = [str(number) for number in range(15)]
REPEATS = 20_000


def race(kind, root, number, barrier, results):
    store = STORES[kind](Path(root))
    barrier.wait()
    won, lost = [], {}
    for name in NAMES:
        if store.put_if_absent(f"log/{name}", f"{number}:{name};".encode() * REPEATS):
            won.append(name)
        else:
            lost[name] = store.read(f"log/{name}")
    results.put((number, won, lost))


@pytest.mark.parametrize("kind", STORES)
def test_one_of_eight_processes_takes_each_name(kind, tmp_path):
    """Each name has one winner, and what it wrote is whole for whoever lost, at once."""
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(8), context.Queue()
    racers = [
        context.Process(target=race, args=(kind, str(tmp_path), number, barrier, results))
        for number in range(8)
    ]
    for racer in racers:
        racer.start()
    found = [results.get(timeout=100) for _ in racers]
    for racer in racers:
        racer.join()
        assert racer.exitcode == 0
    winners = {name: number for number, won, _ in found for name in won}
    assert sum(len(won) for _, won, _ in found) == len(winners) == len(NAMES)
    whole = {name: f"{number}:{name};".encode() * REPEATS for name, number in winners.items()}
    for name, data in whole.items():
        assert (tmp_path / "log" / name).read_bytes() == data
    for _, _, lost in found:
        for name, data in lost.items():
            assert data == whole[name]


def test_what_was_put_is_synced_before_it_counts(tmp_path, recorder):
    """The order in which a local store writes: content, name, folder."""
    (tmp_path / "store").mkdir()
    recorded = recorder(tmp_path / "store")
    store = LocalStore(tmp_path / "store")
    store.put_if_absent("t/new/file", b"data")
    steps = recorded.steps()
    named = next(n for n, (_, _, seen) in enumerate(steps) if "t/new/file" in seen)
    content = steps[named][2]["t/new/file"]
    assert ("sync file", content) in [step[:2] for step in steps[:named]]
    synced = [what for step, what, _ in steps[named:] if step == "sync folder"]
    assert "t/new" in synced
    for parent in (".", "t"):
        assert ("sync folder", parent) in [step[:2] for step in steps], "a new folder's own name"
    store.put_if_absent("t/new/file", b"lost the race")
    last = [what for step, what, _ in recorded.steps()[len(steps) :] if step == "sync folder"]
    assert last == ["t/new"], "the finder syncs, too"


@pytest.mark.parametrize("write", ["put", "stage"])
def test_a_folder_that_somebody_else_has_made_is_synced_into_its_parents(tmp_path, recorder, write):
    """A process may have ended between making a folder and syncing its name."""
    (tmp_path / "store" / "t" / "new").mkdir(parents=True)
    (tmp_path / "store" / "t" / "new" / "staged").write_bytes(b"data")
    recorded = recorder(tmp_path / "store")
    store = LocalStore(tmp_path / "store")
    if write == "put":
        store.put_if_absent("t/new/file", b"data")
    else:
        store.make_durable(["t/new/staged"])
    synced = [what for step, what, _ in recorded.steps() if step == "sync folder"]
    assert {".", "t", "t/new"} <= set(synced)


def test_the_folders_above_a_new_store_are_synced(tmp_path, recorder):
    recorded = recorder(tmp_path)
    LocalStore(tmp_path / "data" / "lakehouse").put_if_absent("file", b"data")
    synced = [what for step, what, _ in recorded.steps() if step == "sync folder"]
    assert {".", "data", "data/lakehouse"} <= set(synced)


def no_links(*_):
    raise OSError(errno.EPERM, "no hard links here")


def test_without_hard_links_files_are_renamed(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", no_links)
    store = LocalStore(tmp_path)
    assert store.put_if_absent("a/one", b"first")
    assert not store.put_if_absent("a/one", b"second")
    assert store.read("a/one") == b"first"
    assert [file.path for file in store.walk(".")] == ["a/one"]


def test_a_file_system_without_a_way_to_take_a_name_whole_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", no_links)
    monkeypatch.setattr(module, "rename_exclusively", no_links)
    with pytest.raises(StateError, match="neither hard links nor renames"):
        LocalStore(tmp_path).put_if_absent("a", b"")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", STORES)
def test_a_writer_that_is_killed_leaves_no_half_of_a_file(kind, tmp_path, monkeypatch):
    """What it has written by then stands under no name that anybody reads."""

    class Killed(BaseException):
        pass

    def kill(_):
        raise Killed

    store = STORES[kind](tmp_path / "store")
    store.put_if_absent("log/before", b"")
    monkeypatch.setattr(os, "fsync", kill)
    with pytest.raises(Killed):
        store.put_if_absent("log/file", b"data")
    monkeypatch.undo()
    assert store.list_from("log") == ["before"]
    assert store.put_if_absent("log/file", b"other")
    assert store.read("log/file") == b"other"


def test_a_file_system_that_lets_two_files_take_one_name_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", lambda source, target: Path(target).write_bytes(b""))
    with pytest.raises(StateError, match="two files take one name"):
        LocalStore(tmp_path).put_if_absent("a", b"")
