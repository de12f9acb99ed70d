"""Every failpoint is reached by every kind of flow that can reach it, and killed there."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from lakeflow.core.failpoints import NAMES
from tests.faults.project import APPEND, SPLIT, TWO, VIEW, Kind, Project

Make = Callable[..., Project]

SHARED = (
    "lease.acquired intent.linked intent.synced stage.partial stage.written stage.synced "
    "prepared.linked prepared.synced commit.snapshot commit.linked commit.synced"
)
COMMITS = "commit.between_main_and_companion records.deleted event.written"
SOURCE = "source.acknowledged source.attached ledger.linked ledger.synced"
REFRESH = "refresh.requested refresh.staged_flow refresh.swapped_main refresh.swapped_companion"
FOUND = "recover.listed recover.companion"
EXPIRING = {"LAKEFLOW_LEASE": "expiring"}


@dataclass(frozen=True)
class Scenario:
    """How a project comes to pass certain failpoints.

    Args:
        kind: Its pipeline.
        names: The failpoints that its update passes, and no others.
        killed: Where the update before it was killed.
        refresh: Whether it rebuilds what an update before it has made.
        expiring: Whether the lease is the expiring one.
        only: Beginnings of the names at which it is killed; the others are killed elsewhere.
    """

    kind: Kind
    names: str
    killed: str = ""
    refresh: bool = False
    expiring: bool = False
    only: tuple[str, ...] = ("",)

    def __str__(self) -> str:
        words = [self.kind.name, *("refresh",) * self.refresh, self.killed]
        return ", ".join(filter(None, [*words, "expiring" * self.expiring]))

    def prepare(self, make: Make) -> Project:
        project = make(self.kind, 3, **(EXPIRING if self.expiring else {}))
        if self.refresh:
            assert project.run()[0] == 0
            project.drop()
        if self.killed:
            assert project.run(failpoint=f"{self.killed}:1:kill")[0] == -signal.SIGKILL
        return project

    @property
    def arguments(self) -> tuple[str, ...]:
        return ("--full-refresh", "all") if self.refresh else ()

    @property
    def reached(self) -> list[str]:
        return self.names.split()


STREAM = f"{SHARED} {COMMITS} {SOURCE}"
GO_ON = f"{SHARED} {COMMITS} source.acknowledged {FOUND}"
WITH_COMPANION = "companion.committed"
FIRST = (
    Scenario(APPEND, STREAM),
    Scenario(SPLIT, f"{STREAM} {WITH_COMPANION}"),
    Scenario(VIEW, f"{SHARED} {COMMITS}"),
    Scenario(TWO, f"{STREAM} {WITH_COMPANION}"),
)
REBUILT = f"{SHARED} ledger.linked ledger.synced {FOUND} {REFRESH}"
REFRESHED = (
    Scenario(APPEND, REBUILT, refresh=True),
    Scenario(SPLIT, f"{REBUILT} {WITH_COMPANION}", refresh=True),
    Scenario(VIEW, f"{SHARED} {COMMITS} {FOUND} refresh.requested", refresh=True),
    Scenario(TWO, f"{REBUILT} {WITH_COMPANION}", refresh=True),
)
ROLLED = "lease.acquired commit.snapshot commit.linked commit.synced recover.main"
ROLLING = {"killed": "prepared.synced", "only": ("recover.",)}
RECOVERED = (
    Scenario(APPEND, f"{GO_ON} recover.main", **ROLLING),
    Scenario(SPLIT, f"{GO_ON} recover.main {WITH_COMPANION}", **ROLLING),
    Scenario(VIEW, f"{ROLLED} {FOUND}", **ROLLING),
    Scenario(TWO, f"{GO_ON} recover.main {WITH_COMPANION} ledger.linked ledger.synced", **ROLLING),
)
DISCARD = f"{SHARED} {COMMITS} source.acknowledged recover.listed recover.discard fence.main"
DISCARDING = {"killed": "prepared.synced", "expiring": True, "only": ("recover.", "fence.")}
TAKEN_OVER = (
    Scenario(APPEND, DISCARD, **DISCARDING),
    Scenario(SPLIT, f"{DISCARD} {WITH_COMPANION} fence.companion", **DISCARDING),
    Scenario(
        VIEW,
        DISCARD.replace("source.acknowledged ", "").replace("intent.linked intent.synced ", ""),
        **DISCARDING,
    ),
    Scenario(
        TWO,
        f"{DISCARD} {WITH_COMPANION} fence.companion ledger.linked ledger.synced",
        **DISCARDING,
    ),
)
SCENARIOS = (*FIRST, *REFRESHED, *RECOVERED, *TAKEN_OVER)

OF_THEIR_OWN = {"commit.conflict", "intent.superseded"}
"""Reached by the tests at the end of this file."""

OF_UPKEEP = {"upkeep.listed", "compact.staged"}
"""Reached by the tests of upkeep."""


def kills() -> list[tuple[Scenario, str]]:
    return [(s, name) for s in SCENARIOS for name in s.reached if name.startswith(s.only)]


def test_every_failpoint_is_reached() -> None:
    reached = {name for scenario in SCENARIOS for name in scenario.reached}
    of_jobs = {name for name in NAMES if name.startswith("jobs.")}  # test_jobs.py
    assert reached | OF_THEIR_OWN | OF_UPKEEP == NAMES - {"store.write"} - of_jobs
    killed = {name for _, name in kills()}
    assert killed == reached


@pytest.mark.faults
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_failpoints_that_an_update_passes(make: Make, scenario: Scenario) -> None:
    project = scenario.prepare(make)
    trace = project.folder / "trace.json"
    code, said = project.run(*scenario.arguments, trace=str(trace))
    assert code == 0, said
    passed = set(trace.read_text().split()) - {"store.write"}
    assert passed == set(scenario.reached)


@pytest.mark.faults
@pytest.mark.parametrize(("scenario", "name"), kills(), ids=str)
def test_killed_at_failpoint(make: Make, scenario: Scenario, name: str) -> None:
    """At its first passage, and then, with new data, at its second."""
    project = scenario.prepare(make)
    code, said = project.run(*scenario.arguments, failpoint=f"{name}:1:kill")
    assert code == -signal.SIGKILL, said
    project.drop()
    project.run(failpoint=f"{name}:2:kill")
    project.finish()


@pytest.mark.faults
@pytest.mark.parametrize("how", ["kill", "go on"])
@pytest.mark.parametrize(
    ("kind", "table", "nth"), [(APPEND, "bronze", 2), (SPLIT, "split", 3), (VIEW, "gold", 2)]
)
def test_foreign_append_between_snapshot_and_commit(
    make: Make, kind: Kind, table: str, nth: int, how: str
) -> None:
    """A commit that lost its race looks again: the rows of both writers are there."""
    project = make(kind)
    assert project.run()[0] == 0
    project.drop()
    conflict = "commit.conflict:1:kill" if how == "kill" else ""
    writer = project.start(failpoint=f"commit.snapshot:{nth}:stop,{conflict}")
    assert writer.is_stopped()
    columns, _ = kind.expected(project.rows)[table]
    rows = pa.table({name: pa.array([7], pa.int64()) for name in columns})
    write_deltalake(str(project.table(table)), rows, mode="append", schema_mode="merge")
    if kind is not VIEW:  # its next version takes the place of whatever is there
        project.foreign[table] = Counter({(7, 7): 1})
    writer.wake()
    code, said = writer.wait()
    assert code == (-signal.SIGKILL if how == "kill" else 0), said
    project.finish()


@pytest.mark.faults
def test_an_intent_whose_pinned_version_is_gone_is_superseded(make: Make) -> None:
    project = make(VIEW)
    assert project.run(failpoint="intent.synced:1:kill")[0] == -signal.SIGKILL
    code, said = project.start_upstream("--full-refresh", "all").wait()
    assert code == 0, said
    kept = {Path(uri).name for uri in DeltaTable(str(project.table("bronze"))).file_uris()}
    for path in project.table("bronze").glob("*.parquet"):
        if path.name not in kept:
            path.unlink()
    assert project.run(failpoint="intent.superseded:1:kill")[0] == -signal.SIGKILL
    project.finish()
