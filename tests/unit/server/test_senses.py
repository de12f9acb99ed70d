"""What a look at the files of triggers finds, whatever lies there."""

from __future__ import annotations

import os
import threading
from contextlib import closing
from pathlib import Path

import pytest

from lakeflow.core.settings import Settings
from lakeflow.jobs.rows import RunRow
from lakeflow.server.senses import Senses, files_in
from tests.rights import rights_hold
from tests.unit.jobs.scripted import World, script


@pytest.fixture
def world(tmp_path):
    (tmp_path / "home").mkdir()
    found = World(tmp_path / "home")
    yield found
    found.store.close()


@pytest.fixture
def look(world, tmp_path, monkeypatch):
    """Looks once for all triggers."""
    ask = world.scheduler.ask

    def at_once(call):
        answer = ask(call)
        world.turn()
        return answer

    monkeypatch.setattr(world.scheduler, "ask", at_once)
    with closing(Senses(world.scheduler, Settings(tmp_path / "lake"), seconds=3600)) as senses:
        yield senses.look


@pytest.fixture
def land(tmp_path):
    found = tmp_path / "land"
    found.mkdir()
    return found


def watch(world, *folders):
    triggers = [{"file_arrival": {"url": str(folder)}} for folder in folders]
    world.job({"name": "j", "tasks": [script("a")], "triggers": triggers})


def arrived(world):
    rows = world.store.select(RunRow, "1 ORDER BY run_id")
    return [[Path(name).name for name in row.trigger_info["files"]] for row in rows]


def test_a_name_that_is_no_text_fires_once_and_is_told(world, look, land):
    watch(world, land)
    look()
    Path(os.fsdecode(os.fsencode(land) + b"/caf\xe9.csv")).touch()
    look()
    look()
    assert arrived(world) == [["caf\\xe9.csv"]]


def test_a_trigger_that_cannot_be_looked_at_does_not_blind_the_others(world, look, land, caplog):
    watch(world, "/no\0path", land)
    look()
    (land / "new").touch()
    look()
    assert arrived(world) == [["new"]]
    assert "/no\0path of job" in caplog.text
    assert "it is tried again" in caplog.text


def test_the_thread_outlives_an_error(world, tmp_path, caplog):
    asked, again = [], threading.Event()

    class Scheduler:
        watch = world.scheduler.watch

        def ask(self, call):
            asked.append(call)
            if len(asked) > 1:
                again.set()
            raise RuntimeError("no answer")

    with closing(Senses(Scheduler(), Settings(tmp_path / "lake"), seconds=0.001)):
        assert again.wait(60)
    assert "no answer" in caplog.text


def test_what_arrives_together_with_its_folder_fires(world, look, tmp_path):
    watch(world, tmp_path / "later")
    look()
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "first").touch()
    look()
    assert arrived(world) == [["first"]]


def test_links_to_folders_are_not_followed(land):
    (land / "below").mkdir()
    (land / "below" / "file").touch()
    (land / "circle").symlink_to(".")
    (land / "folder").symlink_to("below")
    (land / "itself").symlink_to("itself")
    (land / "nowhere").symlink_to("absent")
    (land / "link").symlink_to("below/file")
    assert set(files_in(str(land))) == {f"{land}/below/file", f"{land}/link"}


def test_a_folder_that_cannot_be_read_hides_only_itself(land, caplog):
    (land / "file").touch()
    (land / "closed").mkdir(mode=0)
    (land / "link").symlink_to("closed/any")
    with rights_hold():
        assert set(files_in(str(land))) == {f"{land}/file"}
        with pytest.raises(PermissionError):
            files_in(str(land / "closed"))
    assert f"Files in {land}/closed are not seen" in caplog.text


def test_the_folder_itself_may_be_a_link_but_not_a_file(land, tmp_path):
    (land / "file").touch()
    (tmp_path / "link").symlink_to(land)
    assert set(files_in(f"file:{tmp_path}/link")) == {f"{tmp_path}/link/file"}
    with pytest.raises(NotADirectoryError):
        files_in(str(land / "file"))
