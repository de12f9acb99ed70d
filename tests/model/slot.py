"""Scenario S7: a slot that forgets what was acknowledged, shared by two flows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tests.model.explorer import Violation


@dataclass(frozen=True, slots=True)
class World:
    """Rows 1 to 2 in a slot; how far each flow has committed, and which are attached.

    An update selects the first flow, or both, and may end after any step.
    """

    forgotten: int = 0
    committed: tuple[int, int] = (0, 0)
    attached: tuple[bool, bool] = (False, False)
    selected: tuple[bool, bool] = (False, False)
    updates: int = 0


def successors(w: World, mutation: str = "") -> Iterator[tuple[str, World]]:
    if w.updates < 2:
        for selected in ((True, False), (True, True)):
            yield "*start", replace(w, selected=selected, updates=w.updates + 1)
    ready = w.attached == (True, True)
    for flow in (0, 1):
        attaches = w.selected[0] if mutation != "attached_when_it_reads" else w.selected[flow]
        if attaches and not w.attached[flow]:
            attached = (True, w.attached[1]) if flow == 0 else (w.attached[0], True)
            yield "source.attached", replace(w, attached=attached)
        may_read = w.attached[flow] if mutation == "attached_when_it_reads" else ready
        if w.selected[flow] and may_read and w.committed[flow] < 2:
            row = w.committed[flow] + 1
            if row <= w.forgotten:
                raise Violation("a row was forgotten before every flow had it")
            now = (row, w.committed[1]) if flow == 0 else (w.committed[0], row)
            yield "commit.synced", replace(w, committed=now)
    counted = w.selected if mutation == "selected_only" else w.attached
    ends = [end for end, counts in zip(w.committed, counted, strict=True) if counts]
    if any(w.selected) and ends and min(ends) > w.forgotten:
        yield "source.acknowledged", replace(w, forgotten=min(ends))


def check(w: World) -> None:
    """Whatever is forgotten every flow has committed, be it selected now or not."""
    if w.forgotten > min(w.committed):
        raise Violation("a row was forgotten before every flow had it")
