"""A loss of power at any moment: what was not synced is gone, cut off, or there."""

from __future__ import annotations

import random
import shutil
import signal
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest

from tests.faults.journal import Disk, Loss
from tests.faults.project import SPLIT, WHOLE, Broken, Project

Make = Callable[..., Project]
PARTS = 8


def first_update(make: Make) -> Project:
    project = make(WHOLE, 2)
    assert record(project)[0] == 0
    return project


def second_update(make: Make) -> Project:
    project = make(SPLIT, 1)
    assert record(project)[0] == 0
    project.drop()
    assert record(project)[0] == 0
    return project


def full_refresh(make: Make) -> Project:
    project = make(SPLIT, 1)
    assert record(project)[0] == 0
    assert record(project, "--full-refresh", "all")[0] == 0
    return project


def killed_between_link_and_sync(make: Make) -> Project:
    """The next update builds on what it finds: that must survive from then on."""
    project = make(SPLIT, 1)
    for name in ("ledger.linked", "intent.linked", "prepared.linked", "commit.linked:3"):
        failpoint = f"{name}:kill" if ":" in name else f"{name}:1:kill"
        assert record(project, failpoint=failpoint)[0] == -signal.SIGKILL
    assert record(project)[0] == 0
    project.drop()  # without a ledger its name would come first
    return project


HISTORIES = (first_update, second_update, full_refresh, killed_between_link_and_sync)


def record(project: Project, *arguments: str, failpoint: str = "") -> tuple[int, str]:
    journal = str(project.folder / "record")
    return project.run(*arguments, failpoint=failpoint, record=journal)


def losses(project: Project, seed: int) -> Iterator[tuple[str, Disk, Loss]]:
    """Every different state in which a loss of power may leave the lakehouse."""
    disk = Disk(project.folder / "record")
    seen = set()
    chance = random.Random(seed)
    for number, visible in disk.points():
        for what, loss in disk.losses(visible, chance):
            # Files under temporary names are never looked at: they make no difference.
            left = tuple(found for found in loss if "/.tmp-" not in found[0])
            if left not in seen:
                seen.add(left)
                yield f"step {number}, {what}", disk, loss


def survive(project: Project, seed: int, part: int, parts: int) -> int:
    """Lets the next update find each state; or one part of them, for there are many."""
    print(f"seed {seed}")
    whole = Path(project.environment["LAKEFLOW_LAKEHOUSE"])
    tried = 0
    for what, disk, loss in islice(losses(project, seed), part, None, parts):
        tried += 1
        shutil.rmtree(whole)
        disk.restore(loss, whole)
        code, said = project.run()
        if code:
            raise Broken(f"{what}: {said}")
        project.check()
        assert set(project.terminal_events().values()) == {1}, what
    project.tally["losses of power"] += tried
    return tried


@pytest.mark.parametrize("history", HISTORIES)
def test_some_losses(make: Make, history: Callable[[Make], Project]) -> None:
    assert survive(history(make), 1, 3, parts=60)


@pytest.mark.faults
@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("history", HISTORIES)
def test_all_losses(make: Make, history: Callable[[Make], Project], part: int) -> None:
    assert survive(history(make), 2, part, PARTS) > 10
