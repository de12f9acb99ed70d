-- Which teams have met most often?
SELECT team, opponent, played, won, drawn, lost, goals_for, goals_against, last_met
FROM head_to_head WHERE team < opponent ORDER BY played DESC, team LIMIT 5
