"""From declared flows to typed ones: every read is found, every query lowered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from lakeflow.core.errors import (
    DefinitionError,
    DefinitionErrors,
    Interrupted,
    LakeflowError,
    was_interrupted,
)
from lakeflow.core.location import Location
from lakeflow.core.names import TableName, nearest, split_name
from lakeflow.core.schema import Schema, Struct
from lakeflow.dialect.query import Lowered, Query, Reference
from lakeflow.engine.checks import Check, quarantine_schema
from lakeflow.engine.definition import definition_of
from lakeflow.engine.files.rows import METADATA
from lakeflow.engine.fit import grown, refuse_void, retyped, widens
from lakeflow.engine.inputs import connector_of, source_key
from lakeflow.engine.lowerings import Lowerings
from lakeflow.engine.resolve import Leaf, ResolvedFlow, ResolvedQuery, SourceRead, TableRead
from lakeflow.pipelines.elements import (
    QUARANTINE_SUFFIX,
    Dataset,
    Flow,
    NativeQuery,
    Parameter,
    SqlQuery,
)
from lakeflow.pipelines.graph import Graph, Read
from lakeflow.pipelines.properties import TIME_ZONE, time_zone
from lakeflow.tables.partitions import can_partition

if TYPE_CHECKING:
    from lakeflow.engine.native import Natives

SourceSchema = Callable[[Flow, "SourceRead"], "SourceRead"]
"""Completes a source's read with its columns: declared, stored or inferred."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an analysis needs to know beyond the definitions.

    Args:
        table_schema: Columns of a table of the lakehouse; None if there is none.
        never_written: Whether a table of the lakehouse has never got a batch, so that the types of
            its columns bind nobody.
        source: Completes a source's read with its columns.
        connector_options: Names the options of a connector that were given by position.
        native: Analyses native functions.
        lowerings: Parses and lowers queries.
        rebuilt: Tables that are refreshed in full, whose present columns do not count.
        time_zone: The session's.
    """

    table_schema: Callable[[TableName], Schema | None]
    never_written: Callable[[TableName], bool]
    source: SourceSchema
    connector_options: Callable[[str, Reference], Mapping[str, str]]
    native: Natives
    lowerings: Lowerings
    rebuilt: frozenset[TableName] = frozenset()
    time_zone: str = "UTC"


def reads_of(flow: Flow, native: Natives, lowerings: Lowerings) -> Sequence[Read]:
    """What a flow reads, for the graph: names with STREAM or not, and where.

    Raises:
        DefinitionError: Its query cannot be parsed.
    """
    query = native.as_sql(flow.query)
    if isinstance(query, NativeQuery):
        return [read for found in query.inputs for read in _native_reads(query, found, lowerings)]
    return list(_sql_reads(query, lowerings))


def _native_reads(query: NativeQuery, found: Parameter, lowerings: Lowerings) -> Iterable[Read]:
    """What an input of a function reads; a bare parameter leaves the mode to the graph."""
    if found.query is None:
        yield Read((found.name,), None, query.location)
    elif found.query.dataset is not None:
        parts = tuple(split_name(found.query.dataset))
        yield Read(parts, found.query.streaming, found.query.location)
    else:
        yield from _sql_reads(found.query, lowerings)


def _sql_reads(query: SqlQuery, lowerings: Lowerings) -> Iterable[Read]:
    for reference in lowerings.parse(query.text, query.location, query.dialect).references:
        if reference.function is not None:
            yield Read((), reference.streaming, reference.location)
            continue
        inner = _input(query, reference)
        if isinstance(inner, SqlQuery):
            yield from _sql_reads(inner, lowerings)
        else:
            yield Read(inner or reference.name, reference.streaming, reference.location)


def _input(query: SqlQuery, reference: Reference) -> SqlQuery | tuple[str, ...] | None:
    """What a name stands for if it is one of `sql(text, name=...)`."""
    found = query.inputs.get(reference.name[0]) if len(reference.name) == 1 else None
    return tuple(found.split(".")) if isinstance(found, str) else found


@dataclass
class Analysis:
    """Types the flows of a graph, upstream first.

    Args:
        graph: What was declared.
        surroundings: What else is known.
    """

    graph: Graph
    surroundings: Surroundings
    schemas: dict[TableName, Schema] = field(default_factory=dict)
    _views: dict[TableName, ResolvedQuery] = field(default_factory=dict)

    def run(self) -> tuple[ResolvedFlow, ...]:
        """All flows into tables, in the graph's order.

        Raises:
            DefinitionErrors: Every error of the graph, and of every flow whose inputs could be
                typed.
        """
        resolved: list[ResolvedFlow] = []
        errors: list[LakeflowError] = list(self.graph.errors)
        failed: set[TableName] = set(self.graph.broken)
        for flow in self.graph.flows:
            dataset = self.graph.dataset(flow.target)
            if failed & {flow.target, *self.graph.upstream(flow.target)}:
                failed.add(flow.target)
                continue
            try:
                query = self._resolve(flow, dataset)
                if dataset.kind == "temporary_view":
                    self._views[dataset.name] = query
                    continue
                kind = self.graph.kind(dataset.name)
                query = replace(query, dataset=_laid_out(query))
                self._check(query, kind)
                self._add_columns(query, kind)
                query = replace(query, checks=self._checks(dataset, query.schema))
                resolved.append(
                    ResolvedFlow(query, kind, definition_of(query, self.surroundings.time_zone))
                )
            except DefinitionErrors as found:
                errors.extend(found.errors)
                failed.add(flow.target)
            except LakeflowError as error:
                if was_interrupted(error):
                    raise Interrupted from error
                error.location = error.location or flow.location
                errors.append(error)
                failed.add(flow.target)
        if errors:
            raise DefinitionErrors(errors)
        return tuple(resolved)

    def _resolve(self, flow: Flow, dataset: Dataset) -> ResolvedQuery:
        zone = time_zone(flow.options)
        if zone not in (None, self.surroundings.time_zone):
            raise DefinitionError(
                f"{TIME_ZONE} is {zone} for flow {flow.name} and {self.surroundings.time_zone} "
                "for the pipeline.",
                condition="DUPLICATE_FLOW_SQL_CONF",
                location=flow.location,
                hint="One zone holds for the whole pipeline: set it in the project file's "
                f"configuration, or by LAKEFLOW_SESSION_TIME_ZONE={zone} where there is none.",
            )
        query = self.surroundings.native.as_sql(flow.query)
        if isinstance(query, NativeQuery):
            resolved = self._resolve_native(flow, dataset, query)
        else:
            resolved = self._resolve_sql(flow, dataset, query)
        if dataset.kind != "temporary_view":
            return resolved
        return replace(resolved, checks=self._checks(dataset, resolved.schema))

    def _resolve_sql(self, flow: Flow, dataset: Dataset, query: SqlQuery) -> ResolvedQuery:
        parsed = self.surroundings.lowerings.parse(query.text, query.location, query.dialect)
        inputs: dict[str, Leaf | ResolvedQuery] = {}
        for reference in parsed.references:
            inner = _input(query, reference)
            if isinstance(inner, SqlQuery):
                inputs[reference.key] = self._resolve_sql(flow, dataset, inner)
            elif reference.function is not None:
                inputs[reference.key] = self._source(flow, reference)
            else:
                inputs[reference.key] = self._table(
                    flow, inner or reference.name, reference.streaming, reference.location
                )
        inputs = _told_apart(inputs)
        lowered = self._lower(query, parsed, inputs)
        for key in lowered.reads_metadata:
            found = inputs[key]
            if isinstance(found, SourceRead):
                inputs[key] = replace(found, metadata=True)
        return ResolvedQuery(dataset, flow, inputs, lowered, lowered.schema)

    def _lower(
        self, query: SqlQuery, parsed: Query, inputs: Mapping[str, Leaf | ResolvedQuery]
    ) -> Lowered:
        schemas = {key: found.schema for key, found in inputs.items()}
        streams = _streams(inputs)
        if query.dialect == "duckdb":
            return self.surroundings.native.lower_duckdb(query, schemas, streams)
        metadata = METADATA.type
        assert isinstance(metadata, Struct)
        hidden = {
            key: metadata
            for key, found in inputs.items()
            if isinstance(found, SourceRead) and found.connector == "files"
        }
        return self.surroundings.lowerings.lower(
            parsed,
            schemas,
            hidden=hidden,
            time_zone=self.surroundings.time_zone,
            streams=streams,
        )

    def _resolve_native(self, flow: Flow, dataset: Dataset, query: NativeQuery) -> ResolvedQuery:
        inputs = {
            found.name: self._native_input(flow, dataset, query, found) for found in query.inputs
        }
        schema = self.surroundings.native.schema(
            query, {name: found.schema for name, found in inputs.items()}, _streams(inputs)
        )
        return ResolvedQuery(dataset, flow, inputs, None, schema)

    def _native_input(
        self, flow: Flow, dataset: Dataset, query: NativeQuery, found: Parameter
    ) -> Leaf | ResolvedQuery:
        if found.query is None:
            streams = self.graph.reads_as_stream(flow, found.name)
            return self._table(flow, (found.name,), streams, query.location)
        if found.query.dataset is not None:
            parts = tuple(split_name(found.query.dataset))
            return self._table(flow, parts, found.query.streaming, found.query.location)
        return self._resolve_sql(flow, dataset, found.query)

    def _table(
        self, flow: Flow, parts: tuple[str, ...], streaming: bool, location: Location
    ) -> Leaf | ResolvedQuery:
        name = self.graph.complete(flow, parts)
        view = self._views.get(name)
        if view is not None:
            return view
        schema = self.schemas.get(name) or self.surroundings.table_schema(name)
        if schema is None:
            known = [str(found.short) for found in self.graph.datasets]
            raise DefinitionError(
                f"There is no table or view {'.'.join(parts)}.",
                condition="TABLE_OR_VIEW_NOT_FOUND",
                location=location,
                hint=nearest(name.short, known) or None,
            )
        mode = "stream" if streaming else "table"
        return TableRead(f"{mode}:{name}", name, streaming, schema, location)

    def _source(self, flow: Flow, reference: Reference) -> SourceRead:
        assert reference.function is not None
        connector = connector_of(reference.function)
        options = self.surroundings.connector_options(connector, reference)
        read = SourceRead(
            id=source_key(connector, options) + ("" if reference.streaming else ":whole"),
            connector=connector,
            options=options,
            streaming=reference.streaming,
            schema=Schema(()),
            metadata=False,
            rescued=None,
            location=reference.location,
        )
        return self.surroundings.source(flow, read)

    def _check(self, query: ResolvedQuery, kind: str) -> None:
        """Refuses queries that cannot run batch by batch, and declared columns that do not fit."""
        location = query.flow.location
        if kind == "streaming_table":
            for found in query.with_views():
                self._check_lazy(found)
            reasons = [reason for found in query.with_views() for reason in self._stateful(found)]
            if reasons:
                raise DefinitionError(
                    f"Flow {query.flow.name} cannot append batch by batch: {', '.join(reasons)} "
                    "needs rows of earlier batches.",
                    condition="STREAMING_OUTPUT_MODE.UNSUPPORTED_OPERATION",
                    location=location,
                    hint="Make it a materialized view.",
                )
        declared = query.dataset.schema
        if declared is not None:
            _check_declared(query, declared)

    def _stateful(self, query: ResolvedQuery) -> tuple[str, ...]:
        if query.lowered is not None:
            return query.lowered.stateful
        assert isinstance(query.flow.query, NativeQuery)
        return self.surroundings.native.stateful(query.flow.query)

    def _check_lazy(self, query: ResolvedQuery) -> None:
        function = query.flow.query
        if query.lowered is not None or not isinstance(function, NativeQuery):
            return
        if self.surroundings.native.is_eager(function):
            raise DefinitionError(
                f"{function.function.__name__} returns its rows whole in memory, and the "
                f"streaming table {query.flow.target.short} takes them as a stream.",
                condition="QUERY_FUNCTION_RESULT_EAGER",
                location=function.location,
                hint="Return a pl.LazyFrame, a pa.RecordBatchReader or a generator of "
                "pa.RecordBatch; whole results are for materialized views.",
            )

    def _add_columns(self, query: ResolvedQuery, kind: str) -> None:
        """The columns that readers of the dataset will see."""
        name = query.dataset.name
        schema = self.schemas.get(name)
        if schema is None and kind == "streaming_table" and name not in self.surroundings.rebuilt:
            schema = self._table_columns(name, query.schema)
        if schema is None and query.dataset.schema is not None:
            schema = query.dataset.schema.nullable()
        rows = query.schema.nullable()
        known = schema or Schema(())
        fields = {field.name.lower(): field for field in known.fields}
        for found in rows.fields:
            before = known.find(found.name)
            if before is None:
                fields[found.name.lower()] = found
                continue
            fitting = grown(before.type, found.type)
            if fitting is None:
                raise DefinitionError(
                    f"Column {found.name} of {name.short} is {before.type}; flow "
                    f"{query.flow.name} gives {found.type}.",
                    condition="CANNOT_MERGE_INCOMPATIBLE_DATA_TYPE",
                    location=query.flow.location,
                    hint="Cast it in the query, or rebuild the table with --full-refresh "
                    f"{name.short}.",
                )
            fields[before.name.lower()] = replace(before, type=fitting)
        self.schemas[name] = Schema(tuple(fields.values()))
        refuse_void(self.schemas[name], name.short, query.flow.location)
        if query.dataset.has_quarantine:
            beside = quarantine_schema(self.schemas[name])
            self.schemas[name.companion(QUARANTINE_SUFFIX)] = beside

    def _table_columns(self, name: TableName, rows: Schema) -> Schema | None:
        schema = self.surroundings.table_schema(name)
        if schema is None or (fitting := retyped(schema, rows)) == schema:
            return schema
        return fitting if self.surroundings.never_written(name) else schema

    def _checks(self, dataset: Dataset, schema: Schema) -> tuple[Check, ...]:
        errors: list[LakeflowError] = []
        checks: list[Check] = []
        for expectation in dataset.expectations:
            try:
                found = self.surroundings.lowerings.predicate(
                    expectation.condition,
                    schema,
                    expectation.location,
                    time_zone=self.surroundings.time_zone,
                )
                checks.append(Check(expectation, found.sql, found.deterministic))
            except LakeflowError as error:
                errors.append(error)
        if errors:
            raise DefinitionErrors(errors)
        return tuple(checks)


def _streams(inputs: Mapping[str, Leaf | ResolvedQuery]) -> frozenset[str]:
    """The inputs of which only new rows are read, be it through a view."""
    return frozenset(
        key
        for key, found in inputs.items()
        if (
            any(leaf.streaming for leaf in found.leaves())
            if isinstance(found, ResolvedQuery)
            else found.streaming
        )
    )


def _told_apart(
    inputs: Mapping[str, Leaf | ResolvedQuery],
) -> dict[str, Leaf | ResolvedQuery]:
    """Two reads of one place with other options get ids of their own."""
    seen: dict[str, SourceRead] = {}
    found: dict[str, Leaf | ResolvedQuery] = {}
    for key, leaf in inputs.items():
        if isinstance(leaf, SourceRead):
            before = seen.get(leaf.id)
            if before is not None and before.options != leaf.options:
                leaf = replace(leaf, id=f"{leaf.id}#{len(seen)}")  # noqa: PLW2901
            seen[leaf.id] = leaf
        found[key] = leaf
    return found


def _laid_out(query: ResolvedQuery) -> Dataset:
    """The dataset with its partition and cluster columns spelled as the query spells them."""
    dataset, schema = query.dataset, query.schema
    location = query.flow.location

    def spelled(column: str) -> str:
        found = schema.find(column)
        if found is not None:
            return found.name
        raise DefinitionError(
            f"{dataset.name.short} has no column {column} to be partitioned by.",
            condition="UNRESOLVED_COLUMN.WITH_SUGGESTION",
            location=location,
            hint=nearest(column, schema.names) or None,
        )

    partitions = tuple(map(spelled, dataset.partition_columns))
    for number, column in enumerate(partitions):
        found = schema.find(column)
        if column in partitions[:number]:
            raise DefinitionError(
                f"{dataset.name.short} is partitioned by {column} twice.",
                condition="COLUMN_ALREADY_EXISTS",
                location=location,
            )
        if found is not None and not can_partition(found.type):
            raise DefinitionError(
                f"{dataset.name.short} cannot be partitioned by {column}, a {found.type}.",
                condition="INVALID_PARTITION_COLUMN_DATA_TYPE",
                location=location,
                hint="Partition by a column whose values are short texts, numbers or dates.",
            )
    if partitions and set(partitions) == set(schema.names):
        raise DefinitionError(
            f"{dataset.name.short} is partitioned by all of its columns.",
            condition="ALL_PARTITION_COLUMNS_NOT_ALLOWED",
            location=location,
            hint="Leave out one of them.",
        )
    clusters = tuple(map(spelled, dataset.cluster_columns))
    return replace(dataset, partition_columns=partitions, cluster_columns=clusters)


def _check_declared(query: ResolvedQuery, declared: Schema) -> None:
    """The declared columns must be the query's, in any order, of types that hold its values."""
    problems = [
        f"{name} is declared and not in the query"
        for name in declared.names
        if query.schema.find(name) is None
    ]
    for found in query.schema.fields:
        column = declared.find(found.name)
        if column is None:
            problems.append(f"{found.name} is in the query and not declared")
        elif not widens(found.type, column.type):
            problems.append(f"{found.name} is {found.type}, declared as {column.type}")
    if problems:
        raise DefinitionError(
            f"The columns of {query.dataset.name.short} are not those of its query: "
            f"{'; '.join(problems)}.",
            condition="USER_SPECIFIED_AND_INFERRED_SCHEMA_NOT_COMPATIBLE",
            location=query.flow.location,
            hint="Change the declared columns or cast in the query.",
        )
