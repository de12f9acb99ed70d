-- Every men's full international since 1872, from yearly drops to tables people look at.
-- A match decided by a penalty shoot-out is a draw, as in every official table.

-- As delivered -------------------------------------------------------------------------------

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

CREATE OR REFRESH STREAMING TABLE shootouts_raw
COMMENT 'Penalty shoot-outs as they were delivered'
AS SELECT * FROM STREAM read_files(
  '../../../data/football/shootouts', format => 'csv', header => true);

CREATE OR REFRESH STREAMING TABLE former_names
COMMENT 'Earlier names of teams and when they were valid'
AS SELECT current AS team, former AS name, start_date, end_date
FROM STREAM read_files(
  '../../../data/football/former_names', format => 'csv', header => true);

-- With rules ---------------------------------------------------------------------------------

CREATE OR REFRESH STREAMING TABLE played (
  CONSTRAINT `has a score` EXPECT (home_score IS NOT NULL AND away_score IS NOT NULL)
    ON VIOLATION QUARANTINE,
  CONSTRAINT `two teams` EXPECT (home_team <> away_team) ON VIOLATION FAIL UPDATE
)
COMMENT 'Matches that were played; fixtures without a score wait in the quarantine'
AS SELECT date, home_team, away_team, home_score, away_score, tournament, city, country, neutral
FROM STREAM matches_raw;

CREATE OR REFRESH STREAMING TABLE goals (
  CONSTRAINT `has a scorer` EXPECT (scorer IS NOT NULL AND scorer <> 'NA') ON VIOLATION QUARANTINE,
  CONSTRAINT `has a minute` EXPECT (minute IS NOT NULL)
)
COMMENT 'Goals with their scorers; not every match has them'
AS SELECT date, home_team, away_team, team, scorer, minute, own_goal, penalty
FROM STREAM goals_raw;

CREATE TEMPORARY VIEW reports
COMMENT 'Matches, and how often each was reported'
AS SELECT *, count(*) OVER (PARTITION BY date, home_team, away_team) AS reports FROM played;

CREATE OR REFRESH MATERIALIZED VIEW matches (
  CONSTRAINT `reported once` EXPECT (reports = 1) ON VIOLATION QUARANTINE
)
COMMENT 'Matches that count; two reports of one match are kept apart until somebody knows'
AS SELECT * FROM reports;

CREATE OR REFRESH MATERIALIZED VIEW shootouts (
  CONSTRAINT `belongs to a match` EXPECT (tournament IS NOT NULL) ON VIOLATION QUARANTINE
)
COMMENT 'Matches that were decided by penalties'
AS SELECT s.date, s.home_team, s.away_team, s.winner,
          CASE WHEN s.winner = s.home_team THEN s.away_team ELSE s.home_team END AS loser,
          m.tournament
FROM shootouts_raw s
LEFT JOIN matches m
  ON m.date = s.date AND m.home_team = s.home_team AND m.away_team = s.away_team;

CREATE TEMPORARY VIEW sides
COMMENT 'Each match once for each of its teams'
AS WITH both AS (
  SELECT date, home_team AS team, away_team AS opponent, home_score AS scored,
         away_score AS conceded FROM matches
  UNION ALL
  SELECT date, away_team, home_team, away_score, home_score FROM matches
)
SELECT *, CASE WHEN scored > conceded THEN 'W' WHEN scored = conceded THEN 'D' ELSE 'L' END
         AS result
FROM both;

-- To look at ---------------------------------------------------------------------------------

CREATE OR REFRESH MATERIALIZED VIEW all_time_table
COMMENT 'Every team over all of its matches, three points for a win'
AS WITH penalties AS (
  SELECT team, count_if(won) AS shootouts_won, count_if(NOT won) AS shootouts_lost
  FROM (SELECT winner AS team, true AS won FROM shootouts
        UNION ALL
        SELECT loser, false FROM shootouts)
  GROUP BY team
), totals AS (
  SELECT team, count(*) AS played, count_if(result = 'W') AS won, count_if(result = 'D') AS drawn,
         count_if(result = 'L') AS lost, sum(scored) AS goals_for, sum(conceded) AS goals_against
  FROM sides GROUP BY team
)
SELECT rank() OVER (ORDER BY 3 * won + drawn DESC, goals_for - goals_against DESC, goals_for DESC)
         AS place,
       totals.*, 3 * won + drawn AS points,
       coalesce(shootouts_won, 0) AS shootouts_won, coalesce(shootouts_lost, 0) AS shootouts_lost
FROM totals LEFT JOIN penalties ON penalties.team = totals.team;

CREATE OR REFRESH MATERIALIZED VIEW head_to_head
COMMENT 'Every team against every other it has met'
AS SELECT team, opponent, count(*) AS played, count_if(result = 'W') AS won,
          count_if(result = 'D') AS drawn, count_if(result = 'L') AS lost,
          sum(scored) AS goals_for, sum(conceded) AS goals_against, max(date) AS last_met
FROM sides GROUP BY team, opponent;

CREATE OR REFRESH MATERIALIZED VIEW top_scorers
COMMENT 'Goals of each player for a team, as far as they are recorded; own goals do not count'
AS SELECT rank() OVER (ORDER BY count(*) DESC) AS place, scorer, team, count(*) AS goals,
          count_if(penalty) AS penalties, min(date) AS first_goal, max(date) AS last_goal
FROM goals WHERE NOT own_goal GROUP BY scorer, team;

CREATE OR REFRESH MATERIALIZED VIEW form
COMMENT 'The last ten matches of each team, the latest one last'
AS WITH latest AS (
  SELECT *, row_number() OVER (PARTITION BY team
                               ORDER BY date DESC, opponent DESC, scored DESC, conceded DESC) AS nth
  FROM sides
), recent AS (
  SELECT team, date, nth, scored, conceded, result,
         collect_list(result) OVER (PARTITION BY team ORDER BY nth DESC
                                    ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS results
  FROM latest WHERE nth <= 10
)
SELECT team, max_by(results, -nth) AS results, count(*) AS played,
       3 * count_if(result = 'W') + count_if(result = 'D') AS points,
       sum(scored) AS goals_for, sum(conceded) AS goals_against, max(date) AS last_match
FROM recent GROUP BY team;

CREATE OR REFRESH MATERIALIZED VIEW unbeaten_runs
COMMENT 'The longest run of each team without a defeat; the first of them if several are as long'
AS WITH numbered AS (
  SELECT *, count_if(result = 'L') OVER (
              PARTITION BY team ORDER BY date, opponent, scored, conceded
              ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS defeats
  FROM sides
), runs AS (
  SELECT team, count(*) AS matches, count_if(result = 'W') AS won, min(date) AS first_match,
         max(date) AS last_match
  FROM numbered WHERE result <> 'L' GROUP BY team, defeats
), ordered AS (
  SELECT *, row_number() OVER (PARTITION BY team ORDER BY matches DESC, first_match) AS nth
  FROM runs
)
SELECT rank() OVER (ORDER BY matches DESC) AS place, team, matches, won, first_match, last_match
FROM ordered WHERE nth = 1;

CREATE OR REFRESH MATERIALIZED VIEW earlier_names
COMMENT 'What teams did under the names they had before'
AS SELECT s.team, f.name, count(*) AS played, count_if(s.result = 'W') AS won,
          count_if(s.result = 'D') AS drawn, count_if(s.result = 'L') AS lost,
          min(s.date) AS first_match, max(s.date) AS last_match
FROM sides s JOIN former_names f
  ON f.team = s.team AND s.date BETWEEN f.start_date AND f.end_date
GROUP BY s.team, f.name;
