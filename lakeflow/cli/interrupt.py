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
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Catches Ctrl-C and SIGTERM while an update runs.

    A thread of its own hears the signals: Python runs handlers in the main thread only, and one
    that arrives just before that thread begins to wait for the flows is not seen until it wakes.

    Args:
        stop: Ends the update cleanly; is called in that thread.
        told: Says so to the user; whoever reads it may be gone.
    """

    def __init__(self, stop: Callable[[], None], told: Callable[[], None]) -> None:
        self.requested = False
        self._stop = stop
        self._told = told
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

    def _listen(self) -> None:
        times = 0
        while heard := self._heard.recv(1):
            if heard[0] not in _SIGNALS:
                continue
            times += 1
            if times > 1:
                if sys.stdout.isatty():
                    os.write(1, _SHOW_CURSOR)
                os._exit(INTERRUPTED)
            self.requested = True
            self._stop()
            with suppress(OSError, ValueError):
                self._told()
