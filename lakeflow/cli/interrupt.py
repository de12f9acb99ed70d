"""Ctrl-C: the first one stops the update cleanly, the second one ends the program at once."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

INTERRUPTED = 130
"""Exit code of an update that was stopped by Ctrl-C or by SIGTERM."""

_SHOW_CURSOR = b"\x1b[?25h"
_MOMENT = 1.0
"""Seconds that are given to what may be held up by somebody else, such as a terminal."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Catches Ctrl-C and SIGTERM while an update runs.

    A thread of its own hears the signals: Python runs handlers in the main thread only, and one
    that arrives just before that thread begins to wait for the flows is not seen until it wakes.
    That thread does nothing that could be held up, so that the second signal is always heard.

    Args:
        stop: Ends the update cleanly.
        told: Says so to the user; whoever reads it may be gone or asleep.
    """

    def __init__(self, stop: Callable[[], None], told: Callable[[], None]) -> None:
        self.requested = False
        self._told = told
        self._answers = [
            threading.Thread(target=answer, name="interruption", daemon=True)
            for answer in (stop, self._tell)
        ]
        self._before: list[tuple[signal.Signals, signal._HANDLER]] = []

    def __enter__(self) -> Self:
        self._heard, self._written = socket.socketpair()
        self._written.setblocking(False)
        self._wakeup = signal.set_wakeup_fd(self._written.fileno(), warn_on_full_buffer=False)
        for number in _SIGNALS:
            self._before.append((number, signal.signal(number, lambda *_: None)))
        self._thread = threading.Thread(target=self._listen, name="interruption", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before:
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        self._written.close()
        self._thread.join()
        self._heard.close()
        for answer in self._answers:
            if answer.ident is not None:
                answer.join(_MOMENT)

    def _listen(self) -> None:
        times = 0
        while heard := self._heard.recv(1):
            if heard[0] not in _SIGNALS:
                continue
            times += 1
            if times > 1:
                self._end_at_once()
            self.requested = True
            for answer in self._answers:
                answer.start()

    def _tell(self) -> None:
        with suppress(OSError, ValueError):
            self._told()

    def _end_at_once(self) -> None:
        if sys.stdout.isatty():
            # A terminal that was halted (Ctrl-S) takes nothing.
            show = threading.Thread(target=os.write, args=(1, _SHOW_CURSOR), daemon=True)
            show.start()
            show.join(_MOMENT)
        os._exit(INTERRUPTED)


def ending_at_once() -> Interruption:
    """For what changes nothing: the first signal ends the program, whatever DuckDB is at."""
    return Interruption(lambda: os._exit(INTERRUPTED), lambda: None)
