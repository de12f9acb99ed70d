"""The football example, against the same tables computed with the csv module alone."""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from tests.examples.football_oracle import DATA, Oracle, Rows, frozen, read

ROOT = Path(__file__).parents[2]
SOURCES = ("results", "goalscorers", "shootouts", "former_names")


@dataclass(frozen=True)
class Project:
    """A copy of the example in a folder of its own, with as much of the data as was dropped."""

    folder: Path
    language: str

    def drop(self, files: Iterable[Path]) -> None:
        for file in files:
            place = self.folder / "data" / "football" / file.relative_to(DATA)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, place)

    def run(self) -> dict[str, dict[str, object]]:
        """One update; its flows by name."""
        path = self.folder / "pipelines" / "football" / self.language
        result = self._ask("run", str(path), "--json")[-1]
        return {flow["name"]: flow for flow in result["flows"]}

    def query(self, text: str) -> list[dict[str, object]]:
        return self._ask("query", "-", "--json", said=text)

    def _ask(self, *arguments: str, said: str = "") -> list[dict]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("LAKEFLOW_")}
        environment["LAKEFLOW_LAKEHOUSE"] = str(self.folder / "lake")
        done = subprocess.run(
            [sys.executable, "-m", "lakeflow", *arguments],
            check=False,
            input=said,
            env=environment,
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def places(self) -> dict[str, Path]:
        """The folder of every table that the pipeline made."""
        found = (self.folder / "lake" / "main" / "default").iterdir()
        return {path.name: path for path in found if not path.name.startswith("event_log")}

    def tables(self) -> dict[str, Rows]:
        """Every table that the pipeline made, by a reader that knows nothing of Lakeflow."""
        return {name: rows(path) for name, path in self.places().items()}

    def columns(self) -> dict[str, list[tuple[str, str]]]:
        return {
            name: [(f.name, str(f.type)) for f in DeltaTable(str(path)).schema().fields]
            for name, path in self.places().items()
        }

    def versions(self) -> dict[str, int]:
        return {name: DeltaTable(str(path)).version() for name, path in self.places().items()}


def records(table: Path) -> pa.Table:
    """A table's columns by name, whatever their order; one that names a path is left out."""
    files = DeltaTable(str(table)).file_uris()
    found = pa.concat_tables(pq.read_table(file, partitioning=None) for file in files)
    return found.select(sorted(set(found.column_names) - {"_rescued_data"}))


def rows(table: Path) -> Rows:
    """The rows of a Delta table, and its header as one more."""
    found = records(table)
    columns = [map(frozen, column.to_pylist()) for column in found.columns]
    return Counter([tuple(found.column_names), *zip(*columns, strict=True)])


def files() -> list[Path]:
    return [path for source in SOURCES for path in sorted((DATA / source).glob("*.csv"))]


def project(folder: Path, language: str) -> Project:
    shutil.copytree(
        ROOT / "pipelines" / "football" / language, folder / "pipelines" / "football" / language
    )
    return Project(folder, language)


@pytest.fixture(scope="module")
def in_sql(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return all_at_once(tmp_path_factory.mktemp("sql"), "sql")


@pytest.fixture(scope="module")
def in_python(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return all_at_once(tmp_path_factory.mktemp("python"), "python")


@pytest.fixture(params=["sql", "python"])
def whole(request: pytest.FixtureRequest) -> Project:
    """Everything dropped at once, and one update."""
    return request.getfixturevalue(f"in_{request.param}")


def all_at_once(folder: Path, language: str) -> Project:
    made = project(folder, language)
    made.drop(files())
    made.run()
    return made


@pytest.fixture(scope="session")
def oracle() -> dict[str, Rows]:
    return Oracle().tables()


def same(found: Mapping[str, Rows], wanted: Mapping[str, Rows]) -> None:
    assert found.keys() == wanted.keys()
    for name, rows in wanted.items():
        missing, extra = rows - found[name], found[name] - rows
        assert not missing, (name, missing.most_common(3), extra.most_common(3))
        assert not extra, (name, extra.most_common(3))


def test_every_table_holds_what_a_plain_reading_of_the_files_gives(
    whole: Project, oracle: dict[str, Rows]
) -> None:
    same(whole.tables(), oracle)


def test_sql_and_python_make_the_same_columns(in_sql: Project, in_python: Project) -> None:
    """That the rows are the same follows from the test above."""
    assert in_sql.columns() == in_python.columns()


def test_the_real_dirt_is_where_it_belongs(oracle: dict[str, Rows]) -> None:
    """Guards the oracle: these numbers are known of the data set."""
    sizes = {name: rows.total() - 1 for name, rows in oracle.items()}
    assert sizes["matches_raw"] == 49_520 + 72
    assert sizes["played_quarantine"] == 72
    assert sizes["goals_quarantine"] == 44
    assert sizes["matches_quarantine"] == 2
    assert sizes["shootouts_quarantine"] == 1
    assert sum(goal["minute"] is None for goal in read("goalscorers")) == 254


def test_a_fan_finds_what_is_known(whole: Project) -> None:
    places = whole.places()
    names = ("all_time_table", "unbeaten_runs", "top_scorers", "shootouts")
    tables = {name: records(places[name]).to_pylist() for name in names}
    first = {row["place"]: row for row in tables["all_time_table"]}
    assert [first[n]["team"] for n in (1, 2, 3)] == ["Brazil", "England", "Argentina"]
    italy = next(row for row in tables["unbeaten_runs"] if row["team"] == "Italy")
    assert (italy["matches"], italy["last_match"]) == (37, date(2021, 9, 8))
    assert [row["scorer"] for row in tables["top_scorers"] if row["place"] == 1] == [
        "Cristiano Ronaldo"
    ]
    final = next(
        row
        for row in tables["shootouts"]
        if (row["date"], row["tournament"]) == (date(2022, 12, 18), "FIFA World Cup")
    )
    assert (final["winner"], final["loser"]) == ("Argentina", "France")


def test_every_question_of_the_demo_is_answered(in_sql: Project) -> None:
    questions = sorted((ROOT / "pipelines" / "football" / "questions").glob("*.sql"))
    assert len(questions) == 6
    for question in questions:
        text = question.read_text()
        assert text.startswith("-- ")
        assert len(in_sql.query(text)) == 5, question.name


def test_nothing_new_is_no_work(whole: Project) -> None:
    before = whole.versions()
    flows = whole.run()
    assert {flow["rows"] for flow in flows.values()} == {0}
    assert whole.versions() == before


def test_polars_and_duckdb_see_the_same_rows(in_sql: Project) -> None:
    for name, place in in_sql.places().items():
        wanted = hashes(pl.from_arrow(records(place)))
        assert hashes(pl.read_delta(str(place))).equals(wanted), name
        files = DeltaTable(str(place)).file_uris()
        with duckdb.connect() as connection:
            assert hashes(connection.read_parquet(files).pl()).equals(wanted), name


def hashes(frame: pl.DataFrame) -> pl.Series:
    return frame.select(sorted(set(frame.columns) - {"_rescued_data"})).hash_rows().sort()


@pytest.mark.parametrize(
    ("language", "order"),
    [
        ("sql", "by year"),
        ("sql", "random"),
        ("python", "random"),
        pytest.param(
            "sql", "each year", marks=[pytest.mark.slow, pytest.mark.timeout(1800)], id="each year"
        ),
    ],
)
def test_several_drops_give_the_same_as_all_at_once(
    tmp_path: Path, language: str, order: str, oracle: dict[str, Rows], randomly_seed: int
) -> None:
    made = project(tmp_path, language)
    for group in groups(order, random.Random(randomly_seed)):
        made.drop(group)
        made.run()
    same(made.tables(), oracle)


@pytest.fixture
def randomly_seed(request: pytest.FixtureRequest) -> int:
    return request.config.getoption("randomly_seed")


def groups(order: str, chance: random.Random) -> Iterator[list[Path]]:
    """The files in three drops, or one for each year; each source in the first."""
    for_sure = {next((DATA / source).glob("*.csv")) for source in SOURCES}
    rest = sorted(set(files()) - for_sure, key=lambda path: path.name)
    if order == "random":
        chance.shuffle(rest)
    if order == "each year":
        yield list(for_sure)
        for _, group in itertools.groupby(rest, key=lambda path: path.name[:4]):
            yield list(group)
        return
    third = len(rest) // 3
    yield [*for_sure, *rest[:third]]
    yield rest[third : 2 * third]
    yield rest[2 * third :]
