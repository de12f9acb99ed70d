"""The log of a server as JSON, a line for each record: what happens to jobs, and what is wrong."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

from lakeflow.jobs.rows import JobEvent

EVENTS = logging.getLogger("lakeflow.events")
"""Where events of jobs, runs and tasks go, at the level INFO."""

_OF_EVENTS = ("job_id", "run_id", "attempt", "task_key", "iteration", "sequence")


def log_event(event: JobEvent) -> None:
    """Writes an event to the log, if it is to be written."""
    if EVENTS.isEnabledFor(logging.INFO):
        EVENTS.info(event.message, extra={"job_event": event})


class JsonLines(logging.Formatter):
    """Writes a record as a JSON object: `time`, `level`, `logger`, `message`, and what it is of."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        event: JobEvent | None = getattr(record, "job_event", None)
        instant = record.created if event is None else event.at / 1000
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(instant, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if event is not None:
            line["event"] = event.type
            found = {name: getattr(event, name) for name in _OF_EVENTS}
            line |= {name: value for name, value in found.items() if value is not None}
            if "result" in event.details:
                line["result"] = event.details["result"]
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)
