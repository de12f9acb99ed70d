-- Which teams went longest without a defeat?
SELECT place, team, matches, won, first_match, last_match
FROM unbeaten_runs ORDER BY place, team LIMIT 5
