"""Rows of a CSV text, read by Spark's rules however ragged they are: nothing in them is lost.

DuckDB reads well-formed files; this reads the others. A quoted field may hold line breaks; inside
it the escape character and a doubled quote both stand for a quote. A field that begins with a quote
but does not end with one is taken as it stands up to the next separator.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TextIO

from lakeflow.engine.files.options import ReadOptions

LONGEST_QUOTED = 1 << 24
"""Characters after which a quote that was not closed counts as an ordinary character."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a text.

    Args:
        fields: None for an empty one without quotes.
        text: What it was read from.
        number: Of the line on which it begins.
    """

    fields: list[str | None]
    text: str
    number: int


class CsvReader:
    """Reads the rows of one text.

    Args:
        stream: The text, its line breaks untouched.
        options: Separator, quote, escape, comment and rows to skip.
        chunk: Characters to read at a time.
    """

    def __init__(self, stream: TextIO, options: ReadOptions, chunk: int = 1 << 18) -> None:
        self.stream = stream
        self.chunk = chunk
        self.comment = options.comment
        self.skip = options.skip_rows
        self.quote = options.quote
        escape = "\\" if options.escape is None else options.escape
        self.escape = "" if escape == options.quote else escape
        sep = re.escape(options.sep)
        end = re.escape(options.line_sep) if options.line_sep else "\r\n|\r|\n"
        self.end = re.compile(end)
        self.after = re.compile(rf"{sep}|{end}|\Z")
        self.sep = options.sep
        self.plain = re.compile(rf"(?:(?!{sep}|{end}).)*+", re.DOTALL)
        if len(options.sep) == 1 and not options.line_sep:
            self.plain = re.compile(rf"[^{sep}\r\n]*+")
        self.quoted: re.Pattern[str] | None = None
        if options.quote:
            quote, escape = re.escape(options.quote), re.escape(self.escape)
            pair = f"|{escape}." if escape else ""
            inner = rf"(?:[^{quote}{escape}]++{pair}|{quote}{quote})*+"
            self.quoted = re.compile(rf"{quote}({inner}){quote}(?={sep}|{end}|\Z)", re.DOTALL)
            self.open = re.compile(rf"{quote}{inner}(?:{escape})?\Z", re.DOTALL)
            self.closed = re.compile(f"{quote}{inner}{quote}", re.DOTALL)
        self.unescaped = re.compile(
            f"{re.escape(self.escape)}([{re.escape(self.escape)}{re.escape(self.quote)}])"
            if self.escape
            else "(?!)"
        )
        self.buffer = ""
        self.position = 0
        self.ended = False
        self.skipped = 0
        """Lines that were no rows, up to now."""
        self.lines = 0
        """Line ends that were passed, up to now."""

    def __iter__(self) -> Iterator[Row]:
        for _ in range(self.skip):
            self._skip_line()
        while self._fill():
            line = self._line_end()
            text = self.buffer[self.position : line.start() if line else None]
            blank = not text.strip() and self.sep not in text
            if blank or (self.comment and text.startswith(self.comment)):
                self._skip_line()
                continue
            yield self._row()

    def _fill(self) -> bool:
        """Makes sure that something is left to read."""
        if self.position >= len(self.buffer):
            self.buffer, self.position = "", 0
            self._more()
        return self.position < len(self.buffer)

    def _more(self) -> None:
        """Reads on, keeping what has not been taken yet."""
        data = self.stream.read(self.chunk)
        self.ended = not data
        self.buffer = self.buffer[self.position :] + data
        self.position = 0

    def _line_end(self) -> re.Match[str] | None:
        start = self.position
        while True:
            match = self.end.search(self.buffer, start)
            # A carriage return at the end of the buffer may be half of a line break.
            if self.ended or (match and match.end() < len(self.buffer)):
                return match
            start = max(len(self.buffer) - self.position - 1, 0)
            self._more()

    def _skip_line(self) -> None:
        self.skipped += 1
        if not self._fill():
            return
        match = self._line_end()
        self.lines += match is not None
        self.position = match.end() if match else len(self.buffer)

    def _row(self) -> Row:
        fields: list[str | None] = []
        offset = 0
        while True:
            value, offset = self._field(offset)
            fields.append(value)
            at = self.position + offset
            if self.buffer.startswith(self.sep, at):
                offset += len(self.sep)
                continue
            match = self.end.match(self.buffer, at)
            text = self.buffer[self.position : at]
            self.position = match.end() if match else len(self.buffer)
            number = self.lines + 1
            self.lines += len(self.end.findall(text)) + (match is not None)
            return Row(fields, text, number)

    def _field(self, offset: int) -> tuple[str | None, int]:
        """The field at `offset` after the position, and the offset of what follows it."""
        if self.quoted is not None:
            found = self._quoted_field(offset)
            if found is not None:
                return found
        while True:
            match = self.plain.match(self.buffer, self.position + offset)
            assert match is not None
            complete = match.end() + max(len(self.sep), 2) <= len(self.buffer)
            if complete or self.ended:
                return match[0] or None, match.end() - self.position
            self._more()

    def _quoted_field(self, offset: int) -> tuple[str, int] | None:
        assert self.quoted is not None
        grow = self.chunk
        while True:
            at = self.position + offset
            if not self.buffer.startswith(self.quote, at):
                if at < len(self.buffer) or self.ended:
                    return None
                self._more()
                continue
            match = self.quoted.match(self.buffer, at)
            closed = match or self.closed.match(self.buffer, at)
            # What ends the field may itself be cut off by the end of the buffer.
            cut = closed is not None and closed.end() + max(len(self.sep), 2) > len(self.buffer)
            if match is not None and (self.ended or not cut):
                return self._unquote(match[1]), match.end() - self.position
            waiting = cut or self.open.match(self.buffer, at) is not None
            too_long = len(self.buffer) - at > LONGEST_QUOTED
            if self.ended or not waiting or too_long:
                return None
            # Doubling keeps the work on a long field in proportion to its length.
            for _ in range(max(grow // self.chunk, 1)):
                self._more()
            grow = min(grow * 2, LONGEST_QUOTED)

    def _unquote(self, text: str) -> str:
        if self.escape and self.escape in text:
            # One pass, so that an escaped escape does not escape what follows it.
            pair = re.escape(self.quote)
            whole = re.compile(f"{self.unescaped.pattern}|{pair}({pair})")
            return whole.sub(lambda m: m[1] or m[2], text)
        return text.replace(self.quote * 2, self.quote)
