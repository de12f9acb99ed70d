"""Runs attempts in processes: warm ones forked ahead, fresh ones, and one for each cluster.

One thread does everything, waiting on lines and never polling. The parent of all workers is the
fork server; it tells when one has ended and sees to it that nothing of it is left.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lakeflow.core.settings import SECRETS
from lakeflow.jobs.model import Result
from lakeflow.jobs.work import Assignment, Ended, Outcome, Process, Started
from lakeflow.jobs.workers import leftovers
from lakeflow.jobs.workers.tasks.context import Given, order
from lakeflow.jobs.workers.wire import Line, Message, pack

_LOG = logging.getLogger(__name__)
_SPARES = 2
_GRACE = 10.0
_CLOSED = "The server was closed."

_Cluster = tuple[str, str]
"""Its text and its libraries: another set of those needs another interpreter."""


@dataclass(slots=True, eq=False)
class _Attempt:
    assignment: Assignment
    started: Started
    ended: Ended
    order: bytes = b""
    child: _Child | None = None
    stopped: bool = False
    told: Message | None = None

    @property
    def number(self) -> int:
        return self.assignment.attempt


@dataclass(slots=True, eq=False)
class _Child:
    number: int
    line: Line
    guard: socket.socket
    cluster: _Cluster | None = None
    process: Process | None = None
    attempt: _Attempt | None = None
    waiting: deque[_Attempt] = field(default_factory=deque)
    ending: bool = False
    signals: int = 0
    gone: bool = False
    kill_at: float | None = None
    killed: bool = False


class Workers:
    """A `Runner` whose attempts run in processes of their own.

    Args:
        home: Whose workers these are; `sweep` finds what an earlier server with the same left.
        given: What others do for tasks.
        spares: Processes that wait, forked, for an attempt.
        at_most: Attempts that run at the same time; more wait.
        grace: Seconds between the request to end and the kill.
    """

    def __init__(
        self,
        home: str | None = None,
        given: Given | None = None,
        *,
        spares: int = _SPARES,
        at_most: int = 0,
        grace: float = _GRACE,
    ) -> None:
        self._home = home or uuid.uuid4().hex
        self._given = given or Given()
        self._spares_wanted = spares
        self._at_most = at_most or max(16, 8 * (os.cpu_count() or 1))
        self._grace = grace
        self._calls: deque[Callable[[], None]] = deque()
        self._wake, self._woken = socket.socketpair()
        # A call that finds it full finds the thread woken.
        self._wake.setblocking(False)
        self._attempts: dict[int, _Attempt] = {}
        self._queue: deque[_Attempt] = deque()
        self._children: dict[int, _Child] = {}
        self._spares: deque[_Child] = deque()
        self._clusters: dict[_Cluster, _Child] = {}
        self._watched = selectors.DefaultSelector()
        self._watched.register(self._woken, selectors.EVENT_READ, None)
        self._server: subprocess.Popen[bytes] | None = None
        self._line: Line | None = None
        self._number = 0
        self._running = 0
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="workers", daemon=True)
        self._thread.start()
        self._call(self._fill)

    def start(self, assignment: Assignment, started: Started, ended: Ended) -> None:
        """Begins an attempt; `ended` is called once, whatever happens, from some thread."""
        attempt = _Attempt(assignment, started, ended)
        if self._thread.is_alive():
            self._call(lambda: self._accept(attempt))
        else:
            _tell(ended, attempt, _canceled(_CLOSED))

    def stop(self, attempt: int) -> None:
        """Ends an attempt: asks, waits for some seconds, then kills all its processes."""
        self._call(lambda: self._stop(attempt))

    def end_cluster(self, text: str) -> None:
        """Ends the process of a cluster once the attempts that it was given have ended."""
        self._call(lambda: self._end_clusters(text))

    def sweep(self, processes: Mapping[int, Process]) -> None:
        """Kills what is left of attempts that an earlier server started, by attempt."""
        leftovers.sweep(self._home, processes)

    def close(self) -> None:
        """Stops everything; no process is left when it returns."""
        self._call(self._close)
        self._thread.join()

    def _call(self, call: Callable[[], None]) -> None:
        self._calls.append(call)
        with contextlib.suppress(OSError):
            self._wake.send(b"!")

    # What follows runs in the thread only.

    def _run(self) -> None:
        while not (self._closing and not self._children and not self._attempts):
            for key, _ in self._watched.select(self._until_kill()):
                if key.data is None:
                    self._woken.recv(4096)
                else:
                    _do(key.data)
            while self._calls:
                _do(self._calls.popleft())
            self._kill_late()
        if self._line is not None:
            self._forget(self._line)
        if self._server is not None:
            self._server.wait()
        self._watched.close()
        self._wake.close()
        self._woken.close()

    def _accept(self, attempt: _Attempt) -> None:
        assignment = attempt.assignment
        if attempt.number in self._attempts:
            _tell(attempt.ended, attempt, _unable(f"The attempt {attempt.number} runs already."))
            return
        self._attempts[attempt.number] = attempt
        if self._closing:
            self._finish(attempt, _canceled(_CLOSED))
            return
        again = assignment.cluster is not None
        try:
            attempt.order = pack(order(assignment, self._given, again=again))
        except (TypeError, ValueError) as error:
            self._finish(attempt, _unable(f"The task is nothing that JSON can say: {error}."))
            return
        if assignment.cluster is None:
            self._queue.append(attempt)
            self._dispatch()
        else:
            self._join(assignment.cluster, attempt)

    def _dispatch(self) -> None:
        """Gives processes to the attempts that wait for one."""
        while self._queue and self._running < self._at_most:
            attempt = self._queue.popleft()
            if (child := self._process(attempt)) is not None:
                self._running += 1
                self._assign(child, attempt)

    def _join(self, text: str, attempt: _Attempt) -> None:
        """Lets an attempt wait for the process of its cluster."""
        libraries = list(attempt.assignment.libraries)
        key = text, json.dumps(libraries, default=dict, sort_keys=True)
        child = self._clusters.get(key)
        if child is None:
            if (child := self._process(attempt)) is None:
                return
            child.cluster = key
            self._clusters[key] = child
        child.waiting.append(attempt)
        self._go_on(child)

    def _process(self, attempt: _Attempt) -> _Child | None:
        """A process for an attempt, which ends if there is none to be had."""
        try:
            return self._take(attempt.assignment)
        except OSError as error:
            self._finish(attempt, _unable(f"No process could be started: {error}."))
            return None

    def _take(self, assignment: Assignment) -> _Child:
        """A process for an attempt: one that waits, a fork, or a new one."""
        installs = any("jar" not in library for library in assignment.libraries)
        if installs or not assignment.warm:
            return self._new_child([sys.executable, "-P", "-m", "lakeflow.jobs.workers.worker"])
        child = self._spares.popleft() if self._spares else self._new_child()
        self._call(self._fill)
        return child

    def _fill(self) -> None:
        """Forks ahead."""
        while len(self._spares) < self._spares_wanted and not self._closing:
            self._spares.append(self._new_child())

    def _new_child(self, command: list[str] | None = None) -> _Child:
        ours, theirs = socket.socketpair()
        self._number += 1
        guard, guarded = socket.socketpair()
        child = _Child(self._number, Line(ours), guard)
        self._children[child.number] = child
        self._watched.register(ours, selectors.EVENT_READ, lambda: self._listen(child))
        request: Message = {"child": child.number}
        if command is not None:
            request["command"] = command
        self._send(self._fork_server(), request, theirs.detach(), guarded.detach())
        return child

    def _fork_server(self) -> Line:
        if self._line is None:
            ours, theirs = socket.socketpair()
            with theirs:
                self._server = subprocess.Popen(
                    [
                        sys.executable,
                        "-P",
                        "-m",
                        "lakeflow.jobs.workers.forkserver",
                        str(theirs.fileno()),
                    ],
                    env={
                        **{name: os.environ[name] for name in os.environ.keys() - SECRETS},
                        leftovers.MARK: leftovers.mark(self._home),
                    },
                    stdin=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )
            self._line = Line(ours)
            self._watched.register(ours, selectors.EVENT_READ, self._hear)
        return self._line

    def _send(self, line: Line, message: Message | bytes, *files: int) -> None:
        line.send(message, *files)
        self._watch(line)

    def _watch(self, line: Line) -> None:
        if line.is_closed:
            return
        key = self._watched.get_key(line.end)
        writing = selectors.EVENT_WRITE if line.is_full else 0
        if key.events != (wanted := selectors.EVENT_READ | writing):
            self._watched.modify(line.end, wanted, key.data)

    def _forget(self, line: Line) -> None:
        if not line.is_closed:
            self._watched.unregister(line.end)
            line.close()

    def _assign(self, child: _Child, attempt: _Attempt) -> None:
        attempt.child, child.attempt = child, attempt
        self._send(child.line, attempt.order)
        if child.process is not None:
            _tell(attempt.started, attempt, child.process)

    def _go_on(self, child: _Child) -> None:
        """Gives the process of a cluster its next attempt."""
        # A signal on its way is for the attempt before, and must not meet this one.
        if child.attempt is not None or child.gone or child.signals:
            return
        if child.waiting:
            self._assign(child, child.waiting.popleft())
        elif child.ending:
            self._end_child(child)

    def _end_child(self, child: _Child) -> None:
        """Lets a process without an attempt end; it is killed if it does not."""
        self._forget(child.line)
        child.kill_at = time.monotonic() + self._grace

    def _hear(self) -> None:
        """What the fork server tells."""
        assert self._line is not None
        self._line.flush()
        messages = self._line.receive()
        if messages is None:
            self._bereaved()
            return
        self._watch(self._line)
        for message in messages:
            if "born" in message:
                child = self._children[message["born"]]
                child.process = leftovers.process(message["pid"])
                if child.attempt is not None:
                    _tell(child.attempt.started, child.attempt, child.process)
            elif "signaled" in message:
                if (found := self._children.get(message["signaled"])) is not None:
                    found.signals -= 1
                    self._go_on(found)
            else:
                self._bury(self._children[message["dead"]], message)

    def _listen(self, child: _Child) -> None:
        """What a worker tells: how its attempt ended."""
        if child.line.is_closed:
            return
        child.line.flush()
        messages = child.line.receive()
        if messages is None:
            self._forget(child.line)
            if child.attempt is not None and child.attempt.told is None:
                self._signal(child, signal.SIGKILL)
            return
        self._watch(child.line)
        for message in messages:
            if (attempt := child.attempt) is None:
                continue
            if child.cluster is None:
                attempt.told = message
                continue
            child.attempt = child.kill_at = None
            self._finish(attempt, _canceled() if attempt.stopped else _outcome(message))
            self._go_on(child)

    def _bury(self, child: _Child, report: Message) -> None:
        """Ends the attempt of a process that is no more."""
        child.gone = True
        if not child.line.is_closed:
            self._listen(child)
        self._forget(child.line)
        child.guard.close()
        del self._children[child.number]
        with contextlib.suppress(ValueError):
            self._spares.remove(child)
        if child.cluster is not None and self._clusters.get(child.cluster) is child:
            del self._clusters[child.cluster]
        if (attempt := child.attempt) is not None:
            self._finish(attempt, _of_dead(attempt, report))
        for waiting in child.waiting:
            del self._attempts[waiting.number]
            self._accept(waiting)

    def _bereaved(self) -> None:
        """The fork server is dead: so are its children, and what they left is killed."""
        assert self._line is not None
        assert self._server is not None
        self._forget(self._line)
        self._server.wait()
        self._line = self._server = None
        leftovers.kill_marked(leftovers.mark(self._home))
        for child in list(self._children.values()):
            self._bury(child, {"status": -signal.SIGKILL})

    def _finish(self, attempt: _Attempt, outcome: Outcome) -> None:
        del self._attempts[attempt.number]
        if attempt.child is not None and attempt.child.cluster is None:
            self._running -= 1
        _tell(attempt.ended, attempt, outcome)
        self._call(self._dispatch)

    def _stop(self, number: int) -> None:
        attempt = self._attempts.get(number)
        if attempt is None or attempt.stopped:
            return
        attempt.stopped = True
        child = attempt.child
        if child is None:
            for queue in (self._queue, *(each.waiting for each in self._children.values())):
                with contextlib.suppress(ValueError):
                    queue.remove(attempt)
            self._finish(attempt, _canceled())
        else:
            self._signal(child, signal.SIGTERM)
            child.kill_at = time.monotonic() + self._grace

    def _signal(self, child: _Child, number: int) -> None:
        child.gone |= number == signal.SIGKILL
        if self._line is not None:
            child.signals += 1
            self._send(self._line, {"child": child.number, "signal": int(number)})

    def _end_clusters(self, text: str | None) -> None:
        for key, child in list(self._clusters.items()):
            if text is None or key[0] == text:
                del self._clusters[key]
                child.ending = True
                self._go_on(child)

    def _until_kill(self) -> float | None:
        late = [child.kill_at for child in self._children.values() if child.kill_at is not None]
        return max(0.0, min(late) - time.monotonic()) if late else None

    def _kill_late(self) -> None:
        now = time.monotonic()
        for child in self._children.values():
            if child.kill_at is not None and child.kill_at <= now:
                child.kill_at = None
                child.killed = True
                self._signal(child, signal.SIGKILL)

    def _close(self) -> None:
        self._closing = True
        for number in list(self._attempts):
            self._stop(number)
        self._end_clusters(None)
        for child in self._spares:
            self._end_child(child)


def _do(call: Callable[[], None]) -> None:
    """Calls; an error must not end the thread on which all attempts depend."""
    try:
        call()
    except Exception:
        _LOG.exception("The workers could not do what was to be done.")


def _tell(callback: Callable[..., None], attempt: _Attempt, said: Process | Outcome | None) -> None:
    _do(lambda: callback(attempt.number, attempt.assignment.epoch, said))


def _unable(message: str) -> Outcome:
    return Outcome(Result.FAILED, "INTERNAL_ERROR", message)


def _outcome(told: Message, **more: Any) -> Outcome:
    result = Result(told.get("result", "FAILED"))
    return Outcome(**{"code": "INTERNAL_ERROR", **told, "result": result, **more})


def _canceled(message: str = "The task was stopped.", **more: Any) -> Outcome:
    return Outcome(Result.CANCELED, "CANCELED", message, **more)


def _of_dead(attempt: _Attempt, report: Message) -> Outcome:
    """How an attempt ended whose process is gone."""
    told, status = attempt.told, report["status"]
    used = {name: report[name] for name in ("cpu_seconds", "peak_memory") if name in report}
    values = {} if told is None else told.get("values", {})
    if attempt.stopped:
        assert attempt.child is not None
        late = " It did not end by itself and was killed." if attempt.child.killed else ""
        return _canceled(f"The task was stopped.{late}", exit_code=status, values=values, **used)
    if told is not None and (status >= 0 or told.get("result") != Result.SUCCESS):
        return _outcome(told, **used)
    if "message" in report:
        return Outcome(Result.FAILED, "DRIVER_ERROR", report["message"])
    when = "before its task had ended" if told is None else "after its task had ended, at its exit"
    if status >= 0:
        message = f"The process ended with exit code {status} {when}; the task called os._exit?"
    else:
        message = f"The process was killed by {signal.Signals(-status).name} {when}."
        if status == -signal.SIGKILL:
            message += " The system does that where memory runs out; so may a person."
        if limit := attempt.assignment.memory_limit:
            message += f" Its memory was limited to {limit} bytes."
    return Outcome(Result.FAILED, "DRIVER_ERROR", message, values=values, exit_code=status, **used)
