"""What every table of the football example should hold, with the csv module alone."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

DATA = Path(__file__).parents[2] / "data" / "football"

Row = tuple[object, ...]
Rows = Counter[Row]
"""Rows as a bag, and the header as one more."""


def as_rows(found: Iterable[Mapping[str, object]]) -> Rows:
    """The same of rows with names."""
    known = list(found)
    names = sorted(known[0])
    return Counter([tuple(names), *(tuple(frozen(row[name]) for name in names) for row in known)])


def frozen(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


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
