"""Processes that nobody answers for any more: who gets them, and how they are found and killed."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
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
    import psutil

    for _ in range(3):  # what is killed may have started something meanwhile
        found = list(_trees(known.values())) + list(_marked(home))
        for each in found:
            with contextlib.suppress(psutil.Error):
                each.kill()
        if not found:
            return
        psutil.wait_procs(found, timeout=_WAIT)


def kill_own(value: str) -> None:
    """Kills the workers with this value of `MARK`, and what they have started."""
    import psutil

    while True:
        found = []
        for each in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if each.environ().get(MARK) == value and each.status() != psutil.STATUS_ZOMBIE:
                    each.kill()
                    found.append(each)
        if not found:
            return
        psutil.wait_procs(found, timeout=_WAIT)


def _trees(known: Iterable[Process]) -> Iterator[psutil.Process]:
    import psutil

    for each in known:
        if is_alive(each):
            with contextlib.suppress(psutil.Error):
                top = psutil.Process(each.pid)
                yield from [top, *top.children(recursive=True)]


def _marked(home: str) -> Iterator[psutil.Process]:
    import psutil

    for each in psutil.process_iter():
        try:
            value = each.environ().get(MARK, "")
        except psutil.Error:
            continue
        pid, _, rest = value.partition(":")
        started, _, owner = rest.partition(":")
        if owner == home and not is_alive(Process(int(pid), float(started))):
            yield each


def kill_children() -> None:
    """Kills everything that this process has started and that still runs."""
    while True:
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        import psutil

        found = psutil.Process().children(recursive=True)
        for each in found:
            with contextlib.suppress(psutil.Error):
                each.kill()
        psutil.wait_procs(found, timeout=_WAIT)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
