"""Visits every state that a model can reach, breadth first, and keeps the shortest way to each."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

State = TypeVar("State", bound=Hashable)


class Violation(Exception):
    """A promise is broken in a state."""


@dataclass(frozen=True)
class Found(Generic[State]):
    """What an exploration has seen.

    Args:
        states: How many there are.
        labels: Names of all actions taken.
        violation: What is broken; None if nothing is.
        trace: Actions of the shortest way to it.
    """

    states: int
    labels: frozenset[str]
    violation: str | None = None
    trace: tuple[str, ...] = ()


def explore(
    initial: State,
    successors: Callable[[State], Iterable[tuple[str, State]]],
    check: Callable[[State], None],
    limit: int = 2_000_000,
) -> Found[State]:
    """Explores a model until everything has been seen or a promise is broken.

    Args:
        initial: The first state.
        successors: Every action that is possible in a state, with the state after it.
        check: Raises `Violation` in a state that must not be.
        limit: States after which the bounds are too wide for a test.
    """
    parents: dict[State, tuple[str, State] | None] = {initial: None}
    waiting = deque([initial])
    labels: set[str] = set()
    state = initial
    try:
        check(initial)
        while waiting:
            state = now = waiting.popleft()
            for label, then in successors(now):
                labels.add(label)
                if then in parents:
                    continue
                parents[then] = (label, now)
                state = then
                check(then)
                waiting.append(then)
                if len(parents) > limit:
                    raise RuntimeError(f"more than {limit} states")
            state = now
    except Violation as error:
        trace: list[str] = []
        step = parents[state]
        while step is not None:
            trace.append(step[0])
            step = parents[step[1]]
        return Found(len(parents), frozenset(labels), str(error), tuple(reversed(trace)))
    return Found(len(parents), frozenset(labels))
