"""The server that a command speaks to: one in its own process, or the one at work in the home."""

from __future__ import annotations

import json
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from lakeflow.core.errors import ConfigurationError, LakeflowError
from lakeflow.core.settings import Settings
from lakeflow.jobs.home import Home
from lakeflow.jobs.rows import JobEvent

if TYPE_CHECKING:
    from lakeflow.server.api import Api
    from lakeflow.server.compose import Server

Tell = Callable[[JobEvent], None]
_MOMENT = 0.25
"""Seconds between two attempts to reach a server that has gone away."""

ENDS = ("run.ended", "run.skipped")


class Speaker(Protocol):
    """Speaks to a server."""

    def call(self, path: str, body: Mapping[str, Any]) -> Any:
        """Has something done.

        Raises:
            ConfigurationError: It cannot be.
        """

    def follow(self, run_id: int, tell: Tell, after: int) -> None:
        """Tells what happens in a run until it is over.

        Args:
            run_id: The run.
            tell: Is told.
            after: Number of the last event that is of no interest any more.
        """


@contextmanager
def speaking(settings: Settings, *, local: bool, can_be_local: bool = False) -> Iterator[Speaker]:
    """Speaks to the server of a home.

    Args:
        settings: Which home, and which lakehouse.
        local: Whether one is to be started in this process.
        can_be_local: Whether the user could have asked for that.

    Raises:
        ConfigurationError: None is at work, and none is to be started.
        ConflictError: One is to be started, and another is at work.
    """
    holder = None if local else Home(settings.home).holder()
    if holder and holder.get("address"):
        yield Remote(str(holder["address"]), settings.home)
        return
    if not local:
        raise ConfigurationError(
            f"No server is at work in {settings.home}.",
            hint="Start one: lakeflow serve."
            if not can_be_local
            else "Start one (lakeflow serve), or add --local to run it in this process.",
        )
    from lakeflow.server.api import Api
    from lakeflow.server.compose import Server

    heard = Heard()
    with Server(settings.home, settings, listeners=[heard.hear], triggers=False) as server:
        yield Local(server, Api(server), heard)


class Heard:
    """Keeps what a scheduler tells until somebody asks for it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._events: list[JobEvent] = []

    def hear(self, event: JobEvent) -> None:
        """Takes in an event."""
        with self._changed:
            self._events.append(event)
            self._changed.notify()

    def after(self, count: int, seconds: float) -> list[JobEvent]:
        """Events but for the first ones; waits for some if there are none."""
        with self._changed:
            if len(self._events) <= count:
                self._changed.wait(seconds)
            return self._events[count:]


class Local:
    """Speaks to a server in this process.

    Args:
        server: The server.
        api: Answers.
        heard: Hears what happens.
    """

    def __init__(self, server: Server, api: Api, heard: Heard) -> None:
        self._server = server
        self._api = api
        self._heard = heard

    def call(self, path: str, body: Mapping[str, Any]) -> Any:
        """Has something done."""
        reply = self._api.call("POST", path, body=body)
        return _answer(reply.status, reply.body)

    def follow(self, run_id: int, tell: Tell, after: int) -> None:
        """Tells what happens in a run until it is over."""
        seen = 0
        while self._server.failure is None:
            for event in self._heard.after(seen, 0.5):
                seen += 1
                if event.run_id == run_id and event.sequence > after:
                    tell(event)
                    if event.type in ENDS:
                        return
        raise LakeflowError(f"The scheduler had to stop: {self._server.failure}.")


class Remote:
    """Speaks to a server at work on this machine, over HTTP.

    Args:
        address: Where it is.
        home: Its home, which holds its token.
        patience: Seconds for which it is looked for when it goes away.
        pause: Waits so many seconds.
    """

    def __init__(
        self,
        address: str,
        home: Path,
        *,
        patience: float = 10,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._address = address
        self._home = home
        self._patience = patience
        self._pause = pause
        self._token = _token(home)

    def call(self, path: str, body: Mapping[str, Any]) -> Any:
        """Has something done."""
        try:
            with self._open(path, json.dumps(body).encode()) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as error:
            return _answer(error.code, json.load(error))

    def follow(self, run_id: int, tell: Tell, after: int) -> None:
        """Tells what happens in a run until it is over."""
        left = self._patience
        while left > 0:
            try:
                for event in self._events(run_id, after):
                    left = self._patience
                    after = event.sequence
                    tell(event)
                    if event.type in ENDS:
                        return
            except (_Away, OSError, HTTPException):
                # The next server of the home goes on with the run, maybe at another address.
                holder = Home(self._home).holder() or {}
                self._address = str(holder.get("address") or self._address)
            self._pause(_MOMENT)
            left -= _MOMENT
        raise LakeflowError(
            f"The server at {self._address} has gone away.",
            hint=f"Run {run_id} goes on with the next server; "
            f"lakeflow jobs why {run_id} says where it stands.",
        )

    def _events(self, run_id: int, after: int) -> Iterator[JobEvent]:
        with self._open(f"/api/lakeflow/events?run_id={run_id}&after={after}") as stream:
            for line in stream:
                if line.startswith(b"data: "):
                    yield JobEvent(**json.loads(line.removeprefix(b"data: ")))

    def _open(self, path: str, body: bytes | None = None) -> Any:
        request = urllib.request.Request(
            self._address + path,
            body,
            {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
        )
        try:
            return urllib.request.urlopen(request)
        except urllib.error.HTTPError:
            raise
        except urllib.error.URLError as error:
            raise _Away(
                f"The server at {self._address} does not answer: {error.reason}.",
                hint="It may be starting or ending; try again.",
            ) from error


class _Away(LakeflowError):
    """The server does not answer."""


def _token(home: Path) -> str:
    """What the server wants to hear.

    Raises:
        ConfigurationError: It is not known.
    """
    if given := os.environ.get("LAKEFLOW_TOKEN"):
        return given
    try:
        return (home / "token").read_text().strip()
    except OSError as error:
        raise ConfigurationError(
            "The token of the server is not known: LAKEFLOW_TOKEN is not set here, and there is no "
            f"{home / 'token'} ({error.strerror or error}).",
            hint="Set LAKEFLOW_TOKEN to what it was when the server was started.",
        ) from error


def _answer(status: int, body: Any) -> Any:
    if status < 400:
        return body
    message = str(body.get("message", body))
    raise (ConfigurationError if status < 500 else LakeflowError)(message)
