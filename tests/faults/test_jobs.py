"""A server of jobs is killed everywhere: no run is lost or doubled, and no process is left."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from deltalake import DeltaTable

from lakeflow.core.failpoints import NAMES
from lakeflow.jobs.model import Result
from lakeflow.jobs.rows import AttemptRow, JobEvent, NoticeRow, RunRow, TickRow
from lakeflow.jobs.store import Reader
from lakeflow.jobs.workers.leftovers import MARK
from tests.unit.server.receivers import Receiver

ANYWHERE = sorted(name for name in NAMES if name.startswith("jobs."))
PUBLISHING = ["jobs.history.read", "jobs.history.staged", "jobs.history.committed"]
POINTS = sorted({*ANYWHERE} - {each for each in ANYWHERE if each.startswith("jobs.history.")})
SOONEST = 2.0
"""Seconds from the start of a server to its first task, that the issue asks for."""


class Hunt:
    """A home whose server is started until all is done."""

    def __init__(self, home: Path, receiver: Receiver, tally: Counter[str]) -> None:
        self.home = home
        self.receiver = receiver
        self.tally = tally
        self.runs = 3

    def start(self, failpoint: str = "", seconds: float | None = None) -> int:
        """Runs a server to its end; kills it after some seconds."""
        (self.home / "first-work").unlink(missing_ok=True)
        about = [str(self.home), str(self.runs), self.receiver.url]
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.jobserver", *about],
            env={**os.environ, "LAKEFLOW_FAILPOINT": failpoint},
            stderr=subprocess.PIPE,
        )
        try:
            _, said = process.communicate(timeout=seconds or 60)
        except subprocess.TimeoutExpired:
            process.kill()
            _, said = process.communicate()
            assert seconds is not None, said.decode()
        if process.returncode == -signal.SIGKILL:
            self.tally["kills"] += 1
            self._nothing_is_left()
        else:
            assert process.returncode == 0, said.decode()
        return process.returncode

    def _nothing_is_left(self) -> None:
        left = [each for each in psutil.process_iter() if self._is_ours(each)]
        _, alive = psutil.wait_procs(left, timeout=10)
        self.tally["orphans"] += len(alive)
        assert not alive

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return str(self.home) in process.environ().get(MARK, "")
        except psutil.Error:
            return False

    def check(self) -> None:
        """What holds once the client has seen the end of everything."""
        self._nothing_is_left()
        reader = Reader(self.home / "jobs.db")
        self._check_ticks(reader)
        self._check_notices(reader)
        runs = reader.select(RunRow, "type = 'JOB_RUN' AND trigger = 'ONE_TIME'")
        accepted = [line.split() for line in (self.home / "accepted").read_text().splitlines()]
        named = {row.token: row.run_id for row in runs}
        lost = [run for token, run in accepted if named.get(token) != int(run)]
        self.tally["lost"] += len(lost)
        self.tally["doubled"] += len(runs) - len({row.token for row in runs})
        assert not lost
        assert len(runs) == self.runs == len(named)
        effects = Counter((self.home / "effects").read_text().split())
        for row in runs:
            assert row.result is Result.SUCCESS
            attempts = reader.select(AttemptRow, "run_id = ? ORDER BY attempt", (row.run_id,))
            assert all(each.state == "TERMINATED" for each in attempts)
            newest = {(each.task_key, each.iteration): each.result for each in attempts}
            assert newest.pop(("no", None)) is Result.EXCLUDED
            assert set(newest.values()) == {Result.SUCCESS}
            keys = ("first", "yes", "last", "fan.1", "fan.2", "fan.3")
            assert [key for key in keys if not effects[f"{row.run_id}.{key}"]] == []
            good = Counter(
                (each.task_key, each.iteration)
                for each in attempts
                if each.result is Result.SUCCESS and each.task_key != "fan"
            )
            assert set(good.values()) == {1}, "what has succeeded does not run again"
        self._check_history(reader)
        reader.close()

    def _check_notices(self, reader: Reader) -> None:
        """Each start and end of a run that told of itself is told to the receiver as well."""
        notices = reader.select(NoticeRow)
        assert {each.state for each in notices} == {"DELIVERED"}
        got = {(each.body["notice_id"], each.path) for each in self.receiver.requests}
        assert {(each.notice_id, urlsplit(each.recipient).path) for each in notices} == got
        ours = "job_id IN (SELECT job_id FROM jobs WHERE key = 'hunted') AND type = ?"
        started = reader.count(JobEvent, ours, ("run.started",))
        ended = [each.message for each in reader.select(JobEvent, ours, ("run.ended",))]
        failed = sum(message.startswith("FAILED") for message in ended)
        assert len(ended) - failed == self.runs
        assert started == len(ended)
        expected = {"/start": started, "/failure": failed, "/success": self.runs}
        assert Counter(path for _, path in got) == {k: n for k, n in expected.items() if n}

    def _check_history(self, reader: Reader) -> None:
        """The last server has published every end, each once."""
        attempts = [row.attempt for row in reader.select(AttemptRow)]
        ends = Counter({row.run_id: row.repairs + 1 for row in reader.select(RunRow)})
        told = Counter(map(int, self._published("job_run_timeline")))
        self.tally["doubled"] += (told - ends).total()
        self.tally["lost"] += (ends - told).total()
        assert told == ends
        assert sorted(map(int, self._published("job_task_run_timeline"))) == sorted(attempts)
        assert len(self._published("jobs", "job_id")) == 2

    def _published(self, table: str, column: str = "run_id") -> list[str]:
        path = self.home / "lakehouse/system/lakeflow" / table
        found: list[str] = DeltaTable(path).to_pyarrow_table()[column].to_pylist()
        return found

    def _check_ticks(self, reader: Reader) -> None:
        """Each minute from the first tick to the last has one, and each tick one run."""
        ticks = reader.select(TickRow, "1 ORDER BY fire_time")
        times = [tick.fire_time for tick in ticks]
        assert times == [*range(times[0], times[-1] + 1, 60_000)]
        begun = reader.select(RunRow, "trigger = 'PERIODIC'")
        assert {tick.outcome for tick in ticks} == {"FIRED"}
        self.tally["doubled"] += len(begun) - len({row.trigger_info["time"] for row in begun})
        assert sorted(row.run_id for row in begun) == sorted(tick.run_id for tick in ticks)
        assert sorted(row.trigger_info["time"] for row in begun) == times
        self.tally["ticks"] += len(ticks)


@pytest.fixture
def hunt(tmp_path: Path, tally: Counter[str]) -> Iterator[Hunt]:
    """A server without jobs."""
    with Receiver() as receiver:
        yield Hunt(tmp_path, receiver, tally)


def test_a_server_that_nobody_kills(hunt: Hunt) -> None:
    assert hunt.start() == 0
    hunt.check()
    assert float((hunt.home / "first-work").read_text()) < SOONEST


@pytest.mark.faults
@pytest.mark.parametrize("nth", [1, 2, 5])
@pytest.mark.parametrize("point", POINTS)
def test_a_server_killed_at_a_failpoint(hunt: Hunt, point: str, nth: int) -> None:
    if point == "jobs.recover.swept":
        assert hunt.start("jobs.attempt.handed:3:kill") == -signal.SIGKILL
        hunt.tally.clear()
        nth = 1
    for _ in range(4):  # on a quick machine all may be done before it has passed so often
        if hunt.start(f"{point}:{nth}:kill") == -signal.SIGKILL:
            break
        hunt.runs += 10
    assert hunt.tally["kills"]
    assert hunt.start() == 0
    hunt.check()


@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize("point", PUBLISHING)
def test_a_server_killed_while_it_publishes(hunt: Hunt, point: str, nth: int) -> None:
    hunt.runs = 6  # a quick machine publishes them in few batches
    assert hunt.start(f"{point}:{nth}:kill") == -signal.SIGKILL
    assert hunt.start() == 0
    hunt.check()


def hunted(hunt: Hunt, seed: int, kills: int) -> None:
    """Kills a server so many times, at passages and moments taken by chance."""
    chance = random.Random(seed)
    print(f"seed {seed}")
    while hunt.tally["kills"] < kills:
        if chance.random() < 0.8:
            point = chance.choice(ANYWHERE)
            code = hunt.start(f"{point}:{chance.randint(1, 5)}:kill")
        else:
            code = hunt.start(seconds=chance.uniform(0.1, 0.8))
        if code == 0:  # all is done; there has to be something that can be killed
            hunt.runs += 2
    assert hunt.start() == 0
    hunt.check()


@pytest.mark.parametrize("seed", range(4))
def test_a_server_killed_by_chance(hunt: Hunt, seed: int) -> None:
    hunted(hunt, seed, 5)


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(100, 125))
def test_a_server_killed_by_chance_many_times(hunt: Hunt, seed: int) -> None:
    hunted(hunt, seed, 8)
