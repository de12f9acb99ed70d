SELECT
  (SELECT count(*) FROM played_quarantine) AS fixtures,
  (SELECT count(*) FROM goals_quarantine) AS goals,
  (SELECT count(*) FROM played_quarantine) + (SELECT count(*) FROM goals_quarantine) AS refused
