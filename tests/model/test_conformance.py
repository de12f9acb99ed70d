"""The engine does what the model allows: its failpoints, in order, through kills and restarts."""

from __future__ import annotations

import json
import random
import signal
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.faults.forkserver import ForkServer
from tests.faults.project import SPLIT, Project
from tests.model.batch import Model
from tests.model.world import MAIN, Bounds, World, snapshot

SEEN = frozenset(
    "lease.acquired recover.main recover.discard ledger.linked ledger.synced intent.linked "
    "intent.synced stage.written stage.synced prepared.linked prepared.synced "
    "commit.between_main_and_companion records.deleted".split()
)
"""Failpoints that the engine passes exactly where the model does; between them both do more."""


def closure(model: Model, worlds: Iterable[World]) -> set[World]:
    """What can be after steps that are not compared."""
    found = set(worlds)
    waiting = list(found)
    while waiting:
        for label, world in model.successors(waiting.pop()):
            hidden = (label not in SEEN and not label.startswith("*")) or label == "*end"
            if hidden and world not in found:
                found.add(world)
                waiting.append(world)
    return found


def step(model: Model, worlds: Iterable[World], name: str) -> set[World]:
    """What can be after a step of this name."""
    return {
        after
        for world in closure(model, worlds)
        for label, after in model.successors(world)
        if label == name
    }


def finished(model: Model, worlds: Iterable[World]) -> set[World]:
    """Those in which the update has come to its end."""
    return {world for world in closure(model, worlds) if not world.processes}


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory):
    server = ForkServer(tmp_path_factory.mktemp("output"))
    yield server
    server.close()


@pytest.mark.parametrize("lease", ["lock", "expiring"])
@pytest.mark.parametrize("seed", range(8))
def test_a_schedule_of_the_model(tmp_path: Path, forks: ForkServer, seed: int, lease: str) -> None:
    """Kills, files and edits by chance; then every step and the position are compared."""
    print(f"seed {seed}")
    chance = random.Random(seed)
    project = Project(tmp_path, forks, SPLIT, environment={"LAKEFLOW_LEASE": lease})
    project.fill(2)
    kills = 2
    bounds = Bounds(rows=2, updates=kills + 1, kills=kills, expiring=lease == "expiring")
    model = Model(bounds)
    worlds = {World()}
    for turn in range(kills + 1):
        killed = turn < kills
        name = chance.choice(sorted(SEEN)) if killed else ""
        trace = tmp_path / f"trace{turn}"
        failpoint = f"{name}:{chance.choice((1, 1, 2))}:kill" if killed else ""
        code, said = project.run(failpoint=failpoint, trace=str(trace))
        assert code in (0, -signal.SIGKILL), said
        worlds = step(model, worlds, "*start")
        for passed in trace.read_text().split():
            if passed in SEEN:
                before, worlds = worlds, step(model, worlds, passed)
                assert worlds, f"{passed} is not allowed in {[w.processes for w in before]}"
        worlds = step(model, worlds, "*kill") if code else finished(model, worlds)
        assert worlds, "the model does not end here"
        if turn == 0 and "ledger.linked" in trace.read_text():
            # Otherwise the two would be one entry of the ledger, which the engine takes in two.
            project.drop()
            worlds = step(model, worlds, "*arrive")
    project.check()
    positions = {snapshot(world.logs[MAIN]).of(0) for world in worlds}
    assert position(project) in positions


def position(project: Project) -> tuple[int, int]:
    """Batch and attempt, as main's newest commit says."""
    found = (0, 0)
    for path in sorted((project.table("split") / "_delta_log").glob("*.json")):
        versions = {}
        for line in path.read_text().splitlines():
            if (transaction := json.loads(line).get("txn")) and "epoch" not in transaction["appId"]:
                versions[transaction["appId"].endswith("/attempt")] = transaction["version"]
        if versions:
            found = (versions[False], versions[True])
    return found
