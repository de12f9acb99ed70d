"""Where the user wrote something."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

PACKAGE_FOLDER = str(Path(__file__).resolve().parent.parent)


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a user's file, printed as `file:line`.

    Args:
        file: Path as the user gave it.
        line: First line, counted from 1.
        column: First column, counted from 1; None where only the line is known.
    """

    file: str
    line: int
    column: int | None = None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"

    def shifted(self, lines: int, column: int | None = None) -> Location:
        """The place `lines` further down in the same file."""
        return Location(self.file, self.line + lines, column)


def caller_location() -> Location:
    """The nearest frame on the stack that is not Lakeflow's own code."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGE_FOLDER):
        frame = frame.f_back
    return Location(frame.f_code.co_filename, frame.f_lineno)
