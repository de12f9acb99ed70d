"""A Delta table that grows by rows which are made here: the event log, the history of jobs."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakeflow.catalog.places import place_of
from lakeflow.core.clock import Clock
from lakeflow.core.names import TableName
from lakeflow.core.schema import Schema
from lakeflow.tables.log import Commit, DataFile, TableMetadata
from lakeflow.tables.store import Store
from lakeflow.tables.table import Decision, Snapshot, Table

if TYPE_CHECKING:
    import pyarrow as pa

Rows = Sequence[Mapping[str, Any]]


class RowTable:
    """Rows are appended under an application's progress: a number that grows with each commit.

    Args:
        store: The lakehouse.
        name: Of the table.
        schema: Its columns; those that a table of an earlier time has not got are added.
        clock: The time that commits carry.
        configuration: Says its properties, when it is made.
        comment: What it is for.

    Attributes:
        table: The Delta table.
    """

    def __init__(
        self,
        store: Store,
        name: TableName,
        schema: Schema,
        clock: Clock,
        configuration: Callable[[], Mapping[str, str]],
        comment: str,
    ) -> None:
        self.table = Table(store, place_of(name))
        self._store = store
        self._schema = schema
        self._clock = clock
        self._configuration = configuration
        self._comment = comment

    def progress(self, application: str) -> int:
        """How far an application has come; 0 if it has appended nothing."""
        if not self.table.exists():
            return 0
        return self.table.snapshot().transaction(application) or 0

    def append(
        self,
        application: str,
        progress: int,
        rows: Callable[[], Rows],
        info: Mapping[str, Any],
        *,
        allowed: Callable[[Snapshot], None] = lambda _: None,
        staged: Callable[[], None] = lambda: None,
    ) -> bool:
        """Commits rows together with an application's progress, unless it has come as far.

        Args:
            application: Whose rows they are.
            progress: Where it stands with them.
            rows: Makes them, if they are needed.
            info: What the commit tells of itself.
            allowed: Raises unless they may be added to a snapshot.
            staged: Called when their file is durable.

        Returns:
            Whether they were not there before.
        """
        if not self.table.exists():
            self._create()
        files: list[DataFile] = []

        def decide(snapshot: Snapshot) -> Decision:
            allowed(snapshot)
            if (snapshot.transaction(application) or 0) >= progress:
                return Decision(None, "its rows are there")
            if not files:
                files.append(self._write(rows()))
                staged()
            found = snapshot.metadata
            changed = None if found.schema == self._schema else replace(found, schema=self._schema)
            return Decision(
                Commit(
                    "WRITE",
                    adds=tuple(files),
                    metadata=changed,
                    transactions={application: progress},
                    info=info,
                )
            )

        _, commit = self.table.commit(decide, self._clock.now())
        return commit is not None

    def read(self, files: Sequence[DataFile] | None = None, wanted: Any = None) -> pa.Table:
        """The rows of some files of the table, or of all.

        Args:
            files: The files.
            wanted: A filter, as pyarrow understands it.
        """
        import pyarrow.parquet as pq

        from lakeflow.core.arrow import arrow_schema

        snapshot = self.table.snapshot()
        schema = arrow_schema(snapshot.schema)
        found = snapshot.files if files is None else files
        if not found:
            return schema.empty_table()
        paths = [self._store.url(f"{self.table.place}/{file.path}") for file in found]
        return pq.read_table(paths, schema=schema, filters=wanted, partitioning=None)

    def rewrite(self, files: tuple[DataFile, ...], folder: str) -> list[DataFile]:
        """Puts files of the table together in one, below a folder of it."""
        (Path(self._store.url(self.table.place)) / folder).mkdir(exist_ok=True)
        return [self._write_file(self.read(files), f"{folder}/part-{uuid.uuid4()}.parquet")]

    def _create(self) -> None:
        now = self._clock.now()
        metadata = TableMetadata(
            str(uuid.uuid4()),
            self._schema,
            (),
            self._configuration(),
            int(now.timestamp() * 1000),
            self._comment,
        )
        self.table.create(Commit("CREATE TABLE", metadata=metadata), now)

    def _write(self, rows: Rows) -> DataFile:
        import pyarrow as pa

        from lakeflow.core.arrow import arrow_schema

        table = pa.Table.from_pylist(list(rows), schema=arrow_schema(self._schema))
        written = self._write_file(table, f"part-{uuid.uuid4()}.parquet")
        self._store.make_durable([f"{self.table.place}/{written.path}"])
        return written

    def _write_file(self, rows: pa.Table, name: str) -> DataFile:
        import pyarrow.parquet as pq

        path = f"{self.table.place}/{name}"
        pq.write_table(rows, self._store.url(path))
        return DataFile(
            name,
            self._store.size(path),
            int(self._clock.now().timestamp() * 1000),
            rows.num_rows,
            json.dumps({"numRecords": rows.num_rows}),
        )
