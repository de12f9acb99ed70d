"""The parent of all workers: `python -m lakeflow.jobs.workers.forkserver FD`.

It has one thread, never runs a task and never loads a library that starts threads, so that a fork
of it is as good as a new process and costs a few milliseconds. It forks or starts what the server
asks for, tells how it ended, and ends with the server: when the line closes it kills every process
that it or its children have started.
"""

from __future__ import annotations

import contextlib
import gc
import os
import selectors
import signal
import socket
import sys

from lakeflow.jobs.workers import leaving, leftovers, wire, worker
from lakeflow.jobs.workers.wire import Line, Message

Ends = tuple[socket.socket, socket.socket]
"""Of a worker: its line, and the guard that tells it the server's death."""


class ForkServer:
    """Forks, signals and reaps.

    Args:
        line: To the server.
    """

    def __init__(self, line: socket.socket) -> None:
        self._line = Line(line)
        self._children: dict[int, int] = {}
        self._leaving: list[Message] = []
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)
        self._woken.setblocking(False)
        leftovers.adopt_orphans()
        signal.signal(signal.SIGCHLD, lambda *_: None)
        # It ends with its line and no sooner, also where all processes of a service are asked to.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.set_wakeup_fd(self._woken.fileno(), warn_on_full_buffer=False)

    def run(self) -> Ends | None:
        """Serves until the server closes the line; in a forked child, returns the child's own."""
        watched = selectors.DefaultSelector()
        watched.register(self._line.end, selectors.EVENT_READ)
        watched.register(self._wake, selectors.EVENT_READ)
        while True:
            writing = selectors.EVENT_WRITE if self._line.is_full else 0
            watched.modify(self._line.end, selectors.EVENT_READ | writing)
            watched.select()
            with contextlib.suppress(BlockingIOError):
                self._wake.recv(4096)
            self._line.flush()
            messages = self._line.receive()
            if messages is None:
                self._end()
                return None
            for message in messages:
                if (ends := self._obey(message)) is not None:
                    watched.close()
                    return ends
            self._reap()

    def _obey(self, message: Message) -> Ends | None:
        child = message["child"]
        if "signal" in message:
            for pid in [pid for pid, number in self._children.items() if number == child]:
                _signal(pid, message["signal"])
            self._line.send({"signaled": child})
            return None
        files = [self._line.files.popleft() for _ in range(2)]
        # A request to end that comes before the child can hear it must not get lost.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        try:
            pid = os.fork()
        except OSError as error:
            pid = -1
            said = f"No process could be started: {error.strerror}."
            self._line.send({"dead": child, "status": 1, "message": said})
        if pid == 0:
            return self._become(files, message.get("command"))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        for file in files:
            os.close(file)
        if pid < 0:
            return None
        self._children[pid] = child
        self._line.send({"born": child, "pid": pid})
        return None

    def _become(self, files: list[int], command: list[str] | None) -> Ends:
        """Makes a forked process a worker, or the program of a command."""
        parent = os.getppid()
        os.setsid()
        leftovers.adopt_orphans()
        leftovers.die_with_parent(parent)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self._line.close()
        self._wake.close()
        self._woken.close()
        line, guard = (socket.socket(fileno=file) for file in files)
        if command is None:
            return line, guard
        try:
            for file in files:
                os.set_inheritable(file, True)
            os.execv(command[0], [*command, *map(str, files)])
        except OSError as error:
            message = f"{command[0]} could not be started: {error.strerror}."
            line.sendall(wire.pack({"code": "DRIVER_ERROR", "message": message}))
            os._exit(127)

    def _reap(self) -> None:
        """Collects the dead; what they have left behind is killed before their end is told."""
        while (pid := _dead()) is not None:
            child = self._children.pop(pid, None)
            if child is not None:
                # The number may come again once the leader of the group is collected, so not later.
                _signal(pid, signal.SIGKILL)
            _, status, used = os.wait4(pid, 0)
            if child is not None:
                self._leaving.append(
                    {
                        "dead": child,
                        "status": os.waitstatus_to_exitcode(status),
                        "cpu_seconds": used.ru_utime + used.ru_stime,
                        "peak_memory": leftovers.bytes_of(used.ru_maxrss),
                    }
                )
        if self._leaving and not self._kill_orphans():
            for report in self._leaving:
                self._line.send(report)
            self._leaving.clear()

    def _kill_orphans(self) -> bool:
        """Kills what dead children have left; the kernel has made it children of this process."""
        orphans = leftovers.children() - self._children.keys()
        for pid in orphans:
            _signal(pid, signal.SIGKILL)
        return bool(orphans)

    def _end(self) -> None:
        """Kills everything that is left and waits until nothing is."""
        while True:
            for pid in leftovers.children() | self._children.keys():
                _signal(pid, signal.SIGKILL)
            try:
                pid, _ = os.wait()
            except ChildProcessError:
                return
            self._children.pop(pid, None)


def _signal(pid: int, number: int) -> None:
    """Signals a child and its group; it has none before it has begun or if it did not make one."""
    for send in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            send(pid, number)


def _dead() -> int | None:
    """A child that has ended and is not collected yet."""
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return found and found.si_pid


def main() -> int:
    """Runs the fork server, and in its children what they are for."""
    server = ForkServer(socket.socket(fileno=int(sys.argv[1])))
    shared = leaving.modules()
    ends = server.run()
    if ends is None:
        return 0
    code = worker.serve(*ends)
    leaving.leave(code, shared)
    return code


if __name__ == "__main__":
    worker.load()
    gc.collect()
    gc.freeze()
    sys.exit(main())
