-- Whose last ten matches, the latest one last, were the best?
SELECT team, results, points, goals_for, goals_against, last_match
FROM form WHERE last_match >= DATE '2026-01-01'
ORDER BY points DESC, goals_for - goals_against DESC, team LIMIT 5
