"""What a lakehouse remembers of a pipeline, apart from what lies with its tables."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from lakeflow.core.errors import LeaseLost, StateError, StorageError
from lakeflow.core.events import Event
from lakeflow.core.failpoints import failpoint
from lakeflow.core.names import TableName
from lakeflow.engine.records import decode_state, encode_state
from lakeflow.tables.store import Store

STATE_FOLDER = "_lakeflow/pipelines"


@dataclass(frozen=True, slots=True)
class FlowEntry:
    """A flow that has run: its identity outlives its code."""

    name: str
    id: str
    target: str


@dataclass(frozen=True, slots=True)
class TargetEntry:
    """A table that the pipeline writes.

    Args:
        name: Its complete name.
        place: Its folder.
        table_id: The id with which it was, or is to be, created.
        companions: Role -> (place, table id).
    """

    name: str
    place: str
    table_id: str
    companions: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RefreshRequest:
    """A wish to rebuild tables, kept until all of them are rebuilt.

    Args:
        id: The unique part of the generations that it begins.
        tables: Complete names.
    """

    id: str
    tables: tuple[str, ...]


class PipelineState:
    """The records of one pipeline in a lakehouse.

    Args:
        store: The lakehouse.
        name: The pipeline's name.
    """

    def __init__(self, store: Store, name: str) -> None:
        self.store = store
        self.name = name
        self.folder = f"{STATE_FOLDER}/{file_name(name)}"

    def known_id(self) -> str | None:
        """The pipeline's identity; None if it has not run."""
        return self.id if self.store.exists(f"{self.folder}/pipeline.json") else None

    @property
    def id(self) -> str:
        """The pipeline's identity; written at its first run."""
        path = f"{self.folder}/pipeline.json"
        if not self.store.exists(path):
            record = encode_state({"id": uuid.uuid4().hex, "name": self.name})
            self.store.put_if_absent(path, record)
        found: str = self._read(path)["id"]
        return found

    def flows(self) -> list[FlowEntry]:
        """All flows that have run."""
        return [FlowEntry(**value) for value in self._all("flows")]

    def known_flow(self, name: str, target: TableName) -> FlowEntry | None:
        """The identity of a flow into a table; None if it has not run."""
        path = self._flow_path(name, target)
        return FlowEntry(**self._read(path)) if self.store.exists(path) else None

    def flow(self, name: str, target: TableName) -> FlowEntry:
        """The identity of a flow into a table; given at its first run."""
        path = self._flow_path(name, target)
        if not self.store.exists(path):
            entry = FlowEntry(name, uuid.uuid4().hex[:16], str(target))
            self.store.put_if_absent(path, encode_state(asdict(entry)))
        return FlowEntry(**self._read(path))

    def _flow_path(self, name: str, target: TableName) -> str:
        return f"{self.folder}/flows/{file_name(f'{target}:{name}')}.json"

    def targets(self) -> dict[str, TargetEntry]:
        """All tables that the pipeline has written, by complete name."""
        found: dict[str, TargetEntry] = {}
        for value in self._all("targets"):
            entry = TargetEntry(**value)
            found[entry.name] = entry
        return found

    def add_target(self, entry: TargetEntry, known: TargetEntry | None) -> TargetEntry:
        """Records a table before it is created.

        Args:
            entry: What to record.
            known: The newest record of the table that this process has seen.

        Returns:
            The newest record: an overtaken process may just have written another one.
        """
        start = f"{file_name(entry.name)}."
        names = [
            name
            for name in self.store.list_from(f"{self.folder}/targets")
            if name.startswith(start) and name.endswith(".json")
        ]
        newest = self._target(names[-1]) if names else None
        if newest is not None and newest != known:
            return newest
        number = int(names[-1][len(start) :].split(".")[0]) + 1 if names else 1
        name = f"{start}{number:06d}.json"
        self.store.put_if_absent(f"{self.folder}/targets/{name}", encode_state(asdict(entry)))
        return self._target(name)

    def _target(self, name: str) -> TargetEntry:
        return TargetEntry(**self._read(f"{self.folder}/targets/{name}"))

    def mark_created(self, name: str, table_id: str) -> None:
        """Remembers that a table has been there, so that its absence is noticed."""
        path = self._created(name, table_id)
        if not self.store.exists(path):
            self.store.put_if_absent(path, encode_state({}))

    def was_created(self, name: str, table_id: str) -> bool:
        """Whether a table has been there."""
        return self.store.exists(self._created(name, table_id))

    def refresh_request(self) -> RefreshRequest | None:
        """The oldest request that is not finished."""
        names = self.store.list_from(f"{self.folder}/refresh")
        done = {name.removesuffix(".done") for name in names if name.endswith(".done")}
        for name in names:
            if name.endswith(".json") and name not in done:
                self.store.make_folder_durable(f"{self.folder}/refresh")
                value = self._read(f"{self.folder}/refresh/{name}")
                return RefreshRequest(value["id"], tuple(value["tables"]))
        return None

    def request_refresh(self, tables: Sequence[str], epoch: int) -> RefreshRequest:
        """Makes a wish to rebuild tables durable."""
        request = RefreshRequest(uuid.uuid4().hex[:12], tuple(tables))
        path = f"{self.folder}/refresh/{epoch:012d}.json"
        if not self.store.put_if_absent(path, encode_state(asdict(request))):
            raise StateError(f"Epoch {epoch} has already asked for a full refresh.")
        failpoint("refresh.requested")
        return request

    def finish_refresh(self, request: RefreshRequest) -> None:
        """Remembers that all tables of a request are rebuilt."""
        folder = f"{self.folder}/refresh"
        for name in self.store.list_from(folder):
            if name.endswith(".json") and self._read(f"{folder}/{name}")["id"] == request.id:
                self.store.put_if_absent(f"{folder}/{name}.done", encode_state({}))

    def attach(self, source: str, flow_id: str, keys: Sequence[str]) -> None:
        """Records that a flow reads a source, before it reads.

        Args:
            source: What attachments to it are recorded under.
            flow_id: The flow.
            keys: Under which the flow's records keep its positions in the source.
        """
        if self._attachment(source, flow_id) != (wanted := sorted(keys)):
            self._write_attachment(source, flow_id, wanted)
            failpoint("source.attached")

    def attached(self, source: str) -> dict[str, list[str]]:
        """The flows that hold a source back, by id, and the keys of their positions in it."""
        folder = f"{self.folder}/attachments/{file_name(source)}"
        flows = ((name, self._attachment(source, name)) for name in self.store.list_from(folder))
        return {flow: keys for flow, keys in flows if keys is not None}

    def detach(self, flow_id: str) -> list[str]:
        """Lets a flow hold back no source any more; returns the sources it was attached to."""
        sources = []
        for folder in self.store.list_from(f"{self.folder}/attachments"):
            names = self.store.list_from(f"{self.folder}/attachments/{folder}/{flow_id}")
            if not names:
                continue
            path = f"{self.folder}/attachments/{folder}/{flow_id}/{names[-1]}"
            record = self._read(path)
            if record["keys"] is not None:
                sources.append(record["source"])
                self._write_attachment(record["source"], flow_id, None)
        return sources

    def _attachment(self, source: str, flow_id: str) -> list[str] | None:
        """The keys of a flow's positions in a source; None if it is not attached."""
        folder = f"{self.folder}/attachments/{file_name(source)}/{flow_id}"
        names = self.store.list_from(folder)
        if not names:
            return None
        keys: list[str] | None = self._read(f"{folder}/{names[-1]}")["keys"]
        return keys

    def _write_attachment(self, source: str, flow_id: str, keys: list[str] | None) -> None:
        folder = f"{self.folder}/attachments/{file_name(source)}/{flow_id}"
        record = encode_state({"source": source, "flow": flow_id, "keys": keys})
        while True:
            number = len(self.store.list_from(folder)) + 1
            if self.store.put_if_absent(f"{folder}/{number:06d}.json", record):
                return

    def write_event(self, epoch: int, key: str, events: Sequence[Event]) -> None:
        """Makes events of an update durable under a key; one that is taken stays as it is.

        Raises:
            LeaseLost: A later update has published the events of this one.
        """
        path = f"{self.folder}/events/{epoch:012d}/{key}.json"
        record = encode_state({"events": [event.to_json() for event in events]})
        try:
            self.store.put_if_absent(path, record)
        except FileNotFoundError as error:
            raise LeaseLost(f"The update of epoch {epoch} was ended by a later one.") from error

    def has_event(self, epoch: int, key: str) -> bool:
        """Whether there are events under a key."""
        return self.store.exists(f"{self.folder}/events/{epoch:012d}/{key}.json")

    def event_epochs(self) -> list[int]:
        """Updates whose events have not all reached the event log."""
        return [int(name) for name in self.store.list_from(f"{self.folder}/events")]

    def read_events(self, epoch: int) -> Iterator[Event]:
        """The durable events of an update, in the order of their keys."""
        folder = f"{self.folder}/events/{epoch:012d}"
        for name in self.store.list_from(folder):
            for value in self._read(f"{folder}/{name}")["events"]:
                yield Event.from_json(value)

    def delete_events(self, epoch: int) -> None:
        """Forgets the events of an update that are in the event log."""
        folder = f"{self.folder}/events/{epoch:012d}"
        for name in self.store.list_from(folder):
            self.store.delete(f"{folder}/{name}")
        self.store.delete_folder(folder)

    def _created(self, name: str, table_id: str) -> str:
        return f"{self.folder}/created/{file_name(name)}.{table_id}.json"

    def _all(self, kind: str) -> Iterator[dict[str, Any]]:
        for name in self.store.list_from(f"{self.folder}/{kind}"):
            if name.endswith(".json"):
                yield self._read(f"{self.folder}/{kind}/{name}")

    def _read(self, path: str) -> dict[str, Any]:
        return decode_state(self.store.read(path), path)


def pipelines(store: Store) -> list[str]:
    """Names of the pipelines that have run in a lakehouse."""
    found = []
    for folder in store.list_from(STATE_FOLDER):
        path = f"{STATE_FOLDER}/{folder}/pipeline.json"
        if store.exists(path):
            found.append(decode_state(store.read(path), path)["name"])
    return found


def file_name(text: str) -> str:
    """A name that is safe for files: readable, and unique through a hash where it had to change."""
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "_", text)[:80].strip(".")
    if plain == text:
        return plain
    return f"{plain}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


class FolderRecords:
    """A folder of the lakehouse as the store of a ledger.

    Args:
        store: The lakehouse.
        folder: The ledger's folder.
    """

    def __init__(self, store: Store, folder: str) -> None:
        self._store = store
        self._folder = folder

    def put_if_absent(self, name: str, data: bytes) -> bool:
        """Writes a segment durably unless its name is taken.

        Raises:
            StorageError: The lakehouse cannot be written; a connector is not to blame.
        """
        try:
            return self._store.put_if_absent(f"{self._folder}/{name}", data, "ledger")
        except OSError as error:
            raise StorageError.of(error) from error

    def read(self, name: str) -> bytes:
        """A segment."""
        return self._store.read(f"{self._folder}/{name}")

    def list(self) -> list[str]:
        """Names of the segments, sorted."""
        return self._store.list_from(self._folder)

    def make_durable(self) -> None:
        """Returns when segments found here survive a loss of power."""
        self._store.make_folder_durable(self._folder)


@dataclass(frozen=True, slots=True)
class StoredSchemas:
    """The versions of an inferred schema, each in a file of its own.

    Args:
        store: The lakehouse.
        folder: Where they lie.
    """

    store: Store
    folder: str

    def newest(self) -> str | None:
        """The newest schema as Delta's JSON; None before the first inference."""
        names = self.store.list_from(self.folder)
        if not names:
            return None
        path = f"{self.folder}/{names[-1]}"
        schema: str = decode_state(self.store.read(path), path)["schema"]
        return schema

    def add(self, schema: str) -> Self:
        """Makes a further version durable."""
        number = len(self.store.list_from(self.folder))
        record = encode_state({"schema": schema})
        self.store.put_if_absent(f"{self.folder}/{number:06d}.json", record)
        return self
