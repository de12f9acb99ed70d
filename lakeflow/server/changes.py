"""Events as they happen, for those who watch."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakeflow.jobs.rows import AttemptRow, JobEvent
from lakeflow.jobs.store import Reader
from lakeflow.server.answers import Reply, invalid, missing
from lakeflow.server.routes import Request, Routes

if TYPE_CHECKING:
    from lakeflow.server.api import Api

ROUTES = Routes()
AT_ONCE = 500
_MOST_TEXT = 256 * 1024
_GLANCE = 0.2
"""Seconds between two looks at a file."""

SILENCE = 15.0
"""Seconds after which a comment tells that the connection stands."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What somebody wants to see.

    Args:
        after: Number of the last event that was seen.
        run_id: Only events of this run.
    """

    after: int
    run_id: int | None = None

    def read(self, reader: Reader) -> list[JobEvent]:
        """The next events."""
        where, values = "sequence > ?", [self.after]
        if self.run_id is not None:
            where, values = f"{where} AND run_id = ?", [self.after, self.run_id]
        return reader.select(JobEvent, f"{where} ORDER BY sequence LIMIT {AT_ONCE}", values)


@dataclass(frozen=True, slots=True)
class Tail:
    """What a task prints, while it does.

    Args:
        attempt: The attempt.
        path: The file that it prints to.
        after: Bytes that were seen.
    """

    attempt: int
    path: Path
    after: int

    def read(self, reader: Reader) -> tuple[bytes, bool]:
        """What it has printed since, and whether nothing more will come."""
        found = reader.find(AttemptRow, self.attempt)
        over = found is None or found.state == "TERMINATED"  # looked at before the file is
        try:
            with self.path.open("rb") as file:
                file.seek(self.after)
                text = file.read(_MOST_TEXT)
        except FileNotFoundError:
            text = b""
        return text, over and not text


class Changes:
    """Wakes those who wait for events; told of each by the scheduler."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        self.closed = False

    def tell(self, _: JobEvent) -> None:
        """An event is durable."""
        self._wake()

    def close(self) -> None:
        """Lets everybody go."""
        self.closed = True
        self._wake()

    def _wake(self) -> None:
        with self._lock:
            for loop, woken in self._waiting:
                with suppress(RuntimeError):  # its loop has ended
                    loop.call_soon_threadsafe(woken.set)

    async def tail(
        self, tail: Tail, read: Callable[[Tail], Any]
    ) -> AsyncIterator[tuple[int, bytes]]:
        """What a task prints, until it has ended; with the number of bytes that were told then.

        Args:
            tail: What is wanted.
            read: Reads the next of it; awaited.
        """
        while not self.closed:
            text, over = await read(tail)
            if over:
                return
            if text:
                tail = replace(tail, after=tail.after + len(text))
            else:
                await asyncio.sleep(_GLANCE)  # nobody tells when a file has grown
            yield tail.after, text

    async def follow(
        self, watch: Watch, read: Callable[[Watch], Any]
    ) -> AsyncIterator[list[JobEvent]]:
        """Events from a place on, as they happen; an empty list after a time without any.

        Args:
            watch: What is wanted.
            read: Reads the next of them; awaited.
        """
        mine = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            self._waiting.add(mine)
        try:
            while not self.closed:
                mine[1].clear()
                if found := await read(watch):
                    watch = Watch(found[-1].sequence, watch.run_id)
                    yield found
                    continue
                try:
                    await asyncio.wait_for(mine[1].wait(), SILENCE)
                except TimeoutError:
                    yield []
        finally:
            with self._lock:
                self._waiting.discard(mine)


@ROUTES.add(
    "GET",
    "/api/lakeflow/events",
    """
    after   number  Number of the last event that was seen; 0 for all.
    run_id  number  Only events of this run.
    """,
)
def events(_: Api, request: Request) -> Any:
    """Events of jobs and runs as server-sent events, the old ones first, then as they happen."""
    return Reply(body=Watch(request.get("after", 0), request.get("run_id")), type=STREAM)


@ROUTES.add(
    "GET",
    "/api/lakeflow/logs",
    """
    run_id*  number  One task of a run.
    stream   text    stdout or stderr; the first if left out.
    after    number  Bytes that were seen.
    """,
)
def logs(api: Api, request: Request) -> Any:
    """What a task prints as server-sent events, until it has ended."""
    name = request.get("stream", "stdout")
    if name not in ("stdout", "stderr"):
        raise invalid(f"stream is stdout or stderr, not {name!r}.")
    attempt = api.read(lambda reader: reader.find(AttemptRow, request["run_id"]))
    if attempt is None:
        raise missing(f"There is no task with the run_id {request['run_id']}.")
    path = api.home.attempt(attempt.run_id, attempt.attempt) / name
    return Reply(body=Tail(attempt.attempt, path, max(request.get("after", 0), 0)), type=STREAM)


STREAM = "text/event-stream"


def event_json(event: JobEvent) -> dict[str, Any]:
    """An event as JSON."""
    return {
        name: value for name in event.__slots__ if (value := getattr(event, name)) not in (None, {})
    }
