"""The records of a batch: what it will read (intent) and what it has made (prepared).

They lie with the table they are about, below `<table>/_lakeflow/<flow id>/<generation>/`, so that
losing the machine does not lose them. Each is written once, under a name of its own, and durable
before anything relies on it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from lakeflow.core.errors import CorruptStateError, LeaseLost, StateError
from lakeflow.core.failpoints import failpoint
from lakeflow.tables.log import DataFile
from lakeflow.tables.store import Store

FORMAT = 1
RECORDS_FOLDER = "_lakeflow"


def encode_state(value: Mapping[str, Any]) -> bytes:
    """The content of a state file, with the format's version."""
    return json.dumps({"format": FORMAT, **value}).encode()


def decode_state(data: bytes, path: str) -> dict[str, Any]:
    """Reads a state file.

    Raises:
        CorruptStateError: It is damaged.
        StateError: A newer Lakeflow wrote it.
    """
    try:
        value: dict[str, Any] = json.loads(data)
        found = int(value.pop("format"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptStateError(f"The state file {path} is damaged.") from error
    if found > FORMAT:
        raise StateError(
            f"The state file {path} has format {found}; this Lakeflow reads up to {FORMAT}.",
            hint="Upgrade Lakeflow.",
        )
    return value


@dataclass(frozen=True, slots=True)
class Generation:
    """One life of a table's content; a full refresh begins the next.

    Args:
        ordinal: Counts from 1.
        id: Unique, so that two attempts at the same ordinal are told apart.
    """

    ordinal: int
    id: str

    def __str__(self) -> str:
        return f"{self.ordinal:04d}-{self.id}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads what `str()` made."""
        ordinal, _, unique = text.partition("-")
        return cls(int(ordinal), unique)


@dataclass(frozen=True, slots=True)
class SourceRange:
    """What a batch takes from one source: after `start`, up to and including `end`."""

    start: Any
    end: Any


@dataclass(frozen=True, slots=True)
class Pin:
    """A table's version, which every flow of an update reads."""

    table_id: str
    generation: str | None
    version: int


@dataclass(frozen=True, slots=True)
class Intent:
    """Fixes the range of a batch before anything of it is computed.

    Args:
        flow: The flow's name, for people.
        generation: Of the target.
        batch: Counts from 1 in each generation.
        number: Above 1 where an earlier intent could no longer be read and was superseded.
        epoch: Of the lease under which it was written.
        sources: Range per source key.
        pins: Version of every other table read, by name.
        clock: The time the batch's `current_timestamp()` tells, as ISO text.
        definition: Hash of the flow's definition.
    """

    flow: str
    generation: str
    batch: int
    number: int
    epoch: int
    sources: Mapping[str, SourceRange]
    pins: Mapping[str, Pin]
    clock: str
    definition: str

    def to_bytes(self) -> bytes:
        """The record's content."""
        return encode_state(asdict(self))

    @classmethod
    def from_bytes(cls, data: bytes, path: str) -> Self:
        """Reads a record.

        Raises:
            CorruptStateError: It is damaged.
            StateError: A newer Lakeflow wrote it.
        """
        value = decode_state(data, path)
        sources = {key: SourceRange(**found) for key, found in value.pop("sources").items()}
        pins = _pins(value)
        return cls(**value, sources=sources, pins=pins)


@dataclass(frozen=True, slots=True)
class TargetFiles:
    """The staged files of a batch for one target.

    Args:
        role: `main`, or the companion's suffix, such as `quarantine`.
        place: The target's folder.
        table_id: The table the files are for.
        schema: Columns of the files, as Delta's JSON.
        replace: Whether they take the place of all the files that are there.
        files: Staged and durable.
    """

    role: str
    place: str
    table_id: str
    schema: str
    replace: bool
    files: tuple[DataFile, ...]

    @property
    def rows(self) -> int:
        """Rows in all files."""
        return sum(file.rows or 0 for file in self.files)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many rows of a batch passed and failed each expectation.

    Args:
        expectations: Name -> (passed, failed).
        dropped: Rows that were refused and not kept.
        quarantined: Rows that were refused and kept beside the table.
    """

    expectations: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    dropped: int = 0
    quarantined: int = 0


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything a batch has computed; after it is durable nothing is computed again.

    Args:
        flow: The flow's name, for people.
        flow_id: Its identity.
        generation: Of the target that the batch is for.
        batch: Its number.
        attempt: Counts from 1 for each batch.
        epoch: Of the lease under which it was written.
        targets: Staged files; main is the first.
        ends: End position per source key.
        pins: Versions really read.
        definition: Hash of the definition really used.
        counts: Of expectations.
        update: The update that made it.
        swap: Set where the commit begins a new generation: transactions of every flow of the
            table, by application id, which the swap carries.
    """

    flow: str
    flow_id: str
    generation: str
    batch: int
    attempt: int
    epoch: int
    targets: tuple[TargetFiles, ...]
    ends: Mapping[str, Any]
    pins: Mapping[str, Pin]
    definition: str
    counts: Counts
    update: str
    swap: Mapping[str, int] | None = None

    @property
    def main(self) -> TargetFiles:
        """The user's table."""
        return self.targets[0]

    @property
    def companions(self) -> tuple[TargetFiles, ...]:
        """The tables beside it."""
        return self.targets[1:]

    def to_bytes(self) -> bytes:
        """The record's content."""
        return encode_state(asdict(self))

    @classmethod
    def from_bytes(cls, data: bytes, path: str) -> Self:
        """Reads a record.

        Raises:
            CorruptStateError: It is damaged.
            StateError: A newer Lakeflow wrote it.
        """
        value = decode_state(data, path)
        targets = tuple(
            TargetFiles(**{**found, "files": tuple(DataFile(**file) for file in found["files"])})
            for found in value.pop("targets")
        )
        counts = value.pop("counts")
        counts["expectations"] = {k: (v[0], v[1]) for k, v in counts["expectations"].items()}
        pins = _pins(value)
        return cls(**value, targets=targets, pins=pins, counts=Counts(**counts))


class FlowRecords:
    """The records of one flow into one generation of its target.

    Args:
        store: Where the target lies.
        place: The target's folder.
        flow_id: The flow's identity.
        generation: Of the target.
    """

    def __init__(self, store: Store, place: str, flow_id: str, generation: Generation) -> None:
        self.store = store
        self.generation = str(generation)
        self.folder = f"{place}/{RECORDS_FOLDER}/{flow_id}/{generation}"
        self._own: set[str] = set()

    def newest_intent(self, batch: int) -> Intent | None:
        """The intent in force for a batch."""
        names = self._names(f"intent.{batch:012d}.")
        return None if not names else Intent.from_bytes(*self._read(names[-1]))

    def prepared(self, batch: int, attempt: int) -> Prepared | None:
        """The record of one attempt."""
        name = _prepared_name(batch, attempt)
        if not self.store.exists(f"{self.folder}/{name}"):
            return None
        return Prepared.from_bytes(*self._read(name))

    def attempts(self, batch: int) -> list[Prepared]:
        """All attempts at a batch, oldest first."""
        return [
            Prepared.from_bytes(*self._read(name))
            for name in self._names(f"prepared.{batch:012d}.")
        ]

    def newest_batch(self) -> int:
        """The highest batch that any record is about; 0 if there is none."""
        return max((_batch_of(name) for name in self._names("")), default=0)

    def write_intent(self, intent: Intent) -> Intent:
        """Makes an intent durable; the one that an overtaken process has just written counts."""
        name = f"intent.{intent.batch:012d}.{intent.number:04d}.json"
        if self.store.put_if_absent(f"{self.folder}/{name}", intent.to_bytes(), "intent"):
            self._own.add(name)
            return intent
        return Intent.from_bytes(*self._read(name))

    def write_prepared(self, prepared: Prepared) -> Prepared:
        """Makes a prepared batch durable, under the next attempt if its number is taken.

        A record under that number is of a process that lost its lease; it is never adopted, for
        it may be of another definition.
        """
        while True:
            name = _prepared_name(prepared.batch, prepared.attempt)
            path = f"{self.folder}/{name}"
            if self.store.put_if_absent(path, prepared.to_bytes(), "prepared"):
                self._own.add(name)
                return prepared
            prepared = replace(prepared, attempt=prepared.attempt + 1)

    def delete_before(self, batch: int) -> None:
        """Deletes the records of decided batches below `batch`, and intents up to it."""
        for name in self._names(""):
            number = _batch_of(name)
            if number < batch or (number == batch and name.startswith("intent.")):
                self.store.delete(f"{self.folder}/{name}")
        failpoint("records.deleted")

    def _names(self, start: str) -> list[str]:
        found = self.store.list_from(self.folder)
        kinds = ("intent.", "prepared.")
        return [name for name in found if name.startswith(start) and name.startswith(kinds)]

    def _read(self, name: str) -> tuple[bytes, str]:
        """A record found in the folder; one of another process becomes durable first."""
        if name not in self._own:
            self.store.make_folder_durable(self.folder)
            self._own.add(name)
        path = f"{self.folder}/{name}"
        try:
            return self.store.read(path), path
        except FileNotFoundError as error:
            raise LeaseLost(f"Another process has deleted the record {path}.") from error


def _prepared_name(batch: int, attempt: int) -> str:
    return f"prepared.{batch:012d}.{attempt:04d}.json"


def _batch_of(name: str) -> int:
    return int(name.split(".")[1])


def _pins(value: dict[str, Any]) -> dict[str, Pin]:
    return {name: Pin(**found) for name, found in value.pop("pins").items()}
