"""Ctrl-C: the first one stops the update cleanly, the second one ends the program at once."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Self

INTERRUPTED = 130
"""Exit code of an update that was stopped by Ctrl-C or by SIGTERM."""

_SHOW_CURSOR = b"\x1b[?25h"


class Interruption:
    """Catches Ctrl-C and SIGTERM while an update runs.

    Args:
        stop: Ends the update cleanly and tells the user so; is called in a signal handler.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        self.requested = False
        self._stop = stop
        self._before: list[tuple[signal.Signals, signal._HANDLER]] = []

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before.append((number, signal.signal(number, self._handle)))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before:
            signal.signal(number, handler)

    def _handle(self, *_: object) -> None:
        if self.requested:
            if sys.stdout.isatty():
                os.write(1, _SHOW_CURSOR)
            os._exit(INTERRUPTED)
        self.requested = True
        self._stop()
