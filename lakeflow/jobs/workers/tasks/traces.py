"""Tracebacks as the user of a task needs them: without the lines that run the task."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from lakeflow.core.location import PACKAGE_FOLDER

LONGEST_MESSAGE = 10_000
"""Characters of what is told of an error; all of it is in the attempt's file `stderr`."""

LONGEST_TRACE = 64 << 10
"""Characters of a traceback that is told."""

_LONGEST_END = 1_000
"""How many of those are its last ones, which say where it was."""

_OURS = (PACKAGE_FOLDER + os.sep, "<frozen importlib", "<frozen runpy")


def users(error: BaseException) -> TracebackType | None:
    """The traceback from the user's first line on."""
    trace = error.__traceback__
    while trace is not None and _file(trace).startswith(_OURS):
        trace = trace.tb_next
    return trace


def said(error: BaseException) -> str:
    """The text of an error, also of one that fails to tell it."""
    try:
        return str(error)
    except Exception as failure:
        return f"<its text cannot be told: __str__ raised {type(failure).__name__}>"


def cut(text: str, longest: int) -> str:
    """The beginning and the end of a text that is too long, with a note between them."""
    if len(text) <= longest:
        return text
    note = f"\n... {len(text):,} characters were cut to {longest:,}; all are in stderr ...\n"
    return text[: longest - _LONGEST_END - len(note)] + note + text[-_LONGEST_END:]


def formatted(error: BaseException) -> str:
    """The text of the traceback."""
    return "".join(traceback.format_exception(type(error), error, users(error)))


def places(error: BaseException) -> Iterator[tuple[str, int]]:
    """File and line of each of the user's calls, and of those that they made, outermost first."""
    trace = users(error)
    while trace is not None:
        if not _file(trace).startswith(_OURS):
            yield _file(trace), trace.tb_lineno
        trace = trace.tb_next


def where(error: BaseException) -> str:
    """The user's line in which an error came up, in brackets after a blank; or nothing."""
    if isinstance(error, SyntaxError) and error.filename:
        return ""  # it says so itself
    found = list(places(error))
    return f" ({Path(found[-1][0]).name}:{found[-1][1]})" if found else ""


def _file(trace: TracebackType) -> str:
    return trace.tb_frame.f_code.co_filename
