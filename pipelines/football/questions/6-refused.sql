-- Which matches were refused, and why?
SELECT date, home_team, away_team, home_score, away_score, _violated_expectations AS why
FROM matches_quarantine
UNION ALL
SELECT date, home_team, away_team, home_score, away_score, _violated_expectations
FROM played_quarantine
ORDER BY date, home_team LIMIT 5
