"""Hazard V5: a full refresh of two tables that is killed half-way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tests.model.explorer import Violation


@dataclass(frozen=True, slots=True)
class World:
    """Generations of two tables, what is requested durably, and what the process knows."""

    generations: tuple[int, int] = (0, 0)
    requested: bool = False
    known: bool = False
    alive: bool = False
    starts: int = 0
    asked: bool = False


def successors(w: World, mutation: str = "") -> Iterator[tuple[str, World]]:
    if not w.alive and w.starts < 2:
        yield "*start", replace(w, alive=True, starts=w.starts + 1, known=w.requested)
    if not w.alive:
        return
    yield "*kill", replace(w, alive=False, known=False)
    if not w.asked:
        durable = mutation != "request_in_memory"
        yield "refresh.requested", replace(w, asked=True, known=True, requested=durable)
    for table in (0, 1):
        if w.known and w.generations[table] == 0:
            after = (1, w.generations[1]) if table == 0 else (w.generations[0], 1)
            yield "refresh.swapped_main", replace(w, generations=after)
    if w.known and w.generations == (1, 1) and w.requested:
        yield "*finished", replace(w, requested=False)
    if not w.known and w.asked:
        yield "*end", replace(w, alive=False)


def check(w: World) -> None:
    """Once one table is rebuilt, the next update knows that the other has to be."""
    half = w.generations in ((0, 1), (1, 0))
    if half and not w.alive and not w.requested:
        raise Violation("a table is rebuilt, the other is forgotten")
