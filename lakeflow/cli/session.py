"""What the command line asks of the engine."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from lakeflow.core.errors import LakeflowError
from lakeflow.core.events import Event
from lakeflow.core.schema import Schema
from lakeflow.core.settings import Settings

FullRefresh = Sequence[str] | Literal["all"]
"""Tables that are to be computed anew, or all of them."""


class ExpectationCounts(Protocol):
    """How many rows met an expectation."""

    @property
    def name(self) -> str:
        """The expectation's name."""

    @property
    def passed(self) -> int:
        """Rows that met it."""

    @property
    def failed(self) -> int:
        """Rows that did not."""


class FlowResult(Protocol):
    """How a flow ended."""

    @property
    def name(self) -> str:
        """The flow's name."""

    @property
    def state(self) -> str:
        """One of the states of a flow."""

    @property
    def rows(self) -> int:
        """Rows written."""

    @property
    def dropped(self) -> int:
        """Rows that an expectation dropped."""

    @property
    def quarantined(self) -> int:
        """Rows that an expectation put aside."""

    @property
    def expectations(self) -> Sequence[ExpectationCounts]:
        """The expectations that were counted."""

    @property
    def seconds(self) -> float:
        """How long it took."""

    @property
    def error(self) -> LakeflowError | None:
        """Why it failed."""


class UpdateResult(Protocol):
    """How an update ended."""

    @property
    def update_id(self) -> str:
        """Its id, as in the event log."""

    @property
    def state(self) -> str:
        """`COMPLETED`, `FAILED` or `CANCELED`."""

    @property
    def flows(self) -> Sequence[FlowResult]:
        """Its flows, in the order of the graph."""


class PlannedFlow(Protocol):
    """What an update would do with one flow."""

    @property
    def name(self) -> str:
        """The flow's name."""

    @property
    def target(self) -> Any:
        """The table it writes."""

    @property
    def kind(self) -> str:
        """What its target is."""

    @property
    def technique(self) -> str:
        """How its rows would be computed."""

    @property
    def reason(self) -> str:
        """Why so, in one sentence."""

    @property
    def notes(self) -> Sequence[str]:
        """What else there is to say."""

    @property
    def inputs(self) -> Sequence[Any]:
        """The names of what it reads."""

    @property
    def location(self) -> Any:
        """Where it is declared."""


class Plan(Protocol):
    """What an update would do; `str()` prints it."""

    @property
    def flows(self) -> Sequence[PlannedFlow]:
        """Its flows, in the order of the graph."""


class TableDescription(Protocol):
    """A table as `lakeflow show` prints it."""

    @property
    def name(self) -> Any:
        """Its name."""

    @property
    def kind(self) -> str:
        """Streaming table, materialized view or plain table."""

    @property
    def version(self) -> int:
        """The newest version."""

    @property
    def schema(self) -> Schema:
        """Its columns."""

    @property
    def comment(self) -> str | None:
        """What it is for."""

    @property
    def rows(self) -> Sequence[Sequence[Any]]:
        """The first rows."""

    @property
    def row_count(self) -> int:
        """How many rows it has."""

    @property
    def expectations(self) -> Sequence[ExpectationCounts]:
        """Counts of its expectations in the last update that wrote it."""


class Batches(Protocol):
    """Rows of a query, as a stream of Arrow record batches."""

    @property
    def schema(self) -> Any:
        """The Arrow schema."""

    def __iter__(self) -> Iterator[Any]: ...


class Session(Protocol):
    """Runs pipelines and answers questions about one lakehouse."""

    def run(self, path: Path, *, full_refresh: FullRefresh = ()) -> UpdateResult:
        """Runs one update of a pipeline."""

    def plan(self, path: Path, *, full_refresh: FullRefresh = ()) -> Plan:
        """What `run` would do.

        Raises:
            DefinitionErrors: Everything that is declared wrongly.
        """

    def show(self, table: str, limit: int = 10) -> TableDescription:
        """Describes a table."""

    def query(self, sql: str) -> Batches:
        """Runs a SELECT over the tables."""

    def events(self, update: str | None = None) -> Iterable[Event]:
        """The events of an update; of the last one if none is named."""

    def detach(self, flow: str) -> None:
        """Lets a flow that is gone no longer hold back its source."""

    def stop(self) -> None:
        """Ends the running update cleanly; may be called by a signal handler."""


class OpenSession(Protocol):
    """Makes a session."""

    def __call__(
        self, settings: Settings, *, listeners: Sequence[Callable[[Event], None]] = ()
    ) -> Session:
        """Opens the lakehouse of these settings."""


def open_session(
    settings: Settings, *, listeners: Sequence[Callable[[Event], None]] = ()
) -> Session:
    """Loads the engine and opens the lakehouse of these settings."""
    engine = importlib.import_module("lakeflow.engine.session")
    session: Session = engine.Session(settings, listeners=listeners)
    return session
