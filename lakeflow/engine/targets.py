"""The tables that a pipeline writes: made before their first batch, kept to what is declared."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace

from lakeflow.catalog.places import place_of
from lakeflow.core.clock import Clock
from lakeflow.core.errors import DefinitionError, StateError
from lakeflow.core.names import TableName
from lakeflow.core.schema import Schema
from lakeflow.engine.batch import GENERATION, OWNER, application, generation_of
from lakeflow.engine.checks import quarantine_schema
from lakeflow.engine.fence import check_epoch, epoch_transaction, fence
from lakeflow.engine.fit import retyped
from lakeflow.engine.lease import Lease
from lakeflow.engine.records import Generation
from lakeflow.engine.state import PipelineState, TargetEntry
from lakeflow.pipelines.elements import QUARANTINE_SUFFIX, Dataset
from lakeflow.tables.log import Commit, TableMetadata
from lakeflow.tables.store import Store
from lakeflow.tables.table import Decision, Snapshot, Table

KIND = "lakeflow.kind"


@dataclass(frozen=True, slots=True)
class Target:
    """A dataset's table and the tables beside it.

    Args:
        name: The dataset's name.
        main: Its table.
        companions: Tables beside it, by role.
    """

    name: TableName
    main: Table
    companions: Mapping[str, Table]


class Targets:
    """All tables of one pipeline.

    Args:
        store: The lakehouse.
        state: What it remembers of the pipeline.
        clock: The time that commits carry.
        lease: The right to write.
    """

    def __init__(self, store: Store, state: PipelineState, clock: Clock, lease: Lease) -> None:
        self._store = store
        self._state = state
        self._clock = clock
        self._lease = lease
        self._entries: dict[str, TargetEntry] | None = None
        self._tables: dict[str, Table] = {}

    def entries(self) -> dict[str, TargetEntry]:
        """The tables that the pipeline has written, by complete name."""
        if self._entries is None:
            self._entries = self._state.targets()
        return self._entries

    def table(self, place: str) -> Table:
        """The one handle of this process to a table."""
        return self._tables.setdefault(place, Table(self._store, place))

    def known(self, entry: TargetEntry) -> Target:
        """A table that was written before, as it was recorded."""
        companions = {role: self.table(found[0]) for role, found in entry.companions.items()}
        return Target(TableName.parse(entry.name), self.table(entry.place), companions)

    def ensure(self, dataset: Dataset, kind: str, schema: Schema, *, rebuild: bool) -> Target:
        """Makes a dataset's table, or brings its comment and properties up to date.

        Args:
            dataset: As it is declared.
            kind: `streaming_table` or `materialized_view`.
            schema: Columns of a new table.
            rebuild: Whether the table is refreshed in full, so that a lost one may be made again.

        Raises:
            StateError: The table was there and is gone, or belongs to another pipeline.
        """
        entry = self._entry(dataset, rebuild=rebuild)
        target = self.known(entry)
        metadata = TableMetadata(
            id=entry.table_id,
            schema=_with_comments(schema, dataset),
            partition_columns=dataset.partition_columns,
            configuration=self._configuration(dataset, kind, Generation(1, uuid.uuid4().hex[:12])),
            created=int(self._clock.now().timestamp() * 1000),
            comment=dataset.comment,
        )
        if not target.main.exists():
            self._create(target.main, metadata)
        self._state.mark_created(entry.name, entry.table_id)
        snapshot = target.main.snapshot()
        refuse_foreign(snapshot, dataset, self._state.id)
        if retyped(snapshot.schema, schema) != snapshot.schema:
            self._retype(target, schema, snapshot)
        self._keep_to_declaration(target.main, metadata, dataset, kind)
        generation = generation_of(target.main.snapshot())
        for role, table in target.companions.items():
            if not table.exists() and generation is not None:
                self._create_companion(entry, role, table, metadata, snapshot, generation)
            self._state.mark_created(entry.name, entry.companions[role][1])
        self._fence(target)
        return target

    def _entry(self, dataset: Dataset, *, rebuild: bool) -> TargetEntry:
        """The table's record; a new one where it has to be made, or needs another companion."""
        name = dataset.name
        entry = self.entries().get(str(name))
        companions: dict[str, tuple[str, str | None]] = {}
        if entry is not None:
            companions = {role: (found[0], found[1]) for role, found in entry.companions.items()}
        if dataset.has_quarantine and QUARANTINE_SUFFIX not in companions:
            companions[QUARANTINE_SUFFIX] = (place_of(name.companion(QUARANTINE_SUFFIX)), None)
        place = place_of(name) if entry is None else entry.place
        known_id = None if entry is None else entry.table_id
        main_id = self._id(dataset, place, known_id, rebuild=rebuild)
        wanted = TargetEntry(
            str(name),
            place,
            main_id,
            {
                role: [beside, self._id(dataset, beside, known, role, rebuild=rebuild)]
                for role, (beside, known) in companions.items()
            },
        )
        if wanted != entry:
            wanted = self._state.add_target(wanted, entry)
            self.entries()[wanted.name] = wanted
        return wanted

    def _id(
        self, dataset: Dataset, place: str, known: str | None, role: str = "", *, rebuild: bool
    ) -> str:
        """The id of a table that is there, or with which it is to be made.

        Raises:
            StateError: It is not the one that was recorded, or it is gone.
        """
        name = dataset.name.companion(role) if role else dataset.name
        table = self.table(place)
        there = table.exists()
        if known is not None and not rebuild:
            self._refuse_lost(dataset, name, table, known)
        if there:
            refuse_foreign(table.snapshot(), replace(dataset, name=name), self._state.id)
            return table.snapshot().metadata.id
        if known is not None and not self._state.was_created(str(dataset.name), known):
            return known
        return str(uuid.uuid4())

    def refuse_lost(self, dataset: Dataset) -> None:
        """Raises if a table that was made for a dataset is gone, or is another one now.

        Raises:
            StateError: It is.
        """
        entry = self.entries().get(str(dataset.name))
        if entry is None:
            return
        self._refuse_lost(dataset, dataset.name, self.table(entry.place), entry.table_id)
        for role, (place, known) in entry.companions.items():
            if known is not None:
                name = dataset.name.companion(role)
                self._refuse_lost(dataset, name, self.table(place), known)

    def _refuse_lost(self, dataset: Dataset, name: TableName, table: Table, known: str) -> None:
        there = table.exists()
        lost = not there and self._state.was_created(str(dataset.name), known)
        if lost or (there and table.snapshot().metadata.id != known):
            what = "gone from" if lost else "another one now in"
            raise StateError(
                f"The table {name.short} was made by this pipeline and is {what} "
                f"{self._store.url(table.place)}.",
                location=dataset.location,
                hint=f"Bring it back, or make it anew with --full-refresh {dataset.name.short}.",
            )

    def _create_companion(
        self,
        entry: TargetEntry,
        role: str,
        table: Table,
        metadata: TableMetadata,
        main: Snapshot,
        generation: Generation,
    ) -> None:
        configuration = {
            **metadata.configuration,
            KIND: role,
            GENERATION: str(generation),
        }
        configuration.pop("delta.enableChangeDataFeed", None)
        beside = replace(
            metadata,
            id=entry.companions[role][1],
            schema=quarantine_schema(main.schema),
            partition_columns=(),
            configuration=configuration,
            comment=f"Rows refused by {entry.name}.",
        )
        self._create(table, beside)

    def _create(self, table: Table, metadata: TableMetadata) -> None:
        transactions = epoch_transaction(self._state.id, self._lease)
        commit = Commit("CREATE TABLE", metadata=metadata, transactions=transactions)
        table.create(commit, self._clock.now())

    def _fence(self, target: Target) -> None:
        """Whoever held the lease before may have made the tables after this update began."""
        if self._lease.needs_fence:
            for table in (target.main, *target.companions.values()):
                fence(table, self._state.id, self._lease, self._clock.now())

    def _configuration(self, dataset: Dataset, kind: str, generation: Generation) -> dict[str, str]:
        configuration = {
            **dataset.properties,
            OWNER: self._state.id,
            KIND: kind,
            GENERATION: str(generation),
        }
        if kind == "materialized_view":
            configuration["delta.enableChangeDataFeed"] = "true"
        return configuration

    def _retype(self, target: Target, schema: Schema, snapshot: Snapshot) -> None:
        """Gives tables that have never got a batch the columns that their query has by now."""
        if not never_written(snapshot, self._state):
            return

        def decide(found: Snapshot) -> Decision:
            check_epoch(found, self._state.id, self._lease)
            wanted = replace(found.metadata, schema=retyped(found.schema, schema))
            if wanted == found.metadata:
                return Decision(None, "its columns are the query's")
            epoch = epoch_transaction(self._state.id, self._lease)
            return Decision(Commit("CHANGE COLUMN", metadata=wanted, transactions=epoch))

        for table in (target.main, *target.companions.values()):
            if table.exists():
                table.commit(decide, self._clock.now())

    def _keep_to_declaration(
        self, table: Table, metadata: TableMetadata, dataset: Dataset, kind: str
    ) -> None:
        """Commits changed comments and properties, and columns that may be NULL now."""

        def decide(snapshot: Snapshot) -> Decision:
            check_epoch(snapshot, self._state.id, self._lease)
            ours = {OWNER, GENERATION, "delta.enableChangeDataFeed"}
            found = snapshot.metadata
            kept = {k: v for k, v in found.configuration.items() if k in ours}
            wanted = replace(
                found,
                schema=_redeclared(found.schema, dataset.schema),
                comment=metadata.comment,
                configuration={**dataset.properties, **kept, KIND: kind},
            )
            if wanted == found:
                return Decision(None, "it is as declared")
            return Decision(Commit("SET TBLPROPERTIES", metadata=wanted))

        table.commit(decide, self._clock.now())


def never_written(snapshot: Snapshot, state: PipelineState) -> bool:
    """Whether no flow of a pipeline has ever committed a batch to a table in its generation."""
    generation = generation_of(snapshot)
    return (
        generation is not None
        and not snapshot.files
        and all(
            snapshot.transaction(application(flow.id, generation)) is None for flow in state.flows()
        )
    )


def refuse_foreign(snapshot: Snapshot, dataset: Dataset, pipeline_id: str | None) -> None:
    """Raises unless a table belongs to a pipeline.

    Raises:
        StateError: Another pipeline, or something else, has made it.
    """
    owner = snapshot.metadata.configuration.get(OWNER)
    if owner is None or owner != pipeline_id:
        whose = "another pipeline" if owner else "something other than a pipeline"
        raise StateError(
            f"The table {dataset.name.short} is already there and is written by {whose}.",
            location=dataset.location,
            hint="Give the dataset another name, or use another lakehouse.",
        )


def refuse_other_partitions(snapshot: Snapshot, dataset: Dataset) -> None:
    """Raises unless a table is partitioned as its dataset is declared.

    Raises:
        DefinitionError: It is partitioned by other columns.
    """
    if snapshot.metadata.partition_columns != dataset.partition_columns:
        raise DefinitionError(
            f"{dataset.name.short} is partitioned by "
            f"({', '.join(snapshot.metadata.partition_columns)}), not by "
            f"({', '.join(dataset.partition_columns)}).",
            condition="CANNOT_UPDATE_PARTITION_COLUMNS",
            location=dataset.location,
            hint="Partition it as before, or give the dataset another name.",
        )


def _redeclared(schema: Schema, declared: Schema | None) -> Schema:
    """A table's columns with the comments declared now; rows that are there may have NULLs."""
    fields = []
    for field in schema.fields:
        found = None if declared is None else declared.find(field.name)
        comment = None if found is None else found.comment
        nullable = field.nullable or found is None or found.nullable
        fields.append(replace(field, comment=comment, nullable=nullable))
    return Schema(tuple(fields))


def _with_comments(schema: Schema, dataset: Dataset) -> Schema:
    """The schema with the comments and NOT NULLs that the user declared."""
    if dataset.schema is None:
        return schema
    fields = []
    for field in schema.fields:
        declared = dataset.schema.find(field.name)
        fields.append(
            field
            if declared is None
            else replace(field, comment=declared.comment, nullable=declared.nullable)
        )
    return Schema(tuple(fields))
