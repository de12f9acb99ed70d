"""Upkeep of a pipeline's tables: after an update by rule, and wholly when it is asked for.

It is done under the pipeline's lease and after recovery, so nobody else is staging files for the
same tables. It never decides whether an update has succeeded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from lakeflow.backends.duckdb import DuckDBBackend, relation_sql
from lakeflow.backends.parquet import ParquetFiles
from lakeflow.core.clock import Clock
from lakeflow.core.errors import LakeflowError, LeaseLost, StateError
from lakeflow.core.events import Event
from lakeflow.engine.consumers import first_needed, promised
from lakeflow.engine.eventlog import EventLog
from lakeflow.engine.fence import check_epoch, epoch_transaction
from lakeflow.engine.lease import Lease
from lakeflow.engine.staging import data_files
from lakeflow.engine.state import PipelineState
from lakeflow.engine.targets import Targets
from lakeflow.tables import upkeep
from lakeflow.tables.log import DataFile, log_files
from lakeflow.tables.store import Store
from lakeflow.tables.table import Snapshot, Table
from lakeflow.tables.upkeep import Compaction

CHECKPOINT_INTERVAL = "delta.checkpointInterval"
LOG_RETENTION = "delta.logRetentionDuration"
FILE_RETENTION = "delta.deletedFileRetentionDuration"

_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 7 * 86400}


@dataclass(frozen=True, slots=True)
class Rule:
    """When a table's upkeep is due and what it leaves, as the table's properties say.

    Args:
        checkpoint: Commits after which the log is summed up.
        log: How long the log can tell what the table was.
        files: How long its files can be read after they went out.
    """

    checkpoint: int = 100
    log: timedelta = timedelta(days=30)
    files: timedelta = timedelta(days=7)

    @classmethod
    def of(cls, snapshot: Snapshot) -> Rule:
        """The rule of a table.

        Raises:
            StateError: A property has no meaning.
        """
        found, usual = snapshot.metadata.configuration, cls()
        return cls(
            _count(found.get(CHECKPOINT_INTERVAL), usual.checkpoint),
            _duration(LOG_RETENTION, found.get(LOG_RETENTION), usual.log),
            _duration(FILE_RETENTION, found.get(FILE_RETENTION), usual.files),
        )


def is_due(table: Table) -> bool:
    """Whether a table's log has grown so long that it is to be summed up."""
    found = log_files(table.store, table.place)
    since = found.newest - max(found.checkpoints, default=0)
    return since >= Rule.of(table.snapshot()).checkpoint


@dataclass(frozen=True, slots=True)
class Upkeep:
    """The upkeep of one pipeline's tables.

    Args:
        store: The lakehouse.
        state: What it remembers of the pipeline.
        targets: The pipeline's tables.
        lease: The right to write.
        clock: What time it is.
        log: The pipeline's event log.
    """

    store: Store
    state: PipelineState
    targets: Targets
    lease: Lease
    clock: Clock
    log: EventLog

    def after_update(self) -> list[Event]:
        """Sums up and cleans the logs that have grown, and compacts the event log.

        Returns:
            A warning for each table whose upkeep has failed; the next update tries again.
        """
        events = []
        for table in self._tables():
            try:
                if is_due(table):
                    if table is self.log.table:
                        self._compact(table, Compaction(fewest=2), self.log.rewrite)
                    self._sum_up(table)
            except (LakeflowError, OSError) as error:
                events.append(self._warning(table, error))
                if isinstance(error, LeaseLost):
                    break
        return events

    def everything(self, backend: DuckDBBackend, rule: Compaction) -> list[Event]:
        """Compacts, sums up and cleans every table and removes files that nobody needs.

        Args:
            backend: Rewrites files.
            rule: Which files are put together.

        Returns:
            A warning for each table whose upkeep has failed.
        """
        events = []
        for table in self._tables():
            try:
                upkeep.forget_compactions(self.store, table.place)
                self._compact(table, rule, _Rewriter(table, backend))
                self._sum_up(table)
                self._remove_files(table)
            except LeaseLost:
                raise
            except (LakeflowError, OSError) as error:
                events.append(self._warning(table, error))
        return events

    def _tables(self) -> Iterator[Table]:
        for entry in self.targets.entries().values():
            target = self.targets.known(entry)
            yield from (t for t in (target.main, *target.companions.values()) if t.exists())
        if self.log.table.exists():
            yield self.log.table

    def _sum_up(self, table: Table) -> None:
        self.lease.check()
        upkeep.checkpoint(table)
        if self.state.event_epochs():
            return  # Commits whose events are not in the event log stay.
        before = self.clock.now() - Rule.of(table.snapshot()).log
        self.lease.check()
        upkeep.clean_log(table, first_needed(table), before)

    def _remove_files(self, table: Table) -> None:
        before = self.clock.now() - Rule.of(table.snapshot()).files
        needed = first_needed(table)
        self.lease.check()
        upkeep.remove_files(table, needed, before, lambda: promised(table))

    def _compact(self, table: Table, rule: Compaction, rewrite: upkeep.Rewrite) -> None:
        def allowed(newest: Snapshot) -> None:
            self.lease.check()
            check_epoch(newest, self.state.id, self.lease)

        fence = epoch_transaction(self.state.id, self.lease)
        upkeep.compact(table, rule, rewrite, allowed, self.clock, fence)

    def _warning(self, table: Table, error: Exception) -> Event:
        return Event(
            "maintenance_progress",
            f"The upkeep of {self.store.url(table.place)} failed and is tried again after the "
            f"next update: {error}",
            self.clock.now(),
            "WARN",
            details={"state": "FAILED", "place": table.place},
        )


@dataclass(frozen=True, slots=True)
class _Rewriter:
    """Writes files anew through the backend, within its memory."""

    table: Table
    backend: DuckDBBackend

    def __call__(self, files: tuple[DataFile, ...], folder: str) -> Sequence[DataFile]:
        snapshot = self.table.snapshot()
        place = self.table.store.url(self.table.place)
        relation = relation_sql(ParquetFiles.of(place, files, snapshot.schema))
        session = self.backend.session()
        try:
            staged = session.stage(relation, f"{place}/{folder}", snapshot.schema)
        finally:
            session.close()
        partitions = snapshot.metadata.partition_columns
        return data_files(staged, place, snapshot.schema, partitions, files[0].partition)


def _count(text: str | None, default: int) -> int:
    if text is None:
        return default
    if not text.isdigit() or int(text) == 0:
        raise StateError(f"{CHECKPOINT_INTERVAL} is a number of commits, not {text!r}.")
    return int(text)


def _duration(name: str, text: str | None, default: timedelta) -> timedelta:
    """Reads `interval 30 days`."""
    if text is None:
        return default
    match = re.fullmatch(r"(?:interval\s+)?(\d+)\s+(\w+?)s?", text.strip().lower())
    if match is None or match[2] not in _UNITS:
        raise StateError(
            f"{name} is {text!r}, which is no time.",
            hint=f"Write it like 'interval 30 days'; units are {', '.join(_UNITS)}.",
        )
    return timedelta(seconds=int(match[1]) * _UNITS[match[2]])
