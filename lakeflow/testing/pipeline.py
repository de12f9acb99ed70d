"""One table of a pipeline, computed from given rows in a lakehouse of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakeflow.core.errors import DefinitionError
from lakeflow.core.names import TableName, nearest
from lakeflow.core.schema import Schema
from lakeflow.core.settings import Settings
from lakeflow.engine.pipeline import Pipeline
from lakeflow.engine.session import Session
from lakeflow.pipelines import graph as graphs
from lakeflow.pipelines.elements import QUARANTINE_SUFFIX, Flow, SqlQuery
from lakeflow.pipelines.load import Definitions

if TYPE_CHECKING:
    import pyarrow as pa

Reads = Callable[[Flow], Sequence[graphs.Read]]


@dataclass(frozen=True, slots=True)
class Computed:
    """A table after a run.

    Args:
        rows: All of its rows, in no order.
        quarantine: The rows that were kept aside, with what they violated.
        expectations: Name -> how many rows of this run have met it, and how many have not.
    """

    rows: list[dict[str, Any]]
    quarantine: list[dict[str, Any]]
    expectations: Mapping[str, tuple[int, int]]


@contextmanager
def open_pipeline(path: Path | str) -> Iterator[PipelineUnderTest]:
    """A pipeline in a temporary lakehouse, which is gone afterwards.

    Args:
        path: A definition file, a folder of them, or a project file.
    """
    with tempfile.TemporaryDirectory(prefix="lakeflow-test-") as folder:
        yield PipelineUnderTest(Path(path), Path(folder))


@dataclass
class PipelineUnderTest:
    """A pipeline some of whose datasets have given rows in place of their queries.

    Args:
        path: Where it is.
        folder: Where its lakehouse and the given rows lie.
    """

    path: Path
    folder: Path
    _given: dict[TableName, list[Path]] = field(default_factory=dict)
    _columns: dict[TableName, Sequence[str]] = field(default_factory=dict)

    def give(self, dataset: str, rows: Any, schema: str | None = None) -> None:
        """Gives a dataset rows; what reads it as a stream takes those of a later call as new.

        Args:
            dataset: Its name.
            rows: Dicts, a Polars frame or an Arrow table.
            schema: The columns as DDL text, where they cannot be told from the rows.
        """
        import pyarrow.parquet as pq

        table = _arrow(rows, schema)
        if not table.column_names:
            raise DefinitionError(
                f"The rows given to {dataset} have no columns.",
                hint="Say which: give(..., schema='id BIGINT, ...').",
            )
        name = self._complete(dataset)
        files = self._given.setdefault(name, [])
        path = self.folder / "given" / str(name) / f"{len(files)}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, path)
        files.append(path)
        self._columns[name] = table.column_names

    def run(self, dataset: str) -> Computed:
        """Computes a table, and what it reads down to the given rows; nothing else.

        Args:
            dataset: The table's name.

        Raises:
            DefinitionErrors: What is declared wrongly.
            LakeflowError: Why its flow has failed.
        """
        wanted = self._complete(dataset)
        pipeline = replace(
            Pipeline.at(self.path),
            change=lambda definitions, reads: self._cut(definitions, reads, wanted),
        )
        session = Session(Settings.load({}, lakehouse=self.folder / "lakehouse"))
        result = session.run(pipeline)
        for flow in result.flows:
            if flow.error is not None:
                raise flow.error
        counts: dict[str, tuple[int, int]] = {}
        for flow in result.flows:
            if flow.name == wanted.short or len(result.flows) == 1:
                counts = {found.name: (found.passed, found.failed) for found in flow.expectations}
        return Computed(
            _rows(session, wanted), _rows(session, wanted.companion(QUARANTINE_SUFFIX)), counts
        )

    def _complete(self, dataset: str) -> TableName:
        project = Pipeline.at(self.path).project
        return TableName.parse(dataset, catalog=project.catalog, schema=project.schema)

    def _cut(self, definitions: Definitions, reads: Reads, wanted: TableName) -> Definitions:
        """The wanted dataset and what it needs; given rows end the search."""
        graph = graphs.build(definitions, reads=reads, exists=lambda _: True)
        for name in (wanted, *self._given):
            if name not in graph.by_name:
                known = [found.short for found in graph.datasets]
                raise DefinitionError(
                    f"{self.path} declares no dataset {name.short}.",
                    hint=nearest(name.short, known) or f"Datasets are {', '.join(known)}.",
                )
        if graph.dataset(wanted).kind == "temporary_view":
            raise DefinitionError(
                f"{wanted.short} is a view, whose rows are stored nowhere.",
                hint="Run a table that reads it.",
            )
        needed: set[TableName] = set()
        waiting = [wanted]
        while waiting:
            name = waiting.pop()
            if name not in needed:
                needed.add(name)
                waiting.extend(() if name in self._given else graph.upstream(name))
        flows = [f for f in definitions.flows if f.target in needed - set(self._given)]
        flows += [self._flow(graph, name) for name in needed & set(self._given)]
        datasets = tuple(d for d in definitions.datasets if d.name in needed)
        return Definitions(datasets, tuple(flows), definitions.errors)

    def _flow(self, graph: graphs.Graph, name: TableName) -> Flow:
        """The flow that reads the rows given to a dataset."""
        streams = graph.kind(name) == "streaming_table" or name in graph.streams
        columns = ", ".join(f"`{column}`" for column in self._columns[name])
        source = f"read_files('{self._given[name][0].parent}', format => 'parquet')"
        text = f"SELECT {columns} FROM {'STREAM ' if streams else ''}{source}"
        location = graph.dataset(name).location
        return Flow(name.short, name, SqlQuery(text, location), location)


def _arrow(rows: Any, schema: str | None) -> pa.Table:
    import pyarrow as pa

    from lakeflow.core.arrow import arrow_schema

    wanted = None if schema is None else arrow_schema(Schema.from_ddl(schema))
    if isinstance(rows, Sequence):
        return pa.Table.from_pylist(list(rows), schema=wanted)
    table = rows if isinstance(rows, pa.Table) else rows.to_arrow()
    return table if wanted is None else table.cast(wanted)


def _rows(session: Session, name: TableName) -> list[dict[str, Any]]:
    try:
        found = session.query(f"SELECT * FROM {name}").read_all()
    except DefinitionError as error:
        if error.condition == "TABLE_OR_VIEW_NOT_FOUND":
            return []
        raise
    rows: list[dict[str, Any]] = found.to_pylist()
    return rows
