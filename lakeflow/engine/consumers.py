"""Who still needs what of a table: streaming readers, views, and batches that are under way.

Every pipeline of the lakehouse is asked, through its records. Another pipeline may be running
meanwhile: its records only ever move on, and what it needs next lies after what it needs now.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lakeflow.core.errors import ConflictError, LeaseLost
from lakeflow.core.names import TableName
from lakeflow.engine.batch import application, generation_of
from lakeflow.engine.fullrefresh import SWAP
from lakeflow.engine.records import (
    RECORDS_FOLDER,
    FlowRecords,
    Generation,
    Intent,
    Pin,
    Prepared,
    TargetFiles,
)
from lakeflow.engine.state import PipelineState, RefreshRequest, TargetEntry, pipelines
from lakeflow.tables.feed import FeedPosition
from lakeflow.tables.store import Store
from lakeflow.tables.table import Table
from lakeflow.tables.upkeep import compacting

NOBODY = sys.maxsize
"""The version that is needed where nobody needs any."""

_TRIES = 10


@dataclass(frozen=True, slots=True)
class Standing:
    """What the records of a flow into one generation of its table say.

    Args:
        decided: Of the last batch that its table has taken; None before the first.
        intents: Of later batches.
        undecided: Files of batches that their table has not taken, and of the decided batch those
            of companions, which may not have followed yet.
    """

    decided: Prepared | None
    intents: tuple[Intent, ...]
    undecided: tuple[TargetFiles, ...]


def first_needed(table: Table) -> int:
    """The first version of a table whose content or changes a reader may still ask for.

    Raises:
        ConflictError: A pipeline moves on too quickly to be asked.
    """
    snapshot = table.snapshot()
    generation = generation_of(snapshot)
    identity = (snapshot.metadata.id, None if generation is None else str(generation))
    found = [
        version for standing in _standings(table.store) for version in _needs(standing, identity)
    ]
    return min(found, default=NOBODY)


def promised(table: Table) -> frozenset[str]:
    """Files and folders of a table that a record speaks of, relative to the lakehouse.

    Raises:
        ConflictError: A pipeline moves on too quickly to be asked.
    """
    files = {
        f"{target.place}/{file.path}"
        for standing in _standings(table.store)
        for target in standing.undecided
        if target.place == table.place
        for file in target.files
    }
    return frozenset(files) | compacting(table.store, table.place)


def _needs(standing: Standing, identity: tuple[str, str | None]) -> Iterator[int]:
    decided = standing.decided
    if decided is not None:
        yield from (_after(end) for end in decided.ends.values() if _is_of(end, identity))
        if decided.main.replace:
            yield from (p.version + 1 for p in decided.pins.values() if _pinned(p, identity))
    for intent in standing.intents:
        yield from (p.version for p in intent.pins.values() if _pinned(p, identity))
        for taken in intent.sources.values():
            if _is_of(taken.end, identity):
                yield taken.end["first"] if taken.start is None else _after(taken.start)


def _is_of(position: Any, identity: tuple[str, str | None]) -> bool:
    return (
        isinstance(position, dict)
        and (position.get("table_id"), position.get("generation")) == identity
    )


def _after(value: dict[str, Any]) -> int:
    """The version that is read next from a position."""
    position = FeedPosition.from_json(value)
    return position.version + (position.files is None)


def _pinned(pin: Pin, identity: tuple[str, str | None]) -> bool:
    return (pin.table_id, pin.generation) == identity


def _standings(store: Store) -> Iterator[Standing]:
    for name in pipelines(store):
        state = PipelineState(store, name)
        targets = state.targets()
        request = state.refresh_request()
        flows = [(entry.id, entry.target) for entry in state.flows()]
        flows += [(SWAP, target) for target in targets]
        for flow_id, target in flows:
            entry = targets.get(str(TableName.parse(target)))
            if entry is not None:
                yield from _of_flow(store, entry, flow_id, request)


def _of_flow(
    store: Store, entry: TargetEntry, flow_id: str, request: RefreshRequest | None
) -> list[Standing]:
    for _ in range(_TRIES):
        table = Table(store, entry.place)
        if not table.exists():
            return []
        try:
            return list(_read(store, table, flow_id, request))
        except LeaseLost:
            continue
    raise ConflictError(f"The pipeline that writes {entry.name} is too busy to be asked.")


def _read(
    store: Store, table: Table, flow_id: str, request: RefreshRequest | None
) -> Iterator[Standing]:
    """The standings of a flow, read after its table.

    Raises:
        LeaseLost: The pipeline has moved on meanwhile.
    """
    snapshot = table.snapshot()
    current = generation_of(snapshot)
    for text in store.list_from(f"{table.place}/{RECORDS_FOLDER}/{flow_id}"):
        generation = Generation.parse(text)
        staged = request is not None and generation.id == request.id
        if generation != current and not staged:
            continue
        records = FlowRecords(store, table.place, flow_id, generation)
        name = application(flow_id, generation)
        batch = snapshot.transaction(name) or 0
        decided = None
        if batch:
            attempt = snapshot.transaction(f"{name}/attempt") or 0
            decided = records.prepared(batch, attempt)
            if decided is None:
                raise LeaseLost
        newest = records.newest_batch()
        intents = [records.newest_intent(number) for number in range(batch + 1, newest + 1)]
        waiting = [p for number in range(batch + 1, newest + 1) for p in records.attempts(number)]
        files = [target for prepared in waiting for target in prepared.targets]
        if decided is not None:
            files += decided.companions
        yield Standing(decided, tuple(i for i in intents if i is not None), tuple(files))
