"""Copies of a server's state: taken while it works, put back, and what is refused."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing

import pytest
from click.testing import CliRunner

from lakeflow.cli.main import group
from lakeflow.cli.options import Invocation
from lakeflow.core.errors import ConfigurationError, ConflictError, CorruptStateError, StateError
from lakeflow.core.settings import Settings
from lakeflow.engine.session import Session
from lakeflow.jobs.control import create_job, run_now
from lakeflow.jobs.formats import STEPS
from lakeflow.jobs.home import Home
from lakeflow.jobs.rows import JobRow, RunRow
from lakeflow.jobs.store import Reader
from lakeflow.server.compose import Server
from lakeflow.server.state import back_up, restore

GATE = {"op": "EQUAL_TO", "left": "1", "right": "1"}
JOB = {"name": "gate", "tasks": [{"task_key": "gate", "condition_task": GATE}]}


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home")


@pytest.fixture
def settings(tmp_path):
    return Settings.load({}, lakehouse=tmp_path / "lake", home=tmp_path / "home")


def serve(home, settings, runs, job=None):
    """A server that runs a job so many times; returns the ids of the runs."""
    with Server(home.folder, settings, triggers=False) as server:
        if job is None:
            job = server.ask(lambda turn: create_job(turn, JOB, root="/", creator="me"))
        return job, [
            server.ask(lambda turn: run_now(server.scheduler, turn, job)) for _ in range(runs)
        ]


def runs_of(path):
    with closing(Reader(path)) as reader:
        return {row.run_id: row.state for row in reader.select(RunRow)}


def told(settings):
    rows = Session(settings).query("SELECT run_id FROM system.lakeflow.job_run_timeline")
    return sorted(int(row["run_id"]) for row in rows.read_all().to_pylist())


def test_what_came_after_the_copy_is_told_and_its_numbers_are_not_given_again(
    tmp_path, home, settings
):
    job, first = serve(home, settings, 2)
    back_up(home, tmp_path / "copies" / "one.db")
    _, second = serve(home, settings, 2, job)
    kept = restore(home, tmp_path / "copies" / "one.db", settings)
    assert sorted(runs_of(home.database)) == first
    assert sorted(runs_of(kept)) == first + second
    _, third = serve(home, settings, 2, job)
    assert min(third) > max(second)
    assert told(settings) == first + second + third


def test_a_home_that_is_lost_goes_on_from_the_copy_and_the_history(tmp_path, home, settings):
    job, first = serve(home, settings, 1)
    back_up(home, tmp_path / "one.db")
    _, second = serve(home, settings, 1, job)
    for path in home.folder.iterdir():
        path.unlink()
    assert restore(home, tmp_path / "one.db", settings) is None
    _, third = serve(home, settings, 1, job)
    assert third > second
    assert told(settings) == first + second + third


def test_a_database_that_cannot_be_read_is_kept_as_it_is(tmp_path, home, settings):
    job, first = serve(home, settings, 1)
    back_up(home, tmp_path / "one.db")
    home.database.write_bytes(b"damaged" * 1000)
    kept = restore(home, tmp_path / "one.db", settings)
    assert kept.read_bytes() == b"damaged" * 1000
    assert sorted(runs_of(home.database)) == first
    again = restore(home, tmp_path / "one.db", settings)
    assert again != kept
    assert serve(home, settings, 1, job)[1] > first


def test_a_copy_is_taken_while_runs_begin_and_end(tmp_path, home, settings):
    """Each copy is a state that was: the runs are those that were accepted first."""
    with Server(home.folder, settings, triggers=False) as server:
        job = server.ask(
            lambda turn: create_job(
                turn, {**JOB, "max_concurrent_runs": 10}, root="/", creator="me"
            )
        )
        accepted: list[int] = []
        over = threading.Event()

        def work():
            while not over.is_set():
                accepted.append(server.ask(lambda turn: run_now(server.scheduler, turn, job)))

        thread = threading.Thread(target=work)
        thread.start()
        for number in range(5):
            before = list(accepted)
            back_up(home, tmp_path / f"{number}.db")
            found = sorted(runs_of(tmp_path / f"{number}.db"))
            assert found[: len(before)] == before
            with closing(Reader(tmp_path / f"{number}.db")) as reader:
                assert reader.fault() == ""
        over.set()
        thread.join()


def test_what_is_refused(tmp_path, home, settings):
    with pytest.raises(ConfigurationError, match="No job has been saved"):
        back_up(home, tmp_path / "one.db")
    serve(home, settings, 1)
    copy = tmp_path / "one.db"
    back_up(home, copy)
    with pytest.raises(ConfigurationError, match="is there already"):
        back_up(home, copy)
    with pytest.raises(ConfigurationError, match="is there already"):
        back_up(home, home.database)
    with pytest.raises(ConfigurationError, match="There is no file"):
        restore(home, tmp_path / "two.db", settings)
    with (
        Server(home.folder, settings, triggers=False),
        pytest.raises(ConflictError, match="A server is already at work"),
    ):
        restore(home, copy, settings)
    before = home.database.read_bytes()
    broken = bytearray(copy.read_bytes())
    broken[4096 : 4096 + 2000] = b"x" * 2000
    (tmp_path / "broken.db").write_bytes(broken)
    with pytest.raises(CorruptStateError, match="is damaged"):
        restore(home, tmp_path / "broken.db", settings)
    with closing(sqlite3.connect(copy)) as connection:
        connection.execute(f"PRAGMA user_version = {len(STEPS) + 1}")
    with pytest.raises(StateError, match="knows"):
        restore(home, copy, settings)
    assert home.database.read_bytes() == before


def test_from_the_command_line(tmp_path, home, settings):
    job, first = serve(home, settings, 1)
    where = ["--home", str(home.folder), "--lakehouse", str(settings.lakehouse)]

    def run(*arguments):
        done = CliRunner().invoke(group, [*arguments, *where], obj=Invocation())
        assert done.exit_code == 0, done.output
        return done.output

    copy = str(tmp_path / "one.db")
    assert (
        run("jobs", "backup", copy) == f"{copy}: {(tmp_path / 'one.db').stat().st_size:,} bytes.\n"
    )
    serve(home, settings, 1, job)
    told = json.loads(run("jobs", "restore", copy, "--json"))
    assert sorted(runs_of(home.database)) == first
    with closing(Reader(told["kept"])) as reader:
        assert reader.count(RunRow) == 2
        assert reader.count(JobRow) == 1
    assert "What was there before is in" in run("jobs", "restore", copy)
