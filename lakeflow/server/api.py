"""Everything that can be asked of a server, as functions of plain values; HTTP only carries it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import cache
from typing import Any, TypeVar

from lakeflow.core.clock import Clock, SystemClock
from lakeflow.jobs.home import Home
from lakeflow.jobs.rows import DocumentRow
from lakeflow.jobs.store import Reader
from lakeflow.jobs.turn import Turn
from lakeflow.server.answers import Refused, Reply, failure, missing
from lakeflow.server.compose import Server
from lakeflow.server.routes import MOST_BYTES, Table, reply_of
from lakeflow.server.statements import Statements

Answer = TypeVar("Answer")

_LOG = logging.getLogger("lakeflow.server")


class Api:
    """Answers the calls of clients.

    Args:
        server: Runs jobs, and keeps what is known of them.
        clock: What time it is.

    Example:
        reply = api.call("POST", "/api/2.2/jobs/run-now", body={"job_id": 7})
    """

    def __init__(self, server: Server, clock: Clock | None = None) -> None:
        self.server = server
        self.clock = clock or SystemClock()
        self.user = f"{server.user}@local"
        self.home.workspace.mkdir(parents=True, exist_ok=True)
        self.statements = Statements(self.home.folder / "statements", server.settings, self.now)
        self.counted: dict[tuple[str, int], int] = {}
        self._counting = threading.Lock()

    @property
    def home(self) -> Home:
        """Folder of the server."""
        return self.server.home

    def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        origin: str = "",
    ) -> Reply:
        """Answers a call; never raises.

        Args:
            method: Of HTTP.
            path: Such as `/api/2.2/jobs/get`.
            query: Its parameters.
            body: Its JSON.
            origin: Where the server was reached, for the addresses in the answer.
        """
        name = path
        try:
            route, captured = table().find(method, path)
            name = route.paths[0]
            version = path.split("/")[2] if path.startswith("/api/") else ""
            given = {**(query or {}), **(body or {}), **captured}
            request = route.read(given, origin, version)
            reply = reply_of(route.call(self, request), request)
        except Exception as error:
            reply = failure(error)
            if reply.status >= 500:
                _LOG.exception("%s %s failed", method, name)
        with self._counting:
            key = (f"{method} {name}" if reply.status != 404 else "unknown", reply.status)
            self.counted[key] = self.counted.get(key, 0) + 1
        return reply

    def most_bytes(self, method: str, path: str) -> int:
        """Size that a call may have."""
        try:
            return table().find(method, path)[0].most_bytes
        except Refused:
            return MOST_BYTES

    def read(self, question: Callable[[Reader], Answer]) -> Answer:
        """Asks the database, without the scheduler."""
        with closing(self.server.reader()) as reader:
            return question(reader)

    def now(self) -> int:
        """Milliseconds since 1970."""
        return int(self.clock.now().timestamp() * 1000)

    def close(self) -> None:
        """Ends what runs beside the calls."""
        self.statements.close()

    # What clients have saved

    def document(self, kind: str, name: str, said: str) -> dict[str, Any]:
        """Something that was saved.

        Args:
            kind: Such as `queries`.
            name: Its id.
            said: What it is called in an error.

        Raises:
            Refused: There is no such thing.
        """
        found = self.read(lambda reader: reader.find(DocumentRow, f"{kind}/{name}"))
        if found is None:
            raise missing(f"{said} {name} does not exist.")
        return dict(found.value)

    def documents(self, kind: str) -> dict[str, dict[str, Any]]:
        """All that was saved of a kind, by id."""
        rows = self.read(
            lambda reader: reader.select(DocumentRow, "kind = ? ORDER BY key", (kind,))
        )
        return {row.key.partition("/")[2]: dict(row.value) for row in rows}

    def save(self, kind: str, name: str, value: Mapping[str, Any]) -> None:
        """Saves something; it is durable when this returns."""
        self.server.ask(lambda turn: put(turn, kind, name, value))

    def forget(self, kind: str, name: str) -> None:
        """Removes what was saved."""
        self.server.ask(lambda turn: turn.store.delete(DocumentRow, "key = ?", (f"{kind}/{name}",)))


def put(turn: Turn, kind: str, name: str, value: Mapping[str, Any]) -> None:
    """Saves something within a turn."""
    turn.store.put(DocumentRow(f"{kind}/{name}", kind, value, turn.now))


@cache
def table() -> Table:
    """All routes."""
    from lakeflow.server import (
        changes,
        compute,
        destinations_api,
        identity,
        jobs_api,
        openapi,
        permissions,
        pipelines_api,
        projects_api,
        queries,
        runs_api,
        secret_scopes,
        statements_api,
        workspace_api,
    )

    modules = (
        jobs_api,
        runs_api,
        pipelines_api,
        queries,
        compute,
        workspace_api,
        secret_scopes,
        statements_api,
        permissions,
        destinations_api,
        identity,
        openapi,
        changes,
        projects_api,
    )
    return Table(route for module in modules for route in module.ROUTES.all)
