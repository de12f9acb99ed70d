"""Kills of real updates: whatever is killed, each row of the source ends up exactly once."""

from __future__ import annotations

import random

import pytest

from tests.faults.project import Project


def test_update_without_faults(project: Project) -> None:
    project.finish()
    project.drop()
    project.finish()


@pytest.mark.parametrize("seed", range(20))
def test_killed_at_counted_write(project: Project, seed: int) -> None:
    kills_at_counted_writes(project, seed)


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(1000, 1070))
def test_killed_at_many_counted_writes(project: Project, seed: int) -> None:
    kills_at_counted_writes(project, seed)


def kills_at_counted_writes(project: Project, seed: int) -> None:
    """Three kills in a row, each at a seeded write of the store."""
    print(f"seed {seed}")
    chance = random.Random(seed)
    for _ in range(3):
        nth = chance.randint(1, 60)
        project.run(failpoint=f"store.write:{nth}:kill")
        if chance.random() < 0.5:
            project.drop()
    project.finish()


@pytest.mark.faults
@pytest.mark.parametrize("point", ["stage.written", "prepared.synced", "commit.synced"])
def test_stopped_holder_keeps_others_out(project: Project, point: str) -> None:
    holder = project.start(failpoint=f"{point}:1:stop")
    assert holder.is_stopped()
    code, said = project.run()
    assert code == 1, said
    assert "Another update of this pipeline is running" in said
    holder.wake()
    assert holder.wait()[0] == 0, holder.said()
    project.finish()


@pytest.mark.faults
@pytest.mark.parametrize("cut", ["empty", "half"])
def test_torn_last_commit(project: Project, cut: str) -> None:
    """A commit of a writer that does not sync, cut off by a loss of power."""
    assert project.run()[0] == 0
    log = project.table("bronze") / "_delta_log"
    last = max(log.glob("*.json"))
    text = last.read_bytes()
    torn = log / f"{int(last.stem) + 1:020d}.json"
    torn.write_bytes(b"" if cut == "empty" else text[: len(text) // 2])
    project.drop()
    project.finish()
    assert list((log / "_corrupt").iterdir())
