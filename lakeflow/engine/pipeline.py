"""A pipeline loaded and analysed, ready to be planned or run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from lakeflow.backends.duckdb import DuckDBBackend
from lakeflow.catalog.places import place_of
from lakeflow.core.clock import Clock
from lakeflow.core.errors import DefinitionErrors, LakeflowError, StateError
from lakeflow.core.events import Event
from lakeflow.core.names import TableName
from lakeflow.core.schema import Schema
from lakeflow.core.settings import Settings
from lakeflow.dialect.setup import macros_of
from lakeflow.engine.acknowledge import attach, check_sharing
from lakeflow.engine.analyze import Analysis, Surroundings, reads_of
from lakeflow.engine.batch import BatchWriter, FlowTarget
from lakeflow.engine.identity import Identity
from lakeflow.engine.lease import Lease, NoLease
from lakeflow.engine.lowerings import Lowerings
from lakeflow.engine.native import Natives, heed_signals
from lakeflow.engine.refresh import why
from lakeflow.engine.resolve import ResolvedFlow
from lakeflow.engine.run import Run
from lakeflow.engine.sources import Sources
from lakeflow.engine.state import PipelineState, RefreshRequest
from lakeflow.engine.targets import Targets, never_written
from lakeflow.engine.update import FlowResult, Update
from lakeflow.pipelines import graph as graphs
from lakeflow.pipelines.elements import Flow
from lakeflow.pipelines.load import Definitions, load
from lakeflow.pipelines.spec import Project, find_project
from lakeflow.tables.store import LocalStore
from lakeflow.tables.table import Table

FullRefresh = Sequence[str] | Literal["all"]


Change = Callable[[Definitions, Callable[[Flow], Sequence[graphs.Read]]], Definitions]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What the user named on the command line.

    Args:
        name: The pipeline's name, by which the lakehouse knows it.
        project: Its files and settings.
        change: What becomes of the definitions before they are analysed, given what a flow reads.
    """

    name: str
    project: Project
    change: Change = lambda definitions, _: definitions

    @classmethod
    def at(cls, path: Path) -> Pipeline:
        """Finds the pipeline of a definition file, a folder or a project file."""
        project = find_project(path)
        return cls(project.name, project)


@dataclass
class PreparedPipeline:
    """A pipeline whose flows are typed.

    Args:
        pipeline: Where it comes from.
        settings: How to run.
        store: The lakehouse.
        state: What it remembers of the pipeline.
        clock: What time it is.
        scratch: Folder for what does not outlive the update.
        backend: Runs queries.
        graph: What was declared.
        sources: Opens sources.
        natives: Runs native functions.
        lowerings: Parses and lowers queries.
        flows: Typed, upstream first.
    """

    pipeline: Pipeline
    settings: Settings
    store: LocalStore
    state: PipelineState
    clock: Clock
    scratch: Path
    backend: DuckDBBackend
    graph: graphs.Graph
    sources: Sources
    natives: Natives
    lowerings: Lowerings
    flows: tuple[ResolvedFlow, ...] = ()
    _run: Run | None = None
    _tables: dict[str, Table] = field(default_factory=dict)

    @classmethod
    def load(
        cls,
        pipeline: Pipeline,
        settings: Settings,
        store: LocalStore,
        state: PipelineState,
        clock: Clock,
        scratch: Path,
    ) -> PreparedPipeline:
        """Loads the user's files and builds their graph.

        Args:
            pipeline: Where it comes from.
            settings: How to run.
            store: The lakehouse.
            state: What it remembers of the pipeline.
            clock: What time it is.
            scratch: Folder for what does not outlive the update.
        """
        project = pipeline.project
        definitions = load(project.files, project)
        backend = DuckDBBackend(
            memory_limit=settings.effective_memory_limit() * 4 // 5,
            threads=settings.effective_threads(),
            time_zone=settings.session_time_zone,
            temporary=scratch / "duckdb",
            macros=macros_of,
        )
        natives = Natives.of(backend, settings)
        lowerings = Lowerings(store, f"{state.folder}/lowerings")
        reads = partial(reads_of, native=natives, lowerings=lowerings)
        tables: dict[str, Table] = {}

        def table_of(name: TableName) -> Table:
            return tables.setdefault(place_of(name), Table(store, place_of(name)))

        graph = graphs.build(
            pipeline.change(definitions, reads),
            reads=reads,
            exists=lambda name: table_of(name).exists(),
        )
        sources = Sources(
            project.folder, store, state, backend, clock, settings.session_time_zone, scratch
        )
        return cls(
            pipeline,
            settings,
            store,
            state,
            clock,
            scratch,
            backend,
            graph,
            sources,
            natives,
            lowerings,
            _tables=tables,
        )

    def analyse(self, rebuilt: frozenset[TableName]) -> tuple[ResolvedFlow, ...]:
        """Types every flow.

        Args:
            rebuilt: Tables that are refreshed in full.

        Raises:
            DefinitionErrors: Everything that is declared wrongly.
        """
        surroundings = Surroundings(
            table_schema=self._table_schema,
            never_written=lambda name: never_written(self._table(name).snapshot(), self.state),
            source=lambda flow, read: self.sources.with_schema(
                flow, read, rebuilt=flow.target in rebuilt
            ),
            connector_options=self.sources.options,
            native=self.natives,
            lowerings=self.lowerings,
            rebuilt=rebuilt,
            time_zone=self.settings.session_time_zone,
        )
        self.flows = Analysis(self.graph, surroundings).run()
        check_sharing(self.flows)
        heed_signals()
        Identity(self.state, self._table, rebuilt).check(self.flows)
        return self.flows

    def execute(
        self,
        update: str,
        lease: Lease,
        targets: Targets,
        damaged: Mapping[str, StateError],
        emit: Callable[[Event], None],
        full_refresh: FullRefresh,
    ) -> tuple[FlowResult, ...]:
        """Runs an update; see `lakeflow.engine.update`."""
        rebuilt = frozenset(TableName.parse(name) for name in self._rebuilt(full_refresh))
        flows = self.analyse(rebuilt)
        self.lowerings.save()
        request = self._request(full_refresh, lease.epoch)
        writer = BatchWriter(self.store, self.state.id, lease, self.clock)
        run = Run(
            update=update,
            epoch=lease.epoch,
            store=self.store,
            state=self.state,
            writer=writer,
            targets=targets,
            backend=self.backend,
            natives=self.natives,
            clock=self.clock,
            scratch=self.scratch,
            emit=lambda _: None,
            open_stream=self.sources.open_stream,
            read_source=self.sources.read_whole,
            file_reads=self.sources.file_reads,
            table_of=lambda name: targets.table(place_of(name)),
            own=frozenset(self.graph.written),
        )
        self._run = run
        self.sources.run = run
        running = Update(
            run,
            flows,
            self.graph.upstream_of_all(),
            request,
            {
                name: error
                for name, error in damaged.items()
                if TableName.parse(name) not in rebuilt
            },
            lambda: self.analyse(rebuilt),
            self.settings.max_concurrent_flows,
        )
        run.emit = emit
        attach(self.state, self.store, flows)
        return running.execute()

    def refuse_lost_tables(self, rebuilt: Collection[TableName]) -> None:
        """Raises if tables that the pipeline has made are gone and are not rebuilt.

        Raises:
            DefinitionErrors: Which, each with the way out.
        """
        targets = Targets(self.store, self.state, self.clock, NoLease())
        errors: list[LakeflowError] = []
        datasets = {flow.query.dataset.name: flow.query.dataset for flow in self.flows}
        for name in datasets.keys() - {*rebuilt}:
            try:
                targets.refuse_lost(datasets[name])
            except StateError as error:
                errors.append(error)
        if errors:
            raise DefinitionErrors(errors)

    def technique(self, flow: ResolvedFlow) -> tuple[str, str]:
        """How a materialized view would be refreshed, and why; nothing is written."""
        target = self.state.targets().get(str(flow.query.dataset.name))
        if target is None or not Table(self.store, target.place).exists():
            return "COMPLETE_RECOMPUTE", "it has never been computed"
        table = Table(self.store, target.place)
        entry = self.state.known_flow(flow.name, flow.query.dataset.name)
        if entry is None:
            return "COMPLETE_RECOMPUTE", "it has never been computed"
        writing = FlowTarget(flow.name, entry.id, flow.query.dataset.name, table, {})
        writer = BatchWriter(self.store, self.state.id, NoLease(), self.clock)
        run = Run(
            update="",
            epoch=0,
            store=self.store,
            state=self.state,
            writer=writer,
            targets=Targets(self.store, self.state, self.clock, NoLease()),
            backend=self.backend,
            natives=self.natives,
            clock=self.clock,
            scratch=self.scratch,
            emit=lambda _: None,
            open_stream=self.sources.open_stream,
            read_source=self.sources.read_whole,
            file_reads=self.sources.file_reads,
            table_of=self._table,
        )
        return why(run, flow, writer.position(writing).decided)

    def stop(self) -> None:
        """Ends the running update cleanly."""
        if self._run is not None:
            self._run.stopped.set()
        self.backend.cancel()
        self.natives.process.cancel()

    def close(self) -> None:
        """Lets go of the query engine."""
        self.natives.close()
        self.backend.close()

    def selected(self, full_refresh: FullRefresh) -> tuple[TableName, ...]:
        """The tables that a full refresh names.

        Raises:
            DefinitionError: A name is not that of a table of the pipeline.
        """
        return self.graph.select(full_refresh)

    def _rebuilt(self, full_refresh: FullRefresh) -> tuple[str, ...]:
        """The tables to rebuild: those named now and those of a request that a crash left."""
        begun = self.state.refresh_request()
        tables = set() if begun is None else {*begun.tables} & {*map(str, self.graph.written)}
        return tuple(sorted(tables | {*map(str, self.selected(full_refresh))}))

    def _request(self, full_refresh: FullRefresh, epoch: int) -> RefreshRequest | None:
        """The durable request of everything that is to be rebuilt."""
        tables = self._rebuilt(full_refresh)
        begun = self.state.refresh_request()
        if begun is not None and {*tables} <= {*begun.tables}:
            return RefreshRequest(begun.id, tables)
        wider = self.state.request_refresh(tables, epoch) if tables else None
        if begun is not None:
            self.state.finish_refresh(begun)
        return wider

    def _table(self, name: TableName) -> Table:
        place = place_of(name)
        return self._tables.setdefault(place, Table(self.store, place))

    def _table_schema(self, name: TableName) -> Schema | None:
        table = self._table(name)
        return table.snapshot().schema if table.exists() else None
