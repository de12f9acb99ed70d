"""How one batch becomes durable: DESIGN's protocol, for every kind of flow.

A prepared batch is a list of staged files for main (the user's table) and its companions. Main's
commit is the decision; it carries the transaction of flow and generation (the batch) and of the
attempt, so that companions follow from the record which main names and never from one in hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from lakeflow.core.clock import Clock
from lakeflow.core.errors import ConflictError, DataError, StateError
from lakeflow.core.failpoints import failpoint
from lakeflow.core.names import TableName
from lakeflow.core.schema import Schema
from lakeflow.engine.fence import check_epoch, epoch_transaction
from lakeflow.engine.fit import grown
from lakeflow.engine.lease import Lease
from lakeflow.engine.records import FlowRecords, Generation, Prepared, TargetFiles
from lakeflow.tables.log import Commit, DataFile
from lakeflow.tables.store import Store
from lakeflow.tables.table import Decision, Snapshot, Table

GENERATION = "lakeflow.generation"
OWNER = "lakeflow.pipeline"


@dataclass(frozen=True, slots=True)
class FlowTarget:
    """A flow and the tables it writes.

    Args:
        flow: The flow's name.
        flow_id: Its identity.
        name: Main's name, for people.
        main: The user's table.
        companions: Tables beside it, by role.
    """

    flow: str
    flow_id: str
    name: TableName
    main: Table
    companions: Mapping[str, Table]


@dataclass(frozen=True, slots=True)
class Position:
    """Where a flow stands, as main's newest commit says.

    Args:
        generation: Of main.
        batch: The last one decided; 0 if there is none.
        decided: The record that main's commit names; None before the first batch.
    """

    generation: Generation
    batch: int
    decided: Prepared | None


class SchemaConflict(ConflictError):
    """Another flow has given a new column another type; the batch is prepared again."""


def generation_of(snapshot: Snapshot) -> Generation | None:
    """The generation that a table is in; None for a table that no pipeline writes."""
    text = snapshot.metadata.configuration.get(GENERATION)
    return None if text is None else Generation.parse(text)


def application(flow_id: str, generation: Generation | str) -> str:
    """The id under which a flow's batches are transactions of a table."""
    return f"lakeflow/{flow_id}/{generation}"


class BatchWriter:
    """Commits prepared batches of a pipeline, and finishes those that a crash left.

    Args:
        store: Where tables and records lie.
        pipeline_id: Whose tables they are.
        lease: The right to write.
        clock: The time that commits carry.
    """

    def __init__(self, store: Store, pipeline_id: str, lease: Lease, clock: Clock) -> None:
        self.store = store
        self.pipeline_id = pipeline_id
        self.lease = lease
        self.clock = clock

    def records(self, target: FlowTarget, generation: Generation) -> FlowRecords:
        """The flow's records into a generation."""
        return FlowRecords(self.store, target.main.place, target.flow_id, generation)

    def position(self, target: FlowTarget) -> Position:
        """Where a flow stands.

        Raises:
            StateError: Main's commit names a record that is not there.
        """
        snapshot = target.main.snapshot()
        generation = self._generation(target, snapshot)
        name = application(target.flow_id, generation)
        batch = snapshot.transaction(name) or 0
        if batch == 0:
            return Position(generation, 0, None)
        attempt = snapshot.transaction(f"{name}/attempt") or 0
        decided = self.records(target, generation).prepared(batch, attempt)
        if decided is None:
            # A later holder of the lease may have gone on and deleted it.
            check_epoch(target.main.snapshot(), self.pipeline_id, self.lease)
            raise StateError(
                f"The records of flow {target.flow} into {target.name.short} are missing: its "
                f"table is at batch {batch}, and no record says what that batch has read.",
                hint=f"Rebuild the table with --full-refresh {target.name.short}.",
            )
        return Position(generation, batch, decided)

    def recover(self, target: FlowTarget) -> list[Prepared]:
        """Rolls forward what an earlier process left prepared.

        Returns:
            The batches that are now decided and whose event may be missing: the newest one.

        Raises:
            StateError: The table is behind its records, or its records are missing.
        """
        self.store.make_folder_durable(f"{target.main.place}/_delta_log")
        position = self.position(target)
        records = self.records(target, position.generation)
        newest = records.newest_batch()
        failpoint("recover.listed")
        if newest > position.batch + 1:
            raise StateError(
                f"{target.name.short} is behind the records of flow {target.flow}: the table is "
                f"at batch {position.batch}, the records at {newest}. It was restored, or made "
                "again by hand.",
                hint=f"Rebuild the table with --full-refresh {target.name.short}.",
            )
        if position.decided is not None:
            self.commit_companions(target, position.decided)
            failpoint("recover.companion")
        waiting = records.attempts(position.batch + 1)
        if waiting and self._roll_forward(target, waiting[-1]):
            position = self.position(target)
            if position.decided is not None:
                self.commit_companions(target, position.decided)
                failpoint("recover.companion")
        return [] if position.decided is None else [position.decided]

    def _roll_forward(self, target: FlowTarget, prepared: Prepared) -> bool:
        """Commits what was prepared and not decided, where it may be and fits."""
        if self.lease.needs_fence and prepared.epoch < self.lease.epoch:
            failpoint("recover.discard")
            return False
        try:
            self.commit_main(target, prepared)
        except SchemaConflict:
            return False
        failpoint("recover.main")
        return True

    def commit(self, target: FlowTarget, prepared: Prepared) -> Prepared:
        """Commits a prepared batch to main and then to its companions.

        Returns:
            The attempt that was decided, which need not be the one given.

        Raises:
            SchemaConflict: Main has columns that the staged files do not fit.
            LeaseLost: Another process has taken the pipeline over.
        """
        self.commit_main(target, prepared)
        failpoint("commit.between_main_and_companion")
        decided = self.position(target).decided
        if decided is None or decided.batch < prepared.batch:
            raise StateError(
                f"Batch {prepared.batch} of flow {target.flow} was committed and is gone again.",
                hint=f"Rebuild the table with --full-refresh {target.name.short}.",
            )
        self.commit_companions(target, decided)
        return decided

    def commit_main(self, target: FlowTarget, prepared: Prepared) -> None:
        """Makes the decision about a batch, unless it has been made."""
        name = application(target.flow_id, prepared.generation)

        def decide(snapshot: Snapshot) -> Decision:
            done = snapshot.transaction(name) or 0
            if done >= prepared.batch:
                return Decision(None, "it is decided")
            self._check(snapshot, prepared, prepared.main)
            if prepared.swap is None and done != prepared.batch - 1:
                raise StateError(
                    f"{target.name.short} is at batch {done} of flow {target.flow}; "
                    f"batch {prepared.batch} cannot follow.",
                    hint=f"Rebuild the table with --full-refresh {target.name.short}.",
                )
            transactions = {
                **(prepared.swap or {}),
                name: prepared.batch,
                f"{name}/attempt": prepared.attempt,
            }
            return Decision(self._commit(snapshot, prepared, prepared.main, transactions))

        target.main.commit(decide, self.clock.now())

    def commit_companions(self, target: FlowTarget, decided: Prepared) -> None:
        """Lets every companion follow what main has decided."""
        for files in decided.companions:
            table = target.companions.get(files.role) or Table(self.store, files.place)
            self._commit_companion(table, decided, files)
            failpoint("companion.committed")

    def _commit_companion(self, table: Table, decided: Prepared, files: TargetFiles) -> None:
        if not table.exists():
            raise StateError(
                f"{table.place} was made by this pipeline and is gone; a committed batch "
                "has rows for it.",
                hint="Bring it back, or rebuild its main table with --full-refresh.",
            )
        self.store.make_folder_durable(f"{files.place}/_delta_log")
        name = application(decided.flow_id, decided.generation)
        wanted = Generation.parse(decided.generation)

        def decide(snapshot: Snapshot) -> Decision:
            if (snapshot.transaction(name) or 0) >= decided.batch:
                return Decision(None, "it has followed")
            found = generation_of(snapshot)
            if found is not None and found.ordinal > wanted.ordinal:
                return Decision(None, "it is in a later generation")
            check_epoch(snapshot, self.pipeline_id, self.lease)
            if snapshot.metadata.id != files.table_id:
                raise StateError(
                    f"The table in {table.place} was dropped and made again.",
                    hint="Refresh its main table in full.",
                )
            if found != wanted and decided.swap is None:
                raise StateError(
                    f"{table.place} is in generation {found}, its main table in {wanted}.",
                    hint="Rebuild the main table with --full-refresh.",
                )
            transactions = {**(decided.swap or {}), name: decided.batch}
            return Decision(self._commit(snapshot, decided, files, transactions))

        table.commit(decide, self.clock.now())

    def _commit(
        self,
        snapshot: Snapshot,
        prepared: Prepared,
        files: TargetFiles,
        transactions: Mapping[str, int],
    ) -> Commit:
        """The commit of staged files on a snapshot."""
        schema = Schema.from_delta(files.schema)
        if not files.replace:
            schema = merged(snapshot.schema, schema)
        configuration = dict(snapshot.metadata.configuration)
        configuration[GENERATION] = prepared.generation
        metadata = replace(snapshot.metadata, schema=schema, configuration=configuration)
        return Commit(
            operation="REPLACE" if files.replace else "STREAMING UPDATE",
            adds=files.files,
            removes=_still_there(snapshot, files) if files.replace else (),
            transactions={**transactions, **epoch_transaction(self.pipeline_id, self.lease)},
            metadata=None if metadata == snapshot.metadata else metadata,
            info=commit_info(self.pipeline_id, prepared, files.role),
        )

    def _check(self, snapshot: Snapshot, prepared: Prepared, files: TargetFiles) -> None:
        """Compares what the staged files were made for with what is there now."""
        self.lease.check()
        check_epoch(snapshot, self.pipeline_id, self.lease)
        if snapshot.metadata.id != files.table_id:
            raise StateError(
                f"The table in {snapshot.place} was dropped and made again while a batch for it "
                "was prepared.",
                hint="Refresh it in full.",
            )
        found = generation_of(snapshot)
        wanted = Generation.parse(prepared.generation)
        if prepared.swap is None and found != wanted:
            raise ConflictError(f"The table in {snapshot.place} is in generation {found}.")
        if prepared.swap is not None and found is not None and found.ordinal >= wanted.ordinal:
            raise ConflictError(f"The table in {snapshot.place} is already in generation {found}.")

    def _generation(self, target: FlowTarget, snapshot: Snapshot) -> Generation:
        owner = snapshot.metadata.configuration.get(OWNER)
        generation = generation_of(snapshot)
        if generation is None or owner != self.pipeline_id:
            raise StateError(
                f"{target.name.short} is written by {'another pipeline' if owner else 'nobody'} "
                f"that this lakehouse knows as {owner}; pipeline {self.pipeline_id} may not.",
                hint="Give the table another name, or another lakehouse.",
            )
        return generation


def merged(existing: Schema, new: Schema) -> Schema:
    """The columns of both; new ones come last.

    Raises:
        SchemaConflict: A column has another type in each.
    """
    fields = {field.name.lower(): field for field in existing.fields}
    for field in new.fields:
        found = existing.find(field.name)
        if found is None:
            fields[field.name.lower()] = replace(field, nullable=True)
            continue
        kind = grown(found.type, field.type, exact=True)
        if kind is None:
            raise SchemaConflict(
                f"Column {field.name} is {found.type} in the table and {field.type} in the batch.",
                condition="CANNOT_MERGE_INCOMPATIBLE_DATA_TYPE",
            )
        fields[field.name.lower()] = replace(found, type=kind)
    return Schema(tuple(fields.values()))


def commit_info(pipeline_id: str, prepared: Prepared, role: str) -> dict[str, Any]:
    """What a commit says of its batch, from which an event can be written again."""
    counts = prepared.counts
    return {
        "pipeline": pipeline_id,
        "update": prepared.update,
        "epoch": prepared.epoch,
        "flow": prepared.flow,
        "flow_id": prepared.flow_id,
        "generation": prepared.generation,
        "batch": prepared.batch,
        "attempt": prepared.attempt,
        "role": role,
        "rows": prepared.main.rows,
        "dropped": counts.dropped,
        "quarantined": counts.quarantined,
        "expectations": {name: list(found) for name, found in counts.expectations.items()},
        "ends": dict(prepared.ends),
    }


def _still_there(snapshot: Snapshot, files: TargetFiles) -> tuple[DataFile, ...]:
    """The files that a replacement takes out: all that are active, each checked to be present."""
    incoming = {file.path for file in files.files}
    active = snapshot.files
    clash = incoming & {file.path for file in active}
    if clash:
        raise DataError(f"{min(clash)} is already a file of {snapshot.place}.")
    return active
