"""What must come before what, seen between a kill and the next update."""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lakeflow.connect.ledger import Ledger
from lakeflow.connect.source import FileEntry
from lakeflow.engine.state import FolderRecords
from lakeflow.tables.store import LocalStore
from tests.faults.project import PAIR, SPLIT, Project
from tests.faults.test_expiring import check_together, edited
from tests.faults.test_failpoints import EXPIRING

Make = Callable[..., Project]


def actions(project: Project, name: str) -> Iterator[dict[str, Any]]:
    log = project.table(name) / "_delta_log"
    for path in sorted(log.glob("*.json")) if log.exists() else ():
        yield from map(json.loads, path.read_text().splitlines())


def reached(project: Project, name: str) -> tuple[str, int]:
    """The generation of a table, and the highest batch of it."""
    generation, batch = "", 0
    for action in actions(project, name):
        if "metaData" in action:
            generation = action["metaData"]["configuration"]["lakeflow.generation"]
        elif "txn" in action and action["txn"]["appId"].endswith(generation):
            batch = action["txn"]["version"]
    return generation[:4], batch


@pytest.mark.faults
@pytest.mark.parametrize("refresh", [False, True], ids=["batches", "swap"])
@pytest.mark.parametrize("nth", [1, 2, 3, 4])
@pytest.mark.parametrize("name", ["commit.linked", "companion.committed"])
def test_a_companion_is_never_ahead(make: Make, name: str, nth: int, refresh: bool) -> None:
    project = make(SPLIT, 3)
    if refresh:
        assert project.run()[0] == 0
    project.run(*["--full-refresh", "all"] * refresh, failpoint=f"{name}:{nth}:kill")
    assert reached(project, "split_quarantine") <= reached(project, "split")
    project.finish()


def test_recovery_comes_before_user_code(make: Make) -> None:
    """What is edited while it recovers is what it runs."""
    project = make(SPLIT, 3)
    assert project.run(failpoint="prepared.synced:1:kill")[0] == -signal.SIGKILL
    update = project.start(failpoint="recover.main:1:stop")
    assert update.is_stopped()
    (project.folder / "pipe.sql").write_text(edited(SPLIT))
    update.wake()
    assert update.wait()[0] == 0, update.said()
    check_together(project)
    # Three rows of each file pass by the first definition only; two files were prepared by it.
    assert sum(amount == 1 for _, amount in project.read("split", PAIR)) == 6


@pytest.mark.faults
@pytest.mark.parametrize(
    "name",
    ["intent.synced", "stage.written", "prepared.synced", "commit.snapshot", "commit.linked"],
)
@pytest.mark.parametrize("lease", ["lock", "expiring"])
def test_edited_between_kill_and_restart(make: Make, name: str, lease: str) -> None:
    """Each batch is judged by one definition, in the table and in its quarantine."""
    project = make(SPLIT, 3, LAKEFLOW_LEASE=lease)
    nth = 4 if name.startswith("commit") else 1
    assert project.run(failpoint=f"{name}:{nth}:kill")[0] == -signal.SIGKILL
    (project.folder / "pipe.sql").write_text(edited(SPLIT))
    assert project.run()[0] == 0
    check_together(project)


def test_a_full_refresh_is_by_the_present_definition(make: Make) -> None:
    """What was staged before the edit is staged once more."""
    project = make(SPLIT, 3)
    assert project.run()[0] == 0
    point = "refresh.staged_flow:1:kill"
    assert project.run("--full-refresh", "all", failpoint=point)[0] == -signal.SIGKILL
    project.check()
    (project.folder / "pipe.sql").write_text(edited(SPLIT))
    project.drop()
    assert project.run()[0] == 0
    check_together(project)
    wanted = Counter({row: n for row, n in project.rows.items() if row[1] > 1})
    assert project.read("split", PAIR) == wanted


@pytest.mark.faults
def test_the_fence_comes_before_listing(make: Make, tmp_path: Path) -> None:
    """Whoever was stopped in the middle of its commit makes none after others have listed."""
    (tmp_path / "twin").mkdir()
    project = make(SPLIT, 3, **EXPIRING)
    twin = Project(tmp_path / "twin", project.server, SPLIT, environment=dict(EXPIRING)).fill(3)
    for each in (project, twin):
        assert each.run()[0] == 0
        each.drop()
    assert twin.run(trace=str(tmp_path / "trace"))[0] == 0
    before, _, _ = (tmp_path / "trace").read_text().partition("prepared.synced")
    commit = before.count("store.write") + 1
    stopped = project.start(
        failpoint=f"store.write:{commit}:stop,commit.between_main_and_companion:1:stop"
    )
    assert stopped.is_stopped()
    holder = project.start(failpoint="recover.listed:2:stop")
    assert holder.is_stopped()
    stopped.wake()
    alive = stopped.is_stopped()
    holder.wake()
    assert holder.wait()[0] == 0, holder.said()
    if alive:
        stopped.wake()
        stopped.wait()
    check_together(project)


def test_a_lost_race_for_the_ledger_compares_again(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    one, two = (Ledger(FolderRecords(store, "ledger")) for _ in range(2))
    assert one.length == two.length == 0
    one.append([FileEntry("a", 1, 1), FileEntry("b", 1, 1)])
    assert two.append([FileEntry("b", 1, 1), FileEntry("c", 1, 1)]) == 3
    found = Ledger(FolderRecords(store, "ledger")).entries(0, 3)
    assert [entry.path for entry in found] == ["a", "b", "c"]
