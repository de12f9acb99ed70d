"""A ledger's records in memory: for looking at a source without writing, and for tests."""

from __future__ import annotations


class MemoryRecordStore:
    """Keeps segments in a dictionary."""

    def __init__(self) -> None:
        self._segments: dict[str, bytes] = {}

    def put_if_absent(self, name: str, data: bytes) -> bool:
        """Keeps a segment unless its name is taken."""
        if name in self._segments:
            return False
        self._segments[name] = data
        return True

    def read(self, name: str) -> bytes:
        """A segment."""
        return self._segments[name]

    def list(self) -> list[str]:
        """Names of the segments, sorted."""
        return sorted(self._segments)

    def make_durable(self) -> None:
        """Memory survives nothing."""
