"""Kills of updates whose queries are functions, and of the child that runs them."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.faults.project import READ, WHOLE, Kind, Project

NATIVE = Kind(
    "native",
    f"""\
import os
import pathlib
import polars as pl
import pyarrow as pa
from lakeflow import pipelines as dp

DYING = pathlib.Path(__file__).with_name("die")

@dp.table
def bronze():
    return dp.sql("SELECT * FROM {READ.replace("'", chr(92) + "'")}")

@dp.table
@dp.expect_or_fail("has id", "id IS NOT NULL")
@dp.expect_or_quarantine("positive", "amount > 0")
def silver(bronze: pa.RecordBatchReader):
    for batch in bronze:
        if len(batch) and DYING.exists():
            DYING.unlink()
            os.kill(os.getpid(), 9)
        yield batch.select(["id", "amount"])

@dp.materialized_view
def gold(silver: pl.LazyFrame):
    return silver.group_by("amount").agg(n=pl.len().cast(pl.Int64))
""",
    WHOLE.expected,
    language="py",
)


@pytest.fixture
def native(make: Callable[..., Project]) -> Project:
    return make(NATIVE)


def test_the_child_is_killed_in_the_middle_of_a_batch(native: Project) -> None:
    die = native.folder / "die"
    for _ in range(2):
        die.touch()
        code, said = native.run()
        assert (code, die.exists()) == (1, False), said
        assert "The process that ran silver has died (SIGKILL" in said
        native.tally["kills"] += 1
        native.drop()
    native.finish()


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(12))
def test_parent_and_child_are_killed(native: Project, seed: int) -> None:
    """The parent at seeded writes of the store, the child at its first batch."""
    print(f"seed {seed}")
    chance = random.Random(seed)
    for _ in range(3):
        if chance.random() < 0.5:
            (native.folder / "die").touch()
        native.run(failpoint=f"store.write:{chance.randint(1, 25)}:kill")
        if chance.random() < 0.5:
            native.drop()
    (native.folder / "die").unlink(missing_ok=True)
    native.finish()
