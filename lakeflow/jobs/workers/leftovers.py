"""Processes that nobody answers for any more: who gets them, and how they are found and killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lakeflow.jobs.work import Process

if TYPE_CHECKING:
    import psutil

MARK = "_LAKEFLOW_WORKERS"
"""Variable of every worker; not one of `LAKEFLOW_`, for those are settings."""

_LINUX = sys.platform == "linux"
_SUBREAPER = 36  # prctl's numbers, which Python does not name
_DEATH_SIGNAL = 1
_WAIT = 5.0


def _prctl(option: int, value: int) -> None:
    if _LINUX:
        import ctypes

        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def adopt_orphans() -> None:
    """Makes this process the parent of descendants that lose theirs, where the kernel can."""
    _prctl(_SUBREAPER, 1)


def die_with_parent(parent: int) -> None:
    """Lets the kernel kill this process when its parent dies, where it can."""
    _prctl(_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def die_with(guard: socket.socket) -> None:
    """Kills this process and its group when the other end, on which nothing is sent, is closed.

    The kernel does it, at once, whatever the process is doing; where it cannot, Python does.
    """
    if _LINUX:
        fcntl.fcntl(guard, fcntl.F_SETSIG, signal.SIGKILL)
    else:
        signal.signal(signal.SIGIO, lambda *_: _die())
    # Where the group is somebody else's, they are not to die with this process.
    group = os.getpgrp() == os.getpid()
    fcntl.fcntl(guard, fcntl.F_SETOWN, -os.getpid() if group else os.getpid())
    fcntl.fcntl(guard, fcntl.F_SETFL, os.O_NONBLOCK | fcntl.FASYNC)
    with contextlib.suppress(BlockingIOError):
        if not guard.recv(1):
            _die()


def die_together(group: int, guard: socket.socket) -> None:
    """Has the kernel kill a group of processes that hold a guard when its other end is closed.

    Where the kernel cannot, the next server's sweep does.
    """
    if _LINUX:
        fcntl.fcntl(guard, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(guard, fcntl.F_SETOWN, -group)
        fcntl.fcntl(guard, fcntl.F_SETFL, os.O_NONBLOCK | fcntl.FASYNC)


def _die() -> None:
    os.kill(0 if os.getpgrp() == os.getpid() else os.getpid(), signal.SIGKILL)


def children() -> set[int]:
    """The children of this process; it has one thread."""
    try:
        return {int(pid) for pid in Path("/proc/thread-self/children").read_text().split()}
    except OSError:
        import psutil

        return {each.pid for each in psutil.Process().children()}


def bytes_of(resident: int) -> int:
    """Bytes from `ru_maxrss`, which macOS tells in bytes and others in KiB."""
    return resident if sys.platform == "darwin" else resident << 10


def process(pid: int) -> Process | None:
    """A process as it can be known again, if there is one with this number."""
    import psutil

    try:
        return Process(pid, psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return None


def is_alive(known: Process) -> bool:
    """Whether it is still the same process that has this number."""
    found = process(known.pid)
    return found is not None and _same(found.started, known.started)


def _same(one: float, other: float) -> bool:
    # The clock of the machine may be set a little between two looks.
    return abs(one - other) < 1.0


def wait(processes: Iterable[psutil.Process]) -> None:
    """Waits until processes that were killed do nothing any more, for some seconds at most.

    One that is dead and not yet collected by its parent counts as gone; some systems take seconds.
    """
    if not hasattr(os, "pidfd_open"):
        import psutil

        psutil.wait_procs(list(processes), timeout=_WAIT)
        return
    until = time.monotonic() + _WAIT
    for each in processes:
        with contextlib.suppress(ProcessLookupError):
            file = os.pidfd_open(each.pid)
            try:
                select.select([file], [], [], max(0.0, until - time.monotonic()))
            finally:
                os.close(file)


def _kill(processes: Iterable[psutil.Process]) -> bool:
    """Kills what lives of these; whether there was anything."""
    import psutil

    found = []
    for each in processes:
        with contextlib.suppress(psutil.Error):
            if each.status() != psutil.STATUS_ZOMBIE:
                each.kill()
                found.append(each)
    wait(found)
    return bool(found)


def mark(home: str) -> str:
    """The value of `MARK` for workers of this process."""
    this = process(os.getpid())
    assert this is not None
    return f"{this.pid}:{this.started}:{home}"


def sweep(home: str, known: Mapping[int, Process]) -> None:
    """Kills what servers that are no more have left.

    Args:
        home: Whose workers; another server with the same home that still lives keeps its own.
        known: Processes of attempts, which are killed whatever their environment says.
    """
    # What is killed may have started something meanwhile.
    while _kill([*_trees(known.values()), *_left(home)]):
        pass


def kill_marked(value: str) -> None:
    """Kills the workers with this value of `MARK`, and what they have started."""
    while _kill(each for each, found in _marked() if found == value):
        pass


def _trees(known: Iterable[Process]) -> Iterator[psutil.Process]:
    import psutil

    for each in known:
        if is_alive(each):
            with contextlib.suppress(psutil.Error):
                top = psutil.Process(each.pid)
                yield from [top, *top.children(recursive=True)]


def _marked() -> Iterator[tuple[psutil.Process, str]]:
    import psutil

    for each in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if value := each.environ().get(MARK):
                yield each, value


def _left(home: str) -> Iterator[psutil.Process]:
    """The workers of a home whose server is no more."""
    for each, value in _marked():
        pid, started, owner = value.split(":", 2)
        alive = owner != home or is_alive(Process(int(pid), float(started)))
        if not alive and each.pid != os.getpid():
            yield each


def kill_children() -> None:
    """Kills everything that this process has started and that still runs."""
    while True:
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        import psutil

        _kill(psutil.Process().children(recursive=True))
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
