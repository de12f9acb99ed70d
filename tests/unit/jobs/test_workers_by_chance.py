"""Starts, stops and kills by chance: every attempt ends once, and nothing is left."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import uuid

import pytest

from lakeflow.jobs.model import Result
from lakeflow.jobs.workers.pool import Workers
from tests.unit.jobs.test_killed_server import marked

ATTEMPTS = 60


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens(begin, script, seed):
    chance = random.Random(seed)
    home = uuid.uuid4().hex
    workers = Workers(home, grace=chance.choice([0.05, 10]), at_most=chance.choice([4, 32]))
    attempts, stopped, killed = [], set(), set()
    for _ in range(ATTEMPTS):
        seconds = chance.choice(["0", "0.01", "0.1"])
        fields = {
            "cluster": chance.choice([None, None, None, "a", "b"]),
            "warm": chance.random() < 0.9,
            "by": workers,
        }
        if chance.random() < 0.2:
            command = f"sleep {seconds} & setsid sleep 600 & wait %1"
            attempts.append(begin("shell_task", {"command": command}, **fields))
        else:
            text = "import sys, time\ntime.sleep(float(sys.argv[1]))"
            attempts.append(script(text, seconds, **fields))
        if chance.random() < 0.15:
            number = chance.choice(attempts).number
            stopped.add(number)
            workers.stop(number)
        if chance.random() < 0.1:
            attempt = chance.choice(attempts)
            if attempt.process is not None and not attempt.over.is_set():
                killed.add(attempt.process.pid)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(attempt.process.pid, signal.SIGKILL)
        if chance.random() < 0.1:
            workers.end_cluster(chance.choice("ab"))
    for attempt in attempts:
        outcome = attempt.wait()
        if outcome.result is Result.FAILED:
            assert outcome.code == "DRIVER_ERROR"
            assert attempt.process is not None
            assert attempt.process.pid in killed
        if outcome.result is Result.CANCELED:
            assert attempt.number in stopped
    workers.close()
    assert marked(home) == []
    assert all(len(attempt.outcomes) == 1 for attempt in attempts)
