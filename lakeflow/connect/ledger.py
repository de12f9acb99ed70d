"""An append-only durable list of what a source was seen to hold."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from lakeflow.connect.source import FileEntry
from lakeflow.core.errors import CorruptStateError, StateError

FORMAT = 1


class RecordStore(Protocol):
    """The few verbs that a ledger stands on."""

    def put_if_absent(self, name: str, data: bytes) -> bool:
        """Writes a segment durably unless its name is taken; says whether it did."""

    def read(self, name: str) -> bytes:
        """A segment."""

    def list(self) -> list[str]:
        """Names of the segments, sorted."""

    def make_durable(self) -> None:
        """Returns when the segments found survive a loss of power."""


class Ledger:
    """What was seen, in the order in which it was seen; a position is a number into it.

    Segments are named by the number of their first entry, so that two processes that append at
    once want the same name: the loser reads what the winner wrote, compares again, and goes on.

    Args:
        records: Where the segments lie.
    """

    def __init__(self, records: RecordStore) -> None:
        self._records = records
        self._paths: list[str] = []
        self._sizes: list[int] = []
        self._modified: list[int] = []
        self._known: set[str] = set()
        self._loaded = False

    @property
    def length(self) -> int:
        """How many entries there are."""
        self._load()
        return len(self._paths)

    def new(self, paths: Iterable[str]) -> set[str]:
        """Those of the paths that are not in the ledger."""
        self._load()
        return set(paths) - self._known

    def append(self, entries: Sequence[FileEntry]) -> int:
        """Adds what is not there yet, durably.

        Returns:
            The ledger's length.

        Raises:
            CorruptStateError: A segment is damaged.
        """
        self._load()
        while True:
            fresh = {e.path: e for e in entries if e.path not in self._known}
            if not fresh:
                return len(self._paths)
            start = len(self._paths)
            segment = {
                "format": FORMAT,
                "start": start,
                "paths": list(fresh),
                "sizes": [entry.size for entry in fresh.values()],
                "modified": [entry.modified for entry in fresh.values()],
            }
            if self._records.put_if_absent(f"{start:015d}.json", json.dumps(segment).encode()):
                self._take(segment)
                return len(self._paths)
            self._loaded = False
            self._load()

    def entries(self, start: int, end: int) -> list[FileEntry]:
        """The entries after the first `start`, up to the one numbered `end`."""
        self._load()
        if end > len(self._paths):
            raise CorruptStateError(
                f"A position refers to entry {end} of a ledger that has {len(self._paths)}.",
                hint="Restore the ledger, or rebuild the table with --full-refresh.",
            )
        found = zip(
            self._paths[start:end], self._sizes[start:end], self._modified[start:end], strict=True
        )
        return [FileEntry(*entry) for entry in found]

    def _load(self) -> None:
        if self._loaded:
            return
        names = [name for name in self._records.list() if name.endswith(".json")]
        if names:
            self._records.make_durable()
        for name in names:
            start = int(name.split(".")[0])
            if start < len(self._paths):
                continue
            segment = self._segment(name)
            if (found := segment["format"]) > FORMAT:
                raise StateError(
                    f"The ledger's segment {name} has format {found}; this Lakeflow reads up to "
                    f"{FORMAT}.",
                    hint="Upgrade Lakeflow.",
                )
            if start != len(self._paths):
                raise CorruptStateError(
                    f"The ledger has {len(self._paths)} entries before its segment {name}: "
                    "a segment is missing."
                )
            self._take(segment)
        self._loaded = True

    def _segment(self, name: str) -> dict[str, Any]:
        try:
            segment: dict[str, Any] = json.loads(self._records.read(name))
            whole = segment["format"] > FORMAT or (
                len(segment["paths"]) == len(segment["sizes"]) == len(segment["modified"])
            )
        except (ValueError, KeyError, TypeError) as error:
            raise CorruptStateError(f"The ledger's segment {name} is damaged.") from error
        if not whole:
            raise CorruptStateError(f"The ledger's segment {name} is damaged.")
        return segment

    def _take(self, segment: Mapping[str, Any]) -> None:
        self._paths += segment["paths"]
        self._sizes += segment["sizes"]
        self._modified += segment["modified"]
        self._known.update(segment["paths"])
