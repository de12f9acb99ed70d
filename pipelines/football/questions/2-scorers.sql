-- Who scored most, among the goals on record?
SELECT place, scorer, team, goals, penalties, last_goal
FROM top_scorers ORDER BY place, scorer LIMIT 5
