"""The football example, against the same tables computed with the csv module alone."""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

ROOT = Path(__file__).parents[2]
DATA = ROOT / "data" / "football"
SOURCES = ("results", "goalscorers", "shootouts", "former_names")

Row = tuple[object, ...]
Rows = Counter[Row]


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


def as_rows(found: Iterable[Mapping[str, object]]) -> Rows:
    """The same of rows with names."""
    known = list(found)
    names = sorted(known[0])
    return Counter([tuple(names), *(tuple(frozen(row[name]) for name in names) for row in known)])


def frozen(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


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


# The oracle ----------------------------------------------------------------------------------


def read(source: str) -> Iterator[dict[str, object]]:
    """The lines of a source as the pipeline should type them: what is not a number is unknown."""
    for path in sorted((DATA / source).glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as lines:
            for line in csv.DictReader(lines):
                yield {name: typed(name, value) for name, value in line.items()}


def typed(name: str, value: str) -> object:
    if name in ("home_score", "away_score", "minute"):
        return int(value) if value.isdigit() else None
    if name in ("date", "start_date", "end_date"):
        return date.fromisoformat(value)
    if name in ("neutral", "own_goal", "penalty"):
        return value == "TRUE"
    return value or None


def match_key(row: Mapping[str, object]) -> Row:
    return row["date"], row["home_team"], row["away_team"]


@dataclass(frozen=True)
class Side:
    """A match as one of its teams sees it."""

    team: str
    date: date
    opponent: str
    scored: int
    conceded: int

    @property
    def result(self) -> str:
        return "WDL"[(self.scored <= self.conceded) + (self.scored < self.conceded)]

    @property
    def order(self) -> Row:
        return self.date, self.opponent, self.scored, self.conceded


class Oracle:
    """What every table of the example should hold."""

    def __init__(self) -> None:
        self.results = list(read("results"))
        reports = Counter(match_key(row) for row in self.results if row["home_score"] is not None)
        self.played = [row for row in self.results if row["home_score"] is not None]
        counted = [row | {"reports": reports[match_key(row)]} for row in self.played]
        self.matches = [row for row in counted if row["reports"] == 1]
        self.doubled = [row for row in counted if row["reports"] != 1]
        self.goals = list(read("goalscorers"))
        tournaments = {match_key(row): row["tournament"] for row in self.matches}
        self.shootouts = [
            {k: row[k] for k in ("date", "home_team", "away_team", "winner")}
            | {
                "loser": row["away_team"]
                if row["winner"] == row["home_team"]
                else row["home_team"],
                "tournament": tournaments.get(match_key(row)),
            }
            for row in read("shootouts")
        ]
        self.sides: dict[str, list[Side]] = defaultdict(list)
        for row in self.matches:
            home, away = str(row["home_team"]), str(row["away_team"])
            scores = row["home_score"], row["away_score"]
            self.sides[home].append(Side(home, row["date"], away, *scores))
            self.sides[away].append(Side(away, row["date"], home, *reversed(scores)))
        for sides in self.sides.values():
            sides.sort(key=lambda side: side.order)

    def tables(self) -> dict[str, Rows]:
        named = [row for row in self.goals if row["scorer"] != "NA"]
        nameless = [
            row | {"_violated_expectations": ["has a scorer", "has a minute"]}
            for row in self.goals
            if row["scorer"] == "NA"
        ]
        fixtures = [
            row | {"_violated_expectations": ["has a score"]}
            for row in self.results
            if row["home_score"] is None
        ]
        return {
            "matches_raw": as_rows(self.results),
            "goals_raw": as_rows(self.goals),
            "shootouts_raw": as_rows(read("shootouts")),
            "former_names": as_rows(
                {"team": row["current"], "name": row["former"]}
                | {k: row[k] for k in ("start_date", "end_date")}
                for row in read("former_names")
            ),
            "played": as_rows(self.played),
            "played_quarantine": as_rows(fixtures),
            "goals": as_rows(named),
            "goals_quarantine": as_rows(nameless),
            "matches": as_rows(self.matches),
            "matches_quarantine": as_rows(
                row | {"_violated_expectations": ["reported once"]} for row in self.doubled
            ),
            "shootouts": as_rows(row for row in self.shootouts if row["tournament"]),
            "shootouts_quarantine": as_rows(
                row | {"_violated_expectations": ["belongs to a match"]}
                for row in self.shootouts
                if not row["tournament"]
            ),
            "all_time_table": as_rows(self.all_time_table()),
            "head_to_head": as_rows(self.head_to_head()),
            "top_scorers": as_rows(self.top_scorers(named)),
            "form": as_rows(self.form()),
            "unbeaten_runs": as_rows(self.unbeaten_runs()),
            "earlier_names": as_rows(self.earlier_names()),
        }

    def all_time_table(self) -> Iterator[dict[str, object]]:
        decided = [row for row in self.shootouts if row["tournament"]]
        winners = Counter(row["winner"] for row in decided)
        losers = Counter(row["loser"] for row in decided)
        table = [
            {"team": team, **totals(sides)}
            | {"shootouts_won": winners[team], "shootouts_lost": losers[team]}
            for team, sides in self.sides.items()
        ]
        for row in table:
            row["points"] = 3 * row["won"] + row["drawn"]

        def merit(row: Mapping[str, int]) -> tuple[int, ...]:
            difference = row["goals_for"] - row["goals_against"]
            return row["points"], difference, row["goals_for"]

        return placed(table, merit)

    def head_to_head(self) -> Iterator[dict[str, object]]:
        for team, sides in self.sides.items():
            for opponent in {side.opponent for side in sides}:
                met = [side for side in sides if side.opponent == opponent]
                yield {"team": team, "opponent": opponent, **totals(met)} | {
                    "last_met": met[-1].date
                }

    def top_scorers(self, named: Sequence[Mapping[str, object]]) -> Iterator[dict[str, object]]:
        scored: dict[Row, list[Mapping[str, object]]] = defaultdict(list)
        for goal in named:
            if not goal["own_goal"]:
                scored[goal["scorer"], goal["team"]].append(goal)
        table = [
            {
                "scorer": scorer,
                "team": team,
                "goals": len(goals),
                "penalties": sum(bool(goal["penalty"]) for goal in goals),
                "first_goal": min(goal["date"] for goal in goals),
                "last_goal": max(goal["date"] for goal in goals),
            }
            for (scorer, team), goals in scored.items()
        ]
        return placed(table, lambda row: (row["goals"],))

    def form(self) -> Iterator[dict[str, object]]:
        for team, sides in self.sides.items():
            last = sides[-10:]
            found = totals(last)
            yield {
                "team": team,
                "results": [side.result for side in last],
                "played": len(last),
                "points": 3 * found["won"] + found["drawn"],
                "goals_for": found["goals_for"],
                "goals_against": found["goals_against"],
                "last_match": last[-1].date,
            }

    def unbeaten_runs(self) -> Iterator[dict[str, object]]:
        table = []
        for team, sides in self.sides.items():
            longest: list[Side] = []
            run: list[Side] = []
            for side in sides:
                run = [] if side.result == "L" else [*run, side]
                if len(run) > len(longest):
                    longest = run
            if longest:
                won = sum(side.result == "W" for side in longest)
                table.append(
                    {"team": team, "matches": len(longest), "won": won}
                    | {"first_match": longest[0].date, "last_match": longest[-1].date}
                )
        return placed(table, lambda row: (row["matches"],))

    def earlier_names(self) -> Iterator[dict[str, object]]:
        for name in read("former_names"):
            then = [
                side
                for side in self.sides[str(name["current"])]
                if name["start_date"] <= side.date <= name["end_date"]
            ]
            if then:
                found = {k: v for k, v in totals(then).items() if not k.startswith("goals")}
                yield {"team": name["current"], "name": name["former"], **found} | {
                    "first_match": then[0].date,
                    "last_match": then[-1].date,
                }


def totals(sides: Sequence[Side]) -> dict[str, int]:
    results = Counter(side.result for side in sides)
    return {
        "played": len(sides),
        "won": results["W"],
        "drawn": results["D"],
        "lost": results["L"],
        "goals_for": sum(side.scored for side in sides),
        "goals_against": sum(side.conceded for side in sides),
    }


def placed(table: Sequence[dict], merit) -> Iterator[dict[str, object]]:
    places: dict[object, int] = {}
    for place, found in enumerate(sorted(map(merit, table), reverse=True), start=1):
        places.setdefault(found, place)
    for row in table:
        yield row | {"place": places[merit(row)]}


@pytest.fixture(scope="session")
def oracle() -> dict[str, Rows]:
    return Oracle().tables()


def same(found: Mapping[str, Rows], wanted: Mapping[str, Rows]) -> None:
    assert found.keys() == wanted.keys()
    for name, rows in wanted.items():
        missing, extra = rows - found[name], found[name] - rows
        assert not missing, (name, missing.most_common(3), extra.most_common(3))
        assert not extra, (name, extra.most_common(3))


# The tests -----------------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    ("language", "order"), [("sql", "by year"), ("sql", "random"), ("python", "random")]
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
    """The files in three drops, each source in the first."""
    for_sure = {next((DATA / source).glob("*.csv")) for source in SOURCES}
    rest = sorted(set(files()) - for_sure, key=lambda path: path.name)
    if order == "random":
        chance.shuffle(rest)
    third = len(rest) // 3
    yield [*for_sure, *rest[:third]]
    yield rest[third : 2 * third]
    yield rest[2 * third :]
