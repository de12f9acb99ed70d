"""Sources of a pipeline: found by their connectors, opened over durable ledgers, and typed."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from lakeflow.backends.duckdb import DuckDBBackend, DuckDBSession, empty_relation
from lakeflow.catalog.places import place_of
from lakeflow.connect.discovery import find_connector
from lakeflow.connect.ledger import Ledger
from lakeflow.connect.memory import MemoryRecordStore
from lakeflow.connect.source import ArrowScan, FileEntry, FileScan, Limit, Source, SourceContext
from lakeflow.core.clock import Clock
from lakeflow.core.errors import ConfigurationError, DefinitionError, SchemaChanged, SourceError
from lakeflow.core.location import Location
from lakeflow.core.schema import STRING, Field, Schema
from lakeflow.core.settings import read_bytes
from lakeflow.dialect.query import Reference
from lakeflow.engine import files
from lakeflow.engine.batch import FlowTarget, generation_of
from lakeflow.engine.files import FileReads, Reading
from lakeflow.engine.inputs import (
    SourceStream,
    StreamInput,
    TableStream,
    absolute_options,
    asking,
    scanned,
)
from lakeflow.engine.records import RECORDS_FOLDER, Generation
from lakeflow.engine.resolve import SourceRead, TableRead
from lakeflow.engine.state import FolderRecords, PipelineState, StoredSchemas, file_name
from lakeflow.pipelines.elements import Flow
from lakeflow.tables.store import Store
from lakeflow.tables.table import Table

if TYPE_CHECKING:
    from lakeflow.engine.run import Run


@dataclass
class Sources:
    """Opens what flows read.

    Args:
        folder: The project's folder, from which relative paths are taken.
        store: The lakehouse.
        state: What it remembers of the pipeline.
        backend: Reads files for inference.
        clock: What time it is.
        time_zone: The session's.
        scratch: Folder for what does not outlive the update.
    """

    folder: Path
    store: Store
    state: PipelineState
    backend: DuckDBBackend
    clock: Clock
    time_zone: str
    scratch: Path
    run: Run | None = None
    _inferred: dict[str, tuple[Schema, frozenset[FileEntry]]] = field(default_factory=dict)
    _reads: WeakKeyDictionary[DuckDBSession, FileReads] = field(default_factory=WeakKeyDictionary)

    def options(self, connector: str, reference: Reference) -> Mapping[str, str]:
        """The options of a read function, those given by position under their names.

        Raises:
            DefinitionError: There are more of them than the connector knows.
        """
        found = find_connector(connector, reference.location)
        options: dict[str, str] = {}
        positional = list(found.positional)
        for name, value in reference.arguments:
            known = name or (positional.pop(0) if positional else None)
            if known is not None and known.lower() in map(str.lower, options):
                raise DefinitionError(
                    f"{reference.function} is given {known} twice.",
                    condition="DUPLICATE_ROUTINE_PARAMETER_ASSIGNMENT.DOUBLE_NAMED_ARGUMENT_REFERENCE",
                    location=reference.location,
                    hint="Leave one of them out.",
                )
            if known is not None:
                options[known] = value
            else:
                raise DefinitionError(
                    f"{reference.function} takes {len(found.positional)} argument(s) by position: "
                    f"{', '.join(found.positional)}.",
                    condition="WRONG_NUM_ARGS",
                    location=reference.location,
                    hint="Give the others by name: name => value.",
                )
        return options

    def with_schema(self, flow: Flow, read: SourceRead, *, rebuilt: bool) -> SourceRead:
        """Completes a read with its columns: the source's own, stored, declared or inferred.

        Args:
            flow: The flow that reads.
            read: What the user wrote.
            rebuilt: Whether the flow's table is refreshed in full, so that a stored schema of its
                present generation does not count.
        """
        with closing(self._open(read, MemoryRecordStore())) as source:
            read = replace(read, group=source.group)
            with asking(read):
                known = source.schema()
            if known is not None and read.connector != "files":
                return replace(read, schema=known)
            _check_options(read, source)
            rescued = _rescued(read)
            stored = None if rebuilt or not read.streaming else self._stored(flow, read)
            text = None if stored is None else stored.newest()
            if known is not None:
                schema = _declared(read, known)
            else:
                schema = self._infer(read, source) if text is None else Schema.from_delta(text)
        if rescued is not None and schema.find(rescued) is None:
            schema = Schema((*schema.fields, Field(rescued, STRING)))
        return replace(read, schema=schema, rescued=rescued)

    def open_stream(
        self, leaf: TableRead | SourceRead, writing: FlowTarget, generation: Generation
    ) -> StreamInput:
        """Opens a streaming read of a flow into a generation of its target."""
        assert self.run is not None
        if isinstance(leaf, TableRead):
            table = self.run.table_of(leaf.name)
            pinned = None if leaf.name in self.run.own else self.run.pin(leaf.name).version
            return TableStream(leaf, table, writing.flow, writing.name, pinned)
        folder = _folder(writing.main.place, writing.flow_id, generation, leaf)
        source = self._open(leaf, FolderRecords(self.store, f"{folder}/ledger"))
        schemas = StoredSchemas(self.store, f"{folder}/schemas")
        if source.schema() is None and schemas.newest() is None:
            schemas.add(_without(leaf).to_delta())
        reader = _Files(self, schemas)
        limit = _limit(leaf.options, leaf.location)
        return SourceStream(leaf, writing.flow_id, source, limit, reader.relation)

    def read_whole(self, read: SourceRead, session: DuckDBSession) -> str:
        """The SELECT of everything that a source holds."""
        with closing(self._open(read, MemoryRecordStore())) as source:
            with asking(read):
                end = source.horizon()
                if end is None:
                    return empty_relation(read.relation_schema)
                scan = source.read(None, source.latest(None, Limit(), end))
            if isinstance(scan, ArrowScan):
                return scanned(session, scan, read)
            return self.file_relation(scan, read, session)

    def file_relation(self, scan: FileScan, read: SourceRead, session: DuckDBSession) -> str:
        """The SELECT of a file scan in a read's schema."""
        return self.file_reads(session).relation(
            scan,
            _without(read),
            read.location,
            metadata=read.metadata,
            rescued_column=read.rescued,
            declared=_option(read, "schema") is not None,
        )

    def file_reads(self, session: DuckDBSession) -> FileReads:
        """What the flow of a session reads of files."""
        found = self._reads.get(session)
        if found is None:
            scratch = self.scratch / f"files-{uuid.uuid4().hex}"
            found = FileReads(Reading(session.connection, scratch, self.time_zone))
            self._reads[session] = found
        return found

    def _open(self, read: SourceRead, records: Any) -> Source:
        connector = find_connector(read.connector, read.location)
        context = SourceContext(Ledger(records), self.clock, read.location)
        with asking(read):
            return connector.source(absolute_options(read.options, self.folder), context)

    def _infer(self, read: SourceRead, source: Source) -> Schema:
        """The columns of the files that are there now."""
        key = _key(read)
        if key not in self._inferred:
            end = source.horizon()
            if end is None:
                raise SourceError(
                    f"The columns of {read.options.get('path', read.id)} cannot be inferred: "
                    "there is no file.",
                    condition="CF_EMPTY_DIR_FOR_SCHEMA_INFERENCE",
                    location=read.location,
                    hint="Put a file there, or give the columns: schema => 'id BIGINT, ...'.",
                )
            scan = source.read(None, source.latest(None, Limit(max_files=1000), end))
            assert isinstance(scan, FileScan)
            with closing(self.backend.session()) as session:
                schema = self.file_reads(session).look(scan, read.location, files.infer)
            self._inferred[key] = schema, frozenset(files.sample(scan.files))
        return self._inferred[key][0]

    def sampled(self, read: SourceRead) -> frozenset[FileEntry]:
        """The files from which the columns of a read were inferred in this process.

        None where its columns are stored ones, even if another read of the files was inferred.
        """
        schema, sampled = self._inferred.get(_key(read), (None, frozenset[FileEntry]()))
        return sampled if schema == _without(read) else frozenset()

    def _stored(self, flow: Flow, read: SourceRead) -> StoredSchemas | None:
        """The schemas of a flow's source in the present generation of its table."""
        place = place_of(flow.target)
        table = Table(self.store, place)
        if not table.exists():
            return None
        generation = generation_of(table.snapshot())
        if generation is None:
            return None
        if self.run is not None:
            generation = self.run.staging.get(str(flow.target), generation)
        entry = self.state.known_flow(flow.name, flow.target)
        if entry is None:
            return None
        folder = _folder(place, entry.id, generation, read)
        return StoredSchemas(self.store, f"{folder}/schemas")


@dataclass(frozen=True, slots=True)
class _Files:
    """Reads the files of one streaming source, minding columns that its schema does not know."""

    sources: Sources
    schemas: StoredSchemas

    def relation(self, scan: FileScan, read: SourceRead, session: DuckDBSession) -> str:
        """The SELECT of a batch's files.

        Raises:
            SchemaChanged: The files have new columns; those are stored by now.
        """
        mode = _evolution(read)
        if mode not in ("rescue", "none"):
            self._take_new_columns(scan, read, session, mode)
        return self.sources.file_relation(scan, read, session)

    def _take_new_columns(
        self, scan: FileScan, read: SourceRead, session: DuckDBSession, mode: str
    ) -> None:
        # What inference has just seen holds nothing new.
        sampled = self.sources.sampled(read)
        unseen = tuple(file for file in scan.files if file not in sampled)
        if not unseen:
            return
        scan = replace(scan, files=unseen)
        known = _without(read)
        reads = self.sources.file_reads(session)
        names = reads.look(
            scan, read.location, lambda found, how: files.new_columns(found, known, how)
        )
        if not names:
            return
        seen = reads.look(scan, read.location, files.infer)
        wider = files.evolve(known, seen, mode, location=read.location)
        if wider != known:
            self.schemas.add(wider.to_delta())
            raise SchemaChanged(
                f"{read.options.get('path', read.id)} has new columns: {', '.join(names)}.",
                condition="UNKNOWN_FIELD_EXCEPTION.NEW_FIELDS_IN_FILE",
                location=read.location,
            )


def _key(read: SourceRead) -> str:
    return repr((read.id, sorted(read.options.items())))


def _folder(place: str, flow_id: str, generation: Generation, read: SourceRead) -> str:
    digest = hashlib.sha256(read.id.encode()).hexdigest()[:8]
    name = f"{file_name(read.connector)}-{digest}"
    return f"{place}/{RECORDS_FOLDER}/{flow_id}/{generation}/{name}"


def _without(read: SourceRead) -> Schema:
    """The read's columns without the one for values that do not fit."""
    return Schema(tuple(f for f in read.schema.fields if f.name != read.rescued))


def _limit(options: Mapping[str, str], location: Location) -> Limit:
    """How much one batch may take.

    Raises:
        ConfigurationError: A limit is no number from 1 on.
    """
    found = {name.lower().removeprefix("cloudfiles."): text for name, text in options.items()}
    size = found.get("maxbytespertrigger")
    return Limit(
        max_files=_number(found, "maxFilesPerTrigger", location),
        max_bytes=None if size is None else read_bytes(size),
        max_rows=_number(found, "maxRowsPerTrigger", location),
    )


def _check_options(read: SourceRead, source: Source) -> None:
    """Looks at the options of files before anything runs.

    Raises:
        ConfigurationError: One is not valid.
        UnsupportedError: One is not supported.
    """
    nothing = source.read(None, 0)
    assert isinstance(nothing, FileScan)
    files.read_options(nothing, read.location)
    _limit(read.options, read.location)


def _number(options: Mapping[str, str], name: str, location: Location) -> int | None:
    text = options.get(name.lower())
    if text is None:
        return None
    if not re.fullmatch("[0-9]{1,18}", text) or int(text) == 0:
        raise ConfigurationError(
            f"The option {name} is a number from 1 on, not {text!r}.", location=location
        )
    return int(text)


def _option(read: SourceRead, name: str) -> str | None:
    """An option by its lower-case name."""
    for given, value in read.options.items():
        if given.lower().removeprefix("cloudfiles.") == name:
            return value
    return None


def _evolution(read: SourceRead) -> str:
    """What is to happen when files have new columns: the mode, as it is spelled.

    Raises:
        ConfigurationError: There is no such mode, or it does not go with a given schema.
        UnsupportedError: It is not supported.
    """
    declared = _option(read, "schema") is not None
    mode = files.evolution_mode(
        _option(read, "schemaevolutionmode") or ("none" if declared else "addNewColumns"),
        read.location,
    )
    if declared and mode == "addNewColumns":
        raise ConfigurationError(
            "schemaEvolutionMode addNewColumns does not go with a given schema.",
            location=read.location,
            hint="Give schemaHints in place of the schema, or another mode.",
        )
    return mode


def _declared(read: SourceRead, schema: Schema) -> Schema:
    """The columns that the user gave; the options that go with them are looked at now.

    Raises:
        ConfigurationError: An option is not valid.
    """
    if _option(read, "schemahints") is not None:
        raise ConfigurationError(
            "schemaHints do not go with a given schema.",
            location=read.location,
            hint="Write the types into the schema, or leave the schema out.",
        )
    return schema


def _rescued(read: SourceRead) -> str | None:
    """The column for values that do not fit: every inferred schema has one."""
    given = _option(read, "rescueddatacolumn")
    mode = _evolution(read)
    if given is not None:
        return given
    keeps = mode == "rescue" or (mode != "none" and _option(read, "schema") is None)
    return files.RESCUED_COLUMN if keeps else None
