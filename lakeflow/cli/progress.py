"""Where an update stands, told from its events alone."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from lakeflow.core.events import Event

FINISHED_STATES = frozenset({"COMPLETED", "IDLE", "EXCLUDED"})
"""States of a flow that has nothing left to do in this update."""

ENDED_STATES = FINISHED_STATES | {"FAILED", "SKIPPED", "STOPPED"}
"""States in which a flow no longer works."""


@dataclass
class Counts:
    """How many rows met an expectation."""

    name: str
    passed: int = 0
    failed: int = 0


@dataclass
class FlowProgress:
    """Where a flow stands.

    Args:
        name: The flow.
        state: Its last state.
        rows: Rows written so far.
        dropped: Rows that an expectation dropped.
        quarantined: Rows that an expectation put aside.
        expectations: Counts of its expectations, by their names.
        started: When it began to work.
        ended: When it stopped working.
    """

    name: str
    state: str = "QUEUED"
    rows: int = 0
    dropped: int = 0
    quarantined: int = 0
    expectations: dict[str, Counts] = field(default_factory=dict)
    started: datetime | None = None
    ended: datetime | None = None

    def seconds(self, now: datetime) -> float:
        """How long it has worked."""
        if self.started is None:
            return 0.0
        return max(0.0, ((self.ended or now) - self.started).total_seconds())


class UpdateProgress:
    """Follows an update; events may come from several threads."""

    def __init__(self) -> None:
        self.state = "CREATED"
        self.started: datetime | None = None
        self._flows: dict[str, FlowProgress] = {}
        self._lock = threading.Lock()

    def apply(self, event: Event) -> None:
        """Takes in what happened."""
        with self._lock:
            if self.started is None:
                self.started = event.timestamp
            if event.event_type == "update_progress":
                self.state = event.details.get("state", self.state)
            elif event.event_type == "flow_progress" and event.flow is not None:
                flow = self._flows.setdefault(event.flow, FlowProgress(event.flow))
                _apply_to_flow(flow, event)

    def flows(self) -> list[FlowProgress]:
        """The flows heard of so far, in the order in which they were first named."""
        with self._lock:
            return list(self._flows.values())

    def finished(self) -> list[str]:
        """Names of the flows that have done all they had to."""
        return [flow.name for flow in self.flows() if flow.state in FINISHED_STATES]

    def unfinished(self) -> list[str]:
        """Names of the flows that the next run goes on with."""
        return [flow.name for flow in self.flows() if flow.state not in FINISHED_STATES]


def replay(events: Iterable[Event]) -> UpdateProgress:
    """Where an update stood after these events."""
    progress = UpdateProgress()
    for event in events:
        progress.apply(event)
    return progress


def _apply_to_flow(flow: FlowProgress, event: Event) -> None:
    flow.state = event.details.get("status", flow.state)
    if flow.started is None and flow.state not in ("QUEUED", "EXCLUDED", "SKIPPED"):
        flow.started = event.timestamp
    flow.ended = event.timestamp if flow.state in ENDED_STATES else None
    flow.rows += event.details.get("metrics", {}).get("num_output_rows") or 0
    quality = event.details.get("data_quality", {})
    flow.dropped += quality.get("dropped_records") or 0
    flow.quarantined += quality.get("quarantined_records") or 0
    for counted in quality.get("expectations", ()):
        counts = flow.expectations.setdefault(counted["name"], Counts(counted["name"]))
        counts.passed += counted["passed_records"]
        counts.failed += counted["failed_records"]
