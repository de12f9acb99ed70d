"""Scenario S9: two flows into one table find a new column each, at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tests.model.explorer import Violation

OWN = (frozenset({"id", "a"}), frozenset({"id", "b"}))
"""Columns of each flow's batch."""


@dataclass(frozen=True, slots=True)
class World:
    """The versions of a table's columns; what each flow has read, prepared and committed."""

    versions: tuple[frozenset[str], ...] = (frozenset({"id"}),)
    at: tuple[str, str] = ("stage.written", "stage.written")
    base: tuple[int, int] = (0, 0)
    prepared: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())


def successors(w: World, mutation: str = "") -> Iterator[tuple[str, World]]:
    for flow in (0, 1):
        newest = len(w.versions) - 1

        def moved(at: str, flow: int = flow, **changed: object) -> World:
            return replace(w, at=_with(w.at, flow, at), **changed)

        if w.at[flow] == "stage.written":
            staged = w.versions[newest] | OWN[flow] if mutation == "whole_schema" else OWN[flow]
            prepared = _with(w.prepared, flow, staged)
            yield "prepared.synced", moved("commit.snapshot", prepared=prepared)
        elif w.at[flow] == "commit.snapshot":
            yield "commit.snapshot", moved("commit.linked", base=_with(w.base, flow, newest))
        elif w.at[flow] == "commit.linked":
            if w.base[flow] != newest:
                yield "commit.conflict", moved("commit.snapshot")
                continue
            known = frozenset() if mutation == "whole_schema" else w.versions[newest]
            yield "commit.linked", moved("", versions=(*w.versions, known | w.prepared[flow]))


def _with(pair: tuple, index: int, value: object) -> tuple:
    return (value, pair[1]) if index == 0 else (pair[0], value)


def check(w: World) -> None:
    """No column goes away, and in the end all are there."""
    for before, after in zip(w.versions, w.versions[1:], strict=False):
        if before - after:
            raise Violation("a column is gone")
    if w.at == ("", "") and w.versions[-1] != OWN[0] | OWN[1]:
        raise Violation("a column is missing in the end")
