-- ==== a streaming table with everything
CREATE OR REFRESH STREAMING TABLE main.bronze.clicks (
  user_id BIGINT NOT NULL COMMENT 'who',
  ts TIMESTAMP,
  tags MAP<STRING, ARRAY<DECIMAL(10, 2)>>,
  CONSTRAINT has_ts EXPECT (ts IS NOT NULL) ON VIOLATION DROP ROW,
  CONSTRAINT sane_user EXPECT (user_id > 0)
)
USING DELTA
PARTITIONED BY (ts, `user_id`)
COMMENT 'Clicks; as they come'
TBLPROPERTIES ('quality' = 'bronze')
AS SELECT * FROM STREAM read_files('/landing/clicks', format => 'json');
-- ---- expected
1:1 streaming_table main.bronze.clicks
  column 2:3 user_id BIGINT NOT NULL COMMENT 'who'
  column 3:3 ts TIMESTAMP
  column 4:3 tags MAP<STRING, ARRAY<DECIMAL(10,2)>>
  expect 5:3 drop 'has_ts': 5:29 | ts IS NOT NULL
  expect 6:3 warn 'sane_user': 6:32 | user_id > 0
  comment 'Clicks; as they come'
  property quality = 'bronze'
  partition ['ts', 'user_id']
  query 12:4 | SELECT * FROM STREAM read_files('/landing/clicks', format => 'json')

-- ==== clauses in another order, lower case
create streaming table t tblproperties (a = 1) comment "x" cluster by (k) as select 1 as k
-- ---- expected
1:1 streaming_table t
  comment 'x'
  property a = '1'
  cluster ['k']
  query 1:78 | select 1 as k

-- ==== a target that only flows fill
CREATE STREAMING TABLE target;
CREATE OR REPLACE STREAMING TABLE IF NOT EXISTS typed (id INT);
-- ---- expected
1:1 streaming_table target
2:1 streaming_table typed
  column 2:56 id INT

-- ==== a materialized view
CREATE MATERIALIZED VIEW daily AS
WITH a AS (SELECT 1)
SELECT * FROM a;
-- ---- expected
1:1 materialized_view daily
  query 2:1 | WITH a AS (SELECT 1)
    | SELECT * FROM a

-- ==== names
CREATE MATERIALIZED VIEW `my catalog`.silver . `a``b` AS SELECT 1;
CREATE MATERIALIZED VIEW LIVE.x AS SELECT 1;
CREATE MATERIALIZED VIEW größe AS SELECT 1;
CREATE MATERIALIZED VIEW 2019_sales AS SELECT 1;
-- ---- expected
1:1 materialized_view `my catalog`.silver.`a``b`
  query 1:58 | SELECT 1
2:1 materialized_view LIVE.x
  query 2:36 | SELECT 1
3:1 materialized_view größe
  query 3:35 | SELECT 1
4:1 materialized_view 2019_sales
  query 4:40 | SELECT 1

-- ==== the query keeps its characters
CREATE MATERIALIZED VIEW a AS -- not of the query
  SELECT  /* yes */ 1, -- one
    'x;y'   AS "b"
  /* not any more */ ;
-- ---- expected
1:1 materialized_view a
  query 2:3 | SELECT  /* yes */ 1, -- one
    |     'x;y'   AS "b"

-- ==== no space around AS
CREATE MATERIALIZED VIEW a COMMENT 'x'AS(SELECT 1)
-- ---- expected
1:1 materialized_view a
  comment 'x'
  query 1:41 | (SELECT 1)

-- ==== words of clauses as names of columns and tables
CREATE MATERIALIZED VIEW comment (location INT, schedule STRING COMMENT 'when') PARTITIONED BY (location)
AS SELECT create, flow, view FROM location;
-- ---- expected
1:1 materialized_view comment
  column 1:35 location INT
  column 1:49 schedule STRING COMMENT 'when'
  partition ['location']
  query 2:4 | SELECT create, flow, view FROM location

