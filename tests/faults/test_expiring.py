"""The lease that can only expire: whoever is stopped, taken over and woken writes nothing more."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.faults.project import SPLIT, TWO, VIEW, Kind, Project
from tests.faults.test_failpoints import EXPIRING, FIRST, REFRESHED, Scenario

Make = Callable[..., Project]


def stops(scenarios: tuple[Scenario, ...]) -> list[tuple[Scenario, str]]:
    wanted = [scenario for scenario in scenarios if scenario.kind in (SPLIT, TWO, VIEW)]
    return [(scenario, name) for scenario in wanted for name in scenario.reached]


def versions(project: Project) -> dict[str, list[str]]:
    """The logs of all tables that the pipeline writes, but for that of its events."""
    tables = project.table("any").parent
    return {
        path.name: sorted(found.name for found in (path / "_delta_log").glob("[0-9]*"))
        for path in tables.iterdir()
        if not path.name.startswith("event_log")
    }


@pytest.mark.faults
@pytest.mark.parametrize(("scenario", "name"), [*stops(FIRST), *stops(REFRESHED)], ids=str)
def test_a_stopped_holder_is_taken_over_and_woken(
    make: Make, scenario: Scenario, name: str
) -> None:
    project = make(scenario.kind, 3, **EXPIRING)
    if scenario.refresh:
        assert project.run()[0] == 0
        project.drop()
    stopped = project.start(*scenario.arguments, failpoint=f"{name}:1:stop")
    assert stopped.is_stopped()
    (project.folder / "pipe.sql").write_text(edited(project.kind))
    code, said = project.run()
    assert code == 0, said
    check_together(project)
    before = versions(project)
    stopped.wake()
    code, said = stopped.wait()
    assert versions(project) == before, said
    assert code in (0, 1), said
    (project.folder / "pipe.sql").write_text(project.kind.sql)
    check_together(project)
    assert set(project.terminal_events().values()) == {1}
    project.drop()
    assert project.run()[0] == 0
    check_together(project)


def edited(kind: Kind) -> str:
    """By this definition the tables hold other rows, and have another comment."""
    sql = kind.sql.replace("amount > 0", "amount > 1")
    return sql.replace(" AS SELECT amount,", " COMMENT 'edited' AS SELECT amount,")


def check_together(project: Project) -> None:
    """Every row once, in the table or in its quarantine, whichever definition judged it."""
    if project.kind is VIEW:
        project.check()
        return
    expected = project.kind.expected(project.rows)
    found = [project.read(name, columns) for name, (columns, _) in expected.items()]
    wanted = [rows for _, rows in expected.values()]
    assert found[0] + found[1] == wanted[0] + wanted[1]


@pytest.mark.faults
@pytest.mark.parametrize("name", ["lease.acquired:1", "commit.linked:1", "store.write:8"])
def test_a_table_that_was_not_there_when_it_was_taken_over(make: Make, name: str) -> None:
    """Both make the table; the one that was taken over writes nothing into it."""
    project = make(SPLIT, 0, **EXPIRING)
    schema = ", schema => 'id BIGINT, amount BIGINT')"
    sql = project.kind.sql.replace(" => 2)", f" => 2{schema}")
    (project.folder / "pipe.sql").write_text(sql)
    stopped = project.start(failpoint=f"{name}:stop")
    assert stopped.is_stopped()
    edit = sql.replace("amount > 0", "amount > 1")
    (project.folder / "pipe.sql").write_text(edit)
    code, said = project.run()  # makes the tables and finds nothing to read
    assert code == 0, said
    project.drop()
    before = versions(project)
    stopped.wake()
    code, said = stopped.wait()
    assert code == 1, said
    assert "Epoch" in said
    assert versions(project) == before


@pytest.mark.faults
def test_two_updates_of_an_expiring_lease_at_once(make: Make) -> None:
    project = make(SPLIT, 3, **EXPIRING)
    ended = sorted(child.wait() for child in [project.start(hurry=False) for _ in range(2)])
    (code, said), (other, told) = ended
    assert code == 0, said
    assert other == 0 or any(word in told for word in ("Another", "Epoch", "ended by a later"))
    project.finish()


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(12))
def test_many_holders_stopped_and_woken(make: Make, seed: int) -> None:
    """Several are stopped one after the other, and all wake while another one runs."""
    chance = random.Random(seed)
    print(f"seed {seed}")
    project = make(SPLIT, 2, **EXPIRING)
    stopped = []
    for _ in range(3):
        child = project.start(failpoint=f"store.write:{chance.randint(3, 30)}:stop")
        if child.is_stopped():
            stopped.append(child)
        project.drop()
    last = project.start(failpoint=f"store.write:{chance.randint(3, 20)}:stop")
    running = last.is_stopped()
    for child in stopped:
        child.wake()
    if running:
        last.wake()
    codes = [child.wait() for child in (*stopped, *[last] * running)]
    assert all(code in (0, 1) for code, _ in codes), codes
    project.finish()
