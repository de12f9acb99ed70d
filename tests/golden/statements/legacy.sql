-- ==== the spellings of earlier years
CREATE LIVE TABLE a AS SELECT 1;
CREATE OR REFRESH LIVE TABLE b COMMENT 'b' AS SELECT 1;
CREATE OR REPLACE LIVE TABLE c AS SELECT 1;
CREATE STREAMING LIVE TABLE d AS SELECT 1;
CREATE OR REFRESH STREAMING LIVE TABLE e;
CREATE INCREMENTAL LIVE TABLE f AS SELECT 1;
CREATE LIVE VIEW g AS SELECT 1;
CREATE STREAMING LIVE VIEW h AS SELECT 1;
CREATE TEMPORARY LIVE VIEW i AS SELECT 1;
CREATE TEMPORARY STREAMING LIVE VIEW j AS SELECT 1;
CREATE INCREMENTAL LIVE VIEW k AS SELECT 1;
-- ---- expected
1:1 materialized_view a
  query 1:24 | SELECT 1
2:1 materialized_view b
  comment 'b'
  query 2:47 | SELECT 1
3:1 materialized_view c
  query 3:35 | SELECT 1
4:1 streaming_table d
  query 4:34 | SELECT 1
5:1 streaming_table e
6:1 streaming_table f
  query 6:36 | SELECT 1
7:1 view g
  query 7:23 | SELECT 1
8:1 view h
  query 8:33 | SELECT 1
9:1 view i
  query 9:33 | SELECT 1
10:1 view j
  query 10:43 | SELECT 1
11:1 view k
  query 11:35 | SELECT 1

-- ==== constraints alone
CREATE OR REFRESH STREAMING LIVE TABLE a(
  CONSTRAINT `ID is given` EXPECT (id IS NOT NULL) ON VIOLATION FAIL UPDATE
)
AS SELECT * FROM STREAM(LIVE.raw)
-- ---- expected
1:1 streaming_table a
  expect 2:3 fail 'ID is given': 2:36 | id IS NOT NULL
  query 4:4 | SELECT * FROM STREAM(LIVE.raw)

