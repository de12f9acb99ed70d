SELECT count(*) AS matches, sum(home_score + away_score) AS goals, max(date) AS latest
FROM matches
WHERE tournament = :tournament
