"""Commits of a Delta table: what one says, and how it is written.

The actions are those of the Delta protocol. deltalake's own writer is not used: it syncs nothing,
drops new columns silently and reports failures for commits that happened.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote, unquote

from lakeflow import __version__
from lakeflow.core.errors import CorruptStateError
from lakeflow.core.schema import Array, DataType, Map, Primitive, Schema, Struct
from lakeflow.tables.store import Store

LOG_FOLDER = "_delta_log"


@dataclass(frozen=True, slots=True)
class DataFile:
    """A Parquet file of a table.

    Args:
        path: Relative to the table's folder, as on disk.
        size: Bytes.
        modified: Milliseconds since 1970.
        rows: How many it holds; None if a foreign writer did not say.
        statistics: Delta's statistics as JSON text.
        partition: Values of the partition columns as text, None for NULL.
        data_change: False where the rows were in the table before (compaction).
    """

    path: str
    size: int
    modified: int
    rows: int | None = None
    statistics: str | None = None
    partition: Mapping[str, str | None] = field(default_factory=dict)
    data_change: bool = True

    def to_json(self) -> dict[str, Any]:
        """The body of an `add` action."""
        value: dict[str, Any] = {
            "path": quote(self.path, safe="/=-_.~"),
            "partitionValues": dict(self.partition),
            "size": self.size,
            "modificationTime": self.modified,
            "dataChange": self.data_change,
        }
        if self.statistics is not None:
            value["stats"] = self.statistics
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> DataFile:
        """Reads the body of an `add` action."""
        statistics = value.get("stats")
        rows = json.loads(statistics).get("numRecords") if statistics else None
        return cls(
            unquote(value["path"]),
            value["size"],
            value["modificationTime"],
            rows,
            statistics,
            value.get("partitionValues") or {},
            value.get("dataChange", True),
        )


@dataclass(frozen=True, slots=True)
class TableMetadata:
    """What a table is, apart from its files.

    Args:
        id: Changes when the table is dropped and made again.
        schema: Its columns.
        partition_columns: Columns by whose values files are kept apart.
        configuration: Table properties.
        created: Milliseconds since 1970.
        comment: What it is for.
    """

    id: str
    schema: Schema
    partition_columns: tuple[str, ...]
    configuration: Mapping[str, str]
    created: int
    comment: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The body of a `metaData` action."""
        value: dict[str, Any] = {
            "id": self.id,
            "format": {"provider": "parquet", "options": {}},
            "schemaString": self.schema.to_delta(),
            "partitionColumns": list(self.partition_columns),
            "configuration": dict(self.configuration),
            "createdTime": self.created,
        }
        if self.comment is not None:
            value["description"] = self.comment
        return value


@dataclass(frozen=True, slots=True)
class Commit:
    """One version of a table's log.

    Args:
        operation: What it is called in the history.
        adds: Files that come in.
        removes: Files that go out.
        transactions: Versions of applications, by their ids (Delta's `txn`).
        metadata: New metadata, if they change.
        info: What we keep in the commit's info, under the key `lakeflow`.
        data_change: False for a commit that moves rows without changing them.
    """

    operation: str
    adds: tuple[DataFile, ...] = ()
    removes: tuple[DataFile, ...] = ()
    transactions: Mapping[str, int] = field(default_factory=dict)
    metadata: TableMetadata | None = None
    info: Mapping[str, Any] = field(default_factory=dict)
    data_change: bool = True

    def to_bytes(self, now: datetime) -> bytes:
        """The commit as the lines of a log file."""
        instant = int(now.timestamp() * 1000)
        actions: list[dict[str, Any]] = [
            {
                "commitInfo": {
                    "timestamp": instant,
                    "operation": self.operation,
                    "operationParameters": {},
                    "isBlindAppend": not self.removes and self.metadata is None,
                    "engineInfo": f"lakeflow/{__version__}",
                    "lakeflow": dict(self.info),
                }
            }
        ]
        if self.metadata is not None:
            actions.append({"protocol": protocol_for(self.metadata)})
            actions.append({"metaData": self.metadata.to_json()})
        actions.extend(
            {"txn": {"appId": application, "version": version, "lastUpdated": instant}}
            for application, version in self.transactions.items()
        )
        actions.extend(
            {
                "remove": {
                    "path": quote(file.path, safe="/=-_.~"),
                    "deletionTimestamp": instant,
                    "dataChange": self.data_change,
                    "extendedFileMetadata": True,
                    "partitionValues": dict(file.partition),
                    "size": file.size,
                }
            }
            for file in self.removes
        )
        actions.extend({"add": file.to_json()} for file in self.adds)
        return "".join(json.dumps(action) + "\n" for action in actions).encode()


def commit_path(place: str, version: int) -> str:
    """Where the log keeps a version."""
    return f"{place}/{LOG_FOLDER}/{version:020d}.json"


def write_commit(store: Store, place: str, version: int, commit: Commit, now: datetime) -> bool:
    """Writes a version unless somebody else has written it.

    Args:
        store: Where the table lies.
        place: The table's folder.
        version: Its number, one above the snapshot that the commit was made for.
        commit: What it says.
        now: The time it carries.

    Returns:
        Whether it was written; if not, the caller looks at the newest snapshot again.
    """
    if not store.put_if_absent(commit_path(place, version), commit.to_bytes(now), "commit"):
        return False
    # A free number proves nothing to a writer that slept while the log was cleaned. Clean-up
    # goes upwards and keeps a checkpoint's own commit, so the one before ours is there unless
    # ours had been there, too. A commit below the oldest checkpoint is read by nobody.
    if version == 0:
        return not log_files(store, place).checkpoints
    return store.exists(commit_path(place, version - 1))


def read_commit(store: Store, place: str, version: int) -> Iterator[dict[str, Any]]:
    """The actions of one version.

    Raises:
        FileNotFoundError: The log does not hold it, or no longer.
        CorruptStateError: It is damaged.
    """
    path = commit_path(place, version)
    actions = parse_commit(store.read(path))
    if actions is None:
        raise CorruptStateError(f"The commit {store.url(path)} is damaged or cut off.")
    yield from actions


def parse_commit(data: bytes) -> list[dict[str, Any]] | None:
    """The actions of a commit; None if it is empty, damaged or cut off.

    A line that is cut off is no JSON. One of ours that ends between two lines shows it by the
    newline that is missing; other writers leave out the last one.
    """
    try:
        actions = [json.loads(line) for line in data.splitlines()]
    except ValueError:
        return None
    if not actions or not all(isinstance(action, dict) for action in actions):
        return None
    ours = any("lakeflow" in action.get("commitInfo", {}) for action in actions)
    return None if ours and not data.endswith(b"\n") else actions


@dataclass(frozen=True, slots=True)
class LogFiles:
    """What a table's log folder holds.

    Args:
        commits: Versions whose commit is there, ascending.
        checkpoints: Versions with a checkpoint in one file, ascending.
    """

    commits: tuple[int, ...]
    checkpoints: tuple[int, ...]

    @property
    def newest(self) -> int:
        """The highest version; -1 if there is no table."""
        return max(self.commits[-1:] + self.checkpoints[-1:], default=-1)

    @property
    def oldest_readable(self) -> int:
        """The lowest version from which on every one can be read."""
        lowest = self.newest
        commits = set(self.commits)
        while lowest - 1 in commits:
            lowest -= 1
        if lowest == 0:
            return 0
        return min((v for v in self.checkpoints if v >= lowest - 1), default=self.newest)


def log_files(store: Store, place: str) -> LogFiles:
    """Lists a table's log."""
    commits, checkpoints = [], []
    for name in store.list_from(f"{place}/{LOG_FOLDER}"):
        version, _, kind = name.partition(".")
        if len(version) == 20 and version.isdigit():
            if kind == "json":
                commits.append(int(version))
            elif kind == "checkpoint.parquet":
                checkpoints.append(int(version))
    return LogFiles(tuple(commits), tuple(checkpoints))


def newest_version(store: Store, place: str) -> int:
    """The highest version in the log; -1 if there is no table."""
    return log_files(store, place).newest


def protocol_for(metadata: TableMetadata) -> dict[str, Any]:
    """The lowest protocol that a table's columns and properties need."""
    has_ntz = any(_contains(field.type, "timestamp_ntz") for field in metadata.schema)
    has_feed = metadata.configuration.get("delta.enableChangeDataFeed") == "true"
    if has_ntz:
        features = ["timestampNtz", "appendOnly", "invariants"]
        if has_feed:
            features.append("changeDataFeed")
        return {
            "minReaderVersion": 3,
            "minWriterVersion": 7,
            "readerFeatures": ["timestampNtz"],
            "writerFeatures": features,
        }
    return {"minReaderVersion": 1, "minWriterVersion": 4 if has_feed else 2}


def _contains(kind: DataType, name: str) -> bool:
    match kind:
        case Primitive(found):
            return found == name
        case Array(element):
            return _contains(element, name)
        case Map(key, value):
            return _contains(key, name) or _contains(value, name)
        case Struct(fields):
            return any(_contains(field.type, name) for field in fields)
        case _:
            return False
