"""Everything that happens is an event; console, log table and pages read nothing else."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from lakeflow.core.location import Location

Level = Literal["INFO", "WARN", "ERROR", "METRICS"]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in an update.

    Args:
        event_type: Databricks' name for it, such as `flow_progress` or `update_progress`.
        message: One sentence for people.
        timestamp: When, in UTC.
        level: How serious.
        dataset: The dataset it is about, by its short name.
        flow: The flow it is about.
        batch: The number of the micro-batch.
        location: Where the user declared what it is about.
        details: The object Databricks keeps under `details`, without the event type's own key.
        error: Class name, message and condition of an error.
        id: Unique; derived from the batch for events of a batch, so that an event that is
            written again after a crash is the same event.
    """

    event_type: str
    message: str
    timestamp: datetime
    level: Level = "INFO"
    dataset: str | None = None
    flow: str | None = None
    batch: int | None = None
    location: Location | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    error: Mapping[str, Any] | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def to_json(self) -> dict[str, Any]:
        """The event as a JSON object; `from_json` reads it back."""
        return {
            "id": self.id,
            "event_type": self.event_type,
            "message": self.message,
            "timestamp": self.timestamp.isoformat(),
            "level": self.level,
            "dataset": self.dataset,
            "flow": self.flow,
            "batch": self.batch,
            "location": None
            if self.location is None
            else [self.location.file, self.location.line, self.location.column],
            "details": dict(self.details),
            "error": None if self.error is None else dict(self.error),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Event:
        """Reads what `to_json` made."""
        place = value["location"]
        return cls(
            **{
                **value,
                "timestamp": datetime.fromisoformat(value["timestamp"]),
                "location": None if place is None else Location(*place),
            }
        )
