"""Whether the tables in the lakehouse are those that the pipeline's flows have been writing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from lakeflow.core.errors import DefinitionErrors, LakeflowError, StateError
from lakeflow.core.names import TableName
from lakeflow.engine.batch import application, generation_of
from lakeflow.engine.resolve import ResolvedFlow
from lakeflow.engine.state import FlowEntry, PipelineState
from lakeflow.engine.targets import KIND, refuse_foreign, refuse_other_partitions
from lakeflow.pipelines.elements import Dataset
from lakeflow.tables.table import Snapshot, Table


@dataclass(frozen=True, slots=True)
class Identity:
    """What a pipeline has written so far, compared with what it declares now.

    Args:
        state: What the lakehouse remembers of the pipeline.
        table_of: The table of a name.
        rebuilt: Tables that are refreshed in full, whose progress does not count.
    """

    state: PipelineState
    table_of: Callable[[TableName], Table]
    rebuilt: frozenset[TableName]

    def check(self, flows: Sequence[ResolvedFlow]) -> None:
        """Refuses flows whose tables hold the progress of others.

        A flow that takes the name of another would read its sources from the beginning, and the
        rows that the other has written would be there twice.

        Raises:
            DefinitionErrors: Every table that does not fit its flows.
        """
        errors: list[LakeflowError] = []
        entries = self.state.flows()
        datasets = {flow.query.dataset.name: flow for flow in flows}
        for name, flow in datasets.items():
            table = self.table_of(name)
            if not table.exists():
                continue
            snapshot = table.snapshot()
            declared = [found for found in flows if found.query.dataset.name == name]
            try:
                refuse_foreign(snapshot, flow.query.dataset, self.state.known_id())
                refuse_other_partitions(snapshot, flow.query.dataset)
                if name not in self.rebuilt:
                    self._check_kind(snapshot, flow.query.dataset, flow.kind)
                    written = [entry for entry in entries if entry.target == str(name)]
                    self._check_flows(snapshot, declared, written)
            except LakeflowError as error:
                errors.append(error)
        if errors:
            raise DefinitionErrors(errors)

    def _check_kind(self, snapshot: Snapshot, dataset: Dataset, kind: str) -> None:
        before = snapshot.metadata.configuration.get(KIND, kind)
        if before != kind:
            raise StateError(
                f"{dataset.name.short} is a {before.replace('_', ' ')} in the lakehouse, and is "
                f"declared as a {kind.replace('_', ' ')} now.",
                location=dataset.location,
                hint="Declare it as before, give it another name, or rebuild it with "
                f"--full-refresh {dataset.name.short}.",
            )

    def _check_flows(
        self,
        snapshot: Snapshot,
        declared: Sequence[ResolvedFlow],
        written: Sequence[FlowEntry],
    ) -> None:
        names = {flow.name for flow in declared}
        new = [flow for flow in declared if flow.name not in {entry.name for entry in written}]
        vanished = sorted(
            entry.name for entry in _with_progress(snapshot, written) if entry.name not in names
        )
        if not vanished or not new:
            return
        flow = new[0]
        short = flow.query.dataset.name.short
        raise StateError(
            f"Flow {flow.name} into {short} is new, and {_flows(vanished)} that wrote {short} "
            "is no longer declared: what it has read would be read once more.",
            location=flow.query.flow.location,
            hint=f"If it was renamed, call it {vanished[0]} again; otherwise rebuild the table "
            f"with --full-refresh {short}.",
        )


def _with_progress(snapshot: Snapshot, written: Sequence[FlowEntry]) -> Iterator[FlowEntry]:
    """The flows that have committed into the table's present generation."""
    generation = generation_of(snapshot)
    for entry in written:
        if generation and snapshot.transaction(application(entry.id, generation)):
            yield entry


def _flows(names: Sequence[str]) -> str:
    return f"flow {names[0]}" if len(names) == 1 else f"each of the flows {', '.join(names)}"
