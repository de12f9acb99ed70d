-- Who leads the all-time table?
SELECT place, team, played, won, drawn, lost, goals_for, goals_against, points
FROM all_time_table ORDER BY place LIMIT 5
