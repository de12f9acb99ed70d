"""A journal: a file of numbered JSON lines that forgets what its slot was told was taken."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from lakeflow.connect.options import checked_options
from lakeflow.connect.source import ArrowScan, Group, Limit, SourceContext
from lakeflow.core.errors import SourceError
from lakeflow.core.schema import Schema

SCHEMA = Schema.from_ddl("n BIGINT, said STRING")


class JournalConnector:
    """Journals in folders."""

    name = "journal"
    positional = ("path",)
    secret = ("token",)

    def source(self, options: Mapping[str, str], context: SourceContext) -> JournalSource:
        """Opens a journal."""
        found = checked_options(
            "read_journal",
            options,
            required=["path", "token"],
            optional=["slot", "maxRowsPerTrigger"],
            location=context.location,
        )
        folder = Path(found["path"])
        if found["token"] != (folder / "token").read_text():
            raise SourceError(
                f"The token is not that of the journal {folder}.", location=context.location
            )
        return JournalSource(folder, found.get("slot", "default"), context)


class JournalSource:
    """One opened journal; a position is the number of lines before it."""

    def __init__(self, folder: Path, slot: str, context: SourceContext) -> None:
        self._folder = folder
        self._slot = folder / f"{slot}.slot"
        self._context = context
        self.group = Group(f"journal {folder.name} {slot}")

    def schema(self) -> Schema:
        """Number and text."""
        return SCHEMA

    def horizon(self) -> int | None:
        """How many whole lines there are now."""
        return self._text().count("\n") or None

    def latest(self, start: int | None, limit: Limit, upto: int) -> int:
        """The end of the next batch."""
        begun = self._forgotten() if start is None else start
        return upto if limit.max_rows is None else min(begun + limit.max_rows, upto)

    def read(self, start: int | None, end: int) -> ArrowScan:
        """The lines of a range."""
        return ArrowScan(lambda: self._reader(start, end))

    def earliest(self, ends: Sequence[int]) -> int:
        """The lowest position."""
        return min(ends)

    def commit(self, end: int) -> None:
        """Lets the slot forget the lines before a position."""
        with self._slot.open("a") as file:
            file.write(f"{end}\n")

    def close(self) -> None:
        """There is nothing to let go of."""

    def _text(self) -> str:
        path = self._folder / "journal.jsonl"
        return path.read_text() if path.exists() else ""

    def _forgotten(self) -> int:
        return (
            max(map(int, self._slot.read_text().split()), default=0) if self._slot.exists() else 0
        )

    def _reader(self, start: int | None, end: int) -> pa.RecordBatchReader:
        begun = self._forgotten() if start is None else start
        if begun < self._forgotten():
            raise SourceError(
                f"{self._slot.stem} has forgotten line {begun + 1}.",
                location=self._context.location,
            )
        rows = [json.loads(line) for line in self._text().splitlines()[begun:end]]
        schema = pa.schema([("n", pa.int64()), ("said", pa.string())])
        return pa.Table.from_pylist(rows, schema).to_reader()
