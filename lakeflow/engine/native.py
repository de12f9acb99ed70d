"""Query functions written in Python: called for analysis with empty inputs, and once per batch."""

from __future__ import annotations

import signal
import sys
import threading
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lakeflow.backends import frames
from lakeflow.backends.duckdb import (
    DuckDBBackend,
    DuckDBSession,
    empty_relation,
    relation_sql,
)
from lakeflow.backends.functions import Call, FunctionProcess
from lakeflow.backends.parquet import ParquetFiles, Relation
from lakeflow.core.errors import DefinitionError, LakeflowError, MissingFile, UnsupportedError
from lakeflow.core.schema import Schema
from lakeflow.core.settings import Settings
from lakeflow.dialect.batchwise import needs_earlier_batches
from lakeflow.dialect.query import Lowered
from lakeflow.dialect.types import from_duckdb_type, identifier
from lakeflow.engine.duckdb_text import lower_duckdb
from lakeflow.engine.resolve import ResolvedQuery
from lakeflow.engine.sourcetext import imported_modules
from lakeflow.pipelines.elements import NativeQuery, Parameter, SqlQuery
from lakeflow.pipelines.functions import function_error, invoke
from lakeflow.pipelines.queries import KINDS, RELATION, kind_of_value

CHILD_KINDS = tuple(kind for kind in KINDS if kind != RELATION)

_CALLING = threading.RLock()
"""Held while user code runs in this process, whose standard output and path it changes."""


@dataclass
class Natives:
    """Runs query functions.

    Functions over DuckDB relations compose a query, which runs in this process under its memory
    limit; those over Polars frames and Arrow data run in a child process under a limit of its own;
    functions that read nothing may return a query as text.

    Args:
        backend: Makes the relations.
        process: Runs the others.
    """

    backend: DuckDBBackend
    process: FunctionProcess
    _found: dict[int, Any] = field(default_factory=dict)
    _results: dict[int, str] = field(default_factory=dict)
    _stateful: dict[int, tuple[str, ...]] = field(default_factory=dict)
    _modules: dict[int, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, backend: DuckDBBackend, settings: Settings) -> Natives:
        """Under the limits of the settings."""
        limit, threads = settings.effective_memory_limit(), settings.effective_threads()
        return cls(backend, FunctionProcess(limit, threads))

    def as_sql(self, query: SqlQuery | NativeQuery) -> SqlQuery | NativeQuery:
        """The text that a function without inputs returns; anything else as it is.

        Raises:
            DefinitionError: The function fails, or returns what is no query.
        """
        if isinstance(query, SqlQuery) or query.inputs:
            return query
        if id(query) not in self._found:
            found = self._call(query, {})
            if not isinstance(found, SqlQuery) and not _is_data(found):
                raise self._wrong_result(query, found)
            self._found[id(query)] = found
        found = self._found[id(query)]
        return found if isinstance(found, SqlQuery) else query

    def schema(
        self, query: NativeQuery, inputs: Mapping[str, Schema], streams: Collection[str]
    ) -> Schema:
        """The columns that a function gives over empty inputs.

        Args:
            query: The function.
            inputs: Columns of each input.
            streams: Inputs of which it gets the new rows.

        Raises:
            DefinitionError: The function fails, or returns something else than rows.
        """
        if runs_here(query):
            relations = {name: _named(name, found) for name, found in inputs.items()}
            with closing(self.backend.session()) as session:
                text = self._composed(query, relations, session)
                described = session.rows(f"DESCRIBE {text}", query.location)
                if streams:
                    self._stateful[id(query)] = needs_earlier_batches(
                        text, map(_name, streams), map(_name, inputs), session.rows
                    )
            self._results[id(query)] = RELATION
            columns = [(name, kind) for name, kind, *_ in described]
            function = query.function.__name__
            return frames.columns_of(columns, from_duckdb_type, function, query.location)
        values = {
            found.name: frames.value_of(ParquetFiles((), inputs[found.name]), _kind(found))
            for found in query.inputs
        }
        result = self._call(query, values)
        if not _is_data(result):
            raise self._wrong_result(query, result)
        self._results[id(query)] = kind_of_value(result)
        self._modules.setdefault(id(query), imported_modules(query.function))
        try:
            schema, _ = frames.result_schema(result, query.function.__name__, query.location)
        except LakeflowError:
            raise
        except Exception as error:
            raise function_error(query, error) from error
        return schema

    def is_eager(self, query: NativeQuery) -> bool:
        """Whether a function that was analysed gives its result whole, in memory."""
        return self._results[id(query)] in frames.EAGER

    def stateful(self, query: NativeQuery) -> tuple[str, ...]:
        """Why a function that was analysed needs rows of earlier batches; empty if it does not."""
        return self._stateful.get(id(query), ())

    def relation(
        self,
        query: ResolvedQuery,
        relations: Mapping[str, Relation],
        session: DuckDBSession,
        scratch: Path,
    ) -> Relation:
        """What a function gives over relations.

        Args:
            query: A query that is a function.
            relations: Its inputs.
            session: Runs queries.
            scratch: Where rows that the child process reads and writes lie meanwhile.
        """
        function = query.flow.query
        assert isinstance(function, NativeQuery)
        if runs_here(function):
            return self._composed(function, relations, session)
        assert function.home is not None
        inputs = {}
        for found in function.inputs:
            files = relations[found.name]
            if isinstance(files, str):
                folder = str(scratch / uuid.uuid4().hex)
                schema = query.inputs[found.name].schema
                staged = session.stage(files, folder, schema, (), function.location)
                files = ParquetFiles(tuple(file.path for file in staged), schema)
            inputs[found.name] = (files, _kind(found))
        scratch.mkdir(parents=True, exist_ok=True)
        path = str(scratch / f"{uuid.uuid4().hex}.parquet")
        modules = self._modules[id(function)]
        flow = query.flow
        call = Call(function.home, modules, flow.name, flow.target, inputs, query.schema, path)
        try:
            self.process.run(call, function.function.__name__, function.location)
        except LakeflowError as error:
            for missing in _missing(files for files, _ in inputs.values()):
                raise MissingFile(missing, location=function.location) from error
            raise
        return ParquetFiles((path,), query.schema)

    def lower_duckdb(
        self, query: SqlQuery, schemas: Mapping[str, Schema], streams: Collection[str]
    ) -> Lowered:
        """DuckDB's SQL is used as it is."""
        return lower_duckdb(query, schemas, streams, self.backend)

    def notes(self, query: ResolvedQuery) -> tuple[str, ...]:
        """What a plan says of a flow beyond its technique, the views that it reads included."""
        inputs = [found for found in query.inputs.values() if isinstance(found, ResolvedQuery)]
        inner = [note for found in inputs for note in self.notes(found)]
        return tuple(dict.fromkeys((*self._notes(query), *inner)))

    def _notes(self, query: ResolvedQuery) -> tuple[str, ...]:
        found = self.as_sql(query.flow.query)
        if isinstance(found, SqlQuery) and found.dialect == "duckdb":
            return ("DuckDB's SQL: not portable to Spark",)
        if query.lowered is not None or not isinstance(found, NativeQuery):
            return ()
        if runs_here(found):
            return ("a DuckDB function: not portable to Spark",)
        library = self._results[id(found)].split(".")[0].capitalize()
        limit = f"{self.process.memory_limit / 2**20:.0f} MiB"
        notes = [
            f"a {library} function in a child process of at most {limit}: not portable to Spark"
        ]
        whole = [p.name for p in found.inputs if _kind(p) in frames.EAGER]
        if self.is_eager(found):
            whole.append("its result")
        if whole:
            notes.append(f"held in memory as a whole, up to that limit: {', '.join(whole)}")
        return tuple(notes)

    def close(self) -> None:
        """Ends the child process."""
        self.process.close()

    def _composed(
        self, query: NativeQuery, relations: Mapping[str, Relation], session: DuckDBSession
    ) -> str:
        """The SELECT that a function composes over relations."""
        values = {
            name: session.relation(relation_sql(rows), query.location)
            for name, rows in relations.items()
        }
        found = self._call(query, values)
        if kind_of_value(found) != RELATION:
            raise self._wrong_result(query, found)
        if not session.owns(found):
            raise DefinitionError(
                f"{query.function.__name__} returns a relation of another connection.",
                condition="QUERY_FUNCTION_RESULT_NOT_A_QUERY",
                location=query.location,
                hint="Build the result from the function's parameters.",
            )
        return session.text_of(found)

    def _call(self, query: NativeQuery, values: Mapping[str, Any]) -> Any:
        # Functions may import what lies beside their file.
        folders = [] if query.home is None else [str(Path(query.home.file).parent)]
        with _CALLING:
            sys.path[:0] = folders
            try:
                with redirect_stdout(sys.stderr):
                    return invoke(query, values)
            finally:
                for folder in folders:
                    sys.path.remove(folder)

    def _wrong_result(self, query: NativeQuery, found: Any) -> DefinitionError:
        said = "nothing (None)" if found is None else f"a {kind_of_value(found)}"
        hint = (
            "Return a pl.LazyFrame, pl.DataFrame, pa.RecordBatchReader, pa.Table or a generator of "
            "pa.RecordBatch."
        )
        if not query.inputs:
            hint = f"Return sql(...), read(...) or read_stream(...). {hint}"
        elif runs_here(query):
            hint = "Return a relation built from its parameters."
        if kind_of_value(found) == RELATION:
            said = "a DuckDB relation of another connection"
            hint = f"Let its parameters be duckdb.DuckDBPyRelation. {hint}"
        return DefinitionError(
            f"{query.function.__name__} returns {said}.",
            condition="QUERY_FUNCTION_RESULT_NOT_A_QUERY",
            location=query.location,
            hint=hint,
        )


def heed_signals() -> None:
    """Installs the handler of Ctrl-C once more, if this is the main thread.

    Importing Polars puts a handler of its own before it, after which a signal no longer wakes a
    main thread that waits for flows.
    """
    if threading.current_thread() is threading.main_thread():
        handler = signal.getsignal(signal.SIGINT)
        if handler is not None:
            signal.signal(signal.SIGINT, handler)


def runs_here(query: NativeQuery) -> bool:
    """Whether a function composes DuckDB relations, which run in this process.

    Raises:
        UnsupportedError: It mixes relations with other types.
    """
    kinds = {_kind(found) for found in query.inputs}
    if RELATION in kinds and len(kinds) > 1:
        raise UnsupportedError(
            f"{query.function.__name__} asks for {' and '.join(sorted(kinds))}; relations run in "
            "this process, the others in a child process.",
            location=query.location,
            hint="Ask for one kind: relations, or frames and Arrow data.",
        )
    return kinds == {RELATION}


def _named(name: str, schema: Schema) -> str:
    """An input without rows under a name by which it is found again in what is made of it."""
    marked = identifier(_name(name))
    return f"WITH {marked} AS ({empty_relation(schema)}) SELECT * FROM {marked}"


def _name(name: str) -> str:
    return f"lakeflow input {name}"


def _kind(found: Parameter) -> str:
    return found.annotation or RELATION


def _is_data(value: Any) -> bool:
    return kind_of_value(value) in CHILD_KINDS or frames.is_stream_of_batches(value)


def _missing(inputs: Iterable[ParquetFiles]) -> Iterator[str]:
    """The files that are gone, whatever a library has said about it."""
    return (path for files in inputs for path in files.paths if not Path(path).exists())
