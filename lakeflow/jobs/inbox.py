"""What other threads tell the scheduler, until it takes it in."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from lakeflow.core.errors import LakeflowError
from lakeflow.jobs.turn import Turn
from lakeflow.jobs.work import Outcome, Process


@dataclass(frozen=True, slots=True)
class Asked:
    """Somebody wants something done within a turn.

    Args:
        call: Does it.
        answer: Gets what it returns, once that is durable.
    """

    call: Callable[[Turn], Any]
    answer: Future[Any]


@dataclass(frozen=True, slots=True)
class Started:
    """An attempt runs.

    Args:
        attempt: Its id.
        epoch: Of the hand that it was given out with.
        process: That runs it, if it has one of its own.
    """

    attempt: int
    epoch: int
    process: Process | None


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt has ended.

    Args:
        attempt: Its id.
        epoch: Of the hand that it was given out with.
        outcome: How.
    """

    attempt: int
    epoch: int
    outcome: Outcome


Message = Asked | Started | Ended


class Inbox:
    """Messages in the order in which they came; any thread may put some in."""

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._changed = threading.Condition()
        self.closed = False

    def __len__(self) -> int:
        return len(self._messages)

    def put(self, message: Message) -> None:
        """Takes a message; whoever asks after the end is told so."""
        with self._changed:
            if not self.closed:
                self._messages.append(message)
                self._changed.notify()
                return
        _refuse(message, LakeflowError("The server is closing."))

    def take(self) -> list[Message]:
        """All messages there are."""
        with self._changed:
            taken, self._messages = self._messages, []
        return taken

    def wait(self, seconds: float | None) -> None:
        """Waits for a message or the end."""
        with self._changed:
            if not self._messages and not self.closed:
                self._changed.wait(seconds)

    def close(self) -> None:
        """Takes no more."""
        with self._changed:
            self.closed = True
            self._changed.notify()

    def give_up(self, error: BaseException, taken: Iterable[Message] = ()) -> None:
        """Takes no more, and tells everybody who waits for an answer that none will come.

        Args:
            error: Why.
            taken: Messages that were taken and not dealt with.
        """
        self.close()
        for message in [*taken, *self.take()]:
            _refuse(message, error)


def _refuse(message: Message, error: BaseException) -> None:
    if isinstance(message, Asked) and not message.answer.done():
        message.answer.set_exception(error)
