"""Snapshots of Delta tables, and the one way in which they change.

deltalake reads the log and its checkpoints; commits are written by `lakeflow.tables.log`. Nothing
outside this package knows of deltalake.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from lakeflow.core.errors import StateError, UnsupportedError
from lakeflow.core.failpoints import failpoint
from lakeflow.core.schema import Schema
from lakeflow.tables.log import (
    LOG_FOLDER,
    Commit,
    DataFile,
    TableMetadata,
    commit_path,
    newest_version,
    read_commit,
    write_commit,
)
from lakeflow.tables.partitions import partition_text
from lakeflow.tables.store import Store

if TYPE_CHECKING:
    from deltalake import DeltaTable

READABLE_FEATURES = frozenset({"timestampNtz", "vacuumProtocolCheck"})
"""Reader features that reading the active Parquet files alone gets right."""


class Snapshot:
    """One version of a table.

    Args:
        place: The table's folder in the store.
        handle: deltalake's table, loaded at that version; it may move on later.
        reopen: Loads it at a version again.
        lock: Held by whoever moves the handle on.
    """

    def __init__(
        self,
        place: str,
        handle: DeltaTable,
        reopen: Callable[[int], DeltaTable],
        lock: threading.RLock,
    ) -> None:
        self.place = place
        self.version: int = handle.version()
        found = handle.metadata()
        self.metadata = TableMetadata(
            id=str(found.id),
            schema=Schema.from_delta(handle.schema().to_json()),
            partition_columns=tuple(found.partition_columns),
            configuration={k: v for k, v in found.configuration.items() if v is not None},
            created=found.created_time or 0,
            comment=found.description,
        )
        self._handle = handle
        self._reopen = reopen
        self._lock = lock

    def _loaded(self) -> DeltaTable:
        if self._handle.version() != self.version:
            self._handle = self._reopen(self.version)
        return self._handle

    @property
    def schema(self) -> Schema:
        """The table's columns."""
        return self.metadata.schema

    def transaction(self, application: str) -> int | None:
        """The version an application has committed last; None if it never has."""
        with self._lock:
            version: int | None = self._loaded().transaction_version(application)
            return version

    @cached_property
    def files(self) -> tuple[DataFile, ...]:
        """The active files, by path."""
        import pyarrow as pa

        with self._lock:
            rows = pa.table(self._loaded().get_add_actions(flatten=False)).to_pylist()
        files = [
            DataFile(
                path=_inside(unquote(row["path"]), self.place),
                size=row["size_bytes"],
                modified=_milliseconds(row["modification_time"]),
                rows=row.get("num_records"),
                partition=_partition(row.get("partition")),
            )
            for row in rows
        ]
        return tuple(sorted(files, key=lambda file: file.path))


@dataclass(frozen=True, slots=True)
class Decision:
    """What a commit is to be on the newest snapshot, or why there is none to make.

    Args:
        commit: What to write; None if nothing is left to do.
        reason: Why nothing is left to do.
    """

    commit: Commit | None
    reason: str = ""


class Table:
    """A table at a place; commits of one process are made one after the other.

    Args:
        store: Where it lies.
        place: Its folder.
    """

    def __init__(self, store: Store, place: str) -> None:
        self.store = store
        self.place = place
        self._handle: DeltaTable | None = None
        self._snapshot: Snapshot | None = None
        self._durable = -1
        self._lock = threading.RLock()

    def exists(self) -> bool:
        """Whether there is a log."""
        return self._snapshot is not None or newest_version(self.store, self.place) >= 0

    def snapshot(self) -> Snapshot:
        """The newest version.

        Raises:
            StateError: There is no table, or it cannot be read.
            UnsupportedError: The table needs a reader feature that is not supported.
        """
        with self._lock:
            if self._handle is None:
                self._handle = self._open(None)
            elif self._snapshot is not None and self._is_newest(self._snapshot.version):
                return self._snapshot
            else:
                self._move_on(self._handle)
            if self._snapshot is None or self._snapshot.version != self._handle.version():
                self._snapshot = Snapshot(self.place, self._handle, self._open, self._lock)
            return self._snapshot

    def at(self, version: int) -> Snapshot:
        """An older version."""
        with self._lock:
            if self._snapshot is not None and self._snapshot.version == version:
                return self._snapshot
            return Snapshot(self.place, self._open(version), self._open, self._lock)

    def opens_at(self, version: int) -> bool:
        """Whether a version can be read from what is in the log now."""
        try:
            self._open(version)
        except StateError:
            return False
        return True

    def commit(
        self, decide: Callable[[Snapshot], Decision], now: datetime
    ) -> tuple[int, Commit | None]:
        """Commits what `decide` says on the newest snapshot, and asks it again after a lost race.

        Args:
            decide: Called with the newest snapshot before every try.
            now: The time that the commit carries.

        Returns:
            The version at which it was decided, and the commit, None if there was none to make.
        """
        with self._lock:
            while True:
                snapshot = self.snapshot()
                if snapshot.version > self._durable:
                    # Whoever wrote it may have ended before its name was durable.
                    self.store.make_folder_durable(f"{self.place}/{LOG_FOLDER}")
                    self._durable = snapshot.version
                failpoint("commit.snapshot")
                decision = decide(snapshot)
                if decision.commit is None:
                    return snapshot.version, None
                version = snapshot.version + 1
                if write_commit(self.store, self.place, version, decision.commit, now):
                    self._durable = version
                    return version, decision.commit
                failpoint("commit.conflict")

    def create(self, commit: Commit, now: datetime) -> bool:
        """Writes version 0 unless there is one."""
        return write_commit(self.store, self.place, 0, commit, now)

    def commits(self, first: int, last: int) -> list[tuple[int, list[dict[str, Any]]]]:
        """The actions of the versions `first` to `last`, both included.

        Raises:
            StateError: The log no longer holds one of them.
        """
        found = []
        for version in range(first, last + 1):
            try:
                found.append((version, list(read_commit(self.store, self.place, version))))
            except FileNotFoundError as error:
                raise StateError(
                    f"Version {version} of the table in {self.store.url(self.place)} "
                    "is no longer in its log.",
                    hint="A reader that has not passed it must be refreshed in full.",
                ) from error
        return found

    def _is_newest(self, version: int) -> bool:
        """Whether a version is there and the next one is not; both are gone once it is cleaned."""
        return self.store.exists(commit_path(self.place, version)) and not self.store.exists(
            commit_path(self.place, version + 1)
        )

    def _move_on(self, handle: DeltaTable) -> None:
        """Brings a handle to the newest version."""
        from deltalake.exceptions import DeltaError

        try:
            handle.update_incremental()
        except DeltaError:
            self._handle = self._open(None)

    def _open(self, version: int | None) -> DeltaTable:
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError, TableNotFoundError

        try:
            handle = DeltaTable(self.store.url(self.place), version=version)
        except TableNotFoundError as error:
            if version is not None and self.exists():
                raise StateError(
                    f"Version {version} of the table in {self.store.url(self.place)} is no longer "
                    "in its log."
                ) from error
            raise StateError(f"There is no table in {self.store.url(self.place)}.") from error
        except DeltaError as error:
            said = str(error).split("\n", 1)[0]
            raise StateError(
                f"The table in {self.store.url(self.place)} cannot be read: {said}",
                hint="Restore its log from a copy; or, if a pipeline writes it, take the folder "
                "away and make the table anew with --full-refresh.",
            ) from error
        needs = _unreadable(handle)
        if needs:
            raise UnsupportedError(
                f"The table in {self.store.url(self.place)} needs {needs}, which is not supported.",
                hint="Let the writer of the table drop the feature, or copy its rows.",
            )
        return handle


def _unreadable(handle: DeltaTable) -> str:
    """What a table needs of its readers beyond what is read right; nothing if that is all."""
    protocol = handle.protocol()
    unknown = set(protocol.reader_features or ()) - READABLE_FEATURES
    if protocol.min_reader_version == 2:
        unknown.add("columnMapping")
    if protocol.min_reader_version > 3:
        unknown.add(f"reader version {protocol.min_reader_version}")
    return ", ".join(sorted(unknown))


def _inside(path: str, place: str) -> str:
    """A path as it is, if it stays in the table's folder."""
    if path.startswith("/") or "://" in path or ".." in path.split("/"):
        raise UnsupportedError(
            f"The table in {place} has the file {path}, which lies outside its folder.",
            hint="Copy the table whole; clones that share the files of another are not read.",
        )
    return path


def _milliseconds(value: Any) -> int:
    return int(value.timestamp() * 1000) if isinstance(value, datetime) else int(value)


def _partition(value: Mapping[str, Any] | None) -> dict[str, str | None]:
    return (
        {} if not value else {k: None if v is None else partition_text(v) for k, v in value.items()}
    )
