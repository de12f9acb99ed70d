"""What the programs in the virtual environments of other schedulers have in common.

It is imported there by its place and needs nothing but Python.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

LOOK = 0.05
"""Seconds between two questions whether a run is over."""

START = 180
"""Seconds in which a service has to answer."""

ENDS = ("SUCCESS", "FAILURE", "CANCELED")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def running(home: Path, command: Sequence[str]) -> Iterator[None]:
    """A service and everything that it starts."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with (home / "services.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=home,
            start_new_session=True,
        )
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def wait_for(address: str) -> None:
    """Waits until a service answers."""
    until = time.monotonic() + START
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise SystemExit(f"{address} did not answer within {START} seconds.")


def answer(run: Callable[[str, int, str], None], version: str) -> None:
    """Runs what each line of the standard input asks for, until it ends."""
    # What a library prints must not look like an answer.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    print(json.dumps({"version": version}), file=out, flush=True)
    for line in sys.stdin:
        run(**json.loads(line))
        print(json.dumps({}), file=out, flush=True)
