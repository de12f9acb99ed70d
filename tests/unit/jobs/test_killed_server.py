"""Whatever is killed, no process of the workers is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from lakeflow.jobs.model import Result
from lakeflow.jobs.work import Process
from lakeflow.jobs.workers import leftovers
from lakeflow.jobs.workers.pool import Workers

ATTEMPTS = 5


def marked(home: str) -> list[psutil.Process]:
    """The processes that bear the mark of this home and live: the oracle."""
    found = []
    for each in psutil.process_iter():
        try:
            environment = each.environ()
        except psutil.Error:
            continue
        if environment.get(leftovers.MARK, "").endswith(f":{home}") and alive(each):
            found.append(each)
    return found


def alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


class Server:
    """A server in a process of its own, all of whose attempts run."""

    def __init__(self, root: Path) -> None:
        self.home = uuid.uuid4().hex
        self.program = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("server.py")), self.home, str(root)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.program.stdout is not None
        self.processes = {}
        for number in range(ATTEMPTS):
            word, pid, started = self.program.stdout.readline().split()
            assert word == "started"
            self.processes[number] = Process(int(pid), float(started))
        for number in range(ATTEMPTS):
            self.until_said(root / str(number) / "stdout", number)
        self.all = marked(self.home)
        (self.fork_server,) = psutil.Process(self.program.pid).children()

    def until_said(self, path: Path, number: int) -> None:
        shell = number >= 3
        while not path.exists() or ("begun" if shell else "daemon") not in path.read_text():
            os.sched_yield()
        assert self.program.poll() is None

    def kill(self) -> None:
        self.program.kill()
        self.program.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    yield made
    made.kill()
    made.program.stdout.close()
    leftovers.sweep(made.home, {})


def test_nothing_is_left_of_a_killed_server(server):
    assert len(server.all) > 1 + 2 * ATTEMPTS
    server.kill()
    leftovers.wait(server.all)
    assert not any(alive(each) for each in server.all)
    assert marked(server.home) == []


def test_a_sweep_ends_what_a_killed_server_and_its_fork_server_left(server):
    sessions = {each.pid: os.getsid(each.pid) for each in server.all}
    attempts = {each.pid for each in server.processes.values()}
    server.fork_server.suspend()
    server.kill()
    server.fork_server.kill()
    leftovers.wait(each for each in server.all if sessions[each.pid] in attempts)
    left = marked(server.home)
    assert left, "there is nothing to sweep"
    assert not any(sessions[each.pid] in attempts for each in left), "the guard did not see it"
    other = Workers(uuid.uuid4().hex)
    other.sweep({})
    assert marked(server.home), "a sweep of another home must not touch these"
    other.close()
    workers = Workers(server.home)
    workers.sweep(server.processes)
    assert not any(alive(each) for each in server.all)
    workers.close()
    assert marked(server.home) == []


def test_a_sweep_keeps_what_a_living_server_runs(server):
    workers = Workers(server.home)
    workers.sweep({})
    workers.close()
    assert all(alive(each) for each in server.all)


def test_a_number_that_came_again_is_not_killed():
    innocent = subprocess.Popen(["sleep", "600"])
    started = psutil.Process(innocent.pid).create_time()
    workers = Workers()
    try:
        workers.sweep({1: Process(innocent.pid, started - 60)})
        assert innocent.poll() is None
        workers.sweep({1: Process(innocent.pid, started)})
        assert innocent.wait() == -signal.SIGKILL
    finally:
        workers.close()
        innocent.kill()
        innocent.wait()


def test_a_killed_fork_server_takes_its_attempts_along_and_comes_again(script, begin):
    home = uuid.uuid4().hex
    workers = Workers(home)
    try:
        running = begin(
            "shell_task", {"command": "setsid sleep 600 & echo begun; wait"}, by=workers
        )
        running.until_said("begun")
        (fork_server,) = (each for each in psutil.Process().children() if each in marked(home))
        fork_server.kill()
        outcome = running.wait()
        assert (outcome.result, outcome.code) == (Result.FAILED, "DRIVER_ERROR")
        assert script("print(1)", by=workers).wait().result is Result.SUCCESS
    finally:
        workers.close()
    assert marked(home) == []
