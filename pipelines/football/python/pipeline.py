"""Every men's full international since 1872: the same tables as ../sql, with Polars and DuckDB.

Functions over Polars frames and DuckDB relations stand beside queries in SQL; a parameter names
the table that it gets, and its annotation says as what. A match decided by a penalty shoot-out is a
draw, as in every official table.
"""

import duckdb
import polars as pl

from lakeflow import pipelines as dp

DROPS = "../../../data/football"
MATCH = ["date", "home_team", "away_team"]
WON, DRAWN, LOST = ((pl.col("result") == result).sum() for result in "WDL")
PLAYED = pl.len().cast(pl.Int64)
TOTALS = {
    "played": PLAYED,
    "won": WON.cast(pl.Int64),
    "drawn": DRAWN.cast(pl.Int64),
    "lost": LOST.cast(pl.Int64),
    "goals_for": pl.col("scored").cast(pl.Int64).sum(),
    "goals_against": pl.col("conceded").cast(pl.Int64).sum(),
}


# As delivered


@dp.table(comment="Matches as they were delivered")
def matches_raw():
    return dp.sql(f"""SELECT * FROM STREAM read_files('{DROPS}/results', format => 'csv',
        header => true, schemaHints => 'home_score INT, away_score INT')""")


@dp.table(comment="Goals as they were delivered")
def goals_raw():
    return dp.sql(f"""SELECT * FROM STREAM read_files('{DROPS}/goalscorers', format => 'csv',
        header => true, schemaHints => 'minute INT')""")


@dp.table(comment="Penalty shoot-outs as they were delivered")
def shootouts_raw():
    return dp.sql(f"""SELECT * FROM STREAM read_files('{DROPS}/shootouts', format => 'csv',
        header => true)""")


@dp.table(comment="Earlier names of teams and when they were valid")
def former_names():
    return dp.sql(f"""SELECT current AS team, former AS name, start_date, end_date
        FROM STREAM read_files('{DROPS}/former_names', format => 'csv', header => true)""")


# With rules


@dp.table(comment="Matches that were played; fixtures without a score wait in the quarantine")
@dp.expect_or_quarantine("has a score", "home_score IS NOT NULL AND away_score IS NOT NULL")
@dp.expect_or_fail("two teams", "home_team <> away_team")
def played(matches_raw: pl.LazyFrame):
    return matches_raw.drop("_rescued_data")


@dp.table(comment="Goals with their scorers; not every match has them")
@dp.expect_or_quarantine("has a scorer", "scorer IS NOT NULL AND scorer <> 'NA'")
@dp.expect("has a minute", "minute IS NOT NULL")
def goals(goals_raw: pl.LazyFrame):
    return goals_raw.drop("_rescued_data")


@dp.materialized_view(
    comment="Matches that count; two reports of one match are kept apart until somebody knows"
)
@dp.expect_or_quarantine("reported once", "reports = 1")
def matches(played: duckdb.DuckDBPyRelation):
    return played.project("*, count(*) OVER (PARTITION BY date, home_team, away_team) AS reports")


@dp.materialized_view(comment="Matches that were decided by penalties")
@dp.expect_or_quarantine("belongs to a match", "tournament IS NOT NULL")
def shootouts(shootouts_raw: pl.LazyFrame, matches: pl.LazyFrame):
    home_won = pl.col("winner") == pl.col("home_team")
    return shootouts_raw.join(matches, on=MATCH, how="left").select(
        *MATCH,
        "winner",
        pl.when(home_won).then("away_team").otherwise("home_team").alias("loser"),
        "tournament",
    )


@dp.temporary_view(comment="Each match once for each of its teams")
def sides(matches: pl.LazyFrame):
    home = {"home_team": "team", "away_team": "opponent"}
    home |= {"home_score": "scored", "away_score": "conceded"}
    away = {"away_team": "team", "home_team": "opponent"}
    away |= {"away_score": "scored", "home_score": "conceded"}
    both = [
        matches.select("date", *(pl.col(old).alias(new) for old, new in names.items()))
        for names in (home, away)
    ]
    result = (
        pl.when(pl.col("scored") > pl.col("conceded"))
        .then(pl.lit("W"))
        .when(pl.col("scored") == pl.col("conceded"))
        .then(pl.lit("D"))
        .otherwise(pl.lit("L"))
    )
    return pl.concat(both).with_columns(result=result)


# To look at


@dp.materialized_view(comment="Every team over all of its matches, three points for a win")
def all_time_table(sides: pl.LazyFrame, shootouts: pl.LazyFrame):
    table = (
        sides.group_by("team")
        .agg(**TOTALS)
        .with_columns(points=3 * pl.col("won") + pl.col("drawn"))
    )
    for column, team in {"shootouts_won": "winner", "shootouts_lost": "loser"}.items():
        counts = shootouts.group_by(pl.col(team).alias("team")).agg(PLAYED.alias(column))
        table = table.join(counts, on="team", how="left")
    difference = pl.col("goals_for") - pl.col("goals_against")
    merit = pl.struct("points", difference.alias("difference"), "goals_for")
    place = merit.rank("min", descending=True).cast(pl.Int32)
    return table.with_columns(pl.col("shootouts_won", "shootouts_lost").fill_null(0)).select(
        place.alias("place"), pl.all()
    )


@dp.materialized_view(comment="Every team against every other it has met")
def head_to_head(sides: duckdb.DuckDBPyRelation):
    return sides.aggregate(
        """team, opponent, count(*) AS played, count_if(result = 'W')::BIGINT AS won,
        count_if(result = 'D')::BIGINT AS drawn, count_if(result = 'L')::BIGINT AS lost,
        sum(scored)::BIGINT AS goals_for, sum(conceded)::BIGINT AS goals_against,
        max(date) AS last_met""",
        "team, opponent",
    )


@dp.materialized_view(
    comment="Goals of each player for a team, as far as they are recorded; own goals do not count"
)
def top_scorers():
    return dp.sql("""SELECT rank() OVER (ORDER BY count(*) DESC) AS place, scorer, team,
        count(*) AS goals, count_if(penalty) AS penalties, min(date) AS first_goal,
        max(date) AS last_goal FROM goals WHERE NOT own_goal GROUP BY scorer, team""")


@dp.materialized_view(comment="The last ten matches of each team, the latest one last")
def form(sides: pl.LazyFrame):
    last = sides.sort("date", "opponent", "scored", "conceded").group_by("team").tail(10)
    return (
        last.group_by("team", maintain_order=True)
        .agg(results="result", last_match=pl.col("date").last(), **TOTALS)
        .select(
            "team",
            "results",
            "played",
            (3 * pl.col("won") + pl.col("drawn")).alias("points"),
            "goals_for",
            "goals_against",
            "last_match",
        )
    )


@dp.materialized_view(
    comment="The longest run of each team without a defeat; "
    "the first of them if several are as long"
)
def unbeaten_runs(sides: pl.LazyFrame):
    lost = pl.col("result") == "L"
    runs = (
        sides.sort("date", "opponent", "scored", "conceded")
        .with_columns(defeats=lost.cum_sum().over("team"))
        .filter(~lost)
        .group_by("team", "defeats")
        .agg(
            matches=PLAYED,
            won=TOTALS["won"],
            first_match=pl.col("date").min(),
            last_match=pl.col("date").max(),
        )
    )
    longest = runs.sort("matches", "first_match", descending=[True, False]).unique(
        "team", keep="first", maintain_order=True
    )
    place = pl.col("matches").rank("min", descending=True).cast(pl.Int32)
    return longest.select(
        place.alias("place"), "team", "matches", "won", "first_match", "last_match"
    )


@dp.materialized_view(comment="What teams did under the names they had before")
def earlier_names():
    return dp.sql("""SELECT s.team, f.name, count(*) AS played,
        count_if(s.result = 'W') AS won, count_if(s.result = 'D') AS drawn,
        count_if(s.result = 'L') AS lost, min(s.date) AS first_match, max(s.date) AS last_match
        FROM sides s JOIN former_names f
        ON f.team = s.team AND s.date BETWEEN f.start_date AND f.end_date
        GROUP BY s.team, f.name""")
