"""Runs Lakeflow's command line in forks of a process that has imported everything.

The start of a Python with all libraries costs more than a small update; a fork costs nothing. The
server has one thread and has opened nothing, so that a fork of it is as good as a new process.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import resource
import select
import signal
import subprocess
import sys
import time
import traceback
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Child:
    """A forked process.

    Args:
        server: Which forked it.
        pid: Its number.
        output: The file with what it says.
    """

    server: ForkServer
    pid: int
    output: Path
    returncode: int | None = None
    changes: deque[int] = field(default_factory=deque)

    def wait(self) -> tuple[int, str]:
        """Its exit code, negative after a signal, and what it said."""
        while self.returncode is None:
            self._next()
        return self.returncode, self.said()

    def said(self) -> str:
        return self.output.read_text(errors="replace")

    def is_stopped(self) -> bool:
        """Waits until it has stopped; False if it has ended instead."""
        return os.WIFSTOPPED(self._next())

    def wake(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def _next(self) -> int:
        while not self.changes:
            self.server.listen()
        status = self.changes.popleft()
        if not os.WIFSTOPPED(status):
            self.returncode = os.waitstatus_to_exitcode(status)
        return status


class ForkServer:
    """The server's client; one for each test process."""

    def __init__(self, scratch: Path) -> None:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("LAKEFLOW_")}
        self.scratch = scratch
        self.children: dict[int, Child] = {}
        self.process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            env=environment,
        )
        self.started = 0
        self.cpu = 0.0

    def start(self, *arguments: str, **job: Any) -> Child:
        """Forks; `job` is what `run_job` understands."""
        self.started += 1
        output = self.scratch / f"{self.started}.out"
        assert self.process.stdin is not None
        request = {"arguments": arguments, "output": str(output), **job}
        self.process.stdin.write(json.dumps(request) + "\n")
        pid = self.listen()
        while pid is None:
            pid = self.listen()
        self.children[pid] = Child(self, pid, output)
        return self.children[pid]

    def listen(self) -> int | None:
        """Takes one message; the number of a process if one was started."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the fork server has ended"
        message = json.loads(line)
        if "started" in message:
            return int(message["started"])
        self.children[message["pid"]].changes.append(message["status"])
        self.cpu += message["cpu"]
        return None

    def close(self) -> None:
        """Ends it and whatever it has forked and not seen the end of."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


def serve() -> None:
    """Forks for every line of the standard input, and tells what becomes of the children."""
    _import_everything()
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    alive: set[int] = set()
    buffer = b""
    while True:
        ready, _, _ = select.select([0, wake], [], [])
        if wake in ready:
            os.read(wake, 4096)
            while alive:
                pid, status, used = os.wait4(-1, os.WNOHANG | os.WUNTRACED)
                if pid == 0:
                    break
                if not os.WIFSTOPPED(status):
                    alive.discard(pid)
                _tell(pid=pid, status=status, cpu=used.ru_utime + used.ru_stime)
        if 0 in ready:
            data = os.read(0, 65536)
            if not data:
                break
            *lines, buffer = (buffer + data).split(b"\n")
            for line in lines:
                pid = os.fork()
                if pid == 0:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    _child(json.loads(line))
                alive.add(pid)
                _tell(started=pid)
    for pid in alive:
        os.kill(pid, signal.SIGKILL)


def _tell(**message: Any) -> None:
    os.write(1, json.dumps(message).encode() + b"\n")


def _import_everything() -> None:
    import lakeflow

    for found in pkgutil.walk_packages(lakeflow.__path__, "lakeflow."):
        if found.name != "lakeflow.__main__":
            importlib.import_module(found.name)
    for name in ("deltalake", "duckdb", "pyarrow.parquet", "lakeflow_connectors.files"):
        importlib.import_module(name)


def _child(job: dict[str, Any]) -> None:
    code = 1
    try:
        with Path(job["output"]).open("w") as output, Path(os.devnull).open() as nothing:
            os.dup2(nothing.fileno(), 0)
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        code = run_job(job)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def run_job(job: dict[str, Any]) -> int:
    """Runs the command line.

    Args:
        job: `arguments`; `environment` to add; `failpoints` to arm; `trace`: a file that is told
            every passage of a failpoint, one a line; `largest`: bytes above which no file may grow;
            `record`: a folder for the journal of what was written and synced; `hurry`: time
            passes for this process when it would sleep, and for nobody else.
    """
    from lakeflow.cli.main import run_command
    from lakeflow.cli.session import open_session
    from lakeflow.core import failpoints

    os.environ.update(job.get("environment", {}))
    armed = job.get("failpoints", "")
    if "trace" in job:
        armed += "".join(f",{name}:1000000:kill" for name in failpoints.NAMES)
        failpoints._passed = _Trace(Path(job["trace"]))
    failpoints.arm(armed)
    if "largest" in job:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["largest"], job["largest"]))
    if "record" in job:
        from journal import Recorder

        Recorder(Path(os.environ["LAKEFLOW_LAKEHOUSE"]), Path(job["record"])).install()
    if job.get("hurry"):
        _hurry()
    return run_command(job["arguments"], open_session)


class _Trace(dict[str, int]):
    """Counts passages and writes them down, so that a kill loses none."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __setitem__(self, name: str, count: int) -> None:
        super().__setitem__(name, count)
        with self.path.open("a") as file:
            file.write(f"{name}\n")


def _hurry() -> None:
    from lakeflow.core.clock import SystemClock

    passed = 0.0

    def sleep(_: SystemClock, seconds: float) -> None:
        nonlocal passed
        passed += seconds

    SystemClock.sleep = sleep
    SystemClock.monotonic = lambda _: time.monotonic() + passed


if __name__ == "__main__":
    serve()
