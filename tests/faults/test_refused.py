"""Tables and records that do not fit are refused with a way out, which then works."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from tests.faults.project import APPEND, SPLIT, WHOLE, Project

Make = Callable[..., Project]


def refused(project: Project, *said: str) -> None:
    """Twice the same: nothing is restarted from zero in silence."""
    for _ in range(2):
        code, found = project.run()
        assert code in (1, 2), found
        words = " ".join(found.split())
        for part in said:
            assert part in words


def rebuilt(project: Project, *tables: str) -> None:
    project.drop()
    code, said = project.run("--full-refresh", ",".join(tables))
    assert code == 0, said
    project.finish()


def commits(project: Project, name: str) -> list:
    return sorted((project.table(name) / "_delta_log").glob("*.json"))


@pytest.mark.parametrize("kind", [APPEND, SPLIT], ids=lambda kind: kind.name)
def test_missing_records(make: Make, kind) -> None:
    project = make(kind)
    assert project.run()[0] == 0
    table = "bronze" if kind is APPEND else "split"
    shutil.rmtree(project.table(table) / "_lakeflow")
    refused(project, f"into {table} are missing", f"--full-refresh {table}")
    rebuilt(project, table)


@pytest.mark.parametrize("gone", [1, 2])
def test_a_table_behind_its_records(make: Make, gone: int) -> None:
    """Somebody has put an older copy of the log in its place."""
    project = make(APPEND, 5)
    assert project.run()[0] == 0
    for path in commits(project, "bronze")[-gone:]:
        path.unlink()
    refused(project, "bronze", "--full-refresh bronze")
    rebuilt(project, "bronze")


def test_a_foreign_table_in_the_place_of_one(make: Make) -> None:
    project = make(APPEND)
    assert project.run()[0] == 0
    shutil.rmtree(project.table("bronze"))
    write_deltalake(str(project.table("bronze")), pa.table({"id": [1], "amount": [1]}))
    refused(project, "bronze is already there", "another lakehouse")
    assert len(commits(project, "bronze")) == 1
    shutil.rmtree(project.table("bronze"))
    rebuilt(project, "bronze")


def test_a_dropped_table(make: Make) -> None:
    """It is made again when asked, and whatever has read the old one says so."""
    project = make(WHOLE)
    assert project.run()[0] == 0
    shutil.rmtree(project.table("bronze"))
    refused(project, "bronze was made by this pipeline and is gone", "--full-refresh bronze")
    project.drop()
    code, said = project.run("--full-refresh", "bronze")
    assert code == 1, said
    refused(project, "bronze was refreshed in full or made again", "silver")
    rebuilt(project, "silver")


def test_a_dropped_quarantine(make: Make) -> None:
    """It is not made again, empty, as if no row had ever been refused."""
    project = make(SPLIT)
    assert project.run()[0] == 0
    shutil.rmtree(project.table("split_quarantine"))
    refused(project, "split_quarantine was made by this pipeline and is gone", "--full-refresh")
    rebuilt(project, "split")


@pytest.mark.parametrize("name", ["bronze", "silver_quarantine"])
def test_a_table_of_another_id(make: Make, name: str) -> None:
    """The same rows, but not the table that the records are about."""
    project = make(WHOLE)
    assert project.run()[0] == 0
    for path in commits(project, name):
        path.write_text(path.read_text().replace(table_id(project, name), "0" * 36))
    project.drop()
    refused(project, "another one now" if name != "bronze" else "bronze")
    rebuilt(project, "bronze", "silver", "gold")


def table_id(project: Project, name: str) -> str:
    text = commits(project, name)[0].read_text()
    return text.split('"metaData": {"id": "')[1][:36]


@pytest.mark.faults
@pytest.mark.parametrize("round_", range(5))
def test_two_updates_at_once(make: Make, round_: int) -> None:
    """With the lock one of them runs; the other is refused by name, or comes after."""
    project = make(WHOLE)
    ended = sorted(child.wait() for child in [project.start() for _ in range(2)])
    assert ended[0][0] == 0, ended
    if ended[1][0]:
        assert ended[1][0] == 1
        assert "Another update of this pipeline is running" in ended[1][1]
    project.finish()
