"""Who tells the user how an update goes: plain lines, JSON lines or a live table."""

from __future__ import annotations

import json
import os
import sys
import threading
from types import TracebackType
from typing import Any, Protocol, Self, TextIO

from lakeflow.cli.lines import event_line, is_shown, result_json, result_lines
from lakeflow.cli.session import UpdateResult
from lakeflow.core.events import Event

STOPPING = "Stopping cleanly; Ctrl-C again ends at once."
"""What the user reads after the first Ctrl-C."""


class Report(Protocol):
    """Tells the user how an update goes, from its events."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def event(self, event: Event) -> None:
        """Something happened; may be called from any thread."""

    def stopping(self) -> None:
        """The user asked it to stop; may be called from any thread."""

    def result(self, result: UpdateResult, seconds: float) -> None:
        """The update has ended."""


class Lines:
    """Writes whole lines, from any thread, until the reader goes away.

    An update is not given up because nobody reads of it any more: `lakeflow run | head` ends
    the printing, not the update.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._open = True

    def write(self, line: str) -> None:
        """Writes a line at once."""
        with self._lock:
            if not self._open:
                return
            try:
                self._stream.write(line + "\n")
                self._stream.flush()
            except BrokenPipeError:
                self._open = False
                # What the stream still holds would fail again when the program ends.
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self._stream.fileno())
                os.close(nowhere)


class PlainReport:
    """One line per event that people care about."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._lines = Lines(stream or sys.stdout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Has nothing to put back."""

    def event(self, event: Event) -> None:
        """Prints it if people care."""
        if is_shown(event):
            self._lines.write(event_line(event))

    def stopping(self) -> None:
        """Says on the error stream that the update is ending."""
        say_stopping()

    def result(self, result: UpdateResult, seconds: float) -> None:
        """Prints how the update ended."""
        for line in result_lines(result, seconds):
            self._lines.write(line)


class JsonReport:
    """One JSON object per event, and a last one for the result.

    What user code prints goes to the error stream meanwhile, so that every line is JSON.
    """

    def __init__(self) -> None:
        self._stdout = sys.stdout
        self._lines = Lines(self._stdout)

    def __enter__(self) -> Self:
        sys.stdout = sys.stderr
        return self

    def __exit__(self, *_: object) -> None:
        sys.stdout = self._stdout

    def event(self, event: Event) -> None:
        """Prints it."""
        self._lines.write(json_line(event.to_json()))

    def stopping(self) -> None:
        """Says on the error stream that the update is ending."""
        say_stopping()

    def result(self, result: UpdateResult, seconds: float) -> None:
        """Prints how the update ended."""
        self._lines.write(json_line({**result_json(result), "seconds": round(seconds, 3)}))


def say_stopping() -> None:
    """Tells that the update is ending, past buffers that whoever is blocked may hold."""
    os.write(2, f"\n{STOPPING}\n".encode())


def json_line(value: Any) -> str:
    """One JSON object on one line."""
    return json.dumps(value, ensure_ascii=False, default=str, allow_nan=False)


def is_terminal(stream: TextIO) -> bool:
    """Whether a table can be redrawn there."""
    return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def report_for(*, as_json: bool) -> Report:
    """The report that fits where the output goes; rich is loaded for a terminal only."""
    if as_json:
        return JsonReport()
    if is_terminal(sys.stdout):
        from lakeflow.cli.live import LiveReport

        return LiveReport()
    return PlainReport()
