"""A lakehouse opened: runs pipelines and answers questions about their tables."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar

from lakeflow.catalog.places import place_of
from lakeflow.core.clock import Clock, SystemClock
from lakeflow.core.errors import (
    ConfigurationError,
    DefinitionError,
    Interrupted,
    LakeflowError,
    StateError,
    StorageError,
    was_interrupted,
)
from lakeflow.core.events import Event
from lakeflow.core.names import DEFAULT_CATALOG, DEFAULT_SCHEMA, TableName, nearest
from lakeflow.core.schema import Schema
from lakeflow.core.settings import Settings
from lakeflow.engine.eventlog import EventLog, event_log_name
from lakeflow.engine.lease import ExpiringLease, Lease, LockLease
from lakeflow.engine.pipeline import Pipeline, PreparedPipeline
from lakeflow.engine.plan import Plan, plan_of
from lakeflow.engine.recovery import recover
from lakeflow.engine.state import PipelineState, pipelines
from lakeflow.engine.targets import KIND, Targets
from lakeflow.engine.update import ExpectationCount, FlowResult, UpdateResult, new_update_id
from lakeflow.engine.upkeep import Upkeep
from lakeflow.pipelines.properties import time_zone
from lakeflow.tables.store import LocalStore
from lakeflow.tables.table import Table

if TYPE_CHECKING:
    import pyarrow as pa

    from lakeflow.engine.ask import Cancellation

Listener = Callable[[Event], None]
FullRefresh = Sequence[str] | Literal["all"]
Given = ParamSpec("Given")
Answer = TypeVar("Answer")


def _asks(question: Callable[Given, Answer]) -> Callable[Given, Answer]:
    """What the operating system refuses to a question is the lakehouse's failure, not ours."""

    @wraps(question)
    def asked(*given: Given.args, **named: Given.kwargs) -> Answer:
        try:
            return question(*given, **named)
        except OSError as error:
            raise StorageError.of(error, "try again") from error

    return asked


@dataclass(frozen=True, slots=True)
class TableDescription:
    """What `show` tells of a table.

    Args:
        name: Its short name.
        kind: What wrote it, such as `streaming_table`; `table` for one of nobody here.
        version: The newest one.
        schema: Its columns.
        comment: What it is for.
        rows: Some of its rows.
        row_count: All of them, counted.
        expectations: Of the last update that has counted any.
    """

    name: str
    kind: str
    version: int
    schema: Schema
    comment: str | None
    rows: tuple[tuple[Any, ...], ...]
    row_count: int
    expectations: tuple[ExpectationCount, ...]


@dataclass
class Session:
    """The door to everything: used by the command line and by programs.

    Args:
        settings: Which lakehouse, and how to run.
        clock: What time it is.
        listeners: Called with every event of an update, one at a time.
        new_id: Makes the id of an update.

    Example:
        >>> from lakeflow.core.settings import Settings
        >>> Session(Settings.load({})).settings.session_time_zone
        'UTC'
    """

    settings: Settings
    clock: Clock = field(default_factory=SystemClock)
    listeners: Sequence[Listener] = ()
    new_id: Callable[[], str] = new_update_id
    _running: PreparedPipeline | None = None
    _stop_asked: bool = False

    def __post_init__(self) -> None:
        self.store = LocalStore(self.settings.lakehouse)

    def run(
        self,
        path: Path | Pipeline,
        *,
        full_refresh: FullRefresh = (),
        begun_by: Mapping[str, Any] | None = None,
    ) -> UpdateResult:
        """Runs one update of a pipeline.

        Args:
            path: A definition file, a folder of them, or a project file; or what was found there.
            full_refresh: Tables to rebuild, or `all`.
            begun_by: What the event log keeps of that: `cause` in Databricks' words, and more.

        Returns:
            How each flow ended.

        Raises:
            DefinitionErrors: Everything that is declared wrongly; nothing was run.
            LeaseHeld: Another update of the pipeline is running.
            StorageError: The lakehouse cannot be written or read.
        """
        pipeline = path if isinstance(path, Pipeline) else Pipeline.at(path)
        try:
            return self._run(pipeline, full_refresh, begun_by or {})
        except OSError as error:
            raise StorageError.of(error) from error
        finally:
            self._running = None
            self._stop_asked = False

    @_asks
    def plan(self, path: Path | Pipeline, *, full_refresh: FullRefresh = ()) -> Plan:
        """What `run` would do; writes nothing.

        Raises:
            DefinitionErrors: Everything that is declared wrongly.
        """
        pipeline = path if isinstance(path, Pipeline) else Pipeline.at(path)
        state = PipelineState(self.store, pipeline.name)
        with self._scratch() as scratch:
            prepared = self._prepare(pipeline, state, scratch)
            try:
                return plan_of(prepared, full_refresh)
            finally:
                prepared.close()

    @_asks
    def show(self, table: str, limit: int = 10) -> TableDescription:
        """Describes a table.

        Args:
            table: Its name.
            limit: Rows to show.

        Raises:
            DefinitionError: There is no such table.
        """
        from lakeflow.engine.ask import first_rows

        name = TableName.parse(table)
        found = self._existing(name)
        snapshot = found.snapshot()
        rows, count = first_rows(self.settings, found, limit)
        return TableDescription(
            name.short,
            snapshot.metadata.configuration.get(KIND, "table"),
            snapshot.version,
            snapshot.schema,
            snapshot.metadata.comment,
            rows,
            count,
            self._expectations(name),
        )

    @_asks
    def query(
        self,
        sql: str,
        cancellation: Cancellation | None = None,
        *,
        catalog: str = DEFAULT_CATALOG,
        schema: str = DEFAULT_SCHEMA,
    ) -> pa.RecordBatchReader:
        """Runs a SELECT in Spark SQL over the tables of the lakehouse; changes nothing.

        Args:
            sql: The query.
            cancellation: Ends it from another thread.
            catalog: Catalog of names that do not say one.
            schema: Schema of names that do not say one.

        Raises:
            DefinitionError: It is wrong, or names a table that is not there.
        """
        from lakeflow.engine.ask import answer

        named = partial(TableName.parse, catalog=catalog, schema=schema)
        return answer(self.settings, sql, lambda text: self._existing(named(text)), cancellation)

    @_asks
    def events(self, update: str | None = None) -> list[Event]:
        """The events of an update; of the last one of any pipeline if none is named.

        Raises:
            ConfigurationError: No update has this id.
        """
        found: list[list[Event]] = []
        for name in pipelines(self.store):
            events = EventLog(self.store, PipelineState(self.store, name), self.clock).read(update)
            if events:
                found.append(events)
        if update is not None and not found:
            raise ConfigurationError(
                f"No update {update} has run in {self.settings.lakehouse}.",
                hint="Its id is in the result of lakeflow run --json, and in the table of the "
                "pipeline's events: SELECT DISTINCT origin.update_id FROM event_log_<pipeline>.",
            )
        return max(found, key=lambda events: events[-1].timestamp, default=[])

    @_asks
    def detach(self, flow: str) -> None:
        """Lets a flow hold back no source any more, whatever table it has written.

        One that is still declared is attached again when it runs.

        Args:
            flow: Its name.

        Raises:
            ConfigurationError: No flow of this name has run.
        """
        states = [PipelineState(self.store, name) for name in pipelines(self.store)]
        entries = [(state, entry) for state in states for entry in state.flows()]
        known = [entry.name for _, entry in entries]
        if flow not in known:
            raise ConfigurationError(
                f"No flow named {flow} has run in {self.settings.lakehouse}.",
                hint=nearest(flow, known) or None,
            )
        for state, entry in entries:
            if entry.name == flow:
                state.detach(entry.id)

    def stop(self) -> None:
        """Ends the running update cleanly: batches that are not prepared are given up."""
        self._stop_asked = True
        if self._running is not None:
            self._running.stop()

    def _check_stopped(self) -> None:
        if self._stop_asked:
            raise Interrupted

    def _lease(self, state: PipelineState) -> Lease:
        if self.settings.lease == "expiring":
            seconds = self.settings.lease_seconds
            return ExpiringLease(self.store, state.folder, self.clock, seconds, self._check_stopped)
        return LockLease(self.store, state.folder)

    def _run(
        self, pipeline: Pipeline, full_refresh: FullRefresh, begun_by: Mapping[str, Any]
    ) -> UpdateResult:
        state = PipelineState(self.store, pipeline.name)
        lease = self._lease(state)
        try:
            with self._scratch() as scratch:
                return self._update(pipeline, state, lease, scratch, full_refresh, begun_by)
        finally:
            lease.release()

    def _update(
        self,
        pipeline: Pipeline,
        state: PipelineState,
        lease: Lease,
        scratch: Path,
        full_refresh: FullRefresh,
        begun_by: Mapping[str, Any],
    ) -> UpdateResult:
        update = self.new_id()
        log = EventLog(self.store, state, self.clock)
        targets = Targets(self.store, state, self.clock, lease)
        kept: list[Event] = []
        telling = threading.RLock()

        def emit(event: Event) -> None:
            with telling:  # flows run at the same time; a listener hears one event at a time
                kept.append(event)
                for listener in self.listeners:
                    listener(event)

        damaged = recover(self.store, state, targets, lease, self.clock, log)
        created = _created(update, pipeline.name, full_refresh, begun_by, self.clock)
        state.write_event(lease.epoch, "0-created", [created])
        emit(created)
        results: tuple[FlowResult, ...] = ()
        outcome = "FAILED"
        try:
            self._check_stopped()
            prepared = self._prepare(pipeline, state, scratch)
            self._running = prepared
            if self._stop_asked:
                prepared.stop()
            emit(_progress("RUNNING", self.clock))
            results = prepared.execute(update, lease, targets, damaged, emit, full_refresh)
            outcome = _outcome(results, stop_asked=self._stop_asked)
        except Exception as error:
            if was_interrupted(error):
                outcome = "CANCELED"
                raise Interrupted from error
            if isinstance(error, LakeflowError):
                emit(_progress("FAILED", self.clock, error))
            raise
        finally:
            try:
                if not any(e.details.get("state") == outcome for e in kept):
                    emit(_progress(outcome, self.clock))
                log.publish(lease.epoch, _once(kept))
                upkeep = Upkeep(self.store, state, targets, lease, self.clock, log)
                for warning in upkeep.after_update():
                    emit(warning)
            finally:
                if self._running is not None:
                    self._running.close()
        return UpdateResult(update, outcome, results, lease.epoch)

    def _prepare(self, pipeline: Pipeline, state: PipelineState, scratch: Path) -> PreparedPipeline:
        zone = time_zone(pipeline.project.configuration)
        settings = replace(self.settings, session_time_zone=zone) if zone else self.settings
        return PreparedPipeline.load(pipeline, settings, self.store, state, self.clock, scratch)

    def _existing(self, name: TableName) -> Table:
        table = Table(self.store, place_of(name))
        if not table.exists():
            known = self._tables()
            if name.short in known:
                raise DefinitionError(
                    f"There is no table in {self.store.url(place_of(name))}, where its pipeline "
                    f"keeps {name.short}.",
                    condition="TABLE_OR_VIEW_NOT_FOUND",
                    hint="Run the pipeline; if the folder was deleted, with --full-refresh.",
                )
            raise DefinitionError(
                f"There is no table {name.short} in {self.settings.lakehouse}.",
                condition="TABLE_OR_VIEW_NOT_FOUND",
                hint=nearest(name.short, known) or f"Tables are: {', '.join(known) or 'none'}.",
            )
        return table

    def _tables(self) -> list[str]:
        """Short names of the tables that pipelines and servers have written."""
        from lakeflow.engine.history import system_tables

        names = system_tables(self.store)
        for pipeline in pipelines(self.store):
            state = PipelineState(self.store, pipeline)
            names.append(event_log_name(pipeline).short)
            for entry in state.targets().values():
                name = TableName.parse(entry.name)
                names.append(name.short)
                names.extend(name.companion(role).short for role in entry.companions)
        return sorted(names)

    def _expectations(self, name: TableName) -> tuple[ExpectationCount, ...]:
        """Counts of the last update that wrote the table, from its commits."""
        table = Table(self.store, place_of(name))
        newest = table.snapshot().version
        update: str | None = None
        found: dict[str, list[int]] = {}
        for version in range(newest, -1, -1):
            try:
                [(_, actions)] = table.commits(version, version)
            except StateError:  # The log was cleaned; what the updates said is not.
                return self._told_expectations(name)
            info = actions[0].get("commitInfo", {}).get("lakeflow", {})
            if "expectations" not in info:
                continue
            if update is None:
                update = info["update"]
            if info["update"] != update:
                break
            for expectation, (passed, failed) in info["expectations"].items():
                pair = found.setdefault(expectation, [0, 0])
                pair[0] += passed
                pair[1] += failed
        return tuple(ExpectationCount(key, *pair) for key, pair in found.items())

    def _told_expectations(self, name: TableName) -> tuple[ExpectationCount, ...]:
        """Counts of the last update that wrote the table, from its pipeline's event log."""
        for pipeline in pipelines(self.store):
            state = PipelineState(self.store, pipeline)
            if str(name) in state.targets():
                counts = EventLog(self.store, state, self.clock).expectations(name.short)
                return tuple(ExpectationCount(key, *pair) for key, pair in counts.items())
        return ()

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        """A folder for what does not outlive the update."""
        folder = Path(tempfile.mkdtemp(prefix="lakeflow-"))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _outcome(results: Sequence[FlowResult], *, stop_asked: bool) -> str:
    states = {result.state for result in results}
    if stop_asked and "STOPPED" in states:
        return "CANCELED"
    return "FAILED" if states & {"FAILED", "SKIPPED"} else "COMPLETED"


def _created(
    update: str,
    pipeline: str,
    full_refresh: FullRefresh,
    begun_by: Mapping[str, Any],
    clock: Clock,
) -> Event:
    return Event(
        "create_update",
        f"Update {update} of {pipeline} was started.",
        clock.now(),
        details={
            "update_id": update,
            "pipeline": pipeline,
            "cause": "USER_ACTION",
            "full_refresh": full_refresh == "all",
            "full_refresh_selection": [] if full_refresh == "all" else list(full_refresh),
            **begun_by,
        },
    )


def _progress(state: str, clock: Clock, error: LakeflowError | None = None) -> Event:
    return Event(
        "update_progress",
        f"Update is {state}." if error is None else f"Update is {state}: {error}",
        clock.now(),
        "ERROR" if state == "FAILED" else "INFO",
        details={"state": state},
        error=None
        if error is None
        else {
            "class_name": type(error).__name__,
            "message": str(error),
            "condition": error.condition,
        },
    )


def _once(events: Sequence[Event]) -> list[Event]:
    """Each event once, however often it was told."""
    return list({event.id: event for event in events}.values())
