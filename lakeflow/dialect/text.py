"""SQL as it is to be read, with the place of each of its characters in the user's file."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

from lakeflow.core.location import Location


@dataclass(frozen=True, slots=True)
class Substitution:
    """The value of one `${name}` inside a text.

    Args:
        start: Where the value begins in the text.
        stop: Where it ends in the text.
        location: Where the user wrote `${`.
        after: Where the user wrote what follows the `}`.
    """

    start: int
    stop: int
    location: Location
    after: Location


@dataclass(frozen=True, slots=True)
class QueryText:
    """A query or predicate in its original characters, comments included.

    Args:
        text: The SQL, with the values of parameters in the place of `${name}`.
        location: Where its first character stands.
        substitutions: What was put in for parameters, in order.
    """

    text: str
    location: Location
    substitutions: tuple[Substitution, ...] = ()

    def at(self, offset: int) -> Location:
        r"""Where the user wrote the character at `offset` of the text.

        Example:
            >>> QueryText("SELECT\n  x", Location("a.sql", 5, 8)).at(9)
            Location(file='a.sql', line=6, column=3)
        """
        return Location(self.location.file, *places(self)(offset))

    def slice(self, start: int, stop: int, location: Location) -> QueryText:
        """The part from `start`, which is at `location`, to `stop`; all places stay the same."""
        inside = tuple(
            Substitution(
                max(s.start, start) - start, min(s.stop, stop) - start, s.location, s.after
            )
            for s in self.substitutions
            if s.start < stop and s.stop >= start
        )
        return QueryText(self.text[start:stop], location, inside)


def places(text: QueryText) -> Callable[[int], tuple[int, int]]:
    """A function from an offset in the text to line and column in the user's file."""
    newlines = [match.start() for match in re.finditer("\n", text.text)]
    starts = [substitution.start for substitution in text.substitutions]
    origin = text.location

    def place(offset: int) -> tuple[int, int]:
        base, location = 0, origin
        index = bisect_right(starts, offset) - 1
        if index >= 0:
            before = text.substitutions[index]
            if offset < before.stop:
                return before.location.line, before.location.column or 1
            base, location = before.stop, before.after
        passed = bisect_right(newlines, offset - 1) - bisect_right(newlines, base - 1)
        if passed:
            last = newlines[bisect_right(newlines, offset - 1) - 1]
            return location.line + passed, offset - last
        return location.line, (location.column or 1) + offset - base

    return place
