"""What was appended to a table after a position, for readers that read each row once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Self

from lakeflow.core.errors import StateError
from lakeflow.tables.log import DataFile
from lakeflow.tables.table import Snapshot, Table


@dataclass(frozen=True, slots=True)
class FeedPosition:
    """How far a reader has come in a table.

    The files of the first version are the whole table as it was then, by path; those of each
    later version are the ones that its commit added, in its order.

    Args:
        table_id: The table's id.
        generation: The table's generation, as the caller's property says it; None without one.
        first: The version at which reading began.
        version: The version up to which all, or `files` files, were read.
        files: Files read of that version; None if all of them.
    """

    table_id: str
    generation: str | None
    first: int
    version: int
    files: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The position as a JSON value."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Reads what `to_json` made."""
        return cls(**value)


class NotAppendOnly(StateError):
    """Rows that a reader has passed were changed or removed."""


def appended(
    table: Table, start: FeedPosition | None, first: int, last: int
) -> Iterator[tuple[int, int, DataFile, bool]]:
    """The files after a position, up to a version.

    Args:
        table: The table read.
        start: What was read already; None if nothing was.
        first: Version whose whole content comes first.
        last: The newest version to read.

    Yields:
        Version, the file's number in it (from 1), the file, whether it is the version's last.

    Raises:
        NotAppendOnly: A commit removed rows.
        StateError: The log no longer holds a commit.
    """
    version = first if start is None else start.version
    skip = 0 if start is None else start.files
    if skip is not None:
        files = table.at(first).files if version == first else added(table, version)
        for number, file in enumerate(files[skip:], skip + 1):
            yield version, number, file, number == len(files)
    for later in range(version + 1, last + 1):
        files = added(table, later)
        for number, file in enumerate(files, 1):
            yield later, number, file, number == len(files)


def added(table: Table, version: int) -> tuple[DataFile, ...]:
    """The files with new rows that one commit added.

    Raises:
        NotAppendOnly: It removed rows.
    """
    [(_, actions)] = table.commits(version, version)
    for action in actions:
        if "remove" in action and action["remove"].get("dataChange", True):
            raise NotAppendOnly(f"Version {version} of {table.place} removed or changed rows.")
    files = [DataFile.from_json(action["add"]) for action in actions if "add" in action]
    return tuple(file for file in files if file.data_change)


def changed_data(table: Table, after: int, snapshot: Snapshot) -> bool:
    """Whether any commit after a version changed rows or columns.

    Args:
        table: The table.
        after: A version that was read.
        snapshot: The newest one.
    """
    if after >= snapshot.version:
        return after > snapshot.version
    try:
        commits = table.commits(after + 1, snapshot.version)
    except StateError:
        return True
    for _, actions in commits:
        for action in actions:
            change = action.get("add") or action.get("remove")
            if "metaData" in action or (change is not None and change.get("dataChange", True)):
                return True
    return False
