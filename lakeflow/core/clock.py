"""What time it is, and a clock that tests can set."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time; everything that needs it is handed one."""

    def now(self) -> datetime:
        """The current instant, in UTC."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never goes back."""

    def sleep(self, seconds: float) -> None:
        """Waits."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The current instant, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since the machine started, or some other fixed moment."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Waits."""
        time.sleep(seconds)


@dataclass
class FixedClock:
    """A clock that moves only when told to, or when somebody sleeps on it.

    Example:
        >>> clock = FixedClock(datetime(2026, 1, 1, tzinfo=UTC))
        >>> clock.sleep(60)
        >>> clock.now().minute
        1
    """

    instant: datetime

    def now(self) -> datetime:
        """The instant that was set."""
        return self.instant

    def monotonic(self) -> float:
        """The instant as seconds since 1970."""
        return self.instant.timestamp()

    def sleep(self, seconds: float) -> None:
        """Moves the clock on."""
        self.instant = datetime.fromtimestamp(self.instant.timestamp() + seconds, UTC)
