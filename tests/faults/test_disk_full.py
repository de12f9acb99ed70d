"""A disk that is full says so; when there is room again the next update goes on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.faults.project import SPLIT, WHOLE, Project

Make = Callable[..., Project]


@pytest.mark.faults
@pytest.mark.parametrize("largest", [0, 100, 300, 450, 600, 800, 1000, 1500, 2500, 4000, 8000])
def test_no_file_may_grow(make: Make, largest: int) -> None:
    """The operating system refuses every byte above a limit, wherever that is in a file."""
    project = make(WHOLE, 2)
    code, said = project.run(largest=largest)
    assert code, said
    project.drop()
    project.finish()


@pytest.mark.faults
@pytest.mark.parametrize("nth", range(1, 26, 2))
def test_full_at_a_counted_write(make: Make, nth: int) -> None:
    project = make(SPLIT, 3)
    code, said = project.run(failpoint=f"store.write:{nth}:enospc")
    if code:
        assert code == 1, said
        assert "Make room" in said
    project.finish()


@pytest.mark.faults
@pytest.mark.parametrize("name", ["stage.written", "prepared.synced", "commit.linked"])
def test_full_between_two_writes(project: Project, name: str) -> None:
    code, said = project.run(failpoint=f"{name}:2:enospc")
    assert code == 1, said
    project.finish()
