-- Every men's full international since 1872, from yearly drops to tables people look at.

CREATE OR REFRESH STREAMING TABLE matches_raw
COMMENT 'Matches as they were delivered'
AS SELECT * FROM STREAM read_files(
  '../../../data/football/results', format => 'csv', header => true,
  schemaHints => 'home_score INT, away_score INT');

CREATE OR REFRESH STREAMING TABLE goals_raw
COMMENT 'Goals as they were delivered'
AS SELECT * FROM STREAM read_files(
  '../../../data/football/goalscorers', format => 'csv', header => true,
  schemaHints => 'minute INT');

CREATE OR REFRESH STREAMING TABLE matches (
  CONSTRAINT `has a score` EXPECT (home_score IS NOT NULL AND away_score IS NOT NULL)
    ON VIOLATION QUARANTINE,
  CONSTRAINT `two teams` EXPECT (home_team <> away_team) ON VIOLATION FAIL UPDATE
)
COMMENT 'Matches that were played'
AS SELECT date, home_team, away_team, home_score, away_score, tournament, country, neutral
FROM STREAM matches_raw;

CREATE OR REFRESH STREAMING TABLE goals (
  CONSTRAINT `has a scorer` EXPECT (scorer IS NOT NULL AND scorer <> 'NA') ON VIOLATION QUARANTINE,
  CONSTRAINT `has a minute` EXPECT (minute IS NOT NULL)
)
COMMENT 'Goals with their scorers'
AS SELECT date, home_team, away_team, team, scorer, minute, own_goal, penalty
FROM STREAM goals_raw;

CREATE TEMPORARY VIEW sides AS
SELECT date, home_team AS team, away_team AS opponent, home_score AS scored,
       away_score AS conceded FROM matches
UNION ALL
SELECT date, away_team AS team, home_team AS opponent, away_score AS scored,
       home_score AS conceded FROM matches;

CREATE OR REFRESH MATERIALIZED VIEW all_time_table
COMMENT 'Every team over all of its matches'
AS SELECT team, count(*) AS played,
          sum(CASE WHEN scored > conceded THEN 1 ELSE 0 END) AS won,
          sum(CASE WHEN scored = conceded THEN 1 ELSE 0 END) AS drawn,
          sum(CASE WHEN scored < conceded THEN 1 ELSE 0 END) AS lost,
          sum(scored) AS goals_for, sum(conceded) AS goals_against
FROM sides GROUP BY team;

CREATE OR REFRESH MATERIALIZED VIEW head_to_head
COMMENT 'Every team against every other'
AS SELECT team, opponent, count(*) AS played, sum(scored) AS goals_for,
          sum(conceded) AS goals_against
FROM sides GROUP BY team, opponent;

CREATE OR REFRESH MATERIALIZED VIEW top_scorers
COMMENT 'Goals per player, own goals left out'
AS SELECT scorer, team, count(*) AS goals,
          sum(CASE WHEN penalty THEN 1 ELSE 0 END) AS penalties
FROM goals WHERE NOT own_goal GROUP BY scorer, team;
