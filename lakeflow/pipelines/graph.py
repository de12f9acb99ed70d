"""Names become edges: what a pipeline declares, checked as a whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lakeflow.core.errors import DefinitionError, DefinitionErrors, LakeflowError
from lakeflow.core.location import Location
from lakeflow.core.names import TableName, nearest
from lakeflow.pipelines.elements import QUARANTINE_SUFFIX, Dataset, Flow
from lakeflow.pipelines.load import Definitions
from lakeflow.pipelines.properties import (
    RESET_ALLOWED,
    check_properties,
    reset_allowed,
    setting_error,
)


@dataclass(frozen=True, slots=True)
class Read:
    """Something that a flow reads.

    Args:
        name: Parts of a dataset's name; empty for a source outside of the pipeline.
        streaming: Whether only new rows are read; None where the dataset decides.
        location: Where the user wrote it.
    """

    name: tuple[str, ...]
    streaming: bool | None
    location: Location


@dataclass(frozen=True, slots=True)
class Graph:
    """What a pipeline declares, in order.

    Args:
        by_name: Datasets; each has its kind.
        flows: Upstream before downstream.
        edges: Dataset -> the datasets of the pipeline that its flows read.
        streams: Views whose query reads a stream.
        errors: What is declared wrongly; a graph that has any can be analysed and not run.
        broken: Datasets whose queries need not be analysed, as an error names them already.
    """

    by_name: Mapping[TableName, Dataset]
    flows: tuple[Flow, ...]
    edges: Mapping[TableName, frozenset[TableName]]
    streams: frozenset[TableName]
    errors: tuple[LakeflowError, ...] = ()
    broken: frozenset[TableName] = frozenset()

    @property
    def datasets(self) -> tuple[TableName, ...]:
        """All names, views included."""
        return tuple(self.by_name)

    @property
    def written(self) -> frozenset[TableName]:
        """The tables that the pipeline writes, quarantines included."""
        tables = {n for n, d in self.by_name.items() if d.kind != "temporary_view"}
        beside = {n.companion(QUARANTINE_SUFFIX) for n in tables if self.by_name[n].has_quarantine}
        return frozenset(tables | beside)

    def dataset(self, name: TableName) -> Dataset:
        """The dataset of a name."""
        return self.by_name[name]

    def kind(self, name: TableName) -> str:
        """`streaming_table`, `materialized_view` or `temporary_view`."""
        kind = self.by_name[name].kind
        assert kind is not None
        return kind

    def upstream(self, name: TableName) -> frozenset[TableName]:
        """The datasets of the pipeline that a dataset's flows read."""
        return self.edges.get(name, frozenset())

    def upstream_of_all(self) -> dict[TableName, frozenset[TableName]]:
        """For each table, the tables that it reads, through views."""
        return {
            name: self._tables_above(name)
            for name, dataset in self.by_name.items()
            if dataset.kind != "temporary_view"
        }

    def _tables_above(self, name: TableName) -> frozenset[TableName]:
        found: set[TableName] = set()
        for above in self.upstream(name):
            if self.by_name[above].kind == "temporary_view":
                found |= self._tables_above(above)
            else:
                found.add(above)
        return frozenset(found)

    def complete(self, flow: Flow, parts: tuple[str, ...]) -> TableName:
        """The complete name of what a flow reads."""
        return complete_name(flow, parts)

    def reads_as_stream(self, flow: Flow, parameter: str) -> bool:
        """Whether a parameter of a native function gets the new rows of its dataset only."""
        dataset = self.by_name[flow.target]
        if dataset.kind == "materialized_view":
            return False
        return is_stream(self.by_name, self.streams, complete_name(flow, (parameter,)))

    def select(self, wanted: Sequence[str] | Literal["all"]) -> tuple[TableName, ...]:
        """The tables that a full refresh names; `all` passes over those that forbid it.

        Raises:
            DefinitionError: A name is not that of a table of the pipeline, or forbids it.
        """
        tables = [n for n, d in self.by_name.items() if d.kind != "temporary_view"]
        if wanted == "all":
            return tuple(name for name in tables if reset_allowed(self.by_name[name]))
        found = []
        for text in wanted:
            name = TableName.parse(text)
            if name not in tables:
                known = [table.short for table in tables]
                raise DefinitionError(
                    f"The pipeline has no table {text}.",
                    hint=nearest(text, known) or f"Tables are {', '.join(known)}.",
                )
            if not reset_allowed(self.by_name[name]):
                raise DefinitionError(
                    f"{text} is not refreshed in full: its property {RESET_ALLOWED} is false.",
                    location=self.by_name[name].location,
                    hint="Take the property away first if its rows can all be read again.",
                )
            found.append(name)
        return tuple(found)


def complete_name(flow: Flow, parts: tuple[str, ...]) -> TableName:
    """A name as a flow's target completes it; the old prefix LIVE means nothing."""
    if len(parts) == 2 and parts[0].upper() == "LIVE":
        parts = parts[1:]
    text = ".".join("`" + part.replace("`", "``") + "`" for part in parts)
    return TableName.parse(text, catalog=flow.target.catalog, schema=flow.target.schema)


def is_stream(
    datasets: Mapping[TableName, Dataset], streams: frozenset[TableName], name: TableName
) -> bool:
    """Whether a dataset is one that grows row by row."""
    found = datasets.get(name)
    if found is None:
        return name.table.endswith(f"_{QUARANTINE_SUFFIX}")
    return found.kind == "streaming_table" or name in streams


def build(
    definitions: Definitions,
    *,
    reads: Callable[[Flow], Sequence[Read]],
    exists: Callable[[TableName], bool],
) -> Graph:
    """Checks what was declared, and puts it in order.

    Args:
        definitions: Datasets and flows.
        reads: What a flow reads.
        exists: Whether a table that the pipeline does not declare is in the lakehouse.

    Returns:
        The graph, with everything that is wrong in it.
    """
    builder = _Builder(definitions, exists)
    builder.check_names()
    for flow in definitions.flows:
        builder.add_reads(flow, reads)
    order = builder.order()
    builder.settle_kinds(order)
    builder.check_kinds()
    return Graph(
        builder.datasets,
        tuple(flow for name in order for flow in builder.flows_into(name)),
        {name: frozenset(found) for name, found in builder.edges.items()},
        frozenset(builder.streams),
        tuple(builder.errors),
        frozenset(builder.broken),
    )


class _Builder:
    def __init__(self, definitions: Definitions, exists: Callable[[TableName], bool]) -> None:
        self.definitions = definitions
        self.exists = exists
        self.errors: list[LakeflowError] = list(definitions.errors)
        self.broken: set[TableName] = set()
        self.datasets: dict[TableName, Dataset] = {}
        self.edges: dict[TableName, set[TableName]] = {}
        self.reads: dict[tuple[str, TableName], list[Read]] = {}
        self.streams: set[TableName] = set()

    def flows_into(self, name: TableName) -> list[Flow]:
        return [flow for flow in self.definitions.flows if flow.target == name]

    def check_names(self) -> None:
        for dataset in self.definitions.datasets:
            before = self.datasets.get(dataset.name)
            if before is not None:
                self._error(
                    f"{dataset.name.short} is declared twice, here and at {before.location}.",
                    "PIPELINE_DUPLICATE_IDENTIFIERS.OUTPUT",
                    dataset.location,
                )
                self.broken.add(dataset.name)
                continue
            self.datasets[dataset.name] = dataset
            self.edges[dataset.name] = set()
            self._check_expectations(dataset)
            self.errors.extend(check_properties(dataset))
        for dataset in list(self.datasets.values()):
            beside = dataset.name.companion(QUARANTINE_SUFFIX)
            if dataset.has_quarantine and beside in self.datasets:
                self._error(
                    f"{beside.short} is declared, and is where {dataset.name.short} keeps the "
                    "rows it refuses.",
                    "PIPELINE_DUPLICATE_IDENTIFIERS.OUTPUT",
                    self.datasets[beside].location,
                )
        if not self.errors and all(d.kind == "temporary_view" for d in self.datasets.values()):
            self.errors.append(
                DefinitionError(
                    "The pipeline declares no table.",
                    condition="RUN_EMPTY_PIPELINE",
                    hint="Declare one, such as CREATE MATERIALIZED VIEW t AS SELECT 1 AS x.",
                )
            )
        self._check_flows()

    def _check_expectations(self, dataset: Dataset) -> None:
        seen: set[str] = set()
        for rule in dataset.expectations:
            if rule.name in seen:
                self._error(
                    f"{dataset.name.short} has two expectations named {rule.name!r}.",
                    "DUPLICATE_EXPECTATION",
                    rule.location,
                )
            seen.add(rule.name)
            if rule.violation == "quarantine" and dataset.kind == "temporary_view":
                self._error(
                    f"The view {dataset.name.short} is not stored, so it cannot keep rows aside.",
                    "UNSUPPORTED_FEATURE",
                    rule.location,
                    "Let the table that reads the view quarantine them.",
                )

    def _check_flows(self) -> None:
        seen: dict[tuple[str, TableName], Flow] = {}
        names: dict[str, Flow] = {}
        for flow in self.definitions.flows:
            if flow.target in self.broken:
                continue
            for key, value in flow.options.items():
                error = setting_error(key, value, flow.location)
                if error is not None:
                    self.errors.append(error)
                    self.broken.add(flow.target)
            before = names.get(flow.name) or seen.get((flow.name, flow.target))
            known = before is not None and before.target in self.datasets
            if known and before is not None and before.location != flow.location:
                self._error(
                    f"Two flows are named {flow.name}, here and at {before.location}.",
                    "PIPELINE_DUPLICATE_IDENTIFIERS.FLOW",
                    flow.location,
                )
            names[flow.name] = seen[(flow.name, flow.target)] = flow
            target = self.datasets.get(flow.target)
            if target is None or (
                target.kind == "temporary_view" and flow.name != target.name.short
            ):
                self._not_found(
                    f"Flow {flow.name} writes {flow.target.short}, which is not a streaming table "
                    "of the pipeline.",
                    flow.target,
                    flow.location,
                )
        for dataset in self.datasets.values():
            flows = self.flows_into(dataset.name)
            if not flows and not self.definitions.errors:
                self._error(
                    f"{dataset.name.short} has no query and no flow writes it.",
                    "PIPELINE_DATASET_WITHOUT_FLOW",
                    dataset.location,
                )
            if dataset.name in self.broken:
                continue
            if len(flows) > 1 and dataset.kind == "materialized_view":
                self._error(
                    f"The materialized view {dataset.name.short} has {len(flows)} queries.",
                    "MATERIALIZED_VIEW_WITH_MULTIPLE_QUERIES",
                    flows[1].location,
                )

    def add_reads(self, flow: Flow, reads: Callable[[Flow], Sequence[Read]]) -> None:
        try:
            found = list(reads(flow))
            names = [complete_name(flow, read.name) if read.name else None for read in found]
        except LakeflowError as error:
            error.location = error.location or flow.location
            self.errors.extend(error.errors if isinstance(error, DefinitionErrors) else [error])
            self.broken.add(flow.target)
            return
        self.reads[(flow.name, flow.target)] = found
        for read, name in zip(found, names, strict=True):
            if name is None:
                continue
            owner = self._owner(name)
            if owner is not None:
                self.edges.setdefault(flow.target, set()).add(owner)
            elif not self.exists(name):
                self._not_found(f"There is no table or view {name.short}.", name, read.location)
                self.broken.add(flow.target)

    def _owner(self, name: TableName) -> TableName | None:
        """The dataset of the pipeline that a name belongs to; a quarantine's is its table."""
        if name in self.datasets:
            return name
        for dataset in self.datasets.values():
            if dataset.has_quarantine and dataset.name.companion(QUARANTINE_SUFFIX) == name:
                return dataset.name
        return None

    def order(self) -> list[TableName]:
        """Datasets, upstream first, in the order of their declaration where that is free."""
        order: list[TableName] = []
        state: dict[TableName, int] = {}
        for name in self.datasets:
            self._visit(name, order, state, [])
        return order

    def _visit(
        self,
        name: TableName,
        order: list[TableName],
        state: dict[TableName, int],
        path: list[TableName],
    ) -> None:
        if state.get(name) == 2:
            return
        if state.get(name) == 1:
            cycle = [*path[path.index(name) :], name]
            self._error(
                f"{' reads '.join(part.short for part in cycle)}: this is a cycle.",
                "CIRCULAR_DEPENDENCY",
                self.datasets[name].location,
                "Let one of them read another dataset.",
            )
            self.broken.update(cycle)
            return
        state[name] = 1
        for above in sorted(self.edges.get(name, ())):
            self._visit(above, order, state, [*path, name])
        state[name] = 2
        order.append(name)

    def settle_kinds(self, order: Sequence[TableName]) -> None:
        """Gives `@table` its kind, and finds the views that are streams."""
        for name in order:
            dataset = self.datasets[name]
            streaming = any(
                self._is_streaming(flow, read)
                for flow in self.flows_into(name)
                for read in self.reads.get((flow.name, name), ())
            )
            if dataset.kind is None:
                kind: Literal["streaming_table", "materialized_view"] = (
                    "streaming_table" if streaming else "materialized_view"
                )
                self.datasets[name] = replace(dataset, kind=kind)
            elif dataset.kind == "temporary_view" and streaming:
                self.streams.add(name)

    def _is_streaming(self, flow: Flow, read: Read) -> bool:
        if read.streaming is not None:
            if read.streaming or not read.name:
                return read.streaming
            return complete_name(flow, read.name) in self.streams
        if self.datasets[flow.target].kind == "materialized_view":
            return False
        name = complete_name(flow, read.name)
        return is_stream(self.datasets, frozenset(self.streams), name)

    def check_kinds(self) -> None:
        for flow in self.definitions.flows:
            target = self.datasets.get(flow.target)
            if target is None or flow.target in self.broken:
                continue
            reads = self.reads.get((flow.name, flow.target), [])
            streaming = [read for read in reads if self._is_streaming(flow, read)]
            if target.kind == "streaming_table" and not streaming:
                self._error(
                    f"Flow {flow.name} into the streaming table {flow.target.short} reads no "
                    "stream.",
                    "INVALID_FLOW_QUERY_TYPE.BATCH_RELATION_FOR_STREAMING_TABLE",
                    flow.location,
                    "Read one of its inputs with STREAM, or make it a materialized view.",
                )
            if target.kind == "materialized_view" and streaming:
                self._error(
                    f"The materialized view {flow.target.short} reads a stream.",
                    "INVALID_FLOW_QUERY_TYPE.STREAMING_RELATION_FOR_MATERIALIZED_VIEW",
                    streaming[0].location,
                    "Leave STREAM out, or make it a streaming table.",
                )
            for read in streaming:
                self._check_stream(flow, read)
                self._check_reset(flow, target, read)

    def _check_stream(self, flow: Flow, read: Read) -> None:
        found = self.datasets.get(complete_name(flow, read.name)) if read.name else None
        if found is None:
            return
        if found.kind == "materialized_view":
            self._error(
                f"Flow {flow.name} reads the materialized view {found.name.short} as a stream; "
                "it is replaced as a whole and is not append-only.",
                "STREAMING_READ_OF_MATERIALIZED_VIEW",
                read.location,
                f"Read {found.name.short} without STREAM in a materialized view, or make "
                f"{found.name.short} a streaming table.",
            )
        elif found.kind == "temporary_view" and found.name not in self.streams:
            self._error(
                f"Flow {flow.name} reads the view {found.name.short} as a stream; its query is a "
                "batch query.",
                "INCOMPATIBLE_BATCH_VIEW_READ",
                read.location,
                "Leave STREAM out, or let the view read a stream.",
            )

    def _check_reset(self, flow: Flow, target: Dataset, read: Read) -> None:
        """A table that keeps its rows cannot follow one that may be emptied and filled again."""
        owner = self._owner(complete_name(flow, read.name)) if read.name else None
        above = None if owner is None else self.datasets[owner]
        if above is None or above.kind == "temporary_view" or reset_allowed(target):
            return
        if reset_allowed(above):
            self._error(
                f"{target.name.short} is never refreshed in full, and {above.name.short}, which "
                "it reads as a stream, may be.",
                "INVALID_RESETTABLE_DEPENDENCY",
                read.location,
                f"Give {above.name.short} the property {RESET_ALLOWED} = false too.",
            )

    def _not_found(self, message: str, name: TableName, location: Location) -> None:
        """Tells of a name that nothing has, unless what could not be read may declare it."""
        if not self.definitions.errors:
            known = [dataset.short for dataset in self.datasets]
            self._error(message, "TABLE_OR_VIEW_NOT_FOUND", location, nearest(name.short, known))

    def _error(
        self, message: str, condition: str, location: Location, hint: str | None = None
    ) -> None:
        self.errors.append(
            DefinitionError(message, condition=condition, location=location, hint=hint or None)
        )
